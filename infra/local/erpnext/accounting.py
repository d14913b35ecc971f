"""Sales Invoices, Payment Entries and Delivery Notes: outstanding amounts, ledger entries, and what they change elsewhere.

Recorded: one invoice, its payment, cancellation and ledger entries. Several taxes, partial payments and payments
against orders follow the same rules by extension. From ERPNext's published source (sales_and_purchase_return,
accounts_controller, payment_entry, status_updater): credit notes and returns, what they may take back, whose outstanding
amount they lower, payments to customers, advances on orders, and what blocks a cancellation.
"""

from __future__ import annotations

from typing import Any

from infra.local.erpnext import documents, returns, selling, stock
from infra.local.erpnext.errors import FrappeError, invalid
from infra.local.erpnext.money import in_words, rounded
from infra.local.erpnext.site import Hook, Transaction
from infra.local.erpnext.store import Doc

# Sales Invoice


def validate_invoice(tx: Transaction, doc: Doc) -> None:
    selling.validate_selling(tx, doc, "posting_date")
    company = selling.company_of(tx, doc)
    doc["title"] = doc["customer_name"]
    doc["debit_to"] = doc.get("debit_to") or company["default_receivable_account"]
    doc["party_account_currency"] = company["default_currency"]
    doc["against_income_account"] = ",".join(dict.fromkeys(row["income_account"] for row in doc["items"]))
    doc["due_date"] = doc.get("due_date") or doc["posting_date"]
    if doc["due_date"] < doc["posting_date"]:
        raise invalid("Due Date cannot be before Posting / Supplier Invoice Date")
    for row in doc["items"]:
        row["actual_qty"] = (stock.bin_of(tx, row.get("item_code"), row.get("warehouse")) or {}).get("actual_qty", 0.0)
    selling.check_open(tx, doc, "sales_order")
    selling.check_previous(tx, doc, "sales_order")
    sold = returns.validate(tx, doc)
    if sold is not None:
        if sold["debit_to"] != doc["debit_to"]:
            raise invalid(
                f"Please set <strong>Debit To</strong> to <strong>{sold['debit_to']}</strong>, the same account that was "
                f"used in the original invoice <strong>{sold['name']}</strong>."
            )
        if doc["docstatus"] == 1 and not _lowers(doc, sold):
            doc["update_outstanding_for_self"] = 1
    doc["outstanding_amount"] = 0.0 if sold is not None and _lowers(doc, sold) else _payable(doc)
    selling.payment_schedule(tx, doc, doc["due_date"])
    if doc["docstatus"] == 1:
        doc["remarks"] = doc.get("remarks") or "No Remarks"
    doc["status"] = invoice_status(tx, doc)


def _payable(doc: Doc) -> float:
    """What the customer owes, in the currency of the receivable account."""
    prefix = "" if doc["party_account_currency"] == doc["currency"] else "base_"
    return float(doc[f"{prefix}rounded_total"] or doc[f"{prefix}grand_total"])


def invoice_status(tx: Transaction, doc: Doc) -> str:
    if doc["docstatus"] != 1:
        return "Draft" if doc["docstatus"] == 0 else "Cancelled"
    if doc["is_return"]:
        return "Return"
    if doc["outstanding_amount"] <= 0:
        credited = any(
            other["return_against"] == doc["name"] and other["docstatus"] == 1
            for other in tx.store.all("Sales Invoice")
        )
        return "Credit Note Issued" if credited else "Paid"
    if doc["due_date"] < tx.today():
        return "Overdue"
    return "Partly Paid" if doc["outstanding_amount"] < _payable(doc) else "Unpaid"


def _lowers(credit: Doc, sold: Doc) -> bool:
    """Whether a credit note lowers what its invoice still asks for; one above that keeps a balance of its own."""
    return not credit["update_outstanding_for_self"] and -_payable(credit) <= sold["outstanding_amount"]


def _lower(tx: Transaction, credit: Doc, amount: float) -> None:
    """Let a credit note lower its invoice by `amount`, where it keeps no balance of its own."""
    if credit["is_return"] and credit["return_against"]:
        sold = documents.load(tx, "Sales Invoice", credit["return_against"])
        lowered = {"outstanding_amount": sold["outstanding_amount"]}
        if not credit["update_outstanding_for_self"]:
            lowered["outstanding_amount"] = rounded(sold["outstanding_amount"] - amount)
        status = invoice_status(tx, {**sold, **lowered})
        documents.set_directly(tx, "Sales Invoice", sold["name"], {**lowered, "status": status})


