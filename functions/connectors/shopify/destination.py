"""A Shopify store as a destination: which action brings which record to the store."""

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from connectors.shopify.admin import Admin
from connectors.shopify.settings import FlowSettings
from connectors.shopify.shipping import Shipping
from connectors.shopify.stock import Stock
from hub.connector import HttpClient, Written
from hub.errors import NotConfigured, SecretUnavailable
from hub.events import Event
from hub.records import Fulfilment, Price, Record, StockLevel


def credentials(live_secrets: Callable[[str], Sequence[str]]) -> Mapping[str, str]:
    """The header that signs in the store's app."""
    tokens = live_secrets("admin_token")
    if not tokens:
        raise SecretUnavailable("Shopify's admin_token is not stored; run `hub secrets set`")
    return {"X-Shopify-Access-Token": tokens[0], "Accept": "application/json"}


def destination(http: HttpClient, settings: Mapping[str, Any]) -> "ShopifyDestination":
    """The store behind `http`, with the flow's settings (already validated when they were deployed)."""
    return ShopifyDestination(Admin(http), FlowSettings(**settings), time.monotonic, lambda: str(uuid.uuid4()))


def probe(http: HttpClient) -> None:
    """Ask Shopify something cheap that needs our token; raises Unavailable where it does not serve."""
    Admin(http).ask("query { shop { name } }", {})


class ShopifyDestination:
    """Writes records to one Shopify store."""

    def __init__(
        self, admin: Admin, settings: FlowSettings, monotonic: Callable[[], float], new_key: Callable[[], str]
    ) -> None:
        self._stock = Stock(admin, settings, monotonic, new_key)
        self.remembered = self._stock.remembered
        self._shipping = Shipping(admin, settings)

    def apply(self, action: str, record: Record, event: Event, known_name: str) -> Written:  # noqa: ARG002 - Shopify
        # finds by SKU and by its own marks what the ledger last knew
        """Do what the manifest calls `action`."""
        if action == "set_stock_level" and isinstance(record, StockLevel):
            return self._stock.set_level(record, event)
        if action == "set_price" and isinstance(record, Price):
            return self._stock.set_price(record)
        if action == "create_fulfilment" and isinstance(record, Fulfilment):
            return self._shipping.bring(record)
        raise NotConfigured(f"action {action} does not take a record of kind {record.kind}; see the flow's actions")

    def find(self, action: str, record: Record, event: Event) -> Written | None:  # noqa: ARG002 - the port's own names
        """What an earlier try of a `once` action has done, or None where it has done nothing."""
        return self._shipping.find(record) if isinstance(record, Fulfilment) else None
