"""A file becomes events once, whatever dies on the way, and what cannot be taken comes back."""

import hashlib
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, BinaryIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.csv.connector import table
from hub.errors import QueueUnavailable, Temporary
from hub.events import Event
from hub.files import (
    MOST_FILE_BYTES,
    PORTION,
    Dropped,
    FileGone,
    FileHeld,
    Intake,
    Progress,
    Table,
    stream_of,
    take_file,
)
from hub.streams import Stream
from tests.fakes import NOW, FakeNotices

PRICES = Stream("shop-eu", "csv", "prices", "price")
SETTINGS: dict[str, Any] = {"key": "sku", "columns": {"sku": "text", "price": "money"}}
KEY = "inbox/shop-eu/prices.csv"
FEW = "sku,price\nA,1\nB,x\nC,3\n"


class Died(BaseException):
    """The function was killed."""


@dataclass
class FakeStore:
    """A bucket in memory."""

    files: dict[str, bytes] = field(default_factory=dict)
    arrived: dict[str, datetime] = field(default_factory=dict)
    again: dict[str, str] = field(default_factory=dict)
    moved_before: Callable[[], None] = lambda: None

    def drop(self, key: str, content: str, at: datetime = NOW, again: str = "") -> None:
        self.files[key], self.arrived[key], self.again[key] = content.encode(), at, again

    def fetch(self, key: str) -> Dropped:
        if key not in self.files:
            raise FileGone(key)
        body = self.files[key]
        digest = hashlib.sha256(body).hexdigest()
        return Dropped(key, io.BytesIO(body), digest, self.arrived[key], len(body), digest, self.again.get(key, ""))

    def put(self, key: str, body: bytes) -> None:
        self.files[key] = body

    def join(self, parts: Sequence[str], key: str, head: bytes) -> None:
        self.files[key] = head + b"".join(self.files[part] for part in parts)

    def move(self, dropped: Dropped, to: str) -> None:
        self.files[to] = self.files.pop(dropped.key)

    def one(self, ending: str) -> bytes:
        found = [key for key in self.files if key.endswith(ending)]
        assert len(found) == 1, found
        return self.files[found[0]]


@dataclass
class FakeHeld:
    """A progress under a lease."""

    record: "FakeRecord"
    identity: str
    progress: Progress

    def keep(self, progress: Progress) -> None:
        self.record.kept[self.identity] = self.progress = progress

    def leave(self) -> None:
        self.record.holders.pop(self.identity, None)


@dataclass
class FakeRecord:
    """The record of files in memory."""

    kept: dict[str, Progress] = field(default_factory=dict)
    holders: dict[str, str] = field(default_factory=dict)

    def take(self, integration: str, dropped: Dropped, owner: str, now: datetime) -> FakeHeld:
        if dropped.identity in self.holders:
            raise FileHeld(self.holders[dropped.identity])
        self.holders[dropped.identity] = dropped.key
        fresh = Progress(dropped.key, dropped.arrived_at, now)
        return FakeHeld(self, dropped.identity, self.kept.get(dropped.identity, fresh))


@dataclass
class World:
    """What taking files in meets."""

    store: FakeStore = field(default_factory=FakeStore)
    record: FakeRecord = field(default_factory=FakeRecord)
    notices: FakeNotices = field(default_factory=FakeNotices)
    queued: list[Event] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=lambda: SETTINGS)
    dies_at: int = -1  # the call of the outside world at which the function is killed
    calls: int = 0
    failure: Exception | None = None

    def intake(self) -> Intake:
        def open_table(stream: Stream, file: BinaryIO) -> Table:
            return table(file, self.settings)

        return Intake(
            "shop-eu",
            self.mortal(self.store, "put", "join", "move"),
            self.record,
            lambda key: stream_of(key, {"prices": PRICES}),
            open_table,
            self.queue,
            self.mortal(self.notices, "tell"),
            lambda: NOW,
        )

    def mortal(self, port: Any, *methods: str) -> Any:
        """The port, whose calls may be the last ones: before them or after."""
        world = self

        class Mortal:
            def __getattr__(self, name: str) -> Any:
                method = getattr(port, name)
                return (lambda *given: world.call(lambda: method(*given))) if name in methods else method

        return Mortal()

    def call(self, act: Callable[[], Any]) -> Any:
        for moment in ("before", "after"):
            self.calls += 1
            if self.calls == self.dies_at:
                raise Died
            if moment == "before":
                done = act()
        return done

    def queue(self, events: Sequence[Event]) -> None:
        if self.failure:
            raise self.failure
        self.call(lambda: self.queued.extend(events))

    def take(self, key: str = KEY, seconds: bool = True) -> dict[str, Any] | None:
        return take_file(key, "request-1", lambda: not seconds, self.intake())

    def applied(self) -> dict[str, bytes]:
        """Key → row, of events each once, as the ledger lets them through."""
        once = {(event.subject, event.id): event for event in self.queued}
        assert len({event.subject for event in once.values()}) == len(once), "one row is two events"
        return {event.subject: event.data for event in once.values()}


