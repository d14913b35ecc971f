"""DynamoDB: how far each stream has been read, and who reads it now; beside the ledger's items."""

import json
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from adapters.refusals import reason
from hub.errors import LedgerUnavailable
from hub.listed import Stand
from hub.runs import LeaseLost, Run, State

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

LEASE_SECONDS = 300  # after the last page: one page with all its tries takes less, and a dead run delays no longer
CURSOR = "cursor"  # the record of the stream itself; a window of a backfill has its own
COMPARISON = "comparison"  # the record of a run that lists everything
RECONCILIATION = "reconcile#"  # how the record begins of holding it against a flow's destination
APPROVAL = "approval#"  # how the records begin that say who approved what
RESET = "reset#"  # how the records begin that say by whom, when and why a cursor was set
_STAND = struct.Struct(">QQ")


class DynamoCursors:
    """One item per stream (or window of one), written only by who holds its lease."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def take(self, stream: str, owner: str, now: datetime, record: str = CURSOR) -> "HeldCursor | None":
        """The stream's state under a lease; None while another owner's lease lasts. Raises LedgerUnavailable."""
        seconds = int(now.timestamp())
        item = _call(
            self._client.update_item,
            TableName=self._table,
            Key=key(stream, record),
            UpdateExpression="SET lease_owner = :owner, lease_until = :until",
            ConditionExpression="attribute_not_exists(lease_until) OR lease_until < :now OR lease_owner = :owner",
            ExpressionAttributeValues={
                ":owner": {"S": owner},
                ":until": {"N": str(seconds + LEASE_SECONDS)},
                ":now": {"N": str(seconds)},
            },
            ReturnValues="ALL_NEW",
        )
        return HeldCursor(self._client, self._table, key(stream, record), owner, item["Attributes"]) if item else None

    def read(self, stream: str, record: str = CURSOR) -> dict[str, Any]:
        """The item as it stands, for people: state, lease, pause; {} where there is none."""
        found = _call(self._client.get_item, TableName=self._table, Key=key(stream, record), ConsistentRead=True)
        return dict((found or {}).get("Item", {}))

    def records(self, stream: str, beginning: str) -> Iterator[dict[str, Any]]:
        """The stream's items of which the record begins so, in their order; raises LedgerUnavailable."""
        request: dict[str, Any] = {
            "TableName": self._table,
            "KeyConditionExpression": "entity = :entity AND begins_with(#record, :beginning)",
            "ExpressionAttributeNames": {"#record": "record"},
            "ExpressionAttributeValues": {":entity": key(stream)["entity"], ":beginning": {"S": beginning}},
            "ConsistentRead": True,
        }
        while True:
            found = _call(self._client.query, **request)
            yield from found["Items"]
            if "LastEvaluatedKey" not in found:
                return
            request["ExclusiveStartKey"] = found["LastEvaluatedKey"]

    def pause(self, stream: str, why: str) -> None:
        """Have every run of the stream end before it reads anything. `why` says by whom and why."""
        _call(
            self._client.update_item,
            TableName=self._table,
            Key=key(stream),
            UpdateExpression="SET paused = :why",
            ExpressionAttributeValues={":why": {"S": why}},
        )

    def resume(self, stream: str) -> None:
        """End a pause."""
        _call(self._client.update_item, TableName=self._table, Key=key(stream), UpdateExpression="REMOVE paused")

    def note(self, stream: str, what: str, now: datetime, about: Mapping[str, str]) -> None:
        """Record what a person does by hand (RESET, APPROVAL): from where, to where, by whom, why."""
        item = key(stream, what + now.isoformat()) | {name: {"S": value} for name, value in about.items()}
        _call(self._client.put_item, TableName=self._table, Item=item)


