"""Receive a delivery: verify it, name the facts it states, queue them all, and only then acknowledge it."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from ipaddress import ip_address, ip_network
from typing import Protocol

from hub.deliveries import Delivery, Expected, Fetch
from hub.errors import (
    BadSignature,
    BodyTooLarge,
    EmptyBody,
    ForeignSender,
    MethodNotAllowed,
    UsedToken,
    WrongAccount,
)
from hub.events import MAX_MESSAGE_BYTES, Event, to_json
from hub.facts import PRINTABLE, Fact, Stated, facts_of, hashed_id, items_of, json_of
from hub.handshakes import AFTER, BEFORE, Answer
from hub.schemes import one_time_token, scheme
from hub.webhook_spec import Topic, WebhookSpec

MAX_BODY_BYTES = 4_500_000  # Lambda takes 6 MB per request, in which a binary body stands as base64


class EventQueue(Protocol):
    """Where events go. `put` returns once the queue has confirmed that it keeps them all; else it raises Temporary."""

    def put(self, events: Sequence[tuple[Event, str]]) -> None:
        """Keep each event, as (event, message), in this order within its entity."""


class Bodies(Protocol):
    """Where bodies go that are too large for a queue (claim check)."""

    def keep(self, body: bytes) -> str:
        """Keep a body and give its reference, the same for the same bytes; raises Temporary unless it is kept."""


class Secrets(Protocol):
    """The secrets of the integration."""

    def live(self, name: str) -> tuple[str, ...]:
        """The values that count now, the current one first; raises Temporary where they cannot be read."""

    def renewed(self) -> bool:
        """Read them anew, unless that was done a moment ago; says whether they were."""


class Tokens(Protocol):
    """One-time tokens that have come before."""

    def event_of(self, token: str) -> str | None:
        """The event that came with this token, or None."""

    def keep(self, token: str, event_id: str) -> None:
        """Remember the token; raises Temporary where that fails."""


@dataclass(frozen=True, slots=True)
class Receiver:
    """What receiving needs to know of one integration."""

    integration: str
    connector: str
    spec: WebhookSpec
    topics: Mapping[str, Topic]
    account: str = ""  # the provider's tenant that is bound to this integration; "" binds none
    public_url: str = ""  # as registered at the provider
    states: Mapping[str, str | Sequence[str]] | None = None  # the integration's `expects`
    tolerance_seconds: float | None = None  # the integration's own window; None: the manifest's
    addresses: tuple[str, ...] = ()  # CIDRs that may send; () allows all
    token_header: str = ""  # bears a one-time token; "" asks for none
    read_facts: Callable[[Delivery], list[Fact]] | None = None  # the connector's own code, where its manifest says so


@dataclass(frozen=True, slots=True)
class Outside:
    """The services that receiving calls."""

    secrets: Secrets
    queues: Sequence[EventQueue]
    fetch: Fetch
    bodies: Bodies
    tokens: Tokens


@dataclass(frozen=True, slots=True)
class Accepted:
    """The answer to the provider, and the events that are now durable (none for a handshake)."""

    answer: Answer
    events: tuple[Event, ...] = ()
    by_previous_secret: bool = False  # the provider still signs with the secret that is being rotated out
    unreadable_versions: int = (
        0  # of the events, those whose version came but could not be read: their order is unguarded
    )


def receive(delivery: Delivery, receiver: Receiver, outside: Outside, now: datetime) -> Accepted:
    """Turn a delivery into events on every queue of the integration.

    Raises Rejected for what is not a verified delivery, Temporary when an event was not confirmed (the provider then
    sends all again; the queues that already have some know their ids). A verified body that cannot be read is still an
    event: the provider would only repeat it, and a person must see it.
    """
    spec = receiver.spec
    if delivery.method not in spec.methods:
        raise MethodNotAllowed(f"{delivery.method} is not allowed here; send {' or '.join(spec.methods)}")
    _from_allowed_address(delivery, receiver)
    if len(delivery.body) > MAX_BODY_BYTES:
        raise BodyTooLarge(f"the body takes {len(delivery.body)} bytes; the hub takes {MAX_BODY_BYTES}")
    expected = _expected(receiver, outside, now)
    for name in spec.handshakes:
        if name in BEFORE and (answer := BEFORE[name](delivery, expected)):
            return Accepted(answer)
    if not delivery.body and not spec.empty_body:
        raise EmptyBody("the body is empty")
    for header in spec.required_headers:
        delivery.header(header)

    place, expected = _verified(delivery, receiver, outside, expected, now)
    matched = replace(expected, secrets=expected.secrets[place:])  # an answer that is computed uses the one that signed
    for name in spec.handshakes:
        if name in AFTER and (answer := AFTER[name](delivery, matched)):
            return Accepted(answer, by_previous_secret=place > 0)
    _same_account(delivery, receiver)  # a handshake names none

    facts = _facts(delivery, receiver)
    events = _events(facts, delivery, receiver, now)
    token = _token(_one_time_token(delivery, receiver, expected), outside, events[0].id)
    messages = [(event, message_of(event, outside.bodies)) for event in events]
    for queue in outside.queues:  # first keep the events,
        queue.put(messages)
    if token:
        outside.tokens.keep(token, events[0].id)
    return Accepted(  # then, and only then, say so
        _reply(spec, events),
        events,
        by_previous_secret=place > 0,
        unreadable_versions=sum(fact.version_unreadable for fact in facts),
    )


def name_the_facts(delivery: Delivery, receiver: Receiver, now: datetime) -> tuple[Event, ...]:
    """The events that a verified delivery states. Facts of one delivery that are equal are one event."""
    return _events(_facts(delivery, receiver), delivery, receiver, now)


def _facts(delivery: Delivery, receiver: Receiver) -> list[Fact]:
    read = receiver.read_facts
    return read(delivery) if read else facts_of(delivery, receiver.spec, receiver.topics)


def _events(facts: Sequence[Fact], delivery: Delivery, receiver: Receiver, now: datetime) -> tuple[Event, ...]:
    trace = delivery.optional_header("traceparent")
    events: dict[tuple[str, str], Event] = {}
    for fact in facts:
        event = Event(
            id=fact.event_id,
            source=f"/integrations/{receiver.integration}",
            type=f"{receiver.connector}.{fact.topic}",
            subject=f"{receiver.integration}/{fact.entity}/{fact.entity_id}",
            time=fact.time,
            received_at=now,
            entity_version=fact.version,
            content_type=fact.content_type,
            data=fact.data,
            traceparent=trace if PRINTABLE.fullmatch(trace) else None,
        )
        same_id = events.get((event.subject, event.id))
        if same_id and same_id.data != event.data:  # an id that the provider gave twice in one delivery
            event = replace(event, id=hashed_id(event.id.encode(), event.data))
        events[event.subject, event.id] = event
    return tuple(events.values())


def _expected(receiver: Receiver, outside: Outside, now: datetime) -> Expected:
    signature = receiver.spec.signature
    own = receiver.tolerance_seconds
    return Expected(
        secrets=outside.secrets.live(signature.secret) if signature.secret else (),
        now=now.timestamp(),
        tolerance_seconds=own if own is not None else signature.tolerance_seconds,
        public_url=receiver.public_url,
        states=receiver.states or {},
        fetch=outside.fetch,
    )


def _verified(
    delivery: Delivery, receiver: Receiver, outside: Outside, expected: Expected, now: datetime
) -> tuple[int, Expected]:
    """The place of the secret that matched. Where none does, the secrets may have been rotated since they were read:
    they are read anew once."""
    verify = scheme(receiver.spec.signature.scheme)
    try:
        return verify(delivery, receiver.spec.signature, expected), expected
    except BadSignature:
        if not outside.secrets.renewed():
            raise
    expected = _expected(receiver, outside, now)
    return verify(delivery, receiver.spec.signature, expected), expected


def _from_allowed_address(delivery: Delivery, receiver: Receiver) -> None:
    if not receiver.addresses:
        return
    try:
        address = ip_address(delivery.source_ip)
    except ValueError as error:
        raise ForeignSender("the sender's address is unknown, and only known ones may send") from error
    if not any(address in ip_network(each) for each in receiver.addresses):
        raise ForeignSender("the sender's address is not one of the integration's allowed addresses")


def _same_account(delivery: Delivery, receiver: Receiver) -> None:
    where = receiver.spec.facts.account
    if not (receiver.account and where):
        return
    body = json_of(delivery, receiver.spec.facts.form_json)
    items = items_of(body, receiver.spec.facts.items) if receiver.spec.facts.items else [body]
    named = {Stated(delivery, body, item).text(where).lower() for item in items or [None]}
    if named != {receiver.account.lower()}:
        raise WrongAccount(f"{where} names another account than the integration's")


def _one_time_token(delivery: Delivery, receiver: Receiver, expected: Expected) -> str:
    """The token that the delivery may be accepted by once: the one that its scheme verified, or the one in the
    integration's header; "" where none is asked for."""
    signature = receiver.spec.signature
    if signature.one_time_token:
        return one_time_token(signature.scheme)(delivery, expected)
    return delivery.header(receiver.token_header) if receiver.token_header else ""


def _token(token: str, outside: Outside, event_id: str) -> str:
    """The token if it is still to be remembered. The same event may come with it again: a provider repeats what was
    not acknowledged."""
    if not token:
        return ""
    before = outside.tokens.event_of(token)
    if before is not None and before != event_id:
        raise UsedToken("the one-time token was used before, with another event")
    return "" if before == event_id else token


def message_of(event: Event, bodies: Bodies) -> str:
    """An event as a queue takes it: its body is kept elsewhere where it is too large for that."""
    message = to_json(event)
    if len(message.encode()) <= MAX_MESSAGE_BYTES:
        return message
    return to_json(event, body_at=bodies.keep(event.data))


def _reply(spec: WebhookSpec, events: Sequence[Event]) -> Answer:
    reply = spec.reply
    if reply.body is not None:
        return Answer(reply.status, reply.body, reply.content_type)
    told = {"event": events[0].id} if len(events) == 1 else {"events": len(events)}
    return Answer(reply.status, json.dumps(told), "application/json")
