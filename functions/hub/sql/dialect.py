"""What differs between databases, as far as tables that are read and written need to know."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from hub.connector import Column, Database, Value

Places = Callable[[Sequence[Value]], list[str]]  # gives values to a statement, and says the placeholders of them


@dataclass(frozen=True, slots=True)
class Upsert:
    """A row that is to be in a table: its columns, in the order of the values."""

    table: str  # quoted
    columns: Sequence[Column]
    key: Sequence[str]
    version: str | None  # the column that bears it, one of `columns`


class Dialect(Protocol):
    """How a database writes statements."""

    def quote(self, name: str) -> str:
        """A name as an identifier, whatever stands in it."""

    def place(self, number: int) -> str:
        """The placeholder of the value with this number; 1 is the first."""

    def beyond(self, columns: Sequence[str], values: Sequence[Value], places: Places) -> str:
        """That the quoted columns, compared from the left, are greater than the values: so that an index serves it."""

    def instant(self, moment: datetime) -> str:
        """A time with zone as text."""

    @property
    def now(self) -> str:
        """What selects the time of its clock, as `timestamp`."""

    def upsert(self, row: Upsert) -> str:
        """The statement that inserts the row or updates it, touching no row where all stands so already or the version
        there is newer."""

    def no_newer(self, version: str, place: str) -> str:
        """That the version in a column of this name is no newer than the value at a placeholder, or is unknown."""

    def only_one(self, table: str, where: str) -> str:
        """What ends a statement that changes or deletes the row of a quoted table of which `where` holds: several rows are
        left alone where a unique index does not rule them out. Placeholders may be repeated in it."""

    def check_key(self, database: Database, path: Sequence[str], key: Sequence[str]) -> None:
        """Raise NotConfigured where rows of one key could become two."""


def numbered(place: Callable[[int], str], count: int, first: int = 1) -> list[str]:
    """So many placeholders."""
    return [place(number) for number in range(first, first + count)]
