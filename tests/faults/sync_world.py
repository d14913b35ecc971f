"""Tables that change while they are read, the hub's real functions and a destination in one process, on a faked clock,
with faults."""

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import boto3
from botocore.exceptions import ClientError

from adapters.backfills import DynamoBackfills
from adapters.cursors import COMPARISON, LEASE_SECONDS, DynamoCursors, orphans_of
from adapters.dynamodb import DynamoLedger
from adapters.inventory import S3Inventories
from adapters.ledger_history import LedgerHistory
from adapters.sqs import SqsDeadLetters, SqsEventQueue
from adapters.standings import DynamoStandings
from adapters.wiring import DELETION, DeliveryHub, SyncHub
from connectors.generic_rest.connector import listing, read
from delivery.handler import apply_batch
from hub.breaker import Limits
from hub.connector import Answer, Effect, Reach, Written
from hub.deliver import Route
from hub.errors import HubError
from hub.events import Event
from hub.guard import Guard
from hub.orphans import OrphanLimits
from hub.receive import message_of
from hub.records import Deletion, Record, TableRow
from hub.settings import RetrySettings
from hub.streams import Declared, Listing, Stream
from sync.handler import sync
from tests.fakes import FakeBodies, FakePacer, FakeTelemetry
from tests.faults.imitated_sqs import Client, Queue, batch
from tests.handlers.s3_bucket import Bucket
from tests.handlers.stream_world import Hurried
from tests.ledger_table import table
from tests.scripted_source import (
    ORIGIN,
    Clock,
    Fault,
    ScriptedSource,
    empty,
    html,
    short,
    shuffled,
    status,
    truncated,
)
from tests.sqs_batch import Context

STYLES = ("none", "link", "next_url", "cursor", "page", "offset", "keyset")
FLOW, TABLE = "crm-to-erp", "ledger"
OVERLAP_SECONDS = 300.0
ORPHANS = OrphanLimits(max_per_run=3, max_share=0.3)
WRONG: dict[str, Fault] = {
    "HTTP 500": status(500),
    "HTTP 429": status(429, retry_after="2"),
    "HTTP 503 for an hour": status(503, retry_after="3600"),
    "HTML with status 200": html,
    "half an answer": truncated,
    "an empty page": empty,
    "a short page": short,
    "rows out of order": shuffled,
    "token refused": status(401),
    "page forgotten": status(410),
}


class Killed(BaseException):
    """The death of a function's process."""


def _unasked(*_: object) -> Any:
    raise AssertionError("nothing is reconciled here")


@dataclass
class Table:
    """A destination that says what it is told, and notes which event wrote what."""

    rows: dict[str, Any] = field(default_factory=dict)
    written: Counter[str] = field(default_factory=Counter)

    def apply(self, action: str, record: Record, event: Event, known_name: str) -> Written:
        """Upsert or remove; what it says already is left."""
        key = event.subject.split("/", 1)[1]
        if isinstance(record, Deletion):
            effect = Effect.UNCHANGED if self.rows.pop(key, None) is None else Effect.APPLIED
            return Written(effect, "Row", key)
        assert isinstance(record, TableRow)
        if self.rows.get(key) == record.fields:
            return Written(Effect.UNCHANGED, "Row", key)
        self.rows[key] = record.fields
        self.written[event.id] += 1
        return Written(Effect.APPLIED, "Row", key)


