"""A shop, the hub's real functions and an ERPNext stand-in in one process, on a faked clock, with faults."""

import random
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Literal

import boto3

from adapters.breakers import DynamoBreakers
from adapters.claims import DynamoClaims
from adapters.dead_letters import DynamoLetters
from adapters.dynamodb import DynamoLedger
from adapters.http import DestinationHttp
from adapters.paced import PacedDestination, PacedHttp
from adapters.parking import DynamoWaitingRoom, SqsFlowQueues, count_parked
from adapters.s3 import S3Bodies
from adapters.secrets import IntegrationSecrets
from adapters.sqs import SqsDeadLetters, SqsEventQueue
from adapters.standings import DynamoStandings
from adapters.webhook_wiring import WebhookHub, receiver_of
from adapters.wiring import BreakerHub, DeliveryHub, DlqHub
from breaker.handler import tend_destination
from connectors import manifest_path
from connectors.erpnext.client import ErpNext, budget
from connectors.erpnext.connector import ErpNextDestination, credentials, probe
from connectors.erpnext.settings import FlowSettings
from connectors.shopify.connector import read
from delivery.handler import apply_batch
from dlq.handler import handle
from hub.breaker import Limits
from hub.dead_letter_retries import MINUTES, Plan, waits_by_category
from hub.deliver import Route
from hub.errors import Temporary
from hub.events import Event, from_json, to_json
from hub.guard import Guard
from hub.manifest import read_manifest
from hub.names import FlowsByDeadLetterQueue, dead_letter_queue, queue
from hub.once import OnceDestination
from hub.pace import Pacing
from hub.receive import Outside
from hub.settings import RetrySettings, WebhookSettings
from infra.actions import IGNORE, event_actions
from infra.local.erpnext.faults import Fault
from infra.local.erpnext.server import ErpNextStandIn
from infra.local.shopify import Shop
from infra.local.stand_in import TOKEN, set_up, stock
from tests.api_gateway import api_gateway_request
from tests.fakes import FakeFetch, FakeTelemetry, FakeTokens
from tests.faults.clock import Clock, powertools_at
from tests.faults.goods import DOCUMENTS, fill_the_shelves
from tests.faults.imitated_services import Buckets, Safe
from tests.faults.imitated_sqs import Client, Message, Queue, batch
from tests.faults.mishaps import DeskUser, ErpNextWire, Fate, Killed, MoodyDynamo, MoodyNotices, MortalLedger
from tests.faults.story import AT_ONCE, GOODS, Delivery
from tests.ledger_table import table
from tests.sqs_batch import Context
from webhooks.handler import serve

PaymentsFrom = Literal["order", "transactions"]
STAGE, FLOW, TABLE, BUCKET = "faults", "shop-eu-to-erp", "ledger", "bodies"
SHOP_SECRET, ERP_SECRET = "shop-eu", "erp"
ERP = "erp"
DOMAIN = "shop-eu.myshopify.com"
LIMITS = Limits()
MOST_WORKERS = 2  # delivery functions at once, as the flow is configured
PACING = Pacing(planned=MOST_WORKERS, most=MOST_WORKERS)
SETTINGS = FlowSettings(
    company="Acme Test Inc",
    time_zone="America/New_York",
    customer_group="Commercial",
    territory="United States",
    warehouse="Stores - ATI",
    tax_account="Sales Tax - ATI",
    shipping_account="Freight and Forwarding Charges - ATI",
    **DOCUMENTS,
)
SOURCE, DESTINATION = (read_manifest(manifest_path(name)) for name in ("shopify", "erpnext"))
TRANSACTIONS, PAY = "order_transactions/create", "create_payment_entry"
PLAN = Plan(FLOW, "shop-eu", ERP, categories=waits_by_category(MINUTES, {}))
CLAIMED = {PAY: True}  # what is done once, and whether it can be looked up


