"""Manifests: what may stand in one, and which sentence a mistake is answered with."""

from pathlib import Path

import pytest

from hub.manifest import ManifestError, read_manifest
from hub.webhook_spec import Topic, WebhookSpec, read_webhook

GOOD = """
name = "shop"
title = "Shop"
summary = "Orders."
tier = "bronze"

[secrets]
webhook = "The key"

[webhook]
scheme = "hmac-sha256-base64"
signature_header = "X-Signature"
topic_header = "X-Topic"
event_id_header = "X-Id"

[[topic]]
name = "orders/create"
entity = "order"
record = "order"

[[action]]
name = "upsert_order"
accepts = "order"
kind = "upsert"
"""


def written(folder: Path, text: str, name: str = "shop") -> Path:
    path = folder / name / "manifest.toml"
    path.parent.mkdir()
    path.write_text(text, "utf-8")
    return path


def test_a_manifest_is_read(tmp_path: Path) -> None:
    manifest = read_manifest(written(tmp_path, GOOD))

    assert manifest.webhook == WebhookSpec("hmac-sha256-base64", "X-Signature", "X-Topic", "X-Id")
    assert manifest.topic == (Topic("orders/create", "order", "order"),)
    assert [action.name for action in manifest.action] == ["upsert_order"]
    assert manifest.event_type("orders/create") == "shop.orders/create"


def test_the_webhook_lambda_reads_the_same_facts(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD.replace("[webhook]", '[webhook]\nmethods = ["POST", "PUT"]'))

    spec, topics = read_webhook(path)

    manifest = read_manifest(path)
    assert spec == manifest.webhook
    assert tuple(topics.values()) == manifest.topic
    assert spec.methods == ("POST", "PUT")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('title = "Shop"', "", "title: Field required"),
        ('tier = "bronze"', 'tier = "brass"', "tier: Input should be 'bronze', 'silver' or 'gold'"),
        ('title = "Shop"', 'title = "Shop"\nsurprise = 1', "surprise: Extra inputs are not permitted"),
        ('scheme = "hmac', 'secrte = "x"\nscheme = "hmac', "webhook.secrte: Unexpected keyword argument"),
        ('entity = "order"', 'entity = "order"\nentitiy_id = "id"', "topic.0.entitiy_id: Unexpected keyword argument"),
        ('kind = "upsert"', 'kind = "insert"', "action.0.kind: Input should be 'upsert' or 'once'"),
        ('kind = "upsert"', 'kind = "upsert"\nonce = 1', "action.0.once: Extra inputs are not permitted"),
        ('webhook = "The key"', 'other = "The key"', "webhook.secret is 'webhook', which [secrets] does not name"),
        ('name = "shop"', 'name = "Shop"', "name: String should match pattern"),
        ("[[topic]]", "[[topics]]", "topics: Extra inputs are not permitted"),
        ('name = "shop"', "name = shop", "not valid TOML"),
        (
            "[[action]]",
            '[[topic]]\nname = "orders/create"\nentity = "o"\nrecord = "o"\n[[action]]',
            "orders/create twice",
        ),
    ],
)
def test_a_mistake_is_told_with_file_and_key(tmp_path: Path, old: str, new: str, told: str) -> None:
    path = written(tmp_path, GOOD.replace(old, new, 1))

    with pytest.raises(ManifestError) as mistake:
        read_manifest(path)

    assert str(path) in str(mistake.value)
    assert told in str(mistake.value)


def test_topics_without_a_webhook_are_a_mistake(tmp_path: Path) -> None:
    start, end = GOOD.index("[webhook]"), GOOD.index("[[topic]]")

    with pytest.raises(ManifestError, match="need each other"):
        read_manifest(written(tmp_path, GOOD[:start] + GOOD[end:]))


def test_the_name_is_the_folders(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="name is 'shop' but the folder is 'shop2'"):
        read_manifest(written(tmp_path, GOOD, name="shop2"))


def test_a_missing_manifest_says_what_a_connector_is(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"a connector is a folder with a manifest\.toml"):
        read_manifest(tmp_path / "shop" / "manifest.toml")
