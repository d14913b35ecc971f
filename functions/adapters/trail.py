"""DynamoDB: a table of its own for what operators do. No function of the hub has any right to it.

entity "operators/<yyyy-mm>"   record "<UTC time>#<id>"
"""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from adapters.refusals import reason as refusal
from hub.trail import Deed, TrailUnavailable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

MONTH = "operators/{:%Y-%m}"


class DynamoTrail:
    """A Trail. `who` asks STS, and `user` the machine, who is calling."""

    def __init__(
        self,
        client: "DynamoDBClient",
        table: str,
        who: Callable[[], str],
        user: Callable[[], str],
        now: Callable[[], datetime],
        new_id: Callable[[], str],
    ) -> None:
        self._client, self._table = client, table
        self._who, self._user, self._now, self._new_id = who, user, now, new_id

    def note(self, action: str, about: str, reason: str, details: Mapping[str, str] | None = None) -> None:
        """As Trail. Nothing is ever overwritten: the write is refused where the key is taken."""
        at = self._now().astimezone(UTC)
        try:
            item = {
                "entity": MONTH.format(at),
                "record": f"{at.isoformat(timespec='microseconds')}#{self._new_id()}",
                "action": action,
                "about": about,
                "who": self._who(),
                "user": self._user(),
                "reason": reason,
                "details": json.dumps(dict(details or {}), ensure_ascii=False, sort_keys=True),
            }
            self._client.put_item(
                TableName=self._table,
                Item={name: {"S": value} for name, value in item.items()},
                ConditionExpression="attribute_not_exists(entity)",
            )
        except (BotoCoreError, ClientError) as error:
            what = f"what you do cannot be recorded in {self._table} ({refusal(error)}), so nothing was done"
            raise TrailUnavailable(what) from error

    def deeds(self, since: datetime, until: datetime) -> Iterator[Deed]:
        """As Trail."""
        first, last = (moment.astimezone(UTC) for moment in (since, until))
        year, month = first.year, first.month
        while (year, month) <= (last.year, last.month):
            yield from self._of(MONTH.format(datetime(year, month, 1, tzinfo=UTC)), first, last)
            year, month = (year, month + 1) if month < 12 else (year + 1, 1)

    def _of(self, entity: str, since: datetime, until: datetime) -> Iterator[Deed]:
        bounds = {name: {"S": each.isoformat(timespec="microseconds")} for name, each in ((":a", since), (":b", until))}
        request: dict[str, Any] = {
            "TableName": self._table,
            "KeyConditionExpression": "entity = :e AND #record BETWEEN :a AND :b",
            "ExpressionAttributeNames": {"#record": "record"},
            "ExpressionAttributeValues": {":e": {"S": entity}, **bounds},
            "ConsistentRead": True,
        }
        try:
            for page in self._client.get_paginator("query").paginate(**request):
                yield from map(_deed, page["Items"])
        except (BotoCoreError, ClientError) as error:
            raise TrailUnavailable(f"{self._table} could not be read: {refusal(error)}") from error


def _deed(item: Mapping[str, Any]) -> Deed:
    texts = {name: value["S"] for name, value in item.items()}
    at = datetime.fromisoformat(texts["record"].partition("#")[0])
    told = {name: texts[name] for name in ("action", "about", "who", "user", "reason")}
    return Deed(at, **told, details=json.loads(texts["details"]))
