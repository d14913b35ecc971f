"""PostgreSQL: one statement per transaction, cells as the server writes them."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from adapters.databases import CONNECT_SECONDS, VERIFIED, Address, Connections
from hub.connector import Column, Kind, Selected, Value
from hub.errors import Category, HubError, Refused, Severity, Temporary, Unavailable

if TYPE_CHECKING:
    import psycopg

PORT = 5432
# pg_type.oid; a type that is not here is text, as the server writes it
KINDS: dict[int, Kind] = {
    16: "boolean",
    17: "bytes",
    20: "integer",
    21: "integer",
    23: "integer",
    26: "integer",
    114: "json",
    700: "float",
    701: "float",
    1082: "date",
    1114: "local",
    1184: "timestamp",
    1700: "decimal",
    3802: "json",
}
# Within the transaction, not the session: a pooler lends the session to others
BEGIN = (
    "BEGIN {mode}; SET LOCAL statement_timeout = {milliseconds:d}; SET LOCAL TimeZone = 'UTC'; "
    "SET LOCAL DateStyle = 'ISO'; SET LOCAL bytea_output = 'hex'; SET LOCAL extra_float_digits = 1; "
    "SET LOCAL client_encoding = 'UTF8'"
)
AGAIN = ("40", "55P03", "57014", "25P02", "0A000")  # SQLSTATEs, by their beginnings: time heals them
DOWN = ("08", "53", "57", "58", "XX", "25006")  # a server in recovery is read-only
DENIED = ("28", "42501")
NAMED = ("42", "23", "0A")  # their words name tables and columns, not values

Answer = TypeVar("Answer")


def client(address: Address, statement_seconds: float) -> "PostgreSqlDatabase":
    """The database at an address; nothing connects yet."""
    return PostgreSqlDatabase(address, statement_seconds)


class PostgreSqlDatabase:
    """A Database."""

    def __init__(self, address: Address, statement_seconds: float) -> None:
        self._address = address
        self._milliseconds = int(statement_seconds * 1000)
        self._connections = Connections(self._connect)

    def select(self, sql: str, values: Sequence[Value] = ()) -> Selected:
        """As Database."""

        def read(cursor: "psycopg.RawCursor[Any]") -> Selected:
            cursor.execute(sql.encode(), _texts(values))
            columns = [Column(each.name, KINDS.get(each.type_code, "text")) for each in cursor.description or ()]
            return Selected(columns, cursor.fetchall())

        return self._within("READ ONLY", read)

    def write(self, sql: str, values: Sequence[Value]) -> int:
        """As Database."""

        def touch(cursor: "psycopg.RawCursor[Any]") -> int:
            cursor.execute(sql.encode(), _texts(values))
            return cursor.rowcount

        return self._within("READ WRITE", touch)

    def _within(self, mode: str, work: "Callable[[psycopg.RawCursor[Any]], Answer]") -> Answer:
        import psycopg

        while True:
            connection, was_kept = self._connections.take()
            try:
                with psycopg.RawCursor(connection) as cursor:
                    cursor.execute(BEGIN.format(mode=mode, milliseconds=self._milliseconds).encode())
                    answer = work(cursor)
                    cursor.execute(b"COMMIT")
            except psycopg.Error as error:
                lost = connection.broken or connection.closed
                self._connections.drop(connection)
                if not (lost and was_kept):
                    raise self._meaning(error) from error
            else:
                self._connections.put(connection)
                return answer

    def _connect(self) -> "psycopg.Connection[Any]":
        import psycopg
        from psycopg.types.string import TextLoader

        address = self._address
        authorities = address.authorities() if address.tls in VERIFIED else None
        try:
            connection = psycopg.connect(
                host=address.host,
                port=address.port or PORT,
                dbname=address.name,
                user=address.signed("username"),
                password=address.signed("password", ""),
                sslmode=address.tls,
                connect_timeout=CONNECT_SECONDS,
                client_encoding="UTF8",
                application_name="erp-integration-hub",
                autocommit=True,
                prepare_threshold=None,  # a pooler may send the next statement elsewhere
                sslrootcert=authorities,
            )
        except psycopg.Error as error:
            raise self._meaning(error) from error
        for known in connection.adapters.types:
            for oid in filter(None, (known.oid, known.array_oid)):
                connection.adapters.register_loader(oid, TextLoader)
        return connection

    def _meaning(self, error: "psycopg.Error") -> HubError:
        """What to do next. The words of the server may hold values, so only those are told that name things."""
        import psycopg

        state = error.sqlstate or ""
        said = f"PostgreSQL at {self._address.host}: {type(error).__name__} {state}".rstrip()
        if state.startswith(NAMED) and error.diag.message_primary:
            said += f": {error.diag.message_primary}"
        if state.startswith(DENIED) or "password authentication failed" in str(error):
            self._address.forget()
            what = f"{said}; the database refuses the hub's user"
            return Unavailable(what, category=Category.AUTHENTICATION_FAILED, severity=Severity.CRITICAL)
        if state.startswith("57014"):
            return Temporary(f"{said}: the statement took too long; is there an index?", category=Category.TIMEOUT)
        if state.startswith(AGAIN):
            return Temporary(said)
        if state.startswith(DOWN) or (not state and isinstance(error, psycopg.OperationalError)):
            return Unavailable(said)
        return Refused(said)


def _texts(values: Sequence[Value]) -> list[str | bytes | None]:
    """As texts, of which the server makes what their columns are."""
    return [value if isinstance(value, str | bytes) or value is None else str(value) for value in values]
