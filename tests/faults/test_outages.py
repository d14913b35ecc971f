"""An outage burns nothing: the real functions on a faked clock, with ERPNext down for twelve hours."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import pytest
from moto import mock_aws

from infra.local.erpnext.faults import Fault
from infra.local.shopify import Line, as_sent, customer, order
from tests.faults.story import BEGIN, GOODS, Delivery
from tests.faults.world import LIMITS, World

pytestmark = pytest.mark.slow


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A world in which nothing goes wrong but what a test lets go wrong."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        world = World(seed=1, share=0)
        yield world
        world.stop()


def place(world: World, number: int) -> None:
    buyer = customer(number, "Ann", "Smith", "ann@example.com", BEGIN)
    lines = [Line(GOODS[0], 1, Decimal("4.20"))]
    body = order(number, buyer, lines, created_at=BEGIN, updated_at=BEGIN, is_paid=False)
    delivery = Delivery(world.clock.moment, "orders/create", as_sent(body), f"order-{number}", f"order/{number}")
    assert world.send(delivery)


def pass_time(world: World, hours: float) -> None:
    """Minute by minute: the breaker is tended, and the queue is read where it may be."""
    for _ in range(int(hours * 60)):
        world.clock.moment += timedelta(minutes=1)
        world.tend()
        while world.deliver():
            pass


@pytest.mark.parametrize("kind", ["maintenance", "drop_before_commit"])
def test_no_receive_is_used_up_while_the_breaker_is_open(world: World, kind: str) -> None:
    world.erp.misbehave(Fault(kind, times=None))
    for number in range(20):
        place(world, number)
        pass_time(world, 0.6)
    receives = [message.receives for message in world.queue.messages.values()]
    orders_during = len(world.erp.documents("Sales Order"))

    world.erp.behave()
    pass_time(world, 1)

    assert orders_during == 0
    assert max(receives) <= LIMITS.strikes
    assert receives[-10:] == [0] * 10  # what came to a paused flow was not even looked at
    assert (world.queue.messages, world.dead.messages) == ({}, {})
    assert len(world.erp.documents("Sales Order")) == 20


def test_a_limit_that_is_used_up_is_waited_for_without_a_single_refusal(world: World) -> None:
    """The site says how much it will still do; before that is spent the flow is slowed, and then paused."""
    world.erp.limit_rate(window_seconds=3_600, limit_seconds=60, charge_seconds=2.0)
    for number in range(20):
        place(world, number)
    world.erp.clear_requests()

    pass_time(world, 1)
    after_an_hour = len(world.erp.documents("Sales Order"))
    pass_time(world, 6)

    assert 0 < after_an_hour < 20
    assert 429 not in [status for _, _, status in world.erp.requests]
    assert (world.queue.messages, world.dead.messages) == ({}, {})
    assert len(world.erp.documents("Sales Order")) == 20
