"""A shop, the hub's real functions and an ERPNext stand-in in one process, on a faked clock, with faults."""

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
from botocore.exceptions import ClientError

from adapters.breakers import DynamoBreakers
from adapters.dynamodb import DynamoLedger
from adapters.http import DestinationHttp
from adapters.ledger_history import LedgerHistory
from adapters.sqs import SqsDeadLetters, SqsEventQueue
from adapters.wiring import DeliveryHub, DlqHub, WebhookHub, receiver_of
from connectors.erpnext.client import ErpNext
from connectors.erpnext.connector import ErpNextDestination, probe
from connectors.erpnext.settings import FlowSettings
from connectors.shopify.connector import read
from delivery.handler import apply_batch
from dlq.handler import record_batch
from hub.breaker import Limits
from hub.connector import Answer, HttpClient
from hub.deliver import Route
from hub.events import Event
from hub.guard import Guard
from hub.ledger import Entry, Head, Known
from hub.names import FlowsByDeadLetterQueue, dead_letter_queue, queue
from hub.receive import Outside
from hub.settings import RetrySettings, WebhookSettings
from hub.tend_breaker import tend
from infra.local.erpnext.faults import Fault
from infra.local.erpnext.server import ErpNextStandIn
from infra.local.shopify import Shop
from infra.local.stand_in import TOKEN, set_up, stock
from tests.api_gateway import api_gateway_request
from tests.fakes import FakeBodies, FakeFetch, FakeNotices, FakeSecrets, FakeTelemetry, FakeTokens
from tests.faults.imitated_sqs import Client, Message, Queue, batch, throttled
from tests.sqs_batch import Context
from webhooks.handler import serve

STAGE, FLOW, TABLE = "faults", "shop-eu-to-erp", "ledger"
SECRET = "the app's client secret"
BEGIN = datetime(2026, 3, 1, 6, 0, tzinfo=UTC)
SHOP = Shop("", "shop-eu.myshopify.com", SECRET)
SETTINGS = FlowSettings(
    company="Acme Test Inc",
    time_zone="America/New_York",
    customer_group="Commercial",
    territory="United States",
    warehouse="Stores - ATI",
    tax_account="Sales Tax - ATI",
    shipping_account="Freight and Forwarding Charges - ATI",
)
ACTIONS = {
    **dict.fromkeys(("orders/create", "orders/updated", "orders/cancelled"), "upsert_sales_order"),
    **dict.fromkeys(("customers/create", "customers/update"), "upsert_customer"),
}
PASSING = (
    "deadlock",
    "lock_timeout",
    "drop_after_commit",
    "drop_before_commit",
    "rate_limit",
    "rate_limit_exceeded",
    "maintenance",
    "read_only",
    "html_error",
    "truncated",
)


class Killed(BaseException):
    """The death of a function's process."""


@dataclass
class Clock:
    """The one clock of this world. Reading it takes a millisecond, so that no two moments are the same."""

    moment: datetime = BEGIN

    def now(self) -> datetime:
        self.moment += timedelta(milliseconds=1)
        return self.moment


class Delivery:
    """One request of the shop: what, and when it is to be sent."""

    def __init__(self, at: datetime, topic: str, body: bytes, webhook_id: str) -> None:
        self.at, self.topic, self.body, self.webhook_id = at, topic, body, webhook_id


