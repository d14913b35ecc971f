"""A cloud assembly reaches the local AWS as CloudFormation would take it, and a refusal names the resource."""

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.local.assembly import FileAsset, stacks_of
from infra.local.deploy import DeployFailed, deploy
from infra.local.ministack import ACCOUNT, REGION, MiniStack

STACK = "orders"
BUCKET = "cdk-hnb659fds-assets-${AWS::AccountId}-${AWS::Region}"
Template = dict[str, Any]


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MiniStack]:
    with MiniStack(tmp_path_factory.mktemp("aws"), port=0) as running:
        yield running


@pytest.fixture
def aws(emulator: MiniStack) -> Iterator[MiniStack]:
    """The local AWS, without the stack that the test before may have left."""
    yield emulator
    emulator.client("cloudformation").delete_stack(StackName=STACK)


@pytest.fixture
def assembly(tmp_path: Path) -> Callable[..., Path]:
    """Writes the assembly of one stack, as `cdk synth` does; nested templates lie in S3 under their names."""

    def write(template: Template, **nested: Template) -> Path:
        files = {}
        for name, content in {STACK: template, **nested}.items():
            (tmp_path / f"{name}.json").write_text(json.dumps(content))
            destination = {"bucketName": BUCKET, "objectKey": key_of(name, content)}
            files[name] = {
                "source": {"path": f"{name}.json", "packaging": "file"},
                "destinations": {"here": destination},
            }
        (tmp_path / "assets.json").write_text(json.dumps({"files": files}))
        artifacts = {
            STACK: {
                "type": "aws:cloudformation:stack",
                "properties": {"templateFile": f"{STACK}.json", "stackName": STACK},
                "dependencies": ["assets"],
            },
            "assets": {"type": "cdk:asset-manifest", "properties": {"file": "assets.json"}},
        }
        (tmp_path / "manifest.json").write_text(json.dumps({"artifacts": artifacts}))
        return tmp_path

    return write


def key_of(name: str, content: Template) -> str:
    return f"{name}-{hashlib.sha256(json.dumps(content).encode()).hexdigest()[:12]}.json"


def queue(hidden_seconds: int, **more: Any) -> Template:
    return {"Type": "AWS::SQS::Queue", "Properties": {"VisibilityTimeout": hidden_seconds, **more}}


def one_queue(hidden_seconds: int) -> Template:
    return {"Resources": {"Queue": queue(hidden_seconds)}, "Outputs": {"Url": {"Value": {"Ref": "Queue"}}}}


def with_a_broken_parameter(template: Template) -> Template:
    value = {"Fn::GetAtt": ["Queue", "Colour"]}
    template["Resources"]["Broken"] = {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": value}}
    return template


def template_url(child: Template) -> Template:
    return {"Fn::Sub": f"https://s3.${{AWS::Region}}.amazonaws.com/{BUCKET}/{key_of('flow', child)}"}


def nested_queues(hidden_seconds: int) -> tuple[Template, Template]:
    """A stack with a nested one, in which a queue that changes refers to a dead letter queue that does not."""
    redrive = {"deadLetterTargetArn": {"Fn::GetAtt": ["Dead", "Arn"]}, "maxReceiveCount": 3}
    child = {
        "Resources": {"Dead": queue(30), "Queue": queue(hidden_seconds, RedrivePolicy=redrive)},
        "Outputs": {"Url": {"Value": {"Ref": "Queue"}}},
    }
    nested = {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": template_url(child)}}
    parent = {
        "Resources": {"Flow": nested},
        "Outputs": {"Url": {"Value": {"Fn::GetAtt": ["Flow", "Outputs.Url"]}}},
    }
    return parent, child


def hidden_seconds_of(aws: MiniStack, url: str) -> str:
    attributes = aws.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])
    return str(attributes["Attributes"]["VisibilityTimeout"])


@pytest.mark.local_aws
def test_a_stack_is_created_then_updated_then_left_alone(aws: MiniStack, assembly: Callable[..., Path]) -> None:
    said: list[str] = []
    created = deploy(aws, assembly(one_queue(30)), said.append)
    updated = deploy(aws, assembly(one_queue(45)), said.append)
    again = deploy(aws, assembly(one_queue(45)), said.append)

    assert created == updated == again
    assert hidden_seconds_of(aws, again["Url"]) == "45"
    assert "orders is up to date" in said[-1]


