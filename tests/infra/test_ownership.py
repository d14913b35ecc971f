"""What two systems could both write has one owner, or the configuration is refused with a sentence."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from connectors import connector_names
from connectors.erpnext.settings import WRITTEN_BY, FlowSettings
from hub.config import Config
from hub.manifest import read_manifest
from infra.configuration import load
from infra.mistakes import ConfigurationError
from infra.ownership import divided

TO_ERP = {
    "company": "Example Inc",
    "time_zone": "Europe/Berlin",
    "customer_group": "Commercial",
    "territory": "Germany",
    "warehouse": "Stores - EI",
    "tax_account": "VAT - EI",
    "shipping_account": "Freight - EI",
}
OWNED = {"stock": "erp", "price": "erp", "fulfilment": "erp"}
BOTH_WRITE = [
    f"integrations.shop.ownership: flows shop-to-erp and erp-to-shop both write '{field}', and nothing says whose word "
    f"counts; add `{field}: shop` or `{field}: erp`"
    for field in ("fulfilment", "price")
]


def two_way(**changes: Any) -> dict[str, Any]:
    """A shop and an ERPNext site that write to each other; `changes` by integration."""
    integrations: dict[str, dict[str, Any]] = {
        "shop": {"connector": "shopify", "url": "https://shop.myshopify.com", "ownership": OWNED},
        "erp": {"connector": "erpnext", "url": "https://erp.example.com"},
        "erp-events": {"connector": "frappe", "same_as": "erp"},
    }
    for name, change in changes.items():
        integrations[name.replace("_", "-")] |= change
    return {
        "stage": "staging",
        "integrations": integrations,
        "flows": {
            "shop-to-erp": {"source": "shop", "destination": "erp", "settings": TO_ERP},
            "erp-to-shop": {"source": "erp-events", "destination": "shop"},
        },
    }


def loaded(folder: Path, content: dict[str, Any]) -> Config:
    file = folder / "staging.yaml"
    file.write_text(yaml.safe_dump(content, sort_keys=False))
    return load(file)


def mistakes(folder: Path, content: dict[str, Any]) -> list[str]:
    with pytest.raises(ConfigurationError) as refusal:
        loaded(folder, content)
    return [line.partition(": ")[2] for line in refusal.value.mistakes]


def test_a_field_that_both_directions_write_needs_an_owner(tmp_path: Path) -> None:
    assert mistakes(tmp_path, two_way(shop={"ownership": {}})) == BOTH_WRITE


def test_the_owner_may_be_stated_at_either_end(tmp_path: Path) -> None:
    owned = {"fulfilment": "shop", "price": "shop"}
    config = loaded(tmp_path, two_way(shop={"ownership": {}}, erp={"ownership": owned}))

    assert divided(config, config.flows["shop-to-erp"]).leave == []
    assert "frappe.delivery_note/on_submit" in divided(config, config.flows["erp-to-shop"]).left


def test_two_owners_are_refused(tmp_path: Path) -> None:
    content = two_way(erp={"ownership": {"fulfilment": "shop"}})

    (told,) = mistakes(tmp_path, content)
    assert told.endswith("both write 'fulfilment', and it is owned by erp (at shop), shop (at erp); state one owner")


def test_a_direction_that_does_not_write_a_field_disputes_nothing(tmp_path: Path) -> None:
    content = two_way(shop={"ownership": {}})
    topics = ("delivery_note/on_submit", "delivery_note/on_cancel", "item_price/on_update")
    ignored = dict.fromkeys(topics, "ignore")
    content["flows"]["erp-to-shop"]["actions"] = ignored

    assert loaded(tmp_path, content)


def test_systems_that_are_not_stated_to_be_the_same_are_two(tmp_path: Path) -> None:
    content = two_way(shop={"ownership": {}})
    del content["integrations"]["erp-events"]["same_as"]

    assert loaded(tmp_path, content)


def test_the_erps_word_goes_to_the_shop_and_the_shops_is_left_alone(tmp_path: Path) -> None:
    config = loaded(tmp_path, two_way())
    back, there = (divided(config, config.flows[name]) for name in ("erp-to-shop", "shop-to-erp"))

    assert back.left == {}
    assert {"set_stock_level", "set_price", "create_fulfilment"} <= set(back.actions.values())
    assert there.leave == ["fulfilment", "price"]
    assert there.settings(config.flows["shop-to-erp"]) == {**TO_ERP, "leave": ["fulfilment", "price"]}


def test_the_shops_word_is_not_overwritten_by_the_erp(tmp_path: Path) -> None:
    owned = dict.fromkeys(OWNED, "shop")
    config = loaded(tmp_path, two_way(shop={"ownership": owned}))
    back, there = (divided(config, config.flows[name]) for name in ("erp-to-shop", "shop-to-erp"))

    assert back.actions == {}
    assert set(back.left.values()) == {
        f"{field} is owned by shop: see ownership in the configuration" for field in OWNED
    }
    assert (there.left, there.leave) == ({}, [])


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"erp_events": {"same_as": "elsewhere"}},
            "integrations.erp-events.same_as: there is no other integration 'elsewhere'; use one of: erp, shop",
        ),
        (
            {"erp": {"same_as": "erp"}},
            "integrations.erp.same_as: there is no other integration 'erp'; use one of: erp-events, shop",
        ),
        (
            {"shop": {"ownership": {**OWNED, "stok": "erp"}}},
            "integrations.shop.ownership.stok: no configured system writes 'stok'; use one of: customer, ",
        ),
        (
            {"shop": {"ownership": {**OWNED, "stock": "sap"}}},
            "integrations.shop.ownership.stock: there is no integration 'sap'; use one of: erp, erp-events, shop",
        ),
        (
            {"shop": {"url": None}},
            "integrations.shop.url: is missing, and a flow writes there; add the address of this Shopify: url: https://…",
        ),
    ],
)
def test_what_does_not_exist_is_told(tmp_path: Path, changes: dict[str, Any], told: str) -> None:
    assert any(line.startswith(told) for line in mistakes(tmp_path, two_way(**changes)))


def test_a_chain_of_same_systems_is_refused(tmp_path: Path) -> None:
    assert "integrations.shop.same_as: erp-events is itself the same as erp; name erp" in mistakes(
        tmp_path, two_way(shop={"same_as": "erp-events"})
    )


def test_a_shop_that_is_only_read_needs_no_address(tmp_path: Path) -> None:
    content = two_way(shop={"url": None, "ownership": {}})
    del content["flows"]["erp-to-shop"]

    assert loaded(tmp_path, content)


@pytest.mark.parametrize("name", connector_names())
def test_every_action_says_what_it_writes(name: str) -> None:
    """One that does not could overwrite another system's word, and no check would see it."""
    manifest = read_manifest(Path("functions") / "connectors" / name / "manifest.toml")

    assert [action.name for action in manifest.action if not action.writes] == []


