"""What follows a Sales Order in ERPNext: invoice, payments, deliveries, credit notes, returns.

Each is written once, under an external id of its own, so that whoever speaks of it first (the order's event or the
event of the shipment, refund or payment itself) makes it, and everybody else finds it.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from functools import partial

from connectors.erpnext import sale_documents as tables
from connectors.erpnext.client import Document, ErpNext
from connectors.erpnext.documents import (
    CANCELLED,
    DRAFT,
    ID_FIELD,
    SUBMITTED,
    VERSION_FIELD,
    Documents,
    Wanted,
    external_id,
    is_being_amended,
    version_of,
)
from connectors.erpnext.mapping import check_total, has_documents
from connectors.erpnext.settings import FlowSettings
from hub.connector import Effect, Written
from hub.errors import Parked, Refused
from hub.events import Event, parse_instant
from hub.records import Fulfilment, Order, Payment, Refund, RefundLine
from hub.remembered import Remembered

# A source tells an edit within seconds, and repeats what was not taken within minutes; but the edit may be tried for
# as long as troubles last that concern this order alone (waits of up to 15 minutes each)
WAIT_FOR_EDIT_SECONDS = 7_200.0
CLOSE = "erpnext.selling.doctype.sales_order.sales_order.update_status"
DONE = ("Closed", "Completed")  # states of a Sales Order that nothing more is expected of
INVOICE, DELIVERY, PAYMENT = "Sales Invoice", "Delivery Note", "Payment Entry"


class Sales:
    """Writes what follows the orders of one site."""

    def __init__(self, erp: ErpNext, documents: Documents, settings: FlowSettings, names: Remembered) -> None:
        self._erp = erp
        self._documents = documents
        self._settings = settings
        self._names = names  # of documents that are as they should be: their external id → name

    # The order's own events

    def follow(self, order: Order, sales_order: Document, event: Event, *, is_new: bool) -> bool:
        """Write what an order's record speaks of and ERPNext lacks; says whether anything was written. `is_new`: the
        order was written in this moment, so that nothing can follow it yet."""
        written = [
            *self._follow_payments(order, sales_order, event, is_new),
            *self._follow_fulfilments(order, sales_order, event, is_new),
            *self._follow_refunds(order, sales_order, event, is_new),
        ]
        return any(one.effect == Effect.APPLIED for one in written)

    def wind_up(self, order: Order, sales_order: Document, event: Event) -> Written | None:
        """Undo what follows a cancelled order as far as the source has undone it. None: nothing is left, the Sales Order
        can be cancelled as well. Raises Refused where the source still has goods or money of the buyer."""
        name = str(sales_order["name"])
        if self._settings.on_payment and not has_documents(sales_order):
            self._delete_draft(external_id(event.integration, "invoice", order.id))
        if not has_documents(sales_order):
            return None
        applied = self.follow(order, sales_order, event, is_new=False)
        sales_order = self._erp.get("Sales Order", name) or sales_order
        if not has_documents(sales_order):
            return None
        given_back = sum((refund.total for refund in order.refunds), Decimal(0))
        credited = "credit_note" in self._settings.on_refund and given_back >= order.paid
        if (sales_order.get("per_billed") and not credited) or self._keeps_goods(order):
            raise Refused(
                f"order {order.number} was cancelled in the source, which gave back {given_back} of {order.paid} "
                f"{order.currency}, but invoices or deliveries of Sales Order {name} stand; cancel or return them in "
                "ERPNext, then replay the event (hub events replay)"
            )
        if sales_order["status"] in DONE:
            return Written(Effect.APPLIED if applied else Effect.UNCHANGED, "Sales Order", name)
        if event.entity_version:
            self._erp.update("Sales Order", name, {VERSION_FIELD: event.entity_version})  # ends it for staler events
        self._erp.call(CLOSE, {"status": "Closed", "name": name})
        return Written(Effect.APPLIED, "Sales Order", name)

    # Events of the children themselves

    def deliver(self, fulfilment: Fulfilment, event: Event, known_name: str) -> Written:
        """Write one shipment, or cancel it."""
        if not self._settings.on_fulfilment:
            return Written(Effect.IGNORED, rule="the flow's settings leave on_fulfilment empty")
        if fulfilment.is_cancelled:
            return self._deliver(fulfilment, None, event, known_name)
        sales_order = self._order_of(fulfilment.order_id, event)
        self._check_current(sales_order, fulfilment, event)
        return self._deliver(fulfilment, sales_order, event, known_name)

    def refund(self, refund: Refund, event: Event, known_name: str) -> Written:
        """Write one refund's credit note, its payment, and the return of its goods."""
        if not self._settings.on_refund:
            return Written(Effect.IGNORED, rule="the flow's settings leave on_refund empty")
        written = []
        if self._has_credit(refund):
            invoice = self._invoice_of(refund.order_id, event)
            if invoice is None or invoice["docstatus"] != SUBMITTED:
                raise _parked(f"refund {refund.id} waits for the Sales Invoice of its order", refund.order_id, event)
            written += self._credit(refund, invoice, event, known_name)
        if self._has_return(refund):
            written += self._take_back(refund, self._order_of(refund.order_id, event), event, by_itself=True)
        if not written:
            return Written(Effect.IGNORED, rule="neither money nor goods came back")
        applied = any(one.effect == Effect.APPLIED for one in written)
        return Written(Effect.APPLIED if applied else written[0].effect, written[0].doctype, written[0].name)

    def pay(self, payment: Payment, event: Event, known_name: str) -> Written:
        """Write one payment as the source's own transaction states it."""
        if "payment_entry" not in self._settings.on_payment:
            return Written(Effect.IGNORED, rule="the flow's settings leave payment_entry out of on_payment")
        if self._settings.payments_from != "transactions":
            return Written(Effect.IGNORED, rule="payments are taken from the orders (payments_from: order)")
        owing = self._owing(payment.order_id, event)
        mode = self._settings.mode_of_payment(payment.gateway)
        key = external_id(event.integration, "transaction", payment.id)
        fields = tables.payment(payment.amount, owing, payment.paid_at, payment.id, mode, self._settings)
        return self._write_payment(key, fields, event, known_name)

    def find_payment(self, payment: Payment, event: Event) -> Written | None:
        """The Payment Entry that an earlier try of `pay` made, if it got so far."""
        key = external_id(event.integration, "transaction", payment.id)
        row = self._documents.standing(PAYMENT, [key]).get(key)
        if row is None or row["docstatus"] == DRAFT:
            return None
        return Written(Effect.APPLIED, PAYMENT, str(row["name"]))

    # Invoice and payments

    def _follow_payments(self, order: Order, sales_order: Document, event: Event, is_new: bool) -> list[Written]:
        settings = self._settings
        if not settings.on_payment or order.paid <= 0:
            return []
        written: list[Written] = []
        invoices: list[Document] = []
        if "sales_invoice" in settings.on_payment:
            key = external_id(event.integration, "invoice", order.id)
            if self._missing(INVOICE, [key], is_new):
                paid_at = order.paid_at or event.time or event.received_at
                written.append(
                    self._write(
                        INVOICE,
                        key,
                        event,
                        lambda: tables.invoice(order, sales_order, paid_at, settings),
                        lambda document: check_total(order, document),
                        seen=invoices.append,
                    )
                )
        if "payment_entry" in settings.on_payment and settings.payments_from == "order":
            payments = self._payments(order, event, is_new)
            for key, amount in payments:
                if "sales_invoice" not in settings.on_payment:
                    owing = sales_order
                elif invoices and len(payments) == 1 and written[0].effect == Effect.APPLIED:
                    owing = invoices[-1]  # written in this moment: nothing is paid of it yet
                else:
                    owing = self._owing(order.id, event)
                at = order.paid_at or event.time or event.received_at
                mode = settings.mode_of_payment(order.gateway)
                fields = tables.payment(amount, owing, at, order.number, mode, settings)
                written.append(self._write_payment(key, fields, event))
        return written

    def _payments(self, order: Order, event: Event, is_new: bool) -> list[tuple[str, Decimal]]:
        """The Payment Entries that are missing or left as drafts: (external id, amount).

        Each id ends with what was paid up to and with it, so that the next one knows what it must add.
        """
        base = external_id(event.integration, "payment", order.id)
        if self._names.get(_known(PAYMENT, f"{base}:{_digits(order.paid)}")):
            return []
        rows = (
            []
            if is_new
            else self._documents.rows(PAYMENT, [[ID_FIELD, "like", f"{base}:%~0"]], ["docstatus", ID_FIELD])
        )
        up_to = {_up_to(row, base): row["docstatus"] for row in rows}
        up_to.pop(Decimal(0), None)  # not of this order: LIKE takes an underscore for any character
        if order.paid > max(up_to, default=Decimal(0)):
            up_to[order.paid] = DRAFT
        before, missing = Decimal(0), []
        for paid in sorted(up_to):
            key = f"{base}:{_digits(paid)}"
            if up_to[paid] == DRAFT:
                missing.append((key, paid - before))
            else:
                self._names.put(_known(PAYMENT, key), key)
            before = paid
        return missing

    def _owing(self, order_id: str, event: Event) -> Document:
        """What a payment is for: the invoice, or the order where the flow writes no invoices."""
        if "sales_invoice" not in self._settings.on_payment:
            return self._order_of(order_id, event)
        invoice = self._invoice_of(order_id, event)
        if invoice is None or invoice["docstatus"] != SUBMITTED:
            raise _parked("a payment waits for the Sales Invoice of its order", order_id, event)
        return invoice

    # Deliveries

    def _follow_fulfilments(self, order: Order, sales_order: Document, event: Event, is_new: bool) -> list[Written]:
        if not self._settings.on_fulfilment:
            return []
        shipments = {_shipment(one, event): one for one in order.fulfilments}
        missing = self._missing(
            DELIVERY, list(shipments), is_new, {key for key in shipments if shipments[key].is_cancelled}
        )
        return [self._deliver(shipments[key], sales_order, event) for key in missing]

    def _check_current(self, sales_order: Document, fulfilment: Fulfilment, event: Event) -> None:
        """Raise Parked where the Sales Order says less than was known when the goods left: an edit may be under way, and
        could not be written any more once they are delivered. The order's own event ends the waiting, or time: a source may
        tell of shipments and not of what they make of their order."""
        known = _moment(version_of(sales_order))
        waited = event.replay_of or event.waited_seconds >= WAIT_FOR_EDIT_SECONDS
        if waited or known is None or known >= fulfilment.shipped_at:
            return
        if self._missing(DELIVERY, [_shipment(fulfilment, event)], False):
            told = f"shipment {fulfilment.id} left after what Sales Order {sales_order['name']} says"
            order = f"{event.integration}/order/{fulfilment.order_id}"
            message = f"{told}; it waits for the order's newer event, for two hours at most"
            raise Parked(message, waits_for=order, at_most_seconds=WAIT_FOR_EDIT_SECONDS)

    def _deliver(
        self, fulfilment: Fulfilment, sales_order: Document | None, event: Event, known_name: str = ""
    ) -> Written:
        def fields() -> tables.Row:
            if sales_order is None:
                return {}
            return tables.delivery_note(fulfilment, sales_order, event.received_at, self._settings)

        docstatus = CANCELLED if fulfilment.is_cancelled else SUBMITTED
        return self._write(DELIVERY, _shipment(fulfilment, event), event, fields, None, known_name, docstatus)

    # Refunds

    def _follow_refunds(self, order: Order, sales_order: Document, event: Event, is_new: bool) -> list[Written]:
        written: list[Written] = []
        with_money = {
            external_id(event.integration, "refund", one.id): one
            for one in order.refunds
            if order.paid > 0 and self._has_credit(one)
        }
        missing = self._missing(INVOICE, list(with_money), is_new)
        if "payment_entry" in self._settings.on_payment:
            unpaid = self._missing(PAYMENT, [key for key in with_money if key not in missing], is_new)
            missing = [key for key in with_money if key in {*missing, *unpaid}]
        if missing:
            sold = self._owing(order.id, event)
            for key in missing:
                written += self._credit(with_money[key], sold, event)
        for refund in order.refunds:
            if self._has_return(refund):
                written += self._take_back(refund, sales_order, event, by_itself=False)
        return written

    def _has_credit(self, refund: Refund) -> bool:
        return "credit_note" in self._settings.on_refund and refund.total > 0

    def _has_return(self, refund: Refund) -> bool:
        return "return" in self._settings.on_refund and bool(_came_back(refund))

    def _credit(self, refund: Refund, sold: Document, event: Event, known_name: str = "") -> list[Written]:
        """The credit note of a refund and the payment that goes with it."""
        refund.check_total()
        key = external_id(event.integration, "refund", refund.id)
        credit = self._write(
            INVOICE,
            key,
            event,
            lambda: tables.credit_note(refund, sold, self._settings),
            lambda document: tables.check_credit(refund, document),
            known_name,
        )
        if "payment_entry" not in self._settings.on_payment or credit.effect == Effect.STALE:
            return [credit]
        if not self._missing(PAYMENT, [key], credit.effect == Effect.APPLIED):
            return [credit]
        document = self._erp.get(INVOICE, credit.name)  # only what was submitted states what it owes
        if document is None or document["docstatus"] != SUBMITTED or document["outstanding_amount"] >= 0:
            return [credit]  # somebody has paid it back already
        mode = self._settings.mode_of_payment(refund.gateway)
        fields = tables.repayment(refund, document, mode, self._settings)
        return [credit, self._write_payment(key, fields, event)]

    def _take_back(self, refund: Refund, sales_order: Document, event: Event, *, by_itself: bool) -> list[Written]:
        """The returns of a refund's goods, one for each Delivery Note that they went out with.

        What the refund's earlier returns took back counts, so that a second try takes back only the rest.
        """
        base = external_id(event.integration, "return", refund.id)
        whole = f"all of {base}"  # the first return's own key tells only of that one
        if self._names.get(_known(DELIVERY, whole)):
            return []
        left = {line.line_id: line.quantity for line in _came_back(refund)}
        number = self._taken_back(refund, base, left)
        written = []
        for delivered in self._deliveries(sales_order) if any(left.values()) else []:
            took = _share(refund, delivered, left)
            if took:
                fields = tables.goods_return(took, refund, delivered, event.received_at, self._settings)
                key = f"{base}.{number}" if number else base
                written.append(self._write(DELIVERY, key, event, partial(dict, fields), None))
                number += 1
        short = {line: amount for line, amount in left.items() if amount > 0}
        if short:
            what = ", ".join(f"{amount} of line {line}" for line, amount in short.items())
            told = f"refund {refund.id} takes back {what} more than Sales Order {sales_order['name']} has delivered"
            if by_itself:
                raise _parked(f"{told}; it waits for the order's shipments", refund.order_id, event)
            raise Refused(
                f"{told}; write the Delivery Note that is missing in ERPNext, or the return by hand, then replay or "
                "discard the event (hub events replay)"
            )
        self._names.put(_known(DELIVERY, whole), base)
        return written

    def _taken_back(self, refund: Refund, base: str, left: dict[str, Decimal]) -> int:
        """Take what earlier returns of a refund took back off `left`, and say how many there are.

        One that is still a draft is deleted and made anew; one that a person cancelled counts: it was their decision.
        """
        rows = self._documents.rows(DELIVERY, [[ID_FIELD, "like", f"{base}%~0"]], ["name", "docstatus", ID_FIELD])
        count = 0
        for row in rows:
            if not row[ID_FIELD].startswith((f"{base}~", f"{base}.")):
                continue  # of a refund whose id begins alike
            if row["docstatus"] == DRAFT:
                self._documents.delete_draft(DELIVERY, str(row["name"]))
                continue
            count += 1
            document = self._erp.get(DELIVERY, str(row["name"])) or {}
            for line in _came_back(refund):
                rows_of_line = [one for one in document.get("items", []) if tables.is_row_of(one, line)]
                took = sum((-Decimal(one["qty"]) for one in rows_of_line), Decimal(0))
                left[line.line_id] = max(left[line.line_id] - took, Decimal(0))
        return count

    def _deliveries(self, sales_order: Document) -> list[Document]:
        """The Delivery Notes of an order that goods can be returned against, desk users' own among them."""
        of_order = [
            ["Delivery Note Item", "against_sales_order", "=", sales_order["name"]],
            ["docstatus", "=", SUBMITTED],
            ["is_return", "=", 0],
        ]
        names = dict.fromkeys(str(row["name"]) for row in self._erp.find(DELIVERY, of_order, ["name"]))
        return [document for name in sorted(names) if (document := self._erp.get(DELIVERY, name))]

    def _keeps_goods(self, order: Order) -> bool:
        """Whether goods went out that did not come back, where the flow writes deliveries."""
        if not self._settings.on_fulfilment:
            return False
        out: dict[str, Decimal] = {}
        for shipment in order.fulfilments:
            for line in () if shipment.is_cancelled else shipment.lines:
                out[line.line_id] = out.get(line.line_id, Decimal(0)) + line.quantity
        for back in (line for refund in order.refunds for line in _came_back(refund)):
            out[back.line_id] = out.get(back.line_id, Decimal(0)) - back.quantity
        return any(quantity > 0 for quantity in out.values())

    # What they share

    def _write_payment(self, key: str, fields: tables.Row, event: Event, known_name: str = "") -> Written:
        check = partial(tables.check_paid, fields["paid_amount"])
        return self._write(PAYMENT, key, event, partial(dict, fields), check, known_name)

    def _write(
        self,
        doctype: str,
        key: str,
        event: Event,
        fields: Callable[[], tables.Row],
        check: Callable[[Document], None] | None,
        known_name: str = "",
        docstatus: int = SUBMITTED,
        seen: Callable[[Document], None] | None = None,
    ) -> Written:
        """Write a document once under its external id; `fields` is only asked where it is not cancelled."""
        table_names = ("items", "taxes", "references")

        def want(_fresh: bool) -> Wanted:
            values = {} if docstatus == CANCELLED else fields()
            return Wanted(
                doctype=doctype,
                external_id=key,
                version=event.entity_version,
                fields={name: value for name, value in values.items() if name not in table_names},
                tables={name: values[name] for name in table_names if name in values},
                docstatus=docstatus,
                submittable=True,
                check=check,
                once=True,
                seen=seen,
            )

        written = self._documents.converge(want, known_name)
        if written.effect in {Effect.APPLIED, Effect.UNCHANGED}:
            self._names.put(_known(doctype, key, docstatus), written.name)
        return written

    def _missing(
        self, doctype: str, keys: Sequence[str], is_new: bool, cancelled: frozenset[str] | set[str] = frozenset()
    ) -> list[str]:
        """Those of the external ids whose documents do not exist, or are not submitted (`cancelled`: not cancelled)."""

        def state(key: str) -> int:
            return CANCELLED if key in cancelled else SUBMITTED

        unknown = [key for key in keys if not self._names.get(_known(doctype, key, state(key)))]
        if is_new or not unknown:
            return unknown
        rows = self._documents.standing(doctype, unknown)
        missing = []
        for key in unknown:
            row = rows.get(key)
            if row is not None and row["docstatus"] == state(key):
                self._names.put(_known(doctype, key, state(key)), str(row["name"]))
            elif row is not None or key not in cancelled:
                missing.append(key)
        return missing

    def _order_of(self, order_id: str, event: Event) -> Document:
        """The submitted Sales Order of a child's event; raises Parked where it is not there yet."""
        document = self._documents.live("Sales Order", external_id(event.integration, "order", order_id))
        if document is None or document["docstatus"] == DRAFT or is_being_amended(document):
            raise _parked(f"waits for the submitted Sales Order of order {order_id}", order_id, event)
        if document["docstatus"] == CANCELLED:
            raise Refused(
                f"Sales Order {document['name']} is cancelled, but the source still ships or refunds it; amend it in "
                "ERPNext, or discard the event"
            )
        return document

    def _invoice_of(self, order_id: str, event: Event) -> Document | None:
        key = external_id(event.integration, "invoice", order_id)
        name = self._names.get(_known(INVOICE, key))
        document = self._erp.get(INVOICE, name) if name else None
        if document is not None and document["docstatus"] == SUBMITTED:
            return document
        return self._documents.live(INVOICE, key)

    def _delete_draft(self, key: str) -> None:
        """Take away an invoice that a try left as a draft: ERPNext cancels no order that a draft stands on."""
        row = self._documents.standing(INVOICE, [key]).get(key)
        if row is not None and row["docstatus"] == DRAFT:
            self._documents.delete_draft(INVOICE, str(row["name"]))


