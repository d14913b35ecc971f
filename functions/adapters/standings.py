"""DynamoDB: how destinations stand. Breaker and pace lie under one partition key, so that one query reads both."""

from typing import Any

from adapters.breakers import RECORD as BREAKER
from adapters.breakers import DynamoBreakers, breaker_of, key
from adapters.refusals import aws_errors, reason
from hub.errors import LedgerUnavailable
from hub.events import parse_instant
from hub.guard import Standing
from hub.pace import Pace

PACE = "pace"


class DynamoStandings(DynamoBreakers):
    """Breakers and paces: two items per destination, each written only if it is still the one that was read."""

    def standing(self, destination: str) -> Standing:
        """Breaker and pace of a destination, read consistently; new ones where there are none yet."""
        try:
            items = self._client.query(
                TableName=self._table,
                KeyConditionExpression="entity = :destination",
                ExpressionAttributeValues={":destination": key(destination)["entity"]},
                ConsistentRead=True,
            )["Items"]
        except aws_errors() as error:
            raise LedgerUnavailable(f"the breaker could not be read: {reason(error)}") from error
        found: dict[str, dict[str, Any]] = {item["record"]["S"]: item for item in items}
        return Standing(breaker_of(found.get(BREAKER)), _pace(found.get(PACE)))

    def write_pace(self, destination: str, pace: Pace) -> bool:
        """Keep a pace cut from the one read; False if another writer was faster."""
        item = {"level": {"N": f"{pace.level:.6f}"}, "factor": {"N": f"{pace.factor:.6f}"}}
        if pace.cut_at:
            item["cut_at"] = {"S": pace.cut_at.isoformat()}
        return self.put({**key(destination), "record": {"S": PACE}}, item, pace.version)


def _pace(item: dict[str, Any] | None) -> Pace:
    if item is None:
        return Pace()
    return Pace(
        level=float(item["level"]["N"]),
        factor=float(item["factor"]["N"]),
        cut_at=parse_instant(item["cut_at"]["S"]),
        version=int(item["version"]["N"]),
    )
