"""What follows an order exists once, whoever speaks of it first, whatever is repeated, interrupted or done by others."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from connectors.erpnext.client import ErpNext
from connectors.erpnext.connector import ErpNextDestination
from connectors.erpnext.setup import setup
from hub.connector import Effect, HttpClient, Written
from hub.errors import NotConfigured, Parked, Refused, Temporary, TotalMismatch
from hub.events import Event
from hub.records import Charge, Deletion, FulfilmentLine, Order, Record
from infra.local.erpnext.faults import Fault
from infra.local.erpnext.server import ErpNextStandIn
from tests.connectors.erpnext.conftest import destination_to, http_to
from tests.connectors.erpnext.interruptions import DyingHttp, Interrupted
from tests.connectors.erpnext.orders import (
    DOCUMENTS,
    GIVEN_BACK,
    PAID,
    SENT,
    event,
    line,
    order,
    payment,
    refund,
    refund_line,
    shipment,
    whole_refund,
)

pytestmark = pytest.mark.slow  # each test starts a site of its own

DRAFT, SUBMITTED, CANCELLED = 0, 1, 2
TOTAL = Decimal("65.59")
SOLD = order(paid=TOTAL, paid_at=PAID)
SHIPPED = order(paid=TOTAL, paid_at=PAID, fulfilments=(shipment(),))
REFUNDED = order(paid=TOTAL, paid_at=PAID, fulfilments=(shipment(),), refunds=(refund(),))
ACTIONS = {
    "order": "upsert_sales_order",
    "fulfilment": "upsert_delivery_note",
    "refund": "upsert_credit_note",
    "payment": "create_payment_entry",
    "deletion": "remove",
}


@pytest.fixture
def site() -> Iterator[ErpNextStandIn]:
    """A site after `hub setup erp`, with ten pieces each of SKU-1 to SKU-3 in stock, and a service Item."""
    with ErpNextStandIn() as standin:
        http = http_to(standin)
        setup(http)
        erp = ErpNext(http)
        for number in (1, 2, 3):
            erp.insert("Item", {"item_code": f"SKU-{number}", "item_group": "Products", "stock_uom": "Nos"})
            row = {"item_code": f"SKU-{number}", "qty": 10, "basic_rate": 5, "t_warehouse": "Stores - ATI"}
            entry = {"stock_entry_type": "Material Receipt", "company": "Acme Test Inc", "docstatus": 1, "items": [row]}
            erp.insert("Stock Entry", entry)
        for service in ("SERVICE", "GIFT"):
            item = {"item_code": service, "item_group": "Services", "stock_uom": "Nos", "is_stock_item": 0}
            erp.insert("Item", item)
        standin.clear_requests()
        yield standin


@pytest.fixture
def erp(site: ErpNextStandIn) -> ErpNextDestination:
    return to(site)


def to(site: ErpNextStandIn, **changes: object) -> ErpNextDestination:
    """A destination that writes all documents, and remembers nothing yet."""
    return through(http_to(site), **changes)


def through(http: HttpClient, **changes: object) -> ErpNextDestination:
    return destination_to(http, **{**DOCUMENTS, **changes})


def put(erp: ErpNextDestination, record: Record, version: str = "v1", known: str = "") -> Written:
    entity_id = record.id if isinstance(record, Order) else str(getattr(record, "id", ""))
    return erp.apply(ACTIONS[record.kind], record, about(record.kind, entity_id, version), known)


def about(kind: str, entity_id: str, version: str) -> Event:
    told = event(version, f"{kind}-{entity_id}-{version}", kind, entity_id)
    return replace(told, received_at=GIVEN_BACK + timedelta(days=3))


def said(site: ErpNextStandIn, doctype: str) -> list[tuple[str, int, Decimal]]:
    """Every document of a kind as (external id, docstatus, total or amount or quantity)."""
    amount = {"Payment Entry": "paid_amount", "Delivery Note": "total_qty"}.get(doctype, "grand_total")
    found = [
        (str(doc.get("hub_external_id")), doc["docstatus"], Decimal(str(doc[amount])))
        for doc in site.documents(doctype)
    ]
    return sorted(found)


def everything(site: ErpNextStandIn) -> dict[str, list[tuple[str, int, Decimal]]]:
    doctypes = ("Sales Order", "Sales Invoice", "Payment Entry", "Delivery Note")
    return {doctype: said(site, doctype) for doctype in doctypes}


def calls(site: ErpNextStandIn) -> list[tuple[str, str]]:
    """What was asked and written, without the names of customer and Items, which every known order asks anew."""
    made = [(method, path.split("?")[0].split("/")[3].replace("%20", " ")) for method, path, _ in site.requests]
    return [call for call in made if call not in {("GET", "Item"), ("GET", "Customer")}]


def stock(site: ErpNextStandIn, item: str = "SKU-1") -> float:
    return float(next(doc["actual_qty"] for doc in site.documents("Bin") if doc["item_code"] == item))


def document(site: ErpNextStandIn, doctype: str, external: str) -> dict[str, Any]:
    return next(doc for doc in site.documents(doctype) if doc.get("hub_external_id") == external)


WHOLE_LIFE = {
    "Sales Order": [("shop-eu:order:1042~0", SUBMITTED, TOTAL)],
    "Sales Invoice": [
        ("shop-eu:invoice:1042~0", SUBMITTED, TOTAL),
        ("shop-eu:refund:901~0", SUBMITTED, Decimal("-27.80")),
    ],
    "Payment Entry": [
        ("shop-eu:payment:1042:65.59~0", SUBMITTED, TOTAL),
        ("shop-eu:refund:901~0", SUBMITTED, Decimal("27.80")),
    ],
    "Delivery Note": [
        ("shop-eu:fulfilment:501~0", SUBMITTED, Decimal(2)),
        ("shop-eu:return:901~0", SUBMITTED, Decimal(-1)),
    ],
}


def decimals(value: Any) -> Any:
    return {key: [(one, status, Decimal(amount)) for one, status, amount in rows] for key, rows in value.items()}


def test_an_orders_life_is_in_the_books(site: ErpNextStandIn, erp: ErpNextDestination) -> None:
    written = put(erp, REFUNDED)

    assert written.effect == Effect.APPLIED
    assert everything(site) == decimals(WHOLE_LIFE)
    assert stock(site) == 9
    invoice = document(site, "Sales Invoice", "shop-eu:invoice:1042~0")
    credit = document(site, "Sales Invoice", "shop-eu:refund:901~0")
    assert (invoice["outstanding_amount"], credit["outstanding_amount"]) == (0, 0)
    assert (invoice["posting_date"], credit["posting_date"]) == ("2026-01-01", "2026-01-09")
    assert (credit["is_return"], credit["return_against"]) == (1, invoice["name"])
    assert credit["items"][0]["sales_invoice_item"] == invoice["items"][0]["name"]
    assert invoice["items"][0]["hub_line_id"] == "1"


def test_events_one_by_one_end_like_one_that_says_it_all(site: ErpNextStandIn, erp: ErpNextDestination) -> None:
    name = put(erp, order()).name
    for version, sale in enumerate((SOLD, SHIPPED, REFUNDED), 2):
        put(erp, sale, f"v{version}", name)

    assert everything(site) == decimals(WHOLE_LIFE)


def test_the_childrens_own_events_make_the_same_documents(site: ErpNextStandIn) -> None:
    put(to(site), SOLD)
    put(to(site), shipment())
    put(to(site), refund())

    assert everything(site) == decimals(WHOLE_LIFE)


def test_order_and_children_that_speak_of_the_same_make_one_document(site: ErpNextStandIn) -> None:
    put(to(site), REFUNDED)

    again = [put(to(site), one) for one in (shipment(), refund(), REFUNDED)]

    assert [one.effect for one in again] == [Effect.UNCHANGED] * 3
    assert everything(site) == decimals(WHOLE_LIFE)


def test_children_that_come_first_wait_for_their_order(site: ErpNextStandIn) -> None:
    erp = to(site, payments_from="transactions")
    for child in (shipment(), refund(), payment()):
        with pytest.raises(Parked) as parked:
            put(erp, child)
        assert parked.value.waits_for == "shop-eu/order/1042"

    put(erp, SOLD)
    for child in (payment(), shipment(), refund()):
        put(erp, child)

    assert [key for key, _, _ in said(site, "Payment Entry")] == ["shop-eu:refund:901~0", "shop-eu:transaction:701~0"]
    assert everything(site)["Delivery Note"] == decimals(WHOLE_LIFE)["Delivery Note"]


def test_a_refund_waits_for_the_invoice_of_an_order_that_is_not_known_as_paid(site: ErpNextStandIn) -> None:
    put(to(site), order())

    with pytest.raises(Parked, match="refund 901 waits for the Sales Invoice"):
        put(to(site), refund())


BEFORE_IT_LEFT, WHEN_IT_LEFT = "2026-01-02T14:59:00.000000Z", "2026-01-02T15:00:00.000000Z"


def test_a_shipment_waits_for_what_the_order_said_when_it_left(site: ErpNextStandIn, erp: ErpNextDestination) -> None:
    """An edit before the shipment came after it, and could not be written any more: the order had been delivered."""
    name = put(erp, order(), BEFORE_IT_LEFT).name

    with pytest.raises(Parked, match="waits for the order's newer event") as parked:
        put(erp, shipment())
    edited = order(lines=(line(quantity=Decimal(1)),), total=Decimal("40.09"))
    put(erp, edited, WHEN_IT_LEFT, name)
    put(erp, shipment(lines=(FulfilmentLine(line_id="1", sku="SKU-1", quantity=Decimal(1)),)))

    assert parked.value.waits_for == "shop-eu/order/1042"
    assert said(site, "Delivery Note") == [("shop-eu:fulfilment:501~0", SUBMITTED, Decimal(1))]


def test_a_shipment_whose_order_says_no_more_waits_two_hours_at_most(
    site: ErpNextStandIn, erp: ErpNextDestination
) -> None:
    put(erp, SOLD, BEFORE_IT_LEFT)

    with pytest.raises(Parked) as parked:
        put(erp, shipment())
    waited = replace(about("fulfilment", "501", "v1"), waited_seconds=7_200.0)
    erp.apply("upsert_delivery_note", shipment(), waited, "")

    assert parked.value.at_most_seconds == 7_200
    assert said(site, "Delivery Note") == [("shop-eu:fulfilment:501~0", SUBMITTED, Decimal(2))]


def test_a_shipment_whose_order_says_no_more_is_written_when_a_person_replays_it(
    site: ErpNextStandIn, erp: ErpNextDestination
) -> None:
    put(erp, SOLD, BEFORE_IT_LEFT)

    erp.apply("upsert_delivery_note", shipment(), replace(about("fulfilment", "501", "v1"), replay_of="e1"), "")

    assert said(site, "Delivery Note") == [("shop-eu:fulfilment:501~0", SUBMITTED, Decimal(2))]


def test_a_return_waits_for_the_shipment(site: ErpNextStandIn) -> None:
    put(to(site), SOLD)

    with pytest.raises(Parked, match=r"takes back 1 of line 1 more than Sales Order .* has delivered"):
        put(to(site), refund())

    put(to(site), shipment())
    put(to(site), refund())

    assert everything(site) == decimals(WHOLE_LIFE)


def test_a_shipment_that_comes_in_the_middle_of_an_amendment_waits(site: ErpNextStandIn) -> None:
    """The order looked as if a person had cancelled it, and the shipment was set aside."""
    name = put(to(site), order(), BEFORE_IT_LEFT).name
    edited = order(lines=(line(quantity=Decimal(3)),), total=Decimal("91.09"))
    site.misbehave(Fault("deadlock", method="POST", path="/api/resource/Sales Order"))
    with pytest.raises(Temporary):
        put(to(site), edited, WHEN_IT_LEFT, name)

    with pytest.raises(Parked, match="waits for the submitted Sales Order"):
        put(to(site), shipment())
    put(to(site), edited, WHEN_IT_LEFT, name)
    put(to(site), shipment())

    assert said(site, "Delivery Note") == [("shop-eu:fulfilment:501~0", SUBMITTED, Decimal(2))]


@pytest.mark.parametrize("remembers", [True, False])
def test_a_return_of_two_parcels_waits_for_the_second_one(site: ErpNextStandIn, remembers: bool) -> None:
    """Between the two parcels it took back what there was, and was then set aside for the rest. What one function remembers
    of the first part must not stand for the whole."""
    one = to(site)

    def erp() -> ErpNextDestination:
        return one if remembers else to(site)

    put(erp(), SOLD)
    for number in ("501", "502"):
        with pytest.raises(Parked):
            put(erp(), whole_refund())
        put(erp(), shipment(id=number, lines=(FulfilmentLine(line_id="1", sku="SKU-1", quantity=Decimal(1)),)))
    put(erp(), whole_refund())

    assert said(site, "Delivery Note") == [
        ("shop-eu:fulfilment:501~0", SUBMITTED, Decimal(1)),
        ("shop-eu:fulfilment:502~0", SUBMITTED, Decimal(1)),
        ("shop-eu:return:901.1~0", SUBMITTED, Decimal(-1)),
        ("shop-eu:return:901~0", SUBMITTED, Decimal(-1)),
    ]


def test_a_flow_without_documents_writes_none(site: ErpNextStandIn) -> None:
    erp = destination_to(http_to(site))
    put(erp, REFUNDED)

    ignored = [put(erp, child) for child in (shipment(), refund(), payment())]

    assert {one.effect for one in ignored} == {Effect.IGNORED}
    assert [len(found) for found in everything(site).values()] == [1, 0, 0, 0]


def test_a_new_paid_order_takes_six_calls_and_nothing_is_asked_twice(site: ErpNextStandIn) -> None:
    erp = to(site)
    put(erp, REFUNDED)
    site.clear_requests()

    name = put(erp, order(id="1043", number="#1043", paid=TOTAL, paid_at=PAID)).name

    assert calls(site) == [
        ("POST", "Sales Order"),
        ("PUT", "Sales Order"),
        ("POST", "Sales Invoice"),
        ("PUT", "Sales Invoice"),
        ("POST", "Payment Entry"),
        ("PUT", "Payment Entry"),
    ]

    site.clear_requests()
    put(erp, order(id="1043", number="#1043", paid=TOTAL, paid_at=PAID), "v2", name)

    assert calls(site) == [("GET", "Sales Order")]


def test_a_function_that_remembers_nothing_asks_once_per_kind_of_document(site: ErpNextStandIn) -> None:
    name = put(to(site), SHIPPED).name
    site.clear_requests()

    put(to(site), SHIPPED, "v2", name)

    assert calls(site) == [
        ("GET", "Sales Order"),
        ("GET", "Sales Invoice"),
        ("GET", "Payment Entry"),
        ("GET", "Delivery Note"),
    ]


def test_an_unpaid_order_asks_for_no_other_documents(site: ErpNextStandIn) -> None:
    name = put(to(site), order()).name
    site.clear_requests()

    put(to(site), order(), "v2", name)

    assert calls(site) == [("GET", "Sales Order")]


def test_part_payments_are_each_written_once(site: ErpNextStandIn) -> None:
    for version, paid in enumerate(("20.00", "50", "65.59", "65.59"), 1):
        put(to(site), order(paid=Decimal(paid), paid_at=PAID), f"v{version}")

    assert said(site, "Payment Entry") == [
        ("shop-eu:payment:1042:20~0", SUBMITTED, Decimal(20)),
        ("shop-eu:payment:1042:50~0", SUBMITTED, Decimal(30)),
        ("shop-eu:payment:1042:65.59~0", SUBMITTED, Decimal("15.59")),
    ]
    assert document(site, "Sales Invoice", "shop-eu:invoice:1042~0")["status"] == "Paid"


def test_what_is_paid_beyond_the_invoice_stays_with_the_customer(site: ErpNextStandIn) -> None:
    put(to(site), order(paid=Decimal(70), paid_at=PAID))

    [entry] = site.documents("Payment Entry")
    assert (entry["total_allocated_amount"], entry["unallocated_amount"]) == (65.59, 4.41)


def test_a_gateways_money_arrives_on_its_account(site: ErpNextStandIn) -> None:
    modes = {"paypal": {"mode": "Wire Transfer", "account": "Cash - ATI"}, "default": {"account": "Main Bank - ATI"}}
    erp = to(site, modes_of_payment=modes)
    put(erp, order(paid=TOTAL, paid_at=PAID, gateway="paypal"))
    put(erp, order(id="2", number="#2", paid=TOTAL, paid_at=PAID, gateway="stripe"))

    assert [(doc["paid_to"], doc.get("mode_of_payment")) for doc in site.documents("Payment Entry")] == [
        ("Cash - ATI", "Wire Transfer"),
        ("Main Bank - ATI", None),
    ]


def test_payments_without_invoices_are_advances_on_the_order(site: ErpNextStandIn) -> None:
    erp = to(site, on_payment=["payment_entry"], on_refund=[])

    put(erp, SOLD)

    [entry] = site.documents("Payment Entry")
    assert (entry["references"][0]["reference_doctype"], entry["unallocated_amount"]) == ("Sales Order", 0)
    assert site.documents("Sales Order")[0]["advance_paid"] == 65.59


def test_payments_come_from_the_side_that_the_flow_names(site: ErpNextStandIn) -> None:
    assert put(to(site), payment()).effect == Effect.IGNORED

    put(to(site, payments_from="transactions"), SOLD)

    assert said(site, "Payment Entry") == []


def test_a_payment_is_found_by_its_transaction(site: ErpNextStandIn) -> None:
    erp = to(site, payments_from="transactions")
    put(erp, SOLD)
    before = erp.find("create_payment_entry", payment(), about("payment", "701", ""))

    written = put(erp, payment())

    assert before is None
    assert erp.find("create_payment_entry", payment(), about("payment", "701", "")) == written


def test_a_cancelled_shipment_cancels_its_delivery(site: ErpNextStandIn) -> None:
    put(to(site), SHIPPED)

    put(to(site), shipment(is_cancelled=True), "v2")
    put(to(site), order(paid=TOTAL, paid_at=PAID, fulfilments=(shipment(is_cancelled=True),)), "v3")

    assert said(site, "Delivery Note") == [("shop-eu:fulfilment:501~0", CANCELLED, Decimal(2))]
    assert stock(site) == 10


def test_a_shipment_that_was_cancelled_before_it_was_known_stays_unknown(site: ErpNextStandIn) -> None:
    written = put(to(site), shipment(is_cancelled=True))

    assert (written.effect, said(site, "Delivery Note")) == (Effect.IGNORED, [])


def test_an_older_event_does_not_ship_again_what_was_cancelled(site: ErpNextStandIn) -> None:
    put(to(site), SHIPPED, "v2")
    put(to(site), shipment(is_cancelled=True), "v3")

    written = put(to(site), shipment(), "v1")

    assert (written.effect, stock(site)) == (Effect.STALE, 10)


def test_a_shipment_names_its_carrier_and_what_is_not_in_stock_is_set_aside(site: ErpNextStandIn) -> None:
    put(to(site), SOLD)
    put(to(site), shipment(carrier="UPS", tracking_numbers=("1Z1", "1Z2")))
    many = line(quantity=Decimal(11))
    put(to(site), order(id="2", number="#2", lines=(many,), total=Decimal("295.09")))

    lines = (shipment().lines[0].model_copy(update={"quantity": Decimal(11)}),)
    with pytest.raises(Refused, match="NegativeStockError"):
        put(to(site), shipment(id="502", order_id="2", lines=lines))

    assert [doc["lr_no"] for doc in site.documents("Delivery Note")] == ["UPS 1Z1, 1Z2"]


def test_a_shipment_is_posted_on_its_day_and_one_of_today_at_once(site: ErpNextStandIn) -> None:
    put(to(site), SHIPPED)
    [dated] = site.documents("Delivery Note")
    put(to(site), order(id="2", number="#2"))

    told = replace(about("fulfilment", "502", "v1"), received_at=SENT)
    to(site).apply("upsert_delivery_note", shipment(id="502", order_id="2", shipped_at=SENT), told, "")

    [_, at_once] = site.documents("Delivery Note")
    assert (dated["set_posting_time"], dated["posting_date"], dated["posting_time"]) == (1, "2026-01-02", "10:00:00")
    assert at_once["set_posting_time"] == 0


def test_goods_that_went_out_in_two_shipments_come_back_against_both(site: ErpNextStandIn) -> None:
    piece = shipment().lines[0].model_copy(update={"quantity": Decimal(1)})
    two = (shipment(id="501", lines=(piece,)), shipment(id="502", lines=(piece,)))

    put(to(site), order(paid=TOTAL, paid_at=PAID, fulfilments=two, refunds=(whole_refund(),)))
    put(to(site), whole_refund())

    returned = [one for one in said(site, "Delivery Note") if "return" in one[0]]
    assert returned == [
        ("shop-eu:return:901.1~0", SUBMITTED, Decimal(-1)),
        ("shop-eu:return:901~0", SUBMITTED, Decimal(-1)),
    ]
    assert stock(site) == 10


REFUNDS = {
    "goods, shipping and tax": whole_refund(),
    "goods that stay with the buyer": refund(lines=(refund_line(came_back=False),)),
    "shipping alone": refund(
        lines=(), shipping=Charge(title="Standard", amount=Decimal("10.00")), total=Decimal("10.00")
    ),
    "shipping with its tax": refund(
        lines=(),
        shipping=Charge(title="Standard", amount=Decimal("10.00"), tax=Decimal("0.90")),
        total=Decimal("10.90"),
    ),
    "goodwill": refund(lines=(), adjustment=Decimal("5.00"), total=Decimal("5.00")),
    "goods and goodwill": refund(adjustment=Decimal("5.00"), total=Decimal("32.80")),
    "a fee kept back": refund(adjustment=Decimal("-5.00"), total=Decimal("22.80")),
    "nearly all kept back": refund(adjustment=Decimal("-27.00"), total=Decimal("0.80")),
    "kept back from shipping": whole_refund(adjustment=Decimal("-58.00"), total=Decimal("7.59")),
    "an amount that no rate divides": refund(
        lines=(refund_line(quantity=Decimal(2), amount=Decimal("33.33")),), total=Decimal("35.63")
    ),
    "prices with tax": refund(taxes_included=True, total=Decimal("25.50")),
}


@pytest.mark.parametrize("kind", REFUNDS)
def test_a_credit_note_is_what_the_buyer_got(site: ErpNextStandIn, kind: str) -> None:
    back = REFUNDS[kind]

    put(to(site), order(paid=TOTAL, paid_at=PAID, fulfilments=(shipment(),), refunds=(back,)))

    credit = document(site, "Sales Invoice", "shop-eu:refund:901~0")
    paid_back = document(site, "Payment Entry", "shop-eu:refund:901~0")
    assert (credit["docstatus"], Decimal(str(credit["grand_total"]))) == (SUBMITTED, -back.total)
    assert (paid_back["payment_type"], Decimal(str(paid_back["paid_amount"]))) == ("Pay", back.total)
    assert credit["outstanding_amount"] == 0


def test_a_refund_without_money_takes_back_the_goods_alone(site: ErpNextStandIn) -> None:
    nothing = refund(adjustment=Decimal("-27.80"), total=Decimal(0))

    put(to(site), order(paid=TOTAL, paid_at=PAID, fulfilments=(shipment(),), refunds=(nothing,)))

    assert [key for key, _, _ in said(site, "Sales Invoice")] == ["shop-eu:invoice:1042~0"]
    assert stock(site) == 9


def test_money_that_no_line_bears_needs_an_item(site: ErpNextStandIn) -> None:
    erp = to(site, refund_item=None)

    with pytest.raises(NotConfigured, match=r"gives back 5\.00 USD that belong to no line .* \(refund_item: …\)"):
        put(erp, order(paid=TOTAL, paid_at=PAID, refunds=(REFUNDS["goodwill"],)))


def test_a_refund_that_does_not_add_up_is_not_even_begun(site: ErpNextStandIn) -> None:
    put(to(site), SHIPPED)

    with pytest.raises(TotalMismatch, match=r"but the buyer got 27\.81"):
        put(to(site), refund(total=Decimal("27.81")))

    assert len(said(site, "Sales Invoice")) == 1


def test_a_refund_of_a_line_that_the_invoice_lacks_is_set_aside_with_what_to_do(site: ErpNextStandIn) -> None:
    put(to(site), SOLD)

    with pytest.raises(Refused, match=r"has no row for line 77 \(SKU 'X'\); add it in ERPNext"):
        put(to(site), refund(lines=(refund_line(line_id="77", sku="X", came_back=False),)))


def test_lines_of_before_the_hub_wrote_their_ids_are_found_by_sku(site: ErpNextStandIn) -> None:
    name = put(to(site), order()).name
    ErpNext(http_to(site)).cancel("Sales Order", name)
    old = site.documents("Sales Order")[0]
    [row] = old["items"]
    kept = {key: row[key] for key in ("item_code", "qty", "rate", "warehouse", "delivery_date")}
    head = ("customer", "company", "transaction_date", "delivery_date", "currency", "disable_rounded_total")
    made = {key: old[key] for key in head}
    taxes = [{k: tax[k] for k in ("charge_type", "account_head", "description", "tax_amount")} for tax in old["taxes"]]
    external = {"hub_external_id": "shop-eu:order:1042~1", "items": [kept], "taxes": taxes, "docstatus": 1}
    ErpNext(http_to(site)).insert("Sales Order", {**made, **external})

    put(to(site), shipment())

    assert said(site, "Delivery Note") == [("shop-eu:fulfilment:501~0", SUBMITTED, Decimal(2))]


def test_a_credit_note_without_payment_entries_lowers_what_the_invoice_asks_for(site: ErpNextStandIn) -> None:
    erp = to(site, on_payment=["sales_invoice"])

    put(erp, REFUNDED)

    assert document(site, "Sales Invoice", "shop-eu:invoice:1042~0")["outstanding_amount"] == 37.79


def test_a_cancelled_order_that_was_given_back_is_closed(site: ErpNextStandIn) -> None:
    name = put(to(site), SHIPPED).name
    gone = SHIPPED.model_copy(update={"cancelled_at": GIVEN_BACK, "refunds": (whole_refund(),)})

    first, second = put(to(site), gone, "v2", name), put(to(site), gone, "v2", name)

    assert (first.effect, second.effect) == (Effect.APPLIED, Effect.UNCHANGED)
    assert [doc["status"] for doc in site.documents("Sales Order")] == ["Closed"]
    assert sum(amount for _, _, amount in said(site, "Sales Invoice")) == 0
    assert stock(site) == 10


def test_a_cancelled_order_whose_money_was_kept_is_for_a_person(site: ErpNextStandIn) -> None:
    name = put(to(site), SOLD).name

    with pytest.raises(Refused, match=r"gave back 0 of 65\.59 USD, but invoices or deliveries of Sales Order"):
        put(to(site), SOLD.model_copy(update={"cancelled_at": GIVEN_BACK}), "v2", name)

    assert everything(site)["Sales Invoice"] == [("shop-eu:invoice:1042~0", SUBMITTED, TOTAL)]


def test_a_cancelled_order_on_which_nothing_stands_is_cancelled(site: ErpNextStandIn) -> None:
    name = put(to(site), order(fulfilments=(shipment(),))).name
    unshipped = order(fulfilments=(shipment(is_cancelled=True),), cancelled_at=GIVEN_BACK)

    written = put(to(site), unshipped, "v2", name)

    assert (written.effect, said(site, "Sales Order")[0][1], stock(site)) == (Effect.APPLIED, CANCELLED, 10)


def test_an_invoice_left_as_a_draft_does_not_keep_an_order_from_being_cancelled(site: ErpNextStandIn) -> None:
    site.misbehave(Fault("deadlock", method="PUT", doctype="Sales Invoice"))
    with pytest.raises(Temporary):
        put(to(site), SOLD)

    put(to(site), SOLD.model_copy(update={"cancelled_at": GIVEN_BACK}), "v2")

    assert (said(site, "Sales Order")[0][1], said(site, "Sales Invoice")) == (CANCELLED, [])


def test_an_order_that_changes_after_its_invoice_is_for_a_person(site: ErpNextStandIn) -> None:
    name = put(to(site), SOLD).name
    more = order(lines=(line(quantity=Decimal(3)),), total=Decimal("91.09"), paid=TOTAL, paid_at=PAID)

    with pytest.raises(Refused, match=r"is invoiced or delivered, and the order changed in the source since"):
        put(to(site), more, "v2", name)

    assert said(site, "Sales Order") == [("shop-eu:order:1042~0", SUBMITTED, TOTAL)]


def test_a_deleted_order_is_cancelled_and_an_unknown_one_ignored(site: ErpNextStandIn) -> None:
    put(to(site), order())
    gone = Deletion(entity="order", id="1042")

    first, second = put(to(site), gone, "v2"), put(to(site), gone, "v2")

    assert (first.effect, second.effect, said(site, "Sales Order")[0][1]) == (
        Effect.APPLIED,
        Effect.UNCHANGED,
        CANCELLED,
    )
    assert put(to(site), Deletion(entity="order", id="77")).effect == Effect.IGNORED


def test_a_deleted_order_that_is_invoiced_is_for_a_person(site: ErpNextStandIn) -> None:
    put(to(site), SOLD)

    with pytest.raises(Refused, match="the source deleted the order of Sales Order"):
        put(to(site), Deletion(entity="order", id="1042"), "v2")


def test_test_orders_write_nothing_unless_they_shall(site: ErpNextStandIn) -> None:
    tried = order(is_test=True)

    written = put(to(site), tried)

    assert (written, site.requests) == (Written(Effect.IGNORED, rule="a test order (test_orders: ignore)"), [])
    assert put(to(site, test_orders="write"), tried).effect == Effect.APPLIED


def test_gift_cards_are_sold_as_their_item(site: ErpNextStandIn) -> None:
    put(to(site, gift_card_item="GIFT"), order(lines=(line(sku="CARD-50", is_gift_card=True),)))

    assert [row["item_code"] for row in site.documents("Sales Order")[0]["items"]] == ["GIFT"]


def test_a_free_line_stays_free_though_the_price_list_has_a_price(site: ErpNextStandIn) -> None:
    price = {"item_code": "SKU-2", "price_list": "Standard Selling", "price_list_rate": 9}
    ErpNext(http_to(site)).insert("Item Price", price)
    free = order(lines=(line(), line(2, unit_price=Decimal(0))), paid=TOTAL, paid_at=PAID)

    put(to(site), free)

    assert said(site, "Sales Invoice") == [("shop-eu:invoice:1042~0", SUBMITTED, TOTAL)]


def test_an_invoice_that_a_person_amended_is_the_invoice_from_then_on(site: ErpNextStandIn) -> None:
    put(to(site), SHIPPED)
    erp = ErpNext(http_to(site))
    for entry in site.documents("Payment Entry"):
        erp.cancel("Payment Entry", entry["name"])
    [old] = site.documents("Sales Invoice")
    erp.cancel("Sales Invoice", old["name"])
    copied = ("customer", "company", "currency", "apply_discount_on", "disable_rounded_total", "debit_to")
    rows = [
        {key: row[key] for key in ("item_code", "qty", "rate", "sales_order", "so_detail", "hub_line_id")}
        for row in old["items"]
    ]
    taxes = [{k: tax[k] for k in ("charge_type", "account_head", "description", "tax_amount")} for tax in old["taxes"]]
    amended = {**{key: old[key] for key in copied}, "amended_from": old["name"], "items": rows, "taxes": taxes}
    erp.insert("Sales Invoice", {**amended, "docstatus": 1})

    put(to(site), refund())

    credit = document(site, "Sales Invoice", "shop-eu:refund:901~0")
    assert credit["return_against"] == f"{old['name']}-1"


def test_a_delivery_that_a_person_cancelled_is_not_made_again(site: ErpNextStandIn) -> None:
    put(to(site), SHIPPED)
    [note] = site.documents("Delivery Note")
    ErpNext(http_to(site)).cancel("Delivery Note", note["name"])

    with pytest.raises(Refused, match=f"{note['name']} was cancelled in ERPNext, but the source still counts on it"):
        put(to(site), SHIPPED, "v1")

    assert stock(site) == 10


def test_an_invoice_that_was_renamed_is_found(site: ErpNextStandIn) -> None:
    erp = to(site)
    put(erp, SHIPPED)
    [invoice] = site.documents("Sales Invoice")
    renaming = {"doctype": "Sales Invoice", "old_name": invoice["name"], "new_name": "INV-1"}
    ErpNext(http_to(site)).call("frappe.client.rename_doc", renaming)

    put(erp, refund())

    assert document(site, "Sales Invoice", "shop-eu:refund:901~0")["return_against"] == "INV-1"


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_dying_at_any_call_ends_in_the_same_documents(site: ErpNextStandIn, after: bool) -> None:
    """The event dies at its first, second, third … call in turn and is tried again by a process that knows nothing."""
    died = 0
    for at in range(1, 60):
        try:
            put(through(DyingHttp(http_to(site), at, after=after)), REFUNDED)
        except Interrupted:
            died += 1
            continue
        break

    assert died >= 14
    assert everything(site) == decimals(WHOLE_LIFE)
    assert stock(site) == 9


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_dying_while_an_order_is_wound_up_ends_closed(site: ErpNextStandIn, after: bool) -> None:
    put(to(site), SHIPPED)
    gone = SHIPPED.model_copy(update={"cancelled_at": GIVEN_BACK, "refunds": (whole_refund(),)})
    for at in range(1, 60):
        try:
            put(through(DyingHttp(http_to(site), at, after=after)), gone, "v2")
        except Interrupted:
            continue
        break

    assert [doc["status"] for doc in site.documents("Sales Order")] == ["Closed"]
    assert [len(found) for found in everything(site).values()] == [1, 2, 2, 2]
    assert {status for found in everything(site).values() for _, status, _ in found} == {SUBMITTED}


@pytest.mark.parametrize("kind", ["deadlock", "drop_after_commit", "drop_before_commit", "truncated", "bin_race"])
@pytest.mark.parametrize("doctype", ["Sales Invoice", "Payment Entry", "Delivery Note"])
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_a_fault_at_any_document_ends_in_one_of_each(
    site: ErpNextStandIn, kind: str, doctype: str, method: str
) -> None:
    site.misbehave(Fault(kind, method=method, doctype=doctype))
    erp = to(site)
    for _ in range(3):
        try:
            put(erp, REFUNDED)
            break
        except Temporary:
            continue

    assert everything(site) == decimals(WHOLE_LIFE)


def test_five_at_once_make_one_of_each(site: ErpNextStandIn) -> None:
    def one(_: int) -> None:
        for _ in range(5):
            try:
                put(to(site), REFUNDED)
                return
            except Temporary:
                continue

    with ThreadPoolExecutor(5) as pool:
        list(pool.map(one, range(5)))

    assert everything(site) == decimals(WHOLE_LIFE)


def test_before_the_new_fields_are_set_up_events_wait(site: ErpNextStandIn) -> None:
    field = next(doc for doc in site.documents("Custom Field") if doc["name"] == "Sales Invoice-hub_external_id")
    ErpNext(http_to(site)).delete("Custom Field", field["name"])

    with pytest.raises(Temporary, match="run `hub setup erp`"):
        put(to(site), SOLD)

    assert site.documents("Sales Invoice") == []
