"""Reads one cell as its column's type, or says in a sentence what is wrong with it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from connectors.csv.settings import MOST_CELL_CHARS, Column

Cell = str | int | float | bool | datetime | date | time | timedelta | None  # a CSV has texts alone
Value = str | int | Decimal | bool | None

MOST_DIGITS = 30
RUNS_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # https://owasp.org/www-community/attacks/CSV_Injection
NUMBER_OR_PHONE = re.compile(r"[+-][0-9][0-9 \u00a0\u202f().,/-]*")  # begins with a sign and calls nothing
CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff\ud800-\udfff]")
SCIENTIFIC = re.compile(r"[+-]?[0-9]+([.,][0-9]+)?[eE][+-]?[0-9]+")
PLAIN_NUMBER = {
    ".": re.compile(r"[0-9]*\.?[0-9]+|[0-9]+\.|[0-9]{1,3}(?:([,'’ \u00a0\u202f])[0-9]{3})(?:\1[0-9]{3})*(?:\.[0-9]*)?"),
    ",": re.compile(r"[0-9]*,?[0-9]+|[0-9]+,|[0-9]{1,3}(?:([.'’ \u00a0\u202f])[0-9]{3})(?:\1[0-9]{3})*(?:,[0-9]*)?"),
}
CURRENCY = re.compile(r"[A-Z]{3}|[€$£¥₹₽₩₺₴₪฿₫₦]|kr|zł|Kč|Ft|Fr\.?")
SIGNS = {
    "EUR": "€", "USD": "$", "CAD": "$", "AUD": "$", "NZD": "$", "SGD": "$", "HKD": "$", "MXN": "$", "GBP": "£",
    "JPY": "¥", "CNY": "¥", "INR": "₹", "RUB": "₽", "KRW": "₩", "TRY": "₺", "UAH": "₴", "ILS": "₪", "THB": "฿",
    "VND": "₫", "NGN": "₦", "SEK": "kr", "NOK": "kr", "DKK": "kr", "PLN": "zł", "CZK": "Kč", "HUF": "Ft", "CHF": "Fr",
}  # fmt: skip


class BadCell(ValueError):
    """A cell that is not what its column holds; the message completes "price: …"."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How the cells of one column are read."""

    column: Column
    decimal: str
    formulas: str

    def value(self, cell: Cell) -> Value:
        """The cell's value, None where it is empty; raises BadCell."""
        value = None if is_empty(cell) else self._value(cell)
        if value is None and self.column.required:
            raise BadCell("is empty, but every row needs it")
        return value

    def _value(self, cell: Cell) -> Value:
        match self.column.type:
            case "text":
                return self._text(cell)
            case "integer":
                number = self._number(cell)
                if number != number.to_integral_value():
                    raise BadCell("is no whole number")
                return int(number)
            case "number":
                return self._number(cell)
            case "money":
                return self._number(self._without_currency(cell) if isinstance(cell, str) else cell)
            case "date":
                return self._date(cell).isoformat()
            case "datetime":
                return self._datetime(cell)
            case _:
                return self._bool(cell)

    def _text(self, cell: Cell) -> str:
        text = shown(cell, ".").strip(" \u00a0\r\n")
        if len(text) > MOST_CELL_CHARS:
            raise BadCell(f"holds {len(text)} characters; a cell may hold {MOST_CELL_CHARS}")
        if CONTROLS.search(text):
            raise BadCell("holds control characters, such as NUL")
        if self.column.values and text not in self.column.values:
            raise BadCell(f"is none of {', '.join(self.column.values)}")
        if isinstance(cell, str) and is_formula(text):
            if self.formulas == "refuse":
                raise BadCell(f"begins with {text[0]!r}, which a spreadsheet would run as a formula; remove it")
            return neutral(text) if self.formulas == "neutralise" else text
        return text

    def _number(self, cell: Cell) -> Decimal:
        if isinstance(cell, bool) or not isinstance(cell, str | int | float):
            raise BadCell("is no number")
        if not isinstance(cell, str):
            return _finite(Decimal(repr(cell)))
        text = cell.strip().replace("\u2212", "-")
        if SCIENTIFIC.fullmatch(text):
            raise BadCell("is in scientific notation, as spreadsheets shorten long numbers: write all its digits")
        if text.endswith("-"):  # as SAP writes it
            text = "-" + text[:-1].rstrip()
        sign, digits = ("-", text[1:]) if text.startswith("-") else ("", text.removeprefix("+"))
        found = PLAIN_NUMBER[self.decimal].fullmatch(digits)
        if not found:
            raise BadCell(f"is no number with decimal sign {self.decimal!r}")
        if found[1]:
            digits = digits.replace(found[1], "")
        return _finite(Decimal(sign + digits.replace(",", ".")))

    def _without_currency(self, cell: str) -> str:
        text, own = cell.strip(), self.column.currency
        marks = set(CURRENCY.findall(text))
        for mark in marks:
            if not own:
                raise BadCell("bears a currency, but the column's settings state none")
            if mark.rstrip(".") not in (own, SIGNS.get(own)):
                raise BadCell(f"is in another currency than {own}")
        if len(marks) > 1:
            raise BadCell("bears two currencies")
        return CURRENCY.sub("", text).strip(" \u00a0\u202f")

    def _date(self, cell: Cell) -> date:
        if isinstance(cell, datetime):
            if cell.time() != time(0):
                raise BadCell("is a date with a time, where a date alone belongs")
            return cell.date()
        if isinstance(cell, date):
            return cell
        found = self._read_by_formats(cell, "%Y-%m-%d")
        if found.time() != time(0):
            raise BadCell("is a date with a time, where a date alone belongs")
        return found.date()

    def _datetime(self, cell: Cell) -> str:
        if isinstance(cell, date) and not isinstance(cell, datetime):
            cell = datetime(cell.year, cell.month, cell.day)  # noqa: DTZ001 - its zone is the column's, below
        if not isinstance(cell, datetime):
            try:
                cell = datetime.fromisoformat(cell.strip()) if isinstance(cell, str) else self._read_by_formats(cell)
            except ValueError:
                cell = self._read_by_formats(cell)
        try:
            if cell.tzinfo is None:
                local = cell.replace(tzinfo=ZoneInfo(self.column.time_zone))
                if local.astimezone(UTC).astimezone(local.tzinfo).replace(tzinfo=None) != cell:
                    raise BadCell(f"is a time that {self.column.time_zone} never had: clocks were put forward")
                cell = local
            return cell.astimezone(UTC).isoformat().replace("+00:00", "Z")
        except OverflowError as error:
            raise BadCell("is outside the years 1 to 9999") from error

    def _read_by_formats(self, cell: Cell, *formats: str) -> datetime:
        every = [*formats, *self.column.formats]
        if isinstance(cell, str):
            for each in every:
                try:
                    return datetime.strptime(cell.strip(), each)  # noqa: DTZ007 - its zone is the column's
                except ValueError:
                    continue
        raise BadCell(f"is no {self.column.type} written as {' or '.join(every or ['2026-12-31T23:59:59+01:00'])}")

    def _bool(self, cell: Cell) -> bool:
        if isinstance(cell, bool):
            return cell
        text = shown(cell, ".").strip().casefold()
        for value, words in ((True, self.column.yes), (False, self.column.no)):
            if text in {word.casefold() for word in words}:
                return value
        raise BadCell(f"is none of {', '.join([*self.column.yes, *self.column.no])}")


