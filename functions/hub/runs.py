"""A run of a stream: how far it has come, what its pages make of it, and whether its end can be believed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from hub.errors import Temporary
from hub.events import parse_instant, timestamp_version
from hub.listed import News, Stand, Told
from hub.streams import Page, Stream, moved_back

MOST_PASSES = 4  # through a listing that contradicts itself
ORDER_SHOWS = 7  # ascents: so many come by chance once in 40,000 times
MOST_FIELDS = 500  # names that are known of a stream; beyond them nothing is new
MOST_NEW_FIELDS = 20  # names that one run tells
CLOCK_SLACK_SECONDS = 5.0  # two clocks, and a request between them
SLID = "rows may have slid from page to page while they were listed"


class LeaseLost(Temporary):
    """Another run has taken the stream, because this one was thought dead: it must stop."""


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


def since_of(stream: Stream, state: State) -> str:
    """Where a run begins: a little before the watermark."""
    return "" if stream.mode == "full" else moved_back(state.watermark, stream.cursor, stream.overlap)


def resumed(stream: Stream, run: Run) -> str:
    """Where a listing begins anew whose next page is gone: behind what it has shown, if that came in order."""
    behind = moved_back(run.high, stream.cursor, stream.overlap)
    return max(run.since, behind) if stream.ordered and run.in_order else run.since


def set_back(stream: Stream, state: State, run: Run, page: Page, now: datetime) -> str | None:
    """Where to begin instead, if the source's clock was set back since the last run: what changed then bears times
    before the watermark."""
    first = not run.pages and not run.source_began
    if not (first and state.watermark and state.looked_at and page.source_now and stream.cursor == "timestamp"):
        return None
    as_of_then = page.source_now - (now - state.looked_at)
    if (parse_instant(state.watermark) - as_of_then).total_seconds() <= CLOCK_SLACK_SECONDS:
        return None
    return moved_back(_version(as_of_then), stream.cursor, stream.overlap)


def counted(
    stream: Stream, run: Run, page: Page, told: Told, news: Sequence[News], repeats: bool, moment: datetime
) -> Run:
    """The run after a page. `news` are those of its rows that are queued, `repeats` says that others had said all of it."""
    # a page in the middle that holds less than others may have lost what hides behind later versions
    uneven = not stream.ordered and told.rows > 0 and run.pages_in_pass > 0 and run.latest < max(run.fullest, told.held)
    source_began = run.source_began or clock_of(page)
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


def doubt_of(stream: Stream, run: Run, twice: bool) -> str:
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


def next_pass(run: Run, since: str) -> Run:
    """The run at the beginning of one more pass through the listing."""
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


def with_fields(run: Run, state: State, page: Page) -> tuple[Run, State]:
    """Notice fields that are new since the stream was first read to its end."""
    new = sorted(page.fields - state.fields)[: MOST_FIELDS - len(state.fields)]
    if not new:
        return run, state
    if state.looked_at and state.fields:
        run = replace(run, new_fields=(*run.new_fields, *new)[:MOST_NEW_FIELDS])
    return run, replace(state, fields=state.fields.union(new))


def ended(stream: Stream, state: State, run: Run, page: Page, twice: bool) -> State:
    """The state after a run whose listing came to its end with this page."""
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


def overlap_begins(stream: Stream, state: State, run: Run) -> str:
    """The version from which on the next run will list rows again."""
    reached = _vouched_for(stream, run) if _is_sure(stream, run) else max(state.watermark, state.proposed)
    return moved_back(reached, stream.cursor, stream.overlap)


def clock_of(page: Page) -> str:
    """The source's clock at a page, as a version."""
    return _version(page.source_now) if page.source_now else ""


def _version(moment: datetime) -> str:
    return timestamp_version(moment.astimezone(UTC).isoformat())
