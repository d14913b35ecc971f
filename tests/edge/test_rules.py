"""The rules by which providers sign, sentence by sentence, each with the request that tells whether it is kept.

Signatures are made here with the standard library and `cryptography` alone. What libraries of the providers say to the
same is in tests/edge/test_libraries.py.
"""

import base64
import hashlib
import hmac
import json
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cli.signing.tokens import jwt_hs256, url_base64
from cli.vectors import known_manifests, vector_of
from hub.errors import Rejected, Temporary
from hub.receive import receive
from tests.provider import certificate, ec_key, key_set, rsa_key

NOW = 1_767_225_900
BODY = b'{"id":"evt_1","type":"a.b","name":"Gr\xc3\xb6\xc3\x9fe"}'
ACCEPT, REJECT = "accept", "reject"
Request = dict[str, Any]
Case = tuple[str, str, Request]  # the rule, what must become of the request, the request


def mac(secret: str | bytes, message: bytes | str, algorithm: str = "sha256") -> bytes:
    key = secret.encode() if isinstance(secret, str) else secret
    return hmac.digest(key, message.encode() if isinstance(message, str) else message, algorithm)


def b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def request(provider: str, body: bytes = BODY, **how: Any) -> Request:
    """A request in the form of recorded ones; headers with `_` for `-`."""
    headers = how.pop("headers", {})
    content = {"provider": provider, "body_base64": b64(body), "secrets": ["s"], "now": NOW, **how}
    content["headers_list"] = list(headers.items()) if isinstance(headers, dict) else headers
    return content


def verdict(content: Mapping[str, Any]) -> str:
    held = vector_of(content, "case", known_manifests())
    try:
        accepted = receive(held.delivery, held.receiver(), held.outside(), datetime.fromtimestamp(held.now, UTC))
    except (Rejected, Temporary) as refusal:
        return f"{REJECT}: {refusal.code}: {refusal}"
    return REJECT if accepted.answer.unproven else ACCEPT


# --- Stripe -----------------------------------------------------------------------------------------------------------


def stripe(t: Any = NOW, secret: str = "s", body: bytes = BODY, header: str = "", **how: Any) -> Request:
    v1 = mac(secret, f"{t}.".encode() + body).hex()
    text = header.format(t=t, v1=v1, upper=v1.upper(), b64=b64(bytes.fromhex(v1))) or f"t={t},v1={v1}"
    return request("stripe", body, headers={"Stripe-Signature": text}, **how)


STRIPE: list[Case] = [
    ("the whole whsec_ text is the key", ACCEPT, stripe(secret="whsec_YWJj", secrets=["whsec_YWJj"])),
    ("and never what its base64 stands for", REJECT, stripe(secret="abc", secrets=["whsec_YWJj"])),
    ("exactly 300 s old is inside", ACCEPT, stripe(NOW - 300)),
    ("301 s old is outside", REJECT, stripe(NOW - 301)),
    ("a day in the future is accepted", ACCEPT, stripe(NOW + 86_400)),
    ("only v1 counts, not v0", REJECT, stripe(header="t={t},v0={v1}")),
    ("unknown parts are ignored", ACCEPT, stripe(header="t={t},v0=abc,v9=x,v1={v1}")),
    ("any of several v1 counts", ACCEPT, stripe(header="t={t},v1=" + "0" * 64 + ",v1={v1}")),
    ("the parts are not trimmed", REJECT, stripe(header="t={t}, v1={v1}")),
    ("hex is lower-case", REJECT, stripe(header="t={t},v1={upper}")),
    ("hex, not base64", REJECT, stripe(header="t={t},v1={b64}")),
    ("a time is needed", REJECT, stripe(header="v1={v1}")),
    ("a signature is needed", REJECT, stripe(header="t={t}")),
    ("a time is a number", REJECT, stripe("soon")),
    ("of ASCII digits", REJECT, stripe("١٧٦٧٢٢٥٩٠٠")),
    ("the time is signed", REJECT, stripe(header="t=1767225901,v1={v1}")),
    ("any live secret may have signed", ACCEPT, stripe(secrets=["new", "s"])),
    ("a secret with stray white space is another one", REJECT, stripe(secrets=["s\n"])),
    ("no secret accepts nothing", REJECT, stripe(secrets=[])),
    ("an empty secret accepts nothing", REJECT, stripe(secret="", secrets=[""])),
    ("an empty one beside a live one neither", REJECT, stripe(secret="", secrets=["s", ""])),
    ("a signature that is not ASCII is refused", REJECT, stripe(header="t={t},v1=é" + "0" * 62)),
    ("an empty header is refused", REJECT, request("stripe", headers={"Stripe-Signature": ""})),
    (
        "header names have no case",
        ACCEPT,
        stripe() | {"headers_list": [("STRIPE-SIGNATURE", stripe()["headers_list"][0][1])]},
    ),
    ("a header that came twice is refused", REJECT, stripe() | {"headers_list": stripe()["headers_list"] * 2}),
    ("a window of the file's own counts", REJECT, stripe(NOW - 11, tolerance_s=10)),
    ("an empty body can be signed", ACCEPT, stripe(body=b"")),
    ("bytes that are no text can be signed", ACCEPT, stripe(body=b"\xff\xfe\x00")),
]

# --- bodies under one HMAC --------------------------------------------------------------------------------------------


def simple(
    provider: str, header: str, written: str = "hex", body: bytes = BODY, key: str | bytes = "s", **how: Any
) -> Request:
    value = how.pop("value", "{}")
    digest = mac(key, body)
    text = {
        "hex": digest.hex(),
        "HEX": digest.hex().upper(),
        "base64": b64(digest),
        "url": base64.urlsafe_b64encode(digest).decode(),
        "bare": b64(digest).rstrip("="),
    }[written]
    others = how.pop("others", {})
    return request(provider, body, headers={header: value.format(text), **others}, **how)


SHOP = {
    "X-Shopify-Topic": "orders/create",
    "X-Shopify-Webhook-Id": "w-1",
    "X-Shopify-Shop-Domain": "s.myshopify.com",
    "X-Shopify-API-Version": "2026-07",
}
EVENTS = {name.removeprefix("X-"): value for name, value in SHOP.items()}
HUB256 = "X-Hub-Signature-256"

