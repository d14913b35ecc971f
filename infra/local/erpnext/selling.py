"""ERPNext's rules for customers, items and selling documents: what is filled in, refused, and followed up.

Recorded: defaults, delivery dates, duplicate customer purchase orders, statuses, reserved stock. Beyond the recordings
(from ERPNext's published source): closing orders, over-delivery and over-billing, what must agree between an order and
what follows it, drafts that block a cancellation, disabled customers and items, quantities of zero and below, whole-number units, missing
exchange rates, a free line that takes the list price, and `status` staying Draft in the database after a create-and-submit in one call.
"""

from __future__ import annotations

from typing import Any

from infra.local.erpnext import documents, masters, stock
from infra.local.erpnext.errors import FrappeError, invalid, thrown
from infra.local.erpnext.money import calculate_totals, rounded
from infra.local.erpnext.site import Hook, Transaction
from infra.local.erpnext.store import Doc

DEFAULT_COMPANY = "Acme Test Inc"


def company_of(tx: Transaction, doc: Doc) -> Doc:
    company = tx.store.peek("Company", doc.get("company") or DEFAULT_COMPANY)
    if company is None:
        raise thrown("LinkValidationError", f"Could not find Company: {doc.get('company')}")
    return company


def fill_defaults(tx: Transaction, doc: Doc) -> None:
    """What ERPNext fills in from defaults before it checks anything, on a document that is being made."""
    if not doc.get("company") and tx.store.peek("Company", DEFAULT_COMPANY):
        doc["company"] = DEFAULT_COMPANY
    if "transaction_date" in doc:
        doc["transaction_date"] = doc["transaction_date"] or tx.today()
    if "posting_date" in doc and (not doc["posting_date"] or not doc["set_posting_time"]):
        doc["posting_date"], doc["posting_time"] = tx.today(), tx.stamp()[11:]


def validate_selling(tx: Transaction, doc: Doc, date_field: str) -> None:
    """Fill in and add up a Sales Order, Sales Invoice or Delivery Note."""
    if not doc["items"]:
        # Recorded: no check of ours, but a crash in ERPNext.
        raise FrappeError("TypeError", "unsupported operand type(s) for *: 'NoneType' and 'float'", from_erpnext=True)
    fill_defaults(tx, doc)
    company = company_of(tx, doc)
    customer = tx.store.peek("Customer", doc["customer"]) if doc.get("customer") else None
    if customer is not None:
        if customer["disabled"]:
            raise thrown("PartyDisabled", f"Customer {customer['name']} is disabled", from_erpnext=True)
        doc["customer_name"] = customer["customer_name"]
        for name in ("customer_group", "territory"):
            if not doc.get(name) and name in tx.meta(doc["doctype"]).by_name:
                doc[name] = customer[name]
        doc["language"] = doc.get("language") or customer["language"]
    _currency(tx, doc, company, date_field, customer)
    for row in doc["items"]:
        _item(tx, doc, row, company)
    for idx, tax in enumerate(doc["taxes"], 1):
        tax["idx"] = idx
        tax["cost_center"] = tax.get("cost_center") or company["cost_center"]
        if not tax.get("charge_type") or not tax.get("account_head") or not tax.get("description"):
            continue
        tax["description"] = str(tax["description"])
    if all(tax.get("charge_type") for tax in doc["taxes"]):
        calculate_totals(doc)
    eligible = sum(row["base_net_amount"] for row in doc["items"] if row.get("grant_commission"))
    if "amount_eligible_for_commission" in doc:
        doc["amount_eligible_for_commission"] = rounded(eligible)
    doc.pop("_company_currency", None)


def _currency(tx: Transaction, doc: Doc, company: Doc, date_field: str, customer: Doc | None) -> None:
    own = doc["_company_currency"] = company["default_currency"]
    doc["currency"] = doc.get("currency") or (customer or {}).get("default_currency") or own
    if doc["currency"] == own:
        doc["conversion_rate"] = 1.0
    elif not doc.get("conversion_rate"):
        doc["conversion_rate"] = _exchange_rate(tx, doc["currency"], own, doc[date_field])
    doc["selling_price_list"] = doc.get("selling_price_list") or "Standard Selling"
    price_list = tx.store.peek("Price List", doc["selling_price_list"])
    doc["price_list_currency"] = (price_list or {}).get("currency") or own
    if doc["price_list_currency"] == own or not doc.get("plc_conversion_rate"):
        doc["plc_conversion_rate"] = 1.0 if doc["price_list_currency"] == own else doc["conversion_rate"]


