"""Rows are judged page by page: each ends as agreeing or as one finding, and nothing is asked in vain."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest

from hub.connector import Difference, Kept, NotWanted, Standing, Written
from hub.errors import NotConfigured, Unreadable
from hub.events import Event
from hub.reconcile import Finding, Judge
from hub.records import Record, TableRow
from hub.streams import Stream
from tests.fakes import an_event

MISSING = Standing("Customer", differences=[Difference("document", "exists", "missing")], money=Decimal(5))


def row(key: str, version: str = "v2", *, deleted: bool = False) -> Event:
    kind = "crm.contacts/deleted" if deleted else "crm.contacts"
    return an_event(f"{key}-{version}", entity=f"crm/contact/{key}", event_type=kind, version=version)


@dataclass
class FakeComparable:
    """A destination that says what it is told to, by key."""

    says: dict[str, Standing]
    asked: list[list[str]] = field(default_factory=list)

    def standings(self, action: str, records: Sequence[tuple[Record, Event]]) -> list[Standing]:
        assert action == "upsert_document"
        keys = [event.subject.rsplit("/", 1)[-1] for _, event in records]
        self.asked.append(keys)
        return [self.says.get(key, Standing("Customer", "C", "v2")) for key in keys]

    def identity(self, action: str, event: Event) -> str:
        return f"{action}:{event.subject}"

    def kept(self, action: str, stream: Stream, since: str, until: str) -> Iterator[Sequence[Kept]]:
        raise NotImplementedError

    def apply(self, action: str, record: Record, event: Event, known_name: str) -> Written:
        raise AssertionError("a comparison writes nothing")


def read(event: Event, kind: str) -> Any:
    assert kind == "row"
    key = event.subject.rsplit("/", 1)[-1]
    if key == "broken":
        raise Unreadable("no name")
    if key == "misconfigured":
        raise NotConfigured("no settings")
    return NotWanted("a draft") if key == "draft" else TableRow(stream="contacts", key=key, fields={})


def judge(destination: FakeComparable, applied: dict[str, str] | None = None) -> Judge:
    known = applied or {}
    return Judge(
        "upsert_document", "row", read, destination, lambda subjects: [known.get(each, "") for each in subjects]
    )


def kinds(destination: FakeComparable, *rows: Event, applied: dict[str, str] | None = None) -> dict[str, str]:
    judged = judge(destination, applied).judge(rows)
    return {each.event.subject.rsplit("/", 1)[-1]: each.finding.kind if each.finding else "" for each in judged}


def test_each_row_of_a_page_is_judged_and_the_destination_is_asked_once() -> None:
    destination = FakeComparable({"2": MISSING, "3": Standing("Customer", "C-3", "v2", [Difference("a", "1", "2")])})

    found = kinds(destination, row("1"), row("2"), row("broken"), row("3"), row("draft"), row("4", deleted=True))

    assert found == {"1": "", "2": "missing", "broken": "unreadable", "3": "differs", "draft": ""}
    assert destination.asked == [["1", "2", "3"]]


def test_an_empty_page_asks_nobody() -> None:
    destination = FakeComparable({})

    assert judge(destination).judge([]) == []
    assert destination.asked == []


def test_a_finding_says_what_is_at_stake_and_a_row_is_known_by_its_document() -> None:
    [judged] = judge(FakeComparable({"2": MISSING})).judge([row("2")])

    assert judged.identity == "upsert_document:crm/contact/2"
    assert judged.finding == Finding(
        "missing", "crm/contact/2", "", "Customer", "", Decimal(5), "", MISSING.differences
    )


@pytest.mark.parametrize(
    ("written_as_of", "applied", "kind"),
    [("v1", "", "behind"), ("v1", "v1", "behind"), ("v1", "v2", ""), ("v1", "v3", ""), ("v2", "", ""), ("", "", "")],
)
def test_a_document_is_behind_where_its_rows_version_was_never_applied(
    written_as_of: str, applied: str, kind: str
) -> None:
    destination = FakeComparable({"1": Standing("Customer", "C-1", written_as_of)})

    assert kinds(destination, row("1", "v2"), applied={"crm/contact/1": applied}) == {"1": kind}


def test_what_the_configuration_lacks_is_no_rows_fault() -> None:
    with pytest.raises(NotConfigured, match="no settings"):
        judge(FakeComparable({})).judge([row("misconfigured")])
