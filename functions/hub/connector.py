"""What the hub asks of a connector's code: a source reads events into records, a destination writes records.

`connectors/<name>/connector.py` offers `read` (a source), `listing` (a source with streams), `messages` (a source whose
messages are taken off), `destination` (a destination), or several of them. A destination that says how much it will
still serve offers `budget(answer)`: a Budget, or None where an answer says nothing.

`probe(client)` is its cheapest call. Where webhooks can be registered by code, the system's connector offers
`subscriptions(http)`, a Subscriptions; that of the integration that receives them `subscriptions_for(topics)` (their names
there) and `wanted(names, url, secret)`. `API_SUPPORTED_UNTIL` says when the system ends the version that is spoken.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, TypeAlias, runtime_checkable

from hub.errors import HubError, NotConfigured
from hub.events import Event

if TYPE_CHECKING:  # the webhook Lambda imports this file by way of the adapters, and starts without pydantic
    from decimal import Decimal

    from hub.records import Record
    from hub.streams import Stream


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
class NotWanted:
    """What a source reads of a body that states nothing to write: the event ends as ignored, by this rule."""

    rule: str


@dataclass(frozen=True, slots=True)
class Answer:
    """A destination's HTTP answer. Header names are lower-case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Budget:
    """What a destination will still do for its callers: so many seconds of its own time, until its limit begins anew."""

    work_seconds: float
    reset_seconds: float  # more than 0


class HttpClient(Protocol):
    """Calls one destination. An answer of any status is returned; no answer raises NoAnswer, no connection Unavailable."""

    def send(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Answer:
        """`body` is JSON."""

    def renew_credentials(self) -> None:
        """Read the secrets again before the next call: the destination refused the ones in use."""


class HttpClientWithHeaders(HttpClient, Protocol):
    """Also sends headers of one call alone."""

    def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """As HttpClient.send."""


Kind = Literal["integer", "decimal", "float", "boolean", "timestamp", "local", "date", "bytes", "json", "text"]
Cell = str | bytes | None  # as the database writes it, `bytes` with its hex digits or raw
Value: TypeAlias = "str | bytes | int | Decimal | bool | None"  # what a statement is given


class Column(NamedTuple):
    """A column of an answer. `timestamp` is an instant, written in UTC; `local` a time without zone."""

    name: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Selected:
    """A database's answer."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]


class Database(Protocol):
    """Runs statements in a relational database, each in a transaction of its own. Raises Unavailable where it cannot be
    reached or refuses the credentials, Temporary where trying again helps, Refused with its own words."""

    def select(self, sql: str, values: Sequence[Value] = ()) -> Selected:
        """Read; nothing is ever changed by it."""

    def write(self, sql: str, values: Sequence[Value]) -> int:
        """How many rows that touched. It may be run twice where the connection broke off: it must be safe to repeat."""


class Commands(Protocol):
    """Runs commands of a key-value server. Raises as Database."""

    def call(self, *words: str | bytes | int) -> Any:
        """Its answer; texts are bytes."""


class Read(Protocol):
    """Read a verified event into a record; raises Unreadable with a sentence that names field and problem."""

    def __call__(self, event: Event, kind: str) -> "Record | NotWanted": ...


class Destination(Protocol):
    """Brings a record to the destination. Repeating it is safe, unless the manifest says that the action is of kind
    `once`: such a one is not repeated while it is unknown whether it was done. So NoAnswer must be raised wherever that
    is unknown, and any other HubError says that nothing was done. Raises Temporary, Parked or Permanent."""

    def apply(self, action: str, record: "Record", event: Event, known_name: str) -> Written:
        """`known_name` is the document that this entity was last written to, or "" where that is unknown."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What one event asks of a destination: the arguments of Destination.apply."""

    action: str
    record: "Record"
    event: Event
    known_name: str


@runtime_checkable
class Batching(Destination, Protocol):
    """A destination that takes events of many entities in one call, at most one of each. Repeating it is safe."""

    def apply_many(self, asked: Sequence[Asked]) -> "Sequence[Written | HubError]":
        """How each of them ended, in their order: only those with an error are tried again, or are dead. Raises where all
        share one fate: BatchRefused where one of them may be to blame, which is then looked for; else as `apply`."""


def _no_client() -> Any:
    raise NotConfigured("the integration's url names no system of this kind; see the connector's README")


@dataclass(frozen=True, slots=True)
class Reach:
    """How a connector's code reaches its system to read a stream. `http` makes a client that sends these headers with
    each call, asked for anew each time."""

    url: str
    secret: Callable[[str], Sequence[str]]  # the live values of a secret, the current one first; raises Temporary
    http: Callable[[Callable[[], Mapping[str, str]]], HttpClient]
    now: Callable[[], datetime]
    sleep: Callable[[float], None]
    client: Callable[[], Any] = _no_client  # of a system that is not HTTP: Database, Commands


@runtime_checkable
class Searchable(Destination, Protocol):
    """A destination that can tell what it did; its manifest says of which actions (`lookup = true`)."""

    def find(self, action: str, record: "Record", event: Event) -> Written | None:
        """What an earlier `apply` of this event wrote; None where it certainly wrote nothing."""


class Difference(NamedTuple):
    """A field of which a source and a destination say different things, as people read it."""

    field: str
    source: str
    destination: str


@dataclass(frozen=True, slots=True)
class Standing:
    """How a destination stands beside a record. Without `differences` it says what the record says, as far as that was
    compared; without `name` and `differences` the record asks for no document."""

    doctype: str = ""
    name: str = ""  # "" where there is no document
    version: str = ""  # the source's, as of which the document was written last; "" where that says nothing
    differences: Sequence[Difference] = ()
    money: "Decimal | None" = (
        None  # at stake: the record's total where the document is missing, else by how much it differs
    )
    currency: str = ""


@dataclass(frozen=True, slots=True)
class Kept:
    """A document that a destination keeps of an entity; `identity` as Comparable.identity tells it."""

    identity: str
    doctype: str
    name: str
    money: "Decimal | None" = None
    currency: str = ""


@runtime_checkable
class Comparable(Destination, Protocol):
    """A destination that can be held against its source. It only reads, in few calls. Raises Temporary, Permanent;
    NotConfigured for an action that cannot be compared."""

    def standings(self, action: str, records: "Sequence[tuple[Record, Event]]") -> Sequence[Standing]:
        """How it stands beside each of these records, in their order."""

    def identity(self, action: str, event: Event) -> str:
        """What is unique of the document of an event's entity."""

    def kept(self, action: str, stream: "Stream", since: str, until: str) -> Iterator[Sequence[Kept]]:
        """Page by page, the documents in force that were last written as of a version from `since` on and before
        `until`."""


BudgetOf = Callable[[Answer], Budget | None]
Connect = Callable[[Any, Mapping[str, Any]], Destination]  # the HttpClient, or what the system's url asks for
