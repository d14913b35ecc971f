"""What reading a REST source costs beside a loop that only pages, parses and throws away: `python -m benchmarks.sync_rest`.

Both read the same pages of the same server, which is a process of its own, one after the other in turns. The hub's side
has everything but AWS: rows become events with ids and versions, are compared with what was queued before, and are counted.
"""

import argparse
import asyncio
import json
import multiprocessing
import resource
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from multiprocessing.connection import Connection

import httpx

from adapters.http import DestinationHttp
from connectors.generic_rest.connector import listing
from hub.connector import HttpClient, Reach
from hub.events import Event, to_json
from hub.pull import pull
from hub.runs import State
from hub.streams import Stream

PAGE_ROWS = 250
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
CONTACTS = Stream("crm", "generic_rest", "contacts", "contact")
SETTINGS = {
    "path": "/contacts",
    "rows": "data",
    "version": {"field": "updated_at"},
    "since": {"param": "since"},
    "page": {"style": "cursor", "path": "meta.next", "param": "after"},
}


@dataclass(frozen=True, slots=True)
class Took:
    """One reading of all rows."""

    rows: int
    wall_seconds: float
    cpu_seconds: float  # of this process alone: the server's share and waiting are left out


def main() -> None:
    """Print the ratios and the memory."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rows", type=int, default=200_000)
    arguments.add_argument("--turns", type=int, default=3)
    stated = arguments.parse_args()
    receiving, sending = multiprocessing.Pipe(duplex=False)
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(stated.rows, sending), daemon=True)
    server.start()
    url = f"http://127.0.0.1:{receiving.recv()}"
    try:
        _report(url, stated.rows, stated.turns)
    finally:
        server.terminate()
        server.join()


def _report(url: str, rows: int, turns: int) -> None:
    ways: dict[str, Callable[[], int]] = {
        "plain loop": partial(plainly, url),
        "hub, one pass": partial(by_the_hub, url, confirm=False),
        "hub, two passes": partial(by_the_hub, url, confirm=True),
        "hub, one pass, as messages": partial(by_the_hub, url, confirm=False, as_messages=True),
    }
    took: dict[str, list[Took]] = {name: [] for name in ways}
    for _ in range(turns):
        for name, way in ways.items():
            took[name].append(_timed(way, rows))
    plain = took["plain loop"]
    print(f"{rows} rows, {PAGE_ROWS} per page, median of {turns}")
    for name, each in took.items():
        wall, cpu = (statistics.median(getattr(one, what) for one in each) for what in ("wall_seconds", "cpu_seconds"))
        ratios = [
            statistics.median(getattr(one, what) for one in plain) / spent
            for what, spent in (("wall_seconds", wall), ("cpu_seconds", cpu))
        ]
        print(f"{name:28} {rows / wall:9,.0f} rows/s   ratio {ratios[0]:.2f}   of processor time {ratios[1]:.2f}")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


def _timed(way: Callable[[], int], rows: int) -> Took:
    wall, cpu = time.perf_counter(), time.process_time()
    read = way()
    if read != rows:
        raise RuntimeError(f"{read} rows were read, and there are {rows}")
    return Took(read, time.perf_counter() - wall, time.process_time() - cpu)


def plainly(url: str) -> int:
    """Page, parse, throw away."""
    after, count = "", 0
    with httpx.Client(base_url=url, trust_env=False) as client:
        while True:
            answer = client.get("/contacts", params={"after": after} if after else {})
            content = json.loads(answer.content)
            count += len(content["data"])
            after = content["meta"]["next"]
            if not after:
                return count


def by_the_hub(url: str, *, confirm: bool, as_messages: bool = False) -> int:
    """A run of the stream, from the beginning to its end; counts what is queued."""
    count = 0

    def http(headers: Callable[[], Mapping[str, str]]) -> HttpClient:
        return DestinationHttp(url, headers, lambda: None, 30.0, 1)

    def queue(events: Sequence[Event]) -> None:
        nonlocal count
        count += len([to_json(event) for event in events] if as_messages else events)

    now = lambda: datetime.now(UTC)  # noqa: E731 - a name for it
    rest = listing(CONTACTS, SETTINGS | {"confirm": confirm}, Reach(url, lambda _: (), http, now, time.sleep))
    stream = Stream("crm", "generic_rest", "contacts", "contact", steady=rest.steady, ordered=rest.ordered)
    pulled = pull(
        stream,
        rest,
        State(),
        keep=lambda state: state,
        queue=queue,
        now=now,
        sleep=time.sleep,
        out_of_time=lambda: False,
    )
    passes = 2 if confirm else 1
    if not pulled.ended or pulled.run.passes != passes:
        raise RuntimeError(f"the run ended after {pulled.run.passes} passes, not {passes}")
    return count


def serve(rows: int, told: Connection) -> None:
    """Answer with ready-made pages, so that the server costs both sides little."""
    pages = [_page(number, rows) for number in range(-(-rows // PAGE_ROWS))]

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                request = await reader.readuntil(b"\r\n\r\n")
                after = request.split(b"\r\n", 1)[0].partition(b"after=")[2].partition(b" ")[0].partition(b"&")[0]
                writer.write(pages[int(after or 0)])
                await writer.drain()
        except asyncio.IncompleteReadError:
            writer.close()

    async def listen() -> None:
        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        told.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(listen())


def _page(number: int, rows: int) -> bytes:
    first, last = number * PAGE_ROWS, min((number + 1) * PAGE_ROWS, rows)
    following = str(number + 1) if last < rows else ""
    body = json.dumps({"data": [_contact(each) for each in range(first, last)], "meta": {"next": following}}).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _contact(number: int) -> dict[str, object]:
    return {
        "id": number,
        "name": f"Contact number {number}",
        "email": f"contact{number}@example.com",
        "phone": f"+49 731 {number:07}",
        "is_active": number % 7 != 0,
        "credit_limit": number / 100,
        "tags": ["wholesale", "newsletter"],
        "address": {"street": f"Marktplatz {number % 100}", "city": "Ulm", "zip": "89073", "country": "DE"},
        "created_at": BEGIN.isoformat().replace("+00:00", "Z"),
        "updated_at": (BEGIN + timedelta(seconds=number)).isoformat().replace("+00:00", "Z"),
    }


if __name__ == "__main__":
    main()
