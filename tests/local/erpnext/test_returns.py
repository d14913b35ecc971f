"""Returns, credit notes and payments to customers: what ERPNext's source says it takes, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from infra.local.erpnext.server import ErpNextStandIn
from tests.local.erpnext.calling import call, made, order

UPDATE_STATUS = "/api/method/erpnext.selling.doctype.sales_order.sales_order.update_status"


def submitted_order(erp: ErpNextStandIn, **values: Any) -> Any:
    return order(erp, "P1", docstatus=1, **values)


def stocked(erp: ErpNextStandIn) -> None:
    row = {"item_code": "SKU-001", "qty": 10, "basic_rate": 5, "t_warehouse": "Stores - ATI"}
    made(erp, "Stock Entry", stock_entry_type="Material Receipt", company="Acme Test Inc", docstatus=1, items=[row])


def follow(erp: ErpNextStandIn, doctype: str, sales_order: Any, qty: float = 2, **values: Any) -> Any:
    """A submitted invoice or delivery of the order's row."""
    return made(erp, doctype, **following(doctype, sales_order, qty, **values))


def following(doctype: str, sales_order: Any, qty: float = 2, **values: Any) -> dict[str, Any]:
    link = "sales_order" if doctype == "Sales Invoice" else "against_sales_order"
    row = {"item_code": "SKU-001", "qty": qty, "rate": 25.5, "warehouse": "Stores - ATI"}
    row |= {link: sales_order["name"], "so_detail": sales_order["items"][0]["name"]}
    head = {"customer": sales_order["customer"], "company": "Acme Test Inc", "currency": "USD", "docstatus": 1}
    return {**head, "items": [row], **values}


def back(doctype: str, before: Any, qty: float, **values: Any) -> dict[str, Any]:
    """A return of so many pieces of the first row."""
    link = "sales_invoice_item" if doctype == "Sales Invoice" else "dn_detail"
    row = {
        "item_code": "SKU-001",
        "qty": qty,
        "rate": 25.5,
        "warehouse": "Stores - ATI",
        link: before["items"][0]["name"],
    }
    head = {"customer": before["customer"], "company": "Acme Test Inc", "currency": "USD", "docstatus": 1}
    return {**head, "is_return": 1, "return_against": before["name"], "items": [row], **values}


def post(erp: ErpNextStandIn, doctype: str, body: dict[str, Any]) -> str | None:
    return call(erp, "POST", f"/api/resource/{doctype}", body).exc_type


def get(erp: ErpNextStandIn, doctype: str, name: str) -> Any:
    return call(erp, "GET", f"/api/resource/{doctype}/{name}").data


def test_no_more_comes_back_than_went_out(erp: ErpNextStandIn) -> None:
    stocked(erp)
    note = follow(erp, "Delivery Note", submitted_order(erp))

    assert post(erp, "Delivery Note", back("Delivery Note", note, -3)) == "StockOverReturnError"
    assert post(erp, "Delivery Note", back("Delivery Note", note, 1)) == "ValidationError"
    made(erp, "Delivery Note", **back("Delivery Note", note, -2))
    assert post(erp, "Delivery Note", back("Delivery Note", note, -1)) == "StockOverReturnError"
    assert get(erp, "Delivery Note", note["name"])["status"] == "Return Issued"


def test_what_came_back_is_in_stock_and_no_longer_delivered(erp: ErpNextStandIn) -> None:
    stocked(erp)
    sales_order = submitted_order(erp)
    note = follow(erp, "Delivery Note", sales_order)
    body = back("Delivery Note", note, -1)
    body["items"][0] |= {"against_sales_order": sales_order["name"], "so_detail": sales_order["items"][0]["name"]}

    returned = made(erp, "Delivery Note", **body)

    row = get(erp, "Sales Order", sales_order["name"])["items"][0]
    assert (row["delivered_qty"], row["returned_qty"]) == (1, 1)
    assert erp.documents("Bin")[0]["actual_qty"] == 9
    cancelled = call(erp, "PUT", f"/api/resource/Delivery Note/{note['name']}", {"docstatus": 2})
    assert cancelled.exc_type == "LinkExistsError"
    call(erp, "PUT", f"/api/resource/Delivery Note/{returned['name']}", {"docstatus": 2})
    assert get(erp, "Delivery Note", note["name"])["items"][0]["returned_qty"] == 0


@pytest.mark.parametrize(
    ("changes", "exc_type"),
    [
        ({"posting_date": "2026-01-01", "set_posting_time": 1}, "ValidationError"),
        ({"debit_to": "Creditors - ATI"}, "ValidationError"),
        ({"return_against": "ACC-SINV-9"}, "LinkValidationError"),
    ],
)
def test_a_credit_note_fits_its_invoice(erp: ErpNextStandIn, changes: dict[str, Any], exc_type: str) -> None:
    invoice = follow(erp, "Sales Invoice", submitted_order(erp))

    assert post(erp, "Sales Invoice", back("Sales Invoice", invoice, -1, **changes)) == exc_type


