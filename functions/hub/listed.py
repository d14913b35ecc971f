"""What rows said when they were listed and how they were last queued, the newest ones, in bounded memory."""

import zlib
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple, Protocol

from hub.streams import Page, Row, key_hash

MOST_SEEN = 2_000  # rows within the overlap that are kept: some 50 KB, written with every page
MOST_REMEMBERED = 100_000  # rows, twice: some 40 MB at most. What comes again after more than that is queued again


class Stand(NamedTuple):
    """How a row was last queued."""

    version: str
    fingerprint: int


class News(NamedTuple):
    """A row that stands otherwise than it was last queued."""

    row: Row
    version: str  # that it is queued with: later than its own where the source's clock was set back
    again: bool  # it was queued with this version before


class Told(NamedTuple):
    """What counts of a page's rows."""

    rows: int
    held: int
    unlisted: int  # rows that the pass had not listed before
    mark: int
    oldest_first: bool
    ascents: int
    first: str
    last: str
    high: str


class Memory(Protocol):
    """How rows were last queued."""

    def news(self, row: Row, floor: str = "") -> News | None:
        """None where the row stands as it was last queued, or as it stood before that. Remembers what it says."""


class BoundedMemory:
    """How rows were last queued, the newest ones, in bounded memory."""

    def __init__(self, seen: Mapping[int, Stand]) -> None:
        self._seen = seen
        # plain tuples, which the garbage collector need not look through
        self._newer = dict[str, tuple[str, int]]()
        self._older = dict[str, tuple[str, int]]()

    def news(self, row: Row, floor: str = "") -> News | None:
        """As Memory."""
        mark, version = row.fingerprint, row.version
        if version and version < floor:
            version = floor
        key = row.key or row.digest.hex()
        stood: tuple[str, int] | None = self._newer.get(key) or self._older.get(key)
        if stood is None and self._seen:
            stood = self._seen.get(row.key_hash)
        if stood and (stood[1] == mark or (version and version < stood[0])):  # the latter: a copy, or a replica behind
            return None
        if len(self._newer) >= MOST_REMEMBERED:
            self._newer, self._older = {}, self._newer
        self._newer[key] = (version, mark)
        return News(row, version, stood is not None and stood[0] == version)


class Listed:
    """What one pass through the listing has shown to this function, the newest of it, in bounded memory."""

    def __init__(self) -> None:
        self._newer, self._older = set[int](), set[int]()
        self._pages = set[bytes]()

    def told(self, page: Page, known: Told | None) -> Told:
        """Remember a page; what counts of it. `known` is that of a page which said the same."""
        if page.said:
            self._pages.add(page.said)
        return known or _told(page, self._add([row.fingerprint for row in page.rows]))

    def _add(self, marks: Sequence[int]) -> int:
        """How many of them were not there before."""
        newer, older = self._newer, self._older
        before = {mark for mark in marks if mark not in newer and mark not in older}
        if len(self._newer) >= MOST_REMEMBERED:
            self._newer, self._older = set(), self._newer
        self._newer.update(before)
        return len(before)

    def repeats(self, page: Page, known: Told | None) -> bool:
        """Whether a page says nothing that no other has said."""
        if known:
            return known.rows > 0 and page.said in self._pages
        newer, older = self._newer, self._older
        return bool(page.rows) and all(row.fingerprint in newer or row.fingerprint in older for row in page.rows)


class Recent:
    """What this function has queued, the newest of it."""

    def __init__(self) -> None:
        self._news: list[tuple[str, int, str]] = []  # version, fingerprint, key

    def __bool__(self) -> bool:
        return bool(self._news)

    def add(self, news: Sequence[News]) -> None:
        """Remember these, in the order in which they were queued."""
        self._news += [(version, row.fingerprint, row.key) for row, version, _ in news]
        if len(self._news) > 4 * MOST_SEEN:
            self._news = [*sorted(self._news, key=_by_version)[-MOST_SEEN:]]

    def within_overlap(self, seen: Mapping[int, Stand], edge: str) -> dict[int, Stand]:
        """The rows from this version on, which the next run will list again, as they stand now; and the newest of them,
        where they are too many: what is forgotten is queued twice, and applied once."""
        kept = {key: stand for key, stand in seen.items() if not stand.version or stand.version >= edge}
        for version, mark, key in self._news:
            if not version or version >= edge:
                kept[key_hash(key) if key else mark] = Stand(version, mark)
        if len(kept) <= MOST_SEEN:
            return kept
        newest = sorted(kept.items(), key=lambda each: each[1].version, reverse=True)[:MOST_SEEN]
        return dict(newest)


def _by_version(told: tuple[str, int, str]) -> str:
    return told[0]


def _told(page: Page, unlisted: int) -> Told:
    rows = page.rows
    versions = [row.version for row in rows if row.version]
    steps = list(pairwise(versions))
    return Told(
        rows=len(rows),
        held=len(rows) if page.held is None else page.held,
        unlisted=unlisted,
        mark=(sum([row.fingerprint for row in rows]) if rows else zlib.crc32(page.next.encode())) % 2**63,
        oldest_first=versions == sorted(versions),
        ascents=sum(one < other for one, other in steps),
        first=versions[0] if versions else "",
        last=versions[-1] if versions else "",
        high=max(versions, default=""),
    )
