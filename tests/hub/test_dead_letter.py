"""Dead letters: recorded with their reason, once for each death, and never over what came after it."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.dead_letter import Letter, Status, cause_id, cause_of, record_dead_letters
from hub.dead_letter_retries import Plan, tend_letters
from hub.errors import LedgerUnavailable
from hub.events import Event
from hub.ledger import Failure, Outcome
from tests.fakes import NOW, FakeBreakers, FakeNotices, an_event
from tests.letters import CRASHED, FLOW, REFUSED, FakeFlowQueues, FakeLetters, a_letter

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def test_a_death_is_recorded_with_its_reason() -> None:
    book = FakeLetters()

    (entry,) = record_dead_letters([a_letter(failure=REFUSED)], book, NOW)

    assert (entry.outcome, entry.failure, entry.attempts, entry.recorded_at) == (Outcome.DEAD, REFUSED, 3, NOW)
    letter = book.only()
    assert (letter.status, letter.failure, letter.attempts, letter.deaths) == (Status.PENDING, REFUSED, 3, 1)
    assert (letter.first_at, letter.last_at) == (NOW, NOW)


def test_what_the_queue_gave_up_on_says_so() -> None:
    (entry,) = record_dead_letters([a_letter(failure=None)], FakeLetters(), NOW)

    assert entry.failure
    assert entry.failure.code == "ReceivesExhausted"
    assert entry.failure.message.startswith("handed out 3 times")


def test_the_same_death_told_twice_is_one() -> None:
    book = FakeLetters()

    first, second = (record_dead_letters([a_letter()], book, NOW + each * MINUTE) for each in range(2))

    assert (len(first), second) == (1, [])
    assert book.only().deaths == 1


def test_dying_again_keeps_the_first_time_and_adds_the_attempts() -> None:
    book, event = FakeLetters(), an_event()
    record_dead_letters([a_letter(event)], book, NOW)

    record_dead_letters([a_letter(event.replayed(NOW + HOUR), REFUSED)], book, NOW + HOUR)

    letter = book.only()
    assert (letter.deaths, letter.attempts, letter.failure) == (2, 6, REFUSED)
    assert (letter.first_at, letter.last_at) == (NOW, NOW + HOUR)


@pytest.mark.parametrize("outcome", [Outcome.APPLIED, Outcome.DISCARDED, Outcome.PARKED])
def test_a_death_that_is_told_late_does_not_undo_what_came_after_it(outcome: Outcome) -> None:
    """The dlq function died before it could delete the message; the event was replayed and ended meanwhile."""
    book, event = FakeLetters(), an_event()
    record_dead_letters([a_letter(event)], book, NOW)
    book.ends(event.replayed(NOW + MINUTE), outcome, NOW + MINUTE)

    assert record_dead_letters([a_letter(event)], book, NOW + HOUR) == []
    assert book.ended[FLOW, event.subject, event.id].outcome is outcome


def test_what_was_replayed_by_a_clock_that_is_behind_is_younger_all_the_same() -> None:
    book, event = FakeLetters(), an_event()
    record_dead_letters([a_letter(event)], book, NOW)
    again = event.replayed(NOW - 5 * HOUR)
    book.ends(again, Outcome.APPLIED, NOW)

    assert again.received_at > event.received_at
    assert record_dead_letters([a_letter(event)], book, NOW) == []


def test_a_letters_times_never_go_back_with_a_clock() -> None:
    book, event = FakeLetters(), an_event()
    record_dead_letters([a_letter(event)], book, NOW)

    record_dead_letters([a_letter(event.replayed(NOW))], book, NOW - 3 * HOUR)

    letter = book.only()
    assert (letter.first_at, letter.last_at, letter.changed_at) == (NOW, NOW, NOW)


def test_who_is_overtaken_while_writing_looks_again() -> None:
    """Between the look and the write, the event is applied by a replay."""
    event = an_event()
    book = FakeLetters()
    book.meanwhile = lambda: book.ends(event.replayed(NOW), Outcome.APPLIED, NOW)

    assert record_dead_letters([a_letter(event)], book, NOW) == []
    assert book.ended[FLOW, event.subject, event.id].outcome is Outcome.APPLIED


def test_nothing_is_recorded_by_halves() -> None:
    book = FakeLetters(unavailable=True)

    with pytest.raises(LedgerUnavailable):
        record_dead_letters([a_letter()], book, NOW)

    assert not book.ended
    assert not book.letters


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Item 'POSTER-9' does not exist", "Item 'MUG' does not exist"),
        ("order 1042: the buyer got 20.00 USD", "order 1043: the buyer got 7.5 USD"),
        ("Could not find Item: POSTER", "Could not find Item: FANCY-MUG"),
    ],
)
def test_a_cause_is_the_error_without_what_is_special_to_one_event(one: str, other: str) -> None:
    first, second = (Failure("Refused", "DATA_VALIDATION_FAILED", "medium", text) for text in (one, other))

    assert cause_id(first) == cause_id(second)
    assert cause_of(first) != cause_of(CRASHED)


STEPS = st.lists(
    st.sampled_from(["dies", "dies late", "minute", "hour", "applied", "discarded", "replayed"]), max_size=25
)
ALLOWED = {
    None: {Status.PENDING},
    Status.PENDING: {Status.PENDING, Status.RETRYING, Status.ESCALATED, Status.RESOLVED, Status.DISCARDED},
    Status.RETRYING: {Status.RETRYING, Status.PENDING, Status.RESOLVED, Status.DISCARDED, Status.ESCALATED},
    Status.ESCALATED: {Status.ESCALATED, Status.PENDING, Status.RESOLVED, Status.DISCARDED},
    Status.RESOLVED: {Status.RESOLVED, Status.PENDING},
    Status.DISCARDED: {Status.DISCARDED, Status.PENDING},
}


@settings(max_examples=150, deadline=None)
@given(STEPS, st.lists(st.integers(-90, 90), min_size=25, max_size=25))
def test_whatever_happens_a_letter_says_what_the_ledger_says(steps: list[str], skews: list[int]) -> None:
    """Deaths told in any order and twice, retries, replays and ends, by clocks that are wrong by up to 90 minutes."""
    world = _World()
    for step, skew in zip(steps, skews, strict=False):
        before = world.letter
        world.take(step, skew)
        after = world.letter
        if after:
            assert after.status in ALLOWED[before.status if before else None]
            assert (after.look_at is None) == (not after.status.is_open)
        if before and after:
            assert (after.version, after.changed_at, after.life) >= (before.version, before.changed_at, before.life)
            assert after.last_at >= before.last_at
    world.settle()

    if world.letter:
        end = world.book.ended[FLOW, world.event.subject, world.event.id]
        expected = {Outcome.DEAD: {Status.ESCALATED}, Outcome.DISCARDED: {Status.DISCARDED}}
        assert world.letter.status in expected.get(end.outcome, {Status.RESOLVED})
        assert end.event.received_at == world.newest.received_at


class _World:
    """One event, whose lives end as they are told to; what was queued again waits for its turn."""

    def __init__(self) -> None:
        self.book, self.queues, self.notices = FakeLetters(), FakeFlowQueues(), FakeNotices()
        self.now, self.event = NOW, an_event()
        self.newest: Event = self.event
        self.told: list[Event] = []
        self.waiting: list[Event] = [self.event]

    @property
    def letter(self) -> Letter | None:
        return next(iter(self.book.letters.values()), None)

    def take(self, step: str, skew: int) -> None:
        at = self.now + skew * MINUTE
        if step in ("minute", "hour"):
            self.now += MINUTE if step == "minute" else HOUR
            self.tend(at)
        elif step == "replayed":
            if end := self.book.ended.get((FLOW, self.event.subject, self.event.id)):
                self.waiting.append(end.event.replayed(at))
        elif step == "dies late":
            for event in self.told[:1]:
                record_dead_letters([a_letter(event)], self.book, at)
        elif self.waiting:
            self.end(self.waiting.pop(0), step, at)

    def end(self, event: Event, step: str, at: object) -> None:
        self.newest = max(self.newest, event, key=lambda each: each.received_at)
        if event is not self.newest:
            return  # the queue keeps an event's lives in order
        if step == "dies":
            self.told.append(event)
            record_dead_letters([a_letter(event)], self.book, self.now)
        else:
            self.book.ends(event, Outcome(step), self.now)

    def tend(self, at: object) -> None:
        sent = len(self.queues.sent)
        plan = Plan(FLOW, "shop-eu", "erp")
        tend_letters(plan, self.book, FakeBreakers(), self.queues, self.notices, at)  # type: ignore[arg-type]
        self.waiting += self.queues.sent[sent:]

    def settle(self) -> None:
        """Whatever waits dies, until nothing is tried any more."""
        for _ in range(12):
            while self.waiting:
                self.end(self.waiting.pop(0), "dies", self.now)
            self.now += 9 * HOUR
            self.tend(self.now)
            self.tend(self.now + MINUTE)
