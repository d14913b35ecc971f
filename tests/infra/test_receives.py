"""Retries end by their own time limit, not by SQS's count of receives."""

import random

import pytest

from hub.config import Retry
from hub.deliver import wait_seconds
from hub.errors import Unavailable
from hub.settings import RetrySettings
from infra.receives import FEWEST, receives

OUTAGE = Unavailable("down")


@pytest.mark.parametrize(
    "retry",
    [
        Retry(),
        Retry(give_up_after_hours=240, cap_seconds=3600),
        Retry(base_seconds=1, cap_seconds=60, give_up_after_hours=1),
    ],
)
def test_an_outage_as_long_as_the_patience_does_not_use_up_the_receives(retry: Retry) -> None:
    draw = random.Random(7).random  # noqa: S311 - jitter needs no secrecy
    policy = RetrySettings(retry.base_seconds, retry.cap_seconds, retry.give_up_after_hours * 3600)

    for _ in range(200):
        waited, received = 0.0, 0
        while waited < policy.give_up_after_seconds:
            received += 1
            waited += wait_seconds(OUTAGE, received, policy, draw())

        assert received < receives(retry)


def test_a_short_patience_still_leaves_receives_for_events_that_wait_behind_another() -> None:
    assert receives(Retry(give_up_after_hours=0.1)) == FEWEST


def test_waits_longer_than_the_patience_are_no_trouble() -> None:
    assert receives(Retry(base_seconds=60, cap_seconds=60, give_up_after_hours=0.01)) == FEWEST
