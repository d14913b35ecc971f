"""An integration that is read: its sync Lambda, what it may do, and the schedules that run it."""

import json

import pytest

from hub.config import Config, Orphans, StreamConfig
from hub.orphans import OrphanLimits
from hub.settings import SyncSettings
from hub.streams import Declared
from infra.streams import streams_of
from tests.infra.conftest import Synthesize
from tests.infra.templates import Templates

pytestmark = pytest.mark.slow

NAME = "hub-production-sync-shop-eu"


@pytest.fixture(scope="module")
def config(example: Config) -> Config:
    """The example, with streams of two kinds and one that is read by hand only."""
    streams = {
        "orders": StreamConfig(every="15 minutes", overlap=120, compare="1 day", orphans=Orphans(max_per_run=7)),
        "nightly": StreamConfig(cron="0 2 * * ? *", time_zone="Europe/Berlin", mode="full"),
        "by-hand": StreamConfig(),
    }
    shop = example.integrations["shop-eu"].model_copy(update={"streams": streams})
    return example.model_copy(update={"integrations": {**example.integrations, "shop-eu": shop}})


@pytest.fixture(scope="module")
def templates(synthesize: Synthesize, config: Config) -> Templates:
    return synthesize(config)


def test_each_schedule_runs_its_stream_in_its_own_zone(templates: Templates, config: Config) -> None:
    schedules = [each.properties for each in templates.all("AWS::Scheduler::Schedule")]
    found = {
        (each["ScheduleExpression"], each["ScheduleExpressionTimezone"]): json.loads(each["Target"]["Input"])
        for each in schedules
        if "Input" in each["Target"]
    }
    declared = streams_of(config, "shop-eu")

    assert found == {
        ("rate(15 minutes)", "UTC"): declared["orders"].to_request(),
        ("rate(1 day)", "UTC"): declared["orders"].to_request() | {"compare": True},
        ("cron(0 2 * * ? *)", "Europe/Berlin"): declared["nightly"].to_request(),
    }
    assert {name: Declared.from_request(each.to_request()) for name, each in declared.items()} == declared
    assert declared["orders"].stream.overlap == 120
    assert declared["orders"].orphans == OrphanLimits(max_per_run=7, max_share=0.1)


def test_it_may_queue_keep_its_own_cursors_and_go_on_and_nothing_else(templates: Templates) -> None:
    rights = templates.rights(NAME)

    assert rights == {
        f"</aws/lambda/{NAME} Arn>": ["logs:CreateLogStream", "logs:PutLogEvents"],
        "<hub-production-shop-eu-to-erp.fifo Arn>": ["sqs:SendMessage"],
        "<hub-production-ledger Arn>": [
            "dynamodb:GetItem",
            "dynamodb:Query",
            "dynamodb:UpdateItem",
            'if {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["stream/shop-eu/*"]}}',
        ],
        "arn:aws:secretsmanager:eu-central-1:ACCOUNT:secret:hub/production/shop-eu-??????": [
            "secretsmanager:GetSecretValue"
        ],
        "arn:aws:s3:::hub-production-bodies-ACCOUNT-eu-central-1/bodies/*": ["s3:PutObject"],
        "arn:aws:s3:::hub-production-bodies-ACCOUNT-eu-central-1/streams/shop-eu/*": [
            "s3:DeleteObject",
            "s3:GetObject",
            "s3:PutObject",
        ],
        "arn:aws:s3:::hub-production-bodies-ACCOUNT-eu-central-1": [
            'if {"StringLike": {"s3:prefix": ["streams/shop-eu/*"]}}',
            "s3:ListBucket",
        ],
        f"arn:aws:lambda:eu-central-1:ACCOUNT:function:{NAME}": ["lambda:InvokeFunction"],
        "<hub-production-lost-invocations Arn>": ["sqs:SendMessage"],
    }


def test_it_may_go_on_in_another_of_itself_as_often_as_it_takes(templates: Templates) -> None:
    functions = {each.properties["FunctionName"]: each.properties for each in templates.all("AWS::Lambda::Function")}

    assert functions[NAME]["RecursiveLoop"] == "Allow"
    assert [name for name, each in functions.items() if "RecursiveLoop" in each] == [NAME]


def test_it_reads_the_settings_that_it_is_given(templates: Templates) -> None:
    settings = SyncSettings._from_dict(templates.settings(NAME))

    assert (settings.integration, settings.connector) == ("shop-eu", "shopify")
    assert len(settings.queue_urls) == 1


def test_an_integration_without_streams_has_no_such_function(production: Templates) -> None:
    functions = [each.properties["FunctionName"] for each in production.all("AWS::Lambda::Function")]

    assert not [name for name in functions if "-sync-" in name]
