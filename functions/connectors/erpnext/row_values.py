"""What a row's values become in ERPNext: checked against the stated type, never guessed."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Literal
from zoneinfo import ZoneInfo

ValueType = Literal["text", "integer", "number", "money", "date", "datetime", "bool"]
WHOLE = re.compile(r"[+-]?[0-9]{1,20}")
NUMBER = re.compile(r"[+-]?[0-9]{1,20}(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?")
MAX_INTEGER = 2**31 - 1  # ERPNext's Int
MAX_NUMBER = Decimal(10) ** 12  # ERPNext's numbers: decimal(21,9)
NINE_PLACES = Decimal("1e-9")
UNIX = {"unix_seconds": 1, "unix_milliseconds": 1000}  # a format → units per second
BOOLS: Mapping[str, int] = {
    **dict.fromkeys(("true", "yes", "t", "y", "1"), 1),
    **dict.fromkeys(("false", "no", "f", "n", "0"), 0),
}


class NotOfType(ValueError):
    """A value that is not of its type. The message says what was expected, and not what came."""


@dataclass(frozen=True, slots=True)
class Times:
    """How a source writes times. A time without offset is of `source_zone`; ERPNext keeps local ones, of `site_zone`."""

    format: str
    source_zone: str
    site_zone: str


def converted(value: Any, kind: ValueType, times: Times) -> Any:
    """A value that is neither null nor empty, as ERPNext takes it: text, int, Decimal; raises NotOfType."""
    if kind == "date":
        return _date(value, times)
    if kind == "datetime":
        return _datetime(value, times)
    return _PLAIN[kind](value)


def empty(kind: ValueType) -> str | int | None:
    """What ERPNext says for no value of a type."""
    if kind == "text":
        return ""
    return 0 if kind == "bool" else None


def _text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise NotOfType("a text")
    return str(value).strip()


def _integer(value: Any) -> int:
    number = _decimal(value, WHOLE)
    if number is None or number != int(number) or abs(number) > MAX_INTEGER:
        raise NotOfType(f"a whole number up to {MAX_INTEGER}")
    return int(number)


def _number(value: Any) -> Decimal:
    """To nine places, which is what ERPNext keeps."""
    number = _decimal(value, NUMBER)
    if number is None:
        raise NotOfType(f"a number below {MAX_NUMBER:,.0f}, with a point as decimal separator")
    return number.quantize(NINE_PLACES).normalize()


def _money(value: Any) -> Decimal:
    """Exactly, or not at all."""
    number = _decimal(value, NUMBER)
    if number is None or number != number.quantize(NINE_PLACES) or Decimal(repr(float(number))) != number:
        raise NotOfType(
            f"an amount below {MAX_NUMBER:,.0f}, with a point as decimal separator and no more than 9 decimals and 15 digits"
        )
    return number


def _decimal(value: Any, written: re.Pattern[str]) -> Decimal | None:
    """Text counts where it can be read in one way only: a comma can be either separator."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        return None
    if isinstance(value, str) and not written.fullmatch(value.strip()):
        return None
    try:
        number = Decimal(value.strip() if isinstance(value, str) else value)
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number) < MAX_NUMBER else None


def _bool(value: Any) -> int:
    said = BOOLS.get(str(value).strip().lower()) if isinstance(value, bool | int | str) else None
    if said is None:
        raise NotOfType("true or false (yes, no, 1, 0)")
    return said


def _date(value: Any, times: Times) -> str:
    if isinstance(value, str) and not times.format:
        try:
            return date.fromisoformat(value.strip()).isoformat()
        except ValueError:
            pass  # it may be a time, whose date counts where ERPNext is
    try:
        return _local(value, times).date().isoformat()
    except NotOfType as error:
        raise NotOfType(f"a date written {times.format or '2026-12-31'}") from error


def _datetime(value: Any, times: Times) -> str:
    return _local(value, times).isoformat(sep=" ")


def _local(value: Any, times: Times) -> datetime:
    """A moment as the site's clocks show it."""
    try:
        return _moment(value, times).astimezone(ZoneInfo(times.site_zone)).replace(tzinfo=None, fold=0)
    except (ValueError, OverflowError, OSError, TypeError) as error:
        raise NotOfType(f"a time written {times.format or '2026-12-31T23:59:59+01:00'}") from error


def _moment(value: Any, times: Times) -> datetime:
    if times.format in UNIX:
        return datetime.fromtimestamp(_integer_of_any_size(value) / UNIX[times.format], UTC)
    if not isinstance(value, str):
        raise TypeError
    text = value.strip()
    moment = datetime.strptime(text, times.format) if times.format else datetime.fromisoformat(text)  # noqa: DTZ007 - next line
    return moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(times.source_zone))


def _integer_of_any_size(value: Any) -> int:
    number = _decimal(value, WHOLE) if not isinstance(value, int) or isinstance(value, bool) else Decimal(value)
    if number is None or number != int(number):
        raise ValueError
    return int(number)


_PLAIN: Mapping[ValueType, Callable[[Any], Any]] = {
    "text": _text,
    "integer": _integer,
    "number": _number,
    "money": _money,
    "bool": _bool,
}
