"""`hub doctor`: each thing that can be wrong is named, with its reason and the command that mends it."""

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest
import yaml
from botocore.exceptions import ClientError, NoCredentialsError, NoRegionError

from adapters.health import DynamoHealth
from adapters.valves import LambdaValves, pause_key
from hub import names
from hub.health import Beat, Part, Record, Status
from infra.configuration import ROOT
from infra.local.erpnext.server import ErpNextStandIn
from infra.local.shopify_admin import ShopifyAdmin
from tests.cli.conftest import API_KEY, API_SECRET, REGION, SIGNING, Stage, run
from tests.cli.test_operate_page import shape

NOW = datetime.now(UTC)  # each test sets it anew: a session takes minutes, and what is old is told
FLOW = "shop-eu-to-erp"
TOKEN = "shpat_of_a_test"


@pytest.fixture(autouse=True)
def this_moment() -> None:
    global NOW
    NOW = datetime.now(UTC).replace(microsecond=0)


class Stacks:
    """CloudFormation, as the doctor asks it: one stack, or none; moto's own needs more than is installed."""

    def __init__(self, outputs: list[dict[str, str]] | None) -> None:
        self._outputs = outputs

    def describe_stacks(self, *, StackName: str) -> dict[str, Any]:  # noqa: N803 - AWS's name
        if self._outputs is None:
            what: Any = {"Code": "ValidationError", "Message": f"Stack with id {StackName} does not exist"}
            raise ClientError({"Error": what}, "DescribeStacks")
        stack = {"StackStatus": "UPDATE_COMPLETE", "CreationTime": NOW, "Outputs": self._outputs}
        return {"Stacks": [stack]}


@pytest.fixture(scope="module")
def erp() -> Iterator[ErpNextStandIn]:
    with ErpNextStandIn(token=f"{API_KEY}:{API_SECRET}") as running:
        yield running


@pytest.fixture
def store() -> Iterator[ShopifyAdmin]:
    with ShopifyAdmin(TOKEN) as running:
        yield running


@pytest.fixture
def well(local_stage: Stage, erp: ErpNextStandIn, store: ShopifyAdmin, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """A stage at which nothing is wrong but what a test makes so. Time stands before the API version's end."""
    monkeypatch.setattr("connectors.shopify.connector.API_SUPPORTED_UNTIL", NOW + timedelta(days=90))
    monkeypatch.setattr(LambdaValves, "is_read", lambda *_: True)
    stage, name = local_stage, local_stage.name
    content = yaml.safe_load(stage.config.read_text())
    content["integrations"]["erp"]["url"] = erp.url
    content["integrations"]["shop-eu"] |= {
        "url": store.url,
        "public_url": "https://hooks.example.com/webhooks/shop-eu",
        "streams": {"orders": {"every": "15 minutes"}},
    }
    stage.write(content)
    stage.deploy()
    stage.store("erp", api_key=API_KEY, api_secret=API_SECRET)
    stage.store("shop-eu", webhook=SIGNING, admin_token=TOKEN)
    topic = stage.client("sns").create_topic(Name=names.alarms_topic(name))["TopicArn"]
    stage.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=f"arn:aws:sqs:{REGION}:123456789012:ops")
    outputs = [{"OutputKey": "AlarmsTopic", "OutputValue": topic}]
    monkeypatch.setattr("cli.stage.Stage.cloudformation", lambda _: Stacks(outputs))
    os.utime(stage.config, ((NOW - timedelta(hours=1)).timestamp(),) * 2)
    for queue in (names.queue(name, FLOW), names.dead_letter_queue(name, FLOW)):
        stage.client("sqs").create_queue(QueueName=queue, Attributes={"FifoQueue": "true"})
    for function in functions(name):
        schedule(stage, function)
    kept = DynamoHealth(stage.client("dynamodb"), names.ledger_table(name))
    for integration in ("shop-eu", "erp"):
        kept.write(integration, Record((Part("call"),), (Beat(NOW, Status.HEALTHY, 5),)), NOW)
    prepared = () if erp.documents("Custom Field") else (("setup", "erp"),)
    for words in (*prepared, ("setup", "webhooks", "shop-eu")):
        done = stage.hub(*words)
        assert done.exit_code == 0, done.output
    return stage


