"""Reads the rows of a text file or of a workbook's sheet, whatever their columns mean, in bounded memory."""

import csv
import io
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol
from xml.parsers import expat

from openpyxl import load_workbook
from openpyxl.utils.exceptions import InvalidFileException

from connectors.csv.cells import Cell
from connectors.csv.encoding import CHUNK, encoding_of
from connectors.csv.settings import plain
from hub.files import FileRefused

DELIMITERS = ",;\t|"
MOST_RECORD_CHARS = 2_000_000
SAMPLE_CHARS = 65_536
SAMPLE_RECORDS = 50

OLE, GZIP, ZIP = b"\xd0\xcf\x11\xe0", b"\x1f\x8b", b"PK\x03\x04"
MOST_SHEET_ROWS = 1_048_576
MOST_MEMBERS = 2_000
MOST_UNPACKED_BYTES = 400_000_000  # read twice in some eight minutes, of a function's fifteen
MOST_SHARED_TEXT_BYTES = 64_000_000  # of any part but sheets: those are read as they come, the others in memory
SHEETS = "xl/worksheets/"
MOST_RATIO = 300  # unpacked to packed, of parts that matter; a sheet's XML reaches 100 where its rows are alike
UNSUSPECTED_BYTES = 10_000_000

# what reading a damaged archive or workbook ends with, depending on where the damage is
BREAKS = (
    *(ArithmeticError, AttributeError, EOFError, LookupError, NotImplementedError, OSError, SyntaxError, TypeError),
    *(ValueError, zipfile.BadZipFile, zlib.error, expat.ExpatError),
)


@dataclass(frozen=True, slots=True)
class Record:
    """One row as it stands. `number` is what a spreadsheet calls it; `fault` says why it cannot be read further."""

    number: int
    cells: Sequence[Cell]
    fault: str = ""


class Sheet(Protocol):
    """Rows that can be read from the beginning any number of times."""

    facts: dict[str, object]  # how the file was read, for people
    delimiter: str  # that a file with rejected rows is to have

    def records(self) -> Iterator[Record]:
        """Every row, empty ones included; raises FileRefused where the rest cannot be read."""


def open_sheet(file: BinaryIO, *, encoding: str | None, delimiter: str | None, name: str, columns: set[str]) -> Sheet:
    """The table in a file, which is told by its content; raises FileRefused. `name` is the sheet of a workbook,
    `columns` are the plain names by which the header is known."""
    file.seek(0)
    head = file.read(8)
    file.seek(0)
    if not head:
        raise FileRefused("the file is empty")
    if head.startswith(ZIP):
        return WorkbookSheet(file, name)
    if head.startswith(OLE):
        raise FileRefused(
            "the file is a workbook of Excel 97-2003, or one with a password; save it as .xlsx without a password"
        )
    if head.startswith(GZIP):
        raise FileRefused("the file is compressed; upload it unpacked")
    return TextSheet(file, encoding_of(file, encoding), delimiter, columns)


class TextSheet:
    """A file of delimited text."""

    def __init__(self, file: BinaryIO, encoding: str, delimiter: str | None, columns: set[str]) -> None:
        csv.field_size_limit(MOST_RECORD_CHARS)
        self._file, self._encoding = file, encoding
        said = self._said()
        self._skip = 1 if said else 0
        self.delimiter = delimiter or said or self._guess(columns)
        self.facts: dict[str, object] = {"encoding": encoding, "delimiter": self.delimiter}

    def records(self) -> Iterator[Record]:
        """As Sheet.records."""
        lines = _Lines(self._text())
        for _ in range(self._skip):
            next(lines, None)
        reader = csv.reader(lines, delimiter=self.delimiter, strict=True)
        number = 0
        while True:
            lines.taken.clear()
            lines.record = number = number + 1
            try:
                yield Record(number, next(reader))
            except StopIteration:
                return
            except csv.Error as error:
                if "unexpected end of data" in str(error):
                    raise FileRefused(f"row {number}: a quote is opened that is never closed") from error
                lenient = next(csv.reader(lines.taken, delimiter=self.delimiter), [])
                yield Record(number, lenient, "has a quote within a quoted cell; double it or remove the quotes")

    def _text(self) -> io.TextIOWrapper:
        self._file.seek(0)
        return io.TextIOWrapper(io.BufferedReader(_Unclosed(self._file), CHUNK), encoding=self._encoding, newline="")

    def _said(self) -> str:
        """The delimiter that the first line states, as Excel reads it: `sep=;`."""
        first = self._text().readline(10).strip()
        return first[4:] if first.lower().startswith("sep=") and len(first) == 5 else ""

    def _guess(self, columns: set[str]) -> str:
        """The delimiter by which the most known columns are found, then the one that gives the most even rows."""
        text = self._text().read(SAMPLE_CHARS)
        if "\n" in text:
            text = text[: text.rindex("\n")] if len(text) == SAMPLE_CHARS else text
        return max(DELIMITERS, key=lambda each: _likeness(text, each, columns))


