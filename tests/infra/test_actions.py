"""Which action an event leads to: what two connectors agree on, and where a flow differs."""

from typing import Any

from hub.config import Config, StreamConfig
from hub.manifest import Manifest, StreamFacts
from infra.actions import event_actions
from infra.ownership import divided


def facts(**parts: Any) -> Manifest:
    return Manifest.model_validate({"name": "shop", "title": "Shop", "summary": "A shop.", "tier": "bronze", **parts})


SHOP = facts(
    secrets={"webhook": "signs"},
    webhook={"signature": {"scheme": "body_hmac", "header": "S"}},
    confirmed_by="nothing but our own code",
    topic=[
        {"name": "orders/create", "entity": "order", "record": "order"},
        {"name": "orders/paid", "entity": "order", "record": "order"},
        {"name": "products/update", "entity": "product", "record": "product"},
    ],
)
ERP = facts(
    name="erp",
    action=[
        {"name": "upsert_order", "accepts": "order", "kind": "upsert"},
        {"name": "print_order", "accepts": "order", "kind": "once"},
    ],
)


def test_topics_lead_to_the_first_action_that_takes_their_record() -> None:
    assert event_actions(SHOP, ERP, {}, {}) == {
        "shop.orders/create": "upsert_order",
        "shop.orders/paid": "upsert_order",
    }


def test_a_flow_may_differ_topic_by_topic() -> None:
    assert event_actions(SHOP, ERP, {"orders/create": "print_order", "orders/paid": "ignore"}, {}) == {
        "shop.orders/create": "print_order"
    }


def test_what_a_webhook_has_done_once_a_pull_does_not_do_again() -> None:
    pulled = SHOP.model_copy(update={"stream": (StreamFacts(name="orders", entity="order", record="order"),)})
    slack = facts(name="slack", action=[{"name": "post_order", "accepts": "order", "kind": "once"}])

    read = {"shop.orders": "order"}

    assert set(event_actions(pulled, slack, {}, read)) == {"shop.orders/create", "shop.orders/paid"}
    assert event_actions(pulled, slack, {"orders": "post_order"}, read)["shop.orders"] == "post_order"
    assert event_actions(pulled, ERP, {}, read)["shop.orders"] == "upsert_order"


def test_what_is_pulled_only_is_done_once_for_each_row() -> None:
    crm = facts(name="crm", stream=[{"name": "orders", "entity": "order", "record": "order"}])
    slack = facts(name="slack", action=[{"name": "post_order", "accepts": "order", "kind": "once"}])

    assert event_actions(crm, slack, {}, {"crm.orders": "order"}) == {"crm.orders": "post_order"}


def test_streams_have_actions_where_they_are_read(example: Config) -> None:
    shop = example.integrations["shop-us"].model_copy(update={"streams": {"orders": StreamConfig()}})
    reads = example.model_copy(update={"integrations": {**example.integrations, "shop-us": shop}})
    flow = example.flows["shop-us-to-erp"]

    assert "shopify.orders" not in divided(example, flow).actions
    assert divided(reads, flow).actions["shopify.orders"] == "upsert_sales_order"
    assert divided(reads, flow).actions["shopify.orders/deleted"] == "remove"


def test_the_examples_flows_know_their_actions(example: Config) -> None:
    table = divided(example, example.flows["shop-us-to-erp"]).actions

    orders = ("create", "updated", "paid", "partially_fulfilled", "fulfilled", "cancelled")
    assert {name: table.get(f"shopify.orders/{name}") for name in orders} == dict.fromkeys(orders, "upsert_sales_order")
    assert {name: table.get(f"shopify.customers/{name}") for name in ("create", "update")} == dict.fromkeys(
        ("create", "update"), "upsert_customer"
    )
    assert "shopify.shop/redact" not in table
