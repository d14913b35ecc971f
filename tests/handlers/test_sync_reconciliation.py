"""A stretch of a stream is held against its destination on a schedule: what differs is counted, named and told, however
little time a function has and wherever it dies."""

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import boto3
import pytest
from moto import mock_aws

from adapters.cursors import LEASE_SECONDS, DynamoCursors, last_run
from hub.connector import Difference, Kept, Standing, Written
from hub.errors import Unavailable
from hub.events import Event, timestamp_version
from hub.reconcile import Finding, Judge, Reconciliation, Tally
from hub.records import Record, TableRow
from hub.streams import Ask, Page, Stream
from tests import ledger_table
from tests.fakes import NOW
from tests.handlers.stream_world import ORDERS, StreamWorld

PATH = ORDERS.stream.path
ASKED = Reconciliation(
    flow="to-erp",
    action="upsert_document",
    record="row",
    destination="erp",
    connector="erpnext",
    url="https://erp.example.com",
    settings={},
    window_seconds=7 * 86_400,
    tolerance_seconds=3_600,
)
REQUEST = ORDERS.to_request() | {"reconcile": ASKED.to_request()}


@dataclass
class Documents:
    """A destination: what it says of each key, by (version, content). `money` of each key is at stake."""

    kept_rows: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    money: dict[str, Decimal] = field(default_factory=dict)
    failures: list[Exception] = field(default_factory=list)

    def standings(self, action: str, records: Sequence[tuple[Record, Event]]) -> list[Standing]:
        if self.failures:
            raise self.failures.pop(0)
        return [self._standing(event.subject.rsplit("/", 1)[-1], event) for _, event in records]

    def _standing(self, key: str, event: Event) -> Standing:
        money = self.money.get(key)
        if key not in self.kept_rows:
            missing = [Difference("document", "exists", "missing")]
            return Standing("Order", differences=missing, money=money, currency="EUR")
        version, content = self.kept_rows[key]
        differs = [Difference("customer", "Ada Lovelace", "Bob")] if content != event.data else []
        return Standing("Order", f"SO-{key}", version, differs, money, "EUR")

    def identity(self, action: str, event: Event) -> str:
        return event.subject.rsplit("/", 1)[-1]

    def kept(self, action: str, stream: Stream, since: str, until: str) -> Iterator[Sequence[Kept]]:
        found = [key for key, (version, _) in self.kept_rows.items() if since <= version < until]
        yield [Kept(key, "Order", f"SO-{key}") for key in found]

    def apply(self, action: str, record: Record, event: Event, known_name: str) -> Written:
        raise AssertionError("a comparison writes nothing")


def judge(documents: Documents) -> Judge:
    def read(event: Event, kind: str) -> Any:
        return TableRow(stream="orders", key=event.subject, fields={})

    return Judge("upsert_document", "row", read, documents, lambda subjects: ["" for _ in subjects])


@dataclass
class Both(StreamWorld):
    """A source and its destination."""

    documents: Documents = field(default_factory=Documents)

    def bring(self) -> None:
        """Everything is applied."""
        self.documents.kept_rows = {key: (row.version, row.data) for key, row in self.rows.items()}


@pytest.fixture
def world() -> Iterator[Both]:
    """Twelve rows, an hour apart, the last one two hours old, all of them applied."""
    with mock_aws():
        dynamodb: Any = boto3.client("dynamodb", region_name="us-east-1")
        dynamodb.create_table(**ledger_table.table("ledger"))
        made = Both(dynamodb, "ledger")
        made.judge = lambda asked: judge(made.documents)
        for number in range(12):
            made.write(str(number), at(13 - number))
        made.bring()
        yield made


def at(hours_ago: float) -> str:
    return timestamp_version((NOW - timedelta(hours=hours_ago)).isoformat())


def metric(world: Both) -> list[float]:
    return [counts["Differences"] for _, _, _, counts in world.telemetry.lines if "Differences" in counts]


def test_where_both_say_the_same_zero_is_told_so_that_the_alarm_ends(world: Both) -> None:
    answer = world.run(REQUEST)

    assert answer == {"state": "ended", "rows": 12, "differences": 0}
    assert metric(world) == [0]
    assert world.told == []
    assert world.queued == []


