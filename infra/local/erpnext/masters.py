"""Customers, Contacts, barcodes and Item Prices: what ERPNext fills in and refuses.

From the published sources of Frappe and ERPNext, version 15 (customer.py, contact.py, item.py, item_price.py); of these,
only Customers were recorded.
"""

from __future__ import annotations

import re

from infra.local.erpnext.errors import invalid, thrown
from infra.local.erpnext.site import Hook, Transaction
from infra.local.erpnext.store import Doc, collated

SAME_PRICE = ("item_code", "price_list", "uom", "valid_from", "customer", "supplier", "batch_no", "packing_unit")


def fetch_contact(tx: Transaction, doc: Doc) -> None:
    """A Customer shows the names, address and number of its primary Contact, as of when it was saved."""
    contact = tx.store.peek("Contact", doc.get("customer_primary_contact") or "")
    if contact is not None:
        doc.update({name: contact[name] for name in ("email_id", "mobile_no", "first_name", "last_name")})


def validate_contact(_: Transaction, doc: Doc) -> None:
    names = (doc.get("first_name"), doc.get("middle_name"), doc.get("last_name"))
    doc["full_name"] = " ".join(str(name).strip() for name in names if name) or doc.get("company_name")
    emails = doc["email_ids"]
    for row in emails:
        if not re.fullmatch(r"[^@\s,<>]+@[^@\s,<>]+\.[^@\s,<>.]+", str(row["email_id"] or "").strip()):
            text = f"{row['email_id']} is not a valid Email Address"
            raise thrown("InvalidEmailAddressError", text, title="Invalid Email")
    if sum(bool(row["is_primary"]) for row in emails) > 1:
        raise thrown("ValidationError", "Only one <strong>Email ID</strong> can be set as primary.")
    if len(emails) == 1:
        emails[0]["is_primary"] = 1
    doc["email_id"] = next((str(row["email_id"]).strip() for row in emails if row["is_primary"]), "")
    for name in ("phone", "mobile_no"):
        doc[name] = next((row["phone"] for row in doc["phone_nos"] if row[f"is_primary_{name}"]), "")


def check_barcodes(tx: Transaction, doc: Doc) -> None:
    """A barcode belongs to one Item."""
    for row in doc["barcodes"]:
        for other in tx.store.all("Item"):
            if other["name"] != doc["name"] and any(
                collated(each["barcode"]) == collated(row["barcode"]) for each in other["barcodes"]
            ):
                raise invalid(f"Barcode {row['barcode']} already used in Item {other['name']}")


def validate_price(tx: Transaction, doc: Doc) -> None:
    item = tx.store.peek("Item", doc["item_code"]) or {}
    doc["uom"] = doc.get("uom") or item.get("stock_uom")
    if doc["uom"] not in [row["uom"] for row in item.get("uoms") or []]:
        raise invalid(f"UOM {doc['uom']} not found in Item {doc['item_code']}")
    price_list = tx.store.peek("Price List", doc["price_list"])
    if price_list is None or not price_list["enabled"]:
        raise invalid(f"The price list {doc['price_list']} does not exist or is disabled")
    doc.update({name: price_list[name] for name in ("buying", "selling", "currency")})
    doc["item_name"], doc["item_description"] = item.get("item_name"), item.get("description")
    for other in tx.store.where("Item Price", doc["item_code"], doc["price_list"]):
        if other["name"] != doc["name"] and all((other[name] or None) == (doc[name] or None) for name in SAME_PRICE):
            text = (
                "Item Price appears multiple times based on Price List, Supplier/Customer, Currency, Item, Batch, UOM, "
                "Qty, and Dates."
            )
            raise thrown("ItemPriceDuplicateItem", text, from_erpnext=True)


HOOKS: dict[str, dict[str, Hook]] = {
    "Customer": {"validate": fetch_contact},
    "Contact": {"validate": validate_contact},
    "Item Price": {"validate": validate_price},
}
