"""Pull a stream: queue each page's rows, then, and only then, move its cursor.

A run lists the rows from a little before the watermark on. Rows that stand as they were last queued are left out, told
by fingerprints, so that equal times, late commits and boundaries need no luck. The watermark moves when the listing has
come to an end that can be believed; until then a killed, failed or interrupted run goes on where it stood.
"""

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import NamedTuple, Protocol

from hub.errors import Temporary
from hub.events import Event, parse_instant, timestamp_version
from hub.facts import UNREADABLE
from hub.streams import Ask, CursorGone, Listing, Page, PageGone, Row, Stream, key_hash, moved_back

TRIES = 4  # of one page, before the run stops and waits for its next turn
FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 20.0  # a longer Retry-After is the next run's business
MOST_PASSES = 4  # through a listing that contradicts itself
ORDER_SHOWS = 7  # ascents: so many come by chance once in 40,000 times
MOST_CIRCLING = 3  # pages of a pass that others have said before
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


@dataclass(frozen=True, slots=True)
class Run:
    """A run that has not come to its end: kept after every page, so that another function can go on with it."""

    began_at: datetime
    since: str
    until: str = ""
    after: str = ""  # the page to ask for next
    high: str = ""  # the newest version listed
    in_order: bool = True  # no row was older than one before it
    ascents: int = 0  # rows of the pass that were newer than the one before them
    previous: str = ""  # the version of the row that the pass listed last
    source_began: str = ""  # the source's clock at the first page, as a version
    floor: str = ""  # the source's clock was set back: what bears an earlier version than this counts as of this one
    lasted: float = 0.0  # seconds
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
    slid: bool = False  # rows were seen to move from page to page
    fullest: int = 0  # rows of the largest page of the pass
    latest: int = 0  # rows of its latest page
    milestone: int = 0  # what a page of the pass said, to know it by when pages lead in a circle
    circling: int = 0  # pages of the pass that said what others had said
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
    proposed: str = (
        ""  # a watermark that waits for another run: rows came in no order, which one more page may have ended
    )


class Memory(Protocol):
    """How rows were last queued."""

    def news(self, row: Row, floor: str = "") -> News | None:
        """None where the row stands as it was last queued, or as it stood before that. Remembers what it says."""


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
    note: Callable[[Sequence[News]], object] | None = None,
    twice: bool = False,
) -> Pulled:
    """Go on with the stream's run, or begin one, until its end or until time is up. With a `window`, of versions, only
    what lies from its first on and before its second is listed. `memory` is that of the state, unless stated; `note` is
    told what is about to be queued. `twice` asks for a second pass also where one page holds everything.

    Raises Temporary where the source or the queue fails for longer than a run waits; the state that was kept last is
    where the next run goes on. Contradicted ends the run: the next one begins anew from the same watermark.
    """
    since, until = window or (_since(stream, state), "")
    run = state.run or Run(began_at=now(), since=since, until=until)
    memory, listed = memory or _Memory(state.seen), _Listed()
    recent = _Recent()
    passes: dict[bytes, Told] = {}  # what pages have said to this function, in any pass

    def once_more(why: str, since: str) -> tuple[Run, _Listed]:
        """The listing from its first page on, unless that was tried too often."""
        if run.passes >= MOST_PASSES:
            keep(replace(state, run=None))
            raise Contradicted(f"{stream.integration}/{stream.name}: {why}, {run.passes} times over")
        return _next_pass(run, since), _Listed()

    while not out_of_time():
        try:
            page, repeats = _asked(listing, run, listed, passes, sleep)
        except PageGone as error:
            run, listed = once_more(str(error), _resumed(stream, run))
            continue
        except CursorGone as error:
            run, listed = once_more(str(error), "")
            continue
        earlier = _set_back(stream, state, run, page, now())
        if earlier is not None:
            run = replace(run, since=earlier, source_began=_clock(page), floor=state.watermark)
            continue

        known = passes.get(page.said)  # then its rows are told already
        news = [] if known else [each for row in page.rows if (each := memory.news(row, run.floor))]
        if news and note:
            note(news)
        if news and run.passes > 1:
            passes.clear()  # what has changed since may change back
        moment = now()
        queue(_events(stream, news, run, moment))  # first keep the events,
        told = listed.told(page, known)
        if page.said:
            passes[page.said] = told
        run = _counted(stream, run, page, told, news, repeats, moment)
        recent.add(news)
        run, state = _with_fields(run, state, page)
        if run.circling >= MOST_CIRCLING:
            run, listed = once_more("its pages lead in a circle", run.since)
        elif page.next:
            run = replace(run, after=page.next)
        elif doubt := _doubt(stream, run, twice):
            run, listed = once_more(doubt, run.since)
        else:
            seen = recent.within_overlap(stream, state, run)
            return Pulled(keep(_ended(stream, replace(state, seen=seen), run, page, twice)), run, ended=True)
        state = keep(replace(state, run=run))  # then, and only then, move on
    if recent:
        state = keep(replace(state, seen=recent.within_overlap(stream, state, run)))
    return Pulled(state, run, ended=False)


