"""The pages of a JSON API: how each is asked for, what its rows are, and which comes next."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qsl, urljoin, urlsplit
from zoneinfo import ZoneInfo

from connectors.generic_rest.settings import (
    Bound,
    CursorPages,
    KeysetPages,
    LinkPages,
    NextPages,
    NoPages,
    NumberedPages,
    OffsetPages,
    StreamSettings,
    TimeFormat,
)
from hub.connector import Answer, Reach
from hub.errors import Category, NotConfigured, Refused, Severity, Temporary, Unavailable
from hub.events import parse_instant, timestamp_version
from hub.facts import NO_VERSION, at, canonical, version_of
from hub.sign_in import Signer
from hub.streams import MAX_KEY_CHARS, Ask, CursorGone, Page, PageGone, PageSuspect, Row, Stream

NEXT_LINK = re.compile(r'<([^>]*)>\s*;[^,]*\brel="?next"?')
GONE = (400, 404, 410, 422)  # what a page that is known no longer is answered with
HOUR = timedelta(hours=1)
MOST_ROWS = 10_000  # that a page is asked to hold
MAX_FIELD_CHARS = 60  # of a name that is told; what is longer is data
FLOAT_DIGITS = 15  # so many always fit
MOST_RETRY_SECONDS = 3_600.0


class RestListing:
    """A stream of a JSON API."""

    def __init__(self, stream: Stream, settings: StreamSettings, reach: Reach) -> None:
        self._stream, self._settings, self._reach = stream, settings, reach
        self._signer = Signer(settings.auth, settings.headers, reach)
        self._http = reach.http(self._signer.headers)
        self._asked_at: datetime | None = None
        self._insisted = ""

    @property
    def ordered(self) -> bool:
        """Only a keyset must come in the order of its version."""
        return isinstance(self._settings.page, KeysetPages)

    @property
    def steady(self) -> bool:
        """Pages that prove to follow each other need no second pass."""
        return isinstance(self._settings.page, KeysetPages | OffsetPages | NoPages) or not self._settings.confirm

    def page(self, ask: Ask) -> Page:
        """One page; raises as Listing says."""
        path, query = self._question(ask)
        answer = self._answer(path, query, ask)
        content = _content(answer)
        items = self._items(content)
        page = Page(
            [self._row(item) for item in items],
            total=self._total(content),
            source_now=_date(answer),
            cursor=self._token(content),
            fields=_fields(items),
        )
        return self._followed(page, ask, answer, content)

    # The question

    def _question(self, ask: Ask) -> tuple[str, dict[str, str]]:
        settings, style = self._settings, self._settings.page
        if ask.after and isinstance(style, LinkPages | NextPages):
            return self._own(ask.after), {}
        query = dict(settings.query)
        since = ask.since
        if isinstance(style, KeysetPages):
            reached = _Reached.of(ask.after, style)
            since = reached.since or since
            query |= {style.limit_param: str(reached.size)} if style.limit_param else {}
        if settings.since and since:
            delta = self._stream.mode == "delta"
            query[settings.since.param] = since if delta else self._said(settings.since, since)
        if settings.until and ask.until:
            query[settings.until.param] = self._said(settings.until, ask.until, up=True)
        if isinstance(style, CursorPages) and ask.after:
            query[style.param] = ask.after
        elif isinstance(style, NumberedPages):
            query[style.param] = ask.after or str(style.first)
        elif isinstance(style, OffsetPages):
            query |= {style.param: str(_place(ask.after)), style.limit_param: str(style.size)}
        return settings.path, query

    def _said(self, bound: Bound, version: str, *, up: bool = False) -> str:
        """A version as the source's parameter has it, rounded so that nothing is left out."""
        stated = self._settings.version
        kind: TimeFormat = bound.format or (stated.format if stated else "rfc3339")
        if kind == "integer" or self._stream.cursor == "integer":
            return str(int(version))
        moment = parse_instant(version)
        step = timedelta(**{bound.step: 1})
        floor = datetime.min.replace(tzinfo=UTC)
        moment = floor + (moment - floor) // step * step + (step if up else timedelta())
        if kind == "unix_seconds":
            return str(int(moment.timestamp()) + (1 if up and moment.microsecond else 0))
        if kind == "unix_milliseconds":
            return str(int(moment.timestamp() * 1000))
        if kind == "local":
            # the hour that comes twice when summer time ends: from the first of the two on, until the last
            shifted = moment + HOUR if up else moment - HOUR
            zone = ZoneInfo(stated.time_zone if stated else "UTC")
            return shifted.astimezone(zone).replace(tzinfo=None).isoformat(sep=" ", timespec=bound.step)
        return moment.isoformat(timespec=bound.step).replace("+00:00", "Z")

    def _own(self, url: str) -> str:
        """A page's URL as a path of this system; raises PageSuspect for one of another: keys would be sent there."""
        base = self._reach.url.rstrip("/") + "/"
        whole = urlsplit(urljoin(base + self._settings.path.lstrip("/"), url))
        own = urlsplit(base)
        if (whole.scheme, whole.netloc) != (own.scheme, own.netloc):
            raise PageSuspect("the next page would be at another host; it is not followed")
        return f"{whole.scheme}://{whole.netloc}{whole.path}" + (f"?{whole.query}" if whole.query else "")

    # The answer

    def _answer(self, path: str, query: Mapping[str, str], ask: Ask) -> Answer:
        self._wait()
        if "?" in path:
            path, _, own = path.partition("?")
            query = {**dict(parse_qsl(own, keep_blank_values=True)), **query}
        asked = {**query, **self._signer.query()}
        answer = self._http.send("GET", path, query=asked)
        if answer.status == 401:
            self._http.renew_credentials()  # a token that ran out, or was rotated
            self._signer.forget()
            answer = self._http.send("GET", path, query={**query, **self._signer.query()})
        if answer.status == 200:
            return answer
        raise self._meaning(answer, ask)

    def _meaning(self, answer: Answer, ask: Ask) -> Exception:
        told = f"{self._stream.path}: HTTP {answer.status}"
        if answer.status in (401, 403):
            what = f"{told}: the source refuses the hub's credentials; store new ones with `hub secrets set`"
            return Unavailable(what, category=Category.AUTHENTICATION_FAILED, severity=Severity.CRITICAL)
        if answer.status == 429:
            wait = _retry_after(answer, self._reach.now())
            return Temporary(told, category=Category.RATE_LIMIT_EXCEEDED, retry_after_seconds=wait)
        if answer.status >= 500:
            return Unavailable(told, retry_after_seconds=_retry_after(answer, self._reach.now()))
        if self._stream.mode == "delta" and ask.since and answer.status in GONE:
            return CursorGone(f"{told}: the token of the last run is known no longer")
        if ask.after and answer.status in GONE:
            return PageGone(f"{told}: the page is known no longer")
        if answer.status < 400:
            return Refused(f"{told}: a redirect, which is not followed; write the address that it leads to")
        return Refused(f"{told}: the source refuses the question; see the stream's path and query")

    def _wait(self) -> None:
        if not self._settings.requests_per_second:
            return
        if self._asked_at:
            ready = self._asked_at + timedelta(seconds=1 / self._settings.requests_per_second)
            self._reach.sleep(max((ready - self._reach.now()).total_seconds(), 0.0))
        self._asked_at = self._reach.now()

    # Rows

    def _items(self, content: Any) -> list[Any]:
        found = at(content, self._settings.rows) if self._settings.rows else content
        if not isinstance(found, list):
            where = self._settings.rows or "the answer"
            raise PageSuspect(f"{self._stream.path}: {where} is no list; is `rows` right, or did an error answer 200?")
        return found

    def _row(self, item: Any) -> Row:
        settings = self._settings
        if isinstance(settings.key, str):
            key = _text(at(item, settings.key))
        else:
            parts = [_text(at(item, path)) for path in settings.key]
            key = ":".join(parts) if all(parts) else ""
        gone = settings.deleted is not None and _is_one(at(item, settings.deleted.field), settings.deleted.values)
        fits = len(key) <= MAX_KEY_CHARS and key.isprintable()
        return Row(key if fits else "", self._version(item), canonical(item), is_deleted=gone)

    def _version(self, item: Any) -> str:
        stated = self._settings.version
        if stated is None:
            return ""
        value = at(item, stated.field)
        if stated.format == "local":
            return _local(value, stated.time_zone)
        version = version_of(value, "timestamp" if stated.format == "rfc3339" else stated.format)
        return "" if version == NO_VERSION else version

    def _total(self, content: Any) -> int | None:
        total = at(content, self._settings.total) if self._settings.total else None
        return total if isinstance(total, int) and not isinstance(total, bool) and total >= 0 else None

    def _token(self, content: Any) -> str:
        return _text(at(content, self._settings.token)) if self._settings.token else ""

    # What comes next

    def _followed(self, page: Page, ask: Ask, answer: Answer, content: Any) -> Page:
        style = self._settings.page
        if isinstance(style, LinkPages):
            link = NEXT_LINK.search(answer.headers.get("link", ""))
            return replace(page, next=self._progress(self._own(link[1]) if link else "", ask))
        if isinstance(style, NextPages):
            url = _text(at(content, style.path))
            return replace(page, next=self._progress(self._own(url) if url else "", ask))
        if isinstance(style, CursorPages):
            return replace(page, next=self._progress(_next_cursor(content, style), ask))
        if isinstance(style, NumberedPages):
            return _numbered(page, ask, content, style)
        if isinstance(style, OffsetPages):
            return _offset(page, ask, style)
        if isinstance(style, KeysetPages):
            return self._keyset(page, ask, style)
        return page

    def _progress(self, after: str, ask: Ask) -> str:
        if after and after == ask.after:
            raise PageSuspect(f"{self._stream.path}: the page names itself as the next one")
        return after

    def _keyset(self, page: Page, ask: Ask, style: KeysetPages) -> Page:
        """The page begins with the version that the one before ended with: its rows are there again, which proves that
        this is the page that was asked for, unless they were changed in between."""
        before = _Reached.of(ask.after, style)
        again = [row for row in page.rows if row.fingerprint in before.marks]
        if before.marks and not again and self._insisted != ask.after:
            self._insisted = ask.after
            raise PageSuspect(f"{self._stream.path}: the page does not begin where the one before ended")
        rows = [row for row in page.rows if row.fingerprint not in before.marks]
        last = max((row.version for row in page.rows), default="")
        size = before.size
        if last <= before.since and len(page.rows) >= size:
            if not style.limit_param or size >= MOST_ROWS:
                raise NotConfigured(
                    f"{self._stream.path}: more rows bear {f'the version {last}' if last else 'no version'} than a page of {size} holds; raise "
                    "page.size and what the query asks for, or state page.limit_param"
                )
            size = min(size * 4, MOST_ROWS)
        elif not rows or not last:
            return replace(page, rows=rows, end_is_told=False)
        # what bears no version may come with every page: it is no news, and proves nothing
        ties = [row.fingerprint for row in page.rows if row.version in (last, "")]
        return replace(page, rows=rows, next=json.dumps({"since": last, "marks": ties, "size": size}))


