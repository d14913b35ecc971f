"""Lives of orders as the imitated shop tells them, drawn at random."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from infra.local import shopify
from infra.local.shopify import Body, Line

PLACED = datetime(2026, 1, 1, tzinfo=UTC)
BUYER = shopify.customer(7, "Ada", "Lovelace", "ada@example.com", PLACED)
CURRENCIES = {"USD": 2, "JPY": 0, "KWD": 3}


@dataclass(frozen=True, slots=True)
class Life:
    """The bodies that an order had, oldest first, and those of the events beside it."""

    bodies: tuple[Body, ...]
    refunds: tuple[Body, ...] = ()
    fulfilments: tuple[Body, ...] = ()

    @property
    def last(self) -> Body:
        return self.bodies[-1]


@st.composite
def new_orders(draw: st.DrawFn, /, **stated: Any) -> Body:
    """An order that was just placed: any currency, taxes within or on top or none, discounts, shipping, gift cards."""
    currency = draw(st.sampled_from(sorted(CURRENCIES)))
    places = CURRENCIES[currency]
    amounts = st.integers(0, 10**6).map(lambda units: Decimal(units).scaleb(-places))
    lines = []
    for _ in range(draw(st.integers(1, 4))):
        quantity, price = draw(st.integers(1, 5)), draw(amounts)
        off = draw(st.integers(0, int((quantity * price).scaleb(places)))) if draw(st.booleans()) else 0
        sku = draw(st.sampled_from(["MUG", "SHIRT", "", None]))
        lines.append(Line(sku, quantity, price, Decimal(off).scaleb(-places), is_gift_card=draw(st.booleans())))
    worth = sum((line.net for line in lines), Decimal(0))
    tax = worth * draw(st.sampled_from([0, 7, 19])) / 100
    return shopify.order(
        draw(st.integers(1, 10**15)),
        BUYER if draw(st.booleans()) else None,
        lines,
        created_at=PLACED,
        updated_at=PLACED,
        shipping=draw(amounts) if draw(st.booleans()) else Decimal(0),
        tax=tax.quantize(Decimal(1).scaleb(-places)),
        currency=currency,
        taxes_included=draw(st.booleans()),
        is_test=draw(st.booleans()),
        **({"is_paid": draw(st.booleans())} | stated),
    )


def _counts(draw: st.DrawFn, body: Body) -> dict[int, int]:
    """Some of what is left of the order."""
    counts = {}
    for place, line in enumerate(body["line_items"]):
        count = draw(st.integers(0, line["current_quantity"]))
        if count:
            counts[place] = count
    return counts


@st.composite
def lives(draw: st.DrawFn) -> Life:
    """An order that is paid in the end: edited before or not, shipped in parts, edited after, refunded in parts."""
    body = draw(new_orders(is_paid=False))
    number = body["id"] * 100
    at = PLACED
    bodies, refunds, fulfilments = [body], [], []
    if draw(st.booleans()):
        counts = _counts(draw, body)
        if counts and any(line["current_quantity"] > counts.get(n, 0) for n, line in enumerate(body["line_items"])):
            at, number = at + timedelta(hours=1), number + 1
            body = shopify.edited(body, number, counts, at)
            refunds.append(body["refunds"][-1])
            bodies.append(body)
    body = shopify.paid(body, at := at + timedelta(hours=1))
    bodies.append(body)
    for _ in range(draw(st.integers(0, 2))):
        counts = _counts(draw, body)
        if counts:
            at, number = at + timedelta(hours=1), number + 1
            shipment = shopify.fulfilment(body, number, counts, at, tracking="1Z", carrier="UPS")
            fulfilments.append(shipment)
            bodies.append(body := shopify.fulfilled(body, shipment))
    shipping = Decimal(body["total_shipping_price_set"]["shop_money"]["amount"])
    for _ in range(draw(st.integers(0, 3))):
        counts = _counts(draw, body)
        back = shipping if draw(st.booleans()) else Decimal(0)
        at, number = at + timedelta(hours=1), number + 1
        money_back = shopify.refund(
            body,
            number,
            counts,
            at,
            shipping=back,
            beyond=draw(st.sampled_from([Decimal(0), Decimal(1)])),
            restock=draw(st.sampled_from(["return", "cancel", "no_restock"])),
            is_pending=draw(st.booleans()),
        )
        shipping -= back
        total = sum((Decimal(each["amount"]) for each in money_back["transactions"]), Decimal(0))
        if 0 < total <= Decimal(body["current_total_price"]):
            refunds.append(money_back)
            bodies.append(body := shopify.refunded(body, money_back))
    if draw(st.booleans()):
        bodies.append(shopify.cancelled(body, at + timedelta(hours=1)))
    return Life(tuple(bodies), tuple(refunds), tuple(fulfilments))
