"""`hub reconcile`: an imitated store is held against an imitated ERPNext, and what was lost on the way is found."""

import csv
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from adapters.dynamodb import DynamoLedger
from adapters.s3 import S3Bodies
from connectors.erpnext.client import ErpNext
from connectors.erpnext.connector import ErpNextDestination
from connectors.erpnext.settings import FlowSettings
from connectors.shopify.connector import read
from hub import names
from hub.events import Event, from_json, timestamp_version
from hub.ledger import Head
from hub.records import Order
from infra.local import shopify
from infra.local.erpnext.faults import Fault
from infra.local.erpnext.server import ErpNextStandIn
from infra.local.shopify_admin_rest import ShopifyRest
from tests.cli.conftest import Stage
from tests.connectors.erpnext.conftest import http_to, site
from tests.fakes import an_event

__all__ = ["site"]

pytestmark = pytest.mark.slow  # each test starts a site of its own

FLOW = "shop-eu-to-erp"
DAY = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
WINDOW = ("--from", "2026-03-01", "--to", "2026-03-08")
BUYER = shopify.customer(7, "Ada", "Lovelace", "ada@example.com", DAY)


@dataclass
class Shop:
    """A stage that reads orders of a store, and writes them to a site."""

    stage: Stage
    rest: ShopifyRest
    site: ErpNextStandIn
    settings: dict[str, Any]
    queue_url: str = field(init=False)

    def __post_init__(self) -> None:
        self.erp = ErpNextDestination(ErpNext(http_to(self.site)), FlowSettings(**self.settings), lambda: 0.0)
        sqs = self.stage.client("sqs")
        fifo = {"FifoQueue": "true"}
        self.queue_url = sqs.create_queue(QueueName=names.queue(self.stage.name, FLOW), Attributes=fifo)["QueueUrl"]

    def sell(self, number: int, price: str = "10.00", *, hours: float = 0, **more: Any) -> shopify.Body:
        """The store has this order now."""
        line = shopify.Line("SKU-1", 1, Decimal(price))
        at = DAY + timedelta(hours=hours)
        body = shopify.order(number, BUYER, [line], created_at=DAY, updated_at=at, **more)
        self.rest.say(body)
        return body

    def bring(self, body: shopify.Body) -> None:
        """The hub has brought it to ERPNext."""
        event = told(body)
        record = read(event, "order")
        assert isinstance(record, Order)
        self.erp.apply("upsert_sales_order", record, event, "")

    def hub(self, *arguments: str, stdin: str = "") -> Any:
        return self.stage.hub("reconcile", "shop-eu", "orders", *(arguments or WINDOW), stdin=stdin)

    def found(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.hub(*WINDOW, "--json").stdout)
        return found

    def sent(self) -> list[Event]:
        sqs, events = self.stage.client("sqs"), []
        while messages := sqs.receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=10).get("Messages"):
            for each in messages:
                events.append(from_json(each["Body"]))
                sqs.delete_message(QueueUrl=self.queue_url, ReceiptHandle=each["ReceiptHandle"])
        return events


def told(body: shopify.Body) -> Event:
    return an_event(
        f"orders-{body['id']}-{body['updated_at']}",
        entity=f"shop-eu/order/{body['id']}",
        event_type="shopify.orders",
        version=timestamp_version(body["updated_at"]),
        data=shopify.as_sent(body),
    )


@pytest.fixture
def shop(local_stage: Stage, site: ErpNextStandIn) -> Iterator[Shop]:
    with ShopifyRest("shpat_1") as rest:
        content = yaml.safe_load(local_stage.config.read_text())
        content.pop("region")
        content["integrations"]["erp"]["url"] = site.url
        orders = {"every": "15 minutes", "settings": {"page_size": 3}}
        content["integrations"]["shop-eu"] |= {"url": rest.url, "streams": {"orders": orders}}
        local_stage.write(content)
        local_stage.deploy()
        key, secret = site.token.split(":")
        local_stage.store("erp", api_key=key, api_secret=secret)
        local_stage.store("shop-eu", admin_token="shpat_1")
        yield Shop(local_stage, rest, site, content["flows"][FLOW]["settings"])


