"""A sample delivery is sent as the provider would send it: the hub's own edge would accept it."""

import json
from pathlib import Path

import pytest

from connectors import manifest_path
from hub.schemes import SCHEMES, Delivery
from hub.webhook_spec import read_webhook
from tests.cli.conftest import SIGNING, Stage, Web


@pytest.fixture
def deployed(stage: Stage, web: Web, monkeypatch: pytest.MonkeyPatch) -> Stage:
    stage.deploy()
    monkeypatch.setattr("cli.stage.Stage.outputs", lambda _: {"ApiUrl": f"{web.url}/"})
    stage.store("shop-eu", webhook=SIGNING)
    return stage


def test_the_connectors_example_is_sent_signed(deployed: Stage, web: Web) -> None:
    result = deployed.hub("send", "shop-eu", "orders/create")

    [(method, path, headers, body)] = web.came
    spec, _ = read_webhook(manifest_path("shopify"))
    delivery = Delivery(method, {name: (value,) for name, value in headers.items()}, body)
    SCHEMES[spec.scheme](delivery, spec, [SIGNING])  # raises where the edge would refuse
    assert (method, path) == ("POST", "/webhooks/shop-eu")
    assert headers["x-shopify-topic"] == "orders/create"
    assert headers["x-shopify-shop-domain"] == "shop-eu.myshopify.com"
    assert result.exit_code == 0
    assert "HTTP 200 {}" in result.stdout
    assert f"hub events show {json.loads(body)['id']}" in result.stdout


def test_two_sendings_are_two_events(deployed: Stage, web: Web) -> None:
    deployed.hub("send", "shop-eu", "orders/create")
    deployed.hub("send", "shop-eu", "orders/create")

    first, second = [headers["x-shopify-webhook-id"] for _, _, headers, _ in web.came]
    assert first != second


def test_a_file_is_sent_byte_for_byte(deployed: Stage, web: Web, tmp_path: Path) -> None:
    file = tmp_path / "body"
    file.write_bytes(b'{"id": 5}\r\n\xff')

    result = deployed.hub("send", "shop-eu", "orders/paid", str(file))

    assert (result.exit_code, web.came[0][3]) == (0, b'{"id": 5}\r\n\xff')


def test_a_refusal_is_shown_and_fails(deployed: Stage, web: Web) -> None:
    web.answer = (401, b'{"refused": "BadSignature"}')

    result = deployed.hub("send", "shop-eu", "orders/create")

    assert result.exit_code == 1
    assert 'HTTP 401 {"refused": "BadSignature"}' in result.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("shop-eu", "orders/creat"), "Shopify has no example for topic 'orders/creat'; topics: orders/create"),
        (("erp", "orders/create"), "erp receives no webhooks: its connector is 'erpnext'."),
        (("shop-eu", "orders/create", "/nowhere/body"), "/nowhere/body cannot be read: No such file or directory."),
    ],
)
def test_what_cannot_be_sent_is_told(deployed: Stage, web: Web, arguments: tuple[str, ...], told: str) -> None:
    result = deployed.hub("send", *arguments)

    assert (result.exit_code, web.came) == (1, [])
    assert told in result.stderr


def test_a_missing_secret_is_told(deployed: Stage, web: Web) -> None:
    deployed.store("shop-eu")

    result = deployed.hub("send", "shop-eu", "orders/create")

    assert (result.exit_code, web.came) == (1, [])
    assert "shop-eu has no secret 'webhook': store it with `hub secrets set shop-eu`." in result.stderr
