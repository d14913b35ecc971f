"""Receiving: verify, name, queue, and only then acknowledge."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.errors import (
    BadSignature,
    BodyTooLarge,
    EmptyBody,
    MalformedHeader,
    MethodNotAllowed,
    MissingHeader,
    QueueUnavailable,
    Rejected,
    RepeatedHeader,
    SecretUnavailable,
    WrongAccount,
)
from hub.events import MAX_MESSAGE_BYTES, Event, from_json
from hub.receive import Accepted, Receiver, receive
from hub.schemes import Delivery
from hub.webhook_spec import Topic, WebhookSpec
from tests.fakes import NOW, FakeEventQueue
from tests.signing import sign_hmac_sha256_base64

SECRET = "live"
SPEC = WebhookSpec(
    scheme="hmac-sha256-base64",
    signature_header="X-Signature",
    topic_header="X-Topic",
    event_id_header="X-Event-Id",
    time_header="X-Time",
    account_header="X-Account",
    acknowledge_status=202,
)
TOPICS = {
    "orders/create": Topic("orders/create", entity="order", record="order"),
    "stock": Topic(
        "stock",
        entity="item",
        record="item",
        entity_id="item.sku",
        entity_version="item.sequence",
        version_kind="integer",
    ),
}
RECEIVER = Receiver("shop-eu", "shop", SPEC, TOPICS)
BOUND = replace(RECEIVER, account="shop-eu.example.com")
ORDER = b'{"id": 820982911946154508, "updated_at": "2026-01-01T00:00:03-05:00"}'


def secrets() -> Sequence[str]:
    return (SECRET,)


def delivery(body: bytes = ORDER, method: str = "POST", **headers: str) -> Delivery:
    """A genuine delivery; a header that is stated as "" is left out."""
    sent = {
        "x-signature": sign_hmac_sha256_base64(body, SECRET),
        "x-topic": "orders/create",
        "x-event-id": "event-1",
        "x-account": "shop-eu.example.com",
        "content-type": "application/json",
    } | {name.replace("_", "-"): value for name, value in headers.items()}
    return Delivery(method, {name: [value] for name, value in sent.items() if value}, body)


def received(sent: Delivery, receiver: Receiver = RECEIVER) -> Event:
    queue = FakeEventQueue()
    accepted = receive(sent, receiver, secrets, [queue], NOW)
    ((event, message),) = queue.kept
    assert from_json(message) == event == accepted.event
    return event


def test_a_delivery_becomes_the_event_that_it_states() -> None:
    sent = delivery(x_time="2026-01-01T00:04:58.123456789Z", traceparent="00-abc-def-01")

    event = received(sent)

    assert event == Event(
        id="event-1",
        source="/integrations/shop-eu",
        type="shop.orders/create",
        subject="shop-eu/order/820982911946154508",
        time=datetime(2026, 1, 1, 0, 4, 58, 123456, tzinfo=UTC),
        received_at=NOW,
        entity_version="2026-01-01T05:00:03.000000Z",
        content_type="application/json",
        data=ORDER,
        traceparent="00-abc-def-01",
    )


def test_the_answer_is_the_one_that_the_provider_expects() -> None:
    assert receive(delivery(), RECEIVER, secrets, [FakeEventQueue()], NOW).status == 202


def test_every_flow_of_the_integration_gets_the_event() -> None:
    queues = [FakeEventQueue(), FakeEventQueue()]

    receive(delivery(), RECEIVER, secrets, queues, NOW)

    assert [len(queue.kept) for queue in queues] == [1, 1]


# --- an acknowledgement is a durable event ----------------------------------------------------------------------------


def test_what_a_queue_did_not_confirm_is_not_acknowledged() -> None:
    first, second = FakeEventQueue(), FakeEventQueue(failure=QueueUnavailable("no answer"))

    with pytest.raises(QueueUnavailable):
        receive(delivery(), RECEIVER, secrets, [first, second], NOW)

    assert len(first.kept) == 1  # sent again, it bears the same id


def test_a_secret_that_cannot_be_read_is_our_trouble() -> None:
    def unreachable() -> Sequence[str]:
        raise SecretUnavailable("no answer")

    queue = FakeEventQueue()
    with pytest.raises(SecretUnavailable):
        receive(delivery(), RECEIVER, unreachable, [queue], NOW)

    assert not queue.kept


def test_an_unsigned_delivery_reaches_no_queue() -> None:
    queue = FakeEventQueue()

    with pytest.raises(BadSignature):
        receive(delivery(x_signature="AAAA"), RECEIVER, secrets, [queue], NOW)

    assert not queue.kept


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "refusal", "status"),
    [
        (delivery(method="GET"), MethodNotAllowed, 405),
        (delivery(method="post"), MethodNotAllowed, 405),
        (delivery(method=""), MethodNotAllowed, 405),
        (delivery(b""), EmptyBody, 400),
        (delivery(x_signature=""), MissingHeader, 401),
        (delivery(x_topic=""), MissingHeader, 401),
        (delivery(x_event_id=""), MissingHeader, 401),
        (delivery(x_account=""), MissingHeader, 401),
        (delivery(x_topic="a,b"), MalformedHeader, 400),
        (delivery(x_event_id="ü"), MalformedHeader, 400),
        (delivery(x_event_id="x" * 201), MalformedHeader, 400),
        (delivery(x_account="shop-us.example.com"), WrongAccount, 403),
    ],
)
def test_a_refusal_states_its_reason(sent: Delivery, refusal: type[Rejected], status: int) -> None:
    with pytest.raises(Rejected) as refused:
        receive(sent, BOUND, secrets, [], NOW)

    assert type(refused.value) is refusal
    assert refused.value.status == status


@pytest.mark.parametrize("header", ["x-signature", "x-topic", "x-event-id", "x-account"])
def test_a_header_that_came_twice_is_refused(header: str) -> None:
    sent = delivery()
    twice = Delivery("POST", {**sent.headers, header: [*sent.headers[header]] * 2}, ORDER)

    with pytest.raises(RepeatedHeader):
        receive(twice, BOUND, secrets, [], NOW)


def test_an_integration_without_account_takes_every_tenant() -> None:
    assert received(delivery(x_account="anyone")).id == "event-1"


# --- verified, but odd: kept ------------------------------------------------------------------------------------------


def test_an_unknown_topic_is_kept_under_its_own_name() -> None:
    event = received(delivery(x_topic="themes/publish"))

    assert event.type == "shop.themes/publish"
    assert event.subject == "shop-eu/other/820982911946154508"
    assert event.entity_version == ""


@pytest.mark.parametrize(
    "body",
    [
        b"not JSON",
        b"\xff\xfe",
        b"[]",
        b"{}",
        b'{"id": null}',
        b'{"id": true}',
        b'{"id": 1.5}',
        b'{"id": ""}',
        b'{"id": "   "}',
        b'{"id": {"id": 1}}',
        b'{"id": "\\ud800"}',
        b'{"id": "a\\u0000b"}',
        b'{"id": "' + b"x" * 201 + b'"}',
        b'{"id": ' + b"9" * 5_000 + b"}",
        b"[" * 200_000,
    ],
    ids=lambda body: ascii(body[:24]),
)
def test_a_body_that_names_no_entity_is_its_own_entity(body: bytes) -> None:
    event = received(delivery(body))

    assert event.subject.startswith("shop-eu/unreadable/")
    assert event.data == body
    assert event.entity_version == ""


def test_two_unreadable_bodies_do_not_wait_for_each_other() -> None:
    assert received(delivery(b"one")).subject != received(delivery(b"two")).subject
    assert received(delivery(b"one")).subject == received(delivery(b"one")).subject


def test_an_entity_and_its_version_stand_where_the_topic_says() -> None:
    event = received(delivery(b'{"item": {"sku": " A-1 ", "sequence": 42}}', x_topic="stock"))

    assert event.subject == "shop-eu/item/A-1"
    assert event.entity_version == "00000000000000000042"


@pytest.mark.parametrize("sequence", ["-1", "true", '"42"', "1.5", "null", "1" + "0" * 20])
def test_a_sequence_that_is_none_guards_nothing(sequence: str) -> None:
    body = f'{{"item": {{"sku": "A-1", "sequence": {sequence}}}}}'.encode()

    assert received(delivery(body, x_topic="stock")).entity_version == ""


@pytest.mark.parametrize("updated_at", ['"yesterday"', '"2026-01-01T00:00:00"', "5", '"9999-12-31T23:59:59-10:00"'])
def test_a_time_that_is_none_guards_nothing(updated_at: str) -> None:
    body = f'{{"id": 1, "updated_at": {updated_at}}}'.encode()

    assert received(delivery(body)).entity_version == ""


@pytest.mark.parametrize("time", ["yesterday", "2026-01-01T00:00:00", "9999-12-31T23:59:59-10:00", "ü"])
def test_a_wrong_clock_loses_no_event(time: str) -> None:
    assert received(delivery(x_time=time)).time is None


# --- size -------------------------------------------------------------------------------------------------------------


def test_an_order_of_500_lines_fits() -> None:
    line = {"id": 466157049, "title": "IPod Nano - 8GB", "price": "199.00", "properties": [{"name": "x", "value": "y"}]}
    body = json.dumps({"id": 1, "line_items": [line | {"sku": f"SKU-{n}", "note": "ü" * 500} for n in range(500)]})

    assert len(body.encode()) > MAX_MESSAGE_BYTES
    assert received(delivery(body.encode())).subject == "shop-eu/order/1"


def test_what_no_queue_can_keep_is_refused() -> None:
    noise = hashlib.shake_256(b"not to be compressed").digest(MAX_MESSAGE_BYTES)
    queue = FakeEventQueue()

    with pytest.raises(BodyTooLarge) as refused:
        receive(delivery(noise), RECEIVER, secrets, [queue], NOW)

    assert refused.value.status == 413
    assert not queue.kept


# --- whatever comes ---------------------------------------------------------------------------------------------------

HEADERS = st.dictionaries(
    st.sampled_from(["x-signature", "x-topic", "x-event-id", "x-time", "x-account", "content-type", "traceparent"]),
    st.lists(st.text(), max_size=2),
)


@given(st.binary(), HEADERS, st.sampled_from(["POST", "GET", ""]))
def test_an_unverified_request_is_always_a_rejection(body: bytes, headers: dict[str, list[str]], method: str) -> None:
    queue = FakeEventQueue()

    with pytest.raises(Rejected):
        receive(Delivery(method, headers, body), BOUND, secrets, [queue], NOW)

    assert not queue.kept


JSON_TEXT = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "updated_at", "item"]), inner),
    max_leaves=5,
).map(json.dumps)


@given(st.binary(min_size=1) | JSON_TEXT.map(str.encode), HEADERS)
def test_a_signed_request_is_accepted_or_rejected_and_nothing_else(body: bytes, headers: dict[str, list[str]]) -> None:
    headers |= {"x-signature": [sign_hmac_sha256_base64(body, SECRET)], "x-event-id": ["event-1"]}
    headers.setdefault("x-topic", ["orders/create"])
    queue = FakeEventQueue()
    try:
        accepted = receive(Delivery("POST", headers, body), RECEIVER, secrets, [queue], NOW)
    except Rejected:
        assert not queue.kept
        return
    assert isinstance(accepted, Accepted)
    ((event, message),) = queue.kept
    assert from_json(message) == event
    assert len(event.subject.encode()) <= 1_024
