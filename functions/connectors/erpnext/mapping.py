"""From the hub's records to ERPNext's documents: pure tables, without clock and calls."""

from collections.abc import Mapping
from datetime import timedelta
from decimal import ROUND_CEILING, Decimal
from typing import Any
from zoneinfo import ZoneInfo

from connectors.erpnext.client import Document
from connectors.erpnext.settings import FlowSettings
from hub.errors import Refused, TotalMismatch
from hub.records import Charge, Customer, Order, OrderLine

NAME_CHARS = 140  # ERPNext's Data fields
LINE_FIELD = "hub_line_id"  # of item rows: the source's line, by which shipments and refunds find theirs

ALLOWED_ON_SUBMIT = frozenset({"po_no"})  # as recorded; other fields of a submitted order are refused

# given at creation, then the desk users' own: an order is not rewritten because somebody moved its delivery date
ONLY_NEW = frozenset(
    [
        "company",
        "transaction_date",
        "delivery_date",
        "selling_price_list",
        "ignore_pricing_rule",
        "disable_rounded_total",
        "apply_discount_on",
        "naming_series",
        "warehouse",
        "charge_type",
        "description",
        "cost_center",
        "customer_group",
        "territory",
        "discount_percentage",
        LINE_FIELD,
    ]
)
ROW_KEY = {"items": (LINE_FIELD, "item_code"), "taxes": ("account_head",)}


def customer_fields(customer: Customer, settings: FlowSettings) -> dict[str, Any]:
    """The fields of a Customer."""
    return {
        "customer_name": printable(customer.name),
        "customer_type": "Company" if customer.is_company else "Individual",
        "customer_group": settings.customer_group,
        "territory": settings.territory,
    }


def printable(name: str) -> str:
    """A name as ERPNext takes it: `<` and `>` are refused there (NameError), more than 140 characters as well."""
    return " ".join(name.replace("<", " ").replace(">", " ").split())[:NAME_CHARS].strip() or "Unnamed"


def collated(sku: str) -> str:
    """As MariaDB compares names: without case and trailing spaces."""
    return sku.rstrip().casefold()


def order_fields(order: Order, customer_name: str, settings: FlowSettings) -> dict[str, Any]:
    """The fields of a Sales Order, without its tables."""
    placed = order.placed_at.astimezone(ZoneInfo(settings.time_zone)).date()
    fields: dict[str, Any] = {
        "customer": customer_name,
        "company": settings.company,
        "transaction_date": placed.isoformat(),
        "delivery_date": (placed + timedelta(days=settings.delivery_days)).isoformat(),
        "currency": order.currency,
        "selling_price_list": settings.price_list,
        "ignore_pricing_rule": 1,  # the shop has priced the order already
        "disable_rounded_total": 1,  # the shop charged the exact total
        "po_no": order.number,
        "apply_discount_on": "Net Total",
        "discount_amount": discount(order),
    }
    if settings.naming_series:
        fields["naming_series"] = settings.naming_series
    return fields


def item_rows(order: Order, item_codes: Mapping[str, str], settings: FlowSettings) -> list[dict[str, Any]]:
    """The order's lines; `item_codes` maps a line's id to its Item."""
    delivery = order_fields(order, "", settings)["delivery_date"]
    return [
        {
            "item_code": item_codes[line.id],
            "qty": line.quantity,
            **priced(rate(line, order)),
            "warehouse": settings.warehouse,
            "delivery_date": delivery,
            LINE_FIELD: line.id[:NAME_CHARS],
        }
        for line in order.lines
    ]


def priced(unit_rate: Decimal) -> dict[str, Decimal]:
    """The columns of a rate. ERPNext puts the list price in place of 0, unless all of it is taken off."""
    return {"rate": unit_rate} if unit_rate else {"rate": unit_rate, "discount_percentage": Decimal(100)}


def tax_rows(order: Order, settings: FlowSettings) -> list[dict[str, Any]]:
    """Shipping and taxes as actual amounts, so that ERPNext adds them up and computes nothing of its own."""
    shipping = [
        _row(settings.shipping_account, charge.title or "Shipping", _net(charge, order), settings)
        for charge in order.shipping
    ]
    taxes = [_row(settings.tax_account, charge.title or "Tax", charge.amount, settings) for charge in order.taxes]
    return [row for row in shipping + taxes if row["tax_amount"]]


def discount(order: Order) -> Decimal:
    """What is taken off the sum of the rows: the lines' discounts, and what rounding a net rate up has added."""
    rows = sum((line.quantity * rate(line, order) for line in order.lines), Decimal(0))
    net = sum((line.gross - (line.tax if order.taxes_included else 0) for line in order.lines), Decimal(0))
    return rows - net


def rate(line: OrderLine, order: Order) -> Decimal:
    """The price of one unit without tax. A price that contains its tax is freed of it and rounded up to the order's
    smallest unit; `discount` takes the difference off again, so that the total stays exact."""
    if not order.taxes_included or not line.tax or not line.quantity:
        return line.unit_price
    net = line.unit_price - line.tax / line.quantity
    return net.quantize(_smallest_unit(order), rounding=ROUND_CEILING)


def check_total(order: Order, document: Document) -> None:
    """Raise TotalMismatch unless ERPNext, with its own rules and roundings, arrives at the shop's total and currency."""
    total, currency = Decimal(document["grand_total"]), document["currency"]
    if total != order.total or currency != order.currency:
        raise TotalMismatch(
            f"order {order.number}: ERPNext computes {total} {currency}, the source charged {order.total} "
            f"{order.currency}; look for pricing rules, tax templates or roundings that ERPNext adds to the order"
        )


def check_amendable(document: Document) -> None:
    """Raise Refused where a submitted Sales Order has been invoiced or delivered: cancelling it would take that along."""
    if has_documents(document):
        raise Refused(
            f"Sales Order {document['name']} is invoiced or delivered, and the order changed in the source since; write "
            "the difference in ERPNext (Update Items, and an invoice or credit note of its own), or cancel its documents "
            "there, then replay the event (hub events replay)"
        )


def check_removable(document: Document) -> None:
    """Raise Refused where a Sales Order whose order is gone at the source has been invoiced or delivered."""
    if has_documents(document):
        raise Refused(
            f"the source deleted the order of Sales Order {document['name']}, which is invoiced or delivered; cancel or "
            "return its documents in ERPNext if that is right, then replay the event, or discard it"
        )


def has_documents(sales_order: Document) -> bool:
    """Whether invoices or deliveries that were submitted stand on a Sales Order; a returned delivery still does."""
    rows = sales_order.get("items") or []
    progress = [sales_order.get("per_billed"), sales_order.get("per_delivered")]
    return any(progress) or any(
        row.get(name) for row in rows for name in ("billed_amt", "delivered_qty", "returned_qty")
    )


def _net(charge: Charge, order: Order) -> Decimal:
    return charge.amount - charge.tax if order.taxes_included else charge.amount


def _row(account: str, description: str, amount: Decimal, settings: FlowSettings) -> dict[str, Any]:
    row: dict[str, Any] = {
        "charge_type": "Actual",
        "account_head": account,
        "description": printable(description),
        "tax_amount": amount,
    }
    return {**row, "cost_center": settings.cost_center} if settings.cost_center else row


def _smallest_unit(order: Order) -> Decimal:
    exponent = order.total.as_tuple().exponent
    return Decimal(1).scaleb(exponent if isinstance(exponent, int) and exponent < 0 else 0)
