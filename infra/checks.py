"""What is well-formed in a configuration and still wrong, held against the connectors' manifests."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from importlib import import_module
from typing import Any, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ValidationError

from connectors import FOLDER, connector_names
from hub import names
from hub.config import Flow, Integration
from hub.manifest import Manifest
from infra.actions import IGNORE, event_actions, manifest
from infra.mistakes import Mistake, told
from infra.receives import MOST, receives
from infra.senders import senders
from infra.yaml_lines import Place

LOCAL_HOSTS = ("127.0.0.1", "localhost")
LOCAL_STAGE = "local"

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
    for name, flow in _readable(Flow, _part(value, "flows")):
        yield from _flow(("flows", name), flow, _part(value, "integrations"), manifests)
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
        yield from _url((*place, "url"), integration.url, stage)
    elif facts.needs_url:
        yield Mistake((*place, "url"), "is missing", f"add the address of this {facts.title}: url: https://…")
    if integration.public_url and facts.webhook:
        yield from _url((*place, "public_url"), integration.public_url, stage)
    yield from senders(place, integration, facts)


def _url(place: Place, url: str, stage: object) -> Iterator[Mistake]:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        yield Mistake(place, f"is not a URL ({error})", "write https://host, with a port where it is not 443")
        return
    local = host in LOCAL_HOSTS
    if not host or parts.scheme not in ("https", "http"):
        yield Mistake(place, f"{url!r} is not a web address", "write https://host")
    elif parts.username is not None or parts.password is not None:
        yield Mistake(place, "holds a user name or password", "remove it; secrets are stored with `hub secrets set`")
    elif parts.query or parts.fragment:
        yield Mistake(place, "has a part after ? or #", "write only where the system is: https://host")
    elif parts.scheme == "http" and not local:
        yield Mistake(place, f"{url!r} would send keys and orders unencrypted", f"write https://{parts.netloc}")
    elif local and stage != LOCAL_STAGE:
        yield Mistake(place, f"{host} on AWS is the function itself", "write the system's own address: https://host")


def _flow(
    place: Place, flow: Flow, integrations: Iterable[str], manifests: Mapping[str, Manifest]
) -> Iterator[Mistake]:
    known = sorted(integrations)
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
    if source and not source.topic:
        yield Mistake(
            (*place, "source"), f"{source.title} sends no events", f"use one of: {_which(manifests, 'topic')}"
        )
    if destination and not destination.action:
        there = _which(manifests, "action")
        yield Mistake((*place, "destination"), f"{destination.title} takes no events", f"use one of: {there}")
    elif destination:
        yield from _settings((*place, "settings"), flow, destination)
    if source and destination and source.topic and destination.action:
        yield from _actions((*place, "actions"), flow, source, destination)


def _which(manifests: Mapping[str, Manifest], part: str) -> str:
    return ", ".join(sorted(name for name, facts in manifests.items() if getattr(facts, part))) or "none is configured"


def _actions(place: Place, flow: Flow, source: Manifest, destination: Manifest) -> Iterator[Mistake]:
    records = {topic.name: topic.record for topic in source.topic}
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
    if any(records.values()) and not event_actions(source, destination, flow.actions):
        what = f"no event of {source.title} leads to an action of {destination.title}"
        yield Mistake(place, what, "remove the flow, or give at least one topic an action")


def _settings(place: Place, flow: Flow, destination: Manifest) -> Iterator[Mistake]:
    if not (FOLDER / destination.name / "settings.py").is_file():
        if flow.settings:
            yield Mistake(place, f"{destination.title} takes no settings", "remove them")
        return
    model: type[BaseModel] = import_module(f"connectors.{destination.name}.settings").FlowSettings
    try:
        model.model_validate(flow.settings)
    except ValidationError as error:
        yield from (told(model, item, place) for item in error.errors())


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
