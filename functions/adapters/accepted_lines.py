"""CloudWatch Logs: the lines in which the webhook functions name each event that they accepted."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from adapters.telemetry import ACCEPTED
from hub.audit import Accepted

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient


class AcceptedLines:
    """The log of one webhook function."""

    def __init__(self, client: "CloudWatchLogsClient", function: str) -> None:
        self._client = client
        self._group = f"/aws/lambda/{function}"

    def between(self, start: datetime, end: datetime) -> Iterator[Accepted]:
        """The events accepted from `start` to before `end`, as often as they were; all pages are read."""
        pages = self._client.get_paginator("filter_log_events").paginate(
            logGroupName=self._group,
            startTime=_milliseconds(start),
            endTime=_milliseconds(end),
            filterPattern=f'{{ $.message = "{ACCEPTED}" }}',
        )
        for page in pages:
            for line in page["events"]:
                at = datetime.fromtimestamp(line["timestamp"] / 1000, UTC)
                if (accepted := _accepted(line["message"], at)) and start <= at < end:
                    yield accepted

    def kept_days(self) -> int | None:
        """For how many days a line is kept; None for ever."""
        for page in self._client.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=self._group):
            for group in page["logGroups"]:
                if group["logGroupName"] == self._group:
                    return group.get("retentionInDays")
        return None


def _accepted(message: str, at: datetime) -> Accepted | None:
    try:
        line: Any = json.loads(message)
        if line["message"] == ACCEPTED:
            return Accepted(line["entity"], line["event"], line["type"], at)
    except (ValueError, TypeError, KeyError):
        pass
    return None


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
