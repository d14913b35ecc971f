"""CloudWatch Logs: every page of the accepted lines is read, and how long they are kept is what AWS says."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from adapters.accepted_lines import EVENTS_PER_LINE, QUEUED, AcceptedLines, tell_queued
from adapters.telemetry import Telemetry
from hub.audit import Accepted
from tests.fakes import NOW, an_event

START, END = NOW - timedelta(hours=1), NOW
FUNCTION = "hub-staging-webhook-shop-eu"
GROUP = f"/aws/lambda/{FUNCTION}"
ASKED = {
    "logGroupName": GROUP,
    "startTime": int(START.timestamp() * 1000),
    "endTime": int(END.timestamp() * 1000),
    "filterPattern": '{ $.message = "accepted" }',
}


def line(number: int, at: datetime, **more: Any) -> dict[str, Any]:
    said = {"message": "accepted", "event": f"e{number}", "type": "shop.orders/create", "entity": "shop-eu/order/1"}
    return {"timestamp": int(at.timestamp() * 1000), "message": json.dumps(said | more)}


def test_all_pages_are_read_also_behind_an_empty_one() -> None:
    logs = boto3.client("logs")
    first, last = line(1, START), line(2, END - timedelta(milliseconds=1))
    with Stubber(logs) as stubbed:
        stubbed.add_response("filter_log_events", {"events": [first], "nextToken": "a"}, ASKED)
        stubbed.add_response("filter_log_events", {"events": [], "nextToken": "b"}, ASKED | {"nextToken": "a"})
        stubbed.add_response("filter_log_events", {"events": [last]}, ASKED | {"nextToken": "b"})

        found = list(AcceptedLines(logs, FUNCTION).between(START, END))

        stubbed.assert_no_pending_responses()
    assert found == [
        Accepted("shop-eu/order/1", "e1", "shop.orders/create", START),
        Accepted("shop-eu/order/1", "e2", "shop.orders/create", datetime(2026, 1, 1, 11, 59, 59, 999_000, tzinfo=UTC)),
    ]


def test_the_end_of_the_period_is_not_in_it_and_what_is_no_acceptance_is_none() -> None:
    logs = boto3.client("logs")
    others = [line(1, END), line(2, START, message="not accepted"), line(3, START), line(4, START)]
    others[2]["message"], others[3]["message"] = "accepted", '["accepted"]'
    with Stubber(logs) as stubbed:
        stubbed.add_response("filter_log_events", {"events": others}, ASKED)

        assert not list(AcceptedLines(logs, FUNCTION).between(START, END))


def test_a_log_is_kept_as_long_as_its_own_group_says_and_not_another_whose_name_begins_alike() -> None:
    logs = boto3.client("logs")
    for name, days in ((f"{GROUP}-2", 1), (GROUP, 30)):
        logs.create_log_group(logGroupName=name)
        logs.put_retention_policy(logGroupName=name, retentionInDays=days)
    logs.create_log_group(logGroupName=f"{GROUP}-for-ever")

    assert AcceptedLines(logs, FUNCTION).kept_days() == 30
    assert AcceptedLines(logs, f"{FUNCTION}-for-ever").kept_days() is None


def test_a_log_that_is_not_there_is_a_refusal() -> None:
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        list(AcceptedLines(boto3.client("logs"), "hub-staging-webhook-nobody").between(START, END))


def test_what_a_function_tells_of_its_pages_is_read_back(capsys: pytest.CaptureFixture[str]) -> None:
    events = [an_event(f"orders-{number}", f"crm/order/{number}") for number in range(EVENTS_PER_LINE + 1)]
    service = "sync-of-this-test"  # loggers are kept by service, with the output that they were made with
    telemetry = Telemetry(service, {"stage": "staging", "integration": "crm"}, lambda: NOW)

    tell_queued(telemetry, [])
    tell_queued(telemetry, events)

    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(each)["count"] for each in lines] == [EVENTS_PER_LINE, 1]
    assert max(map(len, lines)) < 256 * 1024
    logs, stamp = boto3.client("logs"), int(START.timestamp() * 1000)
    answer = {"events": [{"timestamp": stamp, "message": each} for each in [*lines, '{"message": "queued"}']]}
    with Stubber(logs) as stubbed:
        stubbed.add_response("filter_log_events", answer, ASKED | {"filterPattern": '{ $.message = "queued" }'})

        found = list(AcceptedLines(logs, FUNCTION, QUEUED).between(START, END))

    assert [each.key for each in found] == [(each.subject, each.id) for each in events]
    assert {each.received_at for each in found} == {START}
