"""A dead letter: an event that died, why, how often, and what becomes of it.

    died ─► pending ──(queued again)──► retrying ──(ended in any other way)──► resolved
              ▲  └─(no try is left)─► escalated ──(redriven by a person)─► retrying
              └──(died again)── retrying, escalated          any open one ──(by a person)─► discarded

Pure: every function gives the next state, or None where nothing changes. A letter is about one event in one flow. Each time
the event is sent again it lives anew, with a later `received_at`; so what comes late or twice of an earlier life is known
as such, whatever the clocks say.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Protocol

from hub.errors import Category, LedgerUnavailable, Severity
from hub.events import Event
from hub.ledger import Entry, Failure, Outcome

LETTERS_METRIC = "DeadLetters"  # that died, first or again
OPEN_IN, LOOK_AT = (
    "open_in",
    "look_at",
)  # the index's keys: the flow of an open letter, and when the hub looks at it next
BY_LOOK = "by-look"  # the index of what is open
GAVE_UP = "ReceivesExhausted"  # the code where the queue itself gave up
NO_EVENT = "NotAnEvent"  # the code of a message that could not be taken for an event, however often it was tried
TRIES = 4  # of a write that others were faster than

LOOK_AT_RETRYING = timedelta(minutes=1)  # how soon an event that was queued again may have ended
LOOK_AT_ESCALATED = timedelta(hours=6)  # it ends by a person's doing, which the commands tell at once
SPECIFIC = re.compile(r"'[^']*'|\"[^\"]*\"|\S*\d\S*|\b[A-Z][A-Z_-]{2,}\b")  # what differs from one event to the next


class Status(StrEnum):
    """How a letter stands."""

    PENDING = "pending"  # waits for its next try, or to be judged
    RETRYING = "retrying"  # its event is on the queue again
    ESCALATED = "escalated"  # waits for a person
    RESOLVED = "resolved"  # its event ended in another way
    DISCARDED = "discarded"  # a person gave it up

    @property
    def is_open(self) -> bool:
        """Whether something is left to be done."""
        return self in (Status.PENDING, Status.RETRYING, Status.ESCALATED)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event from a dead letter queue; `failure` is None where the queue itself gave up on it."""

    flow: str
    event: Event
    attempts: int
    failure: Failure | None
    label: str = ""


@dataclass(frozen=True, slots=True)
class Letter:
    """One event that died in a flow. `version` counts its changes, so that two writers cannot overwrite each other."""

    flow: str
    subject: str
    event_id: str
    event_type: str
    failure: Failure
    attempts: int  # deliveries in all lives
    deaths: int
    first_at: datetime
    last_at: datetime  # of its last death
    life: datetime  # `received_at` of the event that died, or that was queued again
    changed_at: datetime
    status: Status = Status.PENDING
    retry_at: datetime | None = None  # of a pending one that is planned
    look_at: datetime | None = None  # None: closed
    label: str = ""
    assignee: str = ""
    note: str = ""  # how it was closed, or a person's reason
    version: int = 0

    @property
    def cause(self) -> str:
        """What letters of the same cause share."""
        return cause_of(self.failure)


@dataclass(frozen=True, slots=True)
class End:
    """How the ledger says that a letter's event ended, and in which life."""

    outcome: Outcome
    life: datetime


@dataclass(frozen=True, slots=True)
class Found:
    """What is known of an event before its death is recorded."""

    letter: Letter | None
    end: End | None


class Notices(Protocol):
    """Tells operators; raises Temporary where that fails."""

    def tell(self, subject: str, text: str) -> None: ...


class LetterBook(Protocol):
    """Where letters are recorded, beside the outcomes; raises LedgerUnavailable."""

    def find(self, flow: str, subject: str, event_id: str) -> Found:
        """What is known of an event, read consistently."""

    def bury(self, entry: Entry, letter: Letter, found: Found) -> bool:
        """Keep an event's end with its letter, both or none; False where either is no longer as it was found."""


def record_dead_letters(letters: Sequence[DeadLetter], book: LetterBook, now: datetime) -> list[Entry]:
    """Record each letter as dead; gives those that are news. Safe to repeat: a death that is known, or that a later life of
    its event has overtaken, changes nothing."""
    return [entry for letter in letters if (entry := _recorded(letter, book, now))]


def _recorded(dead: DeadLetter, book: LetterBook, now: datetime) -> Entry | None:
    event = dead.event
    failure = dead.failure or _gave_up(dead)
    entry = Entry(dead.flow, event, Outcome.DEAD, dead.attempts, now, failure=failure, label=dead.label)
    for _ in range(TRIES):
        found = book.find(dead.flow, event.subject, event.id)
        if found.end and overtaken(found.end, event.received_at):
            return None
        letter = died(found.letter, entry, now)
        if letter is None and found.end:
            return None
        if book.bury(entry, letter or _anew(entry, now, found.letter), found):
            return entry
    raise LedgerUnavailable(f"the letter of event {event.id} is being changed by others; it is tried again")


