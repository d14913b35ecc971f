"""Wiring: each Lambda's parts are put together from its environment, and what arrives goes where it says."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from adapters.webhook_wiring import webhook_hub
from adapters.wiring import SyncHub, breaker_hub, delivery_hub, dlq_hub, files_hub, sync_hub
from delivery.handler import apply_batch
from dlq.handler import handle
from hub.audit import told
from hub.connector import NotWanted
from hub.dead_letter import Status
from hub.dead_letter_retries import Plan
from hub.drain import Messages
from hub.errors import QueueUnavailable, Unavailable
from hub.events import from_json, to_json
from hub.ledger import Failure, Outcome
from hub.settings import (
    BreakerSettings,
    DeliverySettings,
    DlqSettings,
    FilesSettings,
    SyncSettings,
    WebhookSettings,
    packed,
)
from hub.streams import Ask, Declared, Stream
from tests.api_gateway import api_gateway_request
from tests.fakes import an_event
from tests.signing import base64_hmac
from tests.sqs_batch import Context, sqs_batch
from webhooks.handler import serve

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient

LOCAL = yaml.safe_load((Path(__file__).parents[2] / "config" / "local.yaml").read_text("utf-8"))


pytestmark = pytest.mark.usefixtures("lambdas_environment")


def lambda_environment(settings: WebhookSettings, aws_url: str) -> dict[str, str]:
    """What the webhook Lambda finds in its environment; it reaches AWS where this says."""
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1"}
    return {**settings.to_env(), **keys, "AWS_ENDPOINT_URL": aws_url}


def test_a_signed_delivery_ends_on_the_queue_of_each_flow(
    sqs: "SQSClient", secretsmanager: "SecretsManagerClient", queue_url: str, name: str, aws_url: str
) -> None:
    secretsmanager.create_secret(Name=name, SecretString='{"webhook": "live"}')
    settings = WebhookSettings(
        "test", "shop-eu", "shopify", name, [queue_url], "bodies", "ledger", "shop-eu.myshopify.com"
    )
    body = b'{"id": 1001, "updated_at": "2026-01-01T00:00:00Z"}'
    headers = {
        "X-Shopify-Hmac-Sha256": base64_hmac(body, "live"),
        "X-Shopify-Topic": "orders/create",
        "X-Shopify-Webhook-Id": "e-1",
        "X-Shopify-Shop-Domain": "shop-eu.myshopify.com",
        "X-Shopify-API-Version": "2026-01",
    }

    answer = serve(api_gateway_request(body, headers), None, webhook_hub(lambda_environment(settings, aws_url)))

    assert (answer["statusCode"], json.loads(answer["body"])) == (200, {"event": "e-1"})
    (message,) = sqs.receive_message(QueueUrl=queue_url)["Messages"]
    event = from_json(message["Body"])
    assert (event.type, event.subject) == ("shopify.orders/create", "shop-eu/order/1001")
    assert event.data == body


def test_while_the_queue_is_gone_the_provider_is_asked_to_send_again(
    secretsmanager: "SecretsManagerClient", name: str, aws_url: str
) -> None:
    secretsmanager.create_secret(Name=name, SecretString='{"webhook": "live"}')
    gone = "https://sqs.us-east-1.amazonaws.com/123456789012/gone.fifo"
    headers = {
        "X-Shopify-Hmac-Sha256": base64_hmac(b"{}", "live"),
        "X-Shopify-Topic": "orders/create",
        "X-Shopify-Webhook-Id": "e-1",
        "X-Shopify-Shop-Domain": "shop-eu.myshopify.com",
        "X-Shopify-API-Version": "2026-01",
    }
    settings = WebhookSettings("test", "shop-eu", "shopify", name, [gone], "bodies", "ledger")
    hub = webhook_hub(lambda_environment(settings, aws_url))

    answer = serve(api_gateway_request(b"{}", headers), None, hub)

    assert (answer["statusCode"], json.loads(answer["body"])) == (503, {"unavailable": "QueueUnavailable"})


def test_a_flow_reads_its_source_and_records_in_its_ledger(sqs: "SQSClient", queue_url: str, table: str) -> None:
    """An order that cannot be read needs no destination: it is dead, with its reason, on the dead letter queue."""
    settings = DeliverySettings(
        stage="test",
        flow="shop-eu-to-erp",
        source_connector="shopify",
        destination="erp",
        destination_connector="erpnext",
        destination_url="http://127.0.0.1:9",
        destination_secret_id="hub/test/erp",
        queue_url=queue_url,
        dead_letter_queue_url=queue_url,
        ledger_table=table,
        bodies_bucket="bodies",
        actions={"shopify.orders/create": "upsert_sales_order"},
        flow_settings=LOCAL["flows"]["shop-eu-to-erp"]["settings"],
    )
    hub = delivery_hub(settings.to_env())
    unreadable, unwanted = an_event("e-1", event_type="shopify.orders/create"), an_event("e-2", event_type="shopify.x")

    answer = apply_batch(sqs_batch(to_json(unreadable), to_json(unwanted)), Context(), hub)

    assert answer == {"batchItemFailures": []}
    (buried,) = sqs.receive_message(QueueUrl=queue_url, MessageAttributeNames=["All"])["Messages"]
    assert from_json(buried["Body"]) == unreadable
    assert buried["MessageAttributes"]["code"]["StringValue"] == "Unreadable"
    known = hub.ledger.known("shop-eu-to-erp", [unreadable, unwanted])
    assert [each.outcome for each in known] == [None, Outcome.IGNORED]


def test_a_dead_letter_is_recorded_and_told(sns: "SNSClient", sqs: "SQSClient", table: str, name: str) -> None:
    topic = sns.create_topic(Name=name)["TopicArn"]
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    hub = dlq_hub(DlqSettings("test", table, topic).to_env())
    batch: dict[str, Any] = sqs_batch(
        to_json(an_event("e-1")),
        queue="hub-test-shop-eu-to-erp-dead.fifo",
        failure=Failure("Refused", "DATA_VALIDATION_FAILED", "medium", "no such item"),
    )

    assert handle(batch, Context(), hub) == {"batchItemFailures": []}
    handle({"plans": [Plan("shop-eu-to-erp", "shop-eu", "erp", []).to_request()]}, Context(), hub)

    found = hub.letters.find("shop-eu-to-erp", an_event().subject, "e-1")
    assert found.end
    assert found.letter
    assert (found.end.outcome, found.letter.status) == (Outcome.DEAD, Status.ESCALATED)
    notice = json.loads(sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"])
    assert notice["Subject"] == "shop-eu-to-erp: Refused"


def test_a_flow_into_a_database_and_its_probe_reach_it_by_its_url(
    secretsmanager: "SecretsManagerClient", queue_url: str, table: str, name: str
) -> None:
    secretsmanager.create_secret(Name=name, SecretString='{"username": "hub", "password": "made up"}')
    url = "postgresql://127.0.0.1:1/shop"  # where nothing listens
    settings = DeliverySettings(
        stage="test",
        flow="crm-to-db",
        source_connector="generic_rest",
        destination="db",
        destination_connector="postgresql",
        destination_url=url,
        destination_secret_id=name,
        queue_url=queue_url,
        dead_letter_queue_url=queue_url,
        ledger_table=table,
        bodies_bucket="bodies",
        actions={"generic_rest.contacts": "upsert_row"},
        flow_settings={"table": "contacts"},
        records={"generic_rest.contacts": "row"},
    )
    event = an_event(entity="crm/contact/7", event_type="generic_rest.contacts", data=b'{"id": 7}')

    hub = delivery_hub(settings.to_env())
    record = hub.route.read(event, hub.route.records[event.type])
    assert not isinstance(record, NotWanted)

    with pytest.raises(Unavailable, match=r"PostgreSQL at 127\.0\.0\.1"):
        hub.route.destination.apply("upsert_row", record, event, "")
    probe = breaker_hub(BreakerSettings("test", "db", "postgresql", url, name, table, "topic").to_env()).probe
    with pytest.raises(Unavailable, match=r"PostgreSQL at 127\.0\.0\.1"):
        probe()


@pytest.mark.parametrize("connector", ["postgresql", "mysql", "redis"])
def test_a_stream_of_what_is_no_web_reaches_it_by_its_url(
    secretsmanager: "SecretsManagerClient", queue_url: str, table: str, name: str, connector: str
) -> None:
    secretsmanager.create_secret(Name=name, SecretString='{"username": "hub", "password": "made up"}')
    settings = SyncSettings("test", "db", connector, f"{connector}://127.0.0.1:1/0", name, [queue_url], "bodies", table)
    stated = {"list": "orders"} if connector == "redis" else {"table": "orders", "cursor": "updated_at"}

    _, source = sync_hub(settings.to_env()).open(Declared(Stream("db", connector, "orders", "order"), stated))

    with pytest.raises(Unavailable):
        source.take() if isinstance(source, Messages) else source.page(Ask("", "", ""))


def test_what_a_sync_function_queues_is_named_in_its_log_once_the_queue_has_it(
    sqs: "SQSClient",
    secretsmanager: "SecretsManagerClient",
    queue_url: str,
    name: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    secretsmanager.create_secret(Name=name, SecretString="{}")
    event = an_event("contacts-1", "crm/contact/1", event_type="generic_rest.contacts")

    def hub(url: str) -> SyncHub:
        settings = SyncSettings("test", "crm", "generic_rest", "https://x.example", name, [url], "bodies", "ledger")
        return sync_hub(settings.to_env())

    hub(queue_url).queue([event])
    with pytest.raises(QueueUnavailable):
        hub(f"{queue_url}-of-nobody").queue([event])

    [page] = [vars(each)["events"] for each in caplog.records if each.message == "queued"]
    assert [each.key for each in told(page, event.received_at)] == [(event.subject, event.id)]
    assert len(sqs.receive_message(QueueUrl=queue_url)["Messages"]) == 1


def test_what_a_files_function_queues_is_named_in_its_log_too(
    sqs: "SQSClient", queue_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    events = [an_event(f"list-{number}", f"lists/row/{number}", event_type="csv.list") for number in range(12)]
    settings = FilesSettings(
        stage="test",
        integration="lists",
        connector="csv",
        queue_urls=[queue_url],
        inbox_url=queue_url,
        files_bucket="files",
        bodies_bucket="bodies",
        ledger_table="ledger",
        topic_arn="topic",
        streams=packed({"list": Declared(Stream("lists", "csv", "list", "row")).to_request()}),
    )

    files_hub(settings.to_env()).intake.queue(events)

    [line] = [vars(each) for each in caplog.records if each.message == "queued"]
    assert line["count"] == 12
    assert [each.key for each in told(line["events"], events[0].received_at)] == [(e.subject, e.id) for e in events]
