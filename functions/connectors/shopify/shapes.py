"""Shopify's order and customer as its webhooks bear them: the fields that the hub reads, strictly; others are ignored.

https://shopify.dev/docs/api/admin-rest/latest/resources/order and …/customer. All plain amounts are in the shop's
currency (`currency`), those that the buyer saw are only in the `*_set` fields.
"""

import re
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StrictInt

from hub.events import parse_instant

DECIMAL_TEXT = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,20})?")
DIGITS = re.compile(r"[0-9]{1,20}")
CURRENCY = re.compile(r"[A-Z]{3}")
TOO_MUCH = Decimal(10) ** 15
FINEST_RATE = Decimal("0.000001")  # a ten-thousandth of a percent
FINEST = -9  # decimal places; with TOO_MUCH it keeps every sum of an order exact in Decimal's 28 digits


def _id(value: Any) -> str:
    """Ids exceed 2^53, so that some senders write them as text."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not DIGITS.fullmatch(value.strip()):
        raise ValueError("must be a whole number")
    return value.strip()


def _amount(value: Any) -> Decimal:
    if isinstance(value, str) and DECIMAL_TEXT.fullmatch(value.strip()):
        value = Decimal(value.strip())
    elif isinstance(value, int) and not isinstance(value, bool):
        value = Decimal(value)
    if not isinstance(value, Decimal) or not value.is_finite():
        raise ValueError('must be an amount such as "19.99"')
    if value < 0:
        raise ValueError("must not be negative")
    exponent = value.as_tuple().exponent
    if value >= TOO_MUCH or (isinstance(exponent, int) and exponent < FINEST):
        raise ValueError("must be below 10^15 and have no more than 9 decimal places")
    return value


def _rate(value: Any) -> Decimal:
    """A share such as 0.0625. Shopify computes some, so that they end like floats do: 0.07250000000000001."""
    if isinstance(value, str) and DECIMAL_TEXT.fullmatch(value.strip()):
        value = Decimal(value.strip())
    elif isinstance(value, int) and not isinstance(value, bool):
        value = Decimal(value)
    if not isinstance(value, Decimal) or not 0 <= value < 100:
        raise ValueError("must be a share such as 0.19")
    return value.quantize(FINEST_RATE)


def _instant(value: Any) -> datetime:
    if not isinstance(value, str):
        raise ValueError("must be a time such as 2026-01-01T00:00:00-05:00")
    try:
        return parse_instant(value)
    except ValueError as error:
        raise ValueError("must be a time with its offset, such as 2026-01-01T00:00:00-05:00") from error


def _currency(value: Any) -> str:
    if not isinstance(value, str) or not CURRENCY.fullmatch(value):
        raise ValueError("must be a currency code of three capital letters")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str | None):
        raise ValueError("must be text")
    return (value or "").strip()


def _present(value: Any) -> str:
    text = _text(value)
    if not text:
        raise ValueError("must not be empty")
    return text


def _many(value: Any) -> Any:
    return () if value is None else value


Id = Annotated[str, BeforeValidator(_id)]
Amount = Annotated[Decimal, BeforeValidator(_amount)]
Instant = Annotated[datetime, BeforeValidator(_instant)]
Currency = Annotated[str, BeforeValidator(_currency)]
Text = Annotated[str, BeforeValidator(_text)]  # null is ""
PresentText = Annotated[str, BeforeValidator(_present)]
Quantity = Annotated[StrictInt, Field(gt=0, lt=10**9)]
Rate = Annotated[Decimal, BeforeValidator(_rate)]


class _Shape(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class DiscountAllocation(_Shape):
    """What one discount takes off one line."""

    amount: Amount


class TaxLine(_Shape):
    """One tax: of the whole order, of a line, or of a shipping line."""

    title: Text = ""
    price: Amount
    rate: Rate | None = None


Discounts = Annotated[tuple[DiscountAllocation, ...], BeforeValidator(_many)]
TaxLines = Annotated[tuple[TaxLine, ...], BeforeValidator(_many)]


class LineItem(_Shape):
    """What was bought. `quantity` is as sold; `current_quantity` is without what was removed or refunded since."""

    id: Id
    sku: Text = ""
    title: Text = ""
    quantity: Quantity
    current_quantity: StrictInt | None = None
    price: Amount
    total_discount: Amount = Decimal(0)
    discount_allocations: Discounts = ()
    tax_lines: TaxLines = ()


class ShippingLine(_Shape):
    """One way of shipping and its price."""

    title: Text = ""
    price: Amount
    discounted_price: Amount | None = None
    discount_allocations: Discounts = ()
    tax_lines: TaxLines = ()
    is_removed: StrictBool = False


class Money(_Shape):
    """An amount in the shop's currency."""

    amount: Amount


class MoneySet(_Shape):
    """An amount in the shop's currency and in the buyer's, of which the first counts."""

    shop_money: Money


class Address(_Shape):
    """Of an address: who is there."""

    name: Text = ""
    company: Text = ""


class CustomerShape(_Shape):
    """The body of customers/create and customers/update, and an order's `customer`."""

    id: Id
    admin_graphql_api_id: Text = ""
    email: Text = ""
    first_name: Text = ""
    last_name: Text = ""
    default_address: Address | None = None


class OrderShape(_Shape):
    """The body of orders/create, orders/updated and orders/cancelled."""

    id: Id
    admin_graphql_api_id: Text = ""
    name: PresentText  # the number that people see: "#1001"
    created_at: Instant
    cancelled_at: Instant | None = None
    currency: Currency
    total_price: Amount
    total_tax: Amount | None = None
    taxes_included: StrictBool = False
    line_items: Annotated[tuple[LineItem, ...], BeforeValidator(_many)]
    shipping_lines: Annotated[tuple[ShippingLine, ...], BeforeValidator(_many)] = ()
    tax_lines: TaxLines = ()
    customer: CustomerShape | None = None
    original_total_duties_set: MoneySet | None = None
    original_total_additional_fees_set: MoneySet | None = None
