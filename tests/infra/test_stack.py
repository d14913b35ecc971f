"""The synthesized hub: who is wired to whom, with which limits."""

import json
import re

import pytest

from hub.config import Config, DeadLetterWaits
from hub.dead_letter_retries import Plan
from hub.errors import Category
from hub.ledger import TTL_ATTRIBUTE
from hub.settings import DeliverySettings, DlqSettings, WebhookSettings
from infra.ownership import divided
from tests import ledger_table
from tests.infra.conftest import Synthesize
from tests.infra.templates import Templates

pytestmark = pytest.mark.slow

FLOW = "shop-eu-to-erp"
QUEUE, DEAD = f"hub-production-{FLOW}.fifo", f"hub-production-{FLOW}-dead.fifo"
DELIVERY, WEBHOOK, DLQ = f"hub-production-delivery-{FLOW}", "hub-production-webhook-shop-eu", "hub-production-dlq"
BODIES = "hub-production-bodies-ACCOUNT-eu-central-1"
FUNCTIONS = (DELIVERY, WEBHOOK, DLQ)


def mapping_of(templates: Templates, queue: str) -> dict[str, object]:
    found = [
        templates.plain(one, one.properties)
        for one in templates.all("AWS::Lambda::EventSourceMapping")
        if templates.plain(one, one.properties["EventSourceArn"]) == f"<{queue} Arn>"
    ]
    assert len(found) == 1
    only: dict[str, object] = found[0]
    return only


def test_a_flow_has_its_own_fifo_queue_and_its_own_fifo_dead_letter_queue(production: Templates) -> None:
    queue = production.named("AWS::SQS::Queue", QUEUE)
    redrive = production.plain(queue, queue.properties["RedrivePolicy"])

    assert redrive == {"deadLetterTargetArn": f"<{DEAD} Arn>", "maxReceiveCount": 402}
    for name in (QUEUE, DEAD):
        properties = production.named("AWS::SQS::Queue", name).properties
        assert properties["FifoQueue"] is True
        assert properties["SqsManagedSseEnabled"] is True
        assert properties["MessageRetentionPeriod"] == 14 * 24 * 3600
    assert "RedrivePolicy" not in production.named("AWS::SQS::Queue", DEAD).properties


def test_as_many_queues_as_flows(production: Templates, example: Config) -> None:
    names = {one.properties["QueueName"] for one in production.all("AWS::SQS::Queue")}

    of_flows = {f"hub-production-{flow}{end}" for flow in example.flows for end in (".fifo", "-dead.fifo")}
    assert names == {*of_flows, "hub-production-lost-schedules", "hub-production-lost-invocations"}


@pytest.mark.parametrize(("queue", "function"), [(QUEUE, DELIVERY), (DEAD, DLQ)])
def test_a_message_stays_hidden_for_six_times_the_time_its_function_may_take(
    production: Templates, queue: str, function: str
) -> None:
    timeout = production.named("AWS::Lambda::Function", function).properties["Timeout"]
    visibility = production.named("AWS::SQS::Queue", queue).properties["VisibilityTimeout"]

    assert visibility >= 6 * timeout


def test_the_delivery_function_takes_batches_as_its_flow_says(production: Templates) -> None:
    assert mapping_of(production, QUEUE) == {
        "EventSourceArn": f"<{QUEUE} Arn>",
        "FunctionName": f"<{DELIVERY}>",
        "BatchSize": 10,
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "ScalingConfig": {"MaximumConcurrency": 2},
    }


def test_every_dead_letter_queue_feeds_the_dlq_function(production: Templates, example: Config) -> None:
    for flow in example.flows:
        mapping = mapping_of(production, f"hub-production-{flow}-dead.fifo")

        assert mapping["FunctionName"] == f"<{DLQ} Arn>"
        assert mapping["BatchSize"] == 1  # one that kills the function takes no other with it
        assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_a_delivery_function_has_time_for_one_slow_call_and_the_record_of_it(production: Templates) -> None:
    timeout = production.named("AWS::Lambda::Function", DELIVERY).properties["Timeout"]

    assert timeout == 2 * production.settings(DELIVERY)["http_timeout_seconds"] == 120