def _exchange_rate(tx: Transaction, source: str, target: str, day: str) -> float:
    rates = [
        each
        for each in tx.store.all("Currency Exchange")
        if each["from_currency"] == source and each["to_currency"] == target and each["date"] <= day
    ]
    if not rates:
        raise invalid(
            f"Exchange Rate is mandatory. Maybe Currency Exchange record is not created for {source} to {target}"
        )
    return float(max(rates, key=lambda each: each["date"])["exchange_rate"])


def _item(tx: Transaction, doc: Doc, row: Doc, company: Doc) -> None:
    item = tx.store.peek("Item", row["item_code"]) if row.get("item_code") else None
    row["conversion_factor"] = row.get("conversion_factor") or 1.0
    row["image"] = row.get("image") or ""
    row["cost_center"] = row.get("cost_center") or company["cost_center"]
    if item is not None:
        if item["disabled"]:
            raise invalid(f"Item {item['name']} is disabled")
        row["item_name"] = row.get("item_name") or item["item_name"]
        row["description"] = row.get("description") or item["description"]
        row["item_group"] = row.get("item_group") or item["item_group"]
        row["stock_uom"] = item["stock_uom"]
        row["uom"] = row.get("uom") or item["sales_uom"] or item["stock_uom"]
        row["grant_commission"] = item["grant_commission"]
        if "is_stock_item" in row:
            row["is_stock_item"] = item["is_stock_item"]
        row["warehouse"] = row.get("warehouse") or _default_warehouse(item, company)
        if not row["price_list_rate"]:
            listed = _list_price(tx, item["name"], doc["selling_price_list"])
            row["price_list_rate"] = rounded(listed * doc["plc_conversion_rate"] / doc["conversion_rate"])
        for name, account in (
            ("income_account", "default_income_account"),
            ("expense_account", "default_expense_account"),
        ):
            if name in row:
                row[name] = row.get(name) or company[account]
        if not row["qty"]:
            text = f"Row #{row['idx']}: Quantity for Item <strong>{row['item_code']}</strong> cannot be zero."
            raise thrown("InvalidQtyError", text, title="Invalid Quantity", from_erpnext=True)
        if row["qty"] < 0 and not doc.get("is_return"):
            raise invalid(f"For an item {row['item_code']}, quantity must be positive number")
        uom = tx.store.peek("UOM", row["uom"])
        if uom is not None and uom["must_be_whole_number"] and float(row["qty"] or 0) != int(row["qty"] or 0):
            raise thrown(
                "UOMMustBeIntegerError",
                f"Row {row['idx']}: Quantity ({row['qty']}) cannot be a fraction. To allow this, "
                f"disable 'Must be Whole Number' in UOM {row['uom']}.",
                from_erpnext=True,
            )


def _default_warehouse(item: Doc, company: Doc) -> Any:
    defaults = [row["default_warehouse"] for row in item["item_defaults"] if row["company"] == company["name"]]
    return defaults[0] if defaults else None


def _list_price(tx: Transaction, item_code: str, price_list: str) -> float:
    for price in tx.store.where("Item Price", item_code, price_list):
        return float(price["price_list_rate"])
    return 0.0


def payment_schedule(tx: Transaction, doc: Doc, due: str) -> None:
    """One row for the whole amount, kept when the document is saved again, as recorded."""
    total = doc["rounded_total"] or doc["grand_total"]
    rows = doc["payment_schedule"]
    if not rows:
        meta = tx.meta("Payment Schedule")
        rows.append(
            {**dict.fromkeys(("name", "owner", "creation")), **{each.name: each.default for each in meta.columns}}
        )
    row = rows[0]
    base = rounded(total * doc["conversion_rate"])
    row.update(due_date=due, invoice_portion=100.0, payment_amount=total, outstanding=total, base_payment_amount=base)
    row["base_outstanding"] = base
    del rows[1:]