BODIES: list[Case] = [
    ("GitHub: sha256= and lower-case hex", ACCEPT, simple("github", HUB256, value="sha256={}")),
    ("GitHub: upper-case hex fails", REJECT, simple("github", HUB256, "HEX", value="sha256={}")),
    (
        "GitHub: SHA-1 alone does not count",
        REJECT,
        request("github", headers={"X-Hub-Signature": "sha1=" + mac("s", BODY, "sha1").hex()}),
    ),
    (
        "GitHub: nor under the newer name",
        REJECT,
        request("github", headers={HUB256: "sha1=" + mac("s", BODY, "sha1").hex()}),
    ),
    (
        "GitHub: it may come beside",
        ACCEPT,
        simple("github", HUB256, value="sha256={}", others={"X-Hub-Signature": "sha1=00"}),
    ),
    (
        "GitHub: a form is signed as a form",
        ACCEPT,
        simple(
            "github",
            HUB256,
            value="sha256={}",
            body=b"payload=%7B%22a%22%3A1%7D",
            others={
                "Content-Type": "application/x-www-form-urlencoded",
                "X-GitHub-Event": "push",
                "X-GitHub-Delivery": "d-1",
            },
        ),
    ),
    (
        "GitHub: and not as its JSON",
        REJECT,
        simple("github", HUB256, value="sha256={}", body=b'{"a":1}')
        | {"body_base64": b64(b"payload=%7B%22a%22%3A1%7D")},
    ),
    (
        "GitHub: both secrets of a rotation count",
        ACCEPT,
        simple("github", HUB256, value="sha256={}", secrets=["new", "s"]),
    ),
    ("GitHub: base64 is another profile", REJECT, simple("github", HUB256, "base64", value="sha256={}")),
    ("Shopify: standard base64", ACCEPT, simple("shopify", "X-Shopify-Hmac-Sha256", "base64", others=SHOP)),
    ("Shopify: spelt in capitals", ACCEPT, simple("shopify", "X-SHOPIFY-HMAC-SHA256", "base64", others=SHOP)),
    (
        "Shopify: the newer Events come without X-",
        ACCEPT,
        simple("shopify", "Shopify-Hmac-Sha256", "base64", others=EVENTS),
    ),
    ("Shopify: unpadded base64 is none", REJECT, simple("shopify", "X-Shopify-Hmac-Sha256", "bare", others=SHOP)),
    (
        "Shopify: an empty body is refused",
        REJECT,
        simple("shopify", "X-Shopify-Hmac-Sha256", "base64", body=b"", others=SHOP),
    ),
    (
        "Shopify: re-serialising breaks it",
        REJECT,
        simple("shopify", "X-Shopify-Hmac-Sha256", "base64", body=b'{"a":"b\\/c"}', others=SHOP)
        | {"body_base64": b64(b'{"a":"b/c"}')},
    ),
    *[
        (
            f"Shopify: {name} always comes",
            REJECT,
            simple("shopify", "X-Shopify-Hmac-Sha256", "base64", others={k: v for k, v in SHOP.items() if k != name}),
        )
        for name in SHOP
    ],
    ("Razorpay: bare lower-case hex", ACCEPT, simple("razorpay", "X-Razorpay-Signature")),
    ("Razorpay: no prefix", REJECT, simple("razorpay", "X-Razorpay-Signature", value="sha256={}")),
    (
        "Razorpay: the old secret counts for a day",
        ACCEPT,
        simple("razorpay", "X-Razorpay-Signature", secrets=["new", "s"]),
    ),
    (
        "Razorpay: the Checkout signature is another",
        REJECT,
        request("razorpay", headers={"X-Razorpay-Signature": mac("s", "order_1|pay_1").hex()}),
    ),
    (
        "WhatsApp: sha256= and hex over the raw body",
        ACCEPT,
        simple("whatsapp", HUB256, value="sha256={}", body=b'{"entry":[],"a":"\\u00fc"}'),
    ),
    (
        "WhatsApp: re-escaped bytes are others",
        REJECT,
        simple("whatsapp", HUB256, value="sha256={}", body=b'{"a":"\\u00fc"}')
        | {"body_base64": b64('{"a":"ü"}'.encode())},
    ),
    ("QuickBooks: base64", ACCEPT, simple("quickbooks", "intuit-signature", "base64")),
    (
        "QuickBooks: URL-safe base64 is another alphabet",
        REJECT,
        simple("quickbooks", "intuit-signature", "url", body=b"x18"),
    ),
    ("Xero: base64 by the key as it is", ACCEPT, simple("xero", "x-xero-signature", "base64")),
    ("Xero: its key is not base64", REJECT, simple("xero", "x-xero-signature", "base64", key=b"abc", secrets=["YWJj"])),
    ("WooCommerce: base64", ACCEPT, simple("woocommerce", "X-WC-Webhook-Signature", "base64")),
    (
        "WooCommerce: a stored &amp; means &",
        ACCEPT,
        simple(
            "woocommerce",
            "X-WC-Webhook-Signature",
            "base64",
            key="a&b\"c'd<e>",
            secrets=["a&amp;b&quot;c&#039;d&lt;e&gt;"],
        ),
    ),
    (
        "WooCommerce: and is decoded once",
        ACCEPT,
        simple("woocommerce", "X-WC-Webhook-Signature", "base64", key="a&lt;b", secrets=["a&amp;lt;b"]),
    ),
    (
        "WooCommerce: the ping proves nothing",
        REJECT,
        request("woocommerce", b"webhook_id=142", headers={"Content-Type": "application/x-www-form-urlencoded"}),
    ),
    ("Frappe: base64", ACCEPT, simple("frappe", "X-Frappe-Webhook-Signature", "base64")),
    ("Frappe: hex is a common mistake", REJECT, simple("frappe", "X-Frappe-Webhook-Signature")),
    ("Frappe: PUT and DELETE too", ACCEPT, simple("frappe", "X-Frappe-Webhook-Signature", "base64", method="PUT")),
    (
        "Airtable: the key is base64, the digest hex",
        ACCEPT,
        simple("airtable", "X-Airtable-Content-MAC", value="hmac-sha256={}", key=b"abc", secrets=["YWJj"]),
    ),
    (
        "Airtable: the secret as it stands is no key",
        REJECT,
        simple("airtable", "X-Airtable-Content-MAC", value="hmac-sha256={}", key="YWJj", secrets=["YWJj"]),
    ),
    (
        "Airtable: base64 digests are wrong",
        REJECT,
        simple("airtable", "X-Airtable-Content-MAC", "base64", value="hmac-sha256={}", key=b"abc", secrets=["YWJj"]),
    ),
    (
        "Airtable: so is sha256=",
        REJECT,
        simple("airtable", "X-Airtable-Content-MAC", value="sha256={}", key=b"abc", secrets=["YWJj"]),
    ),
    ("DocuSign: any number", ACCEPT, simple("docusign", "X-DocuSign-Signature-100", "base64")),
    (
        "DocuSign: with gaps",
        ACCEPT,
        simple("docusign", "X-DocuSign-Signature-7", "base64", others={"X-DocuSign-Signature-3": b64(bytes(32))}),
    ),
    ("DocuSign: no number is no signature", REJECT, simple("docusign", "X-DocuSign-Signature", "base64")),
    ("DocuSign: another header is none", REJECT, simple("docusign", "X-DocuSign-Signature-1x", "base64")),
    (
        "DocuSign: XML keeps its CRLF",
        REJECT,
        simple("docusign", "X-DocuSign-Signature-1", "base64", body=b"<a>\r\n</a>")
        | {"body_base64": b64(b"<a>\n</a>")},
    ),
    (
        "DocuSign: malformed beside a good one",
        ACCEPT,
        simple("docusign", "X-DocuSign-Signature-2", "base64", others={"X-DocuSign-Signature-1": "é"}),
    ),
    (
        "DocuSign: the digest header decides nothing",
        REJECT,
        request(
            "docusign",
            headers={"x-authorization-digest": "HMACSHA1", "X-DocuSign-Signature-1": b64(mac("s", BODY, "sha1"))},
        ),
    ),
]

# --- the generic profile ----------------------------------------------------------------------------------------------

SHA512 = {"header": "X-Sig", "prefix": "", "encoding": "base64", "algorithm": "sha512"}
GENERIC: list[Case] = [
    ("the default is X-Signature-256: sha256=<hex>", ACCEPT, simple("generic", "X-Signature-256", value="sha256={}")),
    ("bodies may be empty", ACCEPT, simple("generic", "X-Signature-256", value="sha256={}", body=b"")),
    ("or binary", ACCEPT, simple("generic", "X-Signature-256", value="sha256={}", body=bytes(range(256)))),
    (
        "the algorithm is the profile's",
        ACCEPT,
        request("generic", headers={"X-Sig": b64(mac("s", BODY, "sha512"))}, config=SHA512),
    ),
    (
        "and never the header's",
        REJECT,
        request("generic", headers={"X-Signature-256": "sha1=" + mac("s", BODY, "sha1").hex()}),
    ),
    (
        "a profile without prefix takes none",
        REJECT,
        simple("generic", "X-Sig", value="sha256={}", config={"header": "X-Sig", "prefix": ""}),
    ),
    (
        "an unknown algorithm verifies nothing",
        REJECT,
        simple("generic", "X-Sig", config={"header": "X-Sig", "prefix": "", "algorithm": "md5"}),
    ),
    ("another header does not count", REJECT, simple("generic", "X-Hub-Signature-256", value="sha256={}")),
    ("an empty secret is none", REJECT, simple("generic", "X-Signature-256", value="sha256={}", key="", secrets=[""])),
]

