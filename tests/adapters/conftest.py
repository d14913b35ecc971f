"""AWS as moto imitates it: one imitation and one client per service for all tests here, resources of their own for each."""

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto import mock_aws

from tests import ledger_table
from tests.servers.moto_endpoint import moto_endpoint

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient

NUMBERS = itertools.count(1)


@pytest.fixture(scope="package", autouse=True)
def imitated_aws() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        with mock_aws():
            yield


@pytest.fixture(scope="package")
def sqs(imitated_aws: None) -> "SQSClient":
    return boto3.client("sqs")


@pytest.fixture(scope="package")
def dynamodb(imitated_aws: None) -> "DynamoDBClient":
    return boto3.client("dynamodb")


@pytest.fixture(scope="package")
def secretsmanager(imitated_aws: None) -> "SecretsManagerClient":
    return boto3.client("secretsmanager")


@pytest.fixture(scope="package")
def sns(imitated_aws: None) -> "SNSClient":
    return boto3.client("sns")


@pytest.fixture(scope="package")
def aws_url(imitated_aws: None) -> Iterator[str]:
    """Where the webhook Lambda's own client finds the imitation."""
    with moto_endpoint() as url:
        yield url


@pytest.fixture
def lambdas_environment(aws_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a Lambda's own environment holds, with our own client of AWS led to the imitation; botocore's is there."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    for service in ("SQS", "DYNAMODB", "SECRETS_MANAGER"):
        monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", aws_url)


@pytest.fixture
def name() -> str:
    """A name that no other test uses."""
    return f"test-{next(NUMBERS)}"


@pytest.fixture
def queue_url(sqs: "SQSClient", name: str) -> str:
    """A FIFO queue as the stack makes them: without content-based deduplication."""
    attributes: Any = {"FifoQueue": "true", "VisibilityTimeout": "30"}
    return sqs.create_queue(QueueName=f"{name}.fifo", Attributes=attributes)["QueueUrl"]


@pytest.fixture
def table(dynamodb: "DynamoDBClient", name: str) -> str:
    """The ledger's table as the stack makes it."""
    dynamodb.create_table(**ledger_table.table(name))
    return name
