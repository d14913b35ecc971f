"""What was looked up at a destination, kept for a while and up to a number."""

from collections.abc import Callable

SECONDS = 900.0  # names and ids hardly ever change; a wrong one is found out and asked anew
ENTRIES = 10_000  # one takes some 200 bytes


class Remembered:
    """Keys and their names or ids. `monotonic` is a clock in seconds."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._kept: dict[str, tuple[str, float]] = {}
        self._hits = self._misses = 0  # a count that two threads raise at once may lose one: it is for a graph

    def get(self, key: str) -> str:
        """What was kept for the key, or "" where nothing is, or no longer."""
        value, until = self._kept.get(key, ("", 0.0))
        known = value if self._monotonic() < until else ""
        if known:
            self._hits += 1
        else:
            self._misses += 1
        return known

    def put(self, key: str, value: str) -> None:
        """Keep a value; "" forgets the key."""
        if len(self._kept) >= ENTRIES:
            self._kept.clear()
        self._kept[key] = (value, self._monotonic() + SECONDS)

    def taken(self) -> tuple[int, int]:
        """How many of the lookups since the last asking found something, and how many did not."""
        taken = self._hits, self._misses
        self._hits = self._misses = 0
        return taken
