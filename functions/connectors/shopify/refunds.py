"""Reads a refund: what money was given back for, held against what Shopify says was given.

A refund states no total. Its transactions say what money moves; its lines, shipping and adjustments say for what. Both
must agree, once in the currency of the transactions (https://shopify.dev/docs/api/admin-rest/2026-01/resources/refund).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

from connectors.shopify.body import must_be
from connectors.shopify.shapes import (
    MoneySet,
    OrderAdjustment,
    RefundLineItem,
    RefundShape,
    RefundShippingLine,
    SignedMoneySet,
    TransactionShape,
)
from hub.connector import NotWanted
from hub.errors import TotalMismatch, Unreadable
from hub.reading import shaped
from hub.records import Charge, Refund, RefundLine

NOTHING: Final = Decimal(0)
BACK_IN_STOCK: Final = frozenset({"return", "legacy_restock"})  # "cancel": they never left
MOVING: Final = frozenset({"success", "pending"})  # a refund's money is pending for days, and hardly ever fails


@dataclass(frozen=True, slots=True)
class _Worth:
    """What a refund is for, in one currency: the amounts of its lines, their taxes, shipping and what is beyond."""

    lines: tuple[Decimal, ...]
    taxes: tuple[Decimal, ...]
    shipping: Decimal
    shipping_tax: Decimal
    adjustment: Decimal

    @property
    def is_nothing(self) -> bool:
        """Whether the refund names nothing that its money is for."""
        return not (self.lines or self.shipping or self.shipping_tax or self.adjustment)

    def total(self, taxes_included: bool) -> Decimal:
        """What the buyer gets for all that, before the adjustment."""
        added = NOTHING if taxes_included else sum(self.taxes, self.shipping_tax)
        return sum(self.lines, self.shipping) + added


def read_refund(content: dict[str, Any]) -> Refund | NotWanted:
    """The body of refunds/create, which does not say whether the order's prices contain their taxes: they do if the
    refund adds up that way alone."""
    return refund(shaped(RefundShape, content))


def refund(shape: RefundShape, taxes_included: bool | None = None, currency: str = "") -> Refund | NotWanted:
    """A refund as the hub states it; nothing where no money was given back, as for what an edit took off an order.
    What is None or "" is known from the order alone, and here found out from the refund itself.

    Raises TotalMismatch for one that does not add up.
    """
    must_be(shape.admin_graphql_api_id, "Refund")
    for extra in (shape.total_duties_set, shape.total_additional_fees_set):
        if extra and extra.shop_money.amount:
            raise Unreadable(
                f"refund {shape.id}: gives back duties or fees, for which the record of a refund has no place; "
                "write it by hand, then discard the event"
            )
    moving = [each for each in shape.transactions if each.kind == "refund" and each.status in MOVING and each.amount]
    if not moving:
        return NotWanted("no money was given back: what was taken off the order is told by orders/updated")
    paid_in = _currency_of(moving)
    currency = currency or _shop_currency(shape) or paid_in
    buyers = currency != paid_in
    given = sum((each.amount for each in moving), NOTHING)
    pending = sum((each.amount for each in moving if each.status == "pending"), NOTHING)
    worth = _worth(shape, buyers)
    for included in (False, True) if taxes_included is None else (taxes_included,):
        adjustment = given - worth.total(included)
        # Shopify's own adjustments count money that is still under way as not given
        if not worth.is_nothing and adjustment not in (worth.adjustment, worth.adjustment + pending):
            continue
        if not buyers:
            return _record(shape, worth, currency, given, adjustment, included)
        in_shop = _worth(shape, buyers=False)
        if adjustment in (NOTHING, worth.adjustment):  # else it is money of which no rate is known
            adjustment = in_shop.adjustment if adjustment else NOTHING
            return _record(shape, in_shop, currency, in_shop.total(included) + adjustment, adjustment, included)
    raise TotalMismatch(
        f"refund {shape.id}: lines {sum(worth.lines, NOTHING)} + shipping {worth.shipping} + taxes "
        f"{sum(worth.taxes, worth.shipping_tax)} + adjustments {worth.adjustment} {paid_in} do not come to the "
        f"{given} {paid_in} that the buyer gets; compare the refund in the shop with the payload, then write it by hand "
        "and discard the event"
    )


def _record(
    shape: RefundShape, worth: _Worth, currency: str, total: Decimal, adjustment: Decimal, included: bool
) -> Refund:
    taxed = included and any((*worth.taxes, worth.shipping_tax))
    lines = tuple(
        RefundLine(
            line_id=each.line_item_id,
            sku=each.line_item.sku if each.line_item else "",
            quantity=Decimal(each.quantity),
            amount=amount,
            tax=tax,
            came_back=each.restock_type in BACK_IN_STOCK,
        )
        for each, amount, tax in zip(shape.refund_line_items, worth.lines, worth.taxes, strict=True)
        if each.quantity or amount or tax
    )
    shipping = Charge(title="Shipping", amount=worth.shipping, tax=worth.shipping_tax)
    record = Refund(
        id=shape.id,
        order_id=shape.order_id,
        refunded_at=shape.processed_at or shape.created_at,
        currency=currency,
        total=total,
        lines=lines,
        shipping=shipping if shipping.amount or shipping.tax else None,
        adjustment=adjustment,
        taxes_included=taxed,
        gateway=joined(each.gateway for each in shape.transactions if each.status in MOVING),
    )
    record.check_total()
    return record


def joined(gateways: Iterable[str]) -> str:
    """Several ways of paying as one text, each once: "gift_card, shopify_payments"."""
    return ", ".join(dict.fromkeys(each for each in gateways if each))


def taken_off(line: RefundLineItem) -> tuple[Decimal, Decimal]:
    """What a line of a refund is worth in the shop's currency, and its tax."""
    return _line_amount(line.subtotal_set, line.subtotal, False), _line_amount(
        line.total_tax_set, line.total_tax, False
    )