# --- Slack and Zoom ---------------------------------------------------------------------------------------------------


def timed(provider: str, t: Any = NOW, body: bytes = BODY, secret: str = "s", **how: Any) -> Request:
    names = {
        "slack": ("X-Slack-Signature", "X-Slack-Request-Timestamp"),
        "zoom": ("x-zm-signature", "x-zm-request-timestamp"),
    }[provider]
    value = how.pop("value", "v0={}").format(mac(secret, f"v0:{t}:".encode() + body).hex())
    headers = {names[0]: value, names[1]: str(t)}
    return request(provider, body, headers=headers | how.pop("others", {}), **how)


CHALLENGE = b'{"type":"url_verification","challenge":"c"}'
VALIDATION = b'{"event":"endpoint.url_validation","payload":{"plainToken":"p"}}'
TIMED: list[Case] = [
    *[
        case
        for name in ("slack", "zoom")
        for case in (
            (f"{name}: exactly 300 s old", ACCEPT, timed(name, NOW - 300)),
            (f"{name}: 301 s old", REJECT, timed(name, NOW - 301)),
            (f"{name}: exactly 300 s ahead", ACCEPT, timed(name, NOW + 300)),
            (f"{name}: 301 s ahead", REJECT, timed(name, NOW + 301)),
            (f"{name}: a time that is no number", REJECT, timed(name, "soon")),
            (f"{name}: milliseconds are far ahead", REJECT, timed(name, NOW * 1000)),
            (f"{name}: another version", REJECT, timed(name, value="v1={}")),
            (f"{name}: no version", REJECT, timed(name, value="{}")),
            (f"{name}: spaced JSON is signed as it came", ACCEPT, timed(name, body=b'{ "event" : 1 }')),
            (f"{name}: another secret of a rotation", ACCEPT, timed(name, secrets=["new", "s"])),
            (f"{name}: not ASCII", REJECT, timed(name, value="v0=é")),
        )
    ],
    (
        "slack: forms are signed raw",
        ACCEPT,
        timed("slack", body=b"payload=%7B%7D&x=%C3%BC", others={"Content-Type": "application/x-www-form-urlencoded"}),
    ),
    ("slack: a challenge is answered once it is verified", ACCEPT, timed("slack", body=CHALLENGE)),
    ("slack: and refused before", REJECT, timed("slack", body=CHALLENGE, secret="x")),
    ("slack: a stale one too", REJECT, timed("slack", NOW - 301, body=CHALLENGE)),
    ("zoom: a validation is answered once it is verified", ACCEPT, timed("zoom", body=VALIDATION)),
    ("zoom: else the endpoint would sign for strangers", REJECT, timed("zoom", body=VALIDATION, secret="x")),
    ("zoom: an unsigned validation is refused", REJECT, request("zoom", VALIDATION)),
]

# --- Meta's handshake -------------------------------------------------------------------------------------------------


def meta(query: str, **config: Any) -> Request:
    return request(
        "whatsapp", b"", method="GET", url=f"https://h.example/in?{query}", config=config or {"verify_token": "v"}
    )


META: list[Case] = [
    ("subscribe with our token", ACCEPT, meta("hub.mode=subscribe&hub.challenge=1&hub.verify_token=v")),
    ("in any order", ACCEPT, meta("hub.verify_token=v&hub.challenge=1&hub.mode=subscribe")),
    ("escaped", ACCEPT, meta("hub.mode=subscribe&hub.challenge=1&hub.verify_token=%C3%BC%20%26", verify_token="ü &")),
    ("another token", REJECT, meta("hub.mode=subscribe&hub.challenge=1&hub.verify_token=V")),
    ("no token", REJECT, meta("hub.mode=subscribe&hub.challenge=1")),
    ("two tokens", REJECT, meta("hub.mode=subscribe&hub.challenge=1&hub.verify_token=x&hub.verify_token=v")),
    ("another mode", REJECT, meta("hub.mode=unsubscribe&hub.challenge=1&hub.verify_token=v")),
    ("none configured", REJECT, meta("hub.mode=subscribe&hub.challenge=1&hub.verify_token=", verify_token="")),
    (
        "the token is no pass for deliveries",
        REJECT,
        meta("hub.verify_token=v") | {"method": "POST", "body_base64": b64(BODY)},
    ),
]

# --- Twilio -----------------------------------------------------------------------------------------------------------

URL = "https://h.example/in?a=1&b=%2F"
FORM = b"To=%2B1800&From=+x+&Digits=&Body=Gr%C3%B6%C3%9Fe"
SIGNED = "Body" + "Größe" + "Digits" + "From" + " x " + "To" + "+1800"


def twilio(signed: str, body: bytes = FORM, url: str = URL, **how: Any) -> Request:
    algorithm = how.pop("algorithm", "sha1")
    headers = {
        "Content-Type": how.pop("type", "application/x-www-form-urlencoded"),
        "X-Twilio-Signature": b64(mac("s", signed, algorithm)),
    }
    config = {"public_url": how.pop("public_url", url), **how.pop("expects", {})}
    return request("twilio", body, headers=headers | how.pop("others", {}), url=url, config=config, **how)


def settings(algorithm: str) -> dict[str, str]:
    return {"X-Twilio-Webhooks-Signature-Settings": f"key=KSabc,algorithm={algorithm}"}


