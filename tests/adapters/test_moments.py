"""Moments as the ledger's items keep them come back to the microsecond, those too that were kept as texts."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.moments import either, kept, moment_of

ZONES = st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30)), timezone(timedelta(hours=-8))])
MOMENTS = st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2900, 1, 1), timezones=ZONES)  # noqa: DTZ001


@given(MOMENTS)
def test_a_moment_comes_back(moment: datetime) -> None:
    assert moment_of(kept(moment)) == moment
    assert [moment_of(each) for each in either(moment).values()] == [moment, moment]


def test_what_is_no_moment_is_refused() -> None:
    with pytest.raises(ValueError, match="yesterday"):
        moment_of({"S": "yesterday"})
