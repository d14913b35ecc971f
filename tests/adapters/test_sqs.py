"""SQS: events are kept in order and once, dead letters with their reason; what SQS did not confirm is not kept."""

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ConnectTimeoutError
from botocore.stub import Stubber

from adapters.sqs import (
    MAX_VISIBILITY_SECONDS,
    SqsDeadLetters,
    SqsEventQueue,
    failure_attributes,
    failure_from_attributes,
    received_from_record,
)
from hub.deliver_batch import Again
from hub.errors import QueueUnavailable, Temporary
from hub.events import SQS_MESSAGE_BYTES, Event, to_json
from hub.ledger import Failure
from tests.fakes import NOW, an_event, received

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

REFUSED = Failure("Refused", "DATA_VALIDATION_FAILED", "medium", "Item X does not exist")


def put(queue: SqsEventQueue, event: Event) -> None:
    queue.put([(event, to_json(event))])


def messages(sqs: "SQSClient", url: str) -> list[Any]:
    answer = sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["All"], MessageAttributeNames=["All"]
    )
    return answer.get("Messages", [])


def lambda_record(message: Any) -> dict[str, Any]:
    """A received message as Lambda's event source mapping hands it over."""
    attributes = {
        name: {"dataType": value["DataType"], "stringValue": value["StringValue"]}
        for name, value in message.get("MessageAttributes", {}).items()
    }
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message["Attributes"],
        "messageAttributes": attributes,
    }


def test_an_event_is_kept_under_its_entity_and_its_id(sqs: "SQSClient", queue_url: str) -> None:
    event = an_event("b54557e4", "shop-eu/order/1", data=b'{"name": "\xc3\xbc"}')

    put(SqsEventQueue(sqs, queue_url), event)

    (message,) = messages(sqs, queue_url)
    assert message["Attributes"]["MessageGroupId"] == "shop-eu/order/1"
    assert message["Attributes"]["MessageDeduplicationId"] == "shop-eu/order/1:b54557e4"
    assert received_from_record(lambda_record(message)).event == event
    assert received_from_record(lambda_record(message)).attempts == 1


def test_the_same_event_twice_is_kept_once(sqs: "SQSClient", queue_url: str) -> None:
    queue = SqsEventQueue(sqs, queue_url)

    put(queue, an_event("e-1"))
    put(queue, replace(an_event("e-1"), received_at=NOW + timedelta(seconds=5)))

    assert len(messages(sqs, queue_url)) == 1


def test_replays_get_through_each_of_them(sqs: "SQSClient", queue_url: str) -> None:
    queue, event = SqsEventQueue(sqs, queue_url), an_event("e-1")

    put(queue, event)
    put(queue, event.replayed(NOW + timedelta(seconds=1)))
    put(queue, event.replayed(NOW + timedelta(seconds=2)))

    assert len(messages(sqs, queue_url)) == 3


@pytest.mark.parametrize(("event_id", "entity"), [("ü", "shop-eu/order/ü"), ("x" * 200, "shop-eu/order/" + "9" * 200)])
def test_ids_that_sqs_refuses_are_kept_under_their_digest(
    sqs: "SQSClient", queue_url: str, event_id: str, entity: str
) -> None:
    put(SqsEventQueue(sqs, queue_url), an_event(event_id, entity))

    (message,) = messages(sqs, queue_url)
    assert message["Attributes"]["MessageGroupId"].startswith("sha256:")
    assert received_from_record(lambda_record(message)).event.subject == entity


def test_what_sqs_does_not_confirm_is_not_kept(sqs: "SQSClient") -> None:
    gone = SqsEventQueue(sqs, "https://sqs.us-east-1.amazonaws.com/123456789012/gone.fifo")

    with pytest.raises(QueueUnavailable, match="SQS did not confirm the event: AWS"):
        put(gone, an_event())


