"""Calls at a destination's pace: so many at once as this function's share allows, and rests where that is less than one."""

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from threading import Condition
from typing import TYPE_CHECKING

from hub.connector import Answer, Asked, Batching, BudgetOf, Destination, HttpClientWithHeaders, Written
from hub.errors import HubError, Temporary
from hub.events import Event
from hub.pace import (
    HALVED,
    LONGEST_REST_SECONDS,
    SLOWED,
    Allowance,
    BudgetSpent,
    Pace,
    Pacing,
    Slots,
    calls_in_flight,
    cut,
    is_congestion,
    is_slow,
    rest_seconds,
    share,
    slots_of,
)

if TYPE_CHECKING:
    from hub.records import Record

SPARE_SECONDS = 20.0  # for the call that follows a rest, and the ledger's write


class PacedHttp:
    """The HttpClientWithHeaders of one function that shares its destination with others, and the Pacer of its batches."""

    def __init__(
        self,
        http: HttpClientWithHeaders,
        pacing: Pacing,
        workers: int,
        rounding: float,
        budget_of: BudgetOf | None,
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
        wait: Callable[[Condition, float], object] = Condition.wait,
    ) -> None:
        self._http = http
        self._pacing = pacing
        self._workers = workers
        self._rounding = rounding
        self._budget_of = budget_of
        self._now = now
        self._monotonic = monotonic
        self._wait = wait
        self._changed = Condition()  # guards all that follows
        self._slots = Slots()
        self._allowance = Allowance(asked=budget_of is None)
        self._read = self._pace = Pace()
        self._began = now()
        self._took: list[float] = []  # the seconds of this batch's calls
        self._seconds_left: Callable[[], float] = lambda: math.inf

    def begin(self, pace: Pace | None, seconds_left: Callable[[], float]) -> None:
        """A batch begins, under this pace; under the last known one where it could not be read."""
        with self._changed:
            self._read = self._pace = pace or self._pace
            self._began, self._took = self._now(), []
            self._seconds_left = seconds_left

    def end(self) -> Pace | None:
        """A batch has ended: the pace, if it was cut meanwhile."""
        with self._changed:
            if is_slow(self._took, self._pacing):
                self._pace = cut(self._pace, SLOWED, self._began, self._pacing, self._now())
            return None if self._pace == self._read else self._pace

    def held_to(self) -> float | None:
        """How many calls all functions together may have in flight at the destination now, on average; None where that
        is the most."""
        with self._changed:
            in_flight = self._in_flight()
        return in_flight if in_flight < self._pacing.most else None

    def met(self, error: Temporary, began: datetime) -> None:
        """Something that began then ended in trouble: the pace is cut at once if fewer calls would have spared it."""
        if is_congestion(error):
            with self._changed:
                self._pace = cut(self._pace, HALVED, began, self._pacing, self._now())

    def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Call the destination once the pace lets it. Where that would take too long, raises Temporary; where the
        destination has said that it serves nobody for a while, BudgetSpent, without asking it."""
        self._enter(f"{method} {path}")
        began, answer = self._monotonic(), None
        try:
            answer = self._http.send(method, path, query=query, body=body, headers=headers)
            return answer
        finally:
            self._leave(began, answer)

    def renew_credentials(self) -> None:
        """Read the secrets again before the next call."""
        self._http.renew_credentials()

    def _enter(self, call: str) -> None:
        with self._changed:
            while wait := self._wait_seconds():
                spent = self._allowance.wait_seconds(self._monotonic())
                is_too_late = wait > self._seconds_left() - SPARE_SECONDS
                if spent and (is_too_late or spent > LONGEST_REST_SECONDS):
                    told = f"{call}: not sent, the site's limit serves nobody for another {spent:.0f} s"
                    raise BudgetSpent(told, retry_after_seconds=spent)
                if is_too_late:
                    raise Temporary(f"{call}: the invocation's time was up before the destination's pace let it begin")
                self._wait(self._changed, wait)

    def _wait_seconds(self) -> float:
        now = self._monotonic()
        return self._allowance.wait_seconds(now) or self._slots.take(self._slots_now(now), now)

    def _leave(self, began: float, answer: Answer | None) -> None:
        with self._changed:
            now = self._monotonic()
            if answer and self._budget_of:
                self._allowance.learn(self._budget_of(answer), now)
            self._took.append(now - began)
            self._slots.give_back(rest_seconds(now - began, self._share()), now)
            self._changed.notify_all()

    def _slots_now(self, now: float) -> int:
        if not self._allowance.is_known(now):
            return 1
        return slots_of(self._share(), self._rounding, share(self._pacing.most, self._workers, self._pacing))

    def _share(self) -> float:
        return share(self._in_flight(), self._workers, self._pacing)

    def _in_flight(self) -> float:
        level = calls_in_flight(self._pace, self._pacing, self._now())
        budget = self._allowance.in_flight(self._monotonic())
        return level if budget is None else min(level, budget)


class PacedDestination:
    """A Destination whose troubles set the pace."""

    def __init__(self, destination: Destination, pacer: PacedHttp, now: Callable[[], datetime]) -> None:
        self._destination = destination
        self._pacer = pacer
        self._now = now

    def apply(self, action: str, record: "Record", event: Event, known_name: str) -> Written:
        """As Destination.apply."""
        began = self._now()
        try:
            return self._destination.apply(action, record, event, known_name)
        except Temporary as error:
            self._pacer.met(error, began)
            raise


class PacedBatching(PacedDestination):
    """A Batching destination whose troubles set the pace, those of single events too."""

    def __init__(self, destination: Batching, pacer: PacedHttp, now: Callable[[], datetime]) -> None:
        super().__init__(destination, pacer, now)
        self._batching = destination

    def apply_many(self, asked: Sequence[Asked]) -> Sequence[Written | HubError]:
        """As Batching.apply_many."""
        began = self._now()
        try:
            results = self._batching.apply_many(asked)
        except Temporary as error:
            self._pacer.met(error, began)
            raise
        for result in results:
            if isinstance(result, Temporary):
                self._pacer.met(result, began)
        return results


class Unpaced:
    """A Pacer that holds nothing back."""

    def begin(self, pace: Pace | None, seconds_left: Callable[[], float]) -> None:
        """Nothing to begin."""

    def end(self) -> Pace | None:
        """Nothing to tell."""
        return None

    def held_to(self) -> float | None:
        """Nothing is held back."""
        return None
