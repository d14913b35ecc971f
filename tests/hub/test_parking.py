"""A child before its parent waits for it, blocks nobody, is released when it has moved, and is dead when it never does."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.breaker import Limits, State
from hub.connector import Written
from hub.deliver import Route
from hub.deliver_batch import Batch, Received, deliver_batch
from hub.errors import NoAnswer, Parked, QueueUnavailable
from hub.events import Event
from hub.guard import Guard, deliver_guarded
from hub.ledger import A_PERSON, Failure, Head, Outcome
from hub.records import Record
from hub.release_parked import Released, Waiting, release_parked
from hub.settings import RetrySettings
from tests.fakes import (
    NOW,
    FakeBreakers,
    FakeDeadLetters,
    FakeDestination,
    FakeLedger,
    FakeNotices,
    FakePacer,
    an_event,
    read_anything,
    received,
)

FLOW = "shop-eu-to-erp"
ORDER = "shop-eu/order/1001"
REFUND = "shop-eu/refund/7"
HOUR = timedelta(hours=1)
ARRIVED = Head("2", "Sales Order", "SO-1")
MISSING = Parked("the order is not there yet", waits_for=ORDER)


@dataclass
class Flow:
    """One flow to `erp` on a clock of its own, everything around it faked."""

    destination: FakeDestination = field(default_factory=lambda: FakeDestination({"r1": MISSING}))
    ledger: FakeLedger = field(default_factory=FakeLedger)
    dead_letters: FakeDeadLetters = field(default_factory=FakeDeadLetters)
    now: datetime = NOW

    def deliver(self, *events: Event) -> Batch:
        return self.deliver_received([received(event) for event in events])

    def deliver_received(self, batch: Sequence[Received]) -> Batch:
        route = Route(
            FLOW,
            read_anything,
            self.destination,
            {"shop.orders/create": "write"},
            {"shop.orders/create": "order"},
            RetrySettings(),
            lambda event: event.data,
            destination_name="erp",
            wait_for_parent_seconds=24 * 3600,
        )
        return deliver_batch(
            batch,
            route,
            self.ledger,
            self.dead_letters,
            workers=1,
            now=lambda: self.now,
            out_of_time=lambda: False,
            draw=lambda: 0.5,
        )

    def parked(self, event_id: str = "r1") -> Waiting:
        """A parked event as the room lists it."""
        entry = self.ledger.entries[FLOW, REFUND, event_id]
        assert entry.parking
        parking = entry.parking
        return Waiting(FLOW, REFUND, event_id, parking.waits_for, parking.seen, entry.recorded_at, parking.until)


def a_refund(event_id: str = "r1", version: str = "") -> Event:
    return an_event(event_id, REFUND, version)


def test_a_child_without_its_parent_leaves_the_queue_and_says_what_it_waits_for() -> None:
    flow = Flow()

    batch = flow.deliver(a_refund())

    (entry,) = batch.ended
    assert not batch.again
    assert (entry.outcome, entry.rule) == (Outcome.PARKED, "the order is not there yet")
    assert entry.parking
    assert (entry.parking.destination, entry.parking.waits_for, entry.parking.seen) == ("erp", ORDER, "")
    assert (entry.parking.since, entry.parking.until) == (NOW, NOW + 24 * HOUR)
    assert not flow.dead_letters.buried
    assert not flow.ledger.heads


def test_a_wait_may_be_shorter_than_the_flows_and_is_told_to_who_applies_it_next() -> None:
    short = Parked("a newer one may follow", waits_for=ORDER, at_most_seconds=600)
    waited: list[float] = []

    class Impatient(FakeDestination):
        def apply(self, action: str, record: Record, event: Event, known_name: str) -> Written:
            waited.append(event.waited_seconds)
            return super().apply(action, record, event, known_name)

    flow = Flow(destination=Impatient({"r1": short}))
    flow.deliver(a_refund())
    flow.now += timedelta(minutes=10)

    flow.deliver(a_refund())

    assert flow.parked().until == NOW + timedelta(minutes=10)
    assert waited == [0, 600]


def test_what_follows_a_parked_event_goes_its_way() -> None:
    flow = Flow()

    flow.deliver(a_refund("r1", "1"), a_refund("r2", "2"), an_event("o9", "shop-eu/order/9"))

    outcomes = {event_id: entry.outcome for (_, _, event_id), entry in flow.ledger.entries.items()}
    assert outcomes == {"r1": "parked", "r2": "applied", "o9": "applied"}


def test_a_parked_event_that_comes_after_its_younger_sibling_is_stale() -> None:
    flow = Flow()
    flow.deliver(a_refund("r1", "1"), a_refund("r2", "2"))

    flow.destination.answers = {}
    (entry,) = flow.deliver(a_refund("r1", "1")).ended

    assert entry.outcome is Outcome.STALE


def test_a_parked_event_that_comes_again_is_tried_anew_and_leaves_the_list() -> None:
    flow = Flow()
    flow.deliver(a_refund())
    flow.destination.answers = {}

    (entry,) = flow.deliver(a_refund()).ended

    assert (entry.outcome, entry.parked_before, entry.parking) == (Outcome.APPLIED, "erp", None)


def test_a_release_that_came_too_early_does_not_begin_the_waiting_anew() -> None:
    flow = Flow()
    flow.deliver(a_refund())
    flow.now += 5 * HOUR
    flow.deliver(a_refund())

    assert flow.parked().until == NOW + 24 * HOUR
    assert flow.parked().parked_at == NOW + 5 * HOUR


def test_an_operators_replay_begins_the_waiting_anew_and_its_release_does_not() -> None:
    flow = Flow()
    flow.deliver(a_refund())
    replayed = a_refund().replayed(NOW + 30 * HOUR)
    for hours in (30, 31):
        flow.now = NOW + hours * HOUR
        flow.deliver(replayed)

    assert flow.parked().until == NOW + 54 * HOUR


def test_a_parent_that_came_while_it_was_missed_is_looked_for_once_more() -> None:
    """Noted only after the last look, it would be waited for in vain: it does not move again."""

    class Late(FakeDestination):
        def apply(self, action: str, record: Record, event: Event, known_name: str) -> Written:
            try:
                return super().apply(action, record, event, known_name)
            finally:
                flow.ledger.heads[FLOW, ORDER] = ARRIVED  # another function has just written it
                self.answers = {}

    flow = Flow(Late({"r1": MISSING}))

    (entry,) = flow.deliver(a_refund()).ended

    assert entry.outcome is Outcome.APPLIED


def test_how_the_parent_stood_is_noted_before_the_last_look() -> None:
    flow = Flow()
    flow.ledger.heads[FLOW, ORDER] = ARRIVED

    flow.deliver(a_refund())

    assert flow.parked().seen == ARRIVED.mark != ""


def test_to_wait_for_another_sources_entity_is_a_bug() -> None:
    """Nobody may read how it stands, so nobody would release the event."""
    flow = Flow(FakeDestination({"r1": Parked("no", waits_for="other/order/1")}))

    (again,) = flow.deliver(a_refund()).again

    assert again.bug


def test_a_batch_without_parked_events_reads_no_heads_of_parents() -> None:
    class Watched(FakeLedger):
        def heads_of(self, entities: Sequence[tuple[str, str]]) -> list[Head]:
            raise AssertionError("read without need")

    assert len(Flow(FakeDestination(), Watched()).deliver(a_refund()).ended) == 1


def test_parked_calls_without_answer_open_the_breaker() -> None:
    def unanswered(number: int) -> Parked:
        error = Parked("unknown", waits_for=A_PERSON)
        error.__cause__ = NoAnswer(f"no answer {number}")
        return error

    flow = Flow(FakeDestination({f"r{n}": unanswered(n) for n in range(6)}))
    breakers = FakeBreakers()
    guard = Guard(FLOW, 2, "erp", breakers, Limits(strikes=2), lambda: None, FakePacer())

    batch = [received(an_event(f"r{n}", f"shop-eu/order/{n}")) for n in range(6)]
    result = deliver_guarded(batch, guard, flow.deliver_received, lambda: NOW, lambda: 300.0)

    assert breakers.kept.state is State.OPEN
    assert [entry.outcome for entry in result.ended] == [Outcome.PARKED] * 2
    assert len(result.again) == 4  # not begun: as many events the fewer that a person must look at


# --- release ----------------------------------------------------------------------------------------------------------


@dataclass
class FakeRoom:
    """What is parked, two to a page."""

    waiting: list[Waiting] = field(default_factory=list)
    ended: set[str] = field(default_factory=set)  # events that are parked no longer
    crash: bool = False

    def pages(self) -> Iterator[Sequence[Waiting]]:
        listed = list(self.waiting)
        for start in range(0, len(listed), 2):
            yield listed[start : start + 2]

    def event(self, waiting: Waiting) -> Event | None:
        return None if waiting.event_id in self.ended else an_event(waiting.event_id, waiting.subject)

    def standing(self, flow: str, subject: str) -> str:
        return "no event of it has been recorded"

    def leave(self, waiting: Waiting) -> None:
        if self.crash:
            raise KeyboardInterrupt
        self.waiting = [one for one in self.waiting if one != waiting]

    def note_told(self, waiting: Waiting, at: datetime) -> None:
        self.waiting = [replace(one, told_at=at) if one == waiting else one for one in self.waiting]


@dataclass
class FakeFlowQueues:
    """The flows' queues; those of `gone` take nothing."""

    sent: list[tuple[str, str, str]] = field(default_factory=list)  # flow, event id, mark
    buried: list[tuple[str, Failure]] = field(default_factory=list)
    gone: str = ""

    def put_again(self, flow: str, event: Event, mark: str) -> None:
        if flow == self.gone:
            raise QueueUnavailable("there is no such queue")
        self.sent.append((flow, event.id, mark))

    def bury(self, flow: str, event: Event, failure: Failure) -> None:
        self.buried.append((event.id, failure))


