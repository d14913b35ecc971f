"""Hold what a source lists against what a destination says, page by page. Nothing is changed here."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from hub.connector import Comparable, Difference, Kept, NotWanted, Read, Standing
from hub.errors import NotConfigured, Permanent
from hub.events import Event

if TYPE_CHECKING:
    from decimal import Decimal

    from hub.records import Record

# missing: the destination has no document; differs: it says something else; behind: it says the same of what was compared,
# and the row's newer version was never applied; unreadable: the row cannot be one of its kind; orphan: a document whose
# entity the source does not list
Kind = Literal["missing", "differs", "behind", "unreadable", "orphan"]
KINDS: tuple[Kind, ...] = ("missing", "differs", "behind", "unreadable", "orphan")  # the most pressing ones first


@dataclass(frozen=True, slots=True)
class Finding:
    """What differs about one entity. `money` is what is at stake, None where that is unknown."""

    kind: Kind
    subject: str  # of an orphan: what is unique of its document
    label: str = ""  # what people call it
    doctype: str = ""
    name: str = ""
    money: "Decimal | None" = None
    currency: str = ""
    differences: Sequence[Difference] = ()


@dataclass(frozen=True, slots=True)
class Judged:
    """How one listed row stands. No `finding`: source and destination agree, or the flow does not want it."""

    event: Event
    identity: str
    finding: Finding | None


@dataclass(frozen=True, slots=True)
class Judge:
    """What judging the rows of one stream in one flow takes. `applied` tells the newest version that the hub has brought
    to an end of each subject, "" where it knows none."""

    action: str
    kind: str  # of the stream's records
    read: Read
    destination: Comparable
    applied: Callable[[Sequence[str]], Sequence[str]]

    def judge(self, events: Sequence[Event]) -> list[Judged]:
        """How these rows stand, in their order; asks the destination once for all. Rows that the source lists as deleted
        are left out. Raises Temporary, and NotConfigured for an action that cannot be compared."""
        listed = [event for event in events if not event.type.endswith("/deleted")]
        unread: dict[str, Permanent] = {}
        pairs: list[tuple[Record, Event]] = []
        for event in listed:
            try:
                record = self.read(event, self.kind)
            except NotConfigured:
                raise
            except Permanent as error:
                unread[event.id] = error
                continue
            if not isinstance(record, NotWanted):
                pairs.append((record, event))
        standings = self.destination.standings(self.action, pairs) if pairs else []
        found = {
            event.id: finding
            for (record, event), standing in zip(pairs, standings, strict=True)
            if (finding := _finding(record, event, standing))
        }
        found |= {event.id: _unreadable(event, unread[event.id]) for event in listed if event.id in unread}
        found |= self._behind(pairs, standings)
        return [Judged(event, self.destination.identity(self.action, event), found.get(event.id)) for event in listed]

    def _behind(self, pairs: "Sequence[tuple[Record, Event]]", standings: Sequence[Standing]) -> Mapping[str, Finding]:
        """Documents that say the same, written as of an older version: right where the newer one ended as unchanged."""
        older = [
            (record, event, standing)
            for (record, event), standing in zip(pairs, standings, strict=True)
            if standing.name and not standing.differences and "" < standing.version < event.entity_version
        ]
        applied = self.applied([event.subject for _, event, _ in older]) if older else []
        return {
            event.id: Finding(
                "behind",
                event.subject,
                record.label,
                standing.doctype,
                standing.name,
                differences=[Difference("version", event.entity_version, max(standing.version, version))],
            )
            for (record, event, standing), version in zip(older, applied, strict=True)
            if version < event.entity_version
        }


def orphan(kept: Kept) -> Finding:
    """A document that no listed row stands for."""
    return Finding("orphan", kept.identity, "", kept.doctype, kept.name, kept.money, kept.currency)


def _finding(record: "Record", event: Event, standing: Standing) -> Finding | None:
    if not standing.differences:
        return None
    return Finding(
        "differs" if standing.name else "missing",
        event.subject,
        record.label,
        standing.doctype,
        standing.name,
        standing.money,
        standing.currency,
        standing.differences,
    )


def _unreadable(event: Event, error: Permanent) -> Finding:
    return Finding("unreadable", event.subject, differences=[Difference("row", str(error), "")])
