"""An imitated Shopify store: says and signs what a real one would, written from Shopify's documentation alone.

It shares no code with the hub's own reading and verifying, so that a mistake there cannot hide here.
https://shopify.dev/docs/api/admin-rest/latest/resources/webhook
"""

import base64
import hashlib
import hmac
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx

API_VERSION = "2026-01"
CENT = Decimal("0.01")
Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of an order; `discount` is off the whole line."""

    sku: str | None
    quantity: int
    price: Decimal
    discount: Decimal = Decimal(0)
    title: str = "A thing"

    @property
    def net(self) -> Decimal:
        """What the buyer pays for the line, before tax."""
        return self.quantity * self.price - self.discount


@dataclass(frozen=True, slots=True)
class Answer:
    """How the hub answered a delivery."""

    status: int
    text: str
    webhook_id: str

    @property
    def event(self) -> str:
        """The event id that the hub acknowledged, or ""."""
        try:
            return str(json.loads(self.text).get("event", ""))
        except (ValueError, AttributeError):
            return ""


@dataclass(frozen=True, slots=True)
class Shop:
    """A store whose app subscribed `url` to webhooks; `client_secret` is the app's, which signs them."""

    url: str
    domain: str
    client_secret: str = field(repr=False)

    def deliver(
        self,
        topic: str,
        body: bytes | Body,
        *,
        webhook_id: str = "",
        headers: Mapping[str, str] | None = None,
        client: httpx.Client | None = None,
    ) -> Answer:
        """Send one delivery. `headers` replace the ones that Shopify would send; an empty value leaves one out."""
        content = body if isinstance(body, bytes) else as_sent(body)
        webhook_id = webhook_id or str(uuid.uuid4())
        send = client.post if client else httpx.post
        all_headers = self.headers(topic, content, webhook_id) | dict(headers or {})
        sent = {name: value for name, value in all_headers.items() if value}
        answer = send(self.url, content=content, headers=sent, timeout=30)
        return Answer(answer.status_code, answer.text, webhook_id)

    def headers(self, topic: str, content: bytes, webhook_id: str) -> dict[str, str]:
        """The headers of a genuine delivery."""
        return {
            "Content-Type": "application/json",
            "User-Agent": "Shopify-Captain-Hook",
            "X-Shopify-Topic": topic,
            "X-Shopify-Hmac-Sha256": signature(content, self.client_secret),
            "X-Shopify-Shop-Domain": self.domain,
            "X-Shopify-API-Version": API_VERSION,
            "X-Shopify-Webhook-Id": webhook_id,
            "X-Shopify-Event-Id": str(uuid.uuid4()),
            "X-Shopify-Triggered-At": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        }


def signature(content: bytes, client_secret: str) -> str:
    """Base64 of HMAC-SHA256 over the exact bytes of the body."""
    return base64.b64encode(hmac.new(client_secret.encode(), content, hashlib.sha256).digest()).decode("ascii")


