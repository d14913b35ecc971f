"""Cells of tables as JSON, exactly: numbers keep their digits, times are ISO 8601, bytes are base64. And the way back."""

import base64
import json
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from json.encoder import encode_basestring as _quoted
from typing import Any
from zoneinfo import ZoneInfo

from hub.connector import Cell, Column, Kind, Value
from hub.errors import Unreadable

NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
PADDED = re.compile(r"0+([0-9]+(?:\.[0-9]+)?)")  # MySQL's ZEROFILL
TO_THE_SECOND = 19  # characters of a time without fraction
NO_VALUES = "_no_json_value"  # the field of a row that says which cells JSON has no value for: {"price": "NaN"}

Written = Callable[[Any], str | None]  # a cell that is not null as JSON; None where JSON has no value for it


def written(columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> list[bytes]:
    """Rows of these columns as JSON objects. Column by column, which is several times faster than row by row."""
    if not rows:
        return []
    form = "{" + ",".join(_quoted(column.name).replace("%", "%%") + ":%s" for column in columns) + "}"
    texts, without = [], dict[int, dict[str, str]]()
    for column, cells in zip(columns, zip(*rows, strict=True), strict=True):
        write = WRITTEN[column.kind]
        told = ["null" if cell is None else write(cell) for cell in cells]
        if None in told:
            for number, text in enumerate(told):
                if text is None:
                    without.setdefault(number, {})[column.name] = text_of(cells[number])
                    told[number] = "null"
        texts.append(told)
    objects = [form % row for row in zip(*texts, strict=True)]
    for number, names in without.items():
        objects[number] = f"{objects[number][:-1]},{_quoted(NO_VALUES)}:{json.dumps(names, ensure_ascii=False)}}}"
    return [text.encode("utf-8", "backslashreplace") for text in objects]


def text_of(cell: Cell) -> str:
    """A cell as text: bytes as hex digits."""
    if isinstance(cell, bytes):
        return cell.hex()
    return "" if cell is None else cell


@lru_cache(maxsize=4096)  # many rows bear one time, and each is asked for twice
def instant_of(cell: Cell) -> str:
    """A `timestamp` as RFC 3339 in UTC to the microsecond; "" where it is none (infinity, year 0)."""
    text = text_of(cell).removesuffix("+00")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return ""
    if len(text) == TO_THE_SECOND:
        return f"{text[:10]}T{text[11:]}.000000Z"
    return moment.isoformat(timespec="microseconds") + "Z"


def bound(kind: Kind, text: str) -> Value:
    """What `text_of` said of a cell, as a statement's value."""
    if kind == "integer":
        return int(text)
    if kind == "decimal":
        return Decimal(text)
    if kind == "bytes":
        return bytes.fromhex(text.removeprefix("\\x"))
    return text


def stored(value: Any, column: Column, zone: ZoneInfo, instant: Callable[[datetime], str]) -> Value:
    """A field of a record as the value of a column; raises Unreadable where it cannot be one."""
    if value is None:
        return None
    if column.kind == "json":
        return json.dumps(value, ensure_ascii=False, default=_number_of)
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, default=_number_of)
    if not isinstance(value, str):
        return value if isinstance(value, bool | int | Decimal) else str(value)
    try:
        if column.kind == "bytes":
            return base64.b64decode(value, validate=True)
        if column.kind in ("timestamp", "local"):
            return _stored_time(datetime.fromisoformat(value), column.kind, zone, instant)
    except ValueError as error:
        what = "no base64" if column.kind == "bytes" else "no time in ISO 8601"
        raise Unreadable(f"the value for column {column.name} is {what}") from error
    return value


def _stored_time(moment: datetime, kind: Kind, zone: ZoneInfo, instant: Callable[[datetime], str]) -> str:
    if kind == "timestamp":
        return instant((moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC))
    local = moment.astimezone(zone) if moment.tzinfo else moment
    return local.replace(tzinfo=None).isoformat(sep=" ")


def _number_of(value: Any) -> Any:
    """A Decimal within JSON: as a number where that is exact."""
    if isinstance(value, Decimal):
        number = int(value) if value == value.to_integral_value() else float(value)
        return number if Decimal(str(number)) == value else str(value)
    raise TypeError(type(value).__name__)


def _number(text: str) -> str | None:
    if NUMBER.fullmatch(text):
        return text
    padded = PADDED.fullmatch(text)
    return padded[1] if padded else None


def _integer(text: str) -> str | None:
    return text if text[0] != "0" else _number(text)


def _boolean(text: str) -> str | None:
    return {"t": "true", "f": "false"}.get(text)


def _instant(cell: Cell) -> str | None:
    found = instant_of(cell)
    return f'"{found}"' if found else None


def _local(text: str) -> str | None:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return None
    return f'"{text.replace(" ", "T")}"'


def _bytes(cell: Cell) -> str:
    raw = cell if isinstance(cell, bytes) else bytes.fromhex(text_of(cell).removeprefix("\\x"))
    return f'"{base64.b64encode(raw).decode("ascii")}"'


WRITTEN: dict[Kind, Written] = {
    "integer": _integer,
    "decimal": _number,
    "float": _number,
    "boolean": _boolean,
    "timestamp": _instant,
    "local": _local,
    "date": _local,
    "bytes": _bytes,
    "json": text_of,
    "text": _quoted,
}
