"""The list of what is parked: kept and cleared with the outcomes, read by destination, and sent back to its queues."""

import base64
import hashlib
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from botocore.stub import Stubber

from adapters.dynamodb import DynamoLedger
from adapters.ledger_history import LedgerHistory
from adapters.parking import DynamoWaitingRoom, SqsFlowQueues, count_parked
from hub import names
from hub.errors import LedgerUnavailable, QueueUnavailable
from hub.events import Event, from_json
from hub.ledger import A_PERSON, Entry, Failure, Head, Known, Outcome, Parking
from hub.release_parked import Released, Waiting, release_parked
from tests.fakes import NOW, FakeNotices, an_event

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

FLOW, ORDER = "shop-eu-to-erp", "shop-eu/order/1001"
DAY = timedelta(days=1)


def a_refund(event_id: str = "r1", data: bytes = b"{}") -> Event:
    return an_event(event_id, "shop-eu/refund/7", data=data)


def parked(event: Event, waits_for: str = ORDER, seen: str = "", flow: str = FLOW) -> Entry:
    parking = Parking("erp", waits_for, NOW, NOW + DAY, seen)
    return Entry(flow, event, Outcome.PARKED, 1, NOW, rule="the order is not there yet", parking=parking)


@pytest.fixture
def ledger(dynamodb: "DynamoDBClient", table: str) -> DynamoLedger:
    return DynamoLedger(dynamodb, table, days=90)


@pytest.fixture
def room(dynamodb: "DynamoDBClient", table: str) -> DynamoWaitingRoom:
    return DynamoWaitingRoom(dynamodb, table, "erp")


def listed(room: DynamoWaitingRoom) -> list[Waiting]:
    return [one for page in room.pages() for one in page]


def test_a_parked_event_is_listed_by_its_destination_and_known_as_parked(
    ledger: DynamoLedger, room: DynamoWaitingRoom, dynamodb: "DynamoDBClient", table: str
) -> None:
    ledger.record([parked(a_refund(), seen="1##")], [])

    assert listed(room) == [Waiting(FLOW, "shop-eu/refund/7", "r1", ORDER, "1##", NOW, NOW + DAY)]
    assert not listed(DynamoWaitingRoom(dynamodb, table, "warehouse"))
    assert ledger.known(FLOW, [a_refund()]) == [Known(Head(), Outcome.PARKED, NOW)]
    (shown,) = LedgerHistory(dynamodb, table).of("shop-eu/refund/7")
    assert (shown.outcome, shown.waits_for, shown.until) == ("parked", ORDER, NOW + DAY)


def test_with_its_next_outcome_it_is_off_the_list(ledger: DynamoLedger, room: DynamoWaitingRoom) -> None:
    ledger.record([parked(a_refund()), parked(a_refund("r2"))], [])

    ledger.record([Entry(FLOW, a_refund(), Outcome.APPLIED, 1, NOW, parked_before="erp")], [])

    assert [one.event_id for one in listed(room)] == ["r2"]
    assert ledger.known(FLOW, [a_refund()]) == [Known(Head(), Outcome.APPLIED)]


def test_parked_again_it_stays_on_the_list(ledger: DynamoLedger, room: DynamoWaitingRoom) -> None:
    ledger.record([parked(a_refund())], [])

    ledger.record([replace(parked(a_refund(), seen="2##"), parked_before="erp", recorded_at=NOW + DAY)], [])

    assert [(one.seen, one.parked_at) for one in listed(room)] == [("2##", NOW + DAY)]


def test_an_event_that_parks_and_ends_in_one_write_is_one_request(
    ledger: DynamoLedger, room: DynamoWaitingRoom
) -> None:
    """DynamoDB refuses a call with two requests for one key."""
    ledger.record([parked(a_refund()), Entry(FLOW, a_refund(), Outcome.APPLIED, 1, NOW, parked_before="erp")], [])

    assert not listed(room)


def test_ids_of_any_length_can_be_listed(ledger: DynamoLedger, room: DynamoWaitingRoom) -> None:
    long = an_event("e" * 500, f"shop-eu/order/{'o' * 500}")

    ledger.record([parked(long)], [])

    (one,) = listed(room)
    assert room.event(one) == long


def test_it_is_kept_as_long_as_it_waits_and_then_as_long_as_every_outcome(
    ledger: DynamoLedger, dynamodb: "DynamoDBClient", table: str
) -> None:
    ledger.record([parked(a_refund())], [])

    ends = {int(item["expires_at"]["N"]) for item in dynamodb.scan(TableName=table)["Items"]}
    assert ends == {int((NOW + DAY + timedelta(days=90)).timestamp())}


def test_many_are_read_page_by_page_and_counted_by_flow(
    ledger: DynamoLedger, room: DynamoWaitingRoom, dynamodb: "DynamoDBClient", table: str
) -> None:
    ledger.record([parked(a_refund(f"r{n}")) for n in range(230)], [])
    ledger.record([parked(a_refund(f"r{n}"), flow=f"{FLOW}-2") for n in range(3)], [])

    assert [len(page) for page in room.pages()] == [100, 100, 33]
    assert count_parked(dynamodb, table, "erp", FLOW) == 230


def test_what_was_parked_anew_since_it_was_listed_stays(ledger: DynamoLedger, room: DynamoWaitingRoom) -> None:
    """It was sent, tried and parked again before whoever sent it took it off the list."""
    ledger.record([parked(a_refund())], [])
    (before,) = listed(room)
    ledger.record([replace(parked(a_refund()), recorded_at=NOW + timedelta(seconds=1))], [])

    room.leave(before)
    room.note_told(before, NOW)

    (one,) = listed(room)
    assert (one.parked_at, one.told_at) == (NOW + timedelta(seconds=1), None)
    room.leave(one)
    assert not listed(room)