def test_many_events_travel_in_as_many_calls_as_sqs_takes(sqs: "SQSClient", queue_url: str) -> None:
    """Of one entity they stay in order; 1,000 updates in one delivery are 100 calls."""
    events = [an_event(f"e-{number}", "shop-eu/order/1") for number in range(23)]

    SqsEventQueue(sqs, queue_url).put([(event, to_json(event)) for event in events])

    kept = []
    while batch := messages(sqs, queue_url):
        kept += [received_from_record(lambda_record(message)).event.id for message in batch]
        for message in batch:
            sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
    assert kept == [event.id for event in events]


def test_the_same_id_at_two_entities_is_two_events(sqs: "SQSClient", queue_url: str) -> None:
    put(SqsEventQueue(sqs, queue_url), an_event("e-1", "shop-eu/order/1"))
    put(SqsEventQueue(sqs, queue_url), an_event("e-1", "shop-eu/order/2"))

    assert len(messages(sqs, queue_url)) == 2


def sizes_of_calls(sizes: list[int]) -> list[int]:
    """How many messages of these sizes travel in each call."""
    calls: list[int] = []

    class Counting:
        def send_message_batch(self, Entries: list[Any], **_: Any) -> dict[str, Any]:  # noqa: N803 - AWS's name
            assert sum(len(entry["MessageBody"]) for entry in Entries) <= SQS_MESSAGE_BYTES
            calls.append(len(Entries))
            return {"Successful": Entries}

    client: Any = Counting()
    SqsEventQueue(client, "url").put([(an_event(), "x" * size) for size in sizes])
    return calls


def test_a_call_holds_ten_events_and_one_mebibyte() -> None:
    half = SQS_MESSAGE_BYTES // 2

    assert sizes_of_calls([1] * 21) == [10, 10, 1]
    assert sizes_of_calls([half, half, 1]) == [2, 1]
    assert sizes_of_calls([half, half + 1, 1]) == [1, 2]
    assert sizes_of_calls([SQS_MESSAGE_BYTES, SQS_MESSAGE_BYTES]) == [1, 1]
    assert sizes_of_calls([]) == []


def test_one_event_of_many_that_sqs_refuses_is_not_acknowledged(sqs: "SQSClient") -> None:
    with Stubber(sqs) as stubbed:
        stubbed.add_response(
            "send_message_batch",
            {
                "Successful": [{"Id": "0", "MessageId": "m", "MD5OfMessageBody": "m"}],
                "Failed": [{"Id": "1", "SenderFault": False, "Code": "InternalError"}],
            },
        )

        with pytest.raises(QueueUnavailable, match="SQS did not confirm every event: InternalError"):
            SqsEventQueue(sqs, "url").put([(an_event("a"), "{}"), (an_event("b"), "{}")])


def test_no_answer_is_no_confirmation() -> None:
    class Unreachable:
        def send_message(self, **_: Any) -> None:
            raise ConnectTimeoutError(endpoint_url="https://sqs")

        send_message_batch = send_message

    client: Any = Unreachable()
    with pytest.raises(QueueUnavailable, match="ConnectTimeoutError"):
        put(SqsEventQueue(client, "url"), an_event())
    with pytest.raises(QueueUnavailable, match="ConnectTimeoutError"):
        SqsDeadLetters(client, "url").bury(received(an_event()), REFUSED)


def test_a_dead_letter_bears_its_reason(sqs: "SQSClient", queue_url: str) -> None:
    event = an_event("e-1")

    SqsDeadLetters(sqs, queue_url).bury(received(event, attempts=7), REFUSED, "1042")

    record = lambda_record(messages(sqs, queue_url)[0])
    assert received_from_record(record).event == event
    assert failure_from_attributes(record["messageAttributes"]) == (REFUSED, 7, "1042")