def test_a_webhook_function_answers_within_its_providers_patience(production: Templates) -> None:
    assert production.named("AWS::Lambda::Function", WEBHOOK).properties["Timeout"] == 4  # Shopify waits 5 s in all


@pytest.mark.parametrize("function", FUNCTIONS)
def test_functions_run_on_arm_with_python_3_13(production: Templates, function: str) -> None:
    properties = production.named("AWS::Lambda::Function", function).properties

    assert properties["Architectures"] == ["arm64"]
    assert properties["Runtime"] == "python3.13"


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_logs_to_its_own_group_for_a_bounded_time(production: Templates, function: str) -> None:
    resource = production.named("AWS::Lambda::Function", function)
    group = production.named("AWS::Logs::LogGroup", f"/aws/lambda/{function}")

    assert production.plain(resource, resource.properties["LoggingConfig"])["LogGroup"] == f"</aws/lambda/{function}>"
    assert group.properties["RetentionInDays"] == 30


def test_lambda_itself_logs_nothing_of_what_comes_event_by_event(production: Templates) -> None:
    logging = {
        one.properties["FunctionName"]: one.properties["LoggingConfig"]
        for one in production.all("AWS::Lambda::Function")
        if one.properties["Handler"] in ("webhooks.main.handler", "delivery.main.handler")
    }

    assert {WEBHOOK, DELIVERY} < set(logging)
    assert {(each.get("LogFormat"), each.get("SystemLogLevel")) for each in logging.values()} == {("JSON", "WARN")}


def bundles(templates: Templates) -> dict[str, str]:
    """Function → what tells its bundle from others."""
    functions = templates.all("AWS::Lambda::Function")
    return {one.properties["FunctionName"]: one.properties["Code"]["S3Key"] for one in functions}


def test_webhook_functions_share_a_bundle_of_their_own_and_the_others_another(production: Templates) -> None:
    kept = bundles(production)
    webhooks = {key for function, key in kept.items() if "-webhook-" in function}
    others = {key for function, key in kept.items() if "-webhook-" not in function}

    assert len(webhooks) == len(others) == 1
    assert webhooks != others


def test_only_a_provider_that_signs_with_a_private_key_brings_the_package_for_it(
    synthesize: Synthesize, example: Config
) -> None:
    shop = example.integrations["shop-eu"]
    mails = shop.model_copy(update={"connector": "sendgrid", "account": "", "streams": {}, "url": ""})
    flow = example.flows["shop-eu-to-erp"]
    changed = example.model_copy(
        update={
            "integrations": {**example.integrations, "mails": mails},
            "flows": {**example.flows, "mails-to-erp": flow.model_copy(update={"source": "mails", "actions": {}})},
        }
    )
    kept = bundles(synthesize(changed))

    assert len(set(kept.values())) == 3
    assert kept["hub-production-webhook-mails"] not in {
        key for name, key in kept.items() if name != "hub-production-webhook-mails"
    }


def test_the_webhook_function_reads_its_settings(production: Templates) -> None:
    settings = WebhookSettings.from_env({"HUB_SETTINGS": json.dumps(production.settings(WEBHOOK))})

    assert settings == WebhookSettings(
        stage="production",
        integration="shop-eu",
        connector="shopify",
        secret_id="hub/production/shop-eu",
        queue_urls=[f"<{QUEUE}>"],
        bodies_bucket=BODIES,
        ledger_table="hub-production-ledger",
        account="shop-eu.myshopify.com",
        public_url="https://hooks.example.com/webhooks/shop-eu",
        timeout_seconds=4,
    )


def test_the_webhook_function_knows_what_is_stated_of_its_senders(synthesize: Synthesize, example: Config) -> None:
    stated = {
        "expects": {"audience": "https://hooks.example.com", "origins": ["a", "b"]},
        "tolerance_seconds": 60.0,
        "allowed_addresses": ["203.0.113.0/24", "published"],
        "token_header": "X-Token",
    }
    shops = {name: example.integrations[name].model_copy(update=stated) for name in ("shop-eu", "shop-us")}
    templates = synthesize(example.model_copy(update={"integrations": {**example.integrations, **shops}}))

    settings = templates.settings(WEBHOOK)
    assert (settings["expects"], settings["tolerance_seconds"]) == (stated["expects"], 60.0)
    assert (settings["addresses"], settings["token_header"]) == (stated["allowed_addresses"], "X-Token")


