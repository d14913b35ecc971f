"""Record what the hub counts on a day of faults: the sample that `hub dashboard render` draws.

    python -m tests.faults.record cli/dashboard/sample.json

The hub's own functions count, on the story's clock. What AWS would count beside them (queues, invocations) is taken from
the imitated queues and the functions' real durations; the breaker's probe stands for the health check.
"""

import contextlib
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from moto import mock_aws

from adapters.counted import CountedHttp, tally
from adapters.telemetry import EdgeTelemetry, Telemetry
from adapters.webhook_wiring import WebhookHub
from adapters.wiring import BreakerHub, DeliveryHub, DlqHub
from cli.dashboard.recorded import Key, Recorded, key_of, write
from hub import names
from hub.errors import HubError
from hub.events import from_json
from tests.faults.clock import Clock
from tests.faults.imitated_sqs import Message, Queue
from tests.faults.mishaps import Killed
from tests.faults.report import Progress
from tests.faults.run import live_through, plan_of
from tests.faults.story import BEGIN, Delivery, tell
from tests.faults.world import ERP, FLOW, World

SHOWN = "local"  # the stage whose dashboards draw it
HOURS = 23
CHECKS = timedelta(minutes=5)
KEPT = ("flow", "category", "reason", "error", "outcome")  # of a line: what the dashboards' tables ask for
SEED, EVENTS, ENTITIES = 4, 1_200, 160