def test_a_dead_letter_buried_twice_is_one_and_after_a_replay_two(sqs: "SQSClient", queue_url: str) -> None:
    dead_letters, event = SqsDeadLetters(sqs, queue_url), an_event("e-1")

    dead_letters.bury(received(event), REFUSED)
    dead_letters.bury(received(event, attempts=2), REFUSED)
    dead_letters.bury(received(event.replayed(NOW + timedelta(hours=1))), REFUSED)

    assert len(messages(sqs, queue_url)) == 2


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("", "no message"),
        ("x" * 5_000, "x" * 2_000),
        ("two\nlines\tand ü", "two\nlines\tand ü"),
        ("a\x00b\x1bc\uffffd\ud800e", "a?b?c?d?e"),
    ],
)
def test_a_reason_is_cut_to_what_sqs_takes(said: str, kept: str) -> None:
    attributes = failure_attributes(replace(REFUSED, message=said), 1)

    assert attributes["message"] == {"DataType": "String", "StringValue": kept}


def test_a_message_that_the_queue_itself_gave_up_on_has_no_reason() -> None:
    assert failure_from_attributes({}) is None


def test_hidden_messages_come_back_after_their_wait(sqs: "SQSClient", queue_url: str) -> None:
    queue = SqsEventQueue(sqs, queue_url)
    put(queue, an_event("e-1", "shop-eu/order/1"))
    put(queue, an_event("e-2", "shop-eu/order/2"))
    records = [lambda_record(message) for message in messages(sqs, queue_url)]
    first, second = (received_from_record(record) for record in records)
    receipts = {record["messageId"]: record["receiptHandle"] for record in records}

    queue.hide([Again(first, 0.2, Temporary("x")), Again(second, 600.0, Temporary("x"))], receipts)

    assert [message["MessageId"] for message in messages(sqs, queue_url)] == [first.message_id]


@pytest.mark.parametrize(
    ("wait", "timeout"), [(0.0, 0), (0.4, 0), (17.6, 18), (900.0, 900), (10.0**6, MAX_VISIBILITY_SECONDS)]
)
def test_a_wait_is_whole_seconds_and_never_more_than_sqs_allows(sqs: "SQSClient", wait: float, timeout: int) -> None:
    again = Again(received(an_event("e-1")), wait, Temporary("x"))
    with Stubber(sqs) as stubbed:
        stubbed.add_response(
            "change_message_visibility_batch",
            {"Successful": [{"Id": "0"}], "Failed": []},
            {"QueueUrl": "url", "Entries": [{"Id": "0", "ReceiptHandle": "receipt", "VisibilityTimeout": timeout}]},
        )
        SqsEventQueue(sqs, "url").hide([again], {"message-e-1": "receipt"})

        stubbed.assert_no_pending_responses()


def test_nothing_to_hide_calls_nobody(sqs: "SQSClient") -> None:
    with Stubber(sqs):  # would raise on any call
        SqsEventQueue(sqs, "url").hide([], {})


def test_a_failed_hiding_says_so(sqs: "SQSClient") -> None:
    with Stubber(sqs) as stubbed:
        stubbed.add_client_error("change_message_visibility_batch", "RequestThrottled")

        with pytest.raises(QueueUnavailable, match="SQS did not hide the messages: RequestThrottled"):
            SqsEventQueue(sqs, "url").hide([Again(received(an_event("e")), 1, Temporary("x"))], {"message-e": "r"})


@pytest.mark.parametrize(
    "change",
    [
        {"body": "no event"},
        {"body": "{}"},
        {"attributes": {}},
        {"attributes": {"ApproximateReceiveCount": "many"}},
    ],
    ids=str,
)
def test_a_record_that_is_no_event_is_told_by_its_error(change: dict[str, Any]) -> None:
    good = {"messageId": "1", "body": to_json(an_event()), "attributes": {"ApproximateReceiveCount": "1"}}
    assert received_from_record(good).attempts == 1

    with pytest.raises((ValueError, KeyError)):
        received_from_record(good | change)
