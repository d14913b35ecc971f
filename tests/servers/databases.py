"""A PostgreSQL, a MariaDB, and what the suites ask of either beside the hub."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pymysql

from adapters.databases import client_at
from connectors import connector_module
from hub.connector import Database, Reach
from hub.streams import Listing, Stream
from tests.fakes import NOW
from tests.servers.process import Account, binary, folder_of, free_port, running

USER, PASSWORD, DATABASE = "hub", "made up: it's \\ safe", "shop"
SECRETS = {"username": USER, "password": PASSWORD}


@dataclass
class Server:
    """A running database server."""

    connector: str
    port: int
    administer: Callable[[], Any]  # a connection of another session, with autocommit
    opened: list[Any] = field(default_factory=list)
    host: str = "127.0.0.1"
    _own: Any = None

    @property
    def url(self) -> str:
        return f"{self.connector}://{self.host}:{self.port}/{DATABASE}"

    def client(self, secrets: dict[str, str] | None = None, statement_seconds: float = 60.0) -> Database:
        """The hub's own client."""
        stored = SECRETS if secrets is None else secrets
        client: Database = client_at(
            self.url, lambda name: (stored[name],) if name in stored else (), lambda: None, statement_seconds
        )
        return client

    def session(self, *, autocommit: bool = True) -> Any:
        """Another session than the hub's."""
        connection = self.administer()
        if self.connector == "mysql":
            connection.autocommit(autocommit)
        else:
            connection.autocommit = autocommit
        self.opened.append(connection)
        return connection

    def do(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a statement in a session that only this uses."""
        self._own = self._own or self.administer()
        with self._own.cursor() as cursor:
            cursor.execute(sql, tuple(values) or None)
            return list(cursor.fetchall()) if cursor.description else []

    def quote(self, name: str) -> str:
        """As the suites write it, not as the hub does."""
        mark = "`" if self.connector == "mysql" else '"'
        return mark + name.replace(mark, mark * 2) + mark

    def listing(self, stream: Stream, settings: dict[str, Any]) -> Listing:
        """The connector's, with a connection of its own."""
        client = self.client()
        reach = Reach(self.url, lambda _: (), lambda _: _no_http(), lambda: NOW, lambda _: None, lambda: client)
        found: Listing = connector_module(self.connector).listing(stream, settings, reach)
        return found


def _no_http() -> Any:
    raise AssertionError("a database is not reached by HTTP")


@contextmanager
def postgresql(keys: Path | None = None) -> Iterator[Server]:
    """A PostgreSQL with an empty database; with TLS, where `keys` holds key.pem and ca.pem."""
    server = binary("/usr/lib/postgresql/*/bin/postgres", "postgres")
    initdb = binary("/usr/lib/postgresql/*/bin/initdb", "initdb")
    account, port = Account.ordinary(), free_port()
    with folder_of(account) as folder:
        account.run(initdb, "-D", str(folder / "db"), "-U", "owner", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8")
        rules = folder / "db" / "pg_hba.conf"
        rules.write_text("host all owner 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n")
        command = [server, "-D", str(folder / "db"), "-p", str(port), "-k", str(folder), "-h", "127.0.0.1"]
        command += ["-c", "fsync=off", "-c", "timezone=America/New_York"]
        command += ["-c", "max_connections=400"]  # each test has clients of its own, which keep theirs
        if keys:
            files = ("-c", f"ssl_cert_file={keys / 'ca.pem'}", "-c", f"ssl_key_file={keys / 'key.pem'}")
            command += ["-c", "ssl=on", *files]

        def owner(database: str = DATABASE) -> Any:
            return psycopg.connect(host="127.0.0.1", port=port, user="owner", dbname=database, autocommit=True)

        def serves() -> bool:
            try:
                owner("postgres").close()
            except psycopg.OperationalError:
                return False
            return True

        with running(command, account, folder, serves):
            with owner("postgres") as connection:
                quoted = PASSWORD.replace("'", "''")
                connection.execute(f"CREATE ROLE {USER} LOGIN PASSWORD E'{quoted.replace(chr(92), chr(92) * 2)}'")
                connection.execute(f"CREATE DATABASE {DATABASE} OWNER {USER}")
            with owner() as connection:
                connection.execute(f"ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO {USER}")
            yield Server("postgresql", port, owner)


@contextmanager
def mariadb(keys: Path | None = None) -> Iterator[Server]:
    """A MariaDB with an empty database; with TLS, where `keys` holds key.pem and ca.pem."""
    server = binary("mariadbd", "/usr/sbin/mariadbd", "mysqld", "/usr/sbin/mysqld")
    install = binary("mariadb-install-db", "mysql_install_db")
    account, port = Account.ordinary(), free_port()
    with folder_of(account) as folder:
        data = f"--datadir={folder / 'db'}"
        account.run(install, "--no-defaults", data, "--auth-root-authentication-method=normal", "--skip-test-db")
        command = [server, "--no-defaults", data, f"--port={port}", "--bind-address=127.0.0.1"]
        command += [f"--socket={folder / 'socket'}", "--innodb-flush-log-at-trx-commit=0", "--skip-log-bin"]
        command += ["--default-time-zone=-05:00", "--character-set-server=utf8mb4", f"--pid-file={folder / 'pid'}"]
        command += [f"--tmpdir={folder}", "--skip-name-resolve"]
        if keys:
            command += [f"--ssl-cert={keys / 'ca.pem'}", f"--ssl-key={keys / 'key.pem'}"]

        def owner(database: str | None = DATABASE) -> Any:
            return pymysql.connect(
                host="127.0.0.1", port=port, user="root", database=database, autocommit=True, charset="utf8mb4"
            )

        def serves() -> bool:
            try:
                owner(None).close()
            except pymysql.OperationalError:
                return False
            return True

        with running(command, account, folder, serves):
            connection = owner(None)
            with connection.cursor() as cursor:
                cursor.execute(f"CREATE DATABASE {DATABASE} CHARACTER SET utf8mb4")
                cursor.execute(f"CREATE USER {USER}@'%%' IDENTIFIED BY %s", (PASSWORD,))
                cursor.execute(f"GRANT ALL ON *.* TO {USER}@'%'")
            connection.close()
            yield Server("mysql", port, owner)


SERVERS = {"postgresql": postgresql, "mysql": mariadb}
