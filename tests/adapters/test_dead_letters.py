"""Dead letters in DynamoDB: kept together with their ends, found when they are due, and changed by one at a time."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from adapters.dead_letters import DynamoLetters, letter_key
from adapters.dynamodb import DynamoLedger
from adapters.ledger_history import LedgerHistory
from hub.dead_letter import DeadLetter, Letter, Status, escalated, planned, record_dead_letters, sent_again
from hub.dead_letter_retries import Cause, Plan, tend_letters
from hub.errors import LedgerUnavailable
from hub.events import Event
from hub.ledger import Entry, Failure, Outcome
from tests.fakes import NOW, FakeBreakers, FakeNotices, an_event
from tests.letters import CRASHED, FLOW, REFUSED, FakeFlowQueues, a_letter

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

MINUTE = timedelta(minutes=1)


@pytest.fixture
def book(dynamodb: "DynamoDBClient", table: str) -> DynamoLetters:
    return DynamoLetters(dynamodb, table, 90)


def the_letter(book: DynamoLetters, event: Event) -> Letter:
    letter = book.find(FLOW, event.subject, event.id).letter
    assert letter
    return letter


def due(book: DynamoLetters, now: datetime) -> list[Letter]:
    return [letter for page in book.due(FLOW, now) for letter, _ in page]


def test_a_letter_is_read_back_as_it_was_kept(book: DynamoLetters) -> None:
    event = an_event("e-1")
    record_dead_letters([DeadLetter(FLOW, event, 3, REFUSED, "1042")], book, NOW)

    letter = the_letter(book, event)

    assert letter == Letter(
        FLOW,
        event.subject,
        "e-1",
        event.type,
        REFUSED,
        3,
        1,
        NOW,
        NOW,
        NOW,
        NOW,
        look_at=NOW,
        label="1042",
        version=1,
    )
    assert book.keep([replace(letter, assignee="ada", note="x", status=Status.DISCARDED, look_at=None)]) == 1
    kept = the_letter(book, event)
    assert (kept.assignee, kept.note, kept.status, kept.look_at) == ("ada", "x", Status.DISCARDED, None)


def test_the_end_is_recorded_with_the_whole_event(book: DynamoLetters, dynamodb: "DynamoDBClient", table: str) -> None:
    event = an_event("e-1", data=b"x" * 500_000)

    record_dead_letters([a_letter(event)], book, NOW)

    assert LedgerHistory(dynamodb, table).event(event.subject, FLOW, "e-1") == event
    assert book.event(the_letter(book, event)) == event
    (end,) = LedgerHistory(dynamodb, table).of(event.subject)
    assert (end.outcome, end.failure) == ("dead", CRASHED)


def test_a_label_finds_the_order_and_not_its_letter(
    book: DynamoLetters, dynamodb: "DynamoDBClient", table: str
) -> None:
    record_dead_letters([DeadLetter(FLOW, an_event("e-1"), 3, REFUSED, "1042")], book, NOW)

    assert LedgerHistory(dynamodb, table).labelled("1042") == ["shop-eu/order/1001"]


def test_who_reads_before_another_writes_changes_nothing(
    book: DynamoLetters, dynamodb: "DynamoDBClient", table: str
) -> None:
    event = an_event("e-1")
    found = book.find(FLOW, event.subject, event.id)
    record_dead_letters([a_letter(event)], book, NOW)
    letter = the_letter(book, event)
    entry = Entry(FLOW, event, Outcome.DEAD, 1, NOW, failure=REFUSED)

    assert not book.bury(entry, letter, found)
    assert book.keep([planned(letter, MINUTE, NOW)]) == 1
    assert book.keep([planned(letter, 9 * MINUTE, NOW)]) == 0
    assert the_letter(book, event).retry_at == NOW + MINUTE

    DynamoLedger(dynamodb, table, 90).record([Entry(FLOW, event.replayed(NOW), Outcome.APPLIED, 1, NOW)], [])
    assert not book.bury(entry, the_letter(book, event), replace(found, end=None))
    assert record_dead_letters([a_letter(event)], book, NOW) == []


def test_one_that_somebody_changed_keeps_none_of_the_others_back(book: DynamoLetters) -> None:
    events = [an_event(f"e-{number}", f"shop-eu/order/{number}") for number in range(52)]
    record_dead_letters([a_letter(each) for each in events], book, NOW)
    letters = [the_letter(book, each) for each in events]
    book.keep([planned(letters[7], MINUTE, NOW)])

    kept = book.keep([sent_again(each, NOW, NOW) for each in letters])

    assert kept == 51
    assert the_letter(book, events[7]).status is Status.PENDING


def test_only_what_is_open_and_due_is_found_at_its_time(book: DynamoLetters) -> None:
    events = [an_event(f"e-{number}", f"shop-eu/order/{number}") for number in range(4)]
    record_dead_letters([a_letter(each) for each in events], book, NOW)
    first, second, third, fourth = (the_letter(book, each) for each in events)
    book.keep([planned(first, 5 * MINUTE, NOW), replace(second, status=Status.RESOLVED, look_at=None)])
    book.keep([replace(third, look_at=NOW + timedelta(days=365))])  # by a clock that was wrong

    assert {each.event_id for each in due(book, NOW + 4 * MINUTE)} == {"e-2", "e-3"}
    assert {each.event_id for each in due(book, NOW + 5 * MINUTE)} == {"e-0", "e-2", "e-3"}
    assert {each.event_id for each in book.of(FLOW)} == {"e-0", "e-1", "e-2", "e-3"}
    assert not [each for page in book.due("another", NOW) for each in page]
    assert fourth.flow == FLOW


def test_escalated_ones_and_their_count_are_kept_together(book: DynamoLetters) -> None:
    events = [an_event(f"e-{number}", f"shop-eu/order/{number}") for number in range(60)]
    record_dead_letters([a_letter(each) for each in events], book, NOW)
    letters = [escalated(the_letter(book, each), NOW) for each in events]
    cause = Cause(FLOW, "ServerError-1", "ServerError: 500", events[0].subject, 0, 0, None, NOW)

    assert book.count_escalated(FLOW) == 0
    assert book.escalate(letters, cause) == 60
    assert book.escalate(letters, cause) == 0
    assert (book.count_escalated(FLOW), book.count_escalated("another")) == (60, 0)

    (told,) = book.causes(FLOW, NOW)
    assert (told.untold, told.total, told.example) == (60, 60, events[0].subject)
    assert book.claim(told, NOW + 2 * MINUTE)
    assert not book.claim(told, NOW + 3 * MINUTE)
    book.told(told, NOW, NOW + 60 * MINUTE)
    assert not book.causes(FLOW, NOW + 59 * MINUTE)
    (later,) = book.causes(FLOW, NOW + 60 * MINUTE)
    assert (later.untold, later.total, later.told_at) == (0, 60, NOW)
    book.told(later, NOW, NOW)
    assert not book.causes(FLOW, NOW + 99 * MINUTE)


def test_a_whole_life_in_dynamodb(book: DynamoLetters, dynamodb: "DynamoDBClient", table: str) -> None:
    event, queues, notices = an_event("e-1"), FakeFlowQueues(), FakeNotices()
    record_dead_letters([a_letter(event)], book, NOW)

    def run(minutes: float) -> None:
        plan = Plan(FLOW, "shop-eu", "erp", [5, 15])
        tend_letters(plan, book, FakeBreakers(), queues, notices, NOW + minutes * MINUTE)

    run(1)
    run(5)
    record_dead_letters([a_letter(queues.sent[0])], book, NOW + 6 * MINUTE)
    run(7)
    run(22)
    DynamoLedger(dynamodb, table, 90).record([Entry(FLOW, queues.sent[1], Outcome.APPLIED, 1, NOW)], [])
    run(24)

    letter = the_letter(book, event)
    assert (letter.status, letter.deaths, letter.note, len(queues.sent)) == (Status.RESOLVED, 2, "applied", 2)
    assert not due(book, NOW + timedelta(days=1))


def test_beginnings_without_an_end_are_counted(book: DynamoLetters) -> None:
    assert [book.begun(FLOW, "m-1"), book.begun(FLOW, "m-1"), book.begun(FLOW, "m-1", -1)] == [1, 2, 1]


def test_what_dynamodb_refuses_is_the_ledgers_trouble(dynamodb: "DynamoDBClient", table: str) -> None:
    with Stubber(dynamodb) as stub:
        stub.add_client_error("batch_get_item", "ProvisionedThroughputExceededException")
        with pytest.raises(LedgerUnavailable, match="ProvisionedThroughputExceeded"):
            DynamoLetters(dynamodb, table, 90).find(FLOW, "shop-eu/order/1", "e-1")


def test_a_throttled_transaction_is_no_other_writer(dynamodb: "DynamoDBClient", table: str) -> None:
    book = DynamoLetters(dynamodb, table, 90)
    record_dead_letters([a_letter(an_event("e-1"))], book, NOW)
    letter = the_letter(book, an_event("e-1"))

    def throttled(**_: object) -> None:
        answer: Any = {
            "Error": {"Code": "TransactionCanceledException", "Message": "made up"},
            "CancellationReasons": [{"Code": "ThrottlingError"}],
        }
        raise ClientError(answer, "TransactWriteItems")

    class Throttled:
        transact_write_items = staticmethod(throttled)

    throttled_book = DynamoLetters(Throttled(), table, 90)  # type: ignore[arg-type]
    with pytest.raises(LedgerUnavailable):
        throttled_book.keep([letter])


def test_long_ids_have_a_key_too() -> None:
    key = letter_key(FLOW, "shop-eu/order/" + "9" * 900, "e" * 900)

    assert len(key["record"]["S"]) < 120


def test_an_unknown_failure_is_kept_too(book: DynamoLetters) -> None:
    event = an_event("e-1")
    record_dead_letters([a_letter(event, Failure("Odd", "", "", ""))], book, NOW)

    assert the_letter(book, event).failure == Failure("Odd", "", "", "")
