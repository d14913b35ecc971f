"""ERPNext's webhooks, made by the hub's own templates, become stock levels, prices and shipments."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.frappe.connector import READERS, read
from connectors.frappe.facts import facts
from connectors.frappe.templates import DELIVERY, PRICE, STOCK_MOVED, STOCK_PROMISED, WEBHOOKS
from hub.deliveries import Delivery
from hub.errors import Unreadable
from hub.events import Event
from hub.records import Fulfilment, Price, Record, StockLevel
from infra.local.erpnext.server import ErpNextStandIn
from infra.local.erpnext.templates import render

NOW = datetime(2026, 3, 1, tzinfo=UTC)
NUMBERS = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**9), max_value=10**9, places=6)


@pytest.fixture
def site() -> Iterator[ErpNextStandIn]:
    with ErpNextStandIn() as running:
        yield running


def body_of(site: ErpNextStandIn, template: str, doc: dict[str, Any]) -> bytes:
    """What the site would send of a document."""
    with site.site.transaction("Administrator") as tx:
        return json.dumps(json.loads(render(template, {"doc": doc}, tx))).encode()


def records(body: bytes, kind: str) -> list[Record]:
    """What the hub makes of a delivery."""
    found = facts(Delivery("POST", {}, body))
    return [read(an_event(each.data), kind) for each in found]


def an_event(data: bytes) -> Event:
    return Event("e", "/integrations/erp-events", "frappe.x", "erp-events/x/1", None, NOW, "", "", data)


def test_each_stock_movement_tells_the_bin_as_it_is(site: ErpNextStandIn) -> None:
    with site.site.transaction("Administrator") as tx:
        made: dict[str, Any] = {"doctype": "Item", "item_code": 'A "quoted" item', "item_group": "Products"}
        from infra.local.erpnext import documents, stock

        documents.insert(tx, {**made, "stock_uom": "Nos"})
        stock.change_bin(tx, 'A "quoted" item', "Stores - ATI", {"actual_qty": 12.5, "reserved_qty": 2.0})
    entry = {"name": "sle", "modified": "2026-01-01 05:34:12.1", "item_code": 'A "quoted" item'}

    body = body_of(site, STOCK_MOVED, {**entry, "warehouse": "Stores - ATI"})

    level = StockLevel(sku='A "quoted" item', place="Stores - ATI", available=Decimal("10.5"))
    assert records(body, "stock_level") == [level]


def test_an_order_tells_all_its_bins_and_skips_what_has_none(site: ErpNextStandIn) -> None:
    with site.site.transaction("Administrator") as tx:
        from infra.local.erpnext import documents, stock

        for code in ("A", "B"):
            item = {"doctype": "Item", "item_code": code, "item_group": "Products", "stock_uom": "Nos"}
            documents.insert(tx, item)
            stock.change_bin(tx, code, "Stores - ATI", {"actual_qty": 3.0, "reserved_qty": 4.0})
    rows = [{"item_code": code, "warehouse": "Stores - ATI"} for code in ("A", "A service", "B")]

    body = body_of(site, STOCK_PROMISED, {"name": "SO", "modified": "2026-01-01 05:34:12.1", "items": rows})

    found = records(body, "stock_level")
    assert [(each.sku, each.available) for each in found if isinstance(each, StockLevel)] == [
        ("A", Decimal(-1)),
        ("B", Decimal(-1)),
    ]


def test_an_order_without_stock_tells_of_itself_alone(site: ErpNextStandIn) -> None:
    body = body_of(site, STOCK_PROMISED, {"name": "SO", "modified": "2026-01-01 05:34:12.1", "items": [{}]})

    found = facts(Delivery("POST", {}, body))
    assert [(each.topic, each.entity, each.entity_id) for each in found] == [
        ("sales_order/on_change", "sales_order", "SO")
    ]


def test_equal_levels_told_by_two_documents_are_one_fact() -> None:
    level = {"name": "b", "item_code": "A", "warehouse": "W", "actual_qty": 1.0, "reserved_qty": 0.0, "modified": "x"}
    bodies = [json.dumps({"doctype": doctype, "name": "n", "bins": [level]}).encode() for doctype in ("SLE", "SO")]

    ids = {facts(Delivery("POST", {}, body))[0].event_id for body in bodies}
    assert len(ids) == 1


def test_a_price_is_read_to_the_last_digit(site: ErpNextStandIn) -> None:
    doc = {"name": "p", "modified": "2026-01-01 05:34:12", "item_code": "A", "price_list": "Standard Selling"}

    body = body_of(site, PRICE, {**doc, "currency": "USD", "price_list_rate": 19.99})

    assert records(body, "price") == [
        Price(sku="A", price_list="Standard Selling", currency="USD", amount=Decimal("19.99"))
    ]


def test_a_delivery_names_the_shops_order_and_its_own_origin(site: ErpNextStandIn) -> None:
    row = {"item_code": "A", "stock_qty": 2.0, "against_sales_order": None, "hub_line_id": "11"}
    doc: dict[str, Any] = {
        "name": "DN",
        "modified": "2026-07-01 09:00:00",
        "amended_from": None,
        "hub_external_id": "shop-eu:fulfilment:9~0",
        "posting_date": "2026-07-01",
        "posting_time": "9:00:00",
        "transporter_name": None,
        "lr_no": "1Z",
        "items": [row],
    }

    (shipment,) = records(body_of(site, DELIVERY % "on_submit", doc), "fulfilment")

    assert isinstance(shipment, Fulfilment)
    assert (shipment.came_from, shipment.order_id, shipment.tracking_numbers) == ("shop-eu", "", ("1Z",))
    assert shipment.shipped_at == datetime(2026, 7, 1, 13, tzinfo=UTC)  # the site's time zone is New York's
    assert (shipment.lines[0].line_id, shipment.lines[0].quantity) == ("11", Decimal(2))


@given(NUMBERS, NUMBERS)
def test_what_can_be_sold_is_what_lies_there_less_what_is_promised(actual: Decimal, reserved: Decimal) -> None:
    text = f'{{"item_code": "A", "warehouse": "W", "actual_qty": {actual}, "reserved_qty": {reserved}}}'

    level = read(an_event(text.encode()), "stock_level")

    assert isinstance(level, StockLevel)
    assert level.available == actual - reserved


@pytest.mark.parametrize("kind", READERS)
@given(
    body=st.binary()
    | st.recursive(
        st.none() | st.booleans() | st.floats() | st.text() | st.integers(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    ).map(lambda value: json.dumps(value).encode())
)
def test_no_body_is_read_as_something_that_it_is_not(kind: str, body: bytes) -> None:
    with pytest.raises(Unreadable):
        read(an_event(body), kind)


FIELDS: list[dict[str, Any]] = [
    {"price_list_rate": -1},
    {"price_list_rate": True},
    {"price_list_rate": 1e300},
    {"currency": "usd"},
    {"item_code": " "},
    {"item_code": 7},
]


@pytest.mark.parametrize("change", FIELDS)
def test_a_price_that_cannot_be_one_is_refused_by_its_field(change: dict[str, Any]) -> None:
    price = {"item_code": "A", "price_list": "P", "currency": "USD", "price_list_rate": 1, **change}

    with pytest.raises(Unreadable, match=f"^{next(iter(change))}: "):
        read(an_event(json.dumps(price).encode()), "price")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"items": []}, "items: "),
        ({"items": [{"item_code": "A", "qty": -1}]}, r"items\.0\.qty: must be above zero: keep returns out"),
        ({"posted_at": "yesterday"}, "posted_at: must be a time such as"),
        ({"posted_at": "2026-01-01T00:00:00Z"}, "posted_at: must be "),
        ({"time_zone": "Mars/Olympus"}, "time_zone: must be an IANA time zone"),
        ({"hub_external_id": "not the hub's"}, "is no external id that the hub has written"),
    ],
)
def test_a_delivery_that_cannot_be_one_is_refused_by_its_field(change: dict[str, Any], says: str) -> None:
    note = {
        "name": "DN",
        "event": "on_submit",
        "posted_at": "2026-01-01 00:00:00",
        "time_zone": "UTC",
        "items": [{"item_code": "A", "qty": 1}],
        **change,
    }

    with pytest.raises(Unreadable, match=says):
        read(an_event(json.dumps(note).encode()), "fulfilment")


def test_a_missing_field_sends_the_reader_to_the_template() -> None:
    with pytest.raises(Unreadable, match="price_list: is missing: take the webhook's template"):
        read(an_event(b'{"item_code": "A", "currency": "USD", "price_list_rate": 1}'), "price")


def test_no_two_webhooks_have_one_name() -> None:
    assert len({each.name for each in WEBHOOKS}) == len(WEBHOOKS)
