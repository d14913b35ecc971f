"""Compare all of a source with what was queued of it: finds what no cursor can show.

Rows that were committed too late, changed without a newer version, or vanished. What was queued is the inventory: one
entry per row. It is told what is about to be queued before that is, by every run of the stream; so what broke off in
between is doubted, and queued again, never taken for done.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import NamedTuple, Protocol

from hub.errors import Temporary
from hub.events import Event
from hub.listed import News
from hub.orphans import Judgement, OrphanLimits, Verdict, judge
from hub.pull import Pulled, event_of, pull
from hub.runs import MOST_PASSES, LeaseLost, Run, State
from hub.streams import Listing, Row, Stream

CHUNK = 100  # orphans that are noted and queued together
EVERYTHING = ("", "")  # the window of a comparison


class Entry(NamedTuple):
    """A row as the inventory knows it."""

    key: str
    version: str


class Inventory(Protocol):
    """What all rows of a stream were last queued as. Every method raises Temporary."""

    @property
    def known(self) -> int:
        """Rows that were there when the comparison began."""

    def begin(self) -> None:
        """Begin a comparison: no row is listed yet."""

    def goes_on(self, run: Run) -> bool:
        """Take up a comparison that was set aside at this point of its run; False where it was not."""

    def news(self, row: Row, floor: str = "") -> News | None:
        """As hub.listed.Memory; and the row is listed. One that went back to an earlier version is told with the version
        that it is known by, which no destination takes for stale."""

    def note(self, news: Sequence[News]) -> None:
        """These are about to be queued; kept before this returns."""

    def keep(self, run: Run | None) -> None:
        """All that was told since the last time holds: its rows are queued, and the run stands there."""

    def forget(self) -> None:
        """Nothing that was told since the last time holds."""

    def set_aside(self) -> None:
        """Keep it for another function that goes on."""

    def store(self, run: Run) -> None:
        """The comparison has ended."""

    def missing(self) -> Iterator[Entry]:
        """Rows that were there and are listed no more, nor queued by any other run meanwhile."""

    def count_missing(self) -> int:
        """How many they are."""

    def gone(self, entries: Sequence[Entry]) -> None:
        """These were queued as deleted."""


@dataclass(frozen=True, slots=True)
class Compared:
    """How a comparison went. Where it has ended, `verdict` says what became of the orphans."""

    pulled: Pulled
    orphans: int = 0
    verdict: Verdict = field(default_factory=lambda: Verdict(Judgement.NONE))


def compare(
    stream: Stream,
    listing: Listing,
    state: State,
    inventory: Inventory,
    limits: OrphanLimits | None,
    *,
    keep: Callable[[State], State],
    queue: Callable[[Sequence[Event]], None],
    now: Callable[[], datetime],
    sleep: Callable[[float], None],
    out_of_time: Callable[[], bool],
) -> Compared:
    """List everything and queue what the inventory does not vouch for; at the end, what is missing, within the limits.

    Raises as `pull`; what was compared until then need not be compared again.
    """
    if state.run is None or not inventory.goes_on(state.run):
        inventory.begin()
        state = State()

    def kept(reached: State) -> State:
        held = keep(reached)
        inventory.keep(reached.run)
        return held

    try:
        pulled = pull(
            stream,
            listing,
            state,
            keep=kept,
            queue=queue,
            now=now,
            sleep=sleep,
            out_of_time=out_of_time,
            window=EVERYTHING,
            memory=inventory,
            note=inventory.note,
            twice=limits is not None and not stream.ordered,  # one short answer is no reason to delete
        )
    except LeaseLost:
        raise  # what was set aside is the other run's
    except Temporary:
        inventory.forget()
        inventory.set_aside()
        raise
    if not pulled.ended:
        inventory.set_aside()
        return Compared(pulled)
    missing = inventory.count_missing()
    verdict = judge(
        limits,
        known=inventory.known,
        listed=pulled.run.rows,
        missing=missing,
        believed=pulled.run.passes < MOST_PASSES,
    )
    if verdict.judgement is Judgement.GO:
        tell_gone(stream, inventory, pulled.run, queue=queue, now=now)
    inventory.store(pulled.run)
    return Compared(pulled, missing, verdict)


def tell_gone(
    stream: Stream,
    inventory: Inventory,
    run: Run,
    *,
    queue: Callable[[Sequence[Event]], None],
    now: Callable[[], datetime],
) -> int:
    """Queue every missing row as deleted; how many there were."""
    told, missing = 0, iter(list(inventory.missing()))
    while chunk := list(islice(missing, CHUNK)):
        rows = [Row(each.key, each.version, b"{}", is_deleted=True) for each in chunk]
        inventory.note([News(row, row.version, again=True) for row in rows])
        # a row that vanishes a second time is news, though it bears no newer version
        queue([event_of(stream, row, run, now(), again=True) for row in rows])
        inventory.gone(chunk)
        inventory.keep(run)
        told += len(chunk)
    return told