def functions(stage: str) -> list[str]:
    checks = [names.health_function(stage, integration) for integration in ("shop-eu", "erp")]
    return [*checks, names.breaker_function(stage, "erp"), names.sync_function(stage, "shop-eu")]


def schedule(stage: Stage, function: str, **more: Any) -> None:
    stage.client("scheduler").create_schedule(
        Name=f"s-{function}",
        ScheduleExpression="rate(5 minutes)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": f"arn:aws:lambda:{REGION}:123456789012:function:{function}", "RoleArn": "arn:aws:iam::1:role/r"},
        **more,
    )


def found(stage: Stage, code: int = 1) -> list[tuple[str, str, str, str]]:
    """Severity, what it is about, what is wrong and the remedy, of all that the doctor finds."""
    result = stage.hub("doctor", "--json")
    assert result.exit_code == code, result.output
    return [(each["severity"], each["about"], each["what"], each["remedy"]) for each in json.loads(result.stdout)]


def test_a_stage_that_is_well_is_told_so(well: Stage) -> None:
    shown = well.hub("doctor")

    assert found(well, 0) == []
    assert (shown.exit_code, shown.stdout) == (0, "Stage local is well: 10 examinations found nothing.\n")


def test_a_missing_signing_secret_and_a_missing_key_are_errors(well: Stage) -> None:
    well.store("shop-eu", admin_token=TOKEN)
    well.store("erp", api_key=API_KEY)

    assert found(well)[:2] == [
        ("error", "erp", "ERPNext's api_key and api_secret are not stored", "hub secrets set erp"),
        ("error", "shop-eu", "its secret webhook is not stored", "hub secrets set shop-eu"),
    ]


def test_a_queue_that_nobody_reads_is_an_error_and_a_pause_a_warning(
    well: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LambdaValves, "is_read", lambda *_: False)
    stopped = found(well)
    note = {"by": {"S": "ada"}, "reason": {"S": "stocktaking"}, "at": {"S": ""}}
    well.client("dynamodb").put_item(TableName=names.ledger_table(well.name), Item={**pause_key(FLOW), **note})
    paused = found(well, 0)

    resume = f"hub flow resume {FLOW}"
    assert stopped == [("error", FLOW, "its queue is not read: the mapping is disabled", resume)]
    assert paused == [("warning", FLOW, "is paused by ada: stocktaking", resume)]


