"""While ERPNext is down, slow or unlucky nothing is lost, doubled or set aside; others are not held up."""

import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from hub import names
from hub.breaker import State
from hub.events import from_json, to_json
from hub.pace import HALVED, SETTLING
from infra.local.erpnext.faults import Fault
from infra.local.stand_in import stock
from tests.local_aws.hub import (
    FLOW,
    MUG,
    OTHER_INTEGRATION,
    STAGE,
    LocalHub,
    a_customer,
    a_line,
    an_order,
    fresh_number,
    wait_for,
)

SUBMITTED = 1


@pytest.mark.parametrize("kind", ["maintenance", "drop_before_commit", "html_error"])
def test_orders_of_an_outage_are_written_after_it(hub: LocalHub, kind: str) -> None:
    hub.erp.misbehave(Fault(kind, times=None))
    hub.erp.clear_requests()
    bodies = [an_order() for _ in range(5)]
    answers = [hub.deliver("orders/create", body) for body in bodies]
    wait_for(lambda: hub.breaker().state is State.OPEN or None, "the breaker has not opened")
    wait_for(lambda: hub.reading(FLOW) == "Disabled" or None, "the flow is not paused")

    during = [hub.ends(f"order/{body['id']}") for body in bodies]
    hub.erp.clear_requests()
    time.sleep(2)  # longer than any wait of the tests' own retry policy
    tried_meanwhile = [method for method, _, _ in hub.erp.requests if method != "GET"]
    hub.erp.behave()
    ends = [hub.end_of(f"order/{body['id']}", answer) for body, answer in zip(bodies, answers, strict=True)]

    assert [answer.status for answer in answers] == [200] * 5
    assert during == [[]] * 5
    assert tried_meanwhile == []
    assert [end.outcome for end in ends] == ["applied"] * 5
    assert max(end.attempts for end in ends) <= 6
    assert "erp is unavailable" in hub.notice_about("Its flows are paused")
    hub.settle()
    assert (hub.breaker().pristine, hub.reading(FLOW)) == (True, "Enabled")
    assert [[order["docstatus"] for order in hub.orders(body["id"])] for body in bodies] == [[SUBMITTED]] * 5


@pytest.mark.parametrize(
    "fault",
    [
        Fault("drop_after_commit", method="POST", doctype="Sales Order"),
        Fault("truncated", method="POST", doctype="Sales Order"),
        Fault("drop_after_commit", method="PUT", doctype="Sales Order"),
        Fault("drop_after_commit", method="POST", doctype="Customer"),
        Fault("deadlock", method="POST", doctype="Sales Order"),
        Fault("deadlock", method="PUT", doctype="Sales Order"),
        Fault("rate_limit", method="POST", doctype="Sales Order", seconds=1),
        Fault("bin_race", method="POST", doctype="Sales Order"),
    ],
    ids=lambda fault: f"{fault.kind} {fault.method} {fault.doctype}",
)
def test_one_mishap_ends_in_one_submitted_order(hub: LocalHub, fault: Fault) -> None:
    body = an_order(buyer=a_customer())
    hub.erp.misbehave(fault)

    end = hub.end_of(f"order/{body['id']}", hub.deliver("orders/create", body))

    assert end.outcome in ("applied", "unchanged")  # unchanged: the try whose answer was lost had done it all
    assert end.attempts == 2
    assert [order["docstatus"] for order in hub.orders(body["id"])] == [SUBMITTED]
    assert len(hub.customers(body["customer"]["id"])) == 1


def test_a_deadlock_slows_all_functions(hub: LocalHub) -> None:
    before, body = hub.pace(), an_order()
    settled = (before.cut_at or datetime.now(UTC)) + SETTLING  # before that it would be the trouble of an earlier test
    wait_for(lambda: datetime.now(UTC) > settled or None, "the last trouble is not over")
    hub.erp.misbehave(Fault("deadlock", method="POST", doctype="Sales Order"))

    hub.end_of(f"order/{body['id']}", hub.deliver("orders/create", body))

    after = hub.pace()
    assert (after.version, after.factor) == (before.version + 1, HALVED)
    assert after.level > 1


def test_an_entity_that_fails_keeps_its_order_and_holds_up_nobody(hub: LocalHub) -> None:
    number, buyer = fresh_number(), a_customer()
    hub.end_of(f"order/{number}", hub.deliver("orders/create", an_order(number=number, buyer=buyer)))
    (stuck,) = hub.orders(number)
    hub.erp.misbehave(Fault("deadlock", times=None, doctype="Sales Order", document=stuck["name"]))
    changes = [an_order(a_line(MUG, 1 + at), number=number, buyer=buyer, at=at) for at in (1, 2, 3)]
    waiting = [hub.deliver("orders/updated", body) for body in changes]

    others = [an_order() for _ in range(3)]
    passed = [hub.end_of(f"order/{body['id']}", hub.deliver("orders/create", body)).outcome for body in others]
    elsewhere = an_order()
    answer = hub.shop(OTHER_INTEGRATION).deliver("orders/create", elsewhere)
    passed.append(hub.end_of(f"{OTHER_INTEGRATION}/order/{elsewhere['id']}", answer).outcome)
    still_waiting = len(hub.ends(f"order/{number}")) == 1
    hub.erp.behave()
    ends = [hub.end_of(f"order/{number}", answer) for answer in waiting]

    assert passed == ["applied"] * 4
    assert still_waiting
    assert [end.outcome for end in ends] == ["applied"] * 3
    assert sorted(ends, key=lambda end: end.recorded_at) == ends
    assert [order["grand_total"] for order in hub.orders(number) if order["docstatus"] == SUBMITTED] == [50.0]


