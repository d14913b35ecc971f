"""What a Sales Order leads to, as pure tables: invoice, payments, delivery, credit note, return.

They are made from the document that they follow (the order's, the invoice's, the delivery's), so that they say the same
Items, units, rates and accounts, whatever desk users made of them. The columns that link a row back are those that
ERPNext's own mappers set (make_sales_invoice, make_delivery_note, make_return_doc).
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Decimal
from typing import Any
from zoneinfo import ZoneInfo

from connectors.erpnext.client import Document
from connectors.erpnext.mapping import LINE_FIELD, NAME_CHARS, priced, printable
from connectors.erpnext.settings import FlowSettings, ModeOfPayment
from hub.errors import NotConfigured, Refused, TotalMismatch
from hub.records import Charge, Fulfilment, FulfilmentLine, Order, Refund, RefundLine

Row = dict[str, Any]

HEAD = ("customer", "company", "currency", "conversion_rate", "selling_price_list")
ITEM = ("item_code", "uom", "conversion_factor", "warehouse", "cost_center")
TAX = ("charge_type", "account_head", "description", "tax_amount", "rate", "row_id", "cost_center")
SMALLEST_AMOUNT = Decimal("0.01")  # of amounts that are booked in the company's currency


def local_posting(moment: datetime, settings: FlowSettings, after: Document | None = None) -> Row:
    """When a document is posted, on the site's clock; never before the one that it follows, which ERPNext refuses."""
    local = moment.astimezone(ZoneInfo(settings.time_zone))
    day, time = local.date().isoformat(), local.strftime("%H:%M:%S")
    if after is not None and (day, _seconds(time)) < (after["posting_date"], _seconds(after.get("posting_time") or "")):
        day, time = after["posting_date"], after["posting_time"]
    return {"posting_date": day, "posting_time": time, "set_posting_time": 1}


def stock_posting(moment: datetime, told: datetime, settings: FlowSettings, after: Document | None = None) -> Row:
    """When a document that moves stock is posted: at once for a move of the day on which the hub was told of it, since
    ERPNext would look for goods that were booked in later that day; else when it happened."""
    zone = ZoneInfo(settings.time_zone)
    same_day = moment.astimezone(zone).date() >= told.astimezone(zone).date()
    return {} if same_day else local_posting(moment, settings, after)


def invoice(order: Order, sales_order: Document, paid_at: datetime, settings: FlowSettings) -> Row:
    """The Sales Invoice of a whole order."""
    posting = local_posting(paid_at, settings)
    return {
        **_head(sales_order, settings.invoice_naming_series),
        **posting,
        "due_date": posting["posting_date"],
        "ignore_default_payment_terms_template": 1,  # what a shop sells is due at once
        "po_no": order.number,
        "update_stock": 0,
        "apply_discount_on": sales_order.get("apply_discount_on") or "Net Total",
        "discount_amount": sales_order.get("discount_amount") or 0,
        "items": [
            {
                **_item(row),
                "qty": row["qty"],
                **priced(Decimal(row["rate"])),
                "sales_order": sales_order["name"],
                "so_detail": row["name"],
            }
            for row in sales_order["items"]
        ],
        "taxes": [{name: row[name] for name in TAX if row.get(name)} for row in sales_order.get("taxes") or []],
    }


def payment(
    received: Decimal, owing: Document, at: datetime, reference: str, mode: ModeOfPayment, settings: FlowSettings
) -> Row:
    """The Payment Entry of money received, in the order's currency, for an invoice or (as an advance) for an order."""
    amount = _in_party_currency(received, owing)
    advance = owing["doctype"] == "Sales Order"
    total = owing.get("rounded_total") or owing["grand_total"]
    owed = Decimal(total) - Decimal(owing.get("advance_paid") or 0) if advance else Decimal(owing["outstanding_amount"])
    return {
        **_payment_head("Receive", amount, owing, at, reference, mode, settings),
        **({"paid_from": owing["debit_to"]} if owing.get("debit_to") else {}),
        "paid_to": mode.account,
        "references": _allocation(owing, min(amount, owed)),  # what exceeds it stays with the customer as an advance
    }


def repayment(refund: Refund, credit_note: Document, mode: ModeOfPayment, settings: FlowSettings) -> Row:
    """The Payment Entry of money given back for a credit note."""
    amount = _in_party_currency(refund.total, credit_note)
    owed = min(amount, -Decimal(credit_note["outstanding_amount"]))
    return {
        **_payment_head("Pay", amount, credit_note, refund.refunded_at, refund.id, mode, settings),
        "paid_from": mode.account,
        "paid_to": credit_note["debit_to"],
        "references": _allocation(credit_note, -owed),
    }


