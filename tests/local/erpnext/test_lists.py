"""Lists: every operator, compared as the database compares, and every form in which filters come."""

from __future__ import annotations

import json
from typing import Any

import pytest

from infra.local.erpnext.server import ErpNextStandIn
from tests.local.erpnext.calling import call, customer, order


@pytest.fixture
def shelf(erp: ErpNextStandIn) -> ErpNextStandIn:
    for name, website in (("Ada", "https://A.example"), ("Bob", ""), ("Cyd", None), ("Dan", "https://d.example")):
        customer(erp, name, website=website)
    return erp


def listed(erp: ErpNextStandIn, **parameters: Any) -> list[Any]:
    query = "&".join(
        f"{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in parameters.items()
    )
    reply = call(erp, "GET", f"/api/resource/Customer?order_by=name asc&{query}")
    assert reply.status == 200, reply.text
    return [row["name"] for row in reply.data]


EVERYBODY = ["Ada", "Bob", "Cust 001", "Cyd", "Dan"]


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ([["name", "=", "ada"]], ["Ada"]),
        ([["name", "!=", "ADA"]], EVERYBODY[1:]),
        ([["name", "in", ["Ada", "dan "]]], ["Ada", "Dan"]),
        ([["name", "in", "Ada,Dan"]], ["Ada", "Dan"]),
        ([["name", "not in", ["Ada", "Dan"]]], EVERYBODY[1:4]),
        ([["name", "like", "%d%"]], ["Ada", "Cyd", "Dan"]),
        ([["name", "like", "_o_"]], ["Bob"]),
        ([["name", "not like", "%d%"]], ["Bob", "Cust 001"]),
        ([["name", ">", "Bob"]], ["Cust 001", "Cyd", "Dan"]),
        ([["name", ">=", "Bob"], ["name", "<", "Dan"]], ["Bob", "Cust 001", "Cyd"]),
        ([["name", "<=", "Bob"]], ["Ada", "Bob"]),
        ([["name", "between", ["Bob", "Cyd"]]], ["Bob", "Cust 001", "Cyd"]),
        ([["website", "is", "set"]], ["Ada", "Dan"]),
        ([["website", "is", "not set"]], ["Bob", "Cust 001", "Cyd"]),
        ([["website", "=", ""]], ["Bob", "Cust 001", "Cyd"]),
        ([["website", "!=", "https://a.example"]], EVERYBODY[1:]),
        ([["disabled", "=", "0"]], EVERYBODY),
        ([["disabled", "=", 1]], []),
        ([["Customer", "name", "=", "Ada"]], ["Ada"]),
        ({"name": "Ada"}, ["Ada"]),
        ({"name": ["like", "A%"], "disabled": 0}, ["Ada"]),
        ([["modified", ">=", "2026-11-20"]], EVERYBODY),
        ([["modified", "between", ["2026-11-20", "2026-11-20"]]], EVERYBODY),
        ([["modified", "<", "2026-11-20 00:00:00.000000"]], []),
        ([["name", "=", "Nobody"]], []),
        ([], EVERYBODY),
    ],
)
def test_filters(shelf: ErpNextStandIn, filters: Any, names: list[str]) -> None:
    assert listed(shelf, filters=filters) == names


def test_or_filters_narrow_the_filters(shelf: ErpNextStandIn) -> None:
    assert listed(shelf, or_filters=[["name", "=", "Ada"], ["name", "=", "Bob"]]) == ["Ada", "Bob"]
    assert listed(shelf, filters=[["website", "is", "set"]], or_filters={"name": "Ada"}) == ["Ada"]


def test_pages(shelf: ErpNextStandIn) -> None:
    assert listed(shelf, limit_page_length="2") == EVERYBODY[:2]
    assert listed(shelf, limit_start="2", limit_page_length="2") == EVERYBODY[2:4]
    assert listed(shelf, limit="1") == EVERYBODY[:1]
    assert listed(shelf, limit_page_length="0", limit_start="3") == EVERYBODY[3:]


def test_twenty_rows_by_default(erp: ErpNextStandIn) -> None:
    for number in range(25):
        customer(erp, f"N{number:02}")

    assert len(listed(erp)) == 20
    assert len(listed(erp, limit_page_length="0")) == 26


def test_order_by_several_columns(shelf: ErpNextStandIn) -> None:
    path = '/api/resource/Customer?fields=["name"]&order_by=website desc, name asc'

    assert [row["name"] for row in call(shelf, "GET", path).data] == ["Dan", "Ada", "Bob", "Cust 001", "Cyd"]


def test_fields_star_and_aliases(shelf: ErpNextStandIn) -> None:
    star = call(shelf, "GET", '/api/resource/Customer?fields=["*"]&filters={"name":"Ada"}').data[0]
    alias = call(shelf, "GET", '/api/resource/Customer?fields=["name as id"]&filters={"name":"Ada"}').data
    count = call(shelf, "GET", '/api/resource/Customer?fields=["count(name) as n"]').data

    assert (star["customer_name"], star["docstatus"], star["salutation"]) == ("Ada", 0, None)
    assert alias == [{"id": "Ada"}]
    assert count == [{"n": 5}]


def test_a_child_table_gives_one_row_per_child(erp: ErpNextStandIn) -> None:
    row = {"item_code": "SKU-001", "rate": 1}
    order(erp, "P1", {**row, "qty": 1}, {**row, "qty": 2})
    order(erp, "P2", {**row, "qty": 3})

    rows = call(erp, "GET", '/api/resource/Sales Order?fields=["name","items.qty"]').data
    more = call(erp, "GET", '/api/resource/Sales Order?filters=[["Sales Order Item","qty",">",1]]').data

    assert [each["qty"] for each in rows] == [1.0, 2.0, 3.0]
    assert len(more) == 2


def test_a_lookup_by_a_unique_field_compares_as_the_unique_index_does(erp: ErpNextStandIn) -> None:
    customer(erp, "Ada", external_id="shop:1")

    assert listed(erp, filters=[["external_id", "=", "SHOP:1 "]]) == ["Ada"]
    assert listed(erp, filters=[["external_id", "=", "shop:2"]]) == []


@pytest.mark.parametrize(
    ("query", "exc_type"),
    [
        ('filters=[["name","~","x"]]', "ValidationError"),
        ('filters=[["name"]]', "ValidationError"),
        ("order_by=nope desc", "DataError"),
        ("order_by=name sideways", "ValidationError"),
        ('fields=["items.nope"]', "DataError"),
        ('fields=["name', "JSONDecodeError"),
    ],
)
def test_what_makes_no_sense_is_refused(erp: ErpNextStandIn, query: str, exc_type: str) -> None:
    assert call(erp, "GET", f"/api/resource/Sales Order?{query}").exc_type == exc_type
