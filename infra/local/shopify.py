"""An imitated Shopify store: says and signs what a real one would, written from Shopify's documentation alone.

It shares no code with the hub's own reading and verifying, so that a mistake there cannot hide here.
https://shopify.dev/docs/api/admin-rest/latest/resources/webhook and https://shopify.dev/docs/api/webhooks/latest

A life is told by bodies made of bodies: `order` is the first, and `paid`, `fulfilled`, `edited`, `refunded`, `cancelled`
each give the order's next body, to be sent as orders/updated and under its own topic; the one they are given stays as it
was. `fulfilment`, `refund` and `transaction` are the bodies of those events of their own. Lines are named by their place
in the order, 0 first.
"""

import base64
import hashlib
import hmac
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from typing import Any

import httpx

API_VERSION = "2026-01"
NOTHING = Decimal(0)
DECIMALS = {"JPY": 0, "KRW": 0, "KWD": 3, "BHD": 3}  # of currencies that have not two (ISO 4217)
Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of an order; `discount` is off the whole line."""

    sku: str | None
    quantity: int
    price: Decimal
    discount: Decimal = Decimal(0)
    title: str = "A thing"
    is_gift_card: bool = False

    @property
    def net(self) -> Decimal:
        """What the buyer pays for the line, before tax."""
        return self.quantity * self.price - self.discount


@dataclass(frozen=True, slots=True)
class Choice:
    """What can be bought of a product: one of its variants."""

    number: int
    sku: str | None
    price: Decimal
    title: str = "Default Title"
    barcode: str | None = None


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
    shipping: Decimal = NOTHING,
    tax: Decimal = NOTHING,
    cancelled_at: datetime | None = None,
    currency: str = "USD",
    taxes_included: bool = False,
    is_paid: bool = True,
    is_test: bool = False,
    gateway: str = "shopify_payments",
) -> Body:
    """The body of orders/create, orders/updated and orders/cancelled, whose amounts add up. `tax` is on top of the
    prices, or within them where those include it."""
    subtotal = sum((line.net for line in lines), NOTHING)
    discounts = sum((line.discount for line in lines), NOTHING)
    total = subtotal + shipping + (NOTHING if taxes_included else tax)
    money = _Coin(currency)
    return {
        "id": number,
        "admin_graphql_api_id": f"gid://shopify/Order/{number}",
        "name": f"#{number}",
        "number": number % 1_000_000,
        "order_number": number % 1_000_000 + 1000,
        "test": is_test,
        "confirmed": True,
        "email": buyer["email"] if buyer else "",
        "created_at": _instant(created_at),
        "processed_at": _instant(created_at),
        "updated_at": _instant(updated_at),
        "cancelled_at": _instant(cancelled_at) if cancelled_at else None,
        "cancel_reason": "customer" if cancelled_at else None,
        "currency": currency,
        "presentment_currency": currency,
        "financial_status": "voided" if cancelled_at else "paid" if is_paid else "pending",
        "fulfillment_status": None,
        "payment_gateway_names": [gateway],
        "taxes_included": taxes_included,
        "total_line_items_price": money.text(subtotal + discounts),
        "total_discounts": money.text(discounts),
        "subtotal_price": money.text(subtotal),
        "total_tax": money.text(tax),
        "total_price": money.text(total),
        "total_shipping_price_set": money.both(shipping),
        "total_price_set": money.both(total),
        "total_outstanding": money.text(NOTHING if is_paid or cancelled_at else total),
        "current_subtotal_price": money.text(subtotal),
        "current_total_discounts": money.text(discounts),
        "current_total_tax": money.text(tax),
        "current_total_price": money.text(total),
        "discount_applications": [
            {
                "type": "manual",
                "title": "Regulars",
                "value": money.text(discounts),
                "value_type": "fixed_amount",
                "allocation_method": "across",
                "target_selection": "explicit",
                "target_type": "line_item",
            }
        ]
        if discounts
        else [],
        "tax_lines": [_tax_line(tax, subtotal + shipping, money)] if tax else [],
        "line_items": [_line_item(number, place, line, money) for place, line in enumerate(lines)],
        "shipping_lines": [_shipping_line(number, shipping, money)] if shipping else [],
        "fulfillments": [],
        "refunds": [],
        **({"customer": buyer} if buyer else {}),
    }


# --- an order's next body ---------------------------------------------------------------------------------------------


def paid(body: Body, at: datetime, amount: Decimal | None = None) -> Body:
    """The order once its buyer has paid `amount` of what was outstanding; all of it if left out."""
    outstanding = Decimal(body["total_outstanding"])
    left = outstanding - (outstanding if amount is None else amount)
    status = "partially_paid" if left > 0 else "paid"
    money = _Coin(body["currency"])
    return body | {"financial_status": status, "total_outstanding": money.text(left), "updated_at": _instant(at)}


def fulfilled(body: Body, shipment: Body) -> Body:
    """The order once `shipment` has left, or what became of that since: a fulfilment's later body replaces the former."""
    others = [each for each in body["fulfillments"] if each["id"] != shipment["id"]]
    shipments = [*others, shipment]
    sent = [each for one in shipments if one["status"] == "success" for each in one["line_items"]]
    shipped = sum(each["quantity"] for each in sent)
    ordered = sum(each["quantity"] for each in body["line_items"])
    status = None if not shipped else "fulfilled" if shipped >= ordered else "partial"
    return body | {"fulfillments": shipments, "fulfillment_status": status, "updated_at": shipment["updated_at"]}