def test_a_credit_note_lowers_its_invoice_or_keeps_its_own_balance(erp: ErpNextStandIn) -> None:
    invoice = follow(erp, "Sales Invoice", submitted_order(erp))

    lowering = made(erp, "Sales Invoice", **back("Sales Invoice", invoice, -1, update_outstanding_for_self=0))
    assert get(erp, "Sales Invoice", invoice["name"])["outstanding_amount"] == 25.5
    assert get(erp, "Sales Invoice", lowering["name"])["outstanding_amount"] == 0

    own = made(erp, "Sales Invoice", **back("Sales Invoice", invoice, -2, update_outstanding_for_self=0))
    assert get(erp, "Sales Invoice", own["name"])["outstanding_amount"] == -51
    assert get(erp, "Sales Invoice", invoice["name"])["outstanding_amount"] == 25.5


def test_an_invoice_with_a_credit_note_is_not_cancelled(erp: ErpNextStandIn) -> None:
    invoice = follow(erp, "Sales Invoice", submitted_order(erp))
    made(erp, "Sales Invoice", **back("Sales Invoice", invoice, -1))

    refused = call(erp, "PUT", f"/api/resource/Sales Invoice/{invoice['name']}", {"docstatus": 2})

    assert refused.exc_type == "LinkExistsError"


@pytest.mark.parametrize("doctype", ["Sales Invoice", "Delivery Note"])
def test_no_more_is_billed_or_delivered_than_was_ordered(erp: ErpNextStandIn, doctype: str) -> None:
    stocked(erp)
    sales_order = submitted_order(erp)
    follow(erp, doctype, sales_order)

    assert post(erp, doctype, following(doctype, sales_order, 1)) == "OverAllowanceError"


def test_nothing_follows_a_closed_order_and_it_is_not_cancelled(erp: ErpNextStandIn) -> None:
    sales_order = submitted_order(erp)
    name = sales_order["name"]
    call(erp, "POST", UPDATE_STATUS, {"name": name, "status": "Closed"})

    assert get(erp, "Sales Order", name)["status"] == "Closed"
    assert post(erp, "Sales Invoice", following("Sales Invoice", sales_order)) == "InvalidStatusError"
    refused = call(erp, "PUT", f"/api/resource/Sales Order/{name}", {"docstatus": 2})
    assert refused.exc_type == "ValidationError"
    call(erp, "POST", UPDATE_STATUS, {"name": name, "status": "Draft"})
    assert get(erp, "Sales Order", name)["status"] == "To Deliver and Bill"


def test_an_order_with_a_draft_invoice_is_not_cancelled(erp: ErpNextStandIn) -> None:
    sales_order = submitted_order(erp)
    made(erp, "Sales Invoice", **{**following("Sales Invoice", sales_order), "docstatus": 0})

    refused = call(erp, "PUT", f"/api/resource/Sales Order/{sales_order['name']}", {"docstatus": 2})

    assert "must be deleted before cancelling this Sales Order" in refused.text


def entry(kind: str, before: Any, amount: float, allocated: float, **values: Any) -> dict[str, Any]:
    sides = ("Debtors - ATI", "Main Bank - ATI")
    paid_from, paid_to = sides if kind == "Receive" else sides[::-1]
    reference = {
        "reference_doctype": before["doctype"],
        "reference_name": before["name"],
        "allocated_amount": allocated,
    }
    body = {"payment_type": kind, "party_type": "Customer", "party": before["customer"], "company": "Acme Test Inc"}
    body |= {"posting_date": "2026-11-20", "paid_from": paid_from, "paid_to": paid_to, "paid_amount": amount}
    body |= {"received_amount": amount, "reference_no": "1", "reference_date": "2026-11-20", "docstatus": 1}
    return {**body, "references": [reference], **values}


def test_a_customer_is_paid_for_a_credit_note_and_no_more(erp: ErpNextStandIn) -> None:
    invoice = follow(erp, "Sales Invoice", submitted_order(erp))
    credit = made(erp, "Sales Invoice", **back("Sales Invoice", invoice, -1))

    assert post(erp, "Payment Entry", entry("Pay", credit, 30, -30)) == "ValidationError"
    assert post(erp, "Payment Entry", entry("Receive", credit, 25.5, -25.5)) == "ValidationError"
    assert post(erp, "Payment Entry", entry("Pay", credit, 25.5, -25.5, paid_to="Creditors - ATI")) == "ValidationError"
    made(erp, "Payment Entry", **entry("Pay", credit, 25.5, -25.5))

    assert get(erp, "Sales Invoice", credit["name"])["outstanding_amount"] == 0


def test_an_advance_on_an_order_is_counted_and_no_more_is_taken(erp: ErpNextStandIn) -> None:
    sales_order = submitted_order(erp)

    made(erp, "Payment Entry", **entry("Receive", sales_order, 40, 40))

    assert get(erp, "Sales Order", sales_order["name"])["advance_paid"] == 40
    assert post(erp, "Payment Entry", entry("Receive", sales_order, 12, 12)) == "ValidationError"
