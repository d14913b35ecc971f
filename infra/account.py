"""Asked before anything is changed: which AWS account and region a stage goes to, and whether it can."""

import argparse
import os
import sys
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError

from infra.configuration import load_stage
from infra.mistakes import ConfigurationError

LOCAL_STAGE = "local"
BOOTSTRAP_VERSION = "/cdk-bootstrap/hnb659fds/version"  # where `cdk bootstrap` says that it was there


class NotDeployable(Exception):
    """The stage cannot go to an account from here; the message says what to do."""


def account_for(stage: str, session: Any, *, bootstrapped: bool = True) -> str:
    """Tell the account, region and identity that the stage goes to; raises NotDeployable.

    With `bootstrapped`, the account must have been prepared for the CDK.
    """
    if stage == LOCAL_STAGE:
        raise NotDeployable(
            f"Stage {LOCAL_STAGE} lives on this machine: `make run` deploys it, `make clean` removes it."
        )
    try:
        identity = session.client("sts").get_caller_identity()
        if bootstrapped and not _bootstrapped(session):
            raise NotDeployable(
                f"Account {identity['Account']} was never prepared for the CDK in {session.region_name}: "
                f"run `make bootstrap STAGE={stage}` once."
            )
    except NoCredentialsError as error:
        raise NotDeployable(
            "No AWS credentials were found: run `aws configure` or `aws sso login`, or set AWS_PROFILE, and try again."
        ) from error
    except NoRegionError as error:
        raise NotDeployable(
            f"No AWS region is set: set `region` in config/{stage}.yaml or AWS_REGION, and try again."
        ) from error
    except (ClientError, BotoCoreError) as error:
        raise NotDeployable(f"AWS does not accept the present credentials: {error}") from error
    return f"Stage {stage}: account {identity['Account']}, {session.region_name}, as {identity['Arn']}"


def _bootstrapped(session: Any) -> bool:
    try:
        session.client("ssm").get_parameter(Name=BOOTSTRAP_VERSION)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code == "ParameterNotFound":
            return False
        if code != "AccessDeniedException":  # whoever may not ask may still deploy, by the roles made for it
            raise
    return True


def main() -> int:
    """Print where the stage goes, or why it cannot."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("stage")
    arguments.add_argument("--before-bootstrap", action="store_true")
    given = arguments.parse_args()
    try:
        config = None if given.stage == LOCAL_STAGE else load_stage(given.stage)
        region = (config.region if config else None) or os.environ.get("AWS_REGION")  # which boto3 alone would not read
        session = boto3.Session(region_name=region)
        print(account_for(given.stage, session, bootstrapped=not given.before_bootstrap))
    except (NotDeployable, ConfigurationError, BotoCoreError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