# Customer and Item


def validate_item(tx: Transaction, doc: Doc) -> None:
    doc["item_name"] = doc.get("item_name") or doc["item_code"]
    doc["description"] = doc.get("description") or doc["item_name"]
    masters.check_barcodes(tx, doc)
    if doc.get("__islocal") and not doc["uoms"] and doc.get("stock_uom"):
        doc["uoms"].append(
            {**dict.fromkeys(("name", "owner", "creation")), "uom": doc["stock_uom"], "conversion_factor": 1.0}
        )
    warehouse = tx.store.peek("Warehouse", "Stores - ATI")
    if doc.get("__islocal") and not doc["item_defaults"] and warehouse is not None:
        doc["item_defaults"].append(
            {
                **dict.fromkeys(("name", "owner", "creation")),
                "company": warehouse["company"],
                "default_warehouse": warehouse["name"],
            }
        )


def after_insert_item(tx: Transaction, doc: Doc) -> None:
    """A standard rate becomes a price in the default price list."""
    if doc["standard_rate"]:
        price = {"item_code": doc["name"], "item_name": doc["item_name"], "uom": doc["stock_uom"], "currency": "USD"}
        price.update(doctype="Item Price", price_list="Standard Selling", price_list_rate=doc["standard_rate"])
        documents.insert(tx, price)


def trash_item(tx: Transaction, doc: Doc) -> None:
    for doctype in ("Bin", "Item Price"):
        for each in tx.store.all(doctype):
            if each["item_code"] == doc["name"]:
                tx.store.remove(doctype, each["name"])


# Sales Order


def validate_order(tx: Transaction, doc: Doc) -> None:
    validate_selling(tx, doc, "transaction_date")
    _delivery_dates(doc)
    check_purchase_order(tx, doc)
    for row in doc["items"]:
        row["transaction_date"] = doc["transaction_date"]
        bin_ = stock.bin_of(tx, row.get("item_code"), row.get("warehouse")) or {}
        row["projected_qty"] = bin_.get("projected_qty", 0.0)
        row["actual_qty"] = bin_.get("actual_qty", 0.0)
        row["valuation_rate"] = bin_.get("valuation_rate", 0.0)
        row["gross_profit"] = rounded((row["base_net_rate"] - row["valuation_rate"]) * row["stock_qty"])
        if row["is_stock_item"] and not row.get("warehouse"):
            raise thrown(
                "WarehouseRequired", f"Delivery warehouse required for stock item {row['item_code']}", from_erpnext=True
            )
    payment_schedule(tx, doc, doc["transaction_date"])
    if doc.get("__islocal"):
        if doc.get("amended_from"):
            doc["status"] = "Draft"
    else:
        doc["status"] = order_status(doc)


def order_status(doc: Doc) -> str:
    if doc["docstatus"] != 1:
        return "Draft" if doc["docstatus"] == 0 else "Cancelled"
    if doc["status"] in ("Closed", "On Hold"):
        return str(doc["status"])
    delivered = doc["per_delivered"] >= 100 or doc["skip_delivery_note"]
    billed = doc["per_billed"] >= 100
    return {
        (False, False): "To Deliver and Bill",
        (True, False): "To Bill",
        (False, True): "To Deliver",
        (True, True): "Completed",
    }[bool(delivered), billed]


def _delivery_dates(doc: Doc) -> None:
    if doc["order_type"] != "Sales" or doc["skip_delivery_note"]:
        return
    dates = [row["delivery_date"] for row in doc["items"] if row.get("delivery_date")]
    if dates:
        doc["delivery_date"] = max(dates)
    if not doc.get("delivery_date"):
        raise invalid("Please enter Delivery Date")
    for row in doc["items"]:
        row["delivery_date"] = row.get("delivery_date") or doc["delivery_date"]
        if row["delivery_date"] < doc["transaction_date"]:
            raise invalid("Expected Delivery Date should be after Sales Order Date", "Invalid Delivery Date", "orange")


