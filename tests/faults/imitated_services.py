"""S3 and Secrets Manager in memory: the calls of botocore's clients that the hub makes."""

import io
import json
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError


class Buckets:
    """S3: objects by key. `fails` may raise before a call."""

    def __init__(self, fails: Callable[[str], None]) -> None:
        self.objects: dict[str, bytes] = {}
        self._fails = fails

    def put_object(self, Bucket: str, Key: str, Body: bytes) -> dict[str, Any]:  # noqa: N803 - AWS's own names
        """Keep an object."""
        self._fails("put")
        self.objects[Key] = Body
        return {}

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803 - AWS's own names
        """An object, or NoSuchKey."""
        self._fails("get")
        if Key not in self.objects:
            raise refusal("NoSuchKey", "GetObject")
        return {"Body": io.BytesIO(self.objects[Key])}


class Safe:
    """Secrets Manager: one JSON object per secret. `fails` may raise before a call."""

    def __init__(self, fails: Callable[[str], None]) -> None:
        self.secrets: dict[str, dict[str, str]] = {}
        self._fails = fails

    def get_secret_value(self, SecretId: str) -> dict[str, Any]:  # noqa: N803 - AWS's own name
        """What is stored."""
        self._fails("read")
        return {"SecretString": json.dumps(self.secrets[SecretId])}


def refusal(code: str, operation: str) -> ClientError:
    """What AWS says when it does not do a thing."""
    return ClientError({"Error": {"Code": code, "Message": "made up"}}, operation)