def test_where_all_was_brought_nothing_differs_and_nothing_is_written(shop: Shop) -> None:
    for number in range(1, 8):
        shop.bring(shop.sell(number))
    shop.site.clear_requests()

    result = shop.hub()

    assert result.exit_code == 0, result.output
    assert result.stdout == "shop-eu/orders: 7 rows listed; erp says the same.\n"
    assert {(method, path.partition("?")[0]) for method, path, _ in shop.site.requests} <= {
        ("POST", "/api/method/frappe.client.get_list"),
        ("GET", "/api/resource/Sales Order"),
        ("GET", "/api/resource/Sales%20Order"),
    }


def test_what_differs_is_told_by_money(shop: Shop) -> None:
    for number, price in ((1, "10.00"), (2, "20.00"), (3, "30.00"), (4, "99.50")):
        body = shop.sell(number, price)
        if number in (1, 2):
            shop.bring(body)
    shop.sell(1, "17.00", hours=1)
    shop.sell(2, "20.00", hours=1, cancelled_at=DAY)

    found = [(each["kind"], each["label"], each["money"], each["currency"]) for each in shop.found()]

    assert [(kind, label) for kind, label, _, _ in found] == [
        ("missing", "#4"),
        ("missing", "#3"),
        ("differs", "#2"),
        ("differs", "#1"),
    ]
    assert [(Decimal(money), unit) for _, _, money, unit in found] == [
        (Decimal("99.50"), "USD"),
        (Decimal(30), "USD"),
        (Decimal(20), "USD"),
        (Decimal(7), "USD"),
    ]


def test_the_table_fits_and_says_what_differs(shop: Shop) -> None:
    shop.bring(shop.sell(1))
    shop.sell(1, "17.00", hours=1)
    shop.sell(2, "99.50")

    result = shop.hub()

    assert result.exit_code == 1
    assert "  2  total: 17.00 at the source, 10.00 in erp" in result.stdout
    assert result.stdout.endswith(
        "shop-eu/orders: 2 rows listed. In erp:\n  1 missing: 99.50 USD\n  1 with other values: 7.00 USD\n"
    )
    assert max(map(len, result.stdout.splitlines())) <= 80


def test_a_newer_version_that_ended_unchanged_is_no_difference_and_one_that_never_came_is(shop: Shop) -> None:
    for number in (1, 2):
        shop.bring(shop.sell(number))
        newer = shop.sell(number, hours=1)
    ledger = DynamoLedger(shop.stage.client("dynamodb"), names.ledger_table(shop.stage.name), 30)
    ledger.record([], [(FLOW, "shop-eu/order/1", Head(version=timestamp_version(newer["updated_at"])))])

    assert [(each["kind"], each["label"]) for each in shop.found()] == [("behind", "#2")]


def test_an_order_amended_by_the_hub_is_known_by_its_last_amendment(shop: Shop) -> None:
    shop.bring(shop.sell(1))
    for hours in range(1, 8):
        shop.bring(shop.sell(1, f"{10 + hours}.00", hours=hours))

    assert len(shop.site.documents("Sales Order")) == 8
    assert shop.found() == []


def test_an_order_that_desk_users_cancelled_is_told(shop: Shop) -> None:
    shop.bring(shop.sell(1))
    [order] = shop.site.documents("Sales Order")
    ErpNext(http_to(shop.site)).cancel("Sales Order", order["name"])

    [found] = shop.found()

    assert found["differences"] == [{"field": "state", "source": "in force", "destination": "cancelled"}]


