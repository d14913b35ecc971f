"""What a flow to ERPNext must be told: company, accounts, and what to do where a shop and ERPNext do not meet."""

from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"{name!r} is not an IANA time zone such as Europe/Berlin") from error
    return name


class FlowSettings(BaseModel):
    """`flows.<name>.settings` of a flow whose destination is an ERPNext site. Names are ERPNext's own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    company: str = Field(description="The Company that the documents belong to.")
    time_zone: Annotated[str, AfterValidator(_zone)] = Field(
        description="The site's time zone (System Settings → Time Zone); documents bear local dates."
    )
    customer_group: str = Field(description="Customer Group of new customers.")
    territory: str = Field(description="Territory of new customers.")
    price_list: str = Field(default="Standard Selling", description="Selling price list of the orders.")
    warehouse: str = Field(description="Warehouse of the order's lines.")
    tax_account: str = Field(description="Account that the shop's taxes are booked to.")
    shipping_account: str = Field(description="Account that shipping is booked to.")
    cost_center: str | None = Field(default=None, description="Cost center of tax and shipping rows.")
    naming_series: str | None = Field(default=None, description="Naming series of the Sales Orders.")
    delivery_days: int = Field(default=7, ge=0, le=365, description="Delivery date: so many days after the order.")
    submit: bool = Field(default=True, description="Submit the Sales Orders, or leave them as drafts.")
    after_submit: Literal["amend", "refuse"] = Field(
        default="amend",
        description="A submitted order whose lines changed in the shop: cancel and amend it, or set the event aside.",
    )
    unknown_item: Literal["refuse", "create", "substitute"] = Field(
        default="refuse", description="A SKU that ERPNext does not have: set aside, create the Item, or use another."
    )
    substitute_item: str | None = Field(
        default=None, description="The Item for lines without SKU, and for unknown SKUs where unknown_item says so."
    )
    item_group: str = Field(default="Products", description="Item Group of Items that the hub creates.")
    stock_uom: str = Field(default="Nos", description="Unit of Items that the hub creates.")
    guest_customer: str | None = Field(
        default=None, description="The Customer for orders without one; without it such orders are set aside."
    )
