"""SQS FIFO queues on a faked clock: groups in order, visibility, receive counts, deduplication, redrive.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/FIFO-queues-understanding-logic.html
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from botocore.exceptions import ClientError

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


@dataclass
class Queue:
    """One FIFO queue. What was received too often goes to `dead`."""

    name: str
    now: Callable[[], datetime]
    visibility_seconds: int
    max_receives: int = 1_000_000
    dead: "Queue | None" = None
    messages: list[Message] = field(default_factory=list)
    seen: dict[str, datetime] = field(default_factory=dict)

    def send(self, body: str, group: str, deduplication: str, attributes: dict[str, Any]) -> None:
        """Keep a message, unless its deduplication id came within five minutes."""
        last = self.seen.get(deduplication)
        if last is not None and self.now() - last < DEDUPLICATION:
            return
        self.seen[deduplication] = self.now()
        self.messages.append(Message(f"m{next(_ids)}", body, group, attributes, self.now()))

    def receive(self, most: int = 10) -> list[Message]:
        """Up to `most` messages, in order within a group; a group of which one is at work is not touched."""
        now = self.now()
        locked = {message.group for message in self.messages if message.visible_at > now}
        taken: list[Message] = []
        for message in list(self.messages):
            if len(taken) == most:
                break
            if message.group in locked:
                continue
            if message.receives >= self.max_receives and self.dead:
                self.messages.remove(message)
                self.dead.messages.append(message)
                continue
            message.receives += 1
            message.visible_at = now + timedelta(seconds=self.visibility_seconds)
            taken.append(message)
        return taken

    def delete(self, ids: set[str]) -> None:
        """Forget what was done."""
        self.messages = [message for message in self.messages if message.id not in ids]

    def hide(self, message_id: str, seconds: int) -> None:
        """Change when a message is visible again."""
        for message in self.messages:
            if message.id == message_id:
                message.visible_at = self.now() + timedelta(seconds=seconds)

    def next_visible(self) -> datetime | None:
        """When the next message can be received, if there is one."""
        return min((message.visible_at for message in self.messages), default=None)


class Client:
    """The calls of botocore's SQS client that the hub makes; `fails` may raise before each."""

    def __init__(self, queues: dict[str, Queue], fails: Callable[[str], None]) -> None:
        self._queues = queues
        self._fails = fails

    def send_message_batch(self, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        """Keep a batch."""
        self._fails("send")
        for entry in Entries:
            self._send(QueueUrl, entry)
        return {"Successful": [{"Id": entry["Id"]} for entry in Entries]}

    def send_message(self, QueueUrl: str, **message: Any) -> dict[str, Any]:  # noqa: N803 - AWS's own names
        """Keep one message."""
        self._fails("send")
        self._send(QueueUrl, message)
        return {}

    def change_message_visibility_batch(self, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        """Hide messages; the receipt handle is the message's id."""
        self._fails("hide")
        for entry in Entries:
            self._queues[QueueUrl].hide(entry["ReceiptHandle"], entry["VisibilityTimeout"])
        return {"Successful": [{"Id": entry["Id"]} for entry in Entries]}

    def _send(self, url: str, message: dict[str, Any]) -> None:
        attributes = {name: value["StringValue"] for name, value in message.get("MessageAttributes", {}).items()}
        deduplication = message["MessageDeduplicationId"]
        self._queues[url].send(message["MessageBody"], message["MessageGroupId"], deduplication, attributes)


def throttled(operation: str) -> ClientError:
    """What AWS says when it is asked too much."""
    return ClientError({"Error": {"Code": "ThrottlingException", "Message": "slow down"}}, operation)


def batch(queue: Queue, messages: list[Message]) -> dict[str, Any]:
    """A batch as Lambda hands it to a function."""
    return {
        "Records": [
            {
                "messageId": message.id,
                "receiptHandle": message.id,
                "body": message.body,
                "attributes": {"ApproximateReceiveCount": str(message.receives)},
                "messageAttributes": {
                    name: {"dataType": "String", "stringValue": value} for name, value in message.attributes.items()
                },
                "eventSourceARN": f"arn:aws:sqs:eu-central-1:123456789012:{queue.name}",
            }
            for message in messages
        ]
    }
