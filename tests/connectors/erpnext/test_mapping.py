"""Orders become Sales Orders whose total, as ERPNext computes it, is the source's to the last digit."""

from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.erpnext import mapping
from hub.errors import TotalMismatch
from hub.records import Charge, Customer, Order, OrderLine
from tests.connectors.erpnext.orders import PLACED, line, order, settings

cents = st.integers(min_value=0, max_value=10_000_00).map(lambda number: Decimal(number).scaleb(-2))
quantities = st.integers(min_value=1, max_value=999).map(Decimal)


@st.composite
def orders(draw: st.DrawFn) -> Order:
    """Any order that adds up, with prices that contain their taxes or do not."""
    included = draw(st.booleans())
    lines = []
    for number in range(draw(st.integers(min_value=1, max_value=8))):
        quantity, price = draw(quantities), draw(cents)
        cost = quantity * price
        discount = min(draw(cents), cost)
        tax = min(draw(cents), cost - discount)
        lines.append(line(number, quantity=quantity, unit_price=price, discount=discount, tax=tax))
    shipping_amount = draw(cents)
    shipping = Charge(title="Post", amount=shipping_amount, tax=min(draw(cents), shipping_amount))
    tax_sum = sum((one.tax for one in lines), shipping.tax)
    lines_sum = sum((one.gross for one in lines), Decimal(0))
    return order(
        lines=tuple(lines),
        shipping=(shipping,),
        taxes=(Charge(title="VAT", amount=tax_sum),),
        taxes_included=included,
        total=lines_sum + shipping.amount + (0 if included else tax_sum),
    )


def as_erpnext_adds_up(sale: Order) -> Decimal:
    """Rows rounded to cents, minus the discount, plus the actual amounts: an oracle of its own, without the mapping's
    helpers."""
    cent = Decimal("0.01")
    rows = mapping.item_rows(sale, {one.id: "X" for one in sale.lines}, settings())
    amounts = [(row["qty"] * row["rate"]).quantize(cent, rounding=ROUND_HALF_UP) for row in rows]
    discount = Decimal(mapping.order_fields(sale, "C", settings())["discount_amount"])
    taxes = [Decimal(row["tax_amount"]) for row in mapping.tax_rows(sale, settings())]
    return sum(amounts, Decimal(0)) - discount + sum(taxes, Decimal(0))


@given(orders())
def test_erpnext_arrives_at_the_sources_total(sale: Order) -> None:
    sale.check_total()

    assert as_erpnext_adds_up(sale) == sale.total


@given(orders())
def test_every_rate_and_discount_is_a_whole_number_of_cents_and_not_negative(sale: Order) -> None:
    amounts = [mapping.rate(one, sale) for one in sale.lines] + [mapping.discount(sale)]

    assert all(amount >= 0 and amount == amount.quantize(Decimal("0.01")) for amount in amounts)


def test_a_price_that_contains_its_tax_is_freed_of_it() -> None:
    sale = order(
        lines=(line(quantity=Decimal(3), unit_price=Decimal("10.00"), tax=Decimal("4.79")),),
        shipping=(),
        taxes=(Charge(title="VAT 19%", amount=Decimal("4.79")),),
        taxes_included=True,
        total=Decimal("30.00"),
    )

    rows = mapping.item_rows(sale, {"1": "SKU-1"}, settings())

    # net 25.21 / 3 = 8.4033… → 8.41; 3 × 8.41 = 25.23, and 0.02 come off again
    assert (rows[0]["rate"], mapping.discount(sale)) == (Decimal("8.41"), Decimal("0.02"))


def test_a_currency_without_cents_is_rounded_to_its_own_unit() -> None:
    yen = line(quantity=Decimal(3), unit_price=Decimal(1000), tax=Decimal(272))
    sale = order(lines=(yen,), shipping=(), taxes=(), taxes_included=True, total=Decimal(3000), currency="JPY")

    assert mapping.rate(yen, sale) == Decimal(910)


def test_dates_are_the_sites_own() -> None:
    fields = mapping.order_fields(order(), "Ann", settings(time_zone="America/Los_Angeles", delivery_days=3))

    assert (fields["transaction_date"], fields["delivery_date"]) == ("2025-12-31", "2026-01-03")


def test_shipping_and_taxes_are_actual_amounts_on_their_accounts() -> None:
    rows = mapping.tax_rows(order(), settings())

    assert [(row["charge_type"], row["account_head"], row["description"], row["tax_amount"]) for row in rows] == [
        ("Actual", "Freight and Forwarding Charges - ATI", "Standard", Decimal("10.00")),
        ("Actual", "Sales Tax - ATI", "Sales Tax", Decimal("4.59")),
    ]


def test_a_charge_of_nothing_makes_no_row() -> None:
    assert mapping.tax_rows(order(shipping=(Charge(title="Free", amount=Decimal(0)),), taxes=()), settings()) == []


def test_no_cost_center_is_sent_where_none_is_configured() -> None:
    assert "cost_center" not in mapping.tax_rows(order(), settings(cost_center=None))[0]


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("<b>Html & Co</b>", "b Html & Co /b"),
        ("  Ann \n Smith ", "Ann Smith"),
        ("x" * 200, "x" * 140),
        ("<>", "Unnamed"),
    ],
)
def test_a_name_is_made_acceptable_to_erpnext(name: str, stored: str) -> None:
    assert mapping.customer_fields(Customer(id="1", name=name), settings())["customer_name"] == stored


@pytest.mark.parametrize(("total", "currency"), [("65.60", "USD"), ("65.59", "EUR")])
def test_another_total_or_currency_in_erpnext_is_a_mismatch(total: str, currency: str) -> None:
    with pytest.raises(TotalMismatch, match=r"ERPNext computes .* the source charged 65\.59 USD"):
        mapping.check_total(order(), {"grand_total": Decimal(total), "currency": currency})


def test_every_line_keeps_its_place() -> None:
    lines = tuple(OrderLine(id=str(n), sku="A", quantity=Decimal(n), unit_price=Decimal(1)) for n in (3, 1, 2))
    sale = order(lines=lines, shipping=(), taxes=(), total=Decimal(6), placed_at=PLACED)

    rows = mapping.item_rows(sale, {"1": "one", "2": "two", "3": "three"}, settings())

    assert [row["item_code"] for row in rows] == ["three", "one", "two"]
