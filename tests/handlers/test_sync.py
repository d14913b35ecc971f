"""The sync handler: one stream per request, one run at a time, and another function where time was up."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import pytest

from adapters.wiring import SyncHub
from hub.drain import Message
from hub.errors import NotConfigured, Temporary, Unavailable
from hub.events import Event
from hub.runs import LeaseLost, State
from hub.streams import Ask, Declared, Page, Row, Stream
from sync.handler import sync
from tests.fakes import NOW, FakeTelemetry
from tests.sqs_batch import Context

VERSION = "2026-01-01T11:00:00.000000Z"
ORDERS = Declared(Stream("shop-eu", "shop", "orders", "order"), {"path": "/orders"})


@dataclass
class FakeHeld:
    """A stream's state under a lease."""

    state: State = field(default_factory=State)
    paused: str = ""
    left: bool = False
    lost: bool = False
    last: Mapping[str, object] | None = None

    def keep(self, state: State, _now: datetime) -> State:
        if self.lost:
            raise LeaseLost("another run has it")
        self.state = state
        return state

    def leave(self, last: Mapping[str, object] | None = None) -> None:
        self.left, self.last = True, last


@dataclass
class FakeCursors:
    """The cursors of a stage; `held` is None while another run has the stream."""

    held: FakeHeld | None = field(default_factory=FakeHeld)
    asked: list[Any] = field(default_factory=list)

    def take(self, stream: str, owner: str, _now: datetime) -> FakeHeld | None:
        self.asked.append((stream, owner))
        return self.held


@dataclass
class FakeListing:
    """Three pages of one row each, or trouble."""

    failure: Exception | None = None
    asked: list[Ask] = field(default_factory=list)
    steady: bool = True
    ordered: bool = True

    def page(self, ask: Ask) -> Page:
        self.asked.append(ask)
        if self.failure:
            raise self.failure
        number = int(ask.after or "1")
        return Page([Row(str(number), VERSION, b"{}")], str(number + 1) if number < 3 else "")


@dataclass
class FakeMessages:
    """Batches of messages that are left."""

    batches: list[list[Message]]
    gone: list[str] = field(default_factory=list)

    def take(self) -> list[Message]:
        return self.batches[0] if self.batches else []

    def let_go(self, taken: Sequence[Message]) -> None:
        self.batches.pop(0)
        self.gone += [message.row.key for message in taken]


@dataclass
class World:
    """What a sync function meets."""

    cursors: FakeCursors = field(default_factory=FakeCursors)
    listing: Any = field(default_factory=FakeListing)
    queued: list[Event] = field(default_factory=list)
    went_on: list[Mapping[str, Any]] = field(default_factory=list)
    telemetry: FakeTelemetry = field(default_factory=FakeTelemetry)

    def run(self, request: dict[str, Any] | None = None, milliseconds: int = 300_000) -> dict[str, Any]:
        hub = SyncHub(
            self.cursors,  # type: ignore[arg-type]
            None,  # type: ignore[arg-type]
            None,  # type: ignore[arg-type]
            lambda declared: (replace(declared.stream, ordered=True), self.listing),
            self.queued.extend,
            self.went_on.append,
            self.telemetry,
            lambda: NOW,
            lambda _seconds: None,
            lambda _asked: pytest.fail("nothing is to be judged"),
            lambda _subject, _text: pytest.fail("nobody is to be told"),
        )
        return sync(request or ORDERS.to_request(), Context(milliseconds), hub)


def test_a_run_queues_the_streams_rows_and_ends_its_lease() -> None:
    world = World()

    answer = world.run()

    assert (answer["state"], answer["queued"], answer["watermark"]) == ("ended", 3, VERSION)
    assert [event.subject for event in world.queued] == ["shop-eu/order/1", "shop-eu/order/2", "shop-eu/order/3"]
    assert world.cursors.asked == [("shop-eu/orders", "request-1")]
    assert world.cursors.held is not None
    assert world.cursors.held.left
    assert world.went_on == []


def test_a_request_that_names_no_stream_reads_nothing() -> None:
    world = World()

    assert world.run({"Records": []})["state"] == "failed"
    assert world.cursors.asked == []


def test_fields_that_the_source_has_added_are_told() -> None:
    world = World(FakeCursors(FakeHeld(State(looked_at=NOW, fields=frozenset({"id"})))))
    page = Page([Row("1", VERSION, b"{}")], fields=frozenset({"id", "vat"}))
    world.listing.page = lambda ask: page

    assert world.run()["new_fields"] == ["vat"]
    assert "new_fields" not in world.run()


def test_where_time_is_up_another_function_goes_on_with_the_same_request() -> None:
    world = World()

    answer = world.run(milliseconds=1_000)

    assert answer["state"] == "goes on"
    assert world.went_on == [ORDERS.to_request()]
    assert world.cursors.held is not None
    assert world.cursors.held.left


def a_message(key: str) -> Message:
    return Message(Row(key, "1", b"{}"), "", key)


def test_a_list_of_messages_is_drained_and_its_run_told_like_any_other() -> None:
    world = World(listing=FakeMessages([[a_message("1"), a_message("2")], [a_message("3")]]))

    answer = world.run()

    assert (answer["state"], answer["queued"]) == ("ended", 3)
    assert [event.subject for event in world.queued] == ["shop-eu/order/1", "shop-eu/order/2", "shop-eu/order/3"]
    assert world.listing.gone == ["1", "2", "3"]


def test_messages_whose_lease_was_lost_are_left_where_they_are() -> None:
    world = World(FakeCursors(FakeHeld(lost=True)), FakeMessages([[a_message("1")]]))

    assert world.run() == {"state": "lost"}
    assert world.listing.gone == []


def test_a_stream_that_another_run_reads_is_left_alone() -> None:
    world = World(FakeCursors(None))

    assert world.run() == {"state": "busy"}
    assert world.listing.asked == []


def test_a_paused_stream_is_not_read() -> None:
    world = World(FakeCursors(FakeHeld(paused="eva: the shop migrates")))

    assert world.run() == {"state": "paused", "by": "eva: the shop migrates"}
    assert world.listing.asked == []


@pytest.mark.parametrize("failure", [Temporary("503"), Unavailable("no answer"), NotConfigured("no such path")])
def test_a_source_that_fails_is_told_and_the_lease_ended(failure: Exception) -> None:
    world = World(listing=FakeListing(failure))

    answer = world.run()

    assert answer["state"] == "failed"
    assert str(failure) in answer["reason"]
    assert world.telemetry.lines[-1][3] == {"RunsFailed": 1}
    assert world.cursors.held is not None
    assert world.cursors.held.left


def test_a_run_whose_lease_is_lost_stops_and_leaves_the_stream_to_the_other() -> None:
    world = World(FakeCursors(FakeHeld(lost=True)))

    assert world.run() == {"state": "lost"}
    assert world.went_on == []


def test_how_a_run_went_is_kept_for_people() -> None:
    ended, failed = World(), World(listing=FakeListing(Temporary("503")))
    ended.run()
    failed.run()

    assert ended.cursors.held is not None
    assert failed.cursors.held is not None
    assert ended.cursors.held.last == {"state": "ended", "at": NOW.isoformat(), "rows": 3, "queued": 3}
    assert failed.cursors.held.last == {"state": "failed", "at": NOW.isoformat(), "reason": "Temporary: 503"}
