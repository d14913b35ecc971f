"""How MySQL and MariaDB write what tables need."""

from collections.abc import Sequence
from datetime import UTC, datetime

from hub.connector import Database, Value
from hub.errors import NotConfigured
from hub.sql.dialect import Places, Upsert, numbered


class MySql:
    """MySQL 5.7, MariaDB 10.2 and newer."""

    now = "SELECT UTC_TIMESTAMP(6)"

    def quote(self, name: str) -> str:
        """A name between backticks, which are doubled within it; so is %, which begins a placeholder."""
        return "`" + name.replace("`", "``").replace("%", "%%") + "`"

    def place(self, number: int) -> str:  # noqa: ARG002 - Dialect's: they are counted by themselves
        """The driver's own mark."""
        return "%s"

    def beyond(self, columns: Sequence[str], values: Sequence[Value], places: Places) -> str:
        """Alternatives from the left: an index serves them, as it would not serve a comparison of rows."""
        alternatives = []
        for number, column in enumerate(columns):
            same = [f"{each} = {places([value])[0]}" for each, value in zip(columns[:number], values, strict=False)]
            alternatives.append(" AND ".join([*same, f"{column} > {places([values[number]])[0]}"]))
        return "((" + ") OR (".join(alternatives) + "))"

    def instant(self, moment: datetime) -> str:
        """In UTC, the session's zone, without its offset: not all versions read one."""
        return moment.astimezone(UTC).replace(tzinfo=None).isoformat(sep=" ")

    def upsert(self, row: Upsert) -> str:
        """ON DUPLICATE KEY UPDATE, which sees a clash in any unique index: a row of another key is left as it is."""
        names = [column.name for column in row.columns]
        quoted = {name: self.quote(name) for name in names}
        conditions = [f"{quoted[name]} = VALUES({quoted[name]})" for name in row.key]
        if row.version:
            version = quoted[row.version]
            conditions.append(f"({version} IS NULL OR BINARY {version} <= BINARY VALUES({version}))")
        changed = sorted((name for name in names if name not in row.key), key=lambda name: name == row.version)
        sets = [
            f"{quoted[name]} = IF({' AND '.join(conditions)}, VALUES({quoted[name]}), {quoted[name]})"
            for name in changed or row.key[:1]
        ]
        return (
            f"INSERT INTO {row.table} ({', '.join(quoted.values())}) "  # noqa: S608 - all quoted
            f"VALUES ({', '.join(numbered(self.place, len(names)))}) ON DUPLICATE KEY UPDATE {', '.join(sets)}"
        )

    def no_newer(self, version: str, place: str) -> str:
        """Compared by bytes, whatever the column's collation."""
        name = self.quote(version)
        return f"({name} IS NULL OR BINARY {name} <= BINARY {place})"

    def only_one(self, table: str, where: str) -> str:  # noqa: ARG002 - the unique index was looked for (check_key)
        """One row at most, even so."""
        return " LIMIT 1"

    def check_key(self, database: Database, path: Sequence[str], key: Sequence[str]) -> None:
        """Raise NotConfigured unless a unique index has exactly these columns: without one each write would be a row."""
        schema = "DATABASE()" if len(path) == 1 else "%s"
        found = database.select(
            "SELECT index_name, column_name FROM information_schema.statistics "  # noqa: S608 - no name is in it
            f"WHERE non_unique = 0 AND sub_part IS NULL AND table_name = %s AND table_schema = {schema}",
            [path[-1], *path[:-1]],
        )
        indices: dict[str, set[str]] = {}
        for index, column in found.rows:
            indices.setdefault(str(index), set()).add(str(column))
        if set(key) not in indices.values():
            what = f"{'.'.join(path)} has no unique index over exactly {', '.join(key)}"
            raise NotConfigured(f"{what}; make one, or state another key")