@pytest.mark.local_aws
def test_a_nested_stack_is_updated_though_a_neighbour_stays_the_same(
    aws: MiniStack, assembly: Callable[..., Path]
) -> None:
    for hidden_seconds in (30, 45):
        parent, child = nested_queues(hidden_seconds)
        outputs = deploy(aws, assembly(parent, flow=child), say=lambda _: None)

    assert hidden_seconds_of(aws, outputs["Url"]) == "45"


@pytest.mark.local_aws
def test_a_resource_type_that_it_does_not_know_is_named(aws: MiniStack, assembly: Callable[..., Path]) -> None:
    template = {"Resources": {"Thing": {"Type": "AWS::Nowhere::Thing", "Properties": {}}}}

    with pytest.raises(DeployFailed, match=r"orders: .*AWS::Nowhere::Thing"):
        deploy(aws, assembly(template), say=lambda _: None)


@pytest.mark.local_aws
def test_a_failed_resource_is_named_with_its_reason(aws: MiniStack, assembly: Callable[..., Path]) -> None:
    with pytest.raises(DeployFailed) as refusal:
        deploy(aws, assembly(with_a_broken_parameter(one_queue(30))), say=lambda _: None)

    assert str(refusal.value) == (
        "orders is ROLLBACK_COMPLETE:\n"
        "  Broken (AWS::SSM::Parameter): Requested attribute Colour does not exist in schema for AWS::SQS::Queue"
    )


@pytest.mark.local_aws
def test_a_failed_resource_of_a_nested_stack_is_named_with_its_reason(
    aws: MiniStack, assembly: Callable[..., Path]
) -> None:
    parent, child = nested_queues(30)
    deploy(aws, assembly(parent, flow=child), say=lambda _: None)
    parent, child = nested_queues(43_201)  # SQS takes 12 hours at most

    with pytest.raises(DeployFailed, match=r"orders is UPDATE_ROLLBACK") as refusal:
        deploy(aws, assembly(parent, flow=child), say=lambda _: None)

    assert "\n  Queue (AWS::SQS::Queue): Invalid value for the parameter VisibilityTimeout" in str(refusal.value)


@pytest.mark.local_aws
def test_a_first_deployment_that_failed_is_made_anew(aws: MiniStack, assembly: Callable[..., Path]) -> None:
    with pytest.raises(DeployFailed):
        deploy(aws, assembly(with_a_broken_parameter(one_queue(30))), say=lambda _: None)

    outputs = deploy(aws, assembly(one_queue(45)), say=lambda _: None)

    assert hidden_seconds_of(aws, outputs["Url"]) == "45"


def test_the_account_and_the_region_are_filled_in(assembly: Callable[..., Path]) -> None:
    (stack,) = stacks_of(assembly(one_queue(30)), ACCOUNT, REGION)

    assert stack.name == STACK
    assert stack.template.bucket == "cdk-hnb659fds-assets-000000000000-us-east-1"
    assert stack.assets == (stack.template,)


def test_a_stack_comes_after_those_it_depends_on(tmp_path: Path, assembly: Callable[..., Path]) -> None:
    assembly(one_queue(30))
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    first = manifest["artifacts"].pop(STACK)
    second = {**first, "properties": {**first["properties"], "stackName": "second"}}
    second["dependencies"] = ["first", "assets"]
    manifest["artifacts"] = {"second": second, "first": first, **manifest["artifacts"]}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))

    assert [stack.name for stack in stacks_of(tmp_path, ACCOUNT, REGION)] == [STACK, "second"]


def test_the_same_folder_gives_the_same_zip(tmp_path: Path) -> None:
    folder = tmp_path / "code"
    (folder / "hub").mkdir(parents=True)
    (folder / "hub" / "a.py").write_text("a = 1\n")
    asset = FileAsset(folder, "zip", "bucket", "key")
    first = asset.read()
    (folder / "hub" / "a.py").touch()

    assert asset.read() == first
