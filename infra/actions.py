"""Which action each event of a flow leads to, as the two connectors' manifests and the flow itself say."""

from collections.abc import Iterable, Mapping
from functools import cache

from connectors import manifest_path
from hub.config import Config, Flow, Integration
from hub.manifest import Manifest, read_manifest

IGNORE = "ignore"
ROW = "row"  # the kind of record that a row is of which no manifest says more
DELETION = "deletion"


@cache
def manifest(connector: str) -> Manifest:
    """A connector's manifest; raises ManifestError."""
    return read_manifest(manifest_path(connector))


def manifest_of(integration: Integration) -> Manifest:
    """The manifest of an integration's connector; raises ManifestError."""
    return manifest(integration.connector)


def once_of(config: Config, flow: Flow, actions: Iterable[str]) -> dict[str, bool]:
    """Those among a flow's actions that must be done once only, and whether each can be looked up afterwards."""
    used = set(actions)
    stated = manifest_of(config.integrations[flow.destination]).action
    return {action.name: action.lookup for action in stated if action.kind == "once" and action.name in used}


def url_of(integration: Integration) -> str:
    """Where an integration's system is; "" for one that is not called."""
    return integration.url or manifest_of(integration).url


def event_actions(
    source: Manifest, destination: Manifest, overrides: Mapping[str, str], declared: Mapping[str, str]
) -> dict[str, str]:
    """What the connectors agree on by kind of record, then the overrides by topic or stream. `declared` are the records
    of the streams that the configuration reads. What is to be done once is not done again for what a pull finds
    of the same entity, unless an override says so."""
    usual = [action for action in destination.action if action.by_default]
    agreed = {action.accepts: action.name for action in reversed(usual)}  # the first one stated counts
    records = {source.event_type(topic.name): topic.record for topic in source.topic}
    records |= declared
    once = {action.name for action in destination.action if action.kind == "once"}
    table = {
        kind: agreed[record]
        for kind, record in records.items()
        if record in agreed and not (kind in source.pulled_too and agreed[record] in once)  # the webhook's did it
    }
    table |= {source.event_type(topic): action for topic, action in overrides.items()}
    return {kind: action for kind, action in table.items() if action != IGNORE}


def declared_records(integration: Integration) -> dict[str, str]:
    """Event type → kind of record, of the streams that the configuration reads."""
    manifest = manifest_of(integration)
    known = {stream.name: stream.record for stream in manifest.stream}
    streams = integration.streams.items()
    own = {manifest.event_type(name): stated.record or known.get(name, ROW) for name, stated in streams}
    return own | {f"{kind}/deleted": DELETION for kind in own}
