"""What a flow to ERPNext must be told: company, accounts, and what to do where a shop and ERPNext do not meet; and what
a stream of it must be."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from connectors.erpnext.row_settings import DocumentRules
from hub.records import Currency
from hub.zones import Zone

# what is another system's → the setting that would write it all the same
WRITTEN_BY = {"fulfilment": "on_fulfilment", "price": "item_prices"}
# what orders need, and rows do not
OF_SALES = ("company", "customer_group", "territory", "warehouse", "tax_account", "shipping_account")


Filter = Annotated[list[Any], Field(min_length=3, max_length=4)]  # [field, operator, value], as ERPNext takes them


class StreamSettings(BaseModel):
    """`integrations.<name>.streams.<stream>.settings` of an ERPNext site that is read."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    doctype: str = Field(min_length=1, description="The DocType whose documents are the rows: Item, Sales Invoice.")
    time_zone: Zone = Field(
        description="The site's time zone (System Settings → Time Zone); ERPNext's times bear none."
    )
    fields: tuple[str, ...] = Field(
        default=("*",), min_length=1, description="What is read of each document; * is all but its tables."
    )
    filters: tuple[Filter, ...] = Field(
        default=(), description="Only documents that match: [[item_group, '=', Products]]."
    )
    whole: bool = Field(default=False, description="Read each document with its tables: one more call for each.")
    deleted: bool = Field(
        default=False, description="The rows are the documents of the DocType that were deleted, and nothing else."
    )
    page_size: int = Field(default=100, ge=2, le=1000, description="Documents of a page.")

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        if self.deleted and (self.whole or self.filters or self.fields != ("*",)):
            raise ValueError("deleted documents have no fields, filters or tables any more; leave those settings out")
        return self


