"""The life of an order that is settled: perhaps edited, then paid, shipped, perhaps given back. The shop tells it twice: by
versions of the order, and by deliveries of the payments, shipments and refunds themselves."""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from infra.local.shopify import Body, Line, edited, fulfilled, fulfilment, paid, refund, refunded, transaction

CENT = Decimal("0.01")
KEPT_BACK = Decimal("-0.50")
UNSHIPPED = "cancel"  # what Shopify says of goods that never left
Row = tuple[str, Decimal, Decimal]  # SKU, quantity, price


@dataclass(frozen=True)
class Child:
    """One delivery about a payment, a shipment or a refund."""

    topic: str
    entity: str  # as the hub names it, without the integration: "refund/10015"
    body: Body

    @property
    def event(self) -> str:
        """The id of its one event."""
        return f"{self.entity.replace('/', '-')}-0"


@dataclass(frozen=True)
class GivenBack:
    """A refund: money, and pieces by SKU that came back."""

    amount: Decimal
    goods: Counter[str]


@dataclass
class Sale:
    """What ERPNext's documents of a settled order must say in the end."""

    rows: list[Row]
    total: Decimal
    shipments: list[Counter[str]] = field(default_factory=list)  # pieces by SKU
    refunds: list[GivenBack] = field(default_factory=list)


class Settled:
    """Tells the life of one order; `versions` are (topic, body), oldest first."""

    def __init__(self, body: Body, lines: Sequence[Line], at: datetime, dice: random.Random) -> None:
        self._dice = dice
        self._at = at
        self._skus = [line.sku or "" for line in lines]
        self._left = {place: line.quantity for place, line in enumerate(lines)}  # pieces that are still wanted
        self.versions = [("orders/create", body)]
        self.children: list[Child] = []
        if sum(self._left.values()) > 1 and dice.random() < 0.3:
            self._edit()
        rows = [(self._skus[place], Decimal(many), lines[place].price) for place, many in self._left.items() if many]
        self.sale = Sale(rows, Decimal(self._body["current_total_price"]))
        self._pay()
        if dice.random() < 0.8:
            self._ship()
        for _ in range(dice.choice((0, 0, 1, 1, 2))):
            self._give_back()

    @property
    def _body(self) -> Body:
        return self.versions[-1][1]

    @property
    def _number(self) -> int:
        """The id of the next payment, shipment or refund."""
        return int(self._body["id"]) * 100 + len(self.children)

    def _moment(self) -> datetime:
        return self._at + timedelta(minutes=len(self.versions))

    def _edit(self) -> None:
        """One piece of the first line is taken off before anything is paid."""
        self._left[0] -= 1
        self.versions.append(("orders/updated", edited(self._body, self._number * 10, {0: 1}, self._moment())))

    def _pay(self) -> None:
        """All at once, or in two parts."""
        first = (self.sale.total / 3).quantize(CENT) if self._dice.random() < 0.3 else self.sale.total
        for amount in filter(None, (first, self.sale.total - first)):
            child = transaction(self._body, self._number, amount, self._moment())
            body = paid(self._body, self._moment(), amount)
            self.children.append(Child("order_transactions/create", f"transaction/{child['id']}", child))
            is_paid = body["financial_status"] == "paid"
            self.versions.append(("orders/paid" if is_paid else "orders/updated", body))

    def _ship(self) -> None:
        """Everything, in one or two parcels."""
        two = self._dice.random() < 0.4
        first = {place: self._dice.randint(0, many) if two else many for place, many in self._left.items()}
        for parcel in (first, {place: many - first[place] for place, many in self._left.items()}):
            goods = {place: many for place, many in parcel.items() if many}
            if not goods:
                continue
            tracking = f"1Z{self._number}"
            child = fulfilment(self._body, self._number, goods, self._moment(), tracking=tracking, carrier="UPS")
            self.children.append(Child("fulfillments/create", f"fulfilment/{child['id']}", child))
            self.sale.shipments.append(self._by_sku(goods))
            body = fulfilled(self._body, child)
            is_whole = body["fulfillment_status"] == "fulfilled"
            self.versions.append(("orders/fulfilled" if is_whole else "orders/partially_fulfilled", body))

    def _give_back(self) -> None:
        """Money for some of the pieces, sometimes for the shipping too, sometimes less than they were worth."""
        chosen = {place: self._dice.randint(0, many) for place, many in self._left.items()}
        goods = {place: many for place, many in chosen.items() if many}
        if not goods:
            return
        is_first = not self.sale.refunds
        shipping = Decimal(self._body["total_shipping_price_set"]["shop_money"]["amount"])
        child = refund(
            self._body,
            self._number,
            goods,
            self._moment(),
            shipping=shipping if is_first and self._dice.random() < 0.4 else Decimal(0),
            beyond=KEPT_BACK if self._dice.random() < 0.2 else Decimal(0),
            restock="return" if self.sale.shipments else UNSHIPPED,
        )
        for place, many in goods.items():
            self._left[place] -= many
        amount = sum((Decimal(each["amount"]) for each in child["transactions"]), Decimal(0))
        came_back = self._by_sku(goods) if self.sale.shipments else Counter()
        self.sale.refunds.append(GivenBack(amount, came_back))
        self.children.append(Child("refunds/create", f"refund/{child['id']}", child))
        self.versions.append(("orders/updated", refunded(self._body, child)))

    def _by_sku(self, goods: dict[int, int]) -> Counter[str]:
        found: Counter[str] = Counter()
        for place, many in goods.items():
            found[self._skus[place]] += many
        return found
