"""Apply one batch of events from a flow's queue: parse, deliver, report what stays."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from adapters.sqs import received_from_record
from adapters.telemetry import Measured
from adapters.wiring import DeliveryHub
from delivery.measuring import MeasuredDestination, metrics_of
from hub.deliver_batch import Again, Batch, Received, deliver_batch
from hub.errors import HubError, Temporary
from hub.guard import deliver_guarded
from hub.ledger import Entry
from hub.metrics import FLOW
from hub.missed import missed_webhook

SPARE_SECONDS = 5.0  # for the ledger's write and the visibility changes after the last event


def apply_batch(batch: dict[str, Any], context: Any, hub: DeliveryHub) -> dict[str, Any]:
    """Answer an SQS batch with the ids of the messages that stay on the queue (ReportBatchItemFailures)."""
    received, unreadable = parse(batch, hub)

    def seconds_left() -> float:
        return float(context.get_remaining_time_in_millis()) / 1000

    destination = MeasuredDestination(hub.route.destination, hub.now)
    deliver = partial(
        deliver_batch,
        route=replace(hub.route, destination=destination),
        ledger=hub.ledger,
        dead_letters=hub.dead_letters,
        workers=hub.workers,
        now=hub.now,
        out_of_time=lambda: seconds_left() < hub.seconds_per_event + SPARE_SECONDS,
        draw=hub.draw,
    )
    result = deliver_guarded(received, hub.guard, deliver, hub.now, seconds_left)
    report(result, destination, hub)
    try:
        hub.queue.hide(list(result.again), {r["messageId"]: r["receiptHandle"] for r in batch["Records"]})
    except Temporary as trouble:
        hub.telemetry.warn("retries come only after the queue's own timeout", {"reason": str(trouble)})
    stay = [again.received.message_id for again in result.again] + unreadable
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in stay]}


def parse(batch: dict[str, Any], hub: DeliveryHub) -> tuple[list[Received], list[str]]:
    """The events of a batch, and the ids of messages that are none: those stay until SQS sets them aside."""
    received, unreadable = [], []
    for record in batch["Records"]:
        try:
            received.append(received_from_record(record))
        except (ValueError, KeyError, TypeError) as error:
            unreadable.append(record["messageId"])
            hub.telemetry.bug("a message on the queue is not an event", error, {"message_id": record["messageId"]})
    return received, unreadable


def report(result: Batch, destination: MeasuredDestination, hub: DeliveryHub) -> None:
    """One line per event; the last one bears the batch's metrics: most of what a line costs is its frame."""
    missed = [entry for entry in result.ended if missed_webhook(entry, hub.route.pulled_too)]
    held_to = hub.guard.pacer.held_to()
    counts = {"MissedWebhooks": float(len(missed)), **hub.tally()}
    metrics = metrics_of(result, destination, hub.told_by_webhook, counts)
    if pushes := result.pushes.metrics():
        metrics.append(Measured(pushes, [FLOW]))
    if held_to is not None:
        metrics.append(Measured({"InFlightLimit": round(held_to, 2)}, [FLOW]))

    *lines, last = [*_lines(result, missed), Line("batch", {})]
    if lines:
        last = lines.pop()
    for line in lines:
        hub.telemetry.measure(line.message, line.about, [], warns=line.warns)
    about = {**last.about, "integration": hub.route.destination_name}
    hub.telemetry.measure(last.message, about, metrics, warns=last.warns)
    for again in result.again:
        if again.bug:
            hub.telemetry.bug("a bug keeps an event on the queue", again.error, _event_of(again))


@dataclass(frozen=True, slots=True)
class Line:
    """What the log says of an event."""

    message: str
    about: dict[str, object]
    warns: bool = False


def _lines(result: Batch, missed: list[Entry]) -> Iterator[Line]:
    for entry in missed:
        yield Line("missed webhook: only a pull brought this", _told(entry), warns=True)
    for entry in result.ended:
        yield Line("ended" if entry.outcome.final else "parked", _told(entry))
    for again in result.again:
        if not again.bug:
            yield Line("again later", _event_of(again) | _trouble(again), warns=True)


def _told(entry: Entry) -> dict[str, object]:
    told: dict[str, object] = {
        "event": entry.event.id,
        "type": entry.event.type,
        "entity": entry.event.subject,
        "outcome": entry.outcome.value,
        "attempts": entry.attempts,
        "document": f"{entry.doctype} {entry.name}".strip(),
        "rule": entry.rule,
        "waits_for": entry.parking.waits_for if entry.parking else "",
        "error": entry.failure.told if entry.failure else "",
        "category": entry.failure.category if entry.failure else "",
    }
    return {name: value for name, value in told.items() if value}


def _event_of(again: Again) -> dict[str, object]:
    return {"event": again.received.event.id, "entity": again.received.event.subject}


def _trouble(again: Again) -> dict[str, object]:
    return {
        "wait_seconds": round(again.wait_seconds, 1),
        "attempts": again.received.attempts,
        "reason": str(again.error),
        "category": str(again.error.category) if isinstance(again.error, HubError) else "",
    }
