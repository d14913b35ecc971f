"""A Shopify store is brought to what the source says: read, compared, and written only where it differs, once."""

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.http import DestinationHttp
from connectors.shopify.admin import Admin
from connectors.shopify.connector import credentials, probe
from connectors.shopify.destination import ShopifyDestination
from connectors.shopify.settings import FlowSettings
from connectors.shopify.stock import _quoted
from hub.connector import Effect, Written
from hub.errors import NotConfigured, Refused, SecretUnavailable, Temporary, Unavailable
from hub.events import Event
from hub.records import Customer, Fulfilment, FulfilmentLine, Price, Record, StockLevel
from infra.local.shopify import Line, order
from infra.local.shopify_admin import LOCATION, ShopifyAdmin, Trouble

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ORDER = 820982911946154508
WAREHOUSE = "Stores - ATI"
EVENT = Event("e1", "/integrations/erp-events", "frappe.bin/on_update", "erp-events/bin/b", None, NOW, "", "", b"")
SETTINGS: dict[str, Any] = {"locations": {WAREHOUSE: "Main"}, "price_list": "Standard Selling"}


@pytest.fixture
def store() -> Iterator[ShopifyAdmin]:
    with ShopifyAdmin() as running:
        yield running


class Clock:
    """A clock in seconds."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def shop(store: ShopifyAdmin, clock: Clock) -> ShopifyDestination:
    return destination_to(store, clock)


def http_to(store: ShopifyAdmin, token: str = "shpat_local") -> DestinationHttp:
    headers = credentials({"admin_token": (token,)}.__getitem__)
    return DestinationHttp(store.url, lambda: headers, lambda: None, 5.0, 2)


def destination_to(store: ShopifyAdmin, clock: Clock, **settings: Any) -> ShopifyDestination:
    keys = (f"key-{number}" for number in range(10_000))
    return ShopifyDestination(
        Admin(http_to(store)), FlowSettings(**{**SETTINGS, **settings}), clock, lambda: next(keys)
    )


def set_level(shop: ShopifyDestination, sku: str, available: str, place: str = WAREHOUSE) -> Written:
    return shop.apply("set_stock_level", StockLevel(sku=sku, place=place, available=Decimal(available)), EVENT, "")


def set_price(shop: ShopifyDestination, sku: str, amount: str, **other: str) -> Written:
    price = {"price_list": "Standard Selling", "currency": "USD", **other}
    return shop.apply("set_price", Price(sku=sku, amount=Decimal(amount), **price), EVENT, "")


def shipment(
    *lines: tuple[str, int], note: str = "MAT-DN-1", cancelled: bool = False, numbers: tuple[str, ...] = (), **rest: Any
) -> Fulfilment:
    return Fulfilment(
        **{
            "id": note,
            "order_id": str(ORDER),
            "shipped_at": NOW,
            "lines": tuple(FulfilmentLine(line_id="", sku=sku, quantity=Decimal(count)) for sku, count in lines),
            "is_cancelled": cancelled,
            "tracking_numbers": numbers,
            **rest,
        }
    )


def ship(shop: ShopifyDestination, record: Fulfilment) -> Written:
    return shop.apply("create_fulfilment", record, EVENT, "")


def placed(store: ShopifyAdmin, *lines: tuple[str, int]) -> None:
    sold = [Line(sku, count, Decimal("5.00")) for sku, count in lines]
    store.place(order(ORDER, None, sold, created_at=NOW, updated_at=NOW))


# Stock


def test_a_level_that_differs_is_written_and_one_that_does_not_is_not(
    store: ShopifyAdmin, shop: ShopifyDestination
) -> None:
    store.stock("SKU-1", available=5)

    effects = [set_level(shop, "SKU-1", level).effect for level in ("7", "7.0", "5")]

    assert effects == [Effect.APPLIED, Effect.UNCHANGED, Effect.APPLIED]
    assert store.writes == ["inventorySetQuantities"] * 2
    assert store.variant("SKU-1").levels == {LOCATION: 5}


@pytest.mark.parametrize(("said", "stored"), [("-3", 0), ("0.9", 0), ("4.999", 4), ("0", 0)])
def test_a_shop_sells_whole_pieces_and_nothing_that_is_not_there(
    store: ShopifyAdmin, shop: ShopifyDestination, said: str, stored: int
) -> None:
    store.stock("SKU-1", available=9)

    set_level(shop, "SKU-1", said)

    assert store.variant("SKU-1").levels == {LOCATION: stored}


def test_a_sale_between_reading_and_writing_is_not_overwritten_blindly(
    store: ShopifyAdmin, shop: ShopifyDestination, monkeypatch: pytest.MonkeyPatch
) -> None:
    variant = store.stock("SKU-1", available=5)
    answered = ShopifyAdmin._productVariants

    def sold_meanwhile(self: ShopifyAdmin, first: int, query: str) -> Any:
        answer = answered(self, first, query)
        read = answer["nodes"][0]["inventoryItem"]["inventoryLevel"](LOCATION)
        before = read["quantities"](["available"])
        variant.levels[LOCATION] = 4
        answer["nodes"][0]["inventoryItem"]["inventoryLevel"] = {"quantities": before}
        return answer

    monkeypatch.setattr(ShopifyAdmin, "_productVariants", sold_meanwhile)
    written = set_level(shop, "SKU-1", "7")

    assert (written.effect, variant.levels[LOCATION]) == (Effect.APPLIED, 7)
    assert [inputs["input"]["quantities"][0]["changeFromQuantity"] for _, inputs in store.inputs] == [4]


def test_an_item_that_the_location_does_not_stock_is_stocked_there(
    store: ShopifyAdmin, shop: ShopifyDestination
) -> None:
    store.stock("SKU-1", available=None)

    assert set_level(shop, "SKU-1", "3").effect == Effect.APPLIED
    assert (store.writes, store.variant("SKU-1").levels) == (["inventoryActivate"], {LOCATION: 3})


def test_what_is_not_the_shops_is_ignored_and_says_why(store: ShopifyAdmin, shop: ShopifyDestination) -> None:
    store.stock("SKU-1", available=5)
    store.stock("SKU-2", tracked=False)

    ignored = [
        set_level(shop, "SKU-1", "7", place="Elsewhere - ATI"),
        set_level(shop, "SKU", "7"),  # part of another SKU, which the search finds
        set_level(shop, "SKU-2", "7"),
        set_price(shop, "SKU-1", "7", price_list="Wholesale"),
        set_price(shop, "RAW-STEEL", "7"),
    ]

    assert [written.effect for written in ignored] == [Effect.IGNORED] * 5
    assert [written.rule for written in ignored] == [
        "Elsewhere - ATI is no warehouse of the flow's settings (locations)",
        "Shopify has no variant with SKU SKU",
        "Shopify does not track the stock of SKU SKU-2",
        "Wholesale is not the price list of the flow's settings (price_list)",
        "Shopify has no variant with SKU RAW-STEEL",
    ]
    assert store.writes == []


def test_a_sku_of_two_variants_is_a_persons_matter(store: ShopifyAdmin, shop: ShopifyDestination) -> None:
    store.stock("SKU-1")
    store.stock("sku-1 ")

    with pytest.raises(Refused, match=r"SKU SKU-1 is that of 2 variants in Shopify; give each its own"):
        set_level(shop, "SKU-1", "7")


@given(st.text(min_size=1, max_size=40))
def test_any_sku_is_one_quoted_term_of_the_search(sku: str) -> None:
    quoted = _quoted(sku)
    inside = quoted[1:-1]
    read, escaped = [], False
    for character in inside:
        if character == "\\" and not escaped:
            escaped = True
            continue
        assert escaped or character != '"'
        read.append(character)
        escaped = False

    assert (quoted[0], quoted[-1], "".join(read), escaped) == ('"', '"', sku, False)


def test_a_sku_with_quotes_is_found(store: ShopifyAdmin, shop: ShopifyDestination) -> None:
    store.stock('12" \\ "x" OR sku:*', available=1)

    assert set_level(shop, '12" \\ "x" OR sku:*', "2").effect == Effect.APPLIED


def test_a_variant_is_searched_once_and_again_when_its_sku_changed_or_time_passed(
    store: ShopifyAdmin, shop: ShopifyDestination, clock: Clock
) -> None:
    variant = store.stock("SKU-1", available=1)
    set_level(shop, "SKU-1", "2")
    set_level(shop, "SKU-1", "3")
    remembered = list(store.asked)
    variant.sku, second = "SKU-9", store.stock("SKU-1", available=1)
    set_level(shop, "SKU-1", "4")
    store.asked.clear()
    clock.now += 3600
    set_level(shop, "SKU-1", "5")

    assert remembered.count("productVariants") == 1
    assert (variant.levels[LOCATION], second.levels[LOCATION]) == (3, 5)
    assert store.asked == ["locations", "productVariants", "inventorySetQuantities"]


@pytest.mark.parametrize("configured", [LOCATION, LOCATION.rpartition("/")[2], "Main"])
def test_a_location_is_configured_by_id_or_name(store: ShopifyAdmin, clock: Clock, configured: str) -> None:
    store.stock("SKU-1")

    assert set_level(destination_to(store, clock, locations={WAREHOUSE: configured}), "SKU-1", "1").effect == "applied"


def test_a_location_that_is_not_there_is_told(store: ShopifyAdmin, clock: Clock) -> None:
    store.stock("SKU-1")

    with pytest.raises(NotConfigured, match="Shopify has no location 'Mian'; write its name or id"):
        set_level(destination_to(store, clock, locations={WAREHOUSE: "Mian"}), "SKU-1", "1")


# Prices


def test_a_price_that_differs_is_written_exactly(store: ShopifyAdmin, shop: ShopifyDestination) -> None:
    store.stock("SKU-1", price="19.90")

    effects = [set_price(shop, "SKU-1", amount).effect for amount in ("19.9", "20.05", "20.050")]

    assert effects == [Effect.UNCHANGED, Effect.APPLIED, Effect.UNCHANGED]
    assert store.variant("SKU-1").price == Decimal("20.05")
    assert store.writes == ["productVariantsBulkUpdate"]


def test_a_price_in_another_currency_is_not_written(store: ShopifyAdmin, shop: ShopifyDestination) -> None:
    store.stock("SKU-1")

    with pytest.raises(NotConfigured, match="is in EUR, the store's prices are in USD"):
        set_price(shop, "SKU-1", "7", currency="EUR")
    assert store.writes == []


def test_a_price_that_the_store_rounds_is_told(store: ShopifyAdmin, shop: ShopifyDestination) -> None:
    store.stock("SKU-1")

    with pytest.raises(Refused, match=r"stored 7\.12 USD as the price of SKU-1 instead of 7\.125"):
        set_price(shop, "SKU-1", "7.125")


# Shipments


def test_a_shipment_is_marked_once_however_often_it_is_told(store: ShopifyAdmin, clock: Clock) -> None:
    placed(store, ("SKU-1", 3), ("SKU-2", 1))
    record = shipment(("SKU-1", 2), numbers=("1Z1",), carrier="UPS")

    first = ship(destination_to(store, clock), record)
    second = ship(destination_to(store, clock), record)

    made = store.orders[ORDER].shipments
    assert (first.effect, second.effect, first.name) == (Effect.APPLIED, Effect.UNCHANGED, second.name)
    assert [(each.lines, each.company, each.numbers) for each in made] == [({ORDER * 1000: 2}, "UPS", ["1Z1"])]
    assert not made[0].notified


def test_equal_shipments_of_one_order_are_two(store: ShopifyAdmin, shop: ShopifyDestination) -> None:
    placed(store, ("SKU-1", 4))

    names = {ship(shop, shipment(("SKU-1", 2), note=note)).name for note in ("DN-1", "DN-2")}

    assert len(names) == len(store.orders[ORDER].shipments) == 2


@pytest.mark.parametrize("first", ["fulfillmentCreate", "metafieldsSet"])
@pytest.mark.parametrize("after", [False, True])
def test_an_answer_that_was_lost_makes_no_second_shipment(
    store: ShopifyAdmin, shop: ShopifyDestination, first: str, after: bool
) -> None:
    """Each call may take effect or not before its answer is lost, beside another shipment of the same goods."""
    placed(store, ("SKU-1", 4))
    ship(shop, shipment(("SKU-1", 2), note="DN-0"))
    store.troubles.append(Trouble(drop=True, after=after, only=first))
    record = shipment(("SKU-1", 2))

    with pytest.raises(Unavailable):
        ship(shop, record)
    ship(shop, record)

    assert len(store.orders[ORDER].shipments) == 2
    found = shop.find("create_fulfilment", record, EVENT)
    assert found
    assert found.name == f"gid://shopify/Fulfillment/{store.orders[ORDER].shipments[1].number}"


def test_what_was_not_shipped_is_not_found(store: ShopifyAdmin, shop: ShopifyDestination) -> None:
    placed(store, ("SKU-1", 4))
    ship(shop, shipment(("SKU-1", 2), note="DN-0"))

    assert shop.find("create_fulfilment", shipment(("SKU-1", 2)), EVENT) is None
    assert shop.find("create_fulfilment", shipment(("SKU-1", 2), note="DN-0", cancelled=True), EVENT) is None


def test_a_shipment_that_a_person_marked_in_the_store_is_not_marked_again(
    store: ShopifyAdmin, shop: ShopifyDestination
) -> None:
    placed(store, ("SKU-1", 2), ("SKU-2", 1))
    store.ship(ORDER, {ORDER * 1000: 2, ORDER * 1000 + 1: 1})

    written = ship(shop, shipment(("SKU-2", 1), ("SKU-1", 2)))

    assert (written.effect, written.rule) == (Effect.APPLIED, "Shopify had this shipment already")
    assert store.writes == ["metafieldsSet"]


def test_a_cancelled_shipment_is_cancelled_once(store: ShopifyAdmin, shop: ShopifyDestination) -> None:
    placed(store, ("SKU-1", 2))
    early = ship(shop, shipment(("SKU-1", 2), cancelled=True))
    ship(shop, shipment(("SKU-1", 2)))

    effects = [ship(shop, shipment(("SKU-1", 2), cancelled=True)).effect for _ in range(2)]
    again = ship(shop, shipment(("SKU-1", 2), note="DN-2"))

    assert (early.effect, effects) == (Effect.IGNORED, [Effect.APPLIED, Effect.UNCHANGED])
    assert again.effect == Effect.APPLIED
    assert [each.cancelled for each in store.orders[ORDER].shipments] == [True, False]


def test_a_persons_own_shipment_is_never_cancelled(store: ShopifyAdmin, shop: ShopifyDestination) -> None:
    placed(store, ("SKU-1", 2))
    store.ship(ORDER, {ORDER * 1000: 2})

    assert ship(shop, shipment(("SKU-1", 2), cancelled=True)).effect == Effect.IGNORED
    assert not store.orders[ORDER].shipments[0].cancelled


def test_a_line_is_known_by_its_id_where_the_source_has_it(store: ShopifyAdmin, shop: ShopifyDestination) -> None:
    placed(store, ("SKU-1", 1), ("SKU-1", 1))
    line = FulfilmentLine(line_id=str(ORDER * 1000 + 1), sku="ANOTHER-CODE", quantity=Decimal(1))

    ship(shop, shipment(lines=(line,)))

    assert store.orders[ORDER].shipments[0].lines == {ORDER * 1000 + 1: 1}


def test_lines_of_equal_skus_are_filled_one_after_the_other(store: ShopifyAdmin, shop: ShopifyDestination) -> None:
    placed(store, ("SKU-1", 1), ("SKU-1", 2))

    ship(shop, shipment(("SKU-1", 2)))

    assert store.orders[ORDER].shipments[0].lines == {ORDER * 1000: 1, ORDER * 1000 + 1: 1}


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ([("SKU-1", 3)], "1 of SKU SKU-1 too many"),
        ([("SKU-9", 1)], "1 of SKU SKU-9 too many"),
        ([("SKU-1", Decimal("0.5"))], "0.5 of SKU SKU-1 is no whole number"),
    ],
)
def test_more_than_the_order_has_left_is_a_persons_matter(
    store: ShopifyAdmin, shop: ShopifyDestination, lines: Any, says: str
) -> None:
    placed(store, ("SKU-1", 2))

    with pytest.raises(Refused, match=f"cannot be marked as shipped: {says}"):
        ship(shop, shipment(*lines))
    assert store.writes == []


def test_an_order_that_the_store_does_not_show_is_told(shop: ShopifyDestination) -> None:
    with pytest.raises(Refused, match="does not show order"):
        ship(shop, shipment(("SKU-1", 1)))
    with pytest.raises(Refused, match="is no order of Shopify: its ids are digits"):
        ship(shop, shipment(("SKU-1", 1), order_id="sha256-abc"))


def test_a_shipment_of_no_shops_order_is_ignored(store: ShopifyAdmin, shop: ShopifyDestination) -> None:
    assert ship(shop, shipment(("SKU-1", 1), order_id="")).effect == Effect.IGNORED
    assert shop.find("create_fulfilment", shipment(("SKU-1", 1), order_id=""), EVENT) is None
    assert store.asked == []


# The store as a whole


def test_a_record_that_no_action_takes_is_told(shop: ShopifyDestination) -> None:
    record: Record = Customer(id="1", name="Ann")

    with pytest.raises(NotConfigured, match="action set_price does not take a record of kind customer"):
        shop.apply("set_price", record, EVENT, "")


def test_the_probe_needs_the_token(store: ShopifyAdmin) -> None:
    probe(http_to(store))

    with pytest.raises(Unavailable, match="refuses the hub's admin_token"):
        probe(http_to(store, "shpat_wrong"))
    with pytest.raises(SecretUnavailable, match="hub secrets set"):
        credentials(lambda _: ())


@pytest.mark.parametrize("calls", range(4))
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(
    "action",
    [
        lambda shop: set_level(shop, "SKU-1", "7"),
        lambda shop: set_price(shop, "SKU-1", "7"),
        lambda shop: ship(shop, shipment(("SKU-1", 1))),
    ],
)
def test_whichever_call_is_lost_the_end_is_the_same(
    store: ShopifyAdmin,
    shop: ShopifyDestination,
    monkeypatch: pytest.MonkeyPatch,
    action: Any,
    calls: int,
    after: bool,
) -> None:
    placed(store, ("SKU-1", 3))
    store.stock("SKU-1", available=5, price="5.00")
    left = itertools.count()
    monkeypatch.setattr(store, "_trouble", lambda _: Trouble(drop=True, after=after) if next(left) == calls else None)
    for _ in range(3):
        try:
            action(shop)
            break
        except Temporary:
            continue
    else:
        pytest.fail("it never gets to its end")
    monkeypatch.undo()

    assert action(shop).effect == Effect.UNCHANGED
    assert len(store.orders[ORDER].shipments) <= 1
