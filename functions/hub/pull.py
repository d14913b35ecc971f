"""Pull a stream: queue each page's rows, then, and only then, move its cursor.

A run lists the rows from a little before the watermark on. Rows that stand as they were last queued are left out, told
by fingerprints, so that equal times, late commits and boundaries need no luck. The watermark moves when the listing has
come to an end that can be believed; until then a killed, failed or interrupted run goes on where it stood.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from hub.errors import Temporary
from hub.events import Event, parse_instant
from hub.facts import UNREADABLE
from hub.listed import BoundedMemory, Listed, Memory, News, Recent, Told
from hub.runs import (
    MOST_PASSES,
    Run,
    State,
    clock_of,
    counted,
    doubt_of,
    ended,
    next_pass,
    overlap_begins,
    resumed,
    set_back,
    since_of,
    with_fields,
)
from hub.streams import Ask, CursorGone, Listing, Page, PageGone, Row, Stream

TRIES = 4  # of one page, before the run stops and waits for its next turn
FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 20.0  # a longer Retry-After is the next run's business
MOST_CIRCLING = 3  # pages of a pass that others have said before


class Contradicted(Temporary):
    """A listing that could not be believed, pass after pass: its watermark stays, so that nothing is skipped."""


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
    since, until = window or (since_of(stream, state), "")
    run = state.run or Run(began_at=now(), since=since, until=until)
    memory, listed = memory or BoundedMemory(state.seen), Listed()
    recent = Recent()
    passes: dict[bytes, Told] = {}  # what pages have said to this function, in any pass

    def once_more(why: str, since: str) -> tuple[Run, Listed]:
        """The listing from its first page on, unless that was tried too often."""
        if run.passes >= MOST_PASSES:
            keep(replace(state, run=None))
            raise Contradicted(f"{stream.integration}/{stream.name}: {why}, {run.passes} times over")
        return next_pass(run, since), Listed()

    while not out_of_time():
        try:
            page, repeats = _asked(listing, run, listed, passes, sleep)
        except PageGone as error:
            run, listed = once_more(str(error), resumed(stream, run))
            continue
        except CursorGone as error:
            run, listed = once_more(str(error), "")
            continue
        earlier = set_back(stream, state, run, page, now())
        if earlier is not None:
            run = replace(run, since=earlier, source_began=clock_of(page), floor=state.watermark)
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
        run = counted(stream, run, page, told, news, repeats, moment)
        recent.add(news)
        run, state = with_fields(run, state, page)
        if run.circling >= MOST_CIRCLING:
            run, listed = once_more("its pages lead in a circle", run.since)
        elif page.next:
            run = replace(run, after=page.next)
        elif doubt := doubt_of(stream, run, twice):
            run, listed = once_more(doubt, run.since)
        else:
            seen = recent.within_overlap(state.seen, overlap_begins(stream, state, run))
            return Pulled(keep(ended(stream, replace(state, seen=seen), run, page, twice)), run, ended=True)
        state = keep(replace(state, run=run))  # then, and only then, move on
    if recent:
        state = keep(replace(state, seen=recent.within_overlap(state.seen, overlap_begins(stream, state, run))))
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


def _asked(
    listing: Listing, run: Run, listed: Listed, passes: Mapping[bytes, Told], sleep: Callable[[float], None]
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
