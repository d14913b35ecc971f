"""A redrive can be stopped anywhere and go on: each letter is sent once, at the pace that was asked for."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from hub.dead_letter import DeadLetter, Status, record_dead_letters
from hub.dead_letter_redrive import DestinationDown, Key, Redrive, TakenOver, begun_at, redrive
from hub.errors import QueueUnavailable
from hub.events import Event, to_json
from hub.ledger import Failure, Outcome
from tests.fakes import NOW, an_event
from tests.letters import CRASHED, FLOW, FakeFlowQueues, FakeLetters, a_letter

LATER = NOW + timedelta(hours=3)


@dataclass
class FakeRedrives:
    """One run in memory."""

    run: Redrive
    keys: list[Key]

    def chosen(self, run: str, start: int, count: int) -> Sequence[Key]:
        return self.keys[start : start + count]

    def advance(self, run: Redrive, done: int, sent: int) -> bool:
        if (self.run.done, self.run.is_cancelled) != (run.done, False):
            return False
        self.run = replace(self.run, done=run.done + done, sent=run.sent + sent)
        return True


@dataclass
class Hub:
    """Dead letters, and a run that sends them again."""

    count: int = 25
    per_second: float = 10
    book: FakeLetters = field(default_factory=FakeLetters)
    queues: FakeFlowQueues = field(default_factory=FakeFlowQueues)
    slept: list[float] = field(default_factory=list)
    why: str = ""

    def __post_init__(self) -> None:
        self.events = [an_event(f"e-{number}", f"shop-eu/order/{number}") for number in range(self.count)]
        record_dead_letters([a_letter(each) for each in self.events], self.book, NOW)
        run = Redrive("r-1", "ada", "", begun_at(list(self.book.letters.values()), LATER), self.per_second, self.count)
        self.redrives = FakeRedrives(run, [(FLOW, each.subject, each.id) for each in self.events])

    def go_on(self, stop_after: int | None = None) -> Redrive:
        def put(event: Event) -> None:
            if stop_after is not None and len(self.queues.sent) >= stop_after:
                raise KeyboardInterrupt

        class Queues(FakeFlowQueues):
            def put_again(inner, flow: str, event: Event, mark: str) -> None:  # noqa: N805 - the test's self is outside
                put(event)
                self.queues.put_again(flow, event, mark)

        return redrive(
            self.redrives.run,
            self.redrives,
            self.book,
            Queues(),
            lambda _: self.why,
            lambda: LATER,
            self.slept.append,
            lambda _: None,
        )


def test_each_is_sent_once_as_what_it_was_and_at_the_pace() -> None:
    hub = Hub()

    done = hub.go_on()

    assert (done.done, done.sent, done.is_over) == (25, 25, True)
    assert [each.id for each in hub.queues.sent] == [each.id for each in hub.events]
    assert {each.replay_of for each in hub.queues.sent} == {each.id for each in hub.events}
    assert {each.status for each in hub.book.letters.values()} == {Status.RETRYING}
    assert hub.slept == [1.0, 1.0]


@pytest.mark.parametrize("stop_after", [0, 3, 10, 17, 24])
def test_interrupted_in_the_middle_and_resumed_each_is_sent_once(stop_after: int) -> None:
    hub = Hub()

    with pytest.raises(KeyboardInterrupt):
        hub.go_on(stop_after)
    hub.go_on()

    assert sorted(each.id for each in hub.queues.sent) == sorted(each.id for each in hub.events)


def test_killed_between_queue_and_letter_the_same_event_is_sent_again_which_sqs_drops() -> None:
    hub = Hub(count=1)
    hub.book.meanwhile = None
    letters = dict(hub.book.letters)
    hub.go_on()
    hub.book.letters = letters
    hub.redrives.run = replace(hub.redrives.run, done=0)

    hub.go_on()

    first, second = hub.queues.sent
    assert first == second


def test_what_ended_meanwhile_is_left_alone() -> None:
    hub = Hub(count=3)
    hub.book.ends(hub.events[1].replayed(NOW), Outcome.APPLIED, NOW)

    done = hub.go_on()

    assert (done.done, done.sent) == (3, 2)
    assert [each.id for each in hub.queues.sent] == ["e-0", "e-2"]


def test_while_the_destination_is_down_nothing_is_sent_and_it_goes_on_later() -> None:
    hub = Hub(count=3, why="503: maintenance")

    with pytest.raises(DestinationDown, match="503: maintenance"):
        hub.go_on()
    assert (hub.queues.sent, hub.redrives.run.done) == ([], 0)
    hub.why = ""

    assert hub.go_on().sent == 3


def test_a_cancelled_run_stops_wherever_it_runs() -> None:
    hub = Hub()

    def cancelled(seconds: float) -> None:
        hub.redrives.run = replace(hub.redrives.run, is_cancelled=True)

    hub.slept = type("Sleep", (list,), {"append": lambda _, seconds: cancelled(seconds)})()
    with pytest.raises(TakenOver):
        hub.go_on()

    assert len(hub.queues.sent) == 20
    assert hub.redrives.run.done == 10


def test_a_run_by_a_clock_that_is_behind_sends_them_too() -> None:
    letters = Hub(count=2).book.letters.values()

    assert begun_at(list(letters), NOW - timedelta(days=3)) > NOW


def test_a_queue_that_does_not_confirm_leaves_the_letter_as_it_was() -> None:
    hub = Hub(count=1)
    hub.queues.failure = QueueUnavailable("SQS")

    with pytest.raises(QueueUnavailable):
        hub.go_on()

    assert hub.book.only().status is Status.PENDING


def test_a_message_that_was_taken_for_none_goes_on_as_the_event_that_it_is() -> None:
    hub, inner = Hub(count=0), an_event("inner")
    raw = replace(an_event("m-1", f"{FLOW}/message/m-1"), data=to_json(inner).encode())
    junk = replace(an_event("m-2", f"{FLOW}/message/m-2"), data=b"junk")
    failure = Failure("NotAnEvent", "INVALID_REQUEST", "high", "a message of 9 bytes")
    record_dead_letters([DeadLetter(FLOW, each, 4, failure) for each in (raw, junk)], hub.book, NOW)
    hub.redrives = FakeRedrives(
        Redrive("r-1", "ada", "", LATER, 10, 2), [(FLOW, each.subject, each.id) for each in (raw, junk)]
    )

    done = hub.go_on()

    assert (done.done, done.sent, [each.id for each in hub.queues.sent]) == (2, 1, ["inner"])
    first, second = hub.book.letters.values()
    assert (first.status, first.note) == (Status.RESOLVED, "sent as event inner")
    assert (second.status, CRASHED.code) == (Status.PENDING, "ServerError")
