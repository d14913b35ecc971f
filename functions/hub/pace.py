"""The pace of a destination: how many calls may be in flight there, so that it is neither idle nor overrun.

Trouble that fewer calls would have spared (deadlocks, lock timeouts, 429, slow answers) cuts the pace at once. Then it comes back
by itself, fast at first, slowly near the level that was too much, and faster again beyond it, as TCP CUBIC does:

    level ▲ trouble                    ,·
          │ │          , - - - - - - '´
          │ │     ,- ´
          │ └──,´
          └──────────────────────────────► time

So the pace after a cut follows from the time alone: functions that share one agree on it without a word, and only a cut is
written. A destination that states a budget of its own time is asked no more than what that bears. Pure: the time comes in.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import floor
from typing import Protocol

from hub.connector import Budget
from hub.errors import Category, Contended, HubError, Unavailable

HALVED = 0.5  # after a collision or a refusal
SLOWED = 0.7  # after slow answers, which may have other reasons
LEAST = 1.0  # calls in flight: a single one collides with none of ours, so that fewer would spare nothing
REGAINED_PER_SECOND = 0.2  # calls in flight, on average until the level is reached that was too much
SETTLING = timedelta(seconds=5)  # until a cut shows: trouble of calls that began before then is the same trouble
LONGEST_REST_SECONDS = 10.0  # a function is paid for while it rests
LOOK_AGAIN_SECONDS = 1.0  # where only the end of a call makes room, or the pace that has grown meanwhile
ALMOST = 1e-9  # a whole number may have come out of a division
FEWEST_TIMED = 3  # calls whose median tells whether a destination is slow


@dataclass(frozen=True, slots=True)
class Pacing:
    """The calls in flight that a destination may see from all functions together, and what counts as a slow one."""

    planned: float  # what all its flows' functions would have in flight without any pace
    most: float  # as far as the pace goes up; at most what is planned
    slow_call_seconds: float = 5.0

    @classmethod
    def of(cls, planned: float, max_in_flight: float | None, slow_call_seconds: float) -> "Pacing":
        """The pacing of flows that could have `planned` calls in flight, where a limit may be set."""
        return cls(planned, min(planned, max_in_flight or planned), slow_call_seconds)


@dataclass(frozen=True, slots=True)
class Pace:
    """The last cut of a destination's pace. `version` counts cuts, so that those who met the same trouble cut once."""

    level: float = 0.0  # at which trouble came
    factor: float = 1.0  # by which it was cut
    cut_at: datetime | None = None
    version: int = 0


class BudgetSpent(Unavailable):
    """The destination serves nobody until its limit begins anew: it said so, so it is not even asked."""

    category = Category.RATE_LIMIT_EXCEEDED


def calls_in_flight(pace: Pace, pacing: Pacing, now: datetime) -> float:
    """How many calls may be in flight at a destination now, on average."""
    if pace.cut_at is None:
        return pacing.most
    seconds = max((now - pace.cut_at).total_seconds(), 0.0)  # the clock of who cut it may be ahead
    lost = pace.level * (1 - pace.factor)
    regained = pace.level + lost * (seconds * REGAINED_PER_SECOND / lost - 1) ** 3
    return min(max(regained, LEAST), pacing.most)


def cut(pace: Pace, factor: float, began: datetime, pacing: Pacing, now: datetime) -> Pace:
    """After a call that began then met trouble. The same one where that is the trouble for which it was cut last."""
    if pace.cut_at and began < pace.cut_at + SETTLING:
        return pace
    return Pace(calls_in_flight(pace, pacing, now), factor, now, pace.version)


def is_congestion(error: HubError) -> bool:
    """Whether an error tells that fewer calls at once would have spared it."""
    refused = error.category is Category.RATE_LIMIT_EXCEEDED and not isinstance(error, BudgetSpent)
    return refused or isinstance(error, Contended)


def is_slow(seconds: Sequence[float], pacing: Pacing) -> bool:
    """Whether half of a batch's calls took longer than they should."""
    return len(seconds) >= FEWEST_TIMED and sorted(seconds)[len(seconds) // 2] > pacing.slow_call_seconds


def share(in_flight: float, workers: int, pacing: Pacing) -> float:
    """How many of a destination's calls in flight a function with so many workers may have, on average."""
    return in_flight * workers / pacing.planned


def slots_of(share: float, rounding: float, most: float) -> int:
    """How many calls at once a function makes for its share, which is mostly no whole number.

    `rounding`, from [0, 1), is drawn once per function: so some round up and others down, together they have as many
    calls in flight as the pace says, and that number is steady. `most` is the share at the destination's most: limits
    of the configuration are not rounded up.
    """
    return max(floor(min(share + rounding, most) + ALMOST), 1)


def rest_seconds(took_seconds: float, share: float) -> float:
    """How long a function whose share is less than one call rests after each, so that it keeps the share on average."""
    if share <= 0:  # its budget is spent: the wait for a new one is rest enough
        return 0.0
    return min(took_seconds * max(1 - share, 0.0) / share, LONGEST_REST_SECONDS)


@dataclass(slots=True)
class Slots:
    """A function's calls in flight, and the rests after them. Times are seconds of one clock that never jumps."""

    running: int = 0
    rests: list[float] = field(default_factory=list)  # their ends

    def take(self, slots: int, now: float) -> float:
        """Begin a call and return 0, or return after how many seconds to ask again."""
        self.rests = [until for until in self.rests if until > now]
        if self.running + len(self.rests) < slots:
            self.running += 1
            return 0.0
        return min((until - now for until in self.rests), default=LOOK_AGAIN_SECONDS)

    def give_back(self, rest: float, now: float) -> None:
        """A call has ended; its slot stays empty for so long."""
        self.running -= 1
        if rest > 0:
            self.rests.append(now + rest)


@dataclass(slots=True)
class Allowance:
    """What a destination said last of its budget. Times are seconds of one clock that never jumps.

    Before it has said anything, and when its limit has begun anew, calls go one by one: the first answer tells more.
    """

    asked: bool = False
    budget: Budget | None = None
    resets_at: float = 0.0

    def learn(self, budget: Budget | None, now: float) -> None:
        """Take note of what an answer said. One that says nothing, where others did, came from something in front."""
        self.asked = True
        if budget is None and now < self.resets_at:
            return
        self.budget = budget
        self.resets_at = now + budget.reset_seconds if budget else 0.0

    def is_known(self, now: float) -> bool:
        """Whether what it said last still counts."""
        return self.asked and (self.budget is None or now < self.resets_at)

    def in_flight(self, now: float) -> float | None:
        """The calls in flight that the budget bears until its limit begins anew; None where none is known."""
        known = self.budget if self.is_known(now) else None
        return known.work_seconds / known.reset_seconds if known else None

    def wait_seconds(self, now: float) -> float:
        """How long nothing will be served: 0 unless the budget is spent."""
        spent = self.budget is not None and self.budget.work_seconds <= 0
        return max(self.resets_at - now, 0.0) if spent else 0.0


class Pacer(Protocol):
    """Keeps one function's calls to a destination's pace."""

    def begin(self, pace: Pace | None, seconds_left: Callable[[], float]) -> None:
        """A batch begins, under this pace; under the last known one where it could not be read. `seconds_left` tells
        how long the function may still work: no call waits longer."""

    def end(self) -> Pace | None:
        """A batch has ended: the pace, if it was cut meanwhile."""

    def held_to(self) -> float | None:
        """How many calls all functions together may have in flight at the destination now, on average; None where that
        is the most."""
