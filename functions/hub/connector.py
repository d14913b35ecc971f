"""What the hub asks of a connector's code: a source reads events into records, a destination writes records.

`connectors/<name>/connector.py` offers `read` (a source), `destination` (a destination), or both.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

from hub.events import Event

if TYPE_CHECKING:  # the webhook Lambda imports this file by way of the adapters, and starts without pydantic
    from hub.records import Record


class Effect(StrEnum):
    """What writing a record did to the destination."""

    APPLIED = "applied"
    UNCHANGED = "unchanged"
    STALE = "stale"
    IGNORED = "ignored"


@dataclass(frozen=True, slots=True)
class Written:
    """The outcome of one action: which document says it now. `rule` explains an event that wrote nothing."""

    effect: Effect
    doctype: str = ""
    name: str = ""
    rule: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """A destination's HTTP answer. Header names are lower-case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class HttpClient(Protocol):
    """Calls one destination. An answer of any status is returned; no answer raises Unavailable."""

    def send(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Answer:
        """`body` is JSON."""

    def renew_credentials(self) -> None:
        """Read the secrets again before the next call: the destination refused the ones in use."""


class Read(Protocol):
    """Read a verified event into a record; raises Unreadable with a sentence that names field and problem."""

    def __call__(self, event: Event, kind: str) -> "Record": ...


class Destination(Protocol):
    """Brings a record to the destination; repeating it is safe. Raises Temporary or Permanent."""

    def apply(self, action: str, record: "Record", event: Event, known_name: str) -> Written:
        """`known_name` is the document that this entity was last written to, or "" where that is unknown."""


Connect = Callable[[HttpClient, Mapping[str, Any]], Destination]
