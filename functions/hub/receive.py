"""Receive a delivery: verify it, name the fact it states, queue it, and only then acknowledge it."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from hub.errors import BodyTooLarge, EmptyBody, MalformedHeader, MethodNotAllowed, WrongAccount
from hub.events import (
    MAX_MESSAGE_BYTES,
    Event,
    integer_version,
    parse_instant,
    timestamp_version,
    to_json,
)
from hub.schemes import SCHEMES, Delivery
from hub.webhook_spec import Topic, WebhookSpec

PRINTABLE = re.compile(r"[!-+\--~]{1,200}")  # no comma: API Gateway joins a header that came twice with one
MAX_ENTITY_ID_CHARS = 200  # of 4 bytes at most: the entity is a key of the ledger, and DynamoDB takes 2,048 bytes
UNREADABLE = "unreadable"  # the entity type of a verified body that names no entity


class EventQueue(Protocol):
    """Where events go. `put` returns once the queue has confirmed that it keeps them; else it raises Temporary."""

    def put(self, event: Event, message: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Receiver:
    """What receiving needs to know of one integration."""

    integration: str
    connector: str
    spec: WebhookSpec
    topics: Mapping[str, Topic]
    account: str = ""  # the provider's tenant that is bound to this integration; "" binds none


@dataclass(frozen=True, slots=True)
class Accepted:
    """The answer to the provider, and the event that is now durable."""

    status: int
    event: Event


def receive(
    delivery: Delivery,
    receiver: Receiver,
    secrets: Callable[[], Sequence[str]],
    queues: Sequence[EventQueue],
    now: datetime,
) -> Accepted:
    """Turn a delivery into an event on every queue of the integration.

    Raises Rejected for what is not a verified delivery, Temporary when a queue did not confirm (the provider then
    sends it again; the queues that already have it know its id). A verified body that cannot be read is still an event:
    the provider would only repeat it, and a person must see it.
    """
    spec = receiver.spec
    if delivery.method not in spec.methods:
        raise MethodNotAllowed(f"{delivery.method} is not allowed here; send {' or '.join(spec.methods)}")
    if not delivery.body:
        raise EmptyBody("the body is empty")
    SCHEMES[spec.scheme](delivery, spec, secrets())
    _same_account(delivery, receiver)

    event = name_the_fact(delivery, receiver, now)
    message = to_json(event)
    if len(message.encode()) > MAX_MESSAGE_BYTES:
        raise BodyTooLarge(f"the event takes {len(message.encode())} bytes; a queue takes {MAX_MESSAGE_BYTES}")
    for queue in queues:  # first keep the event,
        queue.put(event, message)
    return Accepted(spec.acknowledge_status, event)  # then, and only then, say so


def name_the_fact(delivery: Delivery, receiver: Receiver, now: datetime) -> Event:
    """The event that a verified delivery states: its id, type, entity and the entity's version."""
    spec = receiver.spec
    name = _printable(delivery, spec.topic_header)
    event_id = _printable(delivery, spec.event_id_header)
    entity, entity_id, version = _entity(delivery.body, receiver.topics.get(name))
    return Event(
        id=event_id,
        source=f"/integrations/{receiver.integration}",
        type=f"{receiver.connector}.{name}",
        subject=f"{receiver.integration}/{entity}/{entity_id}",
        time=_time(delivery, spec),
        received_at=now,
        entity_version=version,
        content_type=delivery.optional_header("content-type"),
        data=delivery.body,
        traceparent=delivery.optional_header("traceparent") or None,
    )


def _same_account(delivery: Delivery, receiver: Receiver) -> None:
    if not (receiver.account and receiver.spec.account_header):
        return
    if delivery.header(receiver.spec.account_header).lower() != receiver.account.lower():
        raise WrongAccount(f"{receiver.spec.account_header} names another account than the integration's")


def _printable(delivery: Delivery, header: str) -> str:
    value = delivery.header(header)
    if not PRINTABLE.fullmatch(value):
        raise MalformedHeader(f"header {header} is not 1 to 200 printable ASCII characters without a comma")
    return value


def _time(delivery: Delivery, spec: WebhookSpec) -> datetime | None:
    try:
        return parse_instant(delivery.optional_header(spec.time_header)) if spec.time_header else None
    except ValueError:
        return None  # the provider's clock is for display; a wrong one loses no event


def _entity(body: bytes, topic: Topic | None) -> tuple[str, str, str]:
    """(entity type, entity id, version) as the body states them; a body that states none is its own entity."""
    unnamed = (UNREADABLE, hashlib.sha256(body).hexdigest()[:32], "")
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return unnamed
    entity_id = _at(content, topic.entity_id if topic else "id")
    if isinstance(entity_id, bool) or not isinstance(entity_id, int | str):
        return unnamed
    named = str(entity_id).strip()
    if not named or len(named) > MAX_ENTITY_ID_CHARS or not named.isprintable():
        return unnamed
    return topic.entity if topic else "other", named, _version(content, topic)


def _version(content: Any, topic: Topic | None) -> str:
    if topic is None:
        return ""
    value = _at(content, topic.entity_version)
    try:
        if topic.version_kind == "timestamp" and isinstance(value, str):
            return timestamp_version(value)
        if topic.version_kind == "integer" and isinstance(value, int) and not isinstance(value, bool):
            return integer_version(value)
    except ValueError:
        pass  # a version that cannot be read guards nothing; the connector's reading of the body judges it
    return ""


def _at(content: Any, path: str) -> Any:
    for part in path.split("."):
        if not isinstance(content, dict):
            return None
        content = content.get(part)
    return content
