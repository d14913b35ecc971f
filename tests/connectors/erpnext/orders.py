"""Orders and settings that the tests of this folder share."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from connectors.erpnext.settings import FlowSettings
from hub.events import Event
from hub.records import (
    Charge,
    Customer,
    Fulfilment,
    FulfilmentLine,
    Order,
    OrderLine,
    Payment,
    Refund,
    RefundLine,
)

PLACED = datetime(2026, 1, 1, 5, 0, tzinfo=UTC)  # midnight in New York, so the local date is 1 January


def settings(**changes: Any) -> FlowSettings:
    """A flow's settings with the names that the stand-in knows."""
    values: dict[str, Any] = {
        "company": "Acme Test Inc",
        "time_zone": "America/New_York",
        "customer_group": "Commercial",
        "territory": "United States",
        "warehouse": "Stores - ATI",
        "tax_account": "Sales Tax - ATI",
        "shipping_account": "Freight and Forwarding Charges - ATI",
        "cost_center": "Main - ATI",
    }
    return FlowSettings(**{**values, **changes})


def line(number: int = 1, **changes: Any) -> OrderLine:
    """A line of two pieces at 25.50."""
    values: dict[str, Any] = {
        "id": str(number),
        "sku": f"SKU-{number}",
        "title": f"Thing {number}",
        "quantity": Decimal(2),
        "unit_price": Decimal("25.50"),
    }
    return OrderLine(**{**values, **changes})


def order(**changes: Any) -> Order:
    """An order of 51.00 + 10.00 shipping + 4.59 tax = 65.59 USD of a known customer."""
    values: dict[str, Any] = {
        "id": "1042",
        "number": "#1042",
        "placed_at": PLACED,
        "currency": "USD",
        "total": Decimal("65.59"),
        "lines": (line(),),
        "shipping": (Charge(title="Standard", amount=Decimal("10.00")),),
        "taxes": (Charge(title="Sales Tax", amount=Decimal("4.59")),),
        "customer": Customer(id="7", name="Ann Smith"),
    }
    return Order(**{**values, **changes})


def event(version: str = "v1", event_id: str = "e1", kind: str = "order", entity_id: str = "1042") -> Event:
    """The event that an order or customer came with."""
    return Event(
        id=event_id,
        source="/integrations/shop-eu",
        type=f"shopify.{kind}s/updated",
        subject=f"shop-eu/{kind}/{entity_id}",
        time=PLACED,
        received_at=PLACED,
        entity_version=version,
        content_type="application/json",
        data=b"{}",
    )


DOCUMENTS: dict[str, Any] = {
    "on_payment": ["sales_invoice", "payment_entry"],
    "on_fulfilment": ["delivery_note"],
    "on_refund": ["credit_note", "return"],
    "paid_to_account": "Main Bank - ATI",
    "refund_item": "SERVICE",
}
PAID = datetime(2026, 1, 1, 6, 0, tzinfo=UTC)
SENT = datetime(2026, 1, 2, 15, 0, tzinfo=UTC)
GIVEN_BACK = datetime(2026, 1, 9, 15, 0, tzinfo=UTC)


def shipment(**changes: Any) -> Fulfilment:
    """Both pieces of the order's only line."""
    values: dict[str, Any] = {
        "id": "501",
        "order_id": "1042",
        "shipped_at": SENT,
        "lines": (FulfilmentLine(line_id="1", sku="SKU-1", quantity=Decimal(2)),),
    }
    return Fulfilment(**{**values, **changes})


def refund(**changes: Any) -> Refund:
    """One of the two pieces came back: 25.50 + 2.30 tax = 27.80."""
    values: dict[str, Any] = {
        "id": "901",
        "order_id": "1042",
        "refunded_at": GIVEN_BACK,
        "currency": "USD",
        "total": Decimal("27.80"),
        "lines": (refund_line(),),
    }
    return Refund(**{**values, **changes})


def refund_line(**changes: Any) -> RefundLine:
    """One piece at 25.50, of which 2.30 is tax."""
    values: dict[str, Any] = {
        "line_id": "1",
        "sku": "SKU-1",
        "quantity": Decimal(1),
        "amount": Decimal("25.50"),
        "tax": Decimal("2.30"),
        "came_back": True,
    }
    return RefundLine(**{**values, **changes})


def payment(**changes: Any) -> Payment:
    """All of the order."""
    values: dict[str, Any] = {
        "id": "701",
        "order_id": "1042",
        "paid_at": PAID,
        "currency": "USD",
        "amount": Decimal("65.59"),
    }
    return Payment(**{**values, **changes})


def whole_refund(**changes: Any) -> Refund:
    """Everything that the order cost, and all its goods."""
    line = refund_line(quantity=Decimal(2), amount=Decimal("51.00"), tax=Decimal("4.59"))
    shipping = Charge(title="Standard", amount=Decimal("10.00"))
    return refund(**{"lines": (line,), "shipping": shipping, "total": Decimal("65.59"), **changes})
