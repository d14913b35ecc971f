"""All measurements, one after the other: a table, a JSON file and plots below bench-results/.

`make bench` (minutes; SHORT=1: one or two). Each row says what was measured, against what, and whether it is as good as it
should be; beside it stands what the last run on such a machine measured. Exit code 1 where a measurement failed, not where a
target was missed: `make gate` is for that.
"""

import argparse
import json
import re
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks import counts, mapping, memory, pipeline, plots, throughput
from benchmarks.machine import machine
from benchmarks.row import Row, at_least, at_most, stated
from cli.cost import RATES, read_counts, read_prices
from cli.costs.deployment import deployment_of
from cli.costs.model import STORAGE, cost
from infra.configuration import load_stage

RESULTS = Path(__file__).resolve().parents[1] / "bench-results"
COST_TARGETS = (8.0, 4.0, 3.0, 3.0)
MAY_BE_ABSENT = {"init", "warm"}
Measured = tuple[list[Row], Any]


def of_counts(_short: bool) -> Measured:
    """Calls, units and bytes."""
    told = counts.measure()
    rows = [
        at_most("AWS calls per event", "batches of 10", told["aws_calls_per_event"], 2.0),
        at_most("DynamoDB write units per event", "an order's life, 6 KB", told["dynamodb_write_units_per_event"], 2.0),
        stated("… of 10 KB", "an order's life", told["dynamodb_write_units_per_event_of_10_kb"]),
        stated("… of a new order", "6 KB, its index entry too", told["dynamodb_write_units_per_new_order"]),
        at_most("ERPNext calls per order", "known customer", told["erpnext_calls_per_order"], 2.0),
        at_most("log bytes per event", "Lambda's own lines too", told["log_bytes_per_event"], 1_024),
        stated("ledger bytes per event", "an order's life, 6 KB", told["stored_bytes_per_event"]),
    ]
    return rows, told


def of_mapping(short: bool) -> Measured:
    """Orders per second."""
    told = mapping.measure(short=short)
    rate = told["orders_mapped_per_second"]
    rows = [
        stated("orders read and mapped per second", "one core", rate),
        at_most("mapping an order", "json.loads of its 10 KB", told["mapped_to_json_loads"], 10.0, unit="×"),
    ]
    return rows, told


def of_memory(_short: bool) -> Measured:
    """Of the delivery function."""
    told = memory.measure()
    row = at_most(
        "memory of a batch of ten, 4 MB each", "the function's 256 MB", told["6 MB"]["most_mb"], 230, unit="MB"
    )
    return [row], told


def of_throughput(short: bool) -> Measured:
    """Into ERPNext."""
    told = throughput.measure(short=short)
    rows = []
    for name, one in told.items():
        if one.plain_deadlocks:  # a storm, to which a loop adds by asking again at once; it is no yardstick of speed
            ours, theirs = (each / one.orders for each in (one.hub_deadlocks, one.plain_deadlocks))
            rows.append(
                at_most(f"deadlocks met per order, {name}", "a third of a plain loop's", ours, round(theirs / 3, 2))
            )
            rows.append(stated("… throughput", "a plain closed loop", one.share, unit="×"))
        else:
            rows.append(at_least(f"throughput, {name}", "a plain closed loop", one.share, 0.9, unit="×"))
    rows.append(at_most("… 429 met", "", sum(one.refused_429 for one in told.values()), 0))
    return rows, {name: asdict(one) for name, one in told.items()}


def of_pipeline(short: bool) -> Measured:
    """On the local AWS."""
    loads = pipeline.measure(short=short)
    rows = [at_most("events lost or doubled", "local AWS", sum(one.lost + one.doubled for one in loads), 0)]
    for one in loads:
        told = f"{one.senders} senders at once"
        rows.append(stated(f"accepted per second, {told}", "local AWS", one.accepted_per_second))
        rows.append(stated("… acknowledged, p50", told, one.ack_p50, unit="ms"))
        rows.append(stated("… acknowledged, p99", told, one.ack_p99, unit="ms"))
        rows.append(stated("… in the ledger, p50", told, one.way_p50, unit="ms"))
    return rows, [asdict(one) for one in loads]


def of_cost(_short: bool) -> Measured:
    """By the model, with the counts that are checked in."""
    config = load_stage("local")
    deployed, counted, prices = deployment_of(config), read_counts(), read_prices()
    rows, told = [], {}
    for rate, target in zip(RATES, COST_TARGETS, strict=True):
        one = cost(deployed, counted, prices, rate)
        usd = one.per_million(without=STORAGE)
        rows.append(at_most(f"cost per million events at {rate:g}/s", "without storage", usd, target, unit="USD"))
        told[f"{rate:g}"] = {"without_storage": usd, "all": one.per_million()}
    rows.append(stated("… at 100/s with 90 days of storage", "", told["100"]["all"], unit="USD"))
    return rows, told