def test_a_function_that_is_killed_in_the_middle_leaves_one_order(hub: LocalHub) -> None:
    function = names.delivery_function(STAGE, FLOW)
    body = an_order()
    sqs, queue = hub.aws.client("sqs"), hub.queue_url(names.queue(STAGE, FLOW))
    usual = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["VisibilityTimeout"])["Attributes"]
    hub.erp.misbehave(Fault("stall_after_commit", method="POST", doctype="Sales Order", seconds=20))
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"VisibilityTimeout": "3"})  # a test cannot wait 12 minutes
    try:
        answer = hub.deliver("orders/create", body)
        wait_for(lambda: hub.orders(body["id"]) or None, "the order was not created")
        killed = hub.kill(function)
        end = hub.end_of(f"order/{body['id']}", answer)
    finally:
        sqs.set_queue_attributes(QueueUrl=queue, Attributes=usual)

    assert killed
    assert (end.outcome, end.attempts) == ("applied", 2)
    assert [order["docstatus"] for order in hub.orders(body["id"])] == [SUBMITTED]


def test_an_event_that_was_applied_and_comes_again_from_the_queue_changes_nothing(hub: LocalHub) -> None:
    body = an_order()
    flow_queue = hub.queue_url(names.queue(STAGE, FLOW))
    with hub.paused(names.delivery_function(STAGE, FLOW)):
        answer = hub.deliver("orders/create", body)
        message = _take(hub, flow_queue)
        _send(hub, flow_queue, message, "first time")
    hub.end_of(f"order/{body['id']}", answer)
    (before,) = hub.orders(body["id"])

    _send(hub, flow_queue, message, "second time")  # another SQS message with the same event
    hub.settle()

    assert hub.orders(body["id"]) == [before]
    assert [end.outcome for end in hub.ends(f"order/{body['id']}")] == ["applied"]


def test_a_dead_letter_sent_back_after_the_cause_is_mended_makes_one_order(hub: LocalHub) -> None:
    sku = f"NEW-{fresh_number()}"
    body = an_order(a_line(sku))
    dead_queue = hub.queue_url(names.dead_letter_queue(STAGE, FLOW))
    with hub.paused(names.dlq_function(STAGE)):
        answer = hub.deliver("orders/create", body)
        message = _take(hub, dead_queue)
        _send(hub, dead_queue, message, "back on the dead letter queue")
    dead = hub.end_of(f"order/{body['id']}", answer)
    stock(hub.erp.url, [sku])

    replay = to_json(from_json(message).replayed(datetime.now(UTC)))
    _send(hub, hub.queue_url(names.queue(STAGE, FLOW)), replay, "replay")
    hub.settle()

    (end,) = hub.ends(f"order/{body['id']}")
    assert dead.outcome == "dead"
    assert (end.outcome, end.replay_of) == ("applied", answer.event)
    assert [order["docstatus"] for order in hub.orders(body["id"])] == [SUBMITTED]


def test_a_message_that_is_no_event_stays_and_disturbs_nobody(hub: LocalHub) -> None:
    queue = hub.queue_url(names.queue(STAGE, FLOW))
    sqs = hub.aws.client("sqs")
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"VisibilityTimeout": "1"})
    try:
        _send(hub, queue, json.dumps({"no": "event"}), "garbage")
        body = an_order()
        end = hub.end_of(f"order/{body['id']}", hub.deliver("orders/create", body))
        waiting = hub.waiting()
    finally:
        sqs.purge_queue(QueueUrl=queue)
        sqs.set_queue_attributes(QueueUrl=queue, Attributes={"VisibilityTimeout": "720"})

    assert end.outcome == "applied"
    assert waiting >= 1  # the garbage; perhaps also the order, whose function has not returned yet


def _take(hub: LocalHub, queue: str) -> str:
    """Take the one message off a queue and return its body."""
    sqs = hub.aws.client("sqs")

    def look() -> dict[str, Any] | None:
        messages = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=1).get("Messages", [])
        return messages[0] if messages else None

    message = wait_for(look, "no message came")
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    return str(message["Body"])


def _send(hub: LocalHub, queue: str, message: str, deduplication: str) -> None:
    subject = json.loads(message).get("subject", "garbage")
    hub.aws.client("sqs").send_message(
        QueueUrl=queue,
        MessageBody=message,
        MessageGroupId=subject,
        MessageDeduplicationId=f"{deduplication} {time.time_ns()}".replace(" ", "-"),
    )
