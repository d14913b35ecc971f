"""DynamoDB: the breakers of destinations, beside the ledger's items."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from adapters.refusals import aws_errors, reason
from hub.breaker import Breaker, State
from hub.errors import LedgerUnavailable
from hub.events import parse_instant

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

RECORD = "breaker"


class DynamoBreakers:
    """One item per destination, written only if it is still the one that was read."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def read(self, destination: str) -> Breaker:
        """The breaker of a destination, read consistently; a closed one if there is none yet."""
        try:
            item = self._client.get_item(TableName=self._table, Key=key(destination), ConsistentRead=True).get("Item")
        except aws_errors() as error:
            raise LedgerUnavailable(f"the breaker could not be read: {reason(error)}") from error
        return breaker_of(item)

    def write(self, destination: str, breaker: Breaker) -> bool:
        """Keep a state derived from the one read; False if another writer was faster."""
        return self.put(key(destination), _item(breaker), breaker.version)

    def put(self, key: dict[str, Any], item: dict[str, Any], version: int) -> bool:
        """Write an item as the version after this one, which it must still be; says whether it was."""
        try:
            self._client.put_item(
                TableName=self._table,
                Item={**key, **item, "version": {"N": str(version + 1)}},
                ConditionExpression="attribute_not_exists(entity) OR #version = :read",
                ExpressionAttributeNames={"#version": "version"},
                ExpressionAttributeValues={":read": {"N": str(version)}},
            )
        except aws_errors() as error:
            if reason(error) == "ConditionalCheckFailedException":
                return False
            raise LedgerUnavailable(f"the breaker could not be written: {reason(error)}") from error
        return True


def key(destination: str) -> dict[str, Any]:
    """The key of a destination's breaker."""
    return {"entity": {"S": f"destination/{destination}"}, "record": {"S": RECORD}}


def _item(breaker: Breaker) -> dict[str, Any]:
    item: dict[str, Any] = {
        "state": {"S": breaker.state.value},
        "strikes": {"N": str(breaker.strikes)},
        "reason": {"S": breaker.reason},
        "probes": {"N": str(breaker.probes)},
        "told": {"S": breaker.told.value},
        "flows": {"M": {flow: {"N": str(concurrency)} for flow, concurrency in breaker.flows.items()}},
    }
    for name, moment in (("changed_at", breaker.changed_at), ("probe_at", breaker.probe_at)):
        if moment:
            item[name] = {"S": moment.isoformat()}
    return item


def breaker_of(item: dict[str, Any] | None) -> Breaker:
    """The breaker that an item says; a closed one if there is none."""
    if item is None:
        return Breaker()
    return Breaker(
        state=State(item["state"]["S"]),
        strikes=int(item["strikes"]["N"]),
        reason=item["reason"]["S"],
        changed_at=_moment(item, "changed_at"),
        probes=int(item["probes"]["N"]),
        probe_at=_moment(item, "probe_at"),
        flows={flow: int(concurrency["N"]) for flow, concurrency in item["flows"]["M"].items()},
        told=State(item["told"]["S"]) if "told" in item else State.CLOSED,  # items of earlier releases have none
        version=int(item["version"]["N"]),
    )


def _moment(item: dict[str, Any], name: str) -> datetime | None:
    return parse_instant(item[name]["S"]) if name in item else None
