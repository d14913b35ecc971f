"""How integrations are, in DynamoDB; what a check asks of AWS; and the whole check, wired."""

import base64
import json
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.cursors import DynamoCursors
from adapters.health import DynamoHealth, _beat, _beat_of, depth, pull_gap
from adapters.wiring import health_hub
from health.handler import check_integration
from hub.errors import Temporary
from hub.expiry import Expiry, expiries
from hub.health import Beat, Part, Record, Registered, Status, Waiting
from hub.runs import State
from hub.settings import CalledSettings, HealthSettings, packed
from hub.streams import Declared, Stream
from infra.local.erpnext.server import ErpNextStandIn
from infra.local.shopify_admin import ShopifyAdmin
from tests.fakes import NOW, FakeNotices, FakeTelemetry
from tests.local_aws.crm import STREAM, CrmServer
from tests.scripted_source import status

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient

pytestmark = pytest.mark.usefixtures("lambdas_environment")
URL = "https://hooks.example.com/webhooks/shop-eu"
BEATS = st.builds(
    Beat,
    st.datetimes(datetime(2020, 1, 1), datetime(2090, 1, 1)).map(lambda at: at.replace(microsecond=0, tzinfo=UTC)),  # noqa: DTZ001
    st.sampled_from(Status),
    st.none() | st.integers(0, 99_999),
)


@given(BEATS)
def test_a_beat_is_read_as_it_was_written(beat: Beat) -> None:
    assert _beat_of(_beat(beat)) == beat


def test_a_record_is_read_as_it_was_written(dynamodb: "DynamoDBClient", table: str) -> None:
    kept = DynamoHealth(dynamodb, table)
    full = Record(
        parts=(Part("call", Status.DOWN, "HTTP 503 – Wartung"), Part("secrets")),
        beats=(Beat(NOW, Status.HEALTHY, 12), Beat(NOW, Status.DOWN)),
        since=NOW,
        healthy_at=NOW,
        accepted_at=NOW,
        subscribed_at=NOW,
        owed=("ORDERS_CREATE",),
        owed_until=NOW,
        told_at=NOW,
        waiting={"flow": Waiting(3, NOW)},
    )

    assert kept.read("shop-eu") == Record()
    assert kept.write("shop-eu", full, NOW)
    assert kept.read("shop-eu") == replace(full, version=1)
    assert kept.read("shop-us") == Record()


def test_of_two_checks_that_read_the_same_one_is_kept(dynamodb: "DynamoDBClient", table: str) -> None:
    kept = DynamoHealth(dynamodb, table)
    for version in range(3):
        read = kept.read("shop-eu")

        assert [kept.write("shop-eu", read, NOW) for _ in range(2)] == [True, False]
        assert kept.read("shop-eu").version == version + 1


def test_a_day_of_checks_takes_a_small_item(dynamodb: "DynamoDBClient", table: str) -> None:
    DynamoHealth(dynamodb, table).write("shop-eu", Record(beats=(Beat(NOW, Status.HEALTHY, 1234),) * 288), NOW)

    (item,) = dynamodb.scan(TableName=table)["Items"]
    assert len(json.dumps(item)) < 6_000
    assert int(item["expires_at"]["N"]) == int((NOW + timedelta(days=90)).timestamp())


def test_what_was_registered_is_remembered(dynamodb: "DynamoDBClient", table: str) -> None:
    kept = DynamoHealth(dynamodb, table)
    registered = Registered(URL, ("ORDERS_CREATE",), "2026-01-01T12:00:00+00:00")
    kept.keep_registered("shop-eu", registered)

    assert (kept.registered("shop-eu"), kept.registered("shop-us")) == (registered, None)


