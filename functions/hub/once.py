"""Actions that must be done once: claimed first, then done, then the result is kept in the claim.

no claim ──claim──► do it ──► keep the result
                      ├─ it certainly had no effect ──► drop the claim, try again later
                      └─ nobody knows (no answer, a crash) ──► the claim is left over
a claim that is left over: the destination is asked whether it was done; where it cannot tell, a person decides
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from hub.connector import Destination, Searchable, Written
from hub.errors import HubError, LedgerUnavailable, NoAnswer, Parked, Temporary
from hub.events import Event
from hub.ledger import A_PERSON

if TYPE_CHECKING:
    from hub.records import Record

LONGEST_RUN_SECONDS = 120.0  # a delivery function is ended then: until then a claim may be that of one still at work


@dataclass(frozen=True, slots=True)
class ClaimKey:
    """What is done once: an action for an event in a flow, however often and by whichever message it comes."""

    flow: str
    action: str
    subject: str
    event_id: str


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim as it was found. `is_new`: there was none, and now it is ours."""

    is_new: bool
    age_seconds: float = 0.0
    written: Written | None = None  # its result; None: not known


class Claims(Protocol):
    """Where claims are kept, as long as the ledger's outcomes; raises LedgerUnavailable."""

    def take(self, key: ClaimKey) -> Claim:
        """Claim, unless there is a claim: of ten who try at the same time one gets it."""

    def keep(self, key: ClaimKey, written: Written) -> None:
        """Keep the result in the claim."""

    def drop(self, key: ClaimKey) -> None:
        """Take the claim back: nothing was done."""


class OnceDestination:
    """A destination of which `lookups` are the actions that must be done once: name → whether `find` tells of it."""

    def __init__(self, destination: Destination, flow: str, lookups: Mapping[str, bool], claims: Claims) -> None:
        self._destination = destination
        self._flow = flow
        self._lookups = lookups
        self._claims = claims

    def apply(self, action: str, record: "Record", event: Event, known_name: str) -> Written:
        """As Destination.apply; raises Parked where only a person can tell whether it was done."""
        if action not in self._lookups:
            return self._destination.apply(action, record, event, known_name)
        key = ClaimKey(self._flow, action, event.subject, event.id)
        claim = self._claims.take(key)
        if claim.written:
            return claim.written
        if claim.is_new:
            return self._do(key, record, event, known_name)
        if claim.age_seconds < LONGEST_RUN_SECONDS:
            wait = LONGEST_RUN_SECONDS - claim.age_seconds
            raise Temporary(f"{action} is being done, or was broken off just now", retry_after_seconds=wait)
        if not isinstance(self._destination, Searchable) or not self._lookups[action]:
            raise Parked(f"{action} was begun and broken off: {_UNKNOWN}", waits_for=A_PERSON)
        found = self._destination.find(action, record, event)
        if found is None:
            self._claims.drop(key)  # and a new one, so that its age tells who may be at work on it
            return self.apply(action, record, event, known_name)
        self._claims.keep(key, found)
        return found

    def _do(self, key: ClaimKey, record: "Record", event: Event, known_name: str) -> Written:
        try:
            written = self._destination.apply(key.action, record, event, known_name)
        except NoAnswer as error:
            if self._lookups[key.action]:
                raise  # asked again it is looked up, as soon as nobody can still be at work on it
            raise Parked(f"{key.action}: {error}; {_UNKNOWN}", waits_for=A_PERSON) from error
        except HubError:
            self._claims.drop(key)
            raise
        with suppress(LedgerUnavailable):  # the outcome says it too; where that fails as well, the claim is left over
            self._claims.keep(key, written)
        return written


_UNKNOWN = "whether it was done is unknown; look there, then: hub events settle"
