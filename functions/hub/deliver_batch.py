"""Deliver a batch from a queue: entities side by side, each entity's events in order, nothing acknowledged unrecorded."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Protocol

from hub.connector import Destination, Written
from hub.deliver import Delivered, Route, deliver, wait_seconds
from hub.errors import LedgerUnavailable, NoAnswer, OutOfTime, Temporary, Unavailable
from hub.events import Event
from hub.ledger import Entry, Failure, Head, Known, Ledger, Outcome
from hub.together import Pushes

if TYPE_CHECKING:
    from hub.records import Record

CALLS_BEFORE_OUTAGE = 2  # that found the destination unavailable: one alone may have been chance

UNASKED = (Outcome.STALE, Outcome.IGNORED)  # these say the same whenever they are tried


@dataclass(frozen=True, slots=True)
class Received:
    """An event as a queue handed it out: for the `attempts`-th time."""

    message_id: str
    event: Event
    message: str  # as it stands on the queue
    attempts: int


@dataclass(frozen=True, slots=True)
class Again:
    """An event that stays on the queue, hidden for `wait_seconds`. `bug` is set where the code itself failed."""

    received: Received
    wait_seconds: float
    error: Exception
    bug: bool = False


@dataclass(frozen=True, slots=True)
class Batch:
    """How a batch ended. Parked events are among the ended: they have left the queue."""

    ended: tuple[Entry, ...]
    known_before: tuple[Received, ...]
    again: tuple[Again, ...]
    no_answers: tuple[NoAnswer, ...] = ()  # to calls whose events do not stay
    pushes: Pushes = field(default_factory=Pushes)  # of a destination that takes many events in one call


class DeadLetters(Protocol):
    """The dead letter queue. `bury` returns once it keeps the event with its reason; else it raises Temporary."""

    def bury(self, received: Received, failure: Failure, label: str = "") -> None: ...


@dataclass(slots=True)
class _Group:
    """The events of one entity in this batch, and how far they have come."""

    subject: str
    waiting: list[tuple[Received, Known]]
    began: Head
    entries: list[Entry] = field(default_factory=list)
    known_before: list[Received] = field(default_factory=list)
    no_answers: list[NoAnswer] = field(default_factory=list)
    head: Head | None = None
    stopped: Again | None = None
    recorded: int = 0  # of its entries

    def record(self, flow: str, ledger: Ledger) -> None:
        """Keep what the destination was asked for and is not kept yet; raises LedgerUnavailable."""
        entries, heads = self.unrecorded(flow)
        if all(entry.outcome in UNASKED for entry in entries):
            return
        ledger.record(entries, heads)
        self.began, self.recorded = self.head or self.began, len(self.entries)

    def unrecorded(self, flow: str) -> tuple[list[Entry], list[tuple[str, str, Head]]]:
        """The arguments of Ledger.record. The dead have their own queue, which has them already."""
        entries = [entry for entry in self.entries[self.recorded :] if entry.outcome != Outcome.DEAD]
        return entries, [(flow, self.subject, self.head)] if self.head and self.head != self.began else []


class _Unrecorded(Exception):
    """The ledger did not take what came before in the entity. No fault of the event, which is not given up for it."""

    def __init__(self, error: LedgerUnavailable) -> None:
        super().__init__(str(error))
        self.error = error


@dataclass(frozen=True, slots=True)
class _InTurn:
    """The destination, for one entity: asked for its next event only when the ledger has the one before. Else a batch
    that died would begin with that one again, and write over what is newer."""

    destination: Destination
    record: Callable[[], None]

    def apply(self, action: str, record: "Record", event: Event, known_name: str) -> Written:
        """As Destination.apply; raises _Unrecorded as well, where nothing was asked."""
        try:
            self.record()
        except LedgerUnavailable as error:
            raise _Unrecorded(error) from error
        return self.destination.apply(action, record, event, known_name)


@dataclass(slots=True)
class _Outage:
    """Notices while a batch is worked on that the destination is down: what was not begun then need not try."""

    times: int = 0
    error: Unavailable | None = None

    def saw(self, error: Temporary) -> None:
        if isinstance(error, Unavailable):
            self.times += 1
            self.error = error if self.times >= CALLS_BEFORE_OUTAGE else None


def deliver_batch(
    batch: Sequence[Received],
    route: Route,
    ledger: Ledger,
    dead_letters: DeadLetters,
    *,
    workers: int,
    now: Callable[[], datetime],
    out_of_time: Callable[[], bool],
    draw: Callable[[], float],
) -> Batch:
    """Deliver what can be delivered; what cannot stays on the queue, with everything behind it in its entity.

    An event counts as ended only after the ledger (or the dead letter queue) has confirmed it; where the ledger fails,
    all events of the batch stay, and the next try finds the documents already written. What an entity's event has done is
    recorded before the destination is asked for its next one: so none is written again over a newer one.
    """
    try:
        known = ledger.known(route.flow, [received.event for received in batch])
    except LedgerUnavailable as error:
        return _all_again(batch, error, route, draw)
    groups = _by_entity(batch, known)
    outage, pushes = _Outage(), Pushes()
    if route.together:  # each entity waits for all others before the destination is called
        workers, pushes = max(len(groups), 1), route.together.begin(len(groups), out_of_time)

    def work(group: _Group) -> None:
        try:
            _deliver_in_order(group, route, ledger, dead_letters, outage, now, out_of_time, draw)
        finally:
            if route.together:
                route.together.leave()

    with ThreadPoolExecutor(max_workers=workers) as pool:
        list(pool.map(work, groups))

    unrecorded = [group.unrecorded(route.flow) for group in groups]
    entries = [entry for each, _ in unrecorded for entry in each]
    if entries:
        try:
            ledger.record(entries, [head for _, heads in unrecorded for head in heads])
        except LedgerUnavailable as error:
            return _all_again(batch, error, route, draw)
    return Batch(
        ended=tuple(entry for group in groups for entry in group.entries),
        known_before=tuple(received for group in groups for received in group.known_before),
        again=tuple(again for group in groups for again in _stay(group)),
        no_answers=tuple(error for group in groups for error in group.no_answers),
        pushes=pushes,
    )


def _by_entity(batch: Sequence[Received], known: Sequence[Known]) -> list[_Group]:
    groups: dict[str, _Group] = {}
    for received, says in zip(batch, known, strict=True):
        subject = received.event.subject
        groups.setdefault(subject, _Group(subject, [], says.head)).waiting.append((received, says))
    return list(groups.values())


def _deliver_in_order(
    group: _Group,
    route: Route,
    ledger: Ledger,
    dead_letters: DeadLetters,
    outage: "_Outage",
    now: Callable[[], datetime],
    out_of_time: Callable[[], bool],
    draw: Callable[[], float],
) -> None:
    in_turn = _InTurn(route.destination, partial(group.record, route.flow, ledger))
    route = replace(route, destination=in_turn)
    while group.waiting:
        received, says = group.waiting[0]
        if out_of_time():
            group.stopped = Again(received, 0.0, OutOfTime("the invocation's time was up before this event's turn"))
            return
        if outage.error:
            wait = wait_seconds(outage.error, received.attempts, route.retry, draw())
            group.stopped = Again(received, wait, outage.error)
            return
        known = replace(says, head=group.head or says.head)
        try:
            delivered = _delivered(received, route, known, ledger, now)
            _keep(group, received, delivered, dead_letters)
        except Temporary as error:
            outage.saw(error)
            group.stopped = Again(received, wait_seconds(error, received.attempts, route.retry, draw()), error)
            return
        except _Unrecorded as refused:
            wait = wait_seconds(refused.error, received.attempts, route.retry, draw())
            group.stopped = Again(received, wait, refused.error)
            return
        except Exception as error:  # noqa: BLE001 - the boundary: a bug met by one entity must not stop the others;
            # it is reported as a bug (log with traceback, metric, alarm) and its entity's events stay on the queue
            wait = wait_seconds(Temporary("bug"), received.attempts, route.retry, draw())
            group.stopped = Again(received, wait, error, bug=True)
            return
        group.waiting.pop(0)
        if delivered.no_answer:
            outage.saw(delivered.no_answer)
            group.no_answers.append(delivered.no_answer)


def _delivered(
    received: Received, route: Route, known: Known, ledger: Ledger, now: Callable[[], datetime]
) -> Delivered:
    """Deliver; and before an event is parked, note how its parent stands, then look for the parent once more if it has
    come by now. Noted after the last look, a parent that came in between would be waited for in vain."""
    delivered = deliver(received.event, route, known, received.attempts, now())
    waits_for = _parent(delivered)
    if not waits_for:
        return delivered
    (parent,) = ledger.heads_of([(route.flow, waits_for)])
    if parent.mark:
        delivered = deliver(received.event, route, known, received.attempts, now())
    if delivered.entry and delivered.entry.parking and _parent(delivered) == waits_for:
        parking = replace(delivered.entry.parking, seen=parent.mark)
        return replace(delivered, entry=replace(delivered.entry, parking=parking))
    return delivered


def _parent(delivered: Delivered) -> str:
    parking = delivered.entry.parking if delivered.entry else None
    return "" if parking is None or parking.for_a_person else parking.waits_for


def _keep(group: _Group, received: Received, delivered: Delivered, dead_letters: DeadLetters) -> None:
    if delivered.entry is None:
        group.known_before.append(received)
        return
    if delivered.entry.failure:  # only the dead bear one
        dead_letters.bury(received, delivered.entry.failure, delivered.entry.label)
    else:
        group.head = delivered.head
    group.entries.append(delivered.entry)


def _stay(group: _Group) -> list[Again]:
    """What of a group stays on the queue: the event that could not end, and all behind it, for the same time.

    A FIFO queue hands out nothing of an entity while any of its messages is in flight; hiding them for different times
    would make the first one wait for the last.
    """
    if group.stopped is None:
        return []
    stopped = group.stopped
    behind = Temporary(f"waits behind event {stopped.received.event.id} of the same entity")
    later = [Again(received, stopped.wait_seconds, behind) for received, _ in group.waiting[1:]]
    return [stopped, *later]


def _all_again(batch: Sequence[Received], error: Temporary, route: Route, draw: Callable[[], float]) -> Batch:
    share = draw()
    again = [Again(received, wait_seconds(error, received.attempts, route.retry, share), error) for received in batch]
    return Batch((), (), tuple(again))