def test_the_depth_of_a_queue_counts_what_is_at_work(sqs: "SQSClient", queue_url: str, name: str) -> None:
    for number in range(3):
        sqs.send_message(QueueUrl=queue_url, MessageBody="x", MessageGroupId="g", MessageDeduplicationId=str(number))
    sqs.receive_message(QueueUrl=queue_url)

    assert depth(sqs, f"{name}.fifo") == 3
    with pytest.raises(Temporary, match=r"gone\.fifo could not be asked"):
        depth(sqs, "gone.fifo")


def token(**claims: Any) -> str:
    parts = [base64.urlsafe_b64encode(json.dumps(each).encode()).decode().rstrip("=") for each in ({}, claims)]
    return ".".join([*parts, "signature"])


def test_secrets_that_say_when_they_end_are_believed(tmp_path: Path) -> None:
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=db -keyout key.pem -out ca.pem"
    subprocess.run(command.split(), cwd=tmp_path, check=True, capture_output=True)
    stored = {
        "webhook": "whsec.a.b",
        "token": token(exp=int(NOW.timestamp())),
        "forever": token(sub="hub"),
        "ssl_ca": (tmp_path / "ca.pem").read_text(),
        "broken": "-----BEGIN CERTIFICATE-----",
        "empty": "",
    }

    certificate, jwt = expiries(stored)

    assert jwt == Expiry("token", NOW)
    assert certificate.secret == "ssl_ca"
    assert timedelta(days=1) < certificate.at - datetime.now(UTC) < timedelta(days=3)


@pytest.mark.parametrize("state", [State(watermark="2026-01-01T00:00:00.000000Z"), State(looked_at=NOW)])
def test_only_streams_that_were_read_before_fill_a_gap(dynamodb: "DynamoDBClient", table: str, state: State) -> None:
    cursors = DynamoCursors(dynamodb, table)
    requests = [Declared(Stream("shop-eu", "shopify", name, name)).to_request() for name in ("orders", "customers")]
    held = cursors.take("shop-eu/orders", "me", NOW)
    assert held
    held.keep(state, NOW)
    run: list[tuple[str, Any]] = []

    gap = pull_gap(cursors.read, lambda function, request: run.append((function, request)), {"sync": requests})

    assert (gap.pulled, gap.unread) == (("shop-eu/orders",), ("shop-eu/customers",))
    assert run == [("sync", requests[0])]


@pytest.fixture
def store() -> Iterator[ShopifyAdmin]:
    with ShopifyAdmin("shpat_test") as running:
        yield running


