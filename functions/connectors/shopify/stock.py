"""Stock and prices in a Shopify store: read, compare, and write only what differs."""

from collections.abc import Callable, Mapping
from decimal import ROUND_FLOOR, Decimal
from typing import Any, Final

from connectors.shopify.admin import Admin, Declined
from connectors.shopify.settings import FlowSettings
from hub.connector import Effect, Written
from hub.errors import NotConfigured, Refused, Temporary
from hub.events import Event
from hub.records import Price, StockLevel
from hub.remembered import Remembered

TRIES = 3  # against sales that change a level between our reading and our writing
STALE = {"CHANGE_FROM_QUANTITY_STALE", "COMPARE_QUANTITY_STALE"}
VARIANT = "ProductVariant"

_STOCK_FIELDS: Final = """
  id sku
  inventoryItem {
    id tracked
    inventoryLevel(locationId: $location) { quantities(names: ["available"]) { quantity } }
  }"""
STOCK_BY_SKU: Final = f"""
query($sku: String!, $location: ID!) {{ productVariants(first: 10, query: $sku) {{ nodes {{ {_STOCK_FIELDS} }} }} }}"""
STOCK_BY_ID: Final = f"query($id: ID!, $location: ID!) {{ productVariant(id: $id) {{ {_STOCK_FIELDS} }} }}"
LOCATIONS: Final = "query { locations(first: 250) { nodes { id name } } }"
# changeFromQuantity makes it a compare-and-set; from API version 2026-04 on it and @idempotent are mandatory
# https://shopify.dev/changelog/concurrency-protection-features
SET_QUANTITY: Final = """
mutation($input: InventorySetQuantitiesInput!, $key: String!) {
  inventorySetQuantities(input: $input) @idempotent(key: $key) { userErrors { code field message } }
}"""
STOCK_HERE: Final = """
mutation($item: ID!, $location: ID!, $available: Int!, $key: String!) {
  inventoryActivate(inventoryItemId: $item, locationId: $location, available: $available) @idempotent(key: $key) {
    userErrors { field message }
  }
}"""
_PRICE_FIELDS: Final = "id sku price product { id }"
PRICE_BY_SKU: Final = f"""
query($sku: String!) {{
  shop {{ currencyCode }} productVariants(first: 10, query: $sku) {{ nodes {{ {_PRICE_FIELDS} }} }}
}}"""
PRICE_BY_ID: Final = f"query($id: ID!) {{ shop {{ currencyCode }} productVariant(id: $id) {{ {_PRICE_FIELDS} }} }}"
SET_PRICE: Final = """
mutation($product: ID!, $variants: [ProductVariantsBulkInput!]!) {
  productVariantsBulkUpdate(productId: $product, variants: $variants) {
    productVariants { id price } userErrors { field message }
  }
}"""


