"""The oracle: holds ERPNext's documents and the ledger against the story, and knows nothing of the hub's code."""

from collections import Counter
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tests.faults.books import Books, judge_sale
from tests.faults.story import Life, Story, Version

CANCELLED, SUBMITTED = 2, 1
ENDS = {"applied", "unchanged", "stale", "ignored", "dead", "discarded"}
Document = dict[str, Any]


@dataclass(frozen=True)
class Seen:
    """What can be seen of a world at rest."""

    documents: Callable[[str], list[Document]]
    ends: Mapping[str, Mapping[str, str]]  # "order/1001" → event id → outcome
    accepted: Mapping[str, str]  # event id → entity, of those that the hub has taken
    uncertain: Set[str] = frozenset()  # events that could perhaps not be read, their bodies having been lost
    notes: Mapping[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    # (DocType, external id without revision) → (field, what a desk user wrote into it last)


@dataclass
class Judgement:
    """What is wrong in the end; all lists are empty in a good world."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    misordered: list[str] = field(default_factory=list)
    unaccounted: list[str] = field(default_factory=list)
    dead_by_fault: list[str] = field(default_factory=list)  # dead though they could be written
    overwritten: list[str] = field(default_factory=list)  # what desk users wrote
    outcomes: Counter[str] = field(default_factory=Counter)

    @property
    def wrong(self) -> dict[str, list[str]]:
        """Each kind of wrong with its cases, empty ones included."""
        kinds = ("lost", "doubled", "misordered", "unaccounted", "dead_by_fault", "overwritten")
        return {kind.replace("_", " "): getattr(self, kind) for kind in kinds}

    @property
    def good(self) -> bool:
        """Whether nothing is wrong."""
        return not any(self.wrong.values())


def judge(story: Story, seen: Seen) -> Judgement:
    """Say what is wrong."""
    found = Judgement()
    orders = _by_entity(seen.documents("Sales Order"))
    books = Books(seen.documents)
    for life in story.lives:
        documents = orders.pop(f"shop-eu:order:{life.number}", [])
        _judge_order(life, documents, _acceptable(life, story, seen), found)
        if life.sale:
            judge_sale(life.number, life.sale, {document["name"] for document in documents}, books, found)
    found.doubled += orders  # documents of orders that nobody placed
    found.doubled += books.left  # nor paid, shipped or gave back
    found.misordered += books.drafts
    _judge_customers(story, seen, found)
    _judge_ledger(story, seen, found)
    _judge_notes(seen, found)
    return found


def _acceptable(life: Life, story: Story, seen: Seen) -> list[Version | None]:
    """What an order may say in the end, None where it may be absent: its newest version that could be written, and newer
    ones that perhaps could."""
    acceptable: list[Version | None] = []
    for version in reversed(life.versions):
        if version.event not in story.unwritable:
            acceptable.append(None if version.is_cancelled else version)
            if version.event not in seen.uncertain:
                return acceptable
    return [*acceptable, None]


def _judge_order(life: Life, documents: list[Document], acceptable: list[Version | None], found: Judgement) -> None:
    live = [document for document in documents if document["docstatus"] != CANCELLED]
    name = f"order {life.number}"
    if not live:
        found.lost += [] if None in acceptable else [name]
    elif len(live) > 1:
        found.doubled.append(name)
    elif live[0]["docstatus"] != SUBMITTED or not any(version and _says(live[0], version) for version in acceptable):
        found.misordered.append(name)


def _says(document: Document, version: Version) -> bool:
    said = [(row["item_code"], Decimal(str(row["qty"])), Decimal(str(row["rate"]))) for row in document["items"]]
    return version.rows == said and Decimal(str(document["grand_total"])) == version.total


def _judge_customers(story: Story, seen: Seen, found: Judgement) -> None:
    customers = _by_entity(seen.documents("Customer"))
    found.doubled += [key for key, documents in customers.items() if len(documents) > 1]
    for number, versions in story.buyers.items():
        if len(versions) == 1:
            continue  # known by orders only, perhaps by none that could be written
        key = f"shop-eu:customer:{number}"
        if key not in customers:
            found.lost.append(key)
        elif customers[key][0]["customer_name"] != f"{versions[-1]['first_name']} {versions[-1]['last_name']}":
            found.misordered.append(key)


def _judge_ledger(story: Story, seen: Seen, found: Judgement) -> None:
    for event in sorted(story.events):
        outcome = seen.ends.get(seen.accepted.get(event, ""), {}).get(event, "none")
        found.outcomes[outcome] += 1
        if outcome not in ENDS:
            found.unaccounted.append(event)
        elif outcome == "dead" and event not in story.unwritable and event not in seen.uncertain:
            found.dead_by_fault.append(event)


def _judge_notes(seen: Seen, found: Judgement) -> None:
    documents = {doctype: _by_entity(seen.documents(doctype)) for doctype, _ in seen.notes}
    for (doctype, key), (column, note) in seen.notes.items():
        newest = documents[doctype].get(key, [])[-1:]
        if [document.get(column) for document in newest] != [note]:
            found.overwritten.append(f"{doctype} {key}")


def _by_entity(documents: list[Document]) -> dict[str, list[Document]]:
    """External id without its revision → documents, oldest first. One without an external id is nobody's: it stands alone."""
    found: dict[str, list[Document]] = {}
    for document in documents:
        key = str(document.get("hub_external_id") or f"without external id: {document['name']}").split("~")[0]
        found.setdefault(key, []).append(document)
    return found