@dataclass
class Destination:
    """A destination for which something is parked."""

    room: FakeRoom = field(default_factory=FakeRoom)
    ledger: FakeLedger = field(default_factory=FakeLedger)
    queues: FakeFlowQueues = field(default_factory=FakeFlowQueues)
    notices: FakeNotices = field(default_factory=FakeNotices)

    def release(self, at: datetime = NOW, most: int = 100) -> Released:
        return release_parked("erp", self.room, self.ledger, self.queues, self.notices, at, most)


def waiting(event_id: str = "r1", seen: str = "", flow: str = FLOW, waits_for: str = ORDER) -> Waiting:
    return Waiting(flow, REFUND, event_id, waits_for, seen, parked_at=NOW, until=NOW + 24 * HOUR)


def test_what_waits_for_a_parent_that_has_not_moved_stays() -> None:
    there = Destination(FakeRoom([waiting(), waiting("r2", ARRIVED.mark, waits_for="shop-eu/order/2")]))
    there.ledger.heads[FLOW, "shop-eu/order/2"] = ARRIVED

    assert there.release(NOW + 23 * HOUR) == Released(2)
    assert not there.queues.sent


@pytest.mark.parametrize("seen", ["", Head("1", "Sales Order", "SO-1").mark, Head("2", "Sales Order", "SO-0").mark])
def test_a_parent_that_came_or_moved_releases_what_waits_for_it(seen: str) -> None:
    there = Destination(FakeRoom([waiting(seen=seen)]))
    there.ledger.heads[FLOW, ORDER] = ARRIVED

    assert there.release() == Released(0, released=1)
    assert there.queues.sent == [(FLOW, "r1", NOW.isoformat())]
    assert not there.room.waiting


