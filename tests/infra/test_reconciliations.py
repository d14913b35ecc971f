"""A stream can be reconciled on a schedule where its rows tell when they changed, and lead to documents that can be
compared; else that is told before anything is deployed."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from connectors import connector_module, connector_names, manifest_path
from hub.connector import Comparable
from hub.manifest import read_manifest
from infra.configuration import load
from infra.mistakes import ConfigurationError
from infra.streams import reconciliations_of

STREAMS: dict[str, Any] = {"orders": {"reconcile": {"every": "1 day"}}}
HERE = "integrations.shop.streams.orders.reconcile"


def written(folder: Path, streams: dict[str, Any], flow: dict[str, Any] | None = None) -> Path:
    erp = {
        "company": "Example Inc",
        "time_zone": "Europe/Berlin",
        "customer_group": "Commercial",
        "territory": "Germany",
        "warehouse": "Stores - EI",
        "tax_account": "VAT - EI",
        "shipping_account": "Freight - EI",
    }
    flows = {"shop-to-erp": {"source": "shop", "destination": "erp", "settings": erp}} | (flow or {})
    integrations = {
        "shop": {"connector": "shopify", "url": "https://shop.example.com", "streams": streams},
        "erp": {"connector": "erpnext", "url": "https://erp.example.com"},
    }
    file = folder / "staging.yaml"
    file.write_text(yaml.safe_dump({"stage": "staging", "integrations": integrations, "flows": flows}))
    return file


def mistakes(file: Path) -> list[str]:
    with pytest.raises(ConfigurationError) as refusal:
        load(file)
    return [line.partition(": ")[2] for line in refusal.value.mistakes]


def test_each_stream_is_held_against_the_flow_that_its_rows_take(tmp_path: Path) -> None:
    streams = STREAMS | {"customers": {"reconcile": {"every": "2 days"}}, "products": {}}

    found = reconciliations_of(load(written(tmp_path, streams)), "shop")

    assert {stream: [(each.flow, each.action, each.record) for each in pairs] for stream, pairs in found.items()} == {
        "orders": [("shop-to-erp", "upsert_sales_order", "order")],
        "customers": [("shop-to-erp", "upsert_customer", "customer")],
    }
    assert found["orders"][0].beside == [("shop/customers", "shop-to-erp")]


def test_rows_that_lead_to_nothing_that_can_be_compared_are_told(tmp_path: Path) -> None:
    streams = {"products": STREAMS["orders"]}  # items bear what several products say

    [told] = mistakes(written(tmp_path, streams))

    assert told.startswith(
        "integrations.shop.streams.products.reconcile: no flow leads its rows to documents that can be compared"
    )


@pytest.mark.parametrize(
    ("stated", "told"),
    [
        ({"reconcile": {"every": "daily"}}, f"{HERE}.every: 'daily' is no span such as '15 minutes'"),
        ({"reconcile": {"every": "1 day", "window": "400 days"}}, f"{HERE}: window is longer than 366 days"),
        ({"reconcile": {"every": "1 day"}, "cursor": "integer"}, f"{HERE}: needs rows that tell when they changed"),
        ({"reconcile": {"every": "1 day"}, "mode": "delta"}, f"{HERE}: needs rows that tell when they changed"),
    ],
)
def test_what_cannot_be_reconciled_is_told_with_its_place(tmp_path: Path, stated: Any, told: str) -> None:
    found = mistakes(written(tmp_path, {"orders": stated}))

    assert any(each.startswith(told) for each in found), found


def test_two_networks_that_one_function_would_have_to_reach_are_told(tmp_path: Path) -> None:
    def network(letter: str) -> dict[str, Any]:
        return {"network": {"subnets": [f"subnet-{letter * 8}"], "security_groups": [f"sg-{letter * 8}"]}}

    file = written(tmp_path, STREAMS)
    content = yaml.safe_load(file.read_text())
    content["integrations"]["shop"] |= network("a")
    content["integrations"]["erp"] |= network("a")
    file.write_text(yaml.safe_dump(content))
    assert load(file)

    content["integrations"]["erp"] |= network("b")
    file.write_text(yaml.safe_dump(content))

    [told] = mistakes(file)
    assert told.startswith(f"{HERE}: needs one function to reach shop and erp, which state different networks")


@pytest.mark.parametrize("name", connector_names())
def test_what_a_manifest_says_can_be_compared_can_be(name: str) -> None:
    manifest = read_manifest(manifest_path(name))
    if not manifest.action:
        return
    returned = connector_module(name).destination.__annotations__["return"]
    kind = getattr(connector_module(name), returned.strip("\"'"), returned) if isinstance(returned, str) else returned

    can = all(hasattr(kind, method) for method in ("standings", "identity", "kept"))
    assert can == any(action.compares for action in manifest.action)
    assert {"standings", "identity", "kept"} <= set(dir(Comparable))
