"""Dead letters are tried again where that can help, resolved by whatever ends them, and told of once per cause."""

import time
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from hub.breaker import Breaker, State
from hub.dead_letter import Letter, Status, record_dead_letters
from hub.dead_letter_retries import TOLD_EVERY, Plan, Tended, tend_letters, waits_by_category
from hub.errors import LedgerUnavailable, QueueUnavailable, Temporary
from hub.ledger import Failure, Outcome
from tests.fakes import NOW, FakeBreakers, FakeNotices, an_event
from tests.letters import CRASHED, FLOW, REFUSED, FakeFlowQueues, FakeLetters, a_letter

MINUTE = timedelta(minutes=1)
DOWN = Breaker(State.OPEN, reason="503")


class Hub:
    """One flow's letters, and everything that they meet."""

    def __init__(self, plan: Plan | None = None) -> None:
        self.plan = plan or Plan(FLOW, "shop-eu", "erp", categories=waits_by_category([5, 15, 60], {}))
        self.book, self.queues, self.notices = FakeLetters(), FakeFlowQueues(), FakeNotices()
        self.breakers = FakeBreakers()
        self.now = NOW

    def dies(self, event_id: str = "1", failure: Failure | None = CRASHED) -> None:
        record_dead_letters([a_letter(an_event(event_id, f"shop-eu/order/{event_id}"), failure)], self.book, self.now)

    def dies_again(self, failure: Failure = CRASHED) -> None:
        record_dead_letters([a_letter(self.queues.sent[-1], failure)], self.book, self.now)

    def at(self, minutes: float) -> Tended:
        """The run so many minutes after the first death."""
        self.now = NOW + minutes * MINUTE
        return tend_letters(self.plan, self.book, self.breakers, self.queues, self.notices, self.now)

    @property
    def letter(self) -> Letter:
        return self.book.only()


def test_it_is_tried_again_after_5_15_and_60_minutes_and_then_a_person_is_told() -> None:
    hub = Hub()
    hub.dies()
    tried: list[float] = []

    for minute in range(90):
        sent = len(hub.queues.sent)
        hub.at(minute)
        if len(hub.queues.sent) > sent:
            tried.append(minute)
            hub.dies_again()

    assert tried == [5, 20, 80]
    assert (hub.letter.status, hub.letter.deaths) == (Status.ESCALATED, 4)
    assert [subject for subject, _ in hub.notices.told] == ["shop-eu-to-erp: ServerError"]
    assert {each.id for each in hub.queues.sent} == {each.replay_of for each in hub.queues.sent} == {"1"}


def test_what_ends_otherwise_is_resolved() -> None:
    hub = Hub()
    hub.dies()
    hub.at(0)
    hub.at(5)

    hub.book.ends(hub.queues.sent[0], Outcome.APPLIED, hub.now)
    done = hub.at(6.5)

    assert (done.resolved, hub.letter.status, hub.letter.note) == (1, Status.RESOLVED, "applied")
    assert not hub.notices.told


def test_a_death_that_is_told_late_while_its_event_is_on_the_queue_again_is_no_new_one() -> None:
    hub = Hub()
    hub.dies()
    hub.at(0)
    hub.at(5)

    hub.dies()  # the message that was recorded five minutes ago could not be deleted then

    assert (hub.letter.status, hub.letter.deaths) == (Status.RETRYING, 1)


def test_what_is_parked_again_has_not_ended() -> None:
    hub = Hub()
    hub.dies()
    hub.at(0)
    hub.at(5)

    hub.book.ends(hub.queues.sent[0], Outcome.PARKED, hub.now)
    hub.at(7)
    hub.at(60 * 30)

    assert hub.letter.status is Status.RETRYING


def test_what_only_a_person_can_mend_is_not_tried_again() -> None:
    hub = Hub()
    hub.dies(failure=REFUSED)

    done = hub.at(1)

    assert (done.escalated, hub.queues.sent) == (1, [])
    ((subject, text),) = hub.notices.told
    assert subject == "shop-eu-to-erp: Refused"
    assert text.startswith("1 event waits for a person in flow shop-eu-to-erp: Refused.")
    assert "shop-eu/order/1: Refused: Item 'X' does not exist" in text


def test_an_integration_says_otherwise_for_a_category() -> None:
    hub = Hub(Plan(FLOW, "shop-eu", "erp", [5], waits_by_category([5], {"DATA_VALIDATION_FAILED": [30]})))
    hub.dies(failure=REFUSED)
    hub.at(0)

    assert hub.at(29).retried == 0
    assert hub.at(30).retried == 1


def test_what_crashes_the_delivery_function_is_not_tried_again_by_itself() -> None:
    hub = Hub()
    hub.dies(failure=None)

    assert (hub.at(1).escalated, hub.queues.sent) == (1, [])


@pytest.mark.parametrize("state", [State.OPEN, State.HALF_OPEN])
def test_while_the_destination_is_down_no_try_is_used_up(state: State) -> None:
    hub = Hub()
    hub.dies()
    hub.at(0)
    hub.breakers.kept = replace(DOWN, state=state)

    held = [hub.at(minute) for minute in (5, 6, 600)]
    hub.breakers.kept = Breaker()
    back = hub.at(601)

    assert [(each.retried, each.held) for each in held] == [(0, 1)] * 3
    assert (back.retried, hub.letter.deaths) == (1, 1)


