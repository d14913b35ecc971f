"""An order whose webhook was lost is found by the next pull, and written once however often it is told."""

import json
from datetime import UTC, datetime
from typing import Any

from hub import names
from hub.deliver import SAID_ALREADY
from hub.streams import Declared, Stream
from infra.local.shopify_admin_rest import ShopifyRest
from tests.local_aws.hub import FLOW, INTEGRATION, STAGE, LocalHub, an_order, wait_for

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