def overtaken(end: End, life: datetime) -> bool:
    """Whether an event has lived on since it died in `life`: it ended later, or otherwise."""
    return end.life > life or (end.life == life and end.outcome.final and end.outcome is not Outcome.DEAD)


def died(letter: Letter | None, entry: Entry, now: datetime) -> Letter | None:
    """After a death; None where it is known already."""
    life = entry.event.received_at
    if letter and (life < letter.life or (life == letter.life and letter.status is not Status.RETRYING)):
        return None
    return _anew(entry, now, letter)


def planned(letter: Letter, wait: timedelta, now: datetime) -> Letter:
    """A pending one of which it is known when it is tried next: so long after its death."""
    at = letter.last_at + wait
    return _changed(letter, now, retry_at=at, look_at=at)


def next_life(letter: Letter, event: Event) -> Event:
    """The event as it is queued again by itself: the same one however often this is repeated."""
    return event.replayed(letter.retry_at or letter.last_at)


def sent_again(letter: Letter, life: datetime, now: datetime) -> Letter:
    """After its event, received at `life`, was queued."""
    at = max(now, letter.changed_at) + LOOK_AT_RETRYING
    return _changed(letter, now, status=Status.RETRYING, life=life, retry_at=None, look_at=at)


def escalated(letter: Letter, now: datetime) -> Letter:
    """It waits for a person."""
    return _changed(letter, now, status=Status.ESCALATED, retry_at=None, look_at=now + LOOK_AT_ESCALATED)


def looked_at(letter: Letter, now: datetime) -> Letter:
    """It waits on."""
    return _changed(letter, now, look_at=now + LOOK_AT_ESCALATED)


def closed(letter: Letter, end: End, now: datetime) -> Letter | None:
    """After its event ended otherwise; None where it has not, or where the letter is closed."""
    if not letter.status.is_open or not overtaken(end, letter.life) or not end.outcome.final:
        return None
    if end.outcome is Outcome.DEAD:  # of a later life: its own letter is on its way
        return None
    status = Status.DISCARDED if end.outcome is Outcome.DISCARDED else Status.RESOLVED
    return _changed(
        letter, now, status=status, life=end.life, retry_at=None, look_at=None, note=letter.note or str(end.outcome)
    )


def discarded(letter: Letter, note: str, now: datetime) -> Letter:
    """A person gave it up."""
    return _changed(letter, now, status=Status.DISCARDED, retry_at=None, look_at=None, note=note)


def handed_on(letter: Letter, event: Event, now: datetime) -> Letter:
    """The message is an event after all, and goes its own way."""
    return _changed(letter, now, status=Status.RESOLVED, retry_at=None, look_at=None, note=f"sent as event {event.id}")


def assigned(letter: Letter, assignee: str, now: datetime) -> Letter:
    """A person looks after it."""
    return _changed(letter, now, assignee=assignee)


def cause_of(failure: Failure) -> str:
    """The error without what differs from one event to the next: quoted words, numbers and codes."""
    return " ".join(SPECIFIC.sub("…", failure.told).split())[:300]


def cause_id(failure: Failure) -> str:
    """A short, stable name of a cause."""
    return f"{failure.code}-{sha256(cause_of(failure).encode()).hexdigest()[:12]}"


def _anew(entry: Entry, now: datetime, before: Letter | None) -> Letter:
    going_on = before if before and before.status.is_open else None
    last_at = max(now, before.last_at) if before else now
    return Letter(
        flow=entry.flow,
        subject=entry.event.subject,
        event_id=entry.event.id,
        event_type=entry.event.type,
        failure=entry.failure or Failure("Unknown", str(Category.SYNC_FAILED), str(Severity.HIGH), "no reason"),
        attempts=entry.attempts + (going_on.attempts if going_on else 0),
        deaths=1 + (going_on.deaths if going_on else 0),
        first_at=going_on.first_at if going_on else last_at,
        last_at=last_at,
        life=max(entry.event.received_at, before.life) if before else entry.event.received_at,
        changed_at=last_at,
        look_at=last_at,
        label=entry.label or (before.label if before else ""),
        assignee=before.assignee if before else "",
        version=before.version if before else 0,
    )


def _changed(letter: Letter, now: datetime, **to: object) -> Letter:
    """Its own time never goes back."""
    return replace(letter, changed_at=max(now, letter.changed_at), **to)  # type: ignore[arg-type]


def _gave_up(dead: DeadLetter) -> Failure:
    return Failure(
        code=GAVE_UP,
        category=str(Category.SERVER_ERROR),
        severity=str(Severity.HIGH),
        message=f"handed out {dead.attempts} times and never brought to an end: the delivery function crashes or "
        "runs out of time on it; see its log",
    )
