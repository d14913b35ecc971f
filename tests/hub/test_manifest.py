"""Manifests: what may stand in one, and which sentence a mistake is answered with."""

from pathlib import Path

import pytest

from hub.manifest import ManifestError, read_manifest
from hub.webhook_spec import Facts, Reply, Signature, Topic, WebhookSpec, read_webhook

GOOD = """
name = "shop"
title = "Shop"
summary = "Orders."
tier = "bronze"
confirmed_by = "nothing but our own code"

[secrets]
webhook = "The key"

[webhook]
answer_within_seconds = 3

[webhook.signature]
scheme = "body_hmac"
header = "X-Signature"

[webhook.facts]
topic = "header:X-Topic"
event_id = ["header:X-Id", "body:number"]

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

    assert manifest.webhook == WebhookSpec(
        Signature("body_hmac", "X-Signature"),
        Facts(topic="header:X-Topic", event_id=("header:X-Id", "body:number")),
        answer_within_seconds=3,
    )
    assert manifest.topic == (Topic("orders/create", entity="order", record="order"),)
    assert [action.name for action in manifest.action] == ["upsert_order"]
    assert manifest.event_type("orders/create") == "shop.orders/create"


def test_what_is_pulled_though_webhooks_tell_of_it_is_known(tmp_path: Path) -> None:
    streams = """
[[stream]]
name = "orders"
entity = "order"
record = "order"

[[stream]]
name = "stores"
entity = "store"
record = "customer"
"""
    manifest = read_manifest(written(tmp_path, GOOD + streams))

    assert manifest.pulled_too == {"shop.orders", "shop.orders/deleted"}


def test_the_webhook_lambda_reads_the_same_facts(tmp_path: Path) -> None:
    lists = 'methods = ["POST", "PUT"]\nhandshakes = ["slack_challenge"]\naddresses = ["192.0.2.0/24"]'
    reply = '[webhook.reply]\nstatus = 202\nbody = ""\n'
    signed = 'covers = "fields"\nsigned_fields = ["a", "b[].c"]\n'
    text = GOOD.replace("[webhook]", f"[webhook]\n{lists}").replace(
        "[webhook.facts]", f"{signed}{reply}[webhook.facts]"
    )
    path = written(tmp_path, text)

    spec, topics = read_webhook(path)

    manifest = read_manifest(path)
    assert spec == manifest.webhook
    assert tuple(topics.values()) == manifest.topic
    assert spec.methods == ("POST", "PUT")
    assert spec.signature.signed_fields == ("a", "b[].c")
    assert spec.reply == Reply(202, "")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('title = "Shop"', "", "title: Field required"),
        ('tier = "bronze"', 'tier = "brass"', "tier: Input should be 'bronze', 'silver' or 'gold'"),
        ('title = "Shop"', 'title = "Shop"\nsurprise = 1', "surprise: Extra inputs are not permitted"),
        ('scheme = "body', 'secrte = "x"\nscheme = "body', "webhook.signature.secrte: Unexpected keyword argument"),
        ('scheme = "body_hmac"', 'scheme = "body_mac"', "webhook.signature.scheme is 'body_mac'; there are "),
        (
            "answer_within",
            'handshakes = ["shake"]\nanswer_within',
            "webhook.handshakes: 'shake'; there are meta_challenge",
        ),
        ("answer_within", 'addresses = ["192.0.2.1/24"]\nanswer_within', "192.0.2.1/24 has host bits set"),
        ('topic = "header:X-Topic"', 'topics = "header:X-Topic"', "webhook.facts.topics: Unexpected keyword argument"),
        ('confirmed_by = "nothing but our own code"', "", "confirmed_by says what confirms the scheme"),
        ('entity = "order"', 'entity = "order"\nentitiy_id = "id"', "topic.0.entitiy_id: Unexpected keyword argument"),
        ('kind = "upsert"', 'kind = "insert"', "action.0.kind: Input should be 'upsert' or 'once'"),
        ('kind = "upsert"', 'kind = "upsert"\nonce = 1', "action.0.once: Extra inputs are not permitted"),
        (
            'webhook = "The key"',
            'other = "The key"',
            "webhook.signature.secret is 'webhook', which [secrets] does not name",
        ),
        ('name = "shop"', 'name = "Shop"', "name: String should match pattern"),
        ("[[topic]]", "[[topics]]", "topics: Extra inputs are not permitted"),
        ('name = "shop"', "name = shop", "not valid TOML"),
        (
            'record = "order"',
            'record = "orders"',
            "[[topic]] orders/create: there is no record 'orders'; there are customer, ",
        ),
        ('accepts = "order"', 'accepts = "ordr"', "[[action]] upsert_order: there is no record 'ordr'; there are "),
        (
            '"body:number"]',
            '"bdy:number"]',
            "webhook.facts.event_id is 'bdy:number', in which 'bdy' is no source; write one of header:…, query:…, ",
        ),
        ('topic = "header', 'entity_id = "item:a|b"\ntopic = "header', "'item:a|b', in which 'b' is no source"),
        (
            'entity = "order"',
            'entity = "order"\nentity_version = "updated_at"',
            "[[topic]] orders/create: entity_version is 'updated_at', in which 'updated_at' is no source",
        ),
        ('entity = "order"', 'entity = "txt:order"', "[[topic]] orders/create: entity is 'txt:order', in which 'txt'"),
        (
            "[[action]]",
            '[[topic]]\nname = "orders/create"\nentity = "o"\nrecord = "order"\n[[action]]',
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
