"""SQS: where events are kept between the edge and the destination."""

from typing import TYPE_CHECKING, Any

from adapters.refusals import aws_errors, reason
from adapters.sending import SqsSender
from hub.deliver_batch import Again, Received
from hub.errors import QueueUnavailable
from hub.events import from_json, queue_key
from hub.ledger import Failure

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

MAX_VISIBILITY_SECONDS = 42_300  # SQS: 12 hours from the receive on, of which a Lambda can have used 15 minutes
MAX_REASON_CHARS = 2_000


class SqsEventQueue(SqsSender):
    """A flow's queue as its consumer has it: it can also hide what it is to get again later."""

    _client: "SQSClient"

    def __init__(self, client: "SQSClient", url: str) -> None:
        super().__init__(client, url)

    def hide(self, again: list[Again], receipts: dict[str, str]) -> None:
        """Hide messages until their next try. Where that fails they come back after the queue's own timeout: later,
        but not lost."""
        entries = [
            {
                "Id": str(number),
                "ReceiptHandle": receipts[one.received.message_id],
                "VisibilityTimeout": min(round(one.wait_seconds), MAX_VISIBILITY_SECONDS),
            }
            for number, one in enumerate(again)
        ]
        if entries:
            try:
                self._client.change_message_visibility_batch(QueueUrl=self._url, Entries=entries)  # type: ignore[arg-type]
            except aws_errors() as error:
                raise QueueUnavailable(f"SQS did not hide the messages: {reason(error)}") from error


class SqsDeadLetters:
    """The FIFO dead letter queue of a flow; an event arrives there with its reason as message attributes."""

    def __init__(self, client: "SQSClient", url: str) -> None:
        self._client = client
        self._url = url

    def bury(self, received: Received, failure: Failure, label: str = "") -> None:
        """Set an event aside; raises QueueUnavailable unless SQS confirmed it."""
        try:
            self._client.send_message(
                QueueUrl=self._url,
                MessageBody=received.message,
                MessageGroupId=queue_key(received.event.subject),
                MessageDeduplicationId=queue_key(f"{received.event.id}:{received.event.received_at.isoformat()}"),
                MessageAttributes=failure_attributes(failure, received.attempts, label),
            )
        except aws_errors() as error:
            raise QueueUnavailable(f"SQS did not confirm the dead letter: {reason(error)}") from error


def received_from_record(record: dict[str, Any]) -> Received:
    """An event from one record of a Lambda's SQS batch; raises ValueError, KeyError or TypeError for what is none."""
    return Received(
        message_id=record["messageId"],
        event=from_json(record["body"]),
        message=record["body"],
        attempts=int(record["attributes"]["ApproximateReceiveCount"]),
    )


def failure_attributes(failure: Failure, attempts: int, label: str = "") -> dict[str, Any]:
    """A failure as SQS message attributes, with the label of the event's entity where it has one."""
    values = {
        "code": failure.code,
        "category": failure.category,
        "severity": failure.severity,
        "message": _taken_by_sqs(failure.message) or "no message",
        "attempts": str(attempts),
    } | ({"label": label} if label else {})
    return {name: {"DataType": "String", "StringValue": value} for name, value in values.items()}


def failure_from_attributes(attributes: dict[str, Any]) -> tuple[Failure, int, str] | None:
    """Read back what `failure_attributes` wrote, from a record of a Lambda event; None where it is not there."""
    values = {name: attribute.get("stringValue", "") for name, attribute in attributes.items()}
    if "code" not in values:
        return None
    failure = Failure(values["code"], values.get("category", ""), values.get("severity", ""), values.get("message", ""))
    return failure, int(values.get("attempts", "1")), values.get("label", "")


def _taken_by_sqs(text: str) -> str:
    """A destination's words without the characters that SQS refuses in an attribute."""
    return "".join(c if c.isprintable() or c in "\n\t" else "?" for c in text[:MAX_REASON_CHARS])
