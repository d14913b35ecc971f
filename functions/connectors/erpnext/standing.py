"""Says how ERPNext's documents stand beside the records of a source: many of them in one call, and nothing is written."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from connectors.erpnext import mapping
from connectors.erpnext.client import Declined, Document, ErpNext, Filter
from connectors.erpnext.documents import (
    CANCELLED,
    DRAFT,
    ID_FIELD,
    REDACTED,
    SUBMITTED,
    VERSION_FIELD,
    external_id,
    same,
)
from connectors.erpnext.row_settings import DocumentRules
from connectors.erpnext.rows import DISABLED, RowDoesNotFit, said, stream_of
from connectors.erpnext.settings import FlowSettings
from hub.connector import Difference, Kept, Standing
from hub.errors import NotConfigured
from hub.events import Event
from hub.records import Customer, Order, Record, TableRow
from hub.streams import Stream

ROWS_PER_CALL = 200
REVISIONS = 5  # amendments that are asked for at once
PAGE = 500  # documents
CLOSED = "Closed"
STATES = {DRAFT: "a draft", SUBMITTED: "submitted", CANCELLED: "cancelled"}
OF_ORDERS = ("grand_total", "currency", "status")
ENTITIES = {"upsert_sales_order": "order", "upsert_customer": "customer"}  # others: as the event's subject says

Pairs = Sequence[tuple[Any, Event]]


class Standings:
    """Compares one ERPNext site with what a flow's source says."""

    def __init__(self, erp: ErpNext, settings: FlowSettings) -> None:
        self._erp, self._settings = erp, settings
        self._compare: Mapping[str, Callable[[Pairs], list[Standing]]] = {
            "upsert_sales_order": self._orders,
            "upsert_customer": self._customers,
            "upsert_document": self._rows,
        }

    def of(self, action: str, records: Sequence[tuple[Record, Event]]) -> list[Standing]:
        """As Comparable.standings."""
        compare = self._comparison(action)
        starts = range(0, len(records), ROWS_PER_CALL)
        return [standing for start in starts for standing in compare(records[start : start + ROWS_PER_CALL])]

    def _comparison(self, action: str) -> Callable[[Pairs], list[Standing]]:
        if action not in self._compare:
            raise NotConfigured(f"what {action} writes cannot be compared, only {', '.join(sorted(self._compare))}")
        return self._compare[action]

    def identity(self, action: str, event: Event) -> str:
        """As Comparable.identity."""
        _, entity, key = event.subject.split("/", 2)
        return external_id(event.integration, ENTITIES.get(action, entity), key)

    def kept(self, action: str, stream: Stream, since: str, until: str) -> Iterator[list[Kept]]:
        """As Comparable.kept: the hub's own documents, not those that desk users made of them."""
        self._comparison(action)
        rules = self._rules(stream.name) if action == "upsert_document" else None
        doctype = rules.doctype if rules else "Sales Order" if action == "upsert_sales_order" else "Customer"
        submittable = rules.submit if rules else action == "upsert_sales_order"
        disables = rules.on_delete == "disable" if rules else action == "upsert_customer"
        prefix = f"{stream.integration}:{ENTITIES.get(action, stream.entity)}:"
        filters: list[Filter] = [[ID_FIELD, "like", f"{prefix}%"], ["docstatus", "<", CANCELLED]]
        filters += [[VERSION_FIELD, ">=", since]] if since else []
        filters += [[VERSION_FIELD, "<", until]] if until else []
        filters += [[DISABLED, "=", 0]] if disables else []
        fields = ["name", ID_FIELD, *(OF_ORDERS if doctype == "Sales Order" and not rules else ())]
        last = ""
        while True:
            beyond = [["name", ">", last]] if last else []
            found, _ = self._erp.page(doctype, [*filters, *beyond], fields, "name asc", PAGE)
            yield [_kept(row, doctype, submittable) for row in found if row.get("status") != CLOSED]
            if len(found) < PAGE:
                return
            last = str(found[-1]["name"])

    # Orders

    def _orders(self, pairs: Pairs) -> list[Standing]:
        keys = [external_id(event.integration, "order", order.id) for order, event in pairs]
        found = self._newest("Sales Order", keys, OF_ORDERS)
        return [self._order(order, found.get(key)) for (order, _), key in zip(pairs, keys, strict=True)]

    def _order(self, order: Order, document: Document | None) -> Standing:
        if order.is_test and self._settings.test_orders == "ignore":
            return Standing()
        if document is None:
            if order.cancelled_at:
                return Standing()  # cancelled before ERPNext knew of it
            return _missing("Sales Order", order.total, order.currency)
        total, currency = Decimal(document["grand_total"]), str(document["currency"])
        differences, money = [], None
        ended = document["docstatus"] == CANCELLED or document["status"] == CLOSED
        wanted = SUBMITTED if self._settings.submit else DRAFT
        if order.cancelled_at and not ended:
            differences.append(Difference("state", "cancelled", STATES[document["docstatus"]]))
            money = total
        elif not order.cancelled_at and document["docstatus"] != wanted and document["docstatus"] != SUBMITTED:
            differences.append(Difference("state", "in force", STATES[document["docstatus"]]))
            money = order.total
        if not order.cancelled_at:
            if currency != order.currency:
                differences.append(Difference("currency", order.currency, currency))
                money = order.total
            if total != order.total:
                differences.append(Difference("total", _amount(order.total), _amount(total)))
                money = abs(order.total - total) if money is None else money
        return _standing("Sales Order", document, differences, money, order.currency)

    # Customers and rows

    def _customers(self, pairs: Pairs) -> list[Standing]:
        keys = [external_id(event.integration, "customer", customer.id) for customer, event in pairs]
        wanted = [self._customer(customer) for customer, _ in pairs]
        found = self._by_id("Customer", keys, sorted({name for fields in wanted for name in fields}))
        return [_beside("Customer", fields, found.get(key)) for fields, key in zip(wanted, keys, strict=True)]

    def _customer(self, customer: Customer) -> dict[str, Any]:
        fields = mapping.customer_fields(customer, self._settings)
        return {name: value for name, value in fields.items() if name not in mapping.ONLY_NEW}

    def _rows(self, pairs: Pairs) -> list[Standing]:
        """Rows of one stream; their tables are not compared."""
        rules = self._rules(stream_of(pairs[0][1]))
        keys = [self.identity("upsert_document", event) for _, event in pairs]
        fields = sorted({*rules.fields, *([DISABLED] if rules.on_delete == "disable" else [])})
        found = self._newest(rules.doctype, keys, fields) if rules.submit else self._by_id(rules.doctype, keys, fields)
        return [self._row(row, rules, found.get(key)) for (row, _), key in zip(pairs, keys, strict=True)]

    def _row(self, row: TableRow, rules: DocumentRules, document: Document | None) -> Standing:
        try:
            told = said(row.stream, row.fields, rules, self._settings.time_zone).fields
        except RowDoesNotFit as error:
            differences = [Difference("row", "does not fit", str(error))]
            return Standing(rules.doctype, str(document["name"]) if document else "", differences=differences)
        enabled = {DISABLED: 0} if rules.on_delete == "disable" else {}
        standing = _beside(rules.doctype, {**told, **enabled}, document)
        if document and rules.submit and document["docstatus"] != SUBMITTED:
            state = Difference("state", "in force", STATES[document["docstatus"]])
            return _standing(rules.doctype, document, [state, *standing.differences])
        return standing

    def _rules(self, stream: str) -> DocumentRules:
        rules = self._settings.documents.get(stream)
        if rules is None:
            raise NotConfigured(f"the flow's settings do not say what rows of {stream} become; add documents.{stream}")
        return rules

    # Questions

    def _by_id(self, doctype: str, keys: Sequence[str], fields: Sequence[str]) -> dict[str, Document]:
        asked = list(dict.fromkeys(["name", "docstatus", ID_FIELD, VERSION_FIELD, *fields]))
        try:
            rows = self._erp.find(doctype, [[ID_FIELD, "in", list(keys)]], asked)
        except Declined as error:
            if error.exc_type != "DataError":
                raise
            raise NotConfigured(
                f"{doctype} in ERPNext lacks a field that is compared ({error}); correct the flow's settings, or run "
                "`hub setup erp` where it is one of the hub's own"
            ) from error
        return {str(row[ID_FIELD]): row for row in rows}

    def _newest(self, doctype: str, keys: Sequence[str], fields: Sequence[str]) -> dict[str, Document]:
        """The document in force of each key, or its last cancelled one, over all amendments."""
        newest: dict[str, Document] = {}
        open_keys, first = list(dict.fromkeys(keys)), 0
        while open_keys:
            marked = {f"{key}~{number}": key for key in open_keys for number in range(first, first + REVISIONS)}
            found = self._by_id(doctype, list(marked), fields)
            for mark in marked:  # in the order of their revisions
                if mark in found:
                    newest[marked[mark]] = found[mark]
            open_keys = [key for key in open_keys if f"{key}~{first + REVISIONS - 1}" in found]
            first += REVISIONS
        self._put_successors(doctype, newest, fields)
        return newest

    def _put_successors(self, doctype: str, newest: dict[str, Document], fields: Sequence[str]) -> None:
        """In place of cancelled documents the ones by which desk users amended them; the hub's id is not copied there."""
        cancelled = {str(each["name"]): key for key, each in newest.items() if each["docstatus"] == CANCELLED}
        if not cancelled:
            return
        filters: list[Filter] = [["amended_from", "in", list(cancelled)], ["docstatus", "<", CANCELLED]]
        asked = list(dict.fromkeys(["name", "docstatus", "amended_from", VERSION_FIELD, *fields]))
        for row in self._erp.find(doctype, filters, asked):
            newest[cancelled[str(row["amended_from"])]] = row


