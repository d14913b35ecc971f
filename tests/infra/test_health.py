"""Each integration has a check of its own, which looks at its own things only, and counts what alarms watch."""

import pytest

from hub.config import Config, HealthChecks, Integration, StreamConfig
from hub.settings import CalledSettings, HealthSettings, unpacked
from tests.infra.conftest import Synthesize
from tests.infra.templates import Templates

pytestmark = pytest.mark.slow

SHOP, ERP, EVENTS = (f"hub-production-health-{name}" for name in ("shop-eu", "erp", "erp-events"))
LEDGER = "<hub-production-ledger Arn>"
LOST = "<hub-production-lost-invocations Arn>"  # what failed to the last try
SECRET = "arn:aws:secretsmanager:eu-central-1:ACCOUNT:secret:hub/production"
SYNC = "arn:aws:lambda:eu-central-1:ACCOUNT:function:hub-production-sync"
LOGS = ["logs:CreateLogStream", "logs:PutLogEvents"]


@pytest.fixture(scope="module")
def templates(synthesize: Synthesize, example: Config) -> Templates:
    """The example, with a shop that is read and an ERPNext that tells of itself."""
    shop = example.integrations["shop-eu"].model_copy(
        update={
            "url": "https://shop-eu.myshopify.com",
            "streams": {"orders": StreamConfig(every="15 minutes")},
            "health": HealthChecks(every="1 hour", slow_milliseconds=750, mend=False),
            "expects_traffic": True,
            "silent_after": "6 hours",
            "ownership": {"stock": "erp", "price": "erp", "fulfilment": "erp"},
        }
    )
    erp = example.integrations["erp"].model_copy(update={"streams": {"bins": StreamConfig(every="1 hour")}})
    events = Integration(connector="frappe", same_as="erp")
    back = example.flows["shop-eu-to-erp"].model_copy(
        update={"source": "erp-events", "destination": "shop-eu", "settings": {}, "actions": {}}
    )
    read = back.model_copy(update={"source": "erp"})
    return synthesize(
        example.model_copy(
            update={
                "integrations": {**example.integrations, "shop-eu": shop, "erp": erp, "erp-events": events},
                "flows": {**example.flows, "erp-to-shop-eu": back, "bins-to-shop-eu": read},
            }
        )
    )


def test_every_integration_is_checked_by_a_function_of_its_own(production: Templates, example: Config) -> None:
    named = {each.properties["FunctionName"] for each in production.all("AWS::Lambda::Function")}

    assert {name for name in named if "-health-" in name} == {
        f"hub-production-health-{name}" for name in example.integrations
    }


def test_each_is_run_as_often_as_stated(templates: Templates) -> None:
    every = {}
    for each in templates.all("AWS::Scheduler::Schedule"):
        target = templates.plain(each, each.properties["Target"])
        if "-health-" in target["Arn"]:
            every[target["Arn"]] = (each.properties["ScheduleExpression"], target["RetryPolicy"])

    once = {"MaximumRetryAttempts": 0}
    assert every == {
        f"<{SHOP} Arn>": ("rate(1 hour)", once),
        "<hub-production-health-shop-us Arn>": ("rate(5 minutes)", once),
        f"<{ERP} Arn>": ("rate(5 minutes)", once),
        f"<{EVENTS} Arn>": ("rate(5 minutes)", once),
    }


def test_what_is_only_called_may_be_called_and_remembered_and_no_more(production: Templates) -> None:
    assert production.rights(ERP) == {
        f"</aws/lambda/{ERP} Arn>": LOGS,
        LEDGER: [
            "dynamodb:GetItem",
            "dynamodb:PutItem",
            'if {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["health/erp"]}}',
        ],
        f"{SECRET}/erp-??????": ["secretsmanager:GetSecretValue"],
        LOST: ["sqs:SendMessage"],
    }


def test_a_source_may_be_looked_at_from_its_secret_to_its_queues_and_its_streams_run(templates: Templates) -> None:
    rights = templates.rights(SHOP)
    rights.pop(LEDGER)

    assert rights == {
        f"</aws/lambda/{SHOP} Arn>": LOGS,
        "</aws/lambda/hub-production-webhook-shop-eu Arn>": ["logs:FilterLogEvents"],
        "<hub-production-shop-eu-to-erp.fifo Arn>": ["sqs:GetQueueAttributes", "sqs:GetQueueUrl"],
        "<hub-production-alarms>": ["sns:Publish"],
        f"{SYNC}-shop-eu": ["lambda:InvokeFunction"],
        f"{SECRET}/shop-eu-??????": ["secretsmanager:GetSecretValue"],
        LOST: ["sqs:SendMessage"],
    }
    assert templates.statements(SHOP, LEDGER) == [
        (
            ["dynamodb:GetItem", "dynamodb:PutItem"],
            {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["health/shop-eu"]}},
        ),
        (["dynamodb:GetItem"], {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["stream/shop-eu/*"]}}),
    ]


def test_the_settings_say_what_the_configuration_says(templates: Templates) -> None:
    settings = HealthSettings._from_dict(templates.settings(SHOP))

    assert (settings.every_seconds, settings.slow_milliseconds) == (3600, 750)
    assert (settings.silent_after_seconds, settings.mend) == (6 * 3600, False)
    assert settings.called == CalledSettings("shopify", "https://shop-eu.myshopify.com", "hub/production/shop-eu")
    assert (settings.flows, settings.public_url) == (["shop-eu-to-erp"], "https://hooks.example.com/webhooks/shop-eu")
    assert [*unpacked(settings.streams)] == ["hub-production-sync-shop-eu"]


def test_a_sites_second_face_asks_the_site_by_the_sites_secret_and_runs_its_streams(templates: Templates) -> None:
    settings, rights = HealthSettings._from_dict(templates.settings(EVENTS)), templates.rights(EVENTS)

    assert settings.called == CalledSettings("erpnext", "https://erp.example.com", "hub/production/erp")
    assert [*unpacked(settings.streams)] == ["hub-production-sync-erp"]
    assert rights[f"{SYNC}-erp"] == ["lambda:InvokeFunction"]
    assert f"{SECRET}/erp-??????" in rights
    assert f"{SECRET}/erp-events-??????" in rights


def test_a_source_that_nothing_can_call_is_checked_all_the_same(production: Templates) -> None:
    settings = HealthSettings._from_dict(production.settings(SHOP))

    assert (settings.called, settings.flows) == (None, ["shop-eu-to-erp"])
