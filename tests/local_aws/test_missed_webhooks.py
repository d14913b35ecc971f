"""An order whose webhook was lost is found by the next pull, and written once however often it is told."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.main import app
from hub import names
from hub.deliver import SAID_ALREADY
from hub.streams import Declared, Stream
from infra.local.shopify_admin_rest import ShopifyRest
from tests.local_aws.hub import FLOW, INTEGRATION, STAGE, STARTED, LocalHub, an_order, wait_for

ORDERS = Declared(Stream(INTEGRATION, "shopify", "orders", "order"))


def pull(hub: LocalHub) -> dict[str, Any]:
    """What the schedule does."""
    function = names.sync_function(STAGE, INTEGRATION)
    answer = hub.aws.client("lambda").invoke(FunctionName=function, Payload=json.dumps(ORDERS.to_request()))
    told: dict[str, Any] = json.loads(answer["Payload"].read())
    assert told.get("state") == "ended", told
    return told


def outcomes(hub: LocalHub, body: dict[str, Any], count: int) -> list[tuple[str, str]]:
    """How the events of an order ended, once there are so many."""

    def look() -> list[tuple[str, str]] | None:
        ends = hub.ends(f"order/{body['id']}")
        return [(each.type, each.outcome) for each in ends] if len(ends) >= count else None

    return wait_for(look, f"order {body['id']} has not ended {count} times")


def told_missing(hub: LocalHub, body: dict[str, Any]) -> bool:
    group = f"/aws/lambda/{names.delivery_function(STAGE, FLOW)}"
    lines = [each["message"] for each in hub.aws.client("logs").filter_log_events(logGroupName=group)["events"]]
    return any("missed webhook" in line and f"/{body['id']}" in line for line in lines)


def test_an_order_whose_webhook_was_lost_is_found_and_written_once(hub: LocalHub, store: ShopifyRest) -> None:
    lost = an_order()
    store.say(lost)

    first = pull(hub)
    found = outcomes(hub, lost, 1)
    again = pull(hub)
    late = hub.end_of(f"order/{lost['id']}", hub.deliver("orders/create", lost))

    assert (first["queued"], again["queued"]) == (1, 0)
    assert found == [("shopify.orders", "applied")]
    assert (late.outcome, late.rule) == ("unchanged", SAID_ALREADY)
    assert len(hub.orders(lost["id"])) == 1
    assert wait_for(lambda: told_missing(hub, lost) or None, "the missed webhook was not told")


def test_an_order_that_its_webhook_brought_costs_no_second_call(hub: LocalHub, store: ShopifyRest) -> None:
    body = an_order()
    store.say(body)
    hub.end_of(f"order/{body['id']}", hub.deliver("orders/create", body))
    hub.settle()
    hub.erp.clear_requests()

    pull(hub)

    assert outcomes(hub, body, 2) == [("shopify.orders/create", "applied"), ("shopify.orders", "unchanged")]
    assert not hub.erp.requests
    assert len(hub.orders(body["id"])) == 1
    assert not told_missing(hub, body)


def test_what_changed_since_is_pulled_as_it_is_now(hub: LocalHub, store: ShopifyRest) -> None:
    body = an_order()
    store.say(body)
    hub.end_of(f"order/{body['id']}", hub.deliver("orders/create", body))
    changed = an_order(number=body["id"], buyer=body["customer"], at=50, cancelled_at=datetime.now(UTC))
    store.say(changed)

    pull(hub)

    assert outcomes(hub, body, 2)[-1] == ("shopify.orders", "applied")
    assert [each["docstatus"] for each in hub.orders(body["id"])] == [2]


def checked(hub: LocalHub, integration: str) -> dict[str, Any]:
    """What the schedule of its health does."""
    answer = hub.aws.client("lambda").invoke(FunctionName=names.health_function(STAGE, integration), Payload=b"{}")
    told: dict[str, Any] = json.loads(answer["Payload"].read())
    assert "FunctionError" not in answer, told
    return told


def test_a_webhook_that_the_store_dropped_is_registered_again_and_what_it_did_not_send_is_written(
    hub: LocalHub, store: ShopifyRest, config_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.stage.local_aws_url", lambda: hub.aws.endpoint)
    monkeypatch.setenv("COLUMNS", "80")
    config = ["--config", str(config_folder / f"{STAGE}.yaml")]
    pull(hub)  # a gap is filled from where the stream was read last
    setup = CliRunner().invoke(app, ["setup", "webhooks", INTEGRATION, *config])
    assert setup.exit_code == 0, setup.output
    before, erp = checked(hub, INTEGRATION), checked(hub, "erp")

    store.admin.subscriptions.clear()
    lost = an_order(
        at=60 + (datetime.now(UTC) - STARTED) / timedelta(minutes=1)
    )  # changed just now: read so far is less
    store.say(lost)
    diagnosis = CliRunner().invoke(app, ["doctor", "--json", *config])
    mended, after = checked(hub, INTEGRATION), checked(hub, INTEGRATION)
    notice = hub.notice_about("had no longer registered")
    assert f"being read: {INTEGRATION}/orders" in notice
    end = outcomes(hub, lost, 1)
    shown = CliRunner().invoke(app, ["status", "--json", *config])

    assert (before["status"], erp["status"], after["status"]) == ("healthy", "healthy", "healthy")
    assert "ORDERS_CREATE" in mended["mended"]
    assert [each["topic"] for each in store.admin.subscriptions] == mended["mended"]
    assert end == [("shopify.orders", "applied")]
    assert "ORDERS_CREATE is registered no longer" in {each["what"] for each in json.loads(diagnosis.stdout)}
    (shop,) = [each for each in json.loads(shown.stdout)["integrations"] if each["integration"] == INTEGRATION]
    assert [status for _, status, _ in shop["beats"]] == ["healthy", "degraded", "healthy"]
    flows = {each["flow"]: each["applied"] for each in json.loads(shown.stdout)["flows"]}
    assert flows[FLOW]
