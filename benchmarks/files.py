"""How much memory and time a table of many rows takes from the file to its events; AWS is left out.

`make bench-files` measures a million rows of CSV and prints one line; ROWS and KIND (csv, xlsx) change that.
"""

import argparse
import json
import resource
import tempfile
import time
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import IO, Any

SETTINGS = {
    "key": "sku",
    "columns": {
        "sku": {"required": True},
        "name": "text",
        "price": {"type": "money", "currency": "EUR"},
        "stock": "integer",
        "from": {"type": "date", "formats": ["%d.%m.%Y"]},
        "active": "bool",
    },
}
HEADER = ("sku", "name", "price", "stock", "from", "active")
BAD_EVERY = 100  # rows, one has a price that is none


def rows(count: int) -> Iterator[tuple[str, ...]]:
    """Rows as a shop's price list has them, 70 bytes each."""
    for number in range(count):
        price = "on request" if number % BAD_EVERY == 0 else f"{number % 9999}.{number % 100:02} EUR"
        day = f"{number % 28 + 1:02}.{number % 12 + 1:02}.2026"
        yield f"SKU-{number:08}", f"Article no. {number} of the list, größer", price, str(number % 500), day, "yes"


def write_csv(file: IO[bytes], count: int) -> None:
    """The rows as CSV."""
    file.write((";".join(HEADER) + "\r\n").encode())
    for row in rows(count):
        file.write((";".join(row) + "\r\n").encode())


def write_workbook(file: IO[bytes], count: int) -> None:
    """The rows as a workbook, texts in the sheet itself."""
    kind = "http://schemas.openxmlformats.org"
    head = '<?xml version="1.0" encoding="UTF-8"?>'
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{kind}/package/2006/content-types"><Default Extension="rels" ContentType='
        '"application/vnd.openxmlformats-package.relationships+xml"/><Override PartName="/xl/workbook.xml" ContentType='
        '"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/><Override PartName='
        '"/xl/worksheets/sheet1.xml" ContentType='
        '"application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{kind}/package/2006/relationships"><Relationship Id="rId1" Type='
        f'"{kind}/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{kind}/spreadsheetml/2006/main" xmlns:r='
        f'"{kind}/officeDocument/2006/relationships"><sheets><sheet name="Prices" sheetId="1" r:id="rId1"/></sheets>'
        "</workbook>",
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{kind}/package/2006/relationships"><Relationship Id="rId1" '
        f'Type="{kind}/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
    }
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in parts.items():
            archive.writestr(name, head + content)
        with archive.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as sheet:
            sheet.write(f'{head}<worksheet xmlns="{kind}/spreadsheetml/2006/main"><sheetData>'.encode())
            sheet.write(_row(HEADER))
            for row in rows(count):
                sheet.write(_row(row))
            sheet.write(b"</sheetData></worksheet>")


def _row(cells: tuple[str, ...]) -> bytes:
    return ("<row>" + "".join(f'<c t="inlineStr"><is><t>{cell}</t></is></c>' for cell in cells) + "</row>").encode()


def read(file: IO[bytes], size: int = 0, *, as_messages: bool = True) -> tuple[int, int, float]:
    """Read a file into events as the files Lambda does, and these into messages; how many rows were good, how many bad, and
    when it was surveyed."""
    from connectors.csv.connector import table
    from hub.events import to_json
    from hub.files import PORTION, Dropped, GoodRow, event_of
    from hub.streams import Stream

    now = datetime.now(UTC)
    dropped = Dropped("inbox/prices/list", file, "0" * 64, now, size, "tag")  # type: ignore[arg-type] # a real file
    stream = Stream("prices", "csv", "prices", "price")
    opened = table(file, SETTINGS)  # type: ignore[arg-type] # as above
    surveyed = time.perf_counter()
    every = opened.rows(0)
    good = bad = 0
    while portion := list(islice(every, PORTION)):
        taken = [row for row in portion if isinstance(row, GoodRow)]
        events = [event_of(row, stream, dropped, now) for row in taken]
        good += len([to_json(event) for event in events] if as_messages else events)
        rejected = [row for row in portion if not isinstance(row, GoodRow)]
        opened.rejected(rejected)
        bad += len(rejected)
    return good, bad, surveyed


def measure(count: int, kind: str) -> dict[str, Any]:
    """Write a file, read it as the files Lambda does, and say what that took."""
    import botocore.session

    import adapters.wiring  # noqa: F401 - what the Lambda holds in memory counts

    for service in ("s3", "sqs", "dynamodb", "sns"):
        botocore.session.get_session().create_client(service, region_name="us-east-1")
    with tempfile.TemporaryFile() as file:
        (write_workbook if kind == "xlsx" else write_csv)(file, count)
        size = file.tell()
        before = megabytes()
        began = time.perf_counter()
        good, bad, surveyed = read(file, size)
        seconds = time.perf_counter() - began
    return {
        "rows": good + bad,
        "good": good,
        "bad": bad,
        "file_mb": round(size / 1e6, 1),
        "survey_seconds": round(surveyed - began, 2),
        "seconds": round(seconds, 2),
        "rows_per_second": round(count / seconds),
        "start_mb": before,
        "most_mb": megabytes(),
    }


def megabytes() -> float:
    """The most memory that this process has held. Linux counts what its parent held, too, in ru_maxrss."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return round(int(line.split()[1]) / 1e3, 1)
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 1)


def main() -> None:
    """Print one measurement as JSON."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--kind", choices=["csv", "xlsx"], default="csv")
    chosen = options.parse_args()
    print(json.dumps(measure(chosen.rows, chosen.kind)))


if __name__ == "__main__":
    main()
