"""An imitated Shopify store that can be written to: its Admin GraphQL API, and the webhooks that each change sends.

Written from Shopify's documentation (https://shopify.dev/docs/api/admin-graphql/2026-01), in as far as stock, prices and
fulfilments go. What a real store refuses is refused: a stale compare-and-set, goods shipped twice, unknown ids and fields.

    with ShopifyAdmin(token="shpat_local") as store:
        store.stock("SKU-1", available=5, price="19.90")
        ... write to store.url with the header X-Shopify-Access-Token ...
        assert store.writes == ["inventorySetQuantities"]
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from infra.local.graphql import Invalid, Selected, Type, check, parse, project
from infra.local.shopify import API_VERSION, Body
from infra.local.shopify_levels import MOST_POINTS, THROTTLED, Bucket, cost, levels, paged, too_dear

LOCATION = "gid://shopify/Location/655441491"
PATH = f"/admin/api/{API_VERSION}/graphql.json"
ERROR = Type({"field": "", "message": "", "code": ""})
PLAIN_ERROR = Type({"field": "", "message": ""})
SCHEMA = {
    "Query": Type(
        {
            "shop": "Shop",
            "locations": "Locations",
            "productVariants": "ProductVariants",
            "productVariant": "ProductVariant",
            "order": "Order",
            "webhookSubscriptions": "WebhookSubscriptions",
        },
        {
            "webhookSubscriptions": ("first",),
            "locations": ("first", "after"),
            "productVariants": ("first", "query"),
            "productVariant": ("id",),
            "order": ("id",),
        },
    ),
    "Mutation": Type(
        {
            "inventorySetQuantities": "CodedPayload",
            "inventoryActivate": "Payload",
            "productVariantsBulkUpdate": "VariantsPayload",
            "fulfillmentCreate": "FulfillmentPayload",
            "fulfillmentCancel": "FulfillmentPayload",
            "metafieldsSet": "CodedPayload",
            "webhookSubscriptionCreate": "WebhookPayload",
        },
        {
            "inventorySetQuantities": ("input",),
            "inventoryActivate": ("inventoryItemId", "locationId", "available"),
            "productVariantsBulkUpdate": ("productId", "variants"),
            "fulfillmentCreate": ("fulfillment",),
            "fulfillmentCancel": ("id",),
            "metafieldsSet": ("metafields",),
            "webhookSubscriptionCreate": ("topic", "webhookSubscription"),
        },
    ),
    "Shop": Type({"name": "", "currencyCode": ""}),
    "Locations": Type({"nodes": "Location", "pageInfo": "PageInfo"}),
    "Location": Type(
        {"id": "", "name": "", "inventoryLevels": "InventoryLevels"}, {"inventoryLevels": ("first", "after", "query")}
    ),
    "InventoryLevels": Type({"nodes": "InventoryLevel", "pageInfo": "PageInfo"}),
    "PageInfo": Type({"hasNextPage": "", "endCursor": ""}),
    "ProductVariants": Type({"nodes": "ProductVariant"}),
    "ProductVariant": Type(
        {"id": "", "sku": "", "price": "", "product": "Product", "inventoryItem": "InventoryItem"},
    ),
    "Product": Type({"id": ""}),
    "InventoryItem": Type(
        {"id": "", "sku": "", "tracked": "", "inventoryLevel": "InventoryLevel"}, {"inventoryLevel": ("locationId",)}
    ),
    "InventoryLevel": Type(
        {"id": "", "updatedAt": "", "item": "InventoryItem", "quantities": "InventoryQuantity"},
        {"quantities": ("names",)},
    ),
    "InventoryQuantity": Type({"name": "", "quantity": ""}),
    "Order": Type(
        {
            "id": "",
            "name": "",
            "metafields": "Metafields",
            "fulfillments": "Fulfillment",
            "fulfillmentOrders": "FulfillmentOrders",
        },
        {"metafields": ("namespace", "first"), "fulfillments": ("first",), "fulfillmentOrders": ("first",)},
    ),
    "Metafields": Type({"nodes": "Metafield"}),
    "Metafield": Type({"key": "", "value": "", "namespace": ""}),
    "Fulfillment": Type(
        {"id": "", "status": "", "trackingInfo": "TrackingInfo", "fulfillmentLineItems": "FulfillmentLineItems"},
        {"fulfillmentLineItems": ("first",)},
    ),
    "TrackingInfo": Type({"company": "", "number": ""}),
    "FulfillmentLineItems": Type({"nodes": "FulfillmentLineItem"}),
    "FulfillmentLineItem": Type({"quantity": "", "lineItem": "LineItem"}),
    "LineItem": Type({"id": "", "sku": ""}),
    "FulfillmentOrders": Type({"nodes": "FulfillmentOrder"}),
    "FulfillmentOrder": Type(
        {
            "id": "",
            "status": "",
            "assignedLocation": "AssignedLocation",
            "lineItems": "FulfillmentOrderLineItems",
        },
        {"lineItems": ("first",)},
    ),
    "AssignedLocation": Type({"location": "Location"}),
    "FulfillmentOrderLineItems": Type({"nodes": "FulfillmentOrderLineItem"}),
    "FulfillmentOrderLineItem": Type({"id": "", "remainingQuantity": "", "lineItem": "LineItem"}),
    "WebhookSubscriptions": Type({"nodes": "WebhookSubscription"}),
    "WebhookSubscription": Type({"id": "", "topic": "", "uri": "", "apiVersion": "ApiVersion"}),
    "ApiVersion": Type({"handle": "", "supported": ""}),
    "WebhookPayload": Type({"webhookSubscription": "WebhookSubscription", "userErrors": "PlainError"}),
    "Payload": Type({"userErrors": "PlainError"}),
    "CodedPayload": Type({"userErrors": "Error"}),
    "VariantsPayload": Type({"productVariants": "ProductVariant", "userErrors": "PlainError"}),
    "FulfillmentPayload": Type({"fulfillment": "Fulfillment", "userErrors": "PlainError"}),
    "Error": ERROR,
    "PlainError": PLAIN_ERROR,
}
# the fields of input objects; the first level of each mutation's argument and of the lists in it
INPUTS = {
    "inventorySetQuantities": {"name", "reason", "referenceDocumentUri", "quantities"},
    "quantities": {"inventoryItemId", "locationId", "quantity", "changeFromQuantity"},
    "variants": {"id", "price"},
    "fulfillment": {"lineItemsByFulfillmentOrder", "notifyCustomer", "trackingInfo"},
    "metafields": {"ownerId", "namespace", "key", "type", "value"},
    "webhookSubscription": {"uri", "format", "filter", "includeFields", "metafieldNamespaces"},
}


class UserError(Exception):
    """What a mutation refuses."""

    def __init__(self, message: str, code: str = "", at: str = "input") -> None:
        super().__init__(message)
        self.told = {"message": message, "code": code or None, "field": [at]}


@dataclass
class Variant:
    """An article of the store. `levels` is what can be sold at each location that stocks it."""

    number: int
    sku: str
    price: Decimal
    tracked: bool = True
    levels: dict[str, int] = field(default_factory=dict)
    changed: dict[str, datetime] = field(default_factory=dict)  # when each level did last


@dataclass
class Shipment:
    """A fulfilment: line id → quantity."""

    number: int
    lines: dict[int, int]
    company: str
    numbers: list[str]
    notified: bool
    cancelled: bool = False


@dataclass
class Sold:
    """An order as it was placed, and what has become of it."""

    body: Body
    shipments: list[Shipment] = field(default_factory=list)
    marks: dict[tuple[str, str], str] = field(default_factory=dict)
    location: str = LOCATION

    def left(self, line: Body) -> int:
        """How many of a line are still to be shipped."""
        shipped = sum(each.lines.get(line["id"], 0) for each in self.shipments if not each.cancelled)
        return int(line["quantity"]) - shipped


@dataclass(frozen=True)
class Trouble:
    """What the next request meets: an HTTP answer instead of one, or none, before or after the work."""

    status: int = 0
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    drop: bool = False
    after: bool = False
    only: str = ""  # a mutation's or query's first field


class ShopifyAdmin:
    """One store on 127.0.0.1. `send` takes the webhooks, as (topic, body), in the order of the changes."""

    def __init__(
        self,
        token: str = "shpat_local",  # noqa: S107 - of a made-up store
        port: int = 0,
        *,
        currency: str = "USD",
        send: Callable[[str, Body], None] = lambda *_: None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.token = token
        self.currency = currency
        self.send = send
        self.variants: list[Variant] = []
        self.orders: dict[int, Sold] = {}
        self.locations = {LOCATION: "Main"}
        self.subscriptions: list[Body] = []  # by the Admin API: topic, uri, apiVersion
        self.writes: list[str] = []
        self.asked: list[str] = []
        self.troubles: list[Trouble] = []
        self.inputs: list[tuple[str, Mapping[str, Any]]] = []
        self.bucket = Bucket(now())
        self.throttled = 0
        self._now = now
        self._lock = threading.RLock()
        self._numbers = iter(range(4_000_000, 9_000_000))
        self._keys: set[str] = set()
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.store = self

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        serve = {"poll_interval": 0.02}
        threading.Thread(target=self._server.serve_forever, kwargs=serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    # What people do in the store

    def stock(self, sku: str, available: int | None = 0, price: str = "10.00", *, tracked: bool = True) -> Variant:
        """An article for sale; with `available` None the location does not stock it."""
        levels = {} if available is None else {LOCATION: available}
        changed = dict.fromkeys(levels, self._now())
        variant = Variant(next(self._numbers), sku, Decimal(price), tracked, levels, changed)
        self.variants.append(variant)
        return variant

    def variant(self, sku: str) -> Variant:
        """The article of a SKU."""
        return next(each for each in self.variants if each.sku == sku)

    def place(self, body: Body) -> None:
        """An order is placed: its goods are no longer available."""
        with self._lock:
            self.orders[body["id"]] = Sold(body)
            self.send("orders/create", body)
            for line in body["line_items"]:
                for variant in (each for each in self.variants if each.sku == line["sku"]):
                    self._level(variant, LOCATION, variant.levels.get(LOCATION, 0) - line["quantity"])

    def edit_stock(self, sku: str, available: int, location: str = LOCATION) -> None:
        """A person sets how much can be sold."""
        with self._lock:
            self._level(self.variant(sku), location, available)

    def edit_price(self, sku: str, price: str) -> None:
        """A person sets a price."""
        with self._lock:
            self._price(self.variant(sku), Decimal(price))

    def ship(self, order: int, lines: Mapping[int, int]) -> Shipment:
        """A person marks goods as shipped."""
        with self._lock:
            return self._ship(self.orders[order], dict(lines), "", [], notify=False)

    # The API

    def answer(self, token: str, content: Any) -> tuple[int, Body, Mapping[str, str]] | None:
        """Serve a request; None closes the connection."""
        with self._lock:
            if token != self.token:
                return (
                    401,
                    {"errors": "[API] Invalid API key or access token (unrecognized login or wrong password)"},
                    {},
                )
            try:
                operation = parse(content["query"], content.get("variables") or {})
                kind = "Query" if operation.kind == "query" else "Mutation"
                check(operation.fields, kind, SCHEMA)
                for one in operation.fields:
                    _check_inputs(one)
            except Invalid as error:
                return 200, {"errors": [{"message": str(error), "extensions": {"code": "undefinedField"}}]}, {}
            first = operation.fields[0].name
            self.asked.append(first)
            trouble = self._trouble(first)
            if trouble and not trouble.after:
                return _troubled(trouble)
            points = sum(map(cost, operation.fields))
            if points > MOST_POINTS:
                return 200, {"errors": [too_dear(points)]}, {}
            if not self.bucket.takes(points, self._now()):
                self.throttled += 1
                return 200, {"errors": [THROTTLED]} | self.bucket.told(points), {}
            try:
                roots = {one.answer_as: self._root(kind, one) for one in operation.fields}
            except Invalid as error:
                return 200, {"errors": [{"message": str(error)}]}, {}
            if trouble:
                return _troubled(trouble)
            date = {"Date": format_datetime(self._now(), usegmt=True)}
            return 200, {"data": roots} | self.bucket.told(points), date

    def _trouble(self, first: str) -> Trouble | None:
        found = next((each for each in self.troubles if not each.only or each.only == first), None)
        if found:
            self.troubles.remove(found)
        return found

    def _root(self, kind: str, one: Selected) -> Any:
        inner = SCHEMA[kind].fields[one.name]
        if kind == "Query":
            return project(getattr(self, f"_{one.name}")(**one.arguments), one.inner, inner, SCHEMA)
        key = str(one.directives.get("idempotent", {}).get("key") or "")
        try:
            if key and key in self._keys:
                raise UserError("The same key cannot be used again", "IDEMPOTENCY_KEY_PARAMETER_MISMATCH", "key")
            result = getattr(self, f"_{one.name}")(**one.arguments)
        except UserError as error:
            return project({"userErrors": [error.told]}, one.inner, inner, SCHEMA)
        self._keys.add(key)
        self.writes.append(one.name)
        self.inputs.append((one.name, one.arguments))
        return project({**result, "userErrors": []}, one.inner, inner, SCHEMA)

    # Queries; their names are the API's

    def _shop(self) -> Body:
        return {"name": "Shop", "currencyCode": self.currency}

    def _locations(self, first: int, after: str | None = None) -> Body:
        def levels_at(location: str) -> Callable[..., Body]:
            return lambda first, after=None, query=None: levels(self.variants, location, first, after, query)

        nodes = [
            {"id": each, "name": name, "inventoryLevels": levels_at(each)} for each, name in self.locations.items()
        ]
        return paged(nodes, first, after)

    def _productVariants(self, first: int, query: str) -> Body:  # noqa: N802
        """The search finds words without case, so that it finds too much."""
        words = query.partition(":")[2].strip('"').replace('\\"', '"').replace("\\\\", "\\").casefold()
        return {"nodes": [self._shown(each) for each in self.variants if words in each.sku.casefold()][:first]}

    def _productVariant(self, id: str) -> Body | None:  # noqa: A002, N802
        found = self._by_id(id)
        return self._shown(found) if found else None

    def _webhookSubscriptions(self, first: int) -> Body:  # noqa: N802
        return {"nodes": self.subscriptions[:first]}

    def _webhookSubscriptionCreate(self, topic: str, webhookSubscription: Body) -> Body:  # noqa: N802, N803
        made = {"topic": topic, "uri": webhookSubscription["uri"]}
        if any(made.items() <= each.items() for each in self.subscriptions):
            raise UserError("Address for this topic has already been taken", at="webhookSubscription")
        made["id"] = f"gid://shopify/WebhookSubscription/{next(self._numbers)}"
        self.subscriptions.append({**made, "apiVersion": {"handle": API_VERSION, "supported": True}})
        return {"webhookSubscription": self.subscriptions[-1]}

    def _order(self, id: str) -> Body | None:  # noqa: A002
        sold = self.orders.get(_number(id))
        if sold is None:
            return None
        lines = sold.body["line_items"]
        skus = {line["id"]: line["sku"] for line in lines}
        open_lines = [
            {
                "id": f"gid://shopify/FulfillmentOrderLineItem/{line['id']}",
                "remainingQuantity": sold.left(line),
                "lineItem": {"id": f"gid://shopify/LineItem/{line['id']}", "sku": line["sku"]},
            }
            for line in lines
        ]
        state = "OPEN" if any(each["remainingQuantity"] for each in open_lines) else "CLOSED"

        def metafields(namespace: str, first: int) -> Body:
            found = [
                {"namespace": space, "key": key, "value": value}
                for (space, key), value in sold.marks.items()
                if space == namespace
            ]
            return {"nodes": found[:first]}

        return {
            "id": id,
            "name": sold.body["name"],
            "metafields": metafields,
            "fulfillments": lambda first: [_fulfillment(each, skus) for each in sold.shipments][:first],
            "fulfillmentOrders": lambda first: {
                "nodes": [
                    {
                        "id": f"gid://shopify/FulfillmentOrder/{_number(id)}",
                        "status": state,
                        "assignedLocation": {"location": {"id": sold.location, "name": "Main"}},
                        "lineItems": lambda first: {"nodes": open_lines[:first]},
                    }
                ][:first]
            },
        }

    def _shown(self, variant: Variant) -> Body:
        def level(locationId: str) -> Body | None:  # noqa: N803
            if locationId not in variant.levels:
                return None
            return {"quantities": lambda names: [{"name": n, "quantity": variant.levels[locationId]} for n in names]}

        return {
            "id": f"gid://shopify/ProductVariant/{variant.number}",
            "sku": variant.sku,
            "price": f"{variant.price:.2f}",
            "product": {"id": f"gid://shopify/Product/{variant.number}"},
            "inventoryItem": {
                "id": f"gid://shopify/InventoryItem/{variant.number}",
                "tracked": variant.tracked,
                "inventoryLevel": level,
            },
        }

    # Mutations

    def _inventorySetQuantities(self, input: Body) -> Body:  # noqa: A002, N802
        if input["name"] != "available":
            raise UserError("The quantity name must be either 'available' or 'on_hand'", "INVALID_NAME")
        for each in input["quantities"]:
            variant = self._by_id(each["inventoryItemId"])
            if variant is None:
                raise UserError("The specified inventory item could not be found.", "INVALID_INVENTORY_ITEM")
            if each["locationId"] not in variant.levels:
                raise UserError("The item is not stocked at the location.", "ITEM_NOT_STOCKED_AT_LOCATION")
            if each["quantity"] < 0:
                raise UserError("The quantity can't be negative.", "INVALID_QUANTITY_NEGATIVE")
            before = each["changeFromQuantity"]
            if before is not None and before != variant.levels[each["locationId"]]:
                text = "The changeFromQuantity argument no longer matches the persisted quantity."
                raise UserError(text, "CHANGE_FROM_QUANTITY_STALE")
            self._level(variant, each["locationId"], each["quantity"])
        return {}

    def _inventoryActivate(self, inventoryItemId: str, locationId: str, available: int) -> Body:  # noqa: N802, N803
        variant = self._by_id(inventoryItemId)
        if variant is None or locationId not in self.locations:
            raise UserError("The product couldn't be stocked because it wasn't found.")
        self._level(variant, locationId, available)
        return {}

    def _productVariantsBulkUpdate(self, productId: str, variants: list[Body]) -> Body:  # noqa: N802, N803
        changed = []
        for each in variants:
            variant = self._by_id(each["id"])
            if variant is None or _number(productId) != variant.number:
                raise UserError("Product variant does not exist", at="variants")
            self._price(variant, Decimal(each["price"]))
            changed.append(self._shown(variant))
        return {"productVariants": changed}

    def _fulfillmentCreate(self, fulfillment: Body) -> Body:  # noqa: N802
        lines: dict[int, int] = {}
        sold: Sold | None = None
        for part in fulfillment["lineItemsByFulfillmentOrder"]:
            sold = self.orders.get(_number(part["fulfillmentOrderId"]))
            if sold is None:
                raise UserError("Fulfillment order does not exist.", at="fulfillment")
            by_id = {line["id"]: line for line in sold.body["line_items"]}
            for each in part["fulfillmentOrderLineItems"]:
                line = by_id.get(_number(each["id"]))
                if line is None or not 0 < each["quantity"] <= sold.left(line):
                    raise UserError("Invalid fulfillment order line item quantity requested.", at="fulfillment")
                lines[line["id"]] = each["quantity"]
        if sold is None:
            raise UserError("No fulfillment orders given", at="fulfillment")
        tracking = fulfillment.get("trackingInfo") or {}
        made = self._ship(
            sold,
            lines,
            tracking.get("company", ""),
            tracking.get("numbers", []),
            notify=bool(fulfillment.get("notifyCustomer")),
        )
        return {"fulfillment": _fulfillment(made, {})}

    def _fulfillmentCancel(self, id: str) -> Body:  # noqa: A002, N802
        for sold in self.orders.values():
            for shipment in sold.shipments:
                if shipment.number == _number(id):
                    if shipment.cancelled:
                        raise UserError("Fulfillment is already cancelled", at="id")
                    shipment.cancelled = True
                    self._told_of(sold, shipment, "fulfillments/update")
                    return {"fulfillment": _fulfillment(shipment, {})}
        raise UserError("Fulfillment not found.", at="id")

    def _metafieldsSet(self, metafields: list[Body]) -> Body:  # noqa: N802
        for each in metafields:
            self.orders[_number(each["ownerId"])].marks[each["namespace"], each["key"]] = each["value"]
        return {}

    # Changes and the webhooks that they send

    def _ship(self, sold: Sold, lines: dict[int, int], company: str, numbers: list[str], *, notify: bool) -> Shipment:
        shipment = Shipment(next(self._numbers), lines, company, list(numbers), notify)
        sold.shipments.append(shipment)
        self._told_of(sold, shipment, "fulfillments/create")
        return shipment

    def _told_of(self, sold: Sold, shipment: Shipment, topic: str) -> None:
        by_id = {line["id"]: line for line in sold.body["line_items"]}
        bodies = [
            {
                "id": each.number,
                "order_id": sold.body["id"],
                "status": "cancelled" if each.cancelled else "success",
                "created_at": self._instant(),
                "updated_at": self._instant(),
                "tracking_company": each.company or None,
                "tracking_numbers": each.numbers,
                "name": f"{sold.body['name']}-F{place}",
                "admin_graphql_api_id": f"gid://shopify/Fulfillment/{each.number}",
                "line_items": [{**by_id[line], "quantity": quantity} for line, quantity in each.lines.items()],
            }
            for place, each in enumerate(sold.shipments, 1)
        ]
        left = any(sold.left(line) for line in sold.body["line_items"])
        status = ("partial" if any(not each.cancelled for each in sold.shipments) else None) if left else "fulfilled"
        sold.body = {
            **sold.body,
            "fulfillments": bodies,
            "fulfillment_status": status,
            "updated_at": self._instant(),
        }
        self.send(topic, bodies[sold.shipments.index(shipment)])
        self.send("orders/updated", sold.body)

    def _level(self, variant: Variant, location: str, available: int) -> None:
        variant.levels[location] = available
        variant.changed[location] = self._now()
        body = {
            "inventory_item_id": variant.number,
            "location_id": _number(location),
            "available": available,
            "updated_at": self._instant(),
            "admin_graphql_api_id": f"gid://shopify/InventoryLevel/{_number(location)}?inventory_item_id={variant.number}",
        }
        self.send("inventory_levels/update", body)

    def _price(self, variant: Variant, price: Decimal) -> None:
        variant.price = price.quantize(Decimal("0.01"))
        body = {
            "id": variant.number,
            "title": variant.sku,
            "body_html": None,
            "status": "active",
            "updated_at": self._instant(),
            "admin_graphql_api_id": f"gid://shopify/Product/{variant.number}",
            "variants": [
                {
                    "id": variant.number,
                    "product_id": variant.number,
                    "title": "Default Title",
                    "sku": variant.sku,
                    "price": f"{variant.price:.2f}",
                    "barcode": None,
                    "admin_graphql_api_id": f"gid://shopify/ProductVariant/{variant.number}",
                }
            ],
        }
        self.send("products/update", body)

    def _by_id(self, global_id: str) -> Variant | None:
        return next((each for each in self.variants if each.number == _number(global_id)), None)

    def _instant(self) -> str:
        return self._now().astimezone(UTC).isoformat(timespec="seconds")


def _fulfillment(shipment: Shipment, skus: Mapping[int, str]) -> Body:
    nodes = [
        {"quantity": quantity, "lineItem": {"id": f"gid://shopify/LineItem/{line}", "sku": skus.get(line)}}
        for line, quantity in shipment.lines.items()
    ]
    return {
        "id": f"gid://shopify/Fulfillment/{shipment.number}",
        "status": "CANCELLED" if shipment.cancelled else "SUCCESS",
        "trackingInfo": [{"company": shipment.company or None, "number": number} for number in shipment.numbers],
        "fulfillmentLineItems": lambda first: {"nodes": nodes[:first]},
    }


def _number(global_id: str) -> int:
    return int(global_id.rpartition("/")[2])


def _check_inputs(one: Selected) -> None:
    inputs = {one.name: one.arguments.get("input"), **one.arguments}
    inputs |= {name: each for name, each in (one.arguments.get("input") or {}).items() if isinstance(each, list)}
    for name, value in inputs.items():
        for each in value if isinstance(value, list) else [value]:
            unknown = set(each) - INPUTS[name] if isinstance(each, dict) and name in INPUTS else set()
            if unknown:
                raise Invalid(f"Variable was provided invalid value for {name}.{min(unknown)} (Field is not defined)")


def _troubled(trouble: Trouble) -> tuple[int, Body, Mapping[str, str]] | None:
    return None if trouble.drop else (trouble.status, dict(trouble.body or {}), trouble.headers)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    store: ShopifyAdmin


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that the base class gives it
        """Nothing: what was asked is in `asked`."""

    def do_POST(self) -> None:
        content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path != PATH:
            self._send(404, {"errors": "Not Found"}, {})
            return
        answer = self.server.store.answer(self.headers.get("X-Shopify-Access-Token", ""), content)
        if answer is None:
            self.close_connection = True
            self.connection.close()
            return
        self._send(*answer)

    def _send(self, status: int, body: Body, headers: Mapping[str, str]) -> None:
        content = json.dumps(body).encode()
        self.send_response_only(status)  # without a Date of its own
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
