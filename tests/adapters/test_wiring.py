"""Wiring: each Lambda's parts are put together from its environment, and what arrives goes where it says."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from adapters.wiring import delivery_hub, dlq_hub, webhook_hub
from delivery.handler import apply_batch
from dlq.handler import record_batch
from hub.events import from_json, to_json
from hub.ledger import Failure, Outcome
from hub.settings import DeliverySettings, DlqSettings, WebhookSettings
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


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a Lambda's own environment holds."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")


def test_a_signed_delivery_ends_on_the_queue_of_each_flow(
    sqs: "SQSClient", secretsmanager: "SecretsManagerClient", queue_url: str, name: str
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

    answer = serve(api_gateway_request(body, headers), None, webhook_hub(settings.to_env()))

    assert (answer["statusCode"], json.loads(answer["body"])) == (200, {"event": "e-1"})
    (message,) = sqs.receive_message(QueueUrl=queue_url)["Messages"]
    event = from_json(message["Body"])
    assert (event.type, event.subject) == ("shopify.orders/create", "shop-eu/order/1001")
    assert event.data == body


def test_while_the_queue_is_gone_the_provider_is_asked_to_send_again(
    secretsmanager: "SecretsManagerClient", name: str
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
    hub = webhook_hub(WebhookSettings("test", "shop-eu", "shopify", name, [gone], "bodies", "ledger").to_env())

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

    assert record_batch(batch, Context(), hub) == {"batchItemFailures": []}

    (known,) = hub.ledger.known("shop-eu-to-erp", [an_event("e-1")])
    assert known.outcome == Outcome.DEAD
    notice = json.loads(sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"])
    assert notice["Subject"] == "shop-eu-to-erp: Refused"
