"""An order's whole life: whatever the shop says of it is read, and the money adds up at every moment."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given

from connectors.shopify.connector import read
from hub.connector import NotWanted
from hub.errors import TotalMismatch, Unreadable
from hub.records import Fulfilment, Order, Refund
from infra.local import shopify
from infra.local.shopify import Body, Line, as_sent
from tests.connectors.shopify.lives import PLACED, Life, lives, new_orders
from tests.fakes import an_event


def recorded(body: Body, kind: str) -> Any:
    return read(an_event(data=as_sent(body)), kind)


def order_of(body: Body) -> Order:
    record = recorded(body, "order")
    assert isinstance(record, Order)
    return record


def amount(body: Body, name: str) -> Decimal:
    return Decimal(body[name])


def given_back(order: Order) -> Decimal:
    return sum((each.total for each in order.refunds), Decimal(0))


def sums(order: Order) -> list[str]:
    """What an order comes to, what was paid, what was given back."""
    return [f"{each:.2f}" for each in (order.total, order.paid, given_back(order))]


@given(lives())
def test_every_moment_of_a_life_is_read_and_its_money_adds_up(life: Life) -> None:
    for body in life.bodies:
        order = order_of(body)

        order.check_total()
        for each in order.refunds:
            each.check_total()
        assert order.total - given_back(order) == amount(body, "current_total_price")
        unpaid = body["financial_status"] in ("pending", "voided")
        assert order.paid == (0 if unpaid else order.total)
        assert order.is_test == body["test"]


@given(lives())
def test_a_refund_is_the_same_in_its_own_event_and_in_the_order(life: Life) -> None:
    alone = [recorded(each, "refund") for each in life.refunds]

    assert [each for each in alone if isinstance(each, Refund)] == list(order_of(life.last).refunds)


@given(lives())
def test_a_fulfilment_is_the_same_in_its_own_event_and_in_the_order(life: Life) -> None:
    alone = [recorded(each, "fulfilment") for each in life.fulfilments]

    assert all(isinstance(each, Fulfilment) for each in alone)
    assert alone == list(order_of(life.last).fulfilments)


@given(lives())
def test_the_lines_of_children_are_lines_of_their_order(life: Life) -> None:
    order = order_of(life.bodies[-1])
    lines = {line.id for line in order.lines}

    assert {each.line_id for refund in order.refunds for each in refund.lines} <= lines


@given(new_orders(is_paid=True))
def test_what_is_paid_back_leaves_the_order_as_it_was_sold(body: Body) -> None:
    everything = {place: line["quantity"] for place, line in enumerate(body["line_items"])}
    money_back = shopify.refund(body, 1, everything, PLACED + timedelta(hours=1))
    if not money_back["transactions"]:
        return

    before, after = order_of(body), order_of(shopify.refunded(body, money_back))

    assert (after.lines, after.shipping, after.taxes, after.total) == (
        before.lines,
        before.shipping,
        before.taxes,
        before.total,
    )
    assert len(after.refunds) == 1


TWO = [Line("MUG", 2, Decimal("25.00")), Line("SHIRT", 1, Decimal("50.00"), Decimal("10.00"))]
LATER = PLACED + timedelta(hours=1)


def two(**stated: Any) -> Body:
    return shopify.order(1, None, TWO, created_at=PLACED, updated_at=PLACED, shipping=Decimal(10), **stated)


def quantities(order: Order) -> dict[str, Decimal]:
    return {line.sku: line.quantity for line in order.lines}


def test_what_was_taken_off_before_it_was_paid_is_not_part_of_the_order() -> None:
    order = order_of(shopify.edited(two(is_paid=False), 1, {0: 1}, LATER))

    assert quantities(order) == {"MUG": 1, "SHIRT": 1}
    assert sums(order) == ["75.00", "0.00", "0.00"]


def test_a_line_that_was_taken_off_whole_is_left_out() -> None:
    order = order_of(shopify.edited(two(is_paid=False), 1, {1: 1}, LATER))

    assert quantities(order) == {"MUG": 2}
    assert order.total == 60


def test_a_discount_stays_with_what_is_left_of_its_line() -> None:
    lines = [Line("MUG", 3, Decimal("10.00"), Decimal("1.00"))]
    body = shopify.order(1, None, lines, created_at=PLACED, updated_at=PLACED, is_paid=False)

    order = order_of(shopify.edited(body, 1, {0: 1}, LATER))

    assert order.lines[0].gross == Decimal("19.34")  # 29.00 − 9.66, as the shop rounded it
    assert order.total == Decimal("19.34")


def test_what_was_taken_off_after_it_was_paid_stays_until_the_money_is_back() -> None:
    """Else a paid invoice would have to change for a moment, and then again."""
    edited = shopify.edited(two(), 1, {0: 1}, LATER)
    money_back = shopify.refund(edited, 2, {}, LATER, beyond=Decimal(25))

    before, between, after = (order_of(each) for each in (two(), edited, shopify.refunded(edited, money_back)))

    assert quantities(before) == quantities(between) == quantities(after) == {"MUG": 2, "SHIRT": 1}
    assert sums(between) == ["100.00", "100.00", "0.00"]
    assert sums(after) == ["100.00", "100.00", "25.00"]
    assert [each.adjustment for each in after.refunds] == [25]


def test_what_was_taken_off_before_it_was_paid_stays_off_when_the_rest_is_refunded() -> None:
    body = shopify.paid(shopify.edited(two(is_paid=False), 1, {0: 1}, LATER), LATER)
    money_back = shopify.refund(body, 2, {0: 1}, LATER)

    order = order_of(shopify.refunded(body, money_back))

    assert quantities(order) == {"MUG": 1, "SHIRT": 1}
    assert sums(order) == ["75.00", "75.00", "25.00"]


def test_taxes_of_what_was_taken_off_are_off_too() -> None:
    order = order_of(shopify.edited(two(is_paid=False, tax=Decimal("10.00")), 1, {1: 1}, LATER))

    assert [(tax.title, tax.amount) for tax in order.taxes] == [("State Tax 10%", Decimal("6.00"))]
    assert order.total == 66


def test_of_several_taxes_the_rest_bears_no_title_of_one() -> None:
    body = two(is_paid=False, tax=Decimal("10.00"))
    half = body["tax_lines"][0] | {"price": "5.00"}
    body |= {"tax_lines": [half, half | {"title": "County Tax"}]}

    order = order_of(shopify.edited(body, 1, {1: 1}, LATER))

    assert [(tax.title, tax.amount) for tax in order.taxes] == [("Tax", Decimal("6.00"))]


def test_shipping_that_was_taken_off_is_left_out() -> None:
    body = two(is_paid=False)
    body["shipping_lines"][0]["is_removed"] = True

    order = order_of(body | {"current_total_price": "90.00", "total_outstanding": "90.00"})

    assert order.shipping == ()
    assert order.total == 90


def test_an_order_of_which_nothing_is_left_is_told_with_what_to_do() -> None:
    body = shopify.edited(two(is_paid=False) | {"shipping_lines": []}, 1, {0: 2, 1: 1}, LATER)

    with pytest.raises(
        Unreadable, match="everything was taken off the order, but it is neither cancelled nor refunded"
    ):
        order_of(body | {"current_total_price": "0.00"})


def test_an_order_that_holds_neither_as_sold_nor_as_left_is_a_mismatch() -> None:
    body = shopify.edited(two(is_paid=False), 1, {0: 1}, LATER) | {"current_total_price": "75.01"}

    with pytest.raises(
        TotalMismatch, match=r"as sold it comes to 100\.00 USD and as it is left to 75\.00 USD, but .* says 75\.01 USD"
    ):
        order_of(body)


def test_what_was_charged_counts_whatever_else_the_order_says_that_it_is_worth() -> None:
    with pytest.raises(TotalMismatch, match=r"= 100\.00 USD, but the source charged 99\.99 USD"):
        order_of(two() | {"total_price": "99.99"})


def test_lines_that_are_gone_without_a_word_why_are_a_mismatch() -> None:
    body = shopify.edited(two(is_paid=False), 1, {0: 1}, LATER) | {"refunds": [], "current_total_price": None}

    with pytest.raises(TotalMismatch, match="neither a refund nor current_total_price says what is left"):
        order_of(body)


def test_lines_that_are_gone_count_in_proportion_where_no_refund_tells_their_worth() -> None:
    body = shopify.edited(two(is_paid=False), 1, {0: 1}, LATER) | {"refunds": []}

    assert quantities(order_of(body)) == {"MUG": 1, "SHIRT": 1}


def test_what_was_paid_in_part_is_what_is_not_outstanding() -> None:
    order = order_of(shopify.paid(two(is_paid=False), LATER, Decimal("30.00")))

    assert order.paid == 30
    assert order.paid_at == PLACED


@pytest.mark.parametrize("status", [None, "pending", "authorized", "voided", "expired"])
def test_nothing_is_paid_before_money_is_captured(status: str | None) -> None:
    order = order_of(two() | {"financial_status": status})

    assert order.paid == 0
    assert order.paid_at is None


@pytest.mark.parametrize("status", ["paid", "partially_refunded", "refunded"])
def test_what_was_paid_is_told_as_before_anything_was_given_back(status: str) -> None:
    assert order_of(two() | {"financial_status": status}).paid == 100


def test_a_status_that_nobody_knows_is_not_taken_for_unpaid() -> None:
    with pytest.raises(Unreadable, match="financial_status: is none that is known"):
        order_of(two() | {"financial_status": "reversed"})


def test_a_part_payment_without_its_amount_is_unreadable() -> None:
    with pytest.raises(Unreadable, match="total_outstanding: is missing, though the order is paid in part"):
        order_of(two() | {"financial_status": "partially_paid", "total_outstanding": None})


def test_several_ways_of_paying_are_told_once_each() -> None:
    order = order_of(two() | {"payment_gateway_names": ["gift_card", "shopify_payments", "gift_card", ""]})

    assert order.gateway == "gift_card, shopify_payments"


def test_a_gift_card_that_is_sold_is_marked() -> None:
    lines = [Line("MUG", 1, Decimal(5)), Line(None, 1, Decimal(50), is_gift_card=True)]
    order = order_of(shopify.order(1, None, lines, created_at=PLACED, updated_at=PLACED))

    assert [line.is_gift_card for line in order.lines] == [False, True]


def test_a_refund_that_does_not_add_up_stops_its_order() -> None:
    body = shopify.refunded(two(), shopify.refund(two(), 1, {0: 1}, LATER))
    body["refunds"][0]["transactions"][0]["amount"] = "25.01"

    with pytest.raises(TotalMismatch, match="refund 1: "):
        order_of(body)


def test_a_removal_is_no_refund() -> None:
    removal = shopify.edited(two(), 1, {0: 1}, LATER)["refunds"][0]

    assert recorded(removal, "refund") == NotWanted(
        "no money was given back: what was taken off the order is told by orders/updated"
    )