def _kept(row: Document, doctype: str, submittable: bool) -> Kept:
    marked = str(row[ID_FIELD])
    identity = marked.rpartition("~")[0] if submittable else marked
    total = Decimal(row["grand_total"]) if "grand_total" in row else None
    return Kept(identity, doctype, str(row["name"]), total, str(row.get("currency") or ""))


def _missing(doctype: str, money: Decimal | None = None, currency: str = "") -> Standing:
    return Standing(doctype, differences=[Difference("document", "exists", "missing")], money=money, currency=currency)


def _beside(doctype: str, wanted: Mapping[str, Any], document: Document | None) -> Standing:
    if document is None:
        return _missing(doctype)
    differences = [
        Difference(name, _told(value), _told(document.get(name)))
        for name, value in wanted.items()
        if not same(value, document.get(name))
    ]
    return _standing(doctype, document, differences)


def _standing(
    doctype: str,
    document: Document,
    differences: Sequence[Difference],
    money: Decimal | None = None,
    currency: str = "",
) -> Standing:
    version = str(document.get(VERSION_FIELD) or "")
    if version == REDACTED:
        return Standing(doctype, str(document["name"]))  # nothing is written to it any more
    return Standing(doctype, str(document["name"]), version, tuple(differences), money, currency)


def _told(value: Any) -> str:
    return _amount(value) if isinstance(value, Decimal) else str(value if value is not None else "")


def _amount(value: Decimal) -> str:
    """Without exponent and superfluous zeros, but with two decimals at least."""
    plain = f"{value.normalize():f}"
    whole, _, decimals = plain.partition(".")
    return f"{whole}.{decimals.ljust(2, '0')}"