def of_init(_short: bool) -> Measured:
    """What a cold start takes, beside a plain client of SQS."""
    init = import_module("benchmarks.init")
    unit, taken = init.measure()
    plain = taken[init.YARDSTICK]
    told = {name: count / plain for name, count in taken.items() if name != init.YARDSTICK}
    limits = {name: 0.5 if "webhook" in name else 1.2 for name in told}
    rows = [at_most(f"init, {name}", str(init.YARDSTICK), told[name], limits[name], unit="×") for name in told]
    return rows, {"unit": unit, **taken}


def of_warm(_short: bool) -> Measured:
    """What a webhook takes of the processor in a process that is warm."""
    told = import_module("benchmarks.warm").measure()
    found = {name: value for name, value in told.items() if isinstance(value, (int, float))}
    return [stated(f"warm, {name.replace('_', ' ')}", "", value) for name, value in found.items()], told


def of_sync(short: bool) -> Measured:
    """Reading a source page by page."""
    told = _said("sync_rest", "--rows", "20000" if short else "200000", "--turns", "1" if short else "3")
    rows = []
    for way, rate, ratio in re.findall(r"^(.+?) +([\d,]+) rows/s +ratio (\d+\.\d\d)", told, re.MULTILINE):
        rows.append(stated(f"rows per second, {way}", "a REST source", float(rate.replace(",", ""))))
        if way == "hub, one pass":
            rows.append(stated("… as a share", "a plain loop", float(ratio), unit="×"))
    rows.append(stated("memory of reading", "", float(re.findall(r"peak memory (\d+) MB", told)[0]), unit="MB"))
    return rows, told.splitlines()


def of_files(short: bool) -> Measured:
    """Reading a dropped file."""
    told = json.loads(_said("files", "--rows", "20000" if short else "200000"))
    rate = stated("rows per second", "a CSV file", told["rows_per_second"])
    return [rate, stated("memory of reading", "a CSV file", told["most_mb"], unit="MB")], told


def _said(name: str, *arguments: str) -> str:
    """What a measurement prints that is a program of its own."""
    command = [sys.executable, "-m", f"benchmarks.{name}", *arguments]
    return subprocess.run(command, cwd=RESULTS.parent, capture_output=True, text=True, check=True).stdout


MEASUREMENTS: dict[str, Callable[[bool], Measured]] = {
    "init": of_init,
    "warm": of_warm,
    "counts": of_counts,
    "mapping": of_mapping,
    "memory": of_memory,
    "cost": of_cost,
    "throughput": of_throughput,
    "pipeline": of_pipeline,
    "sync": of_sync,
    "files": of_files,
}


def run(*, short: bool, only: list[str]) -> dict[str, Any]:
    """Everything, as it is written to the file."""
    rows: list[Row] = []
    details: dict[str, Any] = {}
    failed = []
    for name, measured in MEASUREMENTS.items():
        if (only and name not in only) or (name in MAY_BE_ABSENT and not find_spec(f"benchmarks.{name}")):
            continue
        began = time.monotonic()
        print(f"  … {name}", end="", flush=True)
        try:
            found, details[name] = measured(short)
        except Exception:  # noqa: BLE001 - the boundary: one measurement's trouble must not cost the others; it is told
            print(" failed")
            traceback.print_exc()
            failed.append(name)
            continue
        rows += found
        print(f" ({time.monotonic() - began:.0f} s)")
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "short": short,
        "machine": machine(),
        "rows": [asdict(row) for row in rows],
        "details": details,
        "failed": failed,
    }


def earlier_rows(results: Path) -> dict[tuple[str, str], float]:
    """What each measure was when it was last measured, by measure and yardstick."""
    files = [json.loads(file.read_text()) for file in sorted(results.glob("bench-*.json"))]
    return {(row["measure"], row["yardstick"]): row["value"] for told in files for row in told["rows"]}


def table_of(told: dict[str, Any], earlier: dict[tuple[str, str], float]) -> Table:
    """The rows, and what they were."""
    title = f"{told['at']}, {told['machine']['cpus']} × {told['machine']['cpu']}, load {told['machine']['load']}"
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left")
    for name in ("measure", "yardstick", "value", "target", "ok", "before"):
        table.add_column(name, justify="right" if name in ("value", "target", "before") else "left")
    for each in told["rows"]:
        row = Row(**each)
        was = earlier.get((row.measure, row.yardstick))
        table.add_row(
            row.measure, row.yardstick, row.shown(row.value), row.target, {True: "yes", False: "NO", None: ""}[row.ok],
            "" if was is None else row.shown(was), style="red" if row.ok is False else "",
        )  # fmt: skip
    return table


def main() -> int:
    """Measure, print, write, draw."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--short", action="store_true")
    options.add_argument("--only", nargs="*", default=[], help="names of measurements")
    chosen = options.parse_args()
    RESULTS.mkdir(exist_ok=True)
    before = earlier_rows(RESULTS)
    told = run(short=chosen.short, only=chosen.only)
    file = RESULTS / f"bench-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    file.write_text(json.dumps(told, indent=2) + "\n")
    Console(width=130, highlight=False).print(table_of(told, before))
    drawn = plots.draw(told["details"], RESULTS)
    print(f"Written: {', '.join(str(path.relative_to(RESULTS.parent)) for path in [file, *drawn])}")
    return 1 if told["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
