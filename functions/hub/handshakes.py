"""What providers ask before they send, or beside it: challenges that are answered and keep nothing.

A manifest names the ones of its provider. Those in BEFORE run on any request, those in AFTER only on a verified one: an
answer computed with a secret must never be had without it.
"""

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from hub.deliveries import Delivery, Expected
from hub.errors import ForeignSender, MalformedBody, Rejected
from hub.facts import at, json_of
from hub.schemes import live_keys, same

TEXT = "text/plain; charset=utf-8"
MAX_CHALLENGE_CHARS = 2_000


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer."""

    status: int
    body: str = ""
    content_type: str = TEXT
    headers: Mapping[str, str] = field(default_factory=dict)
    unproven: bool = False  # given to anyone: the request says nothing of its sender


Handshake = Callable[[Delivery, Expected], Answer | None]  # None: the request is not this handshake


def meta_challenge(delivery: Delivery, expected: Expected) -> Answer | None:
    """Meta's GET with `hub.challenge`: echoed if `hub.verify_token` is ours, else refused with 403."""
    if delivery.method != "GET":
        return None
    try:
        same(delivery.query_value("hub.verify_token"), [expected.stated("verify_token")])
    except Rejected as refusal:
        raise ForeignSender("hub.verify_token is not the configured one") from refusal
    if delivery.query_value("hub.mode") != "subscribe":
        raise ForeignSender("hub.mode is not subscribe")
    return Answer(200, delivery.query_value("hub.challenge")[:MAX_CHALLENGE_CHARS])


def graph_validation(delivery: Delivery, _expected: Expected) -> Answer | None:
    """Microsoft Graph's `?validationToken=`: echoed as plain text, never as HTML."""
    token = delivery.query_value("validationToken")
    if delivery.method != "POST" or not token:
        return None
    return Answer(200, token[:MAX_CHALLENGE_CHARS], TEXT, {"X-Content-Type-Options": "nosniff"})


def cloudevents_origin(delivery: Delivery, expected: Expected) -> Answer | None:
    """CloudEvents' abuse protection: OPTIONS with an origin that we allow, refused with 403 for any other."""
    if delivery.method != "OPTIONS":
        return None
    origin = delivery.header("WebHook-Request-Origin")
    if origin not in expected.stated_list("allowed_origins"):
        raise ForeignSender("WebHook-Request-Origin is not one of the configured allowed_origins")
    rate = delivery.optional_header("WebHook-Request-Rate")
    allowed = {"WebHook-Allowed-Rate": rate} if rate.isascii() and rate.isdigit() else {}
    return Answer(200, "", TEXT, {"WebHook-Allowed-Origin": origin, **allowed})


def woocommerce_ping(delivery: Delivery, _expected: Expected) -> Answer | None:
    """WooCommerce's unsigned `webhook_id=N` on creation: 200, and nothing of it is kept."""
    signed = any(name.startswith("x-wc-webhook-") for name in delivery.headers)
    form = delivery.form()
    if signed or len(form) != 1 or form[0][0] != "webhook_id" or not form[0][1].isdigit():
        return None
    return Answer(200, unproven=True)


def slack_challenge(delivery: Delivery, _expected: Expected) -> Answer | None:
    """Slack's url_verification: the challenge, as plain text."""
    body = json_of(delivery)
    if at(body, "type") != "url_verification":
        return None
    challenge = at(body, "challenge")
    if not isinstance(challenge, str) or not challenge.isascii():
        raise MalformedBody("url_verification without a challenge of Slack's")
    return Answer(200, challenge[:MAX_CHALLENGE_CHARS])


def zoom_challenge(delivery: Delivery, expected: Expected) -> Answer | None:
    """Zoom's endpoint.url_validation: its plainToken, and that token's HMAC under our secret."""
    body = json_of(delivery)
    if at(body, "event") != "endpoint.url_validation":
        return None
    token = at(body, "payload.plainToken")
    if not isinstance(token, str) or not token:
        raise MalformedBody("endpoint.url_validation without a plainToken")
    encrypted = hmac.new(live_keys(expected)[0], token.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()
    return Answer(200, json.dumps({"plainToken": token, "encryptedToken": encrypted}), "application/json")


def xero_intent(delivery: Delivery, _expected: Expected) -> Answer | None:
    """Xero's intent to receive: a delivery without events, answered with 200 and nothing else."""
    return Answer(200) if at(json_of(delivery), "events") == [] else None


def sns_confirmation(delivery: Delivery, expected: Expected) -> Answer | None:
    """AWS SNS's SubscriptionConfirmation: fetched at its SubscribeURL, which must be SNS's own."""
    from hub.schemes.sns import sns_url

    body = json_of(delivery)
    if at(body, "Type") not in {"SubscriptionConfirmation", "UnsubscribeConfirmation"}:
        return None
    if at(body, "Type") == "SubscriptionConfirmation":
        expected.fetch(sns_url(at(body, "SubscribeURL"), "SubscribeURL"))
    return Answer(200)


BEFORE: Mapping[str, Handshake] = {
    "meta_challenge": meta_challenge,
    "graph_validation": graph_validation,
    "cloudevents_origin": cloudevents_origin,
    "woocommerce_ping": woocommerce_ping,
}
AFTER: Mapping[str, Handshake] = {
    "slack_challenge": slack_challenge,
    "zoom_challenge": zoom_challenge,
    "xero_intent": xero_intent,
    "sns_confirmation": sns_confirmation,
}
