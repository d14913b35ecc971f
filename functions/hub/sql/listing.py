"""The pages of a table, each from where the one before ended (keyset): in the order of cursor and key, whatever is written
meanwhile.

Rows that no cursor covers come last, once per run: those whose cursor is null or before all times, then those that
lack a part of their key.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from hub.connector import Cell, Column, Database, Selected, Value
from hub.errors import NotConfigured
from hub.events import integer_version, parse_instant, timestamp_version
from hub.sql.cells import bound, instant_of, text_of, written
from hub.sql.dialect import Dialect, Places, numbered
from hub.sql.settings import WITHOUT_VALUE, Filter, StreamSettings
from hub.streams import MAX_KEY_CHARS, Ask, Page, Row, Stream

Section = Literal["rows", "unversioned", "keyless"]
FIRST_TIME = "0001-01-02"  # what is before it counts as no time: PostgreSQL's -infinity, MySQL's 0000-00-00
CLOCK_CHANGES = timedelta(hours=3)  # a change of local time is seen from this far ahead
FITTING = {"timestamp": ("timestamp", "local", "date"), "integer": ("integer", "decimal")}


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a page begins: behind the row with these cells, as text."""

    section: Section = "rows"
    cells: Sequence[str] = ()

    @classmethod
    def of(cls, after: str) -> "_Place":
        if not after:
            return cls()
        section, *cells = json.loads(after)
        return cls(section, cells)

    def __str__(self) -> str:
        return json.dumps([self.section, *self.cells], ensure_ascii=False)


