"""What ERPNext says of many records is told in few calls, and compared as the hub would write it."""

from decimal import Decimal
from typing import Any

import pytest

from connectors import manifest_path
from connectors.erpnext.client import ErpNext
from connectors.erpnext.connector import ErpNextDestination
from connectors.erpnext.documents import REDACTED
from hub.connector import Comparable, Difference, Standing
from hub.errors import NotConfigured
from hub.manifest import read_manifest
from hub.records import Customer, TableRow
from hub.streams import Stream
from infra.local.erpnext.server import ErpNextStandIn
from tests.connectors.erpnext.conftest import destination_to, http_to
from tests.connectors.erpnext.orders import event, order
from tests.connectors.erpnext.test_rows import ANN, CONTACTS, about, gone, put, rows_to

pytestmark = pytest.mark.slow  # each test starts a site of its own

CONTACTS_STREAM = Stream("crm", "generic_rest", "contacts", "contact")
ORDERS_STREAM = Stream("shop-eu", "shopify", "orders", "order")


def beside(erp: ErpNextDestination, row: dict[str, Any], version: str = "v1") -> Standing:
    record = TableRow(stream="contacts", key="7", fields=row)
    [standing] = erp.standings("upsert_document", [(record, about(version))])
    return standing


def kept(erp: ErpNextDestination, action: str, stream: Stream, since: str = "", until: str = "") -> list[str]:
    return [each.identity for page in erp.kept(action, stream, since, until) for each in page]


@pytest.fixture
def crm(site: ErpNextStandIn) -> ErpNextDestination:
    return rows_to(http_to(site))


def test_the_destination_can_be_compared(crm: ErpNextDestination) -> None:
    assert isinstance(crm, Comparable)


def test_a_row_whose_document_says_the_same_does_not_differ(crm: ErpNextDestination) -> None:
    written = put(crm, ANN)

    assert beside(crm, ANN) == Standing("Customer", written.name, "v1")


def test_only_the_fields_that_differ_are_told(site: ErpNextStandIn, crm: ErpNextDestination) -> None:
    name = put(crm, ANN).name
    ErpNext(http_to(site)).update("Customer", name, {"default_commission_rate": 3, "territory": "Rest Of The World"})

    assert beside(crm, ANN).differences == (Difference("default_commission_rate", "2.50", "3.00"),)


def test_a_row_without_document_is_missing(crm: ErpNextDestination) -> None:
    assert beside(crm, ANN) == Standing("Customer", differences=[Difference("document", "exists", "missing")])


def test_a_document_that_was_disabled_differs_from_a_row_that_is_there(crm: ErpNextDestination) -> None:
    put(crm, ANN)
    gone(crm)

    assert beside(crm, ANN).differences == (Difference("disabled", "0", "1"),)


def test_a_row_that_does_not_fit_is_told_with_its_reason(crm: ErpNextDestination) -> None:
    [difference] = beside(crm, {**ANN, "name": ""}).differences

    assert difference.destination.startswith("contacts: customer_name (from name) is empty, and required")


def test_what_was_erased_does_not_differ(site: ErpNextStandIn, crm: ErpNextDestination) -> None:
    name = put(crm, ANN).name
    ErpNext(http_to(site)).update("Customer", name, {"customer_name": "Erased", "hub_source_version": REDACTED})

    assert beside(crm, ANN).differences == ()


def test_many_records_are_compared_in_one_call_and_in_their_order(site: ErpNextStandIn) -> None:
    erp = destination_to(http_to(site))
    orders = [(order(id=str(number), number=f"#{number}"), event(entity_id=str(number))) for number in range(150)]
    for number in (3, 140):
        erp.apply("upsert_sales_order", *orders[number], "")
    site.clear_requests()

    standings = erp.standings("upsert_sales_order", orders)

    assert [number for number, each in enumerate(standings) if each.name] == [3, 140]
    assert len(site.requests) == 1
    assert standings[0].money == Decimal("65.59")


def test_an_order_that_was_cancelled_before_it_came_and_a_test_order_need_no_document(site: ErpNextStandIn) -> None:
    erp = destination_to(http_to(site))
    cancelled = order(cancelled_at=order().placed_at)

    assert erp.standings("upsert_sales_order", [(cancelled, event()), (order(is_test=True), event())]) == [
        Standing(),
        Standing(),
    ]


