"""What is well-formed in a configuration and still wrong, held against the connectors' manifests."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from typing import Any, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ValidationError

from connectors import FOLDER, connector_names
from hub import names
from hub.config import Flow, Integration, StreamConfig
from hub.manifest import Manifest
from infra.actions import IGNORE, ROW, declared_records, event_actions, manifest, url_of
from infra.mistakes import Mistake, told
from infra.ownership import disputes
from infra.receives import MOST, receives
from infra.senders import senders
from infra.yaml_lines import Place

LOCAL_HOSTS = ("127.0.0.1", "localhost")
LOCAL_STAGE = "local"
WEB = ("https", "http")
TLS = ("require", "verify-ca", "verify-full", "disable")
TLS_CHOICE = re.compile(f"sslmode=({'|'.join(TLS)})")

Model = TypeVar("Model", bound=BaseModel)


def sense(value: Any) -> Iterator[Mistake]:
    """Judge each integration and each flow that can be read, whatever else in the file is broken."""
    stage = value.get("stage") if isinstance(value, dict) else None
    integrations = dict(_readable(Integration, _part(value, "integrations")))
    manifests: dict[str, Manifest] = {}
    for name, integration in integrations.items():
        place = ("integrations", name)
        if integration.connector not in connector_names():
            there = ", ".join(connector_names())
            yield Mistake(
                (*place, "connector"), f"there is no connector {integration.connector!r}", f"use one of: {there}"
            )
            continue
        manifests[name] = manifest(integration.connector)
        yield from _integration(place, integration, manifests[name], stage)
    flows = dict(_readable(Flow, _part(value, "flows")))
    for name, flow in flows.items():
        yield from _flow(("flows", name), flow, _part(value, "integrations"), integrations, manifests)
        if flow.source != flow.destination:
            yield from _reachable(
                ("integrations", flow.destination, "url"), integrations.get(flow.destination), manifests
            )
    if len(manifests) == len(integrations):
        for name in integrations:
            yield from _unreconciled(("integrations", name), name, integrations, flows)
    yield from disputes(integrations, flows, manifests)
    yield from _names(value)


def _part(value: Any, kind: str) -> Mapping[str, Any]:
    part = value.get(kind) if isinstance(value, dict) else None
    return {str(name): each for name, each in part.items()} if isinstance(part, dict) else {}


def _readable(model: type[Model], part: Mapping[str, Any]) -> Iterator[tuple[str, Model]]:
    """The parts of a section, without those of their settings that are broken: the model itself tells of these."""
    for name, value in part.items():
        if not isinstance(value, dict):
            continue
        try:
            model.model_validate(value)
        except ValidationError as error:
            broken = {item["loc"][0] for item in error.errors() if item["loc"]}
            value = {key: each for key, each in value.items() if key not in broken}
        with suppress(ValidationError):  # what is left lacks something that it must have
            yield name, model.model_validate(value)


def _integration(place: Place, integration: Integration, facts: Manifest, stage: object) -> Iterator[Mistake]:
    if integration.url is not None:
        yield from _url((*place, "url"), integration.url, stage, facts.url_schemes)
    elif facts.needs_url:
        what = f"add the address of this {facts.title}: url: {facts.url_schemes[0]}://…"
        yield Mistake((*place, "url"), "is missing", what)
    elif integration.streams and facts.stream and not facts.url:
        what = "is missing, and streams are read from there"
        yield Mistake((*place, "url"), what, f"add the address of this {facts.title}: url: https://…")
    if integration.public_url and facts.webhook:
        yield from _url((*place, "public_url"), integration.public_url, stage)
    known = [stream.name for stream in facts.stream]
    for stream in integration.streams:
        if stream not in known and not facts.declares_streams:
            there = f"use one of: {', '.join(known)}" if known else "remove it"
            yield Mistake((*place, "streams", stream), f"{facts.title} has no stream {stream!r}", there)
        else:
            yield from _settings(
                (*place, "streams", stream, "settings"), integration.streams[stream].settings, facts, "StreamSettings"
            )
        stated = integration.streams[stream]
        if stated.record and stated.record not in (ROW, *facts.reads_rows_as):
            there = ", ".join((ROW, *facts.reads_rows_as))
            what = f"{facts.title} reads no row as {stated.record!r}"
            yield Mistake((*place, "streams", stream, "record"), what, f"use one of: {there}")
        if stated.reconcile:
            yield from _reconciled((*place, "streams", stream, "reconcile"), stream, stated, facts)
        if facts.reads_files and stated.schedule:
            what = "states a schedule, but files are taken in when they are dropped"
            yield Mistake((*place, "streams", stream, "cron" if stated.cron else "every"), what, "remove it")
    if facts.reads_files and not integration.streams:
        what = f"state what the files hold; see the README of {facts.name}"
        yield Mistake((*place, "streams"), "is missing", what)
    yield from senders(place, integration, facts)


def _reconciled(place: Place, name: str, stated: StreamConfig, facts: Manifest) -> Iterator[Mistake]:
    known = next((each for each in facts.stream if each.name == name), None)
    mode = stated.mode or (known.mode if known else "incremental")
    cursor = stated.cursor or (known.cursor if known else "timestamp")
    if facts.reads_files or mode == "delta" or cursor != "timestamp":
        yield Mistake(place, "needs rows that tell when they changed, and can be listed by that", "remove it")


def _unreconciled(
    place: Place, source: str, integrations: Mapping[str, Integration], flows: Mapping[str, Flow]
) -> Iterator[Mistake]:
    """A stream that is to be reconciled leads to documents that can be compared."""
    manifests = {name: manifest(each.connector) for name, each in integrations.items()}
    for stream, stated in integrations[source].streams.items():
        if not stated.reconcile:
            continue
        kind, comparable = manifests[source].event_type(stream), set[str]()
        for flow in flows.values():
            if flow.source == source and flow.destination in manifests:
                end, declared = manifests[flow.destination], declared_records(integrations[source])
                action = event_actions(manifests[source], end, flow.actions, declared).get(kind)
                found = {each.name for each in end.action if each.compares and each.name == action}
                comparable |= found
                networks = [integrations[name].network for name in (source, flow.destination)]
                if found and None not in networks and networks[0] != networks[1]:
                    what = (
                        f"needs one function to reach {source} and {flow.destination}, which state different networks"
                    )
                    yield Mistake((*place, "streams", stream, "reconcile"), what, "state the same network at both")
        if not comparable:
            what = "no flow leads its rows to documents that can be compared"
            yield Mistake((*place, "streams", stream, "reconcile"), what, "remove it")


def _model_of(connector: str, name: str) -> type[BaseModel] | None:
    """The model of a connector's settings; None where it takes none of that kind."""
    if not (FOLDER / connector / "settings.py").is_file():
        return None
    model: type[BaseModel] | None = getattr(import_module(f"connectors.{connector}.settings"), name, None)
    return model