def before_cancel_invoice(tx: Transaction, doc: Doc) -> None:
    returns.check_not_returned(tx, doc)


def submit_invoice(tx: Transaction, doc: Doc) -> None:
    _check_fiscal_year(tx, doc)
    _lower(tx, doc, -_payable(doc))
    income: dict[str, float] = {}
    for row in doc["items"]:
        income[row["income_account"]] = income.get(row["income_account"], 0.0) + row["base_net_amount"]
    for tax in doc["taxes"]:
        amount = tax["base_tax_amount_after_discount_amount"]
        income[tax["account_head"]] = income.get(tax["account_head"], 0.0) + amount
    total = doc["base_rounded_total"] or doc["base_grand_total"]
    cent = rounded(total - sum(rounded(amount) for amount in income.values()))
    if cent:
        account = selling.company_of(tx, doc)["round_off_account"]
        income[account] = income.get(account, 0.0) + cent
    for account, amount in income.items():
        book(tx, doc, account, credit=rounded(amount))
    book(
        tx,
        doc,
        doc["debit_to"],
        debit=total,
        party=("Customer", doc["customer"]),
        against=("Sales Invoice", doc["name"]),
    )
    _follow_up_orders(tx, doc, "sales_order")


def _check_fiscal_year(tx: Transaction, doc: Doc) -> None:
    day = doc["posting_date"]
    for year in tx.store.all("Fiscal Year"):
        if year["year_start_date"] <= day <= year["year_end_date"] and not year["disabled"]:
            return
    text = (
        f"Date {day[5:7]}-{day[8:10]}-{day[:4]} is not in any active Fiscal Year for <strong>{doc['company']}</strong>"
    )
    raise FrappeError("FiscalYearError", text, [{"message": text, "title": "Message"}], from_erpnext=True)


def cancel_invoice(tx: Transaction, doc: Doc) -> None:
    """A paid invoice can be cancelled: its payments are unlinked, as recorded."""
    unlinked = []
    for payment in list(tx.store.all("Payment Entry")):
        rows = [row for row in payment["references"] if row["reference_name"] != doc["name"]]
        if payment["docstatus"] == 1 and len(rows) < len(payment["references"]):
            allocated = rounded(sum(row["allocated_amount"] for row in rows))
            values = {"references": rows, "total_allocated_amount": allocated}
            values["unallocated_amount"] = rounded(payment["paid_amount"] - allocated)
            documents.set_directly(tx, "Payment Entry", payment["name"], values)
            unlinked.append(payment["name"])
    if unlinked:
        tx.say(f"Payment Entries {', '.join(unlinked)} are un-linked")
    unbook(tx, doc)
    _lower(tx, doc, _payable(doc))
    doc.update(status="Cancelled", outstanding_amount=0.0)
    documents.set_directly(
        tx, doc["doctype"], doc["name"], {"status": "Cancelled", "outstanding_amount": 0.0}, touch=False
    )
    _follow_up_orders(tx, doc, "sales_order")


def _follow_up_orders(tx: Transaction, doc: Doc, field: str) -> None:
    for order in dict.fromkeys(row[field] for row in doc["items"] if row.get(field)):
        selling.update_order_progress(tx, order)


# The ledger


def book(
    tx: Transaction,
    doc: Doc,
    account: str,
    *,
    debit: float = 0.0,
    credit: float = 0.0,
    party: tuple[str, str] | None = None,
    against: tuple[str, str] | None = None,
) -> None:
    """One GL Entry, in company currency."""
    values: Doc = {"doctype": "GL Entry", "posting_date": doc["posting_date"], "account": account}
    values.update(debit=debit, credit=credit, debit_in_account_currency=debit, credit_in_account_currency=credit)
    values.update(
        voucher_type=doc["doctype"], voucher_no=doc["name"], company=doc["company"], fiscal_year=doc["posting_date"][:4]
    )
    if party:
        values.update(party_type=party[0], party=party[1])
    if against:
        values.update(against_voucher_type=against[0], against_voucher=against[1])
    documents.insert(tx, values)