HASHED = f"{URL}&bodySHA256={hashlib.sha256(BODY).hexdigest()}"
TWILIO: list[Case] = [
    *(
        (
            f"a shared key {what}",
            expect,
            twilio(URL + SIGNED, algorithm="sha256", others=settings("HMAC_SHA256"), expects={"shared_keys": keys}),
        )
        for what, expect, keys in (
            ("of a stated id", ACCEPT, ["KSold", "KSabc"]),
            ("whose secret is stated with it", ACCEPT, {"KSabc": "12345"}),
            ("of another id", REJECT, {"KSother": "12345"}),
        )
    ),
    ("empty values count by name, values are not trimmed", ACCEPT, twilio(URL + SIGNED)),
    (
        "the content type may have a charset",
        ACCEPT,
        twilio(URL + SIGNED, type="Application/X-WWW-Form-urlencoded; charset=UTF-8"),
    ),
    ("values are decoded", REJECT, twilio(URL + SIGNED.replace("+1800", "%2B1800"))),
    ("names are ordered by their bytes", ACCEPT, twilio(URL + "Ba" + "ab", b"a=b&B=a")),
    ("a name's values are sorted and count once", ACCEPT, twilio(URL + "a1a2", b"a=2&a=1&a=2")),
    ("they do not count twice", REJECT, twilio(URL + "a1a2a2", b"a=2&a=1&a=2")),
    (
        "a URL with its port, signed without",
        ACCEPT,
        twilio(URL + "a1", b"a=1", public_url=URL.replace(".example", ".example:443")),
    ),
    ("a URL without port, signed with it", ACCEPT, twilio(URL.replace(".example", ".example:443") + "a1", b"a=1")),
    ("another port is another URL", REJECT, twilio(URL.replace(".example", ".example:8443") + "a1", b"a=1")),
    ("http is another URL", REJECT, twilio(URL.replace("https", "http") + "a1", b"a=1")),
    ("a slash is another URL", REJECT, twilio(URL.replace("/in", "/in/") + "a1", b"a=1")),
    (
        "the configured URL counts, not the one that was called",
        ACCEPT,
        twilio(
            "https://public.example/base/in?a=1&b=%2Fa1",
            b"a=1",
            url="https://x.execute-api.eu-west-1.amazonaws.com/prod/in?a=1&b=%2F",
            public_url="https://public.example/base/in",
        ),
    ),
    ("without a configured URL nothing counts", REJECT, twilio(URL + "a1", b"a=1", public_url="")),
    ("the query's spelling is signed", REJECT, twilio(URL.replace("%2F", "/") + "a1", b"a=1")),
    ("a query that was added is not", REJECT, twilio(URL + "a1", b"a=1", url=URL + "&c=1", public_url=URL)),
    ("JSON is covered by its hash in the URL", ACCEPT, twilio(HASHED, BODY, HASHED, type="application/json")),
    ("another body is not", REJECT, twilio(HASHED, BODY + b" ", HASHED, type="application/json")),
    ("JSON without the hash is nobody's", REJECT, twilio(URL, BODY, type="application/json")),
    (
        "an empty hash is none",
        REJECT,
        twilio(URL + "&bodySHA256=", BODY, URL + "&bodySHA256=", type="application/json"),
    ),
    (
        "two hashes are none",
        REJECT,
        twilio(HASHED + "&bodySHA256=x", BODY, HASHED + "&bodySHA256=x", type="application/json"),
    ),
    ("a GET is its URL", ACCEPT, twilio(URL, b"", method="GET", type="")),
    ("a shared key signs by SHA-256", ACCEPT, twilio(URL + SIGNED, algorithm="sha256", others=settings("HMAC_SHA256"))),
    ("only if it says so", REJECT, twilio(URL + SIGNED, algorithm="sha256")),
    ("SHA-1 under a header that says SHA-256", REJECT, twilio(URL + SIGNED, others=settings("HMAC_SHA256"))),
    ("an unknown algorithm", REJECT, twilio(URL + SIGNED, others=settings("HMAC_MD5"))),
    ("none", REJECT, twilio(URL + SIGNED, others=settings("none"))),
    (
        "hex is another form",
        REJECT,
        request(
            "twilio",
            FORM,
            headers={
                "Content-Type": "application/x-www-form-urlencoded",
                "X-Twilio-Signature": mac("s", URL + SIGNED, "sha1").hex(),
            },
            url=URL,
            config={"public_url": URL},
        ),
    ),
]

# --- Square and HubSpot: the URL is signed ----------------------------------------------------------------------------


def square(signed_url: str, url: str, registered: str, body: bytes = BODY) -> Request:
    headers = {"x-square-hmacsha256-signature": b64(mac("s", signed_url.encode() + body))}
    return request("square", body, headers=headers, url=url, config={"notification_url": registered})


def hubspot(
    signed_url: str = "https://h.example/in",
    url: str = "https://h.example/in",
    t: Any = NOW * 1000,
    method: str = "POST",
    **how: Any,
) -> Request:
    message = how.pop("signed_method", method).encode() + signed_url.encode() + BODY + str(t).encode()
    headers = {"X-HubSpot-Signature-v3": b64(mac("s", message)), "X-HubSpot-Request-Timestamp": str(t)}
    config = {"public_url": how.pop("public_url", url.partition("?")[0]), **how.pop("config", {})}
    return request("hubspot", headers=headers | how.pop("others", {}), url=url, method=method, config=config, **how)


def plain(version: str, text: str, allowed: Any = True) -> Request:
    headers = {"X-HubSpot-Signature": hashlib.sha256(text.encode()).hexdigest(), "X-HubSpot-Signature-Version": version}
    return request(
        "hubspot",
        headers=headers,
        url="https://h.example/in",
        config={"public_url": "https://h.example/in", "allow_legacy": allowed},
    )


H = "https://h.example/in"
SECRET_BODY = "s" + BODY.decode()
SIGNED_URLS: list[Case] = [
    ("square: the registered URL and the body", ACCEPT, square(H, H, H)),
    ("square: a slash more", REJECT, square(H + "/", H, H)),
    ("square: http", REJECT, square("http://h.example/in", H, H)),
    ("square: whatever the request was called by", ACCEPT, square(H, "https://inner.example/prod/in", H)),
    ("square: none registered", REJECT, square(H, H, "")),
    ("square: a registered query", ACCEPT, square(H + "?a=1", H + "?a=1", H + "?a=1")),
    ("square: its spelling is the registered one", ACCEPT, square(H + "?a=%7E", H + "?a=~", H + "?a=%7E")),
    (
        "square: the SHA-1 header is ignored",
        REJECT,
        request(
            "square",
            headers={"x-square-signature": b64(mac("s", H.encode() + BODY, "sha1"))},
            config={"notification_url": H},
        ),
    ),
    ("hubspot: version 3", ACCEPT, hubspot()),
    ("hubspot: milliseconds: exactly 300 s", ACCEPT, hubspot(t=NOW * 1000 - 300_000)),
    ("hubspot: 1 ms more", REJECT, hubspot(t=NOW * 1000 - 300_001)),
    ("hubspot: seconds are long ago", REJECT, hubspot(t=NOW)),
    ("hubspot: only the age counts", ACCEPT, hubspot(t=NOW * 1000 + 86_400_000)),
    ("hubspot: the method is signed", REJECT, hubspot(signed_method="GET")),
    ("hubspot: a query as it came", ACCEPT, hubspot(H + "?a=b%20c", H + "?a=b%20c")),
    (
        "hubspot: some escapes decoded",
        ACCEPT,
        hubspot(H + "?a=x@y:z/!$'()*,;%20", H + "?a=" + quote("x@y:z/!$'()*,;", safe="") + "%20"),
    ),
    ("hubspot: or as they came", ACCEPT, hubspot(H + "?a=x%40y", H + "?a=x%40y")),
    ("hubspot: & and = stay escaped", REJECT, hubspot(H + "?a=x&y", H + "?a=x%26y")),
    ("hubspot: the configured URL", ACCEPT, hubspot("https://p.example/b", H, public_url="https://p.example/b")),
    ("hubspot: none configured", REJECT, hubspot(public_url="")),
    ("hubspot: v1 where it is allowed", ACCEPT, plain("v1", SECRET_BODY)),
    ("hubspot: v2 too", ACCEPT, plain("v2", "sPOST" + H + BODY.decode())),
    ("hubspot: v1 where it is not", REJECT, plain("v1", SECRET_BODY, allowed=False)),
    ("hubspot: v1 passed off as v2", REJECT, plain("v2", SECRET_BODY)),
    ("hubspot: v3 in the old header", REJECT, plain("v3", SECRET_BODY)),
    (
        "hubspot: v1 beside a wrong v3 is a downgrade",
        REJECT,
        hubspot(
            "https://x.example",
            config={"allow_legacy": True},
            others={
                "X-HubSpot-Signature": hashlib.sha256(SECRET_BODY.encode()).hexdigest(),
                "X-HubSpot-Signature-Version": "v1",
            },
        ),
    ),
    (
        "hubspot: v1 beside a stale v3 too",
        REJECT,
        hubspot(
            t=(NOW - 301) * 1000,
            config={"allow_legacy": True},
            others={"X-HubSpot-Signature": hashlib.sha256(SECRET_BODY.encode()).hexdigest()},
        ),
    ),
]

