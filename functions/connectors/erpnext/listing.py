"""Lists the documents of a DocType, or those that were deleted, in the order of their last change.

`modified` is the site's local time without offset (datetime(6)), so that it goes back by an hour where summer time ends;
it is stamped before the transaction is committed. Offset paging skips rows; so each page begins with the time that the one
before ended with.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple, Self
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from connectors.erpnext.client import Document, ErpNext, credentials
from connectors.erpnext.settings import StreamSettings
from hub.connector import Reach
from hub.dates import date_of
from hub.errors import NotConfigured, Unreadable
from hub.events import Event, parse_instant, timestamp_version
from hub.facts import UNREADABLE, canonical
from hub.records import Deletion, Price, Record, StockLevel, TableRow
from hub.streams import MAX_KEY_CHARS, Ask, Listing, Page, PageSuspect, Row, Stream

TOMBSTONES = "Deleted Document"
MOST_ROWS = 10_000  # that a page is asked to hold
HOUR = timedelta(hours=1)
LATEST = timedelta(seconds=1)  # the Date header leaves out the part of a second


def listing(stream: Stream, settings: Mapping[str, Any], reach: Reach) -> Listing:
    """A stream as its settings state it."""
    return DocumentListing(stream, StreamSettings(**settings), reach)


def read(event: Event, kind: str) -> Record:
    """A document as it was listed, or that it is gone; raises Unreadable for one without a usable name."""
    entity, key = event.subject.split("/", 2)[1:]
    if entity == UNREADABLE:
        raise Unreadable("the document's name cannot be a key: it is too long, or not printable; rename the document")
    if kind == "deletion":
        return Deletion(entity=entity, id=key)
    fields = json.loads(event.data, parse_float=Decimal)
    if kind in READ_AS:
        return _as(kind, fields)
    return TableRow(stream=event.type.partition(".")[2], key=key, fields=fields)


def _as(kind: str, fields: Mapping[str, Any]) -> Record:
    """A document as more than a row; raises Unreadable where it is of another DocType."""
    doctype, made = READ_AS[kind]
    try:
        return made(fields)
    except (KeyError, ValidationError) as error:
        what = f"{type(error).__name__}: {kind} is read from {doctype}, with all its fields"
        raise Unreadable(f"{what}; see the stream's settings `doctype` and `fields`") from None


def _stock_level(fields: Mapping[str, Any]) -> Record:
    """What can be sold is what lies there less what orders were promised."""
    available = Decimal(fields["actual_qty"]) - Decimal(fields["reserved_qty"])
    return StockLevel(sku=fields["item_code"], place=fields["warehouse"], available=available)


def _price(fields: Mapping[str, Any]) -> Record:
    return Price(
        sku=fields["item_code"],
        price_list=fields["price_list"],
        currency=fields["currency"],
        amount=fields["price_list_rate"],
    )


READ_AS: Final[Mapping[str, tuple[str, Callable[[Mapping[str, Any]], Record]]]] = {
    "stock_level": ("Bin", _stock_level),
    "price": ("Item Price", _price),
}


class DocumentListing:
    """A stream of an ERPNext site."""

    steady = True
    ordered = True

    def __init__(self, stream: Stream, settings: StreamSettings, reach: Reach) -> None:
        self._stream, self._settings, self._reach = stream, settings, reach
        self._erp = ErpNext(reach.http(lambda: credentials(reach.secret)))
        self._zone = ZoneInfo(settings.time_zone)
        self._doctype = TOMBSTONES if settings.deleted else settings.doctype
        self._time = "creation" if settings.deleted else "modified"

    def page(self, ask: Ask) -> Page:
        """One page; raises as Listing says."""
        reached = _Reached.of(ask.after, self._settings.page_size)
        found, answer = self._erp.page(
            self._doctype, self._filters(ask, reached), self._fields(), f"{self._time} asc, name asc", reached.size
        )
        source_now = date_of(answer)
        now = source_now or self._reach.now()
        news = [each for each in found if not reached.had(each, self._time)]
        rows = [row for each in news if (row := self._row(each, now)) and _lies_within(row, ask)]
        page = Page(rows, source_now=source_now)
        return page if len(found) < reached.size else replace(page, next=self._next(found, news, reached))

    # The question

    def _filters(self, ask: Ask, reached: "_Reached") -> list[list[Any]]:
        filters = [list(each) for each in self._settings.filters]
        if self._settings.deleted:
            filters.append(["deleted_doctype", "=", self._settings.doctype])
        since = reached.time or (self._local(ask.since, min, HOUR) if ask.since else "")
        if since:
            filters.append([self._time, ">=", since])
        if ask.until:
            filters.append([self._time, "<=", self._local(ask.until, max, -HOUR)])
        return filters

    def _fields(self) -> list[str]:
        if self._settings.deleted:
            return ["name", "creation", "deleted_name"]
        stated = self._settings.fields
        return list(stated) if "*" in stated else list(dict.fromkeys([*stated, "name", "modified"]))

    def _local(self, version: str, of: Callable[[list[timedelta]], timedelta], toward: timedelta) -> str:
        """The site's time at a version. Where its clock goes back within the hour that lies `toward`, the earliest or the
        latest time (`of`) that it shows on that side, so that nothing is left out."""
        moment = parse_instant(version)
        shown = [(moment + each).astimezone(self._zone).utcoffset() or timedelta() for each in (timedelta(), toward)]
        return (moment.replace(tzinfo=None) + of(shown)).isoformat(sep=" ", timespec="microseconds")

    # Rows

    def _row(self, listed: Document, now: datetime) -> Row | None:
        """A document as a row; None for one that was deleted since it was listed."""
        name, time = listed.get("name"), listed.get(self._time)
        if not isinstance(name, str) or not isinstance(time, str):
            raise PageSuspect(f"{self._stream.path}: a {self._doctype} without name or {self._time}")
        if self._settings.deleted:
            name = listed.get("deleted_name")
        document: Document | None = listed
        if self._settings.whole:
            document = self._erp.get(self._doctype, str(name))
            time = document["modified"] if document else time
        if document is None:
            return None
        key = name if isinstance(name, str) and name.isprintable() and len(name) <= MAX_KEY_CHARS else ""
        data = canonical(_plain(document))
        return Row(key, _version(str(time), self._zone, now), data, is_deleted=self._settings.deleted)

    def _next(self, found: list[Document], news: list[Document], reached: "_Reached") -> str:
        last = str(found[-1][self._time])
        names = [str(each["name"]) for each in found if each[self._time] == last]
        size = reached.size
        if not news or len(names) == len(found):  # all of one time: the page must hold more than these
            if size >= MOST_ROWS:
                raise NotConfigured(
                    f"{self._stream.path}: {size} documents bear the time {last}, more than a page can hold; give the "
                    "stream `filters` that part them"
                )
            size = min(size * 4, MOST_ROWS)
        return json.dumps({"time": last, "names": names, "size": size})


class _Reached(NamedTuple):
    """How far a listing has come: the documents of its last time, which the next page lists again."""

    time: str
    names: frozenset[str]
    size: int

    @classmethod
    def of(cls, after: str, size: int) -> Self:
        """From Page.next."""
        if not after:
            return cls("", frozenset(), size)
        told = json.loads(after)
        return cls(told["time"], frozenset(told["names"]), told["size"])

    def had(self, document: Document, time: str) -> bool:
        """Whether the page before has it."""
        return document.get(time) == self.time and document.get("name") in self.names


def _lies_within(row: Row, ask: Ask) -> bool:
    return not row.version or (row.version >= ask.since and (not ask.until or row.version < ask.until))


def _version(local: str, zone: ZoneInfo, now: datetime) -> str:
    """The moment of a local time. Where summer time ends an hour comes twice: of its two moments the later one, unless
    that is still to come. So a document that is changed again always bears a later moment than it was read with."""
    try:
        naive = datetime.fromisoformat(local)
    except ValueError:
        return ""
    moments = [naive.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (1, 0)]
    moment = next((each for each in moments if each <= now + LATEST), moments[-1])
    return timestamp_version(moment.isoformat())


def _plain(value: Any) -> Any:
    """What JSON can hold: ERPNext's numbers come as Decimal."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return float(value) if isinstance(value, Decimal) else value
