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


class Outcome(StrEnum):
    """How an event ended."""

    APPLIED = "applied"
    UNCHANGED = "unchanged"
    STALE = "stale"
    IGNORED = "ignored"
    DEAD = "dead"
    DISCARDED = "discarded"


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


@dataclass(frozen=True, slots=True)
class Head:
    """How far an entity has come in a flow: the newest version seen, and the document that bears it."""

    version: str = ""
    doctype: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Known:
    """What the ledger says of one event before it is applied."""

    head: Head
    outcome: Outcome | None  # of this very event, if it has ended already


class Ledger(Protocol):
    """The record of outcomes. Raises LedgerUnavailable (a Temporary) where it cannot be read or written."""

    def known(self, flow: str, events: Sequence[Event]) -> list[Known]:
        """What is known of each of `events`, in their order."""

    def record(self, entries: Sequence[Entry], heads: Sequence[tuple[str, str, Head]]) -> None:
        """Keep the outcomes, and the heads as (flow, subject, head); safe to repeat."""