class _Reached(NamedTuple):
    """How far a keyset has come: the rows of its last version are on the next page again."""

    since: str
    marks: frozenset[int]
    size: int

    @classmethod
    def of(cls, after: str, style: KeysetPages) -> Self:
        """From Page.next."""
        if not after:
            return cls("", frozenset(), style.size)
        told = json.loads(after)
        return cls(told["since"], frozenset(told["marks"]), told["size"])


def _content(answer: Answer) -> Any:
    try:
        return json.loads(answer.body, parse_float=_exact)
    except (ValueError, RecursionError) as error:
        raise PageSuspect(f"HTTP {answer.status} whose body is no JSON, or only the beginning of some") from error


def _fields(items: Iterable[Any]) -> frozenset[str]:
    """The names of the rows' own fields."""
    names = set[str]().union(*(item for item in items if isinstance(item, dict)))
    return frozenset(name for name in names if len(name) <= MAX_FIELD_CHARS and name.isprintable())


def _exact(number: str) -> float | str:
    """A number that a float does not hold to its last digit stays the text that it was."""
    taken = float(number)
    if len(number) <= FLOAT_DIGITS and "e" not in number and "E" not in number:
        return taken
    return taken if Decimal(repr(taken)) == Decimal(number) else number


def _next_cursor(content: Any, style: CursorPages) -> str:
    after = _text(at(content, style.path))
    if not style.more:
        return after
    more = at(content, style.more)
    if not isinstance(more, bool) or (more and not after):
        raise PageSuspect(f"{style.more} and {style.path} do not say together what comes next")
    return after if more else ""


