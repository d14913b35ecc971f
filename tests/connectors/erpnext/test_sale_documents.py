"""What is sent of a credit note adds up to what the buyer got, whatever was refunded and kept back."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.erpnext import sale_documents as tables
from hub.records import Charge, Refund
from tests.connectors.erpnext.orders import DOCUMENTS, GIVEN_BACK, refund, refund_line, settings, shipment

SETTINGS = settings(**DOCUMENTS)
SOLD: dict[str, Any] = {
    "doctype": "Sales Invoice",
    "name": "ACC-SINV-1",
    "customer": "Ann",
    "company": "Acme Test Inc",
    "currency": "USD",
    "conversion_rate": Decimal(1),
    "debit_to": "Debtors - ATI",
    "posting_date": "2026-01-01",
    "posting_time": "1:00:00",
    "grand_total": Decimal("65.59"),
    "outstanding_amount": Decimal("65.59"),
    "items": [
        {"name": f"row{n}", "hub_line_id": str(n), "item_code": f"SKU-{n}", "uom": "Nos", "rate": Decimal(10)}
        for n in range(4)
    ],
}
cents = st.integers(0, 100_000).map(lambda amount: Decimal(amount) / 100)


@st.composite
def refunds(draw: st.DrawFn) -> Refund:
    """Any refund whose parts add up to more than nothing."""
    included = draw(st.booleans())
    lines = []
    for number in range(draw(st.integers(0, 4))):
        amount = draw(cents)
        share = draw(st.integers(0, 100))
        tax = (amount * share / 100).quantize(Decimal("0.01")) if included else draw(cents)
        quantity = Decimal(draw(st.integers(1, 9)))
        lines.append(refund_line(line_id=str(number), quantity=quantity, amount=amount, tax=min(tax, amount)))
    shipping = Charge(title="Post", amount=draw(cents)) if draw(st.booleans()) else None
    whole = sum((line.amount + (0 if included else line.tax) for line in lines), Decimal(0))
    whole += shipping.amount if shipping else 0
    adjustment = draw(st.one_of(st.just(Decimal(0)), cents, cents.map(lambda amount: -min(amount, whole))))
    return refund(
        lines=tuple(lines), shipping=shipping, adjustment=adjustment, total=whole + adjustment, taxes_included=included
    )


@given(refunds().filter(lambda one: one.total > 0))
def test_the_rows_add_up_to_what_the_buyer_got(back: Refund) -> None:
    back.check_total()

    sent = tables.credit_note(back, SOLD, SETTINGS)

    rows = sum((row["qty"] * row["rate"] for row in sent["items"]), Decimal(0))
    charges = sum((row["tax_amount"] for row in sent["taxes"]), Decimal(0))
    assert rows - sent["discount_amount"] + charges == -back.total
    assert sent["discount_amount"] <= 0
    assert sent["items"]
    assert all(row["qty"] < 0 <= row["rate"] for row in sent["items"])
    assert all(row["tax_amount"] < 0 for row in sent["taxes"])


@given(st.datetimes(datetime(2025, 12, 30), datetime(2026, 1, 3)))  # noqa: DTZ001 - made aware below
def test_nothing_is_posted_before_what_it_follows(moment: datetime) -> None:
    sent = tables.local_posting(moment.replace(tzinfo=UTC), SETTINGS, after=SOLD)

    seconds = [int(part) for part in sent["posting_time"].split(":")]
    assert (sent["posting_date"], seconds) >= ("2026-01-01", [1, 0, 0])


def test_an_amount_is_paid_in_the_currency_of_the_customers_account() -> None:
    foreign = {**SOLD, "currency": "EUR", "party_account_currency": "USD", "conversion_rate": Decimal("1.1")}
    mode = SETTINGS.mode_of_payment("")

    entry = tables.payment(Decimal("59.63"), foreign, GIVEN_BACK, "#1042", mode, SETTINGS)

    assert (entry["paid_amount"], entry["references"][0]["allocated_amount"]) == (Decimal("65.59"), Decimal("65.59"))


def test_a_tracking_number_is_cut_to_what_a_field_holds() -> None:
    many = shipment(tracking_numbers=tuple(f"1Z{number:018}" for number in range(20)))
    row = {**SOLD["items"][1], "hub_line_id": "1"}

    note = tables.delivery_note(many, {**SOLD, "items": [row]}, GIVEN_BACK + timedelta(days=9), SETTINGS)

    assert len(note["lr_no"]) == 140


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ({"hub_line_id": "1", "item_code": "OTHER"}, True),
        ({"hub_line_id": "2", "item_code": "SKU-1"}, False),
        ({"item_code": "sku-1 "}, True),
        ({"item_code": "SKU-2"}, False),
        ({}, False),
    ],
)
def test_a_row_is_known_by_the_lines_id_and_without_one_by_its_sku(row: dict[str, Any], found: bool) -> None:
    assert tables.is_row_of(row, refund_line()) == found
