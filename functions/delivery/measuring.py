"""Measure a batch while it is delivered, and make its metrics: how long, how often, how many of them failed."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from adapters.telemetry import Measured
from hub.connector import Destination, Written
from hub.deliver_batch import Batch
from hub.errors import Category, HubError, OutOfTime
from hub.events import Event
from hub.ledger import Outcome
from hub.metrics import FLOW, INTEGRATION, STAGE
from hub.pace import BudgetSpent

if TYPE_CHECKING:
    from hub.records import Record


@dataclass(frozen=True, slots=True)
class Timing:
    """When an event's document was begun and done."""

    began: datetime
    ended: datetime


class MeasuredDestination:
    """A Destination that notes how long each event took, and how often it refused one for its rate limit."""

    def __init__(self, destination: Destination, now: Callable[[], datetime]) -> None:
        self._destination = destination
        self._now = now
        self.timings: dict[str, Timing] = {}  # by the event's id
        self.limited: list[str] = []  # ids; a list, since many threads append

    def apply(self, action: str, record: "Record", event: Event, known_name: str) -> Written:
        """As Destination.apply."""
        began = self._now()
        try:
            written = self._destination.apply(action, record, event, known_name)
        except HubError as error:
            if error.category is Category.RATE_LIMIT_EXCEEDED and not isinstance(error, BudgetSpent):
                self.limited.append(event.id)
            raise
        self.timings[event.id] = Timing(began, self._now())
        return written


def metrics_of(
    result: Batch, destination: MeasuredDestination, told_by_webhook: Callable[[Event], bool], counts: dict[str, float]
) -> list[Measured]:
    """The metrics of a batch. `counts` are those that are known besides; what is zero is left out."""
    ended = Counter(entry.outcome.value.capitalize() for entry in result.ended)
    counted = {**ended, "Retried": len(result.again), "KnownBefore": len(result.known_before), **counts}
    failed = _failed(result)
    told: dict[str, float | list[float]] = {name: count for name, count in counted.items() if count}
    if failed:
        told["Failed"] = failed
    told |= {name: values for name, values in _milliseconds(result, destination, told_by_webhook).items() if values}
    limits = Counter(destination.limited).total()
    return [
        Measured(told, [FLOW, STAGE]),
        Measured({"RateLimitHits": limits} if limits else {}, [INTEGRATION, STAGE]),
    ]


def _failed(result: Batch) -> list[float]:
    """1 for each try that failed, 0 for each that did not. What stays behind a failed one of its entity was not tried."""
    tried: list[float] = [float(entry.outcome is Outcome.DEAD) for entry in result.ended]
    stopped = {again.received.event.subject: again for again in reversed(result.again)}
    return tried + [1.0 for again in stopped.values() if not isinstance(again.error, OutOfTime)]


def _milliseconds(
    result: Batch, destination: MeasuredDestination, told_by_webhook: Callable[[Event], bool]
) -> dict[str, list[float]]:
    """Of the events whose document was looked at; the clocks of others may be ahead of ours: never below zero."""
    values: dict[str, list[float]] = {"EndToEndMilliseconds": [], "QueueMilliseconds": [], "DeliveryMilliseconds": []}
    for entry in result.ended:
        event, timing = entry.event, destination.timings.get(entry.event.id)
        if timing is None:
            continue
        values["QueueMilliseconds"].append(_between(event.received_at, timing.began))
        values["DeliveryMilliseconds"].append(_between(timing.began, timing.ended))
        if told_by_webhook(event) and not event.replay_of and not entry.parked_before:
            values["EndToEndMilliseconds"].append(_between(event.time or event.received_at, timing.ended))
    return values


def _between(began: datetime, ended: datetime) -> float:
    return max(0.0, round((ended - began).total_seconds() * 1000, 1))
