"""The records that connectors speak of among themselves: what a shop states, in the hub's words and in Decimal.

A source's connector reads a provider's body into a record, a destination's connector writes a record as documents;
neither knows the other.
"""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from hub.errors import TotalMismatch

Text = Annotated[str, StringConstraints(strip_whitespace=True)]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]


def _finite(amount: Decimal) -> Decimal:
    if not amount.is_finite():
        raise ValueError("an amount must be a finite number")
    return amount


Amount = Annotated[Decimal, AfterValidator(_finite)]  # in the record's currency, major units


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    @property
    def label(self) -> str:
        """What people call this entity, where that is no personal data; "" where they call it nothing."""
        return ""


class Customer(_Record):
    """A buyer as the source knows them."""

    kind: Literal["customer"] = "customer"
    id: str
    name: Text
    email: Text = ""
    is_company: bool = False


class OrderLine(_Record):
    """One line: `quantity` × `unit_price` − `discount` is what it costs. `tax` is the part of it that is tax."""

    id: str
    sku: Text = ""
    title: Text = ""
    quantity: Amount
    unit_price: Amount
    discount: Amount = Decimal(0)
    tax: Amount = Decimal(0)
    is_gift_card: bool = False  # sold, not paid with

    @property
    def gross(self) -> Decimal:
        """What the line costs after its discount."""
        return self.quantity * self.unit_price - self.discount


class Charge(_Record):
    """A named amount beside the lines: shipping or a tax. `tax` is the part of a shipping charge that is tax."""

    title: Text
    amount: Amount
    tax: Amount = Decimal(0)


class FulfilmentLine(_Record):
    """So much of an order's line was shipped. `line_id` is the `OrderLine.id`."""

    line_id: str
    sku: Text = ""
    quantity: Amount


class Fulfilment(_Record):
    """One shipment of an order's goods; its document needs the order's.

    A system that repeats others' facts says whose: `order_of` is the integration that knows the order as `order_id`, and
    `came_from` the one that stated this very shipment first. Both are "" where that is the source itself.
    """

    kind: Literal["fulfilment"] = "fulfilment"
    id: str
    order_id: str
    shipped_at: AwareDatetime
    lines: tuple[FulfilmentLine, ...] = Field(min_length=1)
    is_cancelled: bool = False
    carrier: Text = ""
    tracking_numbers: tuple[Text, ...] = ()
    order_of: Text = ""
    came_from: Text = ""


class RefundLine(_Record):
    """Goods for which money was given back. `amount` contains `tax` where the order's prices contain theirs, and is
    without it where they do not, as `OrderLine.gross`."""

    line_id: str
    sku: Text = ""
    quantity: Amount
    amount: Amount
    tax: Amount = Decimal(0)
    came_back: bool = False  # the goods are in the warehouse again


class Refund(_Record):
    """Money given back for an order; its documents need those of the order's sale. `total` is what the buyer got."""

    kind: Literal["refund"] = "refund"
    id: str
    order_id: str
    refunded_at: AwareDatetime
    currency: Currency
    total: Amount
    lines: tuple[RefundLine, ...] = ()
    shipping: Charge | None = None
    adjustment: Amount = Decimal(0)  # given back beyond lines, their taxes and shipping (negative: kept back)
    taxes_included: bool = False  # false as well where nothing given back bears tax
    gateway: Text = ""

    def check_total(self) -> None:
        """Raise TotalMismatch unless lines + shipping + taxes + adjustment is exactly `total`."""
        lines = sum((line.amount for line in self.lines), Decimal(0))
        shipping = self.shipping.amount if self.shipping else Decimal(0)
        taxes = sum((line.tax for line in self.lines), self.shipping.tax if self.shipping else Decimal(0))
        added = Decimal(0) if self.taxes_included else taxes
        if lines + shipping + added + self.adjustment != self.total:
            raise TotalMismatch(
                f"refund {self.id}: lines {lines} + shipping {shipping} + taxes {added} + adjustment {self.adjustment} = "
                f"{lines + shipping + added + self.adjustment} {self.currency}, but the buyer got {self.total} "
                f"{self.currency}; compare the refund in the shop with the payload, then replay the event"
            )