def test_good_rows_are_queued_and_bad_rows_come_back() -> None:
    world = World()
    world.store.drop(KEY, FEW)

    summary = world.take()

    assert summary is not None
    assert (summary["state"], summary["good"], summary["bad"]) == ("processed", 2, 1)
    assert world.applied() == {
        "shop-eu/price/A": b'{"sku":"A","price":1}',
        "shop-eu/price/C": b'{"sku":"C","price":3}',
    }
    assert {event.entity_version for event in world.queued} == {"2026-01-01T12:00:00.000000Z"}
    assert world.store.one("/prices-rejected.csv").decode("utf-8-sig").splitlines() == [
        "sku,price,hub_error",
        "B,x,price: is no number with decimal sign '.'",
    ]
    assert world.store.one("/prices.csv") == FEW.encode()
    assert json.loads(world.store.one("/prices.csv.summary.json"))["bad"] == 1
    assert not [key for key in world.store.files if key.startswith("inbox/")]
    subject, text = world.notices.told[0]
    assert subject == "shop-eu: prices.csv: 2 rows taken, 1 rejected"
    assert "prices-rejected.csv" in text


def test_the_corrected_file_is_taken_under_a_later_version() -> None:
    world = World()
    world.store.drop(KEY, FEW)
    world.take()
    back = world.store.one("/prices-rejected.csv").decode("utf-8-sig").replace("B,x", "B,2")
    world.store.drop("inbox/shop-eu/prices-rejected.csv", back, NOW + timedelta(hours=1))

    summary = world.take("inbox/shop-eu/prices-rejected.csv")

    assert summary is not None
    assert (summary["good"], summary["bad"]) == (1, 0)
    assert world.applied()["shop-eu/price/B"] == b'{"sku":"B","price":2}'
    assert world.queued[-1].entity_version > world.queued[0].entity_version


def test_the_same_file_twice_does_nothing_unless_somebody_wants_it() -> None:
    world = World()
    world.store.drop(KEY, FEW)
    world.take()
    before = len(world.queued)
    world.store.drop("inbox/shop-eu/again.csv", FEW, NOW + timedelta(days=1))

    known = world.take("inbox/shop-eu/again.csv")

    assert known is not None
    assert known["state"] == "known"
    assert "2026-01-01 12:00 UTC as inbox/shop-eu/prices.csv" in known["reason"]
    assert len(world.queued) == before
    world.store.drop(KEY, FEW, NOW + timedelta(days=2), again="now")
    world.take()
    assert len({event.id for event in world.queued}) == 2 * before


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 30), st.booleans())
def test_a_function_that_dies_anywhere_loses_and_doubles_nothing(dies_at: int, slices: bool) -> None:
    world = World(dies_at=dies_at)
    rows = [f"K{number},{number if number % 3 else 'x'}" for number in range(2 * PORTION + 10)]
    world.store.drop(KEY, "sku,price\n" + "\n".join(rows))
    ended = False
    for _ in range(12):
        try:
            ended = world.take(seconds=not slices) is not None
        except Died:
            world.record.holders.clear()  # the lease has run out, the message comes back
        except FileGone:
            ended = True
        if ended and KEY not in world.store.files:
            break

    good = [row for row in rows if not row.endswith("x")]
    assert set(world.applied()) == {f"shop-eu/price/{row.split(',')[0]}" for row in good}
    rejected = world.store.one("-rejected.csv").decode("utf-8-sig").splitlines()
    assert [line.split(",")[0] for line in rejected[1:]] == [row.split(",")[0] for row in rows if row not in good]
    summary = json.loads(world.store.one(".summary.json"))
    assert (summary["state"], summary["good"], summary["bad"]) == ("processed", len(good), len(rows) - len(good))
    assert world.store.one("/prices.csv")
    assert world.notices.told


