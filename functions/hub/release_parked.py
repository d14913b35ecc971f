"""Release what is parked for a destination: once its parent has moved, or a last time once its patience is at an end."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from hub.dead_letter import Notices
from hub.errors import ParentMissing, QueueUnavailable
from hub.events import Event
from hub.ledger import A_PERSON, Failure, Head

MOST_PER_RUN = 300  # each takes some 30 ms, and the function that releases has a minute
REMIND_AFTER = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A parked event as its destination lists it."""

    flow: str
    subject: str
    event_id: str
    waits_for: str
    seen: str  # the parent's Head.mark before it was last looked for
    parked_at: datetime
    until: datetime
    told_at: datetime | None = None  # when people were told that it waits for them


class WaitingRoom(Protocol):
    """What is parked for one destination; raises LedgerUnavailable."""

    def pages(self) -> Iterator[Sequence[Waiting]]:
        """All that waits, in pages of 100 at most."""

    def event(self, waiting: Waiting) -> Event | None:
        """The event as it came; None if it is parked no longer."""

    def standing(self, flow: str, subject: str) -> str:
        """How an entity stands in a flow, in words that continue "…: "."""

    def leave(self, waiting: Waiting) -> None:
        """Take it off the list, unless it has been parked anew since it was listed."""

    def note_told(self, waiting: Waiting, at: datetime) -> None:
        """Keep that people were told."""


class Heads(Protocol):
    """The part of the ledger that says how far entities have come; raises LedgerUnavailable."""

    def heads_of(self, entities: Sequence[tuple[str, str]]) -> list[Head]:
        """The head of each (flow, subject), in their order."""


class FlowQueues(Protocol):
    """The queues of all flows to a destination. Both return once the event is kept, and raise QueueUnavailable else."""

    def put_again(self, flow: str, event: Event, mark: str) -> None:
        """Queue an event once more; repeating it with the same `mark` within five minutes queues it once."""

    def bury(self, flow: str, event: Event, failure: Failure) -> None:
        """Set an event aside as dead."""


@dataclass(frozen=True, slots=True)
class Released:
    """What a run found and did."""

    waiting: int  # still, parents and people alike
    released: int = 0
    dead: int = 0
    troubles: tuple[str, ...] = ()  # of flows whose queues do not take anything


def release_parked(
    destination: str,
    room: WaitingRoom,
    ledger: Heads,
    queues: FlowQueues,
    notices: Notices,
    now: datetime,
    most: int = MOST_PER_RUN,
) -> Released:
    """Queue again what may go on; at most `most` of them, the rest in the next run. Safe to repeat and to interrupt: an
    event leaves the list only after its queue keeps it, and one that is queued twice has no second effect.

    When its time is up an event is queued a last time, behind whatever waits there: the parent may have been held up by
    an outage or a pause. Parked again after that, it is dead.
    """
    done: Counter[str] = Counter()
    troubles: dict[str, str] = {}
    waiting = 0
    for page in room.pages():
        _tell(destination, room, [one for one in page if _to_be_told(one, now)], notices, now)
        children = [one for one in page if one.waits_for != A_PERSON]
        heads = ledger.heads_of([(one.flow, one.waits_for) for one in children]) if children else []
        waiting += len(page)
        for one, head in zip(children, heads, strict=True):
            may_go = head.mark != one.seen or now >= one.until
            if may_go and done.total() < most and one.flow not in troubles:
                try:
                    done[_let_go(one, room, queues)] += 1
                except QueueUnavailable as error:  # of a flow that was removed, say: the others go on
                    troubles[one.flow] = str(error)
    return Released(waiting - done.total(), done["released"], done["dead"], tuple(troubles.values()))


def _let_go(one: Waiting, room: WaitingRoom, queues: FlowQueues) -> str:
    event = room.event(one)
    what = "gone"  # replayed, discarded or recorded anew by other ways
    if event and one.parked_at >= one.until:
        queues.bury(one.flow, event, Failure.of(_missing(one, room.standing(one.flow, one.waits_for))))
        what = "dead"
    elif event:
        queues.put_again(one.flow, event, one.parked_at.isoformat())
        what = "released"
    room.leave(one)
    return what


def _missing(one: Waiting, standing: str) -> ParentMissing:
    return ParentMissing(
        f"waited for {one.waits_for} until {one.until:%Y-%m-%d %H:%M} UTC; there, {standing}. "
        f"Once it is written, send this one again: hub events replay {one.subject} --event {one.event_id}"
    )


def _to_be_told(one: Waiting, now: datetime) -> bool:
    return one.waits_for == A_PERSON and (one.told_at is None or now - one.told_at >= REMIND_AFTER)


def _tell(destination: str, room: WaitingRoom, unsettled: Sequence[Waiting], notices: Notices, now: datetime) -> None:
    for flow, of_flow in _by_flow(unsettled).items():
        example = of_flow[0]
        events = "1 event waits" if len(of_flow) == 1 else f"{len(of_flow)} events wait"
        notices.tell(
            f"{flow}: {events} for a person",
            f"{events} in flow {flow}: it is unknown whether {destination} has done what it was asked.\n\n"
            f"For example event {example.event_id} of {example.subject}. Look there whether it was done, then say so:\n"
            f"hub events settle {example.subject} {example.event_id} --flow {flow} --done|--again --reason …\n\n"
            f"See: hub events show {example.subject}",
        )
        for one in of_flow:
            room.note_told(one, now)


def _by_flow(waiting: Iterable[Waiting]) -> dict[str, list[Waiting]]:
    flows: dict[str, list[Waiting]] = {}
    for one in waiting:
        flows.setdefault(one.flow, []).append(one)
    return flows
