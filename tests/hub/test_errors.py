"""Errors: each says what to do next, and bears a category and a severity that can be counted."""

from collections.abc import Iterator

import pytest

from hub import errors
from hub.errors import Category, HubError, Parked, Permanent, Rejected, Severity, Temporary, Unavailable
from hub.ledger import Failure


def descendants(error: type[HubError]) -> Iterator[type[HubError]]:
    for child in error.__subclasses__():
        yield child
        yield from descendants(child)


ERRORS = [error for error in descendants(HubError) if error.__module__ == errors.__name__]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_an_error_belongs_to_exactly_one_family(error: type[HubError]) -> None:
    made = error("x", waits_for="shop-eu/order/1") if issubclass(error, Parked) else error("x")

    assert sum(issubclass(error, family) for family in (Rejected, Temporary, Parked, Permanent)) == 1
    assert made.category in Category
    assert made.severity in Severity
    assert made.code == error.__name__


@pytest.mark.parametrize("error", [e for e in ERRORS if issubclass(e, Rejected)], ids=lambda error: error.__name__)
def test_a_refusal_is_a_4xx(error: type[Rejected]) -> None:
    assert 400 <= error.status < 500


def test_one_error_can_say_it_more_exactly_than_its_class() -> None:
    error = Unavailable("429", category=Category.RATE_LIMIT_EXCEEDED, severity=Severity.LOW, retry_after_seconds=7)

    assert (error.category, error.severity, error.retry_after_seconds) == ("RATE_LIMIT_EXCEEDED", "low", 7)
    assert Unavailable.category == Category.SERVER_ERROR


def test_a_failure_keeps_what_the_ledger_shows() -> None:
    assert Failure.of(Permanent("no")) == Failure("Permanent", "SYNC_FAILED", "medium", "no")