def test_a_queue_that_takes_nothing_uses_up_no_try_either() -> None:
    hub = Hub()
    hub.dies()
    hub.at(0)
    hub.queues.failure = QueueUnavailable("SQS")

    done = hub.at(5)
    hub.queues.failure = None

    assert (done.retried, done.troubles, hub.letter.status) == (0, ("SQS",), Status.PENDING)
    assert hub.at(6).retried == 1


def test_a_function_that_dies_after_queueing_queues_the_same_event_once_more() -> None:
    """SQS drops the second one: it is the same event, received at the same time."""
    hub = Hub()
    hub.dies()
    hub.at(0)
    letter = hub.letter
    hub.at(5)
    hub.book.letters[FLOW, letter.subject, letter.event_id] = letter  # what was to be kept was not

    hub.at(6)

    first, second = hub.queues.sent
    assert first == second


def test_ten_thousand_of_one_cause_are_one_notice() -> None:
    hub = Hub()
    for number in range(10_000):
        hub.dies(str(number), Failure("Refused", "DATA_VALIDATION_FAILED", "medium", f"order {number} has no customer"))
    began = time.process_time()

    done = hub.at(1)

    assert time.process_time() - began < 5
    assert done.escalated == 10_000
    ((subject, text),) = hub.notices.told
    assert subject == "shop-eu-to-erp: Refused"
    assert text.startswith("10,000 events wait for a person")


def test_more_of_a_cause_is_counted_and_told_when_its_time_has_come() -> None:
    hub = Hub()
    hub.dies("1", REFUSED)
    hub.at(1)
    for number in range(2, 5):
        hub.dies(str(number), REFUSED)
        hub.at(number)
    period = TOLD_EVERY / MINUTE

    assert len(hub.notices.told) == 1
    hub.at(period + 2)
    hub.at(period + 3)

    assert len(hub.notices.told) == 2
    assert hub.notices.told[1][1].startswith("3 events wait")
    assert "4 have in all" in hub.notices.told[1][1]


def test_after_a_quiet_period_the_next_one_is_told_at_once() -> None:
    hub = Hub()
    hub.dies("1", REFUSED)
    hub.at(1)
    hub.at(TOLD_EVERY / MINUTE + 2)

    hub.dies("2", REFUSED)
    hub.at(TOLD_EVERY / MINUTE + 3)

    assert len(hub.notices.told) == 2


def test_two_causes_are_two_notices() -> None:
    hub = Hub()
    hub.dies("1", REFUSED)
    hub.dies("2", Failure("TotalMismatch", "DATA_VALIDATION_FAILED", "high", "one cent"))

    hub.at(1)

    assert sorted(subject for subject, _ in hub.notices.told) == [
        "shop-eu-to-erp: Refused",
        "shop-eu-to-erp: TotalMismatch",
    ]


def test_where_nobody_can_be_told_it_is_escalated_all_the_same_and_told_later() -> None:
    hub = Hub()
    hub.dies("1", REFUSED)
    hub.notices.failure = Temporary("SNS did not confirm the notice")

    first = hub.at(1)
    hub.notices.failure = None
    hub.at(2)
    hub.at(4)
    hub.at(5)

    assert (first.escalated, first.troubles) == (1, ("SNS did not confirm the notice",))
    assert len(hub.notices.told) == 1


def test_two_runs_at_once_tell_one_notice() -> None:
    hub = Hub()
    hub.dies("1", REFUSED)

    class Telling(FakeNotices):
        def tell(self, subject: str, text: str) -> None:
            super().tell(subject, text)
            tend_letters(hub.plan, hub.book, hub.breakers, hub.queues, self, hub.now)

    hub.notices = Telling()
    hub.at(1)

    assert len(hub.notices.told) == 1


def test_a_time_that_a_wrong_clock_has_set_is_not_waited_for() -> None:
    hub = Hub()
    hub.now = NOW + timedelta(days=400)
    hub.dies()

    hub.at(0)
    assert hub.letter.look_at
    assert [hub.at(minute).retried for minute in (5, 6)] == [1, 0]


def test_an_event_of_which_nothing_is_heard_for_a_day_is_a_persons() -> None:
    hub = Hub()
    hub.dies()
    hub.at(0)
    hub.at(5)

    assert hub.at(60 * 23).escalated == 0
    assert hub.at(60 * 25).escalated == 1


def test_a_letter_whose_event_has_expired_is_a_persons() -> None:
    hub = Hub()
    hub.dies()
    hub.at(0)
    hub.book.ended.clear()

    assert (hub.at(5).escalated, hub.queues.sent) == (1, [])


def test_a_person_ended_it_by_hand() -> None:
    hub = Hub()
    hub.dies("1", REFUSED)
    hub.at(1)

    hub.book.ends(an_event("1", "shop-eu/order/1").replayed(NOW + 2 * MINUTE), Outcome.APPLIED, NOW)
    hub.at(1 + 6 * 60)

    assert hub.letter.status is Status.RESOLVED


def test_a_flood_is_sent_in_portions() -> None:
    hub = Hub()
    for number in range(7):
        hub.dies(str(number))
    hub.at(0)

    def run(at: datetime) -> Tended:
        return tend_letters(hub.plan, hub.book, hub.breakers, hub.queues, hub.notices, at, most=3)

    done = [run(NOW + minute * MINUTE).retried for minute in (5, 6, 7)]

    assert done == [3, 3, 1]
    assert len({each.id for each in hub.queues.sent}) == 7


def test_nothing_is_told_while_the_ledger_cannot_be_reached() -> None:
    hub = Hub()
    hub.dies(failure=REFUSED)
    hub.book.unavailable = True

    with pytest.raises(LedgerUnavailable):
        hub.at(1)

    assert not hub.notices.told
