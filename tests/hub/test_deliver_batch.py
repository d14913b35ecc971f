"""Delivering a batch: entities side by side, each in order, and nothing acknowledged that is not recorded."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.connector import Effect, Written
from hub.deliver import Route
from hub.deliver_batch import Batch, Received, deliver_batch
from hub.errors import LedgerUnavailable, QueueUnavailable, Refused, Temporary, Unavailable
from hub.events import Event
from hub.ledger import Entry, Head, Outcome
from hub.records import Record
from hub.settings import RetrySettings
from tests.fakes import (
    NOW,
    FakeDeadLetters,
    FakeDestination,
    FakeLedger,
    an_event,
    read_anything,
    received,
)

FLOW = "shop-eu-to-erp"
RETRY = RetrySettings(base_seconds=2, cap_seconds=900, give_up_after_seconds=3600)


@dataclass
class Setting:
    """One flow with everything around it faked."""

    destination: FakeDestination = field(default_factory=FakeDestination)
    ledger: FakeLedger = field(default_factory=FakeLedger)
    dead_letters: FakeDeadLetters = field(default_factory=FakeDeadLetters)
    out_of_time: Callable[[], bool] = lambda: False
    workers: int = 2

    def deliver(self, *batch: Received) -> Batch:
        route = Route(
            FLOW,
            read_anything,
            self.destination,
            {"shop.orders/create": "upsert_sales_order"},
            {"shop.orders/create": "order"},
            RETRY,
            lambda event: event.data,
        )
        return deliver_batch(
            batch,
            route,
            self.ledger,
            self.dead_letters,
            workers=self.workers,
            now=lambda: NOW,
            out_of_time=self.out_of_time,
            draw=lambda: 0.5,
        )

    def outcomes(self) -> dict[str, str]:
        return {event_id: entry.outcome.value for (_, _, event_id), entry in self.ledger.entries.items()}


def of(entity: str, event_id: str, version: str = "", attempts: int = 1) -> Received:
    return received(an_event(event_id, f"shop-eu/order/{entity}", version), attempts)


def ids(events: Sequence[Received]) -> list[str]:
    return [each.event.id for each in events]


def test_every_event_of_a_batch_is_applied_and_recorded() -> None:
    setting = Setting()

    batch = setting.deliver(of("A", "a1", "1"), of("B", "b1", "5"), of("A", "a2", "2"))

    assert setting.outcomes() == {"a1": "applied", "a2": "applied", "b1": "applied"}
    assert {entity: replace(head, digest="") for entity, head in setting.ledger.heads.items()} == {
        (FLOW, "shop-eu/order/A"): Head("2", "Sales Order", "SO-1"),
        (FLOW, "shop-eu/order/B"): Head("5", "Sales Order", "SO-1"),
    }
    assert not batch.again
    assert not batch.known_before
    assert sorted(entry.event.id for entry in batch.ended) == ["a1", "a2", "b1"]


def test_an_entitys_events_are_applied_in_their_order_and_know_its_document() -> None:
    setting = Setting(workers=8)

    setting.deliver(*(of("A", f"a{n}", f"{n:04d}") for n in range(10)))

    assert setting.destination.applied == [(f"a{n}", "upsert_sales_order", "SO-1" if n else "") for n in range(10)]


def test_within_a_batch_what_is_older_than_its_predecessor_is_stale() -> None:
    setting = Setting()

    setting.deliver(of("A", "new", "2"), of("A", "old", "1"))

    assert setting.outcomes() == {"new": "applied", "old": "stale"}


def test_entities_are_delivered_at_the_same_time() -> None:
    together = threading.Barrier(2, timeout=5)

    class Waiting(FakeDestination):
        def apply(self, action: str, record: Record, event: Event, known_name: str) -> Written:
            together.wait()  # passes only when both entities are here
            return super().apply(action, record, event, known_name)

    setting = Setting(Waiting(), workers=2)

    batch = setting.deliver(of("A", "a1"), of("B", "b1"))

    assert not batch.again


def test_a_trouble_stops_its_entity_and_no_other() -> None:
    setting = Setting(FakeDestination({"a1": Unavailable("down")}))

    batch = setting.deliver(of("A", "a1", attempts=3), of("B", "b1"), of("A", "a2"), of("A", "a3"))

    assert setting.outcomes() == {"b1": "applied"}
    assert ids([again.received for again in batch.again]) == ["a1", "a2", "a3"]
    assert [again.wait_seconds for again in batch.again] == [4.0, 4.0, 4.0]  # half of 2 s doubled twice
    assert [again.bug for again in batch.again] == [False, False, False]
    assert str(batch.again[1].error) == "waits behind event a1 of the same entity"


def test_what_ended_before_a_trouble_is_recorded() -> None:
    setting = Setting(FakeDestination({"a2": Temporary("deadlock")}))

    batch = setting.deliver(of("A", "a1", "1"), of("A", "a2", "2"), of("A", "a3", "3"))

    assert setting.outcomes() == {"a1": "applied"}
    assert setting.ledger.heads[FLOW, "shop-eu/order/A"].version == "1"
    assert ids([again.received for again in batch.again]) == ["a2", "a3"]


def test_the_other_sides_wish_is_honoured() -> None:
    setting = Setting(FakeDestination({"a1": Temporary("slow down", retry_after_seconds=700)}))

    (again,) = setting.deliver(of("A", "a1", attempts=9)).again

    assert again.wait_seconds == 700


def test_a_bug_met_by_one_entity_stops_no_other_and_is_told_as_a_bug() -> None:
    setting = Setting(FakeDestination({"a1": KeyError("bug")}))

    batch = setting.deliver(of("A", "a1"), of("A", "a2"), of("B", "b1"))

    assert setting.outcomes() == {"b1": "applied"}
    assert [(again.received.event.id, again.bug) for again in batch.again] == [("a1", True), ("a2", False)]
    assert isinstance(batch.again[0].error, KeyError)


def test_a_dead_event_is_buried_and_the_next_of_its_entity_goes_on() -> None:
    setting = Setting(FakeDestination({"a1": Refused("no such item")}))

    batch = setting.deliver(of("A", "a1", "1"), of("A", "a2", "2"))

    ((buried, failure),) = setting.dead_letters.buried
    assert buried.event.id == "a1"
    assert (failure.code, failure.message) == ("Refused", "no such item")
    assert setting.outcomes() == {"a2": "applied"}  # the dlq function records the dead
    assert {entry.event.id: entry.outcome for entry in batch.ended} == {"a1": Outcome.DEAD, "a2": Outcome.APPLIED}
    assert not batch.again


def test_an_event_that_cannot_be_buried_stays() -> None:
    setting = Setting(
        FakeDestination({"a1": Refused("no such item")}), dead_letters=FakeDeadLetters(failure=QueueUnavailable("no"))
    )

    batch = setting.deliver(of("A", "a1"), of("A", "a2"), of("B", "b1"))

    assert ids([again.received for again in batch.again]) == ["a1", "a2"]
    assert setting.outcomes() == {"b1": "applied"}


def test_an_event_that_ended_before_has_no_effect_and_leaves_the_queue() -> None:
    setting = Setting()
    setting.deliver(of("A", "a1", "1"))

    batch = setting.deliver(of("A", "a1", "1"), of("A", "a2", "2"))

    assert ids(batch.known_before) == ["a1"]
    assert [applied[0] for applied in setting.destination.applied] == ["a1", "a2"]
    assert not batch.again


def test_a_ledger_that_cannot_be_read_leaves_everything_unapplied() -> None:
    setting = Setting(ledger=FakeLedger(unreadable=True))

    batch = setting.deliver(of("A", "a1", attempts=1), of("B", "b1", attempts=2))

    assert not setting.destination.applied
    assert not batch.ended
    assert [(again.received.event.id, again.wait_seconds) for again in batch.again] == [("a1", 1.0), ("b1", 2.0)]
    assert all(isinstance(again.error, LedgerUnavailable) and not again.bug for again in batch.again)


def test_what_the_ledger_did_not_confirm_stays_all_of_it() -> None:
    setting = Setting(ledger=FakeLedger(unwritable=True))

    batch = setting.deliver(of("A", "a1"), of("B", "b1"), of("A", "a2"))

    assert not batch.ended
    assert sorted(ids([again.received for again in batch.again])) == ["a1", "a2", "b1"]


def test_entities_share_one_write_to_the_ledger() -> None:
    setting = Setting()

    setting.deliver(of("A", "old", "1"), of("B", "b1"), of("C", "c1"))
    setting.deliver(of("A", "a2", "2"), of("A", "a1", "1"), of("B", "b2"))  # one is stale: nobody is asked for it

    assert setting.ledger.writes == 2


@dataclass
class Said(FakeDestination):
    """A destination that compares, and knows no versions."""

    says: str = ""
    wrote: list[str] = field(default_factory=list)

    def apply(self, action: str, record: Record, event: Event, known_name: str) -> Written:
        if self.says == event.id:
            return Written(Effect.UNCHANGED, "Row", "1")
        self.says = event.id
        self.wrote.append(event.id)
        return Written(Effect.APPLIED, "Row", "1")


@dataclass
class Refusing(FakeLedger):
    """A ledger that does not take some writes, by their number."""

    refused: frozenset[int] = frozenset()
    asked: int = 0

    def record(self, entries: Sequence[Entry], heads: Sequence[tuple[str, str, Head]]) -> None:
        self.asked += 1
        if self.asked in self.refused:
            raise LedgerUnavailable("throttled")
        super().record(entries, heads)


@given(st.frozensets(st.integers(1, 8)), st.sampled_from(["", "1"]))
def test_whatever_the_ledger_refuses_nothing_is_written_over_what_is_newer(
    refused: frozenset[int], version: str
) -> None:
    said = Said()
    setting = Setting(said, Refusing(refused=refused))
    waiting = [of("A", f"a{n}", version and str(n)) for n in range(4)]

    for _ in range(9):
        waiting = [again.received for again in setting.deliver(*waiting).again]

    assert not waiting
    assert said.wrote == ["a0", "a1", "a2", "a3"]
    assert set(setting.outcomes().values()) <= {"applied", "unchanged"}
    assert len(setting.outcomes()) == 4


def test_no_event_is_given_up_for_a_ledger_that_does_not_take_the_one_before() -> None:
    setting = Setting(ledger=Refusing(refused=frozenset({1})))
    old = received(an_event("a2", "shop-eu/order/A", received_at=NOW - timedelta(hours=2)), attempts=20)

    batch = setting.deliver(of("A", "a1"), old)

    assert [applied for applied, _, _ in setting.destination.applied] == ["a1"]
    assert ids([again.received for again in batch.again]) == ["a2"]
    assert not setting.dead_letters.buried
    assert setting.outcomes() == {"a1": "applied"}


def test_a_batch_that_only_knew_or_buried_writes_nothing() -> None:
    setting = Setting(FakeDestination({"a1": Refused("no")}))

    setting.deliver(of("A", "a1"))

    assert setting.ledger.writes == 0


def test_a_head_that_did_not_move_is_not_written() -> None:
    setting = Setting(FakeDestination({"a2": Written(Effect.STALE, "Sales Order", "SO-1")}))

    setting.deliver(received(an_event("a1", "shop-eu/unreadable/x", event_type="shop.themes/publish")), of("A", "a2"))

    assert setting.outcomes() == {"a1": "ignored", "a2": "stale"}
    assert not setting.ledger.heads


def test_no_event_is_begun_without_time_left() -> None:
    turns = iter([False, True, True])
    setting = Setting(out_of_time=lambda: next(turns), workers=1)

    batch = setting.deliver(of("A", "a1"), of("A", "a2"), of("B", "b1"))

    assert setting.outcomes() == {"a1": "applied"}
    assert [(again.received.event.id, again.wait_seconds) for again in batch.again] == [("a2", 0.0), ("b1", 0.0)]


def test_an_empty_batch_is_nothing() -> None:
    assert Setting().deliver() == Batch((), (), ())


ANSWERS: list[Written | Exception] = [
    Written(Effect.APPLIED, "Sales Order", "SO-1"),
    Written(Effect.UNCHANGED, "Sales Order", "SO-1"),
    Refused("no"),
    Temporary("later"),
    Unavailable("down"),
    KeyError("bug"),
]


@given(
    st.lists(st.tuples(st.sampled_from("ABC"), st.integers(0, 3), st.sampled_from(ANSWERS)), max_size=10),
    st.booleans(),
    st.booleans(),
)
def test_n_in_are_n_accounted_for(
    events: list[tuple[str, int, Written | Exception]], unwritable: bool, unburiable: bool
) -> None:
    """Each event of a batch is ended, known before, or stays: exactly one of them."""
    setting = Setting(
        FakeDestination({str(n): answer for n, (_, _, answer) in enumerate(events)}),
        FakeLedger(unwritable=unwritable),
        FakeDeadLetters(failure=QueueUnavailable("no") if unburiable else None),
    )
    batch = [of(entity, str(n), str(version)) for n, (entity, version, _) in enumerate(events)]

    result = setting.deliver(*batch)

    accounted = [
        *(entry.event.id for entry in result.ended),
        *ids(result.known_before),
        *(again.received.event.id for again in result.again),
    ]
    assert sorted(accounted) == sorted(ids(batch))
    for entity in "ABC":
        tried = [applied for applied, _, _ in setting.destination.applied if events[int(applied)][0] == entity]
        assert tried == sorted(tried, key=int)


def test_an_events_age_is_measured_from_its_arrival() -> None:
    old = received(an_event("a1", received_at=NOW - timedelta(hours=2)), attempts=20)
    setting = Setting(FakeDestination({"a1": Temporary("locked")}))

    batch = setting.deliver(old)

    assert setting.dead_letters.buried[0][1].code == "RetriesExhausted"
    assert not batch.again


@pytest.mark.parametrize("workers", [1, 16])
def test_the_number_of_workers_changes_no_outcome(workers: int) -> None:
    setting = Setting(FakeDestination({"a1": Refused("no")}), workers=workers)

    setting.deliver(*(of(entity, f"{entity.lower()}{n}", str(n)) for n in range(3) for entity in "ABC"))

    assert sum(outcome == "applied" for outcome in setting.outcomes().values()) == 8


def test_an_outage_that_a_batch_meets_is_not_tried_again_for_every_entity() -> None:
    down = {f"{entity.lower()}1": Unavailable("down") for entity in "ABCDEF"}
    setting = Setting(FakeDestination(down), workers=1)

    batch = setting.deliver(*(of(entity, f"{entity.lower()}1") for entity in "ABCDEF"))

    assert (len(setting.destination.applied), len(batch.again)) == (2, 6)


def test_one_unavailable_answer_stops_no_other_entity() -> None:
    setting = Setting(FakeDestination({"a1": Unavailable("502")}), workers=1)

    setting.deliver(of("A", "a1"), of("B", "b1"), of("C", "c1"))

    assert setting.outcomes() == {"b1": "applied", "c1": "applied"}