def _reachable(place: Place, destination: Integration | None, manifests: Mapping[str, Manifest]) -> Iterator[Mistake]:
    """A system that is written to has an address, also where its connector needs none to receive from it."""
    facts = manifests.get(str(place[1]))
    if destination and facts and facts.action and not url_of(destination) and not facts.needs_url:
        yield Mistake(
            place, "is missing, and a flow writes there", f"add the address of this {facts.title}: url: https://…"
        )


def _url(place: Place, url: str, stage: object, schemes: Sequence[str] = WEB) -> Iterator[Mistake]:
    form, usual = ("https://host", "443") if schemes[0] in WEB else (f"{schemes[0]}://host:port/name", "the usual one")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        yield Mistake(place, f"is not a URL ({error})", f"write {form}, with a port where it is not {usual}")
        return
    local, web = host in LOCAL_HOSTS, parts.scheme in WEB
    if not host or parts.scheme not in schemes:
        kind = "a web address" if schemes[0] in WEB else f"an address that begins with {schemes[0]}://"
        yield Mistake(place, f"{url!r} is not {kind}", f"write {form}")
    elif parts.username is not None or parts.password is not None:
        yield Mistake(place, "holds a user name or password", "remove it; secrets are stored with `hub secrets set`")
    elif parts.fragment or (parts.query and (web or not TLS_CHOICE.fullmatch(parts.query))):
        after = "write only where the system is" if web else "only ?sslmode= and one of " + ", ".join(TLS)
        yield Mistake(place, "has a part after ? or #", f"{after}: {form}")
    elif parts.scheme == "http" and not local:
        yield Mistake(place, f"{url!r} would send keys and orders unencrypted", f"write https://{parts.netloc}")
    elif parts.query == "sslmode=disable" and not local:
        yield Mistake(place, f"{url!r} would send keys and orders unencrypted", "remove ?sslmode=disable")
    elif local and stage != LOCAL_STAGE:
        yield Mistake(place, f"{host} on AWS is the function itself", f"write the system's own address: {form}")


