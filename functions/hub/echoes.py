"""Tells an echo: a fact that comes back to the system that stated it first."""

from typing import TYPE_CHECKING

from hub.connector import Effect, Written

if TYPE_CHECKING:  # the webhook Lambda imports this file by way of the adapters, and starts without pydantic
    from hub.records import Record


def echo(record: "Record", destination: str) -> Written | None:
    """How a record ends that the integration `destination` stated itself, or that is about another one's order; None for
    one that is to be written there."""
    if record.kind != "fulfilment":
        return None
    if record.came_from and record.came_from == destination:
        return Written(Effect.UNCHANGED, rule=f"{destination} itself stated this shipment: it is an echo")
    if record.order_of and record.order_of != destination:
        return Written(Effect.IGNORED, rule=f"the order is one of {record.order_of}, not of {destination}")
    return None
