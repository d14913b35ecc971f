"""Reads an order: what was sold, what of it is left, paid, shipped and given back.

Shopify keeps an order's lines as they were sold and says beside each how many are left. What is gone was either paid
back or taken off before it was paid; the record says goods as sold and refunds beside them in the first case, and only
what is left in the second.
"""

from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

from connectors.shopify.body import must_be
from connectors.shopify.customers import buyer
from connectors.shopify.fulfilments import fulfilment
from connectors.shopify.refunds import joined, refund, taken_off
from connectors.shopify.shapes import DiscountAllocation, LineItem, MoneySet, OrderShape, ShippingLine, TaxLine
from hub.connector import NotWanted
from hub.errors import Permanent, TotalMismatch, Unreadable
from hub.reading import shaped
from hub.records import Charge, Fulfilment, Order, OrderLine, Refund

NOTHING: Final = Decimal(0)

# https://shopify.dev/docs/api/admin-graphql/latest/enums/OrderDisplayFinancialStatus, in small letters
UNPAID: Final = frozenset({"", "pending", "authorized", "voided", "expired"})
PAID: Final = frozenset({"partially_paid", "paid", "partially_refunded", "refunded"})


def read_order(content: dict[str, Any]) -> Order:
    """The body of every orders/… topic that says what an order is now.

    Raises Unreadable for what the record cannot say, and TotalMismatch for an order that does not add up. A cancelled
    order need not add up: what it once came to changes nothing any more.
    """
    shape = shaped(OrderShape, content)
    must_be(shape.admin_graphql_api_id, "Order")
    if not shape.line_items:
        raise Unreadable("line_items: the order has none")
    given_back = _refunds(shape)
    as_sold = _record(
        shape,
        given_back,
        total=shape.total_price,
        lines=tuple(_line(line, f"line_items.{place}") for place, line in enumerate(shape.line_items)),
        shipping=tuple(_shipping(line, f"shipping_lines.{place}") for place, line in enumerate(shape.shipping_lines)),
        taxes=_taxes(shape.tax_lines),
    )
    if not shape.cancelled_at:
        _refuse_extras(shape)
    if _is_whole(shape, given_back):
        if not shape.cancelled_at:
            as_sold.check_total()
        return as_sold
    held = _what_holds(shape, given_back, as_sold)
    if held or shape.cancelled_at:
        return held or as_sold
    raise _nothing_holds(shape, given_back, as_sold)


def _what_holds(shape: OrderShape, given_back: tuple[Refund, ...], as_sold: Order) -> Order | None:
    """The order as it is left, or else as it was sold: whichever comes to what Shopify says that the order is worth, with
    what was given back, or will be (a negative `total_outstanding`), beside it."""
    as_left = _as_left(shape, given_back)
    candidates = [each for each in (as_left, as_sold) if each and _adds_up(each)]
    worths = _worths(shape, given_back)
    return next((each for worth in worths for each in candidates if each.total == worth), None)


def _worths(shape: OrderShape, given_back: Sequence[Refund]) -> tuple[Decimal, ...]:
    """What was sold in the end; twice, as it is not documented whether `current_total_price` counts adjustments."""
    if shape.current_total_price is None:
        return ()
    owed = max(NOTHING, -(shape.total_outstanding or NOTHING))
    worth = shape.current_total_price + sum((each.total for each in given_back), owed)
    return worth, worth - sum((each.adjustment for each in given_back), NOTHING)


def _nothing_holds(shape: OrderShape, given_back: tuple[Refund, ...], as_sold: Order) -> Permanent:
    """Why an order can be told neither as sold nor as left."""
    by_hand = "compare the order in the shop with the payload, then change the document by hand and discard the event"
    as_left, worths = _as_left(shape, given_back), _worths(shape, given_back)
    if not as_left:
        return Unreadable(
            "line_items: everything was taken off the order, but it is neither cancelled nor refunded; cancel it in the "
            "shop, or cancel its document by hand; then discard the event"
        )
    if not worths:
        return TotalMismatch(
            f"order {shape.name}: lines or shipping were taken off after the sale, and neither a refund nor "
            f"current_total_price says what is left; {by_hand}"
        )
    return TotalMismatch(
        f"order {shape.name}: as sold it comes to {_sum_of(as_sold)} {shape.currency} and as it is left to "
        f"{as_left.total} {shape.currency}, but with what was given back the source says {worths[0]} {shape.currency}; "
        f"{by_hand}"
    )


