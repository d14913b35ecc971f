"""The ledger: every event ends in exactly one recorded outcome per flow.

One item per event and flow, under its entity, so that all that ever happened to an entity is one query; and one head
item per entity and flow that says how far the entity has come.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from hub.errors import HubError
from hub.events import Event

TTL_ATTRIBUTE = "expires_at"
LABEL = "label"  # the attribute of what people call an entity
BY_LABEL = "by-label"  # the index of the items that have one
MAX_LABEL_BYTES = 1_024  # the key of an index holds 2,048


def searchable(label: str) -> str:
    """A label as it is kept and looked for: "#1042", "1042" and " 1042 " are the same. "" for what is none."""
    plain = label.casefold().strip().lstrip("# ")
    return plain if plain.isprintable() and len(plain.encode()) <= MAX_LABEL_BYTES else ""


A_PERSON = "a person"  # what an event waits for that nobody but a person can settle (hub events settle)


class Outcome(StrEnum):
    """How an event ended; or that it is parked, which is no end."""

    APPLIED = "applied"
    UNCHANGED = "unchanged"
    STALE = "stale"
    IGNORED = "ignored"
    DEAD = "dead"
    DISCARDED = "discarded"
    PARKED = "parked"

    @property
    def final(self) -> bool:
        """Whether the event has ended: the same event has no second effect, unless an operator replays it."""
        return self is not Outcome.PARKED


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an event is dead, without payload and secrets."""

    code: str
    category: str
    severity: str
    message: str

    @property
    def told(self) -> str:
        """Code and message in one; a destination's own words begin with the code already."""
        return self.message if self.message.startswith(f"{self.code}: ") else f"{self.code}: {self.message}"

    @classmethod
    def of(cls, error: HubError) -> "Failure":
        """The record of a HubError."""
        return cls(error.code, str(error.category), str(error.severity), str(error))


@dataclass(frozen=True, slots=True)
class Parking:
    """Why, where and until when an event waits."""

    destination: str
    waits_for: str  # an entity's subject, or A_PERSON
    since: datetime  # parked for the first time; a release that comes too early does not begin the waiting anew
    until: datetime  # then it is tried a last time; what waits for a person has no end
    seen: str = ""  # the parent's Head.mark before it was last looked for: released once that is another

    @property
    def for_a_person(self) -> bool:
        """Whether only a person can end the waiting."""
        return self.waits_for == A_PERSON


@dataclass(frozen=True, slots=True)
class Entry:
    """The outcome of one event in one flow."""

    flow: str
    event: Event
    outcome: Outcome
    attempts: int
    recorded_at: datetime
    doctype: str = ""
    name: str = ""
    rule: str = ""
    failure: Failure | None = None
    label: str = ""  # searchable; of an event that moved no head, so that its entity is found all the same
    parking: Parking | None = None  # of a parked event
    parked_before: str = ""  # the destination for which it was parked until now


@dataclass(frozen=True, slots=True)
class Head:
    """How far an entity has come in a flow: the newest version seen, and the document that bears it."""

    version: str = ""
    doctype: str = ""
    name: str = ""
    label: str = ""  # searchable: what people call the entity, such as an order's number
    digest: str = ""  # of what was last done, the action and its record; "" where the like is to be done again

    @property
    def mark(self) -> str:
        """A text that changes whenever the entity moves; "" while nothing of it has been applied."""
        return "#".join((self.version, self.doctype, self.name)).strip("#")


@dataclass(frozen=True, slots=True)
class Known:
    """What the ledger says of one event before it is applied."""

    head: Head
    outcome: Outcome | None  # of this very event, if it has ended already, or is parked
    parked_since: datetime | None = None


class Ledger(Protocol):
    """The record of outcomes. Raises LedgerUnavailable (a Temporary) where it cannot be read or written."""

    def known(self, flow: str, events: Sequence[Event]) -> list[Known]:
        """What is known of each of `events`, in their order."""

    def heads_of(self, entities: Sequence[tuple[str, str]]) -> list[Head]:
        """How far each (flow, subject) has come, in their order."""

    def record(self, entries: Sequence[Entry], heads: Sequence[tuple[str, str, Head]]) -> None:
        """Keep the outcomes, and the heads as (flow, subject, head); safe to repeat. A parked event can be found by its
        destination from then on, until it is recorded with another outcome."""