def unbook(tx: Transaction, doc: Doc) -> None:
    """Cancel a voucher's GL Entries and book their opposites."""
    entries = [
        each for each in tx.store.all("GL Entry") if each["voucher_no"] == doc["name"] and not each["is_cancelled"]
    ]
    for entry in entries:
        documents.set_directly(tx, "GL Entry", entry["name"], {"is_cancelled": 1})
        book(tx, doc, entry["account"], debit=entry["credit"], credit=entry["debit"])
    for each in list(tx.store.all("GL Entry")):
        if each["voucher_no"] == doc["name"] and not each["is_cancelled"]:
            documents.set_directly(tx, "GL Entry", each["name"], {"is_cancelled": 1}, touch=False)


# Payment Entry


def payment_for(tx: Transaction, doctype: str, name: str) -> Doc:
    """The template of a Payment Entry against an invoice or order (erpnext's get_payment_entry)."""
    source = documents.load(tx, doctype, name)
    company = selling.company_of(tx, source)
    owed = (
        source["outstanding_amount"]
        if doctype == "Sales Invoice"
        else (source["rounded_total"] or source["grand_total"])
    )
    meta = tx.meta("Payment Entry")
    doc: Doc = {each.name: each.default for each in meta.columns}
    today, currency = tx.today(), company["default_currency"]
    doc.update(doctype="Payment Entry", owner=tx.user, docstatus=0, idx=0, payment_type="Receive", posting_date=today)
    doc.update(
        company=company["name"], party_type="Customer", party=source["customer"], party_name=source["customer_name"]
    )
    doc.update(
        paid_from=company["default_receivable_account"], paid_to=company["default_bank_account"], reference_date=today
    )
    doc.update(paid_from_account_type="Receivable", paid_to_account_type="Bank")
    doc.update(paid_from_account_currency=currency, paid_to_account_currency=currency)
    doc.update(source_exchange_rate=1.0, target_exchange_rate=1.0)
    for field in ("paid_amount", "base_paid_amount", "received_amount", "base_received_amount"):
        doc[field] = owed
    doc.update(total_allocated_amount=owed, base_total_allocated_amount=owed)
    row: Doc = {each.name: each.default for each in tx.meta("Payment Entry Reference").columns}
    row.update(
        doctype="Payment Entry Reference", parentfield="references", parenttype="Payment Entry", docstatus=0, idx=1
    )
    row.update(modified=tx.stamp(), modified_by=tx.user, reference_doctype=doctype, reference_name=source["name"])
    row.update(due_date=source.get("due_date"), total_amount=source["rounded_total"] or source["grand_total"])
    row.update(outstanding_amount=owed, allocated_amount=owed, exchange_rate=1.0, account=doc["paid_from"], __islocal=1)
    doc.update(deductions=[], taxes=[], references=[{key: value for key, value in row.items() if value is not None}])
    return {**{key: value for key, value in doc.items() if value is not None}, "__islocal": 1, "__unsaved": 1}