class HeldCursor:
    """A stream's state under this owner's lease."""

    def __init__(
        self, client: "DynamoDBClient", table: str, item_key: dict[str, Any], owner: str, item: dict[str, Any]
    ) -> None:
        self._client, self._table, self._key, self._owner = client, table, item_key, owner
        self.state = state_of(item)
        self.paused = item["paused"]["S"] if "paused" in item else ""  # by whom and why
        self.is_done = "done" in item  # a window that needs no other run
        self.last = last_run(item)
        self.progress: dict[str, Any] = json.loads(zlib.decompress(item["progress"]["B"])) if "progress" in item else {}

    def keep(self, state: State, now: datetime) -> State:
        """Keep a state and prolong the lease; raises LeaseLost where it has passed to another, and LedgerUnavailable."""
        kept = _call(
            self._client.update_item,
            TableName=self._table,
            Key=self._key,
            UpdateExpression="SET #state = :state, lease_until = :until",
            ConditionExpression="lease_owner = :owner",
            ExpressionAttributeNames={"#state": "state"},
            ExpressionAttributeValues={
                ":state": {"B": packed(state)},
                ":owner": {"S": self._owner},
                ":until": {"N": str(int(now.timestamp()) + LEASE_SECONDS)},
            },
            ReturnValues="UPDATED_NEW",
        )
        if kept is None:
            raise LeaseLost("another run has taken the stream: this one was thought dead")
        self.state = state
        return state

    def put(self, progress: Mapping[str, Any], now: datetime) -> None:
        """As `keep`, of work whose state is no State: anything that JSON can say."""
        kept = _call(
            self._client.update_item,
            TableName=self._table,
            Key=self._key,
            UpdateExpression="SET progress = :progress, lease_until = :until",
            ConditionExpression="lease_owner = :owner",
            ExpressionAttributeValues={
                ":progress": {"B": zlib.compress(json.dumps(progress).encode())},
                ":owner": {"S": self._owner},
                ":until": {"N": str(int(now.timestamp()) + LEASE_SECONDS)},
            },
            ReturnValues="UPDATED_NEW",
        )
        if kept is None:
            raise LeaseLost("another run has taken the stream: this one was thought dead")

    def leave(self, last: Mapping[str, object] | None = None) -> None:
        """End the lease, if it is still this owner's; `last` says how the run went, for people."""
        self._leave("SET last_run = :last " if last else "", {":last": {"S": json.dumps(last)}} if last else {})

    def end(self, last: Mapping[str, object]) -> None:
        """End the lease of a window that was read to its end: its state is needed no longer."""
        values = {":last": {"S": json.dumps(last)}, ":yes": {"BOOL": True}}
        self._leave("SET last_run = :last, done = :yes ", values, ", #state")

    def fail(self, last: Mapping[str, object]) -> None:
        """End the lease of a window that could not be read, and count that."""
        values = {":last": {"S": json.dumps(last)}, ":one": {"N": "1"}}
        self._leave("SET last_run = :last ", values, more=" ADD failures :one")

    def ask(self, comparison: str, keys: Sequence[str], count: int) -> None:
        """Keep the orphans that wait for a person, of which `keys` are the first; none where `count` is 0."""
        asked = {"comparison": comparison, "keys": list(keys), "count": count}
        packed_keys = zlib.compress(json.dumps(asked).encode())
        _call(
            self._client.update_item,
            TableName=self._table,
            Key=self._key,
            UpdateExpression="SET orphans = :orphans" if count else "REMOVE orphans",
            ConditionExpression="lease_owner = :owner",
            ExpressionAttributeValues={
                ":owner": {"S": self._owner},
                **({":orphans": {"B": packed_keys}} if count else {}),
            },
        )

    def _leave(self, first: str, values: Mapping[str, Any], removed: str = "", more: str = "") -> None:
        _call(
            self._client.update_item,
            TableName=self._table,
            Key=self._key,
            UpdateExpression=f"{first}REMOVE lease_owner, lease_until{removed}{more}",
            ConditionExpression="lease_owner = :owner",
            ExpressionAttributeValues={":owner": {"S": self._owner}, **values},
            **({"ExpressionAttributeNames": {"#state": "state"}} if removed else {}),
        )


def key(stream: str, record: str = CURSOR) -> dict[str, Any]:
    """The key of a stream's item: `stream` is "<integration>/<name>"."""
    return {"entity": {"S": f"stream/{stream}"}, "record": {"S": record}}


def packed(state: State) -> bytes:
    """A state as one attribute."""
    run = asdict(state.run) | {"began_at": state.run.began_at.isoformat()} if state.run else None
    versions = "\n".join(stand.version for stand in state.seen.values())
    stands = b"".join(_STAND.pack(row, stand.fingerprint) for row, stand in state.seen.items())
    told = {
        "watermark": state.watermark,
        "looked_at": state.looked_at.isoformat() if state.looked_at else None,
        "run": run,
        "versions": versions,
        "fields": sorted(state.fields),
        "proposed": state.proposed,
    }
    text = json.dumps(told, separators=(",", ":")).encode()
    return zlib.compress(len(text).to_bytes(4, "big") + text + stands, 6)


def state_of(item: dict[str, Any]) -> State:
    """The state in an item; a new one where it holds none."""
    if "state" not in item:
        return State()
    raw = zlib.decompress(item["state"]["B"])
    end = 4 + int.from_bytes(raw[:4], "big")
    told = json.loads(raw[4:end])
    stands = list(_STAND.iter_unpack(raw[end:]))
    versions = told["versions"].split("\n")
    run = told["run"]
    return State(
        watermark=told["watermark"],
        looked_at=_moment(told["looked_at"]),
        seen={row: Stand(version, mark) for (row, mark), version in zip(stands, versions, strict=False)},
        run=_run(run) if run else None,
        fields=frozenset(told.get("fields", ())),
        proposed=told.get("proposed", ""),
    )


def _run(told: dict[str, Any]) -> Run:
    moment = datetime.fromisoformat(told["began_at"])
    return Run(**(told | {"began_at": moment, "new_fields": tuple(told.get("new_fields", ()))}))


def is_leased(item: Mapping[str, Any], now: datetime) -> bool:
    """Whether somebody holds the lease of an item."""
    return "lease_until" in item and int(item["lease_until"]["N"]) >= int(now.timestamp())


def last_run(item: Mapping[str, Any]) -> dict[str, Any]:
    """How the last run of an item went, as `leave` was told it; {} where there was none."""
    return dict(json.loads(item["last_run"]["S"])) if "last_run" in item else {}


def orphans_of(item: Mapping[str, Any]) -> dict[str, Any]:
    """What `ask` kept: comparison, keys, count; {} where nothing waits."""
    return dict(json.loads(zlib.decompress(item["orphans"]["B"]))) if "orphans" in item else {}


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text).astimezone(UTC) if text else None


def _call(operation: Any, **request: Any) -> Any:
    """None where the condition does not hold."""
    try:
        return operation(**request)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
            return None
        raise LedgerUnavailable(f"the stream's cursor could not be read or written: {reason(error)}") from error
    except BotoCoreError as error:
        raise LedgerUnavailable(f"the stream's cursor could not be read or written: {reason(error)}") from error
