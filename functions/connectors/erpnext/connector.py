"""ERPNext as a destination: which action brings which record to which documents. (As a source: see listing.py.)"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from connectors.erpnext import mapping
from connectors.erpnext.attachments import attach_payload
from connectors.erpnext.catalogue import Catalogue
from connectors.erpnext.client import AlreadyThere, Document, ErpNext, budget, credentials
from connectors.erpnext.documents import (
    CANCELLED,
    DRAFT,
    ID_FIELD,
    REDACTED,
    SUBMITTED,
    VERSION_FIELD,
    Documents,
    Wanted,
    external_id,
    version_of,
)
from connectors.erpnext.parties import Parties
from connectors.erpnext.rows import Rows, stream_of
from connectors.erpnext.sales import Sales
from connectors.erpnext.settings import FlowSettings
from hub.connector import Effect, HttpClient, Kept, Standing, Written
from hub.errors import NotConfigured
from hub.events import Event
from hub.late_names import late_names
from hub.records import Customer, Deletion, Order, OrderLine, Payment, Record
from hub.remembered import Remembered

if TYPE_CHECKING:
    from connectors.erpnext.standing import Standings
    from hub.streams import Stream

__all__ = ["budget", "credentials", "destination", "probe"]
LISTING = "connectors.erpnext.listing"
__getattr__ = late_names(
    __name__, {"listing": LISTING, "read": LISTING, "subscriptions": "connectors.erpnext.subscriptions"}
)


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
        self._customers = Remembered(monotonic)
        self._items = Remembered(monotonic)
        sales = Remembered(monotonic)
        self.remembered = (self._customers, self._items, sales)
        self._sales = Sales(erp, self._documents, settings, sales)
        self._parties = Parties(erp, self._documents)
        self._catalogue = Catalogue(erp, self._documents, settings)
        self._rows = Rows(erp, self._documents, settings)

        self._actions: Mapping[tuple[str, str], Callable[[Any, Event, str], Written]] = {
            ("upsert_customer", "customer"): self._apply_customer,
            ("upsert_sales_order", "order"): self._apply_order,
            ("upsert_delivery_note", "fulfilment"): self._sales.deliver,
            ("upsert_credit_note", "refund"): self._sales.refund,
            ("create_payment_entry", "payment"): self._sales.pay,
            ("upsert_items", "product"): self._catalogue.upsert,
            ("merge_customers", "merge"): self._parties.merge,
            ("redact_customer", "redaction"): self._parties.redact,
            ("remove", "deletion"): self._remove,
            ("upsert_document", "row"): self._rows.upsert,
        }
        self._removals: Mapping[str, Callable[[Deletion, Event, str], Written]] = {  # by the type of what is gone
            "order": self._remove_order,
            "customer": self._parties.disable,
            "product": self._catalogue.disable,
        }

    def apply(self, action: str, record: Record, event: Event, known_name: str) -> Written:
        """Do what the manifest calls `action`."""
        perform = self._actions.get((action, record.kind))
        if perform is None:
            raise NotConfigured(f"action {action} does not take a record of kind {record.kind}; see the flow's actions")
        return perform(record, event, known_name)

    def find(self, action: str, record: Record, event: Event) -> Written | None:
        """What an earlier try of a `once` action wrote, None where it wrote nothing."""
        if action == "create_payment_entry" and isinstance(record, Payment):
            return self._sales.find_payment(record, event)
        raise NotConfigured(f"action {action} cannot be looked up for a record of kind {record.kind}")

    def standings(self, action: str, records: Sequence[tuple[Record, Event]]) -> list[Standing]:
        """How ERPNext's documents stand beside records; see hub.connector.Comparable."""
        return self._standings().of(action, records)

    def identity(self, action: str, event: Event) -> str:
        """The external id of an entity's document."""
        return self._standings().identity(action, event)

    def kept(self, action: str, stream: "Stream", since: str, until: str) -> Iterator[Sequence[Kept]]:
        """The documents that ERPNext has of a stream, last written as of a version in between."""
        return self._standings().kept(action, stream, since, until)

    def _standings(self) -> "Standings":
        from connectors.erpnext.standing import Standings  # which deliveries need not load

        return Standings(self._erp, self._settings)

    def _apply_customer(self, customer: Customer, event: Event, known_name: str) -> Written:
        return self._upsert_customer(customer, event, event.entity_version, known_name)

    def _upsert_customer(
        self, customer: Customer, event: Event, version: str, known_name: str, *, by_order: bool = False
    ) -> Written:
        key = external_id(event.integration, "customer", customer.id)
        fields = mapping.customer_fields(customer, self._settings)
        wanted = Wanted(
            doctype="Customer",
            external_id=key,
            version=version,
            fields=fields,
            tables={},
            # what an order repeats of its buyer makes one who is new, and changes nobody: another function may just have
            # written a later name
            only_new=frozenset(fields) if by_order else mapping.ONLY_NEW,
        )
        written = self._documents.converge(lambda _fresh: wanted, known_name)
        self._customers.put(key, written.name)
        if not self._settings.contacts or written.effect not in {Effect.APPLIED, Effect.UNCHANGED}:
            return written
        effect, rule = self._parties.write_contact(customer, event, written.name)
        return replace(written, effect=effect if written.effect == Effect.UNCHANGED else written.effect, rule=rule)

    def _apply_order(self, order: Order, event: Event, known_name: str) -> Written:
        written = self._write_order(order, event, known_name)
        if self._settings.attach_payload and written.effect in {Effect.APPLIED, Effect.UNCHANGED}:
            attach_payload(self._erp, event, written.doctype, written.name)
        return written

    def _write_order(self, order: Order, event: Event, known_name: str) -> Written:
        """The Sales Order, and what the flow's settings let follow it."""
        if order.is_test and self._settings.test_orders == "ignore":
            return Written(Effect.IGNORED, rule="a test order (test_orders: ignore)")
        if not self._settings.writes_documents:
            return self._upsert_sales_order(order, event, known_name, _forget)
        if order.cancelled_at:
            return self._cancel_order(order, event, known_name)
        states: list[Document] = []
        written = self._upsert_sales_order(order, event, known_name, states.append)
        if written.effect not in {Effect.APPLIED, Effect.UNCHANGED}:
            return written
        is_new = written.effect == Effect.APPLIED and written.name != known_name
        followed = self._sales.follow(order, states[-1], event, is_new=is_new)
        return replace(written, effect=Effect.APPLIED) if followed else written

    def _cancel_order(self, order: Order, event: Event, known_name: str) -> Written:
        """Cancel a Sales Order, once nothing stands on it any more; else undo what the source undid, and close it."""
        current = self._documents.live("Sales Order", external_id(event.integration, "order", order.id))
        if current is not None and current["docstatus"] == SUBMITTED:
            if event.entity_version and event.entity_version < version_of(current):
                return Written(Effect.STALE, "Sales Order", current["name"], "ERPNext has a newer version")
            wound_up = self._sales.wind_up(order, current, event)
            if wound_up:
                return wound_up
        return self._upsert_sales_order(order, event, known_name, _forget)

    def _remove(self, deletion: Deletion, event: Event, known_name: str) -> Written:
        of_rows = stream_of(event) in self._settings.documents
        remove = self._rows.remove if of_rows else self._removals.get(deletion.entity)
        if remove is None:
            raise NotConfigured(
                f"nothing is removed for a deleted {deletion.entity}; set its topic to ignore in the flow"
            )
        return remove(deletion, event, known_name)

    def _remove_order(self, deletion: Deletion, event: Event, known_name: str) -> Written:
        """Cancel the Sales Order of an order that is gone at the source, as a cancellation would."""
        key = external_id(event.integration, "order", deletion.id)
        wanted = Wanted(
            doctype="Sales Order",
            external_id=key,
            version=event.entity_version,
            fields={},
            tables={},
            docstatus=CANCELLED,
            submittable=True,
            may_cancel=mapping.check_removable,
        )
        return self._documents.converge(lambda _fresh: wanted, known_name)

    def _upsert_sales_order(
        self, order: Order, event: Event, known_name: str, seen: Callable[[Document], None]
    ) -> Written:
        if not order.cancelled_at:
            order.check_total()
        docstatus = CANCELLED if order.cancelled_at else SUBMITTED if self._settings.submit else DRAFT

        def want(fresh: bool) -> Wanted:
            # a cancelled order keeps what it said; its lines and customer need not exist any more
            cancelled = docstatus == CANCELLED
            items = {} if cancelled else self._item_codes(order, fresh)
            customer = "" if cancelled else self._customer_name(order, event, fresh)
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
                at_once=not settings.check_before_submit,
                check=lambda document: mapping.check_total(order, document),
                may_amend=mapping.check_amendable,
                seen=seen,
            )

        return self._documents.converge(want, known_name)

    def _customer_name(self, order: Order, event: Event, fresh: bool) -> str:
        """The Customer of an order, created from the order where ERPNext does not have it yet."""
        customer = order.customer
        if customer is None:
            if self._settings.guest_customer is None:
                raise NotConfigured(
                    f"order {order.number} has no customer; name one for such orders in the flow's settings "
                    "(guest_customer: …), then replay the event"
                )
            return self._settings.guest_customer
        key = external_id(event.integration, "customer", customer.id)
        name = "" if fresh else self._customers.get(key)
        name = name or self._known_customer(customer, event, key)
        if not name:
            # without a version: the customer's own events are newer than what an order repeats of them
            name = self._upsert_customer(customer, event, "", "", by_order=True).name
        self._customers.put(key, name)
        return name

    def _known_customer(self, customer: Customer, event: Event, key: str) -> str:
        """The Customer's name, or "" where there is none. One that has no contact yet gets it now: the try that created
        it may have ended in between."""
        fields = ["name", VERSION_FIELD, "customer_primary_contact"]
        rows = self._documents.rows("Customer", [[ID_FIELD, "=", key]], fields)
        if not rows:
            return ""
        [found] = rows
        bare = not found["customer_primary_contact"] and found[VERSION_FIELD] != REDACTED
        if self._settings.contacts and bare:
            self._parties.write_contact(customer, event, str(found["name"]), only_new=True)
        return str(found["name"])

    def _item_codes(self, order: Order, fresh: bool) -> dict[str, str]:
        """Line id → Item, by SKU; one call for all SKUs that are not remembered."""
        wanted = {
            mapping.collated(line.sku): line.sku for line in order.lines if line.sku and not self._gift_card_item(line)
        }
        known = {} if fresh else {folded: name for folded in wanted if (name := self._items.get(folded))}
        unknown = [sku for folded, sku in wanted.items() if folded not in known]
        if unknown:
            for row in self._erp.find("Item", [["name", "in", unknown]], ["name"]):
                known[mapping.collated(row["name"])] = row["name"]
        for folded, name in known.items():
            self._items.put(folded, name)
        return {
            line.id: self._gift_card_item(line) or known.get(mapping.collated(line.sku)) or self._item_for(line, order)
            for line in order.lines
        }

    def _gift_card_item(self, line: OrderLine) -> str:
        return (self._settings.gift_card_item or "") if line.is_gift_card else ""

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
        self._items.put(mapping.collated(line.sku), name)
        return name


def _forget(_document: Document) -> None:
    """Nothing follows this order."""