def validate_payment(tx: Transaction, doc: Doc) -> None:
    company = selling.company_of(tx, doc)
    currency = company["default_currency"]
    sides = ("paid_from", "paid_to") if doc["payment_type"] == "Receive" else ("paid_to", "paid_from")
    for side, default in zip(sides, ("default_receivable_account", "default_bank_account"), strict=True):
        doc[side] = doc.get(side) or company[default]
        account = tx.store.peek("Account", doc[side]) or {}
        doc[f"{side}_account_type"] = account.get("account_type")
        doc[f"{side}_account_currency"] = account.get("account_currency") or currency
    doc["source_exchange_rate"] = doc["source_exchange_rate"] or 1.0
    doc["target_exchange_rate"] = doc["target_exchange_rate"] or 1.0
    ours = "paid_to" if doc["payment_type"] == "Receive" else "paid_from"
    if doc[f"{ours}_account_type"] == "Bank" and not (doc.get("reference_no") and doc.get("reference_date")):
        raise invalid("Reference No and Reference Date is mandatory for Bank transaction")
    party = tx.store.peek(doc["party_type"], doc["party"]) if doc.get("party_type") and doc.get("party") else None
    doc["party_name"] = doc["title"] = (party or {}).get("customer_name") or doc.get("party")
    allocated = 0.0
    pairs = [(row["reference_doctype"], row["reference_name"]) for row in doc["references"]]
    if len(set(pairs)) < len(pairs):
        raise invalid(f"Row #{len(pairs)}: Duplicate entry in References {' '.join(pairs[-1])}")
    for row in doc["references"]:
        allocated += _check_reference(tx, doc, row)
    if allocated < 0 and doc["payment_type"] == "Receive":
        raise invalid("Cannot receive from customer against negative outstanding", "Incorrect Payment Type")
    allocated = abs(allocated)
    amount = doc["paid_amount"] = rounded(doc["paid_amount"])
    doc["received_amount"] = rounded(doc["received_amount"]) or amount
    for field, rate in (("paid_amount", "source_exchange_rate"), ("received_amount", "target_exchange_rate")):
        doc[f"base_{field}"] = rounded(doc[field] * doc[rate])
        doc[f"{field}_after_tax"] = doc[field]
        doc[f"base_{field}_after_tax"] = doc[f"base_{field}"]
    doc["total_allocated_amount"] = doc["base_total_allocated_amount"] = rounded(allocated)
    doc["unallocated_amount"] = rounded(amount - allocated)
    doc["in_words"] = doc["base_in_words"] = in_words(amount, currency)
    if not doc["custom_remarks"]:
        doc["remarks"] = _remarks(doc, currency)
    doc["status"] = {0: "Draft", 1: "Submitted", 2: "Cancelled"}[doc["docstatus"]]


def _check_reference(tx: Transaction, doc: Doc, row: Doc) -> float:
    reference = documents.load(tx, row["reference_doctype"], row["reference_name"])
    of_invoice = reference["doctype"] == "Sales Invoice"
    owed = float(reference["outstanding_amount"]) if of_invoice else _advance_owed(reference)
    if reference["customer"] != doc["party"]:
        raise invalid(f"{reference['doctype']} {reference['name']} is not associated with Customer {doc['party']}")
    account = doc["paid_from" if doc["payment_type"] == "Receive" else "paid_to"]
    if of_invoice and reference["debit_to"] != account:
        raise invalid(
            f"Sales Invoice {reference['name']} is associated with {reference['debit_to']}, but Party Account is {account}"
        )
    if reference["docstatus"] != 1:
        raise invalid(f"{reference['doctype']} {reference['name']} must be submitted")
    if not owed or (doc["payment_type"] == "Receive" and owed < 0):
        raise invalid(f"{reference['doctype']} {reference['name']} has already been fully paid.")
    if (0 < row["allocated_amount"] > owed) or (0 > row["allocated_amount"] < owed):
        raise invalid(f"Row #{row['idx']}: Allocated Amount cannot be greater than outstanding amount.")
    if of_invoice:
        row["due_date"] = reference["due_date"]
    row["outstanding_amount"] = owed
    row["total_amount"] = reference["rounded_total"] or reference["grand_total"]
    row["exchange_rate"] = row["exchange_rate"] or 1.0
    row["account"] = row.get("account") or doc["paid_from"]
    return float(row["allocated_amount"])


def _advance_owed(order: Doc) -> float:
    """What can still be paid on an order; one that is billed or closed takes no advances."""
    if order["per_billed"] > 99.99 or order["status"] == "Closed":
        return 0.0
    return rounded((order["rounded_total"] or order["grand_total"]) - order["advance_paid"])


def _remarks(doc: Doc, currency: str) -> str:
    verb, link = ("received", "from") if doc["payment_type"] == "Receive" else ("paid", "to")
    lines = [f"Amount {currency} {doc['paid_amount']} {verb} {link} {doc['party']}"]
    if doc.get("reference_no"):
        lines.append(f"Transaction reference no {doc['reference_no']} dated {doc['reference_date']}")
    lines += [
        f"Amount {currency} {row['allocated_amount']} against {row['reference_doctype']} {row['reference_name']}"
        for row in doc["references"]
        if row["allocated_amount"]
    ]
    return "\n".join(lines)


