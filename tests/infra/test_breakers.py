"""Each destination has a breaker that may pause the flows to it, and nothing else."""

import json
import logging
import sys
from dataclasses import replace

import pytest

from adapters.wiring import breaker_hub
from breaker.handler import tend_destination
from hub.breaker import Breaker, struck
from hub.pace import Pacing
from hub.settings import VARIABLE, BreakerSettings, DeliverySettings
from tests.fakes import NOW, FakeBreakers, FakeNotices
from tests.infra.templates import Templates

pytestmark = pytest.mark.slow

NAME = "hub-production-breaker-erp"


def test_the_breaker_may_pause_deliveries_ask_its_destination_release_what_is_parked_and_tell(
    production: Templates,
) -> None:
    rights = production.rights(NAME)
    del rights["<hub-production-ledger Arn>"]  # the next test
    (narrowed, action) = rights.pop("arn:aws:lambda:eu-central-1:ACCOUNT:event-source-mapping:*")

    assert action == "lambda:UpdateEventSourceMapping"
    assert "lambda:FunctionArn" in narrowed
    assert ":function:hub-production-delivery-*" in narrowed
    assert rights == {
        f"</aws/lambda/{NAME} Arn>": ["logs:CreateLogStream", "logs:PutLogEvents"],
        "arn:aws:sqs:eu-central-1:ACCOUNT:hub-production-*.fifo": ["sqs:GetQueueUrl", "sqs:SendMessage"],
        "<hub-production-lost-invocations Arn>": ["sqs:SendMessage"],
        "*": ["lambda:ListEventSourceMappings"],
        "<hub-production-alarms>": ["sns:Publish"],
        "arn:aws:secretsmanager:eu-central-1:ACCOUNT:secret:hub/production/erp-??????": [
            "secretsmanager:GetSecretValue"
        ],
    }


def test_the_breaker_reaches_its_own_items_what_is_parked_and_the_sources_of_its_flows(production: Templates) -> None:
    def narrowed_to(*entities: str) -> dict[str, dict[str, list[str]]]:
        return {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": list(entities)}}

    assert production.statements(NAME, "<hub-production-ledger Arn>") == [
        (["dynamodb:GetItem", "dynamodb:PutItem"], narrowed_to("destination/*", "flow/*")),
        (["dynamodb:DeleteItem", "dynamodb:Query", "dynamodb:UpdateItem"], narrowed_to("parked/erp")),
        (["dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:Query"], narrowed_to("shop-eu/*", "shop-us/*")),
    ]


def test_it_reads_the_settings_that_it_is_given(production: Templates) -> None:
    settings = BreakerSettings._from_dict(production.settings(NAME))

    assert (settings.destination, settings.connector, settings.breaker.strikes) == ("erp", "erpnext", 5)


def test_it_runs_every_minute(production: Templates) -> None:
    (schedule,) = [
        each for each in production.all("AWS::Scheduler::Schedule") if each.logical_id.startswith("Breakerserp")
    ]

    assert schedule.properties["ScheduleExpression"] == "rate(1 minute)"


def test_a_delivery_function_may_wake_the_breaker_of_its_destination(production: Templates) -> None:
    rights = production.rights("hub-production-delivery-shop-eu-to-erp")

    assert rights[f"arn:aws:lambda:eu-central-1:ACCOUNT:function:{NAME}"] == ["lambda:InvokeFunction"]


def test_the_alarm_watches_what_the_breaker_counts(
    production: Templates, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    hub = breaker_hub({VARIABLE: json.dumps(production.settings(NAME))})
    for handler in logging.getLogger(
        "breaker"
    ).handlers:  # perhaps made by an earlier test, for what was its output then
        monkeypatch.setattr(handler, "stream", sys.stdout)
    is_down = FakeBreakers(struck(Breaker(), 5, "503", NOW, hub.limits, wait_seconds=600))
    quiet = replace(hub, breakers=is_down, valves=NoValves(), notices=FakeNotices(), now=lambda: NOW)

    tend_destination({}, None, quiet)

    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    (counted,) = told["_aws"]["CloudWatchMetrics"]
    alarm = production.named("AWS::CloudWatch::Alarm", "hub-production-erp-unavailable").properties
    watched = {each["Name"]: each["Value"] for each in alarm["Dimensions"]}
    assert (alarm["Namespace"], alarm["MetricName"]) == (counted["Namespace"], counted["Metrics"][0]["Name"])
    assert counted["Dimensions"] == [sorted(watched)]
    assert {name: told[name] for name in watched} == watched
    assert told[alarm["MetricName"]] > alarm["Threshold"]


def test_the_alarm_says_what_to_do_and_does_not_end_in_silence(production: Templates) -> None:
    alarm = production.named("AWS::CloudWatch::Alarm", "hub-production-erp-unavailable")

    assert "hub flow status" in alarm.properties["AlarmDescription"]
    assert (alarm.properties["TreatMissingData"], alarm.properties["EvaluationPeriods"]) == ("ignore", 3)
    assert "AlarmActions" not in alarm.properties  # the destination's outage tells


def test_a_function_knows_what_all_flows_to_its_destination_may_have_in_flight(production: Templates) -> None:
    settings = DeliverySettings._from_dict(production.settings("hub-production-delivery-shop-eu-to-erp"))

    assert settings.pacing == Pacing(planned=8, most=8, slow_call_seconds=5)  # two flows, two functions, two workers


class NoValves:
    """Flows that are read as they should be."""

    def set(self, flow: str, *, enabled: bool, max_concurrency: int) -> bool:
        return False
