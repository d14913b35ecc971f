"""Messages that are taken off a list: whatever is killed in between, each arrives, and twice only with the same id."""

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from connectors import connector_module
from connectors.redis.connector import messages, read
from hub.connector import Reach
from hub.drain import drain
from hub.errors import QueueUnavailable, Refused, Unavailable, Unreadable
from hub.events import Event, from_json
from hub.pull import Pulled
from hub.records import TableRow
from hub.runs import LeaseLost, State
from hub.streams import Stream
from tests.servers.redis import PASSWORD, RedisServer, redis_server

pytestmark = pytest.mark.slow
ORDERS = Stream("broker", "redis", "orders", "order")


@pytest.fixture(scope="module")
def running() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture
def server(running: RedisServer) -> RedisServer:
    running.own.flushall()
    return running


@dataclass
class Hub:
    """Drains with a connection of its own."""

    server: RedisServer
    settings: dict[str, Any] = field(default_factory=dict)
    queued: list[Event] = field(default_factory=list)
    fails: list[Exception | None] = field(default_factory=list)  # what happens at each batch instead of its queueing
    lost: bool = False

    def run(self, *, most_batches: int = 1_000) -> Pulled:
        asked = iter(range(most_batches))
        client = self.server.client()
        reach = Reach(
            self.server.url, lambda _: (), lambda _: client, lambda: datetime.now(UTC), lambda _: None, lambda: client
        )
        return drain(
            ORDERS,
            messages(ORDERS, {"list": "orders", "size": 4} | self.settings, reach),
            State(),
            keep=self.keep,
            queue=self.queue,
            now=lambda: datetime.now(UTC),
            out_of_time=lambda: next(asked, None) is None,
        )

    def keep(self, state: State) -> State:
        if self.lost:
            raise LeaseLost("another run has it")
        return state

    def queue(self, events: Sequence[Event]) -> None:
        failure = self.fails.pop(0) if self.fails else None
        if failure:
            raise failure
        self.queued += events

    def bodies(self) -> list[Any]:
        return [json.loads(event.data) for event in self.queued]


def push(server: RedisServer, *contents: Any) -> None:
    for content in contents:
        server.own.lpush("orders", content if isinstance(content, bytes) else json.dumps(content))


def left(server: RedisServer) -> int:
    return sum(server.own.llen(key) for key in server.own.keys("*") if server.own.type(key) == b"list")


def test_messages_arrive_in_order_and_are_gone(server: RedisServer) -> None:
    push(server, *[{"order": number} for number in range(11)])
    hub = Hub(server, {"key": "order"})

    done = hub.run()

    assert (done.ended, done.run.queued) == (True, 11)
    assert hub.bodies() == [{"order": number} for number in range(11)]
    assert [event.subject for event in hub.queued][:2] == ["broker/order/0", "broker/order/1"]
    assert sorted(event.entity_version for event in hub.queued) == [event.entity_version for event in hub.queued]
    assert left(server) == 0


def test_the_oldest_is_left_where_producers_push_right(server: RedisServer) -> None:
    server.own.rpush("orders", '{"a":1}', '{"a":2}')
    hub = Hub(server, {"take": "left"})

    hub.run()

    assert hub.bodies() == [{"a": 1}, {"a": 2}]


def test_the_same_message_pushed_twice_is_two_events(server: RedisServer) -> None:
    push(server, {"order": 1}, {"order": 1})
    hub = Hub(server, {"key": "order"})

    hub.run()

    assert len({event.id for event in hub.queued}) == 2


def test_the_same_message_is_two_events_even_if_the_counter_was_lost_in_between(server: RedisServer) -> None:
    hub = Hub(server, {"key": "order"})
    push(server, {"order": 1})
    hub.run()
    server.own.flushall()
    push(server, {"order": 1})
    hub.run()

    assert len({event.id for event in hub.queued}) == 2
    assert hub.queued[1].entity_version > hub.queued[0].entity_version


