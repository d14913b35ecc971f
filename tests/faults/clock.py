"""The one clock of a made-up world."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import SimpleNamespace
from unittest.mock import patch

from aws_lambda_powertools.utilities.idempotency.persistence import base, datarecord, dynamodb

from tests.faults.story import BEGIN


@dataclass
class Clock:
    """Reading it takes a millisecond, so that no two moments are the same."""

    moment: datetime = BEGIN

    def now(self) -> datetime:
        """The time."""
        self.moment += timedelta(milliseconds=1)
        return self.moment

    def pass_seconds(self, seconds: float) -> None:
        """Somebody waits."""
        self.moment += timedelta(seconds=seconds)

    def monotonic(self) -> float:
        """Seconds since the beginning."""
        return (self.now() - BEGIN).total_seconds()


def powertools_at(now: Callable[[], datetime]) -> ExitStack:
    """Have Powertools' claims go by this clock, until it is closed: it takes none."""
    clock = SimpleNamespace(datetime=SimpleNamespace(now=now), timedelta=timedelta)
    patched = ExitStack()
    for module in (base, datarecord, dynamodb):
        patched.enter_context(patch.object(module, "dt", clock))
    return patched