class Payment(_Record):
    """Money that came in for an order (`amount` > 0); its document needs the order's."""

    kind: Literal["payment"] = "payment"
    id: str
    order_id: str
    paid_at: AwareDatetime
    currency: Currency
    amount: Amount
    gateway: Text = ""  # how it was paid, in the source's words


class Order(_Record):
    """A sale. All amounts are in `currency`; `total` is what the source charged."""

    kind: Literal["order"] = "order"
    id: str
    number: Text
    placed_at: AwareDatetime
    currency: Currency
    total: Amount
    lines: tuple[OrderLine, ...] = Field(min_length=1)
    shipping: tuple[Charge, ...] = ()
    taxes: tuple[Charge, ...] = ()
    taxes_included: bool = False  # the prices of lines and shipping already contain the taxes
    customer: Customer | None = None
    cancelled_at: datetime | None = None
    is_test: bool = False
    paid: Amount = Decimal(0)  # captured so far, before anything was given back
    paid_at: AwareDatetime | None = None
    gateway: Text = ""  # how it was or will be paid, in the source's words
    fulfilments: tuple[Fulfilment, ...] = ()
    refunds: tuple[Refund, ...] = ()

    @property
    def label(self) -> str:
        """The order's number, as buyer and seller say it."""
        return self.number

    def check_total(self) -> None:
        """Raise TotalMismatch unless lines − discounts + shipping + taxes is exactly `total`."""
        lines = sum((line.gross for line in self.lines), Decimal(0))
        shipping = sum((charge.amount for charge in self.shipping), Decimal(0))
        taxes = Decimal(0) if self.taxes_included else sum((charge.amount for charge in self.taxes), Decimal(0))
        if lines + shipping + taxes != self.total:
            raise TotalMismatch(
                f"order {self.number}: lines {lines} + shipping {shipping} + taxes {taxes} = "
                f"{lines + shipping + taxes} {self.currency}, but the source charged {self.total} {self.currency}; "
                "compare the order in the shop with the payload, then replay the event (hub events replay)"
            )


class Variant(_Record):
    """What can be bought of a product. `price` is in the source's own currency."""

    id: str
    sku: Text = ""
    title: Text = ""  # of the product and the variant: "T-Shirt - Red / M"
    price: Amount
    barcode: Text = ""


class Product(_Record):
    """A product and its variants: one that is no longer among them was taken off, if the source states all."""

    kind: Literal["product"] = "product"
    id: str
    title: Text
    description: Text = ""  # plain text
    variants: tuple[Variant, ...] = ()
    is_active: bool = True
    states_all_variants: bool = True  # False: there may be more, which the source left out


class Deletion(_Record):
    """An entity that is gone at the source. `entity` is its type ("order", "customer", "product")."""

    kind: Literal["deletion"] = "deletion"
    entity: str
    id: str


class Merge(_Record):
    """Two customers that are one from now on."""

    kind: Literal["merge"] = "merge"
    kept_id: str
    gone_id: str


class Redaction(_Record):
    """A customer whose personal data must be erased."""

    kind: Literal["redaction"] = "redaction"
    customer_id: str


class StockLevel(_Record):
    """How much of an article can be sold at a place."""

    kind: Literal["stock_level"] = "stock_level"
    sku: Text
    place: Text  # the source's name of it: a warehouse, a location
    available: Amount


class Price(_Record):
    """What an article costs."""

    kind: Literal["price"] = "price"
    sku: Text
    price_list: Text = ""
    currency: Currency
    amount: Amount


class TableRow(_Record):
    """A row of a table whose columns only the configuration knows. Numbers are int or Decimal."""

    kind: Literal["row"] = "row"
    stream: str  # that it is of: "contacts"
    key: str
    fields: dict[str, Any]


Record = (
    Customer
    | Order
    | Fulfilment
    | Refund
    | Payment
    | Product
    | Deletion
    | Merge
    | Redaction
    | StockLevel
    | Price
    | TableRow
)
KINDS: tuple[str, ...] = tuple(sorted(each.model_fields["kind"].default for each in get_args(Record)))
