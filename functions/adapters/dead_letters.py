"""DynamoDB: dead letters and their causes, beside the ledger's items.

`letters/<flow>` holds `letter#<subject>#<event id>` (hashed if long) and `cause#<id>`. What is open bears the keys of a sparse
index, its flow and when it is looked at next; what is closed leaves the index and stays readable by flow.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from adapters.dynamodb import DynamoLedger
from adapters.ledger_history import LedgerHistory
from adapters.moments import either, moment_of
from adapters.refusals import reason
from hub import names
from hub.dead_letter import BY_LOOK, LOOK_AT, OPEN_IN, End, Found, Letter, Status
from hub.dead_letter_retries import Cause
from hub.errors import LedgerUnavailable
from hub.events import Event, queue_key
from hub.ledger import TTL_ATTRIBUTE, Entry, Failure, Outcome

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

PAGE = 100  # as many ends as one BatchGetItem takes
TOGETHER = 50  # letters per transaction; DynamoDB takes 100 items
LETTER, CAUSE, BEGUN = "letter#", "cause#", "begun#"
AHEAD = timedelta(days=2)  # nothing is planned so far ahead: a clock was wrong when that was written
OTHERS_WERE_FASTER = {"ConditionalCheckFailedException", "TransactionCanceledException", "TransactionConflictException"}

Item = dict[str, Any]  # in DynamoDB's own notation


class DynamoLetters:
    """The letters of a stage, each written only if it is still the one that was read."""

    def __init__(self, client: "DynamoDBClient", table: str, days: int) -> None:
        self._client = client
        self._table = table
        self._days = days
        self._ledger = DynamoLedger(client, table, days)
        self._history = LedgerHistory(client, table)

    def find(self, flow: str, subject: str, event_id: str) -> Found:
        """What is known of an event, read consistently; raises LedgerUnavailable."""
        mine, end = letter_key(flow, subject, event_id), _end_key(flow, subject, event_id)
        items = self._get([mine, end])
        letter = items.get(_plain(mine))
        return Found(letter_of(letter) if letter else None, _end(items.get(_plain(end))))

    def bury(self, entry: Entry, letter: Letter, found: Found) -> bool:
        """Keep a death and its letter, both or none."""
        own, *rest = self._ledger.entry_items(entry)
        condition: Item = {"ConditionExpression": "attribute_not_exists(entity)"}
        if found.end:
            condition = {
                "ConditionExpression": "outcome = :was AND received_at IN (:then, :formerly)",
                "ExpressionAttributeValues": {
                    ":was": {"S": found.end.outcome.value},
                    **either(found.end.life),
                },
            }
        puts = [{"TableName": self._table, "Item": own, **condition}]
        puts += [{"TableName": self._table, "Item": part} for part in rest]
        return self._transact([*({"Put": put} for put in puts), self._put(letter)])

    def due(self, flow: str, now: datetime) -> Iterator[Sequence[tuple[Letter, End | None]]]:
        """The open letters to be looked at now, page by page; also what a clock that was ahead has put off."""
        for condition, at in ((f"{LOOK_AT} <= :at", now), (f"{LOOK_AT} > :at", now + AHEAD)):
            for items in self._open(flow, condition, at):
                yield self._with_ends([letter_of(item) for item in items])

    def causes(self, flow: str, now: datetime) -> Sequence[Cause]:
        """The causes of which people are to be told now, read consistently."""
        return [
            cause
            for items in self._items(flow, CAUSE)
            for item in items
            if (cause := _cause(flow, item)).look_at and cause.look_at <= now
        ]

    def of(self, flow: str) -> Iterator[Letter]:
        """Every letter of a flow, closed ones too, read consistently."""
        for items in self._items(flow, LETTER):
            yield from map(letter_of, items)

    def count_escalated(self, flow: str) -> int:
        """How many letters of a flow wait for a person, by the index of those that are open."""
        query: Item = {
            "IndexName": BY_LOOK,
            "KeyConditionExpression": f"{OPEN_IN} = :flow",
            "FilterExpression": "#status = :escalated",
            "ExpressionAttributeNames": {"#status": "status"},
            "ExpressionAttributeValues": {":flow": {"S": flow}, ":escalated": {"S": Status.ESCALATED.value}},
        }
        return sum(map(len, self._pages(query)))

    def ends(self, letters: Sequence[Letter]) -> Iterator[tuple[Letter, End | None]]:
        """Letters with how their events ended, in their order."""
        for start in range(0, len(letters), PAGE):
            yield from self._with_ends(letters[start : start + PAGE])

    def event(self, letter: Letter) -> Event | None:
        """The event as it came last; None where the ledger no longer has it."""
        with _told():
            try:
                return self._history.event(letter.subject, letter.flow, letter.event_id)
            except KeyError:
                return None

    def begun(self, flow: str, message_id: str, by: int = 1) -> int:
        """Note that work on a suspect message begins, or with -1 that it ended; how often it began without an end."""
        with _told():
            answer = self._client.update_item(
                TableName=self._table,
                Key={"entity": {"S": names.letters(flow)}, "record": {"S": f"{BEGUN}{message_id}"}},
                UpdateExpression=f"SET {TTL_ATTRIBUTE} = :expires ADD begun :by",
                ExpressionAttributeValues={":expires": self._expires(datetime.now(UTC)), ":by": {"N": str(by)}},
                ReturnValues="UPDATED_NEW",
            )
        return int(answer["Attributes"]["begun"]["N"])

    def keep(self, letters: Sequence[Letter]) -> int:
        """Keep changed letters; how many were still as they had been read."""
        return sum(self._together([self._put(each) for each in chunk]) for chunk in _chunks(letters))

    def escalate(self, letters: Sequence[Letter], cause: Cause) -> int:
        """Keep them as escalated and count them as untold of their cause; how many that were."""
        return sum(
            self._together([self._put(each) for each in chunk], lambda count: [self._count(cause, count)])
            for chunk in _chunks(letters)
        )

    def claim(self, cause: Cause, until: datetime) -> bool:
        """Keep others from telling of a cause until then; False where somebody else does."""
        return self._update(
            cause,
            f"SET {LOOK_AT} = :until",
            {":until": {"S": until.isoformat()}, ":read": {"S": cause.look_at.isoformat() if cause.look_at else ""}},
            f"{LOOK_AT} = :read",
        )

    def told(self, cause: Cause, at: datetime, next_at: datetime) -> None:
        """Note that people heard of what was untold; where nothing was, the next letter is told at once."""
        if not cause.untold:
            self._update(cause, f"REMOVE {LOOK_AT}", {":none": {"N": "0"}}, "untold = :none")
            return
        values = {
            ":at": {"S": at.isoformat()},
            ":next": {"S": next_at.isoformat()},
            ":heard": {"N": str(-cause.untold)},
        }
        self._update(cause, f"SET told_at = :at, {LOOK_AT} = :next ADD untold :heard", values)

    # Reading

    def _open(self, flow: str, condition: str, at: datetime) -> Iterator[Sequence[Item]]:
        query: Item = {
            "IndexName": BY_LOOK,
            "KeyConditionExpression": f"{OPEN_IN} = :flow AND {condition}",
            "ExpressionAttributeValues": {":flow": {"S": flow}, ":at": {"S": at.isoformat()}},
        }
        yield from self._pages(query)

    def _items(self, flow: str, records: str) -> Iterator[Sequence[Item]]:
        return self._pages(
            {
                "KeyConditionExpression": "entity = :entity AND begins_with(#record, :records)",
                "ExpressionAttributeNames": {"#record": "record"},
                "ExpressionAttributeValues": {":entity": {"S": names.letters(flow)}, ":records": {"S": records}},
                "ConsistentRead": True,
            }
        )

    def _pages(self, query: Item) -> Iterator[Sequence[Item]]:
        query = {"TableName": self._table, "Limit": PAGE, **query}
        while True:
            with _told():
                answer = self._client.query(**query)
            yield answer["Items"]
            if "LastEvaluatedKey" not in answer:
                return
            query["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def _with_ends(self, letters: Sequence[Letter]) -> list[tuple[Letter, End | None]]:
        keys = [_end_key(each.flow, each.subject, each.event_id) for each in letters]
        found = self._get(keys) if keys else {}
        return [(letter, _end(found.get(_plain(key)))) for letter, key in zip(letters, keys, strict=True)]

    def _get(self, keys: Sequence[Item]) -> dict[tuple[str, str], Item]:
        """Whole letters, and of outcomes what an End says."""
        request: Item = {"Keys": list(keys), "ConsistentRead": True}
        if all(not key["record"]["S"].startswith(LETTER) for key in keys):  # payloads stay where they are
            request |= {
                "ProjectionExpression": "entity, #record, outcome, received_at",
                "ExpressionAttributeNames": {"#record": "record"},
            }
        with _told():
            answer = self._client.batch_get_item(RequestItems={self._table: request})  # type: ignore[dict-item]
        if answer.get("UnprocessedKeys", {}).get(self._table):
            raise LedgerUnavailable("DynamoDB left reads unprocessed: the table is throttled")
        return {(item["entity"]["S"], item["record"]["S"]): item for item in answer["Responses"].get(self._table, [])}

    # Writing

    def _together(self, puts: list[Item], also: Callable[[int], list[Item]] = lambda _: []) -> int:
        """All at once, which is cheap; where others were faster with one of them, one by one."""
        if self._transact([*puts, *also(len(puts))]):
            return len(puts)
        return 0 if len(puts) == 1 else sum(self._transact([put, *also(1)]) for put in puts)

    def _transact(self, items: list[Item]) -> bool:
        with _told():
            try:
                self._client.transact_write_items(TransactItems=items)  # type: ignore[arg-type]
            except ClientError as error:
                if _by_others(error):
                    return False
                raise
        return True

    def _put(self, letter: Letter) -> Item:
        condition: Item = {"ConditionExpression": "attribute_not_exists(entity)"}
        if letter.version:
            condition = {
                "ConditionExpression": "#version = :read",
                "ExpressionAttributeNames": {"#version": "version"},
                "ExpressionAttributeValues": {":read": {"N": str(letter.version)}},
            }
        return {"Put": {"TableName": self._table, "Item": self._item(letter), **condition}}

    def _count(self, cause: Cause, count: int) -> Item:
        """More untold letters of a cause, which is told now unless it was told lately."""
        now = cause.look_at or datetime.now(UTC)
        return {
            "Update": {
                "TableName": self._table,
                "Key": _cause_key(cause),
                "UpdateExpression": f"SET {LOOK_AT} = if_not_exists({LOOK_AT}, :now), #text = :text, example = :example, "
                f"{TTL_ATTRIBUTE} = :expires ADD untold :count, #total :count",
                "ExpressionAttributeNames": {"#text": "text", "#total": "total"},
                "ExpressionAttributeValues": {
                    ":now": {"S": now.isoformat()},
                    ":text": {"S": cause.text},
                    ":example": {"S": cause.example},
                    ":expires": self._expires(now),
                    ":count": {"N": str(count)},
                },
            }
        }

    def _update(self, cause: Cause, expression: str, values: Item, condition: str = "") -> bool:
        with _told():
            try:
                self._client.update_item(
                    TableName=self._table,
                    Key=_cause_key(cause),
                    UpdateExpression=expression,
                    ExpressionAttributeValues=values,
                    **({"ConditionExpression": condition} if condition else {}),  # type: ignore[arg-type]
                )
            except ClientError as error:
                if _by_others(error):
                    return False
                raise
        return True

    def _expires(self, at: datetime) -> Item:
        return {"N": str(int((at + timedelta(days=self._days)).timestamp()))}

    def _item(self, letter: Letter) -> Item:
        failure = letter.failure
        times = {
            "first_at": letter.first_at,
            "last_at": letter.last_at,
            "life": letter.life,
            "changed_at": letter.changed_at,
            "retry_at": letter.retry_at,
            LOOK_AT: letter.look_at,
        }
        texts = {
            "subject": letter.subject,
            "event": letter.event_id,
            "type": letter.event_type,
            "status": letter.status.value,
            "code": failure.code,
            "category": failure.category,
            "severity": failure.severity,
            "message": failure.message,
            "called": letter.label,
            "assignee": letter.assignee,
            "note": letter.note,
            OPEN_IN: letter.flow if letter.look_at else "",
        }
        return {
            **letter_key(letter.flow, letter.subject, letter.event_id),
            **{name: {"S": value} for name, value in texts.items() if value},
            **{name: {"S": value.isoformat()} for name, value in times.items() if value},
            "attempts": {"N": str(letter.attempts)},
            "deaths": {"N": str(letter.deaths)},
            "version": {"N": str(letter.version + 1)},
            TTL_ATTRIBUTE: self._expires(letter.last_at),  # as its event's payload
        }


def letter_key(flow: str, subject: str, event_id: str) -> Item:
    """The key of a letter."""
    return {"entity": {"S": names.letters(flow)}, "record": {"S": f"{LETTER}{queue_key(f'{subject}#{event_id}')}"}}


def letter_of(item: Item) -> Letter:
    """The letter that an item holds."""
    text = {name: value["S"] for name, value in item.items() if "S" in value}

    def at(name: str) -> datetime | None:
        return datetime.fromisoformat(text[name]) if name in text else None

    return Letter(
        flow=text["entity"].partition("/")[2],
        subject=text["subject"],
        event_id=text["event"],
        event_type=text.get("type", ""),
        failure=Failure(text["code"], text.get("category", ""), text.get("severity", ""), text.get("message", "")),
        attempts=int(item["attempts"]["N"]),
        deaths=int(item["deaths"]["N"]),
        first_at=datetime.fromisoformat(text["first_at"]),
        last_at=datetime.fromisoformat(text["last_at"]),
        life=datetime.fromisoformat(text["life"]),
        changed_at=datetime.fromisoformat(text["changed_at"]),
        status=Status(text["status"]),
        retry_at=at("retry_at"),
        look_at=at(LOOK_AT),
        label=text.get("called", ""),
        assignee=text.get("assignee", ""),
        note=text.get("note", ""),
        version=int(item["version"]["N"]),
    )


def kept(letter: Letter) -> Letter:
    """A letter as it is once it was kept."""
    return replace(letter, version=letter.version + 1)


def _end_key(flow: str, subject: str, event_id: str) -> Item:
    return {"entity": {"S": subject}, "record": {"S": f"{flow}#{event_id}"}}


def _end(item: Item | None) -> End | None:
    if item is None:
        return None
    return End(Outcome(item["outcome"]["S"]), moment_of(item["received_at"]))


def _cause_key(cause: Cause) -> Item:
    return {"entity": {"S": names.letters(cause.flow)}, "record": {"S": f"{CAUSE}{cause.id}"}}


def _cause(flow: str, item: Item) -> Cause:
    return Cause(
        flow,
        item["record"]["S"].removeprefix(CAUSE),
        item["text"]["S"],
        item["example"]["S"],
        int(item["untold"]["N"]),
        int(item["total"]["N"]),
        datetime.fromisoformat(item["told_at"]["S"]) if "told_at" in item else None,
        datetime.fromisoformat(item[LOOK_AT]["S"]) if LOOK_AT in item else None,
    )


def _plain(key: Item) -> tuple[str, str]:
    return key["entity"]["S"], key["record"]["S"]


def _chunks(letters: Sequence[Letter]) -> Iterator[Sequence[Letter]]:
    for start in range(0, len(letters), TOGETHER):
        yield letters[start : start + TOGETHER]


def _by_others(error: ClientError) -> bool:
    """Whether a condition failed or others were at the same item; a transaction may be cancelled for throttling too."""
    code = error.response["Error"]["Code"]
    reasons: Any = error.response.get("CancellationReasons") or []
    causes = {each.get("Code") for each in reasons} - {"None", None}
    return code in OTHERS_WERE_FASTER and causes <= {"ConditionalCheckFailed", "TransactionConflict"}


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise LedgerUnavailable(f"dead letters could not be read or changed: {reason(error)}") from error
