"""Reads what ERPNext's webhooks say of stock, prices and deliveries, where their bodies are made by templates.py."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from connectors.frappe.shapes import BinShape, DeliveryNoteShape, ItemPriceShape
from connectors.frappe.templates import WEBHOOKS
from hub.errors import Unreadable
from hub.events import Event
from hub.reading import json_object, shaped
from hub.records import Fulfilment, FulfilmentLine, Price, Record, StockLevel
from hub.subscriptions import Wanted

ORDER = "order"

FROM_README = ": take the webhook's template from the connector's README"


def read(event: Event, kind: str) -> Record:
    """Read a delivery's body as a "stock_level", a "price" or a "fulfilment"; raises Unreadable."""
    return READERS[kind](json_object(event.data, "; mend the webhook's template"))


def subscriptions_for(topics: Sequence[str]) -> list[str]:  # noqa: ARG001 - a body of each is made for the hub alone
    """The webhooks of a site that bring topics: all that there are templates of."""
    return [webhook.name for webhook in WEBHOOKS]


def wanted(topics: Sequence[str], url: str, secret: str) -> list[Wanted]:
    """What the site must have of these webhooks."""
    return [Wanted(each.name, url, each.document(url, secret)) for each in WEBHOOKS if each.name in topics]


def _stock_level(content: dict[str, Any]) -> StockLevel:
    """What can be sold is what lies there less what orders were promised."""
    shape = shaped(BinShape, content, FROM_README)
    return StockLevel(sku=shape.item_code, place=shape.warehouse, available=shape.actual_qty - shape.reserved_qty)


def _price(content: dict[str, Any]) -> Price:
    shape = shaped(ItemPriceShape, content, FROM_README)
    return Price(
        sku=shape.item_code, price_list=shape.price_list, currency=shape.currency, amount=shape.price_list_rate
    )


def _fulfilment(content: dict[str, Any]) -> Fulfilment:
    """A Delivery Note's rows of one shop's order. Rows of no shop's order count only where there are no others."""
    shape = shaped(DeliveryNoteShape, content, FROM_README)
    orders = {row.order for row in shape.items if row.order}
    if len(orders) > 1:
        raise Unreadable(
            f"items: Delivery Note {shape.name} ships goods of {len(orders)} shop orders; mark them as shipped in the "
            "shop by hand, then discard the event; one Delivery Note per order needs no hand"
        )
    order = next(iter(orders), "")
    integration, order_id = _stated_by(order) if order else ("", "")
    came_from, _ = _stated_by(shape.hub_external_id) if shape.hub_external_id else ("", "")
    return Fulfilment(
        id=shape.name,
        order_id=order_id,
        order_of=integration,
        came_from=came_from,
        shipped_at=shape.posted_at.replace(tzinfo=shape.time_zone),
        lines=tuple(
            FulfilmentLine(line_id=row.line, sku=row.item_code, quantity=row.qty)
            for row in shape.items
            if row.order == order
        ),
        is_cancelled=shape.event == "on_cancel",
        carrier=shape.carrier,
        tracking_numbers=(shape.tracking_number,) if shape.tracking_number else (),
    )


READERS: Final[dict[str, Callable[[dict[str, Any]], Record]]] = {
    "stock_level": _stock_level,
    "price": _price,
    "fulfilment": _fulfilment,
}


def _stated_by(external_id: str) -> tuple[str, str]:
    """The integration and the id in what the hub wrote into a document: `shop-eu:order:820982911946154508~0`."""
    integration, _, rest = external_id.partition(":")
    _, colon, entity_id = rest.partition(":")
    if not (integration and colon and entity_id):
        raise Unreadable(f"{external_id!r} is no external id that the hub has written: integration:entity:id")
    return integration, entity_id.partition("~")[0]
