"""A destination's outage pauses its flows, burns nothing, and ends by itself."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub import breaker as breakers_
from hub.breaker import Breaker, Limits, State, met_by, probe_is_due, succeeded
from hub.deliver import SAID_ALREADY
from hub.deliver_batch import Again, Batch, Received
from hub.errors import Temporary, Unavailable
from hub.guard import Guard, deliver_guarded
from hub.ledger import Entry, Outcome
from hub.pace import Pace
from hub.tend_breaker import tend
from tests.fakes import FakeBreakers, FakeNotices, FakePacer, an_event, received

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DOWN = "connection refused"
LIMITS = Limits()
STRIKES = LIMITS.strikes


def struck(breaker: Breaker, strikes: int, reason: str, now: datetime, wait_seconds: float = 0.0) -> Breaker:
    return breakers_.struck(breaker, strikes, reason, now, LIMITS, wait_seconds)


def probed(breaker: Breaker, failure: str, now: datetime) -> Breaker:
    return breakers_.probed(breaker, failure, now, LIMITS)


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def an_open_one() -> Breaker:
    return struck(Breaker(), STRIKES, DOWN, NOW)


def test_it_opens_at_the_last_of_so_many_strikes_in_a_row() -> None:
    almost = struck(Breaker(), STRIKES - 1, DOWN, NOW)

    assert almost.state is State.CLOSED
    assert struck(almost, 1, DOWN, NOW).state is State.OPEN


def test_a_success_in_between_starts_the_count_anew() -> None:
    almost = struck(Breaker(), STRIKES - 1, DOWN, NOW)

    assert struck(succeeded(almost, NOW), 1, DOWN, NOW).state is State.CLOSED


def test_an_open_one_is_asked_after_half_a_minute_and_then_ever_less_often() -> None:
    breaker, waits = an_open_one(), []
    for _ in range(6):
        assert breaker.probe_at
        waits.append((breaker.probe_at - NOW).total_seconds())
        breaker = probed(breaker, DOWN, NOW)

    assert waits == [30, 60, 120, 240, 300, 300]


def test_the_pause_that_it_asked_for_is_kept() -> None:
    breaker = struck(Breaker(), STRIKES, "429", NOW, wait_seconds=600)

    assert (probe_is_due(breaker, later(599)), probe_is_due(breaker, later(600))) == (False, True)


def test_a_good_probe_lets_a_little_flow_and_a_success_all() -> None:
    half = probed(an_open_one(), "", later(30))

    assert half.state is State.HALF_OPEN
    assert succeeded(half, later(31)).state is State.CLOSED


def test_one_strike_while_half_open_opens_it_again_and_asks_less_often() -> None:
    again = struck(probed(an_open_one(), "", NOW), 1, DOWN, NOW)

    assert again.state is State.OPEN
    assert again.probe_at == later(60)


def test_a_success_that_began_before_the_outage_does_not_close_it() -> None:
    assert succeeded(an_open_one(), NOW).state is State.OPEN


@given(st.lists(st.sampled_from(["strike", "success", "good probe", "bad probe"]), max_size=60))
def test_whatever_happens_an_open_one_has_a_time_to_be_asked(happenings: list[str]) -> None:
    breaker = Breaker()
    for what in happenings:
        if what == "strike":
            breaker = struck(breaker, 1, DOWN, NOW)
        elif what == "success":
            breaker = succeeded(breaker, NOW)
        else:
            breaker = probed(breaker, "" if what == "good probe" else DOWN, NOW)

        assert breaker.state is not State.OPEN or breaker.probe_at
        assert breaker.state is not State.CLOSED or breaker.strikes < STRIKES


@dataclass
class Guarded:
    """A batch of two events delivered behind a breaker."""

    breakers: FakeBreakers = field(default_factory=FakeBreakers)
    errors: Sequence[Exception] = ()
    outcome: Outcome | None = None
    rule: str = ""
    pacer: FakePacer = field(default_factory=FakePacer)
    woken: int = 0
    tried: int = 0

    def deliver(self, batch: Sequence[Received]) -> Batch:
        self.tried += 1
        ended = (
            [Entry("flow", one.event, self.outcome, 1, NOW, rule=self.rule) for one in batch] if self.outcome else []
        )
        again = [Again(one, 1.0, error) for one, error in zip(batch, self.errors, strict=False)]
        return Batch(tuple(ended), (), tuple(again))

    def wake(self) -> None:
        self.woken += 1

    def run(self) -> Batch:
        batch = [received(an_event("a")), received(an_event("b"))]
        guard = Guard("a", 8, "erp", self.breakers, LIMITS, self.wake, self.pacer)
        return deliver_guarded(batch, guard, self.deliver, lambda: NOW, lambda: 300.0)


def test_an_open_breaker_tries_nothing_and_waits_for_its_probe() -> None:
    guarded = Guarded(FakeBreakers(struck(Breaker(), STRIKES, DOWN, NOW, wait_seconds=90)))

    batch = guarded.run()

    assert (guarded.tried, [again.wait_seconds for again in batch.again]) == (0, [90, 90])
    assert (dict(guarded.breakers.kept.flows), guarded.woken) == ({"a": 8}, 1)


def test_a_flow_that_is_known_to_wait_wakes_nobody_again() -> None:
    guarded = Guarded(FakeBreakers(met_by(an_open_one(), "a", 8)))

    guarded.run()

    assert guarded.woken == 0


def test_an_outage_opens_the_breaker_and_wakes_who_pauses_the_flows() -> None:
    guarded = Guarded(FakeBreakers(struck(Breaker(), STRIKES - 2, DOWN, NOW)), [Unavailable("x"), Unavailable("y")])

    guarded.run()

    assert (guarded.breakers.kept.state, guarded.woken) == (State.OPEN, 1)


def test_events_behind_another_are_no_strikes_of_their_own() -> None:
    down = Unavailable("x")
    guarded = Guarded(FakeBreakers(), [down, Temporary("waits behind")])

    guarded.run()

    assert guarded.breakers.kept.strikes == 1


def test_a_deadlock_is_no_outage() -> None:
    guarded = Guarded(FakeBreakers(), [Temporary("deadlock"), Temporary("deadlock")])

    guarded.run()

    assert guarded.breakers.kept.pristine


@pytest.mark.parametrize("outcome", [Outcome.APPLIED, Outcome.UNCHANGED, Outcome.DEAD])
def test_an_answer_of_the_destination_closes_a_half_open_one(outcome: Outcome) -> None:
    guarded = Guarded(FakeBreakers(probed(an_open_one(), "", NOW)), outcome=outcome)

    guarded.run()

    assert guarded.breakers.kept.state is State.CLOSED


@pytest.mark.parametrize("outcome", [Outcome.IGNORED, Outcome.STALE])
def test_an_end_without_the_destination_tells_nothing(outcome: Outcome) -> None:
    guarded = Guarded(FakeBreakers(probed(an_open_one(), "", NOW)), outcome=outcome)

    guarded.run()

    assert guarded.breakers.kept.state is State.HALF_OPEN


def test_a_writer_who_was_faster_is_read_and_counted_upon() -> None:
    breakers = FakeBreakers(faster=[struck(Breaker(), STRIKES - 1, DOWN, NOW)])
    guarded = Guarded(breakers, [Unavailable("x")])

    guarded.run()

    assert (breakers.kept.state, breakers.kept.strikes) == (State.OPEN, STRIKES)


def test_a_breaker_that_cannot_be_read_stops_no_event() -> None:
    guarded = Guarded(FakeBreakers(unavailable=True), outcome=Outcome.APPLIED)

    assert (len(guarded.run().ended), guarded.tried) == (2, 1)


def test_a_pace_that_nothing_cut_is_not_written() -> None:
    guarded = Guarded(FakeBreakers(pace=Pace(level=8, factor=0.5, cut_at=NOW, version=3)), outcome=Outcome.APPLIED)

    guarded.run()

    assert (guarded.pacer.begun, guarded.breakers.paces_written) == ([guarded.breakers.pace], 0)


def test_a_pace_that_was_cut_is_kept_for_all() -> None:
    cut = Pace(level=8, factor=0.5, cut_at=NOW)
    guarded = Guarded(FakeBreakers(), outcome=Outcome.APPLIED, pacer=FakePacer(cut=cut))

    guarded.run()

    assert (guarded.breakers.pace, guarded.breakers.paces_written) == (cut, 1)


def test_without_the_shared_pace_a_function_goes_on_with_what_it_knows() -> None:
    guarded = Guarded(FakeBreakers(unavailable=True), outcome=Outcome.APPLIED)

    guarded.run()

    assert guarded.pacer.begun == [None]


@dataclass
class FakeValves:
    """The reading of flows as (enabled, concurrency)."""

    flows: dict[str, tuple[bool, int]] = field(default_factory=dict)

    def set(self, flow: str, *, enabled: bool, max_concurrency: int) -> bool:
        changed = self.flows.get(flow, (True, 8)) != (enabled, max_concurrency)
        self.flows[flow] = (enabled, max_concurrency)
        return changed


@dataclass
class Outage:
    """A destination with two flows, tended from minute to minute."""

    up: bool = False
    breakers: FakeBreakers = field(default_factory=lambda: FakeBreakers(met_by(met_by(an_open_one(), "a", 8), "b", 8)))
    valves: FakeValves = field(default_factory=FakeValves)
    notices: FakeNotices = field(default_factory=FakeNotices)

    def probe(self) -> None:
        if not self.up:
            raise Unavailable(DOWN)

    def tend(self, at: datetime) -> None:
        tend("erp", self.breakers, LIMITS, self.valves, self.notices, self.probe, at)


def test_an_outage_pauses_every_flow_and_is_told_once() -> None:
    outage = Outage()

    for minute in range(720):  # twelve hours
        outage.tend(later(60 * minute))

    assert outage.valves.flows == {"a": (False, 2), "b": (False, 2)}
    assert [subject for subject, _ in outage.notices.told] == ["erp is unavailable"]


def test_the_end_of_an_outage_lets_a_little_flow_then_all_and_is_told() -> None:
    outage = Outage()
    outage.tend(NOW)
    outage.up = True

    outage.tend(later(60))
    slowly = dict(outage.valves.flows)
    outage.breakers.kept = succeeded(outage.breakers.kept, later(61))
    outage.tend(later(120))
    outage.tend(later(180))

    assert outage.breakers.kept.pristine
    assert slowly == {"a": (True, 2), "b": (True, 2)}
    assert outage.valves.flows == {"a": (True, 8), "b": (True, 8)}
    assert [subject for subject, _ in outage.notices.told][1:] == ["erp answers again", "erp works again"]


def test_a_flow_that_meets_the_outage_later_is_paused_without_another_notice() -> None:
    outage = Outage()
    outage.tend(NOW)

    outage.breakers.kept = met_by(outage.breakers.kept, "c", 4)
    outage.tend(later(10))

    assert outage.valves.flows["c"] == (False, 2)
    assert len(outage.notices.told) == 1


def test_of_those_who_tend_at_the_same_time_one_tells() -> None:
    outage = Outage()
    outage.breakers.faster = [replace(outage.breakers.kept, told=State.OPEN)]

    outage.tend(NOW)
    outage.tend(NOW)

    assert outage.notices.told == []  # the faster one has


def test_a_notice_that_was_not_taken_is_repeated() -> None:
    outage = Outage(notices=FakeNotices(failure=Temporary("SNS did not confirm the notice")))
    with pytest.raises(Temporary, match="SNS"):
        outage.tend(NOW)

    outage.notices.failure = None
    outage.tend(later(60))
    outage.tend(later(120))

    assert [subject for subject, _ in outage.notices.told] == ["erp is unavailable"]


def test_an_outage_that_ended_before_anybody_was_told_is_told_as_it_stands() -> None:
    outage = Outage(up=True)

    outage.tend(later(30))

    assert [subject for subject, _ in outage.notices.told] == ["erp answers again"]


def test_a_quiet_minute_changes_and_tells_nothing() -> None:
    outage = Outage(up=True, breakers=FakeBreakers())

    outage.tend(NOW)

    assert (outage.notices.told, outage.valves.flows) == ([], {})


def test_what_was_said_already_says_nothing_of_the_destination() -> None:
    half_open = replace(an_open_one(), state=State.HALF_OPEN)
    guarded = Guarded(FakeBreakers(half_open), outcome=Outcome.UNCHANGED, rule=SAID_ALREADY)

    guarded.run()

    assert guarded.breakers.kept.state is State.HALF_OPEN
