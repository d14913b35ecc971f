"""What single providers' schemes promise beyond the contract of all: the pitfalls that their own libraries fall into."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hub.deliveries import Delivery, Expected
from hub.errors import (
    BadSignature,
    ForeignSender,
    MalformedBody,
    MalformedHeader,
    NoSecret,
    NotStated,
    Rejected,
    SourceUnavailable,
    StaleDelivery,
)
from hub.schemes import live_keys, scheme
from hub.schemes.google_oidc import CERTIFICATES
from hub.webhook_spec import Signature
from tests.fakes import FakeFetch

NOW = 1_767_225_900
FORM = "application/x-www-form-urlencoded"


def verified(
    name: str,
    headers: Mapping[str, str],
    body: bytes = b"",
    *secrets: str,
    query: str = "",
    public_url: str = "",
    pages: Mapping[str, bytes] | None = None,
    now: float = NOW,
    **states: str | list[str],
) -> int:
    header = {
        "stripe": "Stripe-Signature",
        "twilio": "X-Twilio-Signature",
        "google_channel": "X-Goog-Channel-Token",
        "google_oidc": "Authorization",
    }.get(name, "")
    signature = Signature(name, header, algorithm="sha1" if name == "twilio" else "sha256", future_too=name != "stripe")
    delivery = Delivery("POST", {key.lower(): [value] for key, value in headers.items()}, body, query)
    expected = Expected(secrets, now, 300, public_url, states, FakeFetch(pages or {}))
    return scheme(name)(delivery, signature, expected)


def mac(key: bytes, message: bytes, algorithm: str = "sha256") -> bytes:
    return hmac.digest(key, message, algorithm)


def text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


# --- Stripe -----------------------------------------------------------------------------------------------------------

BODY = b'{"id":"evt_1"}'
V1 = mac(b"whsec_a", f"{NOW}.".encode() + BODY).hex()
NONE = "0" * 64


@pytest.mark.parametrize(
    "header", [f"t={NOW},v1={V1}", f"t={NOW},v1={NONE},v1={V1}", f"v0={NONE},v1={V1},t={NOW},v1=x"]
)
def test_any_v1_of_stripe_counts(header: str) -> None:
    assert verified("stripe", {"Stripe-Signature": header}, BODY, "whsec_new", "whsec_a") == 1


@pytest.mark.parametrize(
    ("header", "refusal"),
    [
        (f"t={NOW},v0={V1}", MalformedHeader),
        (f"t={NOW},v1={V1.upper()}", MalformedHeader),
        (f"t={NOW}, v1={V1}", MalformedHeader),
        (f"t={NOW},v1={V1},t={NOW},v1={V1}", MalformedHeader),
        (f"t={NOW},v1={V1}, t={NOW},v1={V1}", MalformedHeader),
        (f"v1={V1}", MalformedHeader),
        (f"t={NOW + 1},v1={V1}", BadSignature),
        (f"t={NOW},v1={NONE}", BadSignature),
    ],
)
def test_what_stripe_does_not_write_is_refused(header: str, refusal: type[Rejected]) -> None:
    with pytest.raises(refusal):
        verified("stripe", {"Stripe-Signature": header}, BODY, "whsec_a")


def test_the_age_of_stripes_signature_alone_counts() -> None:
    def at(now: float) -> int:
        return verified("stripe", {"Stripe-Signature": f"t={NOW},v1={V1}"}, BODY, "whsec_a", now=now)

    assert at(NOW + 300) == at(NOW - 86_400) == 0
    with pytest.raises(StaleDelivery):
        at(NOW + 301)


# --- Standard Webhooks ------------------------------------------------------------------------------------------------

PAIR = Ed25519PrivateKey.generate()
PUBLIC = PAIR.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
KEY = b"0123456789abcdef01234567"
MESSAGE = f"msg_1.{NOW}.".encode() + BODY
HMAC_SIGNED = "v1," + text(mac(KEY, MESSAGE))
PAIR_SIGNED = "v1a," + text(PAIR.sign(MESSAGE))


def standard(signature: str, *secrets: str, name: str = "webhook", **more: str) -> int:
    headers = {f"{name}-id": "msg_1", f"{name}-timestamp": str(NOW), f"{name}-signature": signature, **more}
    return verified("standard_webhooks", headers, BODY, *secrets)


@pytest.mark.parametrize("secret", ["whsec_" + text(KEY), text(KEY), "whsec_" + text(KEY + b"!").rstrip("=")])
def test_a_key_may_come_without_prefix_or_padding(secret: str) -> None:
    key = KEY if secret.endswith(text(KEY)) else KEY + b"!"

    assert standard("v1," + text(mac(key, MESSAGE)), secret) == 0


def test_each_version_counts_by_its_own_kind_of_key() -> None:
    secrets = ("whsec_" + text(KEY), "whpk_" + text(PUBLIC))

    assert standard(HMAC_SIGNED, *secrets) == 0
    assert standard(PAIR_SIGNED, *secrets) == 1
    assert standard(f"v2,xyz nothing v1,{text(b'x' * 32)} {PAIR_SIGNED}", *secrets) == 1
    assert standard(HMAC_SIGNED, *secrets, name="svix") == 0


def test_a_public_key_never_becomes_an_hmac_key() -> None:
    by_the_public_key = "v1," + text(mac(PUBLIC, MESSAGE))

    with pytest.raises(BadSignature):
        standard(by_the_public_key, "whpk_" + text(PUBLIC))
    with pytest.raises(BadSignature):
        standard(PAIR_SIGNED, "whsec_" + text(PUBLIC))
    with pytest.raises(NoSecret):
        standard(PAIR_SIGNED, "whsk_" + text(PUBLIC))


def test_svix_names_do_not_stand_in_for_a_missing_header_of_the_standard() -> None:
    """Else a signed id and another one could come in one delivery."""
    headers = {"webhook-signature": HMAC_SIGNED, "webhook-timestamp": str(NOW), "svix-id": "msg_1"}

    with pytest.raises(Rejected, match="webhook-id"):
        verified("standard_webhooks", headers, BODY, "whsec_" + text(KEY))


# --- Twilio -----------------------------------------------------------------------------------------------------------

URL = "https://hooks.example.com/in/sms"
FIELDS = [("To", "+1"), ("Digits", "5678"), ("Digits", "1234"), ("Digits", "1234"), ("Body", " é "), ("a", "")]
SIGNED_FIELDS = "Body é Digits1234Digits5678To+1a"


def twilio(url: str, body: bytes, signature: str, **how: Any) -> int:
    base, _, query = url.partition("?")
    headers = {"X-Twilio-Signature": signature, "Content-Type": FORM, **how.pop("headers", {})}
    return verified("twilio", headers, body, "token", query=query, public_url=base, **how)


def by_twilio(message: str, algorithm: str = "sha1") -> str:
    return text(mac(b"token", message.encode(), algorithm))


@pytest.mark.parametrize(
    ("registered", "called"),
    [
        (URL, URL),
        (URL, "https://hooks.example.com:443/in/sms"),
        ("https://hooks.example.com:8443/in/sms", "https://hooks.example.com:8443/in/sms"),
        ("https://hooks.example.com:8443/in/sms", URL),
        ("http://user:pass@hooks.example.com/", "http://user:pass@hooks.example.com:80/"),
    ],
)
@pytest.mark.parametrize("query", ["", "?foo=1&bar=%20a+b"])
def test_twilio_signs_the_url_with_or_without_its_port(registered: str, called: str, query: str) -> None:
    body = urlencode(FIELDS).encode()

    assert twilio(registered + query, body, by_twilio(called + query + SIGNED_FIELDS)) == 0


def test_a_shared_key_of_twilio_signs_with_sha256_and_nothing_else_is_taken_from_the_header() -> None:
    body, message = urlencode(FIELDS).encode(), URL + SIGNED_FIELDS

    def by(settings: str, algorithm: str) -> int:
        headers = {"X-Twilio-Webhooks-Signature-Settings": settings}
        return twilio(URL, body, by_twilio(message, algorithm), headers=headers)

    assert by("key=webhooks_sharedkey_1,algorithm=HMAC_SHA256", "sha256") == 0
    assert by("key=webhooks_sharedkey_1", "sha1") == 0
    for settings, algorithm in (
        ("key=k,algorithm=HMAC_SHA256", "sha1"),
        ("key=k,algorithm=HMAC_MD5", "md5"),
        ("key=k,algorithm=none", "sha1"),
        ("key=k,algorithm=HMAC_SHA1,key=k,algorithm=HMAC_SHA256", "sha256"),
    ):
        with pytest.raises(MalformedHeader):
            by(settings, algorithm)


JSON_BODY = b'{"property": "value"}'
WITH_HASH = f"{URL}?bodySHA256={hashlib.sha256(JSON_BODY).hexdigest()}"


def test_a_json_body_of_twilio_counts_by_its_hash_in_the_url() -> None:
    headers = {"Content-Type": "application/json"}

    assert twilio(WITH_HASH, JSON_BODY, by_twilio(WITH_HASH), headers=headers) == 0
    with pytest.raises(BadSignature):
        twilio(WITH_HASH, JSON_BODY.replace(b"value", b"other"), by_twilio(WITH_HASH), headers=headers)
    with pytest.raises(MalformedBody):
        twilio(URL, JSON_BODY, by_twilio(URL), headers=headers)


@pytest.mark.parametrize("body", [b"", b"&&", b"&&&a=1", b"\xff=1", JSON_BODY])
@pytest.mark.parametrize("content_type", [FORM, "application/json", ""])
def test_a_signature_of_the_url_alone_authenticates_no_other_body(body: bytes, content_type: str) -> None:
    """A genuine signature of a URL without parameters, with whatever somebody puts beneath it."""
    if body:
        with pytest.raises(Rejected):
            twilio(URL, body, by_twilio(URL), headers={"Content-Type": content_type})
    if body != JSON_BODY or content_type == FORM:
        with pytest.raises(Rejected):
            twilio(WITH_HASH, body, by_twilio(WITH_HASH), headers={"Content-Type": content_type})


# --- Google -----------------------------------------------------------------------------------------------------------

GOOGLE = generate_private_key(65_537, 2_048)
CLAIMS = {
    "aud": "https://hooks.example.com/in/pubsub",
    "email": "pusher@acme.example.com",
    "email_verified": True,
    "iss": "https://accounts.google.com",
    "iat": NOW - 5,
    "exp": NOW + 3_600,
}


def url_text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def key_set() -> bytes:
    numbers = GOOGLE.public_key().public_numbers()
    modulus = url_text(numbers.n.to_bytes(256, "big"))
    return json.dumps({"keys": [{"kty": "RSA", "kid": "k", "n": modulus, "e": "AQAB"}]}).encode()


def token(head: Mapping[str, Any] | None = None, **claims: Any) -> str:
    parts = ({"alg": "RS256", "kid": "k", **(head or {})}, {**CLAIMS, **claims})
    signed = ".".join(url_text(json.dumps(part).encode()) for part in parts)
    return f"{signed}.{url_text(GOOGLE.sign(signed.encode(), PKCS1v15(), SHA256()))}"


def google(bearer: str, page: bytes | None = None, **states: str) -> int:
    stated = {"audience": CLAIMS["aud"], "email": CLAIMS["email"], **states}
    pages = {CERTIFICATES: page or key_set()}
    allowed: dict[str, Any] = {name: value for name, value in stated.items() if value}
    return verified("google_oidc", {"Authorization": f"Bearer {bearer}"}, b"{}", pages=pages, **allowed)


@pytest.mark.parametrize("claims", [{}, {"iss": "accounts.google.com"}, {"exp": NOW}, {"iat": NOW}])
def test_a_token_of_googles_for_us_counts(claims: dict[str, Any]) -> None:
    assert google(token(**claims)) == 0


@pytest.mark.parametrize(
    ("claims", "refusal"),
    [
        ({"aud": "https://evil.example"}, ForeignSender),
        ({"aud": [CLAIMS["aud"]]}, ForeignSender),
        ({"email": "anybody@else.example.com"}, ForeignSender),
        ({"email_verified": False}, ForeignSender),
        ({"email_verified": "true"}, ForeignSender),
        ({"iss": "https://evil.example"}, ForeignSender),
        ({"exp": NOW - 1}, StaleDelivery),
        ({"iat": NOW + 1}, StaleDelivery),
        ({"exp": None}, MalformedHeader),
        ({"exp": 10**400}, MalformedHeader),
        ({"iat": True}, MalformedHeader),
    ],
)
def test_a_token_of_googles_for_somebody_else_or_another_time_is_refused(
    claims: dict[str, Any], refusal: type[Rejected]
) -> None:
    with pytest.raises(refusal):
        google(token(**claims))


@pytest.mark.parametrize(
    "head",
    [{"alg": "none"}, {"alg": "HS256"}, {"alg": "rs256"}, {"alg": None}, {"kid": "other"}, {"kid": None}, {"crit": []}],
)
def test_the_token_does_not_choose_how_it_is_verified(head: dict[str, Any]) -> None:
    with pytest.raises(BadSignature):
        google(token(head))


def test_a_public_key_is_no_passphrase() -> None:
    head, claims, _ = token({"alg": "HS256"}).split(".")
    public = GOOGLE.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    with pytest.raises(BadSignature):
        google(f"{head}.{claims}.{url_text(mac(public, f'{head}.{claims}'.encode()))}")


def test_without_audience_or_address_no_token_counts() -> None:
    with pytest.raises(NotStated):
        google(token(), audience="")
    with pytest.raises(NotStated):
        google(token(), email="")


@pytest.mark.parametrize("page", [b"not JSON", b"[]", b'{"keys": 1}'])
def test_keys_that_are_none_are_our_trouble_and_not_the_senders(page: bytes) -> None:
    with pytest.raises(SourceUnavailable):
        google(token(), page)


@pytest.mark.parametrize(
    ("channel", "resource", "genuine"),
    [("c1", "r1", True), ("c2", "r2", True), ("c1", "r2", False), ("c3", "r1", False), ("r1", "c1", False)],
)
def test_channel_and_resource_belong_together(channel: str, resource: str, genuine: bool) -> None:
    headers = {"X-Goog-Channel-Token": "t", "X-Goog-Channel-ID": channel, "X-Goog-Resource-ID": resource}

    def check() -> int:
        return verified("google_channel", headers, b"", "t", channel_id=["c1", "c2"], resource_id=["r1", "r2"])

    if genuine:
        assert check() == 0
        return
    with pytest.raises(ForeignSender):
        check()


def test_one_resource_may_have_many_channels_and_nothing_between() -> None:
    headers = {"X-Goog-Channel-Token": "t", "X-Goog-Channel-ID": "c2", "X-Goog-Resource-ID": "r1"}

    assert verified("google_channel", headers, b"", "t", channel_id=["c1", "c2"], resource_id="r1") == 0
    with pytest.raises(NotStated):
        verified("google_channel", headers, b"", "t", channel_id=["c1", "c2", "c3"], resource_id=["r1", "r2"])


# --- Microsoft Graph --------------------------------------------------------------------------------------------------


def graph(*states: Any) -> int:
    body = json.dumps({"value": [{"clientState": state} for state in states]}).encode()
    return verified("graph", {}, body, "new", "old")


def test_the_oldest_client_state_of_a_delivery_is_the_one_that_is_still_needed() -> None:
    assert graph("new", "new") == 0
    assert graph("new", "old", "new") == 1


@pytest.mark.parametrize(
    "states", [("new", "guess"), ("new", None), ("new", ""), (["new"],), ("new", {"a": 1}), ("é",)]
)
def test_one_item_of_another_subscription_and_nothing_counts(states: tuple[Any, ...]) -> None:
    with pytest.raises(BadSignature):
        graph(*states)


@pytest.mark.parametrize("body", [b"{}", b'{"value": []}', b'{"value": {}}', b"[]", b"", b"\xff"])
def test_a_notification_without_items_authenticates_nothing(body: bytes) -> None:
    with pytest.raises(MalformedBody):
        verified("graph", {}, body, "new")


# --- Salesforce -------------------------------------------------------------------------------------------------------

ENVELOPE = (
    '<?xml version="1.0" encoding="{encoding}"?>{doctype}'
    '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>'
    '<notifications xmlns="http://soap.sforce.com/2005/09/outbound">{inside}</notifications></s:Body></s:Envelope>'
)
OURS = "00D5e000000AbCd"


def salesforce(
    inside: str, doctype: str = "", encoding: str = "UTF-8", written: str = "utf-8", stated: str = OURS
) -> int:
    body = ENVELOPE.format(encoding=encoding, doctype=doctype, inside=inside).encode(written)
    return verified("salesforce", {}, body, organization_ids=[stated])


def organization(name: str) -> str:
    return f"<OrganizationId>{name}</OrganizationId>"


@pytest.mark.parametrize("stated", [OURS, f"{OURS}EAK"])
@pytest.mark.parametrize("sent", [OURS, f"{OURS}EAK", f"\n {OURS}EAK "])
def test_an_organization_is_told_by_its_first_15_characters(sent: str, stated: str) -> None:
    assert salesforce(organization(sent), stated=stated) == 0


@pytest.mark.parametrize(
    "inside",
    [
        organization(OURS.lower()),
        organization(OURS[:-1]),
        organization(f"{OURS}X"),
        organization(f"{OURS}EAKX"),
        organization(""),
        "",
        organization(OURS) * 2,
        organization(OURS) + organization("00D5e000000ZZZZ"),
        f"<Notification>{organization(OURS)}</Notification>",
        f'<x:OrganizationId xmlns:x="urn:other">{OURS}</x:OrganizationId>',
        f"<!-- {organization(OURS)} -->",
    ],
)
def test_another_organization_is_refused(inside: str) -> None:
    with pytest.raises(ForeignSender):
        salesforce(inside)


@pytest.mark.parametrize(
    ("doctype", "encoding", "written"),
    [
        ('<!DOCTYPE a [<!ENTITY b "c">]>', "UTF-8", "utf-8"),
        ('<!DOCTYPE a SYSTEM "file:///etc/passwd">', "UTF-8", "utf-8"),
        ('<!DOCTYPE a [<!ENTITY b "c">]>', "UTF-16", "utf-16"),
        ('<!DOCTYPE a [<!ENTITY b "c">]>', "UTF-16", "utf-16-le"),
    ],
)
def test_document_types_are_refused_however_they_are_written(doctype: str, encoding: str, written: str) -> None:
    with pytest.raises(MalformedBody):
        salesforce(organization(OURS), doctype, encoding, written)


# --- WordPress --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kept", "key"),
    [
        ("a&amp;b", b"a&b"),
        ("a&b", b"a&b"),
        ("&lt;&#062;&quot;&#34;&#039;&#x27;&#X0026;", b"<>\"\"''&"),
        ("&amp;amp;", b"&amp;"),
        ("&AMP;&nbsp;&apos;&#x3c;", b"&AMP;&nbsp;&apos;&#x3c;"),
    ],
)
def test_a_secret_of_wordpress_means_what_its_entities_stand_for(kept: str, key: bytes) -> None:
    assert live_keys(Expected((kept,), NOW, None, "", {}, FakeFetch()), "html") == [key]