class Stock:
    """Levels and prices of a store's variants. `new_key` makes keys that are never the same."""

    def __init__(
        self, admin: Admin, settings: FlowSettings, monotonic: Callable[[], float], new_key: Callable[[], str]
    ) -> None:
        self._admin = admin
        self._settings = settings
        self._new_key = new_key
        self._variants = Remembered(monotonic)
        self._locations = Remembered(monotonic)
        self.remembered = (self._variants, self._locations)

    def set_level(self, level: StockLevel, event: Event) -> Written:
        """Bring what can be sold of an article at a location to what the source says.

        Shopify counts in whole pieces and sells nothing below zero: a part of a piece is cut off, and what the source
        has promised beyond its stock counts as none.
        """
        configured = self._settings.locations.get(level.place)
        if configured is None:
            return _ignored(f"{level.place} is no warehouse of the flow's settings (locations)")
        location = self._location(configured)
        wanted = max(int(level.available.to_integral_value(ROUND_FLOOR)), 0)
        for _ in range(TRIES):
            variant, _ = self._variant(level.sku, STOCK_BY_SKU, STOCK_BY_ID, {"location": location})
            if variant is None:
                return _not_sold(level.sku)
            item = variant["inventoryItem"]
            if not item["tracked"]:
                return _ignored(f"Shopify does not track the stock of SKU {level.sku}")
            if _available(item) == wanted:
                return Written(Effect.UNCHANGED, VARIANT, variant["id"])
            try:
                self._write_level(item, location, wanted, event)
            except Declined as error:
                if error.codes & STALE:
                    continue  # sold or changed in this moment: look again
                raise
            return Written(Effect.APPLIED, VARIANT, variant["id"])
        raise Temporary(f"the stock of SKU {level.sku} keeps being changed while it is written")

    def set_price(self, price: Price) -> Written:
        """Bring the price of an article to what the source's price list says."""
        if price.price_list != self._settings.price_list:
            return _ignored(f"{price.price_list} is not the price list of the flow's settings (price_list)")
        variant, answer = self._variant(price.sku, PRICE_BY_SKU, PRICE_BY_ID, {})
        if variant is None:
            return _not_sold(price.sku)
        currency = answer["shop"]["currencyCode"]
        if price.currency != currency:
            raise NotConfigured(
                f"the price of {price.sku} is in {price.currency}, the store's prices are in {currency}; name a price "
                f"list in {currency} (price_list) in the flow's settings, then replay the event"
            )
        if Decimal(variant["price"]) == price.amount:
            return Written(Effect.UNCHANGED, VARIANT, variant["id"])
        wanted = {"id": variant["id"], "price": f"{price.amount:f}"}
        done = self._admin.change(SET_PRICE, {"product": variant["product"]["id"], "variants": [wanted]})
        stored = Decimal(done["productVariants"][0]["price"])
        if stored != price.amount:
            raise Refused(
                f"Shopify stored {stored} {currency} as the price of {price.sku} instead of {price.amount}; give it no "
                "more decimals than the currency has, then replay the event"
            )
        return Written(Effect.APPLIED, VARIANT, variant["id"])

    def _write_level(self, item: Mapping[str, Any], location: str, wanted: int, event: Event) -> None:
        before = _available(item)
        if before is None:
            stocked = {"item": item["id"], "location": location, "available": wanted, "key": self._new_key()}
            self._admin.change(STOCK_HERE, stocked)
            return
        quantity = {
            "inventoryItemId": item["id"],
            "locationId": location,
            "quantity": wanted,
            "changeFromQuantity": before,
        }
        asked = {
            "name": "available",
            "reason": "correction",
            "referenceDocumentUri": f"gid://erp-integration-hub/Event/{event.id}",
            "quantities": [quantity],
        }
        self._admin.change(SET_QUANTITY, {"input": asked, "key": self._new_key()})

    def _variant(
        self, sku: str, by_sku: str, by_id: str, variables: Mapping[str, Any]
    ) -> tuple[dict[str, Any] | None, dict[str, Any]]:
        """The one variant of a SKU, or None, and the whole answer. A remembered id spares the search, whose index lags
        behind the store by seconds."""
        if known := self._variants.get(_folded(sku)):
            answer = self._admin.ask(by_id, {"id": known, **variables})
            variant = answer["productVariant"]
            if variant and _folded(variant["sku"]) == _folded(sku):
                return variant, answer
            self._variants.put(_folded(sku), "")
        answer = self._admin.ask(by_sku, {"sku": f"sku:{_quoted(sku)}", **variables})
        # the search splits words and ignores case, so that it finds more than this SKU
        found = [each for each in answer["productVariants"]["nodes"] if _folded(each["sku"]) == _folded(sku)]
        if len(found) > 1:
            raise Refused(
                f"SKU {sku} is that of {len(found)} variants in Shopify; give each its own, then replay the event"
            )
        if not found:
            return None, answer
        self._variants.put(_folded(sku), found[0]["id"])
        return found[0], answer

    def _location(self, configured: str) -> str:
        """A location's global id, from its id or its name."""
        if configured.startswith("gid://"):
            return configured
        if configured.isascii() and configured.isdigit():
            return f"gid://shopify/Location/{configured}"
        if not self._locations.get(configured):
            for node in self._admin.ask(LOCATIONS, {})["locations"]["nodes"]:
                self._locations.put(node["name"], node["id"])
        found = self._locations.get(configured)
        if not found:
            raise NotConfigured(
                f"Shopify has no location {configured!r}; write its name or id in the flow's settings (locations), "
                "then replay the event"
            )
        return found


def _available(item: Mapping[str, Any]) -> int | None:
    """What can be sold; None where the location does not stock the item."""
    level = item["inventoryLevel"]
    return int(level["quantities"][0]["quantity"]) if level else None


def _ignored(rule: str) -> Written:
    return Written(Effect.IGNORED, rule=rule)


def _not_sold(sku: str) -> Written:
    return _ignored(f"Shopify has no variant with SKU {sku}")


def _folded(sku: str | None) -> str:
    return (sku or "").strip().casefold()


def _quoted(text: str) -> str:
    """A text as Shopify's search syntax takes it whole. https://shopify.dev/docs/api/usage/search-syntax"""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
