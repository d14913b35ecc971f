"""How much of what ERPNext can do gets through the hub: `python -m benchmarks.throughput [--short]`.

The yardstick is the same ERPNext in the same run, saturated by a plain closed loop: as many threads as it has workers, each
sending the next order's two calls as soon as its last ones are answered, no queue, no ledger, nothing else. The hub's calls
are the same calls, made by the delivery functions as Lambda runs them: one process each, batches of ten, the ledger in
between. ERPNext is the stand-in in a process of its own, whose requests take a fixed time and whose workers are few.
"""

import argparse
import json
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from adapters.http import DestinationHttp
from benchmarks.hub_at_the_wire import DESTINATION, FLOW, SOURCE, STAGE, HubAtTheWire
from benchmarks.orders import BUYERS, Sent, new_orders
from connectors import connector_module
from hub.connector import Answer, HttpClient
from hub.events import Event
from infra.configuration import load_stage
from infra.local.ministack import free_port
from infra.local.stand_in import TOKEN, StandIn, client, set_up, stock
from infra.ownership import divided

SERVICE_SECONDS = 0.2  # of a call; those that write a real Sales Order take 0.1 to 0.3 s


@dataclass(frozen=True, slots=True)
class Site:
    """An ERPNext, and who asks it: `functions` × `workers` calls at once, on both sides of the comparison."""

    workers: int
    functions: int
    workers_each: int
    contended_above: int | None = None


@dataclass(frozen=True, slots=True)
class Through:
    """What got through."""

    at_once: int
    orders: int
    plain_per_second: float
    hub_per_second: float
    share: float
    hub_most_at_once: int
    hub_calls_per_order: float
    hub_deadlocks: int
    plain_deadlocks: int
    refused_429: int


# Two workers share a batch of ten evenly; of four, two have nothing to do in the third round, and a sixth is lost.
SITES = {
    "1 call at once": Site(4, 1, 1),
    "2 calls at once": Site(4, 1, 2),
    "4 workers, 4 calls at once": Site(4, 2, 2),
    "8 workers, 8 calls at once": Site(8, 4, 2),
    "8 workers, deadlocks above 3 writes": Site(8, 4, 2, contended_above=3),
}
USUAL = "4 workers, 4 calls at once"


@contextmanager
def standing_in() -> Iterator[str]:
    """The URL of a fresh ERPNext."""
    with tempfile.TemporaryDirectory() as folder:
        erp = StandIn(Path(folder) / "site.sqlite3", free_port(), Path(folder) / "log")
        erp.start()
        try:
            yield erp.url
        finally:
            erp.stop()


def serve_as(url: str, site: Site) -> None:
    """From now on, the stand-in can do no more than the site."""
    asked = {"workers": site.workers, "seconds": SERVICE_SECONDS, "contended_above": site.contended_above}
    httpx.post(f"{url}/_standin/capacity", json=asked, trust_env=False).raise_for_status()


def seen(url: str) -> dict[str, int]:
    """What the stand-in saw since then."""
    found: dict[str, int] = httpx.get(f"{url}/_standin/capacity", trust_env=False).json()
    return found


def refused(url: str) -> int:
    """How many requests it has answered with 429."""
    found = httpx.get(f"{url}/_standin/requests", trust_env=False).json()["requests"]
    return sum(1 for _, _, status in found if status == 429)


