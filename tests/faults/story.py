"""What a shop says over a day, and, worked out apart from the hub, what ERPNext must say in the end."""

import random
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal

from infra.local.shopify import Body, Line, as_sent, customer, order
from tests.faults.world import BEGIN, GOODS, Delivery

UNKNOWN = "NO-SUCH-THING"


@dataclass
class Life:
    """An order's versions, oldest first, as (body, can it be written)."""

    number: int
    versions: list[tuple[Body, bool]] = field(default_factory=list)


@dataclass
class Story:
    """The deliveries of a day in the order of their sending, and the orders and customers that they are about."""

    lives: list[Life]
    buyers: dict[int, list[Body]]
    deliveries: list[Delivery]
    facts: int


def tell(dice: random.Random, events: int, entities: int) -> Story:
    """A story of about so many events: versions shuffled, a tenth repeated up to ten times, some that cannot be written."""
    buyers = {number: [_buyer(number, 0, dice)] for number in range(1, max(2, entities // 2))}
    for number, versions in buyers.items():
        versions += [_buyer(number, later, dice) for later in range(1, dice.choice((1, 1, 2, 3)))]
    lives = [_life(1000 + place, buyers, dice, max(1, events // entities)) for place in range(entities)]
    deliveries = [delivery for life in lives for delivery in _deliveries(life, dice)]
    for number, versions in buyers.items():
        for place, body in enumerate(versions[1:]):
            at = BEGIN + timedelta(minutes=dice.randrange(600))
            deliveries.append(Delivery(at, "customers/update", as_sent(body), f"customer-{number}-{place}"))
    facts = len(deliveries)
    for delivery in dice.sample(deliveries, facts // 10):
        for _ in range(dice.choice((1, 1, 2, 9))):
            at = delivery.at + timedelta(seconds=dice.choice((0, 0, 60, 400, 20_000)))
            deliveries.append(Delivery(at, delivery.topic, delivery.body, delivery.webhook_id))
    return Story(lives, buyers, sorted(deliveries, key=lambda each: each.at), facts)


def _buyer(number: int, version: int, dice: random.Random) -> Body:
    name = dice.choice(("Smith", "Müller", "O'Hara", "李", "Jones"))
    at = BEGIN - timedelta(days=1) + timedelta(minutes=version)
    return customer(number, f"Ann{version}", name, f"c{number}@example.com", at)


def _life(number: int, buyers: dict[int, list[Body]], dice: random.Random, versions: int) -> Life:
    life = Life(number)
    buyer = buyers[dice.choice(list(buyers))][0]
    count = dice.randint(1, 2 * versions - 1)
    lines = _lines(dice)
    for version in range(count):
        last = version == count - 1
        if dice.random() < 0.5:
            lines = _lines(dice)
        bad = dice.random() < 0.03
        said = [*lines, Line(UNKNOWN, 1, Decimal("1.00"))] if bad else lines
        at = BEGIN + timedelta(minutes=version)
        cancelled = at if last and dice.random() < 0.15 else None
        shipping, tax = Decimal(dice.choice(("0", "4.90"))), Decimal(dice.choice(("0", "3.17")))
        body = order(
            number, buyer, said, created_at=BEGIN, updated_at=at, shipping=shipping, tax=tax, cancelled_at=cancelled
        )
        life.versions.append((body, not bad or cancelled is not None))
    return life


def _lines(dice: random.Random) -> list[Line]:
    return [
        Line(
            dice.choice(GOODS),
            dice.randint(1, 5),
            Decimal(dice.randint(1, 9999)) / 100,
            Decimal(dice.choice(("0", "0.01"))),
        )
        for _ in range(dice.randint(1, 4))
    ]


def _deliveries(life: Life, dice: random.Random) -> list[Delivery]:
    """Mostly in the order of the versions, but one in five arrives at any time."""
    start = dice.randrange(600)
    found = []
    for place, (body, _) in enumerate(life.versions):
        topic = "orders/cancelled" if body["cancelled_at"] else "orders/updated" if place else "orders/create"
        minute = dice.randrange(700) if dice.random() < 0.2 else start + place
        at = BEGIN + timedelta(minutes=minute)
        found.append(Delivery(at, topic, as_sent(body), f"order-{life.number}-{place}"))
    return found
