"""Providers' own libraries as senders and as judges: what they sign the edge accepts, what `hub send` signs they accept."""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any
from urllib.parse import parse_qs, urlencode

import pytest
from Adyen.util import generate_notification_sig, generate_payload_sig, is_valid_hmac_notification
from gidgethub import ValidationFailure
from gidgethub.sansio import validate_event
from hypothesis import given, settings
from hypothesis import strategies as st
from razorpay import Utility
from razorpay.errors import SignatureVerificationError as RazorpayRefusal
from sendgrid.helpers.eventwebhook import EventWebhook
from slack_sdk.signature import Clock, SignatureVerifier
from standardwebhooks import Webhook, WebhookVerificationError
from stripe import SignatureVerificationError as StripeRefusal
from stripe import WebhookSignature
from twilio.request_validator import RequestValidator

from cli.signing import Draft, Sender, signers
from tests.edge.test_rules import ACCEPT, HEX_KEY, ITEM, NOW, b64, request, verdict
from tests.provider import ec_key, manifest_of, pem, secret_of, spec_of

URL = "https://h.example/in?a=1"
BODIES = st.text(st.characters(codec="utf-8"), max_size=60).map(str.encode)
FEW = settings(max_examples=12)


def hub_signs(connector: str, body: bytes, secret: str, content_type: str = "application/json", **key: Any) -> Draft:
    """A request as `hub send` signs it."""
    signature = spec_of(connector).signature
    draft = Draft("POST", URL, {"Content-Type": content_type}, body)
    return signers()[signature.scheme](draft, signature, Sender(secret, NOW, **key))


def accepted(connector: str, body: bytes, headers: Mapping[str, str], secret: str, **how: Any) -> bool:
    said = verdict(request(connector, body, headers=headers, secrets=[secret], **how))
    assert said == ACCEPT or said.startswith("reject")
    return said == ACCEPT


@dataclass
class Frozen(Clock):
    """Slack's clock, stopped."""

    def now(self) -> float:
        return NOW


@dataclass
class Came:
    """A request as Paddle's library sees one."""

    headers: Mapping[str, str]
    body: bytes


class Stopped(datetime):
    """A clock for a library that has none of its own."""

    @classmethod
    def now(cls, tz: Any = None) -> "Stopped":
        return cls.fromtimestamp(NOW, tz or UTC)


# --- what the libraries sign ------------------------------------------------------------------------------------------


@FEW
@given(body=BODIES, other=BODIES)
def test_stripe_signs(body: bytes, other: bytes) -> None:
    header = WebhookSignature.generate_signature_header(body.decode(), "whsec_x", NOW)

    assert accepted("stripe", body, {"Stripe-Signature": header}, "whsec_x")
    assert accepted("stripe", other, {"Stripe-Signature": header}, "whsec_x") == (other == body)
    assert not accepted("stripe", body, {"Stripe-Signature": header}, "whsec_y")


@FEW
@given(body=BODIES, other=BODIES)
def test_standard_webhooks_sign(body: bytes, other: bytes) -> None:
    secret = secret_of("standardwebhooks")
    signature = Webhook(secret).sign("msg_1", datetime.fromtimestamp(NOW, UTC), body.decode())
    headers = {"webhook-id": "msg_1", "webhook-timestamp": str(NOW), "webhook-signature": signature}

    assert accepted("standardwebhooks", body, headers, secret)
    assert accepted("standardwebhooks", other, headers, secret) == (other == body)
    assert not accepted("standardwebhooks", body, headers, secret_of("standardwebhooks", 1))


@FEW
@given(body=BODIES, other=BODIES)
def test_slack_signs(body: bytes, other: bytes) -> None:
    signature = SignatureVerifier("s").generate_signature(timestamp=str(NOW), body=body)
    headers = {"X-Slack-Signature": str(signature), "X-Slack-Request-Timestamp": str(NOW)}

    assert accepted("slack", body, headers, "s")
    assert accepted("slack", other, headers, "s") == (other == body)


FORMS = st.dictionaries(st.text("aAbÜ &=+", min_size=1, max_size=4), st.lists(st.text("xY ü&%+", max_size=4), min_size=1, max_size=3), min_size=1)  # fmt: skip


