"""Many functions press one destination, simulated: with the pace it works near its best, without it melts."""

import heapq
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from itertools import count

import pytest

from hub.pace import HALVED, Pace, Pacing, Slots, calls_in_flight, cut, rest_seconds, share, slots_of
from tests.fakes import NOW

SERVICE_SECONDS = 0.25
BATCH_CALLS = 20
COLLIDING = 0.1  # share of the calls that deadlock where twice as many are in flight as fit
RUN_SECONDS = 600.0


@dataclass
class Site:
    """A destination that does `capacity` calls at a time. Of more, all take longer, and more and more of them deadlock."""

    capacity: int
    dice: random.Random
    in_flight: int = 0
    done: int = 0
    deadlocks: int = 0

    def begin(self) -> tuple[float, bool]:
        """How long the call will take, and whether it deadlocks."""
        self.in_flight += 1
        crowding = max(self.in_flight / self.capacity, 1.0)
        took = SERVICE_SECONDS * crowding * self.dice.uniform(0.8, 1.2)
        return took, self.dice.random() < min(COLLIDING * (crowding - 1) ** 2, 0.9)

    def end(self, deadlock: bool) -> None:
        self.in_flight -= 1
        self.deadlocks += deadlock
        self.done += not deadlock


@dataclass
class Shared:
    """The pace that all functions read and write, as the ledger's table keeps it."""

    pace: Pace = field(default_factory=Pace)
    writes: int = 0

    def write(self, pace: Pace) -> None:
        if pace.version == self.pace.version:
            self.pace = Pace(pace.level, pace.factor, pace.cut_at, pace.version + 1)
            self.writes += 1


@dataclass
class Crowd:
    """Functions with workers, on a clock that jumps from one thing to the next."""

    site: Site
    functions: int
    workers: int
    paced: bool = True
    shared: Shared = field(default_factory=Shared)
    now: float = 0.0

    @property
    def pacing(self) -> Pacing:
        return Pacing(self.functions * self.workers, self.functions * self.workers)

    def run(self) -> "Crowd":
        order = count()
        ahead = [
            (self.site.dice.random(), next(order), worker)
            for each in range(self.functions)
            for worker in self.one(each)
        ]
        heapq.heapify(ahead)
        while ahead and ahead[0][0] < RUN_SECONDS:
            self.now, _, worker = heapq.heappop(ahead)
            heapq.heappush(ahead, (self.now + next(worker), next(order), worker))
        return self

    def one(self, _: int) -> list[Iterator[float]]:
        function = Function(self, self.site.dice.random())
        return [function.work() for _ in range(self.workers)]


@dataclass
class Function:
    """One function: slots of its own, the shared pace read and written once per batch."""

    crowd: Crowd
    rounding: float
    slots: Slots = field(default_factory=Slots)
    pace: Pace = field(default_factory=Pace)
    read: Pace = field(default_factory=Pace)
    calls: int = 0

    def work(self) -> Iterator[float]:
        """The life of a worker; yields how long it does nothing but wait."""
        crowd = self.crowd
        while True:
            while wait := self.slots.take(slots_of(self.share(), self.rounding, crowd.workers), crowd.now):
                yield wait
            began, (took, deadlock) = crowd.now, crowd.site.begin()
            yield took
            crowd.site.end(deadlock)
            if deadlock and crowd.paced:
                moment = NOW + timedelta(seconds=crowd.now)
                self.pace = cut(self.pace, HALVED, NOW + timedelta(seconds=began), crowd.pacing, moment)
            self.slots.give_back(rest_seconds(took, self.share()), crowd.now)
            self.calls += 1
            if self.calls % BATCH_CALLS == 0:
                self.next_batch()

    def next_batch(self) -> None:
        if self.pace != self.read:
            self.crowd.shared.write(self.pace)
        self.read = self.pace = self.crowd.shared.pace

    def share(self) -> float:
        level = calls_in_flight(self.pace, self.crowd.pacing, NOW + timedelta(seconds=self.crowd.now))
        return share(level, self.crowd.workers, self.crowd.pacing)


@cache
def crowd(capacity: int, functions: int, workers: int, *, paced: bool = True) -> Crowd:
    return Crowd(Site(capacity, random.Random(7)), functions, workers, paced).run()  # noqa: S311 - to be had again


def best(capacity: int) -> float:
    """What a destination gets done when just so many calls as fit are in flight all the time."""
    return capacity / SERVICE_SECONDS * RUN_SECONDS


CASES = [(4, 4, 4), (8, 8, 4), (6, 6, 2), (3, 2, 4), (16, 8, 16)]


@pytest.mark.parametrize(("capacity", "functions", "workers"), CASES)
def test_a_destination_with_too_many_callers_works_near_its_best(capacity: int, functions: int, workers: int) -> None:
    site = crowd(capacity, functions, workers).site

    assert site.done >= 0.9 * best(capacity)
    assert site.deadlocks <= 0.03 * site.done


@pytest.mark.parametrize(("capacity", "functions", "workers"), [(4, 8, 4), (2, 4, 2)])
def test_with_more_functions_than_it_has_room_for_it_still_works_well(
    capacity: int, functions: int, workers: int
) -> None:
    """Each of them rests between its calls, not knowing when the others do: they meet by chance."""
    site = crowd(capacity, functions, workers).site

    assert site.done >= 0.85 * best(capacity)
    assert site.deadlocks <= 0.15 * site.done


@pytest.mark.parametrize(("capacity", "functions", "workers"), [(4, 4, 4), (8, 8, 4), (2, 4, 2), (16, 8, 16)])
def test_without_a_pace_it_melts(capacity: int, functions: int, workers: int) -> None:
    site = crowd(capacity, functions, workers, paced=False).site

    assert site.done < 0.2 * best(capacity)
    assert site.deadlocks > site.done


@pytest.mark.parametrize(("capacity", "functions", "workers"), CASES)
def test_even_under_steady_pressure_most_batches_write_no_pace(capacity: int, functions: int, workers: int) -> None:
    run = crowd(capacity, functions, workers)

    batches = (run.site.done + run.site.deadlocks) / BATCH_CALLS
    assert run.shared.writes < 0.25 * batches


def test_a_destination_with_room_for_all_is_never_held_back() -> None:
    run = crowd(capacity=16, functions=4, workers=4)

    assert run.site.done >= 0.98 * best(16)
    assert run.shared.writes == 0