def test_a_parent_without_a_version_releases_too() -> None:
    there = Destination(FakeRoom([waiting()]))
    there.ledger.heads[FLOW, ORDER] = Head("", "Sales Order", "SO-1")

    assert there.release().released == 1


def test_the_same_parent_in_another_flow_releases_nothing() -> None:
    there = Destination(FakeRoom([waiting()]))
    there.ledger.heads["shop-eu-to-warehouse", ORDER] = ARRIVED

    assert there.release() == Released(1)


def test_when_its_time_is_up_it_is_tried_a_last_time_and_then_dead() -> None:
    there = Destination(FakeRoom([waiting()]))

    assert there.release(NOW + 24 * HOUR).released == 1
    there.room.waiting = [replace(waiting(), parked_at=NOW + 25 * HOUR)]  # in vain: parked again after its time
    assert there.release(NOW + 25 * HOUR) == Released(0, dead=1)

    ((event_id, failure),) = there.queues.buried
    assert (event_id, failure.code) == ("r1", "ParentMissing")
    assert failure.message == (
        f"waited for {ORDER} until 2026-01-02 12:00 UTC; there, no event of it has been recorded. "
        f"Once it is written, send this one again: hub events replay {REFUND} --event r1"
    )
    assert not there.room.waiting


def test_a_parent_that_came_only_after_the_time_was_up_counts_all_the_same() -> None:
    there = Destination(FakeRoom([waiting()]))
    there.ledger.heads[FLOW, ORDER] = ARRIVED

    assert there.release(NOW + 30 * HOUR) == Released(0, released=1)


