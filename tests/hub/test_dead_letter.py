"""Dead letters: recorded with their reason, told once per cause, and safe to repeat."""

import pytest

from hub.dead_letter import DeadLetter, record_dead_letters
from hub.errors import LedgerUnavailable, Temporary
from hub.ledger import Failure, Outcome
from tests.fakes import NOW, FakeLedger, FakeNotices, an_event

FLOW = "shop-eu-to-erp"
REFUSED = Failure("Refused", "DATA_VALIDATION_FAILED", "medium", "Item X does not exist")


def letter(event_id: str, failure: Failure | None = REFUSED, flow: str = FLOW) -> DeadLetter:
    return DeadLetter(flow, an_event(event_id, f"shop-eu/order/{event_id}"), 3, failure)


def test_a_letter_is_recorded_with_its_reason_and_told() -> None:
    ledger, notices = FakeLedger(), FakeNotices()

    (entry,) = record_dead_letters([letter("1")], ledger, notices, NOW)

    assert ledger.entries[FLOW, "shop-eu/order/1", "1"] == entry
    assert (entry.outcome, entry.failure, entry.attempts, entry.recorded_at) == (Outcome.DEAD, REFUSED, 3, NOW)
    ((subject, text),) = notices.told
    assert subject == "shop-eu-to-erp: Refused"
    assert text.startswith("1 event is dead in flow shop-eu-to-erp: Refused.")
    assert "shop-eu/order/1: Item X does not exist" in text


def test_one_notice_per_cause_not_per_letter() -> None:
    notices = FakeNotices()
    other = Failure("TotalMismatch", "DATA_VALIDATION_FAILED", "high", "one cent")

    record_dead_letters(
        [letter("1"), letter("2"), letter("3", other), letter("4", flow="other")], FakeLedger(), notices, NOW
    )

    assert [subject for subject, _ in notices.told] == [
        "shop-eu-to-erp: Refused",
        "shop-eu-to-erp: TotalMismatch",
        "other: Refused",
    ]
    assert notices.told[0][1].startswith("2 events are dead")


def test_what_the_queue_gave_up_on_says_so() -> None:
    (entry,) = record_dead_letters([letter("1", failure=None)], FakeLedger(), FakeNotices(), NOW)

    assert entry.failure
    assert entry.failure.code == "ReceivesExhausted"
    assert entry.failure.message.startswith("handed out 3 times")


def test_nothing_is_told_before_it_is_recorded() -> None:
    notices = FakeNotices()

    with pytest.raises(LedgerUnavailable):
        record_dead_letters([letter("1")], FakeLedger(unwritable=True), notices, NOW)

    assert not notices.told


def test_after_a_failed_notice_a_repetition_changes_nothing_but_tells() -> None:
    ledger = FakeLedger()
    with pytest.raises(Temporary):
        record_dead_letters([letter("1")], ledger, FakeNotices(failure=Temporary("SNS")), NOW)
    before, notices = dict(ledger.entries), FakeNotices()

    record_dead_letters([letter("1")], ledger, notices, NOW)

    assert ledger.entries == before
    assert len(notices.told) == 1
