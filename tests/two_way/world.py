"""A store and an ERPNext site (stand-ins, over HTTP) and the hub's real functions between them, in both directions."""

import json
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import yaml

from adapters.dynamodb import DynamoLedger
from adapters.http import DestinationHttp
from adapters.ledger_history import Ended, LedgerHistory
from adapters.sqs import SqsDeadLetters, SqsEventQueue
from adapters.standings import DynamoStandings
from adapters.webhook_wiring import WebhookHub, receiver_of
from adapters.wiring import DeliveryHub
from connectors import connector_module
from connectors.frappe.templates import WEBHOOKS
from delivery.handler import apply_batch
from hub.breaker import Limits
from hub.config import Config
from hub.deliver import Route
from hub.events import Event, from_json
from hub.guard import Guard
from hub.names import dead_letter_queue, queue, webhook_path
from hub.receive import Outside
from hub.settings import RetrySettings, WebhookSettings
from infra.actions import manifest_of
from infra.configuration import load
from infra.local.erpnext.server import ErpNextStandIn
from infra.local.shopify import Body, Shop, as_sent
from infra.local.shopify_admin import ShopifyAdmin
from infra.local.stand_in import TOKEN, client, set_up, stock
from infra.ownership import divided
from tests.api_gateway import api_gateway_request
from tests.fakes import FakeBodies, FakeFetch, FakePacer, FakeSecrets, FakeTelemetry, FakeTokens
from tests.faults.imitated_sqs import Client, Queue, batch
from tests.faults.world import make_ledger
from tests.sqs_batch import Context
from webhooks.handler import serve

TABLE = "ledger"
DOMAIN = "shop-eu.myshopify.com"
SIGNED_WITH = {"shop-eu": "the app's client secret", "erp-events": "the webhooks' secret"}
ADMIN_TOKEN = "shpat_local"
BEGIN = datetime(2026, 3, 1, 12, tzinfo=UTC)
TO_ERP = {
    "company": "Acme Test Inc",
    "time_zone": "America/New_York",
    "customer_group": "Commercial",
    "territory": "United States",
    "warehouse": "Stores - ATI",
    "tax_account": "Sales Tax - ATI",
    "shipping_account": "Freight and Forwarding Charges - ATI",
}
TO_SHOP = {"locations": {"Stores - ATI": "Main"}, "price_list": "Standard Selling"}
READS = {"GET"}


@dataclass
class Clock:
    """The one clock. Reading it takes a millisecond, so that no two moments are the same."""

    moment: datetime = BEGIN
    lock: threading.Lock = field(default_factory=threading.Lock)

    def now(self) -> datetime:
        with self.lock:
            self.moment += timedelta(milliseconds=1)
            return self.moment