def submit_payment(tx: Transaction, doc: Doc) -> None:
    party = (doc["party_type"], doc["party"])
    received = doc["payment_type"] == "Receive"
    book(tx, doc, doc["paid_to"], debit=doc["base_received_amount"], party=None if received else party)
    book(tx, doc, doc["paid_from"], credit=doc["base_paid_amount"], party=party if received else None)
    for row in doc["references"]:
        left = _pay(tx, row, row["allocated_amount"])
        if left is not None:
            row["outstanding_amount"] = left
    documents.set_directly(tx, "Payment Entry", doc["name"], {"references": doc["references"]}, touch=False)


def cancel_payment(tx: Transaction, doc: Doc) -> None:
    unbook(tx, doc)
    for row in doc["references"]:
        _pay(tx, row, -row["allocated_amount"])
    doc["status"] = "Cancelled"
    documents.set_directly(tx, "Payment Entry", doc["name"], {"status": "Cancelled"}, touch=False)


def _pay(tx: Transaction, row: Doc, amount: float) -> float | None:
    """Take a payment off an invoice (or put it back), and say what is still owed."""
    if row["reference_doctype"] == "Sales Order":
        order = documents.load(tx, "Sales Order", row["reference_name"])
        documents.set_directly(
            tx, "Sales Order", order["name"], {"advance_paid": rounded(order["advance_paid"] + amount)}
        )
        return None
    if row["reference_doctype"] != "Sales Invoice":
        return None
    invoice = documents.load(tx, "Sales Invoice", row["reference_name"])
    left = rounded(invoice["outstanding_amount"] - amount)
    values: dict[str, Any] = {"outstanding_amount": left}
    values["status"] = invoice_status(tx, {**invoice, **values})
    documents.set_directly(tx, "Sales Invoice", invoice["name"], values)
    return left


# Delivery Note


def validate_delivery(tx: Transaction, doc: Doc) -> None:
    selling.validate_selling(tx, doc, "posting_date")
    doc["title"] = doc["customer_name"]
    for row in doc["items"]:
        if bool(row.get("against_sales_order")) != bool(row.get("so_detail")):
            raise invalid("References to Sales Orders are Incomplete", "References to Sales Orders are Incomplete")
        if row.get("is_stock_item") and not row.get("warehouse"):
            raise invalid(f"Warehouse required for stock Item {row['item_code']}")
    selling.check_open(tx, doc, "against_sales_order")
    selling.check_previous(tx, doc, "against_sales_order")
    returns.validate(tx, doc)
    doc["status"] = {0: "Draft", 1: "Return" if doc["is_return"] else "To Bill", 2: "Cancelled"}[doc["docstatus"]]


def submit_delivery(tx: Transaction, doc: Doc) -> None:
    _deliver(tx, doc, -1)
    returns.follow_up(tx, doc)


def before_cancel_delivery(tx: Transaction, doc: Doc) -> None:
    returns.check_not_returned(tx, doc)
    selling.check_open(tx, doc, "against_sales_order")


def cancel_delivery(tx: Transaction, doc: Doc) -> None:
    doc["status"] = "Cancelled"
    documents.set_directly(tx, "Delivery Note", doc["name"], {"status": "Cancelled"}, touch=False)
    _deliver(tx, doc, 1)
    returns.follow_up(tx, doc)


def _deliver(tx: Transaction, doc: Doc, sign: int) -> None:
    for row in doc["items"]:
        item = tx.store.peek("Item", row["item_code"]) if row.get("item_code") else None
        if item is not None and item["is_stock_item"] and row.get("warehouse"):
            before = stock.bin_of(tx, row["item_code"], row["warehouse"]) or {}
            stock.move(tx, doc, row, row["warehouse"], sign * row["stock_qty"], before.get("valuation_rate", 0.0))
    _follow_up_orders(tx, doc, "against_sales_order")


HOOKS: dict[str, dict[str, Hook]] = {
    "Sales Invoice": {
        "validate": validate_invoice,
        "on_submit": submit_invoice,
        "before_cancel": before_cancel_invoice,
        "on_cancel": cancel_invoice,
    },
    "Payment Entry": {"validate": validate_payment, "on_submit": submit_payment, "on_cancel": cancel_payment},
    "Delivery Note": {
        "validate": validate_delivery,
        "on_submit": submit_delivery,
        "before_cancel": before_cancel_delivery,
        "on_cancel": cancel_delivery,
    },
}
