"""`hub setup erp` makes the hub's fields, may be repeated, and says plainly why it cannot."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from adapters.health import DynamoHealth
from connectors.frappe.templates import WEBHOOKS
from connectors.shopify.subscriptions import StoreSubscriptions
from hub import names
from hub.errors import Refused
from hub.subscriptions import Wanted
from infra.local.erpnext.server import ErpNextStandIn
from infra.local.ministack import free_port
from infra.local.shopify_admin import ShopifyAdmin
from tests.cli.conftest import API_KEY, API_SECRET, SIGNING, Stage, Web

PERMISSION_DENIED = Path(__file__).parents[1] / "recordings" / "erpnext" / "012_permission_denied_create.json"


@pytest.fixture
def erp() -> Iterator[ErpNextStandIn]:
    with ErpNextStandIn(token=f"{API_KEY}:{API_SECRET}") as running:
        yield running


@pytest.fixture
def deployed(local_stage: Stage, erp: ErpNextStandIn) -> Stage:
    local_stage.with_erp(erp.url)
    local_stage.deploy()
    local_stage.store("erp", api_key=API_KEY, api_secret=API_SECRET)
    return local_stage


def test_the_fields_are_made_once(deployed: Stage, erp: ErpNextStandIn) -> None:
    first = deployed.hub("setup", "erp")
    made = len(erp.documents("Custom Field"))
    second = deployed.hub("setup", "erp")

    assert (first.exit_code, second.exit_code) == (0, 0)
    assert (first.stdout.count("created"), second.stdout.count("already there")) == (made, made)
    assert (made > 4, len(erp.documents("Custom Field"))) == (True, made)


def test_the_doctypes_that_rows_become_get_the_fields_too(deployed: Stage, erp: ErpNextStandIn) -> None:
    content = yaml.safe_load(deployed.config.read_text())
    streams = {"contacts": {"settings": {"path": "/contacts"}}}
    content["integrations"]["crm"] = {"connector": "generic_rest", "url": "https://crm.example.com", "streams": streams}
    documents = {"contacts": {"doctype": "Address", "fields": {"address_title": "name"}}}
    settings = {"time_zone": "UTC", "documents": documents}
    content["flows"]["crm-to-erp"] = {"source": "crm", "destination": "erp", "settings": settings}
    deployed.write(content)

    result = deployed.hub("setup", "erp")

    assert result.exit_code == 0, result.stderr
    made = {(each["dt"], each["fieldname"]) for each in erp.documents("Custom Field")}
    assert {("Address", "hub_external_id"), ("Address", "hub_source_version")} <= made


@pytest.fixture
def two_way(deployed: Stage) -> Stage:
    """The stage with an integration for the site's webhooks."""
    content = yaml.safe_load(deployed.config.read_text())
    content["integrations"]["erp-events"] = {
        "connector": "frappe",
        "same_as": "erp",
        "public_url": "https://hooks.example.com/webhooks/erp-events",
    }
    deployed.write(content)
    secret_id = names.secret(deployed.name, "erp-events")
    deployed.client("secretsmanager").create_secret(Name=secret_id, SecretString="{}")
    return deployed


def test_the_webhooks_are_made_and_renewed(two_way: Stage, erp: ErpNextStandIn) -> None:
    two_way.store("erp-events", webhook=SIGNING)
    first = two_way.hub("setup", "webhooks", "erp-events")
    for webhook in erp.documents("Webhook"):
        assert webhook["webhook_secret"] == SIGNING
    second = two_way.hub("setup", "webhooks", "erp-events")

    assert (first.exit_code, second.exit_code) == (0, 0), first.stderr + second.stderr
    assert (first.stdout.count("created"), second.stdout.count("renewed")) == (len(WEBHOOKS), len(WEBHOOKS))
    assert {
        (each["webhook_doctype"], each["webhook_docevent"], each["request_url"]) for each in erp.documents("Webhook")
    } == {(each.doctype, each.event, "https://hooks.example.com/webhooks/erp-events") for each in WEBHOOKS}