def test_noting_what_is_gone_brings_nothing_back(ledger: DynamoLedger, room: DynamoWaitingRoom) -> None:
    ledger.record([parked(a_refund(), A_PERSON)], [])
    (one,) = listed(room)
    room.note_told(one, NOW)
    assert listed(room)[0].told_at == NOW
    room.leave(one)

    room.note_told(one, NOW)

    assert not listed(room)


@pytest.mark.parametrize("outcome", [Outcome.APPLIED, Outcome.DISCARDED, Outcome.DEAD])
def test_an_event_that_ended_by_other_ways_is_parked_no_longer(
    ledger: DynamoLedger, room: DynamoWaitingRoom, outcome: Outcome
) -> None:
    ledger.record([parked(a_refund())], [])
    ledger.record([Entry(FLOW, a_refund(), outcome, 1, NOW)], [])

    (left_over,) = listed(room)
    assert room.event(left_over) is None


def test_an_event_whose_outcome_has_expired_is_parked_no_longer(room: DynamoWaitingRoom) -> None:
    assert room.event(Waiting(FLOW, "shop-eu/refund/8", "gone", ORDER, "", NOW, NOW)) is None


def test_a_parents_standing_is_told_from_its_last_outcome(ledger: DynamoLedger, room: DynamoWaitingRoom) -> None:
    assert room.standing(FLOW, ORDER) == "no event of it has been recorded"

    ledger.record([Entry(FLOW, an_event("e1"), Outcome.IGNORED, 1, NOW, rule="no action")], [])
    assert room.standing(FLOW, ORDER) == "its last event is recorded as ignored (no action)"

    refused = Failure("Refused", "", "", "no such item")
    ledger.record([Entry(FLOW, an_event("e2"), Outcome.DEAD, 1, NOW + DAY, failure=refused)], [])
    ledger.record([Entry("other", an_event("e3"), Outcome.APPLIED, 1, NOW + 2 * DAY)], [])
    assert room.standing(FLOW, ORDER) == "its last event is recorded as dead (Refused: no such item)"

    ledger.record([Entry(FLOW, an_event("e4"), Outcome.APPLIED, 1, NOW + 3 * DAY, "Sales Order", "SO-1")], [])
    assert room.standing(FLOW, ORDER) == "its last event is recorded as applied as Sales Order SO-1"


@pytest.mark.parametrize("call", ["query", "delete_item"])
def test_a_refusal_is_our_trouble(dynamodb: "DynamoDBClient", call: str) -> None:
    room = DynamoWaitingRoom(dynamodb, "t", "erp")
    does: Any = {
        "query": lambda: listed(room),
        "delete_item": lambda: room.leave(Waiting("f", "s", "e", "w", "", NOW, NOW)),
    }
    with Stubber(dynamodb) as stubbed:
        stubbed.add_client_error(call, "AccessDeniedException")

        with pytest.raises(LedgerUnavailable, match="AccessDeniedException"):
            does[call]()


# --- the queues -------------------------------------------------------------------------------------------------------


@pytest.fixture
def queues(sqs: "SQSClient", name: str) -> SqsFlowQueues:
    """Those of flow FLOW on a stage of its own."""
    attributes: Any = {"FifoQueue": "true", "VisibilityTimeout": "0"}
    for queue in (names.queue(name, FLOW), names.dead_letter_queue(name, FLOW)):
        sqs.create_queue(QueueName=queue, Attributes=attributes)
    return SqsFlowQueues(sqs, name)


def came(sqs: "SQSClient", queue: str) -> list[Any]:
    url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
    return sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]).get("Messages", [])


def test_an_event_gets_back_into_a_queue_that_has_had_it_and_once_per_mark(
    queues: SqsFlowQueues, sqs: "SQSClient", name: str
) -> None:
    for mark in ("", "1", "1", "2"):
        queues.put_again(FLOW, a_refund(), mark)

    assert [from_json(message["Body"]) for message in came(sqs, names.queue(name, FLOW))] == [a_refund()] * 3


def test_a_dead_one_is_buried_with_its_reason(queues: SqsFlowQueues, sqs: "SQSClient", name: str) -> None:
    queues.bury(FLOW, a_refund(), Failure("ParentMissing", "", "", "waited"))

    (message,) = came(sqs, names.dead_letter_queue(name, FLOW))
    assert message["MessageAttributes"]["code"]["StringValue"] == "ParentMissing"
    assert from_json(message["Body"]) == a_refund()


def test_the_queue_of_a_flow_that_was_removed_is_one_sentence(queues: SqsFlowQueues) -> None:
    with pytest.raises(QueueUnavailable, match=r"the queue hub-.*-removed.fifo could not be looked up"):
        queues.put_again("removed", a_refund(), "")


def test_from_the_list_to_the_queue_and_off_the_list(
    ledger: DynamoLedger, room: DynamoWaitingRoom, queues: SqsFlowQueues, sqs: "SQSClient", name: str
) -> None:
    """With a body that the ledger keeps in parts."""
    noise = base64.b85encode(hashlib.shake_256(b"not to be compressed").digest(500_000))
    ledger.record([parked(a_refund(data=noise)), parked(a_refund("r2"), "shop-eu/order/2")], [])
    ledger.record([], [(FLOW, ORDER, Head("1", "Sales Order", "SO-1"))])

    done = release_parked("erp", room, ledger, queues, FakeNotices(), NOW + timedelta(minutes=1))

    assert done == Released(1, released=1)
    (message,) = came(sqs, names.queue(name, FLOW))
    assert from_json(message["Body"]) == a_refund(data=noise)
    assert [one.event_id for one in listed(room)] == ["r2"]