def _numbered(page: Page, ask: Ask, content: Any, style: NumberedPages) -> Page:
    number = int(ask.after or style.first)
    pages = at(content, style.pages) if style.pages else None
    if isinstance(pages, int) and not isinstance(pages, bool):
        return replace(page, next=str(number + 1) if number - style.first + 1 < pages else "")
    return replace(page, next=str(number + 1) if page.rows else "", end_is_told=False)


def _offset(page: Page, ask: Ask, style: OffsetPages) -> Page:
    """Each page begins with the last row of the one before; where it does not, rows slid, and the page is asked for from
    further ahead."""
    place = _place(ask.after)
    _, _, mark = ask.after.partition(":")
    rows = list(page.rows)
    if mark:
        last = int(mark)
        found = next((number for number, row in enumerate(rows) if row.key_hash == last), None)
        if found is None and place:
            ahead = max(place - style.size + 1, 0)
            return replace(page, rows=[], next=f"{ahead}:{mark}" if ahead < place and rows else _restart())
        rows = rows[found + 1 :] if found is not None else rows
    if not rows:
        return replace(page, rows=rows, end_is_told=False)
    behind = place + len(page.rows) - 1
    return replace(page, rows=rows, next=f"{behind}:{rows[-1].key_hash}")


def _restart() -> str:
    raise PageGone("rows slid while they were listed, and the last one is not found again")


def _place(after: str) -> int:
    return int(after.partition(":")[0] or 0)


def _text(value: Any) -> str:
    return str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _is_one(value: Any, values: Iterable[Any]) -> bool:
    wanted = list(values)
    return value is not None if not wanted else any(value == each and type(value) is type(each) for each in wanted)


def _local(value: Any, zone: str) -> str:
    """A time without offset; the hour that comes twice counts as its first occurrence."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
        if moment is None:
            return ""
        return timestamp_version((moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(zone))).isoformat())
    except (ValueError, OverflowError):
        return ""


def _date(answer: Answer) -> datetime | None:
    """The source's clock."""
    try:
        moment = parsedate_to_datetime(answer.headers.get("date", ""))
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _retry_after(answer: Answer, now: datetime) -> float | None:
    """Retry-After in seconds, which is a number or a date (RFC 9110, section 10.2.3)."""
    text = answer.headers.get("retry-after", "")
    if text.isascii() and text.isdigit():
        return min(float(text), MOST_RETRY_SECONDS)
    try:
        return max((parsedate_to_datetime(text) - now).total_seconds(), 0.0)
    except (ValueError, TypeError):
        return None
