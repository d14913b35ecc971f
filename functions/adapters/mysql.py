"""MySQL and MariaDB: one statement per transaction, cells as the server writes them."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from adapters.databases import CONNECT_SECONDS, Address, Connections
from hub.connector import Column, Kind, Selected, Value
from hub.errors import Category, HubError, Refused, Severity, Temporary, Unavailable

if TYPE_CHECKING:
    import pymysql
    from pymysql.cursors import Cursor

PORT = 3306
BINARY = 63  # the character set of what is no text
# column types of the protocol; one that is not here is text or bytes, by its character set
KINDS: dict[int, Kind] = {
    0: "decimal",
    1: "integer",
    2: "integer",
    3: "integer",
    4: "float",
    5: "float",
    7: "timestamp",
    8: "integer",
    9: "integer",
    10: "date",
    11: "text",
    12: "local",
    13: "integer",
    16: "bytes",
    245: "json",
    246: "decimal",
}
AGAIN = {1205, 1213, 1969, 3024}  # lock wait, deadlock, statement took too long (MariaDB, MySQL)
DENIED = {1044, 1045, 1142, 1143, 1227, 1698}
DOWN = {1040, 1053, 1203, 1226, 1290, 1836, 2002, 2003, 2006, 2013, 2055}
NAMED = {1049, 1054, 1146, 1064, 1364, 1048}  # their words name tables and columns, not values
LOST = {2006, 2013, 2055, 1053, 0}

Answer = TypeVar("Answer")


def client(address: Address, statement_seconds: float) -> "MySqlDatabase":
    """The database at an address; nothing connects yet."""
    return MySqlDatabase(address, statement_seconds)


class MySqlDatabase:
    """A Database."""

    def __init__(self, address: Address, statement_seconds: float) -> None:
        self._address = address
        self._seconds = statement_seconds
        self._connections = Connections(self._connect)

    def select(self, sql: str, values: Sequence[Value] = ()) -> Selected:
        """As Database."""

        def read(cursor: "Cursor") -> Selected:
            cursor.execute(sql, tuple(values))
            fields = cursor._result.fields  # the only place that tells text from bytes
            return Selected([_column(field) for field in fields], cursor.fetchall())

        return self._within("READ ONLY", read)

    def write(self, sql: str, values: Sequence[Value]) -> int:
        """As Database."""
        return self._within("READ WRITE", lambda cursor: int(cursor.execute(sql, tuple(values))))

    def _within(self, mode: str, work: "Callable[[Cursor], Answer]") -> Answer:
        import pymysql

        while True:
            connection, was_kept = self._connections.take()
            try:
                with connection.cursor() as cursor:
                    cursor.execute(f"START TRANSACTION {mode}")
                    answer = work(cursor)
                    connection.commit()
            except (pymysql.Error, OSError) as error:
                self._connections.drop(connection)
                if not (was_kept and _number(error) in LOST):
                    raise self._meaning(error) from error
            else:
                self._connections.put(connection)
                return answer

    def _connect(self) -> "pymysql.Connection[Any]":
        import pymysql
        from pymysql.converters import encoders

        address = self._address
        try:
            connection: pymysql.Connection[Any] = pymysql.connect(
                host=address.host,
                port=address.port or PORT,
                database=address.name,
                user=address.signed("username"),
                password=address.signed("password", ""),
                ssl=address.context(),
                connect_timeout=CONNECT_SECONDS,
                read_timeout=int(self._seconds) + CONNECT_SECONDS,
                write_timeout=int(self._seconds) + CONNECT_SECONDS,
                charset="utf8mb4",
                conv=encoders,  # nothing is decoded
                autocommit=True,
                local_infile=False,
            )
            with connection.cursor() as cursor:
                cursor.execute("SET time_zone = '+00:00'")
                self._limit(cursor)
        except (pymysql.Error, OSError) as error:
            raise self._meaning(error) from error
        return connection

    def _limit(self, cursor: "Cursor") -> None:
        """A statement's time: the two call it differently."""
        is_mariadb = "mariadb" in str(cursor.connection.get_server_info()).lower()
        if is_mariadb:
            cursor.execute("SET max_statement_time = %s", (self._seconds,))
        else:
            cursor.execute("SET max_execution_time = %s", (int(self._seconds * 1000),))

    def _meaning(self, error: Exception) -> HubError:
        """What to do next. The words of the server may hold values, so only those are told that name things."""
        import pymysql

        number = _number(error)
        said = f"MySQL at {self._address.host}: {type(error).__name__} {number}"
        if number in NAMED:
            said += f": {error.args[1]}"
        if number in DENIED:
            self._address.forget()
            what = f"{said}; the database refuses the hub's user"
            return Unavailable(what, category=Category.AUTHENTICATION_FAILED, severity=Severity.CRITICAL)
        if number in AGAIN:
            slow = number in {1969, 3024}
            told = f"{said}: the statement took too long; is there an index?" if slow else said
            return Temporary(told, category=Category.TIMEOUT if slow else Category.SERVER_ERROR)
        if number in DOWN | LOST or isinstance(error, OSError | pymysql.InterfaceError):
            return Unavailable(said)
        return Refused(said)


def _column(field: Any) -> Column:
    text: Kind = "bytes" if field.charsetnr == BINARY else "text"
    return Column(field.name, KINDS.get(field.type_code, text))


def _number(error: Exception) -> int:
    number = error.args[0] if error.args else 0
    return number if isinstance(number, int) else 0
