"""What Shopify's webhooks bear (API 2026-01): the fields that the hub reads, strictly; others are ignored.

https://shopify.dev/docs/api/webhooks/latest has the bodies, https://shopify.dev/docs/api/admin-rest/2026-01/resources
what order, refund, fulfillment, transaction, product and customer mean by their fields. All plain amounts are in the
shop's currency, but for those of transactions; what the buyer saw is only in the `*_set` fields.
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
CUSTOMER_GID = re.compile(r"gid://shopify/Customer/([0-9]{1,20})")
COMPUTED_PLACES = 4  # one more than any currency has
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
    amount = _signed(value)
    if amount < 0:
        raise ValueError("must not be negative")
    return amount


def _signed(value: Any) -> Decimal:
    if isinstance(value, str) and DECIMAL_TEXT.fullmatch(value.strip()):
        value = Decimal(value.strip())
    elif isinstance(value, int) and not isinstance(value, bool):
        value = Decimal(value)
    if not isinstance(value, Decimal) or not value.is_finite():
        raise ValueError('must be an amount such as "19.99"')
    exponent = value.as_tuple().exponent
    if abs(value) >= TOO_MUCH or (isinstance(exponent, int) and exponent < FINEST):
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


def _computed(value: Any) -> Decimal:
    """An amount that Shopify writes as a floating-point number: 66.60000000000001."""
    if isinstance(value, Decimal) and value.is_finite() and abs(value) < TOO_MUCH:
        value = round(value, COMPUTED_PLACES)
    return _amount(value)


def _customer_gid(value: Any) -> str:
    """The id in gid://shopify/Customer/1."""
    found = CUSTOMER_GID.fullmatch(value) if isinstance(value, str) else None
    if not found:
        raise ValueError("must be a customer's global id such as gid://shopify/Customer/1")
    return found[1]


def _many(value: Any) -> Any:
    return () if value is None else value


Id = Annotated[str, BeforeValidator(_id)]
Amount = Annotated[Decimal, BeforeValidator(_amount)]
Signed = Annotated[Decimal, BeforeValidator(_signed)]  # an amount that may be negative
Computed = Annotated[Decimal, BeforeValidator(_computed)]
CustomerGid = Annotated[str, BeforeValidator(_customer_gid)]
Instant = Annotated[datetime, BeforeValidator(_instant)]
Currency = Annotated[str, BeforeValidator(_currency)]
Text = Annotated[str, BeforeValidator(_text)]  # null is ""
PresentText = Annotated[str, BeforeValidator(_present)]
Quantity = Annotated[StrictInt, Field(gt=0, lt=10**9)]
Count = Annotated[StrictInt, Field(ge=0, lt=10**9)]  # a quantity that may be nothing
Rate = Annotated[Decimal, BeforeValidator(_rate)]


class _Shape(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)  # built by hub.reading


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


class Money(_Shape):
    """An amount in one currency."""

    amount: Amount
    currency_code: Currency | None = None


class MoneySet(_Shape):
    """An amount in the shop's currency and in the buyer's."""

    shop_money: Money
    presentment_money: Money | None = None


class SignedMoney(_Shape):
    """An amount in one currency that may be negative."""

    amount: Signed
    currency_code: Currency | None = None


class SignedMoneySet(_Shape):
    """The same in the shop's currency and in the buyer's."""

    shop_money: SignedMoney
    presentment_money: SignedMoney | None = None


class LineItem(_Shape):
    """What was bought. `quantity` is as sold; `current_quantity` is without what was removed or refunded since."""

    id: Id
    sku: Text = ""
    title: Text = ""
    quantity: Quantity
    current_quantity: Count | None = None
    price: Amount
    total_discount: Amount = Decimal(0)
    discount_allocations: Discounts = ()
    tax_lines: TaxLines = ()
    gift_card: StrictBool = False


class ShippingLine(_Shape):
    """One way of shipping and its price."""

    title: Text = ""
    price: Amount
    discounted_price: Amount | None = None
    discount_allocations: Discounts = ()
    tax_lines: TaxLines = ()
    is_removed: StrictBool = False


class Address(_Shape):
    """Of an address: who is there."""

    name: Text = ""
    company: Text = ""


class CustomerShape(_Shape):
    """An order's `customer`."""

    id: Id
    admin_graphql_api_id: Text = ""
    email: Text = ""
    first_name: Text = ""
    last_name: Text = ""
    default_address: Address | None = None


class CustomerBody(CustomerShape):
    """The body of customers/create and customers/update."""

    created_at: Instant


class MergeShape(_Shape):
    """The body of customers/merge. `status` is of
    https://shopify.dev/docs/api/admin-graphql/latest/enums/CustomerMergeRequestStatus, in small letters."""

    admin_graphql_api_customer_kept_id: CustomerGid
    admin_graphql_api_customer_deleted_id: CustomerGid
    status: PresentText


class Identified(_Shape):
    """Of a body: the id, which is all that a deletion's says."""

    id: Id


class LevelShape(_Shape):
    """A row of the stream of inventory levels, as levels.py makes it. What was sold beyond the stock is below zero."""

    sku: str | None
    location: PresentText
    available: StrictInt
    tracked: StrictBool


