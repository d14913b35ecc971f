"""The streams that a configuration reads: what the manifests say of them, and what the configuration adds."""

from collections.abc import Iterator
from dataclasses import replace

from hub.config import Config, Integration, seconds_of
from hub.orphans import OrphanLimits
from hub.reconcile import Reconciliation
from hub.streams import Declared, Stream
from infra.actions import declared_records, manifest_of, url_of
from infra.ownership import divided


def streams_of(config: Config, name: str) -> dict[str, Declared]:
    """An integration's streams by name."""
    integration = config.integrations[name]
    return {stream: _declared(name, integration, stream) for stream in integration.streams}


def reconciliations_of(config: Config, name: str) -> dict[str, list[Reconciliation]]:
    """What an integration's streams are held against on a schedule, by stream: the destination of each flow that does
    something with its rows that can be compared."""
    integration = config.integrations[name]
    found = {stream: list(reconciled(config, name, stream)) for stream in integration.streams}
    beside = [(f"{name}/{stream}", each.flow) for stream, pairs in found.items() for each in pairs]
    return {
        stream: [
            replace(each, beside=[one for one in beside if one != (f"{name}/{stream}", each.flow)]) for each in pairs
        ]
        for stream, pairs in found.items()
        if pairs
    }


def reconciled(config: Config, name: str, stream: str) -> Iterator[Reconciliation]:
    """As `reconciliations_of`, of one stream."""
    integration = config.integrations[name]
    if not (stated := integration.streams[stream].reconcile):
        return
    kind = manifest_of(integration).event_type(stream)
    for flow_name, flow in config.flows_from(name).items():
        division, end = divided(config, flow), config.integrations[flow.destination]
        compared = {action.name for action in manifest_of(end).action if action.compares}
        if division.actions.get(kind) in compared:
            yield Reconciliation(
                flow=flow_name,
                action=division.actions[kind],
                record=declared_records(integration)[kind],
                destination=flow.destination,
                connector=end.connector,
                url=url_of(end),
                settings=division.settings(flow),
                window_seconds=seconds_of(stated.window),
                tolerance_seconds=seconds_of(stated.tolerance),
            )


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