def test_a_shops_webhooks_are_those_that_lead_to_an_action_and_are_watched_from_then_on(deployed: Stage) -> None:
    content = yaml.safe_load(deployed.config.read_text())
    content["flows"]["shop-eu-to-erp"]["actions"] = {"customers/create": "ignore"}
    url = "https://hooks.example.com/webhooks/shop-eu"
    with ShopifyAdmin("shpat_test") as store:
        content["integrations"]["shop-eu"] |= {"url": store.url, "public_url": url}
        deployed.write(content)
        deployed.store("shop-eu", webhook=SIGNING, admin_token="shpat_test")

        first, second = (deployed.hub("setup", "webhooks", "shop-eu") for _ in range(2))

        there = {each["topic"] for each in store.subscriptions}
        assert {each["uri"] for each in store.subscriptions} == {url}
    assert (first.exit_code, second.exit_code) == (0, 0), first.stderr + second.stderr
    assert (first.stdout.count("created"), second.stdout.count("already there")) == (len(there), len(there))
    assert there >= {"ORDERS_CREATE", "ORDERS_UPDATED", "CUSTOMERS_UPDATE"}
    assert not there & {"CUSTOMERS_CREATE", "CUSTOMERS_REDACT", "SHOP_REDACT"}
    kept = DynamoHealth(deployed.client("dynamodb"), names.ledger_table(deployed.name)).registered("shop-eu")
    assert kept
    assert (kept.url, set(kept.topics)) == (url, there)


def test_a_webhook_that_a_shop_refuses_is_told_and_the_others_are_made(
    deployed: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def register(self: StoreSubscriptions, wanted: Wanted) -> str:
        if wanted.topic == "CUSTOMERS_MERGE":
            raise Refused("the app lacks read_customer_merge")
        return "created"

    monkeypatch.setattr(StoreSubscriptions, "register", register)
    content = yaml.safe_load(deployed.config.read_text())
    content["integrations"]["shop-eu"] |= {"url": "http://127.0.0.1:1", "public_url": "https://hooks.example.com/x"}
    deployed.write(content)
    deployed.store("shop-eu", webhook=SIGNING, admin_token="shpat_test")

    result = deployed.hub("setup", "webhooks", "shop-eu")

    assert (result.exit_code, "CUSTOMERS_MERGE refused; " in result.stderr) == (1, True)
    assert "the app lacks read_customer_merge" in result.stderr
    kept = DynamoHealth(deployed.client("dynamodb"), names.ledger_table(deployed.name)).registered("shop-eu")
    assert kept
    assert "ORDERS_CREATE" in kept.topics
    assert "CUSTOMERS_MERGE" not in kept.topics


def test_webhooks_need_their_secret_and_their_site(two_way: Stage) -> None:
    without = two_way.hub("setup", "webhooks", "erp-events")
    other = two_way.hub("setup", "webhooks", "shop-eu")

    assert without.stderr == "erp-events lacks webhook: store it with `hub secrets set erp-events`.\n"
    assert other.stderr == "shop-eu is asked nowhere: state integrations.shop-eu.url, where its system is.\n"
    assert (without.exit_code, other.exit_code) == (1, 1)


def test_a_wrong_key_is_told(deployed: Stage) -> None:
    deployed.store("erp", api_key=API_KEY, api_secret="wrong")

    result = deployed.hub("setup", "erp")

    assert result.exit_code == 1
    assert "does not accept the API key: store the right one with `hub secrets set erp`." in result.stderr


def test_a_missing_key_is_told(deployed: Stage) -> None:
    deployed.store("erp", api_key=API_KEY)

    result = deployed.hub("setup", "erp")

    assert (result.exit_code, result.stderr) == (
        1,
        "erp lacks api_secret: store it with `hub secrets set erp`.\n",
    )


def test_a_url_where_nothing_answers_is_told(deployed: Stage) -> None:
    deployed.with_erp(f"http://127.0.0.1:{free_port()}")

    result = deployed.hub("setup", "erp")

    assert result.exit_code == 1
    assert "No ERPNext answers at http://127.0.0.1" in result.stderr
    assert "check integrations.erp.url" in result.stderr


def test_a_url_of_something_else_is_told(deployed: Stage, web: Web) -> None:
    web.answer = (404, b"<html>nginx</html>")
    deployed.with_erp(web.url)

    result = deployed.hub("setup", "erp")

    assert result.exit_code == 1
    assert "No ERPNext answers at" in result.stderr


def test_a_user_without_the_permission_is_told(deployed: Stage, web: Web) -> None:
    recorded = json.loads(PERMISSION_DENIED.read_text())["response"]
    web.answer = (recorded["status"], recorded["body"].encode())
    deployed.with_erp(web.url)

    result = deployed.hub("setup", "erp")

    assert result.exit_code == 1
    assert "The hub's user may not make that" in result.stderr
    assert "System Manager" in result.stderr


def test_an_integration_that_is_no_erpnext_is_told(deployed: Stage) -> None:
    result = deployed.hub("setup", "erp", "--integration", "shop-eu")

    assert (result.exit_code, result.stderr) == (1, "shop-eu is no ERPNext site; say --integration erp.\n")
