"""S3: bodies that are too large for a queue (claim check), kept under the hash of their bytes."""

import hashlib
from typing import TYPE_CHECKING

from adapters.refusals import aws_errors, reason
from hub import names
from hub.errors import BodyLost, BodyUnavailable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PREFIX = names.body("")


class S3Bodies:
    """Bodies in a bucket. A reference names bucket, key and hash: `s3://bucket/bodies/<sha256>`."""

    def __init__(self, client: "S3Client", bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def keep(self, body: bytes) -> str:
        """Keep a body; the same bytes have the same reference. Raises BodyUnavailable unless S3 confirmed it."""
        digest = hashlib.sha256(body).hexdigest()
        try:
            self._client.put_object(Bucket=self._bucket, Key=PREFIX + digest, Body=body)
        except aws_errors() as error:
            raise BodyUnavailable(f"S3 did not confirm the body: {reason(error)}") from error
        return f"s3://{self._bucket}/{PREFIX}{digest}"

    def fetch(self, reference: str) -> bytes:
        """The body of a reference; raises BodyLost where it is gone or not what was kept, else BodyUnavailable."""
        key = reference.removeprefix(f"s3://{self._bucket}/")
        try:
            body = self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        except aws_errors() as error:
            if reason(error) in {"NoSuchKey", "404"}:
                raise BodyLost(f"{reference} is gone: it was kept for the configured time only") from error
            raise BodyUnavailable(f"S3 did not give the body: {reason(error)}{_or_gone(error)}") from error
        if hashlib.sha256(body).hexdigest() != key.removeprefix(PREFIX):
            raise BodyLost(f"{reference} is not what was kept: its bytes have changed")
        return body


def _or_gone(error: Exception) -> str:
    """S3 tells that an object is gone only to those who may list its bucket, which the functions may not."""
    return ", or it is gone" if reason(error) == "AccessDenied" else ""
