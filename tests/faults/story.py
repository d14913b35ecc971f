"""What a shop says over a day, and, worked out apart from the hub, what ERPNext must say in the end."""

import base64
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any

from infra.local.shopify import Body, Line, as_sent, customer, order
from tests.faults.children import Child, Row, Sale, Settled

BEGIN = datetime(2026, 3, 1, 6, 0, tzinfo=UTC)
GOODS = [f"SKU-{number}" for number in range(1, 8)]
UNKNOWN = "NO-SUCH-THING"
TOO_LARGE_BYTES = 1_100_000  # as it stands on a queue, which takes 1 MiB
AT_ONCE = 10
DAY_MINUTES = 1300
SETTLED = 0.3  # of the orders; the others are only changed

SHUFFLED = "story: 5 versions in any order"
EARLY = "story: child before its parent"
TEN_TIMES = "story: 10 times at once"
REPEATED = "story: repeated"
CLAIM_CHECK = "story: body too large for a queue"
UNWRITABLE = "story: cannot be written"


@dataclass
class Delivery:
    """One request of the shop: what, and when it is to be sent; `copies` of it at the same moment."""

    at: datetime
    topic: str
    body: bytes
    event: str
    entity: str  # "order/1001"
    copies: int = 1


@dataclass(frozen=True)
class Version:
    """What the shop said of an order at one moment."""

    event: str
    topic: str
    body: Body
    rows: list[Row]  # what a Sales Order must say of it
    total: Decimal
    writable: bool = True

    @property
    def is_cancelled(self) -> bool:
        """Whether the order is over."""
        return self.body["cancelled_at"] is not None


@dataclass
class Life:
    """An order: its versions, oldest first; of one that is settled the deliveries of its payments, shipments and refunds,
    and what must stand of it in the end."""

    number: int
    versions: list[Version] = field(default_factory=list)
    children: list[Child] = field(default_factory=list)
    sale: Sale | None = None

    @property
    def repeats_itself(self) -> bool:
        """Whether it says something, then something else, then the first again."""
        said = [each for each in self.versions if each.writable and not each.is_cancelled]
        runs = [(rows, total) for (rows, total), _ in groupby((each.rows, each.total) for each in said)]
        return any(each in runs[:place] for place, each in enumerate(runs))


@dataclass
class Story:
    """The deliveries of a day in the order of their sending, and the orders and customers that they are about."""

    lives: list[Life]
    buyers: dict[int, list[Body]]
    deliveries: list[Delivery]
    told: Counter[str]  # how often each kind of disorder is in it

    @property
    def events(self) -> set[str]:
        """The ids of all events."""
        return {delivery.event for delivery in self.deliveries}

    @property
    def unwritable(self) -> set[str]:
        """Events that no destination could take, however often they came."""
        return {version.event for life in self.lives for version in life.versions if not version.writable}