class RedactionShape(_Shape):
    """The body of customers/redact: https://shopify.dev/docs/apps/build/compliance/privacy-law-compliance."""

    customer: Identified
    orders_to_redact: tuple[Any, ...]


class FulfilmentLineItem(_Shape):
    """So much of an order's line is in a fulfilment."""

    id: Id
    sku: Text = ""
    quantity: Count


class FulfilmentShape(_Shape):
    """The body of fulfillments/create and fulfillments/update, and each of an order's `fulfillments`."""

    id: Id
    order_id: Id
    admin_graphql_api_id: Text = ""
    status: Text = ""
    created_at: Instant
    tracking_company: Text = ""
    tracking_number: Text = ""
    tracking_numbers: Annotated[tuple[Text, ...], BeforeValidator(_many)] = ()
    line_items: Annotated[tuple[FulfilmentLineItem, ...], BeforeValidator(_many)] = ()


class TransactionShape(_Shape):
    """The body of order_transactions/create, and each of a refund's `transactions`. `amount` is in `currency`, which is
    the buyer's where an order has two."""

    id: Id
    order_id: Id
    admin_graphql_api_id: Text = ""
    kind: PresentText
    status: PresentText
    amount: Amount
    currency: Currency
    gateway: Text = ""
    created_at: Instant
    processed_at: Instant | None = None


class RefundedItem(_Shape):
    """Of a refunded line: what the refund itself does not say."""

    sku: Text = ""


class RefundLineItem(_Shape):
    """Goods taken off an order, with or without money given back for them."""

    line_item_id: Id
    quantity: Count
    restock_type: Text = ""
    subtotal: Computed | None = None
    subtotal_set: MoneySet | None = None
    total_tax: Computed | None = None
    total_tax_set: MoneySet | None = None
    line_item: RefundedItem | None = None


class RefundShippingLine(_Shape):
    """Shipping given back. What of it is tax is not documented, so `tax_amount_set` counts only where it is there."""

    subtotal_amount_set: MoneySet
    tax_amount_set: MoneySet | None = None
    shipping_line: ShippingLine | None = None


class OrderAdjustment(_Shape):
    """What a refund gave back beyond (negative) or short of (positive) the worth of its goods; and, with the kind
    `shipping_refund`, once more what is in the refund's shipping lines."""

    kind: Text = ""
    amount: Signed = Decimal(0)
    amount_set: SignedMoneySet | None = None
    tax_amount: Signed = Decimal(0)
    tax_amount_set: SignedMoneySet | None = None


class RefundShape(_Shape):
    """The body of refunds/create, and each of an order's `refunds`."""

    id: Id
    order_id: Id
    admin_graphql_api_id: Text = ""
    created_at: Instant
    processed_at: Instant | None = None
    refund_line_items: Annotated[tuple[RefundLineItem, ...], BeforeValidator(_many)] = ()
    refund_shipping_lines: Annotated[tuple[RefundShippingLine, ...], BeforeValidator(_many)] = ()
    order_adjustments: Annotated[tuple[OrderAdjustment, ...], BeforeValidator(_many)] = ()
    transactions: Annotated[tuple[TransactionShape, ...], BeforeValidator(_many)] = ()
    total_duties_set: MoneySet | None = None
    total_additional_fees_set: MoneySet | None = None


class OrderShape(_Shape):
    """The body of all orders/… topics that say what an order is now. `total_price` is what was sold, refunded or not;
    `current_total_price` what is left of it, and `total_outstanding` what of that is not paid (negative: paid too much).
    """

    id: Id
    admin_graphql_api_id: Text = ""
    name: PresentText  # the number that people see: "#1001"
    created_at: Instant
    processed_at: Instant | None = None
    cancelled_at: Instant | None = None
    currency: Currency
    total_price: Amount
    total_tax: Amount | None = None
    current_total_price: Amount | None = None
    current_total_tax: Amount | None = None
    total_outstanding: Signed | None = None
    taxes_included: StrictBool = False
    financial_status: Text = ""
    payment_gateway_names: Annotated[tuple[Text, ...], BeforeValidator(_many)] = ()
    test: StrictBool = False
    line_items: Annotated[tuple[LineItem, ...], BeforeValidator(_many)]
    shipping_lines: Annotated[tuple[ShippingLine, ...], BeforeValidator(_many)] = ()
    tax_lines: TaxLines = ()
    customer: CustomerShape | None = None
    fulfillments: Annotated[tuple[FulfilmentShape, ...], BeforeValidator(_many)] = ()
    refunds: Annotated[tuple[RefundShape, ...], BeforeValidator(_many)] = ()
    original_total_duties_set: MoneySet | None = None
    original_total_additional_fees_set: MoneySet | None = None


class VariantShape(_Shape):
    """One of a product's variants."""

    id: Id
    title: Text = ""
    sku: Text = ""
    price: Amount
    barcode: Text = ""


class ProductShape(_Shape):
    """The body of products/create and products/update. `variant_gids` names all variants, also where `variants` bears
    but some of them."""

    id: Id
    admin_graphql_api_id: Text = ""
    title: PresentText
    body_html: Text = ""
    status: Text = ""
    variants: Annotated[tuple[VariantShape, ...], BeforeValidator(_many)] = ()
    variant_gids: Annotated[tuple[Any, ...], BeforeValidator(_many)] = ()
