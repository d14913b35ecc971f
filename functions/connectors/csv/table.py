"""A file as its stream's settings understand it: good rows as JSON, bad rows with what is wrong with them."""

import csv
import hashlib
import io
import json
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from itertools import pairwise
from json.encoder import encode_basestring as _quoted
from typing import BinaryIO

from connectors.csv.cells import BadCell, Cell, Reading, Value, are_empty, is_empty, neutral, restored, shown
from connectors.csv.settings import ERROR_COLUMN, Column, StreamSettings, plain
from connectors.csv.sheets import Record, Sheet, open_sheet
from hub.files import BadRow, FileRefused, GoodRow
from hub.streams import MAX_KEY_CHARS

PARTS = 64  # of the keys' hashes, so that sorting them takes little memory at a time
OTHER = Column()
TWICE = "stands in more than one row of the file; keep one"


class FileTable:
    """The rows of one file. Making it reads the file once: its structure, its header, and which keys come twice."""

    def __init__(self, file: BinaryIO, settings: StreamSettings) -> None:
        self._settings = settings
        stated = {plain(column.header or name) for name, column in settings.columns.items()}
        self._sheet: Sheet = open_sheet(
            file, encoding=settings.encoding, delimiter=settings.delimiter, name=settings.sheet, columns=stated
        )
        names = _header(self._sheet, settings)
        self._error_at = next((at for at, name in enumerate(names) if plain(name) == ERROR_COLUMN), None)
        self._header = [name for at, name in enumerate(names) if at != self._error_at]
        self._readings = self._columns(stated)
        self._values = [
            # texts are as many as rows; other values come again
            (at, name, reading.value if reading.column.type == "text" else lru_cache(1024, typed=True)(reading.value))
            for at, (name, reading) in self._readings.items()
        ]
        self._key_at = [self._place(name) for name in settings.keys]
        self._twice, self.row_count = self._survey()

    @property
    def facts(self) -> Mapping[str, object]:
        """How the file was read, for people."""
        return {**self._sheet.facts, "columns": self._header}

    @property
    def tells_of_success(self) -> bool:
        """Whether people want to hear of a file without problems."""
        return self._settings.notify == "always"

    def rows(self, after: int) -> Iterator[GoodRow | BadRow]:
        """The rows behind row `after`, as a spreadsheet counts them. Empty rows are left out."""
        for record in self._records():
            if record.number > after:
                yield self._read(record)

    def rejected_header(self) -> bytes:
        """The first line of a file with rejected rows."""
        return b"\xef\xbb\xbf" + self._line(
            [*map(neutral, self._header), ERROR_COLUMN]
        )  # Excel reads UTF-8 by its mark

    def rejected(self, rows: Iterable[BadRow]) -> bytes:
        """Bad rows as lines of such a file: as they stood, with what is wrong. Surplus cells come behind that."""
        return b"".join(self._line(self._as_it_stood(row)) for row in rows)

    def _as_it_stood(self, row: BadRow) -> list[str]:
        texts = [neutral(shown(cell, self._decimal(at))) for at, cell in enumerate(row.cells)]
        width = len(self._header)
        texts += [""] * (width - len(texts))
        return [*texts[:width], neutral(row.error), *texts[width:]]

    def _decimal(self, at: int) -> str:
        return self._readings[at][1].decimal if at in self._readings else self._settings.decimal

    def _line(self, texts: Sequence[str]) -> bytes:
        line = io.StringIO()
        csv.writer(line, delimiter=self._sheet.delimiter, lineterminator="\r\n").writerow(texts)
        return line.getvalue().encode("utf-8", "replace")

    def _columns(self, stated: set[str]) -> dict[int, tuple[str, Reading]]:
        """Place in a row → field and how it is read, in the order of the file."""
        settings = self._settings
        found = {plain(name): at for at, name in enumerate(self._header)}
        readings: dict[int, tuple[str, Reading]] = {}
        for name, column in settings.columns.items():
            header = column.header or name
            if plain(header) in found:
                decimal = column.decimal or settings.decimal
                readings[found[plain(header)]] = (name, Reading(column, decimal, settings.formulas))
            elif not column.optional or name in settings.keys:
                raise FileRefused(f"the header lacks the column {header!r}; it has: {', '.join(self._header)}")
        others = [name for name in self._header if plain(name) not in stated]
        if others and settings.others == "refuse":
            raise FileRefused(f"the header has columns that the settings do not state: {', '.join(others)}")
        if settings.others == "keep":
            for name in others:
                if name in settings.columns:
                    raise FileRefused(f"the column {name!r} bears the name of a field that another column fills")
                readings[found[plain(name)]] = (name, Reading(OTHER, settings.decimal, settings.formulas))
        return dict(sorted(readings.items()))

    def _place(self, field: str) -> int:
        return next(at for at, (name, _) in self._readings.items() if name == field)

    def _records(self) -> Iterator[Record]:
        """The rows below the header. A file that bears our own column of errors is one that was rejected before: that
        column goes, and so do the quotes that kept its formulas from running."""
        for record in self._sheet.records():
            if record.number <= self._settings.header_row or are_empty(record.cells):
                continue
            at = self._error_at
            if at is None:
                yield record
                continue
            cells = [restored(cell) if isinstance(cell, str) else cell for cell in record.cells]
            yield Record(record.number, cells[:at] + cells[at + 1 :], record.fault)

    def _survey(self) -> tuple[set[int], int]:
        """The hashes of keys that come twice, and how many rows there are."""
        hashes = [array("Q") for _ in range(PARTS)]
        count = 0
        for record in self._records():
            count += 1
            if record.fault:
                continue
            try:
                key = _hash(self._key(record.cells))
            except BadCell:
                continue
            hashes[key % PARTS].append(key)
        if not count:
            raise FileRefused("the file has a header and no rows")
        if self._settings.duplicates == "in_order":
            return set(), count
        twice: set[int] = set()
        for part in hashes:
            ordered = sorted(part)
            twice.update(one for one, other in pairwise(ordered) if one == other)
        return twice, count

    def _read(self, record: Record) -> GoodRow | BadRow:
        if record.fault:
            return BadRow(record.number, record.cells, record.fault)
        width, cells = len(self._header), record.cells
        if len(cells) < width and self._sheet.facts.get("encoding"):  # a workbook leaves out empty cells at the end
            return BadRow(record.number, cells, f"the row has {len(cells)} cells, the header {width}")
        if not are_empty(cells[width:]):
            return BadRow(record.number, cells, f"the row has {len(cells)} cells, the header {width}; is one unquoted?")
        fields: dict[str, Value] = {}
        faults = []
        for at, name, value in self._values:
            try:
                fields[name] = value(cells[at] if at < len(cells) else None)
            except BadCell as error:
                faults.append(f"{name}: {error}")
        if faults:
            return BadRow(record.number, cells, "; ".join(faults))
        try:
            key = self._key(cells)
            if self._twice and _hash(key) in self._twice:
                raise BadCell(TWICE)
        except BadCell as error:
            return BadRow(record.number, cells, f"{' and '.join(self._settings.keys)}: {error}")
        return GoodRow(record.number, key, json_of(fields))

    def _key(self, cells: Sequence[Cell]) -> str:
        """What makes the row one; raises BadCell where there is nothing, or too much."""
        parts = []
        for at in self._key_at:
            value = self._readings[at][1].value(cells[at] if at < len(cells) else None)
            if value is None:
                raise BadCell("is empty, but makes the row's key")
            text = f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)
            parts.append(text if len(self._key_at) == 1 else text.replace("%", "%25").replace("/", "%2F"))
        key = "/".join(parts)
        if len(key) > MAX_KEY_CHARS:
            raise BadCell(f"is longer than the {MAX_KEY_CHARS} characters that a key may have")
        return key


def json_of(fields: Mapping[str, Value]) -> bytes:
    """The fields as JSON, in which amounts keep every digit."""
    return ("{" + ",".join(f"{_quoted(name)}:{_json(value)}" for name, value in fields.items()) + "}").encode()


def _json(value: Value) -> str:
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, str):
        return _quoted(value)
    return str(value) if type(value) is int else json.dumps(value)


def _hash(key: str) -> int:
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "big")


def _header(sheet: Sheet, settings: StreamSettings) -> list[str]:
    row = next((each for each in sheet.records() if each.number == settings.header_row), None)
    names = [shown(cell, ".").strip() for cell in row.cells] if row else []
    while names and is_empty(names[-1]):
        names.pop()
    if ERROR_COLUMN in map(plain, names):  # the hub wrote it, and kept formulas from running
        names = [restored(name) for name in names]
    if not names:
        raise FileRefused(f"row {settings.header_row} is empty, where the columns' names belong")
    seen: set[str] = set()
    for number, name in enumerate(names, 1):
        if is_empty(name):
            raise FileRefused(f"the header has no name for column {number}")
        if plain(name) in seen:
            raise FileRefused(f"the header names {name!r} twice")
        seen.add(plain(name))
    return names
