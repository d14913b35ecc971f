"""DynamoDB: the ledger's table. Partition key `entity`, sort key `record`: `<flow>#<event id>`, or `<flow>#` the head.

What is parked is also listed by destination: `parked/<destination>`, `<flow>#<subject>#<event id>` (hashed if long).
"""

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from adapters.moments import kept
from adapters.payloads import PARTS, kept_like, pack
from adapters.refusals import aws_errors, reason
from hub import names
from hub.errors import LedgerUnavailable
from hub.events import Event, queue_key
from hub.ledger import LABEL, TTL_ATTRIBUTE, Entry, Head, Known, Outcome, Parking

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

READ_KEYS = 100  # BatchGetItem takes so many keys at most
WRITE_ITEMS = 25  # BatchWriteItem takes so many items at most
PART_BYTES = 350_000  # an item holds 400 KB; the rest is for its other attributes
TRIES = 5  # of what DynamoDB left unprocessed; the waits between them add up to 1.5 s

Item = dict[str, Any]  # in DynamoDB's own notation


class DynamoLedger:
    """The ledger in DynamoDB: one read and one write call for a batch of up to 10 events.

    An event's payload (its queue message, packed) stays with its outcome, so that every end can be replayed.
    """

    def __init__(
        self, client: "DynamoDBClient", table: str, days: int, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._client = client
        self._table = table
        self._days = days
        self._sleep = sleep

    def known(self, flow: str, events: Sequence[Event]) -> list[Known]:
        """What is known of each event, read consistently; raises LedgerUnavailable."""
        keys = {(e.subject, record) for e in events for record in (_record(flow, e), _head_record(flow))}
        found = self._read(sorted(keys))
        return [
            Known(
                head=_head(found.get((event.subject, _head_record(flow)))),
                outcome=_outcome(item := found.get((event.subject, _record(flow, event)))),
                parked_since=datetime.fromisoformat(item["since"]["S"]) if item and "since" in item else None,
            )
            for event in events
        ]

    def heads_of(self, entities: Sequence[tuple[str, str]]) -> list[Head]:
        """How far each (flow, subject) has come, read consistently; raises LedgerUnavailable."""
        keys = [(subject, _head_record(flow)) for flow, subject in entities]
        found = self._read(sorted(set(keys)))
        return [_head(found.get(key)) for key in keys]

    def record(self, entries: Sequence[Entry], heads: Sequence[tuple[str, str, Head]]) -> None:
        """Write outcomes and heads; raises LedgerUnavailable unless DynamoDB confirmed every one of them."""
        items = [item for entry, base in _with_bases(entries) for item in self.entry_items(entry, base)]
        items += [_head_item(flow, subject, head) for flow, subject, head in heads]
        requests = [(item, {"PutRequest": {"Item": item}}) for item in items]
        for entry in entries:
            if entry.parked_before and not entry.parking:
                key = parked_key(entry.parked_before, entry.flow, entry.event.subject, entry.event.id)
                requests.append((key, {"DeleteRequest": {"Key": key}}))
        latest = {(key["entity"]["S"], key["record"]["S"]): request for key, request in requests}
        pending = list(latest.values())  # one request per key: DynamoDB refuses two in a call
        for start in range(0, len(pending), WRITE_ITEMS):
            self._write(pending[start : start + WRITE_ITEMS])

    def _read(self, keys: list[tuple[str, str]]) -> dict[tuple[str, str], Item]:
        found: dict[tuple[str, str], Item] = {}
        for start in range(0, len(keys), READ_KEYS):
            wanted: Any = [{"entity": {"S": e}, "record": {"S": r}} for e, r in keys[start : start + READ_KEYS]]
            for attempt in range(TRIES):
                request = {
                    "Keys": wanted,
                    "ConsistentRead": True,
                    "ProjectionExpression": "entity, #record, outcome, since, version, doctype, #name, #label, digest",
                    "ExpressionAttributeNames": {"#record": "record", "#name": "name", "#label": LABEL},
                }
                answer = self._call(self._client.batch_get_item, {self._table: request})
                for item in answer["Responses"].get(self._table, []):
                    found[item["entity"]["S"], item["record"]["S"]] = item
                wanted = answer.get("UnprocessedKeys", {}).get(self._table, {}).get("Keys", [])
                if not wanted:
                    break
                self._sleep(0.1 * 2**attempt)
            else:
                raise LedgerUnavailable("DynamoDB left reads unprocessed: the table is throttled")
        return found

    def _write(self, requests: list[dict[str, Any]]) -> None:
        for attempt in range(TRIES):
            answer = self._call(self._client.batch_write_item, {self._table: requests})
            requests = answer.get("UnprocessedItems", {}).get(self._table, [])
            if not requests:
                return
            self._sleep(0.1 * 2**attempt)
        raise LedgerUnavailable("DynamoDB left writes unprocessed: the table is throttled")

    def _call(self, operation: Any, request: dict[str, Any]) -> Any:
        try:
            return operation(RequestItems=request)
        except aws_errors() as error:
            raise LedgerUnavailable(f"DynamoDB refused or did not answer: {reason(error)}") from error

    def entry_items(self, entry: Entry, base: Entry | None = None) -> list[Item]:
        """What is written for an entry: its item first, what its payload takes beside it, and its place among the parked.
        With a base, its payload can be read only beside the base's."""
        event = entry.event
        payload = pack(event, base.event.data if base else b"")
        parts = [payload[start : start + PART_BYTES] for start in range(0, len(payload), PART_BYTES)]
        parking = entry.parking
        kept_from = _kept_from(base or entry)  # with a base they go together
        expires = {"N": str(int((kept_from + timedelta(days=self._days)).timestamp()))}
        item: Item = {
            "entity": {"S": event.subject},
            "record": {"S": _record(entry.flow, event)},
            "outcome": {"S": entry.outcome.value},
            "type": {"S": event.type},
            "received_at": kept(event.received_at),
            "recorded_at": kept(entry.recorded_at),
            "payload": {"B": parts[0]},
            **({PARTS: {"N": str(len(parts))}} if len(parts) > 1 else {}),
            **(kept_like(base.event) if base else {}),
            **({"attempts": {"N": str(entry.attempts)}} if entry.attempts != 1 else {}),
            TTL_ATTRIBUTE: expires,
        }
        optional = {"doctype": entry.doctype, "name": entry.name, "rule": entry.rule, "replay_of": event.replay_of}
        optional[LABEL] = entry.label
        item |= {name: {"S": value} for name, value in optional.items() if value}
        if entry.failure:
            failure = entry.failure
            item["error"] = {
                "M": {
                    "code": {"S": failure.code},
                    "category": {"S": failure.category},
                    "severity": {"S": failure.severity},
                    "message": {"S": failure.message},
                }
            }
        if parking:
            item |= {
                "waits_for": {"S": parking.waits_for},
                "since": {"S": parking.since.isoformat()},
                "until": {"S": parking.until.isoformat()},
            }
        return [
            item,
            *([_parked_item(entry, parking, expires)] if parking else []),
            *(
                {
                    "entity": item["entity"],
                    "record": {"S": f"{item['record']['S']}#part{number}"},
                    "payload": {"B": part},
                    TTL_ATTRIBUTE: expires,
                }
                for number, part in enumerate(parts[1:], start=1)
            ),
        ]


def attempts_of(item: Item) -> int:
    """At which attempt an event ended; the usual first one is not written down."""
    return int(item["attempts"]["N"]) if "attempts" in item else 1


def _with_bases(entries: Sequence[Entry]) -> Iterator[tuple[Entry, Entry | None]]:
    """Each entry, the last one of an event, with the one beside whose payload its own is kept: the first of its entity that
    is recorded together with it. Topics of a provider often tell the same, so that the others take next to nothing. Only
    what has ended serves: nothing but a replay is recorded in its place, and that has the same body."""
    bases: dict[tuple[str, str], Entry] = {}
    for entry in {(each.flow, each.event.subject, each.event.id): each for each in entries}.values():
        base = None
        if entry.outcome.final and entry.event.data:
            base = bases.setdefault((entry.flow, entry.event.subject), entry)
        yield entry, None if base is entry else base


def _kept_from(entry: Entry) -> datetime:
    """From when on an entry's days count; what is parked must outlive its waiting."""
    return max(entry.recorded_at, entry.parking.until) if entry.parking else entry.recorded_at


def parked_key(destination: str, flow: str, subject: str, event_id: str) -> Item:
    """The key under which a parked event is listed by its destination."""
    return {"entity": {"S": names.parked(destination)}, "record": {"S": f"{flow}#{queue_key(f'{subject}#{event_id}')}"}}


def _parked_item(entry: Entry, parking: Parking, expires: Item) -> Item:
    event = entry.event
    return {
        **parked_key(parking.destination, entry.flow, event.subject, event.id),
        "flow": {"S": entry.flow},
        "subject": {"S": event.subject},
        "event": {"S": event.id},
        "waits_for": {"S": parking.waits_for},
        "seen": {"S": parking.seen},
        "parked_at": {"S": entry.recorded_at.isoformat()},
        "until": {"S": parking.until.isoformat()},
        TTL_ATTRIBUTE: expires,
    }


def _record(flow: str, event: Event) -> str:
    return f"{flow}#{event.id}"


def _head_record(flow: str) -> str:
    return f"{flow}#"


def _head_item(flow: str, subject: str, head: Head) -> Item:
    item: Item = {
        "entity": {"S": subject},
        "record": {"S": _head_record(flow)},
        "version": {"S": head.version},
        "doctype": {"S": head.doctype},
        "name": {"S": head.name},
    }
    return item | {name: {"S": value} for name, value in ((LABEL, head.label), ("digest", head.digest)) if value}


def _head(item: Item | None) -> Head:
    if item is None:
        return Head()
    return Head(
        version=item["version"]["S"],
        doctype=item["doctype"]["S"],
        name=item["name"]["S"],
        label=item.get(LABEL, {}).get("S", ""),
        digest=item.get("digest", {}).get("S", ""),
    )


def _outcome(item: Item | None) -> Outcome | None:
    return Outcome(item["outcome"]["S"]) if item else None
