"""Apply one batch of events from a flow's queue: parse, deliver, report what stays."""

from collections import Counter
from functools import partial
from typing import Any

from adapters.sqs import received_from_record
from adapters.wiring import DeliveryHub
from hub.deliver_batch import Again, Batch, Received, deliver_batch
from hub.errors import Temporary
from hub.guard import deliver_guarded
from hub.ledger import Entry
from hub.missed import missed_webhook

SPARE_SECONDS = 5.0  # for the ledger's write and the visibility changes after the last event


def apply_batch(batch: dict[str, Any], context: Any, hub: DeliveryHub) -> dict[str, Any]:
    """Answer an SQS batch with the ids of the messages that stay on the queue (ReportBatchItemFailures)."""
    received, unreadable = parse(batch, hub)

    def seconds_left() -> float:
        return float(context.get_remaining_time_in_millis()) / 1000

    deliver = partial(
        deliver_batch,
        route=hub.route,
        ledger=hub.ledger,
        dead_letters=hub.dead_letters,
        workers=hub.workers,
        now=hub.now,
        out_of_time=lambda: seconds_left() < hub.seconds_per_event + SPARE_SECONDS,
        draw=hub.draw,
    )
    result = deliver_guarded(received, hub.guard, deliver, hub.now, seconds_left)
    report(result, hub)
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


def report(result: Batch, hub: DeliveryHub) -> None:
    """One line per event; the last one bears the batch's metrics."""
    missed = 0
    for entry in result.ended:
        hub.telemetry.report("ended" if entry.outcome.final else "parked", _told(entry))
        if missed_webhook(entry, hub.route.pulled_too):
            missed += 1
            hub.telemetry.warn("missed webhook: only a pull brought this", _told(entry))
    for again in result.again:
        _report_again(again, hub)
    counts = Counter(entry.outcome.value.capitalize() for entry in result.ended)
    counts["Retried"] = len(result.again)
    counts["KnownBefore"] = len(result.known_before)
    if hub.route.pulled_too:
        counts["MissedWebhooks"] = missed
    held_to = hub.guard.pacer.held_to()
    paced = {} if held_to is None else {"InFlightLimit": round(held_to, 2)}
    hub.telemetry.report("batch", {}, {**counts, **result.pushes.metrics(), **paced})


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
    }
    return {name: value for name, value in told.items() if value}


def _report_again(again: Again, hub: DeliveryHub) -> None:
    received = again.received
    about: dict[str, object] = {"event": received.event.id, "entity": received.event.subject}
    if again.bug:
        hub.telemetry.bug("a bug keeps an event on the queue", again.error, about)
        return
    about |= {"wait_seconds": round(again.wait_seconds, 1), "attempts": received.attempts, "reason": str(again.error)}
    hub.telemetry.warn("again later", about)
