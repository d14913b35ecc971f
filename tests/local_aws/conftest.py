"""Deploys the hub once per session: the synthesized app, on a local AWS that enforces IAM, before an ERPNext stand-in."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.configuration import CONFIG
from infra.local.erpnext.server import ErpNextStandIn
from infra.local.shopify_admin_rest import ShopifyRest
from infra.local.stand_in import TOKEN, stock
from tests.local_aws.crm import CRM, CRM_FLOW, CrmServer
from tests.local_aws.deployment import ADMIN_TOKEN, deployed
from tests.local_aws.hub import (
    FLOW,
    FORGE,
    INTEGRATION,
    LISTS,
    LISTS_FLOW,
    OTHER_FLOW,
    OTHER_INTEGRATION,
    STAGE,
    WITH_TOKEN,
    WITHOUT_SECRET,
    LocalHub,
)

TABLE = {
    "key": "code",
    "columns": {"code": "text", "name": {"required": True}, "rate": {"type": "number", "decimal": ","}},
}
CUSTOMERS_OF_A_LIST = {
    "doctype": "Customer",
    "fields": {
        "customer_name": {"from": "name", "required": True},
        "default_commission_rate": {"from": "rate", "type": "number", "default": 0},
    },
    "constants": {"customer_group": "Commercial", "territory": "United States"},
}
RETRY = {"base_seconds": 0.5, "cap_seconds": 2, "give_up_after_hours": 0.1}  # a test cannot wait for minutes


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder runs on the local AWS."""
    folder = Path(__file__).parent
    for item in items:
        if folder in item.path.parents:
            item.add_marker(pytest.mark.local_aws)


@pytest.fixture(scope="session")
def crm() -> Iterator[CrmServer]:
    with CrmServer() as running:
        yield running


@pytest.fixture(scope="session")
def store() -> Iterator[ShopifyRest]:
    """What the first shop says when it is asked."""
    with ShopifyRest(ADMIN_TOKEN) as running:
        yield running


@pytest.fixture(scope="session")
def config_folder(tmp_path_factory: pytest.TempPathFactory, crm: CrmServer, store: ShopifyRest) -> Path:
    """The shipped local configuration with three shops, a forge and a source of contacts more, and short waits."""
    folder = tmp_path_factory.mktemp("config")
    content: dict[str, Any] = yaml.safe_load((CONFIG / f"{STAGE}.yaml").read_text())
    flow = content["flows"][FLOW] | {"retry": RETRY}
    for shop in (OTHER_INTEGRATION, WITHOUT_SECRET, WITH_TOKEN):
        content["integrations"][shop] = content["integrations"][INTEGRATION] | {"account": f"{shop}.myshopify.com"}
    content["flows"] = {
        FLOW: flow,
        OTHER_FLOW: flow | {"source": OTHER_INTEGRATION},
        f"{WITHOUT_SECRET}-to-erp": flow | {"source": WITHOUT_SECRET},
        f"{WITH_TOKEN}-to-erp": flow | {"source": WITH_TOKEN},
        f"{FORGE}-to-erp": flow | {"source": FORGE},
        CRM_FLOW: flow | {"source": CRM, "settings": crm.flow_settings()},
    }
    content["integrations"][CRM] = crm.integration()
    content["integrations"][INTEGRATION] |= {"url": store.url, "streams": {"orders": {}}}
    content["integrations"][LISTS] = {
        "connector": "csv",
        "streams": {"customers": {"entity": "customer", "settings": TABLE}},
    }
    content["flows"][LISTS_FLOW] = {
        "source": LISTS,
        "destination": "erp",
        "retry": RETRY,
        "settings": {"time_zone": "UTC", "documents": {"customers": CUSTOMERS_OF_A_LIST}},
    }
    content["integrations"][FORGE] = {"connector": "github", "allowed_addresses": ["127.0.0.0/8", "published"]}
    for each in content["integrations"].values():
        each["health"] = {"every": "1 day"}  # tests run the checks that they want
    content["integrations"]["erp"] |= {"breaker": {"first_probe_seconds": 1, "longest_probe_seconds": 1}}
    content["integrations"][WITH_TOKEN]["token_header"] = "X-Token"
    (folder / f"{STAGE}.yaml").write_text(yaml.safe_dump(content))
    return folder


@pytest.fixture(scope="session")
def erp() -> Iterator[ErpNextStandIn]:
    with ErpNextStandIn(token=TOKEN) as running:
        stock(running.url)
        yield running


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory, config_folder: Path, erp: ErpNextStandIn) -> Iterator[LocalHub]:
    """The hub, deployed, set up and warm."""
    with deployed(tmp_path_factory.mktemp("local-aws"), config_folder, erp) as running:
        yield running


@pytest.fixture(autouse=True)
def leaves_nothing_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """Each test ends with ERPNext well and the queues empty, so that none of them explains another's failure."""
    yield
    if "hub" in request.fixturenames:
        hub: LocalHub = request.getfixturevalue("hub")
        hub.erp.behave()
        hub.settle()
