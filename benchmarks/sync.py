"""What reading costs, source by source, beside a loop that reads the same with the same library and throws it away:
`python -m benchmarks.sync [--sources rest,csv,…] [--rows N] [--turns N] [--json FILE]`.

Each measurement runs in a process of its own, the two sides in turns, so that what else the machine does meets both. The
hub's side has everything but AWS: rows become events with ids and versions, are held against what was queued before, and are
counted. `ratio` is the plain loop's time over the hub's; by processor time it leaves out servers and waiting.
"""

import argparse
import csv
import json
import multiprocessing
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks import files, sync_databases, sync_redis, sync_rest
from tests.servers.databases import SERVERS

WAYS = ("plain", "hub")


@dataclass(frozen=True, slots=True)
class Measured:
    """One reading of all rows, in a fresh process."""

    rows: int
    wall_seconds: float
    cpu_seconds: float
    mb: float  # resident memory at its peak


@dataclass(frozen=True, slots=True)
class Line:
    """Medians of one source's measurements."""

    source: str
    rows: int
    rows_per_second: float
    plain_rows_per_second: float
    ratio: float
    cpu_ratio: float
    mb: float
    plain_mb: float


@contextmanager
def a_rest_source(rows: int) -> Iterator[str]:
    """Where a server lists so many contacts."""
    receiving, sending = multiprocessing.Pipe(duplex=False)
    server = multiprocessing.get_context("spawn").Process(target=sync_rest.serve, args=(rows, sending), daemon=True)
    server.start()
    try:
        yield f"http://127.0.0.1:{receiving.recv()}"
    finally:
        server.terminate()
        server.join()


@contextmanager
def a_file(kind: str, rows: int) -> Iterator[str]:
    """Where a file of so many articles is."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"list.{kind}"
        with path.open("wb") as file:
            (files.write_workbook if kind == "xlsx" else files.write_csv)(file, rows)
        yield str(path)


@contextmanager
def a_database(connector: str, rows: int) -> Iterator[str]:
    """The port of a server with a table of so many orders."""
    with SERVERS[connector]() as server:
        sync_databases.fill(server, rows)
        yield str(server.port)


def plain_csv(path: str) -> int:
    """Read rows, throw them away."""
    with Path(path).open(encoding="utf-8", newline="") as file:
        return sum(1 for _ in csv.reader(file, delimiter=";")) - 1


def plain_xlsx(path: str) -> int:
    """Read rows, throw them away."""
    load_workbook = import_module("openpyxl").load_workbook
    book = load_workbook(path, read_only=True)
    return sum(1 for _ in book.worksheets[0].iter_rows(values_only=True)) - 1


def hub_file(path: str) -> int:
    """As the files function does."""
    with Path(path).open("rb") as file:
        good, bad, _ = files.read(file, as_messages=False)
    return good + bad


# source → how it is set up, and what reads it
SOURCES: dict[str, tuple[Callable[[int], Any], Callable[[str], int], Callable[[str], int]]] = {
    "rest": (a_rest_source, sync_rest.plainly, lambda at: sync_rest.by_the_hub(at, confirm=True)),
    "rest, confirm: false": (a_rest_source, sync_rest.plainly, lambda at: sync_rest.by_the_hub(at, confirm=False)),
    "csv": (lambda rows: a_file("csv", rows), plain_csv, hub_file),
    "xlsx": (lambda rows: a_file("xlsx", rows), plain_xlsx, hub_file),
    "postgresql": (
        lambda rows: a_database("postgresql", rows),
        lambda at: sync_databases.plain("postgresql", int(at)),
        lambda at: sync_databases.pulled("postgresql", int(at)),
    ),
    "mysql": (
        lambda rows: a_database("mysql", rows),
        lambda at: sync_databases.plain("mysql", int(at)),
        lambda at: sync_databases.pulled("mysql", int(at)),
    ),
    "redis": (sync_redis.a_list, sync_redis.plain, sync_redis.drained),
}


def measure(source: str, rows: int, turns: int) -> Line:
    """Read a source in both ways, in turns."""
    took: dict[str, list[Measured]] = {way: [] for way in WAYS}
    with SOURCES[source][0](rows) as at:
        for _ in range(turns):
            for way in WAYS:
                command = [sys.executable, "-m", "benchmarks.sync", "--measure", source, way, at]
                told = subprocess.run(command, capture_output=True, check=True, text=True).stdout
                took[way].append(Measured(**json.loads(told)))
    if wrong := {each.rows for each in took["plain"] + took["hub"]} - {rows}:
        raise RuntimeError(f"{source}: {wrong} rows were read, and there are {rows}")

    def middle(way: str, what: str) -> float:
        return float(statistics.median(getattr(each, what) for each in took[way]))

    return Line(
        source,
        rows,
        rows / middle("hub", "wall_seconds"),
        rows / middle("plain", "wall_seconds"),
        middle("plain", "wall_seconds") / middle("hub", "wall_seconds"),
        middle("plain", "cpu_seconds") / middle("hub", "cpu_seconds"),
        max(each.mb for each in took["hub"]),
        max(each.mb for each in took["plain"]),
    )


def one(source: str, way: str, at: str) -> Measured:
    """One reading in this process; what must be imported is there before."""
    _, plain, hub = SOURCES[source]
    read = plain if way == "plain" else hub
    for module in ("openpyxl", "connectors.csv.connector", "hub.files", "psycopg", "pymysql", "redis"):
        import_module(module)
    wall, cpu = time.perf_counter(), time.process_time()
    rows: int = read(at)
    return Measured(rows, time.perf_counter() - wall, time.process_time() - cpu, files.megabytes())


def main() -> None:
    """Print a line per source."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--sources", default="|".join(SOURCES), help="of them, separated by |")
    arguments.add_argument("--rows", type=int, default=100_000)
    arguments.add_argument("--turns", type=int, default=3)
    arguments.add_argument("--json", type=Path, help="write the figures here, too")
    arguments.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    stated = arguments.parse_args()
    if stated.measure:
        print(json.dumps(asdict(one(*stated.measure))))
        return
    lines = []
    print(f"{'source':22}{'rows/s':>10}{'plain':>11}{'ratio':>7}{'of CPU':>8}{'MB':>6}{'plain':>7}")
    for source in stated.sources.split("|"):
        line = measure(source, stated.rows, stated.turns)
        print(
            f"{line.source:22}{line.rows_per_second:10,.0f}{line.plain_rows_per_second:11,.0f}{line.ratio:7.2f}"
            f"{line.cpu_ratio:8.2f}{line.mb:6.0f}{line.plain_mb:7.0f}",
            flush=True,
        )
        lines.append(line)
    if stated.json:
        stated.json.write_text(json.dumps([asdict(line) for line in lines], indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
