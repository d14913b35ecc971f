"""Pull a stream: queue each page's rows, then, and only then, move its cursor.

A run lists the rows from a little before the watermark on. Rows that stand as they were last queued are left out, told
by fingerprints, so that equal times, late commits and boundaries need no luck. The watermark moves when the listing has
come to an end that can be believed; until then a killed, failed or interrupted run goes on where it stood.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import NamedTuple, Protocol

from hub.errors import Temporary
from hub.events import Event, parse_instant, timestamp_version
from hub.facts import UNREADABLE
from hub.streams import Ask, CursorGone, Listing, Page, PageGone, Row, Stream, moved_back

TRIES = 4  # of one page, before the run stops and waits for its next turn
FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 20.0  # a longer Retry-After is the next run's business
MOST_PASSES = 4  # through a listing that contradicts itself
MOST_SEEN = 2_000  # rows within the overlap that are kept: some 50 KB, written with every page
MOST_REMEMBERED = 100_000  # rows, twice: some 40 MB at most. What comes again after more than that is queued again
MOST_FIELDS = 500  # names that are known of a stream; beyond them nothing is new
MOST_NEW_FIELDS = 20  # names that one run tells
CLOCK_SLACK_SECONDS = 5.0  # two clocks, and a request between them


SLID = "rows may have slid from page to page while they were listed"


class Contradicted(Temporary):
    """A listing that could not be believed, pass after pass: its watermark stays, so that nothing is skipped."""


class Stand(NamedTuple):
    """How a row was last queued."""

    version: str
    fingerprint: int


@dataclass(frozen=True, slots=True)
class Run:
    """A run that has not come to its end: kept after every page, so that another function can go on with it."""

    began_at: datetime
    since: str
    until: str = ""
    after: str = ""  # the page to ask for next
    high: str = ""  # the newest version listed
    in_order: bool = True  # no row was older than one before it
    source_began: str = ""  # the source's clock at the first page, as a version
    passes: int = 1  # through the listing, this one included
    pages: int = 0
    rows: int = 0
    queued: int = 0
    unversioned: int = 0  # rows without a cursor value: queued, but no watermark covers them
    pages_in_pass: int = 0
    rows_in_pass: int = 0  # that the pass had not listed before
    news_in_pass: int = 0  # rows queued by it that had stood so before the listing began
    total: int | None = None  # as the source counts them
    doubt: str = ""  # why this pass cannot be believed
    mark: int = 0  # of all rows that the pass listed, whatever their order
    mark_before: int | None = None  # of those of the pass before
    new_fields: tuple[str, ...] = ()  # that no run before has seen in a row: the source has changed


@dataclass(frozen=True, slots=True)
class State:
    """How far a stream has been read."""

    watermark: str = ""  # "" reads from the beginning; mode delta: the source's token
    looked_at: datetime | None = None  # our clock, when the listing began that gave the watermark
    seen: Mapping[int, Stand] = field(default_factory=dict)  # rows within the overlap, by the hash of their key
    run: Run | None = None
    fields: frozenset[str] = frozenset()  # seen in rows so far


class Memory(Protocol):
    """How rows were last queued."""

    def news(self, row: Row) -> bool | None:
        """None where the row stands as it was last queued; else whether it changed without a newer version. Remembers
        it."""


class LeaseLost(Temporary):
    """Another run has taken the stream, because this one was thought dead: it must stop."""


@dataclass(frozen=True, slots=True)
class Pulled:
    """How a run went; `ended` where the listing came to its end, else another function has to go on."""

    state: State
    run: Run
    ended: bool


def pull(
    stream: Stream,
    listing: Listing,
    state: State,
    *,
    keep: Callable[[State], State],
    queue: Callable[[Sequence[Event]], None],
    now: Callable[[], datetime],
    sleep: Callable[[float], None],
    out_of_time: Callable[[], bool],
    window: tuple[str, str] | None = None,
    memory: Memory | None = None,
    note: Callable[[Sequence[Row]], object] | None = None,
) -> Pulled:
    """Go on with the stream's run, or begin one, until its end or until time is up. With a `window`, of versions, only
    what lies from its first on and before its second is listed. `memory` is that of the state, unless stated; `note` is
    told which rows are about to be queued.

    Raises Temporary where the source or the queue fails for longer than a run waits; the state that was kept last is
    where the next run goes on. Contradicted ends the run: the next one begins anew from the same watermark.
    """
    since, until = window or (_since(stream, state), "")
    run = state.run or Run(began_at=now(), since=since, until=until)
    memory, listed = memory or _Memory(state.seen), _Listed()

    def once_more(why: str, since: str) -> tuple[Run, _Listed]:
        """The listing from its first page on, unless that was tried too often."""
        if run.passes >= MOST_PASSES:
            keep(replace(state, run=None))
            raise Contradicted(f"{stream.integration}/{stream.name}: {why}, {run.passes} times over")
        return _next_pass(run, since), _Listed()

    while not out_of_time():
        try:
            page, repeats = _asked(listing, run, listed, sleep)
        except PageGone as error:
            run, listed = once_more(str(error), _resumed(stream, run))
            continue
        except CursorGone as error:
            run, listed = once_more(str(error), "")
            continue
        earlier = _set_back(stream, state, run, page, now())
        if earlier is not None:
            run = replace(run, since=earlier, source_began=_clock(page))
            continue

        news = [(row, again) for row in page.rows if (again := memory.news(row)) is not None]
        if news and note:
            note([row for row, _ in news])
        moment = now()
        queue([event_of(stream, row, run, moment, again=again) for row, again in news])  # first keep the events,
        run = _counted(stream, run, page, [row for row, _ in news], listed.add(page), "repeated" if repeats else "")
        run, state = _with_fields(run, replace(state, seen=_within_overlap(stream, state, run, page)), page)
        if page.next:
            run = replace(run, after=page.next)
        elif doubt := _doubt(stream, run):
            run, listed = once_more(doubt, run.since)
        else:
            return Pulled(keep(_ended(stream, state, run, page)), run, ended=True)
        state = keep(replace(state, run=run))  # then, and only then, move on
    return Pulled(state, run, ended=False)


def event_of(stream: Stream, row: Row, run: Run, now: datetime, *, again: bool = False) -> Event:
    """The event that a row is: the same row in the same state is the same event, whenever it is read.

    A row that went back to an earlier state without a newer version (`again`) is news: there the run counts, too. A row
    without a key is an event all the same: its reading fails, and a person sees it.
    """
    event_id = f"{stream.name}-{row.digest.hex()}"
    if again or not row.version:
        event_id += f"-{run.began_at:%Y%m%dT%H%M%S%f}"
    entity = f"{stream.entity}/{row.key}" if row.key else f"{UNREADABLE}/{event_id[-32:]}"
    timed = row.version and stream.cursor == "timestamp"
    return Event(
        id=event_id,
        source=f"/integrations/{stream.integration}",
        type=f"{stream.type}/deleted" if row.is_deleted else stream.type,
        subject=f"{stream.integration}/{entity}",
        time=parse_instant(row.version) if timed else None,
        received_at=now,
        entity_version=row.version,
        content_type="application/json",
        data=row.data,
    )


class _Memory:
    """How rows were last queued, the newest ones, in bounded memory."""

    def __init__(self, seen: Mapping[int, Stand]) -> None:
        # plain tuples, which the garbage collector need not look through
        self._newer: dict[int, tuple[str, int]] = {key: (version, mark) for key, (version, mark) in seen.items()}
        self._older: dict[int, tuple[str, int]] = {}

    def news(self, row: Row) -> bool | None:
        """As Memory."""
        key, mark = row.key_hash, row.fingerprint
        stood = self._newer.get(key) or self._older.get(key)
        if stood and stood[1] == mark:
            return None
        if len(self._newer) >= MOST_REMEMBERED:
            self._newer, self._older = {}, self._newer
        self._newer[key] = (row.version, mark)
        return stood is not None and stood[0] >= row.version


class _Listed:
    """What one pass through the listing has shown to this function, the newest of it, in bounded memory."""

    def __init__(self) -> None:
        self._newer, self._older = set[int](), set[int]()

    def add(self, page: Page) -> int:
        """Remember a page; how many of its rows were not there before."""
        newer, older = self._newer, self._older
        marks = [row.fingerprint for row in page.rows]
        before = [mark for mark in marks if mark not in newer and mark not in older]
        if len(self._newer) >= MOST_REMEMBERED:
            self._newer, self._older = set(), self._newer
        self._newer.update(before)
        return len(set(before))

    def repeats(self, page: Page) -> bool:
        """Whether a page says nothing that no other has said."""
        return bool(page.rows) and all(self._has(row) for row in page.rows)

    def _has(self, row: Row) -> bool:
        return row.fingerprint in self._newer or row.fingerprint in self._older


def _asked(listing: Listing, run: Run, listed: _Listed, sleep: Callable[[float], None]) -> tuple[Page, bool]:
    """The page that comes next, and whether it only repeats others. One that does, or that ends the listing by being
    empty, is asked for a second time: so do an answer to another question and one that got lost look."""
    page = _answer(listing, run, sleep)
    if listed.repeats(page) or not (page.next or page.end_is_told):
        page = _answer(listing, run, sleep)
    return page, listed.repeats(page)


def _answer(listing: Listing, run: Run, sleep: Callable[[float], None]) -> Page:
    for tried in range(1, TRIES):
        try:
            return listing.page(Ask(run.since, run.until, run.after))
        except Temporary as error:
            asked_for = error.retry_after_seconds or 0.0
            if asked_for > LONGEST_WAIT_SECONDS:
                raise
            sleep(max(asked_for, FIRST_WAIT_SECONDS * 2.0 ** (tried - 1)))
    return listing.page(Ask(run.since, run.until, run.after))


def _since(stream: Stream, state: State) -> str:
    return "" if stream.mode == "full" else moved_back(state.watermark, stream.cursor, stream.overlap)


def _resumed(stream: Stream, run: Run) -> str:
    """Where a listing begins anew whose next page is gone: behind what it has shown, if that came in order."""
    behind = moved_back(run.high, stream.cursor, stream.overlap)
    return max(run.since, behind) if stream.ordered and run.in_order else run.since


def _set_back(stream: Stream, state: State, run: Run, page: Page, now: datetime) -> str | None:
    """Where to begin instead, if the source's clock was set back since the last run: what changed then bears times
    before the watermark."""
    first = not run.pages and not run.source_began
    if not (first and state.watermark and state.looked_at and page.source_now and stream.cursor == "timestamp"):
        return None
    as_of_then = page.source_now - (now - state.looked_at)
    if (parse_instant(state.watermark) - as_of_then).total_seconds() <= CLOCK_SLACK_SECONDS:
        return None
    return moved_back(_version(as_of_then), stream.cursor, stream.overlap)


def _counted(stream: Stream, run: Run, page: Page, news: Sequence[Row], unlisted: int, doubt: str) -> Run:
    versions = [row.version for row in page.rows]
    in_order = run.in_order and versions == sorted(versions) and (not versions or versions[0] >= run.high)
    high = max(run.high, max(versions, default=""))
    source_began = run.source_began or _clock(page)
    began = moved_back(source_began or _version(run.began_at), "timestamp", CLOCK_SLACK_SECONDS)
    is_old = len(news) if stream.cursor != "timestamp" else sum(row.version < began for row in news)
    total = run.total if page.total is None else min(page.total, page.total if run.total is None else run.total)
    return replace(
        run,
        high=high,
        in_order=in_order,
        source_began=source_began,
        pages=run.pages + 1,
        rows=run.rows + len(page.rows),
        queued=run.queued + len(news),
        unversioned=run.unversioned + sum(not row.version for row in news),
        pages_in_pass=run.pages_in_pass + 1,
        rows_in_pass=run.rows_in_pass + unlisted,
        news_in_pass=run.news_in_pass + is_old,
        total=total,
        doubt=f"a page {doubt} the rows of others" if doubt else run.doubt,
        mark=(run.mark + sum(row.fingerprint for row in page.rows)) % 2**63,
    )


def _doubt(stream: Stream, run: Run) -> str:
    """Why the end of the listing cannot be believed yet; "" where it can."""
    if run.total is not None and run.rows_in_pass < run.total:
        return f"the source counts {run.total} rows and listed {run.rows_in_pass}"
    if run.doubt:
        return run.doubt
    agree = run.passes > 1 and (not run.news_in_pass or run.mark == run.mark_before)
    if not stream.steady and run.pages_in_pass > 1 and not agree and run.passes < MOST_PASSES:
        return SLID
    return ""


def _next_pass(run: Run, since: str) -> Run:
    return replace(
        run,
        since=since,
        in_order=True,
        high=run.high if since == run.since else "",
        after="",
        passes=run.passes + 1,
        pages_in_pass=0,
        rows_in_pass=0,
        news_in_pass=0,
        total=None,
        doubt="",
        mark=0,
        mark_before=run.mark,
    )


def _within_overlap(stream: Stream, state: State, run: Run, page: Page) -> dict[int, Stand]:
    """The rows that the next run will list again, as they stand now; and the newest of them, where they are too many:
    what is forgotten is queued twice, and applied once."""
    edge = moved_back(min(run.high, _cap(stream, run)), stream.cursor, stream.overlap)
    kept = dict(state.seen)
    for row in page.rows:
        if not row.version or row.version >= edge:
            kept[row.key_hash] = Stand(row.version, row.fingerprint)
    if len(kept) <= MOST_SEEN and page.next:
        return kept  # what the run has left behind is dropped when it ends, or when there is no room
    kept = {key: stand for key, stand in kept.items() if not stand.version or stand.version >= edge}
    if len(kept) <= MOST_SEEN:
        return kept
    newest = sorted(kept.items(), key=lambda each: each[1].version, reverse=True)[:MOST_SEEN]
    return dict(newest)


def _with_fields(run: Run, state: State, page: Page) -> tuple[Run, State]:
    """Notice fields that are new since the stream was first read to its end."""
    new = sorted(page.fields - state.fields)[: MOST_FIELDS - len(state.fields)]
    if not new:
        return run, state
    if state.looked_at and state.fields:
        run = replace(run, new_fields=(*run.new_fields, *new)[:MOST_NEW_FIELDS])
    return run, replace(state, fields=state.fields.union(new))


def _ended(stream: Stream, state: State, run: Run, page: Page) -> State:
    if stream.mode == "delta":
        return replace(state, watermark=page.cursor or state.watermark, looked_at=run.began_at, run=None)
    reached = max(state.watermark, min(run.high, _cap(stream, run)))  # a cursor never moves back
    return replace(state, watermark=reached, looked_at=run.began_at, run=None)


def _cap(stream: Stream, run: Run) -> str:
    """The newest version that the listing can vouch for: what changed after it began may have been behind it."""
    return (run.source_began or _version(run.began_at)) if stream.cursor == "timestamp" else run.high


def _clock(page: Page) -> str:
    return _version(page.source_now) if page.source_now else ""


def _version(moment: datetime) -> str:
    return timestamp_version(moment.astimezone(UTC).isoformat())
