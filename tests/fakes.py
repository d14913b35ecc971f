"""Fakes of the hub's ports: they keep what they are given, and fail on demand."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from adapters.telemetry import Telemetry
from hub.connector import Effect, Written
from hub.deliver_batch import Received
from hub.errors import HubError, LedgerUnavailable
from hub.events import Event, to_json
from hub.ledger import Entry, Failure, Head, Known, Outcome
from hub.records import Customer, Record

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


def an_event(
    event_id: str = "event-1",
    entity: str = "shop-eu/order/1001",
    version: str = "",
    received_at: datetime = NOW,
    event_type: str = "shop.orders/create",
    data: bytes = b"{}",
    replay_of: str | None = None,
) -> Event:
    """An event of which a test states what matters to it."""
    return Event(
        id=event_id,
        source="/integrations/shop-eu",
        type=event_type,
        subject=entity,
        time=None,
        received_at=received_at,
        entity_version=version,
        content_type="application/json",
        data=data,
        replay_of=replay_of,
    )


def received(event: Event, attempts: int = 1) -> Received:
    """An event as a queue hands it out; its message id names the event."""
    return Received(message_id=f"message-{event.id}", event=event, message=to_json(event), attempts=attempts)


@dataclass
class FakeEventQueue:
    """An EventQueue: keeps events in `kept`, or raises `failure`."""

    kept: list[tuple[Event, str]] = field(default_factory=list)
    failure: Exception | None = None

    def put(self, event: Event, message: str) -> None:
        if self.failure:
            raise self.failure
        self.kept.append((event, message))


@dataclass
class FakeLedger:
    """A Ledger in memory. `unreadable` and `unwritable` make it fail."""

    entries: dict[tuple[str, str, str], Entry] = field(default_factory=dict)
    heads: dict[tuple[str, str], Head] = field(default_factory=dict)
    unreadable: bool = False
    unwritable: bool = False
    writes: int = 0

    def known(self, flow: str, events: Sequence[Event]) -> list[Known]:
        if self.unreadable:
            raise LedgerUnavailable("the ledger cannot be read")
        return [
            Known(self.heads.get((flow, event.subject), Head()), self.outcome(flow, event.subject, event.id))
            for event in events
        ]

    def record(self, entries: Sequence[Entry], heads: Sequence[tuple[str, str, Head]]) -> None:
        if self.unwritable:
            raise LedgerUnavailable("the ledger cannot be written")
        self.writes += 1
        for entry in entries:
            self.entries[entry.flow, entry.event.subject, entry.event.id] = entry
        for flow, subject, head in heads:
            self.heads[flow, subject] = head

    def outcome(self, flow: str, subject: str, event_id: str) -> Outcome | None:
        entry = self.entries.get((flow, subject, event_id))
        return entry.outcome if entry else None


@dataclass
class FakeDeadLetters:
    """A dead letter queue: keeps what is buried, or raises `failure`."""

    buried: list[tuple[Received, Failure]] = field(default_factory=list)
    failure: Exception | None = None

    def bury(self, received: Received, failure: Failure) -> None:
        if self.failure:
            raise self.failure
        self.buried.append((received, failure))


@dataclass
class FakeNotices:
    """Notices to operators, kept in `told`; raises `failure` if it has one."""

    told: list[tuple[str, str]] = field(default_factory=list)
    failure: HubError | None = None

    def tell(self, subject: str, text: str) -> None:
        if self.failure:
            raise self.failure
        self.told.append((subject, text))


@dataclass
class FakeDestination:
    """A Destination that applies everything, except the events for which `answers` says otherwise."""

    answers: Mapping[str, Written | Exception] = field(default_factory=dict)
    applied: list[tuple[str, str, str]] = field(default_factory=list)  # event id, action, known name

    def apply(self, action: str, record: Record, event: Event, known_name: str) -> Written:
        self.applied.append((event.id, action, known_name))
        answer = self.answers.get(event.id, Written(Effect.APPLIED, "Sales Order", "SO-1"))
        if isinstance(answer, Exception):
            raise answer
        return answer


def read_anything(event: Event, kind: str) -> Record:
    """A Read to which every body is the same customer."""
    return Customer(id="1", name=kind)


class FakeTelemetry(Telemetry):
    """Keeps what is told in `lines`, as (level, message, about, counts)."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, dict[str, object], dict[str, float]]] = []

    def report(self, message: str, about: Mapping[str, object], counts: Mapping[str, float] | None = None) -> None:
        self.lines.append(("info", message, dict(about), dict(counts or {})))

    def warn(self, message: str, about: Mapping[str, object], counts: Mapping[str, float] | None = None) -> None:
        self.lines.append(("warning", message, dict(about), dict(counts or {})))

    def bug(self, message: str, error: BaseException, about: Mapping[str, object]) -> None:
        self.lines.append(("bug", message, {**about, "error": error}, {}))

    def bugs(self) -> list[str]:
        """The messages of what was reported as a bug."""
        return [message for level, message, _, _ in self.lines if level == "bug"]
