"""Calls keep to the pace: so many at once, rests between, and none where the destination said that it serves nobody."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from adapters.http import DestinationHttp
from adapters.paced import SPARE_SECONDS, PacedDestination, PacedHttp
from adapters.standings import DynamoStandings
from connectors.erpnext.client import budget
from hub.connector import Answer, Budget, BudgetOf, HttpClientWithHeaders
from hub.errors import Contended, Refused, Temporary, Unavailable
from hub.pace import HALVED, Pace, Pacing
from infra.local.erpnext.faults import Fault
from infra.local.erpnext.server import ErpNextStandIn
from tests.fakes import NOW, FakeDestination, an_event, read_anything

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

FINE = Answer(200, {}, b"{}")


@dataclass
class Clock:
    """The time, which passes only where somebody works or waits."""

    seconds: float = 0.0

    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    def wait(self, _: threading.Condition, seconds: float) -> None:
        self.seconds += seconds


@dataclass
class Site:
    """A destination that takes so long for each call, and says what it is told to."""

    clock: Clock
    took: float = 0.25
    answers: list[Answer | Exception] = field(default_factory=list)
    began: list[float] = field(default_factory=list)
    renewed: int = 0

    def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        self.began.append(self.clock.seconds)
        self.clock.seconds += self.took
        answer = self.answers.pop(0) if self.answers else FINE
        if isinstance(answer, Exception):
            raise answer
        return answer

    def renew_credentials(self) -> None:
        self.renewed += 1


def paced(
    http: HttpClientWithHeaders, clock: Clock, pacing: Pacing, budget_of: BudgetOf | None = None, workers: int = 2
) -> PacedHttp:
    return PacedHttp(http, pacing, workers, 0.0, budget_of, clock.now, clock.monotonic, clock.wait)


def budgets(*said: Budget | None) -> BudgetOf:
    """Answers say these budgets, one after the other, and the last one for ever."""
    left = list(said)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


def test_at_its_most_nothing_waits() -> None:
    clock = Clock()
    site = Site(clock)
    http = paced(site, clock, Pacing(4, 4))

    for _ in range(4):
        http.send("GET", "/")

    assert site.began == [0, 0.25, 0.5, 0.75]
    assert http.held_to() is None


def test_a_share_of_half_a_call_rests_as_long_as_it_worked() -> None:
    clock = Clock()
    site = Site(clock)
    http = paced(site, clock, Pacing(planned=8, most=2))  # two workers of eight: half a call

    for _ in range(4):
        http.send("GET", "/")

    assert site.began == [0, 0.5, 1.0, 1.5]


def test_a_call_without_an_answer_is_followed_by_its_rest_too() -> None:
    clock = Clock()
    site = Site(clock, answers=[Unavailable("no answer")])
    http = paced(site, clock, Pacing(planned=8, most=2))

    with pytest.raises(Unavailable, match="no answer"):
        http.send("GET", "/")
    http.send("GET", "/")

    assert site.began == [0, 0.5]


def test_no_more_calls_are_in_flight_than_the_share() -> None:
    """With real threads: eight workers of a function whose share is three calls."""
    inside, most, lock = 0, 0, threading.Lock()

    class Counting(Site):
        def send(self, *_: Any, **__: Any) -> Answer:
            nonlocal inside, most
            with lock:
                inside += 1
                most = max(most, inside)
            time.sleep(0.01)
            with lock:
                inside -= 1
            return FINE

    http = PacedHttp(Counting(Clock()), Pacing(16, 6), 8, 0.0, None, lambda: NOW, time.monotonic)
    threads = [threading.Thread(target=lambda: [http.send("GET", "/") for _ in range(5)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    assert (inside, most) == (0, 3)


def test_a_collision_slows_this_function_at_once_and_is_told_at_the_end_of_the_batch() -> None:
    clock = Clock()
    http = paced(Site(clock), clock, Pacing(8, 8))
    destination = PacedDestination(FakeDestination({"a": Contended("deadlock")}), http, clock.now)
    http.begin(Pace(version=3), lambda: 300.0)

    with pytest.raises(Contended):
        destination.apply("upsert", read_anything(an_event(), "x"), an_event("a"), "")
    held = http.held_to()

    assert held == 4
    assert http.end() == Pace(8, HALVED, NOW, version=3)


@pytest.mark.parametrize("error", [Temporary("x"), Unavailable("x"), Refused("x")], ids=repr)
def test_other_trouble_leaves_the_pace_as_it_is(error: Exception) -> None:
    clock = Clock()
    http = paced(Site(clock), clock, Pacing(8, 8))
    destination = PacedDestination(FakeDestination({"a": error}), http, clock.now)
    http.begin(Pace(), lambda: 300.0)

    with pytest.raises(type(error)):
        destination.apply("upsert", read_anything(an_event(), "x"), an_event("a"), "")

    assert (http.end(), http.held_to()) == (None, None)


def test_what_was_applied_is_handed_on() -> None:
    clock = Clock()
    inner = FakeDestination()

    written = PacedDestination(inner, paced(Site(clock), clock, Pacing(8, 8)), clock.now).apply(
        "upsert", read_anything(an_event(), "x"), an_event("a"), "SO-9"
    )

    assert (written.name, inner.applied) == ("SO-1", [("a", "upsert", "SO-9")])


@pytest.mark.parametrize(("took", "is_cut"), [(5.5, True), (4.5, False)])
def test_a_batch_of_slow_calls_cuts_the_pace_a_little(took: float, is_cut: bool) -> None:
    clock = Clock()
    http = paced(Site(clock, took), clock, Pacing(8, 8))
    http.begin(Pace(), lambda: 300.0)
    for _ in range(4):
        http.send("GET", "/")

    cut = http.end()

    assert (cut is not None, http.held_to()) == (is_cut, pytest.approx(8 * 0.7) if is_cut else None)


def test_a_batch_that_met_nothing_has_nothing_to_write() -> None:
    clock = Clock()
    http = paced(Site(clock), clock, Pacing(8, 8))
    for pace in (Pace(), Pace(8, HALVED, NOW - timedelta(hours=1), 7)):
        http.begin(pace, lambda: 300.0)
        http.send("GET", "/")

        assert http.end() is None


def test_without_the_shared_pace_the_last_one_known_holds() -> None:
    clock = Clock()
    http = paced(Site(clock), clock, Pacing(8, 8))
    http.begin(Pace(8, HALVED, NOW, 7), lambda: 300.0)

    http.begin(None, lambda: 300.0)

    assert http.held_to() == 4


def test_a_budget_is_never_exceeded_on_average() -> None:
    """600 s of work in the hour, two functions of two workers: each has a twelfth of a call in flight."""
    clock = Clock()
    site = Site(clock)
    http = paced(site, clock, Pacing(8, 8), budgets(Budget(600, 3_600)))

    for _ in range(3):
        http.send("GET", "/")

    assert http.held_to() == pytest.approx(1 / 6)
    assert [later - earlier for earlier, later in pairwise(site.began)] == pytest.approx([0.25 * 24] * 2)


def test_a_spent_budget_is_waited_for_where_that_is_short() -> None:
    clock = Clock()
    site = Site(clock)
    http = paced(site, clock, Pacing(4, 4), budgets(Budget(0, 8), Budget(60, 60)))

    http.send("GET", "/")
    http.send("GET", "/")

    assert site.began == [0, 8.25]


def test_where_that_is_long_the_destination_is_not_even_asked() -> None:
    clock = Clock()
    site = Site(clock)
    http = paced(site, clock, Pacing(4, 4), budgets(Budget(0, 1_800)))
    http.send("GET", "/")
    clock.seconds += 60

    with pytest.raises(
        Unavailable, match="POST /x: not sent, the site's limit serves nobody for another 1740 s"
    ) as told:
        http.send("POST", "/x")

    assert (told.value.retry_after_seconds, told.value.category) == (1_740, "RATE_LIMIT_EXCEEDED")
    assert len(site.began) == 1


def test_no_call_waits_beyond_the_functions_own_time() -> None:
    clock = Clock()
    site = Site(clock, took=5)
    http = paced(site, clock, Pacing(planned=8, most=2))
    http.begin(Pace(), lambda: SPARE_SECONDS + 4.9)
    http.send("GET", "/")

    with pytest.raises(Temporary, match="time was up before the destination's pace let it begin"):
        http.send("GET", "/")

    assert len(site.began) == 1


def test_credentials_are_renewed_where_they_are_kept() -> None:
    clock = Clock()
    site = Site(clock)

    paced(site, clock, Pacing(4, 4)).renew_credentials()

    assert site.renewed == 1


def test_two_functions_that_share_a_table_go_at_one_pace(dynamodb: "DynamoDBClient", table: str) -> None:
    """The one meets a deadlock; the other, which met none, is slower from its next batch on; later both are back."""
    clock, pacing = Clock(), Pacing(16, 16)
    functions = [paced(Site(clock), clock, pacing) for _ in range(2)]
    standings = [DynamoStandings(dynamodb, table) for _ in range(2)]

    def batch(number: int, *, deadlock: bool = False) -> float | None:
        http = functions[number]
        http.begin(standings[number].standing("erp").pace, lambda: 300.0)
        if deadlock:
            http.met(Contended("deadlock"), clock.now())
        if cut := http.end():
            standings[number].write_pace("erp", cut)
        return http.held_to()

    assert [batch(0), batch(1)] == [None, None]
    assert [batch(0, deadlock=True), batch(1)] == [8, 8]
    clock.seconds += 3
    assert [batch(0, deadlock=True), batch(1, deadlock=True)] == [batch(0), batch(1)]  # the same trouble
    assert standings[0].standing("erp").pace.version == 1
    clock.seconds += 100
    assert [batch(0), batch(1)] == [None, None]


@pytest.fixture
def limited(clock: Clock) -> Iterator[ErpNextStandIn]:
    """A site that works 12 s a minute for its callers, and takes 0.2 s for each call."""

    def sleep(seconds: float) -> None:
        clock.seconds += seconds

    with ErpNextStandIn(now=clock.now, sleep=sleep) as site:
        site.limit_rate(window_seconds=60, limit_seconds=12, charge_seconds=0.2)
        site.misbehave(Fault("slow", times=None, seconds=0.2))
        yield site


@pytest.fixture
def clock() -> Clock:
    return Clock()


def http_to(site: ErpNextStandIn) -> DestinationHttp:
    headers = {"Authorization": f"token {site.token}", "Accept": "application/json"}
    return DestinationHttp(site.url, lambda: headers, lambda: None, timeout_seconds=5.0, connections=2)


def press(sends: Sequence[Callable[[], object]], clock: Clock, until: float) -> int:
    """All functions in turn, as often as they are let; how many calls were answered well."""
    done = 0
    while clock.seconds < until:
        for send in sends:
            try:
                answer = send()
            except Unavailable as error:
                clock.seconds += error.retry_after_seconds or 0
                continue
            done += isinstance(answer, Answer) and answer.status == 200
    return done


def test_a_site_with_a_rate_limit_never_has_to_refuse(limited: ErpNextStandIn, clock: Clock) -> None:
    """Three functions for ten minutes: not one 429, and most of the site's budget is used."""
    functions = [paced(http_to(limited), clock, Pacing(12, 12), budget) for _ in range(3)]
    sends = [partial(http.send, "GET", "/api/resource/Customer") for http in functions]

    done = press(sends, clock, until=600)

    assert [status for _, _, status in limited.requests if status != 200] == []
    assert done >= 0.8 * 10 * 12 / 0.2


def test_without_the_pace_it_refuses_most(limited: ErpNextStandIn, clock: Clock) -> None:
    http = http_to(limited)

    for _ in range(200):
        http.send("GET", "/api/resource/Customer")

    assert [status for _, _, status in limited.requests].count(429) > 100
