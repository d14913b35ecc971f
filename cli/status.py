"""`hub status`: one look at everything: how integrations are, what flows and waits, how far streams are read."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated, Any

import typer
from botocore.exceptions import ClientError
from rich.console import Console
from rich.live import Live

from adapters.health import DynamoHealth
from cli.flow import Flowing, flowing, told
from cli.stage import LOCAL, ConfigOption, Stage, StageOption, open_stage
from cli.status_table import drawn
from cli.sync import Streaming, streaming
from hub import names
from hub.config import SPAN, seconds_of
from hub.health import Beat, Record, availability, is_overdue, trend, worst

SHOWN = 12  # beats in a row
LOOK_BACK = timedelta(hours=24)  # for the last document that a flow wrote
READERS = 8
QUERIES = 500  # that CloudWatch answers at once
APPLIED = "applied"


@dataclass(frozen=True, slots=True)
class Being:
    """How an integration is. `status` is healthy, degraded, down, or unknown where no check tells (any more)."""

    integration: str
    connector: str
    status: str
    why: str
    trend: str
    since: str  # when the status became what it is
    milliseconds: int | None  # of the last call that was answered
    availability: float | None  # of the checks that are remembered, 0 to 1
    checked: str
    healthy: str  # the last check that found it healthy
    accepted: str  # the last delivery that its edge accepted
    slow_milliseconds: int
    beats: list[tuple[str, str, int | None]] = field(default_factory=list)  # when, status, milliseconds
    parts: list[dict[str, str]] = field(default_factory=list)  # what was looked at: name, status, told


@dataclass(frozen=True, slots=True)
class Moving:
    """A flow, beside what `hub flow status` says of it."""

    flow: Flowing
    age_seconds: float | None  # of the oldest event on its queue, as far as that can be told
    applied: str  # when it last wrote a document, "" where that is longer ago than LOOK_BACK


@dataclass(frozen=True, slots=True)
class Reading:
    """A stream, beside what `hub sync status` says of it."""

    stream: Streaming
    late_seconds: float | None  # by how much its schedule was missed; None where that cannot be told


@dataclass(frozen=True, slots=True)
class Everything:
    """A stage at a moment."""

    stage: str
    at: datetime
    integrations: list[Being]
    flows: list[Moving]
    streams: list[Reading]

    def as_json(self) -> str:
        """For programs."""
        content = {
            "stage": self.stage,
            "at": self.at.isoformat(timespec="seconds"),
            "integrations": [asdict(each) for each in self.integrations],
            "flows": [
                {**asdict(each.flow), "age_seconds": each.age_seconds, "applied": each.applied} for each in self.flows
            ],
            "streams": [{**asdict(each.stream), "late_seconds": each.late_seconds} for each in self.streams],
        }
        return json.dumps(content, indent=2)


def status(
    stage: StageOption = None,
    config: ConfigOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
    watch: Annotated[
        float | None, typer.Option("--watch", min=1, help="Look again every so many seconds, until Ctrl-C.")
    ] = None,
) -> None:
    """Show everything at once: each integration's health and its trend, each flow's queue, each stream."""
    opened = open_stage(stage, config)
    look = partial(_look, opened)
    if watch is None:
        everything = look()
        typer.echo(everything.as_json()) if as_json else Console(highlight=False).print(drawn(everything))
        return
    try:
        _watch(look, watch, as_json)
    except KeyboardInterrupt:
        return


def _watch(look: Callable[[], Everything], seconds: float, as_json: bool) -> None:
    if as_json:
        while True:
            typer.echo(json.dumps(json.loads(look().as_json())))
            time.sleep(seconds)
    with Live(drawn(look()), console=Console(highlight=False), auto_refresh=False, screen=True) as live:
        while True:
            time.sleep(seconds)
            live.update(drawn(look()), refresh=True)


def _look(opened: Stage) -> Everything:
    now = datetime.now(UTC)
    with told(opened):
        records = DynamoHealth(opened.dynamodb(), names.ledger_table(opened.name))
        for service in (opened.sqs, opened.lambda_, opened.logs, opened.cloudwatch):
            service()  # sessions make their clients in one thread only
        flows, integrations = sorted(opened.config.flows), sorted(opened.config.integrations)
        with ThreadPoolExecutor(READERS) as readers:
            kept = dict(zip(integrations, readers.map(records.read, integrations), strict=True))
            stand = list(readers.map(partial(flowing, opened), flows))
            read = [each for found in readers.map(lambda name: list(streaming(opened, name, now)), integrations) for each in found]  # fmt: skip
            applied = _last_applied(opened, flows, now, readers)
        ages = _ages(opened, flows, now)
    waiting = {flow: each.since for record in kept.values() for flow, each in record.waiting.items()}
    return Everything(
        opened.name,
        now,
        [_being(opened, name, kept[name], now) for name in integrations],
        [
            Moving(each, _age(each, ages.get(each.flow), waiting.get(each.flow), now), applied.get(each.flow, ""))
            for each in stand
        ],
        [Reading(each, late_seconds(each, now)) for each in read],
    )


def _being(opened: Stage, name: str, record: Record, now: datetime) -> Being:
    stated = opened.config.integrations[name]
    status, why = record.status.value, worst(record.parts)
    if not record.beats:
        status, why = "unknown", "never checked; hub doctor says what to do"
    elif is_overdue(record, stated.health.every_seconds, now):
        status, why = "unknown", "checked no longer; hub doctor says what to do"
    return Being(
        name,
        stated.connector,
        status,
        why,
        trend(record.beats),
        _text(record.since),
        next((beat.milliseconds for beat in reversed(record.beats) if beat.milliseconds is not None), None),
        availability(record.beats),
        _text(record.beats[-1].at if record.beats else None),
        _text(record.healthy_at),
        _text(record.accepted_at),
        stated.health.slow_milliseconds,
        [_told(beat) for beat in record.beats[-SHOWN:]],
        [{"name": part.name, "status": part.status.value, "told": part.told} for part in record.parts],
    )


def _told(beat: Beat) -> tuple[str, str, int | None]:
    return beat.at.isoformat(timespec="seconds"), beat.status.value, beat.milliseconds


def _age(flow: Flowing, told: float | None, waiting_since: datetime | None, now: datetime) -> float | None:
    """SQS's own word; else since when its queue was not seen empty, which is what the checks know."""
    if not flow.waiting + flow.in_work:
        return 0.0
    return told if told is not None else (now - waiting_since).total_seconds() if waiting_since else None


