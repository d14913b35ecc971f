"""A store's inventory levels are listed without loss, within its limits, and read as what they are."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from connectors.shopify.connector import destination, listing, read
from connectors.shopify.levels import MOST_LEVELS
from hub.connector import Answer, Effect, NotWanted, Reach
from hub.errors import Category, Refused, Temporary, Unavailable, Unreadable
from hub.events import Event, timestamp_version
from hub.pull import Pulled, pull
from hub.records import Deletion, StockLevel, TableRow
from hub.runs import State
from hub.streams import Ask, PageGone, PageSuspect, Stream
from infra.local.shopify_admin import LOCATION, ShopifyAdmin, Trouble
from tests.fakes import an_event

BEGIN = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
INVENTORY = Stream("shop-eu", "shopify", "inventory", "inventory_level", overlap=300.0, steady=True, ordered=False)
OTHER = "gid://shopify/Location/700000001"


@dataclass
class World:
    """A store and the pull of its levels, on one clock. It is the HttpClient of the listing, too."""

    page_size: int = 5
    share: float = 0.5
    moment: datetime = BEGIN
    token: str = "shpat_1"
    state: State = field(default_factory=State)
    events: list[Event] = field(default_factory=list)
    slept: float = 0.0

    def __post_init__(self) -> None:
        self.store = ShopifyAdmin("shpat_1", now=self.now)
        self.store.locations[OTHER] = "Outlet"

    def now(self) -> datetime:
        return self.moment

    def sleep(self, seconds: float) -> None:
        self.slept += seconds
        self.moment += timedelta(seconds=seconds)

    def send(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Answer:
        assert (method, path) == ("POST", "/admin/api/2026-01/graphql.json")
        self.moment += timedelta(milliseconds=100)
        reply = self.store.answer(self.token, json.loads(body or b""))
        assert reply
        status, content, headers = reply
        return Answer(status, {name.lower(): text for name, text in headers.items()}, json.dumps(content).encode())

    def renew_credentials(self) -> None:
        self.token = "shpat_1"

    def listing(self) -> Any:
        settings = {"page_size": self.page_size, "share_of_limit": self.share}
        reach = Reach("https://shop", lambda _: (self.token,), lambda _: self, self.now, self.sleep)
        return listing(INVENTORY, settings, reach)

    def run(self) -> Pulled:
        return pull(
            INVENTORY,
            self.listing(),
            self.state,
            keep=self.keep,
            queue=self.events.extend,
            now=self.now,
            sleep=self.sleep,
            out_of_time=lambda: False,
        )

    def keep(self, state: State) -> State:
        self.state = state
        return state

    def said(self) -> dict[str, int]:
        """What the events say in the end: key → available."""
        return {each.subject.rsplit("/", 1)[1]: json.loads(each.data)["available"] for each in self.events}

    def true(self) -> dict[str, int]:
        return {
            f"{each.number}-{location.rsplit('/', 1)[1]}": available
            for each in self.store.variants
            for location, available in each.levels.items()
        }


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    try:
        yield made
    finally:
        made.store._server.server_close()


def test_every_level_of_every_location_is_listed_once(world: World) -> None:
    for number in range(13):
        article = world.store.stock(f"SKU-{number}", number)
        if number % 3 == 0:
            world.store.edit_stock(article.sku, 100 + number, OTHER)

    done = world.run()

    assert world.said() == world.true()
    assert len(world.events) == 18
    assert (done.ended, done.run.pages, done.run.passes) == (True, 4, 1)  # 13 at the one location, 5 at the other


def test_a_next_run_lists_what_changed_since_and_nothing_is_queued_twice(world: World) -> None:
    for number in range(12):
        world.store.stock(f"SKU-{number}", number)
    world.run()
    world.events.clear()
    world.moment += timedelta(hours=1)
    world.store.edit_stock("SKU-3", 33)
    world.moment += timedelta(hours=1)

    first, second = world.run(), world.run()

    assert list(world.said().values()) == [33]
    assert (first.run.queued, second.run.queued) == (1, 0)
    assert first.run.rows == 12  # those within the overlap are listed again
    world.moment += timedelta(hours=1)
    assert world.run().run.rows == 1


def test_a_level_that_changes_while_pages_are_read_is_read_again(world: World) -> None:
    for number in range(12):
        world.store.stock(f"SKU-{number}", number)
    pages = world.listing()
    first = pages.page(Ask("", "", ""))
    world.store.edit_stock("SKU-0", 77)  # which the first page has listed
    second = pages.page(Ask("", "", first.next))

    assert [row.key for row in second.rows] == [f"{each.number}-655441491" for each in world.store.variants[5:10]]
    world.run()
    world.store.edit_stock("SKU-1", 78)
    world.run()
    assert world.said() == world.true()


def test_a_window_lists_what_changed_within_it(world: World) -> None:
    for number in range(6):
        world.store.stock(f"SKU-{number}", number)
        world.moment += timedelta(hours=1)
    since, until = (timestamp_version((BEGIN + timedelta(hours=hours)).isoformat()) for hours in (2, 4))

    page = world.listing().page(Ask(since, until, ""))

    assert [json.loads(row.data)["sku"] for row in page.rows] == ["SKU-2", "SKU-3"]


def test_the_pages_stay_within_a_querys_cost_and_half_of_the_limit_is_left_to_others(world: World) -> None:
    world.page_size = 250
    for number in range(3 * MOST_LEVELS):
        world.store.stock(f"SKU-{number}", number)
    least: list[float] = []
    keep = world.keep

    def watched(state: State) -> State:
        least.append(world.store.bucket.left)
        return keep(state)

    world.keep = watched  # type: ignore[method-assign]

    world.run()

    assert world.said() == world.true()
    assert world.store.throttled == 0
    assert min(least) >= 0.5 * 2_000 - 10
    assert world.slept > 0


def test_a_bucket_that_others_have_emptied_is_waited_for_as_long_as_shopify_says(world: World) -> None:
    for number in range(8):
        world.store.stock(f"SKU-{number}", number)
    world.store.bucket.left = 1

    world.run()

    assert world.store.throttled == 1
    assert world.said() == world.true()


@pytest.mark.parametrize(
    ("trouble", "error"),
    [
        (Trouble(status=503), Unavailable),
        (Trouble(status=429, headers={"Retry-After": "2.0"}), Temporary),
        (Trouble(status=200, body={"data": {"locations": None}}), PageSuspect),
        (Trouble(status=200, body={"data": {"locations": {"nodes": [{"id": "x"}]}}}), PageSuspect),
        (
            Trouble(status=200, body={"errors": [{"message": "no", "extensions": {"code": "ACCESS_DENIED"}}]}),
            Unavailable,
        ),
        (Trouble(status=200, body={"errors": [{"message": "Field 'x' doesn't exist"}]}), Refused),
    ],
)
def test_what_is_no_page_is_never_taken_for_an_empty_one(
    world: World, trouble: Trouble, error: type[Exception]
) -> None:
    world.store.stock("SKU-1", 1)
    world.store.troubles = [trouble]

    with pytest.raises(error):
        world.listing().page(Ask("", "", ""))


def test_a_cursor_that_shopify_knows_no_longer_begins_the_listing_anew(world: World) -> None:
    with pytest.raises(PageGone):
        world.listing().page(Ask("", "", json.dumps([None, "stale"])))


def test_a_rotated_token_is_read_again(world: World) -> None:
    world.store.stock("SKU-1", 1)
    world.token = "shpat_0"

    assert len(world.listing().page(Ask("", "", "")).rows) == 1


def test_the_stores_clock_is_told(world: World) -> None:
    world.store.stock("SKU-1", 1)

    assert world.listing().page(Ask("", "", "")).source_now == world.moment.replace(microsecond=0)


def level(**changes: Any) -> Event:
    content = {"id": "1-2", "sku": "MUG", "location": "Main", "available": 7, "tracked": True} | changes
    return an_event(
        entity="shop-eu/inventory_level/1-2", event_type="shopify.inventory", data=json.dumps(content).encode()
    )


def test_a_level_is_what_can_be_sold_of_an_article_at_a_place() -> None:
    assert read(level(), "stock_level") == StockLevel(sku="MUG", place="Main", available=Decimal(7))
    assert read(level(available=-2), "stock_level") == StockLevel(sku="MUG", place="Main", available=Decimal(-2))


@pytest.mark.parametrize("changes", [{"sku": None}, {"sku": ""}, {"tracked": False}])
def test_what_nobody_could_set_elsewhere_is_not_wanted(changes: dict[str, Any]) -> None:
    assert isinstance(read(level(**changes), "stock_level"), NotWanted)


@pytest.mark.parametrize("changes", [{"available": "7"}, {"available": 1.5}, {"location": None}, {"tracked": 1}])
def test_what_is_no_level_is_unreadable(changes: dict[str, Any]) -> None:
    with pytest.raises(Unreadable):
        read(level(**changes), "stock_level")


def test_a_level_can_be_a_row_for_any_destination() -> None:
    assert read(level(), "row") == TableRow(
        stream="inventory",
        key="1-2",
        fields={"id": "1-2", "sku": "MUG", "location": "Main", "available": 7, "tracked": True},
    )
    with pytest.raises(Unreadable):
        read(replace(level(), subject="shop-eu/unreadable/x"), "row")


def test_a_row_that_is_listed_no_more_is_a_deletion_by_its_key() -> None:
    gone = replace(level(), type="shopify.inventory/deleted", data=b"{}")

    assert read(gone, "deletion") == Deletion(entity="inventory_level", id="1-2")


def test_a_level_that_the_hub_set_comes_back_as_an_echo_that_changes_nothing(world: World) -> None:
    world.store.stock("MUG", 3)
    made = destination(world, {"locations": {"Main": LOCATION}})
    wanted = StockLevel(sku="MUG", place="Main", available=Decimal(9))
    assert made.apply("set_stock_level", wanted, level(), "").effect is Effect.APPLIED
    world.run()
    [event] = world.events
    writes = list(world.store.writes)

    echo = read(event, "stock_level")

    assert echo == wanted
    assert made.apply("set_stock_level", wanted, event, "").effect is Effect.UNCHANGED
    assert world.store.writes == writes


def test_the_reason_of_a_full_bucket_is_told_by_its_category(world: World) -> None:
    world.store.bucket.left = 0

    with pytest.raises(Temporary) as refusal:
        world.listing().page(Ask("", "", ""))

    assert refusal.value.category is Category.RATE_LIMIT_EXCEEDED
    assert 0 < (refusal.value.retry_after_seconds or 0) < 1