def check_purchase_order(tx: Transaction, doc: Doc) -> None:
    """One order per customer and customer's purchase order number, unless Selling Settings allow more."""
    settings = tx.store.peek("Selling Settings", "Selling Settings") or {}
    if not doc.get("po_no") or doc["skip_delivery_note"] or settings.get("allow_against_multiple_purchase_orders"):
        return
    for other in tx.store.where("Sales Order", doc["customer"], doc["po_no"]):
        if other["name"] != doc["name"] and other["docstatus"] < 2 and tx.sees("Sales Order", other["name"]):
            raise invalid(
                f"Sales Order <strong>{other['name']}</strong> already exists against Customer's Purchase Order "
                f"<strong>{doc['po_no']}</strong>. To allow multiple Sales Orders, Enable <strong>'Allow Multiple Sales "
                "Orders Against a Customer's Purchase Order'</strong> in "
                f'<a href="{tx.site.url}/app/selling-settings/Selling%20Settings">Selling Settings</a>'
            )


def open_quantity(row: Doc) -> float:
    """What a row of a submitted order still wants."""
    return float(max(row["stock_qty"] - row["delivered_qty"], 0.0))


def reserve(tx: Transaction, doc: Doc) -> None:
    _reserve(tx, doc, [open_quantity(row) for row in doc["items"]])


def release(tx: Transaction, doc: Doc) -> None:
    _reserve(tx, doc, [-open_quantity(row) for row in doc["items"]])


def _reserve(tx: Transaction, doc: Doc, quantities: list[float]) -> None:
    for row, quantity in zip(doc["items"], quantities, strict=True):
        if row["is_stock_item"] and row.get("warehouse"):
            stock.reserve(tx, row["item_code"], row["warehouse"], quantity)


def update_order_status(tx: Transaction, name: str, status: str) -> None:
    """Close an order or open it again (erpnext's update_status): what it still wants is reserved no longer, or again."""
    doc = documents.load(tx, "Sales Order", name)
    if status == "Closed" and doc["status"] != "Closed":
        release(tx, doc)
    reopened = order_status({**doc, "status": ""})
    documents.set_directly(tx, "Sales Order", doc["name"], {"status": status if status != "Draft" else reopened})
    if doc["status"] == "Closed" and status != "Closed":
        reserve(tx, doc)


def check_open(tx: Transaction, doc: Doc, field: str) -> None:
    """Refuse what follows a closed order, or one on hold; returns are taken."""
    for name in dict.fromkeys(row[field] for row in doc["items"] if row.get(field)):
        order = tx.store.peek("Sales Order", name)
        if order is not None and order["status"] in ("Closed", "On Hold") and not doc["is_return"]:
            raise thrown("InvalidStatusError", f"Sales Order {name} is {order['status']}", from_erpnext=True)


def check_previous(tx: Transaction, doc: Doc, field: str) -> None:
    """Refuse a row that does not fit the row of the order that it names."""
    for row in doc["items"]:
        order = tx.store.peek("Sales Order", row[field]) if row.get(field) else None
        if order is None:
            continue
        if order["customer"] != doc["customer"]:
            raise invalid(f"Incorrect value: Customer must be equal to {order['customer']}", "Message")
        before = next((one for one in order["items"] if one["name"] == row.get("so_detail")), None)
        if before is None:
            raise invalid(f"Row #{row['idx']}: the row of Sales Order {order['name']} does not exist")
        for name in ("item_code", "uom", "conversion_factor"):
            if before[name] != row[name]:
                raise invalid(f"Row #{row['idx']}: Incorrect value in row: {name} must be equal to {before[name]}")
        if doc["docstatus"] == 1 and order["docstatus"] != 1:
            raise invalid(f"Sales Order {order['name']} is not submitted")


