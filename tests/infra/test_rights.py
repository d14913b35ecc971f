"""Each function may do exactly what its code does, to exactly the resources it is for."""

import pytest

from hub.config import Config, Flow, Integration
from tests.infra.conftest import Synthesize
from tests.infra.templates import Templates

pytestmark = pytest.mark.slow

LISTING = ["lambda:ListEventSourceMappings"]  # takes no resource
LEDGER = "<hub-production-ledger Arn>"
LOGS = ["logs:CreateLogStream", "logs:PutLogEvents"]
BODIES = "arn:aws:s3:::hub-production-bodies-ACCOUNT-eu-central-1/bodies/*"
SECRET = "arn:aws:secretsmanager:eu-central-1:ACCOUNT:secret:hub/production"


def test_a_webhook_function_queues_and_reads_its_own_secret(production: Templates) -> None:
    assert production.rights("hub-production-webhook-shop-eu") == {
        "</aws/lambda/hub-production-webhook-shop-eu Arn>": LOGS,
        "<hub-production-shop-eu-to-erp.fifo Arn>": ["sqs:SendMessage"],
        f"{SECRET}/shop-eu-??????": ["secretsmanager:GetSecretValue"],
        BODIES: ["s3:PutObject"],
    }


def test_a_webhook_function_that_asks_for_tokens_touches_its_own_in_the_ledger_and_nothing_else(
    synthesize: Synthesize, example: Config
) -> None:
    shop = example.integrations["shop-eu"].model_copy(update={"token_header": "X-Token"})
    templates = synthesize(example.model_copy(update={"integrations": {**example.integrations, "shop-eu": shop}}))

    assert templates.rights("hub-production-webhook-shop-eu")["<hub-production-ledger Arn>"] == [
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        'if {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["shop-eu/token/*"]}}',
    ]
    assert "<hub-production-ledger Arn>" not in templates.rights("hub-production-webhook-shop-us")


def test_a_webhook_function_whose_provider_signs_tokens_may_keep_them_too(
    synthesize: Synthesize, example: Config
) -> None:
    mail = Integration(connector="mailgun")
    templates = synthesize(example.model_copy(update={"integrations": {**example.integrations, "shop-eu": mail}}))

    rights = templates.rights("hub-production-webhook-shop-eu")
    assert "dynamodb:PutItem" in rights["<hub-production-ledger Arn>"]


def test_a_delivery_function_serves_its_flow_only(production: Templates) -> None:
    assert production.rights("hub-production-delivery-shop-eu-to-erp") == {
        "</aws/lambda/hub-production-delivery-shop-eu-to-erp Arn>": LOGS,
        "<hub-production-shop-eu-to-erp.fifo Arn>": [
            "sqs:ChangeMessageVisibility",
            "sqs:DeleteMessage",
            "sqs:GetQueueAttributes",
            "sqs:ReceiveMessage",
        ],
        "<hub-production-shop-eu-to-erp-dead.fifo Arn>": ["sqs:SendMessage"],
        "<hub-production-ledger Arn>": [
            "dynamodb:BatchGetItem",
            "dynamodb:BatchWriteItem",
            "dynamodb:GetItem",
            "dynamodb:PutItem",
            "dynamodb:Query",
            'if {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["destination/erp"]}}',
        ],
        "arn:aws:lambda:eu-central-1:ACCOUNT:function:hub-production-breaker-erp": ["lambda:InvokeFunction"],
        f"{SECRET}/erp-??????": ["secretsmanager:GetSecretValue"],
        BODIES: ["s3:GetObject"],
    }


def test_the_dlq_function_empties_dead_letter_queues_and_fills_the_flows_own(production: Templates) -> None:
    assert production.rights("hub-production-dlq") == {
        "</aws/lambda/hub-production-dlq Arn>": LOGS,
        "arn:aws:sqs:eu-central-1:ACCOUNT:hub-production-*-dead.fifo": [
            "sqs:DeleteMessage",
            "sqs:GetQueueAttributes",
            "sqs:ReceiveMessage",
        ],
        "arn:aws:sqs:eu-central-1:ACCOUNT:hub-production-*.fifo": ["sqs:GetQueueUrl", "sqs:SendMessage"],
        "<hub-production-ledger Arn>": [
            "dynamodb:BatchGetItem",
            "dynamodb:GetItem",
            "dynamodb:PutItem",
            "dynamodb:Query",
            "dynamodb:UpdateItem",
            'if {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["letters/*"]}}',
        ],
        "<hub-production-ledger Arn>/index/by-look": ["dynamodb:Query"],
        "<hub-production-lost-invocations Arn>": ["sqs:SendMessage"],
        "<hub-production-alarms>": ["sns:Publish"],
    }


