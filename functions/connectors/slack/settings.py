"""What a flow to Slack must be told: where messages go, and how they read."""

from string import Formatter
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

PLACES = ("number", "total", "currency", "customer", "items")  # what of an order a text may name


def _text(text: str) -> str:
    try:
        named = [(name, spec, conversion) for _, name, spec, conversion in Formatter().parse(text) if name is not None]
    except ValueError as error:
        raise ValueError(f"{error}; a brace that is meant as such is written twice") from error
    for name, spec, conversion in named:
        if name not in PLACES or spec or conversion:
            raise ValueError(f"{{{name}}} is nothing of an order; there are {{{'}, {'.join(PLACES)}}}")
    return text


class FlowSettings(BaseModel):
    """`flows.<name>.settings` of a flow whose destination is a Slack workspace."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    channel: str = Field(min_length=1, description="The channel's id (C0123456789) or name (#orders).")
    text: Annotated[str, AfterValidator(_text)] = Field(
        default="Order {number} of {customer}: {total} {currency}",
        min_length=1,
        description="The message in Slack's own markup. {number}, {total}, {currency}, {customer} and {items} are the "
        "order's, without markup.",
    )
