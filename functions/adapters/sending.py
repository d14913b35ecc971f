"""SQS: how events get onto the queue of a flow. The webhook Lambda needs no more of SQS than this."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from adapters.refusals import aws_errors, reason
from hub.errors import QueueUnavailable
from hub.events import SQS_MESSAGE_BYTES, Event, queue_key

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

    from adapters.lean import Sqs

BATCH_EVENTS = 10


class SqsSender:
    """A FIFO queue: group = entity, so that an entity's events stay in order; deduplication = event id."""

    def __init__(self, client: "SQSClient | Sqs", url: str) -> None:
        self._client = client
        self._url = url

    def put(self, events: Sequence[tuple[Event, str]], mark: str = "") -> None:
        """Keep events, in this order within an entity; raises QueueUnavailable unless SQS confirmed every one. With
        another `mark`, SQS takes what it has had within the last five minutes."""
        for batch in _batches(events):
            entries = [
                {
                    "Id": str(number),
                    "MessageBody": message,
                    "MessageGroupId": queue_key(event.subject),
                    "MessageDeduplicationId": _deduplication_id(event, mark),
                }
                for number, (event, message) in enumerate(batch)
            ]
            try:
                answer = self._client.send_message_batch(QueueUrl=self._url, Entries=entries)  # type: ignore[arg-type]
            except aws_errors() as error:
                raise QueueUnavailable(f"SQS did not confirm the event: {reason(error)}") from error
            if len(answer.get("Successful", [])) != len(batch):
                codes = sorted({failed["Code"] for failed in answer.get("Failed", [])})
                raise QueueUnavailable(f"SQS did not confirm every event: {', '.join(codes) or 'no reason given'}")


def _batches(events: Sequence[tuple[Event, str]]) -> Iterator[list[tuple[Event, str]]]:
    """As many events per call as SQS takes: 10, and 1 MiB together."""
    batch: list[tuple[Event, str]] = []
    size = 0
    for event, message in events:
        length = len(message.encode())
        if batch and (len(batch) == BATCH_EVENTS or size + length > SQS_MESSAGE_BYTES):
            yield batch
            batch, size = [], 0
        batch.append((event, message))
        size += length
    if batch:
        yield batch


def _deduplication_id(event: Event, mark: str) -> str:
    """An event's entity and id: what providers call an id need not be one across entities. A replay within SQS's five
    minutes must get through, so it adds its own time."""
    replay = f":{event.received_at.isoformat()}" if event.replay_of else ""
    return queue_key(f"{event.subject}:{event.id}{replay}{mark and f':{mark}'}")
