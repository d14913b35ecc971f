"""Shopify's bodies, read: what each field may hold, what is told of one that may not, and what money comes to."""

import copy
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors import FOLDER
from connectors.shopify.connector import read
from hub.errors import Permanent, TotalMismatch, Unreadable
from hub.records import Customer, Order
from tests.fakes import an_event

EXAMPLES = FOLDER / "shopify" / "examples"
ORDER: dict[str, Any] = json.loads((EXAMPLES / "orders_create_taxes.json").read_text("utf-8"))["payload"]
CUSTOMER: dict[str, Any] = json.loads((EXAMPLES / "customers_create.json").read_text("utf-8"))["payload"]


def read_order(payload: Any) -> Order:
    record = read(an_event(data=json.dumps(payload).encode()), "order")
    assert isinstance(record, Order)
    return record


def read_customer(payload: Any) -> Customer:
    record = read(an_event(data=json.dumps(payload).encode()), "customer")
    assert isinstance(record, Customer)
    return record


def changed(payload: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy of `payload` with another value at a dotted path."""
    copied = copy.deepcopy(payload)
    *way, last = path.split(".")
    at: Any = copied
    for part in way:
        at = at[int(part)] if part.isdigit() else at[part]
    at[last] = value
    return copied


def without(payload: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in payload.items() if key != name}


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("id", None, "id: must be a whole number"),
        ("id", True, "id: must be a whole number"),
        ("id", 1.5, "id: must be a whole number"),
        ("id", "12a", "id: must be a whole number"),
        ("id", -5, "id: must be a whole number"),
        ("name", "  ", "name: must not be empty"),
        ("name", 1001, "name: must be text"),
        ("created_at", "yesterday", "created_at: must be a time with its offset, such as 2026-01-01T00:00:00-05:00"),
        ("created_at", "2026-01-01T00:00:00", "created_at: must be a time with its offset"),
        ("created_at", 1767268800, "created_at: must be a time such as"),
        ("cancelled_at", "0001-01-01T00:00:00+05:00", "cancelled_at: must be a time with its offset"),
        ("currency", "usd", "currency: must be a currency code of three capital letters"),
        ("currency", "US$", "currency: must be a currency code of three capital letters"),
        ("currency", "USDX", "currency: must be a currency code of three capital letters"),
        ("currency", None, "currency: must be a currency code of three capital letters"),
        ("total_price", "-1.00", "total_price: must not be negative"),
        ("total_price", "NaN", 'total_price: must be an amount such as "19.99"'),
        ("total_price", "Infinity", 'total_price: must be an amount such as "19.99"'),
        ("total_price", "1,000.00", 'total_price: must be an amount such as "19.99"'),
        ("total_price", "1_000", 'total_price: must be an amount such as "19.99"'),
        ("total_price", "١٢", 'total_price: must be an amount such as "19.99"'),
        ("total_price", "1e3", 'total_price: must be an amount such as "19.99"'),
        ("total_price", "", 'total_price: must be an amount such as "19.99"'),
        ("total_price", None, 'total_price: must be an amount such as "19.99"'),
        ("total_price", True, 'total_price: must be an amount such as "19.99"'),
        ("total_price", 10**15, "total_price: must be below 10^15"),
        ("total_price", 1e-12, "total_price: must be below 10^15 and have no more than 9 decimal places"),
        ("taxes_included", "false", "taxes_included: Input should be a valid boolean"),
        ("line_items", [], "line_items: the order has none"),
        ("line_items", None, "line_items: the order has none"),
        ("line_items", {"id": 1}, "line_items: Input should be a valid tuple"),
        ("line_items", ["a line"], "line_items.0: Input should be a valid dictionary"),
        ("line_items.0.quantity", 0, "line_items.0.quantity: Input should be greater than 0"),
        ("line_items.0.quantity", -1, "line_items.0.quantity: Input should be greater than 0"),
        ("line_items.0.quantity", "2", "line_items.0.quantity: Input should be a valid integer"),
        ("line_items.0.quantity", 1.5, "line_items.0.quantity: Input should be a valid integer"),
        ("line_items.0.price", "-49.95", "line_items.0.price: must not be negative"),
        ("line_items.0.sku", 12, "line_items.0.sku: must be text"),
        (
            "line_items.1.discount_allocations.0.amount",
            "x",
            "line_items.1.discount_allocations.0.amount: must be an am",
        ),
        ("line_items.0.discount_allocations.0.amount", "99.91", "line_items.0: the discount exceeds the price"),
        ("line_items.0.current_quantity", -1, "line_items.0.current_quantity: Input should be greater than or equal"),
        ("line_items.0.gift_card", "no", "line_items.0.gift_card: Input should be a valid boolean"),
        ("test", 1, "test: Input should be a valid boolean"),
        ("total_outstanding", "much", "total_outstanding: must be an amount"),
        ("current_total_price", "-1.00", "current_total_price: must not be negative"),
        ("payment_gateway_names", [1], "payment_gateway_names.0: must be text"),
        ("fulfillments", [{"id": 1}], "fulfillments.0.order_id: is missing"),
        ("refunds", [{"id": 1}], "refunds.0.order_id: is missing"),
        ("line_items.0.tax_lines.0.price", "-5.62", "line_items.0.tax_lines.0.price: must not be negative"),
        ("shipping_lines.0.price", None, "shipping_lines.0.price: must be an amount"),
        ("shipping_lines.0.discount_allocations", [{"amount": "8.01"}], "shipping_lines.0: the discount exceeds"),
        ("shipping_lines.0.is_removed", "yes", "shipping_lines.0.is_removed: Input should be a valid boolean"),
        ("tax_lines.0.rate", "much", "tax_lines.0.rate: must be a share such as 0.19"),
        ("tax_lines.0.rate", -0.19, "tax_lines.0.rate: must be a share such as 0.19"),
        ("tax_lines.0.rate", True, "tax_lines.0.rate: must be a share such as 0.19"),
        ("tax_lines.0.rate", 1e300, "tax_lines.0.rate: must be a share such as 0.19"),
        ("total_price", "119.4900000001", "total_price: must be below 10^15 and have no more than 9 decimal places"),
        ("customer", "Ada", "customer: Input should be a valid dictionary"),
        ("customer.id", None, "customer.id: must be a whole number"),
        ("admin_graphql_api_id", "gid://shopify/DraftOrder/1", "admin_graphql_api_id: does not name a Shopify Order"),
        (
            "original_total_additional_fees_set",
            {"shop_money": {"amount": "1.00"}},
            "original_total_additional_fees_set: the order bears duties or fees",
        ),
    ],
)
def test_a_field_that_cannot_be_read_is_named_with_its_problem(path: str, value: Any, told: str) -> None:
    with pytest.raises(Unreadable) as unreadable:
        read_order(changed(ORDER, path, value))

    assert str(unreadable.value).startswith(told)


@pytest.mark.parametrize("name", ["id", "name", "created_at", "currency", "total_price", "line_items"])
def test_a_missing_field_is_named(name: str) -> None:
    with pytest.raises(Unreadable) as unreadable:
        read_order(without(ORDER, name))

    assert str(unreadable.value) == f"{name}: is missing"


def test_of_many_problems_three_are_told() -> None:
    with pytest.raises(Unreadable) as unreadable:
        read_order({"id": 1})

    assert str(unreadable.value) == "name: is missing; created_at: is missing; currency: is missing; and 2 more"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "the body is empty"),
        (b" \n", "the body is empty"),
        (b"{", "the body is not JSON: JSONDecodeError"),
        (b"\xff", "the body is not JSON: UnicodeDecodeError"),
        (b'{"id": Infinity}', "the body is not JSON: ValueError"),
        (b'{"id": 1e99999999999999999999}', "the body is not JSON: InvalidOperation"),
        (b"[]", "the body is JSON, but not an object"),
        (b'"order"', "the body is JSON, but not an object"),
    ],
)
def test_a_body_that_is_no_json_object_is_unreadable(body: bytes, told: str) -> None:
    with pytest.raises(Unreadable) as unreadable:
        read(an_event(data=body), "order")

    assert str(unreadable.value) == told


@pytest.mark.parametrize(
    "spoil",
    [
        lambda: changed(ORDER, "customer.email", ["ada@example.com"]),
        lambda: changed(ORDER, "created_at", "ada@example.com"),
        lambda: changed(ORDER, "currency", "ada@example.com"),
        lambda: changed(ORDER, "line_items.0.price", "ada@example.com"),
        lambda: changed(ORDER, "customer.id", "ada@example.com"),
        lambda: changed(ORDER, "line_items.0.quantity", "ada@example.com"),
        lambda: changed(ORDER, "taxes_included", "ada@example.com"),
    ],
)
def test_no_value_of_the_body_stands_in_the_error_or_its_traceback(spoil: Callable[[], dict[str, Any]]) -> None:
    with pytest.raises(Unreadable) as unreadable:
        read_order(spoil())

    assert "ada@" not in str(unreadable.value)
    assert unreadable.value.__cause__ is None
    assert unreadable.value.__suppress_context__


def test_numbers_in_json_are_decimals_and_never_pass_through_a_float() -> None:
    body = json.dumps(changed(ORDER, "line_items.1.price", "PRICE")).replace('"PRICE"', "15.000000001").encode()

    with pytest.raises(TotalMismatch, match=r"119\.490000001 USD, but the source charged 119\.49 USD"):
        read(an_event(data=body), "order")


def test_ids_beyond_2_to_the_53_keep_every_digit() -> None:
    order = read_order(changed(ORDER, "id", 9007199254740993))

    assert order.id == "9007199254740993"


def test_an_order_off_by_one_cent_is_no_order() -> None:
    with pytest.raises(TotalMismatch, match=r"= 119\.49 USD, but the source charged 119\.50 USD"):
        read_order(changed(ORDER, "total_price", "119.50"))


def test_included_taxes_that_contradict_the_order_are_a_mismatch() -> None:
    included = json.loads((EXAMPLES / "orders_create_taxes_included.json").read_text("utf-8"))["payload"]

    with pytest.raises(TotalMismatch, match=r"tax_lines add up to 9\.58, but total_tax is 9\.59"):
        read_order(changed(included, "total_tax", "9.59"))


def test_a_cancelled_order_need_not_add_up() -> None:
    refunded = changed(ORDER, "line_items.0.current_quantity", 0)
    cancelled = refunded | {"cancelled_at": "2026-02-08T00:00:00Z", "total_price": "0.00"}

    order = read_order(cancelled)

    assert order.cancelled_at
    assert [line.quantity for line in order.lines] == [2, 1]


def test_duties_of_nothing_are_no_duties() -> None:
    order = read_order(changed(ORDER, "original_total_duties_set", {"shop_money": {"amount": "0.00"}}))

    assert order.total == Decimal("119.49")


@pytest.mark.parametrize(
    ("shipping", "amount"),
    [
        ({"price": "10.00"}, "10.00"),
        ({"price": "10.00", "discounted_price": "7.00"}, "7.00"),
        ({"price": "10.00", "discounted_price": "7.00", "discount_allocations": [{"amount": "3.00"}]}, "7.00"),
        ({"price": "10.00", "discounted_price": "10.00", "discount_allocations": [{"amount": "4.00"}]}, "6.00"),
        ({"price": "10.00", "discount_allocations": None}, "10.00"),
    ],
)
def test_shipping_costs_what_is_left_after_every_discount(shipping: dict[str, Any], amount: str) -> None:
    total = Decimal("103.41") + Decimal("8.08") + Decimal(amount)

    order = read_order(ORDER | {"shipping_lines": [shipping], "total_price": str(total)})

    assert [(charge.title, charge.amount) for charge in order.shipping] == [("Shipping", Decimal(amount))]


def test_taxes_of_one_title_and_two_rates_stay_apart() -> None:
    taxes = [
        {"title": "VAT", "price": "5.00", "rate": 0.2},
        {"title": "VAT", "price": "3.00", "rate": "0.05"},
        {"title": None, "price": "0.08"},
    ]

    order = read_order(ORDER | {"tax_lines": taxes})

    assert [(tax.title, tax.amount) for tax in order.taxes] == [
        ("VAT 20%", Decimal("5.00")),
        ("VAT 5%", Decimal("3.00")),
        ("Tax", Decimal("0.08")),
    ]


@pytest.mark.parametrize(
    ("rate", "title"),
    [
        (0.1, "Tax 10%"),
        (1, "Tax 100%"),
        (0, "Tax 0%"),
        ("0.08875", "Tax 8.875%"),
        (0.07250000000000001, "Tax 7.25%"),
        (0.08999323562570463, "Tax 8.9993%"),
        (None, "Tax"),
    ],
)
def test_a_rate_is_shown_in_percent_and_never_refused_for_its_digits(rate: Any, title: str) -> None:
    order = read_order(ORDER | {"tax_lines": [{"title": "Tax", "price": "8.08", "rate": rate}]})

    assert [tax.title for tax in order.taxes] == [title]


@pytest.mark.parametrize(
    ("fields", "name", "is_company"),
    [
        ({"first_name": "Ada", "last_name": "Lovelace"}, "Ada Lovelace", False),
        ({"first_name": " Ada ", "last_name": None}, "Ada", False),
        ({"last_name": "Lovelace", "default_address": {"company": "Engines Ltd"}}, "Lovelace", False),
        ({"default_address": {"company": "Engines Ltd", "name": "A. Lovelace"}}, "Engines Ltd", True),
        ({"default_address": {"company": None, "name": "A. Lovelace"}}, "A. Lovelace", False),
        ({"default_address": None, "email": "ada@example.com"}, "ada@example.com", False),
        ({"email": ""}, "Customer 7", False),
    ],
)
def test_a_customer_always_has_a_name(fields: dict[str, Any], name: str, is_company: bool) -> None:
    customer = read_customer({"id": 7, "created_at": "2026-01-01T00:00:00Z", **fields})

    assert (customer.name, customer.is_company) == (name, is_company)


def test_another_object_is_no_customer() -> None:
    with pytest.raises(Unreadable, match="admin_graphql_api_id: does not name a Shopify Customer"):
        read_customer(CUSTOMER | {"admin_graphql_api_id": "gid://shopify/Product/1"})


def test_an_order_is_no_customer() -> None:
    with pytest.raises(Unreadable, match="line_items: the body is an order's, not a customer's"):
        read_customer(without(ORDER, "admin_graphql_api_id"))


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("1.00"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(ORDER)), inner, max_size=4),
    max_leaves=8,
)


@given(field=st.sampled_from(sorted(ORDER)), value=JSON_VALUES)
def test_whatever_a_field_holds_an_order_is_read_or_refused(field: str, value: Any) -> None:
    try:
        order = read_order(ORDER | {field: value})
    except Permanent:
        return
    if not order.cancelled_at:
        order.check_total()
