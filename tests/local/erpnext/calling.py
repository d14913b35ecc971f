"""How the tests of the stand-in call it: plain HTTP, one connection per call."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlsplit

from infra.local.erpnext.server import ErpNextStandIn


@dataclass
class Reply:
    """A response, with its JSON body when it has one."""

    status: int
    body: Any
    text: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)

    @property
    def data(self) -> Any:
        return self.body["data"]

    @property
    def exc_type(self) -> str | None:
        return self.body.get("exc_type") if isinstance(self.body, dict) else None

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


def send(
    url: str,
    method: str,
    raw_path: str,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
    timeout: float = 10,
) -> Reply:
    """One request with exactly these bytes and headers."""
    target = urlsplit(url)
    connection = http.client.HTTPConnection(str(target.hostname), target.port, timeout=timeout)
    try:
        connection.request(method, raw_path, body, headers or {})
        response = connection.getresponse()
        text = response.read().decode()
        kind = response.getheader("Content-Type") or ""
        parsed = json.loads(text) if kind.startswith("application/json") and text else None
        return Reply(response.status, parsed, text, response.getheaders())
    finally:
        connection.close()


def call(erp: ErpNextStandIn, method: str, path: str, body: Any = None, timeout: float = 10, **headers: str) -> Reply:
    """One request of the hub's user, with a JSON body."""
    names = {"Authorization": f"token {erp.token}", "Accept": "application/json"}
    names.update({name.replace("_", "-"): value for name, value in headers.items()})
    content = None
    if body is not None:
        content = json.dumps(body).encode()
        names["Content-Type"] = "application/json"
    return send(erp.url, method, quote(path, safe="/?=&%"), content, names, timeout)


def made(erp: ErpNextStandIn, doctype: str, /, **values: Any) -> Any:
    """A document, made over REST."""
    reply = call(erp, "POST", f"/api/resource/{doctype}", values)
    assert reply.status == 200, reply.text
    return reply.data


def customer(erp: ErpNextStandIn, name: str = "Cust 001", **values: Any) -> Any:
    return made(
        erp,
        "Customer",
        **{"customer_name": name, "customer_group": "Commercial", "territory": "United States", **values},
    )


def item(erp: ErpNextStandIn, code: str = "SKU-001", **values: Any) -> Any:
    return made(erp, "Item", **{"item_code": code, "item_group": "Products", "stock_uom": "Nos", **values})


def order_values(po_no: str | None = None, *rows: dict[str, Any], **values: Any) -> dict[str, Any]:
    """An order for `Cust 001` of 2 × SKU-001 at 25.50, on the day on which the recordings were made."""
    items = list(rows) or [{"item_code": "SKU-001", "qty": 2, "rate": 25.5, "warehouse": "Stores - ATI"}]
    order = {"customer": "Cust 001", "company": "Acme Test Inc", "transaction_date": "2026-11-20"}
    order.update(delivery_date="2026-11-30", currency="USD", selling_price_list="Standard Selling")
    return {**order, "po_no": po_no, "items": items, **values}


def order(erp: ErpNextStandIn, po_no: str | None = None, *rows: dict[str, Any], **values: Any) -> Any:
    return made(erp, "Sales Order", **order_values(po_no, *rows, **values))


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self, now: datetime = datetime(2026, 11, 20, 5, 8, 0, tzinfo=UTC)) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@contextmanager
def shop(**options: Any) -> Iterator[ErpNextStandIn]:
    """A stand-in with a customer, an item, and a unique external_id on customers and orders."""
    with ErpNextStandIn(**{"now": Clock(), **options}) as erp:
        item(erp)
        customer(erp)
        for doctype in ("Customer", "Sales Order"):
            external_id(erp, doctype)
        yield erp


def external_id(erp: ErpNextStandIn, doctype: str, **values: Any) -> Any:
    field = {
        "dt": doctype,
        "fieldname": "external_id",
        "label": "External ID",
        "fieldtype": "Data",
        "unique": 1,
        **values,
    }
    return made(erp, "Custom Field", **field)