class TwoWay:
    """Both systems and the hub. `ownership` is what the configuration states at the shop."""

    def __init__(self, folder: Path, goods: list[str], ownership: Mapping[str, str]) -> None:
        self.clock = Clock()
        self.telemetry = FakeTelemetry()
        self.events: list[Event] = []
        self._said: list[tuple[str, Body]] = []  # by the shop, not delivered yet
        self._webhooks = _Webhooks(self)
        self.erp = ErpNextStandIn(token=TOKEN, now=self.clock.now, webhook_sleep=lambda _: None).start()
        self.store = ShopifyAdmin(ADMIN_TOKEN, send=self._hear, now=self.clock.now).__enter__()
        self._desk = client(self.erp.url, "administrator-key:administrator-secret")
        set_up(self.erp.url)
        stock(self.erp.url, goods)
        self.config = self._configured(folder, ownership)
        self._dynamodb: Any = boto3.client("dynamodb", region_name="us-east-1")
        make_ledger(self._dynamodb)
        self.dead = {name: Queue(dead_letter_queue("local", name), self.clock.now, 360) for name in self.config.flows}
        self.queues = {
            name: Queue(queue("local", name), self.clock.now, 720, 210, self.dead[name]) for name in self.config.flows
        }
        queues = {**self.queues, **{f"dead {name}": each for name, each in self.dead.items()}}
        self._sqs: Any = Client(queues, lambda _: None, lambda _: None)
        self._edges = {name: self._edge(name) for name in SIGNED_WITH}
        self._flows = {name: self._flow(name) for name in self.config.flows}
        self._register()
        for sku in goods:
            self.store.stock(sku, available=0, price="10.00")
        self.settle()

    def stop(self) -> None:
        """End the stand-ins."""
        self._desk.close()
        self.erp.stop()
        self.store.__exit__()
        self._webhooks.stop()

    # What people do in ERPNext

    def desk(self, method: str, path: str, **values: Any) -> dict[str, Any]:
        """One call of ERPNext's own users, which does not count as the hub's."""
        before = len(self.erp.requests)
        answer = self._desk.request(method, f"/api/resource/{path}", json=values)
        assert answer.status_code == 200, answer.text
        del self.erp.requests[before:]
        return dict(answer.json()["data"])

    def receive(self, sku: str, quantity: int) -> None:
        """Goods arrive."""
        row = {"item_code": sku, "qty": quantity, "t_warehouse": "Stores - ATI", "basic_rate": 1}
        self.desk(
            "POST",
            "Stock Entry",
            stock_entry_type="Material Receipt",
            purpose="Material Receipt",
            company="Acme Test Inc",
            items=[row],
            docstatus=1,
        )

    def deliver_goods(self, order: int) -> str:
        """All goods of an order leave; the Delivery Note's name."""
        sold = self.sales_order(order)
        rows = [
            {
                "item_code": row["item_code"],
                "qty": row["qty"],
                "rate": row["rate"],
                "warehouse": row["warehouse"],
                "against_sales_order": sold["name"],
                "so_detail": row["name"],
            }
            for row in sold["items"]
        ]
        made = self.desk(
            "POST",
            "Delivery Note",
            customer=sold["customer"],
            company=sold["company"],
            lr_no=f"1Z{order}",
            items=rows,
            docstatus=1,
        )
        return str(made["name"])

    def sales_order(self, order: int) -> dict[str, Any]:
        """The live Sales Order of a shop's order."""
        found = [
            doc
            for doc in self.erp.documents("Sales Order")
            if str(doc["hub_external_id"]).startswith(f"shop-eu:order:{order}~") and doc["docstatus"] == 1
        ]
        assert len(found) == 1
        return found[0]

    # What the hub does

    def settle(self) -> None:
        """Let everything that was said be delivered and applied, until nobody says anything any more."""
        for _ in range(200):
            assert self.erp.webhooks.wait_until_idle()
            said, self._said = self._said, []
            for topic, body in said:
                self._shop_says(topic, body)
            worked = [name for name in self._flows if self._work(name)]
            if not worked and not said:
                if any(each.messages for each in self.queues.values()):
                    self.clock.moment += timedelta(minutes=20)  # retries wait
                    continue
                return
        raise AssertionError("it never comes to rest: something bounces")

    def hub_writes(self) -> Counter[str]:
        """How often the hub has written to each system since the last time, however small the write."""
        erp = [path for method, path, _ in self.erp.requests if method not in READS and "get_list" not in path]
        shop = list(self.store.writes)
        self.erp.clear_requests()
        self.store.writes.clear()
        return Counter(erp=len(erp), **Counter(shop))

    def outcomes(self) -> Counter[str]:
        """How the events since the last time have ended."""
        ended = [self.ended(event) for event in self.events]
        self.events.clear()
        return Counter(each.outcome for each in ended)

    def ended(self, event: Event) -> Ended:
        """How one event ended."""
        return next(
            each for each in LedgerHistory(self._dynamodb, TABLE).of(event.subject) if each.event_id == event.id
        )

    # How it is made

    def _configured(self, folder: Path, ownership: Mapping[str, str]) -> Config:
        content = {
            "stage": "local",
            "integrations": {
                "shop-eu": {
                    "connector": "shopify",
                    "account": DOMAIN,
                    "url": self.store.url,
                    "ownership": dict(ownership),
                },
                "erp": {"connector": "erpnext", "url": self.erp.url},
                "erp-events": {"connector": "frappe", "same_as": "erp"},
            },
            "flows": {
                "shop-eu-to-erp": {"source": "shop-eu", "destination": "erp", "settings": TO_ERP},
                "erp-to-shop-eu": {"source": "erp-events", "destination": "shop-eu", "settings": TO_SHOP},
            },
        }
        file = folder / "local.yaml"
        file.write_text(yaml.safe_dump(content))
        return load(file)

    def _hear(self, topic: str, body: Body) -> None:
        self._said.append((topic, body))

    def _shop_says(self, topic: str, body: Body) -> None:
        content = as_sent(body)
        shop = Shop("", DOMAIN, SIGNED_WITH["shop-eu"])
        headers = shop.headers(topic, content, f"webhook-{self.clock.now().timestamp()}")
        assert self.hub_hears("shop-eu", content, headers) == 200

    def hub_hears(self, integration: str, content: bytes, headers: Mapping[str, str]) -> int:
        """One delivery through the webhook function; its status."""
        request = api_gateway_request(content, headers, path=webhook_path(integration))
        return int(serve(request, None, self._edges[integration])["statusCode"])

    def _work(self, flow: str) -> bool:
        taken = self.queues[flow].receive()
        if not taken:
            return False
        answer = apply_batch(batch(self.queues[flow], taken), Context(), self._flows[flow])
        failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
        done = [(message, receipt) for message, receipt in taken if message.id not in failed]
        self.events += [from_json(message.body) for message, _ in done]
        self.queues[flow].delete({receipt for _, receipt in done})
        return True

    def _edge(self, integration: str) -> WebhookHub:
        configured = self.config.integrations[integration]
        settings = WebhookSettings(
            "local", integration, configured.connector, "s", [], "b", TABLE, account=configured.account
        )
        queues = [SqsEventQueue(self._sqs, name) for name in self.config.flows_from(integration)]
        outside = Outside(FakeSecrets((SIGNED_WITH[integration],)), queues, FakeFetch(), FakeBodies(), FakeTokens())
        return WebhookHub(receiver_of(settings), outside, self.telemetry, self.clock.now)

    def _flow(self, name: str) -> DeliveryHub:
        flow = self.config.flows[name]
        source, destination = self.config.integrations[flow.source], self.config.integrations[flow.destination]
        division, facts = divided(self.config, flow), manifest_of(source)
        to = connector_module(destination.connector)
        secrets = dict(zip(("api_key", "api_secret"), TOKEN.split(":"), strict=True)) | {"admin_token": ADMIN_TOKEN}
        credentials = partial(to.credentials, lambda secret: (secrets[secret],))
        http = DestinationHttp(destination.url or "", credentials, lambda: None, 20.0, 2)
        route = Route(
            flow=name,
            read=connector_module(source.connector).read,
            destination=to.destination(http, division.settings(flow)),
            actions=division.actions,
            records={facts.event_type(topic.name): topic.record for topic in facts.topic},
            retry=RetrySettings(),
            body_of=lambda event: event.data,
            destination_name=flow.destination,
            left=division.left,
        )
        return DeliveryHub(
            route=route,
            ledger=DynamoLedger(self._dynamodb, TABLE, 90, lambda _: None),
            queue=SqsEventQueue(self._sqs, name),
            dead_letters=SqsDeadLetters(self._sqs, f"dead {name}"),
            telemetry=self.telemetry,
            workers=1,
            seconds_per_event=60.0,
            now=self.clock.now,
            draw=lambda: 0.0,
            guard=Guard(
                name,
                2,
                flow.destination,
                DynamoStandings(self._dynamodb, TABLE),
                Limits(),
                lambda: None,
                FakePacer(),
            ),
        )

    def _register(self) -> None:
        """The webhooks that the connector's README tells an administrator to make."""
        for wanted in WEBHOOKS:
            self.desk(
                "POST",
                "Webhook",
                **wanted.document(self._webhooks.url, SIGNED_WITH["erp-events"]),
            )
        self.erp.clear_requests()


class _Webhooks:
    """The hub's address, where ERPNext's webhooks arrive."""

    def __init__(self, world: TwoWay) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["Content-Length"]))
                json.loads(content)
                self.send_response(world.hub_hears("erp-events", content, dict(self.headers)))
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/webhooks/erp-events"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