class ModeOfPayment(BaseModel):
    """How one gateway's money arrives."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    mode: str | None = Field(default=None, description="Mode of Payment of the Payment Entries.")
    account: str = Field(description="Bank or cash account that the money arrives on, and goes back from.")


class FlowSettings(BaseModel):
    """`flows.<name>.settings` of a flow whose destination is an ERPNext site. Names are ERPNext's own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    company: str = Field(description="The Company that the documents belong to.")
    time_zone: Zone = Field(
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
    gift_card_item: str | None = Field(
        default=None, description="The Item for gift cards that were sold, whatever their SKU."
    )
    test_orders: Literal["ignore", "write"] = Field(
        default="ignore", description="Orders that the shop marks as a test: write nothing, or treat them as others."
    )
    on_payment: tuple[Literal["sales_invoice", "payment_entry"], ...] = Field(
        default=(), description="Documents that an order's first payment leads to."
    )
    on_fulfilment: tuple[Literal["delivery_note"], ...] = Field(
        default=(), description="Documents that each shipment leads to."
    )
    on_refund: tuple[Literal["credit_note", "return"], ...] = Field(
        default=(), description="Documents that each refund leads to: of its money, and of the goods that came back."
    )
    payments_from: Literal["order", "transactions"] = Field(
        default="order", description="Which events tell what was paid; the others write no Payment Entries."
    )
    paid_to_account: str | None = Field(default=None, description="Account that payments arrive on.")
    modes_of_payment: dict[str, ModeOfPayment] = Field(
        default_factory=dict, description="The same by gateway, as the shop names it, and `default` for the others."
    )
    refund_item: str | None = Field(
        default=None, description="A service Item for money given back that belongs to no line."
    )
    invoice_naming_series: str | None = Field(default=None, description="Naming series of the Sales Invoices.")
    payment_naming_series: str | None = Field(default=None, description="Naming series of the Payment Entries.")
    delivery_naming_series: str | None = Field(default=None, description="Naming series of the Delivery Notes.")
    credit_note_naming_series: str | None = Field(default=None, description="Naming series of the credit notes.")
    return_naming_series: str | None = Field(default=None, description="Naming series of the returns.")

    check_before_submit: bool = Field(
        default=True,
        description="Create a draft, check its total, then submit it (two calls); or create a submitted order in one call "
        "and cancel it where its total is wrong.",
    )
    attach_payload: bool = Field(
        default=False, description="Attach the source's own words to the Sales Order, as a private file."
    )
    contacts: bool = Field(default=False, description="Write the customers' e-mail addresses, as Contacts.")
    item_prices: bool = Field(default=False, description="Write the products' prices into price_list, as Item Prices.")
    price_currency: Currency | None = Field(
        default=None, description="The currency of the source's prices; that of price_list. Required by item_prices."
    )
    sku_change: Literal["refuse", "rename"] = Field(
        default="refuse", description="A variant whose SKU changed: leave its Item to a person, or rename the Item."
    )
    documents: dict[str, DocumentRules] = Field(
        default_factory=dict,
        description="What the rows of the source's streams become, by stream. A flow of rows alone needs time_zone beside "
        "it and nothing else.",
    )

    @model_validator(mode="before")
    @classmethod
    def _rows_alone(cls, values: Any) -> Any:
        """A flow that states nothing of sales is one of rows."""
        rows_alone = isinstance(values, dict) and values.get("documents") and not values.keys() & set(OF_SALES)
        return {**dict.fromkeys(OF_SALES, ""), **values} if rows_alone else values

    @property
    def row_streams(self) -> frozenset[str]:
        """The streams whose rows can be written."""
        return frozenset(self.documents)

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.item_prices and self.price_currency is None:
            raise ValueError(
                "item_prices needs price_currency: the currency of the source's prices, which price_list must have too"
            )
        documents = (*self.on_payment, *self.on_fulfilment, *self.on_refund)
        if documents and not self.submit:
            raise ValueError(
                f"{', '.join(documents)} can only be written from submitted Sales Orders; set submit: true, or leave "
                "on_payment, on_fulfilment and on_refund out"
            )
        if "credit_note" in self.on_refund and "sales_invoice" not in self.on_payment:
            raise ValueError("a credit_note takes back an invoice; add sales_invoice to on_payment")
        if "return" in self.on_refund and "delivery_note" not in self.on_fulfilment:
            raise ValueError("a return takes back a delivery; add delivery_note to on_fulfilment")
        if "payment_entry" in self.on_payment and not (self.paid_to_account or "default" in self.modes_of_payment):
            raise ValueError(
                "a payment_entry needs to know where money arrives; set paid_to_account, or modes_of_payment with a "
                "default"
            )
        return self

    @property
    def named_actions(self) -> frozenset[str]:
        """The actions that these settings count on, and that a flow must name itself."""
        return frozenset({"create_payment_entry"} if self.payments_from == "transactions" else ())

    @property
    def writes_documents(self) -> bool:
        """Whether an order leads to more than a Sales Order."""
        return bool(self.on_payment or self.on_fulfilment or self.on_refund)

    def mode_of_payment(self, gateway: str) -> ModeOfPayment:
        """How the money of a gateway arrives, or that of all others. Only where payment_entry is configured."""
        mode = self.modes_of_payment.get(gateway) or self.modes_of_payment.get("default")
        return mode or ModeOfPayment(account=self.paid_to_account or "")

    leave: tuple[str, ...] = Field(
        default=(), description="What is another system's by `ownership`, from which the hub fills it in; not written."
    )

    @model_validator(mode="before")
    @classmethod
    def _left_alone(cls, values: Any) -> Any:
        """Whose word counts is stated in one place, so that it goes before the settings that would write."""
        if not isinstance(values, dict) or not isinstance(values.get("leave"), list | tuple):
            return values
        dropped = {WRITTEN_BY.get(field) for field in values["leave"]}
        left = {name: value for name, value in values.items() if name not in dropped}
        if "on_fulfilment" in dropped and isinstance(left.get("on_refund"), list | tuple):
            left["on_refund"] = [each for each in left["on_refund"] if each != "return"]  # of deliveries not ours
        return left
