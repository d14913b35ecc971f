"""How fast an order is read and turned into ERPNext's documents, one core: `python -m benchmarks.mapping`.

The yardstick is `json.loads` of the same 10 KB in the same run, which any mapping does at least; rounds are interleaved and the
fastest counts, so that a busy machine spoils neither.
"""

import json
import random
import time
from collections.abc import Callable
from typing import Any, cast

from benchmarks.hub_at_the_wire import FLOW, STAGE
from benchmarks.orders import new_orders
from benchmarks.throughput import event_of
from connectors import connector_module
from connectors.erpnext import mapping
from connectors.erpnext.settings import FlowSettings
from hub.events import from_json, to_json
from hub.records import Order
from infra.configuration import load_stage

ROUNDS, SHORT_ROUNDS = 21, 5
ORDERS = 50


def measure(*, short: bool = False) -> dict[str, float]:
    """Orders per second, and the times of the yardstick."""
    orders = new_orders(ORDERS, seed=9)
    events = [event_of(each) for each in orders]
    shop, settings = connector_module("shopify"), FlowSettings(**load_stage(STAGE).flows[FLOW].settings)

    def parse() -> None:
        for each in orders:
            json.loads(each.body)

    def read() -> None:
        for event in events:
            shop.read(event, "order")

    def mapped() -> None:
        for event in events:
            order = cast("Order", shop.read(event, "order"))
            order.check_total()
            document = mapping.order_fields(order, "Ada Lovelace", settings)
            codes = {line.id: line.sku or "" for line in order.lines}
            document["items"] = mapping.item_rows(order, codes, settings)
            document["taxes"] = mapping.tax_rows(order, settings)
            json.dumps(document, default=float)

    def through_the_queue() -> None:
        for event in events:
            from_json(to_json(event))

    best = _interleaved([parse, read, mapped, through_the_queue], SHORT_ROUNDS if short else ROUNDS)
    return {
        "json_loads_microseconds": best[0] / ORDERS * 1e6,
        "orders_read_per_second": ORDERS / best[1],
        "orders_mapped_per_second": ORDERS / best[2],
        "mapped_to_json_loads": best[2] / best[0],
        "envelope_to_json_loads": best[3] / best[0],
    }


def _interleaved(works: list[Callable[[], Any]], rounds: int) -> list[float]:
    """The least CPU seconds of each."""
    least = [float("inf")] * len(works)
    dice = random.Random(1)  # noqa: S311 - an order of rounds to be had again
    for _ in range(rounds):
        for place in dice.sample(range(len(works)), len(works)):
            began = time.process_time()
            works[place]()
            least[place] = min(least[place], time.process_time() - began)
    return least


def main() -> None:
    """Print the rates."""
    print(json.dumps({name: round(value, 2) for name, value in measure().items()}, indent=2))


if __name__ == "__main__":
    main()
