"""A flow from a shop to a chat: parked, claimed, posted once and settled, through the real handlers and tables."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from adapters.parking import DynamoWaitingRoom
from adapters.wiring import DeliveryHub, breaker_hub, delivery_hub
from breaker.handler import tend_destination
from delivery.handler import apply_batch
from hub import names
from hub.events import Event, to_json
from hub.ledger import A_PERSON, Outcome
from hub.settings import BreakerSettings, DeliverySettings
from tests.fakes import an_event
from tests.sqs_batch import Context, sqs_batch

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient

FLOW = "shop-eu-to-chat"
EXAMPLE = Path(__file__).parents[2] / "functions" / "connectors" / "shopify" / "examples" / "orders_create.json"
BODY = json.dumps(json.loads(EXAMPLE.read_text("utf-8"))["payload"]).encode()


class Chat(BaseHTTPRequestHandler):
    """Slack's API on this machine, as far as it posts messages; the server's `broken` lets it post and fail to say so."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        server: Any = self.server
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server.posted.append(asked["text"])
        if server.broken:
            self.close_connection = True
            return
        body = json.dumps({"ok": True, "channel": "C1", "ts": f"{len(server.posted)}.0"}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture
def chat() -> Iterator[Any]:
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Chat)
    server.posted, server.broken = [], False
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def hub(
    secretsmanager: "SecretsManagerClient",
    queue_url: str,
    table: str,
    name: str,
    chat: Any,
    lambdas_environment: None,
) -> DeliveryHub:
    secretsmanager.create_secret(Name=name, SecretString='{"bot_token": "xoxb-1"}')
    settings = DeliverySettings(
        stage=name,
        flow=FLOW,
        source_connector="shopify",
        destination="chat",
        destination_connector="slack",
        destination_url=f"http://127.0.0.1:{chat.server_address[1]}",
        destination_secret_id=name,
        queue_url=queue_url,
        dead_letter_queue_url=queue_url,
        ledger_table=table,
        bodies_bucket="bodies",
        actions={"shopify.orders/create": "post_order_message"},
        flow_settings={"channel": "C1", "text": "{number}"},
        once={"post_order_message": False},
    )
    return delivery_hub(settings.to_env())


def an_order(event_id: str) -> Event:
    return an_event(event_id, event_type="shopify.orders/create", data=BODY)


def outcome(hub: DeliveryHub, event: Event) -> Outcome | None:
    return hub.ledger.known(FLOW, [event])[0].outcome


def test_a_message_is_posted_once_whatever_brings_the_event_again(hub: DeliveryHub, chat: Any) -> None:
    event = an_order("e1")

    for again in (event, event, event.replayed(event.received_at)):
        assert apply_batch(sqs_batch(to_json(again)), Context(), hub) == {"batchItemFailures": []}

    assert chat.posted == ["#9999"]
    assert outcome(hub, event) is Outcome.APPLIED


def test_a_message_whose_answer_is_lost_waits_for_a_person_who_is_told(
    hub: DeliveryHub, chat: Any, sns: "SNSClient", sqs: "SQSClient", dynamodb: "DynamoDBClient", table: str, name: str
) -> None:
    chat.broken, event = True, an_order("e1")

    for again in (event, event.replayed(event.received_at)):
        apply_batch(sqs_batch(to_json(again)), Context(), hub)

    assert len(chat.posted) == 1
    ((one,),) = DynamoWaitingRoom(dynamodb, table, "chat").pages()
    assert (outcome(hub, event), one.waits_for) == (Outcome.PARKED, A_PERSON)

    topic = sns.create_topic(Name=names.alarms_topic(name))["TopicArn"]
    heard = sqs.create_queue(QueueName=f"{name}-heard")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=heard, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    settings = BreakerSettings(name, "chat", "slack", "http://127.0.0.1:9", name, table, topic)
    tender = breaker_hub(settings.to_env())
    for _ in range(2):
        tend_destination({}, None, tender)
    (message,) = sqs.receive_message(QueueUrl=heard, MaxNumberOfMessages=10)["Messages"]
    assert json.loads(message["Body"])["Subject"] == f"{FLOW}: 1 event waits for a person"
