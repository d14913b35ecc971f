"""What must not get worse unseen: the measures that do not depend on the machine's load, each with its bound.

    make gate

Every measure must be there: one that cannot be taken fails, as does one beyond its bound. Instructions are counted by
valgrind; where there is none, processor time stands in for them, which is said, and is held to the same bounds.
"""

import re
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from importlib import import_module

from benchmarks import init
from infra.bundle import ROOT, Kind, Target, size_report

NOT_ON_THE_WEBHOOK_PATH = ("botocore", "boto3", "urllib3", "pydantic", "cryptography", "httpx", "http.client")


@dataclass(frozen=True)
class Measure:
    """One measure and the most that it may be. `take` is called when its turn comes."""

    name: str
    take: Callable[[], float]
    most: float
    unit: str


def measures() -> Iterator[Measure]:
    """All of them. The bounds of ratios are the goals themselves: an instruction count repeats to a hundredth."""
    starts = {name: start for name, start in init.starts().items() if name != init.YARDSTICK}
    unit, _ = init.measure()
    for name, most in {"webhook": 0.5, "delivery": 1.2, "sync": 1.2}.items():
        yield Measure(f"init, {name}", partial(_ratio, name), most, f"× {init.YARDSTICK}, {unit}")
    for name, start in starts.items():
        yield Measure(f"compiled at a cold start, {name}", partial(_compiled, start), 0, "files")
    yield Measure("loaded in vain, webhook", lambda: len(in_vain(init.modules(starts["webhook"]))), 0, "packages")
    for kind, most in {Kind.WEBHOOK: 5.0, Kind.WEBHOOK_KEYS: 10.0, Kind.FUNCTIONS: 26.0}.items():
        yield Measure(f"bundle, {kind}", partial(_zipped_mb, kind), most, "MB zipped")
    for key, (name, most, unit) in COUNTED.items():
        yield Measure(name, partial(_counted, key), most, unit)


COUNTED = {  # what benchmarks.counts measures at the wire
    "aws_calls_per_event": ("AWS calls per event, batches of 10", 2.0, "calls"),
    "dynamodb_write_units_per_event": ("DynamoDB writes per event", 2.0, "units"),
    "erpnext_calls_per_order": ("ERPNext calls per order", 2.0, "calls"),
    "log_bytes_per_event": ("log per event", 1_024.0, "bytes"),
}


def in_vain(loaded: set[str]) -> set[str]:
    """What a webhook function must not load; Powertools asks for botocore's name alone, to find that it is not there."""
    return {name for name in NOT_ON_THE_WEBHOOK_PATH if name in loaded}


def _compiled(start: init.Start) -> float:
    return len(init.recompiled(start))


@cache
def _counts() -> dict[str, float]:
    measured: dict[str, float] = import_module("benchmarks.counts").measure()
    return measured


def _counted(key: str) -> float:
    return _counts()[key]


def _ratio(name: str) -> float:
    _, taken = init.measure()
    return taken[name] / taken[init.YARDSTICK]


def _zipped_mb(kind: Kind) -> float:
    found = re.search(r"([\d.]+) MB zipped", size_report(ROOT / "build" / Target.LOCAL / kind))
    assert found
    return float(found[1])


def judged(measure: Measure) -> tuple[bool, str]:
    """Whether it holds, and a line that says so."""
    try:
        found = measure.take()
    except Exception as error:  # noqa: BLE001 - whatever keeps a measure from being taken fails it
        return False, f"✗ {measure.name:<36} cannot be measured: {type(error).__name__}: {error}"
    good = 0 <= found <= measure.most
    return good, f"{'✓' if good else '✗'} {measure.name:<36} {found:>8.2f}  of at most {measure.most:g} {measure.unit}"


def main() -> int:
    """Print a line per measure; 1 where one fails."""
    began, failed = time.monotonic(), 0
    for measure in measures():
        good, line = judged(measure)
        failed += not good
        print(line, flush=True)
    print(f"{'failed' if failed else 'passed'} in {time.monotonic() - began:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