def edited(body: Body, number: int, quantities: Mapping[int, int], at: datetime) -> Body:
    """The order without so many of the lines at these places. Shopify writes that down as a refund (of id `number`)
    that gives no money back; what was paid for them already is owed to the buyer from then on."""
    removal = refund(body, number, quantities, at, restock="cancel", gives_money=False)
    money = _Coin(body["currency"])
    worth = _worth(removal, body["taxes_included"])
    outstanding = Decimal(body["total_outstanding"]) - worth
    left = _without(body, removal, worth, at)
    return left | {"total_outstanding": money.text(outstanding)}


def refunded(body: Body, money_back: Body) -> Body:
    """The order once `money_back`, a `refund` of it, was made."""
    money = _Coin(body["currency"])
    total = sum((Decimal(each["amount"]) for each in money_back["transactions"]), NOTHING)
    outstanding = Decimal(body["total_outstanding"])
    settled = min(total, max(NOTHING, -outstanding))  # what was owed since an edit
    left = _without(body, money_back, total - settled, datetime.fromisoformat(money_back["created_at"]))
    given = total + sum((Decimal(each["amount"]) for one in body["refunds"] for each in one["transactions"]), NOTHING)
    status = "refunded" if given >= Decimal(body["total_price"]) else "partially_refunded"
    return left | {"financial_status": status, "total_outstanding": money.text(outstanding + settled)}


def cancelled(body: Body, at: datetime) -> Body:
    """The order, cancelled. What was paid stays paid until it is refunded."""
    status = body["financial_status"]
    return body | {
        "cancelled_at": _instant(at),
        "cancel_reason": "customer",
        "updated_at": _instant(at),
        "financial_status": "voided" if status == "pending" else status,
    }


# --- events of their own ----------------------------------------------------------------------------------------------


def fulfilment(
    body: Body,
    number: int,
    quantities: Mapping[int, int],
    at: datetime,
    *,
    status: str = "success",
    tracking: str = "",
    carrier: str = "",
) -> Body:
    """The body of fulfillments/create and fulfillments/update: so many of the lines at these places, shipped."""
    lines = body["line_items"]
    return {
        "id": number,
        "order_id": body["id"],
        "status": status,
        "created_at": _instant(at),
        "updated_at": _instant(at),
        "service": "manual",
        "tracking_company": carrier or None,
        "shipment_status": None,
        "location_id": 905684977,
        "tracking_number": tracking or None,
        "tracking_numbers": [tracking] if tracking else [],
        "tracking_urls": [],
        "receipt": {},
        "name": f"#{body['id']}.1",
        "admin_graphql_api_id": f"gid://shopify/Fulfillment/{number}",
        "line_items": [lines[place] | {"quantity": count} for place, count in quantities.items()],
    }


