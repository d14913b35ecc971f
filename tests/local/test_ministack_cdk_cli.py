"""The official CDK command line takes the hub's app from nothing to deployed, updated and gone, as it would on AWS."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.configuration import CONFIG
from infra.local.ministack import ACCOUNT, CREDENTIALS, REGION, ROOT, MiniStack

pytestmark = [pytest.mark.slow, pytest.mark.local_aws]

ASSETS = f"cdk-hnb659fds-assets-{ACCOUNT}-{REGION}"
STACK = "hub-local"
CDK_SECONDS = 180


@pytest.fixture
def aws(tmp_path: Path) -> Iterator[MiniStack]:
    with MiniStack(tmp_path / "aws", port=0) as running:
        yield running


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A folder of configurations that the test may change."""
    folder = tmp_path / "config"
    folder.mkdir()
    (folder / "local.yaml").write_text((CONFIG / "local.yaml").read_text())
    return folder


def cdk(aws: MiniStack, config: Path, *arguments: str) -> str:
    """Run the command line against the local AWS; its app is the one of cdk.json."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
        **{name.upper(): value for name, value in CREDENTIALS.items()},
        "AWS_ENDPOINT_URL": aws.endpoint,
        "AWS_ENDPOINT_URL_S3": aws.endpoint,
        "AWS_REGION": REGION,
        "CI": "true",  # everything to standard output, no progress bar
    }
    command: list[str | Path] = [
        ROOT / "node_modules" / ".bin" / "cdk",
        *arguments,
        "-c",
        "stage=local",
        "-c",
        f"config={config}",
    ]
    command += ["--output", str(config.parent / "cdk.out"), "--no-notices"]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=CDK_SECONDS
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def log_levels(aws: MiniStack) -> dict[str, str]:
    functions = aws.client("lambda").list_functions()["Functions"]
    return {
        function["FunctionName"]: function["Environment"]["Variables"].get("POWERTOOLS_LOG_LEVEL", "")
        for function in functions
        if function["FunctionName"].startswith(STACK)
    }


def test_bootstrap_deploy_update_and_destroy(aws: MiniStack, config: Path) -> None:
    cdk(aws, config, "bootstrap", f"aws://{ACCOUNT}/{REGION}")
    # It refuses whatever does not come over TLS, and the local AWS speaks plain HTTP.
    aws.client("s3").delete_bucket_policy(Bucket=ASSETS)

    cdk(aws, config, "deploy", "--all", "--require-approval", "never")
    deployed = log_levels(aws)
    with (config / "local.yaml").open("a") as file:
        file.write("\nlog_level: WARNING\n")
    cdk(aws, config, "deploy", "--all", "--require-approval", "never")
    updated = log_levels(aws)
    cdk(aws, config, "destroy", "--all", "--force")

    assert {"hub-local-webhook-shop-eu", "hub-local-delivery-shop-eu-to-erp", "hub-local-dlq"} <= set(deployed)
    assert set(deployed.values()) == {"INFO"}
    assert updated == dict.fromkeys(deployed, "WARNING")
    assert log_levels(aws) == {}
    assert aws.client("sqs").list_queues().get("QueueUrls", []) == []
    assert aws.client("dynamodb").list_tables()["TableNames"] == []
