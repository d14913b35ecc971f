"""One change, told by many: a shop's topics and pulls say the same, and ERPNext is asked for the first of them only."""

from datetime import timedelta
from decimal import Decimal
from functools import partial

from connectors.shopify.connector import read
from hub.deliver import Route, deliver
from hub.events import Event, timestamp_version
from hub.ledger import Head, Known, Outcome
from hub.settings import RetrySettings
from infra.local import shopify
from infra.local.erpnext.server import ErpNextStandIn
from tests.connectors.erpnext.conftest import destination_to, http_to
from tests.connectors.erpnext.orders import PLACED
from tests.fakes import NOW, an_event

TOPICS = ("shopify.orders/create", "shopify.orders/paid", "shopify.orders/updated", "shopify.orders")


def told(kind: str, body: shopify.Body) -> Event:
    """An order's body under a topic, or (the last of them) as a pull lists it."""
    return an_event(
        f"{kind} {body['updated_at']}",
        entity=f"shop-eu/order/{body['id']}",
        event_type=kind,
        version=timestamp_version(body["updated_at"]),
        data=shopify.as_sent(body),
    )


def test_four_tellings_of_one_change_cost_the_calls_of_one(site: ErpNextStandIn) -> None:
    buyer = shopify.customer(7, "Ada", "Lovelace", "ada@example.com", PLACED)
    order = partial(shopify.order, 1042, buyer, [shopify.Line("SKU-1", 2, Decimal("25.50"))], created_at=PLACED)
    first, second = order(updated_at=PLACED), order(updated_at=PLACED + timedelta(minutes=1), cancelled_at=PLACED)
    route = Route(
        flow="shop-eu-to-erp",
        read=read,
        destination=destination_to(http_to(site)),
        actions=dict.fromkeys(TOPICS, "upsert_sales_order"),
        records=dict.fromkeys(TOPICS, "order"),
        retry=RetrySettings(),
        body_of=lambda event: event.data,
    )
    head, ends, calls = Head(), [], []
    for body in (first, second):
        for topic in TOPICS:
            site.clear_requests()
            result = deliver(told(topic, body), route, Known(head, None), 1, NOW)
            assert result.entry
            head = result.head
            ends.append(result.entry.outcome)
            calls.append(len(site.requests))

    assert ends == [Outcome.APPLIED, *[Outcome.UNCHANGED] * 3] * 2
    assert calls[0] > 0
    assert calls[4] > 0
    assert calls[1:4] == calls[5:] == [0, 0, 0]
