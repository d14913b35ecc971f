"""DynamoDB: the ledger read back, for the people who ask what became of an entity."""

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from adapters.dynamodb import attempts_of, parked_key
from adapters.moments import either, kept, moment_of
from adapters.payloads import base_of, parts_of, unpack
from hub.errors import LedgerUnavailable
from hub.events import Event
from hub.ledger import BY_LABEL, LABEL, Failure, Outcome

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

SEGMENTS = 4  # of a scan, read side by side
READ_KEYS = 100  # BatchGetItem takes so many keys at most
TRIES = 6  # of what DynamoDB left unread; the waits between them add up to 3.1 s
FIELDS = (
    "entity, #record, outcome, #type, attempts, received_at, recorded_at, doctype, #name, #rule, replay_of, #error, "
    "waits_for, #until"
)
RESERVED = {
    "#record": "record",
    "#type": "type",
    "#name": "name",
    "#rule": "rule",
    "#error": "error",
    "#until": "until",
}


@dataclass(frozen=True, slots=True)
class Ended:
    """How one event of an entity ended in one flow."""

    entity: str
    flow: str
    event_id: str
    type: str
    outcome: str
    attempts: int
    received_at: datetime
    recorded_at: datetime
    doctype: str = ""
    name: str = ""
    rule: str = ""
    replay_of: str = ""
    failure: Failure | None = None
    waits_for: str = ""  # of a parked event: an entity, or "a person"
    until: datetime | None = None


