"""The alarms that are deployed, worked out on what the deployed functions counted and what SQS says of its queues.

Compressed is time alone. CloudWatch looks at minutes, and of an incident of half an hour most are alike: the clock of the
alarms leaps from each look to the beginning of the next period, and is the real one in between. What is counted before a leap
lies before it. The local AWS makes no metrics of logs or queues, and its own alarms know no dimensions: so the lines of the logs
are read as CloudWatch reads them, and a queue's length is noted when somebody looks.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from cli.dashboard.definitions import Definitions
from cli.dashboard.logged import logged_lines, recorded
from cli.dashboard.recorded import Key, Recorded, key_of
from cli.dashboard.states import ALARM, states
from hub import names
from infra.local.ministack import MiniStack
from tests.incident.judging import NotAsPromised, demand

LATEST_LINE_SECONDS = 10.0  # the log gets a line when its invocation has ended


class Clock:
    """Unix seconds of the alarms: the real ones and all that was leapt over."""

    def __init__(self, real: Callable[[], float] = time.time) -> None:
        self._real = real
        self._leaps: list[tuple[float, float]] = []

    def now(self) -> float:
        """This moment."""
        return self.at(self._real())

    def at(self, real: float) -> float:
        """A real moment of the past."""
        return real + sum(seconds for when, seconds in self._leaps if when <= real)

    def leap(self, period: int) -> None:
        """On to the beginning of the next period of so many seconds."""
        self._leaps.append((self._real(), period - self.now() % period))


class Alarms:
    """The metric alarms of the stage as deployed."""

    def __init__(self, aws: MiniStack, stage: str, clock: Clock) -> None:
        self._aws, self._stage, self.clock = aws, stage, clock
        self._began = time.time()
        self._noted: dict[Key, list[tuple[int, list[float]]]] = {}
        pages = aws.client("cloudwatch").get_paginator("describe_alarms").paginate()
        self.deployed: dict[str, dict[str, Any]] = {
            each["AlarmName"]: each for page in pages for each in page["MetricAlarms"]
        }

    def of(self, subject: str, kind: str) -> dict[str, Any]:
        """One alarm's definition; raises NotAsPromised where it is not deployed, or would tell nobody."""
        name = names.alarm(self._stage, subject, kind)
        demand(name in self.deployed, f"there is no alarm {name}")
        demand(self.deployed[name].get("AlarmActions"), f"alarm {name} tells nobody")
        return self.deployed[name]

    def rings(self, subject: str, kind: str) -> bool:
        """Whether an alarm rings by what is counted until now."""
        alarm = self.of(subject, kind)
        return states(Definitions({}, {alarm["AlarmName"]: alarm}, {}), self.counted())[alarm["AlarmName"]] == ALARM

    def must(self, subject: str, kind: str, *, ring: bool) -> str:
        """Wait until an alarm rings, or is silent; its name. Raises NotAsPromised where that does not come about."""
        give_up = time.monotonic() + LATEST_LINE_SECONDS
        name = str(self.of(subject, kind)["AlarmName"])
        while self.rings(subject, kind) != ring:
            if time.monotonic() > give_up:
                raise NotAsPromised(f"alarm {name} {'does not ring' if ring else 'rings'}")
            time.sleep(0.3)
        return name

    def note_queue(self, queue: str, url: str) -> int:
        """Note a queue's length at this moment, as SQS tells CloudWatch every minute; the length."""
        wanted: Any = ["ApproximateNumberOfMessages"]
        told = self._aws.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=wanted)["Attributes"]
        length = int(told["ApproximateNumberOfMessages"])
        key = key_of("AWS/SQS", "ApproximateNumberOfMessagesVisible", {"QueueName": queue})
        self._noted.setdefault(key, []).append((int(self.clock.now()), [float(length)]))
        return length

    def total(self, metric: str, **dimensions: str) -> float:
        """The sum of all that was counted of one of the hub's metrics."""
        key = key_of(names.METRICS_NAMESPACE, metric, {"stage": self._stage, **dimensions})
        return sum(sum(values) for _, values in self.counted().values.get(key, []))

    def counted(self) -> Recorded:
        """Everything counted until now, in the time of the alarms."""
        begin, now = int(self._began), time.time()
        logs = self._aws.client("logs")
        lines = list(logged_lines(logs, self._stage, begin, int(now) + 1))
        for line in lines:
            if "_aws" in line:
                at = self.clock.at(line["_aws"]["Timestamp"] / 1000)
                line["_aws"] = line["_aws"] | {"Timestamp": int(at * 1000)}
        whole = recorded(lines, begin, int(self.clock.now()))
        return Recorded(whole.begin, whole.end, whole.of, {**whole.values, **self._noted})


def rfc3339(moment: datetime) -> str:
    """A moment as the hub's commands take it."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


def just_before(moment: datetime) -> datetime:
    """So that what happened in the same millisecond counts, too."""
    return moment - timedelta(milliseconds=5)
