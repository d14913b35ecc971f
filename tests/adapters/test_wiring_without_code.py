"""A source that is a manifest alone: its events are recorded as ignored, until its connector reads records."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from adapters.wiring import delivery_hub
from connectors import connector_names, has_code
from delivery.handler import apply_batch
from hub.events import from_json, to_json
from hub.ledger import Outcome
from hub.settings import DeliverySettings
from tests.fakes import an_event
from tests.sqs_batch import Context, sqs_batch

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

LOCAL = yaml.safe_load((Path(__file__).parents[2] / "config" / "local.yaml").read_text("utf-8"))


def settings(queue_url: str, table: str, actions: dict[str, str]) -> DeliverySettings:
    return DeliverySettings(
        stage="test",
        flow="code-to-erp",
        source_connector="github",
        destination="erp",
        destination_connector="erpnext",
        destination_url="http://127.0.0.1:9",
        destination_secret_id="hub/test/erp",
        queue_url=queue_url,
        dead_letter_queue_url=queue_url,
        ledger_table=table,
        bodies_bucket="bodies",
        actions=actions,
        flow_settings=LOCAL["flows"]["shop-eu-to-erp"]["settings"],
    )


pytestmark = pytest.mark.usefixtures("lambdas_environment")


def test_its_events_are_recorded(queue_url: str, table: str) -> None:
    assert "github" in connector_names()
    assert not has_code("github")
    hub = delivery_hub(settings(queue_url, table, {}).to_env())
    event = an_event("e-1", event_type="github.push")

    answer = apply_batch(sqs_batch(to_json(event)), Context(), hub)

    assert answer == {"batchItemFailures": []}
    (known,) = hub.ledger.known("code-to-erp", [event])
    assert known.outcome == Outcome.IGNORED


def test_an_action_for_what_nobody_reads_is_told_and_not_tried_again(
    sqs: "SQSClient", queue_url: str, table: str
) -> None:
    """The configuration is checked against this; the function does not rely on it."""
    hub = delivery_hub(settings(queue_url, table, {"github.push": "upsert_sales_order"}).to_env())
    event = an_event("e-2", event_type="github.push")

    apply_batch(sqs_batch(to_json(event)), Context(), hub)

    (buried,) = sqs.receive_message(QueueUrl=queue_url, MessageAttributeNames=["All"])["Messages"]
    assert from_json(buried["Body"]) == event
    assert buried["MessageAttributes"]["code"]["StringValue"] == "NotConfigured"
