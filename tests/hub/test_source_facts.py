"""What the delivery Lambda reads of a manifest is what the strict reader finds there."""

import pytest

from connectors import connector_names, manifest_path
from hub.manifest import read_manifest
from hub.source_facts import read_source


@pytest.mark.parametrize("name", connector_names())
def test_a_source_is_read_as_its_manifest_states_it(name: str) -> None:
    strict, light = read_manifest(manifest_path(name)), read_source(manifest_path(name))

    assert light.topic == strict.topic
    assert [tuple(each) for each in light.stream] == [(each.name, each.entity, each.record) for each in strict.stream]
    assert light.pulled_too == strict.pulled_too
    assert light.event_type("x") == strict.event_type("x")
