"""CloudWatch Logs: the lines in which functions name each event that a queue keeps.

A webhook function writes one for each event; the functions that read streams and files write one for a page of them.
"""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from adapters.telemetry import ACCEPTED, Telemetry
from hub.audit import Accepted, packed, told
from hub.events import Event

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient


QUEUED = "queued"  # the message of the line that names a page of events
EVENTS_PER_LINE = 2_000  # some 70 KB; CloudWatch cuts a line at 256 KB


def tell_queued(telemetry: Telemetry, events: Sequence[Event]) -> None:
    """Name events that the queues keep, for `hub audit`."""
    for start in range(0, len(events), EVENTS_PER_LINE):
        share = events[start : start + EVENTS_PER_LINE]
        telemetry.report(QUEUED, {"count": len(share), "events": packed(share)})


class AcceptedLines:
    """The log of one function; `message` is that of its lines."""

    def __init__(self, client: "CloudWatchLogsClient", function: str, message: str = ACCEPTED) -> None:
        self._client = client
        self._message = message
        self._group = f"/aws/lambda/{function}"

    def between(self, start: datetime, end: datetime) -> Iterator[Accepted]:
        """The events accepted from `start` to before `end`, as often as they were; all pages are read."""
        pages = self._client.get_paginator("filter_log_events").paginate(
            logGroupName=self._group,
            startTime=_milliseconds(start),
            endTime=_milliseconds(end),
            filterPattern=f'{{ $.message = "{self._message}" }}',
        )
        for page in pages:
            for line in page["events"]:
                at = datetime.fromtimestamp(line["timestamp"] / 1000, UTC)
                if start <= at < end:
                    yield from _accepted(line["message"], at, self._message)

    def kept_days(self) -> int | None:
        """For how many days a line is kept; None for ever."""
        for page in self._client.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=self._group):
            for group in page["logGroups"]:
                if group["logGroupName"] == self._group:
                    return group.get("retentionInDays")
        return None


def _accepted(text: str, at: datetime, message: str) -> list[Accepted]:
    try:
        line: Any = json.loads(text)
        if line["message"] != message:
            return []
        if message == QUEUED:
            return list(told(line["events"], at))
        return [Accepted(line["entity"], line["event"], line["type"], at)]
    except (ValueError, TypeError, KeyError, AttributeError):
        return []


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