def test_an_order_amended_by_desk_users_is_compared_with_their_amendment(site: ErpNextStandIn) -> None:
    erp, api = destination_to(http_to(site)), ErpNext(http_to(site))
    name = erp.apply("upsert_sales_order", order(), event(), "").name
    api.cancel("Sales Order", name)
    document = api.get("Sales Order", name)
    assert document
    copied = ("customer", "company", "transaction_date", "delivery_date", "currency", "selling_price_list")
    items = [{key: document["items"][0][key] for key in ("item_code", "qty", "rate", "warehouse", "delivery_date")}]
    amended = api.insert(
        "Sales Order", {**{key: document[key] for key in copied}, "items": items, "amended_from": name, "docstatus": 1}
    )

    [standing] = erp.standings("upsert_sales_order", [(order(), event())])

    assert (standing.name, standing.differences) == (amended["name"], (Difference("total", "65.59", "51.00"),))
    assert standing.money == Decimal("14.59")


def test_a_customer_who_bears_another_name_differs(site: ErpNextStandIn) -> None:
    erp = destination_to(http_to(site))
    erp.apply("upsert_customer", Customer(id="7", name="Ann Smith"), event(kind="customer", entity_id="7"), "")

    renamed = (Customer(id="7", name="Ann Jones"), event("v2", kind="customer", entity_id="7"))

    [standing] = erp.standings("upsert_customer", [renamed])
    assert standing.differences == (Difference("customer_name", "Ann Jones", "Ann Smith"),)


def test_what_is_kept_is_told_page_by_page_within_the_window(
    site: ErpNextStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.erpnext.standing.PAGE", 2)
    erp = destination_to(http_to(site))
    for number in range(1, 6):
        written = (order(id=str(number), number=f"#{number}"), event(f"v{number}", entity_id=str(number)))
        erp.apply("upsert_sales_order", *written, "")

    assert kept(erp, "upsert_sales_order", ORDERS_STREAM) == [f"shop-eu:order:{number}" for number in range(1, 6)]
    assert kept(erp, "upsert_sales_order", ORDERS_STREAM, "v2", "v4") == ["shop-eu:order:2", "shop-eu:order:3"]


def test_documents_of_others_and_disabled_ones_are_not_kept(site: ErpNextStandIn, crm: ErpNextDestination) -> None:
    put(crm, ANN)
    put(crm, {**ANN, "name": "Bob"}, key="8")
    put(rows_to(http_to(site)), {**ANN, "name": "Eve"}, key="9")
    gone(crm, key="8")

    assert kept(crm, "upsert_document", CONTACTS_STREAM) == ["crm:contact:7", "crm:contact:9"]
    assert kept(crm, "upsert_document", Stream("other", "generic_rest", "contacts", "contact")) == []


def test_an_identity_is_that_of_the_document(site: ErpNextStandIn, crm: ErpNextDestination) -> None:
    put(crm, ANN, key="Köln 7")

    [document] = site.documents("Customer")
    assert document["hub_external_id"] == crm.identity("upsert_document", about(key="Köln 7"))


def test_an_action_without_documents_of_its_own_cannot_be_compared(crm: ErpNextDestination) -> None:
    with pytest.raises(NotConfigured, match="what remove writes cannot be compared"):
        crm.standings("remove", [])
    with pytest.raises(NotConfigured, match="what remove writes cannot be compared"):
        kept(crm, "remove", CONTACTS_STREAM)


def test_a_field_that_erpnext_does_not_know_is_named(site: ErpNextStandIn) -> None:
    rules = {**CONTACTS, "fields": {"customer_name": "name", "nosuch": "vat"}}

    with pytest.raises(NotConfigured, match="nosuch"):
        beside(rows_to(http_to(site), contacts=rules), ANN)


def test_what_the_manifest_says_can_be_compared_can_be_and_nothing_else(site: ErpNextStandIn) -> None:
    erp = destination_to(http_to(site))
    actions = read_manifest(manifest_path("erpnext")).action

    def answers(action: str) -> bool:
        try:
            return erp.standings(action, []) == []
        except NotConfigured:
            return False

    assert {action.name for action in actions if action.compares} == {
        action.name for action in actions if answers(action.name)
    }
