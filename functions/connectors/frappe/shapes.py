"""What the hub's webhook templates (templates.py) make of ERPNext's documents, strictly; other fields are ignored."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

TOO_MUCH = Decimal(10) ** 15


def _text(value: Any) -> str:
    if not isinstance(value, str | None):
        raise ValueError("must be text")
    return (value or "").strip()


def _present(value: Any) -> str:
    text = _text(value)
    if not text:
        raise ValueError("must not be empty")
    return text


def _number(value: Any) -> Decimal:
    """ERPNext's quantities and rates are JSON numbers, which are read as Decimal from their text."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ValueError("must be a number")
    number = Decimal(value)
    if not number.is_finite() or abs(number) >= TOO_MUCH:
        raise ValueError("must be a number below 10^15")
    return number


def _positive(number: Decimal) -> Decimal:
    if number <= 0:
        raise ValueError("must be above zero: keep returns out by the webhook's condition `not doc.is_return`")
    return number


def _no_less(number: Decimal) -> Decimal:
    if number < 0:
        raise ValueError("must not be negative")
    return number


def _zone(value: Any) -> ZoneInfo:
    try:
        return ZoneInfo(_present(value))
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError("must be an IANA time zone such as Europe/Berlin") from error


def _local(value: Any) -> datetime:
    """`2026-01-01 05:34:12.104233`, where a time of day may be written with one digit for the hour."""
    if not isinstance(value, str):
        raise ValueError("must be a time such as 2026-01-01 05:34:12")
    day, _, time = value.strip().partition(" ")
    try:
        moment = datetime.fromisoformat(f"{day} {'0' if time[1:2] == ':' else ''}{time}")
    except ValueError as error:
        raise ValueError("must be a time such as 2026-01-01 05:34:12") from error
    if moment.tzinfo:
        raise ValueError("must be the site's clock, without a zone")
    return moment


Text = Annotated[str, BeforeValidator(_text)]  # null is ""
PresentText = Annotated[str, BeforeValidator(_present)]
Number = Annotated[Decimal, BeforeValidator(_number)]
Shipped = Annotated[Decimal, BeforeValidator(_number), AfterValidator(_positive)]
Rate = Annotated[Decimal, BeforeValidator(_number), AfterValidator(_no_less)]


class _Shape(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, arbitrary_types_allowed=True)


class BinShape(_Shape):
    """How much of an Item lies in a Warehouse, and how much of that is promised to orders."""

    item_code: PresentText
    warehouse: PresentText
    actual_qty: Number
    reserved_qty: Number


class ItemPriceShape(_Shape):
    """What an Item costs in a Price List."""

    item_code: PresentText
    price_list: PresentText
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    price_list_rate: Rate


class ShippedRow(_Shape):
    """A row of a Delivery Note. `order` is the `hub_external_id` of its Sales Order, "" where a shop knows nothing of it;
    `line` the shop's own id of the order's line, where the documents bear it."""

    item_code: PresentText
    qty: Shipped
    order: Text = ""
    line: Text = ""


class DeliveryNoteShape(_Shape):
    """What left the warehouse."""

    name: PresentText
    event: PresentText
    hub_external_id: Text = ""
    posted_at: Annotated[datetime, BeforeValidator(_local)]
    time_zone: Annotated[ZoneInfo, BeforeValidator(_zone)]
    carrier: Text = ""
    tracking_number: Text = ""
    items: tuple[ShippedRow, ...] = Field(min_length=1)