class World:
    """`share` scales how often each kind of fault strikes; 0 is a world without faults."""

    def __init__(self, seed: int, share: float = 1.0) -> None:
        self.dice = random.Random(seed)  # noqa: S311 - a world to be had again, no secret
        self.share = share
        self.clock = Clock()
        self.struck: Counter[str] = Counter()
        self.accepted: dict[str, str] = {}  # event id → entity
        self.telemetry = FakeTelemetry()
        self.paused = False
        self.revoked = False
        self.outage = False
        self.buried: list[Message] = []  # dead letters that were recorded, for an operator to send again
        self.erp = ErpNextStandIn(token=TOKEN, now=self.clock.now, sleep=lambda _: None).start()
        set_up(self.erp.url)
        stock(self.erp.url, GOODS)
        self.dead = Queue(dead_letter_queue(STAGE, FLOW), self.clock.now, 360)
        self.queue = Queue(queue(STAGE, FLOW), self.clock.now, 720, 210, self.dead)
        self.dynamodb: Any = boto3.client("dynamodb", region_name="us-east-1")
        make_ledger(self.dynamodb)
        self._webhook = self._webhook_hub()
        self._dlq = self._dlq_hub()
        self._delivery = self._delivery_hub()

    def stop(self) -> None:
        """End the stand-in."""
        self.erp.stop()

    # What happens

    def send(self, delivery: Delivery) -> bool:
        """Let the shop send; False where the hub did not take it, so that the shop sends it again."""
        headers = SHOP.headers(delivery.topic, delivery.body, delivery.webhook_id)
        answer = serve(api_gateway_request(delivery.body, headers), None, self._webhook)
        if answer["statusCode"] == 503:
            self.struck["enqueue refused"] += 1
            return False
        assert answer["statusCode"] == 200, answer
        return True

    def deliver(self) -> bool:
        """One batch from the flow's queue through the delivery function; False where nothing was to be had."""
        if self.paused:
            return False
        messages = self.queue.receive()
        if not messages:
            return False
        try:
            answer = apply_batch(batch(self.queue, messages), Context(), self._delivery)
        except Killed:
            self._delivery = self._delivery_hub()  # a new process that remembers nothing; the batch comes again
            return True
        self._finish(self.queue, messages, answer)
        return True

    def bury(self) -> bool:
        """One batch from the dead letter queue through the dlq function."""
        messages = self.dead.receive()
        if messages:
            self._finish(self.dead, messages, record_batch(batch(self.dead, messages), None, self._dlq))
        return bool(messages)

    def tend(self) -> None:
        """What the schedule does every minute."""
        breakers = DynamoBreakers(self.dynamodb, TABLE)
        tend("erp", breakers, LIMITS, self, FakeNotices(), lambda: probe(self._http()), self.clock.now())

    def set(self, flow: str, *, enabled: bool, max_concurrency: int) -> bool:
        """Read the flow's queue or not."""
        changed = self.paused == enabled
        self.paused = not enabled
        return changed

    def redrive(self) -> int:
        """Send every dead letter through its flow again, as an operator does; how many there were."""
        buried, self.buried = self.buried, []
        for message in buried:
            self.queue.send(message.body, message.group, f"redrive {message.id} {self.clock.now()}", {})
        return len(buried)

    def maintenance(self) -> Fault:
        """ERPNext in maintenance until it behaves again."""
        return Fault("maintenance", times=None)

    def lose_the_ledger(self) -> None:
        """The table is gone and made anew, empty; an operator resumes what it would have resumed (`hub flow resume`)."""
        self.dynamodb.delete_table(TableName=TABLE)
        make_ledger(self.dynamodb)
        self.paused = False
        self.struck["ledger lost"] += 1

    def ends_of(self, entity: str) -> dict[str, str]:
        """Event id → outcome, as the ledger has them."""
        return {end.event_id: end.outcome for end in LedgerHistory(self.dynamodb, TABLE).of(entity)}

    # How it is made

    def _finish(self, source: Queue, messages: Sequence[Message], answer: Mapping[str, Any]) -> None:
        failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
        done = [message for message in messages if message.id not in failed]
        if source is self.dead:
            self.buried += done
        if source is self.queue and self._strikes("visibility timeout", 0.02):
            for message in done:  # worked on too long: it is handed out again although it is done
                source.hide(message.id, 0)
            return
        source.delete({message.id for message in done})

    def _strikes(self, kind: str, probability: float) -> bool:
        if self.dice.random() >= probability * self.share:
            return False
        self.struck[kind] += 1
        return True

    def _webhook_hub(self) -> WebhookHub:
        settings = WebhookSettings(STAGE, "shop-eu", "shopify", "s", [], "b", TABLE, account=SHOP.domain)
        sends = SqsEventQueue(self._sqs(), "queue")
        outside = Outside(FakeSecrets((SECRET,)), [_Noting(sends, self)], FakeFetch(), FakeBodies(), FakeTokens())
        return WebhookHub(receiver_of(settings), outside, self.telemetry, self.clock.now)

    def _delivery_hub(self) -> DeliveryHub:
        route = Route(
            flow=FLOW,
            read=read,
            destination=ErpNextDestination(ErpNext(_Mortal(self._http(), self)), SETTINGS, self._monotonic),
            actions={f"shopify.{topic}": action for topic, action in ACTIONS.items()},
            records={f"shopify.{topic}": "order" if topic.startswith("orders") else "customer" for topic in ACTIONS},
            retry=RetrySettings(),
            body_of=lambda event: event.data,
        )
        ledger = _MortalLedger(self._ledger(), self)
        guard = Guard(FLOW, 2, "erp", DynamoBreakers(self.dynamodb, TABLE), LIMITS, self.tend)
        client = self._sqs()
        return DeliveryHub(
            route=route,
            ledger=ledger,
            queue=SqsEventQueue(client, "queue"),
            dead_letters=SqsDeadLetters(client, "dead"),
            telemetry=self.telemetry,
            workers=1,  # so that a seed tells the same story every time
            seconds_per_event=60.0,
            now=self.clock.now,
            draw=self.dice.random,
            guard=guard,
        )

    def _dlq_hub(self) -> DlqHub:
        return DlqHub(FlowsByDeadLetterQueue(STAGE), self._ledger(), FakeNotices(), self.telemetry, self.clock.now)

    def _ledger(self) -> DynamoLedger:
        throttled_client: Any = _Throttled(self.dynamodb, self)
        return DynamoLedger(throttled_client, TABLE, 90, lambda _: None)

    def _sqs(self) -> Any:
        def fails(call: str) -> None:
            if self._strikes(f"SQS {call} refused", 0.01):
                raise throttled(call)

        return Client({"queue": self.queue, "dead": self.dead}, fails)

    def _http(self) -> DestinationHttp:
        def headers() -> Mapping[str, str]:
            token = "wrong:key" if self.revoked else TOKEN
            return {"Authorization": f"token {token}", "Accept": "application/json"}

        return DestinationHttp(self.erp.url, headers, lambda: None, timeout_seconds=20.0, connections=1)

    def _monotonic(self) -> float:
        return (self.clock.now() - BEGIN).total_seconds()


