"""The few calls that the webhook Lambda makes to AWS, named and shaped as botocore's clients have them."""

import hashlib
from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import quote

from adapters.aws_calls import AwsService, JsonService, Patience
from adapters.aws_credentials import LambdaCredentials
from adapters.aws_endpoints import endpoint
from adapters.trust import trust

TARGETS = {  # service → what stands before the operation in X-Amz-Target, and the version of its JSON
    "sqs": ("AmazonSQS", "1.0"),
    "secretsmanager": ("secretsmanager", "1.1"),
    "dynamodb": ("DynamoDB_20120810", "1.0"),
}


def quick(timeout_seconds: float) -> Patience:
    """Of a function that must answer in time: a slow try and one more fit, and a 503 makes the provider send again,
    while a function that runs out of time answers nothing."""
    share = timeout_seconds / 2
    return Patience(connect_seconds=min(1.0, share / 3), read_seconds=min(3.0, share * 2 / 3), attempts=2)


class LeanAws:
    """Clients of one Lambda, which share its credentials. `clocks` are the keywords now, sleep and draw of AwsService."""

    def __init__(self, environment: Mapping[str, str], patience: Patience, **clocks: Any) -> None:
        self._environment = environment
        self._patience = patience
        self._credentials = LambdaCredentials(environment)
        self._trust = trust(environment)
        self._clocks = clocks

    def sqs(self) -> "Sqs":
        """For queues."""
        return Sqs(self._json("sqs"))

    def secretsmanager(self) -> "SecretValues":
        """For secrets."""
        return SecretValues(self._json("secretsmanager"))

    def dynamodb(self) -> "DynamoDb":
        """For a table."""
        return DynamoDb(self._json("dynamodb"))

    def s3(self) -> "S3":
        """For objects; a bucket is a host of its own."""
        return S3(self._environment, partial(self._service, AwsService))

    def _json(self, service: str) -> JsonService:
        target, version = TARGETS[service]
        made: JsonService = self._service(partial(JsonService, target, version), service, "")
        return made

    def _service(self, kind: Any, service: str, host: str) -> Any:
        where = endpoint(service, self._environment, host)
        wired = (where, self._credentials, self._patience, self._trust, self._environment)
        return kind(service, *wired, **self._clocks)


class Sqs:
    """As botocore's client of SQS."""

    def __init__(self, service: JsonService) -> None:
        self._service = service

    def send_message_batch(self, **asked: Any) -> dict[str, Any]:
        """QueueUrl, Entries."""
        return self._service.ask("SendMessageBatch", asked)


class SecretValues:
    """As botocore's client of Secrets Manager."""

    def __init__(self, service: JsonService) -> None:
        self._service = service

    def get_secret_value(self, **asked: Any) -> dict[str, Any]:
        """SecretId."""
        return self._service.ask("GetSecretValue", asked)


class DynamoDb:
    """As botocore's client of DynamoDB, for values that JSON can hold."""

    def __init__(self, service: JsonService) -> None:
        self._service = service

    def get_item(self, **asked: Any) -> dict[str, Any]:
        """TableName, Key, ConsistentRead."""
        return self._service.ask("GetItem", asked)

    def put_item(self, **asked: Any) -> dict[str, Any]:
        """TableName, Item."""
        return self._service.ask("PutItem", asked)


class S3:
    """As botocore's client of S3."""

    def __init__(self, environment: Mapping[str, str], service: Any) -> None:
        self._shared = endpoint("s3", environment).shared
        self._service = service
        self._by_host: dict[str, AwsService] = {}

    def put_object(self, Bucket: str, Key: str, Body: bytes) -> None:  # noqa: N803 - botocore's names
        """Keep an object; the signature covers its bytes."""
        by_path = self._shared or "." in Bucket  # no certificate covers a name with one more dot
        host = "" if by_path else Bucket
        if host not in self._by_host:
            self._by_host[host] = self._service("s3", host)
        path = f"/{Bucket}/{quote(Key)}" if by_path else f"/{quote(Key)}"
        headers = {"x-amz-content-sha256": hashlib.sha256(Body).hexdigest()}
        self._by_host[host].call("PUT", path, headers, Body)
