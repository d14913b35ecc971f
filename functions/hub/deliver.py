"""Deliver an event: decide whether it still matters, read it, have it written, and say how it ended."""

import hashlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from hub.connector import Destination, Effect, NotWanted, Read, Written
from hub.echoes import echo
from hub.errors import NoAnswer, Parked, Permanent, RetriesExhausted, Temporary, Unavailable
from hub.events import Event
from hub.ledger import A_PERSON, Entry, Failure, Head, Known, Outcome, Parking, searchable
from hub.settings import RetrySettings

if TYPE_CHECKING:  # the webhook Lambda imports this file by way of the adapters, and starts without pydantic
    from hub.records import Record
    from hub.together import Together

TRIES_BEFORE_GIVING_UP = 10  # at least; how many a flow's retry policy asks for, `tries_before_giving_up` says
SAID_ALREADY = "said so already, by another event of the same version"
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
    by_hand: Mapping[str, str] = field(default_factory=dict)  # event type → what a person must do, as no code can
    left: Mapping[str, str] = field(default_factory=dict)  # event type → why the flow leaves it alone
    destination_name: str = ""  # the integration that is written to: who waits for something there is found by it
    wait_for_parent_seconds: float = 86_400.0
    pulled_too: Collection[str] = ()  # types of pulled events whose entities are told by webhook as well
    together: "Together | None" = None  # gathers a batch's events for a destination that takes many in one call
    once: Collection[str] = ()  # actions that each event does by itself, whatever others of the same version did


@dataclass(frozen=True, slots=True)
class Delivered:
    """An event that leaves the queue: its ledger entry and, where it moved on, the entity's head. No entry: ended
    before."""

    entry: Entry | None
    head: Head
    no_answer: NoAnswer | None = None  # it is parked because the destination did not answer


def deliver(event: Event, route: Route, known: Known, attempts: int, now: datetime) -> Delivered:
    """Bring one event to its end, or park it. Raises Temporary where neither is possible now.

    An event that the ledger knows as ended ends again without effect, unless an operator replays it; one that is parked
    is tried anew. A version older
    than the entity's newest is stale: applying it would undo a later fact. What the entity's last event has done is not
    done again for another of the same version: shops tell one change by several topics, and it is pulled, too. An
    unavailable destination is no event's fault: no event is given up for it.
    """
    head, label = known.head, ""
    if known.outcome and known.outcome.final and not event.replay_of:
        return Delivered(None, head)

    def end(
        outcome: Outcome,
        written: Written | None = None,
        *,
        rule: str = "",
        failure: Failure | None = None,
        parking: Parking | None = None,
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
            label=label if failure or parking else "",
            parking=parking,
            parked_before=route.destination_name if known.outcome is Outcome.PARKED else "",
        )

    action = route.actions.get(event.type, IGNORE)
    if action == IGNORE:
        about = route.left.get(event.type) or route.by_hand.get(event.type)
        rule = about or f"{event.type} has no action in flow {route.flow}"
        return Delivered(end(Outcome.IGNORED, rule=rule), head)
    if event.entity_version and event.entity_version < head.version:
        return Delivered(end(Outcome.STALE, rule=f"version {head.version} is already known"), head)
    try:
        whole = replace(event, data=route.body_of(event)) if event.data_ref else event
        if known.parked_since:
            whole = replace(whole, waited_seconds=(now - known.parked_since).total_seconds())
        record = route.read(whole, route.records[event.type])
        if isinstance(record, NotWanted):
            return Delivered(end(Outcome.IGNORED, rule=record.rule), head)
        label, digest = searchable(record.label), "" if action in route.once else _digest(action, record)
        if digest and digest == head.digest and event.entity_version == head.version and not event.replay_of:
            said = Written(Effect.UNCHANGED, head.doctype, head.name, SAID_ALREADY)
            return Delivered(end(Outcome.UNCHANGED, said), head)
        written = echo(record, route.destination_name) or route.destination.apply(action, record, whole, head.name)
    except Permanent as error:
        return Delivered(end(Outcome.DEAD, failure=Failure.of(error)), head)
    except Parked as error:
        parking = _parking(error, event, route, known.parked_since, now)
        no_answer = error.__cause__ if isinstance(error.__cause__, NoAnswer) else None
        return Delivered(end(Outcome.PARKED, rule=str(error), parking=parking), head, no_answer)
    except Temporary as error:
        waited = (now - event.received_at).total_seconds()
        tried_enough = attempts >= tries_before_giving_up(route.retry) and waited >= route.retry.give_up_after_seconds
        if isinstance(error, Unavailable) or not tried_enough:
            raise
        hours = route.retry.give_up_after_seconds / 3600
        exhausted = RetriesExhausted(f"still failing after {hours:g} h: {error}", category=error.category)
        return Delivered(end(Outcome.DEAD, failure=Failure.of(exhausted)), head)
    return Delivered(end(Outcome(written.effect), written), _moved(head, event, written, label, digest))


def _parking(error: Parked, event: Event, route: Route, parked_since: datetime | None, now: datetime) -> Parking:
    if error.waits_for != A_PERSON and not error.waits_for.startswith(f"{event.integration}/"):
        raise ValueError(f"an event of {event.integration} cannot wait for {error.waits_for}: nobody would release it")
    again = parked_since and event.received_at <= parked_since  # an operator's replay begins the waiting anew
    since = parked_since if parked_since and again else now
    at_most = route.wait_for_parent_seconds if error.at_most_seconds is None else error.at_most_seconds
    until = since + timedelta(seconds=min(at_most, route.wait_for_parent_seconds))
    return Parking(route.destination_name, error.waits_for, since, until)


def _digest(action: str, record: "Record") -> str:
    return hashlib.blake2b(f"{action} {record!r}".encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _moved(head: Head, event: Event, written: Written, label: str, digest: str) -> Head:
    """The entity's head after an event. Its digest is kept only where a version tells that nothing came in between, and
    nothing was left undone: what a rule speaks of may go another way next time."""
    if written.effect == Effect.STALE:
        return head
    done = event.entity_version and written.effect in (Effect.APPLIED, Effect.UNCHANGED) and not written.rule
    return Head(
        version=max(head.version, event.entity_version),
        doctype=written.doctype or head.doctype,
        name=written.name or head.name,
        label=label or head.label,
        digest=digest if done else "",
    )


def tries_before_giving_up(retry: RetrySettings) -> int:
    """Half as many as the waits allow on average in the time that a flow gives an event. Time alone does not tell: it also
    passes while a destination is down and nothing is tried, or while events before it in its entity are."""
    return max(TRIES_BEFORE_GIVING_UP, round(retry.give_up_after_seconds / retry.cap_seconds))


def wait_seconds(error: Temporary, attempts: int, retry: RetrySettings, random_share: float) -> float:
    """How long to wait before try `attempts` + 1, in seconds; `random_share` is drawn from [0, 1).

    Exponential backoff with full jitter (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/),
    and no sooner than the other side's Retry-After. The Retry-After alone would not do: in a long outage a short one
    would use up the receives that the queue allows an event.
    """
    exponent = min(max(attempts - 1, 0), 30)  # beyond that the cap has long been reached
    backoff = random_share * min(retry.cap_seconds, retry.base_seconds * 2.0**exponent)
    return max(backoff, min(error.retry_after_seconds or 0.0, retry.cap_seconds))
