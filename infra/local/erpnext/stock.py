"""Stock levels: the Bin of each item and warehouse, and the Stock Entries and deliveries that move it, each with its
Stock Ledger Entries.

Valuation is a plain moving average; batches, serial numbers and FIFO queues are not imitated.
"""

from __future__ import annotations

from typing import Any

from infra.local.erpnext import documents
from infra.local.erpnext.errors import thrown
from infra.local.erpnext.money import rounded
from infra.local.erpnext.site import Hook, Transaction
from infra.local.erpnext.store import Doc


def bin_of(tx: Transaction, item_code: Any, warehouse: Any) -> Doc | None:
    return next(iter(tx.store.where("Bin", item_code, warehouse)), None)


def change_bin(tx: Transaction, item_code: str, warehouse: str, values: Doc) -> Doc:
    """Set quantities of a Bin, making it when this is the first one for the item and warehouse."""
    found = bin_of(tx, item_code, warehouse)
    if found is None:
        item = tx.store.peek("Item", item_code) or {}
        found = documents.insert(
            tx, {"doctype": "Bin", "item_code": item_code, "warehouse": warehouse, "stock_uom": item.get("stock_uom")}
        )
    merged = {**found, **values}
    values["projected_qty"] = (
        merged["actual_qty"] + merged["ordered_qty"] + merged["planned_qty"] - merged["reserved_qty"]
    )
    values["stock_value"] = rounded(merged["actual_qty"] * merged["valuation_rate"])
    return documents.set_directly(tx, "Bin", found["name"], values)


def reserve(tx: Transaction, item_code: str, warehouse: str, quantity: float) -> None:
    """Add to (or take from) what submitted orders still want of an item."""
    before = bin_of(tx, item_code, warehouse) or {"reserved_qty": 0.0}
    change_bin(tx, item_code, warehouse, {"reserved_qty": rounded(before["reserved_qty"] + quantity, 9)})


def validate_entry(tx: Transaction, doc: Doc) -> None:
    now = tx.stamp()
    doc["posting_date"] = doc.get("posting_date") or tx.today()
    doc["posting_time"] = doc.get("posting_time") or now[11:]
    doc["purpose"] = doc.get("purpose") or doc["stock_entry_type"]
    incoming = outgoing = 0.0
    company = tx.store.peek("Company", doc["company"]) or {}
    for row in doc["items"]:
        item = tx.store.peek("Item", row["item_code"]) or {}
        for name in ("item_name", "description", "item_group", "stock_uom"):
            row[name] = row.get(name) or item.get(name)
        row["uom"] = row.get("uom") or item.get("stock_uom")
        row["s_warehouse"] = row.get("s_warehouse") or doc.get("from_warehouse")
        row["t_warehouse"] = row.get("t_warehouse") or doc.get("to_warehouse")
        row["conversion_factor"] = row.get("conversion_factor") or 1.0
        row["transfer_qty"] = row["qty"] * row["conversion_factor"]
        row["expense_account"] = row.get("expense_account") or company.get("stock_adjustment_account")
        row["cost_center"] = row.get("cost_center") or company.get("cost_center")
        before = bin_of(tx, row["item_code"], row["s_warehouse"] or row["t_warehouse"]) or {}
        row["actual_qty"] = before.get("actual_qty", 0.0)
        if row["s_warehouse"] or not row["basic_rate"]:
            row["basic_rate"] = rounded(before.get("valuation_rate", row["basic_rate"]))
        row["valuation_rate"] = row["basic_rate"]
        row["basic_amount"] = row["amount"] = rounded(row["transfer_qty"] * row["basic_rate"])
        incoming += row["amount"] if row["t_warehouse"] else 0.0
        outgoing += row["amount"] if row["s_warehouse"] else 0.0
    doc["total_incoming_value"], doc["total_outgoing_value"] = rounded(incoming), rounded(outgoing)
    doc["value_difference"] = rounded(incoming - outgoing)
    doc["total_amount"] = rounded(sum(row["amount"] for row in doc["items"]))


def submit_entry(tx: Transaction, doc: Doc) -> None:
    for row in doc["items"]:
        if row["s_warehouse"]:
            move(tx, doc, row, row["s_warehouse"], -row["transfer_qty"], row["valuation_rate"])
        if row["t_warehouse"]:
            move(tx, doc, row, row["t_warehouse"], row["transfer_qty"], row["valuation_rate"])


def cancel_entry(tx: Transaction, doc: Doc) -> None:
    for row in doc["items"]:
        if row["t_warehouse"]:
            move(tx, doc, row, row["t_warehouse"], -row["transfer_qty"], row["valuation_rate"])
        if row["s_warehouse"]:
            move(tx, doc, row, row["s_warehouse"], row["transfer_qty"], row["valuation_rate"])


def move(tx: Transaction, doc: Doc, row: Doc, warehouse: str, quantity: float, rate: float) -> None:
    """Add to (or take from) a Bin; NegativeStockError when there is not enough, unless Stock Settings allow it."""
    before = bin_of(tx, row["item_code"], warehouse) or {"actual_qty": 0.0, "valuation_rate": 0.0}
    after = before["actual_qty"] + quantity
    settings = tx.store.peek("Stock Settings", "Stock Settings") or {}
    if after < 0 and not settings.get("allow_negative_stock"):
        item = row["item_code"]
        title = doc.get("stock_entry_type") or doc["name"]
        text = (
            f'<strong>{-after}</strong> units of <a href="/app/Form/Item/{item}" style="font-weight: bold;">Item '
            f'{item}: {row["item_name"]}</a> needed in <a href="/app/Form/Warehouse/{warehouse.replace(" ", "%20")}" '
            f'style="font-weight: bold;">Warehouse {warehouse}</a> on {doc["posting_date"]} {doc["posting_time"]} for '
            f'<a href="/app/Form/{doc["doctype"]}/{doc["name"]}" style="font-weight: bold;">{doc["doctype"]} {title}</a> '
            "to complete this transaction."
        )
        raise thrown("NegativeStockError", text, title="Insufficient Stock", from_erpnext=True)
    value = before["actual_qty"] * before["valuation_rate"] + quantity * rate
    valuation = rounded(value / after, 9) if quantity > 0 and after > 0 else before["valuation_rate"]
    entry = {"item_code": row["item_code"], "warehouse": warehouse, "actual_qty": quantity, "company": doc["company"]}
    entry |= {"voucher_type": doc["doctype"], "voucher_no": doc["name"], "voucher_detail_no": row["name"]}
    entry |= {"posting_date": doc["posting_date"], "posting_time": doc["posting_time"]}
    entry |= {"qty_after_transaction": after, "valuation_rate": valuation, "docstatus": 1}
    # as erpnext/stock/stock_ledger.py (v15) does: submitted at once, also for a cancellation, and the Bin after it
    documents.insert(tx, {"doctype": "Stock Ledger Entry", **entry})
    change_bin(tx, row["item_code"], warehouse, {"actual_qty": after, "valuation_rate": valuation})


HOOKS: dict[str, dict[str, Hook]] = {
    "Stock Entry": {"validate": validate_entry, "on_submit": submit_entry, "on_cancel": cancel_entry},
}