def test_a_dead_letter_queue_that_fills_is_an_error(well: Stage) -> None:
    sqs = well.client("sqs")
    url = sqs.get_queue_url(QueueName=names.dead_letter_queue(well.name, FLOW))["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="x", MessageGroupId="g", MessageDeduplicationId="d")

    ((severity, _, what, remedy),) = found(well)

    assert (severity, what) == ("error", "its dead letter queue holds 1")
    assert remedy == "aws logs tail /aws/lambda/hub-local-dlq --since 1h"


def test_a_disabled_and_a_missing_schedule_are_errors(well: Stage) -> None:
    sync, check = names.sync_function(well.name, "shop-eu"), names.health_function(well.name, "erp")
    for function in (sync, check):
        well.client("scheduler").delete_schedule(Name=f"s-{function}")
    schedule(well, sync, State="DISABLED")

    disabled, missing = found(well)

    assert disabled[:3] == ("error", sync, "its schedule is disabled")
    assert f"--name s-{sync} " in disabled[3]
    assert missing == ("error", check, "nothing is scheduled to run it", "deploy it with `make deploy STAGE=local`")


def test_alarms_that_nobody_hears_are_told(well: Stage) -> None:
    sns = well.client("sns")
    (subscribed,) = sns.list_subscriptions()["Subscriptions"]
    sns.unsubscribe(SubscriptionArn=subscribed["SubscriptionArn"])

    ((severity, about, what, remedy),) = found(well, 0)  # an error on AWS; on this machine nobody needs to

    assert (severity, about, what) == ("warning", "alarms", "nobody is subscribed to the alarms topic")
    assert "aws sns subscribe --topic-arn arn:aws:sns" in remedy


def test_what_a_health_check_found_is_told(well: Stage) -> None:
    kept = DynamoHealth(well.client("dynamodb"), names.ledger_table(well.name))
    down = Record((Part("call", Status.DOWN, "HTTP 503"),), (Beat(NOW, Status.DOWN),), version=1)
    assert kept.write("erp", down, NOW)
    old = Record((Part("call"),), (Beat(NOW - timedelta(hours=1), Status.HEALTHY, 5),), version=1)
    assert kept.write("shop-eu", old, NOW)

    assert found(well) == [
        ("error", "erp", "call: HTTP 503", "hub status --watch 10"),
        (
            "warning",
            "shop-eu",
            "its health checks have stopped",
            "aws logs tail /aws/lambda/hub-local-health-shop-eu --since 1h",
        ),
    ]


def test_webhooks_that_vanished_or_lead_elsewhere_or_were_never_registered_are_told(
    well: Stage, store: ShopifyAdmin
) -> None:
    setup = "hub setup webhooks shop-eu"
    gone = store.subscriptions.pop()["topic"]
    vanished = found(well)
    content = yaml.safe_load(well.config.read_text())
    content["integrations"]["shop-eu"]["public_url"] = "https://new.example.com/webhooks/shop-eu"
    well.write(content)
    os.utime(well.config, ((NOW - timedelta(hours=1)).timestamp(),) * 2)
    ((_, _, elsewhere, remedy),) = found(well)
    key = {"entity": {"S": names.health("shop-eu")}, "record": {"S": "webhooks"}}
    well.client("dynamodb").delete_item(TableName=names.ledger_table(well.name), Key=key)
    by_hand = found(well, 0)

    assert vanished == [("error", "shop-eu", f"{gone} is registered no longer", setup)]
    assert "while it listens at https://new.example.com/webhooks/shop-eu" in elsewhere
    assert remedy == setup
    assert by_hand == [("warning", "shop-eu", "its webhooks were not registered by the hub", setup)]


def test_a_topic_that_flows_want_and_nobody_registered_is_told(well: Stage) -> None:
    kept = DynamoHealth(well.client("dynamodb"), names.ledger_table(well.name))
    registered = kept.registered("shop-eu")
    assert registered
    fewer = tuple(topic for topic in registered.topics if topic != "ORDERS_UPDATED")
    kept.keep_registered("shop-eu", replace(registered, topics=fewer))

    ((severity, _, what, remedy),) = found(well, 0)

    assert (severity, what) == ("warning", "never registered: ORDERS_UPDATED")
    assert remedy == "hub setup webhooks shop-eu"


@pytest.mark.parametrize(("days", "severity"), [(10, "warning"), (-1, "error")])
def test_a_version_of_the_api_at_its_end_is_told(
    well: Stage, monkeypatch: pytest.MonkeyPatch, days: int, severity: str
) -> None:
    monkeypatch.setattr("connectors.shopify.connector.API_SUPPORTED_UNTIL", NOW + timedelta(days=days))

    ((told, about, _, _),) = found(well, int(severity == "error"))

    assert (told, about) == (severity, "shop-eu")


def test_missing_fields_in_erpnext_are_told_and_can_be_looked_for(well: Stage, erp: ErpNextStandIn) -> None:
    (field,) = [
        each["name"]
        for each in erp.documents("Custom Field")
        if (each["dt"], each["fieldname"]) == ("Payment Entry", "hub_external_id")
    ]
    deleted = httpx.delete(
        f"{erp.url}/api/resource/Custom Field/{field}", headers={"Authorization": f"token {API_KEY}:{API_SECRET}"}
    )
    assert deleted.status_code == 202

    ((severity, about, what, remedy),) = found(well)
    looked = well.hub("setup", "erp", "--check")
    well.hub("setup", "erp")

    assert (severity, about, what) == ("error", "erp", "lacks the hub's fields: Payment Entry-hub_external_id")
    assert remedy == "hub setup erp --integration erp"
    assert (looked.exit_code, "1 fields are missing" in looked.stderr) == (1, True)
    assert well.hub("setup", "erp", "--check").exit_code == 0


def test_a_configuration_that_is_newer_than_what_is_deployed_is_told(well: Stage) -> None:
    os.utime(well.config, ((NOW + timedelta(hours=1)).timestamp(),) * 2)

    ((severity, _, what, remedy),) = found(well, 0)

    assert (severity, remedy) == ("warning", "deploy it with `make deploy STAGE=local`")
    assert what.startswith("local.yaml was changed ")


@pytest.mark.parametrize(("seconds", "severity"), [(60, "warning"), (600, "error"), (-600, "error")])
def test_a_clock_that_is_off_is_told(well: Stage, monkeypatch: pytest.MonkeyPatch, seconds: int, severity: str) -> None:
    there = {"date": format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)}
    monkeypatch.setattr("cli.stage.Stage.identity", lambda _: {"ResponseMetadata": {"HTTPHeaders": there}})

    ((told, about, what, remedy),) = found(well, int(severity == "error"))

    assert (told, about, remedy) == (severity, "this machine", "sudo timedatectl set-ntp true")
    assert "off AWS's" in what


