"""Records: amounts are finite Decimals, and an order adds up to the last digit or is none."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from hub.errors import TotalMismatch
from hub.records import Charge, Customer, Order, OrderLine, Refund, RefundLine

AMOUNTS = st.decimals(0, 10**9, allow_nan=False, allow_infinity=False, places=2)
LINES = st.builds(
    OrderLine,
    id=st.just("1"),
    quantity=st.integers(1, 10_000).map(Decimal),
    unit_price=AMOUNTS,
    discount=AMOUNTS,
    tax=AMOUNTS,
)
CHARGES = st.lists(st.builds(Charge, title=st.just("Charge"), amount=AMOUNTS), max_size=3).map(tuple)
CENT = Decimal("0.01")


def an_order(total: Decimal | str = "19.90", **fields: Any) -> Order:
    lines = (OrderLine(id="1", quantity=Decimal(2), unit_price=Decimal("9.95")),)
    stated = {
        "lines": lines,
        "placed_at": datetime(2026, 1, 1, tzinfo=UTC),
        "currency": "USD",
        "number": "#1",
        "id": "1",
    }
    return Order(**{**stated, "total": total, **fields})


@given(st.lists(LINES, min_size=1, max_size=4).map(tuple), CHARGES, CHARGES, st.booleans())
def test_only_the_exact_sum_passes(
    lines: tuple[OrderLine, ...], shipping: tuple[Charge, ...], taxes: tuple[Charge, ...], included: bool
) -> None:
    total = sum((line.quantity * line.unit_price - line.discount for line in lines), Decimal(0))
    total += sum((charge.amount for charge in shipping), Decimal(0))
    total += Decimal(0) if included else sum((tax.amount for tax in taxes), Decimal(0))

    an_order(total, lines=lines, shipping=shipping, taxes=taxes, taxes_included=included).check_total()

    for wrong in (total + CENT, total - CENT):
        with pytest.raises(TotalMismatch):
            an_order(wrong, lines=lines, shipping=shipping, taxes=taxes, taxes_included=included).check_total()


def test_sums_do_not_drift_as_floats_do() -> None:
    dime = OrderLine(id="1", quantity=Decimal(1), unit_price=Decimal("0.10"))

    an_order("0.30", lines=(dime, dime, dime)).check_total()


def test_a_mismatch_says_what_was_summed_and_what_to_do() -> None:
    with pytest.raises(TotalMismatch) as mismatch:
        an_order("20.00").check_total()

    assert str(mismatch.value) == (
        "order #1: lines 19.90 + shipping 0 + taxes 0 = 19.90 USD, but the source charged 20.00 USD; "
        "compare the order in the shop with the payload, then replay the event (hub events replay)"
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"total": Decimal("NaN")},
        {"total": Decimal("Infinity")},
        {"currency": "usd"},
        {"currency": "EURO"},
        {"lines": ()},
        {"placed_at": datetime(2026, 1, 1)},  # noqa: DTZ001 - without a zone, as is the point
        {"discount_code": "TENOFF"},
    ],
    ids=str,
)
def test_what_an_order_cannot_be_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        an_order(**fields)


def test_records_are_frozen() -> None:
    customer = Customer(id="1", name=" Ada ")

    assert customer.name == "Ada"
    with pytest.raises(ValidationError):
        customer.name = "Bob"  # type: ignore[misc]


@given(
    st.lists(st.tuples(AMOUNTS, AMOUNTS), max_size=3), AMOUNTS, AMOUNTS, AMOUNTS.map(lambda each: -each), st.booleans()
)
def test_a_refund_is_exactly_the_sum_of_what_it_is_for(
    lines: list[tuple[Decimal, Decimal]], shipping: Decimal, tax: Decimal, kept: Decimal, included: bool
) -> None:
    total = sum((amount for amount, _ in lines), shipping + kept)
    total += Decimal(0) if included else sum((each for _, each in lines), tax)

    def a_refund(total: Decimal) -> Refund:
        return Refund(
            id="1",
            order_id="2",
            refunded_at=datetime(2026, 1, 1, tzinfo=UTC),
            currency="USD",
            total=total,
            lines=tuple(RefundLine(line_id="1", quantity=Decimal(1), amount=a, tax=t) for a, t in lines),
            shipping=Charge(title="Shipping", amount=shipping, tax=tax),
            adjustment=kept,
            taxes_included=included,
        )

    a_refund(total).check_total()

    for wrong in (total + CENT, total - CENT):
        with pytest.raises(TotalMismatch, match="refund 1: "):
            a_refund(wrong).check_total()
