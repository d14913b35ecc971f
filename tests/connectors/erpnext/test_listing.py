"""Documents are listed without loss: whatever is changed, committed late, deleted or stamped twice meanwhile."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from connectors.erpnext.client import ErpNext
from connectors.erpnext.connector import credentials, listing, read
from connectors.erpnext.listing import _version
from connectors.erpnext.settings import StreamSettings
from hub.connector import Reach
from hub.errors import NotConfigured, Refused, SecretUnavailable, Temporary, Unreadable
from hub.events import Event, timestamp_version
from hub.pull import Pulled, pull
from hub.records import Deletion, Price, StockLevel, TableRow
from hub.runs import State
from hub.streams import Ask, Stream
from infra.local.erpnext.faults import Fault
from infra.local.erpnext.server import ErpNextStandIn
from tests.connectors.erpnext.conftest import http_to
from tests.fakes import an_event

ZONE = "America/New_York"
SUMMER_TIME_ENDS = datetime(2026, 11, 1, 6, 0, tzinfo=UTC)  # 02:00 becomes 01:00
COINS = Stream("erp", "erpnext", "coins", "coin", overlap=300.0)


@dataclass
class Clock:
    """The one clock. `meanwhile` is what happens while a fault waits."""

    moment: datetime = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
    meanwhile: Callable[[], object] = lambda: None

    def now(self) -> datetime:
        return self.moment

    def sleep(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)
        self.meanwhile()


@dataclass
class World:
    """A site, and the pull of one of its streams, on one clock."""

    site: ErpNextStandIn
    clock: Clock
    settings: dict[str, Any] = field(default_factory=lambda: {"doctype": "Currency"})
    state: State = field(default_factory=State)
    events: list[Event] = field(default_factory=list)
    most_pages: int = 10_000

    def __post_init__(self) -> None:
        self.http = http_to(self.site)
        self.erp = ErpNext(self.http)

    def write(self, name: str, **values: Any) -> None:
        """A new Currency a second later, or a changed one."""
        self.clock.moment += timedelta(seconds=1)
        if self.erp.get("Currency", name):
            self.erp.update("Currency", name, values)
        else:
            self.erp.insert("Currency", {"currency_name": name, **values})

    def reach(self) -> Reach:
        return Reach(self.site.url, lambda _: ("key",), lambda _: self.http, self.clock.now, lambda _: None)

    def listing(self, **settings: Any) -> Any:
        stated = {"time_zone": ZONE, "page_size": 4, **self.settings, **settings}
        return listing(COINS, stated, self.reach())

    def run(self, **settings: Any) -> Pulled:
        left = iter(range(self.most_pages))
        return pull(
            COINS,
            self.listing(**settings),
            self.state,
            keep=self.keep,
            queue=self.events.extend,
            now=self.clock.now,
            sleep=lambda _: None,
            out_of_time=lambda: next(left, None) is None,
        )

    def keep(self, state: State) -> State:
        self.state = state
        return state

    def said(self) -> dict[str, str]:
        """What the events say in the end, by name: `symbol`, as whoever drops stale versions hears them."""
        said: dict[str, tuple[str, str]] = {}
        for event in self.events:
            record = read(event, "row")
            assert isinstance(record, TableRow)
            if event.entity_version >= said.get(record.key, ("", ""))[0]:
                said[record.key] = (event.entity_version, str(record.fields["symbol"] or ""))
        return {name: symbol for name, (_, symbol) in said.items()}

    def truth(self) -> dict[str, str]:
        return {str(each["name"]): str(each.get("symbol") or "") for each in self.site.documents("Currency")}


@pytest.fixture
def world() -> Iterator[World]:
    clock = Clock()
    with ErpNextStandIn(time_zone=ZONE, now=clock.now, sleep=clock.sleep) as site:
        world = World(site, clock)
        for number in range(9):
            world.write(f"Coin {number}")
        yield world


def test_everything_is_read_once_page_by_page_and_then_only_what_changed(world: World) -> None:
    first = world.run()
    world.clock.moment += timedelta(minutes=30)
    world.write("Coin 3", symbol="/new.png")
    second = world.run()

    assert first.run.queued == len(world.truth())
    assert (second.run.queued, second.run.passes) == (1, 1)
    assert world.said() == world.truth()
    assert world.events[-1].type == "erpnext.coins"
    assert world.events[-1].entity_version == timestamp_version(world.clock.moment.isoformat())


def test_a_document_that_is_changed_between_pages_makes_no_other_be_skipped(world: World) -> None:
    """With offset paging one was, as recorded of ERPNext v15."""
    world.most_pages = 1
    for number in range(20):
        if world.run().ended:
            break
        world.write(f"Coin {number % 3}", symbol=f"/{number}.png")
    world.most_pages = 100
    world.clock.moment += timedelta(minutes=1)
    world.run()
    world.run()

    assert world.said() == world.truth()


def test_a_transaction_that_is_committed_late_is_found_by_the_overlap(world: World) -> None:
    """As recorded of ERPNext v15: rows of a long transaction appeared behind a reader's watermark."""
    seen: list[dict[str, str]] = []

    def meanwhile() -> None:
        ErpNext(http_to(world.site)).update("Currency", "Coin 1", {"symbol": "in between"})
        world.run()
        seen.append(world.said())

    world.clock.meanwhile = meanwhile
    world.site.misbehave(Fault("late_commit", method="POST", seconds=60.0))
    world.erp.insert("Currency", {"currency_name": "Late"})
    world.run()

    assert seen[0]["Coin 1"] == "in between"
    assert "Late" not in seen[0]
    late = next(each for each in world.site.documents("Currency") if each["name"] == "Late")
    assert world.state.watermark > _version(str(late["modified"]), ZoneInfo(ZONE), world.clock.now())
    assert world.said() == world.truth()


