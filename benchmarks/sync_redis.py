"""A list of messages, drained by the hub and by a loop that pops and throws away."""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from adapters.databases import client_at
from connectors.redis.connector import messages
from hub.connector import HttpClient, Reach
from hub.drain import drain
from hub.events import Event
from hub.runs import State
from hub.streams import Stream
from tests.servers.redis import PASSWORD, redis_server

SIZE = 1000  # messages that are taken at once
STREAM = Stream("broker", "redis", "orders", "order")


@contextmanager
def a_list(rows: int) -> Iterator[str]:
    """The URL of a server with lists of so many orders: one is read per measurement."""
    with redis_server() as server:
        message = {"email": "ann@example.com", "total": "19.90", "lines": [{"sku": "MUG", "quantity": 2}] * 3}
        for number in range(0, rows, SIZE):
            several = [json.dumps({"id": each, **message}) for each in range(number, min(number + SIZE, rows))]
            server.own.lpush("orders", *several)
        yield server.url


def plain(url: str) -> int:
    """Pop, parse, throw away; a copy, so that the next one finds all of it."""
    client = _client(url)
    client.call("COPY", "orders", "popped", "REPLACE")
    rows = 0
    while popped := client.call("RPOP", "popped", SIZE):
        rows += len([json.loads(each) for each in popped])
    return rows


def drained(url: str) -> int:
    """Drain a copy as the sync function does, and count."""
    client = _client(url)
    client.call("COPY", "orders", "drained", "REPLACE")
    count = 0

    def queue(events: Sequence[Event]) -> None:
        nonlocal count
        count += len(events)

    def no_http(_headers: object) -> HttpClient:
        raise RuntimeError("a list is not reached by HTTP")

    now = lambda: datetime.now(UTC)  # noqa: E731 - a name for it
    reach = Reach(url, lambda _: (), no_http, now, time.sleep, lambda: client)
    drain(
        STREAM,
        messages(STREAM, {"list": "drained", "key": "id", "size": SIZE}, reach),
        State(),
        keep=lambda state: state,
        queue=queue,
        now=now,
        out_of_time=lambda: False,
    )
    return count


def _client(url: str):  # type: ignore[no-untyped-def]
    return client_at(url, lambda name: (PASSWORD,) if name == "password" else (), lambda: None)
