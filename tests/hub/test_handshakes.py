"""Handshakes: what is answered to whom, and that no answer can be had by somebody who should not have it."""

import hashlib
import hmac
import json
from dataclasses import replace

import pytest

from hub.deliveries import Delivery
from hub.errors import BadSignature, EmptyBody, ForeignSender, MissingHeader, NotStated, Rejected, WrongAccount
from hub.handshakes import AFTER, BEFORE, Answer
from hub.receive import Receiver, receive
from hub.webhook_spec import Facts, Signature, WebhookSpec
from tests.fakes import NOW, FakeEventQueue, FakeFetch, FakeSecrets, FakeTokens, outside

ZOOM = WebhookSpec(Signature("body_hmac", "X-Signature"), handshakes=("zoom_challenge", "slack_challenge"))
VALIDATION = b'{"event": "endpoint.url_validation", "payload": {"plainToken": "p-\xc3\xbc"}}'


def signature(body: bytes, secret: str) -> str:
    return hmac.digest(secret.encode(), body, hashlib.sha256).hex()


def answered(sent: Delivery, spec: WebhookSpec, *secrets: str, **states: str | list[str]) -> Answer:
    queue, tokens = FakeEventQueue(), FakeTokens()
    receiver = Receiver("it", "connector", spec, {}, states=states)
    accepted = receive(sent, receiver, outside(queue, secrets=FakeSecrets(secrets), tokens=tokens), NOW)
    assert not queue.kept
    assert not tokens.kept
    assert not accepted.events
    return accepted.answer


def post(body: bytes, secret: str) -> Delivery:
    return Delivery("POST", {"x-signature": [signature(body, secret)]}, body)


def test_every_handshake_is_before_or_after_the_signature_and_not_both() -> None:
    assert not set(BEFORE) & set(AFTER)


# --- answers that are computed with a secret --------------------------------------------------------------------------


@pytest.mark.parametrize("signed_by", ["new", "old"])
def test_zooms_token_is_signed_by_the_secret_that_zoom_used(signed_by: str) -> None:
    """While a secret is rotated, Zoom knows one of the two only."""
    answer = answered(post(VALIDATION, signed_by), ZOOM, "new", "old")

    encrypted = hmac.digest(signed_by.encode(), "p-ü".encode(), hashlib.sha256).hex()
    assert json.loads(answer.body) == {"plainToken": "p-ü", "encryptedToken": encrypted}
    assert (answer.status, answer.content_type) == (200, "application/json")


def test_a_challenge_names_no_account_and_is_answered_where_one_is_bound() -> None:
    """Zoom's has no account_id, though its events have: the URL could never be validated."""
    spec = replace(ZOOM, facts=Facts(account="body:payload.account_id"))
    receiver = Receiver("it", "connector", spec, {}, account="a-1")
    services = outside(FakeEventQueue(), secrets=FakeSecrets(("s",)))

    assert receive(post(VALIDATION, "s"), receiver, services, NOW).answer.status == 200
    with pytest.raises(WrongAccount):
        receive(post(b'{"event": "meeting.started", "payload": {"account_id": "a-2"}}', "s"), receiver, services, NOW)


def test_nobody_else_gets_it() -> None:
    with pytest.raises(BadSignature):
        answered(post(VALIDATION, "guessed"), ZOOM, "new", "old")
    with pytest.raises(MissingHeader):
        answered(Delivery("POST", {}, VALIDATION), ZOOM, "new")


@pytest.mark.parametrize("body", [b'{"event": "endpoint.url_validation"}', b'{"type": "url_verification"}', b'{"type": "url_verification", "challenge": [1]}', b'{"event": "endpoint.url_validation", "payload": {"plainToken": ""}}'])  # fmt: skip
def test_a_challenge_without_one_is_refused(body: bytes) -> None:
    with pytest.raises(Rejected):
        answered(post(body, "s"), ZOOM, "s")


def test_slacks_challenge_comes_back_as_plain_text() -> None:
    answer = answered(post(b'{"type": "url_verification", "challenge": "<b>"}', "s"), ZOOM, "s")

    assert answer == Answer(200, "<b>", "text/plain; charset=utf-8")


# --- Meta -------------------------------------------------------------------------------------------------------------

META = replace(ZOOM, handshakes=("meta_challenge",), methods=("GET", "POST"))


def get(query: str) -> Delivery:
    return Delivery("GET", {}, b"", query)


def test_metas_challenge_comes_back_as_plain_text() -> None:
    answer = answered(get("hub.mode=subscribe&hub.verify_token=v&hub.challenge=%3Cb%3E"), META, "s", verify_token="v")

    assert answer == Answer(200, "<b>", "text/plain; charset=utf-8")


@pytest.mark.parametrize("states", [{}, {"verify_token": ""}, {"verify_token": "w"}])
def test_another_verify_token_gets_403_and_no_challenge(states: dict[str, str | list[str]]) -> None:
    with pytest.raises(ForeignSender) as refused:
        answered(get("hub.mode=subscribe&hub.verify_token=v&hub.challenge=1"), META, "s", **states)

    assert refused.value.status == 403


