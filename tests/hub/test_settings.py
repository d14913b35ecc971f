"""Settings: what infra writes into a Lambda's environment, main.py reads back; and it fits."""

import pytest

from hub import names
from hub.pace import Pacing
from hub.settings import (
    VARIABLE,
    DeliverySettings,
    DlqSettings,
    RetrySettings,
    Settings,
    WebhookSettings,
)

WEBHOOK = WebhookSettings(
    stage="local",
    integration="shop-eu",
    connector="shop",
    secret_id="hub/local/shop-eu",
    queue_urls=["https://sqs/1"],
    bodies_bucket="hub-local-bodies",
    ledger_table="hub-local-ledger",
    account="shop-eu.example.com",
    public_url="https://hooks.example.com/shop-eu",
    expects={"audience": "https://hooks.example.com", "topic_arns": ["arn:a", "arn:b"]},
    tolerance_seconds=600,
    addresses=["192.0.2.0/24"],
    token_header="X-Token",
)
DELIVERY = DeliverySettings(
    stage="local",
    flow="shop-eu-to-erp",
    source_connector="shop",
    destination="erp",
    destination_connector="erp",
    destination_url="https://erp.example.com",
    destination_secret_id="hub/local/erp",
    queue_url="https://sqs/1",
    dead_letter_queue_url="https://sqs/2",
    ledger_table="hub-local-ledger",
    bodies_bucket="hub-local-bodies",
    actions={"shop.orders/create": "upsert_sales_order"},
    flow_settings={"company": "Größe & Söhne", "delivery_days": 7, "cost_center": None, "submit": True},
    retry=RetrySettings(1.5, 60, 7200),
    pacing=Pacing(planned=12, most=7.5, slow_call_seconds=2),
)
DLQ = DlqSettings("local", "hub-local-ledger", "arn:aws:sns:us-east-1:1:x", ledger_days=30)


@pytest.mark.parametrize("settings", [WEBHOOK, DELIVERY, DLQ], ids=lambda settings: type(settings).__name__)
def test_what_is_written_is_read_back(settings: Settings) -> None:
    assert type(settings).from_env(settings.to_env() | {"PATH": "/bin"}) == settings


def test_a_missing_variable_is_a_key_error() -> None:
    with pytest.raises(KeyError, match=VARIABLE):
        WebhookSettings.from_env({})


def test_an_unknown_setting_is_refused() -> None:
    """A function that runs with settings of another version must not start."""
    environment = {VARIABLE: '{"stage": "local", "surprise": 1}'}

    with pytest.raises(TypeError):
        DlqSettings.from_env(environment)


@pytest.mark.parametrize(("letters", "fits"), [(3_000, True), (4_096, False)])
def test_settings_beyond_what_lambda_holds_are_refused_when_written(letters: int, fits: bool) -> None:
    settings = WebhookSettings("local", "shop-eu", "shop", "s", [], "bodies", "ledger", account="x" * letters)

    if fits:
        assert sum(map(len, settings.to_env().values())) < 4_096
        return
    with pytest.raises(ValueError, match="a Lambda's environment holds 4096"):
        settings.to_env()


def test_a_dead_letter_queues_name_says_its_flow() -> None:
    assert DLQ.flows_by_queue[names.dead_letter_queue("local", "shop-eu-to-erp")] == "shop-eu-to-erp"


@pytest.mark.parametrize(
    "queue",
    ["hub-local-shop-eu-to-erp.fifo", "hub-staging-shop-eu-to-erp-dead.fifo", "hub-local--dead.fifo", "dead.fifo", ""],
)
def test_another_queue_says_none(queue: str) -> None:
    with pytest.raises(KeyError):
        DLQ.flows_by_queue[queue]
