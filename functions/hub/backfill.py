"""Backfills: a stretch of a stream's past, cut into windows that are read side by side, each with a state of its own."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise

from hub.events import integer_version, parse_instant, timestamp_version
from hub.streams import CursorKind

MOST_WINDOWS = 10_000  # each is an item that is looked at whenever one is taken
MOST_FAILURES = 3  # of a window; then it waits for a person


class TooManyWindows(ValueError):
    """A backfill that would be cut into more windows than MOST_WINDOWS."""


@dataclass(frozen=True, slots=True)
class Window:
    """The rows of which the version lies from `since` on and before `until`."""

    number: int
    since: str
    until: str


@dataclass(frozen=True, slots=True)
class Filling:
    """How far a backfill is. `open` windows were not begun, or wait to be tried again."""

    id: str
    parallel: int
    done: int
    running: int
    failed: int
    open: int
    rows: int
    queued: int
    why: str = ""  # a window failed

    @property
    def windows(self) -> int:
        """All of them."""
        return self.done + self.running + self.failed + self.open

    @property
    def ended(self) -> bool:
        """Whether nothing is left that a function would take."""
        return not (self.open or self.running)


def windows(since: str, until: str, width: float, kind: CursorKind) -> list[Window]:
    """Cut [since, until) into windows of `width` seconds, or units of an integer cursor; the last one may be shorter.

    Raises TooManyWindows, and ValueError where there is nothing to cut.
    """
    if kind == "token":
        raise ValueError("a stream that is read by the source's token has no past that could be asked for")
    if since >= until or width <= 0:
        raise ValueError("the end is not after the beginning")
    count = -(-_distance(since, until, kind) // width)
    if count > MOST_WINDOWS:
        raise TooManyWindows(f"{count:,.0f} windows are more than {MOST_WINDOWS:,}; choose wider ones")
    edges = [*_edges(since, until, width, kind), until]
    return [Window(number, *pair) for number, pair in enumerate(pairwise(edges), start=1)]


def _distance(since: str, until: str, kind: CursorKind) -> float:
    if kind == "integer":
        return int(until) - int(since)
    return (parse_instant(until) - parse_instant(since)).total_seconds()


def _edges(since: str, until: str, width: float, kind: CursorKind) -> Iterator[str]:
    if kind == "integer":
        yield from (integer_version(each) for each in range(int(since), int(until), max(1, int(width))))
        return
    moment, end = parse_instant(since), parse_instant(until)
    while moment < end:
        yield timestamp_version(moment.isoformat())
        moment += timedelta(seconds=width)