def _flow(
    place: Place,
    flow: Flow,
    named: Iterable[str],
    stated: Mapping[str, Integration],
    manifests: Mapping[str, Manifest],
) -> Iterator[Mistake]:
    known = sorted(named)
    for end in ("source", "destination"):
        name = getattr(flow, end)
        if name not in known:
            yield Mistake((*place, end), f"there is no integration {name!r}", f"use one of: {', '.join(known)}")
    if flow.source == flow.destination:
        what = f"source and destination are both {flow.source!r}"
        yield Mistake((*place, "destination"), what, "name two integrations")
        return
    if receives(flow.retry) > MOST:
        what = f"waits so short use up the {MOST} receives that SQS counts to before give_up_after_hours have passed"
        yield Mistake((*place, "retry"), what, "raise cap_seconds or lower give_up_after_hours")
    source, destination = manifests.get(flow.source), manifests.get(flow.destination)
    if source and not (source.topic or stated[flow.source].streams):
        can_be_read = source.stream or source.declares_streams
        what = f"{source.title} sends no events" + (", and no streams of it are read" if can_be_read else "")
        remedy = f"use one of: {_which(manifests, 'topic')}"
        yield Mistake((*place, "source"), what, f"state its streams, or {remedy}" if can_be_read else remedy)
    if destination and not destination.action:
        there = _which(manifests, "action")
        yield Mistake((*place, "destination"), f"{destination.title} takes no events", f"use one of: {there}")
    elif destination:
        yield from _settings((*place, "settings"), flow.settings, destination, "FlowSettings")
        yield from _named_actions((*place, "actions"), flow, destination)
    if source and destination and destination.action:
        yield from _actions((*place, "actions"), flow, stated[flow.source], source, destination)
        yield from _rows(place, flow, stated[flow.source], source, destination)


def _which(manifests: Mapping[str, Manifest], part: str) -> str:
    return ", ".join(sorted(name for name, facts in manifests.items() if getattr(facts, part))) or "none is configured"


def _actions(
    place: Place, flow: Flow, integration: Integration, source: Manifest, destination: Manifest
) -> Iterator[Mistake]:
    records = {topic.name: topic.record for topic in source.topic} | {each.name: each.record for each in source.stream}
    declared = declared_records(integration)
    records |= {kind.removeprefix(f"{source.name}."): record for kind, record in declared.items()}
    accepts = {action.name: action.accepts for action in destination.action}
    for topic, action in flow.actions.items():
        at = (*place, topic)
        if topic not in records:
            yield Mistake(at, f"{source.title} has no topic {topic!r}", f"use one of: {', '.join(records)}")
        elif action != IGNORE and action not in accepts:
            there = ", ".join([*accepts, IGNORE])
            yield Mistake(at, f"{destination.title} has no action {action!r}", f"use one of: {there}")
        elif action != IGNORE and accepts[action] != records[topic]:
            fitting = [name for name, record in accepts.items() if record == records[topic]]
            what = f"{topic} brings {records[topic]!r} and {action} takes {accepts[action]!r}"
            yield Mistake(at, what, f"use one of: {', '.join([*fitting, IGNORE])}")
    # what a connector reads no records of may still be received: its events are recorded as ignored
    if any(records.values()) and not event_actions(source, destination, flow.actions, declared):
        what = f"no event of {source.title} leads to an action of {destination.title}"
        yield Mistake(place, what, "remove the flow, or give at least one topic an action")