class LedgerHistory:
    """Reads what `DynamoLedger` wrote; payloads stay where they are."""

    def __init__(self, client: "DynamoDBClient", table: str, sleep: Callable[[float], None] = time.sleep) -> None:
        self._client = client
        self._table = table
        self._sleep = sleep

    def of(self, entity: str) -> Iterator[Ended]:
        """The recorded ends of an entity's events, by flow and event id; read consistently."""
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="entity = :entity",
            ExpressionAttributeValues={":entity": {"S": entity}},
            ProjectionExpression=FIELDS,
            ExpressionAttributeNames=RESERVED,
            ConsistentRead=True,
        )
        for page in pages:
            yield from (_ended(item) for item in page["Items"] if "outcome" in item)  # the head and parts have none

    def event(self, entity: str, flow: str, event_id: str) -> Event:
        """An event as it came, from what the ledger keeps of it; raises KeyError where it is not there."""
        return self._whole(self._item(entity, f"{flow}#{event_id}"))

    def parked_event(self, entity: str, flow: str, event_id: str) -> Event | None:
        """An event that is parked, as it came; None where it is not parked, or no longer."""
        try:
            item = self._item(entity, f"{flow}#{event_id}")
        except KeyError:
            return None
        return self._whole(item) if item["outcome"]["S"] == Outcome.PARKED else None

    def _whole(self, item: dict[str, Any]) -> Event:
        entity, record = item["entity"]["S"], item["record"]["S"]
        others = (f"{record}#part{number}" for number in range(1, parts_of(item)))
        parts = [item, *(self._item(entity, other) for other in others)]
        base = base_of(item)
        like = self.event(entity, record.partition("#")[0], base).data if base else b""
        return unpack(b"".join(part["payload"]["B"] for part in parts), item, like)

    def labelled(self, label: str) -> list[str]:
        """The entities that people call `label` (as `searchable` has it), by the index: a moment behind the table."""
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            IndexName=BY_LABEL,
            KeyConditionExpression="#label = :label",
            ExpressionAttributeNames={"#label": LABEL},
            ExpressionAttributeValues={":label": {"S": label}},
        )
        return sorted({item["entity"]["S"] for page in pages for item in page["Items"]})

    def everything(self, seen: Callable[[int], None]) -> Iterator[Ended]:
        """Every recorded end, in no order, by reading the whole table; `seen` is told how many items each page held."""
        with ThreadPoolExecutor(SEGMENTS) as pool:
            running: dict[Future[Any], int] = {pool.submit(self._page, each, None): each for each in range(SEGMENTS)}
            while running:
                for done in wait(running, return_when=FIRST_COMPLETED).done:
                    segment, page = running.pop(done), done.result()
                    if last := page.get("LastEvaluatedKey"):
                        running[pool.submit(self._page, segment, last)] = segment
                    seen(page["ScannedCount"])
                    yield from map(_ended, page["Items"])

    def outcomes(self, flow: str, events: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
        """How each of the events, as (entity, event id), ended in a flow, read consistently; the others are not in it.
        Raises LedgerUnavailable where DynamoDB leaves some unread."""
        wanted = [
            {"entity": {"S": entity}, "record": {"S": f"{flow}#{event}"}} for entity, event in dict.fromkeys(events)
        ]
        found: dict[tuple[str, str], str] = {}
        for start in range(0, len(wanted), READ_KEYS):
            for item in self._batch(wanted[start : start + READ_KEYS]):
                found[item["entity"]["S"], item["record"]["S"].partition("#")[2]] = item["outcome"]["S"]
        return found

    def discard(self, ended: Ended, destination: str, rule: str, at: datetime) -> bool:
        """End a set-aside event as discarded, keeping why it was set aside; False where it is no longer as it was. One
        that was parked for its flow's destination is listed there no longer."""
        try:
            self._client.update_item(
                TableName=self._table,
                Key={"entity": {"S": ended.entity}, "record": {"S": f"{ended.flow}#{ended.event_id}"}},
                UpdateExpression="SET outcome = :discarded, #rule = :rule, recorded_at = :at",
                ConditionExpression="outcome = :was AND recorded_at IN (:then, :formerly)",
                ExpressionAttributeNames={"#rule": "rule"},
                ExpressionAttributeValues={
                    ":discarded": {"S": Outcome.DISCARDED.value},
                    ":rule": {"S": rule},
                    ":at": kept(at),
                    ":was": {"S": ended.outcome},
                    **either(ended.recorded_at),
                },
            )
        except ClientError as error:
            if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
                return False
            raise
        if ended.waits_for:
            parked = parked_key(destination, ended.flow, ended.entity, ended.event_id)
            self._client.delete_item(TableName=self._table, Key=parked)
        return True

    def _page(self, segment: int, after: Any) -> Any:
        start = {"ExclusiveStartKey": after} if after else {}
        return self._client.scan(
            TableName=self._table,
            Segment=segment,
            TotalSegments=SEGMENTS,
            FilterExpression="attribute_exists(outcome)",
            ProjectionExpression=FIELDS,
            ExpressionAttributeNames=RESERVED,
            **start,
        )

    def _batch(self, keys: list[Any]) -> Iterator[dict[str, Any]]:
        for attempt in range(TRIES):
            request: Any = {
                "Keys": keys,
                "ConsistentRead": True,
                "ProjectionExpression": "entity, #record, outcome",
                "ExpressionAttributeNames": {"#record": "record"},
            }
            answer: Any = self._client.batch_get_item(RequestItems={self._table: request})
            yield from answer["Responses"].get(self._table, [])
            keys = answer.get("UnprocessedKeys", {}).get(self._table, {}).get("Keys", [])
            if not keys:
                return
            self._sleep(0.1 * 2**attempt)
        raise LedgerUnavailable("DynamoDB left reads unprocessed: the table is throttled; try again in a minute")

    def _item(self, entity: str, record: str) -> dict[str, Any]:
        key = {"entity": {"S": entity}, "record": {"S": record}}
        found: dict[str, Any] = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True)["Item"]
        return found


def _ended(item: dict[str, Any]) -> Ended:
    text = {name: value["S"] for name, value in item.items() if "S" in value}
    flow, _, event_id = text["record"].partition("#")
    failure = {name: value["S"] for name, value in item["error"]["M"].items()} if "error" in item else None
    return Ended(
        entity=text["entity"],
        flow=flow,
        event_id=event_id,
        type=text["type"],
        outcome=text["outcome"],
        attempts=attempts_of(item),
        received_at=moment_of(item["received_at"]),
        recorded_at=moment_of(item["recorded_at"]),
        doctype=text.get("doctype", ""),
        name=text.get("name", ""),
        rule=text.get("rule", ""),
        replay_of=text.get("replay_of", ""),
        failure=Failure(**failure) if failure else None,
        waits_for=text.get("waits_for", ""),
        until=datetime.fromisoformat(text["until"]) if "until" in text else None,
    )
