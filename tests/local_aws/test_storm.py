"""Many orders' lives, shuffled and repeated, through an ERPNext that keeps failing: every event ends once, and each order
is what the shop said last."""

import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal

import pytest

from infra.local.erpnext.faults import Fault
from infra.local.shopify import Answer, Body
from tests.local_aws.hub import MUG, POSTER, SHIRT, LocalHub, a_customer, a_line, an_order, fresh_number

DRAFT, SUBMITTED = 0, 1
ORDERS = 25
ENDS = {"applied", "unchanged", "stale", "ignored"}
FAULTS = (
    Fault("deadlock"),
    Fault("lock_timeout"),
    Fault("drop_before_commit"),
    Fault("drop_after_commit"),
    Fault("truncated"),
    Fault("html_error"),
    Fault("maintenance"),
    Fault("rate_limit_exceeded"),
    Fault("rate_limit", seconds=1),
    Fault("bin_race", method="POST", doctype="Sales Order"),
    Fault("bin_race", method="PUT", doctype="Sales Order"),
)


@dataclass(frozen=True)
class Said:
    """One delivery of the storm; the event's id is its own, so that a repetition is the same event."""

    number: int
    topic: str
    body: Body
    event: str


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_every_event_ends_once_and_every_order_is_what_the_shop_said_last(hub: LocalHub, seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311 - a storm to be had again, no secret
    lives = [_life(dice) for _ in range(ORDERS)]
    storm = [said for life in lives for said in life]
    dice.shuffle(storm)
    storm += dice.sample(storm, 15)  # sent twice, perhaps long after
    for _ in range(40):
        fault = dice.choice(FAULTS)
        hub.erp.misbehave(Fault(**{**fault.to_json(), "skip": dice.randrange(200)}))

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda said: _deliver(hub, said), storm))
    hub.settle(seconds=90)

    assert {answer.status for answer in answers} == {200}
    for life in lives:
        number, last = life[0].number, max(life, key=lambda said: str(said.body["updated_at"]))
        ends = {end.event_id: end for end in hub.ends(f"order/{number}")}
        assert set(ends) == {said.event for said in life}
        assert [end for end in ends.values() if end.outcome not in ENDS] == []
        found = hub.orders(number)
        live = [order for order in found if order["docstatus"] == SUBMITTED]
        wanted = [] if last.body["cancelled_at"] else [Decimal(last.body["total_price"])]
        assert [Decimal(str(order["grand_total"])) for order in live] == wanted
        assert [order for order in found if order["docstatus"] == DRAFT] == []
        assert len(hub.customers(last.body["customer"]["id"])) <= 1  # none where the order was never written


def _deliver(hub: LocalHub, said: Said) -> Answer:
    return hub.deliver(said.topic, said.body, webhook_id=said.event)


def _life(dice: random.Random) -> list[Said]:
    """The versions of one order: created, changed up to three times, perhaps cancelled."""
    number, buyer = fresh_number(), a_customer()
    versions = range(1 + dice.randrange(4))
    life = []
    for version in versions:
        lines = [
            a_line(dice.choice([MUG, SHIRT, POSTER]), 1 + dice.randrange(5), f"{dice.randrange(1, 90)}.{dice.randrange(100):02d}")
            for _ in range(1 + dice.randrange(3))
        ]  # fmt: skip
        cents = Decimal(dice.randrange(300)) / 100
        body = an_order(*lines, number=number, buyer=buyer, at=version, shipping=cents, tax=cents)
        life.append(Said(number, "orders/updated" if version else "orders/create", body, f"storm-{number}-{version}"))
    if dice.random() < 0.3:
        gone = an_order(*lines, number=number, buyer=buyer, at=10, shipping=cents, tax=cents)
        gone["cancelled_at"] = gone["updated_at"]
        life.append(Said(number, "orders/cancelled", gone, f"storm-{number}-gone"))
    return life