def test_a_producers_own_id_makes_a_message_that_is_pushed_twice_one_event(server: RedisServer) -> None:
    push(server, {"order": 1, "id": "m-1"}, {"order": 1, "id": "m-1"}, {"order": 1, "id": "ä" * 150})
    hub = Hub(server, {"key": "order", "message_id": "id"})

    hub.run()

    assert [event.id for event in hub.queued][:2] == ["orders-m-1", "orders-m-1"]
    assert hub.queued[2].id.isascii()


def test_what_the_queue_did_not_take_is_queued_by_the_next_run_with_the_same_ids(server: RedisServer) -> None:
    push(server, *[{"order": number} for number in range(6)])
    hub = Hub(server, {"key": "order"}, fails=[None, QueueUnavailable("down")])
    with pytest.raises(QueueUnavailable):
        hub.run()
    assert len(hub.queued) == 4

    hub.run()

    assert hub.bodies() == [{"order": number} for number in range(6)]
    assert left(server) == 0


def test_a_run_that_lost_its_lease_lets_go_of_nothing(server: RedisServer) -> None:
    push(server, {"order": 1})
    dead = Hub(server, {"key": "order"}, lost=True)
    with pytest.raises(LeaseLost):
        dead.run()
    after = Hub(server, {"key": "order"})

    after.run()

    assert [event.id for event in after.queued] == [event.id for event in dead.queued]
    assert left(server) == 0


def test_a_run_that_runs_out_of_time_goes_on_later(server: RedisServer) -> None:
    push(server, *[{"order": number} for number in range(9)])
    hub = Hub(server)

    assert not hub.run(most_batches=1).ended
    assert hub.run().ended
    assert hub.bodies() == [{"order": number} for number in range(9)]


@pytest.mark.parametrize("body", [b"\xff\x00:", b"no json", b"[1]", b'{"other": 1}', b"", b"1:2:3", b"[" * 100_000])
def test_what_cannot_be_read_reaches_a_person_whole(server: RedisServer, body: bytes) -> None:
    push(server, body)
    hub = Hub(server, {"key": "order"})

    hub.run()

    (event,) = hub.queued
    assert event.data == body
    with pytest.raises(Unreadable):
        read(event, "row")


def test_a_message_is_read_as_a_row(server: RedisServer) -> None:
    push(server, {"order": "A-1", "total": 1})
    hub = Hub(server, {"key": "order"})
    hub.run()

    assert read(hub.queued[0], "row") == TableRow(stream="orders", key="A-1", fields={"order": "A-1", "total": 1})


def test_a_wrong_password_and_a_list_that_is_none_are_told(server: RedisServer) -> None:
    with pytest.raises(Unavailable, match="refuses the hub's user"):
        server.client("another").call("PING")
    with pytest.raises(Unavailable):
        RedisServer(1, None).client().call("PING")
    server.own.set("orders", "a string")
    with pytest.raises(Refused, match="ResponseError"):
        Hub(server).run()


@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_lost_however_often_the_process_is_killed(server: RedisServer, tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)  # noqa: S311 - repeatable, no secret
    file, total = tmp_path / "queued", 4_000
    for number in range(total):
        server.own.lpush("orders", json.dumps({"order": number % 50, "n": number}))
    command = [sys.executable, "-m", "tests.connectors.redis.consumer", server.url, PASSWORD, str(file)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    kills = 0
    while kills < 6 and server.own.llen("orders"):
        before = file.stat().st_size if file.exists() else 0
        process = subprocess.Popen(command, env=environment)
        until = time.monotonic() + 20
        while (
            time.monotonic() < until
            and process.poll() is None
            and (file.stat().st_size if file.exists() else 0) == before
        ):
            time.sleep(0.001)
        time.sleep(draw.random() / 30)
        process.kill()
        process.wait()
        kills += 1

    assert subprocess.run(command, env=environment, timeout=60, check=False).returncode == 0
    events = [from_json(line) for line in file.read_text("utf-8").splitlines()]
    assert kills > 1
    assert {json.loads(event.data)["n"] for event in events} == set(range(total))
    assert len({event.id for event in events}) == total
    assert left(server) == 0


def test_the_connector_offers_messages() -> None:
    assert hasattr(connector_module("redis"), "messages")