class World:
    """`share` scales how often each kind of fault strikes; 0 is a world without faults."""

    def __init__(self, seed: int, share: float = 1.0, payments_from: PaymentsFrom = "order") -> None:
        self.dice = random.Random(seed)  # noqa: S311 - a world to be had again, no secret
        self.clock = Clock()
        self.settings = SETTINGS.model_copy(update={"payments_from": payments_from})
        pays = {TRANSACTIONS: PAY if payments_from == "transactions" else IGNORE}
        self.actions = event_actions(SOURCE, DESTINATION, pays, {})
        self._claims_clock = powertools_at(self.clock.now)
        self.fate = Fate(self.dice, share, self.clock)
        self.struck = self.fate.struck
        self.accepted: dict[str, str] = {}  # event id → entity
        self.bodies_lost: set[str] = set()  # events whose body S3 has lost
        self._bodies_asked: set[str] = set()
        self.telemetry = FakeTelemetry()
        self.paused = False
        self.workers = MOST_WORKERS
        self.buried: list[Message] = []  # dead letters that were recorded, for an operator to send again
        self.erp = ErpNextStandIn(token=TOKEN, now=self.clock.now, sleep=lambda _: None).start()
        set_up(self.erp.url)
        stock(self.erp.url, GOODS)
        fill_the_shelves(self.erp.url, GOODS)
        self.desk = DeskUser(self.erp, self.dice, self.clock.now)
        self.wire = ErpNextWire(self.erp, self.fate, self._meanwhile)
        self.dead = Queue(dead_letter_queue(STAGE, FLOW), self.clock.now, 360)
        self.queue = Queue(queue(STAGE, FLOW), self.clock.now, 720, 210, self.dead)
        self.buckets = Buckets(partial(self.fate.may_refuse, "S3"))
        self.safe = Safe(partial(self.fate.may_refuse, "Secrets Manager"))
        self.shop_signs_with = ["the app's client secret"]  # more than one while Shopify changes over
        key, secret = TOKEN.split(":")
        self.safe.secrets = {
            SHOP_SECRET: {"webhook": self.shop_signs_with[0]},
            ERP_SECRET: {"api_key": key, "api_secret": secret},
        }
        self.dynamodb: Any = boto3.client("dynamodb", region_name="us-east-1")
        make_ledger(self.dynamodb)
        self.notices = MoodyNotices(self.fate)
        self._webhooks = [self._webhook_hub() for _ in range(AT_ONCE)]
        self._deliveries = [self._delivery_hub() for _ in range(MOST_WORKERS)]
        self._dlq = self._dlq_hub()
        self._breaker = self._breaker_hub()

    def stop(self) -> None:
        """End the stand-in, and give Powertools its own clock back."""
        self.erp.stop()
        self._claims_clock.close()

    # What happens

    def send(self, delivery: Delivery) -> bool:
        """Let the shop send, each copy at the same time; False where one was not taken, so that the shop sends it again."""
        hubs = self._webhooks[: delivery.copies]
        answers = self.fate.turns.run([partial(self._post, delivery, hub) for hub in hubs])
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
        return all(answer == 200 for answer in answers)

    def deliver(self) -> bool:
        """Batches of the flow's queue through as many delivery functions as there are; False where nothing was to be had."""
        if self.paused or not (first := self.queue.receive()):
            return False
        works = [partial(self._work, 0, first)]
        if self.fate.strikes("visibility timeout while at work"):
            works.append(partial(self._work_on_the_same, 1, [receipt for _, receipt in first]))
        elif self.workers > 1 and (second := self.queue.receive()):
            works.append(partial(self._work, 1, second))
        for result in self.fate.turns.run(works):
            if isinstance(result, BaseException):
                raise result
        return True

    def bury(self) -> bool:
        """One batch from the dead letter queue through the dlq function."""
        taken = self.dead.receive()
        if not taken:
            return False
        try:
            answer = handle(batch(self.dead, taken), None, self._dlq)
            self.fate.may_kill("while recording dead letters")
        except Killed:
            self._dlq = self._dlq_hub()
            return True
        failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
        self.buried += [message for message, _ in taken if message.id not in failed]
        self.dead.delete({receipt for message, receipt in taken if message.id not in failed})
        return True

    def tend(self) -> None:
        """What the schedule does every minute."""
        try:
            tend_destination({}, None, self._breaker)
        except (Killed, Temporary):
            self._breaker = self._breaker_hub()  # and again in a minute
        self.wire.finish_late()
        if self.clock.now().minute % 5:
            return  # as often as is worth a test's time
        try:
            handle({"plans": [PLAN.to_request()]}, Context(), self._dlq)
            self.fate.may_kill("while tending dead letters")
        except Killed:
            self._dlq = self._dlq_hub()

    def set(self, flow: str, *, enabled: bool, max_concurrency: int) -> bool:
        """Read the flow's queue or not."""
        self.fate.may_kill("while tending the breaker")
        changed = (self.paused, self.workers) != (not enabled, max_concurrency)
        self.paused, self.workers = not enabled, max_concurrency
        self.fate.may_kill("while tending the breaker")
        return changed

    def redrive(self) -> int:
        """Send every dead letter through its flow again as SQS does, its message unchanged; how many there were."""
        for message in self.buried:
            self._send_again(message, message.body)
        return len(self.buried)

    def replay(self) -> int:
        """Send every dead event through its flow again as `hub events replay` does; how many there were."""
        buried, self.buried = self.buried, []
        for message in buried:
            self._send_again(message, to_json(from_json(message.body).replayed(self.clock.now())))
        return len(buried)

    def take_down(self, kind: str) -> None:
        """ERPNext does not serve until it behaves again."""
        self.erp.misbehave(Fault(kind, times=None))

    def lose_the_ledger(self) -> None:
        """The table is gone and made anew, empty; an operator resumes what it would have resumed (`hub flow resume`)."""
        self.dynamodb.delete_table(TableName=TABLE)
        make_ledger(self.dynamodb)
        self.paused, self.workers = False, MOST_WORKERS
        self.struck["ledger lost"] += 1

    def waits_until(self) -> Any:
        """When the next message is to be had; None where there is none."""
        moments = [self.dead.next_visible(), None if self.paused else self.queue.next_visible()]
        return min((moment for moment in moments if moment), default=None)

    @property
    def at_rest(self) -> bool:
        """Whether nothing waits and everything flows."""
        waits = self.queue.messages or self.dead.messages or self.paused or self.wire.busy
        return not (waits or count_parked(self.dynamodb, TABLE, ERP, FLOW))

    # How the functions run

    def _meanwhile(self) -> None:
        if self.fate.strikes("desk user edits"):
            self.desk.edit()

    def _post(self, delivery: Delivery, hub: WebhookHub) -> int:
        shop = Shop("", DOMAIN, self.dice.choice(self.shop_signs_with))
        headers = shop.headers(delivery.topic, delivery.body, delivery.event)
        status: int = serve(api_gateway_request(delivery.body, headers), None, hub)["statusCode"]
        if status == 200 and self.fate.strikes("killed before the answer to the shop"):
            return 504  # API Gateway waited in vain
        if status != 200:
            assert status in (401, 503), status
            self.struck["401 while the shop's secret was new" if status == 401 else "503 to the shop"] += 1
        return status

    def _work(self, place: int, taken: list[tuple[Message, str]]) -> None:
        """One invocation of the delivery function, and the deletion of what it did."""
        try:
            answer = apply_batch(batch(self.queue, taken), Context(), self._deliveries[place])
        except Killed:
            self._deliveries[place] = (
                self._delivery_hub()
            )  # a new process that remembers nothing; the batch comes again
            return
        failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
        self.queue.delete({receipt for message, receipt in taken if message.id not in failed})

    def _work_on_the_same(self, place: int, receipts: Sequence[str]) -> None:
        """Another function gets the batch that the first is still at, and goes on with whatever is there."""
        self.fate.turns.change()
        if again := self.queue.time_out(receipts):
            self._work(place, again)
        if more := self.queue.receive():
            self._work(place, more)

    def _send_again(self, message: Message, body: str) -> None:
        self.queue.send(body, message.group, f"again {message.id} {self.clock.now()}", {})

    # How they are made

    def _webhook_hub(self) -> WebhookHub:
        settings = WebhookSettings(STAGE, "shop-eu", "shopify", SHOP_SECRET, [], BUCKET, TABLE, account=DOMAIN)
        secrets = self._secrets(SHOP_SECRET)
        keep = _Noting(SqsEventQueue(self._sqs(), self.queue.name), self)
        outside = Outside(secrets, [keep], FakeFetch(), self._bodies(), FakeTokens())
        return WebhookHub(receiver_of(settings), outside, self.telemetry, self.clock.now)

    def _delivery_hub(self) -> DeliveryHub:
        bodies = self._bodies()
        paced = PacedHttp(self._http(), PACING, 1, 0.0, budget, self.clock.now, self.clock.monotonic, self._rest)
        erp = ErpNextDestination(ErpNext(paced), self.settings, self.clock.monotonic)
        moody: Any = MoodyDynamo(self.dynamodb, self.fate)
        destination = OnceDestination(erp, FLOW, CLAIMED, DynamoClaims(moody, TABLE, 90, self.clock.now))
        route = Route(
            flow=FLOW,
            read=read,
            destination=PacedDestination(destination, paced, self.clock.now),
            actions=self.actions,
            records={SOURCE.event_type(topic.name): topic.record for topic in SOURCE.topic},
            retry=RetrySettings(),
            body_of=lambda event: self._body(event, bodies),
            by_hand={SOURCE.event_type(topic.name): topic.by_hand for topic in SOURCE.topic if topic.by_hand},
            destination_name=ERP,
        )
        sqs = self._sqs()
        return DeliveryHub(
            route=route,
            ledger=MortalLedger(self._ledger(), self.fate),
            queue=SqsEventQueue(sqs, self.queue.name),
            dead_letters=SqsDeadLetters(sqs, self.dead.name),
            telemetry=self.telemetry,
            workers=1,  # so that a seed tells the same story every time
            seconds_per_event=60.0,
            now=self.clock.now,
            draw=self.dice.random,
            guard=Guard(FLOW, MOST_WORKERS, ERP, self._standings(), LIMITS, self.tend, paced),
        )

    def _dlq_hub(self) -> DlqHub:
        moody: Any = MoodyDynamo(self.dynamodb, self.fate)
        return DlqHub(
            FlowsByDeadLetterQueue(STAGE),
            DynamoLetters(moody, TABLE, 90),
            DynamoBreakers(moody, TABLE),
            SqsFlowQueues(self._sqs(), STAGE),
            self.notices,
            self.telemetry,
            lambda _: self.telemetry,
            self.clock.now,
        )

    def _breaker_hub(self) -> BreakerHub:
        ask = partial(probe, self._http())
        moody: Any = MoodyDynamo(self.dynamodb, self.fate)
        return BreakerHub(
            destination=ERP,
            breakers=DynamoBreakers(moody, TABLE),
            limits=LIMITS,
            valves=self,
            notices=self.notices,
            probe=ask,
            waiting_room=DynamoWaitingRoom(moody, TABLE, ERP),
            ledger=self._ledger(),
            flow_queues=SqsFlowQueues(self._sqs(), STAGE),
            telemetry=self.telemetry,
            now=self.clock.now,
        )

    def _ledger(self) -> DynamoLedger:
        moody: Any = MoodyDynamo(self.dynamodb, self.fate)
        return DynamoLedger(moody, TABLE, 90, self.clock.pass_seconds)

    def _standings(self) -> DynamoStandings:
        moody: Any = MoodyDynamo(self.dynamodb, self.fate)
        return DynamoStandings(moody, TABLE)

    def _sqs(self) -> Any:
        refuses, loses = partial(self.fate.may_refuse, "SQS"), partial(self.fate.may_lose, "SQS")
        return Client({each.name: each for each in (self.queue, self.dead)}, refuses, loses)

    def _bodies(self) -> S3Bodies:
        buckets: Any = self.buckets
        return S3Bodies(buckets, BUCKET)

    def _body(self, event: Event, bodies: S3Bodies) -> bytes:
        if event.id not in self._bodies_asked and self.fate.strikes("S3 lost a body"):
            self.bodies_lost.add(event.id)
            self.buckets.objects.pop(event.data_ref.removeprefix(f"s3://{BUCKET}/"), None)
        self._bodies_asked.add(event.id)
        return bodies.fetch(event.data_ref)

    def _rest(self, _: object, seconds: float) -> None:
        """A function waits for the destination's pace; others go on meanwhile."""
        self.clock.pass_seconds(seconds)

    def _secrets(self, name: str) -> IntegrationSecrets:
        client: Any = self.safe
        return IntegrationSecrets(client, name, self.clock.monotonic, self.clock.now)

    def _http(self) -> DestinationHttp:
        secrets = self._secrets(ERP_SECRET)

        def headers() -> Mapping[str, str]:
            return credentials(secrets.live)

        return DestinationHttp(self.erp.url, headers, secrets.forget, 60.0, 1, transport=self.wire)


class _Noting:
    """The flow's queue; what it keeps counts as accepted, also where the answer to the shop is lost."""

    def __init__(self, queue: SqsEventQueue, world: World) -> None:
        self._queue, self._world = queue, world

    def put(self, events: Sequence[tuple[Event, str]]) -> None:
        self._queue.put(events)
        self._world.accepted.update({event.id: event.subject.partition("/")[2] for event, _ in events})


def make_ledger(dynamodb: Any) -> None:
    """The ledger's table as the stack makes it."""
    dynamodb.create_table(**table(TABLE))
