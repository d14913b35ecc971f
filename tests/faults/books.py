"""The part of the oracle that looks at what follows an order: invoice, payments, deliveries, credit notes, returns.

Documents are found by what they follow, as ERPNext links them, so that one without the hub's id is seen as well.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Set
from decimal import Decimal
from typing import Any, Protocol, TypeVar

from tests.faults.children import Sale

SUBMITTED, DRAFT = 1, 0
DOCTYPES = ("Sales Invoice", "Payment Entry", "Delivery Note")
Document = dict[str, Any]
T = TypeVar("T")


class Found(Protocol):
    """Where it is noted what is wrong."""

    lost: list[str]
    doubled: list[str]
    misordered: list[str]


class Books:
    """All documents that count; whoever asks for some takes them out, so that what is `left` belongs to nobody."""

    def __init__(self, documents: Callable[[str], list[Document]]) -> None:
        found = {doctype: documents(doctype) for doctype in DOCTYPES}
        self.drafts = [
            f"{doctype} {each['name']} is a draft"
            for doctype in DOCTYPES
            for each in found[doctype]
            if each["docstatus"] == DRAFT
        ]
        self._left = {
            (doctype, each["name"]): each
            for doctype in DOCTYPES
            for each in found[doctype]
            if each["docstatus"] == SUBMITTED
        }

    @property
    def left(self) -> list[str]:
        """What nobody has asked for."""
        return [f"{doctype} {name}" for doctype, name in self._left]

    def take(self, doctype: str, followed: Set[str], link: Callable[[Document], object]) -> list[Document]:
        """The documents of a kind that follow one of these."""
        found = [key for key, each in self._left.items() if key[0] == doctype and link(each) in followed]
        return [self._left.pop(key) for key in found]


def judge_sale(number: int, sale: Sale, orders: Set[str], books: Books, found: Found) -> None:
    """Hold what follows an order, whose Sales Orders have these names, against what was paid, shipped and given back."""

    def compare(what: str, wanted: Iterable[T], said: Iterable[T]) -> None:
        lacking, beyond = Counter(wanted), Counter(said)
        lacking, beyond = lacking - beyond, beyond - lacking
        if lacking or beyond:
            wrong = found.misordered if lacking and beyond else found.lost if lacking else found.doubled
            wrong.append(f"{what} of order {number}")

    invoices = books.take("Sales Invoice", orders, _invoiced)
    credit_notes = books.take("Sales Invoice", _names(invoices), _against)
    deliveries = books.take("Delivery Note", orders, _delivered)
    returns = books.take("Delivery Note", _names(deliveries), _against)
    received = books.take("Payment Entry", _names(invoices), _paid)
    given = books.take("Payment Entry", _names(credit_notes), _paid)

    given_back = [refund.amount for refund in sale.refunds]
    compare("invoice", [sale.total], [_money(each, "grand_total") for each in invoices])
    paid = sum((_money(each, "paid_amount") for each in received), Decimal(0))
    if paid != sale.total:
        (found.lost if paid < sale.total else found.doubled).append(f"money paid of order {number}")
    compare("shipments", map(_frozen, sale.shipments), (_frozen(_goods(each)) for each in deliveries))
    compare("credit notes", given_back, [-_money(each, "grand_total") for each in credit_notes])
    compare("repayments", given_back, [_money(each, "paid_amount") for each in given])
    came_back = sum((refund.goods for refund in sale.refunds), Counter[str]())
    compare("returns", came_back.elements(), sum((_goods(each) for each in returns), Counter[str]()).elements())
    if any(_money(each, "outstanding_amount") for each in (*invoices, *credit_notes)):
        found.misordered.append(f"order {number} owes or is owed")


def _invoiced(document: Document) -> object:
    return None if document.get("is_return") else document["items"][0].get("sales_order")


def _delivered(document: Document) -> object:
    return None if document.get("is_return") else document["items"][0].get("against_sales_order")


def _against(document: Document) -> object:
    return document.get("return_against")


def _paid(document: Document) -> object:
    references = document.get("references") or [{}]
    return references[0].get("reference_name")


def _names(documents: list[Document]) -> set[str]:
    return {document["name"] for document in documents}


def _money(document: Document, field: str) -> Decimal:
    return Decimal(str(document.get(field) or 0))


def _goods(document: Document) -> Counter[str]:
    found: Counter[str] = Counter()
    for row in document["items"]:
        found[row["item_code"]] += abs(int(row["qty"]))
    return found


def _frozen(goods: Counter[str]) -> frozenset[tuple[str, int]]:
    return frozenset(goods.items())