# --- Standard Webhooks and Svix ---------------------------------------------------------------------------------------

KEY = hashlib.sha256(b"standard").digest()
WHSEC = "whsec_" + b64(KEY)
ED = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = ED.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
WHPK = "whpk_" + b64(PUBLIC)


def standard(
    t: Any = NOW,
    key: bytes = KEY,
    body: bytes = BODY,
    prefix: str = "webhook",
    provider: str = "standardwebhooks",
    **how: Any,
) -> Request:
    message = f"msg_1.{t}.".encode() + body
    text = how.pop("value", "v1,{v1}").format(
        v1=b64(mac(key, message)), v1a=b64(ED.sign(message)), hex=mac(key, message).hex()
    )
    headers = {f"{prefix}-id": how.pop("sent_id", "msg_1"), f"{prefix}-timestamp": str(t), f"{prefix}-signature": text}
    return request(provider, body, headers=headers | how.pop("others", {}), **{"secrets": [WHSEC], **how})


STANDARD: list[Case] = [
    ("v1 by the base64 after whsec_", ACCEPT, standard()),
    ("the text is no key", REJECT, standard(key=WHSEC.encode())),
    ("a secret without its prefix", ACCEPT, standard(secrets=[b64(KEY)])),
    ("svix- is another name", ACCEPT, standard(prefix="svix")),
    ("exactly 300 s", ACCEPT, standard(NOW - 300)),
    ("301 s old", REJECT, standard(NOW - 301)),
    ("300 s ahead", ACCEPT, standard(NOW + 300)),
    ("301 s ahead", REJECT, standard(NOW + 301)),
    ("any of several signatures", ACCEPT, standard(value="v1,AAAA v1,{v1}")),
    ("of the right version", REJECT, standard(value="v2,{v1}")),
    ("a comma is needed", REJECT, standard(value="{v1}")),
    ("commas do not separate", REJECT, standard(value="v1,{v1},v1,{v1}")),
    ("hex is another form", REJECT, standard(value="v1,{hex}")),
    ("the id is signed", REJECT, standard(sent_id="msg_2")),
    ("an empty body can be signed", ACCEPT, standard(body=b"")),
    ("v1a by the public key", ACCEPT, standard(value="v1a,{v1a}", secrets=[WHPK])),
    ("v1a beside v1 of another key", ACCEPT, standard(value="v1,{v1} v1a,{v1a}", secrets=[WHPK])),
    ("a public key is never an HMAC's", REJECT, standard(key=PUBLIC, secrets=[WHPK])),
    ("neither is its text", REJECT, standard(key=WHPK.encode(), secrets=[WHPK])),
    ("v1a needs a public key", REJECT, standard(value="v1a,{v1a}")),
    (
        "a private key is nobody's to have here",
        REJECT,
        standard(key=bytes(range(32)), secrets=["whsk_" + b64(bytes(range(32)))]),
    ),
    ("v1a of other bytes", REJECT, standard(value="v1a,{v1a}", secrets=[WHPK]) | {"body_base64": b64(b"{}")}),
    ("an unusable key", REJECT, standard(secrets=["whsec_%%%"])),
    ("an empty one", REJECT, standard(key=b"", secrets=["whsec_"])),
    ("a time that is no number", REJECT, standard("soon")),
    ("rotation", ACCEPT, standard(secrets=["whsec_" + b64(b"new"), WHSEC])),
    ("gitlab: a signing token is this scheme", ACCEPT, standard(provider="gitlab")),
    ("gitlab: and has its window", REJECT, standard(NOW - 301, provider="gitlab")),
    (
        "gitlab: once there is one the plain token counts no longer",
        REJECT,
        request("gitlab", headers={"X-Gitlab-Token": "gl"}, secrets=[WHSEC, "gl"]),
    ),
    (
        "gitlab: nor the signing token in the plain header",
        REJECT,
        request("gitlab", headers={"X-Gitlab-Token": WHSEC}, secrets=[WHSEC]),
    ),
    ("gitlab: the plain token", ACCEPT, request("gitlab", headers={"X-Gitlab-Token": "gl"}, secrets=["gl"])),
    ("gitlab: its case counts", REJECT, request("gitlab", headers={"X-Gitlab-Token": "GL"}, secrets=["gl"])),
    ("gitlab: a part of it", REJECT, request("gitlab", headers={"X-Gitlab-Token": "g"}, secrets=["gl"])),
    ("gitlab: none", REJECT, request("gitlab", secrets=["gl"])),
    ("gitlab: empty for empty", REJECT, request("gitlab", headers={"X-Gitlab-Token": ""}, secrets=[""])),
]

# --- Paddle -----------------------------------------------------------------------------------------------------------


def paddle(t: Any = NOW, secret: str = "s", value: str = "ts={t};h1={h1}", **how: Any) -> Request:
    h1 = mac(secret, f"{t}:".encode() + BODY).hex()
    return request("paddle", headers={"Paddle-Signature": value.format(t=t, h1=h1)}, **how)


PADDLE: list[Case] = [
    ("5 s", ACCEPT, paddle(NOW - 5)),
    ("6 s", REJECT, paddle(NOW - 6)),
    ("5 s ahead", ACCEPT, paddle(NOW + 5)),
    ("6 s ahead", REJECT, paddle(NOW + 6)),
    ("a wider window of one's own", ACCEPT, paddle(NOW - 60, tolerance_s=60)),
    ("the new key's h1 first", ACCEPT, paddle(value="ts={t};h1={h1};h1=" + "0" * 64)),
    ("or last", ACCEPT, paddle(value="ts={t};h1=" + "0" * 64 + ";h1={h1}")),
    ("any secret", ACCEPT, paddle(secrets=["new", "s"])),
    ("the order of the parts", ACCEPT, paddle(value="h1={h1};ts={t}")),
    ("an unknown part", REJECT, paddle(value="ts={t};h1={h1};h2=0")),
    ("no time", REJECT, paddle(value="h1={h1}")),
    ("two times", REJECT, paddle(value="ts=1;ts={t};h1={h1}")),
    ("Stripe's form", REJECT, paddle(value="t={t},v1={h1}")),
    ("not ASCII", REJECT, paddle(value="ts={t};h1=é")),
]

# --- Adyen ------------------------------------------------------------------------------------------------------------

HEX_KEY = "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056"
ITEM = {
    "pspReference": "7914073381342284",
    "merchantAccountCode": "TestMerchant",
    "merchantReference": "Test\\Ref:1",
    "amount": {"value": 1130, "currency": "EUR"},
    "eventCode": "AUTHORISATION",
    "success": "true",
    "eventDate": "2019-05-06T17:15:34.121+02:00",
}
PLAIN = "7914073381342284::TestMerchant:Test\\Ref:1:1130:EUR:AUTHORISATION:true"


def item(signed: str = PLAIN, key: str = HEX_KEY, **changed: Any) -> dict[str, Any]:
    proof = {"hmacSignature": b64(mac(bytes.fromhex(key), signed)), "reason": "x"}
    return {"NotificationRequestItem": {**ITEM, "additionalData": proof, **changed}}


def adyen(*items: Any, **how: Any) -> Request:
    return request(
        "adyen",
        json.dumps({"live": "false", "notificationItems": list(items)}).encode(),
        **{"secrets": [HEX_KEY], **how},
    )