def _record(
    shape: OrderShape,
    given_back: tuple[Refund, ...],
    *,
    total: Decimal,
    lines: tuple[OrderLine, ...],
    shipping: tuple[Charge, ...],
    taxes: tuple[Charge, ...],
) -> Order:
    paid = _paid(shape, total)
    return Order(
        id=shape.id,
        number=shape.name,
        placed_at=shape.created_at,
        currency=shape.currency,
        total=total,
        lines=lines,
        shipping=shipping,
        taxes=taxes,
        taxes_included=shape.taxes_included,
        customer=buyer(shape.customer) if shape.customer else None,
        cancelled_at=shape.cancelled_at,
        is_test=shape.test,
        paid=paid,
        paid_at=(shape.processed_at or shape.created_at) if paid else None,
        gateway=joined(shape.payment_gateway_names),
        fulfilments=_fulfilments(shape),
        refunds=given_back,
    )


def _paid(shape: OrderShape, total: Decimal) -> Decimal:
    """What was captured: all but what is outstanding, where anything was captured at all. Later refunds do not make an
    order outstanding again, so that this is what came in before anything was given back."""
    if shape.financial_status in UNPAID:
        return NOTHING
    if shape.financial_status not in PAID:
        raise Unreadable("financial_status: is none that is known, so that it is unclear what was paid")
    if shape.financial_status == "partially_paid" and shape.total_outstanding is None:
        raise Unreadable("total_outstanding: is missing, though the order is paid in part")
    return max(NOTHING, total - max(NOTHING, shape.total_outstanding or NOTHING))


def _fulfilments(shape: OrderShape) -> tuple[Fulfilment, ...]:
    read = [fulfilment(each) for each in shape.fulfillments]
    return tuple(each for each in read if not isinstance(each, NotWanted))


def _refunds(shape: OrderShape) -> tuple[Refund, ...]:
    read = [refund(each, shape.taxes_included, shape.currency) for each in shape.refunds]
    return tuple(each for each in read if not isinstance(each, NotWanted))


def _refuse_extras(shape: OrderShape) -> None:
    """Refuse what an order's record has no words for, rather than write a document that leaves it out."""
    for name in ("original_total_duties_set", "original_total_additional_fees_set"):
        extra: MoneySet | None = getattr(shape, name)
        if extra and extra.shop_money.amount:
            raise Unreadable(f"{name}: the order bears duties or fees, for which the record of an order has no place")
    taxes = _sum(shape.tax_lines)
    if shape.taxes_included and shape.total_tax not in (None, taxes):
        raise TotalMismatch(f"order {shape.name}: tax_lines add up to {taxes}, but total_tax is {shape.total_tax}")


def _adds_up(order: Order) -> bool:
    return _sum_of(order) == order.total


def _sum_of(order: Order) -> Decimal:
    lines = sum((line.gross for line in order.lines), NOTHING) + sum((each.amount for each in order.shipping), NOTHING)
    return lines + (NOTHING if order.taxes_included else sum((each.amount for each in order.taxes), NOTHING))


# --- what is left -----------------------------------------------------------------------------------------------------


def _is_whole(shape: OrderShape, given_back: Sequence[Refund]) -> bool:
    """Whether nothing is gone but what money was given back for."""
    kept = all(_left(line, given_back) == line.quantity for line in shape.line_items)
    return kept and not any(line.is_removed for line in shape.shipping_lines)


def _left(line: LineItem, given_back: Sequence[Refund]) -> int:
    """How many of a line were sold in the end: those that are left and those that were paid back."""
    if line.current_quantity is None:
        return line.quantity
    returned = sum(int(each.quantity) for one in given_back for each in one.lines if each.line_id == line.id)
    return max(line.current_quantity, min(line.quantity, line.current_quantity + returned))


def _as_left(shape: OrderShape, given_back: tuple[Refund, ...]) -> Order | None:
    """The order without what was taken off before it was paid; None where nothing is left."""
    lines = tuple(
        _line_left(shape, place, _left(line, given_back), given_back)
        for place, line in enumerate(shape.line_items)
        if _left(line, given_back)
    )
    if not lines:
        return None
    shipping = tuple(
        _shipping(line, f"shipping_lines.{place}")
        for place, line in enumerate(shape.shipping_lines)
        if not line.is_removed
    )
    taxes = _taxes_left(shape, given_back)
    total = sum((line.gross for line in lines), sum((each.amount for each in shipping), NOTHING))
    if not shape.taxes_included:
        total += sum((each.amount for each in taxes), NOTHING)
    return _record(shape, given_back, total=total, lines=lines, shipping=shipping, taxes=taxes)


