"""A table as a destination: each row is inserted or updated by its key, and an older version changes nothing."""

from collections.abc import Callable, Sequence
from zoneinfo import ZoneInfo

from hub.connector import Column, Database, Effect, Value, Written
from hub.errors import NotConfigured, Refused
from hub.events import Event
from hub.records import Deletion, Record, TableRow
from hub.sql.cells import stored
from hub.sql.delete import RowDeletion
from hub.sql.dialect import Dialect, Upsert, numbered
from hub.sql.settings import FlowSettings


class TableDestination:
    """Writes rows into one table."""

    def __init__(self, settings: FlowSettings, database: Database, dialect: Dialect) -> None:
        self._settings, self._database, self._dialect = settings, database, dialect
        self._table = ".".join(dialect.quote(name) for name in settings.path)
        self._columns: dict[str, Column] = {}

    def apply(self, action: str, record: Record, event: Event, known_name: str) -> Written:
        """Insert or update the row, or delete it as the settings say; repeating it is safe."""
        if action == "delete_row" and isinstance(record, Deletion):
            deletion = RowDeletion(self._settings, self._table, self._known(), self._database, self._dialect)
            return deletion.apply(event, known_name)
        if action != "upsert_row" or not isinstance(record, TableRow):
            raise NotConfigured(f"action {action} does not take a record of kind {record.kind}; see the flow's actions")
        wanted = self._wanted(record, event)
        row = Upsert(self._table, [column for column, _ in wanted], self._settings.key, self._settings.version)
        touched = self._database.write(self._dialect.upsert(row), [value for _, value in wanted])
        name = ":".join(str(value) for column, value in wanted if column.name in row.key)
        told = {"doctype": ".".join(self._settings.path), "name": name if name.isprintable() else record.key}
        return Written(Effect.APPLIED if touched else self._why_not(wanted, event.entity_version), **told)

    def _wanted(self, record: TableRow, event: Event) -> list[tuple[Column, Value]]:
        settings, columns = self._settings, self._known()
        fields = {field: settings.columns.get(field, "") for field in record.fields}
        by_column = {
            column or field: record.fields[field]
            for field, column in fields.items()
            if column or not settings.columns  # where columns are stated, other fields are left out
        }
        if len(settings.key) == 1:
            by_column.setdefault(settings.key[0], record.key)
        if settings.version:
            by_column[settings.version] = event.entity_version or None
        if settings.deleted_column:
            by_column[settings.deleted_column] = None  # a row that comes back is there again
        where = ".".join(settings.path)
        if unknown := [name for name in by_column if name not in columns]:
            what = f"{where} has no column {unknown[0]!r}"
            raise NotConfigured(f"{what}; add it, or state which fields are written (settings: columns), and replay")
        if missing := [name for name in settings.key if by_column.get(name) in (None, "")]:
            raise NotConfigured(f"the row has nothing for {missing[0]!r}, a key of {where}; see the settings' columns")
        zone, instant = ZoneInfo(settings.time_zone), self._dialect.instant
        return [(columns[name], stored(value, columns[name], zone, instant)) for name, value in by_column.items()]

    def _known(self) -> dict[str, Column]:
        if not self._columns:
            self._dialect.check_key(self._database, self._settings.path, self._settings.key)
            found = self._database.select(f"SELECT * FROM {self._table} WHERE 1 = 0")  # noqa: S608 - quoted
            self._columns = {column.name: column for column in found.columns}
            if self._settings.version and self._columns[self._settings.version].kind != "text":
                raise NotConfigured(f"the version column {self._settings.version!r} must be of a text type")
        return self._columns

    def _why_not(self, wanted: Sequence[tuple[Column, Value]], version: str) -> Effect:
        """Why no row was touched: it stands as wanted, or it is newer."""
        quote: Callable[[str], str] = self._dialect.quote
        keys = {column.name: value for column, value in wanted if column.name in self._settings.key}
        places = numbered(self._dialect.place, len(keys))
        told = quote(self._settings.version) if self._settings.version else "NULL"
        where = " AND ".join(f"{quote(name)} = {place}" for name, place in zip(keys, places, strict=True))
        sql = f"SELECT {told} FROM {self._table} WHERE {where}"  # noqa: S608 - quoted
        found = self._database.select(sql, list(keys.values()))
        if not found.rows:
            raise Refused("another row of the table has a value that must be unique; mend one of the two, then replay")
        there = found.rows[0][0]
        return Effect.STALE if isinstance(there, str) and there > version else Effect.UNCHANGED