def _worth(shape: RefundShape, buyers: bool) -> _Worth:
    shipping, shipping_tax = _shipping(shape, buyers)
    return _Worth(
        tuple(_line_amount(line.subtotal_set, line.subtotal, buyers) for line in shape.refund_line_items),
        tuple(_line_amount(line.total_tax_set, line.total_tax, buyers) for line in shape.refund_line_items),
        shipping,
        shipping_tax,
        -sum(
            (part for each in shape.order_adjustments if not _is_shipping(each) for part in _adjusted(each, buyers)),
            NOTHING,
        ),
    )


def _shipping(shape: RefundShape, buyers: bool) -> tuple[Decimal, Decimal]:
    """Shipping given back, and its tax. Since API 2024-10 it stands in `refund_shipping_lines`; the adjustment that said
    so before may still come beside them, and is the only one to name the tax."""
    adjusted = [_adjusted(each, buyers) for each in shape.order_adjustments if _is_shipping(each)]
    tax = -sum((tax for _, tax in adjusted), NOTHING)
    if not shape.refund_shipping_lines:
        return -sum((amount for amount, _ in adjusted), NOTHING), tax
    lines = shape.refund_shipping_lines
    amount = sum((_of(line.subtotal_amount_set, buyers) for line in lines), NOTHING)
    return amount, tax if adjusted else sum((_shipping_tax(line, buyers) for line in lines), NOTHING)


def _shipping_tax(line: RefundShippingLine, buyers: bool) -> Decimal:
    """The share of the shipping line's tax that belongs to what is given back of it."""
    if line.tax_amount_set:
        return _of(line.tax_amount_set, buyers)
    charged = line.shipping_line
    if not charged:
        return NOTHING
    taxes = sum((tax.price for tax in charged.tax_lines), NOTHING)
    price = charged.price - sum((each.amount for each in charged.discount_allocations), NOTHING)
    if not charged.discount_allocations and charged.discounted_price is not None:
        price = charged.discounted_price
    if not taxes or price <= 0:
        return NOTHING
    return (taxes * line.subtotal_amount_set.shop_money.amount / price).quantize(taxes, ROUND_HALF_UP)


def _is_shipping(adjustment: OrderAdjustment) -> bool:
    return adjustment.kind == "shipping_refund"


def _adjusted(each: OrderAdjustment, buyers: bool) -> tuple[Decimal, Decimal]:
    amount = _of(each.amount_set, buyers) if each.amount_set else each.amount
    tax = _of(each.tax_amount_set, buyers) if each.tax_amount_set else each.tax_amount
    return amount, tax


def _line_amount(amounts: MoneySet | None, plain: Decimal | None, buyers: bool) -> Decimal:
    return _of(amounts, buyers) if amounts else plain or NOTHING


def _of(amounts: MoneySet | SignedMoneySet, buyers: bool) -> Decimal:
    """The shop's amount, or the buyer's where money moved in another currency."""
    if buyers and not amounts.presentment_money:
        raise Unreadable("presentment_money: is missing, though the buyer got the money in another currency")
    return (amounts.presentment_money or amounts.shop_money if buyers else amounts.shop_money).amount


def _currency_of(transactions: list[TransactionShape]) -> str:
    currencies = sorted({each.currency for each in transactions})
    if len(currencies) > 1:
        raise Unreadable(f"transactions: the money moved in several currencies ({', '.join(currencies)})")
    return currencies[0]


def _shop_currency(shape: RefundShape) -> str:
    """The currency of the shop, which stands beside every amount; "" where the refund bears none."""
    amounts: list[MoneySet | SignedMoneySet | None] = [shape.total_duties_set]
    amounts += [line.subtotal_set for line in shape.refund_line_items]
    amounts += [line.subtotal_amount_set for line in shape.refund_shipping_lines]
    amounts += [each.amount_set for each in shape.order_adjustments]
    return next((each.shop_money.currency_code for each in amounts if each and each.shop_money.currency_code), "") or ""
