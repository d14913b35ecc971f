"""Comparing a source with what was queued of it: whatever changed without a newer version, and whatever vanished, is
found, wherever runs die; and nothing vanishes at the destination because a listing was wrong."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import boto3
import pytest
from moto import mock_aws

from adapters.cursors import LEASE_SECONDS, DynamoCursors, last_run, orphans_of
from hub.errors import Temporary, Unavailable
from hub.events import Event, timestamp_version
from hub.orphans import OrphanLimits
from hub.streams import Ask, Page, Row
from tests import ledger_table
from tests.fakes import NOW
from tests.handlers.s3_bucket import Bucket
from tests.handlers.stream_world import ORDERS, StreamWorld

PATH = ORDERS.stream.path
DECLARED = replace(ORDERS, is_compared=True, orphans=OrphanLimits(max_per_run=3, max_share=0.5))
RUN, COMPARE = DECLARED.to_request(), DECLARED.to_request() | {"compare": True}


class Died(BaseException):
    """The process is gone."""


@dataclass
class Said:
    """What a destination says when all that is queued was applied: no event twice, none that is older than another."""

    rows: dict[str, tuple[str, bytes | None]] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)

    def apply(self, events: list[Event]) -> None:
        for event in events:
            key = event.subject.rsplit("/", 1)[1]
            if event.id in self.ended or event.entity_version < self.rows.get(key, ("", b""))[0]:
                continue
            self.ended.add(event.id)
            gone = event.type.endswith("/deleted")
            self.rows[key] = (event.entity_version, None if gone else event.data)

    @property
    def now(self) -> dict[str, bytes]:
        return {key: data for key, (_, data) in self.rows.items() if data is not None}


def at(hours: float) -> str:
    return timestamp_version((NOW - timedelta(hours=48) + timedelta(hours=hours)).isoformat())


def make(dynamodb: Any, table: str) -> StreamWorld:
    dynamodb.create_table(**ledger_table.table(table))
    world = StreamWorld(dynamodb, table, Bucket())
    for number in range(10):
        world.write(str(number), at(number))
    return world


@pytest.fixture
def dynamodb() -> Iterator[Any]:
    with mock_aws():
        yield boto3.client("dynamodb", region_name="us-east-1")


@pytest.fixture
def world(dynamodb: Any) -> StreamWorld:
    """Ten rows that were read and compared once."""
    world = make(dynamodb, "ledger")
    world.run(RUN)
    world.run(COMPARE)
    return world


def said(world: StreamWorld) -> dict[str, bytes]:
    applied = Said()
    applied.apply(world.queued)
    return applied.now


def source(world: StreamWorld) -> dict[str, bytes]:
    return {key: row.data for key, row in world.rows.items()}


def deleted(world: StreamWorld) -> list[str]:
    return [event.subject.rsplit("/", 1)[1] for event in world.queued if event.type.endswith("/deleted")]


def comparison(world: StreamWorld) -> dict[str, Any]:
    return DynamoCursors(world.dynamodb, world.table).read(PATH, "comparison")


def test_a_first_comparison_doubts_what_was_queued_and_a_second_one_nothing(world: StreamWorld) -> None:
    ids = {event.id for event in world.queued}
    before = len(world.queued)

    answer = world.run(COMPARE)

    assert len(ids) == 10
    assert before == 20  # each row by the run, and by the first comparison: the same event, which is applied once
    assert (answer["state"], answer["rows"], answer["queued"]) == ("ended", 10, 0)


@pytest.mark.parametrize("version", [at(1), at(3)])
def test_a_row_that_no_cursor_shows_is_found(world: StreamWorld, version: str) -> None:
    world.write("3", version, "changed")  # without a newer version; even with an older one
    world.write("late", at(0.5))  # committed far behind the watermark
    world.run(RUN)
    assert said(world)["3"] != source(world)["3"]

    answer = world.run(COMPARE)

    assert answer["queued"] == 2
    assert said(world)["late"] == source(world)["late"]
    if version == at(3):  # else the destination's version guard keeps what is newer
        assert said(world) == source(world)


def test_a_row_that_went_back_to_what_it_said_is_found(world: StreamWorld) -> None:
    first = world.rows["9"]
    world.write("9", first.version, "b")
    world.run(RUN)
    world.rows["9"] = first
    world.moment += timedelta(days=1)
    DynamoCursors(world.dynamodb, world.table).note(PATH, "x#", NOW, {})
    world.write("new", at(40))
    world.run(RUN)  # 9 lies before the overlap by now
    world.run(RUN)

    world.run(COMPARE)

    assert said(world) == source(world)


def test_a_row_that_vanished_is_told_as_deleted_once_and_comes_back_when_it_is_back(world: StreamWorld) -> None:
    row = world.rows.pop("4")
    world.run(COMPARE)
    world.run(COMPARE)
    assert deleted(world) == ["4"]
    assert said(world) == source(world)

    world.rows["4"] = row
    world.run(COMPARE)
    assert said(world) == source(world)

    del world.rows["4"]
    world.run(COMPARE)
    assert deleted(world) == ["4", "4"]
    assert said(world) == source(world)


def test_a_row_that_came_and_went_between_two_comparisons_is_told_as_deleted(world: StreamWorld) -> None:
    world.write("brief", at(11))
    world.run(RUN)
    del world.rows["brief"]

    world.run(COMPARE)

    assert deleted(world) == ["brief"]
    assert said(world) == source(world)


def test_a_row_that_another_run_queues_during_the_comparison_is_no_orphan(world: StreamWorld) -> None:
    world.run(COMPARE)
    row = world.rows.pop("9")

    def meanwhile(ask: Ask) -> None:
        if ask.since == "" and ask.after == "" and "9" not in world.rows:
            world.rows["9"] = Row(row.key, at(20), b"{}")
            world.run(RUN)
            moved.append(world.rows.pop("9"))

    moved: list[Any] = []
    world.before = meanwhile

    world.run(COMPARE)

    assert moved
    assert deleted(world) == []


def test_without_limits_nothing_is_told_as_deleted(world: StreamWorld) -> None:
    del world.rows["4"]

    answer = world.run(replace(DECLARED, orphans=None).to_request() | {"compare": True})

    assert deleted(world) == []
    assert (answer["orphans"], answer["judgement"]) == (1, "refuse")


def test_an_empty_listing_deletes_nothing(world: StreamWorld) -> None:
    rows, world.rows = world.rows, {}

    answer = world.run(COMPARE)

    assert deleted(world) == []
    assert "listed nothing at all" in answer["why"]
    world.rows = rows
    assert world.run(COMPARE)["queued"] == 0


def test_a_listing_that_shrank_too_much_deletes_nothing(world: StreamWorld) -> None:
    for key in "012345":
        del world.rows[key]

    answer = world.run(COMPARE)

    assert deleted(world) == []
    assert "6 of 10 rows are listed no more, more than the share of 0.5" in answer["why"]


def test_a_listing_that_contradicts_itself_deletes_nothing(world: StreamWorld) -> None:
    """Pages slide each time that they are asked for: four passes agree in nothing."""
    world.steady = world.ordered = False
    del world.rows["4"]
    numbers = iter(range(1000))
    world.before = lambda ask: world.write("0", at(0), f"{next(numbers)}")

    answer = world.run(COMPARE)

    assert (answer["passes"], answer["judgement"]) == (4, "refuse")
    assert deleted(world) == []


@pytest.mark.parametrize("wrong", [Unavailable("HTTP 503"), Temporary("no JSON")])
def test_a_listing_that_breaks_off_deletes_nothing_and_goes_on_where_it_stood(
    world: StreamWorld, wrong: Exception
) -> None:
    del world.rows["4"]

    def fails(ask: Ask) -> None:
        if ask.after.endswith("|6"):
            raise wrong

    world.before = fails
    assert world.run(COMPARE)["state"] == "failed"
    assert deleted(world) == []
    assert last_run(comparison(world))["state"] == "failed"
    world.before, world.asked = lambda _: None, []

    assert world.run(COMPARE)["state"] == "ended"
    assert [ask.after.rpartition("|")[2] for ask in world.asked] == ["6"]  # not from the beginning
    assert deleted(world) == ["4"]


def test_a_comparison_that_is_out_of_time_goes_on_in_another_function(world: StreamWorld) -> None:
    del world.rows["4"]
    world.write("5", at(5), "changed")
    functions = 0
    world.to_run = [COMPARE]
    while world.to_run:
        functions += 1
        world.run(world.to_run.pop(0), pages=1)

    assert functions == 3  # of three rows each
    assert said(world) == source(world)


def test_more_orphans_than_the_cap_wait_for_a_person_who_sees_them(world: StreamWorld) -> None:
    for key in "0123":
        del world.rows[key]

    answer = world.run(COMPARE)

    assert answer["judgement"] == "wait"
    assert deleted(world) == []
    asked = orphans_of(comparison(world))
    assert (asked["keys"], asked["count"]) == (["0", "1", "2", "3"], 4)

    approved = {"comparison": asked["comparison"], "by": "eva", "reason": "they were test orders"}
    assert world.run(RUN | {"approve": approved}) == {"state": "ended", "orphans": 4}
    assert sorted(deleted(world)) == ["0", "1", "2", "3"]
    assert orphans_of(comparison(world)) == {}
    assert said(world) == source(world)
    world.run(COMPARE)
    assert len(deleted(world)) == 4


def test_an_approval_is_of_the_list_that_was_shown(world: StreamWorld) -> None:
    for key in "0123":
        del world.rows[key]
    world.run(COMPARE)
    asked = orphans_of(comparison(world))
    world.write("0", at(0))
    world.moment += timedelta(days=1)
    world.run(COMPARE)  # now three: they go by themselves

    approved = {"comparison": asked["comparison"], "by": "eva", "reason": "x"}
    assert world.run(RUN | {"approve": approved}) == {"state": "outdated"}
    assert sorted(deleted(world)) == ["1", "2", "3"]


def test_a_row_that_is_queued_after_the_list_was_shown_is_not_deleted_by_the_approval(world: StreamWorld) -> None:
    gone = {key: world.rows.pop(key) for key in "0123"}
    world.run(COMPARE)
    asked = orphans_of(comparison(world))
    world.rows["3"] = Row("3", at(20), gone["3"].data)
    world.run(RUN)

    world.run(RUN | {"approve": {"comparison": asked["comparison"], "by": "eva", "reason": "x"}})

    assert sorted(deleted(world)) == ["0", "1", "2"]
    assert said(world) == source(world)


def test_a_paused_stream_is_not_compared(world: StreamWorld) -> None:
    DynamoCursors(world.dynamodb, world.table).pause(PATH, "eva: migrates")
    world.asked = []

    assert world.run(COMPARE) == {"state": "paused", "by": "eva: migrates"}
    assert world.asked == []


def test_what_a_comparison_keeps_does_not_grow_with_its_runs(world: StreamWorld) -> None:
    for number in range(5):
        world.write("5", at(20 + number), str(number))
        world.run(RUN)
        world.run(COMPARE)

    assert list(world.s3.objects) == ["streams/shop-eu/orders/inventory"]


@pytest.mark.parametrize("seed", range(20))
def test_whatever_changes_and_wherever_functions_die_a_last_comparison_makes_both_say_the_same(
    dynamodb: Any, seed: int
) -> None:
    dice = random.Random(seed)  # noqa: S311 - a world to be had again, no secret
    world = make(dynamodb, f"ledger-{seed}")
    versions = iter(range(2_000, 10_000))  # newer than all that is there
    limits = OrphanLimits(max_per_run=1_000, max_share=1.0)
    declared = replace(DECLARED, orphans=limits)
    run, whole = declared.to_request(), declared.to_request() | {"compare": True}
    mortal = [0.0]

    def dies(_: object) -> None:
        if dice.random() < mortal[0]:
            raise dice.choice([Died(), Temporary("not now")])

    def change() -> None:
        key = str(dice.randrange(12))
        stood = world.rows.get(key)
        what = dice.choice(["new", "new", "same version", "vanish", "late"])
        if what == "vanish":
            world.rows.pop(key, None)
        elif what == "same version" and stood:
            world.write(key, stood.version, dice.choice("abc"))
        elif what == "late":
            world.write(f"late-{dice.randrange(5)}", at(0.1), dice.choice("ab"))
        else:
            world.write(key, at(next(versions) / 100), dice.choice("abc"))

    queue = world.queue

    def mortal_queue(events: Any) -> None:
        dies(None)
        queue(events)
        dies(None)

    world.queue = mortal_queue  # type: ignore[method-assign]
    world.s3.before = dies
    world.before = dies
    for _ in range(40):
        mortal[0] = 0.03
        for _ in range(dice.randrange(4)):
            change()
        try:
            world.run(dice.choice([run, run, whole]), pages=dice.choice((1, 2, 100)))
            while world.to_run:
                world.run(world.to_run.pop(0), pages=dice.choice((1, 2, 100)))
        except Died:
            world.to_run = []
            world.moment += timedelta(seconds=LEASE_SECONDS + 1)
    mortal[0] = 0.0
    world.moment += timedelta(seconds=LEASE_SECONDS + 1)
    assert world.run(whole)["state"] == "ended"  # goes on with what was begun, perhaps long ago
    assert world.run(whole)["state"] == "ended"

    assert said(world) == source(world)


def test_an_inventory_on_s3_as_aws_has_it(dynamodb: Any) -> None:
    world = make(dynamodb, "ledger")
    world.s3 = boto3.client("s3", region_name="us-east-1")
    world.s3.create_bucket(Bucket="bodies")
    world.run(RUN)
    world.run(COMPARE)
    del world.rows["4"]

    world.run(COMPARE)

    assert deleted(world) == ["4"]
    assert said(world) == source(world)


def test_a_page_of_rows_without_keys_is_told_once(world: StreamWorld) -> None:
    nameless = world.rows.pop("5")
    world.rows["5"] = Row("", nameless.version, nameless.data)
    world.page = lambda ask: Page(list(world.rows.values()))  # type: ignore[method-assign]
    world.run(COMPARE)
    before = len(world.queued)

    world.run(COMPARE)

    assert len(world.queued) == before
