"""Orders add up as ERPNext adds them up, to the cent."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from infra.local.erpnext.money import in_words, rounded
from infra.local.erpnext.server import ErpNextStandIn
from tests.local.erpnext.calling import call, item, made, order, order_values


def actual(amount: float, account: str = "Sales Tax - ATI") -> dict[str, Any]:
    return {"charge_type": "Actual", "account_head": account, "description": account, "tax_amount": amount}


def percent(rate: float, **values: Any) -> dict[str, Any]:
    tax = {"charge_type": "On Net Total", "account_head": "Sales Tax - ATI", "description": "Tax", "rate": rate}
    return {**tax, **values}


def line(qty: float, rate: float) -> dict[str, Any]:
    return {"item_code": "SKU-001", "qty": qty, "rate": rate}


@pytest.mark.parametrize(
    ("value", "places", "result"),
    [
        (2.345, 2, 2.34),
        (2.355, 2, 2.36),
        (1.005, 2, 1.0),
        (-2.345, 2, -2.34),
        (0.1 + 0.2, 2, 0.3),
        (1.0005, 3, 1.0),
        (None, 2, 0.0),
    ],
)
def test_halves_go_to_the_even_neighbour(value: float | None, places: int, result: float) -> None:
    assert rounded(value, places) == result


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        (51.0, "USD Fifty One only."),
        (76.5, "USD Seventy Six and Fifty Cent only."),
        (100.0, "USD One Hundred only."),
        (0.0, "USD Zero only."),
        (1234.07, "USD One Thousand, Two Hundred And Thirty Four and Seven Cent only."),
        (2000015.0, "USD Two Million And Fifteen only."),
    ],
)
def test_an_amount_in_words(amount: float, words: str) -> None:
    assert in_words(amount, "USD") == words


def test_lines_tax_and_shipping_add_up(erp: ErpNextStandIn) -> None:
    freight = actual(5, "Freight and Forwarding Charges - ATI")

    doc = order(erp, "P1", line(2, 25.5), line(1, 9.99), taxes=[actual(4.94), freight])

    assert (doc["total"], doc["net_total"], doc["total_taxes_and_charges"], doc["grand_total"]) == (
        60.99,
        60.99,
        9.94,
        70.93,
    )
    assert [tax["total"] for tax in doc["taxes"]] == [65.93, 70.93]
    assert doc["payment_schedule"][0]["payment_amount"] == 70.93


@pytest.mark.parametrize("apply_on", ["Grand Total", "Net Total"])
def test_a_discount_with_fixed_charges_is_taken_off_the_total(erp: ErpNextStandIn, apply_on: str) -> None:
    """How a shop's order arrives: fixed tax and shipping, one discount for the whole order."""
    lines = [line(1, 10.01), line(1, 20.02), line(1, 30.03)]

    doc = order(erp, "P1", *lines, taxes=[actual(4.8)], discount_amount=10, apply_discount_on=apply_on)

    assert doc["net_total"] == 50.06
    assert doc["grand_total"] == 54.86
    assert round(sum(row["distributed_discount_amount"] for row in doc["items"]), 2) == 10.0
    assert round(sum(row["net_amount"] for row in doc["items"]), 2) == 50.06
    assert doc["taxes"][0]["tax_amount"] == 4.8


def test_a_discount_on_the_net_total_lowers_a_percentage_tax(erp: ErpNextStandIn) -> None:
    doc = order(erp, "P1", line(1, 100), taxes=[percent(10)], discount_amount=10, apply_discount_on="Net Total")

    assert (doc["net_total"], doc["taxes"][0]["tax_amount"], doc["grand_total"]) == (90.0, 9.0, 99.0)


def test_a_discount_on_the_grand_total_is_spread_so_that_the_total_falls_by_it(erp: ErpNextStandIn) -> None:
    doc = order(erp, "P1", line(1, 100), taxes=[percent(10)], discount_amount=11, apply_discount_on="Grand Total")

    assert (doc["net_total"], doc["grand_total"]) == (90.0, 99.0)
    assert doc["taxes"][0]["tax_amount"] == 10.0
    assert doc["taxes"][0]["tax_amount_after_discount_amount"] == 9.0


@pytest.mark.parametrize("discount", [0.01, 0.03, 3.33, 7.77, 49.99])
@pytest.mark.parametrize("apply_on", ["Grand Total", "Net Total"])
def test_no_cent_is_lost_in_the_spreading(erp: ErpNextStandIn, discount: float, apply_on: str) -> None:
    lines = [line(3, 3.33), line(7, 0.07), line(1, 19.99), line(2, 14.95)]

    doc = order(erp, "P1", *lines, taxes=[actual(3.21)], discount_amount=discount, apply_discount_on=apply_on)

    expected = Decimal("60.37") + Decimal("3.21") - Decimal(str(discount))
    assert Decimal(str(doc["grand_total"])) == expected


