"""Fulfilments in a Shopify store: what the source has shipped is marked as shipped, once.

Shopify has no place for a foreign id in a fulfilment. The mark is a metafield of the order: namespace `hub`, one key per
shipment, whose value is the fulfilment's id. Shipments of one order can so be told apart, and one whose mark was not
written any more is found by its lines.
"""

import hashlib
from collections import defaultdict
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from connectors.shopify.admin import Admin
from connectors.shopify.settings import FlowSettings
from hub.connector import Effect, Written
from hub.errors import Refused
from hub.records import Fulfilment

FULFILMENT = "Fulfillment"
CANCELLED = "CANCELLED"
NOT_SHIPPED = {CANCELLED, "ERROR", "FAILURE"}
OPEN = {"OPEN", "IN_PROGRESS"}  # states of a fulfilment order from which goods can be shipped
NAMESPACE = "hub"
MOST_FULFILMENTS, MOST_ORDERS, MOST_LINES = 20, 10, 40  # of one order; a query may cost 1,000 points

ORDER: Final = f"""
query($id: ID!) {{
  order(id: $id) {{
    id name
    metafields(namespace: "{NAMESPACE}", first: 100) {{ nodes {{ key value }} }}
    fulfillments(first: {MOST_FULFILMENTS}) {{
      id status
      trackingInfo {{ number }}
      fulfillmentLineItems(first: {MOST_LINES // 2}) {{ nodes {{ quantity lineItem {{ id sku }} }} }}
    }}
    fulfillmentOrders(first: {MOST_ORDERS}) {{
      nodes {{
        id status
        assignedLocation {{ location {{ id }} }}
        lineItems(first: {MOST_LINES}) {{ nodes {{ id remainingQuantity lineItem {{ id sku }} }} }}
      }}
    }}
  }}
}}"""
CREATE: Final = """
mutation($fulfillment: FulfillmentInput!) {
  fulfillmentCreate(fulfillment: $fulfillment) { fulfillment { id } userErrors { field message } }
}"""
CANCEL: Final = """
mutation($id: ID!) { fulfillmentCancel(id: $id) { fulfillment { id } userErrors { field message } } }"""
MARK: Final = """
mutation($marks: [MetafieldsSetInput!]!) { metafieldsSet(metafields: $marks) { userErrors { field message } } }"""


class Shipping:
    """Fulfilments of a store's orders."""

    def __init__(self, admin: Admin, settings: FlowSettings) -> None:
        self._admin = admin
        self._settings = settings

    def bring(self, shipment: Fulfilment) -> Written:
        """Make the fulfilment of a shipment, or cancel it; what is there already stays."""
        if not shipment.order_id:
            return Written(Effect.IGNORED, rule="the shipment belongs to no order of a shop")
        order = self._order(shipment)
        if shipment.is_cancelled:
            return self._cancel(shipment, order)
        return self._found(shipment, order) or self._create(shipment, order)

    def find(self, shipment: Fulfilment) -> Written | None:
        """The fulfilment that an earlier try has made, or None."""
        if not shipment.order_id:
            return None
        order = self._order(shipment)
        if shipment.is_cancelled:
            marked = _marked(shipment, order)
            done = marked is not None and marked["status"] == CANCELLED
            return Written(Effect.APPLIED, FULFILMENT, marked["id"]) if marked and done else None
        return self._found(shipment, order)

    def _order(self, shipment: Fulfilment) -> dict[str, Any]:
        if not (shipment.order_id.isascii() and shipment.order_id.isdigit()):
            raise Refused(f"{shipment.order_id!r} is no order of Shopify: its ids are digits")
        order = self._admin.ask(ORDER, {"id": f"gid://shopify/Order/{shipment.order_id}"})["order"]
        if order is None:
            raise Refused(
                f"Shopify does not show order {shipment.order_id}: it is gone, or older than 60 days and the app lacks "
                "the scope read_all_orders; then replay the event"
            )
        return dict(order)

    def _found(self, shipment: Fulfilment, order: Mapping[str, Any]) -> Written | None:
        marked = _marked(shipment, order)
        if marked:
            rule = "it was cancelled in Shopify since" if marked["status"] in NOT_SHIPPED else ""
            return Written(Effect.UNCHANGED, FULFILMENT, marked["id"], rule)
        unmarked = _unmarked(shipment, order)
        if unmarked is None:
            return None
        self._mark(shipment, order, unmarked["id"])
        return Written(Effect.APPLIED, FULFILMENT, unmarked["id"], "Shopify had this shipment already")

    def _create(self, shipment: Fulfilment, order: Mapping[str, Any]) -> Written:
        wanted: dict[str, Any] = {
            "lineItemsByFulfillmentOrder": _allotted(shipment, order),
            "notifyCustomer": self._settings.notify_customer,
        }
        if shipment.carrier or shipment.tracking_numbers:
            wanted["trackingInfo"] = {
                **({"company": shipment.carrier} if shipment.carrier else {}),
                "numbers": list(shipment.tracking_numbers),
            }
        made = self._admin.change(CREATE, {"fulfillment": wanted})["fulfillment"]["id"]
        self._mark(shipment, order, made)
        return Written(Effect.APPLIED, FULFILMENT, made)

    def _cancel(self, shipment: Fulfilment, order: Mapping[str, Any]) -> Written:
        marked = _marked(shipment, order)
        if marked is None:
            return Written(Effect.IGNORED, rule="cancelled before Shopify knew of it")
        if marked["status"] == CANCELLED:
            return Written(Effect.UNCHANGED, FULFILMENT, marked["id"])
        self._admin.change(CANCEL, {"id": marked["id"]})
        return Written(Effect.APPLIED, FULFILMENT, marked["id"])

    def _mark(self, shipment: Fulfilment, order: Mapping[str, Any], fulfilment: str) -> None:
        mark = {
            "ownerId": order["id"],
            "namespace": NAMESPACE,
            "key": _key(shipment),
            "type": "single_line_text_field",
            "value": fulfilment,
        }
        self._admin.change(MARK, {"marks": [mark]})


