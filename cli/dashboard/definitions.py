"""The dashboards and alarms of a stage, as its synthesized templates define them."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.failure import Failed
from hub import names
from hub.config import Config
from infra.templates import templates

ANYWHERE = {"AWS::Region": "us-east-1", "AWS::AccountId": "000000000000", "AWS::Partition": "aws"}


@dataclass(frozen=True)
class Definitions:
    """Dashboards by name, and the properties of alarms and of composite alarms by name."""

    dashboards: Mapping[str, dict[str, Any]]
    alarms: Mapping[str, dict[str, Any]]
    composites: Mapping[str, dict[str, Any]]


def synthesized(config: Config) -> Definitions:
    """Of a configuration, synthesized now; takes some seconds."""
    with templates(config) as folder:
        return in_templates(folder, config.stage)


def in_templates(folder: Path, stage: str) -> Definitions:
    """Of the templates in a folder, such as cdk.out; raises Failed where there are none of the stage."""
    own = [*folder.glob(f"{names.stack(stage)}.template.json"), *folder.glob(f"hub{stage}*.nested.template.json")]
    if not own:
        raise Failed(f"{folder} holds no templates of stage {stage}: write them with `make synth STAGE={stage}`.")
    resources = [each for path in own for each in _resources(json.loads(path.read_text("utf-8")))]

    def by(kind: str, name: str) -> dict[str, dict[str, Any]]:
        return {found[name]: found for found_kind, found in resources if found_kind == kind}

    boards = by("AWS::CloudWatch::Dashboard", "DashboardName")
    return Definitions(
        {name: json.loads(each["DashboardBody"]) for name, each in sorted(boards.items())},
        by("AWS::CloudWatch::Alarm", "AlarmName"),
        by("AWS::CloudWatch::CompositeAlarm", "AlarmName"),
    )


def _resources(template: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    named = {
        name: next((value for key, value in each.get("Properties", {}).items() if key.endswith("Name")), name)
        for name, each in template["Resources"].items()
    }
    for each in template["Resources"].values():
        if each["Type"].startswith("AWS::CloudWatch::"):
            yield each["Type"], _settled(each["Properties"], named)


def _settled(value: Any, named: Mapping[str, Any]) -> Any:
    """A property with references replaced by what they lead to: the name of the resource, or somewhere in AWS."""
    if isinstance(value, list):
        return [_settled(each, named) for each in value]
    if not isinstance(value, dict):
        return value
    if "Fn::Join" in value:
        joint, parts = value["Fn::Join"]
        return joint.join(str(_settled(part, named)) for part in parts)
    if "Ref" in value:
        return ANYWHERE.get(value["Ref"]) or named.get(value["Ref"], value["Ref"])
    if "Fn::GetAtt" in value:
        return named.get(value["Fn::GetAtt"][0], value["Fn::GetAtt"][0])
    return {key: _settled(each, named) for key, each in value.items()}
