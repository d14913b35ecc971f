"""Metric data from CloudWatch itself."""

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3

from cli.dashboard.recorded import Key, Series, key_of

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_logs import CloudWatchLogsClient

QUERY_SECONDS = 30.0
MEMBERS = ("flow", "category", "reason", "error", "outcome", "event")


class Live:
    """The last hours."""

    def __init__(
        self, cloudwatch: "CloudWatchClient", logs: "CloudWatchLogsClient", now: datetime, hours: float
    ) -> None:
        self._cloudwatch, self._logs = cloudwatch, logs
        self.begin = int((now - timedelta(hours=hours)).timestamp())
        self.end = int(now.timestamp())
        self.of = "live"
        self._states = cache(self._read_states)

    def series(self, key: Key, stat: str, period: int, region: str = "") -> Series:
        """As Metrics."""
        namespace, name, dimensions = key
        client = self._elsewhere(region) if region else self._cloudwatch
        begin = self.begin - (2 * period if period >= 86_400 else 0)
        pages = client.get_paginator("get_metric_data").paginate(
            MetricDataQueries=[
                {
                    "Id": "m",
                    "MetricStat": {
                        "Metric": {
                            "Namespace": namespace,
                            "MetricName": name,
                            "Dimensions": [{"Name": each, "Value": value} for each, value in dimensions],
                        },
                        "Period": period,
                        "Stat": stat,
                    },
                }
            ],
            StartTime=datetime.fromtimestamp(begin - begin % period, UTC),
            EndTime=datetime.fromtimestamp(self.end, UTC),
            ScanBy="TimestampAscending",
        )
        found: Series = {}
        for page in pages:
            for result in page["MetricDataResults"]:
                moments = (int(each.timestamp()) for each in result["Timestamps"])
                found |= dict(zip(moments, result["Values"], strict=True))
        return dict(sorted(found.items()))

    def found(self, namespace: str, dimensions: frozenset[str]) -> Iterator[Key]:
        """As Metrics."""
        listed: set[Key] = set()
        for page in self._cloudwatch.get_paginator("list_metrics").paginate(Namespace=namespace):
            for each in page["Metrics"]:
                values = {one["Name"]: one["Value"] for one in each.get("Dimensions", [])}
                listed.add(key_of(namespace, each["MetricName"], values))
        yield from sorted(key for key in listed if {name for name, _ in key[2]} == dimensions)

    def alarm(self, name: str) -> str:
        """As Metrics."""
        return self._states().get(name, "INSUFFICIENT_DATA")

    def lines(self, groups: Sequence[str]) -> list[dict[str, Any]]:
        """As Metrics; at most 10,000 of those that a table can be about."""
        query = f"fields @timestamp, {', '.join(MEMBERS)} | filter ispresent(event) | limit 10000"
        asked = self._logs.start_query(
            logGroupNames=list(groups), startTime=self.begin, endTime=self.end, queryString=query
        )["queryId"]
        give_up = time.monotonic() + QUERY_SECONDS
        while True:
            answer = self._logs.get_query_results(queryId=asked)
            if answer["status"] not in ("Scheduled", "Running") or time.monotonic() > give_up:
                break
            time.sleep(0.5)
        rows = [{each["field"]: each["value"] for each in row} for row in answer.get("results", [])]
        return [_line(row) for row in rows]

    def _read_states(self) -> Mapping[str, str]:
        found: dict[str, str] = {}
        kinds: Any = ["MetricAlarm", "CompositeAlarm"]
        for page in self._cloudwatch.get_paginator("describe_alarms").paginate(AlarmTypes=kinds):
            for each in [*page.get("MetricAlarms", []), *page.get("CompositeAlarms", [])]:
                found[each["AlarmName"]] = each["StateValue"]
        return found

    def _elsewhere(self, region: str) -> "CloudWatchClient":
        client: CloudWatchClient = boto3.client("cloudwatch", region_name=region)
        return client


def _line(row: Mapping[str, str]) -> dict[str, Any]:
    moment = datetime.fromisoformat(row["@timestamp"]).replace(tzinfo=UTC) if "@timestamp" in row else None
    return {**{name: row[name] for name in MEMBERS if name in row}, "at": moment.timestamp() if moment else 0}
