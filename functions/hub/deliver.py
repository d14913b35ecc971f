"""Deliver an event: decide whether it still matters, read it, have it written, and say how it ended."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from hub.connector import Destination, Effect, Read, Written
from hub.errors import Permanent, RetriesExhausted, Temporary, Unavailable
from hub.events import Event
from hub.ledger import Entry, Failure, Head, Known, Outcome
from hub.settings import RetrySettings

TRIES_BEFORE_GIVING_UP = 10  # time alone does not tell: it also passes while a destination is down and nothing is tried
IGNORE = "ignore"  # in a flow's table of actions: this topic is not wanted


@dataclass(frozen=True, slots=True)
class Route:
    """What delivering needs to know of one flow."""

    flow: str
    read: Read
    destination: Destination
    actions: Mapping[str, str]  # event type → action
    records: Mapping[str, str]  # event type → the kind of record that its body holds
    retry: RetrySettings
    body_of: Callable[[Event], bytes]  # an event's body, also one that is kept outside the queue


@dataclass(frozen=True, slots=True)
class Delivered:
    """An event that has ended: its ledger entry and, where it moved on, the entity's head. No entry: ended before."""

    entry: Entry | None
    head: Head


def deliver(event: Event, route: Route, known: Known, attempts: int, now: datetime) -> Delivered:
    """Bring one event to its end. Raises Temporary where the end is not now.

    An event that the ledger knows as ended ends again without effect, unless an operator replays it. A version older
    than the entity's newest is stale: applying it would undo a later fact. An unavailable destination is no event's
    fault: no event is given up for it.
    """
    head = known.head
    if known.outcome and not event.replay_of:
        return Delivered(None, head)

    def end(
        outcome: Outcome, written: Written | None = None, *, rule: str = "", failure: Failure | None = None
    ) -> Entry:
        return Entry(
            route.flow,
            event,
            outcome,
            attempts,
            now,
            doctype=written.doctype if written else "",
            name=written.name if written else "",
            rule=rule or (written.rule if written else ""),
            failure=failure,
        )

    action = route.actions.get(event.type, IGNORE)
    if action == IGNORE:
        return Delivered(end(Outcome.IGNORED, rule=f"{event.type} has no action in flow {route.flow}"), head)
    if event.entity_version and event.entity_version < head.version:
        return Delivered(end(Outcome.STALE, rule=f"version {head.version} is already known"), head)
    try:
        whole = replace(event, data=route.body_of(event)) if event.data_ref else event
        record = route.read(whole, route.records[event.type])
        written = route.destination.apply(action, record, whole, head.name)
    except Permanent as error:
        return Delivered(end(Outcome.DEAD, failure=Failure.of(error)), head)
    except Temporary as error:
        waited = (now - event.received_at).total_seconds()
        tried_enough = attempts >= TRIES_BEFORE_GIVING_UP and waited >= route.retry.give_up_after_seconds
        if isinstance(error, Unavailable) or not tried_enough:
            raise
        hours = route.retry.give_up_after_seconds / 3600
        exhausted = RetriesExhausted(f"still failing after {hours:g} h: {error}", category=error.category)
        return Delivered(end(Outcome.DEAD, failure=Failure.of(exhausted)), head)
    return Delivered(end(Outcome(written.effect), written), _moved(head, event, written))


def _moved(head: Head, event: Event, written: Written) -> Head:
    if written.effect == Effect.STALE:
        return head
    return Head(
        version=max(head.version, event.entity_version),
        doctype=written.doctype or head.doctype,
        name=written.name or head.name,
    )


def wait_seconds(error: Temporary, attempts: int, retry: RetrySettings, random_share: float) -> float:
    """How long to wait before try `attempts` + 1, in seconds; `random_share` is drawn from [0, 1).

    Exponential backoff with full jitter (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/),
    and no sooner than the other side's Retry-After. The Retry-After alone would not do: in a long outage a short one
    would use up the receives that the queue allows an event.
    """
    exponent = min(max(attempts - 1, 0), 30)  # beyond that the cap has long been reached
    backoff = random_share * min(retry.cap_seconds, retry.base_seconds * 2.0**exponent)
    return max(backoff, min(error.retry_after_seconds or 0.0, retry.cap_seconds))