def test_the_app_secret_is_no_verify_token() -> None:
    with pytest.raises(ForeignSender):
        answered(get("hub.mode=subscribe&hub.verify_token=s&hub.challenge=1"), META, "s", verify_token="v")


# --- Microsoft Graph --------------------------------------------------------------------------------------------------

GRAPH = WebhookSpec(Signature("graph"), handshakes=("graph_validation",))


def test_graphs_token_comes_back_decoded_and_never_as_html() -> None:
    answer = answered(Delivery("POST", {}, b"", "validationToken=%3Cscript%3E+%2B%C3%BC"), GRAPH, "s")

    assert (answer.status, answer.body, answer.content_type) == (200, "<script> +ü", "text/plain; charset=utf-8")
    assert answer.headers == {"X-Content-Type-Options": "nosniff"}


@pytest.mark.parametrize("query", ["", "validationToken=", "validationToken=a&validationToken=b", "other=1"])
def test_without_one_token_a_request_is_a_notification(query: str) -> None:
    with pytest.raises(Rejected):
        answered(Delivery("POST", {}, b"{}", query), GRAPH, "s")


# --- CloudEvents ------------------------------------------------------------------------------------------------------

EVENTS = WebhookSpec(
    Signature("static_token", "Authorization"), methods=("POST", "OPTIONS"), handshakes=("cloudevents_origin",)
)


def options(**headers: str) -> Delivery:
    return Delivery("OPTIONS", {name.replace("_", "-"): [value] for name, value in headers.items()}, b"")


def test_an_allowed_origin_and_its_rate_are_confirmed() -> None:
    sent = options(webhook_request_origin="a.example", webhook_request_rate="120")

    answer = answered(sent, EVENTS, "s", allowed_origins=["b.example", "a.example"])

    assert answer.headers == {"WebHook-Allowed-Origin": "a.example", "WebHook-Allowed-Rate": "120"}


@pytest.mark.parametrize("rate", ["*", "-1", "²", "1\r\nX: 1"])
def test_a_rate_that_is_none_is_not_confirmed(rate: str) -> None:
    sent = options(webhook_request_origin="a.example", webhook_request_rate=rate)

    assert answered(sent, EVENTS, "s", allowed_origins="a.example").headers == {"WebHook-Allowed-Origin": "a.example"}


@pytest.mark.parametrize("origin", ["b.example", "a.example.evil.example", "A.EXAMPLE", "a.example,b.example"])
def test_another_origin_is_not_confirmed(origin: str) -> None:
    with pytest.raises(ForeignSender):
        answered(options(webhook_request_origin=origin), EVENTS, "s", allowed_origins=["a.example"])


def test_without_a_list_no_origin_is() -> None:
    with pytest.raises(NotStated):
        answered(options(webhook_request_origin="a.example"), EVENTS, "s")


# --- WooCommerce ------------------------------------------------------------------------------------------------------

WOO = WebhookSpec(Signature("body_hmac", "X-WC-Webhook-Signature"), handshakes=("woocommerce_ping",), empty_body=False)


def test_woocommerces_ping_is_answered_and_proves_nothing() -> None:
    assert answered(Delivery("POST", {}, b"webhook_id=142"), WOO, "s") == Answer(200, unproven=True)


@pytest.mark.parametrize("body", [b"webhook_id=", b"webhook_id=x", b"webhook_id=1&id=2", b"id=1", b'{"id": 1}', b"webhook_id=1&webhook_id=2"])  # fmt: skip
def test_what_is_no_ping_needs_its_signature(body: bytes) -> None:
    with pytest.raises(MissingHeader):
        answered(Delivery("POST", {}, body), WOO, "s")


def test_a_ping_with_a_deliverys_headers_is_a_delivery() -> None:
    with pytest.raises(BadSignature):
        answered(Delivery("POST", {"x-wc-webhook-signature": ["0" * 64]}, b"webhook_id=1"), WOO, "s")


def test_nothing_is_no_ping() -> None:
    with pytest.raises(EmptyBody):
        answered(Delivery("POST", {}, b""), WOO, "s")


def test_a_confirmation_that_cannot_be_fetched_is_asked_for_again() -> None:
    from hub.errors import SourceUnavailable
    from hub.handshakes import sns_confirmation
    from tests.edge.test_schemes import expected

    body = {"Type": "SubscriptionConfirmation", "SubscribeURL": "https://sns.eu-west-1.amazonaws.com/?Action=x"}
    fetch = FakeFetch()
    held = replace(expected("s"), fetch=fetch)

    with pytest.raises(SourceUnavailable):
        sns_confirmation(Delivery("POST", {}, json.dumps(body).encode()), held)
    assert fetch.asked == [body["SubscribeURL"]]
    with pytest.raises(ForeignSender):
        sns_confirmation(Delivery("POST", {}, json.dumps(body | {"SubscribeURL": "https://x.example"}).encode()), held)
    assert len(fetch.asked) == 1
    assert sns_confirmation(Delivery("POST", {}, b'{"Type": "UnsubscribeConfirmation"}'), held) == Answer(200)
    assert sns_confirmation(Delivery("POST", {}, b'{"Type": "Notification"}'), held) is None