GOODS = [f"SKU-{number}" for number in range(1, 8)]
LIMITS = Limits()


class _Noting:
    """The flow's queue; what it keeps counts as accepted, also where the answer to the shop is lost."""

    def __init__(self, queue: SqsEventQueue, world: World) -> None:
        self._queue, self._world = queue, world

    def put(self, events: Sequence[tuple[Event, str]]) -> None:
        self._queue.put(events)
        self._world.accepted.update({event.id: event.subject for event, _ in events})


class _Mortal:
    """ERPNext over HTTP, where the process may die before or after a call, and ERPNext may misbehave at it."""

    def __init__(self, http: HttpClient, world: World) -> None:
        self._http, self._world = http, world

    def send(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Answer:
        world = self._world
        if world._strikes("killed before ERPNext's commit", 0.003):
            raise Killed
        if world.dice.random() < 0.03 * world.share:
            kind = world.dice.choice(PASSING)
            world.struck[f"ERPNext: {kind}"] += 1
            world.erp.misbehave(Fault(kind, seconds=5 if kind == "rate_limit" else 0))
        if method in ("POST", "PUT") and "Sales%20Order" in path and world._strikes("ERPNext: race for a Bin", 0.02):
            world.erp.misbehave(Fault("bin_race"))
        answer = self._http.send(method, path, query=query, body=body)
        if world._strikes("killed after ERPNext's commit", 0.003):
            raise Killed
        return answer

    def renew_credentials(self) -> None:
        self._http.renew_credentials()


class _MortalLedger:
    """The ledger, where the process may die before or after it is written."""

    def __init__(self, ledger: DynamoLedger, world: World) -> None:
        self._ledger, self._world = ledger, world

    def known(self, flow: str, events: Sequence[Event]) -> list[Known]:
        return self._ledger.known(flow, events)

    def record(self, entries: Sequence[Entry], heads: Sequence[tuple[str, str, Head]]) -> None:
        if self._world._strikes("killed before the ledger's write", 0.01):
            raise Killed
        self._ledger.record(entries, heads)
        if self._world._strikes("killed after the ledger's write", 0.01):
            raise Killed


class _Throttled:
    """DynamoDB that refuses now and then, or leaves a part undone."""

    def __init__(self, client: Any, world: World) -> None:
        self._client, self._world = client, world

    def batch_get_item(self, RequestItems: Any) -> Any:  # noqa: N803 - AWS's own name
        return self._call("read", self._client.batch_get_item, RequestItems)

    def batch_write_item(self, RequestItems: Any) -> Any:  # noqa: N803 - AWS's own name
        if self._world._strikes("DynamoDB left a write undone", 0.02):
            return {"UnprocessedItems": RequestItems}
        return self._call("write", self._client.batch_write_item, RequestItems)

    def _call(self, what: str, call: Callable[..., Any], request: Any) -> Any:
        if self._world._strikes(f"DynamoDB {what} refused", 0.01):
            raise ClientError({"Error": {"Code": "ProvisionedThroughputExceededException"}}, what)
        return call(RequestItems=request)


def make_ledger(dynamodb: Any) -> None:
    """The ledger's table as the stack makes it."""
    names = ("entity", "HASH"), ("record", "RANGE")
    dynamodb.create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in names],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name, _ in names],
        BillingMode="PAY_PER_REQUEST",
    )
