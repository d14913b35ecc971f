"""A stretch of the past is cut into windows that leave nothing out and share nothing."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.backfill import MOST_WINDOWS, TooManyWindows, windows
from hub.events import integer_version, timestamp_version

BEGIN = datetime(2024, 1, 1, tzinfo=UTC)


def at(seconds: float) -> str:
    return timestamp_version((BEGIN + timedelta(seconds=seconds)).isoformat())


@given(length=st.integers(1, 10**7), width=st.integers(1, 10**7))
def test_windows_of_time_follow_each_other_from_the_beginning_to_the_end(length: int, width: int) -> None:
    if length / width > 500:
        width = length // 500 + 1

    cut = windows(at(0), at(length), width, "timestamp")

    assert (cut[0].since, cut[-1].until) == (at(0), at(length))
    assert all(one.until == other.since for one, other in pairwise(cut))
    assert all(each.since < each.until for each in cut)
    assert [each.number for each in cut] == list(range(1, len(cut) + 1))
    assert len(cut) == -(-length // width)


@given(begin=st.integers(0, 10**6), length=st.integers(1, 1000), width=st.integers(1, 1000))
def test_windows_of_numbers_hold_each_number_once(begin: int, length: int, width: int) -> None:
    cut = windows(integer_version(begin), integer_version(begin + length), width, "integer")

    held = [number for each in cut for number in range(int(each.since), int(each.until))]
    assert held == list(range(begin, begin + length))


def test_more_windows_than_can_be_looked_after_are_refused() -> None:
    assert len(windows(at(0), at(MOST_WINDOWS), 1, "timestamp")) == MOST_WINDOWS
    with pytest.raises(TooManyWindows, match="choose wider ones"):
        windows(at(0), at(MOST_WINDOWS + 1), 1, "timestamp")


@pytest.mark.parametrize(("since", "until"), [(at(1), at(1)), (at(2), at(1))])
def test_an_end_that_is_not_after_the_beginning_is_refused(since: str, until: str) -> None:
    with pytest.raises(ValueError, match="not after"):
        windows(since, until, 60, "timestamp")


def test_a_stream_that_is_read_by_token_has_no_past() -> None:
    with pytest.raises(ValueError, match="token"):
        windows("a", "b", 60, "token")