class _Lines(Iterator[str]):
    """The lines of a text, of which those of the present record are kept, and none grows without bound."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text
        self.taken: list[str] = []
        self.record = 0
        self._chars = 0

    def __next__(self) -> str:
        line = self._text.readline(MOST_RECORD_CHARS)
        if not line:
            raise StopIteration
        self._chars = len(line) + (self._chars if self.taken else 0)
        if self._chars >= MOST_RECORD_CHARS:
            raise FileRefused(
                f"row {self.record} has more than {MOST_RECORD_CHARS} characters: a quote is opened that is never closed, "
                "or the file is no table"
            )
        self.taken.append(line)
        return line


class _Unclosed(io.RawIOBase):
    """A file that outlives the text reader around it."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = self._file.read(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)


def _likeness(text: str, delimiter: str, columns: set[str]) -> tuple[int, float, int]:
    records = []
    try:
        for record in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
            records.append(record)
            if len(records) == SAMPLE_RECORDS:
                break
    except csv.Error:
        return (0, 0.0, 0)
    known = max((len(columns & {plain(cell) for cell in record}) for record in records), default=0)
    widths = Counter(len(record) for record in records if record)
    width, times = widths.most_common(1)[0] if widths else (1, 0)
    return (known, times / max(len(records), 1) if width > 1 else 0.0, width)


class WorkbookSheet:
    """A sheet of an Excel workbook: its values as Excel last calculated them. Macros are never looked at."""

    delimiter = ","

    def __init__(self, file: BinaryIO, name: str) -> None:
        check_archive(file)
        self._file = file
        book = self._open()
        try:
            visible = [sheet.title for sheet in book.worksheets if sheet.sheet_state == "visible"]
            if name and name not in book.sheetnames:
                raise FileRefused(f"the workbook has no sheet {name!r}; it has: {', '.join(book.sheetnames)}")
            if not visible and not name:
                raise FileRefused("the workbook has no visible sheet")
            self._name = name or visible[0]
        finally:
            book.close()
        self.facts: dict[str, object] = {"sheet": self._name}

    def records(self) -> Iterator[Record]:
        """As Sheet.records."""
        book = self._open()
        try:
            sheet = book[self._name]
            sheet.reset_dimensions()  # what a file says of its size need not be true
            number = 0
            for number, cells in enumerate(sheet.iter_rows(), 1):
                if number > MOST_SHEET_ROWS:
                    raise FileRefused(f"the sheet claims to have more than Excel's {MOST_SHEET_ROWS} rows")
                values = [cell.value for cell in cells]
                if broken := next((cell for cell in cells if cell.data_type == "e"), None):
                    yield Record(number, values, f"holds the error {broken.value}, as Excel calculated it")
                else:
                    yield Record(number, values)
        except BREAKS as error:
            raise FileRefused(f"{_DAMAGED} ({type(error).__name__} after row {number})") from error
        finally:
            book.close()

    def _open(self) -> Any:
        self._file.seek(0)
        try:
            return load_workbook(self._file, read_only=True, data_only=True, keep_links=False)
        except InvalidFileException as error:
            raise FileRefused(_NO_WORKBOOK) from error
        except BREAKS as error:
            raise FileRefused(f"{_DAMAGED} ({type(error).__name__})") from error


_DAMAGED = "the workbook is damaged; open it in Excel, save it as .xlsx and upload it again"
_NO_WORKBOOK = "the file is a ZIP archive but no Excel workbook; upload a .xlsx or a .csv"


def check_archive(file: BinaryIO) -> None:
    """Raise FileRefused for an archive that is no workbook, would unpack to too much, or holds a document type.

    What the archive states of its sizes is what zipfile reads of it at most, so that a lie is found as damage.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            if "xl/workbook.xml" not in archive.namelist():
                raise FileRefused(_NO_WORKBOOK)
            if len(members) > MOST_MEMBERS or sum(each.file_size for each in members) > MOST_UNPACKED_BYTES:
                raise FileRefused(
                    f"the workbook unpacks to more than {MOST_UNPACKED_BYTES // 1_000_000} MB; save it as .csv"
                )
            for each in members:
                ratio = each.file_size / max(each.compress_size, 1)
                if each.file_size > UNSUSPECTED_BYTES and ratio > MOST_RATIO:
                    raise FileRefused(f"the workbook's part {each.filename!r} unpacks to {ratio:.0f} times its size")
                if not each.filename.startswith(SHEETS) and each.file_size > MOST_SHARED_TEXT_BYTES:
                    limit = MOST_SHARED_TEXT_BYTES // 1_000_000
                    raise FileRefused(f"the workbook holds more than {limit} MB beside its sheets; save it as .csv")
                if each.flag_bits & 1:
                    raise FileRefused("the workbook has a password; save it without")
                _check_prolog(archive, each)
    except BREAKS as error:
        raise FileRefused(f"{_DAMAGED} ({type(error).__name__})") from error


class _Rooted(Exception):
    """The root element has begun: a document type can come no more."""


def _check_prolog(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
    def refuse(*_: object) -> None:
        raise FileRefused(f"the workbook's part {member.filename!r} declares a document type, which no workbook needs")

    def rooted(*_: object) -> None:
        raise _Rooted

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = rooted
    try:
        with archive.open(member) as part:
            while piece := part.read(SAMPLE_CHARS):
                parser.Parse(piece)
    except _Rooted:
        return
    except expat.ExpatError as error:
        if member.filename.endswith((".xml", ".rels")):  # pictures and macros are none, and nobody will read them
            raise FileRefused(f"{_DAMAGED} ({member.filename} is no XML)") from error
