"""A change never bounces: a hundred changes from both sides make as many writes as there are changes, and then silence."""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from moto import mock_aws

from infra.local.shopify import Line, customer, order
from infra.local.shopify_admin import LOCATION
from tests.two_way.world import TwoWay

GOODS = ["SKU-1", "SKU-2", "SKU-3"]
OWNED_BY_ERP = {"stock": "erp", "price": "erp", "fulfilment": "erp"}
CHANGES = 100


@pytest.fixture
def world(tmp_path: Path) -> Iterator[TwoWay]:
    with mock_aws():
        made = TwoWay(tmp_path, GOODS, OWNED_BY_ERP)
        try:
            made.hub_writes()
            made.outcomes()
            yield made
        finally:
            made.stop()


class Year:
    """Changes in both systems; each does one and says what the hub has to write for it: system or mutation → how often."""

    def __init__(self, world: TwoWay, dice: random.Random) -> None:
        self.world = world
        self.dice = dice
        self.orders = iter(range(5001, 9000))
        self.unshipped: list[int] = []
        self.prices: dict[str, Decimal] = {}
        self.price_names: dict[str, str] = {}
        self.buyer = customer(77, "Ann", "Smith", "ann@example.com", world.clock.now())
        world.store.send("customers/create", self.buyer)
        for sku in GOODS:  # the shop's products are known: their Items are written at their first word
            world.store.edit_price(sku, "10.00")
        world.settle()
        world.hub_writes()

    def goods_arrive(self) -> Counter[str]:
        self.world.receive(self.dice.choice(GOODS), self.dice.randint(1, 9))
        return Counter(inventorySetQuantities=1)

    def the_erp_changes_a_price(self) -> Counter[str]:
        sku, price = self.dice.choice(GOODS), Decimal(self.dice.randint(100, 99999)) / 100
        if price == self.prices.get(sku):
            price += 1
        self.prices[sku] = price
        if name := self.price_names.get(sku):
            self.world.desk("PUT", f"Item Price/{name}", price_list_rate=float(price))
        else:
            made = self.world.desk(
                "POST",
                "Item Price",
                item_code=sku,
                price_list="Standard Selling",
                currency="USD",
                selling=1,
                price_list_rate=float(price),
            )
            self.price_names[sku] = str(made["name"])
        return Counter(productVariantsBulkUpdate=1)

    def an_order_is_placed(self) -> Counter[str]:
        """Goods arrive, and are sold: a Sales Order and its submission, for a customer who is known. The shop has taken the
        goods off already."""
        number, sku = next(self.orders), self.dice.choice(GOODS)
        quantity = self.dice.randint(1, 3)
        self.world.receive(sku, quantity)  # no order promises more than there is
        self.world.settle()
        now = self.world.clock.now()
        line = Line(sku, quantity, Decimal("5.00"))
        self.world.store.place(order(number, self.buyer, [line], created_at=now, updated_at=now))
        self.unshipped.append(number)
        return Counter(erp=2, inventorySetQuantities=1)

    def goods_leave(self) -> Counter[str]:
        """The shipment and its mark. What left was promised before, so that as much can be sold as before."""
        if not self.unshipped:
            return Counter()
        self.world.deliver_goods(self.unshipped.pop(0))
        return Counter(fulfillmentCreate=1, metafieldsSet=1)

    def a_person_edits_the_shops_stock(self) -> Counter[str]:
        """ERPNext owns it: nothing is written there, and the shop is not corrected before ERPNext has something to say."""
        sku = self.dice.choice(GOODS)
        self.world.store.edit_stock(sku, self.world.store.variant(sku).levels[LOCATION] + 1000)
        return Counter()

    def a_person_edits_the_shops_price(self) -> Counter[str]:
        sku = self.dice.choice(GOODS)
        self.world.store.edit_price(sku, "77.77")
        self.prices.pop(sku, None)
        return Counter()

    def somebody_saves_without_a_change(self) -> Counter[str]:
        """Which fires webhooks in ERPNext all the same."""
        sku = self.dice.choice(GOODS)
        name, price = self.price_names.get(sku), self.prices.get(sku)
        if name and price:
            self.world.desk("PUT", f"Item Price/{name}", price_list_rate=float(price))
        return Counter()


def test_a_hundred_changes_from_both_sides_never_bounce(world: TwoWay) -> None:
    dice = random.Random(4711)  # noqa: S311 - a year to be had again, no secret
    year = Year(world, dice)
    kinds: list[Callable[[], Counter[str]]] = [
        year.goods_arrive,
        year.the_erp_changes_a_price,
        year.an_order_is_placed,
        year.goods_leave,
        year.a_person_edits_the_shops_stock,
        year.a_person_edits_the_shops_price,
        year.somebody_saves_without_a_change,
    ]
    made: Counter[str] = Counter()
    for number in range(CHANGES):
        kind = kinds[number % len(kinds)]
        wanted = kind()
        world.settle()

        assert world.hub_writes() == wanted, f"change {number}: {kind.__name__}"
        made += wanted
    outcomes = world.outcomes()

    assert min(made.values()) >= 10, made
    assert set(outcomes) == {"applied", "unchanged", "ignored"}
    assert not any(queue.messages for queue in [*world.queues.values(), *world.dead.values()])
    assert world.telemetry.bugs() == []


def test_both_sides_agree_in_the_end(world: TwoWay) -> None:
    year = Year(world, random.Random(1))  # noqa: S311 - as above
    for _ in range(5):
        for change in (year.goods_arrive, year.the_erp_changes_a_price, year.an_order_is_placed, year.goods_leave):
            change()
            world.settle()

    bins = {doc["item_code"]: doc["actual_qty"] - doc["reserved_qty"] for doc in world.erp.documents("Bin")}
    assert {sku: world.store.variant(sku).levels[LOCATION] for sku in bins} == bins
    assert {sku: world.store.variant(sku).price for sku in year.prices} == year.prices
    assert all(sold.shipments for sold in world.store.orders.values())


def test_a_delivery_that_is_cancelled_is_cancelled_in_the_shop_and_can_be_made_again(world: TwoWay) -> None:
    year = Year(world, random.Random(1))  # noqa: S311 - as above
    year.an_order_is_placed()
    world.settle()
    note = world.deliver_goods(5001)
    world.settle()
    world.hub_writes()

    world.desk("PUT", f"Delivery Note/{note}", docstatus=2)
    world.settle()
    cancelled = world.hub_writes()
    world.deliver_goods(5001)
    world.settle()

    assert cancelled == Counter(fulfillmentCancel=1)
    assert [each.cancelled for each in world.store.orders[5001].shipments] == [True, False]
    assert world.hub_writes() == Counter(fulfillmentCreate=1, metafieldsSet=1)


def test_the_shops_own_shipment_is_left_alone_and_says_whose_it_is(world: TwoWay) -> None:
    year = Year(world, random.Random(1))  # noqa: S311 - as above
    year.an_order_is_placed()
    world.settle()
    world.outcomes()
    world.hub_writes()

    world.store.ship(5001, {5001000: 1})
    world.settle()

    assert set(world.outcomes()) <= {"unchanged", "ignored"}
    assert world.hub_writes() == Counter()
    assert world.erp.documents("Delivery Note") == []
