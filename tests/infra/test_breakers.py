"""Each destination has a breaker that may pause the flows to it, and nothing else."""

import pytest

from hub.settings import BreakerSettings
from tests.infra.templates import Templates

pytestmark = pytest.mark.slow

NAME = "hub-production-breaker-erp"


def test_the_breaker_may_pause_deliveries_ask_its_destination_and_tell(production: Templates) -> None:
    rights = production.rights(NAME)
    (narrowed, action) = rights.pop("arn:aws:lambda:eu-central-1:ACCOUNT:event-source-mapping:*")

    assert action == "lambda:UpdateEventSourceMapping"
    assert "lambda:FunctionArn" in narrowed
    assert ":function:hub-production-delivery-*" in narrowed
    assert rights == {
        f"</aws/lambda/{NAME} Arn>": ["logs:CreateLogStream", "logs:PutLogEvents"],
        "<hub-production-ledger Arn>": [
            "dynamodb:GetItem",
            "dynamodb:PutItem",
            'if {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["destination/*", "flow/*"]}}',
        ],
        "*": ["lambda:ListEventSourceMappings"],
        "<hub-production-alarms>": ["sns:Publish"],
        "arn:aws:secretsmanager:eu-central-1:ACCOUNT:secret:hub/production/erp-??????": [
            "secretsmanager:GetSecretValue"
        ],
    }


def test_it_reads_the_settings_that_it_is_given(production: Templates) -> None:
    settings = BreakerSettings._from_dict(production.settings(NAME))

    assert (settings.destination, settings.connector, settings.breaker.strikes) == ("erp", "erpnext", 5)


def test_it_runs_every_minute(production: Templates) -> None:
    (schedule,) = [each for each in production.all("AWS::Scheduler::Schedule") if "erp" in each.logical_id]

    assert schedule.properties["ScheduleExpression"] == "rate(1 minute)"


def test_a_delivery_function_may_wake_the_breaker_of_its_destination(production: Templates) -> None:
    rights = production.rights("hub-production-delivery-shop-eu-to-erp")

    assert rights[f"arn:aws:lambda:eu-central-1:ACCOUNT:function:{NAME}"] == ["lambda:InvokeFunction"]
