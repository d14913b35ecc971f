"""What becomes of a row that is gone at its source: it is removed, or marked, by the key that it was written with, or left."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from hub.connector import Column, Database, Effect, Value, Written
from hub.errors import NotConfigured
from hub.events import Event
from hub.sql.cells import stored
from hub.sql.dialect import Dialect
from hub.sql.settings import FlowSettings

KEYS = ("integer", "decimal", "text")  # types of columns whose values are the same as their text
NOT_GONE = {"boolean": " IS FALSE", "integer": " = 0"}  # what columns of yes and no say beside null
MARKS = ("timestamp", "local", "text", *NOT_GONE)  # types of columns that can say that a row is gone
NEVER_WRITTEN = "this flow has written no row of this entity; if there is one, remove it by hand"


class RowDeletion:
    """Removes or marks one row of a table, and never more than one."""

    def __init__(
        self,
        settings: FlowSettings,
        table: str,  # quoted
        columns: Mapping[str, Column],
        database: Database,
        dialect: Dialect,
    ) -> None:
        self._settings, self._table, self._columns = settings, table, columns
        self._database, self._dialect = database, dialect

    def apply(self, event: Event, known_name: str) -> Written:
        """Safe to repeat. Only the row that this entity was written to is touched, and none that is newer."""
        if self._settings.on_delete == "ignore":
            what = "the flow's settings do not say what becomes of deleted rows"
            raise NotConfigured(f"{what}: state on_delete, then replay")
        if not known_name:
            return Written(Effect.IGNORED, rule=NEVER_WRITTEN)
        keys = self._keys(known_name)
        touched = self._database.write(*self._statement(event, keys))
        effect = Effect.APPLIED if touched else self._why_not(keys, event.entity_version)
        return Written(effect, ".".join(self._settings.path), known_name)

    def _statement(self, event: Event, keys: Sequence[str]) -> tuple[str, list[Value]]:
        """The statement, and its values in the order of their places in it."""
        mark, version = self._settings.deleted_column, self._settings.version
        values: list[Value] = []
        conditions = []
        begin = f"DELETE FROM {self._table}"  # noqa: S608 - quoted
        if mark:
            column = self._column(mark, MARKS, "can bear no mark; take a column of a time, text or boolean type")
            name = self._dialect.quote(mark)
            begin = f"UPDATE {self._table} SET {name} = {self._place(self._mark(event, column), values)}"  # noqa: S608 - quoted
            no = NOT_GONE.get(column.kind)
            conditions = [f"({name} IS NULL OR {name}{no})" if no else f"{name} IS NULL"]
        where = self._where(keys, values)
        if version and event.entity_version:
            conditions.append(self._dialect.no_newer(version, self._place(event.entity_version, values)))
        return f"{begin} WHERE {' AND '.join([where, *conditions])}{self._dialect.only_one(self._table, where)}", values

    def _place(self, value: Value, values: list[Value]) -> str:
        values.append(value)
        return self._dialect.place(len(values))

    def _mark(self, event: Event, column: Column) -> Value:
        """When it was deleted, as far as the source tells, else when the hub heard of it."""
        if column.kind in NOT_GONE:
            return True if column.kind == "boolean" else 1
        moment: datetime = event.time or event.received_at
        return stored(moment.isoformat(), column, ZoneInfo(self._settings.time_zone), self._dialect.instant)

    def _keys(self, name: str) -> list[str]:
        """The key by which the row was written, as TableDestination names it."""
        key = self._settings.key
        parts = [name] if len(key) == 1 else name.split(":")
        if len(parts) != len(key):
            raise NotConfigured(f"a part of the row's key bears a colon, so that {', '.join(key)} cannot be told apart")
        for each in key:
            self._column(
                each, KEYS, "is a key by which no row is deleted; take one of an integer, decimal or text type"
            )
        return parts

    def _where(self, keys: Sequence[str], values: list[Value]) -> str:
        quoted = map(self._dialect.quote, self._settings.key)
        return " AND ".join(f"{name} = {self._place(key, values)}" for name, key in zip(quoted, keys, strict=True))

    def _column(self, name: str, kinds: tuple[str, ...], otherwise: str) -> Column:
        column = self._columns.get(name)
        if column is None or column.kind not in kinds:
            table = ".".join(self._settings.path)
            raise NotConfigured(f"{table} has no column {name!r}" if column is None else f"{table}.{name} {otherwise}")
        return column

    def _why_not(self, keys: Sequence[str], version: str) -> Effect:
        """Why no row was touched: it is gone or marked already, or it is newer."""
        values: list[Value] = []
        told = self._dialect.quote(self._settings.version) if self._settings.version else "NULL"
        where = self._where(keys, values)
        found = self._database.select(f"SELECT {told} FROM {self._table} WHERE {where}", values)  # noqa: S608 - all quoted
        if len(found.rows) > 1:
            key = ", ".join(self._settings.key)
            raise NotConfigured(f"several rows have this key; make a unique index over {key}, or state another key")
        there = found.rows[0][0] if found.rows else None
        return Effect.STALE if version and isinstance(there, str) and there > version else Effect.UNCHANGED