def is_empty(cell: Cell) -> bool:
    """Whether there is nothing in it, or blanks alone."""
    return cell is None or (isinstance(cell, str) and not cell.strip(" \u00a0\r\n"))


def are_empty(cells: Iterable[Cell]) -> bool:
    """Whether there is nothing in any of them."""
    return all(map(is_empty, cells))


def shown(cell: Cell, decimal: str) -> str:
    """A cell as text, as a CSV with this decimal sign would hold it."""
    if cell is None:
        return ""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, int | float):
        text = format(Decimal(repr(cell)), "f")
        return (text.removesuffix(".0") if "." in text else text).replace(".", decimal)
    if isinstance(cell, datetime) and cell.time() == time(0):
        return cell.date().isoformat()
    return str(cell) if isinstance(cell, timedelta) else cell.isoformat()


def is_formula(text: str) -> bool:
    """Whether a spreadsheet would run this text."""
    inner = text.lstrip(" \u00a0\n")
    return inner.startswith(RUNS_FORMULA) and not NUMBER_OR_PHONE.fullmatch(inner)


def neutral(text: str) -> str:
    """A text that a spreadsheet shows instead of running it; `restored` takes it back."""
    return f"'{text}" if is_formula(text.lstrip("'")) else text


def restored(text: str) -> str:
    """What `neutral` was given."""
    return text[1:] if text.startswith("'") and is_formula(text.lstrip("'")) else text


def _finite(number: Decimal) -> Decimal:
    if not number.is_finite():
        raise BadCell("is no number")
    if len(number.as_tuple().digits) > MOST_DIGITS or abs(number.adjusted()) > MOST_DIGITS:
        raise BadCell(f"has more than {MOST_DIGITS} digits")
    return number
