"""A destination that takes many events in one call: asked once for all, in order, and nothing lost or sent after success."""

import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.connector import Asked, Destination, Effect, Written
from hub.deliver import Route
from hub.deliver_batch import Batch, Received, deliver_batch
from hub.errors import BatchRefused, HubError, NoAnswer, Refused, Temporary, Unavailable
from hub.events import Event
from hub.ledger import Outcome
from hub.records import Record
from hub.settings import RetrySettings
from hub.together import Together
from tests.fakes import NOW, FakeDeadLetters, FakeLedger, an_event, read_anything, received

FLOW = "shop-eu-to-crm"
DONE = Written(Effect.APPLIED, "/contacts", "c-1")


@dataclass
class Endpoint:
    """Takes many events in one call. `answers` has, per call, what is raised or what single events end with; where it says
    nothing, all are taken."""

    bad: frozenset[str] = frozenset()  # events of which one alone makes it refuse the call as a whole
    answers: Callable[[int, str], HubError | None] = lambda _call, _event: None
    whole: Callable[[int], BaseException | None] = lambda _call: None
    calls: list[list[str]] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)

    def apply(self, action: str, record: Record, event: Event, known_name: str) -> Written:
        raise AssertionError("asked one by one")

    def apply_many(self, asked: Sequence[Asked]) -> Sequence[Written | HubError]:
        ids = [each.event.id for each in asked]
        self.calls.append(ids)
        number = len(self.calls)
        if trouble := self.whole(number):
            raise trouble
        if self.bad.intersection(ids):
            raise BatchRefused("one of them is bad")
        results = [self.answers(number, each) or DONE for each in ids]
        self.taken += [each for each, result in zip(ids, results, strict=True) if result is DONE]
        return results


@dataclass
class InFront:
    """What may stand before a destination: it knows of single events alone."""

    destination: Destination

    def apply(self, action: str, record: Record, event: Event, known_name: str) -> Written:
        return self.destination.apply(action, record, event, known_name)


@dataclass
class Setting:
    """One flow with everything around it faked."""

    endpoint: Endpoint = field(default_factory=Endpoint)
    ledger: FakeLedger = field(default_factory=FakeLedger)
    dead_letters: FakeDeadLetters = field(default_factory=FakeDeadLetters)
    out_of_time: Callable[[], bool] = lambda: False

    def __post_init__(self) -> None:
        self.together = Together(self.endpoint)

    def deliver(self, batch: Iterable[Received]) -> Batch:
        kinds = {"shop.orders/create": "push_order"}
        route = Route(
            FLOW,
            read_anything,
            InFront(self.together),
            kinds,
            dict.fromkeys(kinds, "order"),
            RetrySettings(),
            lambda event: event.data,
            together=self.together,
        )
        threads = threading.active_count()
        try:
            return deliver_batch(
                list(batch),
                route,
                self.ledger,
                self.dead_letters,
                workers=1,
                now=lambda: NOW,
                out_of_time=self.out_of_time,
                draw=lambda: 0.5,
            )
        finally:
            assert threading.active_count() == threads

    def outcomes(self) -> dict[str, Outcome]:
        return {event_id: entry.outcome for (_, _, event_id), entry in self.ledger.entries.items()}


def of(*names: str, version: str = "") -> list[Received]:
    """Events named after their entities: a1, a2 are the first two of a."""
    return [received(an_event(name, f"shop-eu/order/{name[0]}", version and f"{name[1:]}")) for name in names]


def test_all_entities_are_sent_in_one_call_and_each_entity_in_order() -> None:
    setting = Setting()

    batch = setting.deliver(of("b1", "a1", "a2", "c1", "a3"))

    assert setting.endpoint.calls == [["a1", "b1", "c1"], ["a2"], ["a3"]]
    assert set(setting.outcomes().values()) == {Outcome.APPLIED}
    assert batch.pushes.metrics() == {"Pushed": 5, "PushFailed": 0, "PushBatches": 3}


def test_what_is_stale_or_known_or_ignored_is_not_sent_and_holds_nobody_up() -> None:
    setting = Setting()
    setting.deliver(of("a5", "b1", version="yes"))
    other = received(an_event("d1", "shop-eu/order/d", event_type="shop.orders/other"))

    setting.deliver([*of("a4", "b1", "c1", version="yes"), other])

    assert setting.endpoint.calls == [["a5", "b1"], ["c1"]]
    assert setting.outcomes()["a4"] is Outcome.STALE
    assert setting.outcomes()["d1"] is Outcome.IGNORED


def test_only_the_rows_that_failed_are_tried_again_each_by_its_own_error() -> None:
    said = {"b1": Temporary("later", retry_after_seconds=60), "c1": Refused("no such country")}
    setting = Setting(Endpoint(answers=lambda call, event: said.get(event) if call == 1 else None))

    batch = setting.deliver(of("a1", "b1", "b2", "c1"))

    assert [again.received.event.id for again in batch.again] == ["b1", "b2"]
    assert {again.wait_seconds for again in batch.again} == {60}
    assert [each.event.id for each, _ in setting.dead_letters.buried] == ["c1"]
    assert setting.endpoint.calls == [["a1", "b1", "c1"]]

    setting.deliver([again.received for again in batch.again])

    assert setting.endpoint.calls[1:] == [["b1"], ["b2"]]


