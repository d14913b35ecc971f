"""What a flow to a Shopify store must be told, and what its streams may be."""

from pydantic import BaseModel, ConfigDict, Field


class FlowSettings(BaseModel):
    """`flows.<name>.settings` of a flow whose destination is a Shopify store."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    locations: dict[str, str] = Field(
        default_factory=dict,
        description="The source's warehouse → the store's location, by its name or its id. Stock of other warehouses "
        "is not the store's.",
    )
    price_list: str = Field(
        default="", description="The only price list whose prices are the store's; without it no price is written."
    )
    notify_customer: bool = Field(
        default=False, description="Let Shopify tell the buyer by e-mail that their goods were shipped."
    )


class StreamSettings(BaseModel):
    """`integrations.<name>.streams.<stream>.settings` of a Shopify store. None is needed."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    page_size: int = Field(default=250, ge=1, le=250, description="Rows of a page; Shopify gives 250 at most.")
    share_of_limit: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="How much of the store's call limit the stream may use up; the rest is for the app's other calls.",
    )
