"""DynamoDB: the windows of each backfill, beside the stream's cursor; whoever is free takes the next."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from adapters.cursors import DynamoCursors, HeldCursor, is_leased, key, last_run
from adapters.refusals import reason
from hub.backfill import MOST_FAILURES, Filling, Window
from hub.errors import LedgerUnavailable
from hub.ledger import TTL_ATTRIBUTE

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

KEPT_DAYS = 90  # windows are looked at no longer after that, whether done or not
BACKFILL, WINDOW = "backfill#", "window#"  # how the records begin


class Taken(NamedTuple):
    """A window and its state, under a lease."""

    window: Window
    held: HeldCursor


class DynamoBackfills:
    """The backfills of a stage's streams."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table
        self._cursors = DynamoCursors(client, table)

    def plan(
        self, stream: str, backfill: str, windows: Sequence[Window], request: dict[str, Any], by: str, now: datetime
    ) -> None:
        """Keep a backfill's windows and the request that runs it; raises LedgerUnavailable. What breaks off leaves
        windows that nobody takes: the backfill itself is kept last."""
        expires = {"N": str(int((now + timedelta(days=KEPT_DAYS)).timestamp()))}
        items = [
            key(stream, _record(backfill, each.number))
            | {"since": {"S": each.since}, "until": {"S": each.until}, TTL_ATTRIBUTE: expires}
            for each in windows
        ]
        for batch in (items[place : place + 25] for place in range(0, len(items), 25)):  # DynamoDB's limit
            left: Any = {self._table: [{"PutRequest": {"Item": item}} for item in batch]}
            while left:
                left = self._call(self._client.batch_write_item, RequestItems=left)["UnprocessedItems"]
        about = {"request": json.dumps(request), "by": by, "at": now.isoformat()}
        self._put(
            key(stream, BACKFILL + backfill)
            | {name: {"S": value} for name, value in about.items()}
            | {TTL_ATTRIBUTE: expires}
        )

    def request(self, stream: str, backfill: str) -> dict[str, Any] | None:
        """The request that runs a backfill; None where there is no such."""
        item = self._cursors.read(stream, BACKFILL + backfill)
        return dict(json.loads(item["request"]["S"])) if item else None

    def take(self, stream: str, backfill: str, parallel: int, owner: str, now: datetime) -> Taken | None:
        """The next window under a lease; None where none is left, or as many as may are being read."""
        items = list(self._cursors.records(stream, f"{WINDOW}{backfill}#"))
        of_others = [each for each in items if is_leased(each, now) and each["lease_owner"]["S"] != owner]
        if len(of_others) >= parallel:
            return None
        for item in items:
            if item in of_others or "done" in item or _failures(item) >= MOST_FAILURES:
                continue
            held = self._cursors.take(stream, owner, now, item["record"]["S"])
            if held and not held.is_done:
                return Taken(_window(item), held)
            if held:  # another has ended it since it was looked at
                held.leave()
        return None

    def fillings(self, stream: str, now: datetime) -> list[Filling]:
        """How far each backfill of a stream is, the newest first."""
        items = list(self._cursors.records(stream, BACKFILL))
        return [self.filling(stream, item["record"]["S"].removeprefix(BACKFILL), item, now) for item in items[::-1]]

    def filling(self, stream: str, backfill: str, item: dict[str, Any] | None, now: datetime) -> Filling:
        """How far one backfill is; `item` is its own record, where the caller has read it."""
        item = item or self._cursors.read(stream, BACKFILL + backfill)
        windows = list(self._cursors.records(stream, f"{WINDOW}{backfill}#"))
        done = [each for each in windows if "done" in each]
        running = [each for each in windows if "done" not in each and is_leased(each, now)]
        failed = [
            each
            for each in windows
            if "done" not in each and not is_leased(each, now) and _failures(each) >= MOST_FAILURES
        ]
        return Filling(
            id=backfill,
            parallel=json.loads(item["request"]["S"])["backfill"]["parallel"],
            done=len(done),
            running=len(running),
            failed=len(failed),
            open=len(windows) - len(done) - len(running) - len(failed),
            rows=sum(last_run(each).get("rows", 0) for each in windows),
            queued=sum(last_run(each).get("queued", 0) for each in windows),
            why=next((str(last_run(each).get("reason", "")) for each in failed), ""),
        )

    def forgive(self, stream: str, backfill: str) -> None:
        """Have the windows that failed tried again."""
        for item in self._cursors.records(stream, f"{WINDOW}{backfill}#"):
            if _failures(item):
                self._call(
                    self._client.update_item,
                    TableName=self._table,
                    Key={"entity": item["entity"], "record": item["record"]},
                    UpdateExpression="REMOVE failures",
                )

    def _put(self, item: dict[str, Any]) -> None:
        self._call(self._client.put_item, TableName=self._table, Item=item)

    def _call(self, operation: Any, **request: Any) -> Any:
        try:
            return operation(**request)
        except (BotoCoreError, ClientError) as error:
            raise LedgerUnavailable(f"the backfill could not be written: {reason(error)}") from error


def _record(backfill: str, number: int) -> str:
    return f"{WINDOW}{backfill}#{number:05}"


def _window(item: dict[str, Any]) -> Window:
    return Window(int(item["record"]["S"].rsplit("#", 1)[1]), item["since"]["S"], item["until"]["S"])


def _failures(item: dict[str, Any]) -> int:
    return int(item["failures"]["N"]) if "failures" in item else 0
