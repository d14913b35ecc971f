"""How fast tables are pulled, as a share of a loop that pages through the same rows and discards them: on real servers of this
machine, each measurement in a process of its own. `python -m benchmarks.sync_databases [rows]`."""

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import psycopg
import pymysql

from adapters.databases import client_at
from connectors import connector_module
from hub.connector import Reach
from hub.pull import pull
from hub.runs import State
from hub.streams import Stream
from tests.servers.databases import DATABASE, PASSWORD, SECRETS, SERVERS, USER, Server

ROWS = 200_000
PAGE = 1000
RUNS = 3
AIM = 0.2  # docs/decisions.md says what holds it down where the driver is written in C


def fill(server: Server, rows: int) -> None:
    """A table as shops have it, in which a hundred rows each bear the same time."""
    time_type, numbers, text = {
        "postgresql": ("timestamptz", f"generate_series(1, {rows}) AS g(seq)", "md5(seq::text)"),
        "mysql": ("timestamp(6) NULL", f"seq_1_to_{rows}", "md5(seq)"),
    }[server.connector]
    server.do(
        f"CREATE TABLE orders (id bigint PRIMARY KEY, updated_at {time_type}, number varchar(40), total decimal(12,2), "
        "email varchar(80), note text)"
    )
    moment = {
        "postgresql": "timestamptz '2026-01-01' + (seq / 100) * interval '1 second'",
        "mysql": "TIMESTAMP('2026-01-01') + INTERVAL (seq DIV 100) SECOND",
    }[server.connector]
    server.do(
        f"INSERT INTO orders SELECT seq, {moment}, {text}, seq / 7.0, {text}, "  # noqa: S608 - constants
        f"{'repeat' if server.connector == 'postgresql' else 'REPEAT'}({text}, 3) FROM {numbers}"
    )
    server.do("CREATE INDEX changed ON orders (updated_at, id)")


def plain(connector: str, port: int) -> int:
    """Page through the table with the driver alone, and discard."""
    connect: Callable[..., Any] = {"postgresql": psycopg.connect, "mysql": pymysql.connect}[connector]
    name = "dbname" if connector == "postgresql" else "database"
    connection = connect(host="127.0.0.1", port=port, user=USER, password=PASSWORD, **{name: DATABASE})
    rows, last, where = 0, None, ""
    values: tuple[Any, ...] = ()
    with connection.cursor() as cursor:
        while True:
            if last:
                where = "WHERE updated_at >= %s AND (updated_at > %s OR (updated_at = %s AND id > %s)) "
                values = (last[1], last[1], last[1], last[0])
            cursor.execute(f"SELECT * FROM orders {where}ORDER BY updated_at, id LIMIT {PAGE}", values)  # noqa: S608
            page = cursor.fetchall()
            rows += len(page)
            if len(page) < PAGE:
                return rows
            last = page[-1]


def pulled(connector: str, port: int) -> int:
    """Pull it as the sync function does, and discard the events."""
    url = f"{connector}://127.0.0.1:{port}/{DATABASE}"
    client = client_at(url, lambda each: (SECRETS[each],) if each in SECRETS else (), lambda: None)
    now = lambda: datetime.now(UTC)  # noqa: E731 - a name for it
    reach = Reach(url, lambda _: (), lambda _: client, now, time.sleep, lambda: client)
    stream = Stream("shop", connector, "orders", "order", ordered=True)
    settings = {"table": "orders", "cursor": "updated_at", "size": PAGE}
    done = pull(
        stream,
        connector_module(connector).listing(stream, settings, reach),
        State(),
        keep=lambda state: state,
        queue=lambda _: None,
        now=now,
        sleep=time.sleep,
        out_of_time=lambda: False,
    )
    return done.run.queued


def measure(what: str, connector: str, port: int) -> dict[str, float]:
    """Run one of the two in fresh processes, and take the fastest: rows per second, and its peak resident memory. What else
    the machine does makes the others slower."""
    command = [sys.executable, "-m", "benchmarks.sync_databases", what, connector, str(port)]
    runs: list[dict[str, float]] = [
        json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout) for _ in range(RUNS)
    ]
    return max(runs, key=lambda run: run["per_second"])


def main(rows: int) -> None:
    """Print a line per server."""
    for connector, start in SERVERS.items():
        with start() as server:
            fill(server, rows)
            loop, hub = measure("plain", connector, server.port), measure("pulled", connector, server.port)
        assert loop["rows"] == hub["rows"] == rows, "not all rows were read"
        share = hub["per_second"] / loop["per_second"]
        print(
            f"{connector}: {rows:,} rows; hub {hub['per_second']:,.0f} rows/s, {hub['mb']:.0f} MB at its peak; loop that "
            f"discards {loop['per_second']:,.0f} rows/s, {loop['mb']:.0f} MB; share {share:.2f} (aim {AIM})"
        )


if __name__ == "__main__":
    if sys.argv[1:2] in (["plain"], ["pulled"]):
        work = {"plain": plain, "pulled": pulled}[sys.argv[1]]
        began = time.perf_counter()
        count = work(sys.argv[2], int(sys.argv[3]))
        seconds = time.perf_counter() - began
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"rows": count, "per_second": count / seconds, "mb": peak}))
    else:
        main(int(sys.argv[1]) if sys.argv[1:] else ROWS)