def _parked(message: str, order_id: str, event: Event) -> Parked:
    return Parked(message, waits_for=f"{event.integration}/order/{order_id}")


def _moment(version: str) -> datetime | None:
    """When an entity was as a version says, where the source's versions are times."""
    try:
        return parse_instant(version)
    except ValueError:
        return None


def _came_back(refund: Refund) -> list[RefundLine]:
    return [line for line in refund.lines if line.came_back and line.quantity > 0]


def _share(refund: Refund, delivered: Document, left: dict[str, Decimal]) -> list[tuple[Document, Decimal]]:
    """So much of what is `left` to come back went out with the Delivery Note `delivered`: (row, quantity); `left` is
    lowered by it."""
    took = []
    for line in _came_back(refund):
        for row in (row for row in delivered["items"] if tables.is_row_of(row, line)):
            many = min(left[line.line_id], Decimal(row["qty"]) - Decimal(row.get("returned_qty") or 0))
            if many > 0:
                took.append((row, many))
                left[line.line_id] -= many
    return took


def _shipment(fulfilment: Fulfilment, event: Event) -> str:
    return external_id(event.integration, "fulfilment", fulfilment.id)


def _known(doctype: str, key: str, docstatus: int = SUBMITTED) -> str:
    return f"{doctype}/{docstatus}/{key}"


def _digits(amount: Decimal) -> str:
    return format(amount.normalize(), "f")


def _up_to(row: Document, base: str) -> Decimal:
    """What was paid up to and with a Payment Entry, from its external id; 0 for one of another order."""
    text = str(row[ID_FIELD]).removeprefix(f"{base}:").removesuffix("~0")
    return Decimal(text) if text.replace(".", "", 1).isdigit() else Decimal(0)
