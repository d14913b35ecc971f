"""Before the first delivery every function has been started, and one that cannot start is named."""

import io
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.local.ministack import ACCOUNT, MiniStack
from infra.local.warm_up import FunctionBroken, warm_up

pytestmark = pytest.mark.local_aws

ANSWERS = """
import json, time
def handler(event, context):
    time.sleep(0.3)
    print(json.dumps({"seen": "batch" if event.get("Records") == [] else event["headers"]}))
    return {}
"""
BROKEN = "import a_dependency_that_was_forgotten"


@pytest.fixture
def aws(tmp_path: Path) -> Iterator[MiniStack]:
    with MiniStack(tmp_path, port=0) as running:
        running.client("iam").create_role(RoleName="any", AssumeRolePolicyDocument="{}")
        yield running


@pytest.fixture
def function(aws: MiniStack) -> Callable[[str, str], Any]:
    def create(name: str, source: str) -> Any:
        code = io.BytesIO()
        with zipfile.ZipFile(code, "w") as archive:
            archive.writestr("main.py", source)
        return aws.client("lambda").create_function(
            FunctionName=name,
            Runtime="python3.13",
            Handler="main.handler",
            Role=f"arn:aws:iam::{ACCOUNT}:role/any",
            Code={"ZipFile": code.getvalue()},
            Timeout=10,
        )

    return create


def lines_of(aws: MiniStack, function: str) -> list[str]:
    events = aws.client("logs").filter_log_events(logGroupName=f"/aws/lambda/{function}")["events"]
    return [event["message"].strip() for event in events if "seen" in event["message"]]


def test_every_function_of_the_stage_runs_once_and_webhooks_in_several_processes(
    aws: MiniStack, function: Callable[[str, str], Any]
) -> None:
    for name in ("hub-local-webhook-shop", "hub-local-delivery-orders", "hub-local-dlq", "hub-other-dlq"):
        function(name, ANSWERS)

    assert warm_up(aws, "local", webhook_workers=2) == 4
    assert lines_of(aws, "hub-local-webhook-shop") == ['{"seen": {"content-type": "application/json"}}'] * 2
    assert lines_of(aws, "hub-local-delivery-orders") == ['{"seen": "batch"}']
    assert lines_of(aws, "hub-local-dlq") == ['{"seen": "batch"}']
    assert "/aws/lambda/hub-other-dlq" not in str(aws.client("logs").describe_log_groups()["logGroups"])


def test_a_function_that_cannot_start_is_named_with_its_error(
    aws: MiniStack, function: Callable[[str, str], Any]
) -> None:
    function("hub-local-dlq", BROKEN)

    with pytest.raises(FunctionBroken, match=r"^function hub-local-dlq is broken: .*a_dependency_that_was_forgotten"):
        warm_up(aws, "local")
