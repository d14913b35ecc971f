"""DynamoDB and SQS: the list of what is parked for a destination, and the queues that it goes back to."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from adapters.dynamodb import parked_key
from adapters.ledger_history import LedgerHistory
from adapters.refusals import reason
from adapters.sqs import SqsDeadLetters, SqsEventQueue
from hub import names
from hub.deliver_batch import Received
from hub.errors import LedgerUnavailable, QueueUnavailable
from hub.events import Event, to_json
from hub.ledger import Failure
from hub.release_parked import Waiting

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

PAGE = 100  # as many parents as one BatchGetItem takes


class DynamoWaitingRoom:
    """What is parked for one destination, as `DynamoLedger` listed it."""

    def __init__(self, client: "DynamoDBClient", table: str, destination: str) -> None:
        self._client = client
        self._table = table
        self._destination = destination
        self._history = LedgerHistory(client, table)

    def pages(self) -> Iterator[Sequence[Waiting]]:
        """All that waits, read consistently; raises LedgerUnavailable."""
        query: dict[str, Any] = {
            "TableName": self._table,
            "KeyConditionExpression": "entity = :entity",
            "ExpressionAttributeValues": {":entity": {"S": names.parked(self._destination)}},
            "ConsistentRead": True,
            "Limit": PAGE,
        }
        while True:
            with _ledgers():
                answer = self._client.query(**query)
            yield [_waiting(item) for item in answer["Items"]]
            if "LastEvaluatedKey" not in answer:
                return
            query["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def event(self, waiting: Waiting) -> Event | None:
        """The event as it came; None if it is parked no longer."""
        with _ledgers():
            return self._history.parked_event(waiting.subject, waiting.flow, waiting.event_id)

    def standing(self, flow: str, subject: str) -> str:
        """How an entity stands in a flow, by what was recorded of it last."""
        with _ledgers():
            ended = [each for each in self._history.of(subject) if each.flow == flow]
        if not ended:
            return "no event of it has been recorded"
        last = max(ended, key=lambda each: each.recorded_at)
        document = f" as {last.doctype} {last.name}" if last.name else ""
        why = last.failure.told if last.failure else last.rule
        return f"its last event is recorded as {last.outcome}{document}{f' ({why})' if why else ''}"

    def leave(self, waiting: Waiting) -> None:
        """Take it off the list, unless it has been parked anew since."""
        with _ledgers():
            self._change(self._client.delete_item, waiting, {})

    def note_told(self, waiting: Waiting, at: datetime) -> None:
        """Keep that people were told."""
        with _ledgers():
            update = {"UpdateExpression": "SET told_at = :now"}
            self._change(self._client.update_item, waiting, update, {":now": {"S": at.isoformat()}})

    def _change(self, operation: Any, waiting: Waiting, asked: dict[str, Any], values: Any = None) -> None:
        try:
            operation(
                TableName=self._table,
                Key=parked_key(self._destination, waiting.flow, waiting.subject, waiting.event_id),
                ConditionExpression="parked_at = :listed",
                ExpressionAttributeValues={":listed": {"S": waiting.parked_at.isoformat()}, **(values or {})},
                **asked,
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise


def count_parked(client: "DynamoDBClient", table: str, destination: str, flow: str) -> int:
    """How many events of a flow are parked; raises LedgerUnavailable."""
    with _ledgers():
        pages = client.get_paginator("query").paginate(
            TableName=table,
            KeyConditionExpression="entity = :entity AND begins_with(#record, :flow)",
            ExpressionAttributeNames={"#record": "record"},
            ExpressionAttributeValues={":entity": {"S": names.parked(destination)}, ":flow": {"S": f"{flow}#"}},
            Select="COUNT",
            ConsistentRead=True,
        )
        return sum(page["Count"] for page in pages)


class SqsFlowQueues:
    """The queues and dead letter queues of a stage, by their flows' names."""

    def __init__(self, client: "SQSClient", stage: str) -> None:
        self._client = client
        self._stage = stage
        self._urls: dict[str, str] = {}

    def put_again(self, flow: str, event: Event, mark: str) -> None:
        """Queue an event once more; SQS drops a repetition with the same `mark` within five minutes."""
        url = self._url(names.queue(self._stage, flow))
        SqsEventQueue(self._client, url).put([(event, to_json(event))], mark)

    def bury(self, flow: str, event: Event, failure: Failure) -> None:
        """Set an event aside with its reason."""
        url = self._url(names.dead_letter_queue(self._stage, flow))
        SqsDeadLetters(self._client, url).bury(Received("", event, to_json(event), 1), failure)

    def _url(self, queue: str) -> str:
        if queue not in self._urls:
            try:
                self._urls[queue] = self._client.get_queue_url(QueueName=queue)["QueueUrl"]
            except (BotoCoreError, ClientError) as error:
                raise QueueUnavailable(f"the queue {queue} could not be looked up: {reason(error)}") from error
        return self._urls[queue]


@contextmanager
def _ledgers() -> Iterator[None]:
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise LedgerUnavailable(f"what is parked could not be read or changed: {reason(error)}") from error


def _waiting(item: dict[str, Any]) -> Waiting:
    text = {name: value["S"] for name, value in item.items() if "S" in value}
    return Waiting(
        flow=text["flow"],
        subject=text["subject"],
        event_id=text["event"],
        waits_for=text["waits_for"],
        seen=text["seen"],
        parked_at=datetime.fromisoformat(text["parked_at"]),
        until=datetime.fromisoformat(text["until"]),
        told_at=datetime.fromisoformat(text["told_at"]) if "told_at" in text else None,
    )