def test_a_stage_that_is_not_deployed_is_one_error(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.stage.Stage.cloudformation", lambda _: Stacks(None))

    ((severity, _, what, remedy),) = found(stage)

    assert (severity, what) == ("error", "is not deployed")
    assert "make deploy STAGE=staging" in remedy


@pytest.mark.parametrize(
    ("error", "remedy"),
    [(NoCredentialsError(), "log in (`aws sso login`, or set AWS_PROFILE)"), (NoRegionError(), "state `region`")],
)
def test_missing_credentials_and_a_missing_region_are_one_error(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, error: Exception, remedy: str
) -> None:
    def identity(_: object) -> None:
        raise error

    monkeypatch.setattr("cli.stage.Stage.identity", identity)

    ((severity, about, _, told),) = found(stage)

    assert (severity, about, remedy in told) == ("error", "AWS", True)


def test_a_local_aws_that_does_not_run_is_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.stage.local_aws_url", lambda: "http://127.0.0.1:1")

    result = run("doctor", "--stage", "local")

    assert result.exit_code == 1
    assert "AWS: cannot be asked" in result.stdout
    assert "start it with `make run`" in result.stdout


def test_every_finding_says_what_why_and_what_to_type(well: Stage) -> None:
    well.store("shop-eu", admin_token=TOKEN)

    shown = well.hub("doctor").stdout.splitlines()

    assert shown[0] == "✗ shop-eu: its secret webhook is not stored"
    assert shown[1].startswith("  why: every delivery of it is refused until then")
    assert shown[-3:] == ["  do:  hub secrets set shop-eu", "", "Stage local: 1 error."]


def test_the_page_shows_what_it_says(well: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(LambdaValves, "is_read", lambda *_: False)
    well.store("shop-eu", admin_token=TOKEN)
    sns = well.client("sns")
    sns.unsubscribe(SubscriptionArn=sns.list_subscriptions()["Subscriptions"][0]["SubscriptionArn"])
    page = (ROOT / "docs" / "health.md").read_text("utf-8")
    example = page.split("$ hub doctor\n")[1].split("```")[0]

    assert shape(well.hub("doctor").stdout) == shape(example)
