"""The configuration's model: what may stand in config/<stage>.yaml, and what is refused."""

from typing import Any

import pytest
from pydantic import ValidationError

from hub.config import Config
from hub.pace import Pacing

GOOD: dict[str, Any] = {
    "stage": "staging",
    "integrations": {
        "shop-eu": {"connector": "shop", "account": "shop-eu.example.com"},
        "erp": {"connector": "erp", "url": "https://erp.example.com"},
    },
    "flows": {"shop-eu-to-erp": {"source": "shop-eu", "destination": "erp", "settings": {"company": "Acme"}}},
}


def test_defaults_are_those_of_a_careful_operator() -> None:
    config = Config.model_validate(GOOD)

    flow = config.flows["shop-eu-to-erp"]
    assert (flow.max_concurrency, flow.workers, flow.batch_size) == (2, 2, 10)
    assert (flow.retry.base_seconds, flow.retry.cap_seconds, flow.retry.give_up_after_hours) == (2, 900, 12)
    assert config.ledger_days == 90


def test_flows_are_found_by_their_source() -> None:
    config = Config.model_validate(GOOD)

    assert list(config.flows_from("shop-eu")) == ["shop-eu-to-erp"]
    assert config.flows_from("erp") == {}


@pytest.mark.parametrize(("limit", "most"), [(None, 14), (6.5, 6.5), (100, 14)])
def test_all_flows_to_a_destination_share_what_it_bears(limit: float | None, most: float) -> None:
    shops = {"shop-eu": {"connector": "shop"}, "shop-us": {"connector": "shop"}}
    erp = {"connector": "erp", "pacing": {"max_in_flight": limit, "slow_call_seconds": 3}}
    flows = {
        "eu": {"source": "shop-eu", "destination": "erp", "max_concurrency": 2, "workers": 4},
        "us": {"source": "shop-us", "destination": "erp", "max_concurrency": 3, "workers": 2},
        "back": {"source": "erp", "destination": "shop-eu", "max_concurrency": 9, "workers": 9},
    }

    config = Config.model_validate(GOOD | {"integrations": {"erp": erp, **shops}, "flows": flows})

    assert config.pacing_of("erp") == Pacing(planned=14, most=most, slow_call_seconds=3)


def flow(**changes: Any) -> dict[str, Any]:
    return {"flows": {"shop-eu-to-erp": {"source": "shop-eu", "destination": "erp", **changes}}}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"surprise": 1}, "Extra inputs are not permitted"),
        ({"stage": "Production!"}, "String should match pattern"),
        ({"integrations": {}}, "at least 1 item"),
        ({"flows": {}}, "at least 1 item"),
        ({"integrations": {"Shop_EU": {"connector": "shop"}}}, "String should match pattern"),
        ({"integrations": {"x" * 31: {"connector": "shop"}}}, "String should match pattern"),
        ({"ledger_days": 0}, "greater than or equal to 1"),
        (flow(source="shop-us"), "there is no integration 'shop-us'; known: erp, shop-eu"),
        (flow(destination="sap"), "there is no integration 'sap'; known: erp, shop-eu"),
        (flow(destination="shop-eu"), "source and destination are both 'shop-eu'; name two"),
        (flow(max_concurrency=1), "greater than or equal to 2"),
        (flow(batch_size=11), "less than or equal to 10"),
        (flow(workers=0), "greater than or equal to 1"),
        (flow(retry={"base_seconds": 0}), "greater than 0"),
        (flow(retry={"cap_seconds": 50_000}), "less than or equal to 43200"),
        ({"integrations": {"erp": {"connector": "erp", "pacing": {"max_in_flight": 0}}}}, "greater than 0"),
        ({"integrations": {"erp": {"connector": "erp", "pacing": {"calls": 1}}}}, "Extra inputs are not permitted"),
        (flow(retires={}), "Extra inputs are not permitted"),
    ],
)
def test_a_mistake_is_refused(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError) as mistake:
        Config.model_validate(GOOD | changes)

    assert told in str(mistake.value)