TWO = "8888073381342284::TestMerchant:Test\\Ref:1:1130:EUR:AUTHORISATION:true"
ADYEN: list[Case] = [
    ("nothing is escaped, what is missing is empty", ACCEPT, adyen(item())),
    (
        "an escaping rule that is often copied",
        REJECT,
        adyen(item(PLAIN.replace("\\", "\\\\").replace("Ref:", "Ref\\:"))),
    ),
    (
        "the key is hex",
        REJECT,
        request(
            "adyen",
            json.dumps(
                {
                    "notificationItems": [
                        {
                            "NotificationRequestItem": {
                                **ITEM,
                                "additionalData": {"hmacSignature": b64(mac(HEX_KEY, PLAIN))},
                            }
                        }
                    ]
                }
            ).encode(),
            secrets=[HEX_KEY],
        ),
    ),
    ("in either case", ACCEPT, adyen(item(), secrets=[HEX_KEY.lower()])),
    ("a key that is not hex is none", REJECT, adyen(item(), secrets=["not hex"])),
    ("every item", ACCEPT, adyen(item(), item(TWO, pspReference="8888073381342284"))),
    ("the second too", REJECT, adyen(item(), item(TWO, pspReference="8888073381342284", success="false"))),
    ("an item without proof", REJECT, adyen(item(), {"NotificationRequestItem": ITEM})),
    ("no items", REJECT, adyen()),
    ("eventDate is not authenticated", ACCEPT, adyen(item(eventDate="2030-01-01"))),
    ("the old key for some time", ACCEPT, adyen(item(), secrets=["00" * 32, HEX_KEY])),
    (
        "a header signs Balance Platform's",
        ACCEPT,
        request("adyen", headers={"HmacSignature": b64(mac(bytes.fromhex(HEX_KEY), BODY))}, secrets=[HEX_KEY]),
    ),
    (
        "over every byte",
        REJECT,
        request(
            "adyen", BODY + b" ", headers={"HmacSignature": b64(mac(bytes.fromhex(HEX_KEY), BODY))}, secrets=[HEX_KEY]
        ),
    ),
]

# --- Mailgun ----------------------------------------------------------------------------------------------------------


def mailgun(t: Any = NOW, key: str = "s", place: str = "signature", **how: Any) -> Request:
    proof = {"timestamp": str(t), "token": "tok", "signature": mac(key, f"{t}tok").hex()}
    return request("mailgun", json.dumps({place: proof, "event-data": {"id": "1", "event": "opened"}}).encode(), **how)


def inbound(*fields: str) -> Request:
    body = "&".join(["timestamp=1767225900", "token=tok", *fields, "signature=" + mac("s", f"{NOW}tok").hex()])
    return request("mailgun", body.encode(), headers={"Content-Type": "application/x-www-form-urlencoded"})


MAILGUN: list[Case] = [
    ("timestamp and token, joined", ACCEPT, mailgun()),
    ("a day", ACCEPT, mailgun(NOW - 86_400)),
    ("a second more", REJECT, mailgun(NOW - 86_401)),
    ("a subaccount by the parent's key", ACCEPT, mailgun(place="parent-signature")),
    ("inbound: at the form's top", ACCEPT, inbound("a=b")),
    ("the last of two values", REJECT, inbound("token=other")),
    ("no signature", REJECT, request("mailgun", b'{"event-data":{}}')),
    ("a signature that is no object", REJECT, request("mailgun", b'{"signature":"x"}')),
    (
        "upper case",
        REJECT,
        request(
            "mailgun",
            json.dumps(
                {"signature": {"timestamp": str(NOW), "token": "t", "signature": mac("s", f"{NOW}t").hex().upper()}}
            ).encode(),
        ),
    ),
]

# --- tokens -----------------------------------------------------------------------------------------------------------

BASIC = "Basic " + b64(b"user:p\xc3\xa4ss:word")


def n8n(value: str, secret: str = "tok", header: str = "Authorization", **config: Any) -> Request:
    return request("n8n", headers={header: value}, secrets=[secret], config=config)


def unsigned(algorithm: str) -> str:
    head = url_base64(json.dumps({"alg": algorithm}).encode())
    return f"Bearer {head}.{url_base64(b'{}')}."


TOKENS: list[Case] = [
    (
        "telegram: the token",
        ACCEPT,
        request("telegram", headers={"X-Telegram-Bot-Api-Secret-Token": "A_b-1"}, secrets=["A_b-1"]),
    ),
    (
        "telegram: its case",
        REJECT,
        request("telegram", headers={"X-Telegram-Bot-Api-Secret-Token": "a_b-1"}, secrets=["A_b-1"]),
    ),
    (
        "telegram: twice",
        REJECT,
        request("telegram", headers=[("X-Telegram-Bot-Api-Secret-Token", "A")] * 2, secrets=["A"]),
    ),
    (
        "telegram: not ASCII",
        REJECT,
        request("telegram", headers={"X-Telegram-Bot-Api-Secret-Token": "é"}, secrets=["A"]),
    ),
    ("n8n: basic", ACCEPT, n8n(BASIC, "user:päss:word", mode="basic")),
    ("n8n: another password", REJECT, n8n(BASIC, "user:pass", mode="basic")),
    ("n8n: the user apart", ACCEPT, n8n(BASIC, "päss:word", mode="basic", username="user")),
    ("n8n: a header where basic is meant", REJECT, n8n("user:pass", "user:pass", mode="basic")),
    ("n8n: basic that is not base64", REJECT, n8n("Basic ***", "user:pass", mode="basic")),
    ("n8n: jwt", ACCEPT, n8n("Bearer " + jwt_hs256({"exp": NOW + 1}, "tok"), mode="jwt")),
    ("n8n: expired", REJECT, n8n("Bearer " + jwt_hs256({"exp": NOW - 1}, "tok"), mode="jwt")),
    ("n8n: another passphrase", REJECT, n8n("Bearer " + jwt_hs256({}, "x"), mode="jwt")),
    ("n8n: none is no algorithm", REJECT, n8n(unsigned("none"), mode="jwt")),
    ("n8n: in no spelling", REJECT, n8n(unsigned("nOnE"), mode="jwt")),
    ("n8n: HS512 is not the pinned one", REJECT, n8n(unsigned("HS512"), mode="jwt")),
    ("n8n: no token", REJECT, n8n("Bearer ", mode="jwt")),
    ("n8n: a mode that is none", REJECT, n8n("tok", mode="oauth")),
    ("n8n: a part of the token", REJECT, n8n("to", header="X-N8N-Token")),
    (
        "sap: basic",
        ACCEPT,
        request("sap", headers={"Authorization": BASIC}, secrets=["user:päss:word"], config={"mode": "basic"}),
    ),
    ("sap: unauthenticated", REJECT, request("sap", secrets=["user:p"], config={"mode": "basic"})),
]


def channel(token: str = "s", channel_id: str = "c", resource: str = "r", **config: Any) -> Request:
    headers = {
        "X-Goog-Channel-Token": token,
        "X-Goog-Channel-ID": channel_id,
        "X-Goog-Resource-ID": resource,
        "X-Goog-Resource-State": "sync",
        "X-Goog-Message-Number": "1",
    }
    return request("google-push", b"", headers=headers, config={"channel_id": "c", "resource_id": "r"} | config)


def graph(*states: Any, **how: Any) -> Request:
    return request(
        "msgraph",
        json.dumps({"value": [{"id": str(n), "clientState": state} for n, state in enumerate(states)]}).encode(),
        **how,
    )


