"""The trail: what operators did, when and why. An entry is written once, before the deed, and never changed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from hub.errors import LedgerUnavailable

# What decides who may do or send something, or whether something flows; the rest moves single events, files and streams
PERMISSIONS = ("secrets ", "sync approve", "flow pause", "flow resume", "sync pause", "sync resume")


class TrailUnavailable(LedgerUnavailable):
    """The trail could not be read or written. Who cannot be recorded does nothing."""


@dataclass(frozen=True, slots=True)
class Deed:
    """One entry. It says what was asked for; a command that failed afterwards stands here as well."""

    at: datetime
    action: str  # as the command is called: "events discard"
    about: str  # an entity, a flow, an integration, a stream
    who: str  # AWS's name of the caller (STS): an ARN, whose last part is a person's where people sign in
    user: str  # the account on the machine that the command ran on
    reason: str  # "" where the command asks for none and none was given
    details: Mapping[str, str] = field(default_factory=dict)  # never values of secrets, never payloads

    @property
    def concerns_permissions(self) -> bool:
        """Whether it changed who or what may pass."""
        return self.action.startswith(PERMISSIONS)


class Trail(Protocol):
    """Where deeds are kept for good; raises TrailUnavailable."""

    def note(self, action: str, about: str, reason: str, details: Mapping[str, str] | None = None) -> None:
        """Keep that the caller is about to do something; returns once it is kept."""

    def deeds(self, since: datetime, until: datetime) -> Iterator[Deed]:
        """What was noted from `since` on and before `until`, the earliest first."""
