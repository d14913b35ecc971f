"""The pace of a destination: cut once per trouble, regained with time, kept on average by slots and rests."""

from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.connector import Budget
from hub.errors import Category, Contended, Refused, Temporary, Unavailable
from hub.pace import (
    HALVED,
    LEAST,
    LONGEST_REST_SECONDS,
    SETTLING,
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
from tests.fakes import NOW

PACING = Pacing(planned=16, most=16)
seconds = st.floats(0, 1e6)
levels = st.floats(1, 2_000)


def after(seconds: float, pace: Pace, pacing: Pacing = PACING) -> float:
    return calls_in_flight(pace, pacing, NOW + timedelta(seconds=seconds))


def test_a_pace_that_was_never_cut_is_the_most() -> None:
    assert after(0, Pace()) == 16


@given(levels, st.sampled_from([HALVED, SLOWED]), seconds, st.floats(0.1, 2_000))
def test_whatever_happened_the_pace_is_at_most_the_most_and_at_least_one_call(
    level: float, factor: float, later: float, most: float
) -> None:
    found = after(later, Pace(level, factor, NOW), Pacing(most, most))

    assert min(LEAST, most) <= found <= most


@given(levels, st.sampled_from([HALVED, SLOWED]), seconds, seconds)
def test_without_new_trouble_a_pace_only_grows(level: float, factor: float, one: float, other: float) -> None:
    pace, pacing = Pace(level, factor, NOW), Pacing(2_000, 2_000)

    assert after(min(one, other), pace, pacing) <= after(max(one, other), pace, pacing)


@given(levels)
def test_a_cut_is_felt_at_once_and_the_most_is_reached_again(most: float) -> None:
    pacing = Pacing(most, most)
    pace = cut(Pace(), HALVED, NOW, pacing, NOW)

    assert after(0, pace, pacing) == pytest.approx(max(most / 2, LEAST))
    assert after(2 * most / 2 / 0.2, pace, pacing) == most


@given(levels)
def test_a_clock_that_is_behind_the_one_that_cut_sees_the_cut(level: float) -> None:
    pace = Pace(level, HALVED, NOW)

    assert after(-30, pace) == after(0, pace)


def test_it_comes_back_fast_slowly_at_the_level_that_was_too_much_and_fast_beyond() -> None:
    pace = cut(Pace(), HALVED, NOW, Pacing(16, 16), NOW)

    grown = [after(5 * step, pace, Pacing(64, 64)) for step in range(17)]
    gains = [later - earlier for earlier, later in pairwise(grown)]

    assert grown[8] == pytest.approx(16)
    assert gains[7] < gains[0] / 10
    assert gains[8] < gains[15] / 10


@given(st.lists(st.tuples(st.floats(0, 20), st.floats(0, 60)), max_size=40))
def test_calls_that_began_before_a_cut_had_settled_cut_no_further(troubles: list[tuple[float, float]]) -> None:
    """Whatever the order in which trouble becomes known: two cuts are never for calls that began at the same time."""
    pace, now, cuts = Pace(), NOW, []
    for passed, took in troubles:
        now += timedelta(seconds=passed)
        began = now - timedelta(seconds=took)
        before, pace = pace, cut(pace, HALVED, began, PACING, now)
        if pace is not before:
            cuts.append((began, now))

    assert all(began >= earlier + SETTLING for (_, earlier), (began, _) in pairwise(cuts))


def test_a_storm_of_lock_timeouts_from_before_the_cut_is_one_trouble() -> None:
    pace = cut(Pace(), HALVED, NOW, PACING, NOW)
    for second in range(50):  # ERPNext answers a lock timeout after 50 s
        pace = cut(pace, HALVED, NOW, PACING, NOW + timedelta(seconds=second))

    assert (pace.level, pace.cut_at) == (16, NOW)


@pytest.mark.parametrize(
    ("error", "is_one"),
    [
        (Contended("deadlock"), True),
        (Temporary("429", category=Category.RATE_LIMIT_EXCEEDED), True),
        (Unavailable("429", category=Category.RATE_LIMIT_EXCEEDED), True),
        (BudgetSpent("not sent"), False),
        (Temporary("again later"), False),
        (Unavailable("502"), False),
        (Refused("no such item"), False),
    ],
    ids=repr,
)
def test_only_trouble_that_fewer_calls_would_have_spared_is_congestion(error: Temporary, is_one: bool) -> None:
    assert is_congestion(error) is is_one


@pytest.mark.parametrize(
    ("took", "slow"),
    [([6, 6], False), ([6, 6, 0.1], True), ([6, 0.1, 0.1], False), ([5, 5, 5], False), ([], False)],
)
def test_a_destination_is_slow_when_half_of_its_calls_are(took: list[float], slow: bool) -> None:
    assert is_slow(took, PACING) is slow


def test_functions_share_the_pace_by_what_each_could_have_in_flight() -> None:
    """Two flows: 2 functions of 6 workers and 2 of 2; at the most each works as configured."""
    assert [share(16, workers, PACING) for workers in (6, 2)] == [6, 2]
    assert 2 * share(5, 6, PACING) + 2 * share(5, 2, PACING) == pytest.approx(5)


def test_a_limit_of_the_configuration_holds_below_what_the_flows_could() -> None:
    limited, larger = Pacing.of(16, 4, 5), Pacing.of(16, 100, 5)

    assert (limited.planned, limited.most) == (16, 4)
    assert larger.most == 16
    assert after(0, Pace(), limited) == 4


@given(st.floats(1, 20), st.integers(2, 200))
def test_functions_that_round_up_and_down_keep_the_pace_together(share: float, functions: int) -> None:
    together = sum(slots_of(share, number / functions, 100) for number in range(functions))

    assert together == pytest.approx(share * functions, abs=1)


@given(st.floats(0, 20), st.floats(0, 0.999), st.floats(0, 20))
def test_a_limit_of_the_configuration_is_not_rounded_up(share: float, rounding: float, most: float) -> None:
    assert 1 <= slots_of(share, rounding, most) <= max(most + 1e-6, 1)


@given(st.floats(0.01, 1), st.floats(0.01, 1))
def test_rests_keep_a_share_of_less_than_one_call_on_average(share: float, took: float) -> None:
    rest = rest_seconds(took, share)

    assert took / (took + rest) == pytest.approx(share) or rest == LONGEST_REST_SECONDS


@given(st.floats(0, 20), st.floats(0, 120))
def test_no_rest_is_negative_or_longer_than_a_function_should_be_paid_for(share: float, took: float) -> None:
    assert 0 <= rest_seconds(took, share) <= LONGEST_REST_SECONDS


def test_a_share_of_a_call_or_more_needs_no_rest() -> None:
    assert [rest_seconds(0.5, share) for share in (1, 1.5, 3)] == [0, 0, 0]
    assert slots_of(0.1 * 3 * 10, 0, 4) == 3  # which comes out as 3.0000000000000004, and others as 2.9999999999999996


def test_a_call_waits_for_a_free_slot_and_for_the_rest_in_it() -> None:
    slots = Slots()

    assert [slots.take(2, 0), slots.take(2, 0)] == [0, 0]
    assert slots.take(2, 0) > 0
    slots.give_back(0.25, 10)
    assert slots.take(2, 10.1) == pytest.approx(0.15)
    assert slots.take(2, 10.3) == 0
    assert slots.take(1, 10.3) > 0


def test_before_a_destination_has_answered_nothing_is_known_of_its_budget() -> None:
    allowance = Allowance()

    assert (allowance.is_known(0), allowance.in_flight(0), allowance.wait_seconds(0)) == (False, None, 0)


def test_a_budget_bears_its_seconds_of_work_until_it_begins_anew() -> None:
    allowance = Allowance()
    allowance.learn(Budget(work_seconds=600, reset_seconds=3_600), 100)

    assert allowance.in_flight(100) == pytest.approx(1 / 6)
    assert (allowance.is_known(3_699), allowance.is_known(3_700)) == (True, False)
    assert allowance.in_flight(3_700) is None


def test_a_spent_budget_is_waited_for() -> None:
    allowance = Allowance()
    allowance.learn(Budget(work_seconds=0, reset_seconds=30), 100)

    assert [allowance.wait_seconds(now) for now in (100, 129, 130, 200)] == [30, 1, 0, 0]


def test_an_answer_from_a_proxy_does_not_lift_the_limit() -> None:
    allowance = Allowance()
    allowance.learn(Budget(work_seconds=0, reset_seconds=30), 100)
    allowance.learn(None, 110)
    held = allowance.wait_seconds(110)
    allowance.learn(None, 140)

    assert held == 20
    assert (allowance.is_known(140), allowance.in_flight(140)) == (True, None)