def _settings(place: Place, stated: Mapping[str, Any], facts: Manifest, model_name: str) -> Iterator[Mistake]:
    model = _model_of(facts.name, model_name)
    if model is None:
        if stated:
            yield Mistake(place, f"{facts.title} takes no settings", "remove them")
        return
    try:
        model.model_validate(stated)
    except ValidationError as error:
        yield from (told(model, item, place) for item in error.errors())


def _named_actions(place: Place, flow: Flow, destination: Manifest) -> Iterator[Mistake]:
    """Settings may count on an action that only a flow's `actions` bring, and such an action on settings."""
    model = _model_of(destination.name, "FlowSettings")
    with suppress(ValidationError):  # which is told already
        settings = model.model_validate(flow.settings) if model else None
        counted: frozenset[str] = getattr(settings, "named_actions", frozenset())
        asked = {action.name for action in destination.action if not action.by_default} & set(flow.actions.values())
        for action in sorted(counted - asked):
            yield Mistake(place, f"no topic leads to {action}, which the settings count on", f"add `<topic>: {action}`")
        for action in sorted(asked - counted) if hasattr(settings, "named_actions") else ():
            yield Mistake(
                place, f"{action} does nothing with these settings", "remove it, or see the connector's README"
            )


def _rows(
    place: Place, flow: Flow, integration: Integration, source: Manifest, destination: Manifest
) -> Iterator[Mistake]:
    """A destination that writes rows must be told what each stream's become, and of no stream that is not there."""
    model = _model_of(destination.name, "FlowSettings")
    try:
        told_of = getattr(model.model_validate(flow.settings), "row_streams", None) if model else None
    except ValidationError:
        return  # told already
    if told_of is None:
        return
    declared = declared_records(integration)
    table = event_actions(source, destination, flow.actions, declared)
    records = {source.event_type(stream.name): stream.record for stream in source.stream} | declared
    streams = {kind.removeprefix(f"{source.name}."): kind in table for kind, record in records.items() if record == ROW}
    for stream in sorted(told_of - streams.keys()):
        there = f"use one of: {', '.join(sorted(streams))}" if streams else "remove it"
        yield Mistake((*place, "settings"), f"{flow.source} has no stream {stream!r} of rows", there)
    for stream in sorted(name for name, is_written in streams.items() if is_written and name not in told_of):
        what = f"do not say what the rows of {flow.source}'s stream {stream!r} become"
        yield Mistake((*place, "settings"), what, f"add it, or `actions: {{{stream}: {IGNORE}}}`")


def _names(value: Any) -> Iterator[Mistake]:
    for kind in ("integrations", "flows"):
        seen: dict[str, str] = {}
        for name in _part(value, kind):
            plain = name.replace("-", "")
            if plain in seen:
                yield Mistake((kind, name), f"differs from {seen[plain]!r} by hyphens only", "give it another name")
            seen.setdefault(plain, name)
    for name in _part(value, "flows"):
        if name.endswith(names.DEAD):
            taken = name.removesuffix(names.DEAD)
            what = f"its queue would bear the name of the dead letter queue of a flow {taken!r}"
            yield Mistake(("flows", name), what, f"give it a name that does not end with {names.DEAD}")