class _Teller:
    """Makes the story up."""

    def __init__(self, dice: random.Random, events: int, entities: int) -> None:
        self.dice = dice
        self.told: Counter[str] = Counter()
        self.versions = max(1, events // entities)
        self.buyers = {number: [self.buyer(number, 0)] for number in range(1, max(2, entities // 2))}
        for number, bodies in self.buyers.items():
            bodies += [self.buyer(number, later) for later in range(1, dice.choice((1, 1, 2, 3)))]
        self.lives = [self.life(1000 + place) for place in range(entities)]

    def deliveries(self) -> list[Delivery]:
        """Everything that is sent, repetitions included."""
        sent: list[Delivery] = []
        for life in self.lives:
            versions = self.of_versions(life)
            sent += [*versions, *self.of_children(life, versions[0].at)]
        for number, bodies in self.buyers.items():
            for place, body in enumerate(bodies[1:]):
                at = BEGIN + timedelta(minutes=self.dice.randrange(DAY_MINUTES))
                event, entity = f"customer-{number}-{place}", f"customer/{number}"
                sent.append(Delivery(at, "customers/update", as_sent(body), event, entity))
        for delivery in self.dice.sample(sent, len(sent) // 10):
            if self.dice.random() < 0.2:
                delivery.copies = AT_ONCE
                self.told[TEN_TIMES] += 1
                continue
            for _ in range(self.dice.choice((1, 1, 2, 9))):
                self.told[REPEATED] += 1
                at = delivery.at + timedelta(seconds=self.dice.choice((0, 0, 60, 400, 20_000)))
                sent.append(Delivery(at, delivery.topic, delivery.body, delivery.event, delivery.entity))
        return sorted(sent, key=lambda each: each.at)

    def buyer(self, number: int, version: int) -> Body:
        name = self.dice.choice(("Smith", "Müller", "O'Hara", "李", "Jones"))
        at = BEGIN - timedelta(days=1) + timedelta(minutes=version)
        return customer(number, f"Ann{version}", name, f"c{number}@example.com", at)

    def life(self, number: int) -> Life:
        """An order that is changed again and again and never paid; or one that is paid, shipped and perhaps given back."""
        buyer = self.buyers[self.dice.choice(list(self.buyers))][0]
        if self.dice.random() < SETTLED:
            return self.settled(number, buyer)
        life = Life(number)
        lines = self.lines()
        for place in range(self.dice.randint(1, 2 * self.versions - 1)):
            lines = lines if self.dice.random() < 0.5 else self.lines()
            life.versions.append(self.version(life, place, buyer, lines, may_fail=True))
        if self.dice.random() < 0.15:
            life.versions.append(self.version(life, len(life.versions), buyer, lines, cancelled=True))
        return life

    def settled(self, number: int, buyer: Body) -> Life:
        """An order that comes to an end with money and goods."""
        lines = self.lines(least_cents=200)
        body = order(number, buyer, lines, created_at=BEGIN, updated_at=BEGIN, is_paid=False, **self.extras())
        told = Settled(body, lines, BEGIN, self.dice)
        sale = told.sale
        versions = [
            Version(f"order-{number}-{place}", topic, body, sale.rows, sale.total)
            for place, (topic, body) in enumerate(told.versions)
        ]
        return Life(number, versions, told.children, sale)

    def extras(self) -> dict[str, Any]:
        """Shipping and tax."""
        return {"shipping": Decimal(self.dice.choice(("0", "4.90"))), "tax": Decimal(self.dice.choice(("0", "3.17")))}

    def version(
        self,
        life: Life,
        place: int,
        buyer: Body,
        lines: Sequence[Line],
        *,
        may_fail: bool = False,
        cancelled: bool = False,
    ) -> Version:
        bad = may_fail and self.dice.random() < 0.03
        self.told[UNWRITABLE] += bad
        at = BEGIN + timedelta(minutes=place)
        body = order(
            life.number,
            buyer,
            [*lines, Line(UNKNOWN, 1, Decimal("1.00"))] if bad else lines,
            created_at=BEGIN,
            updated_at=at,
            cancelled_at=at if cancelled else None,
            is_paid=False,
            **self.extras(),
        )
        if self.dice.random() < 0.008:
            self.told[CLAIM_CHECK] += 1
            body["note"] = base64.b64encode(self.dice.randbytes(TOO_LARGE_BYTES)).decode()
        topic = "orders/cancelled" if cancelled else "orders/updated" if place else "orders/create"
        rows = [(line.sku or "", Decimal(line.quantity), line.price) for line in lines]
        return Version(
            f"order-{life.number}-{place}", topic, body, rows, Decimal(body["total_price"]), writable=not bad
        )

    def lines(self, least_cents: int = 1) -> list[Line]:
        return [
            Line(
                self.dice.choice(GOODS),
                self.dice.randint(1, 5),
                Decimal(self.dice.randint(least_cents, 9999)) / 100,
                Decimal(self.dice.choice(("0", "0.01"))),
            )
            for _ in range(self.dice.randint(1, 4))
        ]

    def of_versions(self, life: Life) -> list[Delivery]:
        """Mostly in the order of the versions; one in five arrives at any time, and some lives all at once, shuffled."""
        start = self.dice.randrange(DAY_MINUTES)
        shuffled = len(life.versions) >= 5 and self.dice.random() < 0.2
        self.told[SHUFFLED] += shuffled
        found = []
        for place, version in enumerate(life.versions):
            anytime = self.dice.random() < 0.2
            minute = start if shuffled else self.dice.randrange(DAY_MINUTES) if anytime else start + place
            at = BEGIN + timedelta(minutes=minute)
            found.append(Delivery(at, version.topic, as_sent(version.body), version.event, f"order/{life.number}"))
        if shuffled:
            self.dice.shuffle(found)  # they are sent in this order, since they have the same time
        return found

    def of_children(self, life: Life, parent: datetime) -> list[Delivery]:
        """Two in five arrive before their parent, by up to ten minutes."""
        found = []
        for child in life.children:
            early = self.dice.random() < 0.4
            self.told[EARLY] += early
            at = parent + timedelta(minutes=self.dice.randint(-10, -1) if early else self.dice.randint(0, 60))
            found.append(Delivery(at, child.topic, as_sent(child.body), child.event, child.entity))
        return found


def tell(dice: random.Random, events: int, entities: int) -> Story:
    """A story of about so many events: versions shuffled, a tenth repeated up to ten times, some that cannot be written."""
    teller = _Teller(dice, events, entities)
    return Story(teller.lives, teller.buyers, teller.deliveries(), teller.told)