def _key(shipment: Fulfilment) -> str:
    """At most 64 letters, digits, hyphens and underscores, as Shopify wants them."""
    return "shipment-" + hashlib.sha256(shipment.id.encode()).hexdigest()[:40]


def _marked(shipment: Fulfilment, order: Mapping[str, Any]) -> Mapping[str, Any] | None:
    marks = {node["key"]: node["value"] for node in order["metafields"]["nodes"]}
    wanted = marks.get(_key(shipment))
    if wanted is None:
        return None
    found = next((each for each in order["fulfillments"] if each["id"] == wanted), None)
    return found or {"id": wanted, "status": CANCELLED}


def _unmarked(shipment: Fulfilment, order: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """A fulfilment that nobody's mark names and that ships exactly these goods, under the same numbers if it has some."""
    if len(order["fulfillments"]) == MOST_FULFILMENTS:
        raise Refused(f"order {order['name']} has more than {MOST_FULFILMENTS - 1} fulfilments; add this one by hand")
    taken = {node["value"] for node in order["metafields"]["nodes"]}
    for each in order["fulfillments"]:
        numbers = {info["number"] for info in each["trackingInfo"] if info["number"]}
        same_numbers = not numbers or numbers == set(shipment.tracking_numbers)
        if each["id"] in taken or each["status"] in NOT_SHIPPED or not same_numbers:
            continue
        if _ships(each, shipment):
            return dict(each)
    return None


def _ships(fulfilment: Mapping[str, Any], shipment: Fulfilment) -> bool:
    """Whether a fulfilment has the goods of a shipment, no more and no less."""
    left = [
        [_number(node["lineItem"]["id"]), node["lineItem"]["sku"], Decimal(node["quantity"])]
        for node in fulfilment["fulfillmentLineItems"]["nodes"]
    ]
    for line in shipment.lines:
        missing = line.quantity
        for row in left:
            if _is_line(line.line_id, line.sku, row[0], row[1]):
                taken = min(row[2], missing)
                row[2] -= taken
                missing -= taken
        if missing:
            return False
    return not any(row[2] for row in left)


def _allotted(shipment: Fulfilment, order: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The shipment's lines as parts of the order's open fulfilment orders, all at one location, as Shopify demands.

    Raises Refused where no location has all that was shipped left to ship.
    """
    by_location: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for each in order["fulfillmentOrders"]["nodes"]:
        if each["status"] in OPEN:
            location = (each["assignedLocation"] or {}).get("location") or {}
            by_location[str(location.get("id"))].append(each)
    lacks = ["no goods are open for shipping"]
    for orders in by_location.values():
        taken, missing = _taken(shipment, orders)
        if not missing:
            return taken
        lacks = missing
    raise Refused(
        f"order {order['name']} cannot be marked as shipped: {'; '.join(lacks)}; look at the order in Shopify (goods "
        "shipped, on hold, removed, or at several locations), mark the shipment there, then discard the event"
    )


def _taken(shipment: Fulfilment, orders: list[Mapping[str, Any]]) -> tuple[list[dict[str, Any]], list[str]]:
    """What is taken of which fulfilment order, and what they lack."""
    left = {
        node["id"]: [each["id"], node, Decimal(node["remainingQuantity"])]
        for each in orders
        for node in each["lineItems"]["nodes"]
    }
    parts: dict[str, list[dict[str, Any]]] = defaultdict(list)
    lacks = []
    for line in shipment.lines:
        missing = line.quantity
        if missing != missing.to_integral_value():
            lacks.append(f"{missing} of SKU {line.sku} is no whole number")
            continue
        for node_id, row in left.items():
            owner, node, remaining = row
            if not missing or not remaining:
                continue
            if _is_line(line.line_id, line.sku, _number(node["lineItem"]["id"]), node["lineItem"]["sku"]):
                quantity = min(remaining, missing)
                parts[owner].append({"id": node_id, "quantity": int(quantity)})
                row[2] -= quantity
                missing -= quantity
        if missing:
            lacks.append(f"{missing} of SKU {line.sku} too many")
    taken = [{"fulfillmentOrderId": each, "fulfillmentOrderLineItems": items} for each, items in parts.items()]
    return taken, lacks


def _is_line(line_id: str, sku: str, order_line: str, order_sku: str | None) -> bool:
    """Whether a shipped line is a line of the order: by its id where the source knows it, else by its SKU."""
    if line_id:
        return line_id == order_line
    return bool(sku) and sku.strip().casefold() == (order_sku or "").strip().casefold()


def _number(global_id: str) -> str:
    return global_id.rpartition("/")[2]