CHANNELS: list[Case] = [
    ("google: token, channel and resource", ACCEPT, channel()),
    ("google: another token", REJECT, channel("x")),
    ("google: another channel", REJECT, channel(channel_id="x")),
    ("google: another resource", REJECT, channel(resource="x")),
    ("google: nothing stated", REJECT, channel() | {"config": {}}),
    ("graph: every item", ACCEPT, graph("s", "s")),
    ("graph: one other", REJECT, graph("s", "x")),
    ("graph: one without", REJECT, graph("s", None)),
    ("graph: no items", REJECT, graph()),
    ("graph: a number", REJECT, graph(1)),
    ("graph: empty for empty", REJECT, graph("", secrets=[""])),
    ("graph: a validation", ACCEPT, request("msgraph", b"", url="https://h.example/in?validationToken=a%20b")),
    (
        "sap: an allowed origin",
        ACCEPT,
        request(
            "sap",
            b"",
            method="OPTIONS",
            headers={"WebHook-Request-Origin": "a.example"},
            config={"allowed_origins": ["b.example", "a.example"]},
        ),
    ),
    (
        "sap: a name below it",
        REJECT,
        request(
            "sap",
            b"",
            method="OPTIONS",
            headers={"WebHook-Request-Origin": "x.a.example"},
            config={"allowed_origins": ["a.example"]},
        ),
    ),
    ("sap: no origin", REJECT, request("sap", b"", method="OPTIONS", config={"allowed_origins": ["a.example"]})),
    (
        "sap: none allowed",
        REJECT,
        request("sap", b"", method="OPTIONS", headers={"WebHook-Request-Origin": "a.example"}),
    ),
]

# --- Salesforce -------------------------------------------------------------------------------------------------------

SOAP = """<?xml version="1.0" encoding="UTF-8"?>{dtd}
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body>
<notifications xmlns="http://soap.sforce.com/2005/09/outbound"><OrganizationId>{org}</OrganizationId>
<SessionId>secret</SessionId><Notification><Id>04l1</Id>
<sObject xmlns:sf="urn:sobject.enterprise.soap.sforce.com" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="sf:Account"><sf:Id>001</sf:Id></sObject>
</Notification></notifications></soapenv:Body></soapenv:Envelope>"""
ORG = "00D5e000000AbCdEAK"


def salesforce(org: str, dtd: str = "", allowed: Any = (ORG,)) -> Request:
    return request(
        "salesforce", SOAP.format(org=org, dtd=dtd).encode(), secrets=[], config={"organization_ids": list(allowed)}
    )


SALESFORCE: list[Case] = [
    ("18 characters", ACCEPT, salesforce(ORG)),
    ("15 of them", ACCEPT, salesforce(ORG[:15])),
    ("allowed by 15", ACCEPT, salesforce(ORG, allowed=[ORG[:15]])),
    ("one of several", ACCEPT, salesforce(ORG, allowed=["00D5e000000ZZZZ", ORG])),
    ("case counts", REJECT, salesforce(ORG.lower())),
    ("another", REJECT, salesforce("00D5e000000XXXXEAK")),
    ("14 characters", REJECT, salesforce(ORG[:14])),
    ("none", REJECT, salesforce("")),
    ("none allowed", REJECT, salesforce(ORG, allowed=[])),
    ("a DTD", REJECT, salesforce(ORG, '<!DOCTYPE x [<!ENTITY o "00D">]>')),
    ("not XML", REJECT, request("salesforce", secrets=[], config={"organization_ids": [ORG]})),
]

# --- keys that providers publish --------------------------------------------------------------------------------------

CERT_URL = "https://api.paypal.com/v1/notifications/certs/CERT-1"


def rsa(message: str | bytes, number: int = 0, sha1: bool = False) -> bytes:
    raw = message.encode() if isinstance(message, str) else message
    return rsa_key(number).sign(raw, padding.PKCS1v15(), SHA1() if sha1 else SHA256())  # noqa: S303 - SignatureVersion 1


def paypal(
    webhook_id: str = "W", url: str = CERT_URL, host: str = "x.paypal.com", number: int = 0, **how: Any
) -> Request:
    body = how.pop("body", BODY)
    message = f"t-1|2026-01-01T00:04:55Z|{webhook_id}|{zlib.crc32(how.pop('signed', body))}"
    headers = {
        "PAYPAL-TRANSMISSION-ID": "t-1",
        "PAYPAL-TRANSMISSION-TIME": "2026-01-01T00:04:55Z",
        "PAYPAL-TRANSMISSION-SIG": b64(rsa(message, number)),
        "PAYPAL-CERT-URL": url,
        "PAYPAL-AUTH-ALGO": how.pop("algorithm", "SHA256withRSA"),
    }
    config = {"webhook_id": "W", "certs": {url: certificate(host).decode()}}
    return request("paypal", body, headers=headers, secrets=[], config=config | how.pop("config", {}), **how)


PAYPAL: list[Case] = [
    ("id, time, webhook id and checksum", ACCEPT, paypal()),
    ("another webhook's", REJECT, paypal("X")),
    ("none stated", REJECT, paypal(config={"webhook_id": ""})),
    ("another key", REJECT, paypal(number=1)),
    ("another checksum", REJECT, paypal(signed=b"{}")),
    ("another host", REJECT, paypal(url="https://paypal.com.evil.example/cert")),
    ("a host that ends so", REJECT, paypal(url="https://evilpaypal.com/cert")),
    ("http", REJECT, paypal(url=CERT_URL.replace("https", "http"))),
    ("a user in the URL", REJECT, paypal(url="https://api.paypal.com@evil.example/cert")),
    ("a certificate of somebody else", REJECT, paypal(host="evil.example")),
    ("one that has expired", REJECT, paypal(now=NOW + 86_400 * 4_000)),
    ("one that is not valid yet", REJECT, paypal(now=NOW - 86_400 * 4_000)),
    ("another algorithm", REJECT, paypal(algorithm="SHA1withRSA")),
    ("no algorithm", REJECT, paypal(algorithm="")),
    ("a certificate that is none", REJECT, paypal(config={"certs": {CERT_URL: "x"}})),
    ("a certificate that is out of reach", REJECT, paypal(config={"certs": {}})),
    ("paypal.com itself", ACCEPT, paypal(url="https://paypal.com/cert", host="paypal.com")),
]

TOPIC = "arn:aws:sns:us-east-2:123456789012:orders"
SNS_CERT = "https://sns.us-east-2.amazonaws.com/SimpleNotificationService-1.pem"


