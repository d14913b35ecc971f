"""Fakes of the hub's ports: they keep what they are given, and fail on demand."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from adapters.telemetry import Measured, Telemetry
from hub.breaker import Breaker
from hub.connector import Effect, Written
from hub.deliver_batch import Received
from hub.errors import HubError, LedgerUnavailable, SourceUnavailable
from hub.events import Event, to_json
from hub.guard import Standing
from hub.ledger import Entry, Failure, Head, Known, Outcome
from hub.pace import Pace
from hub.receive import Outside
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

    def put(self, events: Sequence[tuple[Event, str]]) -> None:
        if self.failure:
            raise self.failure
        self.kept.extend(events)


@dataclass
class FakeSecrets:
    """Secrets of which all that are asked for have these values, the current one first. `renewed_to` are the ones that
    a second look finds; `failure` makes every look fail."""

    values: tuple[str, ...] = ("live",)
    renewed_to: tuple[str, ...] | None = None
    failure: Exception | None = None
    asked: list[str] = field(default_factory=list)

    def live(self, name: str) -> tuple[str, ...]:
        if self.failure:
            raise self.failure
        self.asked.append(name)
        return tuple(value for value in self.values if value)

    def renewed(self) -> bool:
        if self.renewed_to is None:
            return False
        self.values, self.renewed_to = self.renewed_to, None
        return True


@dataclass
class FakeBodies:
    """Bodies in memory, or `failure`."""

    kept: dict[str, bytes] = field(default_factory=dict)
    failure: Exception | None = None

    def keep(self, body: bytes) -> str:
        if self.failure:
            raise self.failure
        reference = f"memory:{hashlib.sha256(body).hexdigest()}"
        self.kept[reference] = body
        return reference


@dataclass
class FakeTokens:
    """One-time tokens in memory, or `failure`."""

    kept: dict[str, str] = field(default_factory=dict)
    failure: Exception | None = None

    def event_of(self, token: str) -> str | None:
        if self.failure:
            raise self.failure
        return self.kept.get(token)

    def keep(self, token: str, event_id: str) -> None:
        if self.failure:
            raise self.failure
        self.kept[token] = event_id


@dataclass
class FakeFetch:
    """Pages by URL; any other URL does not answer. `asked` are the URLs that were fetched."""

    pages: Mapping[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def __call__(self, url: str) -> bytes:
        self.asked.append(url)
        if url not in self.pages:
            raise SourceUnavailable(f"no answer from {url}")
        return self.pages[url]


def outside(
    *queues: FakeEventQueue,
    secrets: FakeSecrets | None = None,
    bodies: FakeBodies | None = None,
    tokens: FakeTokens | None = None,
    fetch: FakeFetch | None = None,
) -> Outside:
    """The services that receiving calls, all of them fakes."""
    return Outside(
        secrets=secrets or FakeSecrets(),
        queues=queues,
        fetch=fetch or FakeFetch(),
        bodies=bodies or FakeBodies(),
        tokens=tokens or FakeTokens(),
    )


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
        return [self._known(flow, event) for event in events]

    def _known(self, flow: str, event: Event) -> Known:
        entry = self.entries.get((flow, event.subject, event.id))
        since = entry.parking.since if entry and entry.parking else None
        return Known(self.heads.get((flow, event.subject), Head()), entry.outcome if entry else None, since)

    def heads_of(self, entities: Sequence[tuple[str, str]]) -> list[Head]:
        if self.unreadable:
            raise LedgerUnavailable("the ledger cannot be read")
        return [self.heads.get(entity, Head()) for entity in entities]

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
class FakeBreakers:
    """Breakers and paces in memory. `faster` is written by somebody else just before the next write."""

    kept: Breaker = field(default_factory=Breaker)
    faster: list[Breaker] = field(default_factory=list)
    unavailable: bool = False
    pace: Pace = field(default_factory=Pace)
    paces_written: int = 0

    def read(self, destination: str) -> Breaker:
        if self.unavailable:
            raise LedgerUnavailable("down")
        return self.kept

    def write(self, destination: str, breaker: Breaker) -> bool:
        if self.faster:
            self.kept = self.faster.pop(0)
            return False
        self.kept = breaker
        return True

    def standing(self, destination: str) -> Standing:
        return Standing(self.read(destination), self.pace)

    def write_pace(self, destination: str, pace: Pace) -> bool:
        if self.unavailable:
            raise LedgerUnavailable("down")
        self.pace = pace
        self.paces_written += 1
        return True


@dataclass
class FakePacer:
    """A Pacer that holds nothing back. `cut` is what its batches end with."""

    cut: Pace | None = None
    held: float | None = None
    begun: list[Pace | None] = field(default_factory=list)

    def begin(self, pace: Pace | None, seconds_left: Callable[[], float]) -> None:
        self.begun.append(pace)

    def end(self) -> Pace | None:
        return self.cut

    def held_to(self) -> float | None:
        return self.held


@dataclass
class FakeDeadLetters:
    """A dead letter queue: keeps what is buried, or raises `failure`."""

    buried: list[tuple[Received, Failure]] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    failure: Exception | None = None

    def bury(self, received: Received, failure: Failure, label: str = "") -> None:
        if self.failure:
            raise self.failure
        self.labels.append(label)
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

    def measure(
        self, message: str, about: Mapping[str, object], measured: Sequence[Measured], *, warns: bool = False
    ) -> None:
        metrics: dict[str, Any] = {}
        for each in measured:
            metrics |= each.metrics
        self.lines.append(("warning" if warns else "info", message, dict(about), metrics))

    def bug(self, message: str, error: BaseException, about: Mapping[str, object]) -> None:
        self.lines.append(("bug", message, {**about, "error": error}, {}))

    def bugs(self) -> list[str]:
        """The messages of what was reported as a bug."""
        return [message for level, message, _, _ in self.lines if level == "bug"]
