"""Synthesized templates as tests read them: resources by their name, references as the names they lead to."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

NAMES = ("QueueName", "FunctionName", "TableName", "TopicName", "LogGroupName", "Name", "AlarmName")
PSEUDO = {"AWS::Partition": "aws", "AWS::Region": "REGION", "AWS::AccountId": "ACCOUNT", "AWS::URLSuffix": "SUFFIX"}


@dataclass(frozen=True)
class Resource:
    """One resource: its template, its logical id in it, and what CloudFormation is told."""

    template: str
    logical_id: str
    definition: Mapping[str, Any]

    @property
    def properties(self) -> Mapping[str, Any]:
        """The resource's properties."""
        properties: Mapping[str, Any] = self.definition.get("Properties", {})
        return properties


class Templates:
    """The top template and its nested ones."""

    def __init__(self, folder: Path, stack: str) -> None:
        self.folder = folder
        self.stack = stack
        self.files = {path.name: path.read_text("utf-8") for path in sorted(folder.glob("*.template.json"))}
        self.templates: dict[str, dict[str, Any]] = {name: json.loads(text) for name, text in self.files.items()}
        self.top = f"{stack}.template.json"

    def all(self, kind: str) -> list[Resource]:
        """Every resource of a CloudFormation type."""
        return [resource for resource in self.resources() if resource.definition["Type"] == kind]

    def resources(self) -> Iterator[Resource]:
        """Every resource of every template."""
        for name, template in self.templates.items():
            for logical_id, definition in template["Resources"].items():
                yield Resource(name, logical_id, definition)

    def named(self, kind: str, name: str) -> Resource:
        """The one resource of a type that bears this name."""
        found = [one for one in self.all(kind) if name in [self.plain(one, one.properties.get(key)) for key in NAMES]]
        assert len(found) == 1, f"{len(found)} × {kind} {name}"
        return found[0]

    def plain(self, at: Resource, value: Any) -> Any:
        """A value with references replaced: by the text of pseudo parameters, by <name> or <name attribute> else."""
        if isinstance(value, list):
            return [self.plain(at, item) for item in value]
        if not isinstance(value, dict):
            return value
        if "Fn::Join" in value:
            separator, parts = value["Fn::Join"]
            return separator.join(self.plain(at, part) for part in parts)
        if "Ref" in value:
            return PSEUDO.get(value["Ref"]) or self._referred(at.template, value["Ref"], "")
        if "Fn::GetAtt" in value:
            return self._referred(at.template, *value["Fn::GetAtt"])
        return {key: self.plain(at, item) for key, item in value.items()}

    def _referred(self, template: str, logical_id: str, attribute: str) -> str:
        if logical_id in self.templates[template].get("Parameters", {}):  # handed down by the top template
            return self._handed_down(logical_id)
        definition = self.templates[template]["Resources"][logical_id]
        named = next((definition["Properties"][key] for key in NAMES if key in definition["Properties"]), logical_id)
        return f"<{f'{named} {attribute}'.strip()}>"

    @cache  # noqa: B019 - lives as long as the session's templates do
    def _handed_down(self, parameter: str) -> str:
        nested = [one.properties.get("Parameters", {}) for one in self.all("AWS::CloudFormation::Stack")]
        given = [parameters[parameter] for parameters in nested if parameter in parameters]
        assert given == given[:1] * len(given)
        return str(self.plain(Resource(self.top, "", {}), given[0]))

    def settings(self, function: str) -> dict[str, Any]:
        """The settings in a function's environment, as that function would read them."""
        resource = self.named("AWS::Lambda::Function", function)
        variables = resource.properties["Environment"]["Variables"]
        read: dict[str, Any] = json.loads(self.plain(resource, variables["HUB_SETTINGS"]))
        return read

    def rights(self, function: str) -> dict[str, list[str]]:
        """What a function's role allows: resource → actions; where a condition narrows it, resource → actions, then the
        condition. Refuses managed policies and anything but Allow."""
        resource = self.named("AWS::Lambda::Function", function)
        role_id = resource.properties["Role"]["Fn::GetAtt"][0]
        role = Resource(resource.template, role_id, self.templates[resource.template]["Resources"][role_id])
        assert "ManagedPolicyArns" not in role.properties
        granted: dict[str, list[str]] = {}
        for policy in role.properties["Policies"]:
            for statement in policy["PolicyDocument"]["Statement"]:
                assert set(statement) - {"Condition"} == {"Action", "Effect", "Resource"}
                assert statement["Effect"] == "Allow"
                only = [f"if {json.dumps(statement['Condition'])}"] if "Condition" in statement else []
                for target in _listed(self.plain(role, statement["Resource"])):
                    granted.setdefault(target, []).extend(_listed(statement["Action"]) + only)
        attached = [
            policy.logical_id
            for policy in self.all("AWS::IAM::Policy")
            if {"Ref": role_id} in policy.properties.get("Roles", [])
        ]
        assert attached == []
        return {target: sorted(actions) for target, actions in granted.items()}

    def statements(self, function: str, target: str) -> list[tuple[list[str], Any]]:
        """Each statement of a function's role on one resource: its actions and its condition."""
        resource = self.named("AWS::Lambda::Function", function)
        role_id = resource.properties["Role"]["Fn::GetAtt"][0]
        role = Resource(resource.template, role_id, self.templates[resource.template]["Resources"][role_id])
        return [
            (_listed(statement["Action"]), statement.get("Condition"))
            for policy in role.properties["Policies"]
            for statement in policy["PolicyDocument"]["Statement"]
            if target in _listed(self.plain(role, statement["Resource"]))
        ]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