def as_sent(body: Body) -> bytes:
    """The bytes of a JSON body: compact, slashes escaped, as Shopify's serialiser writes them."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).replace("/", "\\/").encode()


def customer(number: int, first_name: str, last_name: str, email: str, updated_at: datetime) -> Body:
    """The body of customers/create and customers/update."""
    return {
        "id": number,
        "email": email,
        "created_at": _instant(updated_at),
        "updated_at": _instant(updated_at),
        "first_name": first_name,
        "last_name": last_name,
        "state": "disabled",
        "note": None,
        "verified_email": True,
        "tax_exempt": False,
        "phone": None,
        "currency": "USD",
        "addresses": [],
        "admin_graphql_api_id": f"gid://shopify/Customer/{number}",
    }


def order(
    number: int,
    buyer: Body | None,
    lines: Sequence[Line],
    *,
    created_at: datetime,
    updated_at: datetime,
    shipping: Decimal = Decimal(0),
    tax: Decimal = Decimal(0),
    cancelled_at: datetime | None = None,
) -> Body:
    """The body of orders/create, orders/updated and orders/cancelled, whose amounts add up. In USD, tax on top."""
    subtotal = sum((line.net for line in lines), Decimal(0))
    discounts = sum((line.discount for line in lines), Decimal(0))
    total = subtotal + shipping + tax
    return {
        "id": number,
        "admin_graphql_api_id": f"gid://shopify/Order/{number}",
        "name": f"#{number}",
        "number": number % 1_000_000,
        "order_number": number % 1_000_000 + 1000,
        "test": True,
        "confirmed": True,
        "email": buyer["email"] if buyer else "",
        "created_at": _instant(created_at),
        "processed_at": _instant(created_at),
        "updated_at": _instant(updated_at),
        "cancelled_at": _instant(cancelled_at) if cancelled_at else None,
        "cancel_reason": "customer" if cancelled_at else None,
        "currency": "USD",
        "presentment_currency": "USD",
        "financial_status": "voided" if cancelled_at else "paid",
        "fulfillment_status": None,
        "taxes_included": False,
        "total_line_items_price": _money(subtotal + discounts),
        "total_discounts": _money(discounts),
        "subtotal_price": _money(subtotal),
        "total_tax": _money(tax),
        "total_price": _money(total),
        "total_shipping_price_set": _both(shipping),
        "total_price_set": _both(total),
        "current_subtotal_price": _money(subtotal),
        "current_total_discounts": _money(discounts),
        "current_total_tax": _money(tax),
        "current_total_price": _money(total),
        "discount_applications": [
            {
                "type": "manual",
                "title": "Regulars",
                "value": _money(discounts),
                "value_type": "fixed_amount",
                "allocation_method": "across",
                "target_selection": "explicit",
                "target_type": "line_item",
            }
        ]
        if discounts
        else [],
        "tax_lines": [_tax_line(tax, subtotal + shipping)] if tax else [],
        "line_items": [_line_item(number, place, line) for place, line in enumerate(lines)],
        "shipping_lines": [_shipping_line(number, shipping)] if shipping else [],
        "refunds": [],
        **({"customer": buyer} if buyer else {}),
    }


def _line_item(order_number: int, place: int, line: Line) -> Body:
    return {
        "id": order_number * 1000 + place,
        "variant_id": 808950810 + place,
        "product_id": 632910392,
        "title": line.title,
        "name": line.title,
        "sku": line.sku,
        "quantity": line.quantity,
        "current_quantity": line.quantity,
        "price": _money(line.price),
        "price_set": _both(line.price),
        "total_discount": "0.00",
        "taxable": True,
        "requires_shipping": True,
        "gift_card": False,
        "tax_lines": [],
        "discount_allocations": [
            {
                "amount": _money(line.discount),
                "amount_set": _both(line.discount),
                "discount_application_index": 0,
            }
        ]
        if line.discount
        else [],
    }


def _shipping_line(order_number: int, price: Decimal) -> Body:
    return {
        "id": order_number * 1000 + 999,
        "title": "Standard",
        "code": "Standard",
        "price": _money(price),
        "price_set": _both(price),
        "discounted_price": _money(price),
        "discounted_price_set": _both(price),
        "discount_allocations": [],
        "tax_lines": [],
        "source": "shopify",
    }


def _tax_line(amount: Decimal, taxed: Decimal) -> Body:
    rate = float(round(amount / taxed, 4)) if taxed else 0.0
    return {"title": "State Tax", "price": _money(amount), "rate": rate, "price_set": _both(amount)}


def _money(amount: Decimal) -> str:
    return str(amount.quantize(CENT))


def _both(amount: Decimal) -> Body:
    money = {"amount": _money(amount), "currency_code": "USD"}
    return {"shop_money": money, "presentment_money": money}


def _instant(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
