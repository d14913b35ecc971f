"""Record dead letters in the ledger; and once a minute, bring them forward: try again, resolve, tell the operators."""

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from adapters.sqs import failure_from_attributes, received_from_record
from adapters.wiring import DlqHub
from hub.dead_letter import LETTERS_METRIC, NO_EVENT, DeadLetter, record_dead_letters
from hub.dead_letter_retries import (
    ESCALATED_METRIC,
    RESOLVED_METRIC,
    RETRIED_METRIC,
    Plan,
    Tended,
    tend_letters,
)
from hub.errors import Category, Severity, Temporary
from hub.events import Event
from hub.ledger import Entry, Failure

# A message that is no event, or that no function survives, is kept as it is in the end: in its queue SQS would delete it
# after 14 days. It is suspected after so many receives, and condemned after so many beginnings that had no end.
MOST_RECEIVES = 3
MOST_BEGUN = 2
SPARE_SECONDS = 15.0  # for what a run does after its last page


def handle(request: dict[str, Any], context: Any, hub: DlqHub) -> dict[str, Any]:
    """Answer a batch of a dead letter queue, or the schedule's request."""
    return record_batch(request, context, hub) if "Records" in request else tend(request, context, hub)


# Recording


def record_batch(batch: dict[str, Any], _context: Any, hub: DlqHub) -> dict[str, Any]:
    """Answer an SQS batch from the dead letter queues; what could not be recorded stays in its queue."""
    stay: list[str] = []
    for record in batch["Records"]:
        try:
            letter = letter_from_record(record, hub)
            for entry in record_dead_letters([letter], hub.letters, hub.now()):
                _report(entry, hub)
        except (ValueError, KeyError, TypeError) as error:
            stay.append(record["messageId"])
            hub.telemetry.bug("a dead letter is not an event", error, {"message_id": record["messageId"]})
        except Temporary as trouble:
            stay.append(record["messageId"])
            _not_its_fault(record, hub)
            hub.telemetry.warn("dead letter not recorded", {"reason": str(trouble)}, {"NotRecorded": 1})
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in stay]}


def letter_from_record(record: dict[str, Any], hub: DlqHub) -> DeadLetter:
    """The dead letter in an SQS record; raises ValueError, KeyError or TypeError for what is none (yet)."""
    flow = _flow(record, hub)
    if _is_suspect(record) and hub.letters.begun(flow, record["messageId"]) > MOST_BEGUN:
        return _as_it_is(flow, record)
    try:
        received = received_from_record(record)
        buried = failure_from_attributes(record.get("messageAttributes", {}))
    except (ValueError, KeyError, TypeError):
        if _is_suspect(record):
            return _as_it_is(flow, record)
        raise
    if buried:
        failure, attempts, label = buried
        return DeadLetter(flow, received.event, attempts, failure, label)
    return DeadLetter(flow, received.event, received.attempts, None)


def _flow(record: dict[str, Any], hub: DlqHub) -> str:
    return hub.flows_by_queue[record["eventSourceARN"].rsplit(":", 1)[-1]]


def _is_suspect(record: dict[str, Any]) -> bool:
    return int(record["attributes"]["ApproximateReceiveCount"]) > MOST_RECEIVES


def _not_its_fault(record: dict[str, Any], hub: DlqHub) -> None:
    """What was begun has an end: the ledger did not take it."""
    if _is_suspect(record):
        with suppress(Temporary):
            hub.letters.begun(_flow(record, hub), record["messageId"], -1)


def _as_it_is(flow: str, record: dict[str, Any]) -> DeadLetter:
    """A message, unread: whatever reading it does cannot happen."""
    receives, body = int(record["attributes"]["ApproximateReceiveCount"]), record["body"].encode("utf-8", "replace")
    event = Event(
        id=record["messageId"],
        source=f"/flows/{flow}",
        type="message",
        subject=f"{flow}/message/{record['messageId']}",
        time=None,
        received_at=datetime.fromtimestamp(int(record["attributes"]["SentTimestamp"]) / 1000, UTC),
        entity_version="",
        content_type="",
        data=body,
    )
    message = (
        f"a message of {len(body)} bytes was handed out {receives} times and could not be recorded as an event; it is kept "
        "as it was: `hub dlq show --payload` shows it"
    )
    failure = Failure(NO_EVENT, str(Category.INVALID_REQUEST), str(Severity.HIGH), message)
    return DeadLetter(flow, event, receives, failure)


def _report(entry: Entry, hub: DlqHub) -> None:
    failure = entry.failure
    about = {
        "event": entry.event.id,
        "entity": entry.event.subject,
        "error": failure.told if failure else "",
    }
    counts = {LETTERS_METRIC: 1}
    hub.telemetry_of({"flow": entry.flow}).warn("dead", {**about, "flow": entry.flow}, counts)
    if failure:
        by_category = {"flow": entry.flow, "category": failure.category}
        hub.telemetry_of(by_category).warn("dead, by category", by_category, counts)


# Bringing forward


def tend(request: dict[str, Any], context: Any, hub: DlqHub) -> dict[str, Any]:
    """What the schedule asks for: a run for each of the flows that it names. One flow's trouble stops no other's; where time
    is up, the flows that were left out come first in a later minute."""

    def out_of_time() -> bool:
        return float(context.get_remaining_time_in_millis()) / 1000 < SPARE_SECONDS

    for plan in _plans(request, hub.now()):
        if out_of_time():
            hub.telemetry.warn("dead letters wait for the next run", {"flow": plan.flow}, {"NotTended": 1})
            break
        try:
            tended = tend_letters(plan, hub.letters, hub.breakers, hub.queues, hub.notices, hub.now(), out_of_time)
        except Temporary as trouble:
            hub.telemetry.warn("dead letters not tended", {"flow": plan.flow, "reason": str(trouble)}, {"NotTended": 1})
            continue
        _report_run(plan, tended, hub)
    return {}


def _plans(request: dict[str, Any], now: datetime) -> list[Plan]:
    """Another one first in each minute."""
    plans = [Plan.from_request(each) for each in request.get("plans", [])]
    first = int(now.timestamp() // 60) % len(plans) if plans else 0
    return plans[first:] + plans[:first]


def _report_run(plan: Plan, tended: Tended, hub: DlqHub) -> None:
    for trouble in tended.troubles:
        hub.telemetry.warn("dead letters wait", {"flow": plan.flow, "reason": trouble}, {"NotTended": 1})
    counts = {RESOLVED_METRIC: tended.resolved, RETRIED_METRIC: tended.retried}
    if any(counts.values()):
        hub.telemetry_of({"flow": plan.flow}).report("dead letters tended", {"held": tended.held}, counts)
    if tended.escalated:
        by_source = {"integration": plan.source}
        hub.telemetry_of(by_source).warn("escalated", {"flow": plan.flow}, {ESCALATED_METRIC: tended.escalated})
