"""Record one batch of dead letters in the ledger and tell the operators."""

from typing import Any

from adapters.sqs import failure_from_attributes, received_from_record
from adapters.wiring import DlqHub
from hub.dead_letter import DeadLetter, record_dead_letters
from hub.errors import Temporary


def record_batch(batch: dict[str, Any], _context: Any, hub: DlqHub) -> dict[str, Any]:
    """Answer an SQS batch from the dead letter queues; what could not be recorded stays in its queue."""
    letters, stay = [], []
    for record in batch["Records"]:
        try:
            letters.append(letter_from_record(record, hub))
        except (ValueError, KeyError, TypeError) as error:
            stay.append(record["messageId"])
            hub.telemetry.bug("a dead letter is not an event", error, {"message_id": record["messageId"]})
    try:
        entries = record_dead_letters(letters, hub.ledger, hub.notices, hub.now())
    except Temporary as trouble:
        hub.telemetry.warn("dead letters not recorded", {"reason": str(trouble)}, {"NotRecorded": len(letters)})
        return {"batchItemFailures": [{"itemIdentifier": record["messageId"]} for record in batch["Records"]]}
    for entry in entries:
        failure = entry.failure
        about = {
            "flow": entry.flow,
            "event": entry.event.id,
            "entity": entry.event.subject,
            "error": failure.told if failure else "",
        }
        hub.telemetry.warn("dead", about, {"DeadLetters": 1})
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in stay]}


def letter_from_record(record: dict[str, Any], hub: DlqHub) -> DeadLetter:
    """The dead letter in an SQS record; raises ValueError, KeyError or TypeError for what is none."""
    flow = hub.flows_by_queue[record["eventSourceARN"].rsplit(":", 1)[-1]]
    received = received_from_record(record)
    buried = failure_from_attributes(record.get("messageAttributes", {}))
    if buried:
        failure, attempts, label = buried
        return DeadLetter(flow, received.event, attempts, failure, label)
    return DeadLetter(flow, received.event, received.attempts, None)
