"""A fake of where dead letters are recorded, with the promises of the one in DynamoDB."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from hub.dead_letter import DeadLetter, End, Found, Letter
from hub.dead_letter_retries import Cause
from hub.errors import LedgerUnavailable, QueueUnavailable
from hub.events import Event
from hub.ledger import Entry, Failure, Outcome
from tests.fakes import an_event

FLOW = "shop-eu-to-erp"
REFUSED = Failure("Refused", "DATA_VALIDATION_FAILED", "medium", "Item 'X' does not exist")
CRASHED = Failure("ServerError", "SERVER_ERROR", "high", "500 Internal Server Error")
PAGE = 100


def a_letter(event: Event | None = None, failure: Failure | None = CRASHED, attempts: int = 3) -> DeadLetter:
    """An event on the dead letter queue."""
    return DeadLetter(FLOW, event or an_event(), attempts, failure)


@dataclass
class FakeLetters:
    """Letters, causes and ends in memory. `unavailable` makes it fail; `meanwhile` runs just before a write."""

    letters: dict[tuple[str, str, str], Letter] = field(default_factory=dict)
    ended: dict[tuple[str, str, str], Entry] = field(default_factory=dict)
    known_causes: dict[tuple[str, str], Cause] = field(default_factory=dict)
    beginnings: dict[str, int] = field(default_factory=dict)
    unavailable: bool = False
    meanwhile: Callable[[], None] | None = None

    def find(self, flow: str, subject: str, event_id: str) -> Found:
        self._check()
        key = (flow, subject, event_id)
        return Found(self.letters.get(key), self._end(key))

    def bury(self, entry: Entry, letter: Letter, found: Found) -> bool:
        self._check()
        if self.meanwhile:
            act, self.meanwhile = self.meanwhile, None
            act()
        key = (entry.flow, entry.event.subject, entry.event.id)
        if self._end(key) != found.end or not self._is_as_read(letter):
            return False
        self.ended[key] = entry
        self.letters[key] = replace(letter, version=letter.version + 1)
        return True

    def begun(self, flow: str, message_id: str, by: int = 1) -> int:
        self._check()
        self.beginnings[message_id] = self.beginnings.get(message_id, 0) + by
        return self.beginnings[message_id]

    def due(self, flow: str, now: datetime) -> Iterator[Sequence[tuple[Letter, End | None]]]:
        self._check()
        found = [
            (each, self._end(key))
            for key, each in self.letters.items()
            if key[0] == flow and each.look_at and not now < each.look_at <= now + timedelta(days=2)
        ]
        for start in range(0, len(found), PAGE):
            yield found[start : start + PAGE]

    def event(self, letter: Letter) -> Event | None:
        entry = self.ended.get((letter.flow, letter.subject, letter.event_id))
        return entry.event if entry else None

    def keep(self, letters: Sequence[Letter]) -> int:
        self._check()
        kept = [each for each in letters if self._is_as_read(each)]
        for each in kept:
            self.letters[each.flow, each.subject, each.event_id] = replace(each, version=each.version + 1)
        return len(kept)

    def escalate(self, letters: Sequence[Letter], cause: Cause) -> int:
        count = self.keep(letters)
        before = self.known_causes.get((cause.flow, cause.id), cause)
        self.known_causes[cause.flow, cause.id] = replace(
            cause,
            untold=before.untold + count,
            total=before.total + count,
            told_at=before.told_at,
            look_at=before.look_at or cause.look_at,
        )
        return count

    def causes(self, flow: str, now: datetime) -> Sequence[Cause]:
        return [
            each for each in self.known_causes.values() if each.flow == flow and each.look_at and each.look_at <= now
        ]

    def claim(self, cause: Cause, until: datetime) -> bool:
        key = (cause.flow, cause.id)
        if self.known_causes[key].look_at != cause.look_at:
            return False
        self.known_causes[key] = replace(self.known_causes[key], look_at=until)
        return True

    def told(self, cause: Cause, at: datetime, next_at: datetime) -> None:
        key = (cause.flow, cause.id)
        kept = self.known_causes[key]
        if cause.untold:
            self.known_causes[key] = replace(kept, told_at=at, look_at=next_at, untold=kept.untold - cause.untold)
        elif not kept.untold:
            self.known_causes[key] = replace(kept, look_at=None)

    def ends(self, event: Event, outcome: Outcome, now: datetime) -> None:
        """The delivery function records how an event ended."""
        self.ended[FLOW, event.subject, event.id] = Entry(FLOW, event, outcome, 1, now)

    def only(self) -> Letter:
        """The one letter that there is."""
        (letter,) = self.letters.values()
        return letter

    def _is_as_read(self, letter: Letter) -> bool:
        known = self.letters.get((letter.flow, letter.subject, letter.event_id))
        return letter.version == (known.version if known else 0)

    def _end(self, key: tuple[str, str, str]) -> End | None:
        entry = self.ended.get(key)
        return End(entry.outcome, entry.event.received_at) if entry else None

    def _check(self) -> None:
        if self.unavailable:
            raise LedgerUnavailable("the ledger cannot be reached")


@dataclass
class FakeFlowQueues:
    """The flows' queues: what was queued again, or `failure`."""

    sent: list[Event] = field(default_factory=list)
    failure: QueueUnavailable | None = None

    def put_again(self, flow: str, event: Event, mark: str) -> None:
        if self.failure:
            raise self.failure
        self.sent.append(event)

    def bury(self, flow: str, event: Event, failure: Failure) -> None:
        raise AssertionError("nothing is buried by a retry")
