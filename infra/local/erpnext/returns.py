"""Credit notes and returns: what they may take back, and what they change in the document that they are made against.

All from ERPNext's published source (controllers/sales_and_purchase_return.py, controllers/status_updater.py of v15); no
recording shows one. Credit notes that move no stock are not held against the invoice's rows there, and so not here.
"""

from __future__ import annotations

from infra.local.erpnext import documents
from infra.local.erpnext.errors import invalid, thrown
from infra.local.erpnext.money import rounded
from infra.local.erpnext.site import Transaction
from infra.local.erpnext.store import Doc


def validate(tx: Transaction, doc: Doc) -> Doc | None:
    """Check a return and give the document that it is against; None for a document that is no return, or against none."""
    for row in doc["items"]:
        if doc["is_return"] and row["qty"] > 0:
            raise invalid(f"For an item {row['item_code']}, quantity must be negative number")
        if row["rate"] < 0:
            raise invalid(f"For item {row['item_code']}, rate must be a positive number.")
    if not doc["is_return"] or not doc.get("return_against"):
        return None
    against = tx.store.peek(doc["doctype"], doc["return_against"])
    if against is None:
        raise invalid(f"Invalid Return Against: {doc['return_against']}")
    agrees = against["company"] == doc["company"] and against["customer"] == doc["customer"]
    if agrees and against["docstatus"] == 1:
        if _posted(doc) < _posted(against):
            raise invalid(f"Posting timestamp must be after {against['posting_date']} {against['posting_time']}")
        if doc["conversion_rate"] != against["conversion_rate"]:
            raise invalid(
                f"Exchange Rate must be same as {doc['doctype']} {against['name']} ({against['conversion_rate']})"
            )
    if doc["doctype"] == "Delivery Note":
        _check_quantities(tx, doc, against)
    return against


def _posted(doc: Doc) -> tuple[str, float]:
    seconds = 0.0
    for part in str(doc.get("posting_time") or "0").split(":"):
        seconds = seconds * 60 + float(part)
    return str(doc["posting_date"]), seconds


def _check_quantities(tx: Transaction, doc: Doc, against: Doc) -> None:
    delivered = {(row["item_code"], row["name"]): row["stock_qty"] for row in against["items"]}
    before = _returned(tx, against["name"])
    for row in doc["items"]:
        key = (row["item_code"], row.get("dn_detail"))
        if key not in delivered:
            tx.say(
                f"Row # {row['idx']}: Returned Item {row['item_code']} does not exist in Delivery Note {against['name']}"
            )
            continue
        left = delivered[key] - before.get(key, 0.0)
        if left <= 0:
            raise thrown(
                "StockOverReturnError", f"Item {row['item_code']} has already been returned", from_erpnext=True
            )
        if abs(row["stock_qty"]) > left:
            text = f"Row # {row['idx']}: Cannot return more than {left} for Item {row['item_code']}"
            raise thrown("StockOverReturnError", text, from_erpnext=True)


def _returned(tx: Transaction, name: str) -> dict[tuple[str, str | None], float]:
    """What submitted returns took back of a Delivery Note's rows."""
    found: dict[tuple[str, str | None], float] = {}
    for other in tx.store.all("Delivery Note"):
        if other["docstatus"] == 1 and other["is_return"] and other["return_against"] == name:
            for row in other["items"]:
                key = (row["item_code"], row.get("dn_detail"))
                found[key] = found.get(key, 0.0) + abs(row["stock_qty"])
    return found


def follow_up(tx: Transaction, doc: Doc) -> None:
    """Write into a Delivery Note what came back of it, after a return was submitted or cancelled."""
    if not doc["is_return"] or not doc.get("return_against"):
        return
    delivered = documents.load(tx, "Delivery Note", doc["return_against"])
    back = _returned(tx, delivered["name"])
    for row in delivered["items"]:
        row["returned_qty"] = back.get((row["item_code"], row["name"]), 0.0)
    total = sum(row["stock_qty"] for row in delivered["items"])
    share = rounded(100 * sum(row["returned_qty"] for row in delivered["items"]) / total, 6) if total else 0.0
    status = "Return Issued" if share >= 100 else "To Bill"
    values = {"items": delivered["items"], "per_returned": share, "status": status}
    documents.set_directly(tx, "Delivery Note", delivered["name"], values)


def check_not_returned(tx: Transaction, doc: Doc) -> None:
    """Refuse to cancel what a submitted return or credit note is against."""
    for other in tx.store.all(doc["doctype"]):
        if other["docstatus"] == 1 and other.get("return_against") == doc["name"]:
            raise documents.linked_error(tx, tx.meta(doc["doctype"]), doc["name"], doc["doctype"], other["name"])