def late_seconds(stream: Streaming, now: datetime) -> float | None:
    """By how much a stream's run is overdue; 0 where it is not, None where nothing tells when it should run."""
    span = stream.schedule.removeprefix("rate(").removesuffix(")")
    if not SPAN.fullmatch(span) or stream.state in ("paused", "reading"):
        return None
    if not stream.last_run:
        return None
    due = datetime.fromisoformat(stream.last_run) + timedelta(seconds=seconds_of(span))
    slack = timedelta(seconds=max(60.0, seconds_of(span) / 2))
    return max(0.0, (now - due).total_seconds()) if now > due + slack else 0.0


def _ages(opened: Stage, flows: Sequence[str], now: datetime) -> dict[str, float]:
    """The age of the oldest event of each queue; the local AWS does not tell."""
    if opened.name == LOCAL:
        return {}
    metric = "ApproximateAgeOfOldestMessage"
    found = {
        flow: _metric("AWS/SQS", metric, {"QueueName": names.queue(opened.name, flow)}, "Maximum", 60) for flow in flows
    }
    return {flow: value for flow, (_, value) in _newest(opened, found, now - timedelta(minutes=15), now)}


def _last_applied(opened: Stage, flows: Sequence[str], now: datetime, readers: ThreadPoolExecutor) -> dict[str, str]:
    """When each flow last wrote a document: by the metric, to five minutes; in the local AWS by the functions' logs."""
    since = now - LOOK_BACK
    if opened.name == LOCAL:
        moments = zip(flows, readers.map(partial(_in_log, opened, since), flows), strict=True)
        return {flow: at.isoformat(timespec="seconds") for flow, at in moments if at}
    found = {
        flow: _metric(names.METRICS_NAMESPACE, "Applied", {"flow": flow, "stage": opened.name}, "Sum", 300)
        for flow in flows
    }
    return {flow: at.isoformat(timespec="seconds") for flow, (at, _) in _newest(opened, found, since, now)}


def _metric(namespace: str, name: str, dimensions: dict[str, str], statistic: str, period: int) -> dict[str, Any]:
    stated = [{"Name": key, "Value": value} for key, value in dimensions.items()]
    metric = {"Namespace": namespace, "MetricName": name, "Dimensions": stated}
    return {"Metric": metric, "Period": period, "Stat": statistic}


def _newest(
    opened: Stage, metrics: dict[str, dict[str, Any]], since: datetime, until: datetime
) -> Iterator[tuple[str, tuple[datetime, float]]]:
    """The newest value above 0 of each metric that has one."""
    named = [(name, {"Id": f"m{number}", "MetricStat": stat}) for number, (name, stat) in enumerate(metrics.items())]
    for first in range(0, len(named), QUERIES):
        share = named[first : first + QUERIES]
        by_id = {query["Id"]: name for name, query in share}
        pages = opened.cloudwatch().get_paginator("get_metric_data")
        queries: Any = [query for _, query in share]
        for page in pages.paginate(MetricDataQueries=queries, StartTime=since, EndTime=until):
            for result in page["MetricDataResults"]:
                points = [point for point in zip(result["Timestamps"], result["Values"], strict=True) if point[1] > 0]
                if points:
                    yield by_id[result["Id"]], max(points)


def _in_log(opened: Stage, since: datetime, flow: str) -> datetime | None:
    group = f"/aws/lambda/{names.delivery_function(opened.name, flow)}"
    pages = opened.logs().get_paginator("filter_log_events")
    newest = None
    try:
        for page in pages.paginate(logGroupName=group, startTime=int(since.timestamp() * 1000), filterPattern=APPLIED):
            for event in page["events"]:
                if f'"outcome":"{APPLIED}"' in event["message"].replace(" ", ""):
                    newest = max(newest or 0, event["timestamp"])
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") != "ResourceNotFoundException":  # nothing was logged yet
            raise
    return datetime.fromtimestamp(newest / 1000, UTC) if newest else None


def _text(moment: datetime | None) -> str:
    return moment.isoformat(timespec="seconds") if moment else ""