def event_of(stream: Stream, row: Row, run: Run, now: datetime, *, version: str = "", again: bool = False) -> Event:
    """The event that a row is: the same row in the same state is the same event, whenever it is read.

    A row that went back to an earlier state without a newer version (`again`) is news: there the run counts, too. A row
    without a key is an event all the same: its reading fails, and a person sees it. `version` counts instead of the
    row's own.
    """
    return _events(stream, [News(row, version or row.version, again)], run, now)[0]


def _events(stream: Stream, news: Sequence[News], run: Run, now: datetime) -> list[Event]:
    began, is_timed = f"-{run.began_at:%Y%m%dT%H%M%S%f}", stream.cursor == "timestamp"
    name, source, integration = f"{stream.name}-", f"/integrations/{stream.integration}", f"{stream.integration}/"
    entity, kind = f"{integration}{stream.entity}/", stream.type
    events = []
    moment, of = None, ""  # many rows bear one time
    for row, version, again in news:
        if is_timed and row.version != of:
            moment, of = parse_instant(row.version) if row.version else None, row.version
        event_id = name + row.digest.hex()
        if again or not row.version:
            event_id += began
        events.append(
            Event(
                event_id,
                source,
                f"{kind}/deleted" if row.is_deleted else kind,
                entity + row.key if row.key else f"{integration}{UNREADABLE}/{event_id[-32:]}",
                moment,
                now,
                version,
                "application/json",
                row.data,
            )
        )
    return events


class _Memory:
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


class _Listed:
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


class _Recent:
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

    def within_overlap(self, stream: Stream, state: State, run: Run) -> dict[int, Stand]:
        """The rows that the next run will list again, as they stand now; and the newest of them, where they are too
        many: what is forgotten is queued twice, and applied once."""
        reached = _vouched_for(stream, run) if _is_sure(stream, run) else max(state.watermark, state.proposed)
        edge = moved_back(reached, stream.cursor, stream.overlap)
        kept = {key: stand for key, stand in state.seen.items() if not stand.version or stand.version >= edge}
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


def _asked(
    listing: Listing, run: Run, listed: _Listed, passes: Mapping[bytes, Told], sleep: Callable[[float], None]
) -> tuple[Page, bool]:
    """The page that comes next, and whether it only repeats others. One that does, or that ends the listing by being
    empty, is asked for a second time: so do an answer to another question and one that got lost look."""
    page = _answer(listing, run, sleep)
    if listed.repeats(page, passes.get(page.said)) or not (page.next or page.end_is_told):
        page = _answer(listing, run, sleep)
    return page, listed.repeats(page, passes.get(page.said))


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


def _counted(
    stream: Stream, run: Run, page: Page, told: Told, news: Sequence[News], repeats: bool, moment: datetime
) -> Run:
    # a page in the middle that holds less than others may have lost what hides behind later versions
    uneven = not stream.ordered and told.rows > 0 and run.pages_in_pass > 0 and run.latest < max(run.fullest, told.held)
    source_began = run.source_began or _clock(page)
    began = moved_back(source_began or _version(run.began_at), "timestamp", CLOCK_SLACK_SECONDS)
    is_old = len(news) if stream.cursor != "timestamp" else sum(each.row.version < began for each in news)
    total = run.total if page.total is None else min(page.total, page.total if run.total is None else run.total)
    number = run.pages_in_pass + 1
    return replace(
        run,
        high=max(run.high, told.high),
        in_order=run.in_order and not uneven and told.oldest_first and (not told.first or told.first >= run.previous),
        ascents=run.ascents + told.ascents + ("" < run.previous < told.first),
        previous=told.last or run.previous,
        source_began=source_began,
        lasted=(moment - run.began_at).total_seconds(),
        pages=run.pages + 1,
        rows=run.rows + told.rows,
        queued=run.queued + len(news),
        unversioned=run.unversioned + sum([not each.row.version for each in news]),
        pages_in_pass=number,
        rows_in_pass=run.rows_in_pass + told.unlisted,
        news_in_pass=run.news_in_pass + is_old,
        total=total,
        doubt="a page repeated the rows of others" if repeats else run.doubt,
        slid=run.slid or page.slid,
        fullest=max(run.fullest, told.held),
        latest=told.held if told.rows or page.next else run.latest,
        milestone=told.mark if number & (number - 1) == 0 else run.milestone,  # pages 1, 2, 4, 8, …
        circling=run.circling + (repeats or (told.mark == run.milestone and number > 1)),
        mark=(run.mark + (told.mark if told.rows else 0)) % 2**63,
    )


