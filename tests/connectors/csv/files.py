"""Files as people and programs make them, and the tables that the connector reads of them."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

import openpyxl

from connectors.csv.connector import read, table
from hub.events import Event
from hub.files import BadRow, GoodRow, Table
from hub.records import TableRow
from tests.fakes import an_event

SETTINGS: dict[str, Any] = {"key": "sku", "columns": {"sku": {"required": True}, "name": "text", "price": "money"}}
HEADER = ("sku", "name", "price")


def text_of(rows: Iterable[Sequence[str]], delimiter: str = ",", end: str = "\r\n") -> str:
    """Rows as a program writes them as CSV."""
    text = io.StringIO(newline="")
    quoting: Any = (
        csv.QUOTE_MINIMAL if end == "\r\n" else csv.QUOTE_ALL
    )  # the module quotes only what its own line end needs
    csv.writer(text, delimiter=delimiter, lineterminator=end, quoting=quoting).writerows(rows)
    return text.getvalue()


def workbook(rows: Iterable[Sequence[Any]], **sheets: Iterable[Sequence[Any]]) -> bytes:
    """Rows as a workbook whose first sheet is called Table."""
    book = openpyxl.Workbook()
    for name, content in {"Table": rows, **sheets}.items():
        sheet = book.create_sheet(name)
        for row in content:
            sheet.append(list(row))
    del book["Sheet"]
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def opened(content: bytes | str, **settings: Any) -> Table:
    """The table in a file."""
    body = content.encode() if isinstance(content, str) else content
    return table(io.BytesIO(body), SETTINGS | settings)


def good(opened_table: Table) -> list[dict[str, Any]]:
    """The fields of all rows; fails where one is bad."""
    rows = list(opened_table.rows(0))
    assert [row.error for row in rows if isinstance(row, BadRow)] == []
    return [fields_of(row) for row in rows if isinstance(row, GoodRow)]


def fields_of(row: GoodRow) -> dict[str, Any]:
    """A row's fields as they reach the destination's connector."""
    record = read(as_event(row), "row")
    assert isinstance(record, TableRow)
    assert record.key == row.key
    return record.fields


def as_event(row: GoodRow) -> Event:
    """The event of a row."""
    return an_event(entity=f"shop-eu/price/{row.key}", event_type="csv.prices", data=row.data)


def errors(opened_table: Table) -> list[str]:
    """What is wrong with the bad rows."""
    return [row.error for row in opened_table.rows(0) if isinstance(row, BadRow)]


def rejected(opened_table: Table) -> bytes:
    """The file that comes back."""
    bad = [row for row in opened_table.rows(0) if isinstance(row, BadRow)]
    return opened_table.rejected_header() + opened_table.rejected(bad)