def _line_left(shape: OrderShape, place: int, left: int, given_back: Sequence[Refund]) -> OrderLine:
    """A line of which some were taken off: for what Shopify says they were worth, else in proportion."""
    item = shape.line_items[place]
    line = _line(item, f"line_items.{place}")
    if left == item.quantity:
        return line
    paid_back = {each.id for each in given_back}
    off = [
        each
        for one in shape.refunds
        if one.id not in paid_back
        for each in one.refund_line_items
        if each.line_item_id == item.id
    ]
    if sum(each.quantity for each in off) == item.quantity - left:
        amounts = [taken_off(each) for each in off]
        gross = line.gross - sum((amount for amount, _ in amounts), NOTHING)
        tax = line.tax - sum((tax for _, tax in amounts), NOTHING)
    else:
        gross = _share(line.gross, left, item.quantity)
        tax = _share(line.tax, left, item.quantity)
    return line.model_copy(
        update={
            "quantity": Decimal(left),
            "discount": max(NOTHING, left * line.unit_price - gross),
            "tax": max(NOTHING, tax),
        }
    )


def _share(amount: Decimal, part: int, whole: int) -> Decimal:
    return (amount * part / whole).quantize(amount, ROUND_HALF_UP)


def _taxes_left(shape: OrderShape, given_back: Sequence[Refund]) -> tuple[Charge, ...]:
    """The taxes of what is left; which of several titles the rest falls to, Shopify does not say."""
    taxes = _taxes(shape.tax_lines)
    if shape.current_total_tax is None:
        return taxes
    paid_back = sum((each.tax for one in given_back for each in one.lines), NOTHING)
    paid_back += sum((one.shipping.tax for one in given_back if one.shipping), NOTHING)
    left = shape.current_total_tax + paid_back
    if left == _sum(shape.tax_lines):
        return taxes
    title = taxes[0].title if len(taxes) == 1 else "Tax"
    return (Charge(title=title, amount=left),) if left else ()


# --- amounts ----------------------------------------------------------------------------------------------------------


def _line(line: LineItem, where: str) -> OrderLine:
    discount = _off(line.discount_allocations) if line.discount_allocations else line.total_discount
    if discount > line.price * line.quantity:
        raise Unreadable(f"{where}: the discount exceeds the price")
    return OrderLine(
        id=line.id,
        sku=line.sku,
        title=line.title,
        quantity=Decimal(line.quantity),
        unit_price=line.price,
        discount=discount,
        tax=_sum(line.tax_lines),
        is_gift_card=line.gift_card,
    )


def _shipping(line: ShippingLine, where: str) -> Charge:
    """`discounted_price` leaves out the discounts of the whole cart, which `discount_allocations` has."""
    amount = line.price - _off(line.discount_allocations)
    if not line.discount_allocations and line.discounted_price is not None:
        amount = line.discounted_price
    if amount < 0:
        raise Unreadable(f"{where}: the discount exceeds the price")
    return Charge(title=line.title or "Shipping", amount=amount, tax=_sum(line.tax_lines))


def _taxes(lines: Iterable[TaxLine]) -> tuple[Charge, ...]:
    """One charge per title and rate, in the order of their first appearance."""
    amounts: dict[str, Decimal] = {}
    for line in lines:
        title = line.title or "Tax"
        if line.rate is not None:
            title = f"{title} {_percent(line.rate)}"
        amounts[title] = amounts.get(title, NOTHING) + line.price
    return tuple(Charge(title=title, amount=amount) for title, amount in amounts.items())


def _percent(rate: Decimal) -> str:
    text = f"{rate * 100:f}"
    return f"{text.rstrip('0').rstrip('.') if '.' in text else text}%"


def _off(allocations: Iterable[DiscountAllocation]) -> Decimal:
    return sum((each.amount for each in allocations), NOTHING)


def _sum(taxes: Iterable[TaxLine]) -> Decimal:
    return sum((tax.price for tax in taxes), NOTHING)