class SyncWorld:
    """One source per page style. `share` scales how often each kind of fault strikes; 0 is a world without faults."""

    def __init__(self, seed: int, share: float = 1.0) -> None:
        self.dice = random.Random(seed)  # noqa: S311 - a world to be had again, no secret
        self.share = share
        self.clock = Clock()
        self.struck: Counter[str] = Counter()
        self.accepted: dict[str, str] = {}  # event id → entity
        self.wrongly_deleted: list[str] = []  # told as deleted, and never deleted
        self.deleted: set[str] = set()  # entities that were deleted at their source at some time
        self.to_run: list[Mapping[str, Any]] = []
        self.destination = Table()
        self.telemetry = FakeTelemetry()
        self.sources = {
            style: ScriptedSource(self.clock, style, by_id=style != "keyset", tells_total=place % 3 == 0)
            for place, style in enumerate(STYLES)
        }
        for source in self.sources.values():
            source.limit_param = "limit"
        self.queue = Queue("hub-faults-crm-to-erp.fifo", self.clock.now, 720)
        self.s3 = Bucket(before=lambda call: self._strike(f"S3 {call}"))
        self.dynamodb: Any = boto3.client("dynamodb", region_name="us-east-1")
        self.dynamodb.create_table(**table(TABLE))
        self._delivery = self._delivery_hub()
        self._functions = 0

    # What happens

    def declared(self, style: str) -> Declared:
        """The stream of a source."""
        stream = Stream("crm", "generic_rest", style, style, overlap=OVERLAP_SECONDS)
        return Declared(stream, self.sources[style].settings(), is_compared=True, orphans=ORPHANS)

    def run(self, style: str, **more: Any) -> None:
        """One schedule's run, and the functions that go on with it."""
        self.to_run = [self.declared(style).to_request() | more]
        while self.to_run:
            self._functions += 1
            self._invoke(dict(self.to_run.pop(0)), style, f"request-{self._functions}")

    def _invoke(self, request: dict[str, Any], style: str, request_id: str) -> None:
        """As Lambda does it: what dies or fails is run twice more, a minute later, under the same id."""
        for _ in range(3):
            pages = 1 + int(self.dice.expovariate(0.2)) if self._strikes("time is up", 0.1) else 1_000_000
            try:
                sync(request, Hurried(pages=pages, aws_request_id=request_id), self._sync_hub(style))
            except (Killed, HubError):
                if self._strikes("not run again after it died", 0.3):
                    self.clock.moment += timedelta(seconds=LEASE_SECONDS + 1)
                    return
                self.clock.moment += timedelta(minutes=1)
            else:
                return

    def approve(self, style: str) -> bool:
        """What an operator does who is shown orphans; False where there are none."""
        item = DynamoCursors(self.dynamodb, TABLE).read(self.declared(style).stream.path, COMPARISON)
        if asked := orphans_of(item):
            self.struck["orphans approved by hand"] += asked["count"]
            self.run(style, approve={"comparison": asked["comparison"], "by": "eva", "reason": "known"})
        return bool(asked)

    def deliver(self) -> None:
        """Everything that waits, through the delivery function."""
        while self.queue.messages:
            messages = self.queue.receive()
            if not messages:
                self.clock.moment = max(self.clock.moment, self.queue.next_visible() or self.clock.moment)
                continue
            try:
                answer = apply_batch(batch(self.queue, messages), Context(), self._delivery)
            except Killed:
                self._delivery = self._delivery_hub()
                continue
            failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
            self.queue.delete({receipt for message, receipt in messages if message.id not in failed})

    def ends_of(self, entity: str) -> dict[str, str]:
        """Event id → outcome, as the ledger has them."""
        return {end.event_id: end.outcome for end in LedgerHistory(self.dynamodb, TABLE).of(entity)}

    def calm(self) -> None:
        """No more faults."""
        self.share = 0.0
        for source in self.sources.values():
            source.script, source.set_back, source.meanwhile = {}, timedelta(), lambda _: None

    # How it is made

    def _sync_hub(self, style: str) -> SyncHub:
        def opened(declared: Declared) -> tuple[Stream, Listing]:
            source: Any = _Mortal(self.sources[style], self)
            reach = Reach(ORIGIN, lambda _: ("secret",), lambda _: source, self.clock.now, self._sleep)
            rest = listing(declared.stream, declared.settings, reach)
            return replace(declared.stream, steady=rest.steady, ordered=rest.ordered), rest

        table_client: Any = _Failing(self.dynamodb, self)
        return SyncHub(
            DynamoCursors(table_client, TABLE),
            DynamoBackfills(table_client, TABLE),
            lambda token: S3Inventories(self.s3, "bodies", self.clock.now, token),  # type: ignore[arg-type]
            opened,
            self._put,
            self.to_run.append,
            self.telemetry,
            self.clock.now,
            self._sleep,
            _unasked,
            _unasked,
        )

    def _put(self, events: Sequence[Event]) -> None:
        self._strike("before the queue")
        bodies = FakeBodies()
        SqsEventQueue(self._sqs(), "queue").put([(event, message_of(event, bodies)) for event in events])
        for event in events:
            entity = event.subject.split("/", 1)[1]
            self.accepted[event.id] = event.subject
            if event.type.endswith("/deleted") and entity not in self.deleted:
                self.wrongly_deleted.append(entity)
        self._strike("after the queue")

    def _delivery_hub(self) -> DeliveryHub:
        kinds = {f"generic_rest.{style}": "row" for style in STYLES}
        gone = {f"{kind}/deleted": DELETION for kind in kinds}
        route = Route(
            flow=FLOW,
            read=read,
            destination=self.destination,
            actions=dict.fromkeys(kinds, "upsert") | dict.fromkeys(gone, "remove"),
            records=kinds | gone,
            retry=RetrySettings(),
            body_of=lambda event: event.data,
        )
        client = self._sqs()
        return DeliveryHub(
            route=route,
            ledger=DynamoLedger(_Failing(self.dynamodb, self), TABLE, 90, lambda _: None),  # type: ignore[arg-type]
            queue=SqsEventQueue(client, "queue"),
            dead_letters=SqsDeadLetters(client, "dead"),
            telemetry=self.telemetry,
            workers=1,  # so that a seed tells the same story every time
            seconds_per_event=60.0,
            now=self.clock.now,
            draw=self.dice.random,
            guard=Guard(FLOW, 2, "erp", DynamoStandings(self.dynamodb, TABLE), Limits(), lambda: None, FakePacer()),
        )

    def _sqs(self) -> Any:
        def fails(call: str) -> None:
            if self._strikes(f"SQS {call} refused", 0.01):
                raise ClientError({"Error": {"Code": "ThrottlingException", "Message": "slow down"}}, call)

        return Client({"queue": self.queue}, fails, lambda _: None)

    def _sleep(self, seconds: float) -> None:
        self.clock.moment += timedelta(seconds=seconds)

    def _strikes(self, kind: str, probability: float) -> bool:
        if self.dice.random() >= probability * self.share:
            return False
        self.struck[kind] += 1
        return True

    def _strike(self, where: str) -> None:
        """The process may die here, or what it calls refuse."""
        if self._strikes(f"killed: {where}", 0.004):
            raise Killed
        if where.startswith("S3") and self._strikes(f"{where} refused", 0.01):
            raise ClientError({"Error": {"Code": "SlowDown"}}, where)


