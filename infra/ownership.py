"""Who owns what flows in both directions could write, and what each flow therefore leaves alone."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from itertools import combinations

from connectors import FOLDER
from hub.config import Config, Flow, Integration
from hub.manifest import Manifest
from infra.actions import declared_records, event_actions, manifest_of
from infra.mistakes import Mistake

Integrations = Mapping[str, Integration]
Manifests = Mapping[str, Manifest]


@dataclass(frozen=True)
class Division:
    """A flow's events, divided by ownership: event type → action, and event type → why it is left alone. `leave` are the
    fields that an action writes beside others and that are another's: its destination must leave them out."""

    actions: dict[str, str]
    left: dict[str, str]
    leave: list[str]

    def settings(self, flow: Flow) -> dict[str, object]:
        """What the flow's destination is told: its own settings, and the fields to leave."""
        return {**flow.settings, "leave": self.leave} if self.leave else dict(flow.settings)


def divided(config: Config, flow: Flow) -> Division:
    """What a flow does and what it leaves to the other side."""
    source, destination = (manifest_of(config.integrations[end]) for end in (flow.source, flow.destination))
    table = event_actions(source, destination, flow.actions, declared_records(config.integrations[flow.source]))
    writes = {action.name: action.writes for action in destination.action}
    others = _others(config.integrations, flow, {field for action in table.values() for field in writes[action]})
    actions, left, leave = {}, {}, set()
    for event, action in table.items():
        foreign = [field for field in writes[action] if field in others]
        if foreign and len(foreign) == len(writes[action]):
            left[event] = f"{foreign[0]} is owned by {others[foreign[0]]}: see ownership in the configuration"
        else:
            actions[event] = action
            leave.update(foreign)
    return Division(actions, left, sorted(leave))


def disputes(integrations: Integrations, flows: Mapping[str, Flow], manifests: Manifests) -> Iterator[Mistake]:
    """What the configuration leaves open or states wrongly about ownership. Judges only flows whose ends are known."""
    yield from _same_systems(integrations)
    yield from _owners(integrations, manifests)
    judged = {
        name: flow
        for name, flow in flows.items()
        if flow.source != flow.destination and all(end in manifests for end in (flow.source, flow.destination))
    }
    for (one, there), (other, back) in combinations(judged.items(), 2):
        if _route(integrations, there) != _route(integrations, back)[::-1]:
            continue
        both = _written(integrations, there, manifests) & _written(integrations, back, manifests)
        for field in sorted(both):
            yield from _dispute(integrations, field, there, f"flows {one} and {other} both write {field!r}")
    for name, flow in judged.items():
        yield from _cannot_leave(integrations, name, flow, manifests)


def _same_systems(integrations: Integrations) -> Iterator[Mistake]:
    for name, integration in integrations.items():
        same, place = integration.same_as, ("integrations", name, "same_as")
        if same and (same not in integrations or same == name):
            known = ", ".join(sorted(each for each in integrations if each != name))
            yield Mistake(place, f"there is no other integration {same!r}", f"use one of: {known}")
        elif same and integrations[same].same_as:
            yield Mistake(
                place,
                f"{same} is itself the same as {integrations[same].same_as}",
                f"name {integrations[same].same_as}",
            )


def _owners(integrations: Integrations, manifests: Manifests) -> Iterator[Mistake]:
    fields = {field for manifest in manifests.values() for action in manifest.action for field in action.writes}
    for name, integration in integrations.items():
        for field, owner in integration.ownership.items():
            place = ("integrations", name, "ownership", field)
            if field not in fields:
                yield Mistake(
                    place,
                    f"no configured system writes {field!r}",
                    f"use one of: {', '.join(sorted(fields)) or 'none'}",
                )
            elif owner not in integrations:
                known = ", ".join(sorted(integrations))
                yield Mistake(place, f"there is no integration {owner!r}", f"use one of: {known}")


def _dispute(integrations: Integrations, field: str, flow: Flow, what: str) -> Iterator[Mistake]:
    """A field that two opposite flows write has one owner, who is one of the two."""
    ends = _route(integrations, flow)
    stated = _stated(integrations, ends, field)
    place = ("integrations", _sender(integrations, ends), "ownership")
    if not stated:
        yield Mistake(
            place, f"{what}, and nothing says whose word counts", f"add `{field}: {ends[0]}` or `{field}: {ends[1]}`"
        )
    elif len(set(stated.values())) > 1:
        told = ", ".join(f"{owner} (at {name})" for name, owner in stated.items())
        yield Mistake(place, f"{what}, and it is owned by {told}", "state one owner")


def _cannot_leave(integrations: Integrations, name: str, flow: Flow, manifests: Manifests) -> Iterator[Mistake]:
    """An action that writes a field of another's beside its own needs a destination that can leave one out."""
    destination = manifests[flow.destination]
    others = _others(integrations, flow, _written(integrations, flow, manifests))
    if not others or _takes_leave(destination.name):
        return
    declared = declared_records(integrations[flow.source])
    used = set(event_actions(manifests[flow.source], destination, flow.actions, declared).values())
    for action in destination.action:
        foreign = set(action.writes) & set(others)
        if action.name in used and foreign and foreign != set(action.writes):
            what = f"{action.name} writes {', '.join(sorted(foreign))} of another's beside its own"
            yield Mistake(("flows", name, "actions"), what, "ignore the topics that lead to it")


def _takes_leave(connector: str) -> bool:
    if not (FOLDER / connector / "settings.py").is_file():
        return False
    return "leave" in import_module(f"connectors.{connector}.settings").FlowSettings.model_fields


def _others(integrations: Integrations, flow: Flow, fields: set[str]) -> dict[str, str]:
    """The fields among these that the flow's source does not own → who does."""
    ends = _route(integrations, flow)
    found = {}
    for field in fields:
        owners = set(_stated(integrations, ends, field).values())
        if owners and owners != {ends[0]}:
            found[field] = ends[1]
    return found


def _stated(integrations: Integrations, ends: tuple[str, str], field: str) -> dict[str, str]:
    """Integration of one of the two systems → the one of them that it says to own the field."""
    return {
        name: owner
        for name, integration in integrations.items()
        if _system(integrations, name) in ends
        and (owner := _system(integrations, integration.ownership.get(field, ""))) in ends
    }


def _written(integrations: Integrations, flow: Flow, manifests: Manifests) -> set[str]:
    destination = manifests[flow.destination]
    declared = declared_records(integrations[flow.source])
    used = event_actions(manifests[flow.source], destination, flow.actions, declared).values()
    return {field for action in destination.action if action.name in used for field in action.writes}


def _sender(integrations: Integrations, ends: tuple[str, str]) -> str:
    """Of two systems the one that is a single integration: there the owner is best stated."""
    return next((end for end in ends if not any(each.same_as == end for each in integrations.values())), ends[0])


def _route(integrations: Integrations, flow: Flow) -> tuple[str, str]:
    return _system(integrations, flow.source), _system(integrations, flow.destination)


def _system(integrations: Integrations, name: str) -> str:
    return (integrations[name].same_as if name in integrations else "") or name