def test_documents_that_the_source_does_not_list_are_told_and_left_alone(shop: Shop) -> None:
    gone = shop.sell(1, "12.00")
    later = shop.sell(2)
    for body in (gone, later):
        shop.bring(body)
    del shop.rest.said["orders"][1]
    shop.sell(2, hours=24 * 30)  # changed since: listed behind the window

    result = shop.hub(*WINDOW, "--repair-all", "--yes")

    assert result.exit_code == 1
    assert "stands for shop-eu:order:1, which the source does not list" in result.stdout
    assert "1 that the source does not list: 12.00 USD" in result.stdout
    assert "Nothing to be sent again." in result.stderr
    assert shop.sent() == []
    assert all(each["docstatus"] == 1 for each in shop.site.documents("Sales Order"))


def test_a_destination_that_is_busy_for_a_moment_ends_no_comparison(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.bring(shop.sell(1))
    waited: list[float] = []
    monkeypatch.setattr("cli.reconcile.time.sleep", waited.append)
    shop.site.misbehave(Fault("deadlock", doctype="Sales Order"))

    assert shop.hub().exit_code == 0
    assert [each for each in waited if each] == [1.0]


def test_chosen_rows_are_sent_again_as_replays(shop: Shop) -> None:
    for number in (1, 2, 3):
        shop.sell(number)

    result = shop.hub(*WINDOW, "--repair", "#2", "--yes")

    [event] = shop.sent()
    assert "1 row sent again" in result.stderr
    assert (event.subject, event.type, event.replay_of) == ("shop-eu/order/2", "shopify.orders", event.id)


def test_all_rows_are_sent_again_and_then_nothing_differs(shop: Shop) -> None:
    for number in range(1, 14):
        shop.sell(number)

    assert shop.hub(*WINDOW, "--repair-all", stdin="n\n").exit_code == 1
    assert shop.sent() == []
    shop.hub(*WINDOW, "--repair-all", stdin="y\n")

    events = shop.sent()
    assert len(events) == 13
    for event in events:
        record = read(event, "order")
        assert isinstance(record, Order)
        shop.erp.apply("upsert_sales_order", record, event, "")
    assert shop.hub().exit_code == 0


def test_a_row_that_no_queue_holds_is_sent_with_its_body_in_the_bucket(shop: Shop) -> None:
    note = hashlib.shake_256(b"a note").hexdigest(1_200_000)  # which no compression makes small
    shop.rest.say(shop.sell(1) | {"note": note})
    region = "eu-central-1"
    bucket = names.bodies_bucket(shop.stage.name, "123456789012", region)
    s3 = shop.stage.client("s3")
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": region})

    shop.hub(*WINDOW, "--repair-all", "--yes")

    [event] = shop.sent()
    assert event.data == b""
    assert json.loads(S3Bodies(s3, bucket).fetch(event.data_ref))["note"] == note


def test_a_name_that_no_finding_bears_sends_nothing(shop: Shop) -> None:
    shop.sell(1)

    result = shop.hub(*WINDOW, "--repair", "1", "--repair", "4711", "--yes")

    assert "no row that differs is called 4711" in result.stderr
    assert shop.sent() == []


def test_the_file_bears_all_differences_and_no_formula(shop: Shop, tmp_path: Path) -> None:
    body = shop.sell(1)
    shop.rest.say(body | {"name": "=1+1"})
    shop.sell(2)
    path = tmp_path / "differences.csv"

    shop.hub(*WINDOW, "--csv", str(path), "--limit", "1")

    rows = list(csv.DictReader(path.open(encoding="utf-8")))
    assert {(each["kind"], each["label"], each["currency"]) for each in rows} == {
        ("missing", "'=1+1", "USD"),
        ("missing", "#2", "USD"),
    }


def test_a_row_that_cannot_be_read_is_told(shop: Shop) -> None:
    body = shop.sell(1)
    shop.rest.say({name: value for name, value in body.items() if name != "currency"})

    [found] = shop.found()

    assert (found["kind"], found["entity"]) == ("unreadable", "shop-eu/order/1")


def test_a_window_without_extent_and_a_flow_that_does_nothing_are_refused(shop: Shop) -> None:
    assert "--from must lie before --to" in shop.hub("--from", "2026-03-08", "--to", "2026-03-01").stderr
    assert "does nothing with rows of shop-eu/orders" in shop.hub(*WINDOW, "--flow", "other").stderr
