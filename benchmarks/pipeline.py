"""The whole way on the local AWS, from the provider's POST to ERPNext and the ledger: `python -m benchmarks.pipeline [--short]`.

So many senders at once post signed new orders of 10 KB, each the next as soon as the last is acknowledged. Afterwards every
single event is looked up: acknowledged and applied once, or the measurement fails. The local AWS emulates API Gateway, SQS,
Lambda and DynamoDB in one process on this machine's cores, so the figures compare runs and loads, not AWS.
"""

import argparse
import json
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx

from adapters.ledger_history import LedgerHistory
from benchmarks.hub_at_the_wire import DESTINATION, SOURCE, STAGE
from benchmarks.orders import Sent, new_orders
from hub import names
from infra.configuration import load_stage
from infra.local.deploy import deploy
from infra.local.environment import with_erp_port
from infra.local.ministack import MiniStack, free_port
from infra.local.running import local_api_url
from infra.local.secrets import signing_secret, store_local_secrets
from infra.local.shopify import Shop
from infra.local.stand_in import StandIn, set_up, stock
from infra.local.synthesis import synthesize
from infra.local.warm_up import warm_up

LOADS, SHORT_LOADS = (1, 2, 4, 8), (1, 4)  # senders at once
EVENTS, SHORT_EVENTS = 100, 40  # at each load
PATIENCE_SECONDS = 120.0
TRIES = 20


@dataclass(frozen=True, slots=True)
class Load:
    """What became of the events of one load. Times are in milliseconds; the way ends with the ledger's entry."""

    senders: int
    events: int
    sent_again: int  # after a 503
    accepted_per_second: float
    applied_per_second: float
    ack_p50: float
    ack_p99: float
    way_p50: float
    way_p99: float
    lost: int
    doubled: int


@dataclass(frozen=True, slots=True)
class Deployed:
    """The hub on the local AWS."""

    aws: MiniStack
    url: str

    def ends(self) -> LedgerHistory:
        """Its ledger."""
        return LedgerHistory(self.aws.client("dynamodb"), names.ledger_table(STAGE))


@contextmanager
def deployed(senders: int) -> Iterator[Deployed]:
    """The hub of config/local.yaml, set up and warm for so many senders, before an ERPNext stand-in in a process of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        erp = StandIn(folder / "site.sqlite3", free_port(), folder / "erpnext.log")
        erp.start()
        try:
            set_up(erp.url)
            stock(erp.url)
            config = with_erp_port(load_stage(STAGE), int(erp.url.rsplit(":", 1)[1]), folder / "config")
            assembly = synthesize(STAGE, folder / "assembly", folder / "config")
            with MiniStack(folder / "aws", port=0) as aws:
                api = deploy(aws, assembly, lambda _: None)["ApiId"]
                store_local_secrets(aws.client("secretsmanager"), config, {DESTINATION})
                warm_up(aws, STAGE, webhook_workers=senders)
                yield Deployed(aws, local_api_url(aws.endpoint, api) + names.webhook_path(SOURCE))
        finally:
            erp.stop()


def load(hub: Deployed, senders: int, orders: Sequence[Sent]) -> Load:
    """Send the orders with so many senders, wait until all have ended, and account for each."""
    shop = Shop(hub.url, f"{SOURCE}.myshopify.com", signing_secret(SOURCE))
    acknowledged: list[float] = []
    sent_again: list[str] = []
    with httpx.Client(trust_env=False, timeout=60, limits=httpx.Limits(max_connections=senders)) as client:

        def send(each: Sent) -> None:
            for _ in range(TRIES):  # a 503 says: send it again, as every provider does
                began = time.perf_counter()
                with suppress(httpx.TransportError):  # no answer says it, too
                    answer = shop.deliver(each.topic, each.body, webhook_id=each.event, client=client)
                    acknowledged.append((time.perf_counter() - began) * 1000)
                    if answer.status == 200:
                        return
                    assert answer.status == 503, answer
                sent_again.append(each.event)
            raise RuntimeError(f"not accepted in {TRIES} tries: the machine is too busy for the local AWS")

        began = time.perf_counter()
        with ThreadPoolExecutor(senders) as pool:
            list(pool.map(send, orders))
        sent_seconds = time.perf_counter() - began
    sent = {each.event for each in orders}
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        ended = [each for each in hub.ends().everything(lambda _: None) if each.event_id in sent]
        if len({each.event_id for each in ended}) == len(sent) or time.monotonic() > until:
            break
        time.sleep(0.3)
    times = Counter(each.event_id for each in ended if each.outcome == "applied")
    first, last = min(each.received_at for each in ended), max(each.recorded_at for each in ended)
    ways = [(each.recorded_at - each.received_at).total_seconds() * 1000 for each in ended]
    return Load(
        senders=senders,
        sent_again=len(sent_again),
        events=len(orders),
        accepted_per_second=round(len(orders) / sent_seconds, 1),
        applied_per_second=round(len(orders) / (last - first).total_seconds(), 1),
        ack_p50=round(_quantile(acknowledged, 0.5), 1),
        ack_p99=round(_quantile(acknowledged, 0.99), 1),
        way_p50=round(_quantile(ways, 0.5), 1),
        way_p99=round(_quantile(ways, 0.99), 1),
        lost=len(sent - set(times)),
        doubled=sum(1 for number in times.values() if number > 1),
    )


def _quantile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def measure(*, short: bool = False) -> list[Load]:
    """One after the other, from the lightest load on."""
    count = SHORT_EVENTS if short else EVENTS
    loads = SHORT_LOADS if short else LOADS
    with deployed(max(loads)) as hub:
        load(hub, max(loads), new_orders(40, seed=500))  # the way is warm then, and the customers are known
        return [load(hub, senders, new_orders(count, seed=600 + senders)) for senders in loads]


def main() -> None:
    """Print a line for each load."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--short", action="store_true")
    for one in measure(short=options.parse_args().short):
        print(json.dumps(asdict(one)))


if __name__ == "__main__":
    main()
