"""Reads a fulfilment: what of an order was shipped, and how."""

from typing import Any, Final

from connectors.shopify.body import must_be
from connectors.shopify.shapes import FulfilmentShape
from hub.connector import NotWanted
from hub.errors import Unreadable
from hub.reading import shaped
from hub.records import Fulfilment, FulfilmentLine

# https://shopify.dev/docs/api/admin-rest/2026-01/resources/fulfillment: `status`
SHIPPED: Final = frozenset({"success"})
NOT_YET: Final = frozenset({"pending", "open"})  # a fulfilment service has it
CANCELLED: Final = frozenset({"cancelled", "error", "failure"})


def read_fulfilment(content: dict[str, Any]) -> Fulfilment | NotWanted:
    """The body of fulfillments/create and fulfillments/update."""
    shape = shaped(FulfilmentShape, content)
    must_be(shape.admin_graphql_api_id, "Fulfillment")
    return fulfilment(shape)


def fulfilment(shape: FulfilmentShape) -> Fulfilment | NotWanted:
    """A shipment as the hub states it; nothing where nothing has left the house yet."""
    if shape.status in NOT_YET:
        return NotWanted("the fulfilment is not shipped yet; Shopify tells again when it is")
    if shape.status not in SHIPPED | CANCELLED:
        raise Unreadable("status: is no fulfilment's; one of pending, open, success, cancelled, error, failure")
    lines = tuple(
        FulfilmentLine(line_id=line.id, sku=line.sku, quantity=line.quantity)
        for line in shape.line_items
        if line.quantity
    )
    if not lines:
        return NotWanted("the fulfilment ships nothing")
    numbers = shape.tracking_numbers or (shape.tracking_number,)
    return Fulfilment(
        id=shape.id,
        order_id=shape.order_id,
        shipped_at=shape.created_at,
        lines=lines,
        is_cancelled=shape.status in CANCELLED,
        carrier=shape.tracking_company,
        tracking_numbers=tuple(dict.fromkeys(number for number in numbers if number)),
    )