def test_what_was_discarded_or_replayed_meanwhile_is_taken_off_and_not_sent() -> None:
    there = Destination(FakeRoom([waiting()], ended={"r1"}))
    there.ledger.heads[FLOW, ORDER] = ARRIVED

    assert there.release() == Released(0)
    assert not there.queues.sent
    assert not there.room.waiting


def test_a_crash_between_sending_and_leaving_sends_again_under_the_same_mark() -> None:
    there = Destination(FakeRoom([waiting()], crash=True))
    there.ledger.heads[FLOW, ORDER] = ARRIVED
    with pytest.raises(KeyboardInterrupt):
        there.release()
    there.room.crash = False

    there.release(NOW + timedelta(minutes=1))

    assert there.queues.sent == [(FLOW, "r1", NOW.isoformat())] * 2


def test_a_removed_flow_holds_up_no_other() -> None:
    there = Destination(FakeRoom([waiting("r1", flow="removed"), waiting("r2")]), queues=FakeFlowQueues(gone="removed"))
    there.ledger.heads |= {("removed", ORDER): ARRIVED, (FLOW, ORDER): ARRIVED}

    done = there.release()

    assert (done.waiting, done.released, done.troubles) == (1, 1, ("there is no such queue",))


@given(count=st.integers(0, 12), most=st.integers(0, 12))
def test_a_run_releases_no_more_than_it_may_and_the_next_ones_the_rest(count: int, most: int) -> None:
    there = Destination(FakeRoom([waiting(f"r{n}") for n in range(count)]))
    there.ledger.heads[FLOW, ORDER] = ARRIVED

    first = there.release(most=most)
    there.release()

    assert first == Released(max(0, count - most), released=min(count, most))
    assert sorted(event_id for _, event_id, _ in there.queues.sent) == sorted(f"r{n}" for n in range(count))


def test_what_waits_for_a_person_is_told_once_and_again_the_next_day_and_never_sent() -> None:
    there = Destination(FakeRoom([waiting("m1", waits_for=A_PERSON), waiting("m2", waits_for=A_PERSON)]))

    for hours in (0, 1, 23, 24, 25, 47):
        assert there.release(NOW + hours * HOUR) == Released(2)

    assert [subject for subject, _ in there.notices.told] == [f"{FLOW}: 2 events wait for a person"] * 2
    assert f"hub events settle {REFUND} m1 --flow {FLOW} --done|--again" in there.notices.told[0][1]
    assert not there.queues.sent
    assert not there.queues.buried
