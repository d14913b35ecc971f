"""Refunds: what they are for must come to what their transactions moved, however Shopify writes it down."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from connectors.shopify.connector import read
from hub.connector import NotWanted
from hub.errors import TotalMismatch, Unreadable
from hub.records import Charge, Order, Refund
from infra.local import shopify
from infra.local.shopify import Body, Line, as_sent
from tests.fakes import an_event

PLACED = datetime(2026, 1, 1, tzinfo=UTC)
LINES = [Line("MUG", 2, Decimal("25.00")), Line("SHIRT", 1, Decimal("50.00"))]


def an_order(**stated: Any) -> Body:
    more: dict[str, Any] = {"shipping": Decimal("10.00"), "tax": Decimal("11.00")}
    return shopify.order(1, None, LINES, created_at=PLACED, updated_at=PLACED, **(more | stated))


def recorded(body: Body) -> Refund | NotWanted:
    record = read(an_event(data=as_sent(body)), "refund")
    assert isinstance(record, Refund | NotWanted)
    return record


def refund_of(body: Body) -> Refund:
    record = recorded(body)
    assert isinstance(record, Refund)
    return record


def a_refund(quantities: dict[int, int] | None = None, order: Body | None = None, **more: Any) -> Body:
    return shopify.refund(order or an_order(), 5, {0: 1} if quantities is None else quantities, PLACED, **more)


def in_euros(amounts: Any) -> Any:
    """The same where the buyer pays in euros, of which two are a dollar: everything has a second amount."""
    if isinstance(amounts, list):
        return [in_euros(each) for each in amounts]
    if not isinstance(amounts, dict):
        return amounts
    if "shop_money" in amounts:
        doubled = str(2 * Decimal(amounts["shop_money"]["amount"]))
        return amounts | {"presentment_money": {"amount": doubled, "currency_code": "EUR"}}
    if "kind" in amounts and "gateway" in amounts:
        return amounts | {"amount": str(2 * Decimal(amounts["amount"])), "currency": "EUR"}
    return {name: in_euros(each) for name, each in amounts.items()}


def test_goods_come_back_with_their_tax() -> None:
    refund = refund_of(a_refund({0: 1, 1: 1}))

    assert [(line.sku, str(line.quantity), line.amount, line.tax, line.came_back) for line in refund.lines] == [
        ("MUG", "1", Decimal("25.00"), Decimal("2.50"), True),
        ("SHIRT", "1", Decimal("50.00"), Decimal("5.00"), True),
    ]
    assert (refund.total, refund.adjustment) == (Decimal("82.50"), Decimal(0))
    assert (refund.order_id, refund.gateway, refund.refunded_at) == ("1", "shopify_payments", PLACED)


@pytest.mark.parametrize(
    ("restock", "came_back"), [("return", True), ("legacy_restock", True), ("cancel", False), ("no_restock", False)]
)
def test_only_goods_that_were_out_come_back(restock: str, came_back: bool) -> None:
    assert [line.came_back for line in refund_of(a_refund(restock=restock)).lines] == [came_back]


def test_shipping_alone_is_given_back_with_its_tax() -> None:
    refund = refund_of(a_refund({}, shipping=Decimal("10.00")))

    assert refund.shipping == Charge(title="Shipping", amount=Decimal("10.00"), tax=Decimal("1.00"))
    assert (refund.lines, refund.total) == ((), Decimal("11.00"))


def test_shipping_that_stands_twice_counts_once() -> None:
    """Beside `refund_shipping_lines` still comes the adjustment that said so before API 2024-10."""
    body = a_refund({}, shipping=Decimal("10.00"))

    assert refund_of(body | {"refund_shipping_lines": []}) == refund_of(body)


@pytest.mark.parametrize("stated", ["tax_amount_set", "tax_lines"])
def test_the_tax_of_shipping_is_known_without_the_old_adjustment_too(stated: str) -> None:
    body = a_refund({}, shipping=Decimal("4.00"))
    (line,) = body["refund_shipping_lines"]
    tax = {"shop_money": {"amount": "0.40", "currency_code": "USD"}}
    taxed = line["shipping_line"] | {"tax_lines": [{"title": "VAT", "price": "1.00"}]}
    line = line | ({"tax_amount_set": tax} if stated == "tax_amount_set" else {"shipping_line": taxed})

    refund = refund_of(body | {"refund_shipping_lines": [line], "order_adjustments": []})

    assert refund.shipping == Charge(title="Shipping", amount=Decimal("4.00"), tax=Decimal("0.40"))
    assert refund.total == Decimal("4.40")


@pytest.mark.parametrize(("beyond", "total"), [("5.00", "32.50"), ("-7.50", "20.00")])
def test_what_is_given_or_kept_beyond_the_goods_is_an_adjustment(beyond: str, total: str) -> None:
    refund = refund_of(a_refund(beyond=Decimal(beyond)))

    assert (refund.adjustment, refund.total) == (Decimal(beyond), Decimal(total))


@pytest.mark.parametrize("is_noted", [True, False])
def test_money_for_nothing_named_is_all_adjustment(is_noted: bool) -> None:
    body = a_refund({}, beyond=Decimal("15.00"))

    refund = refund_of(body if is_noted else body | {"order_adjustments": []})

    assert (refund.lines, refund.shipping, refund.adjustment) == ((), None, Decimal("15.00"))


@pytest.mark.parametrize("beyond", ["0", "5.00", "-7.50"])
def test_money_that_is_under_way_is_given_back(beyond: str) -> None:
    """Shopify Payments tells of a refund while its money is pending, with an adjustment that takes it all back."""
    pending = a_refund(beyond=Decimal(beyond), is_pending=True)

    assert refund_of(pending) == refund_of(a_refund(beyond=Decimal(beyond)))


def test_a_refund_of_which_one_share_is_under_way_is_whole() -> None:
    body = a_refund()
    (sent,) = body["transactions"]
    shares = [
        sent | {"amount": "7.50", "gateway": "gift_card"},
        sent | {"amount": "20.00", "status": "pending"},
        sent | {"amount": "20.00", "status": "failure"},
    ]
    held = [{"kind": "refund_discrepancy", "amount": "20.00", "tax_amount": "0.00"}]

    refund = refund_of(body | {"transactions": shares, "order_adjustments": held})

    assert (refund.total, refund.adjustment, refund.gateway) == (
        Decimal("27.50"),
        Decimal(0),
        "gift_card, shopify_payments",
    )


@pytest.mark.parametrize("status", ["failure", "error"])
def test_a_refund_whose_money_did_not_move_is_none(status: str) -> None:
    body = a_refund()
    body["transactions"][0]["status"] = status

    assert isinstance(recorded(body), NotWanted)


def test_a_void_gives_nothing_back() -> None:
    body = a_refund()
    body["transactions"][0]["kind"] = "void"

    assert isinstance(recorded(body), NotWanted)


def test_a_refund_of_prices_with_taxes_finds_that_out_by_itself() -> None:
    refund = refund_of(a_refund(order=an_order(taxes_included=True), shipping=Decimal("10.00")))

    assert refund.taxes_included
    assert (refund.total, refund.lines[0].amount, refund.lines[0].tax) == (
        Decimal("35.00"),
        Decimal("25.00"),
        Decimal("2.50"),
    )


def test_without_taxes_there_is_nothing_to_contain() -> None:
    order = an_order(taxes_included=True, tax=Decimal(0))
    money_back = a_refund(order=order)

    told = read(an_event(data=as_sent(shopify.refunded(order, money_back))), "order")

    assert isinstance(told, Order)
    assert list(told.refunds) == [refund_of(money_back)]
    assert not refund_of(money_back).taxes_included


def test_what_a_buyer_gets_in_their_own_currency_is_told_in_the_shops() -> None:
    for more in ({}, {"shipping": Decimal("10.00")}, {"beyond": Decimal("-7.50")}, {"is_pending": True}):
        assert refund_of(in_euros(a_refund(**more))) == refund_of(a_refund(**more))


def test_a_refund_in_the_buyers_currency_that_does_not_add_up_there_is_a_mismatch() -> None:
    body = in_euros(a_refund())
    body["transactions"][0]["amount"] = "55.01"

    with pytest.raises(TotalMismatch, match=r"do not come to the 55\.01 EUR that the buyer gets"):
        recorded(body)


def test_money_for_nothing_named_has_no_rate_in_another_currency() -> None:
    body = in_euros(a_refund({}, beyond=Decimal(5))) | {"order_adjustments": []}

    with pytest.raises(TotalMismatch):
        recorded(body | {"total_duties_set": {"shop_money": {"amount": "0.00", "currency_code": "USD"}}})


def test_an_amount_without_the_buyers_currency_cannot_be_compared() -> None:
    body = in_euros(a_refund())
    del body["refund_line_items"][0]["subtotal_set"]["presentment_money"]

    with pytest.raises(Unreadable, match="presentment_money: is missing"):
        recorded(body)


def test_money_in_two_currencies_is_unreadable() -> None:
    body = a_refund()
    body["transactions"].append(body["transactions"][0] | {"currency": "EUR"})

    with pytest.raises(Unreadable, match=r"the money moved in several currencies \(EUR, USD\)"):
        recorded(body)


@pytest.mark.parametrize("amount", ["27.49", "27.51", "24.99", "0.01"])
def test_a_refund_off_by_a_cent_is_none(amount: str) -> None:
    body = a_refund()
    body["transactions"][0]["amount"] = amount

    with pytest.raises(TotalMismatch, match=r"refund 5: lines 25\.00 \+ shipping 0 \+ taxes 2\.50"):
        recorded(body)


@pytest.mark.parametrize("name", ["total_duties_set", "total_additional_fees_set"])
def test_duties_that_are_given_back_have_no_place(name: str) -> None:
    with pytest.raises(Unreadable, match="gives back duties or fees"):
        recorded(a_refund() | {name: {"shop_money": {"amount": "3.00"}}})


def test_amounts_that_shopify_computed_as_floats_are_read_to_the_currencys_last_place() -> None:
    body = a_refund()
    (line,) = body["refund_line_items"]
    line = line | {"subtotal_set": None, "total_tax_set": None, "subtotal": 25.000000000000004, "total_tax": 2.5}

    refund = refund_of(body | {"refund_line_items": [line]})

    assert (refund.lines[0].amount, refund.total) == (Decimal(25), Decimal("27.5"))


@pytest.mark.parametrize(("currency", "price", "total"), [("JPY", "2500", "2750"), ("KWD", "2.505", "2.755")])
def test_currencies_of_no_or_three_decimals_are_exact(currency: str, price: str, total: str) -> None:
    lines = [Line("MUG", 1, Decimal(price))]
    tax = (Decimal(price) / 10).quantize(Decimal(price))
    order = shopify.order(1, None, lines, created_at=PLACED, updated_at=PLACED, currency=currency, tax=tax)

    refund = refund_of(a_refund(order=order))

    assert (refund.total, refund.currency) == (Decimal(total), currency)


def test_another_object_is_no_refund() -> None:
    with pytest.raises(Unreadable, match="admin_graphql_api_id: does not name a Shopify Refund"):
        recorded(a_refund() | {"admin_graphql_api_id": "gid://shopify/Fulfillment/5"})