def delivery_note(fulfilment: Fulfilment, sales_order: Document, told: datetime, settings: FlowSettings) -> Row:
    """The Delivery Note of one shipment, of which the hub was `told` then."""
    tracking = " ".join(filter(None, (fulfilment.carrier, ", ".join(fulfilment.tracking_numbers))))
    what = f"shipment {fulfilment.id}"
    rows = []
    for line in fulfilment.lines:
        row = find_row(sales_order["items"], line, f"{what}: Sales Order {sales_order['name']}")
        link = {"against_sales_order": sales_order["name"], "so_detail": row["name"]}
        rows.append({**_item(row), "qty": line.quantity, **priced(Decimal(row["rate"])), **link})
    return {
        **_head(sales_order, settings.delivery_naming_series),
        **stock_posting(fulfilment.shipped_at, told, settings),
        **({"lr_no": tracking[:NAME_CHARS]} if tracking else {}),
        "items": rows,
    }


def credit_note(refund: Refund, sold: Document, settings: FlowSettings) -> Row:
    """The credit note of a refund, against the invoice `sold`: what was given back for lines, shipping and otherwise.

    Money that was kept back comes off the lines, then off shipping and taxes; what no line bears is one `refund_item`.
    """
    lines = [line for line in refund.lines if line.quantity and _net(line, refund)]
    shipping = _net(refund.shipping, refund) if refund.shipping else Decimal(0)
    taxes = sum((line.tax for line in refund.lines), refund.shipping.tax if refund.shipping else Decimal(0))
    loose = max(refund.adjustment, Decimal(0)) + sum(
        (_net(line, refund) for line in refund.lines if not line.quantity), Decimal(0)
    )
    if not lines:
        loose, shipping = loose + shipping, Decimal(0)
    if not lines and not loose:
        loose, taxes = taxes, Decimal(0)  # a tax alone: ERPNext wants a row to put it beside
    goods = sum((_net(line, refund) for line in lines), Decimal(0)) + loose
    kept = max(-refund.adjustment, Decimal(0))
    off_goods = min(kept, goods)
    off_shipping = min(kept - off_goods, shipping)
    items = [_credited(line, refund, sold) for line in lines]
    if loose:
        items.append(_loose(loose, refund, sold, settings))
    rows_total = sum((-row["qty"] * row["rate"] for row in items), Decimal(0))
    posting = local_posting(refund.refunded_at, settings, after=sold)
    return {
        **_head(sold, settings.credit_note_naming_series),
        **posting,
        "due_date": posting["posting_date"],
        "is_return": 1,
        "return_against": sold["name"],
        "debit_to": sold["debit_to"],
        "update_stock": 0,
        # it is paid back by a Payment Entry of its own; else it lowers what the invoice still asks for
        "update_outstanding_for_self": int("payment_entry" in settings.on_payment),
        "apply_discount_on": "Net Total",
        "discount_amount": goods - off_goods - rows_total,
        "items": items,
        "taxes": [
            _charge(account, text, -amount, settings)
            for account, text, amount in (
                (settings.shipping_account, refund.shipping.title if refund.shipping else "", shipping - off_shipping),
                (settings.tax_account, "Tax", taxes - (kept - off_goods - off_shipping)),
            )
            if amount
        ],
    }


def goods_return(
    took: Sequence[tuple[Document, Decimal]],
    refund: Refund,
    delivered: Document,
    told: datetime,
    settings: FlowSettings,
) -> Row:
    """The return of goods against the Delivery Note `delivered`; `took` says of which of its rows how many came back."""
    links = ("against_sales_order", "so_detail")
    return {
        **_head(delivered, settings.return_naming_series),
        **stock_posting(refund.refunded_at, told, settings, after=delivered),
        "is_return": 1,
        "return_against": delivered["name"],
        "items": [
            {
                **_item(row),
                "qty": -quantity,
                **priced(Decimal(row["rate"])),
                "dn_detail": row["name"],
                **{name: row[name] for name in links if row.get(name)},
            }
            for row, quantity in took
        ],
    }


def find_row(rows: Iterable[Document], line: FulfilmentLine | RefundLine, where: str) -> Document:
    """The row of the source's line; raises Refused where there is none."""
    found = [row for row in rows if is_row_of(row, line)]
    if found:
        return next((row for row in found if row.get(LINE_FIELD)), found[0])
    raise Refused(
        f"{where} has no row for line {line.line_id} (SKU {line.sku!r}); add it in ERPNext, or write this document there "
        "by hand, then replay or discard the event (hub events replay)"
    )


def is_row_of(row: Document, line: FulfilmentLine | RefundLine) -> bool:
    """Whether a row stands for the source's line: by the line's id, in rows of before the hub wrote those by the SKU."""
    marked = row.get(LINE_FIELD)
    if marked:
        return bool(marked == line.line_id[:NAME_CHARS])
    code = str(row.get("item_code") or "")
    return bool(line.sku) and code.rstrip().casefold() == line.sku.rstrip().casefold()  # as MariaDB compares


