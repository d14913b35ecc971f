"""A source's clock is read the same on every machine, wherever that stands."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.connector import Answer
from hub.dates import date_of

NOON = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _far_from_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def answer(date: str) -> Answer:
    return Answer(200, {"date": date}, b"")


@pytest.mark.parametrize(
    "date",
    [
        "Wed, 01 Jul 2026 12:00:00 GMT",
        "Wed, 01 Jul 2026 12:00:00 -0000",  # without a zone, says email.utils
        "Wed, 01 Jul 2026 12:00:00",
        "Wed, 01 Jul 2026 14:00:00 +0200",
        "Wed Jul  1 12:00:00 2026",  # asctime, which HTTP still allows
    ],
)
def test_a_date_without_a_zone_is_one_in_utc_and_not_in_the_machines(date: str) -> None:
    assert date_of(answer(date)) == NOON


@pytest.mark.parametrize("date", ["", "yesterday", "Wed, 32 Jul 2026 12:00:00 GMT", "Fri, 31 Dec 9999 23:00:00 -0200"])
def test_what_is_no_date_says_nothing(date: str) -> None:
    assert date_of(answer(date)) is None


def test_an_answer_without_the_header_says_nothing() -> None:
    assert date_of(Answer(200, {}, b"")) is None


@given(st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1)))  # noqa: DTZ001 - made aware in the test
def test_what_a_server_writes_is_read_to_the_second(moment: datetime) -> None:
    aware = moment.replace(tzinfo=UTC, microsecond=0)

    assert date_of(answer(format_datetime(aware, usegmt=True))) == aware


@given(st.text())
def test_no_header_is_more_than_an_unknown_time(date: str) -> None:
    found = date_of(answer(date))

    assert found is None or found.tzinfo is UTC