@FEW
@given(form=FORMS, algorithm=st.sampled_from([None, "HMAC_SHA1", "HMAC_SHA256"]))
def test_twilio_signs(form: dict[str, list[str]], algorithm: str | None) -> None:
    body = urlencode(form, doseq=True).encode()
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "X-Twilio-Signature": RequestValidator("s").compute_signature(URL, Several(form), algorithm),
    }
    if algorithm:
        headers["X-Twilio-Webhooks-Signature-Settings"] = f"key=K,algorithm={algorithm}"

    assert accepted("twilio", body, headers, "s", url=URL, config={"public_url": URL})
    assert not accepted("twilio", body + b"&z=1", headers, "s", url=URL, config={"public_url": URL})


class Several(dict[str, list[str]]):
    """A form whose names may have several values, as web frameworks hand them to Twilio's library."""

    def getlist(self, name: str) -> list[str]:
        return self[name]


@FEW
@given(reference=st.text(st.characters(codec="utf-8"), max_size=20), amount=st.integers(0, 10**9))
def test_adyen_signs(reference: str, amount: int) -> None:
    item = {**ITEM, "merchantReference": reference, "amount": {"value": amount, "currency": "EUR"}}
    proof = generate_notification_sig(item, HEX_KEY).decode()
    whole = {"notificationItems": [{"NotificationRequestItem": {**item, "additionalData": {"hmacSignature": proof}}}]}
    balance = json.dumps(whole)

    assert accepted("adyen", json.dumps(whole).encode(), {}, HEX_KEY)
    item["amount"] = {"value": amount + 1, "currency": "EUR"}
    whole = {"notificationItems": [{"NotificationRequestItem": {**item, "additionalData": {"hmacSignature": proof}}}]}
    assert not accepted("adyen", json.dumps(whole).encode(), {}, HEX_KEY)
    header = generate_payload_sig(balance.encode(), HEX_KEY).decode()
    assert accepted("adyen", balance.encode(), {"HmacSignature": header}, HEX_KEY)


# --- what they say to what `hub send` signs ---------------------------------------------------------------------------


def refuses(call: Callable[[], object], *refusals: type[Exception]) -> bool:
    try:
        return call() is False
    except refusals:
        return True


@FEW
@given(body=BODIES.filter(bool))
def test_the_libraries_accept_what_is_sent_for_them(body: bytes) -> None:
    stripe = hub_signs("stripe", body, "whsec_x").header("Stripe-Signature")
    slack = hub_signs("slack", body, "s").headers
    github = hub_signs("github", body, "s").header("X-Hub-Signature-256")
    razorpay = hub_signs("razorpay", body, "s").header("X-Razorpay-Signature")
    paddle = {"Paddle-Signature": hub_signs("paddle", body, "pdl_x").header("Paddle-Signature")}
    sendgrid = hub_signs("sendgrid", body, "", private_key=pem(ec_key(0))).headers
    proof, timestamp = (sendgrid[f"X-Twilio-Email-Event-Webhook-{name}"] for name in ("Signature", "Timestamp"))

    from paddle_billing.Notifications import Secret, Verifier  # half a second, for this test alone

    def judged(came: bytes) -> list[bool]:
        text = came.decode()
        return [
            not refuses(lambda: WebhookSignature.verify_header(text, stripe, "whsec_x"), StripeRefusal),
            SignatureVerifier("s", Frozen()).is_valid_request(came, dict(slack)),
            not refuses(lambda: validate_event(came, signature=github, secret="s"), ValidationFailure),
            not refuses(lambda: Utility().verify_webhook_signature(text, razorpay, "s"), RazorpayRefusal),
            Verifier().verify(Came(paddle, came), Secret("pdl_x"), verify_time_drift=False),
            EventWebhook(secret_of("sendgrid")).verify_signature(text, proof, timestamp),
        ]

    assert judged(body) == [True] * 6
    assert judged(body + b" ") == [False] * 6


