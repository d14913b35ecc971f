"""DynamoDB: how integrations are, beside the ledger's items; and what a check looks at in AWS and in secrets."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from adapters.refusals import reason
from hub import names
from hub.errors import LedgerUnavailable, Temporary
from hub.health import Beat, Part, Record, Registered, Status, Waiting
from hub.ledger import TTL_ATTRIBUTE
from hub.mend_subscriptions import Gap
from hub.streams import Declared

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_sqs import SQSClient

CHECKED = "checked"  # the record of how it is
WEBHOOKS = "webhooks"  # the record of what `hub setup webhooks` has registered
KEEP = timedelta(days=90)  # after the last check: of an integration that is gone
LETTERS = {Status.HEALTHY: "h", Status.DEGRADED: "d", Status.DOWN: "x"}
STATUSES = {letter: status for status, letter in LETTERS.items()}


class DynamoHealth:
    """One item per integration with its last checks (some KB), one with what was registered."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def read(self, integration: str) -> Record:
        """As Records.read."""
        item = self._item(integration, CHECKED)
        return _record(item) if item else Record()

    def registered(self, integration: str) -> Registered | None:
        """As Records.registered."""
        item = self._item(integration, WEBHOOKS)
        return Registered(item["url"]["S"], tuple(json.loads(item["topics"]["S"])), item["at"]["S"]) if item else None

    def write(self, integration: str, record: Record, now: datetime) -> bool:
        """As Records.write."""
        item = {
            **_key(integration, CHECKED),
            "told": {"S": _told(record)},
            "beats": {"S": " ".join(_beat(beat) for beat in record.beats)},
            "version": {"N": str(record.version + 1)},
            TTL_ATTRIBUTE: {"N": str(int((now + KEEP).timestamp()))},
        }
        try:
            self._client.put_item(
                TableName=self._table,
                Item=item,
                ConditionExpression="attribute_not_exists(entity) OR #version = :read",
                ExpressionAttributeNames={"#version": "version"},
                ExpressionAttributeValues={":read": {"N": str(record.version)}},
            )
        except (BotoCoreError, ClientError) as error:
            if reason(error) == "ConditionalCheckFailedException":
                return False
            raise LedgerUnavailable(f"the health could not be written: {reason(error)}") from error
        return True

    def keep_registered(self, integration: str, registered: Registered) -> None:
        """Remember what was registered; raises LedgerUnavailable."""
        item = {
            **_key(integration, WEBHOOKS),
            "url": {"S": registered.url},
            "topics": {"S": json.dumps(registered.topics)},
            "at": {"S": registered.at},
        }
        try:
            self._client.put_item(TableName=self._table, Item=item)
        except (BotoCoreError, ClientError) as error:
            raise LedgerUnavailable(f"what was registered could not be written: {reason(error)}") from error

    def _item(self, integration: str, record: str) -> dict[str, Any] | None:
        try:
            found = self._client.get_item(TableName=self._table, Key=_key(integration, record), ConsistentRead=True)
        except (BotoCoreError, ClientError) as error:
            raise LedgerUnavailable(f"the health could not be read: {reason(error)}") from error
        return found.get("Item")


def _key(integration: str, record: str) -> dict[str, Any]:
    return {"entity": {"S": names.health(integration)}, "record": {"S": record}}


def _beat(beat: Beat) -> str:
    """A check in some 16 characters: seconds, status, milliseconds."""
    took = "" if beat.milliseconds is None else str(beat.milliseconds)
    return f"{int(beat.at.timestamp())}{LETTERS[beat.status]}{took}"


def _beat_of(text: str) -> Beat:
    at = next(place for place, letter in enumerate(text) if letter in STATUSES)
    took = text[at + 1 :]
    moment = datetime.fromtimestamp(int(text[:at]), UTC)
    return Beat(moment, STATUSES[text[at]], int(took) if took else None)


def _told(record: Record) -> str:
    return json.dumps(
        {
            "parts": [[part.name, part.status.value, part.told] for part in record.parts],
            **{name: _text(getattr(record, name)) for name in MOMENTS},
            "owed": record.owed,
            "waiting": {flow: [each.count, each.since.isoformat()] for flow, each in record.waiting.items()},
        },
        separators=(",", ":"),
    )


MOMENTS = ("since", "healthy_at", "accepted_at", "subscribed_at", "owed_until", "told_at")


def _record(item: Mapping[str, Any]) -> Record:
    told = json.loads(item["told"]["S"])
    return Record(
        parts=tuple(Part(name, Status(status), words) for name, status, words in told["parts"]),
        beats=tuple(_beat_of(text) for text in item["beats"]["S"].split()),
        owed=tuple(told["owed"]),
        waiting={
            flow: Waiting(count, datetime.fromisoformat(since)) for flow, (count, since) in told["waiting"].items()
        },
        version=int(item["version"]["N"]),
        **{name: datetime.fromisoformat(told[name]) if told[name] else None for name in MOMENTS},
    )


def _text(moment: datetime | None) -> str:
    return moment.isoformat() if moment else ""


def depth(client: "SQSClient", queue: str) -> int:
    """How many events a queue holds, those at work included; raises Temporary."""
    wanted: Any = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    try:
        url = client.get_queue_url(QueueName=queue)["QueueUrl"]
        told = client.get_queue_attributes(QueueUrl=url, AttributeNames=wanted)["Attributes"]
    except (BotoCoreError, ClientError) as error:
        raise Temporary(f"the queue {queue} could not be asked: {reason(error)}") from error
    return sum(int(count) for count in told.values())


def last_accepted(client: "CloudWatchLogsClient", function: str, since: datetime, until: datetime) -> datetime | None:
    """The last delivery that a webhook function says it accepted in between; None where there was none. Raises
    Temporary."""
    from adapters.accepted_lines import AcceptedLines

    try:
        return max((each.received_at for each in AcceptedLines(client, function).between(since, until)), default=None)
    except (BotoCoreError, ClientError) as error:
        if reason(error) == "ResourceNotFoundException":  # the local AWS makes a log group with its first line
            return None
        raise Temporary(f"the log of {function} could not be read: {reason(error)}") from error


def pull_gap(
    read: Callable[[str], Mapping[str, Any]],
    run: Callable[[str, Mapping[str, Any]], None],
    streams: Mapping[str, Sequence[Mapping[str, Any]]],
) -> Gap:
    """Run the streams (sync function → requests) that were read before, each from where it stands; `read` gives a
    stream's item. Raises Temporary."""
    from adapters.cursors import state_of

    pulled, unread = [], []
    for function, requests in streams.items():
        for request in requests:
            path = Declared.from_request(request).stream.path
            state = state_of(dict(read(path)))
            if state.watermark or state.looked_at:  # what was read and held nothing has no watermark
                run(function, request)
                pulled.append(path)
            else:
                unread.append(path)
    return Gap(tuple(pulled), tuple(unread))