def test_differences_are_counted_and_the_largest_are_named_without_what_fields_say(world: Both) -> None:
    for number in range(11):
        del world.documents.kept_rows[str(number)]
        world.documents.money[str(number)] = Decimal(number)
    world.write("11", world.rows["11"].version, "changed")
    world.documents.money["11"] = Decimal("0.5")
    world.documents.kept_rows["gone"] = (at(5), b"{}")

    answer = world.run(REQUEST)

    assert answer["differences"] == 13
    assert metric(world) == [13]
    _, _, line, _ = world.telemetry.lines[-1]
    largest: Any = line["largest"]
    assert [each["entity"] for each in largest[:2]] == ["shop-eu/order/10", "shop-eu/order/9"]
    assert len(largest) == 10
    assert "Ada Lovelace" not in str(world.telemetry.lines)
    [(subject, text)] = world.told
    assert subject == "shop-eu/orders: 13 differences in erp"
    assert "11 missing: 55.00 EUR" in text
    assert "missing  shop-eu/order/10  10.00 EUR" in text
    assert "hub reconcile shop-eu orders --flow to-erp --from 2025-12-25T11:00:00Z --to 2026-01-01T11:00:00Z" in text
    assert "Lovelace" not in text


def test_what_changed_lately_may_be_on_its_way_and_what_is_older_than_the_window_is_left(world: Both) -> None:
    world.write("new", at(0.5))
    world.write("old", at(8 * 24))
    world.documents.kept_rows["7"] = (at(6.5), world.rows["7"].data)
    world.write("7", at(0.2), "changed")  # since the window's end: no orphan

    assert world.run(REQUEST)["differences"] == 0


def test_functions_without_time_divide_the_stretch_until_all_of_it_is_done(world: Both) -> None:
    for number in (0, 4, 9, 11):
        del world.documents.kept_rows[str(number)]
    world.documents.kept_rows["gone"] = (at(5), b"{}")
    world.size = 2
    functions, state, request = 1, world.run(REQUEST, pages=4), None

    while world.to_run:
        request = world.to_run.pop(0)
        state = world.run(request, pages=4)
        functions += 1

    assert functions > 3
    assert (state["state"], state["rows"], state["differences"]) == ("ended", 12, 5)
    assert metric(world) == [5]
    assert len(world.told) == 1


def test_a_second_that_no_function_can_compare_fails_instead_of_going_on_for_ever(world: Both) -> None:
    for number in range(100):
        world.write(f"same-{number:03}", at(4))
    world.size = 2
    world.bring()
    world.run(REQUEST, pages=10)

    for _ in range(60):
        if not world.to_run:
            break
        state = world.run(world.to_run.pop(0), pages=10)

    assert "more rows changed within 1 s than a function can compare" in state["reason"]
    assert metric(world) == []


def test_a_passing_trouble_of_the_destination_is_waited_for(world: Both) -> None:
    world.documents.failures = [Unavailable("HTTP 503", retry_after_seconds=7), Unavailable("HTTP 503")]

    assert world.run(REQUEST)["state"] == "ended"


def test_a_destination_that_stays_down_is_no_difference_and_the_alarm_keeps_its_state(world: Both) -> None:
    del world.documents.kept_rows["3"]
    world.run(REQUEST)
    world.documents.failures = [Unavailable("HTTP 503")] * 10

    assert world.run(REQUEST)["state"] == "failed"
    assert metric(world) == [1]
    assert last_run(DynamoCursors(world.dynamodb, "ledger").read(PATH, "reconcile#to-erp"))["differences"] == 1


def test_what_another_stream_of_the_integration_lacks_still_counts(world: Both) -> None:
    other = replace(ASKED, flow="to-crm", beside=[(PATH, "to-erp")])
    del world.documents.kept_rows["3"]
    world.run(REQUEST)
    world.bring()

    world.run(ORDERS.to_request() | {"reconcile": other.to_request()})

    assert metric(world) == [1, 1]  # its own are none


def test_two_reconciliations_never_run_at_once_and_an_old_one_is_not_taken_up(world: Both) -> None:
    held = DynamoCursors(world.dynamodb, "ledger").take(PATH, "another", world.moment, "reconcile#to-erp")
    assert held
    assert world.run(REQUEST) == {"state": "busy"}
    held.leave()

    assert world.run(REQUEST | {"goes_on": "2025-01-01T00:00:00+00:00"}) == {"state": "outdated"}
    assert world.run(REQUEST)["state"] == "ended"


