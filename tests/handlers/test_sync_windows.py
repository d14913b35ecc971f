"""A backfill: every window is read, by however many functions, whatever dies in between."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import boto3
import pytest
from moto import mock_aws

from adapters.backfills import DynamoBackfills
from adapters.cursors import LEASE_SECONDS, DynamoCursors
from hub.backfill import MOST_FAILURES, windows
from hub.errors import Temporary
from hub.events import timestamp_version
from hub.streams import Ask
from tests import ledger_table
from tests.fakes import NOW
from tests.handlers.stream_world import ORDERS, StreamWorld

PATH, ID = ORDERS.stream.path, "b1"
REQUEST = ORDERS.to_request() | {"backfill": {"id": ID, "parallel": 2}}


class Died(BaseException):
    """The process is gone."""


def at(hours: float) -> str:
    return timestamp_version((NOW - timedelta(hours=48) + timedelta(hours=hours)).isoformat())


@pytest.fixture
def world() -> Iterator[StreamWorld]:
    """Twelve rows, an hour apart, and a backfill of them in six windows."""
    with mock_aws():
        dynamodb: Any = boto3.client("dynamodb", region_name="us-east-1")
        dynamodb.create_table(**ledger_table.table("ledger"))
        world = StreamWorld(dynamodb, "ledger")
        for number in range(12):
            world.write(str(number), at(number))
        cut = windows(at(0), at(12), 7200, "timestamp")
        DynamoBackfills(dynamodb, "ledger").plan(PATH, ID, cut, REQUEST, "eva", NOW)
        yield world


def filling(world: StreamWorld) -> tuple[int, int, int, int]:
    found = DynamoBackfills(world.dynamodb, world.table).filling(PATH, ID, None, world.moment)
    return found.done, found.running, found.failed, found.open


def keys(world: StreamWorld) -> list[str]:
    return sorted((event.subject.rsplit("/", 1)[1] for event in world.queued), key=int)


def test_one_function_reads_window_after_window_and_the_streams_own_cursor_stays(world: StreamWorld) -> None:
    assert filling(world) == (0, 0, 0, 6)

    answer = world.run(REQUEST)

    assert answer == {"state": "ended", "windows": 6, "failed": 0}
    assert keys(world) == [str(number) for number in range(12)]
    assert filling(world) == (6, 0, 0, 0)
    assert DynamoCursors(world.dynamodb, "ledger").read(PATH) == {}
    assert {(ask.since, ask.until) for ask in world.asked} == {(at(n), at(n + 2)) for n in range(0, 12, 2)}


def test_where_time_is_up_another_function_goes_on_within_the_window(world: StreamWorld) -> None:
    world.size = 1
    pages = iter(range(100))
    world.run(REQUEST, pages=0)
    assert world.to_run == [REQUEST]
    assert world.asked == []

    def dies(ask: Ask) -> None:
        if next(pages) == 3:
            raise Died

    world.before = dies
    with pytest.raises(Died):
        world.run(REQUEST, request_id="again")
    assert filling(world) == (1, 1, 0, 4)
    world.run(REQUEST, request_id="again")  # as Lambda repeats what died: with the same id, at once

    assert keys(world) == [str(number) for number in range(12)]
    assert filling(world) == (6, 0, 0, 0)


def test_no_more_windows_are_read_at_once_than_were_asked_for(world: StreamWorld) -> None:
    nested: list[Any] = []

    def meanwhile(ask: Ask) -> None:
        if len(nested) < 2:
            nested.append(None)
            nested.append(world.run(REQUEST))

    world.before = meanwhile
    world.run(REQUEST)

    assert {"state": "ended", "windows": 0, "failed": 0} in nested  # the third function, while two were reading
    assert keys(world) == [str(number) for number in range(12)]


def test_the_window_of_a_dead_function_is_taken_by_another_when_its_lease_ends(world: StreamWorld) -> None:
    def dies(ask: Ask) -> None:
        raise Died

    world.before = dies
    with pytest.raises(Died):
        world.run(REQUEST)
    world.before = lambda _: None
    world.run(REQUEST)
    assert filling(world) == (5, 1, 0, 0)

    world.moment += timedelta(seconds=LEASE_SECONDS + 1)
    world.run(REQUEST)

    assert filling(world) == (6, 0, 0, 0)
    assert keys(world) == [str(number) for number in range(12)]


def test_a_window_that_fails_again_and_again_waits_for_a_person_and_holds_up_no_other(world: StreamWorld) -> None:
    def fails(ask: Ask) -> None:
        if ask.since == at(4):
            raise Temporary("HTTP 503", retry_after_seconds=600)

    world.before = fails
    answer = world.run(REQUEST)

    assert answer == {"state": "ended", "windows": 5, "failed": MOST_FAILURES}
    assert filling(world) == (5, 0, 1, 0)
    assert DynamoBackfills(world.dynamodb, "ledger").filling(PATH, ID, None, NOW).why == "Temporary: HTTP 503"

    world.before = lambda _: None
    DynamoBackfills(world.dynamodb, "ledger").forgive(PATH, ID)
    world.run(REQUEST)
    assert filling(world) == (6, 0, 0, 0)
    assert keys(world) == [str(number) for number in range(12)]


def test_a_paused_streams_windows_wait(world: StreamWorld) -> None:
    cursors = DynamoCursors(world.dynamodb, "ledger")
    cursors.pause(PATH, "eva: the shop migrates")

    assert world.run(REQUEST) == {"state": "paused", "by": "eva: the shop migrates", "windows": 0}
    assert world.asked == []
    cursors.resume(PATH)
    world.run(REQUEST)
    assert filling(world) == (6, 0, 0, 0)
