"""DynamoDB: redrives of dead letters: which ones were chosen, and how far each run has come."""

import json
from collections.abc import Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from adapters.refusals import reason
from hub import names
from hub.dead_letter_redrive import Key, Redrive
from hub.errors import LedgerUnavailable
from hub.ledger import TTL_ATTRIBUTE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_dynamodb import DynamoDBClient

PART = 100  # letters per item: some 20 KB
RUN = "run"
DAYS = 30  # then a run is forgotten


class DynamoRedrives:
    """`redrive/<id>` holds the run and its parts; parts never change."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def begin(self, run: Redrive, chosen: Sequence[Key]) -> None:
        """Keep a new run; first what was chosen, so that a run that can be read is whole."""
        expires = {"N": str(int((run.at + timedelta(days=DAYS)).timestamp()))}
        for number, start in enumerate(range(0, len(chosen), PART)):
            text = json.dumps(chosen[start : start + PART])
            self._put({**_key(run.id, _part(number)), "chosen": {"S": text}, TTL_ATTRIBUTE: expires})
        self._put(
            {
                **_key(run.id, RUN),
                "by": {"S": run.by},
                "reason": {"S": run.reason},
                "at": {"S": run.at.isoformat()},
                "per_second": {"N": str(run.per_second)},
                "total": {"N": str(run.total)},
                "done": {"N": "0"},
                "sent": {"N": "0"},
                TTL_ATTRIBUTE: expires,
            }
        )

    def read(self, run: str) -> Redrive | None:
        """A run as it stands; None where there is none of that name."""
        item = self._get(run, RUN)
        if item is None:
            return None
        return Redrive(
            run,
            item["by"]["S"],
            item["reason"]["S"],
            datetime.fromisoformat(item["at"]["S"]),
            float(item["per_second"]["N"]),
            int(item["total"]["N"]),
            int(item["done"]["N"]),
            int(item["sent"]["N"]),
            "cancelled" in item,
        )

    def chosen(self, run: str, start: int, count: int) -> Sequence[Key]:
        """So many of the chosen letters, from `start` on; fewer where their part ends."""
        item = self._get(run, _part(start // PART))
        if item is None:
            raise LedgerUnavailable(f"what redrive {run} chose is not there")
        keys = json.loads(item["chosen"]["S"])[start % PART :][:count]
        return [(flow, subject, event) for flow, subject, event in keys]

    def advance(self, run: Redrive, done: int, sent: int) -> bool:
        """Note that so many more were dealt with; False where the run is no longer as it was read."""
        values = {":done": {"N": str(done)}, ":sent": {"N": str(sent)}, ":was": {"N": str(run.done)}}
        return self._update(
            run.id, "ADD done :done, sent :sent", values, "done = :was AND attribute_not_exists(cancelled)"
        )

    def cancel(self, run: str, by: str) -> bool:
        """Keep a run from going on; False where there is none of that name."""
        return self._update(run, "SET cancelled = :by", {":by": {"S": by}}, "attribute_exists(entity)")

    def _get(self, run: str, record: str) -> dict[str, Any] | None:
        with _told():
            return self._client.get_item(TableName=self._table, Key=_key(run, record), ConsistentRead=True).get("Item")

    def _put(self, item: dict[str, Any]) -> None:
        with _told():
            self._client.put_item(TableName=self._table, Item=item, ConditionExpression="attribute_not_exists(entity)")

    def _update(self, run: str, expression: str, values: Any, condition: str) -> bool:
        with _told():
            try:
                self._client.update_item(
                    TableName=self._table,
                    Key=_key(run, RUN),
                    UpdateExpression=expression,
                    ExpressionAttributeValues=values,
                    ConditionExpression=condition,
                )
            except ClientError as error:
                if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
                    return False
                raise
        return True


def _key(run: str, record: str) -> dict[str, Any]:
    return {"entity": {"S": names.redrive(run)}, "record": {"S": record}}


def _part(number: int) -> str:
    return f"part#{number:06d}"


@contextmanager
def _told() -> "Iterator[None]":
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise LedgerUnavailable(f"a redrive could not be read or changed: {reason(error)}") from error
