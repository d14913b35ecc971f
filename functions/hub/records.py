"""The records that connectors speak of among themselves: what a shop states, in the hub's words and in Decimal.

A source's connector reads a provider's body into a record, a destination's connector writes a record as documents;
neither knows the other.
"""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

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

    @property
    def gross(self) -> Decimal:
        """What the line costs after its discount."""
        return self.quantity * self.unit_price - self.discount


class Charge(_Record):
    """A named amount beside the lines: shipping or a tax. `tax` is the part of a shipping charge that is tax."""

    title: Text
    amount: Amount
    tax: Amount = Decimal(0)


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


Record = Customer | Order