def test_more_documents_of_one_time_than_a_page_holds_are_all_listed(world: World) -> None:
    store = world.site.site.store
    for each in world.site.documents("Currency"):
        store.put("Currency", str(each["name"]), {**each, "modified": "2026-03-01 07:00:05.000001"})

    assert world.run(page_size=2).run.queued == len(world.truth())


def test_a_time_that_more_bear_than_any_page_holds_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.erpnext.listing.MOST_ROWS", 4)
    store = world.site.site.store
    for each in world.site.documents("Currency"):
        store.put("Currency", str(each["name"]), {**each, "modified": "2026-03-01 07:00:05.000001"})

    with pytest.raises(NotConfigured, match="filters"):
        world.run()


@pytest.mark.parametrize("minutes", [7, 15, 50])
def test_the_hour_that_comes_twice_loses_nothing(world: World, minutes: int) -> None:
    """One document is changed again and again, others once, while the site's clock goes back; each run is late."""
    world.clock.moment = SUMMER_TIME_ENDS - timedelta(hours=2)
    world.run()
    for step in range(4 * 60 // minutes):
        world.clock.moment += timedelta(minutes=minutes)
        world.write("Coin 1", symbol=f"/{step}.png")
        world.write(f"Coin {2 + step % 7}", symbol=f"/other-{step}.png")
        if step % 2:
            world.run()
            assert world.said() == world.truth()
    world.run()

    assert world.said() == world.truth()


def test_a_stream_that_stood_still_over_the_change_of_clocks_goes_on_before_it(world: World) -> None:
    world.clock.moment = SUMMER_TIME_ENDS - timedelta(minutes=2)
    world.write("Coin 1", symbol="/before.png")
    world.run()
    world.clock.moment = SUMMER_TIME_ENDS + timedelta(minutes=3)
    world.write("Coin 2", symbol="/after.png")  # 01:03, before the watermark's 01:58
    world.clock.moment = SUMMER_TIME_ENDS + timedelta(days=200)
    world.run()

    assert world.said() == world.truth()


@pytest.mark.parametrize(
    ("local", "now", "moment"),
    [
        ("2026-11-01 01:50:00.000000", "2026-11-01T05:55:00Z", "2026-11-01T05:50:00Z"),  # the second is to come
        ("2026-11-01 01:10:00.000000", "2026-11-01T06:15:00Z", "2026-11-01T06:10:00Z"),
        ("2026-11-01 01:10:00.500000", "2026-11-01T06:10:00Z", "2026-11-01T06:10:00.5Z"),  # within the Date's second
        ("2026-07-01 01:10:00.000000", "2026-11-01T06:15:00Z", "2026-07-01T05:10:00Z"),
        ("2026-07-01 01:10:00.000000", "2026-06-01T06:15:00Z", "2026-07-01T05:10:00Z"),  # a clock that goes wrong
    ],
)
def test_a_time_without_offset_is_the_latest_moment_that_it_can_be(local: str, now: str, moment: str) -> None:
    assert _version(local, ZoneInfo(ZONE), datetime.fromisoformat(now)) == timestamp_version(moment)


@pytest.mark.parametrize("looked_at", [-30, 20, 50, 240])
def test_windows_that_meet_share_no_row_and_leave_none_out(world: World, looked_at: int) -> None:
    """Also where a window ends, or is looked at, within the hour that comes twice."""
    world.clock.moment = SUMMER_TIME_ENDS - timedelta(minutes=180)
    for step in range((180 + looked_at) // 10):
        world.write(f"Window {step}")
        world.clock.moment += timedelta(minutes=10) - timedelta(seconds=1)
    rest = world.listing(page_size=1000)

    for minutes in range(-190, looked_at + 1, 5):
        edge = timestamp_version((SUMMER_TIME_ENDS + timedelta(minutes=minutes)).isoformat())
        before = {row.key for row in rest.page(Ask("", edge, "")).rows}
        after = {row.key for row in rest.page(Ask(edge, "", "")).rows}
        assert not before & after
        assert before | after == set(world.truth())


def test_only_what_matches_is_read_and_only_the_stated_fields(world: World) -> None:
    world.run(filters=[["name", "in", ["Coin 1", "Coin 2"]]], fields=["symbol"])

    records = [read(event, "row") for event in world.events]
    assert {each.key for each in records if isinstance(each, TableRow)} == {"Coin 1", "Coin 2"}
    assert set(records[0].fields) == {"symbol", "name", "modified"}


def test_long_filters_are_posted(world: World) -> None:
    """A request line of more than 4,094 bytes is answered with an HTML page, as recorded."""
    names = [f"Coin {number} {'x' * 100}" for number in range(60)]
    world.run(filters=[["name", "in", ["Coin 1", *names]]])

    assert len(world.events) == 1
    assert world.site.requests[-1][0] == "POST"


def test_whole_documents_bear_their_tables(world: World) -> None:
    item = {"item_code": "MUG", "item_group": "Products", "stock_uom": "Nos"}
    world.erp.insert("Item", {**item, "barcodes": [{"barcode": "4006381333931"}]})
    world.settings = {"doctype": "Item"}
    world.run(whole=True)

    (record,) = [read(event, "row") for event in world.events]
    assert isinstance(record, TableRow)
    assert [row["barcode"] for row in record.fields["barcodes"]] == ["4006381333931"]


def test_deleted_documents_are_told_with_when_they_went(world: World) -> None:
    world.run()
    world.clock.moment += timedelta(minutes=5)
    world.erp.delete("Currency", "Coin 4")
    gone_at = world.clock.moment
    world.clock.moment += timedelta(minutes=5)
    tombs = replace(world, state=State(), events=[])
    tombs.run(deleted=True)

    (event,) = tombs.events
    assert (event.type, event.subject) == ("erpnext.coins/deleted", "erp/coin/Coin 4")
    assert event.entity_version.startswith(gone_at.strftime("%Y-%m-%dT%H:%M:%S"))
    assert read(event, "deletion") == Deletion(entity="coin", id="Coin 4")


def test_tombstones_of_other_kinds_are_left_alone(world: World) -> None:
    world.erp.delete("Currency", "Coin 4")

    world.run(doctype="Item", deleted=True)

    assert not world.events


@pytest.mark.parametrize(
    "kind", ["deadlock", "html_error", "rate_limit_exceeded", "truncated", "drop_before_commit", "maintenance"]
)
@pytest.mark.parametrize("after", [0, 1])
def test_a_trouble_in_between_changes_nothing_in_the_end(world: World, kind: str, after: int) -> None:
    if after:
        world.most_pages = 1
        world.run()
        world.most_pages = 100
    world.site.misbehave(Fault(kind))
    try:
        world.run()
    except Temporary:
        world.run()

    assert world.said() == world.truth()


def test_a_doctype_that_is_none_is_refused_with_ERPNexts_words(world: World) -> None:  # noqa: N802 - its name
    with pytest.raises(Refused):
        world.run(doctype="Itme")


def test_numbers_keep_their_value(world: World) -> None:
    world.erp.insert("Item", {"item_code": "MUG", "item_group": "Products", "stock_uom": "Nos", "standard_rate": 9.95})
    world.settings = {"doctype": "Item", "fields": ["valuation_rate", "name"]}
    world.run()

    (record,) = [read(event, "row") for event in world.events]
    assert isinstance(record, TableRow)
    assert isinstance(record.fields["valuation_rate"], Decimal | int)


def test_a_name_that_can_be_no_key_is_told() -> None:
    with pytest.raises(Unreadable, match="rename"):
        read(an_event(entity="erp/unreadable/abc"), "row")


def test_without_its_keys_the_reader_says_what_to_do() -> None:
    with pytest.raises(SecretUnavailable, match="hub secrets set"):
        credentials(lambda _: ())


def test_deleted_documents_have_nothing_to_choose() -> None:
    with pytest.raises(ValueError, match="leave those settings out"):
        StreamSettings(doctype="Item", time_zone=ZONE, deleted=True, whole=True)


BIN = b'{"item_code": "MUG", "warehouse": "Stores - ATI", "actual_qty": 12.0, "reserved_qty": 2.5}'
PRICE = b'{"item_code": "MUG", "price_list": "Standard Selling", "currency": "USD", "price_list_rate": 19.9}'


def test_a_bin_is_read_as_what_can_be_sold_and_an_item_price_as_a_price() -> None:
    event = an_event(event_type="erpnext.bins", entity="erp/bin/b1", data=BIN)

    assert read(event, "stock_level") == StockLevel(sku="MUG", place="Stores - ATI", available=Decimal("9.5"))
    assert read(replace(event, data=PRICE), "price") == Price(
        sku="MUG", price_list="Standard Selling", currency="USD", amount=Decimal("19.9")
    )


@pytest.mark.parametrize(("kind", "data"), [("stock_level", PRICE), ("price", BIN)])
def test_a_document_of_another_kind_is_told(kind: str, data: bytes) -> None:
    with pytest.raises(Unreadable, match=f"{kind} is read from"):
        read(an_event(event_type="erpnext.bins", entity="erp/bin/b1", data=data), kind)
