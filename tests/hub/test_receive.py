"""Receiving: verify, name, queue, and only then acknowledge."""

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.deliveries import Delivery
from hub.errors import (
    BadSignature,
    BodyTooLarge,
    BodyUnavailable,
    EmptyBody,
    ForeignSender,
    MalformedHeader,
    MethodNotAllowed,
    MissingHeader,
    QueueUnavailable,
    Rejected,
    RepeatedHeader,
    SecretUnavailable,
    TokensUnavailable,
    UsedToken,
    WrongAccount,
)
from hub.events import MAX_MESSAGE_BYTES, Event, from_json
from hub.facts import Fact
from hub.receive import MAX_BODY_BYTES, Accepted, Receiver, receive
from hub.webhook_spec import Facts, Reply, Signature, Topic, WebhookSpec
from tests.fakes import NOW, FakeBodies, FakeEventQueue, FakeSecrets, FakeTokens, outside
from tests.signing import base64_hmac

SECRET = "live"
SPEC = WebhookSpec(
    signature=Signature("body_hmac", "X-Signature", encoding="base64"),
    facts=Facts(
        topic="header:X-Topic",
        event_id=("header:X-Event-Id",),
        entity_id="body:id",
        time="header:X-Time",
        account="header:X-Account",
    ),
    reply=Reply(202),
    empty_body=False,
)
TOPICS = {
    "orders/create": Topic("orders/create", record="order", entity="order", entity_version="body:updated_at"),
    "stock": Topic(
        "stock",
        record="item",
        entity="item",
        entity_id="body:item.sku",
        entity_version="body:item.sequence",
        version_kind="integer",
    ),
}
RECEIVER = Receiver("shop-eu", "shop", SPEC, TOPICS)
BOUND = replace(RECEIVER, account="shop-eu.example.com")
ORDER = b'{"id": 820982911946154508, "updated_at": "2026-01-01T00:00:03-05:00"}'


def delivery(body: bytes = ORDER, method: str = "POST", source_ip: str = "", **headers: str) -> Delivery:
    """A genuine delivery; a header that is stated as "" is left out."""
    sent = {
        "x-signature": base64_hmac(body, SECRET),
        "x-topic": "orders/create",
        "x-event-id": "event-1",
        "x-account": "shop-eu.example.com",
        "content-type": "application/json",
    } | {name.replace("_", "-"): value for name, value in headers.items()}
    return Delivery(method, {name: [value] for name, value in sent.items() if value}, body, source_ip=source_ip)


def accepted(sent: Delivery, receiver: Receiver = RECEIVER, *queues: FakeEventQueue, **around: Any) -> Accepted:
    return receive(sent, receiver, outside(*(queues or (FakeEventQueue(),)), **around), NOW)


def received(sent: Delivery, receiver: Receiver = RECEIVER) -> Event:
    queue = FakeEventQueue()
    answer = accepted(sent, receiver, queue)
    ((event, message),) = queue.kept
    assert (from_json(message),) == (event,) == answer.events
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
    answer = accepted(delivery()).answer

    assert (answer.status, json.loads(answer.body)) == (202, {"event": "event-1"})


def test_every_flow_of_the_integration_gets_the_event() -> None:
    queues = [FakeEventQueue(), FakeEventQueue()]

    accepted(delivery(), RECEIVER, *queues)

    assert [len(queue.kept) for queue in queues] == [1, 1]


# --- an acknowledgement is a durable event ----------------------------------------------------------------------------


def test_what_a_queue_did_not_confirm_is_not_acknowledged() -> None:
    first, second = FakeEventQueue(), FakeEventQueue(failure=QueueUnavailable("no answer"))

    with pytest.raises(QueueUnavailable):
        accepted(delivery(), RECEIVER, first, second)

    assert len(first.kept) == 1  # sent again, it bears the same id


def test_a_secret_that_cannot_be_read_is_our_trouble() -> None:
    queue = FakeEventQueue()
    with pytest.raises(SecretUnavailable):
        accepted(delivery(), RECEIVER, queue, secrets=FakeSecrets(failure=SecretUnavailable("no answer")))

    assert not queue.kept


