"""SQS FIFO queues on a faked clock: groups in order, visibility, receipts, receive counts, deduplication, redrive.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/FIFO-queues-understanding-logic.html
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Any

DEDUPLICATION = timedelta(minutes=5)
_ids = count(1)


@dataclass
class Message:
    """One message; `visible_at` lies in the future while somebody works on it."""

    id: str
    body: str
    group: str
    attributes: dict[str, Any]
    visible_at: datetime
    receives: int = 0

    @property
    def receipt(self) -> str:
        """The handle of the last receive; those before it are good for nothing any more."""
        return f"{self.id}:{self.receives}"


@dataclass
class Queue:
    """One FIFO queue. What was received too often goes to `dead`."""

    name: str
    now: Callable[[], datetime]
    visibility_seconds: int
    max_receives: int = 1_000_000
    dead: "Queue | None" = None
    messages: dict[str, Message] = field(default_factory=dict)
    seen: dict[str, datetime] = field(default_factory=dict)

    def send(self, body: str, group: str, deduplication: str, attributes: dict[str, Any]) -> None:
        """Keep a message, unless its deduplication id came within five minutes."""
        last = self.seen.get(deduplication)
        if last is not None and self.now() - last < DEDUPLICATION:
            return
        self.seen[deduplication] = self.now()
        message = Message(f"m{next(_ids)}", body, group, attributes, self.now())
        self.messages[message.id] = message

    def receive(self, most: int = 10) -> list[tuple[Message, str]]:
        """Up to `most` messages with their receipts, in order within a group; a group of which one is at work is not
        touched."""
        now = self.now()
        locked = {message.group for message in self.messages.values() if message.visible_at > now}
        taken: list[tuple[Message, str]] = []
        for message in list(self.messages.values()):
            if len(taken) == most:
                break
            if message.group in locked:
                continue
            if message.receives >= self.max_receives and self.dead:
                self.dead.messages[message.id] = self.messages.pop(message.id)
                continue
            taken.append(self._hand_out(message, now))
        return taken

    def time_out(self, receipts: Collection[str]) -> list[tuple[Message, str]]:
        """The visibility of these messages ends while they are at work: somebody else gets them, with new receipts."""
        now = self.now()
        late = [message for message in self.messages.values() if message.receipt in receipts]
        return [self._hand_out(message, now) for message in late]

    def delete(self, receipts: Collection[str]) -> None:
        """Forget what was done; nothing happens for a message that somebody else has received since."""
        self.messages = {key: each for key, each in self.messages.items() if each.receipt not in receipts}

    def hide(self, receipt: str, seconds: int) -> bool:
        """Change when a message is visible again; False where somebody else has received it since."""
        message = self.messages.get(receipt.rpartition(":")[0])
        if message is None or message.receipt != receipt:
            return False
        message.visible_at = self.now() + timedelta(seconds=seconds)
        return True

    def next_visible(self) -> datetime | None:
        """When the next message can be received, if there is one."""
        return min((message.visible_at for message in self.messages.values()), default=None)

    def _hand_out(self, message: Message, now: datetime) -> tuple[Message, str]:
        message.receives += 1
        message.visible_at = now + timedelta(seconds=self.visibility_seconds)
        return message, message.receipt


class Client:
    """The calls of botocore's SQS client that the hub makes. `fails` may raise before each, `loses` after it."""

    def __init__(self, queues: dict[str, Queue], fails: Callable[[str], None], loses: Callable[[str], None]) -> None:
        self._queues = queues
        self._fails = fails
        self._loses = loses

    def send_message_batch(self, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        """Keep a batch."""
        self._fails("send")
        for entry in Entries:
            self._send(QueueUrl, entry)
        self._loses("send")
        return {"Successful": [{"Id": entry["Id"]} for entry in Entries]}

    def send_message(self, QueueUrl: str, **message: Any) -> dict[str, Any]:  # noqa: N803 - AWS's own names
        """Keep one message."""
        self._fails("send")
        self._send(QueueUrl, message)
        self._loses("send")
        return {}

    def get_queue_url(self, QueueName: str) -> dict[str, Any]:  # noqa: N803 - AWS's own name
        """Queues are known by their names here."""
        return {"QueueUrl": self._queues[QueueName].name}

    def change_message_visibility_batch(self, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        """Hide messages."""
        self._fails("hide")
        queue = self._queues[QueueUrl]
        done = [entry for entry in Entries if queue.hide(entry["ReceiptHandle"], entry["VisibilityTimeout"])]
        self._loses("hide")
        failed = [{"Id": each["Id"], "Code": "ReceiptHandleIsInvalid"} for each in Entries if each not in done]
        return {"Successful": [{"Id": entry["Id"]} for entry in done], "Failed": failed}

    def _send(self, url: str, message: dict[str, Any]) -> None:
        attributes = {name: value["StringValue"] for name, value in message.get("MessageAttributes", {}).items()}
        deduplication = message["MessageDeduplicationId"]
        self._queues[url].send(message["MessageBody"], message["MessageGroupId"], deduplication, attributes)


def batch(queue: Queue, messages: list[tuple[Message, str]]) -> dict[str, Any]:
    """A batch as Lambda hands it to a function."""
    return {
        "Records": [
            {
                "messageId": message.id,
                "receiptHandle": receipt,
                "body": message.body,
                "attributes": {"ApproximateReceiveCount": receipt.rpartition(":")[2]},
                "messageAttributes": {
                    name: {"dataType": "String", "stringValue": value} for name, value in message.attributes.items()
                },
                "eventSourceARN": f"arn:aws:sqs:eu-central-1:123456789012:{queue.name}",
            }
            for message, receipt in messages
        ]
    }
