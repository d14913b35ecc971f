"""A process that drains a list into a file, as slowly as it takes to be killed in between: python -m … URL password file."""

import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from adapters.databases import client_at
from connectors.redis.connector import messages
from hub.connector import HttpClient, Reach
from hub.drain import drain
from hub.events import Event, to_json
from hub.runs import State
from hub.streams import Stream

STREAM = Stream("broker", "redis", "orders", "order")


def main(url: str, password: str, file: str) -> None:
    """Drain until the list is empty; each event is a line that is on the disk when `queue` returns."""
    client = client_at(url, lambda name: (password,) if name == "password" else (), lambda: None)
    out = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def queue(events: Sequence[Event]) -> None:
        for event in events:
            os.write(out, to_json(event).encode() + b"\n")

    def no_http(_headers: object) -> HttpClient:
        raise AssertionError("a list is not reached by HTTP")

    reach = Reach(url, lambda _: (), no_http, lambda: datetime.now(UTC), lambda _: None, lambda: client)
    drain(
        STREAM,
        messages(STREAM, {"list": "orders", "key": "order", "size": 7}, reach),
        State(),
        keep=lambda state: state,
        queue=queue,
        now=lambda: datetime.now(UTC),
        out_of_time=lambda: False,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