def refund(
    body: Body,
    number: int,
    quantities: Mapping[int, int],
    at: datetime,
    *,
    shipping: Decimal = NOTHING,
    beyond: Decimal = NOTHING,
    restock: str = "return",
    is_pending: bool = False,
    gives_money: bool = True,
) -> Body:
    """The body of refunds/create: money back for so many of the lines at these places, for `shipping` before tax, and
    `beyond` that (negative: kept back), with the share of the tax that belongs to goods and shipping.

    `restock` is "return" (shipped goods are back), "cancel" (they never left) or "no_restock". While the money is
    pending Shopify counts it as not given, and writes that down as a discrepancy.
    """
    money = _Coin(body["currency"])
    lines = [_refund_line(body, number, place, count, restock, money) for place, count in quantities.items()]
    shipping_tax = _share_of_tax(body, shipping, money)
    made = {
        "id": number,
        "order_id": body["id"],
        "created_at": _instant(at),
        "processed_at": _instant(at),
        "note": None,
        "user_id": None,
        "restock": restock != "no_restock",
        "duties": [],
        "total_duties_set": money.both(NOTHING),
        "additional_fees": [],
        "total_additional_fees_set": money.both(NOTHING),
        "return": None,
        "admin_graphql_api_id": f"gid://shopify/Refund/{number}",
        "refund_line_items": lines,
        "refund_shipping_lines": [
            {
                "id": number * 10 + 1,
                "shipping_line_id": body["shipping_lines"][0]["id"],
                "subtotal_amount_set": money.both(shipping),
                "shipping_line": body["shipping_lines"][0],
            }
        ]
        if shipping
        else [],
        "order_adjustments": [],
        "transactions": [],
    }
    total = _worth(made, body["taxes_included"]) + (NOTHING if body["taxes_included"] else shipping_tax) + beyond
    adjustments = [("shipping_refund", -shipping, -shipping_tax)] if shipping else []
    adjustments += [("refund_discrepancy", -beyond, NOTHING)] if beyond else []
    adjustments += [("refund_discrepancy", total, NOTHING)] if is_pending else []
    status = "pending" if is_pending else "success"
    sent = transaction(body, number * 10, total, at, kind="refund", status=status)
    return made | {
        "order_adjustments": [
            _adjustment(made, number * 10 + place, *each, money) for place, each in enumerate(adjustments)
        ],
        "transactions": [sent] if gives_money and total else [],
    }


def transaction(
    body: Body,
    number: int,
    amount: Decimal,
    at: datetime,
    *,
    kind: str = "sale",
    status: str = "success",
) -> Body:
    """The body of order_transactions/create: money of the order that moves, or does not. `kind` is "authorization",
    "sale", "capture", "void" or "refund"; `status` "pending", "success", "failure" or "error"."""
    return {
        "id": number,
        "order_id": body["id"],
        "kind": kind,
        "gateway": body["payment_gateway_names"][-1],
        "status": status,
        "message": None,
        "created_at": _instant(at),
        "processed_at": _instant(at),
        "test": body["test"],
        "authorization": None,
        "parent_id": None,
        "error_code": None,
        "source_name": "web",
        "receipt": {},
        "amount": _Coin(body["currency"]).text(amount),
        "amount_rounding": None,
        "currency": body["presentment_currency"],
        "payment_id": f"c{number}.1",
        "manual_payment_gateway": False,
        "admin_graphql_api_id": f"gid://shopify/OrderTransaction/{number}",
    }


def product(
    number: int, title: str, choices: Sequence[Choice], updated_at: datetime, *, status: str = "active", html: str = ""
) -> Body:
    """The body of products/create and products/update. `status` is "active", "draft" or "archived"."""
    return {
        "id": number,
        "admin_graphql_api_id": f"gid://shopify/Product/{number}",
        "title": title,
        "body_html": html or None,
        "handle": f"product-{number}",
        "product_type": "",
        "vendor": "Acme",
        "status": status,
        "tags": "",
        "created_at": _instant(updated_at),
        "updated_at": _instant(updated_at),
        "published_at": _instant(updated_at) if status == "active" else None,
        "variants": [
            {
                "id": choice.number,
                "admin_graphql_api_id": f"gid://shopify/ProductVariant/{choice.number}",
                "product_id": number,
                "title": choice.title,
                "price": str(choice.price),
                "sku": choice.sku,
                "barcode": choice.barcode,
                "position": place,
                "taxable": True,
                "created_at": _instant(updated_at),
                "updated_at": _instant(updated_at),
            }
            for place, choice in enumerate(choices, 1)
        ],
        "variant_gids": [
            {
                "admin_graphql_api_id": f"gid://shopify/ProductVariant/{choice.number}",
                "updated_at": _instant(updated_at),
            }
            for choice in choices
        ],
        "options": [{"id": number * 10, "product_id": number, "name": "Title", "position": 1, "values": []}],
    }


