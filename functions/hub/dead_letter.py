"""Record a dead letter: the event's end in the ledger, with its reason and its payload, and one notice per cause."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from hub.errors import Category, Severity
from hub.events import Event
from hub.ledger import Entry, Failure, Ledger, Outcome


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event from a dead letter queue; `failure` is None where the queue itself gave up on it."""

    flow: str
    event: Event
    attempts: int
    failure: Failure | None
    label: str = ""


class Notices(Protocol):
    """Tells operators; raises Temporary where that fails."""

    def tell(self, subject: str, text: str) -> None: ...


def record_dead_letters(letters: Sequence[DeadLetter], ledger: Ledger, notices: Notices, now: datetime) -> list[Entry]:
    """Record each letter as dead, then tell the operators once per cause. Safe to repeat."""
    entries = [
        Entry(
            letter.flow,
            letter.event,
            Outcome.DEAD,
            letter.attempts,
            now,
            failure=letter.failure or _gave_up(letter),
            label=letter.label,
        )
        for letter in letters
    ]
    ledger.record(entries, [])
    causes = Counter((entry.flow, entry.failure.code) for entry in entries if entry.failure)
    for (flow, code), count in causes.items():
        example = next(e for e in entries if e.flow == flow and e.failure and e.failure.code == code)
        events = "1 event is" if count == 1 else f"{count} events are"
        reason = example.failure.message if example.failure else ""
        notices.tell(
            f"{flow}: {code}",
            f"{events} dead in flow {flow}: {code}.\n\nFor example {example.event.subject}: {reason}\n\n"
            f"Look: hub events show {example.event.subject}",
        )
    return entries


def _gave_up(letter: DeadLetter) -> Failure:
    return Failure(
        code="ReceivesExhausted",
        category=str(Category.SERVER_ERROR),
        severity=str(Severity.HIGH),
        message=f"handed out {letter.attempts} times and never brought to an end: the delivery function crashes or "
        "runs out of time on it; see its log",
    )
