"""A sample delivery is sent as the provider would send it: the hub's own edge would accept it."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import cli.send
from cli.failure import Failed
from cli.send import example_of, readable, signed
from cli.signing import Draft
from cli.signing.examples import examples
from connectors import connector_names, manifest_path
from hub.config import Integration
from hub.deliveries import Delivery, Expected
from hub.manifest import read_manifest
from hub.schemes import scheme
from hub.webhook_spec import read_webhook
from tests.cli.conftest import SIGNING, Stage, Web
from tests.fakes import FakeFetch
from tests.provider import PUBLIC_URL, STATED, Endpoint, manifest_of, required_expects, secret_of, spec_of

SOURCES = [name for name in connector_names() if manifest_of(name).webhook]
ACCOUNT = "4711"  # some providers write numbers
ONLY_THE_PROVIDER = {"google_oidc", "paypal", "sendgrid", "sns"}  # schemes with a private key


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
    held = Expected([SIGNING], 0, None, "", {}, FakeFetch())
    scheme(spec.signature.scheme)(delivery, spec.signature, held)  # raises where the edge would refuse
    assert (method, path) == ("POST", "/webhooks/shop-eu")
    assert headers["x-shopify-topic"] == "orders/create"
    assert headers["x-shopify-shop-domain"] == "shop-eu.myshopify.com"
    assert result.exit_code == 0
    assert "HTTP 200 {}" in result.stdout
    assert f"hub events show shop-eu/order/{json.loads(body)['id']}" in result.stdout


@pytest.mark.parametrize(("key", "secret"), [("hex", "no hex"), ("base64", "-"), ("base64", "")])
def test_a_secret_of_another_form_than_the_provider_makes_is_told(key: str, secret: str) -> None:
    assert not readable(secret, key)
    assert readable("ab" * 32, key)
    assert readable("-", "utf-8")


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
        (
            ("shop-eu", "orders/creat"),
            "The connector shopify has no example for 'orders/creat', but for customers/create, ",
        ),
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


class Configured:
    """A stage with one integration of a connector."""

    def __init__(self, connector: str) -> None:
        self.connector = connector

    def integration(self, _name: str) -> Integration:
        expects = {name: STATED.get(name, f"stated-{name}") for name in required_expects(self.connector)}
        return Integration.model_validate(
            {"connector": self.connector, "public_url": PUBLIC_URL, "expects": expects, "account": ACCOUNT}
        )

    def manifest(self, _name: str) -> Any:
        return read_manifest(manifest_path(self.connector))


def sent(connector: str, topic: str, monkeypatch: pytest.MonkeyPatch, file: Path | None = None) -> Draft:
    monkeypatch.setattr(cli.send, "read", lambda *_: {"webhook": secret_of(connector)})
    stage: Any = Configured(connector)
    return signed(stage, "it", spec_of(connector), example_of(connector, topic, file))


@pytest.mark.parametrize(
    "connector", [name for name in SOURCES if spec_of(name).signature.scheme not in ONLY_THE_PROVIDER]
)
def test_what_is_sent_for_any_connector_is_what_its_edge_accepts(
    connector: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for example in examples(connector):
        if example.expects:
            continue  # of an integration that is configured in another way
        draft = sent(connector, example.topic or example.handshake, monkeypatch)
        bound = ACCOUNT.encode() in draft.body
        at = Endpoint(connector, account=ACCOUNT, bound=bound, now=datetime.now(UTC))

        answer = at.send(draft)

        assert answer.status < 300, (example.name, at.reasons())


@pytest.mark.parametrize("connector", ["adyen", "hubspot", "razorpay", "square", "twilio", "zoom"])
def test_an_example_comes_from_the_account_that_the_integration_is_bound_to(
    connector: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    topics = [example.topic for example in examples(connector) if example.topic]

    assert any(ACCOUNT.encode() in sent(connector, topic, monkeypatch).body for topic in topics)


@pytest.mark.parametrize("connector", [name for name in SOURCES if spec_of(name).signature.scheme in ONLY_THE_PROVIDER])
def test_what_only_the_provider_can_sign_is_told(connector: str, monkeypatch: pytest.MonkeyPatch) -> None:
    topic = next(each.topic for each in examples(connector) if each.topic)

    with pytest.raises(Failed, match="signs with a private key that nobody else has"):
        sent(connector, topic, monkeypatch)


def test_a_body_in_which_no_proof_can_stand_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "body"
    file.write_bytes(b"no JSON")

    with pytest.raises(Failed, match="cannot be signed as Adyen does"):
        sent("adyen", "AUTHORISATION", monkeypatch, file)