def deleted(number: int) -> Body:
    """The body of orders/delete and products/delete."""
    return {"id": number}


def merged(kept: int, gone: int, status: str = "completed") -> Body:
    """The body of customers/merge: of two customers one is left, once `status` is "completed"."""
    return {
        "admin_graphql_api_customer_kept_id": f"gid://shopify/Customer/{kept}",
        "admin_graphql_api_customer_deleted_id": f"gid://shopify/Customer/{gone}",
        "admin_graphql_api_job_id": None,
        "status": status,
        "errors": [],
    }


def redaction(person: Body, orders: Sequence[int] = ()) -> Body:
    """The body of customers/redact: a customer whose data must be erased."""
    return {
        "shop_id": 954889,
        "shop_domain": "shop-eu.myshopify.com",
        "customer": {"id": person["id"], "email": person["email"], "phone": person["phone"]},
        "orders_to_redact": list(orders),
    }


# --- amounts ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Coin:
    """How amounts of a currency are written."""

    currency: str

    def rounded_down(self, amount: Decimal) -> Decimal:
        return amount.quantize(self._smallest, ROUND_DOWN)

    def text(self, amount: Decimal) -> str:
        return str(amount.quantize(self._smallest, ROUND_HALF_UP))

    @property
    def _smallest(self) -> Decimal:
        return Decimal(1).scaleb(-DECIMALS.get(self.currency, 2))

    def both(self, amount: Decimal) -> Body:
        money = {"amount": self.text(amount), "currency_code": self.currency}
        return {"shop_money": money, "presentment_money": money}


def _worth(money_back: Body, taxes_included: bool) -> Decimal:
    """What the goods and the shipping of a refund are worth, the goods' tax included."""
    worth = sum(
        (Decimal(each["subtotal_amount_set"]["shop_money"]["amount"]) for each in money_back["refund_shipping_lines"]),
        NOTHING,
    )
    for each in money_back["refund_line_items"]:
        worth += Decimal(each["subtotal_set"]["shop_money"]["amount"])
        worth += NOTHING if taxes_included else Decimal(each["total_tax_set"]["shop_money"]["amount"])
    return worth


def _without(body: Body, removal: Body, worth: Decimal, at: datetime) -> Body:
    """The order once a refund took lines off it, and `worth` off what it is worth now."""
    money = _Coin(body["currency"])
    gone = {each["line_item_id"]: each["quantity"] for each in removal["refund_line_items"]}
    lines = [
        line | {"current_quantity": line["current_quantity"] - gone.get(line["id"], 0)} for line in body["line_items"]
    ]
    goods = sum(
        (Decimal(each["subtotal_set"]["shop_money"]["amount"]) for each in removal["refund_line_items"]), NOTHING
    )
    taxes = sum(
        (Decimal(each["total_tax_set"]["shop_money"]["amount"]) for each in removal["refund_line_items"]), NOTHING
    )
    taxes -= sum((Decimal(each["tax_amount"]) for each in removal["order_adjustments"]), NOTHING)
    return body | {
        "line_items": lines,
        "refunds": [*body["refunds"], removal],
        "current_subtotal_price": money.text(Decimal(body["current_subtotal_price"]) - goods),
        "current_total_tax": money.text(Decimal(body["current_total_tax"]) - taxes),
        "current_total_price": money.text(Decimal(body["current_total_price"]) - worth),
        "updated_at": _instant(at),
    }