def test_a_paused_stream_is_left_alone(world: Both) -> None:
    DynamoCursors(world.dynamodb, "ledger").pause(PATH, "eva: migration")

    assert world.run(REQUEST)["state"] == "paused"
    assert world.asked == []


def test_operators_who_cannot_be_told_are_told_by_the_alarm(world: Both) -> None:
    del world.documents.kept_rows["3"]

    def fails(subject: str, text: str) -> None:
        raise Unavailable("SNS did not confirm the notice")

    world.tell = fails  # type: ignore[method-assign]

    assert world.run(REQUEST)["state"] == "ended"
    assert metric(world) == [1]
    assert world.telemetry.lines[-1][1] == "operators were not told of the differences"


def test_a_tally_is_the_same_when_it_was_kept() -> None:
    found = [
        Finding("missing", f"shop-eu/order/{number}", "#1", "Order", "", Decimal("6.25"), "EUR", ())
        for number in (1, 2)
    ]
    tally = Tally()
    tally.add(
        3, [*found, Finding("orphan", "x"), Finding("differs", "y", differences=(Difference("total", "1", "2"),))]
    )

    again = Tally.from_json(json.loads(json.dumps(tally.to_json())))

    assert again == tally
    assert again.differences == 4
    assert list(again.lines()) == [
        "2 missing: 12.50 EUR",
        "1 with other values",
        "1 that the source does not list",
    ]


def test_what_lambda_delivers_twice_is_told_once(world: Both) -> None:
    del world.documents.kept_rows["3"]
    world.size = 2
    world.run(REQUEST, pages=4)
    [request, *_] = world.to_run
    world.run_all()

    assert world.run(request) == {"state": "outdated"}
    assert len(world.told) == 1


def test_a_listing_that_knows_no_windows_and_rows_without_a_version_count_once(world: Both) -> None:
    world.write("undated", "")
    asked = world.page

    def everything(ask: Ask) -> Page:
        return asked(replace(ask, since="", until=""))

    world.page = everything  # type: ignore[method-assign]
    world.documents.kept_rows = {}
    world.size = 2
    state = world.run(REQUEST, pages=16)
    while world.to_run:
        state = world.run(world.to_run.pop(0), pages=16)

    assert (state["state"], state["rows"], state["differences"]) == ("ended", 13, 13)


def test_a_stream_that_lists_everything_each_time_is_not_divided(world: Both) -> None:
    full = replace(ORDERS, stream=replace(ORDERS.stream, mode="full"))
    request = full.to_request() | {"reconcile": ASKED.to_request()}

    assert world.run(request)["state"] == "ended"
    world.size = 1
    answer = world.run(request, pages=6)

    assert (answer["state"], "lists all its rows each time" in answer["reason"]) == ("failed", True)


class Died(BaseException):
    """The process is gone."""


@pytest.mark.parametrize("seed", range(6))
def test_wherever_functions_die_the_end_tells_what_truly_differs(world: Both, seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311 - a world to be had again, no secret
    world.size = 2
    gone = {key for key in world.rows if dice.random() < 0.3}
    for key in gone:
        del world.documents.kept_rows[key]
    orphans = {f"gone-{number}" for number in range(dice.randrange(4))}
    for key in orphans:
        world.documents.kept_rows[key] = (at(dice.uniform(1.5, 13)), b"{}")
    mortal = 0.05

    def meanwhile(ask: Ask) -> None:
        if dice.random() < mortal:
            raise dice.choice([Died(), Unavailable("HTTP 503")])
        if dice.random() < 0.1:  # a change that is on its way: no difference
            world.write(dice.choice(sorted(set(world.rows) - gone)), at(dice.uniform(0, 0.9)), "new")

    world.before = meanwhile
    requests: list[dict[str, Any]] = [REQUEST]
    for number in range(200):
        if not requests:
            break
        request = requests.pop(0)
        try:
            answer = world.run(request, pages=dice.randrange(6, 40), request_id=f"function-{number}")
        except Died:
            world.moment += timedelta(seconds=LEASE_SECONDS + 1)  # Lambda runs it again
            requests.append(request)
            continue
        requests += [dict(each) for each in world.to_run] or ([REQUEST] if answer["state"] != "ended" else [])
        world.to_run.clear()

    assert not requests
    assert answer["differences"] == len(gone) + len(orphans)
    assert metric(world)[-1] == answer["differences"]
