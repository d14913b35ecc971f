"""Before a deployment: the account is told, and what stands in the way is told in one sentence."""

from collections.abc import Iterator

import boto3
import pytest
from moto import mock_aws

from infra.account import BOOTSTRAP_VERSION, NotDeployable, account_for

REGION = "eu-central-1"


@pytest.fixture
def no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def aws() -> Iterator[boto3.Session]:
    with mock_aws():
        session = boto3.Session(region_name=REGION, aws_access_key_id="a", aws_secret_access_key="b")
        session.client("ssm").put_parameter(Name="/other", Value="1", Type="String")
        yield session


@pytest.mark.usefixtures("no_credentials")
def test_without_credentials_it_says_how_to_get_some() -> None:
    with pytest.raises(NotDeployable, match=r"^No AWS credentials were found: run `aws configure`"):
        account_for("staging", boto3.Session(region_name=REGION))


def test_the_local_stage_is_not_for_aws(aws: boto3.Session) -> None:
    with pytest.raises(NotDeployable, match="`make run` deploys it"):
        account_for("local", aws)


def test_an_account_that_was_never_prepared_is_told_before_anything_else(aws: boto3.Session) -> None:
    with pytest.raises(NotDeployable, match="run `make bootstrap STAGE=staging` once"):
        account_for("staging", aws)

    assert "account 123456789012" in account_for("staging", aws, bootstrapped=False)


def test_a_prepared_account_is_told_with_its_region(aws: boto3.Session) -> None:
    aws.client("ssm").put_parameter(Name=BOOTSTRAP_VERSION, Value="30", Type="String")

    assert account_for("staging", aws).startswith(f"Stage staging: account 123456789012, {REGION}, as arn:aws:sts")


@pytest.mark.usefixtures("no_credentials")
def test_without_a_region_it_says_where_to_set_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)

    with mock_aws(), pytest.raises(NotDeployable, match=r"^No AWS region is set"):
        account_for("staging", boto3.Session(aws_access_key_id="a", aws_secret_access_key="b"))