def _refund_line(body: Body, number: int, place: int, count: int, restock: str, money: _Coin) -> Body:
    line = body["line_items"][place]
    earlier = [
        each for one in body["refunds"] for each in one["refund_line_items"] if each["line_item_id"] == line["id"]
    ]

    def part_of(whole: Decimal, name: str) -> Decimal:
        """What `count` of the line bear of it: the last ones bear what the others left."""
        if count == line["current_quantity"]:
            return whole - sum((Decimal(each[name]["shop_money"]["amount"]) for each in earlier), NOTHING)
        return money.rounded_down(whole * count / line["quantity"])

    subtotal = part_of(_net(line), "subtotal_set")
    tax = part_of(_taxes_of_lines(body, money)[place], "total_tax_set")
    return {
        "id": number * 1000 + place,
        "line_item_id": line["id"],
        "quantity": count,
        "location_id": None if restock == "no_restock" else 905684977,
        "restock_type": restock,
        "subtotal": float(subtotal),
        "total_tax": float(tax),
        "subtotal_set": money.both(subtotal),
        "total_tax_set": money.both(tax),
        "line_item": line,
    }


def _net(line: Body) -> Decimal:
    off = sum((Decimal(each["amount"]) for each in line["discount_allocations"]), NOTHING)
    return Decimal(line["quantity"]) * Decimal(line["price"]) - off


def _taxes_of_lines(body: Body, money: _Coin) -> list[Decimal]:
    """The order's tax, as its lines bear it; what rounding leaves over is the first one's."""
    shares = [_share_of_tax(body, _net(line), money) for line in body["line_items"]]
    shipping = Decimal(body["total_shipping_price_set"]["shop_money"]["amount"])
    shares[0] += Decimal(body["total_tax"]) - sum(shares, _share_of_tax(body, shipping, money))
    return shares


def _share_of_tax(body: Body, amount: Decimal, money: _Coin) -> Decimal:
    """The part of the order's tax that belongs to an amount of its goods and shipping, rounded down."""
    taxed = Decimal(body["subtotal_price"]) + Decimal(body["total_shipping_price_set"]["shop_money"]["amount"])
    return money.rounded_down(Decimal(body["total_tax"]) * amount / taxed) if taxed else NOTHING


def _adjustment(money_back: Body, number: int, kind: str, amount: Decimal, tax: Decimal, money: _Coin) -> Body:
    return {
        "id": number,
        "order_id": money_back["order_id"],
        "refund_id": money_back["id"],
        "amount": money.text(amount),
        "tax_amount": money.text(tax),
        "kind": kind,
        "reason": "Shipping refund" if kind == "shipping_refund" else "Refund discrepancy",
        "amount_set": money.both(amount),
        "tax_amount_set": money.both(tax),
    }


def _line_item(order_number: int, place: int, line: Line, money: _Coin) -> Body:
    return {
        "id": order_number * 1000 + place,
        "variant_id": 808950810 + place,
        "product_id": 632910392,
        "title": line.title,
        "name": line.title,
        "sku": line.sku,
        "quantity": line.quantity,
        "current_quantity": line.quantity,
        "price": money.text(line.price),
        "price_set": money.both(line.price),
        "total_discount": money.text(NOTHING),
        "taxable": True,
        "requires_shipping": not line.is_gift_card,
        "gift_card": line.is_gift_card,
        "tax_lines": [],
        "discount_allocations": [
            {
                "amount": money.text(line.discount),
                "amount_set": money.both(line.discount),
                "discount_application_index": 0,
            }
        ]
        if line.discount
        else [],
    }


def _shipping_line(order_number: int, price: Decimal, money: _Coin) -> Body:
    return {
        "id": order_number * 1000 + 999,
        "title": "Standard",
        "code": "Standard",
        "price": money.text(price),
        "price_set": money.both(price),
        "discounted_price": money.text(price),
        "discounted_price_set": money.both(price),
        "discount_allocations": [],
        "tax_lines": [],
        "is_removed": False,
        "source": "shopify",
    }


def _tax_line(amount: Decimal, taxed: Decimal, money: _Coin) -> Body:
    rate = float(round(amount / taxed, 4)) if taxed else 0.0
    return {"title": "State Tax", "price": money.text(amount), "rate": rate, "price_set": money.both(amount)}


def _instant(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