def test_an_unsigned_delivery_reaches_no_queue() -> None:
    queue, bodies, tokens = FakeEventQueue(), FakeBodies(), FakeTokens()
    receiver = replace(RECEIVER, token_header="X-Token")

    with pytest.raises(BadSignature):
        accepted(
            delivery(x_signature=base64_hmac(b"", "no"), x_token="t"), receiver, queue, bodies=bodies, tokens=tokens
        )

    assert not queue.kept
    assert not bodies.kept
    assert not tokens.kept


# --- secrets that change ----------------------------------------------------------------------------------------------


def test_a_rotated_secret_is_found_by_a_second_look() -> None:
    secrets = FakeSecrets(("old",), renewed_to=(SECRET, "old"))

    answer = accepted(delivery(), secrets=secrets)

    assert answer.events
    assert not answer.by_previous_secret
    assert secrets.asked == ["webhook", "webhook"]


def test_a_forged_signature_makes_one_second_look_and_stays_refused() -> None:
    secrets = FakeSecrets(("other",), renewed_to=("another",))

    with pytest.raises(BadSignature):
        accepted(delivery(), secrets=secrets)

    assert secrets.asked == ["webhook", "webhook"]


def test_what_the_previous_secret_signed_is_told_apart() -> None:
    assert accepted(delivery(), secrets=FakeSecrets(("new", SECRET))).by_previous_secret
    assert not accepted(delivery(), secrets=FakeSecrets((SECRET, "old"))).by_previous_secret


# --- who may send -----------------------------------------------------------------------------------------------------

ALLOWED = replace(RECEIVER, addresses=("192.0.2.0/24", "2001:db8::/32"))


@pytest.mark.parametrize("address", ["192.0.2.0", "192.0.2.255", "2001:db8::1", "2001:db8:ffff::"])
def test_an_allowed_address_may_send(address: str) -> None:
    assert received(delivery(source_ip=address), ALLOWED)


@pytest.mark.parametrize("address", ["192.0.3.1", "2001:db9::1", "", "unknown", "192.0.2.1, 192.0.2.1", "192.0.2.01"])
def test_any_other_address_is_refused(address: str) -> None:
    with pytest.raises(ForeignSender):
        accepted(delivery(source_ip=address), ALLOWED)


# --- one-time tokens --------------------------------------------------------------------------------------------------

ONE_TIME = replace(RECEIVER, token_header="X-Token")


def test_a_token_counts_once_and_again_only_with_the_same_event() -> None:
    tokens = FakeTokens()

    accepted(delivery(x_token="t-1"), ONE_TIME, tokens=tokens)
    accepted(delivery(x_token="t-1"), ONE_TIME, tokens=tokens)
    with pytest.raises(UsedToken):
        accepted(delivery(x_token="t-1", x_event_id="event-2"), ONE_TIME, tokens=tokens)

    assert tokens.kept == {"t-1": "event-1"}


def test_without_its_token_a_delivery_is_refused() -> None:
    with pytest.raises(MissingHeader):
        accepted(delivery(), ONE_TIME)


def test_a_token_is_used_only_once_its_event_is_kept() -> None:
    """Else the provider's next try would be refused, and the event lost."""
    tokens = FakeTokens()
    with pytest.raises(QueueUnavailable):
        accepted(delivery(x_token="t"), ONE_TIME, FakeEventQueue(failure=QueueUnavailable("no")), tokens=tokens)
    assert not tokens.kept

    with pytest.raises(TokensUnavailable):
        accepted(delivery(x_token="t"), ONE_TIME, tokens=FakeTokens(failure=TokensUnavailable("no")))


# --- many facts -------------------------------------------------------------------------------------------------------

BATCH = replace(
    RECEIVER,
    spec=replace(
        SPEC,
        facts=Facts(
            topic="item:type", event_id=("item:id",), entity="text:thing", entity_id="item:thing", items="value[]"
        ),
    ),
)


def facts_in(*items: dict[str, Any]) -> tuple[Event, ...]:
    queue = FakeEventQueue()
    answer = accepted(delivery(json.dumps({"value": items}).encode()), BATCH, queue)
    assert tuple(event for event, _ in queue.kept) == answer.events
    return answer.events