def test_without_a_domain_of_its_own_an_integrations_url_is_the_apis(production: Templates) -> None:
    url = production.settings("hub-production-webhook-shop-us")["public_url"]

    assert url == "<hub-production ApiEndpoint>/webhooks/shop-us"


def test_bodies_are_kept_in_private_and_for_as_long_as_the_ledger_and_a_queue_can_refer_to_them(
    production: Templates, example: Config
) -> None:
    bucket = production.all("AWS::S3::Bucket")[0]
    properties = production.plain(bucket, bucket.properties)
    (encryption,) = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    (rule,) = properties["LifecycleConfiguration"]["Rules"]
    longest_give_up_days = 10  # Retry.give_up_after_hours

    assert properties["BucketName"] == BODIES
    assert encryption == {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
    assert "VersioningConfiguration" not in properties
    assert (rule["Prefix"], rule["Status"]) == ("bodies/", "Enabled")
    assert rule["ExpirationInDays"] >= example.ledger_days + longest_give_up_days
    assert (bucket.definition["DeletionPolicy"], bucket.definition["UpdateReplacePolicy"]) == ("Retain", "Retain")
    assert production.all("Custom::S3AutoDeleteObjects") == []


def test_where_it_is_asked_for_each_webhook_function_has_its_share_of_the_account(
    synthesize: Synthesize, example: Config, production: Templates
) -> None:
    templates = synthesize(example.model_copy(update={"webhook_reserved_concurrency": 20}))

    def reserved(of: Templates) -> dict[str, object]:
        return {
            one.properties["FunctionName"]: one.properties["ReservedConcurrentExecutions"]
            for one in of.all("AWS::Lambda::Function")
            if "ReservedConcurrentExecutions" in one.properties
        }

    assert reserved(production) == {}
    assert reserved(templates) == {"hub-production-webhook-shop-eu": 20, "hub-production-webhook-shop-us": 20}


def test_the_delivery_function_reads_its_settings(production: Templates, example: Config) -> None:
    settings = DeliverySettings.from_env({"HUB_SETTINGS": json.dumps(production.settings(DELIVERY))})

    assert settings.queue_url == f"<{QUEUE}>"
    assert settings.dead_letter_queue_url == f"<{DEAD}>"
    assert settings.ledger_table == "hub-production-ledger"
    assert settings.bodies_bucket == BODIES
    assert settings.destination_url == "https://erp.example.com"
    assert settings.destination_secret_id == "hub/production/erp"
    assert settings.actions == divided(example, example.flows[FLOW]).actions
    assert settings.actions["shopify.orders/create"] == "upsert_sales_order"
    assert "shopify.customers/create" not in settings.actions  # the example ignores it
    assert "shopify.order_transactions/create" not in settings.actions  # only for a flow that names it
    assert settings.flow_settings == example.flows[FLOW].settings
    assert settings.retry.give_up_after_seconds == 24 * 3600


def test_the_dlq_function_reads_its_settings(production: Templates) -> None:
    settings = DlqSettings.from_env({"HUB_SETTINGS": json.dumps(production.settings(DLQ))})

    assert settings.flows_by_queue[DEAD] == FLOW
    assert settings.topic_arn == "<hub-production-alarms>"
    assert settings.ledger_table == "hub-production-ledger"


def test_the_dlq_function_runs_every_minute_with_the_plan_of_every_flow(
    synthesize: Synthesize, example: Config
) -> None:
    waits = DeadLetterWaits(retry_minutes=[1, 2], categories={Category.TIMEOUT: [7]})
    shop = example.integrations["shop-eu"].model_copy(update={"dead_letters": waits})
    config = example.model_copy(update={"integrations": {**example.integrations, "shop-eu": shop}})
    templates = synthesize(config)
    targets = [templates.plain(one, one.properties["Target"]) for one in templates.all("AWS::Scheduler::Schedule")]
    (target,) = [each for each in targets if each["Arn"] == f"<{DLQ} Arn>"]

    plans = {each["flow"]: Plan.from_request(each) for each in json.loads(target["Input"])["plans"]}

    never: dict[str, list[float]] = {"DATA_VALIDATION_FAILED": [], "INVALID_REQUEST": []}
    assert plans.keys() == example.flows.keys()
    assert plans[FLOW] == Plan(FLOW, "shop-eu", "erp", [1, 2], {**never, "TIMEOUT": [7]})
    assert {tuple(each.minutes) for name, each in plans.items() if name != FLOW} == {(5, 15, 60)}


def test_the_ledger_is_kept_and_can_be_restored(production: Templates) -> None:
    table = production.named("AWS::DynamoDB::Table", "hub-production-ledger")

    by_hand = ledger_table.table("hub-production-ledger")
    assert table.properties["KeySchema"] == by_hand["KeySchema"]
    assert table.properties["GlobalSecondaryIndexes"] == by_hand["GlobalSecondaryIndexes"]
    assert table.properties["AttributeDefinitions"] == by_hand["AttributeDefinitions"]
    assert table.properties["TimeToLiveSpecification"] == {"AttributeName": TTL_ATTRIBUTE, "Enabled": True}
    assert table.properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert table.properties["BillingMode"] == "PAY_PER_REQUEST"
    assert table.properties["DeletionProtectionEnabled"] is True
    assert (table.definition["DeletionPolicy"], table.definition["UpdateReplacePolicy"]) == ("Retain", "Retain")


def test_a_secret_is_made_without_anything_that_could_verify_a_delivery(production: Templates, example: Config) -> None:
    secrets = {one.properties["Name"]: one.properties for one in production.all("AWS::SecretsManager::Secret")}

    assert set(secrets) == {f"hub/production/{name}" for name in example.integrations}
    for properties in secrets.values():
        assert properties["SecretString"] == "{}"
        assert "GenerateSecretString" not in properties


def test_each_sending_integration_has_a_throttled_route_of_its_own(production: Templates) -> None:
    stage = production.all("AWS::ApiGatewayV2::Stage")[0].properties
    routes = {one.properties["RouteKey"] for one in production.all("AWS::ApiGatewayV2::Route")}

    assert routes == {"POST /webhooks/shop-eu", "POST /webhooks/shop-us"}
    assert stage["RouteSettings"] == {
        "POST /webhooks/shop-eu": {"ThrottlingRateLimit": 50, "ThrottlingBurstLimit": 100},
        "POST /webhooks/shop-us": {"ThrottlingRateLimit": 50, "ThrottlingBurstLimit": 100},
    }
    assert stage["DefaultRouteSettings"] == {"ThrottlingRateLimit": 50, "ThrottlingBurstLimit": 100}


def test_the_stage_is_made_after_the_routes_whose_throttles_it_states(production: Templates) -> None:
    stage = production.all("AWS::ApiGatewayV2::Stage")[0].definition
    nested = {one.logical_id for one in production.all("AWS::CloudFormation::Stack")}

    assert len({one for one in nested if one.startswith("shop")} & set(stage["DependsOn"])) == 2


def test_a_route_leads_to_its_integrations_function_and_nothing_else_may_call_it(production: Templates) -> None:
    template = production.named("AWS::Lambda::Function", WEBHOOK).template
    route = next(one for one in production.all("AWS::ApiGatewayV2::Route") if one.template == template)
    target = next(one for one in production.all("AWS::ApiGatewayV2::Integration") if one.template == template)
    permissions = [one for one in production.all("AWS::Lambda::Permission") if one.template == template]

    assert production.plain(route, route.properties["Target"]) == f"integrations/<{target.logical_id}>"
    assert production.plain(target, target.properties["IntegrationUri"]) == f"<{WEBHOOK} Arn>"
    assert target.properties["PayloadFormatVersion"] == "2.0"
    assert [production.plain(one, one.properties) for one in permissions] == [
        {
            "Action": "lambda:InvokeFunction",
            "FunctionName": f"<{WEBHOOK}>",
            "Principal": "apigateway.amazonaws.com",
            "SourceArn": "arn:aws:execute-api:eu-central-1:ACCOUNT:<hub-production>/*/POST/webhooks/shop-eu",
        }
    ]


def test_requests_are_not_logged_unless_it_is_asked_for(production: Templates) -> None:
    """An HTTP API cannot log a sample of them."""
    assert "AccessLogSettings" not in production.all("AWS::ApiGatewayV2::Stage")[0].properties


def test_access_logs_say_nothing_about_the_caller(synthesize: Synthesize, example: Config) -> None:
    production = synthesize(example.model_copy(update={"access_log": True}))
    settings = production.all("AWS::ApiGatewayV2::Stage")[0].properties["AccessLogSettings"]

    assert set(re.findall(r"\$context\.[A-Za-z.]+", settings["Format"])) == {
        "$context.requestId",
        "$context.requestTimeEpoch",
        "$context.routeKey",
        "$context.status",
        "$context.responseLatency",
        "$context.integrationLatency",
        "$context.integrationStatus",
        "$context.responseLength",
        "$context.error.responseType",
    }
    assert json.loads(settings["Format"])
    assert (
        production.named("AWS::Logs::LogGroup", "/aws/vendedlogs/hub-production-access").properties["RetentionInDays"]
        == 14
    )


def test_plain_http_is_refused_on_aws(production: Templates, example: Config) -> None:
    denied = {
        target
        for kind in ("AWS::SQS::QueuePolicy", "AWS::SNS::TopicPolicy", "AWS::S3::BucketPolicy")
        for one in production.all(kind)
        for statement in one.properties["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Deny" and statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        for resource in [production.plain(one, statement["Resource"])]
        for target in (resource if isinstance(resource, list) else [resource])
    }

    queues = {f"<hub-production-{flow}{end} Arn>" for flow in example.flows for end in (".fifo", "-dead.fifo")}
    bucket = production.all("AWS::S3::Bucket")[0].logical_id
    lost = {f"<hub-production-lost-{what} Arn>" for what in ("schedules", "invocations")}
    topics = {f"<hub-production-alarms{end}>" for end in ("", "-critical", "-info")}
    assert denied == {*queues, *lost, *topics, f"<{bucket} Arn>", f"<{bucket} Arn>/*"}


def test_outputs_say_where_things_are(production: Templates) -> None:
    outputs = production.templates[production.top]["Outputs"]
    told = {name: production.plain(next(production.resources()), one["Value"]) for name, one in outputs.items()}

    assert told["ApiId"] == "<hub-production>"
    assert told["ApiUrl"] == "<hub-production ApiEndpoint>"
    assert told["WebhookUrlshopeu"] == "https://hooks.example.com/webhooks/shop-eu"
    assert told["WebhookUrlshopus"] == "<hub-production ApiEndpoint>/webhooks/shop-us"
    assert told["LedgerTable"] == "<hub-production-ledger>"
    assert told["AlarmsTopic"] == "<hub-production-alarms>"


def test_a_nested_stack_says_where_its_flows_queues_are(production: Templates) -> None:
    queue = production.named("AWS::SQS::Queue", QUEUE)
    outputs = production.templates[queue.template]["Outputs"]

    assert production.plain(queue, outputs["QueueUrlshopeutoerp"]["Value"]) == f"<{QUEUE}>"


def test_the_local_stage_differs_only_in_what_its_emulator_cannot_do(local: Templates) -> None:
    import platform

    host = "arm64" if platform.machine() in ("aarch64", "arm64") else "x86_64"
    table = local.named("AWS::DynamoDB::Table", "hub-local-ledger")

    assert {tuple(one.properties["Architectures"]) for one in local.all("AWS::Lambda::Function")} == {(host,)}
    assert table.definition["DeletionPolicy"] == "Delete"
    assert local.all("AWS::SQS::QueuePolicy") == local.all("AWS::S3::BucketPolicy") == []
    assert local.all("AWS::S3::Bucket")[0].definition["DeletionPolicy"] == "Delete"
    assert (
        local.named("AWS::SQS::Queue", f"hub-local-{FLOW}.fifo").properties["RedrivePolicy"]["maxReceiveCount"] == 210
    )


def test_no_account_and_no_lookup_is_baked_in(production: Templates, local: Templates) -> None:
    for templates in (production, local):
        manifest = json.loads((templates.folder / "manifest.json").read_text())

        assert manifest.get("missing", []) == []
        assert manifest["artifacts"][templates.stack]["environment"].startswith("aws://unknown-account/")