class _Mortal:
    """A source, where the process may die at a call, rows change meanwhile, and answers are wrong."""

    def __init__(self, source: ScriptedSource, world: SyncWorld) -> None:
        self._source, self._world = source, world

    def send(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Answer:
        world = self._world
        world._strike("at the source")
        if world._strikes("rows changed while they were listed", 0.03):
            change(world, self._source.style)
        answer = self._source.send(method, path, query=query, body=body)
        if world.dice.random() < 0.04 * world.share:
            kind = world.dice.choice(list(WRONG))
            world.struck[f"source: {kind}"] += 1
            return WRONG[kind](answer)
        return answer

    def renew_credentials(self) -> None:
        """As HttpClient."""
        self._source.renew_credentials()


class _Failing:
    """DynamoDB that refuses now and then, and a process that dies before or after it is called."""

    def __init__(self, client: Any, world: SyncWorld) -> None:
        self._client, self._world = client, world

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(**request: Any) -> Any:
            self._world._strike(f"before DynamoDB's {name}")
            if self._world._strikes(f"DynamoDB {name} refused", 0.01):
                raise ClientError({"Error": {"Code": "ProvisionedThroughputExceededException"}}, name)
            answer = getattr(self._client, name)(**request)
            self._world._strike(f"after DynamoDB's {name}")
            return answer

        return call


def change(world: SyncWorld, style: str) -> None:
    """What people do at a source."""
    source, dice = world.sources[style], world.dice
    keys = [key for key in source.rows if key.startswith("row")]
    kind = dice.choice(("new", "new", "edit", "edit", "edit", "same second", "late", "delete", "no version"))
    content = str(dice.randrange(10**9))
    name = f"{len(world.deleted) + sum(len(each.rows) for each in world.sources.values()):05}-{content[:4]}"
    if not keys or kind == "new":
        source.write(f"row-{name}", content)
    elif kind == "edit":
        source.write(dice.choice(keys), content)
    elif kind == "same second":
        key = dice.choice(keys)
        source.rows[key] = source.rows[key] | {"content": content}
        world.struck["changed without a newer version"] += 1
    elif kind == "late":
        seconds = dice.choice((60, 200, 7_200))  # within the overlap, or far beyond it
        source.write(f"late-{name}", content, source.clock.moment - timedelta(seconds=seconds))
        world.struck["committed late"] += 1
    elif kind == "delete" and len(keys) > 8:
        key = dice.choice(keys)
        del source.rows[key]
        world.deleted.add(f"{style}/{key}")
        world.struck["deleted"] += 1
    else:
        source.write(f"none-{name}", content)
        source.rows[f"none-{name}"]["updated_at"] = None
        world.struck["written without a version"] += 1
