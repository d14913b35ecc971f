"""Metric data of a stage whose logs nobody turns into metrics, as on the local AWS: read from the logs themselves."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from cli.dashboard.definitions import Definitions
from cli.dashboard.live import Live
from cli.dashboard.recorded import Key, Recorded, Series, key_of
from cli.dashboard.states import states
from hub.names import METRICS_NAMESPACE

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_logs import CloudWatchLogsClient


class Logged(Live):
    """The last hours: the hub's own metrics from its logs, AWS's from CloudWatch, alarms by their definitions."""

    def __init__(
        self,
        cloudwatch: "CloudWatchClient",
        logs: "CloudWatchLogsClient",
        now: datetime,
        hours: float,
        stage: str,
        defined: Definitions,
    ) -> None:
        super().__init__(cloudwatch, logs, now, hours)
        self.of = "live, from the logs"
        self._own = recorded(list(logged_lines(logs, stage, self.begin, self.end)), self.begin, self.end)
        self._alarms = states(defined, self)

    def series(self, key: Key, stat: str, period: int, region: str = "") -> Series:
        """As Metrics."""
        is_own = key[0] == METRICS_NAMESPACE
        return self._own.series(key, stat, period) if is_own else super().series(key, stat, period, region)

    def found(self, namespace: str, dimensions: frozenset[str]) -> Iterator[Key]:
        """As Metrics."""
        return self._own.found(namespace, dimensions)

    def alarm(self, name: str) -> str:
        """As Metrics."""
        return self._alarms.get(name, "INSUFFICIENT_DATA")

    def lines(self, groups: Sequence[str]) -> list[dict[str, Any]]:
        """As Metrics."""
        return self._own.lines(groups)

    def _elsewhere(self, _: str) -> "CloudWatchClient":
        return self._cloudwatch  # of the local AWS, which has one region; a person's account is never asked


def recorded(lines: Sequence[Mapping[str, Any]], begin: int, end: int) -> Recorded:
    """What lines in CloudWatch's embedded metric format count. Each has its `group`, and `at` in Unix seconds."""
    values: dict[Key, list[tuple[int, list[float]]]] = {}
    for line in lines:
        for directive in line.get("_aws", {}).get("CloudWatchMetrics", []):
            for metric in directive["Metrics"]:
                counted = line[metric["Name"]]
                point = (int(line["_aws"]["Timestamp"]) // 1000, counted if isinstance(counted, list) else [counted])
                for dimensions in directive["Dimensions"]:
                    key = key_of(directive["Namespace"], metric["Name"], {name: str(line[name]) for name in dimensions})
                    values.setdefault(key, []).append(point)
    return Recorded(begin, end, "from the logs", values, logs=[dict(line) for line in lines])


def logged_lines(logs: "CloudWatchLogsClient", stage: str, begin: int, end: int) -> Iterator[dict[str, Any]]:
    groups = logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=f"/aws/lambda/hub-{stage}-")
    for name in [group["logGroupName"] for page in groups for group in page["logGroups"]]:
        pages = logs.get_paginator("filter_log_events").paginate(
            logGroupName=name, startTime=begin * 1000, endTime=end * 1000
        )
        for page in pages:
            for event in page["events"]:
                if event["message"].startswith("{"):
                    try:
                        line = json.loads(event["message"])
                    except ValueError:
                        continue
                    yield {**line, "group": name, "at": event["timestamp"] // 1000}