def before_cancel_order(tx: Transaction, doc: Doc) -> None:
    if doc["status"] == "Closed":
        raise invalid("Closed order cannot be cancelled. Unclose to cancel.")
    drafts = [
        other["name"]
        for other in tx.store.all("Sales Invoice")
        if other["docstatus"] == 0 and any(row["sales_order"] == doc["name"] for row in other["items"])
    ]
    if drafts:
        raise invalid(f"Sales Invoice {', '.join(drafts)} must be deleted before cancelling this Sales Order")
    for doctype, field in (("Sales Invoice", "sales_order"), ("Delivery Note", "against_sales_order")):
        for other in tx.store.all(doctype):
            if other["docstatus"] == 1 and any(row[field] == doc["name"] for row in other["items"]):
                raise documents.linked_error(tx, tx.meta("Sales Order"), doc["name"], doctype, other["name"])
    doc["status"] = "Cancelled"


def update_order_progress(tx: Transaction, order: str) -> None:
    """Delivered and billed percentages and the status of an order, after a delivery or invoice from it."""
    doc = documents.load(tx, "Sales Order", order)
    wanted = [open_quantity(row) for row in doc["items"]]
    for row in doc["items"]:
        row["delivered_qty"] = _sum(tx, "Delivery Note", "qty", row["name"])  # what came back is delivered no longer
        row["returned_qty"] = -_sum(tx, "Delivery Note", "qty", row["name"], returns=True)
        row["billed_amt"] = _sum(tx, "Sales Invoice", "amount", row["name"], returns=False)  # credit notes leave it
        _check_allowance(row)
    quantity = sum(row["qty"] for row in doc["items"])
    amount = sum(row["amount"] for row in doc["items"])
    delivered = sum(min(row["delivered_qty"], row["qty"]) for row in doc["items"])
    billed = sum(min(row["billed_amt"], row["amount"]) for row in doc["items"])
    doc["per_delivered"] = rounded(100 * delivered / quantity, 6) if quantity else 0.0
    doc["per_billed"] = rounded(100 * billed / amount, 6) if amount else 0.0
    words = {"delivery_status": ("per_delivered", "Delivered"), "billing_status": ("per_billed", "Billed")}
    for status, (percent, word) in words.items():
        part = "Not" if doc[percent] < 0.001 else "Fully" if doc[percent] >= 99.999999 else "Partly"
        doc[status] = f"{part} {word}"
    keys = ("items", "per_delivered", "per_billed", *words)
    documents.set_directly(tx, "Sales Order", order, {**{key: doc[key] for key in keys}, "status": order_status(doc)})
    _reserve(tx, doc, [open_quantity(row) - before for row, before in zip(doc["items"], wanted, strict=True)])


def _check_allowance(row: Doc) -> None:
    """Refuse to deliver or bill more than was ordered (the allowances of a new site are 0)."""
    for done, ordered, what, target in (
        ("delivered_qty", "qty", "Quantity", "Delivery Note"),
        ("billed_amt", "amount", "Amount", "Sales Invoice"),
    ):
        if row[ordered] and (row[done] - row[ordered]) / row[ordered] * 100 > 0.01:
            text = (
                f"This document is over limit by <strong>{what}</strong> <strong>{rounded(row[done] - row[ordered])}"
                f"</strong> for item <strong>{row['item_code']}</strong>. Are you making another <strong>{target}"
                "</strong> against the same <strong>Sales Order Item</strong>?"
            )
            raise thrown("OverAllowanceError", text, title="Limit Crossed", from_erpnext=True)


def _sum(tx: Transaction, doctype: str, field: str, so_detail: str, *, returns: bool | None = None) -> float:
    """Over the submitted rows of an order's row: of all documents, of returns only, or of all others."""
    found = (doc for doc in tx.store.all(doctype) if doc["docstatus"] == 1)
    rows = (row for doc in found if returns is None or bool(doc["is_return"]) == returns for row in doc["items"])
    return float(sum(row[field] for row in rows if row["so_detail"] == so_detail))


HOOKS: dict[str, dict[str, Hook]] = {
    "Item": {"validate": validate_item, "after_insert": after_insert_item, "on_trash": trash_item},
    "Sales Order": {
        "validate": validate_order,
        "before_update_after_submit": check_purchase_order,
        "on_submit": reserve,
        "before_cancel": before_cancel_order,
        "on_cancel": release,
    },
}