def test_where_time_is_up_another_function_goes_on() -> None:
    world = World()
    world.store.drop(KEY, "sku,price\n" + "".join(f"K{number},1\n" for number in range(PORTION + 1)))

    assert world.take(seconds=False) is None
    assert len(world.queued) == PORTION
    assert KEY in world.store.files
    assert not world.record.holders
    assert world.take() is not None
    assert len(world.queued) == PORTION + 1


def test_a_refused_file_is_read_anew_once_the_settings_are_mended() -> None:
    world = World()
    late = "sku,price\n" + "".join(f"K{number},1\n" for number in range(PORTION)) + 'L,"2\n'
    world.store.drop(KEY, late)
    refused = world.take()
    assert refused is not None
    assert refused["state"] == "refused"
    assert world.queued == []

    world.settings = SETTINGS | {"columns": {"sku": "text", "price": "text"}, "delimiter": "|", "key": "sku"}
    world.store.drop(KEY, late)
    again = world.take()

    assert again is not None
    assert "lacks the column" in again["reason"]
    assert world.notices.told[0][0] == "shop-eu: prices.csv was refused"
    assert "is never closed" in world.notices.told[0][1]


@pytest.mark.parametrize(
    ("key", "says"), [("inbox/shop-eu/other/prices.csv", "put it into one of inbox/shop-eu/prices/")]
)
def test_a_file_in_no_streams_folder_is_refused(key: str, says: str) -> None:
    world = World()
    world.store.drop(key, FEW)

    summary = world.take(key)

    assert summary is not None
    assert says in summary["reason"]
    assert world.store.one("other/20260101T120000Z-" + hashlib.sha256(FEW.encode()).hexdigest()[:8] + "/prices.csv")


def test_a_folder_says_which_of_several_streams_a_file_is_of() -> None:
    other = replace(PRICES, name="stock")
    streams = {"prices": PRICES, "stock": other}

    assert stream_of("inbox/shop-eu/stock/2026/x.csv", streams) == other


def test_a_file_that_is_too_large_is_refused_unread() -> None:
    world = World()
    world.store.drop(KEY, FEW)
    fetch = world.store.fetch
    world.store.fetch = lambda key: replace(fetch(key), size=MOST_FILE_BYTES + 1)  # type: ignore[method-assign]

    summary = world.take()

    assert summary is not None
    assert "more than 400 MB; split it" in summary["reason"]


@pytest.mark.parametrize("held", [KEY, "inbox/shop-eu/other.csv"])
def test_while_the_file_or_one_like_it_is_worked_on_its_message_waits(held: str) -> None:
    """Its own, too: the function that had it may have died, and no other message tells of the file."""
    world = World()
    world.store.drop(KEY, FEW)
    world.record.holders[hashlib.sha256(FEW.encode()).hexdigest()] = held

    with pytest.raises(FileHeld) as busy:
        world.take()
    assert busy.value.retry_after_seconds == 300
    assert world.queued == []


def test_a_refusal_does_not_repeat_a_header_of_any_length() -> None:
    world = World()
    world.store.drop(KEY, ",".join(f"column{number}" for number in range(10_000)) + "\nx\n")

    summary = world.take()

    assert summary is not None
    assert len(summary["reason"]) == 1_000


def test_trouble_with_the_queue_leaves_the_file_where_it_is() -> None:
    world = World(failure=QueueUnavailable("down"))
    world.store.drop(KEY, FEW)

    with pytest.raises(Temporary):
        world.take()
    assert KEY in world.store.files
    assert not world.record.holders
    world.failure = None
    assert world.take() is not None
    assert len(world.applied()) == 2


def test_people_need_not_be_told_of_files_without_problems() -> None:
    world = World(settings=SETTINGS | {"notify": "problems"})
    world.store.drop(KEY, "sku,price\nA,1\n")
    world.take()
    assert world.notices.told == []

    world.store.drop(KEY, FEW)
    world.take()

    assert len(world.notices.told) == 1
