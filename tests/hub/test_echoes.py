"""A fact that comes back to the system that stated it first is known for an echo."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from hub.connector import Effect
from hub.echoes import echo
from hub.records import Customer, Fulfilment, FulfilmentLine

LINES = (FulfilmentLine(line_id="1", quantity=Decimal(1)),)
SHIPPED = datetime(2026, 3, 1, tzinfo=UTC)


def shipment(order_of: str, came_from: str) -> Fulfilment:
    return Fulfilment(id="DN-1", order_id="7", shipped_at=SHIPPED, lines=LINES, order_of=order_of, came_from=came_from)


@pytest.mark.parametrize(
    ("order_of", "came_from", "effect"),
    [
        ("shop-eu", "", None),
        ("", "", None),
        ("shop-eu", "another-hub", None),
        ("shop-eu", "shop-eu", Effect.UNCHANGED),
        ("", "shop-eu", Effect.UNCHANGED),
        ("shop-us", "", Effect.IGNORED),
        ("shop-us", "shop-us", Effect.IGNORED),
    ],
)
def test_a_shipment_goes_only_where_its_order_is_and_not_back(
    order_of: str, came_from: str, effect: Effect | None
) -> None:
    found = echo(shipment(order_of, came_from), "shop-eu")

    assert (found and found.effect) == effect
    assert found is None or found.rule


def test_other_records_are_no_echoes() -> None:
    assert echo(Customer(id="1", name="shop-eu"), "shop-eu") is None
