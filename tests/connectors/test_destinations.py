"""Every connector that states an action has the code for it; the folder is the list."""

from importlib import import_module

import pytest

from connectors import connector_module, connector_names, has_code, manifest_path
from hub.manifest import Manifest, read_manifest

MANIFESTS = {name: read_manifest(manifest_path(name)) for name in connector_names()}
DESTINATIONS = {name: manifest for name, manifest in MANIFESTS.items() if manifest.action}


@pytest.mark.parametrize("manifest", DESTINATIONS.values(), ids=DESTINATIONS)
def test_a_destination_signs_in_applies_and_can_be_probed(manifest: Manifest) -> None:
    module = connector_module(manifest.name)

    assert all(callable(getattr(module, name, None)) for name in ("destination", "probe"))
    assert callable(getattr(module, "credentials", None)) == ("https" in manifest.url_schemes)


@pytest.mark.parametrize("manifest", DESTINATIONS.values(), ids=DESTINATIONS)
def test_what_a_manifest_says_can_be_looked_up_can_be(manifest: Manifest) -> None:
    promised = any(action.lookup for action in manifest.action)
    made = connector_module(manifest.name).destination
    returned = made.__annotations__["return"]

    kind = getattr(import_module(made.__module__), returned.strip("\"'")) if isinstance(returned, str) else returned
    assert callable(kind.apply)
    assert callable(getattr(kind, "find", None)) or not promised


def test_there_are_destinations_of_both_kinds() -> None:
    assert {action.kind for manifest in DESTINATIONS.values() for action in manifest.action} == {"upsert", "once"}


@pytest.mark.parametrize("name", [name for name in connector_names() if has_code(name)])
def test_what_can_be_called_can_be_checked_and_what_can_be_registered_can_be_told_apart(name: str) -> None:
    module = connector_module(name)
    offers = {each for each in ("subscriptions_for", "wanted") if callable(getattr(module, each, None))}

    assert offers in (set(), {"subscriptions_for", "wanted"})
    if MANIFESTS[name].needs_url:
        assert callable(getattr(module, "probe", None)) or callable(getattr(module, "listing", None))
    if offers:
        wanted = module.wanted(module.subscriptions_for(["orders/create"]), "https://hooks.example.com", "a-secret")
        assert wanted
        assert "a-secret" not in repr(wanted)
