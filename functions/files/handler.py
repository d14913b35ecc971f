"""Take in the files that a message tells of: until their end, or until time is nearly up; then another function goes on."""

from typing import Any

from adapters.inbox import keys_of
from adapters.wiring import FilesHub
from hub.errors import Temporary
from hub.files import FileGone, take_file

SPARE_SECONDS = 120.0  # a portion of rows with all its tries, and what is to be kept of it
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 15.0, 900.0


def take_files(batch: dict[str, Any], context: Any, hub: FilesHub) -> dict[str, Any]:
    """Answer an SQS batch with the ids of the messages that stay on the queue (ReportBatchItemFailures)."""
    stay = []
    for record in batch["Records"]:
        try:
            for key in keys_of(record["body"]):
                _take(key, context, hub)
        except Temporary as trouble:
            stay.append(record["messageId"])
            hub.telemetry.warn("again later", {"code": trouble.code, "reason": str(trouble)}, {"FilesRetried": 1})
            _hide(record, trouble, hub)
        except (ValueError, KeyError, TypeError) as error:
            stay.append(record["messageId"])
            hub.telemetry.bug("a message tells of no file", error, {"message_id": record["messageId"]})
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in stay]}


def _take(key: str, context: Any, hub: FilesHub) -> None:
    out_of_time = lambda: context.get_remaining_time_in_millis() / 1000 < SPARE_SECONDS  # noqa: E731 - a name for it
    try:
        summary = take_file(key, context.aws_request_id, out_of_time, hub.intake)
    except FileGone:
        hub.telemetry.report("file is gone", {"file": key})
        return
    if summary is None:
        hub.go_on(key)
        hub.telemetry.report("file goes on", {"file": key})
        return
    refused = summary["state"] == "refused"
    counts = {
        "FilesTaken": int(summary["state"] == "processed"),
        "FilesRefused": int(refused),
        "RowsGood": summary.get("good", 0),
        "RowsBad": summary.get("bad", 0),
    }
    shown = ("state", "reason", "rows", "seconds", "rows_per_second")
    told: dict[str, object] = {"file": key} | {name: summary[name] for name in shown if name in summary}
    (hub.telemetry.warn if refused else hub.telemetry.report)("file ended", told, counts)


def _hide(record: dict[str, Any], trouble: Temporary, hub: FilesHub) -> None:
    attempts = int(record["attributes"]["ApproximateReceiveCount"])
    wait = trouble.retry_after_seconds or FIRST_WAIT_SECONDS * 2 ** min(attempts - 1, 10)
    try:
        hub.hide(record["receiptHandle"], min(wait, LONGEST_WAIT_SECONDS))
    except Temporary as hidden:
        hub.telemetry.warn("the message comes only after the queue's own timeout", {"reason": str(hidden)})
