"""DynamoDB: the ledger read back, for the people who ask what became of an entity."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from hub.events import Event, from_json
from hub.ledger import Failure

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

FIELDS = "entity, #record, outcome, #type, attempts, received_at, recorded_at, doctype, #name, #rule, replay_of, #error"
RESERVED = {"#record": "record", "#type": "type", "#name": "name", "#rule": "rule", "#error": "error"}


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


class LedgerHistory:
    """Reads what `DynamoLedger` wrote; payloads stay where they are."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

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
        record = f"{flow}#{event_id}"
        item = self._item(entity, record)
        others = (f"{record}#part{number}" for number in range(1, int(item["payload_parts"]["N"])))
        parts = [item, *(self._item(entity, other) for other in others)]
        return from_json(zlib.decompress(b"".join(part["payload"]["B"] for part in parts)).decode())

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
        attempts=int(item["attempts"]["N"]),
        received_at=datetime.fromisoformat(text["received_at"]),
        recorded_at=datetime.fromisoformat(text["recorded_at"]),
        doctype=text.get("doctype", ""),
        name=text.get("name", ""),
        rule=text.get("rule", ""),
        replay_of=text.get("replay_of", ""),
        failure=Failure(**failure) if failure else None,
    )
