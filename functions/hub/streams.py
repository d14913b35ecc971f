"""Streams: collections of a source that are read page by page, and what the hub asks of the code that reads them."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol, Self

from hub.errors import Permanent, Temporary
from hub.events import integer_version, parse_instant, timestamp_version
from hub.orphans import OrphanLimits

Mode = Literal["incremental", "delta", "full"]
CursorKind = Literal["timestamp", "integer", "token"]
MAX_KEY_CHARS = 200


class PageGone(Permanent):
    """The source no longer knows the page that was to come next: the listing begins anew, from the same cursor."""


class CursorGone(Permanent):
    """A delta cursor that the source no longer honours: everything is listed anew."""


class PageSuspect(Temporary):
    """An answer that cannot be the page that was asked for: truncated, no JSON, another page's rows."""


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream of an integration: what its rows are, and how far its listing can be trusted."""

    integration: str
    connector: str
    name: str  # "orders"
    entity: str  # the type of the rows' entities: "order"
    mode: Mode = "incremental"
    cursor: CursorKind = "timestamp"
    overlap: float = 300.0  # how far behind the watermark is read again: seconds, or units of an integer cursor
    steady: bool = (
        True  # rows cannot slide from page to page while they are read (keyset, token); else it is read twice
    )
    ordered: bool = False  # rows come in the cursor's order, so that the watermark may follow page by page

    @property
    def type(self) -> str:
        """The CloudEvents type of its rows."""
        return f"{self.connector}.{self.name}"

    @property
    def path(self) -> str:
        """Its name among all streams of the stage: "shop-eu/orders"."""
        return f"{self.integration}/{self.name}"


@dataclass(frozen=True, slots=True)
class Declared:
    """A stream and what its connector must know to read it: the request that runs it, in schedules as by hand."""

    stream: Stream
    settings: Mapping[str, Any] = field(default_factory=dict)
    is_compared: bool = False  # now and then all of it is held against what was queued
    orphans: OrphanLimits | None = None  # None: rows that vanish are left alone

    def to_request(self) -> dict[str, Any]:
        """As JSON, for `from_request`."""
        request: dict[str, Any] = {"stream": asdict(self.stream), "settings": dict(self.settings)}
        if self.is_compared:
            request |= {"is_compared": True, "orphans": asdict(self.orphans) if self.orphans else None}
        return request

    @classmethod
    def from_request(cls, request: Mapping[str, Any]) -> Self:
        """Read what `to_request` wrote; raises KeyError or TypeError for what it did not."""
        limits = request.get("orphans")
        return cls(
            Stream(**request["stream"]),
            request["settings"],
            request.get("is_compared", False),
            OrphanLimits(**limits) if limits else None,
        )


@dataclass(slots=True, unsafe_hash=True, init=False)  # made for each row: frozen would take a third longer
class Row:
    """One record as the source lists it; not to be changed. `version` is comparable as text (hub.events.timestamp_version and
    integer_version make such), "" where the row bears none; `key` is "" where it bears none of that."""

    key: str
    version: str
    data: bytes
    is_deleted: bool
    digest: bytes = field(init=False, repr=False)  # 128 bits that tell this state of this row from every other
    fingerprint: int = field(init=False, repr=False)  # half of them: enough to tell the states that a stream remembers

    def __init__(self, key: str, version: str, data: bytes, is_deleted: bool = False) -> None:
        self.key, self.version, self.data, self.is_deleted = key, version, data, is_deleted
        # a key that names a row is printable, so that no zero stands in it
        named = f"{key}\0{version}\0gone\0" if is_deleted else f"{key}\0{version}\0"
        whole = named.encode("utf-8", "surrogatepass") + data
        self.digest = digest = hashlib.blake2b(whole, digest_size=16).digest()
        self.fingerprint = int.from_bytes(digest[:8], "big")

    @property
    def key_hash(self) -> int:
        """64 bits that tell the row from others. Rows without a key have nothing in common but that."""
        return key_hash(self.key) if self.key else self.fingerprint


@dataclass(frozen=True, slots=True)
class Ask:
    """Which page: of the rows from `since` on (inclusive; "" is from the beginning) and before `until` ("" is no end),
    the one that `after` names; "" is the first. With mode `delta`, `since` is the source's own token."""

    since: str
    until: str
    after: str


class Unread(Sequence[Row]):
    """The rows of an answer that was read before: they are made when somebody looks at them."""

    def __init__(self, read: Callable[[], Sequence[Row]]) -> None:
        self._read = read
        self._rows: Sequence[Row] | None = None

    def _made(self) -> Sequence[Row]:
        if self._rows is None:
            self._rows = self._read()
        return self._rows

    def __len__(self) -> int:
        return len(self._made())

    def __getitem__(self, place: Any) -> Any:
        return self._made()[place]


@dataclass(frozen=True, slots=True)
class Page:
    """An answer. `next` names the following page, "" where this was the last one."""

    rows: Sequence[Row]
    next: str = ""
    end_is_told: bool = True  # false: that it is the last one was concluded from its being empty
    total: int | None = None  # rows in the whole listing, where the source says
    source_now: datetime | None = None  # the source's clock
    cursor: str = ""  # mode delta: the token that continues behind this page
    fields: frozenset[str] = frozenset()  # the names of its rows' fields, where new ones are to be noticed
    held: int | None = None  # rows in the answer, where `rows` leaves out those that the page before had
    said: bytes = b""  # a hash of all that the answer says: one that says the same need not be read again
    slid: bool = False  # it does not begin where the one before ended: rows moved, or it is another page


class Listing(Protocol):
    """Reads a stream's pages. Raises Temporary, PageSuspect, PageGone, CursorGone.

    `steady` and `ordered` are as in Stream: how a listing pages is its connector's business.
    """

    @property
    def steady(self) -> bool: ...

    @property
    def ordered(self) -> bool: ...

    def page(self, ask: Ask) -> Page:
        """One page; asking again for the same one is safe."""


def key_hash(key: str) -> int:
    """64 bits that tell a key from others."""
    return int.from_bytes(hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


def moved_back(version: str, kind: CursorKind, by: float) -> str:
    """A cursor `by` seconds or units earlier; "" where that is before the beginning, or cannot be told (a token)."""
    if not version or kind == "token":
        return version
    if kind == "integer":
        earlier = int(version) - int(by)
        return integer_version(earlier) if earlier > 0 else ""
    try:
        return timestamp_version((parse_instant(version) - timedelta(seconds=by)).isoformat())
    except OverflowError:
        return ""
