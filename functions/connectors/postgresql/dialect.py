"""How PostgreSQL writes what tables need."""

from collections.abc import Sequence
from datetime import UTC, datetime

from hub.connector import Database, Value
from hub.sql.dialect import Places, Upsert, numbered


class PostgreSql:
    """PostgreSQL 9.5 and newer."""

    now = "SELECT clock_timestamp()"

    def quote(self, name: str) -> str:
        """A name between double quotes, which are doubled within it: nothing in it ends the identifier."""
        return '"' + name.replace('"', '""') + '"'

    def place(self, number: int) -> str:
        """$1 is the first."""
        return f"${number}"

    def beyond(self, columns: Sequence[str], values: Sequence[Value], places: Places) -> str:
        """A comparison of rows, which an index over these columns serves."""
        return f"({', '.join(columns)}) > ({', '.join(places(values))})"

    def instant(self, moment: datetime) -> str:
        """In UTC, with its offset."""
        return moment.astimezone(UTC).isoformat(sep=" ")

    def upsert(self, row: Upsert) -> str:
        """ON CONFLICT, touching no row that stands as wanted or is newer."""
        names = [column.name for column in row.columns]
        changed = [column for column in row.columns if column.name not in row.key]
        sql = (
            f"INSERT INTO {row.table} AS there ({', '.join(map(self.quote, names))}) "  # noqa: S608 - all quoted
            f"VALUES ({', '.join(numbered(self.place, len(names)))}) ON CONFLICT ({', '.join(map(self.quote, row.key))}) "
        )
        if not changed:
            return sql + "DO NOTHING"
        text = {column.name: "::text" if column.kind == "json" else "" for column in changed}  # json has no equality
        sets = ", ".join(f"{self.quote(name)} = EXCLUDED.{self.quote(name)}" for name in text)
        there = ", ".join(f"there.{self.quote(name)}{cast}" for name, cast in text.items())
        wanted = ", ".join(f"EXCLUDED.{self.quote(name)}{cast}" for name, cast in text.items())
        sql += f"DO UPDATE SET {sets} WHERE ROW({there}) IS DISTINCT FROM ROW({wanted})"
        if row.version:
            version = self.quote(row.version)
            older = f'there.{version} COLLATE "C" <= EXCLUDED.{version} COLLATE "C"'
            sql += f" AND (there.{version} IS NULL OR {older})"
        return sql

    def no_newer(self, version: str, place: str) -> str:
        """Compared by code points, whatever the column's collation."""
        name = self.quote(version)
        return f'({name} IS NULL OR {name} COLLATE "C" <= {place} COLLATE "C")'

    def only_one(self, table: str, where: str) -> str:
        """Nothing has checked the key's index before, as an upsert does by itself."""
        return f" AND (SELECT count(*) FROM {table} WHERE {where}) = 1"  # noqa: S608 - quoted

    def check_key(self, database: Database, path: Sequence[str], key: Sequence[str]) -> None:
        """ON CONFLICT itself demands a unique index over exactly these columns."""