def test_a_function_cannot_read_the_secret_of_an_integration_whose_name_begins_like_its_own(
    synthesize: Synthesize, example: Config
) -> None:
    shop, flow = example.integrations["shop-eu"], example.flows["shop-eu-to-erp"]
    config = example.model_copy(
        update={
            "integrations": {"shop": shop, "shop-eu": shop, "erp": example.integrations["erp"]},
            "flows": {
                "shop-to-erp": flow.model_copy(update={"source": "shop"}),
                "shop-eu-to-erp": flow,
            },
        }
    )
    from fnmatch import fnmatchcase  # IAM's wildcards: ? is one character, * any number

    rights = synthesize(config).rights("hub-production-webhook-shop")
    allowed = [target for target, actions in rights.items() if "secretsmanager:GetSecretValue" in actions]

    assert [fnmatchcase(f"{SECRET}/shop-AbC123", pattern) for pattern in allowed] == [True]
    assert [fnmatchcase(f"{SECRET}/shop-eu-AbC123", pattern) for pattern in allowed] == [False]


def test_every_function_has_a_role_of_its_own(production: Templates) -> None:
    roles = [str(one.properties["Role"]) + one.template for one in production.all("AWS::Lambda::Function")]

    assert len(set(roles)) == len(roles) == 9
    assert len(production.all("AWS::IAM::Role")) == 9 + 5  # those with which the scheduler runs breaker, dlq and checks


def test_no_right_reaches_everything(production: Templates) -> None:
    for function in production.all("AWS::Lambda::Function"):
        rights = production.rights(function.properties["FunctionName"])

        assert rights.get("*", LISTING) == LISTING
        actions = [each for granted in rights.values() for each in granted if not each.startswith("if ")]
        assert not [action for action in actions if "*" in action]


@pytest.mark.parametrize("forbidden", ["dynamodb:Scan", "sqs:PurgeQueue"])
def test_nothing_may_delete_in_bulk(production: Templates, forbidden: str) -> None:
    for function in production.all("AWS::Lambda::Function"):
        rights = production.rights(function.properties["FunctionName"])

        assert forbidden not in [action for actions in rights.values() for action in actions]


def test_a_single_item_may_be_deleted_only_from_the_list_of_what_is_parked(production: Templates) -> None:
    deleting = [
        (function.properties["FunctionName"], condition)
        for function in production.all("AWS::Lambda::Function")
        for actions, condition in production.statements(function.properties["FunctionName"], LEDGER)
        if "dynamodb:DeleteItem" in actions
    ]

    assert deleting == [
        ("hub-production-breaker-erp", {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["parked/erp"]}})
    ]


def test_a_flow_whose_action_is_done_once_may_claim_it_under_its_sources_entities(
    synthesize: Synthesize, example: Config
) -> None:
    flow = Flow(source="shop-eu", destination="chat", settings={"channel": "#orders"})
    templates = synthesize(
        example.model_copy(
            update={
                "integrations": {**example.integrations, "chat": Integration(connector="slack")},
                "flows": {**example.flows, "shop-eu-to-chat": flow},
            }
        )
    )

    assert templates.statements("hub-production-delivery-shop-eu-to-chat", LEDGER)[-1] == (
        ["dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"],
        {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["shop-eu/*"]}},
    )
    settings = templates.settings("hub-production-delivery-shop-eu-to-chat")
    assert settings["once"] == {"post_order_message": False}
    assert settings["destination_url"] == "https://slack.com/api"
    assert templates.settings("hub-production-delivery-shop-eu-to-erp")["once"] == {}