def check_credit(refund: Refund, document: Document) -> None:
    """Raise TotalMismatch unless ERPNext's credit note is exactly what the buyer got."""
    total, currency = -Decimal(document["grand_total"]), document["currency"]
    if total != refund.total or currency != refund.currency:
        raise TotalMismatch(
            f"refund {refund.id}: ERPNext computes {total} {currency}, the source gave back {refund.total} "
            f"{refund.currency}; look for pricing rules, tax templates or roundings that ERPNext adds to the credit note"
        )


def check_paid(amount: Decimal, document: Document) -> None:
    """Raise TotalMismatch unless a Payment Entry bears the amount that it was sent with."""
    if Decimal(document["paid_amount"]) != amount:
        raise TotalMismatch(
            f"ERPNext changed the amount of a Payment Entry from {amount} to {document['paid_amount']}; look for "
            "customisations of Payment Entry there, then replay the event"
        )


def _head(followed: Document, naming_series: str | None) -> Row:
    series = {"naming_series": naming_series} if naming_series else {}
    copied = {name: followed[name] for name in HEAD if followed.get(name)}
    return {**copied, "ignore_pricing_rule": 1, "disable_rounded_total": 1, **series}


def _item(row: Document) -> Row:
    return {name: row[name] for name in (*ITEM, LINE_FIELD) if row.get(name)}


def _net(part: RefundLine | Charge, refund: Refund) -> Decimal:
    return part.amount - part.tax if refund.taxes_included else part.amount


def _credited(line: RefundLine, refund: Refund, sold: Document) -> Row:
    row = find_row(sold["items"], line, f"refund {refund.id}: Sales Invoice {sold['name']}")
    digits = [int(amount.as_tuple().exponent) for amount in (refund.total, line.amount, line.tax)]
    smallest = Decimal(1).scaleb(min(*digits, 0))
    # rounded up, so that the discount, which takes the difference off again, has the sign of the other amounts
    rate = (_net(line, refund) / line.quantity).quantize(smallest, rounding=ROUND_CEILING)
    links = {name: row[name] for name in ("sales_order", "so_detail", "income_account") if row.get(name)}
    return {**_item(row), "qty": -line.quantity, "rate": rate, "sales_invoice_item": row["name"], **links}


def _loose(amount: Decimal, refund: Refund, sold: Document, settings: FlowSettings) -> Row:
    if settings.refund_item is None:
        raise NotConfigured(
            f"refund {refund.id} gives back {amount} {refund.currency} that belong to no line of Sales Invoice "
            f"{sold['name']}; name a service Item for such money in the flow's settings (refund_item: …), then replay "
            "the event"
        )
    return {"item_code": settings.refund_item, "qty": Decimal(-1), "rate": amount}


def _charge(account: str, description: str, amount: Decimal, settings: FlowSettings) -> Row:
    row = {"charge_type": "Actual", "account_head": account, "tax_amount": amount}
    row["description"] = printable(description or "Shipping")
    return {**row, "cost_center": settings.cost_center} if settings.cost_center else row


def _payment_head(
    kind: str,
    amount: Decimal,
    followed: Document,
    at: datetime,
    reference: str,
    mode: ModeOfPayment,
    settings: FlowSettings,
) -> Row:
    day = local_posting(at, settings)["posting_date"]
    optional: Mapping[str, str | None] = {
        "naming_series": settings.payment_naming_series,
        "mode_of_payment": mode.mode,
        "cost_center": settings.cost_center,
    }
    return {
        "payment_type": kind,
        "company": followed["company"],
        "posting_date": day,
        "party_type": "Customer",
        "party": followed["customer"],
        "paid_amount": amount,
        "received_amount": amount,
        "reference_no": reference[:NAME_CHARS],  # ERPNext asks for both where a bank account is concerned
        "reference_date": day,
        **{name: value for name, value in optional.items() if value},
    }


def _allocation(followed: Document, amount: Decimal) -> list[Row]:
    row = {"reference_doctype": followed["doctype"], "reference_name": followed["name"], "allocated_amount": amount}
    return [row] if amount and (amount > 0) == (Decimal(followed["grand_total"]) > 0) else []


def _in_party_currency(amount: Decimal, followed: Document) -> Decimal:
    """An amount of the order's currency in that of the customer's account, which Payment Entries are written in."""
    if followed.get("party_account_currency") in (None, "", followed["currency"]):
        return amount
    return (amount * Decimal(followed["conversion_rate"])).quantize(SMALLEST_AMOUNT, rounding=ROUND_HALF_EVEN)


def _seconds(time: str) -> float:
    """A time of day as ERPNext writes it ("0:10:16.399999"), in seconds."""
    seconds = 0.0
    for part in filter(None, time.split(":")):
        seconds = seconds * 60 + float(part)
    return seconds