def test_each_fact_of_a_delivery_is_an_event() -> None:
    events = facts_in({"id": 1, "type": "a", "thing": "x"}, {"id": 2, "type": "b", "thing": "y"})

    assert [(event.id, event.type, event.subject) for event in events] == [
        ("1", "shop.a", "shop-eu/thing/x"),
        ("2", "shop.b", "shop-eu/thing/y"),
    ]
    assert events[0].data == b'{"id":1,"thing":"x","type":"a"}'


def test_the_answer_to_many_facts_counts_them() -> None:
    body = json.dumps({"value": [{"id": 1, "thing": "x"}, {"id": 2, "thing": "y"}]}).encode()

    assert json.loads(accepted(delivery(body), BATCH).answer.body) == {"events": 2}


def test_the_same_fact_twice_in_a_delivery_is_one_event() -> None:
    fact = {"id": 1, "type": "a", "thing": "x"}

    assert len(facts_in(fact, fact)) == 1


def test_two_facts_under_one_id_are_two_events_with_ids_that_stay() -> None:
    one, two = {"id": 1, "type": "a", "thing": "x"}, {"id": 1, "type": "b", "thing": "x"}

    first, second = facts_in(one, two)

    assert (first.id, second.id[:7]) == ("1", "sha256-")
    assert facts_in(one, two) == (first, second)


def test_facts_without_ids_have_stable_ones_of_their_own() -> None:
    one, two = {"type": "a", "thing": "x", "n": 1}, {"type": "a", "thing": "x", "n": 2}

    first, second = facts_in(one, two)

    assert first.id != second.id
    assert facts_in(two)[0].id == second.id


PARTS = replace(
    BATCH, spec=replace(BATCH.spec, facts=replace(BATCH.spec.facts, event_id=("item:a", "item:b", "item:c")))
)


def id_of(**parts: str) -> str:
    body = json.dumps({"value": [parts | {"thing": "x"}]}).encode()
    return received(delivery(body), PARTS).id


def test_an_id_of_several_parts_names_one_fact_alone() -> None:
    assert id_of(a="1", b="2", c="3:4") == "1:2:3:4"
    assert id_of(a="1", b="2:3", c="4") == "1:2%3A3:4"
    assert id_of(a="1:2", b="3", c="4") == "1%3A2:3:4"
    assert id_of(a="1%3A2", b="3", c="4") == "1%253A2:3:4"


def test_where_a_part_is_missing_the_fact_itself_counts_as_well() -> None:
    assert id_of(a="1", b="2", note="x").startswith("sha256-")
    assert id_of(a="1", b="2", note="x") != id_of(a="1", b="2", note="y")
    assert id_of(a="1", b="2", note="x") == id_of(a="1", b="2", note="x")


@pytest.mark.parametrize("body", [b'{"value": []}', b'{"value": {}}', b"{}", b"[]", b"no", b'{"value": [null]}'])
def test_a_batch_without_facts_is_one_about_itself(body: bytes) -> None:
    event = received(delivery(body), BATCH)

    assert event.subject.startswith("shop-eu/unreadable/")
    assert event.data == body


def test_a_thousand_facts_are_a_thousand_events() -> None:
    assert len(facts_in(*({"id": n, "type": "a", "thing": n} for n in range(1_000)))) == 1_000


def test_a_connectors_own_code_reads_its_facts() -> None:
    def read(sent: Delivery) -> list[Fact]:
        return [Fact("t", "id-1", "thing", "7", "", None, sent.body, "text/xml")]

    event = received(delivery(b"<a/>"), replace(RECEIVER, read_facts=read))

    assert (event.type, event.subject, event.id, event.content_type) == (
        "shop.t",
        "shop-eu/thing/7",
        "id-1",
        "text/xml",
    )


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
        (delivery(x_account=""), WrongAccount, 403),
        (delivery(x_signature="AAAA"), MalformedHeader, 400),
        (delivery(x_topic="a,b"), MalformedHeader, 400),
        (delivery(x_event_id="ü"), MalformedHeader, 400),
        (delivery(x_event_id="x" * 201), MalformedHeader, 400),
        (delivery(x_account="shop-us.example.com"), WrongAccount, 403),
    ],
)
def test_a_refusal_states_its_reason(sent: Delivery, refusal: type[Rejected], status: int) -> None:
    with pytest.raises(Rejected) as refused:
        accepted(sent, BOUND)

    assert type(refused.value) is refusal
    assert refused.value.status == status


