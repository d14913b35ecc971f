"""How an integration is: what a check of it found, and how that went before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from statistics import median
from typing import Protocol

BEATS = 288  # that are remembered: a day of checks every five minutes
LATELY = 6  # beats that a trend holds against those before
NOTABLY = 1.5  # times as long is slower

# what each check counts; a check that cannot be made counts nothing, and alarms take silence for trouble
AVAILABLE_METRIC = "Available"  # 1, or 0 where it does not serve
HEALTH_METRIC = "Health"  # Status.level
MILLISECONDS_METRIC = "HealthMilliseconds"  # of its own cheap call
MENDED_METRIC = "SubscriptionsMended"


class Status(StrEnum):
    """How it is. Degraded: it works, and somebody should look."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    DOWN = "down"

    @property
    def level(self) -> int:
        """0 healthy, 1 degraded, 2 down."""
        return list(Status).index(self)


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that was looked at. `told` says what is wrong, or what is worth knowing of what is right."""

    name: str  # call, secrets, subscriptions, queues, deliveries
    status: Status = Status.HEALTHY
    told: str = ""


@dataclass(frozen=True, slots=True)
class Beat:
    """What is remembered of a check."""

    at: datetime
    status: Status
    milliseconds: int | None = None  # None where nothing was called, or nothing answered


@dataclass(frozen=True, slots=True)
class Waiting:
    """A queue that was never seen empty or shorter `since`; `count` is how many events it held last."""

    count: int
    since: datetime


@dataclass(frozen=True, slots=True)
class Record:
    """How an integration is, and was. `version` counts the writes."""

    parts: tuple[Part, ...] = ()
    beats: tuple[Beat, ...] = ()  # the oldest first, BEATS at most
    since: datetime | None = None  # when the status became what it is
    healthy_at: datetime | None = None  # the last check that found it healthy
    accepted_at: datetime | None = None  # the last delivery that its edge accepted, as far as it was looked for
    subscribed_at: datetime | None = None  # the last check that found all that was registered
    owed: tuple[str, ...] = ()  # subscriptions that vanished, as long as their gap is not pulled and told
    owed_until: datetime | None = None  # somebody works on that until then
    told_at: datetime | None = None  # when operators were last told of a vanished subscription
    waiting: Mapping[str, Waiting] = field(default_factory=dict)  # by flow
    version: int = 0

    @property
    def status(self) -> Status:
        """The worst of its parts."""
        return max((part.status for part in self.parts), key=lambda status: status.level, default=Status.HEALTHY)

    @property
    def available(self) -> bool:
        """Whether it serves: a call that was answered, or, where none can be made, nothing that is down."""
        of_call = [part for part in self.parts if part.name == "call"]
        return all(part.status is not Status.DOWN for part in of_call or self.parts)


@dataclass(frozen=True, slots=True)
class Registered:
    """What `hub setup webhooks` has registered at a provider."""

    url: str
    topics: tuple[str, ...]
    at: str  # when, for people


class Records(Protocol):
    """Keeps records; raises LedgerUnavailable."""

    def read(self, integration: str) -> Record:
        """The record; a new one where there is none."""

    def write(self, integration: str, record: Record, now: datetime) -> bool:
        """Keep a record as the version after the one that it was made of; False where that is no longer the newest."""

    def registered(self, integration: str) -> Registered | None:
        """What was registered for it, or None."""


def worst(parts: Sequence[Part]) -> str:
    """What is wrong in one sentence; "" where nothing is."""
    wrong = sorted((part for part in parts if part.status is not Status.HEALTHY), key=lambda part: -part.status.level)
    return "; ".join(f"{part.name}: {part.told}" for part in wrong)


def availability(beats: Sequence[Beat]) -> float | None:
    """The share of checks that did not find it down; None where there were none."""
    return sum(beat.status is not Status.DOWN for beat in beats) / len(beats) if beats else None


def trend(beats: Sequence[Beat]) -> str:
    """Where it is heading, in a word: failing, recovering, unsteady, slower, faster, steady; new where too little is
    known."""
    lately, before = beats[-LATELY:], beats[-3 * LATELY : -LATELY]
    if len(lately) < LATELY:
        return "new"
    down = [beat.status is Status.DOWN for beat in lately]
    if down[-1]:
        return "failing"
    if down[0] and not any(down[LATELY // 2 :]):
        return "recovering"
    if any(down):
        return "unsteady"
    took, took_before = _typical(lately), _typical(before)
    if took and took_before and took > took_before * NOTABLY:
        return "slower"
    if took and took_before and took * NOTABLY < took_before:
        return "faster"
    return "steady"


def _typical(beats: Sequence[Beat]) -> float:
    measured = [beat.milliseconds for beat in beats if beat.milliseconds is not None]
    return median(measured) if measured else 0.0


def is_overdue(record: Record, every_seconds: float, now: datetime) -> bool:
    """Whether checks do not come any more: what is known is old."""
    return bool(record.beats) and now - record.beats[-1].at > timedelta(seconds=2 * every_seconds + 60)
