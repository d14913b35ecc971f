"""An integration that is read: its sync Lambda, what it may do, and the schedules that run it."""

import json

import pytest

from hub.config import Config, Orphans, Reconcile, StreamConfig
from hub.orphans import OrphanLimits
from hub.reconcile import Reconciliation
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
    schedules = [
        each.properties
        for each in templates.all("AWS::Scheduler::Schedule")
        if "ScheduleExpressionTimezone" in each.properties
    ]
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


@pytest.fixture(scope="module")
def reconciled(synthesize: Synthesize, config: Config) -> Templates:
    """The same, and orders are held against what ERPNext says."""
    shop = config.integrations["shop-eu"]
    orders = shop.streams["orders"].model_copy(update={"reconcile": Reconcile(every="1 day", window="14 days")})
    shop = shop.model_copy(update={"streams": {**shop.streams, "orders": orders}})
    return synthesize(config.model_copy(update={"integrations": {**config.integrations, "shop-eu": shop}}))


def test_a_stream_is_reconciled_with_the_flows_destination_on_its_schedule(reconciled: Templates) -> None:
    targets = [
        (each.properties["ScheduleExpression"], json.loads(each.properties["Target"].get("Input", "{}")))
        for each in reconciled.all("AWS::Scheduler::Schedule")
    ]

    [(expression, request)] = [(when, what) for when, what in targets if "reconcile" in what]
    asked = Reconciliation.from_request(request["reconcile"])
    assert expression == "rate(1 day)"
    assert Declared.from_request(request).stream.path == "shop-eu/orders"
    assert (asked.flow, asked.destination, asked.action) == ("shop-eu-to-erp", "erp", "upsert_sales_order")
    assert (asked.window_seconds, asked.tolerance_seconds) == (14 * 86_400, 3_600)
    assert asked.settings["company"]


def test_it_may_also_ask_the_destination_see_ends_and_tell_and_nothing_else(
    templates: Templates, reconciled: Templates
) -> None:
    before, after = templates.rights(NAME), reconciled.rights(NAME)
    ledger = "<hub-production-ledger Arn>"
    more = {target: rights for target, rights in after.items() if rights != before.get(target) and target != ledger}

    assert more == {
        "arn:aws:secretsmanager:eu-central-1:ACCOUNT:secret:hub/production/erp-??????": [
            "secretsmanager:GetSecretValue"
        ],
        "<hub-production-alarms>": ["sns:Publish"],
    }
    added = [each for each in reconciled.statements(NAME, ledger) if each not in templates.statements(NAME, ledger)]
    assert added == [(["dynamodb:BatchGetItem"], {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["shop-eu/*"]}})]


def test_an_alarm_rings_on_differences_until_a_reconciliation_finds_none(
    templates: Templates, reconciled: Templates
) -> None:
    name = "hub-production-shop-eu-differences"
    alarm = reconciled.named("AWS::CloudWatch::Alarm", name).properties

    assert (alarm["MetricName"], alarm["Threshold"], alarm["TreatMissingData"]) == ("Differences", 0, "ignore")
    assert {each["Name"]: each["Value"] for each in alarm["Dimensions"]} == {
        "stage": "production",
        "integration": "shop-eu",
    }
    assert not [each for each in templates.all("AWS::CloudWatch::Alarm") if each.properties["AlarmName"] == name]


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