@pytest.fixture
def settings(
    store: ShopifyAdmin, secretsmanager: "SecretsManagerClient", sns: "SNSClient", table: str, name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> HealthSettings:  # fmt: skip
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    secretsmanager.create_secret(Name=name, SecretString='{"webhook": "live", "admin_token": "shpat_test"}')
    topic = sns.create_topic(Name=name)["TopicArn"]
    called = CalledSettings("shopify", store.url, name)
    settings = HealthSettings("test", "shop-eu", "shopify", name, table, topic, called, public_url=URL)
    return HealthSettings.from_env(settings.to_env())


def test_a_wired_check_counts_what_alarms_watch(settings: HealthSettings) -> None:
    telemetry: Any = FakeTelemetry()

    told = check_integration({}, None, replace(health_hub(settings.to_env()), telemetry=telemetry))

    assert told == {"status": "healthy", "why": "", "mended": []}
    (_, _, _, counts) = telemetry.lines[-1]
    assert (counts["Available"], counts["Health"]) == (1.0, 0)
    assert counts["HealthMilliseconds"] >= 0


def test_a_wired_check_of_a_store_that_refuses_is_down_and_still_counts(
    settings: HealthSettings, store: ShopifyAdmin
) -> None:
    store.token = "another"
    telemetry: Any = FakeTelemetry()

    told = check_integration({}, None, replace(health_hub(settings.to_env()), telemetry=telemetry))

    assert (told["status"], "store a new one with `hub secrets set`" in told["why"]) == ("down", True)
    (_, _, _, counts) = telemetry.lines[-1]
    assert counts == {"Available": 0.0, "Health": 2}


def test_a_wired_check_registers_again_what_the_store_dropped(
    settings: HealthSettings, store: ShopifyAdmin, dynamodb: "DynamoDBClient", table: str
) -> None:
    DynamoHealth(dynamodb, table).keep_registered("shop-eu", Registered(URL, ("ORDERS_CREATE",), ""))
    hub = health_hub(settings.to_env())
    assert hub.mending
    notices, telemetry = FakeNotices(), FakeTelemetry()
    quiet: Any = replace(hub, telemetry=telemetry, mending=replace(hub.mending, notices=notices))

    first, second = check_integration({}, None, quiet), check_integration({}, None, quiet)

    assert (first["mended"], second["mended"], second["status"]) == (["ORDERS_CREATE"], [], "healthy")
    assert [(each["topic"], each["uri"]) for each in store.subscriptions] == [("ORDERS_CREATE", URL)]
    assert len(notices.told) == 1
    assert telemetry.lines[0][3]["SubscriptionsMended"] == 1


def test_a_wired_check_of_a_sites_webhooks_makes_the_one_that_was_deleted_and_tells_of_the_one_switched_off(
    settings: HealthSettings, dynamodb: "DynamoDBClient", secretsmanager: "SecretsManagerClient", table: str, name: str
) -> None:
    secretsmanager.create_secret(Name=f"{name}-erp", SecretString='{"api_key": "key", "api_secret": "secret"}')
    with ErpNextStandIn(token="key:secret") as erp:
        called = CalledSettings("erpnext", erp.url, f"{name}-erp")
        events = replace(settings, integration="erp-events", connector="frappe", called=called)
        hub = health_hub(events.to_env())
        assert hub.mending
        quiet: Any = replace(
            hub,
            telemetry=FakeTelemetry(),
            looks=replace(hub.looks, call=None),
            mending=replace(hub.mending, notices=FakeNotices()),
        )
        topics = ("hub-price", "hub-shipped")
        DynamoHealth(dynamodb, table).keep_registered("erp-events", Registered(URL, topics, ""))

        made = check_integration({}, None, quiet)
        with_secret = {each["name"]: each["webhook_secret"] for each in erp.documents("Webhook")}
        httpx.put(
            f"{erp.url}/api/resource/Webhook/hub-price",
            json={"enabled": 0},
            headers={"Authorization": "token key:secret"},
        )
        told = check_integration({}, None, quiet)

    assert made["mended"] == list(topics)
    assert with_secret == dict.fromkeys(topics, "live")
    assert (told["status"], told["why"]) == ("degraded", "subscriptions: hub-price is switched off")


def test_a_source_without_a_probe_is_asked_for_what_is_newest(
    settings: HealthSettings, secretsmanager: "SecretsManagerClient", name: str
) -> None:
    secretsmanager.create_secret(Name=f"{name}-crm", SecretString='{"token": "a-token"}')
    with CrmServer() as crm:
        stated = crm.integration()
        stream = Stream("crm", "generic_rest", STREAM, "contact")
        request = Declared(stream, stated["streams"][STREAM]["settings"]).to_request()
        read = replace(
            settings,
            integration="crm",
            connector="generic_rest",
            secret_id=f"{name}-crm",
            public_url="",
            called=CalledSettings("generic_rest", stated["url"], f"{name}-crm"),
            streams=packed({"sync": [request]}),
        )
        hub: Any = replace(health_hub(read.to_env()), telemetry=FakeTelemetry())
        crm.source.write("001", "Contact 1", datetime.now(UTC) - timedelta(days=2))
        healthy = check_integration({}, None, hub)
        crm.source.script = {crm.source.requests + 1: status(503)}
        down = check_integration({}, None, hub)

    assert healthy == {"status": "healthy", "why": "", "mended": []}
    assert (down["status"], "HTTP 503" in down["why"]) == ("down", True)
