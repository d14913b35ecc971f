"""Send many dead letters through their flows again: at a pace, so that it can be stopped anywhere and go on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from hub.dead_letter import NO_EVENT, Found, Letter, handed_on, overtaken, sent_again
from hub.errors import Temporary
from hub.events import Event, from_json

MOST_AT_ONCE = 10  # between two looks at whether it may go on

Key = tuple[str, str, str]  # flow, subject, event id


class DestinationDown(Temporary):
    """A destination does not serve: what is sent to it now would only wait."""


class TakenOver(Temporary):
    """Somebody else goes on with this run, or has cancelled it."""


@dataclass(frozen=True, slots=True)
class Redrive:
    """A run: which letters were chosen stands fixed, and how many of them it has dealt with."""

    id: str
    by: str
    reason: str
    at: datetime  # when it was begun, and the time at which its events count as received again
    per_second: float
    total: int
    done: int = 0
    sent: int = 0
    is_cancelled: bool = False

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to be done."""
        return self.is_cancelled or self.done >= self.total


class Redrives(Protocol):
    """Where runs are kept; raises LedgerUnavailable."""

    def chosen(self, run: str, start: int, count: int) -> Sequence[Key]:
        """So many of the chosen letters, from `start` on."""

    def advance(self, run: Redrive, done: int, sent: int) -> bool:
        """Note that so many more were dealt with; False where the run is no longer as it was read."""


class Book(Protocol):
    """The letters, and their events as they came last; raises LedgerUnavailable."""

    def find(self, flow: str, subject: str, event_id: str) -> Found: ...

    def event(self, letter: Letter) -> Event | None: ...

    def keep(self, letters: Sequence[Letter]) -> int: ...


class Queues(Protocol):
    """The queues of all flows; raises QueueUnavailable unless the event is kept."""

    def put_again(self, flow: str, event: Event, mark: str) -> None: ...


def begun_at(letters: Sequence[Letter], now: datetime) -> datetime:
    """The time of a new run: later than whatever its letters have seen, also by a clock that is behind."""
    return max([now, *(each.life + timedelta(microseconds=1) for each in letters)])


def redrive(
    run: Redrive,
    redrives: Redrives,
    book: Book,
    queues: Queues,
    down: Callable[[str], str],  # why a flow's destination does not serve; "" where it does
    now: Callable[[], datetime],
    sleep: Callable[[float], None],
    seen: Callable[[Redrive], None],
) -> Redrive:
    """Go on with a run until its end. Raises DestinationDown and TakenOver, and whatever else stops it; going on later sends
    what is left. An event is queued before its letter says so, and received at the same time whoever repeats it."""
    step = max(1, min(MOST_AT_ONCE, int(run.per_second)))
    while not run.is_over:
        keys = redrives.chosen(run.id, run.done, step)
        sent = sum(_send(key, run, book, queues, down, now()) for key in keys)
        if not redrives.advance(run, len(keys), sent):
            raise TakenOver(f"redrive {run.id} was cancelled, or somebody else goes on with it")
        run = replace(run, done=run.done + len(keys), sent=run.sent + sent)
        seen(run)
        if not run.is_over:
            sleep(step / run.per_second)
    return run


def _send(key: Key, run: Redrive, book: Book, queues: Queues, down: Callable[[str], str], now: datetime) -> bool:
    """Send one again; False where that is no longer called for."""
    found = book.find(*key)
    letter = found.letter
    if letter is None or not letter.status.is_open or letter.life >= run.at:
        return False  # closed meanwhile, or sent by this run before, or dead anew since
    if found.end and overtaken(found.end, letter.life):
        return False
    event = again(letter, book)
    if event is None:
        return False
    if why := down(letter.flow):
        raise DestinationDown(f"the destination of {letter.flow} does not serve: {why}")
    replay = event.replayed(run.at)
    queues.put_again(letter.flow, replay, "")
    if letter.failure.code == NO_EVENT:
        book.keep([handed_on(letter, replay, now)])
    else:
        book.keep([sent_again(letter, replay.received_at, now)])
    return True


def again(letter: Letter, book: Book) -> Event | None:
    """The event to be sent; None where the ledger no longer has it, or has only a message that is none."""
    event = book.event(letter)
    if event is None or letter.failure.code != NO_EVENT:
        return event
    try:
        return from_json(event.data.decode())
    except ValueError:
        return None