@dataclass(slots=True)
class Noted:
    """An HttpClient that notes what is sent."""

    http: HttpClient
    calls: list[tuple[str, str, bytes | None]]

    def send(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Answer:
        """As HttpClient.send."""
        self.calls.append((method, path, body))
        return self.http.send(method, path, query=query, body=body)

    def renew_credentials(self) -> None:
        """Nothing: they do not change."""


def calls_of(orders: list[Sent]) -> list[list[tuple[str, str, bytes | None]]]:
    """What a new order of a known customer takes at ERPNext, order by order: an insert, and a submit."""
    config = load_stage(STAGE)
    connector, shop = (connector_module(config.integrations[name].connector) for name in (DESTINATION, SOURCE))
    division = divided(config, config.flows[FLOW])
    with standing_in() as url:
        set_up(url)
        stock(url)
        headers = {"Authorization": f"token {TOKEN}", "Accept": "application/json"}
        noted = Noted(DestinationHttp(url, lambda: headers, lambda: None, 30, 1), [])
        destination = connector.destination(noted, division.settings(config.flows[FLOW]))
        every = []
        for sent in [*new_orders(BUYERS, seed=3), *orders]:
            noted.calls = []
            event = event_of(sent)
            destination.apply("upsert_sales_order", shop.read(event, "order"), event, "")
            every.append(noted.calls)
        return every


def event_of(sent: Sent) -> Event:
    """The event that a delivery becomes."""
    body = json.loads(sent.body)
    return Event(
        id=sent.event,
        source=f"/integrations/{SOURCE}",
        type=f"shopify.{sent.topic}",
        subject=f"{SOURCE}/order/{body['id']}",
        time=None,
        received_at=datetime.now(UTC),
        entity_version=str(body["updated_at"]),
        content_type="application/json",
        data=sent.body,
    )


def plain(url: str, orders: list[list[tuple[str, str, bytes | None]]], at_once: int) -> float:
    """Send the orders' calls in closed loops; how many orders per second were done. A deadlock is tried again at once."""
    left = deque(orders)

    def loop() -> None:
        with client(url) as erp:
            while True:
                try:
                    calls = left.popleft()
                except IndexError:
                    return
                made: dict[str, Any] = {}
                for method, path, body in calls:
                    if method == "PUT":
                        path = f"{path.rsplit('/', 1)[0]}/{made['name']}"
                        body = json.dumps({"docstatus": 1, "modified": made["modified"]}).encode()
                    while (answer := erp.request(method, path, content=body, headers=JSON)).status_code >= 500:
                        pass
                    made = answer.raise_for_status().json()["data"] if method == "POST" else made

    return len(orders) / _timed(lambda: _side_by_side(loop, at_once))


JSON = {"Content-Type": "application/json"}


def _side_by_side(loop: Callable[[], None], at_once: int) -> None:
    threads = [threading.Thread(target=loop) for _ in range(at_once)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _timed(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def compare(site: Site, count: int) -> Through:
    """The same new orders both ways, each into a fresh ERPNext that knows the customers."""
    orders = new_orders(count)
    calls = calls_of(orders)
    at_once = site.functions * site.workers_each
    with standing_in() as url:
        set_up(url)
        stock(url)
        plain(url, calls[:BUYERS], 1)
        serve_as(url, site)
        per_second, plain_saw = plain(url, calls[BUYERS:], at_once), seen(url)
    with (
        standing_in() as url,
        HubAtTheWire(url, site.functions, site.workers_each) as hub,
    ):
        hub.warm_up()
        hub.send(orders)
        serve_as(url, site)
        through = count / _timed(hub.deliver)
        saw, outcomes = seen(url), hub.outcomes()
        assert outcomes == ["applied"] * (count + BUYERS * site.functions), "an event is not accounted for"
        too_many = refused(url)
    return Through(
        at_once=at_once,
        orders=count,
        plain_per_second=round(per_second, 2),
        hub_per_second=round(through, 2),
        share=round(through / per_second, 3),
        hub_most_at_once=saw["most_at_once"],
        hub_calls_per_order=round(saw["requests"] / count, 2),
        hub_deadlocks=saw["deadlocks"],
        plain_deadlocks=plain_saw["deadlocks"],
        refused_429=too_many,
    )


def measure(*, short: bool = False) -> dict[str, Through]:
    """By site. Short: the usual one alone, with fewer orders."""
    if short:
        return {USUAL: compare(SITES[USUAL], 60)}
    return {name: compare(site, min(30 * site.functions * site.workers_each, 160)) for name, site in SITES.items()}


def main() -> None:
    """Print a line for each site."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--short", action="store_true")
    for name, through in measure(short=options.parse_args().short).items():
        print(f"{name:38} {json.dumps(asdict(through))}")


if __name__ == "__main__":
    main()
