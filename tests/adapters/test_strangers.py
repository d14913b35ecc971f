"""What strangers can make us do: answer them, and nothing that is kept or grows."""

from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from adapters.secrets import RENEW_AFTER_SECONDS, IntegrationSecrets
from adapters.webhook_wiring import receiver_of
from hub.deliveries import Delivery
from hub.errors import BadSignature, HubError, Rejected, SecretUnavailable
from hub.receive import MAX_BODY_BYTES, Outside, receive
from hub.settings import WebhookSettings
from tests.fakes import NOW

FLOOD = 1_000
SETTINGS = WebhookSettings(
    "test", "shop-eu", "shopify", "s", [], "bucket", "table", account="shop-eu.example.com", token_header="X-Token"
)
HEADERS = {
    "x-shopify-hmac-sha256": ["A" * 43 + "="],  # well-formed, and nobody's
    "x-shopify-topic": ["orders/create"],
    "x-shopify-webhook-id": ["e-1"],
    "x-shopify-shop-domain": ["shop-eu.myshopify.com"],
    "x-shopify-api-version": ["2026-01"],
    "x-token": ["t-1"],
}


@dataclass
class Storage:
    """Every port that keeps something or fetches, counting what it is asked."""

    calls: list[str] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        def call(*_: Any) -> None:
            self.calls.append(name)

        return call


@dataclass
class SecretsService:
    """Secrets Manager with one secret, or out of order, counting how often it is asked."""

    asked: int = 0
    down: bool = False

    def get_secret_value(self, SecretId: str) -> dict[str, str]:  # noqa: N803 - AWS's name
        self.asked += 1
        if self.down:
            raise EndpointConnectionError(endpoint_url="https://secretsmanager")
        return {"SecretString": '{"webhook": "live"}'}


class Edge:
    """The edge of a shop, which asks for one-time tokens, with a clock that is set by hand."""

    def __init__(self) -> None:
        self.seconds = 1_000.0
        self.storage, self.manager = Storage(), SecretsService()
        client: Any = self.manager
        secrets = IntegrationSecrets(client, "hub/test/shop-eu", lambda: self.seconds, lambda: NOW)
        port: Any = self.storage
        self.outside = Outside(secrets=secrets, queues=[port, port], fetch=port.fetch, bodies=port, tokens=port)
        self.receiver = receiver_of(SETTINGS)

    def refuse(self, delivery: Delivery) -> HubError:
        with pytest.raises(HubError) as refusal:
            receive(delivery, self.receiver, self.outside, NOW)
        return refusal.value


def a_delivery(body: bytes = b"{}", method: str = "POST", **headers: str) -> Delivery:
    given = {name.replace("_", "-"): [value] for name, value in headers.items()}
    return Delivery(method, HEADERS | given, body, source_ip="203.0.113.7")


STRANGERS = {
    "forged": a_delivery(),
    "forged and large": a_delivery(b"x" * MAX_BODY_BYTES),
    "too large": a_delivery(b"x" * (MAX_BODY_BYTES + 1)),
    "empty": a_delivery(b""),
    "unsigned": a_delivery(x_shopify_hmac_sha256=""),
    "garbage": a_delivery(x_shopify_hmac_sha256="\udcff"),
    "another method": a_delivery(method="GET"),
}


@pytest.mark.parametrize("delivery", STRANGERS.values(), ids=STRANGERS.keys())
def test_what_is_refused_reaches_no_queue_no_bucket_and_no_table(delivery: Delivery) -> None:
    edge = Edge()

    refusal = edge.refuse(delivery)

    assert isinstance(refusal, Rejected)
    assert edge.storage.calls == []


def test_an_address_that_may_not_send_does_not_even_reach_the_secrets() -> None:
    edge = Edge()
    edge.receiver = replace(edge.receiver, addresses=("198.51.100.0/24",))

    edge.refuse(a_delivery())

    assert (edge.storage.calls, edge.manager.asked) == ([], 0)


def test_a_flood_of_forgeries_asks_for_the_secrets_at_our_pace() -> None:
    edge = Edge()

    for _ in range(FLOOD):
        edge.refuse(a_delivery())
        edge.seconds += 0.1

    lasted = FLOOD * 0.1
    assert edge.manager.asked <= 1 + lasted / RENEW_AFTER_SECONDS


def test_so_does_a_flood_while_the_secrets_cannot_be_read() -> None:
    """Who comes then is told to come again: the signature may be by a new secret that we have not seen yet."""
    edge = Edge()
    edge.refuse(a_delivery())
    edge.seconds += RENEW_AFTER_SECONDS
    edge.manager.down = True
    before = edge.manager.asked

    refusals = []
    for _ in range(FLOOD):
        refusals.append(edge.refuse(a_delivery()))
        edge.seconds += 0.01
    edge.manager.down = False
    edge.seconds += RENEW_AFTER_SECONDS

    assert edge.manager.asked == before + 1
    assert {type(each) for each in refusals} == {SecretUnavailable}
    assert type(edge.refuse(a_delivery())) is BadSignature