class TableListing:
    """A table as a stream."""

    steady = True
    ordered = True

    def __init__(self, stream: Stream, settings: StreamSettings, database: Database, dialect: Dialect) -> None:
        if stream.mode == "delta" or stream.cursor == "token":
            raise NotConfigured(f"{stream.path}: a table has no token; write mode incremental or full")
        if stream.mode == "incremental" and settings.cursor is None:
            raise NotConfigured(f"{stream.path}: state the cursor column, or mode: full")
        self._stream, self._settings, self._database, self._dialect = stream, settings, database, dialect
        self._cursor = settings.cursor
        self._zone = ZoneInfo(settings.time_zone)
        self._table = ".".join(dialect.quote(name) for name in settings.path)
        self._kinds: dict[str, Column] = {}
        self._now: datetime | None = None

    def page(self, ask: Ask) -> Page:
        """One page; raises as Listing and Database say."""
        place = _Place.of(ask.after)
        if not self._kinds:
            self._look()
        if self._now is None or not ask.after:
            self._now = parse_instant(instant_of(self._database.select(self._dialect.now).rows[0][0]))
        for section in self._sections(place.section, ask):
            found = self._select(section, place.cells if section == place.section else (), ask)
            if found.rows:
                break
        return self._page(found, section, ask)

    def _page(self, found: Selected, section: Section, ask: Ask) -> Page:
        indices = {column.name: index for index, column in enumerate(found.columns)}
        keys = [indices[name] for name in self._settings.key]
        bears = self._cursor and section != "unversioned"
        cursor = indices[self._cursor] if self._cursor else 0
        version_of = self._version_of()
        versions = [version_of(cells[cursor]) for cells in found.rows] if bears else [""] * len(found.rows)
        rows = list(map(Row, _keys(found.rows, keys), versions, written(found.columns, found.rows)))
        if bears and self._stream.cursor == "timestamp" and self._kind() != "timestamp":
            rows = [row for row in rows if self._is_asked_for(row.version, ask)]
        return Page(rows, self._next(found, section, indices, ask), source_now=self._now)

    def _next(self, found: Selected, section: Section, indices: dict[str, int], ask: Ask) -> str:
        if len(found.rows) < self._settings.size:
            behind = list(self._sections(section, ask))[1:]
            return str(_Place(behind[0])) if behind and found.rows else ""
        if section == "keyless":
            raise NotConfigured(
                f"{self._stream.path}: {len(found.rows)} rows or more lack a part of their key "
                f"({', '.join(self._settings.key)}); choose columns that are never null"
            )
        return str(_Place(section, [text_of(found.rows[-1][indices[name]]) for name in self._order(section)]))

    def _sections(self, first: Section, ask: Ask) -> Iterator[Section]:
        """From a section on. What bears no cursor lies in no window."""
        sections: list[Section] = ["rows"] if ask.until else ["rows", "unversioned", "keyless"]
        if self._cursor is None and "unversioned" in sections:
            sections.remove("unversioned")
        yield from sections[sections.index(first) :]

    def _is_asked_for(self, version: str, ask: Ask) -> bool:
        """Local times were asked for with an hour to spare, for the one that comes twice."""
        return not version or (version >= ask.since and (not ask.until or version < ask.until))

    # The table

    def _look(self) -> None:
        """Learn the columns' kinds, and whether they can be what the settings say."""
        settings, stream = self._settings, self._stream
        names = [*settings.key, *([self._cursor] if self._cursor else []), *(each.column for each in settings.filters)]
        found = self._database.select(f"SELECT {self._wanted()} FROM {self._table} WHERE 1 = 0")  # noqa: S608 - quoted
        kinds = {column.name: column for column in found.columns}
        if missing := [name for name in names if name not in kinds and name not in self._filtered()]:
            raise NotConfigured(f"{stream.path}: the table has no column {missing[0]!r}; see its settings")
        if floats := [name for name in settings.key if kinds[name].kind == "float"]:
            raise NotConfigured(f"{stream.path}: {floats[0]!r} is a floating-point number, which is no key")
        if self._cursor and kinds[self._cursor].kind not in FITTING[stream.cursor]:
            what = f"the column {self._cursor!r} is of kind {kinds[self._cursor].kind}, no {stream.cursor}"
            raise NotConfigured(f"{stream.path}: {what}; state cursor: timestamp or integer, or another column")
        self._kinds = kinds

    def _filtered(self) -> set[str]:
        """Columns that are compared and need not be read."""
        return {each.column for each in self._settings.filters}

    def _wanted(self) -> str:
        settings = self._settings
        if not settings.columns:
            return "*"
        names = [*settings.key, *([self._cursor] if self._cursor else []), *settings.columns]
        return ", ".join(self._dialect.quote(name) for name in dict.fromkeys(names))

    def _order(self, section: Section) -> list[str]:
        cursor = [self._cursor] if self._cursor and section == "rows" else []
        return list(dict.fromkeys([*cursor, *self._settings.key]))

    # The question

    def _select(self, section: Section, behind: Sequence[str], ask: Ask) -> Selected:
        values: list[Value] = []

        def places(given: Sequence[Value]) -> list[str]:  # in the order in which they stand in the statement
            values.extend(given)
            return numbered(self._dialect.place, len(given), len(values) - len(given) + 1)

        quote = self._dialect.quote
        conditions = [self._filter(each, places) for each in self._settings.filters]
        keys = [quote(name) for name in self._settings.key]
        cursor = quote(self._cursor) if self._cursor else ""
        if section == "keyless":
            conditions.append("(" + " OR ".join(f"{key} IS NULL" for key in keys) + ")")
        else:
            conditions += [f"{key} IS NOT NULL" for key in keys]
        if section == "unversioned":
            conditions.append(f"({cursor} IS NULL OR {cursor} < {places([self._first()])[0]})")
        elif section == "rows" and cursor:
            if (
                not behind
            ):  # else the row behind implies it, and PostgreSQL would begin to look from the lesser of the two
                since = self._bound(ask.since) if ask.since else self._first()
                conditions.append(f"{cursor} >= {places([since])[0]}")
            if ask.until:
                conditions.append(f"{cursor} < {places([self._bound(ask.until, up=True)])[0]}")
        order = self._order(section)
        if behind:
            cells = [bound(self._kinds[name].kind, text) for name, text in zip(order, behind, strict=True)]
            conditions.append(self._dialect.beyond([quote(name) for name in order], cells, places))
        by = ", ".join(quote(name) for name in order)
        sql = (
            f"SELECT {self._wanted()} FROM {self._table} WHERE {' AND '.join(conditions)} "  # noqa: S608 - all quoted
            f"ORDER BY {by} LIMIT {self._settings.size:d}"
        )
        return self._database.select(sql, values)

    def _filter(self, each: Filter, places: Places) -> str:
        column = self._dialect.quote(each.column)
        if each.op in WITHOUT_VALUE:
            return f"{column} {each.op.upper()}"
        if isinstance(each.value, list):
            return f"{column} {each.op.upper()} ({', '.join(places(each.value))})"
        return f"{column} {each.op.upper()} {places([each.value])[0]}"

    # The cursor

    def _kind(self) -> str:
        return self._kinds[self._cursor].kind if self._cursor else ""

    def _first(self) -> Value:
        return 0 if self._stream.cursor == "integer" else FIRST_TIME

    def _bound(self, version: str, *, up: bool = False) -> Value:
        """A version as the cursor's column has it; local times so far down or up that none is left out."""
        if self._stream.cursor == "integer":
            return int(version)
        moment = parse_instant(version)
        if self._kind() == "timestamp":
            return self._dialect.instant(moment)
        try:
            nearby = [moment + hours for hours in (-CLOCK_CHANGES, timedelta(), CLOCK_CHANGES)]
            offsets = [each.astimezone(self._zone).utcoffset() or timedelta() for each in nearby]
            local = moment.replace(tzinfo=None) + (max(offsets) if up else min(offsets))
        except OverflowError:
            return FIRST_TIME
        if self._kind() == "date":
            return str((local + timedelta(days=1 if up else 0)).date())
        return local.isoformat(sep=" ")

    def _version_of(self) -> Callable[[Cell], str]:
        """Makes a cursor's value a version; "" where it is none that can be ordered."""
        if self._stream.cursor == "integer":
            return _integer_version
        return instant_of if self._kind() == "timestamp" else lambda cell: self._local_version(text_of(cell))

    def _local_version(self, text: str) -> str:
        """A time without zone: in the hour that comes twice, its latest meaning that is not yet to come. So a row that
        changes again bears a newer version, always."""
        try:
            local = datetime.fromisoformat(text)
            moments = [local.replace(tzinfo=self._zone, fold=fold).astimezone(UTC) for fold in (0, 1)]
        except (ValueError, OverflowError):
            return ""
        past = [moment for moment in moments if self._now and moment <= self._now]
        return timestamp_version((max(past) if past else min(moments)).isoformat())


def _integer_version(cell: Cell) -> str:
    text = text_of(cell)
    return integer_version(int(text)) if text.isdigit() and len(text) <= 20 else ""


def _keys(rows: Sequence[Sequence[Cell]], places: Sequence[int]) -> list[str]:
    """What makes rows one: their only key column as it stands, or several so that no two rows share it; "" where a part is
    null."""
    if len(places) == 1:
        keys = [text_of(cells[places[0]]) for cells in rows]
    else:
        keys = [_joined([cells[place] for place in places]) for cells in rows]
    return [key if len(key) <= MAX_KEY_CHARS and key.isprintable() else "" for key in keys]


def _joined(cells: Sequence[Cell]) -> str:
    texts = [text_of(cell).replace("%", "%25").replace(":", "%3A") for cell in cells]
    return "" if None in cells else ":".join(texts)