def test_what_is_left_is_not_written_whatever_other_settings_say() -> None:
    plain = FlowSettings.model_validate({**TO_ERP, "leave": list(WRITTEN_BY)})

    assert plain == FlowSettings.model_validate(
        {**TO_ERP, "leave": list(WRITTEN_BY), "on_fulfilment": ["delivery_note"], "item_prices": True}
    )


def test_a_stores_levels_write_nothing_in_erpnext_unless_a_flow_says_what_they_become(tmp_path: Path) -> None:
    inventory: dict[str, Any] = {"every": "15 minutes"}
    content = two_way(shop={"streams": {"inventory": inventory}})

    config = loaded(tmp_path, content)
    assert "shopify.inventory" not in divided(config, config.flows["shop-to-erp"]).actions

    inventory["record"] = "row"
    level = {"doctype": "Shop Level", "fields": {"sku": "sku", "available": "available"}}
    content["flows"]["shop-to-erp"]["settings"] = TO_ERP | {"documents": {"inventory": level}}
    config = loaded(tmp_path, content)
    assert divided(config, config.flows["shop-to-erp"]).actions["shopify.inventory"] == "upsert_document"


def test_of_two_stores_that_write_each_others_stock_one_owns_it(tmp_path: Path) -> None:
    streams = {"inventory": {"every": "15 minutes"}}
    stores = {
        name: {"connector": "shopify", "url": f"https://{name}.myshopify.com", "streams": streams}
        for name in ("north", "south")
    }
    ignored = dict.fromkeys(("fulfillments/create", "fulfillments/update"), "ignore")
    content: dict[str, Any] = {
        "stage": "staging",
        "integrations": stores,
        "flows": {
            "there": {"source": "north", "destination": "south", "actions": ignored},
            "back": {"source": "south", "destination": "north", "actions": ignored},
        },
    }
    [told] = mistakes(tmp_path, content)
    assert "both write 'stock', and nothing says whose word counts" in told

    stores["north"]["ownership"] = {"stock": "north"}
    config = loaded(tmp_path, content)

    assert divided(config, config.flows["there"]).actions["shopify.inventory"] == "set_stock_level"
    assert "shopify.inventory" in divided(config, config.flows["back"]).left
