"""Reads Shopify's deliveries: an order or a customer as the shop states it becomes the hub's record."""

import json
from collections.abc import Callable, Iterable
from decimal import Decimal, InvalidOperation
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from connectors.shopify.shapes import (
    CustomerShape,
    DiscountAllocation,
    LineItem,
    MoneySet,
    OrderShape,
    ShippingLine,
    TaxLine,
)
from hub.errors import TotalMismatch, Unreadable
from hub.events import Event
from hub.records import Charge, Customer, Order, OrderLine, Record

PROBLEMS_TOLD = 3  # of a body with many of them

ShapeT = TypeVar("ShapeT", bound=BaseModel)


def read(event: Event, kind: str) -> Record:
    """Read a delivery's body as an "order" or a "customer".

    Raises Unreadable for a body that is no such thing or states what the record cannot say, and TotalMismatch for an
    order that does not add up. A cancelled order need not add up: what it once came to changes nothing any more.
    """
    return READERS[kind](_content(event.data))


def _order(content: dict[str, Any]) -> Order:
    shape = _shaped(OrderShape, content)
    _is(shape.admin_graphql_api_id, "Order")
    if not shape.line_items:
        raise Unreadable("line_items: the order has none")
    if not shape.cancelled_at:
        _sayable(shape)
    order = Order(
        id=shape.id,
        number=shape.name,
        placed_at=shape.created_at,
        currency=shape.currency,
        total=shape.total_price,
        lines=tuple(_line(line, f"line_items.{place}") for place, line in enumerate(shape.line_items)),
        shipping=tuple(_shipping(line, f"shipping_lines.{place}") for place, line in enumerate(shape.shipping_lines)),
        taxes=_taxes(shape.tax_lines),
        taxes_included=shape.taxes_included,
        customer=_buyer(shape.customer) if shape.customer else None,
        cancelled_at=shape.cancelled_at,
    )
    if not order.cancelled_at:
        order.check_total()
    return order


def _customer(content: dict[str, Any]) -> Customer:
    if "line_items" in content:
        raise Unreadable("line_items: the body is an order's, not a customer's")
    shape = _shaped(CustomerShape, content)
    _is(shape.admin_graphql_api_id, "Customer")
    return _buyer(shape)


READERS: Final[dict[str, Callable[[dict[str, Any]], Record]]] = {"order": _order, "customer": _customer}


def _content(body: bytes) -> dict[str, Any]:
    if not body.strip():
        raise Unreadable("the body is empty")
    try:
        content = json.loads(body.decode("utf-8"), parse_float=Decimal, parse_constant=_no_number)
    except (ValueError, RecursionError, InvalidOperation) as error:  # the last: 1e99999999999999999999
        raise Unreadable(f"the body is not JSON: {type(error).__name__}") from error
    if not isinstance(content, dict):
        raise Unreadable("the body is JSON, but not an object")
    return content


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _shaped(shape: type[ShapeT], content: dict[str, Any]) -> ShapeT:
    try:
        return shape.model_validate(content)
    except ValidationError as error:
        told = [f"{'.'.join(map(str, each['loc']))}: {_problem(each)}" for each in error.errors(include_input=False)]
        more = f"; and {len(told) - PROBLEMS_TOLD} more" if len(told) > PROBLEMS_TOLD else ""
        raise Unreadable("; ".join(told[:PROBLEMS_TOLD]) + more) from None  # its cause would repeat the body


def _problem(error: Any) -> str:
    if error["type"] == "missing":
        return "is missing"
    return str(error["msg"]).removeprefix("Value error, ")


def _is(global_id: str, what: str) -> None:
    if global_id and not global_id.startswith(f"gid://shopify/{what}/"):
        raise Unreadable(f"admin_graphql_api_id: does not name a Shopify {what}; another kind of body came")


def _sayable(shape: OrderShape) -> None:
    """Refuse what an order's record has no words for, rather than write a document that leaves it out."""
    for place, line in enumerate(shape.line_items):
        if line.current_quantity not in (None, line.quantity):
            raise Unreadable(
                f"line_items.{place}.current_quantity: is not the quantity sold: items were removed or refunded; "
                "change the document by hand, then discard the event"
            )
    for place, shipping in enumerate(shape.shipping_lines):
        if shipping.is_removed:
            raise Unreadable(
                f"shipping_lines.{place}.is_removed: shipping was taken off the order after the sale; "
                "change the document by hand, then discard the event"
            )
    for name in ("original_total_duties_set", "original_total_additional_fees_set"):
        extra: MoneySet | None = getattr(shape, name)
        if extra and extra.shop_money.amount:
            raise Unreadable(f"{name}: the order bears duties or fees, for which the record of an order has no place")
    taxes = _sum(shape.tax_lines)
    if shape.taxes_included and shape.total_tax not in (None, taxes):
        raise TotalMismatch(f"order {shape.name}: tax_lines add up to {taxes}, but total_tax is {shape.total_tax}")


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
        amounts[title] = amounts.get(title, Decimal(0)) + line.price
    return tuple(Charge(title=title, amount=amount) for title, amount in amounts.items())


def _percent(rate: Decimal) -> str:
    text = f"{rate * 100:f}"
    return f"{text.rstrip('0').rstrip('.') if '.' in text else text}%"


def _buyer(shape: CustomerShape) -> Customer:
    """A customer with a first or last name is a person, whatever company their address names."""
    person = f"{shape.first_name} {shape.last_name}".strip()
    company = shape.default_address.company if shape.default_address else ""
    receiver = shape.default_address.name if shape.default_address else ""
    return Customer(
        id=shape.id,
        name=person or company or receiver or shape.email or f"Customer {shape.id}",
        email=shape.email,
        is_company=bool(company and not person),
    )


def _off(allocations: Iterable[DiscountAllocation]) -> Decimal:
    return sum((each.amount for each in allocations), Decimal(0))


def _sum(taxes: Iterable[TaxLine]) -> Decimal:
    return sum((tax.price for tax in taxes), Decimal(0))
