"""ERPNext as a destination: which action brings which record to which documents."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from connectors.erpnext import mapping
from connectors.erpnext.client import AlreadyThere, ErpNext
from connectors.erpnext.documents import CANCELLED, DRAFT, SUBMITTED, Documents, Wanted, external_id
from connectors.erpnext.settings import FlowSettings
from hub.connector import HttpClient, Written
from hub.errors import NotConfigured, SecretUnavailable
from hub.events import Event
from hub.records import Customer, Order, OrderLine, Record

REMEMBER_SECONDS = 900.0  # customers and items hardly ever change their names; a wrong one is found out and asked anew
REMEMBER_NAMES = 10_000  # a name takes some 200 bytes


def credentials(live_secrets: Callable[[str], Sequence[str]]) -> Mapping[str, str]:
    """The headers that sign in the hub's own user of ERPNext."""
    pair = [values[0] for values in (live_secrets("api_key"), live_secrets("api_secret")) if values]
    if len(pair) != 2:
        raise SecretUnavailable("ERPNext's api_key and api_secret are not stored; run `hub secrets set`")
    return {"Authorization": f"token {pair[0]}:{pair[1]}", "Accept": "application/json"}


def destination(http: HttpClient, settings: Mapping[str, Any]) -> "ErpNextDestination":
    """ERPNext behind `http`, with the flow's settings (already validated when they were deployed)."""
    return ErpNextDestination(ErpNext(http), FlowSettings(**settings), time.monotonic)


def probe(http: HttpClient) -> None:
    """Ask ERPNext something cheap that needs our key and our fields; raises Unavailable where it does not serve."""
    Documents(ErpNext(http)).find_name("Customer", "hub:probe:0")


class ErpNextDestination:
    """Writes records to one ERPNext site."""

    def __init__(self, erp: ErpNext, settings: FlowSettings, monotonic: Callable[[], float]) -> None:
        self._erp = erp
        self._documents = Documents(erp)
        self._settings = settings
        self._customers = _Names(monotonic)
        self._items = _Names(monotonic)

    def apply(self, action: str, record: Record, event: Event, known_name: str) -> Written:
        """Do what the manifest calls `action`."""
        if action == "upsert_customer" and isinstance(record, Customer):
            return self._upsert_customer(record, event.integration, event.entity_version, known_name)
        if action == "upsert_sales_order" and isinstance(record, Order):
            return self._upsert_sales_order(record, event, known_name)
        raise NotConfigured(f"action {action} does not take a record of kind {record.kind}; see the flow's actions")

    def _upsert_customer(self, customer: Customer, integration: str, version: str, known_name: str) -> Written:
        key = external_id(integration, "customer", customer.id)
        wanted = Wanted(
            doctype="Customer",
            external_id=key,
            version=version,
            fields=mapping.customer_fields(customer, self._settings),
            tables={},
            only_new=mapping.ONLY_NEW,
        )
        written = self._documents.converge(lambda _fresh: wanted, known_name)
        self._customers.put(key, written.name)
        return written

    def _upsert_sales_order(self, order: Order, event: Event, known_name: str) -> Written:
        if not order.cancelled_at:
            order.check_total()
        docstatus = CANCELLED if order.cancelled_at else SUBMITTED if self._settings.submit else DRAFT

        def want(fresh: bool) -> Wanted:
            # a cancelled order keeps what it said; its lines and customer need not exist any more
            cancelled = docstatus == CANCELLED
            items = {} if cancelled else self._item_codes(order, fresh)
            customer = "" if cancelled else self._customer_name(order, event.integration, fresh)
            settings = self._settings
            return Wanted(
                doctype="Sales Order",
                external_id=external_id(event.integration, "order", order.id),
                version=event.entity_version,
                fields={} if cancelled else mapping.order_fields(order, customer, settings),
                tables={}
                if cancelled
                else {
                    "items": mapping.item_rows(order, items, settings),
                    "taxes": mapping.tax_rows(order, settings),
                },
                only_new=mapping.ONLY_NEW,
                row_key=mapping.ROW_KEY,
                docstatus=docstatus,
                submittable=True,
                allowed_on_submit=mapping.ALLOWED_ON_SUBMIT,
                amend=settings.after_submit == "amend",
                check=lambda document: mapping.check_total(order, document),
            )

        return self._documents.converge(want, known_name)

    def _customer_name(self, order: Order, integration: str, fresh: bool) -> str:
        """The Customer of an order, created from the order where ERPNext does not have it yet."""
        customer = order.customer
        if customer is None:
            if self._settings.guest_customer is None:
                raise NotConfigured(
                    f"order {order.number} has no customer; name one for such orders in the flow's settings "
                    "(guest_customer: …), then replay the event"
                )
            return self._settings.guest_customer
        key = external_id(integration, "customer", customer.id)
        name = "" if fresh else self._customers.get(key)
        name = name or self._documents.find_name("Customer", key)
        if not name:
            # without a version: the customer's own events are newer than what an order repeats of them
            name = self._upsert_customer(customer, integration, "", "").name
        self._customers.put(key, name)
        return name

    def _item_codes(self, order: Order, fresh: bool) -> dict[str, str]:
        """Line id → Item, by SKU; one call for all SKUs that are not remembered."""
        wanted = {_folded(line.sku): line.sku for line in order.lines if line.sku}
        known = {} if fresh else {folded: name for folded in wanted if (name := self._items.get(folded))}
        unknown = [sku for folded, sku in wanted.items() if folded not in known]
        if unknown:
            for row in self._erp.find("Item", [["name", "in", unknown]], ["name"]):
                known[_folded(row["name"])] = row["name"]
        for folded, name in known.items():
            self._items.put(folded, name)
        return {line.id: known.get(_folded(line.sku)) or self._item_for(line, order) for line in order.lines}

    def _item_for(self, line: OrderLine, order: Order) -> str:
        """The Item of a line that ERPNext has none for: what the flow's settings say."""
        settings = self._settings
        if line.sku and settings.unknown_item == "create":
            return self._create_item(line)
        if settings.substitute_item and (not line.sku or settings.unknown_item == "substitute"):
            return settings.substitute_item
        what = f"SKU {line.sku!r}, which is no Item in ERPNext" if line.sku else f"no SKU ({line.title!r})"
        remedy = (
            "create the Item, or set unknown_item to create or substitute"
            if line.sku
            else "give the product a SKU, or name an Item for such lines (substitute_item: …)"
        )
        raise NotConfigured(f"order {order.number}: a line has {what}; {remedy}, then replay the event")

    def _create_item(self, line: OrderLine) -> str:
        item = {
            "item_code": line.sku,
            "item_name": mapping.printable(line.title or line.sku),
            "item_group": self._settings.item_group,
            "stock_uom": self._settings.stock_uom,
        }
        try:
            name = str(self._erp.insert("Item", item)["name"])
        except AlreadyThere:
            name = line.sku  # another order created it in this moment
        self._items.put(_folded(line.sku), name)
        return name


class _Names:
    """Names of documents that were looked up, kept for a while and up to a number."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._names: dict[str, tuple[str, float]] = {}

    def get(self, key: str) -> str:
        name, until = self._names.get(key, ("", 0.0))
        return name if self._monotonic() < until else ""

    def put(self, key: str, name: str) -> None:
        if len(self._names) >= REMEMBER_NAMES:
            self._names.clear()
        self._names[key] = (name, self._monotonic() + REMEMBER_SECONDS)


def _folded(sku: str) -> str:
    """As MariaDB compares names: without case and trailing spaces."""
    return sku.rstrip().casefold()