def test_a_discount_is_kept_when_the_order_is_saved_again(erp: ErpNextStandIn) -> None:
    doc = order(erp, "P1", line(3, 9.99), taxes=[percent(7.5)], discount_amount=5)

    again = call(erp, "PUT", f"/api/resource/Sales Order/{doc['name']}", {}).data

    assert {key: again[key] for key in ("net_total", "grand_total", "discount_amount")} == {
        key: doc[key] for key in ("net_total", "grand_total", "discount_amount")
    }


def test_a_discount_in_percent_becomes_an_amount(erp: ErpNextStandIn) -> None:
    doc = order(erp, "P1", line(1, 100), additional_discount_percentage=12.5)

    assert (doc["discount_amount"], doc["grand_total"]) == (12.5, 87.5)


def test_taxes_on_earlier_rows(erp: ErpNextStandIn) -> None:
    on_amount = percent(50, charge_type="On Previous Row Amount", row_id=1)
    on_total = percent(10, charge_type="On Previous Row Total", row_id=2)
    by_piece = percent(2, charge_type="On Item Quantity")

    doc = order(erp, "P1", line(4, 25), taxes=[percent(10), on_amount, on_total, by_piece])

    assert [tax["tax_amount"] for tax in doc["taxes"]] == [10.0, 5.0, 11.5, 8.0]
    assert doc["grand_total"] == 134.5


def test_another_currency_wants_an_exchange_rate(erp: ErpNextStandIn) -> None:
    body = order_values("P1", line(2, 10), currency="EUR")
    assert call(erp, "POST", "/api/resource/Sales Order", body).exc_type == "ValidationError"

    doc = order(erp, "P1", line(2, 10), currency="EUR", conversion_rate=1.1, taxes=[actual(1.01)])
    made(erp, "Currency Exchange", date="2026-01-01", from_currency="EUR", to_currency="USD", exchange_rate=1.2)
    found = order(erp, "P2", line(2, 10), currency="EUR")

    assert (doc["grand_total"], doc["base_grand_total"], doc["base_net_total"]) == (21.01, 23.11, 22.0)
    assert found["conversion_rate"] == 1.2
    assert doc["in_words"] == "EUR Twenty One and One Cent only."


def test_a_disabled_rounded_total_is_zero(erp: ErpNextStandIn) -> None:
    doc = order(erp, "P1", line(1, 9.99), disable_rounded_total=1)

    assert (doc["rounded_total"], doc["grand_total"]) == (0.0, 9.99)
    assert doc["payment_schedule"][0]["payment_amount"] == 9.99


def test_a_line_without_a_rate_takes_the_list_price(erp: ErpNextStandIn) -> None:
    item(erp, "LISTED", standard_rate=12)

    doc = order(erp, "P1", {"item_code": "LISTED", "qty": 1, "rate": 0}, line(1, 0))

    assert [row["rate"] for row in doc["items"]] == [12.0, 0.0]


def test_half_a_piece_is_refused(erp: ErpNextStandIn) -> None:
    assert (
        call(erp, "POST", "/api/resource/Sales Order", order_values("P1", line(1.5, 10))).exc_type
        == "UOMMustBeIntegerError"
    )


def test_an_order_of_500_lines_adds_up(erp: ErpNextStandIn) -> None:
    doc = order(erp, "P1", *[line(1, 0.1)] * 500, discount_amount=0.5, apply_discount_on="Net Total")

    assert (len(doc["items"]), doc["grand_total"]) == (500, 49.5)


@pytest.mark.parametrize(("quantity", "exc_type"), [(0, "InvalidQtyError"), (-1, "ValidationError")])
def test_a_line_of_nothing_or_less_is_refused(erp: ErpNextStandIn, quantity: int, exc_type: str) -> None:
    assert call(erp, "POST", "/api/resource/Sales Order", order_values("P1", line(quantity, 10))).exc_type == exc_type


@pytest.mark.parametrize(
    ("tax", "exc_type"),
    [
        ({"charge_type": "Sometimes"}, "ValidationError"),
        ({"charge_type": "On Previous Row Total", "row_id": 2}, "ValidationError"),
        ({"charge_type": "On Previous Row Amount", "row_id": "x"}, "ValidationError"),
        ({"charge_type": ""}, "MandatoryError"),
        ({"account_head": "Nowhere - ATI"}, "LinkValidationError"),
        ({"description": ""}, "MandatoryError"),
    ],
)
def test_a_tax_that_makes_no_sense_is_refused(erp: ErpNextStandIn, tax: dict[str, Any], exc_type: str) -> None:
    body = order_values("P1", line(1, 10), taxes=[percent(10), percent(10, **tax)])

    assert call(erp, "POST", "/api/resource/Sales Order", body).exc_type == exc_type
    assert erp.documents("Sales Order") == []