class Recording:
    """Values by metric and minute, and lines."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.values: dict[Key, dict[int, list[float]]] = {}
        self.lines: list[dict[str, Any]] = []

    def add(self, namespace: str, name: str, dimensions: Mapping[str, str], values: Sequence[float]) -> None:
        """Values of now."""
        moment = int(self._clock.moment.timestamp())
        kept = self.values.setdefault(key_of(namespace, name, dimensions), {})
        kept.setdefault(moment - moment % 60, []).extend(values)

    def invoked(self, function: str, began: float) -> None:
        """What AWS counts of a function that began then, in real seconds."""
        milliseconds = round((time.perf_counter() - began) * 1000, 1)
        for name, value in (("Invocations", 1.0), ("Errors", 0.0), ("Throttles", 0.0), ("Duration", milliseconds)):
            self.add("AWS/Lambda", name, {"FunctionName": function}, [value])

    def recorded(self) -> Recorded:
        """As a file holds it."""
        begin = int(BEGIN.timestamp())
        values = {key: sorted(kept.items()) for key, kept in self.values.items()}
        told = f"a day of faults, seed {SEED}: ERPNext down for 12 hours, a revoked key, unwritable orders"
        return Recorded(begin, begin + HOURS * 3600, told, values, logs=self.lines)


class Recorder(Telemetry):
    """Telemetry that is recorded instead of written."""

    def __init__(self, dimensions: Mapping[str, str], function: str, recording: Recording, clock: Clock) -> None:
        super().__init__(f"recorded-{function}", dimensions, clock.now)
        self._group, self._recording, self._clock = f"/aws/lambda/{function}", recording, clock

    def _write(self, message: str, line: dict[str, Any], *, warns: bool) -> None:
        for directive in line.get("_aws", {}).get("CloudWatchMetrics", []):
            for metric in directive["Metrics"]:
                value = line[metric["Name"]]
                for names_ in directive["Dimensions"]:
                    dimensions = {name: str(line[name]) for name in names_}
                    values = value if isinstance(value, list) else [value]
                    self._recording.add(directive["Namespace"], metric["Name"], dimensions, values)
        if message in ("ended", "again later") and not str(line.get("reason", "")).startswith("waits behind"):
            told = {name: _plain(line[name]) for name in KEPT if line.get(name)}
            self._recording.lines.append({"group": self._group, "at": int(self._clock.moment.timestamp()), **told})

    def bug(self, message: str, error: BaseException, about: Mapping[str, object]) -> None:
        """A bug of a story ends it."""
        raise AssertionError(message) from error


class EdgeRecorder(Recorder, EdgeTelemetry):
    """The same, of the edge."""


def _plain(value: object) -> str:
    """A sentence without what differs each time, so that the same trouble is one row of a table."""
    words = (word for word in str(value).split() if not any(letter.isdigit() for letter in word) or len(word) < 4)
    return " ".join(words)[:120]


class RecordedWorld(World):
    """A world whose functions' telemetry is recorded, with what AWS counts."""

    def __init__(self, seed: int) -> None:
        self._recording: Recording | None = None
        self._checked = BEGIN
        super().__init__(seed)

    @property
    def recording(self) -> Recording:
        """What was counted."""
        if self._recording is None:
            self._recording = Recording(self.clock)
        return self._recording

    def _recorder(self, function: str, **dimensions: str) -> Recorder:
        return Recorder({"stage": SHOWN, **dimensions}, function, self.recording, self.clock)

    def _webhook_hub(self) -> WebhookHub:
        own = {"stage": SHOWN, "integration": "shop-eu"}
        telemetry = EdgeRecorder(own, names.webhook_function(SHOWN, "shop-eu"), self.recording, self.clock)
        return replace(super()._webhook_hub(), telemetry=telemetry)

    def _delivery_hub(self) -> DeliveryHub:
        hub = super()._delivery_hub()
        erp: Any = hub.route.destination
        while hasattr(erp, "_destination"):  # under what paces and claims
            erp = erp._destination
        telemetry = self._recorder(names.delivery_function(SHOWN, FLOW), flow=FLOW)
        http, remembered = self._counted, erp.remembered
        return replace(hub, telemetry=telemetry, tally=lambda: tally(http, remembered))

    def _http(self) -> Any:
        self._counted = CountedHttp(super()._http())
        return self._counted

    def _dlq_hub(self) -> DlqHub:
        return replace(super()._dlq_hub(), telemetry=self._recorder(names.dlq_function(SHOWN)))

    def _breaker_hub(self) -> BreakerHub:
        telemetry = self._recorder(names.breaker_function(SHOWN, ERP), destination=ERP)
        return replace(super()._breaker_hub(), telemetry=telemetry)

    def _post(self, delivery: Delivery, hub: WebhookHub) -> int:
        began = time.perf_counter()
        with patch("infra.local.shopify.datetime", SimpleNamespace(now=lambda _: delivery.at)):  # the shop's own clock
            status = super()._post(delivery, hub)
        self.recording.invoked(names.webhook_function(SHOWN, "shop-eu"), began)
        if status == 200:
            queue = names.queue(SHOWN, FLOW)
            self.recording.add("AWS/SQS", "NumberOfMessagesSent", {"QueueName": queue}, [1.0])
        return status

    def _work(self, place: int, taken: list[tuple[Message, str]]) -> None:
        began = time.perf_counter()
        super()._work(place, taken)
        self.recording.invoked(names.delivery_function(SHOWN, FLOW), began)

    def tend(self) -> None:
        """As World.tend; then AWS looks at the queues, and, every five minutes, the health check at ERPNext."""
        super().tend()
        self._depth(names.queue(SHOWN, FLOW), self.queue)
        self._depth(names.dead_letter_queue(SHOWN, FLOW), self.dead)
        if self.clock.moment - self._checked >= CHECKS:
            self._checked = self.clock.moment
            self._check()

    def _depth(self, name: str, queue: Queue) -> None:
        waiting = [each for each in queue.messages.values() if each.visible_at <= self.clock.moment]
        ages = [
            (self.clock.moment - from_json(each.body).received_at).total_seconds() for each in queue.messages.values()
        ]
        for metric, value in (
            ("ApproximateNumberOfMessagesVisible", float(len(waiting))),
            ("ApproximateAgeOfOldestMessage", max(ages, default=0.0)),
        ):
            self.recording.add("AWS/SQS", metric, {"QueueName": name}, [round(value)])

    def _check(self) -> None:
        began, serves = time.perf_counter(), 0.0
        with contextlib.suppress(HubError, Killed):
            self._breaker.probe()
            serves = 1.0
        milliseconds = round((time.perf_counter() - began) * 1000, 1)
        for integration, available in ((ERP, serves), ("shop-eu", 1.0)):
            own = {"stage": SHOWN, "integration": integration}
            for name, value in (
                ("Available", available),
                ("Health", 2.0 * (1 - available)),
                ("HealthMilliseconds", milliseconds),
            ):
                self.recording.add(names.METRICS_NAMESPACE, name, own, [value])


def main(path: Path) -> None:
    """Live through the day, and write what was counted."""
    with mock_aws():
        world = RecordedWorld(SEED)
        try:
            live_through(world, tell(world.dice, EVENTS, ENTITIES), plan_of(world), Progress())
        finally:
            world.stop()
    write(path, world.recording.recorded())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