def test_standard_webhooks_accept_what_is_sent_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("standardwebhooks.webhooks.datetime", Stopped)
    secret = secret_of("standardwebhooks")
    headers = dict(hub_signs("standardwebhooks", b"{}", secret).headers)

    assert Webhook(secret).verify(b"{}", headers) == {}
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(b"[]", headers)


def test_twilio_accepts_what_is_sent_for_it() -> None:
    form = b"To=%2B1800&Body=Gr%C3%B6%C3%9Fe&Digits="
    sent = hub_signs("twilio", form, "s", "application/x-www-form-urlencoded")
    as_json = hub_signs("twilio", b'{"a": 1}', "s")
    fields = Several(parse_qs(form.decode(), keep_blank_values=True))

    assert RequestValidator("s").validate(sent.url, fields, sent.header("X-Twilio-Signature"))
    assert RequestValidator("s").validate(as_json.url, '{"a": 1}', as_json.header("X-Twilio-Signature"))
    assert not RequestValidator("s").validate(as_json.url, '{"a": 2}', as_json.header("X-Twilio-Signature"))


def test_adyen_accepts_what_is_sent_for_it() -> None:
    body = json.dumps({"notificationItems": [{"NotificationRequestItem": ITEM}]}).encode()
    sent = hub_signs("adyen", body, HEX_KEY)

    assert is_valid_hmac_notification(json.loads(sent.body), HEX_KEY)
    assert is_valid_hmac_notification(json.loads(sent.body.replace(b"1130", b"1131")), HEX_KEY) is False


# --- where a library and the hub part, on purpose ---------------------------------------------------------------------


def test_gidgethub_takes_sha1_and_the_hub_does_not() -> None:
    import hashlib
    import hmac

    header = "sha1=" + hmac.digest(b"s", b"{}", hashlib.sha1).hex()
    validate_event(b"{}", signature=header, secret="s")

    assert not accepted("github", b"{}", {"X-Hub-Signature-256": header}, "s")
    assert not accepted("github", b"{}", {"X-Hub-Signature": header}, "s")


def test_adyens_library_looks_at_the_first_item_alone_and_the_hub_at_all() -> None:
    good = json.loads(
        hub_signs(
            "adyen", json.dumps({"notificationItems": [{"NotificationRequestItem": ITEM}]}).encode(), HEX_KEY
        ).body
    )
    forged = {"NotificationRequestItem": {**ITEM, "additionalData": {"hmacSignature": b64(bytes(32))}}}
    both = {"notificationItems": [*good["notificationItems"], forged]}
    assert is_valid_hmac_notification(both, HEX_KEY)

    assert not accepted("adyen", json.dumps(both).encode(), {}, HEX_KEY)


@pytest.mark.parametrize("signature", ["é", "v0=é", "sha256=é", "t=1,v1=é"])
def test_libraries_crash_on_a_signature_that_is_not_ascii_and_the_hub_refuses(signature: str) -> None:
    with pytest.raises(TypeError):
        Utility().verify_webhook_signature("{}", signature, "s")

    for connector, header in {
        "razorpay": "X-Razorpay-Signature",
        "stripe": "Stripe-Signature",
        "github": "X-Hub-Signature-256",
    }.items():
        assert not accepted(connector, b"{}", {header: signature}, "s")


@pytest.mark.parametrize(
    ("library", "connector"),
    [
        ("stripe", "stripe"),
        ("slack-sdk", "slack"),
        ("gidgethub", "github"),
        ("razorpay", "razorpay"),
        ("twilio", "twilio"),
        ("standardwebhooks", "standardwebhooks"),
        ("adyen", "adyen"),
        ("paddle-python-sdk", "paddle"),
        ("sendgrid", "sendgrid"),
    ],
)
def test_a_manifest_names_the_version_that_was_run(library: str, connector: str) -> None:
    assert version(library) in manifest_of(connector).confirmed_by


def test_a_body_that_is_no_text_is_beyond_some_libraries_and_not_beyond_the_hub() -> None:
    body = base64.b64decode("//4A")
    with pytest.raises(UnicodeDecodeError):
        SignatureVerifier("s", Frozen()).is_valid_request(body, dict(hub_signs("slack", body, "s").headers))

    assert accepted("slack", body, hub_signs("slack", body, "s").headers, "s")