@pytest.mark.parametrize("header", ["x-signature", "x-topic", "x-event-id", "x-account"])
def test_a_header_that_came_twice_is_refused(header: str) -> None:
    sent = delivery()
    twice = Delivery("POST", {**sent.headers, header: [*sent.headers[header]] * 2}, ORDER)

    with pytest.raises(RepeatedHeader):
        accepted(twice, BOUND)


def test_a_provider_that_may_send_nothing_but_a_signature_may() -> None:
    event = received(delivery(b""), replace(RECEIVER, spec=replace(SPEC, empty_body=True)))

    assert (event.data, event.subject[:19]) == (b"", "shop-eu/unreadable/")


def test_what_always_comes_is_asked_for() -> None:
    strict = replace(RECEIVER, spec=replace(SPEC, required_headers=("X-Version, Version",)))

    assert received(delivery(x_version="1"), strict)
    assert received(delivery(version="1"), strict)
    with pytest.raises(MissingHeader):
        accepted(delivery(), strict)


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


@pytest.mark.parametrize("sequence", ["-1", "true", '"٤٢"', "1.5", "null", "1" + "0" * 20])
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


def test_an_order_of_500_lines_travels_with_its_message() -> None:
    line = {"id": 466157049, "title": "IPod Nano - 8GB", "price": "199.00", "properties": [{"name": "x", "value": "y"}]}
    body = json.dumps({"id": 1, "line_items": [line | {"sku": f"SKU-{n}", "note": "ü" * 500} for n in range(500)]})

    assert len(body.encode()) > MAX_MESSAGE_BYTES
    assert received(delivery(body.encode())).subject == "shop-eu/order/1"


def noise(size: int) -> bytes:
    return hashlib.shake_256(b"not to be compressed").digest(size)


def test_what_no_queue_can_keep_is_kept_beside_it() -> None:
    queue, bodies = FakeEventQueue(), FakeBodies()

    accepted(delivery(noise(MAX_BODY_BYTES)), RECEIVER, queue, bodies=bodies)

    ((event, message),) = queue.kept
    assert len(message) < 2_000
    assert bodies.kept[from_json(message).data_ref] == event.data == noise(MAX_BODY_BYTES)


def test_a_body_that_was_not_kept_is_asked_for_again() -> None:
    queue = FakeEventQueue()

    with pytest.raises(BodyUnavailable):
        accepted(delivery(noise(2_000_000)), RECEIVER, queue, bodies=FakeBodies(failure=BodyUnavailable("no answer")))

    assert not queue.kept


def test_what_exceeds_the_path_is_refused_before_anything_is_computed() -> None:
    secrets = FakeSecrets()

    with pytest.raises(BodyTooLarge) as refused:
        accepted(delivery(b"x" * (MAX_BODY_BYTES + 1)), secrets=secrets)

    assert refused.value.status == 413
    assert not secrets.asked


# --- whatever comes ---------------------------------------------------------------------------------------------------

HEADERS = st.dictionaries(
    st.sampled_from(["x-signature", "x-topic", "x-event-id", "x-time", "x-account", "content-type", "traceparent"]),
    st.lists(st.text(), max_size=2),
)


@given(st.binary(), HEADERS, st.sampled_from(["POST", "GET", ""]))
def test_an_unverified_request_is_always_a_rejection(body: bytes, headers: dict[str, list[str]], method: str) -> None:
    queue = FakeEventQueue()

    with pytest.raises(Rejected):
        accepted(Delivery(method, headers, body), BOUND, queue)

    assert not queue.kept


JSON_TEXT = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "updated_at", "item"]), inner),
    max_leaves=5,
).map(json.dumps)


@given(st.binary(min_size=1) | JSON_TEXT.map(str.encode), HEADERS)
def test_a_signed_request_is_accepted_or_rejected_and_nothing_else(body: bytes, headers: dict[str, list[str]]) -> None:
    headers |= {"x-signature": [base64_hmac(body, SECRET)], "x-event-id": ["event-1"]}
    headers.setdefault("x-topic", ["orders/create"])
    queue = FakeEventQueue()
    try:
        accepted(Delivery("POST", headers, body), RECEIVER, queue)
    except Rejected:
        assert not queue.kept
        return
    ((event, message),) = queue.kept
    assert from_json(message) == event
    assert len(event.subject.encode()) <= 1_024
