"""Recorded metric data: a JSON file with every value that was counted, from which any statistic can be made.

    {"format": 1, "recorded": {"from": "<RFC 3339>", "until": "<RFC 3339>", "of": "<in words>"},
     "metrics": [{"namespace": "ErpHub", "name": "Failed", "dimensions": {"stage": "local"},
                  "points": [[<Unix seconds>, [<value>, …]], …]}, …],
     "alarms": {"<name of an alarm>": "OK" | "ALARM" | "INSUFFICIENT_DATA"},
     "logs": [{"group": "<log group>", "at": <Unix seconds>, …the line's own members}, …]}

`alarms` and `logs` may be missing.
"""

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from cli.failure import Failed

Series = dict[int, float]  # Unix seconds at which a period begins → value
Key = tuple[str, str, tuple[tuple[str, str], ...]]  # namespace, name, sorted dimensions


class Metrics(Protocol):
    """What dashboards are drawn from."""

    @property
    def begin(self) -> int:
        """Unix seconds."""

    @property
    def end(self) -> int:
        """Unix seconds."""

    @property
    def of(self) -> str:
        """Where it is from, in words."""

    def series(self, key: Key, stat: str, period: int, region: str = "") -> Series:
        """A statistic of one metric, by period; empty where nothing was counted."""

    def found(self, namespace: str, dimensions: frozenset[str]) -> Iterator[Key]:
        """The metrics of a namespace that have exactly these dimensions."""

    def alarm(self, name: str) -> str:
        """An alarm's state, INSUFFICIENT_DATA where nothing is known."""

    def lines(self, groups: Sequence[str]) -> list[dict[str, Any]]:
        """The lines of log groups."""


@dataclass(frozen=True)
class Recorded:
    """The data of one file."""

    begin: int
    end: int
    of: str
    values: Mapping[Key, Sequence[tuple[int, Sequence[float]]]]
    alarms: Mapping[str, str] = field(default_factory=dict)
    logs: Sequence[dict[str, Any]] = ()

    def series(self, key: Key, stat: str, period: int, region: str = "") -> Series:  # noqa: ARG002 - of the live data
        """As Metrics."""
        buckets: dict[int, list[float]] = {}
        for at, values in self.values.get(key, ()):
            if self.begin <= at <= self.end:
                buckets.setdefault(at - at % period, []).extend(values)
        return {at: statistic(stat, values) for at, values in sorted(buckets.items()) if values}

    def found(self, namespace: str, dimensions: frozenset[str]) -> Iterator[Key]:
        """As Metrics."""
        for key in self.values:
            if key[0] == namespace and {name for name, _ in key[2]} == dimensions:
                yield key

    def alarm(self, name: str) -> str:
        """As Metrics."""
        return self.alarms.get(name, "INSUFFICIENT_DATA")

    def lines(self, groups: Sequence[str]) -> list[dict[str, Any]]:
        """As Metrics."""
        within = (line for line in self.logs if self.begin <= line.get("at", self.begin) <= self.end)
        return [line for line in within if line.get("group") in groups]


def statistic(stat: str, values: Sequence[float]) -> float:
    """A CloudWatch statistic of values; raises ValueError for one that this does not know."""
    simple: dict[str, Callable[[Sequence[float]], float]]
    simple = {"Sum": math.fsum, "Maximum": max, "Minimum": min, "SampleCount": len}
    if stat in simple:
        return float(simple[stat](values))
    if stat == "Average":
        return math.fsum(values) / len(values)
    if stat.startswith("p"):
        ordered = sorted(values)
        place = (len(ordered) - 1) * float(stat[1:]) / 100
        low = math.floor(place)
        high = min(low + 1, len(ordered) - 1)
        return ordered[low] + (ordered[high] - ordered[low]) * (place - low)
    raise ValueError(f"unknown statistic {stat!r}")


def read(path: Path) -> Recorded:
    """The data of a file; raises Failed for one that is none."""
    try:
        content = json.loads(path.read_text("utf-8"))
        recorded = content["recorded"]
        return Recorded(
            begin=_seconds(recorded["from"]),
            end=_seconds(recorded["until"]),
            of=recorded["of"],
            values={
                key_of(each["namespace"], each["name"], each["dimensions"]): each["points"]
                for each in content["metrics"]
            },
            alarms=content.get("alarms", {}),
            logs=content.get("logs", []),
        )
    except OSError as error:
        raise Failed(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise Failed(f"{path} is no recorded metric data (docs/dashboards.md tells the format): {error!r}.") from error


def write(path: Path, data: Recorded) -> None:
    """Write a file that `read` reads."""
    metrics = [
        {"namespace": namespace, "name": name, "dimensions": dict(dimensions), "points": points}
        for (namespace, name, dimensions), points in sorted(data.values.items())
    ]
    told = {"from": _text(data.begin), "until": _text(data.end), "of": data.of}
    whole = {"format": 1, "recorded": told, "metrics": metrics, "alarms": data.alarms, "logs": data.logs}
    path.write_text(json.dumps(whole, separators=(",", ":"), ensure_ascii=False) + "\n", "utf-8")


def key_of(namespace: str, name: str, dimensions: Mapping[str, str]) -> Key:
    """A metric's key."""
    return namespace, name, tuple(sorted(dimensions.items()))


def _seconds(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


def _text(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
