"""The streams that a configuration reads: what the manifests say of them, and what the configuration adds."""

from hub.config import Config, Integration
from hub.orphans import OrphanLimits
from hub.streams import Declared, Stream
from infra.actions import manifest_of


def streams_of(config: Config, name: str) -> dict[str, Declared]:
    """An integration's streams by name."""
    integration = config.integrations[name]
    return {stream: _declared(name, integration, stream) for stream in integration.streams}


def _declared(name: str, integration: Integration, stream: str) -> Declared:
    manifest, stated = manifest_of(integration), integration.streams[stream]
    facts = next((each for each in manifest.stream if each.name == stream), None)
    return Declared(
        Stream(
            integration=name,
            connector=integration.connector,
            name=stream,
            entity=stated.entity or (facts.entity if facts else stream),
            mode=stated.mode or (facts.mode if facts else "incremental"),
            cursor=stated.cursor or (facts.cursor if facts else "timestamp"),
            overlap=stated.overlap if stated.overlap is not None else (facts.overlap if facts else 300.0),
        ),
        stated.settings,
        is_compared=stated.compare is not None,
        orphans=OrphanLimits(**stated.orphans.model_dump()) if stated.orphans else None,
    )