def test_a_refused_batch_is_halved_until_the_bad_row_is_found() -> None:
    setting = Setting(Endpoint(bad=frozenset({"c1"})))

    setting.deliver(of("a1", "b1", "c1", "d1"))

    assert setting.endpoint.calls == [["a1", "b1", "c1", "d1"], ["a1", "b1"], ["c1", "d1"], ["c1"], ["d1"]]
    assert sorted(setting.endpoint.taken) == ["a1", "b1", "d1"]
    assert [each.event.id for each, _ in setting.dead_letters.buried] == ["c1"]


def test_a_batch_without_an_answer_stays_as_a_whole_and_is_one_strike() -> None:
    setting = Setting(Endpoint(whole=lambda _: NoAnswer("no answer in time")))

    batch = setting.deliver(of("a1", "b1", "b2"))

    assert sorted(again.received.event.id for again in batch.again) == ["a1", "b1", "b2"]
    assert len({id(again.error) for again in batch.again if isinstance(again.error, Unavailable)}) == 1
    assert batch.pushes.metrics() == {"Pushed": 0, "PushFailed": 2, "PushBatches": 1}


def test_halving_ends_where_the_destination_does_not_serve_or_time_is_up() -> None:
    bad = frozenset({"a1", "d1"})
    down = Setting(Endpoint(bad=bad, whole=lambda call: Unavailable("down") if call == 2 else None))
    late = Setting(Endpoint(bad=bad))
    late.out_of_time = lambda: bool(late.endpoint.calls)

    batches = [setting.deliver(of("a1", "b1", "c1", "d1")) for setting in (down, late)]

    assert [len(setting.endpoint.calls) for setting in (down, late)] == [2, 1]
    assert [len(batch.again) for batch in batches] == [4, 4]


def test_a_bug_in_the_destination_is_told_for_each_event_and_stops_no_thread() -> None:
    batch = Setting(Endpoint(whole=lambda _: KeyError("oops"))).deliver(of("a1", "b1"))

    assert [again.bug for again in batch.again] == [True, True]


def test_a_kill_in_the_middle_of_a_call_ends_all_threads() -> None:
    setting = Setting(Endpoint(whole=lambda _: KeyboardInterrupt()))

    with pytest.raises(KeyboardInterrupt):
        setting.deliver(of("a1", "b1"))


def test_a_crash_before_the_ledger_is_written_sends_the_same_batch_again() -> None:
    setting = Setting(ledger=FakeLedger(unwritable=True))

    batch = setting.deliver(of("b1", "a1"))
    setting.ledger.unwritable = False
    setting.deliver([again.received for again in reversed(batch.again)])

    assert setting.endpoint.calls == [["a1", "b1"], ["a1", "b1"]]
    assert set(setting.outcomes().values()) == {Outcome.APPLIED}


FATES = st.sampled_from(["taken", "later", "refused", "bad"])


@given(
    st.lists(st.sampled_from("abcdef"), min_size=1, max_size=10),
    st.lists(FATES, min_size=10, max_size=10),
    st.sets(st.integers(1, 12), max_size=6),
)
def test_no_row_is_lost_and_none_is_sent_again_after_success(
    entities: list[str], fates: list[str], silent: set[int]
) -> None:
    """Whatever becomes of rows and calls, redelivery by redelivery."""
    counts: Counter[str] = Counter()
    names = [f"{entity}{counts.update(entity) or counts[entity]}" for entity in entities]
    fate = dict(zip(names, fates, strict=False))
    tries: Counter[str] = Counter()

    def answer(_call: int, event: str) -> HubError | None:
        tries[event] += 1
        if fate[event] == "later" and tries[event] < 3:
            return Temporary("later")
        return Refused("no") if fate[event] == "refused" else None

    endpoint = Endpoint(
        bad=frozenset(name for name in names if fate[name] == "bad"),
        answers=answer,
        whole=lambda call: Unavailable("down") if call in silent else None,
    )
    setting = Setting(endpoint)
    queue = of(*names)
    for _ in range(40):
        if not queue:
            break
        queue = [again.received for again in setting.deliver(queue).again]

    dead = {each.event.id for each, _ in setting.dead_letters.buried}
    assert queue == []
    assert dead == {name for name in names if fate[name] in ("bad", "refused")}
    assert sorted(endpoint.taken) == sorted(name for name in names if name not in dead)  # each once
    order = defaultdict(list)
    for name in endpoint.taken:
        order[name[0]].append(int(name[1:]))
    assert all(numbers == sorted(numbers) for numbers in order.values())
