"""Which action an event leads to: what two connectors agree on, and where a flow differs."""

from typing import Any

from hub.config import Config
from hub.manifest import Manifest
from infra.actions import actions_of, event_actions


def facts(**parts: Any) -> Manifest:
    return Manifest.model_validate({"name": "shop", "title": "Shop", "summary": "A shop.", "tier": "bronze", **parts})


SHOP = facts(
    secrets={"webhook": "signs"},
    webhook={"signature": {"scheme": "body_hmac", "header": "S"}},
    confirmed_by="nothing but our own code",
    topic=[
        {"name": "orders/create", "entity": "order", "record": "order"},
        {"name": "orders/paid", "entity": "order", "record": "order"},
        {"name": "carts/update", "entity": "cart", "record": "cart"},
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
    assert event_actions(SHOP, ERP, {}) == {"shop.orders/create": "upsert_order", "shop.orders/paid": "upsert_order"}


def test_a_flow_may_differ_topic_by_topic() -> None:
    assert event_actions(SHOP, ERP, {"orders/create": "print_order", "orders/paid": "ignore"}) == {
        "shop.orders/create": "print_order"
    }


def test_the_examples_flows_know_their_actions(example: Config) -> None:
    assert actions_of(example, example.flows["shop-us-to-erp"]) == {
        "shopify.orders/create": "upsert_sales_order",
        "shopify.orders/updated": "upsert_sales_order",
        "shopify.orders/cancelled": "upsert_sales_order",
        "shopify.customers/create": "upsert_customer",
        "shopify.customers/update": "upsert_customer",
    }
