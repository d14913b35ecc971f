"""S3: a body that is too large for a queue is kept under its hash, and given back only as it was."""

import io
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from adapters.s3 import S3Bodies
from hub.errors import BodyLost, BodyUnavailable


class Bucket:
    """The two calls of S3 that are made."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], bytes] = {}
        self.failure: Exception | None = None

    def put_object(self, Bucket: str, Key: str, Body: bytes) -> None:  # noqa: N803 - AWS's names
        if self.failure:
            raise self.failure
        self.objects[Bucket, Key] = Body

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803 - AWS's names
        if self.failure:
            raise self.failure
        if (Bucket, Key) not in self.objects:
            raise ClientError({"Error": {"Code": "NoSuchKey"}}, "GetObject")
        return {"Body": io.BytesIO(self.objects[Bucket, Key])}


def bodies() -> tuple[Any, S3Bodies]:
    client: Any = Bucket()
    return client, S3Bodies(client, "hub-test-bodies")


def test_a_body_comes_back_as_it_was() -> None:
    client, kept = bodies()

    reference = kept.keep(b"\xff" * 2_000_000)

    assert reference.startswith("s3://hub-test-bodies/bodies/")
    assert kept.fetch(reference) == b"\xff" * 2_000_000
    assert len(client.objects) == 1


def test_the_same_bytes_are_kept_once() -> None:
    client, kept = bodies()

    assert kept.keep(b"one") == kept.keep(b"one")
    assert kept.keep(b"one") != kept.keep(b"two")
    assert len(client.objects) == 2


def test_what_was_changed_meanwhile_is_lost() -> None:
    client, kept = bodies()
    reference = kept.keep(b"one")
    client.objects = dict.fromkeys(client.objects, b"two")

    with pytest.raises(BodyLost, match="its bytes have changed"):
        kept.fetch(reference)


def test_what_has_expired_is_lost() -> None:
    client, kept = bodies()
    reference = kept.keep(b"one")
    client.objects.clear()

    with pytest.raises(BodyLost, match="is gone"):
        kept.fetch(reference)


def test_another_buckets_reference_gives_nothing() -> None:
    _, kept = bodies()
    kept.keep(b"one")

    with pytest.raises(BodyLost):
        kept.fetch("s3://another-bucket/secrets")


@pytest.mark.parametrize(
    "failure",
    [
        ClientError({"Error": {"Code": "SlowDown"}}, "PutObject"),
        ClientError({"Error": {"Code": "AccessDenied"}}, "GetObject"),
        EndpointConnectionError(endpoint_url="https://s3"),
    ],
)
def test_trouble_is_told_and_passes(failure: Exception) -> None:
    client, kept = bodies()
    reference = kept.keep(b"one")
    client.failure = failure

    with pytest.raises(BodyUnavailable):
        kept.keep(b"one")
    with pytest.raises(BodyUnavailable):
        kept.fetch(reference)