def sns(version: str = "2", cert: str = SNS_CERT, number: int = 0, keep: Any = None, **changed: Any) -> Request:
    kind = changed.get("Type", "Notification")
    content = {
        "Type": kind,
        "MessageId": "m-1",
        "TopicArn": TOPIC,
        "Message": "a\nb",
        "Timestamp": "2026-01-01T00:00:00.000Z",
    }
    if kind != "Notification":
        content |= {
            "Token": "tok",
            "SubscribeURL": "https://sns.us-east-2.amazonaws.com/?Action=ConfirmSubscription&Token=tok",
        }
    content |= {name: value for name, value in changed.items() if name != "after"}
    names = ["Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
    lines = "".join(f"{name}\n{content[name]}\n" for name in names if content.get(name) is not None)
    content |= {
        "SignatureVersion": version,
        "SigningCertURL": cert,
        "Signature": b64(rsa(lines, number, version == "1")),
    }
    content |= changed.get("after", {})
    return request(
        "aws-sns",
        json.dumps(content).encode(),
        secrets=[],
        config={"topic_arns": [TOPIC], "certs": {cert: certificate("sns.amazonaws.com").decode()}, **(keep or {})},
    )


SNS: list[Case] = [
    ("version 2", ACCEPT, sns()),
    ("version 1", ACCEPT, sns("1")),
    ("version 3", REJECT, sns("3")),
    ("with a subject", ACCEPT, sns(Subject="Grüße")),
    ("a subject that is null is absent", ACCEPT, sns(Subject=None)),
    ("a subject added later", REJECT, sns(after={"Subject": "x"})),
    ("SHA-1 passed off as 2", REJECT, sns("1", after={"SignatureVersion": "2"})),
    ("another topic", REJECT, sns(TopicArn=TOPIC + "2")),
    ("no topic allowed", REJECT, sns(keep={"topic_arns": []})),
    ("another key", REJECT, sns(number=1)),
    ("a foreign host", REJECT, sns(cert="https://sns.us-east-2.amazonaws.com.evil.example/x.pem")),
    ("S3 is foreign, too", REJECT, sns(cert="https://sns.s3.amazonaws.com/evil/x.pem".replace("sns.s3", "s3"))),
    ("a bucket by that name", REJECT, sns(cert="https://sns.us-east-2.amazonaws.com@evil.example/x.pem")),
    ("http", REJECT, sns(cert=SNS_CERT.replace("https", "http"))),
    ("not a .pem", REJECT, sns(cert=SNS_CERT.replace(".pem", ".txt"))),
    ("China", ACCEPT, sns(cert="https://sns.cn-north-1.amazonaws.com.cn/x.pem")),
    ("a confirmation", ACCEPT, sns(Type="SubscriptionConfirmation")),
    ("the end of a subscription", ACCEPT, sns(Type="UnsubscribeConfirmation")),
    (
        "a confirmation to be fetched elsewhere",
        REJECT,
        sns(Type="SubscriptionConfirmation", SubscribeURL="https://evil.example/?Action=ConfirmSubscription"),
    ),
    ("raw delivery", REJECT, request("aws-sns", secrets=[], config={"topic_arns": [TOPIC]})),
]


def oidc(head: Mapping[str, Any] | None = None, number: int = 0, **claims: Any) -> Request:
    full = {
        "aud": "https://h.example/in",
        "email": "p@x.iam.gserviceaccount.com",
        "email_verified": True,
        "iss": "https://accounts.google.com",
        "iat": NOW - 5,
        "exp": NOW + 3_595,
    }
    full = {name: value for name, value in {**full, **claims}.items() if value is not None}
    parts = [
        url_base64(json.dumps(each).encode())
        for each in ({"alg": "RS256", "kid": "key-1", "typ": "JWT"} | dict(head or {}), full)
    ]
    signed = ".".join(parts)
    token = f"{signed}.{url_base64(rsa(signed, number))}"
    config = {"audience": "https://h.example/in", "email": "p@x.iam.gserviceaccount.com", "jwks": json.loads(key_set())}
    return request(
        "google-pubsub",
        b'{"message":{"messageId":"1"}}',
        headers={"Authorization": f"Bearer {token}"},
        secrets=[],
        config=config,
    )


OIDC: list[Case] = [
    ("our audience and our account", ACCEPT, oidc()),
    ("accounts.google.com without https", ACCEPT, oidc(iss="accounts.google.com")),
    ("another audience", REJECT, oidc(aud="https://evil.example")),
    ("another account", REJECT, oidc(email="evil@x.iam.gserviceaccount.com")),
    ("no account", REJECT, oidc(email=None)),
    ("an account that nobody verified", REJECT, oidc(email_verified=False)),
    ("another issuer", REJECT, oidc(iss="https://evil.example")),
    ("expired", REJECT, oidc(exp=NOW - 1)),
    ("no end", REJECT, oidc(exp=None)),
    ("none is no algorithm", REJECT, oidc({"alg": "none"})),
    ("HS256 neither", REJECT, oidc({"alg": "HS256"})),
    ("an unknown key", REJECT, oidc({"kid": "key-2"})),
    ("another key", REJECT, oidc(number=1)),
    ("no token", REJECT, oidc() | {"headers_list": []}),
    ("not a bearer", REJECT, oidc() | {"headers_list": [("Authorization", BASIC)]}),
]


def sendgrid(body: bytes = b'[{"sg_event_id":"1"}]\r\n', number: int = 0, t: Any = NOW, **how: Any) -> Request:
    proof = b64(ec_key(number).sign(str(t).encode() + body, ec.ECDSA(SHA256())))
    headers = {
        "X-Twilio-Email-Event-Webhook-Signature": how.pop("proof", proof),
        "X-Twilio-Email-Event-Webhook-Timestamp": how.pop("sent", str(t)),
    }
    key = ec_key(0).public_key()
    der = b64(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    return request("sendgrid", body, headers=headers, **{"secrets": [der], **how})


SENDGRID: list[Case] = [
    ("timestamp and body, CRLF included", ACCEPT, sendgrid()),
    ("no window is defined", ACCEPT, sendgrid(t=NOW - 10**8)),
    ("the time is signed", REJECT, sendgrid(sent=str(NOW + 1))),
    ("another key", REJECT, sendgrid(number=1)),
    ("not DER", REJECT, sendgrid(proof="AAAA")),
    ("not base64", REJECT, sendgrid(proof="é")),
    ("a key that is none", REJECT, sendgrid(secrets=["AAAA"])),
    (
        "a rotated key",
        ACCEPT,
        sendgrid(
            secrets=[
                b64(ec_key(1).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)),
                *sendgrid()["secrets"],
            ]
        ),
    ),
]

XERO_SIGNED = b'{"events":[],"entropy":"x"}'
CASES: Mapping[str, list[Case]] = {
    "stripe": STRIPE,
    "bodies": BODIES,
    "generic": GENERIC,
    "timed": TIMED,
    "meta": META,
    "twilio": TWILIO,
    "urls": SIGNED_URLS,
    "standard": STANDARD,
    "paddle": PADDLE,
    "adyen": ADYEN,
    "mailgun": MAILGUN,
    "tokens": TOKENS,
    "channels": CHANNELS,
    "salesforce": SALESFORCE,
    "paypal": PAYPAL,
    "sns": SNS,
    "oidc": OIDC,
    "sendgrid": SENDGRID,
}


@pytest.mark.parametrize(
    ("expect", "content"),
    [
        pytest.param(expect, content, id=f"{group}: {rule}")
        for group, cases in CASES.items()
        for rule, expect, content in cases
    ],
)
def test_a_rule_is_kept(expect: str, content: Request) -> None:
    assert verdict(content).partition(":")[0] == expect, verdict(content)


def test_paypals_checksum_is_all_that_holds_a_body() -> None:
    """A body that was padded to the same CRC32 passes, as its README says: fetch the event before acting upon it."""
    genuine = b'{"id":"WH-1","resource":{"amount":"30.00"},"pad":"    "}'
    start = b'{"id":"WH-1","resource":{"amount":"30000.00"},"pad":"'
    forged = forge(start, b'"}', zlib.crc32(genuine))
    assert zlib.crc32(forged) == zlib.crc32(genuine)

    assert verdict(paypal(body=forged, signed=genuine)) == ACCEPT


def forge(start: bytes, end: bytes, wanted: int) -> bytes:
    """Four bytes between start and end that give the whole the wanted CRC32: solved bit by bit, since CRC is linear."""

    def crc(middle: int) -> int:
        return zlib.crc32(start + middle.to_bytes(4, "big") + end)

    zero = crc(0)
    rows = [(crc(1 << bit) ^ zero, 1 << bit) for bit in range(32)]
    target, found = wanted ^ zero, 0
    for bit in range(32):
        pivot = next((row for row in rows if row[0] >> bit & 1), None)
        assert pivot
        rows = [(a ^ pivot[0], b ^ pivot[1]) if a >> bit & 1 else (a, b) for a, b in rows if (a, b) != pivot]
        if target >> bit & 1:
            target, found = target ^ pivot[0], found ^ pivot[1]
        rows = [row for row in rows if row != pivot]
    return start + found.to_bytes(4, "big") + end
