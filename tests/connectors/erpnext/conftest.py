"""A stand-in ERPNext with the hub's fields and some Items, and the destination that writes to it."""

from collections.abc import Iterator

import pytest

from adapters.http import DestinationHttp
from connectors.erpnext.client import ErpNext
from connectors.erpnext.connector import ErpNextDestination
from connectors.erpnext.setup import setup
from hub.connector import HttpClient
from infra.local.erpnext.server import ErpNextStandIn
from tests.connectors.erpnext.orders import settings


def http_to(site: ErpNextStandIn) -> DestinationHttp:
    """The adapter that ships, pointed at the stand-in."""
    headers = {"Authorization": f"token {site.token}", "Accept": "application/json"}
    return DestinationHttp(site.url, lambda: headers, lambda: None, timeout_seconds=5.0, connections=12)


def destination_to(http: HttpClient, **changes: object) -> ErpNextDestination:
    """A destination that remembers nothing yet."""
    return ErpNextDestination(ErpNext(http), settings(**changes), monotonic=lambda: 0.0)


@pytest.fixture
def site() -> Iterator[ErpNextStandIn]:
    """An ERPNext site after `hub setup erp`, with the Items SKU-1 to SKU-3."""
    with ErpNextStandIn() as standin:
        http = http_to(standin)
        setup(http)
        for number in (1, 2, 3):
            item = {"item_code": f"SKU-{number}", "item_group": "Products", "stock_uom": "Nos"}
            ErpNext(http).insert("Item", item)
        standin.clear_requests()
        yield standin


@pytest.fixture
def erp(site: ErpNextStandIn) -> ErpNextDestination:
    """The destination under test."""
    return destination_to(http_to(site))
