"""Which action each event of a flow leads to, as the two connectors' manifests and the flow itself say."""

from collections.abc import Mapping
from functools import cache

from connectors import manifest_path
from hub.config import Config, Flow, Integration
from hub.manifest import Manifest, read_manifest

IGNORE = "ignore"


@cache
def manifest(connector: str) -> Manifest:
    """A connector's manifest; raises ManifestError."""
    return read_manifest(manifest_path(connector))


def manifest_of(integration: Integration) -> Manifest:
    """The manifest of an integration's connector; raises ManifestError."""
    return manifest(integration.connector)


def actions_of(config: Config, flow: Flow) -> dict[str, str]:
    """A flow's table of event type → action. Topics without an action are not in it; their events end as ignored."""
    source, destination = (manifest_of(config.integrations[end]) for end in (flow.source, flow.destination))
    return event_actions(source, destination, flow.actions)


def event_actions(source: Manifest, destination: Manifest, overrides: Mapping[str, str]) -> dict[str, str]:
    """What the connectors agree on by kind of record, then the overrides by topic."""
    agreed = {action.accepts: action.name for action in reversed(destination.action)}  # the first one stated counts
    table = {topic.name: agreed[topic.record] for topic in source.topic if topic.record in agreed} | dict(overrides)
    return {source.event_type(topic): action for topic, action in table.items() if action != IGNORE}
