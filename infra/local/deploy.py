"""Puts a synthesized cloud assembly on the local AWS: what `cdk deploy` does, in a tenth of its time.

The template is the very one that production gets; only the tool that hands it to CloudFormation differs.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from infra.local.assembly import AssembledStack, FileAsset, stacks_of
from infra.local.ministack import ACCOUNT, REGION, MiniStack

BOOTSTRAP_VERSION = "/cdk-bootstrap/hnb659fds/version"  # CDK's templates refuse an account where this is missing
CAPABILITIES = ["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]
POLL_SECONDS = 0.05
DEPLOY_SECONDS = 120.0
NESTED_STACK = "AWS::CloudFormation::Stack"
NEVER_WAS = frozenset({"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED"})  # a first try that left nothing behind


class DeployFailed(Exception):
    """CloudFormation refused or rolled back; the message names the resource and the reason."""


def deploy(aws: MiniStack, assembly: Path, say: Callable[[str], None] = print) -> dict[str, str]:
    """Create or update every stack of the assembly; return their outputs together. Repeating it changes nothing.

    Raises DeployFailed.
    """
    outputs: dict[str, str] = {}
    for stack in stacks_of(assembly, ACCOUNT, REGION):
        outputs |= _deploy(aws, stack, say)
    return outputs


def _deploy(aws: MiniStack, stack: AssembledStack, say: Callable[[str], None]) -> dict[str, str]:
    began = time.monotonic()
    _upload(aws, stack.assets, say)
    cloudformation = aws.client("cloudformation")
    before = _described(cloudformation, stack.name)
    if before and before["StackStatus"] in NEVER_WAS:
        say(f"  {stack.name} is {before['StackStatus']} and is made anew")
        cloudformation.delete_stack(StackName=stack.name)
        _settled(cloudformation, stack.name, say)
        before = None
    change = cloudformation.update_stack if before else cloudformation.create_stack
    try:
        change(StackName=stack.name, TemplateURL=_url(aws, stack.template), Capabilities=CAPABILITIES)
    except ClientError as error:
        if "No updates are to be performed" not in str(error):
            raise DeployFailed(f"{stack.name}: {error.response['Error']['Message']}") from error
        say(f"  {stack.name} is up to date")
        return _outputs(before)
    after = _settled(cloudformation, stack.name, say)
    status = after["StackStatus"] if after else "gone"
    if status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
        reasons = "\n".join(f"  {reason}" for reason in _failures(cloudformation, stack.name))
        raise DeployFailed(f"{stack.name} is {status}:\n{reasons or '  no reason was given'}")
    say(f"  {stack.name} is {status} ({time.monotonic() - began:.1f} s)")
    return _outputs(after)


def _outputs(stack: dict[str, Any] | None) -> dict[str, str]:
    return {output["OutputKey"]: output["OutputValue"] for output in (stack or {}).get("Outputs", [])}


def _upload(aws: MiniStack, assets: tuple[FileAsset, ...], say: Callable[[str], None]) -> None:
    s3 = aws.client("s3")
    for bucket in {asset.bucket for asset in assets}:
        s3.create_bucket(Bucket=bucket)
    aws.client("ssm").put_parameter(Name=BOOTSTRAP_VERSION, Value="30", Type="String", Overwrite=True)

    def upload(asset: FileAsset) -> int:
        content = asset.read()
        s3.put_object(Bucket=asset.bucket, Key=asset.key, Body=content)
        return len(content)

    # A key is derived from the content: what is there already is the same.
    missing = [asset for asset in assets if not _uploaded(s3, asset)]
    with ThreadPoolExecutor(4) as pool:
        size = sum(pool.map(upload, missing))
    if missing:
        say(f"  {len(missing)} files uploaded ({size / 1_000_000:.1f} MB)")


def _uploaded(s3: Any, asset: FileAsset) -> bool:
    try:
        s3.head_object(Bucket=asset.bucket, Key=asset.key)
    except ClientError as error:
        if error.response["Error"]["Code"] in ("404", "NoSuchKey", "NotFound"):
            return False
        raise
    return True


def _url(aws: MiniStack, template: FileAsset) -> str:
    return f"{aws.endpoint}/{template.bucket}/{template.key}"


def _described(cloudformation: Any, name: str) -> dict[str, Any] | None:
    """The stack, or None when there is none."""
    try:
        stack: dict[str, Any] = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    except ClientError as error:
        if error.response["Error"]["Code"] == "ValidationError":
            return None
        raise
    return None if stack["StackStatus"] == "DELETE_COMPLETE" else stack


def _settled(cloudformation: Any, name: str, say: Callable[[str], None]) -> dict[str, Any] | None:
    """Wait until nothing is in progress; return the stack as it is then, or None when it is gone."""
    began = time.monotonic()
    told = began
    while (stack := _described(cloudformation, name)) and stack["StackStatus"].endswith("_IN_PROGRESS"):
        now = time.monotonic()
        if now - began > DEPLOY_SECONDS:
            raise DeployFailed(f"{name} is still {stack['StackStatus']} after {DEPLOY_SECONDS:.0f} s")
        if now - told > 2:
            say(f"  {name} is {stack['StackStatus']} ({now - began:.0f} s)")
            told = now
        time.sleep(POLL_SECONDS)
    return stack


def _failures(cloudformation: Any, name: str, since: datetime | None = None) -> Iterator[str]:
    """Which resources failed in the last operation and why, those of nested stacks included, the first cause first.

    `since` is when the operation started; None finds it out, the newest event being the first.
    """
    events = cloudformation.describe_stack_events(StackName=name)["StackEvents"]
    if since is None:
        started = ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS")
        own = [event for event in events if event["LogicalResourceId"] == name and event["ResourceStatus"] in started]
        since = own[0]["Timestamp"]
    for event in reversed(events):
        logical_id = event["LogicalResourceId"]
        if event["Timestamp"] < since or logical_id == name or not event["ResourceStatus"].endswith("_FAILED"):
            continue
        if event["ResourceType"] == NESTED_STACK:
            for nested in _nested(cloudformation, name, logical_id):
                yield from _failures(cloudformation, nested, since)
        yield f"{logical_id} ({event['ResourceType']}): {event.get('ResourceStatusReason', '')}"


def _nested(cloudformation: Any, name: str, logical_id: str) -> list[str]:
    """The nested stack of a resource, found by its name: a failed one is not told among its parent's resources."""
    pages = cloudformation.get_paginator("describe_stacks").paginate()
    stacks = [stack["StackName"] for page in pages for stack in page["Stacks"]]
    return [stack for stack in stacks if stack.startswith(f"{name}-{logical_id}-")]
