"""Signatures: the vectors that Shopify's own library was run on, and what must be refused for which reason."""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.errors import BadSignature, MalformedHeader, MissingHeader, NoSecret, RepeatedHeader
from hub.schemes import SCHEMES, Delivery, hmac_sha256_base64
from hub.webhook_spec import WebhookSpec
from tests.signing import sign_hmac_sha256_base64

RECORDINGS = Path(__file__).parents[1] / "recordings" / "signatures"
VECTORS = json.loads((RECORDINGS / "shopify.json").read_text("utf-8"))
REFUSALS = {"shopify-pub-02-hex-digest": BadSignature, "shopify-pub-03-tampered": BadSignature}
SPEC = WebhookSpec(
    scheme="hmac-sha256-base64",
    signature_header="X-Shopify-Hmac-Sha256",
    topic_header="X-Shopify-Topic",
    event_id_header="X-Shopify-Webhook-Id",
)


def recorded(vector: dict[str, Any]) -> Delivery:
    headers: dict[str, list[str]] = {}
    for name, value in vector["headers_list"]:
        headers.setdefault(name.lower(), []).append(value)
    return Delivery("POST", headers, base64.b64decode(vector["body_base64"]))


def signed(body: bytes, *signatures: str) -> Delivery:
    return Delivery("POST", {"x-shopify-hmac-sha256": signatures}, body)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["id"])
def test_a_recorded_delivery_is_judged_as_the_providers_library_judged_it(vector: dict[str, Any]) -> None:
    delivery = recorded(vector)
    assert hashlib.sha256(delivery.body).hexdigest() == vector["body_sha256"]

    if vector["expect"] == "accept":
        hmac_sha256_base64(delivery, SPEC, vector["secrets"])
        return
    with pytest.raises(REFUSALS[vector["id"]]):
        hmac_sha256_base64(delivery, SPEC, vector["secrets"])


def test_vectors_of_both_kinds_are_there() -> None:
    assert {vector["expect"] for vector in VECTORS} == {"accept", "reject"}
    assert len(VECTORS) == 3


def test_every_scheme_has_a_name_that_manifests_use() -> None:
    assert SCHEMES["hmac-sha256-base64"] is hmac_sha256_base64


@given(st.binary(), st.text(min_size=1))
def test_what_the_provider_signs_is_accepted(body: bytes, secret: str) -> None:
    hmac_sha256_base64(signed(body, sign_hmac_sha256_base64(body, secret)), SPEC, [secret])


@given(st.binary(), st.binary(), st.text(min_size=1))
def test_a_signature_of_other_bytes_is_refused(body: bytes, other: bytes, secret: str) -> None:
    if body == other:
        return
    with pytest.raises(BadSignature):
        hmac_sha256_base64(signed(body, sign_hmac_sha256_base64(other, secret)), SPEC, [secret])


@pytest.mark.parametrize("place", [0, 1])
def test_any_live_secret_counts(place: int) -> None:
    secrets = ["new", "old"]

    hmac_sha256_base64(signed(b"{}", sign_hmac_sha256_base64(b"{}", secrets[place])), SPEC, secrets)


@pytest.mark.parametrize("secrets", [[], [""], ["", ""]])
def test_no_secret_accepts_nothing(secrets: list[str]) -> None:
    with pytest.raises(NoSecret):
        hmac_sha256_base64(signed(b"{}", sign_hmac_sha256_base64(b"{}", "")), SPEC, secrets)


def test_an_empty_secret_beside_a_live_one_is_no_key() -> None:
    with pytest.raises(BadSignature):
        hmac_sha256_base64(signed(b"{}", sign_hmac_sha256_base64(b"{}", "")), SPEC, ["live", ""])


def test_a_signature_that_came_twice_is_refused() -> None:
    signature = sign_hmac_sha256_base64(b"{}", "live")

    with pytest.raises(RepeatedHeader):
        hmac_sha256_base64(signed(b"{}", signature, signature), SPEC, ["live"])


@pytest.mark.parametrize("value", ["", " ", "\t"])
def test_a_blank_signature_is_none(value: str) -> None:
    with pytest.raises(MissingHeader):
        hmac_sha256_base64(signed(b"{}", value), SPEC, ["live"])


@pytest.mark.parametrize("value", ["é", "AAA", "A A=", "AAAA\n AAAA", "-_-_", "%"])
def test_a_signature_that_is_no_standard_base64_is_refused(value: str) -> None:
    with pytest.raises(MalformedHeader):
        hmac_sha256_base64(signed(b"{}", value), SPEC, ["live"])


@pytest.mark.parametrize("cut", [1, 16, 31])
def test_a_part_of_the_signature_is_not_enough(cut: int) -> None:
    digest = base64.b64decode(sign_hmac_sha256_base64(b"{}", "live"))

    with pytest.raises(BadSignature):
        hmac_sha256_base64(signed(b"{}", base64.b64encode(digest[:cut]).decode()), SPEC, ["live"])


def test_errors_bear_neither_secret_nor_signature() -> None:
    signature = sign_hmac_sha256_base64(b"{}", "guessed")

    with pytest.raises(BadSignature) as refused:
        hmac_sha256_base64(signed(b"{}", signature), SPEC, ["the-live-secret"])

    assert "the-live-secret" not in str(refused.value)
    assert signature not in str(refused.value)


def test_header_names_are_compared_without_case() -> None:
    delivery = Delivery("POST", {"x-a": ["1"]}, b"")

    assert delivery.header("X-A") == "1"
    assert delivery.optional_header("X-a") == "1"
    assert delivery.optional_header("X-B") == ""