def _doubt(stream: Stream, run: Run, twice: bool) -> str:
    """Why the end of the listing cannot be believed yet; "" where it can."""
    if run.total is not None and run.rows_in_pass < run.total:
        return f"the source counts {run.total} rows and listed {run.rows_in_pass}"
    if run.doubt:
        return run.doubt
    return "" if _agrees(stream, run, twice) or run.passes >= MOST_PASSES else SLID


def _agrees(stream: Stream, run: Run, twice: bool) -> bool:
    """Whether a pass agrees with the one before, where that is asked for."""
    if not twice and ((stream.steady and not run.slid) or run.pages_in_pass <= 1):
        return True
    return run.passes > 1 and (not run.news_in_pass or run.mark == run.mark_before)


def _next_pass(run: Run, since: str) -> Run:
    return replace(
        run,
        since=since,
        in_order=True,
        ascents=0,
        previous="",
        high=run.high if since == run.since else "",
        after="",
        passes=run.passes + 1,
        pages_in_pass=0,
        rows_in_pass=0,
        news_in_pass=0,
        total=None,
        doubt="",
        slid=False,
        fullest=0,
        latest=0,
        milestone=0,
        circling=0,
        mark=0,
        mark_before=run.mark,
    )


def _with_fields(run: Run, state: State, page: Page) -> tuple[Run, State]:
    """Notice fields that are new since the stream was first read to its end."""
    new = sorted(page.fields - state.fields)[: MOST_FIELDS - len(state.fields)]
    if not new:
        return run, state
    if state.looked_at and state.fields:
        run = replace(run, new_fields=(*run.new_fields, *new)[:MOST_NEW_FIELDS])
    return run, replace(state, fields=state.fields.union(new))


def _ended(stream: Stream, state: State, run: Run, page: Page, twice: bool) -> State:
    if stream.mode == "delta":
        return replace(state, watermark=page.cursor or state.watermark, looked_at=run.began_at, run=None)
    reached = max(state.watermark, _vouched_for(stream, run))  # a cursor never moves back
    if _is_sure(stream, run) and _agrees(stream, run, twice):
        return replace(state, watermark=reached, looked_at=run.began_at, run=None, proposed="")
    # what this run may have missed the next one lists, from the same place on
    behind = state.proposed if state.watermark < state.proposed <= reached else state.watermark
    return replace(state, watermark=behind, looked_at=run.began_at, run=None, proposed=reached)


def _is_sure(stream: Stream, run: Run) -> bool:
    """Whether a listing that ended too early could hide nothing: its rows came in order, or the source has counted
    them."""
    in_order = run.in_order and run.ascents >= ORDER_SHOWS
    return stream.ordered or in_order or (run.total is not None and run.rows_in_pass >= run.total)


def _vouched_for(stream: Stream, run: Run) -> str:
    """The newest version that the listing can vouch for: what changed after it began may have been behind it."""
    if stream.cursor != "timestamp" or not run.high:
        return run.high
    if run.source_began:
        return min(run.high, run.source_began)
    # whatever the source's clock shows: it had come to `high` by the end, so it began no earlier than that
    return min(moved_back(run.high, "timestamp", run.lasted), _version(run.began_at))


def _clock(page: Page) -> str:
    return _version(page.source_now) if page.source_now else ""


def _version(moment: datetime) -> str:
    return timestamp_version(moment.astimezone(UTC).isoformat())
