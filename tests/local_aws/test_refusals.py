"""What is no verified delivery is refused at the edge, and nothing of it is kept.

Each differs in one thing from the deliveries that the other files see accepted.
"""

from collections.abc import Iterator

import httpx
import pytest

from infra.local.shopify import as_sent, signature
from tests.local_aws.hub import OTHER_INTEGRATION, WITHOUT_SECRET, LocalHub, an_order


@pytest.fixture(autouse=True)
def keeps_nothing(hub: LocalHub) -> Iterator[None]:
    """The ledger, the queues and ERPNext are after the test as they were before."""
    hub.settle()
    before = (hub.ledger_items(), len(hub.erp.documents("Sales Order")), len(hub.erp.documents("Customer")))
    yield
    assert (hub.waiting(), before) == (
        0,
        (hub.ledger_items(), len(hub.erp.documents("Sales Order")), len(hub.erp.documents("Customer"))),
    )


def test_a_forged_signature(hub: LocalHub) -> None:
    answer = hub.shop(secret="not the secret").deliver("orders/create", an_order())

    assert (answer.status, answer.text) == (401, '{"refused": "BadSignature"}')


def test_a_body_that_was_altered_on_the_way(hub: LocalHub) -> None:
    body = an_order()
    genuine = {"X-Shopify-Hmac-Sha256": signature(as_sent(body), hub.shop().client_secret)}

    answer = hub.deliver("orders/create", {**body, "total_price": "0.01"}, headers=genuine)

    assert (answer.status, answer.text) == (401, '{"refused": "BadSignature"}')


@pytest.mark.parametrize(
    ("value", "refusal"),
    [
        ("", (401, "MissingHeader")),
        ("not base64!", (400, "MalformedHeader")),
        ("QUJD", (400, "MalformedHeader")),
        ("A" * 43 + "=", (401, "BadSignature")),
    ],
)
def test_no_signature_or_none_worth_the_name(hub: LocalHub, value: str, refusal: tuple[int, str]) -> None:
    answer = hub.deliver("orders/create", an_order(), headers={"X-Shopify-Hmac-Sha256": value})

    assert (answer.status, answer.text) == (refusal[0], f'{{"refused": "{refusal[1]}"}}')


def test_the_secret_of_another_shop(hub: LocalHub) -> None:
    answer = hub.shop(secret=hub.shop(OTHER_INTEGRATION).client_secret).deliver("orders/create", an_order())

    assert (answer.status, answer.text) == (401, '{"refused": "BadSignature"}')


def test_another_shop_signed_by_the_same_app(hub: LocalHub) -> None:
    answer = hub.deliver("orders/create", an_order(), headers={"X-Shopify-Shop-Domain": "stranger.myshopify.com"})

    assert (answer.status, answer.text) == (403, '{"refused": "WrongAccount"}')


@pytest.mark.parametrize("guess", ["", "None", "null", "webhook"])
def test_an_integration_whose_secret_is_not_stored_yet(hub: LocalHub, guess: str) -> None:
    answer = hub.shop(WITHOUT_SECRET, secret=guess).deliver("orders/create", an_order())

    assert (answer.status, answer.text) == (401, '{"refused": "NoSecret"}')


def test_an_unknown_integration(hub: LocalHub) -> None:
    answer = hub.shop("shop-nowhere").deliver("orders/create", an_order())

    assert answer.status == 404


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_a_method_that_the_provider_never_uses(hub: LocalHub, method: str) -> None:
    answer = httpx.request(method, hub.shop().url, timeout=30, trust_env=False)

    assert answer.status_code == 404  # an HTTP API has no route for it, so no function is called


def test_an_empty_body(hub: LocalHub) -> None:
    answer = hub.deliver("orders/create", b"")

    assert (answer.status, answer.text) == (400, '{"refused": "EmptyBody"}')


@pytest.mark.parametrize("header", ["X-Shopify-Topic", "X-Shopify-Webhook-Id"])
def test_a_delivery_that_does_not_say_what_it_is(hub: LocalHub, header: str) -> None:
    answer = hub.deliver("orders/create", an_order(), headers={header: ""})

    assert (answer.status, answer.text) == (401, '{"refused": "MissingHeader"}')
