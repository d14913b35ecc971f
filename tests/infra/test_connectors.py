"""Every connector that sends can be configured and deployed by what its manifest says alone."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from connectors import connector_names, manifest_path
from hub import names
from hub.config import Config
from hub.manifest import Manifest, read_manifest
from infra.configuration import CONFIG, load
from infra.edge import MAX_INTEGRATION_SECONDS
from infra.senders import OPTIONAL, signs_time
from tests.infra.conftest import Synthesize
from tests.infra.templates import Templates

MANIFESTS = {name: read_manifest(manifest_path(name)) for name in connector_names()}
SENDING = {name: manifest for name, manifest in MANIFESTS.items() if manifest.webhook}
STAGE = "every"


def integration(manifest: Manifest) -> dict[str, Any]:
    """An integration that states all that its connector lets it state."""
    assert manifest.webhook
    stated: dict[str, Any] = {
        "connector": manifest.name,
        "expects": {name: "stated" for name, what in manifest.expects.items() if not what.startswith(OPTIONAL)},
        "allowed_addresses": ["published", "203.0.113.0/24"] if manifest.webhook.addresses else ["203.0.113.0/24"],
        "token_header": "X-Token",
    }
    if manifest.webhook.facts.account:
        stated["account"] = "account"
    if signs_time(manifest.webhook.signature):
        stated["tolerance_seconds"] = 60
    return stated


def name_of(connector: str) -> str:
    return connector.replace("_", "-")


@pytest.fixture(scope="module")
def every(tmp_path_factory: pytest.TempPathFactory) -> Config:
    """A hub with an integration of every connector that sends, each with a flow to one ERPNext."""
    content = yaml.safe_load((CONFIG / "local.yaml").read_text("utf-8"))
    flow = content["flows"]["shop-eu-to-erp"]
    erp = {"connector": "erpnext", "url": "https://erp.example.com"}
    content |= {
        "stage": STAGE,
        "integrations": {"erp": erp} | {name_of(name): integration(manifest) for name, manifest in SENDING.items()},
        "flows": {f"{name_of(name)}-to-erp"[-30:].strip("-"): flow | {"source": name_of(name)} for name in SENDING},
    }
    file: Path = tmp_path_factory.mktemp("every") / f"{STAGE}.yaml"
    file.write_text(yaml.safe_dump(content), "utf-8")
    return load(file)


@pytest.fixture(scope="module")
def deployed(synthesize: Synthesize, every: Config) -> Templates:
    return synthesize(every)


@pytest.mark.slow
def test_its_routes_are_the_methods_that_providers_use(deployed: Templates) -> None:
    routes = {one.properties["RouteKey"] for one in deployed.all("AWS::ApiGatewayV2::Route")}

    assert routes == {
        f"{method} {names.webhook_path(name_of(name))}"
        for name, manifest in SENDING.items()
        if manifest.webhook
        for method in manifest.webhook.methods
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", SENDING)
def test_its_function_answers_before_the_provider_gives_up(deployed: Templates, name: str) -> None:
    webhook = SENDING[name].webhook
    assert webhook
    function = deployed.named("AWS::Lambda::Function", names.webhook_function(STAGE, name_of(name)))
    gateway = next(
        one.properties["TimeoutInMillis"] / 1000
        for one in deployed.all("AWS::ApiGatewayV2::Integration")
        if one.template == function.template
    )

    assert 1 <= function.properties["Timeout"] < gateway <= min(webhook.answer_within_seconds, MAX_INTEGRATION_SECONDS)
