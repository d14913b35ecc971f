"""A bucket in memory: the four calls that the hub makes, and a process that may die at any of them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

from botocore.exceptions import ClientError
from botocore.response import StreamingBody

PAGE = 3  # names in one answer of a listing, where S3 has a thousand


@dataclass
class Bucket:
    """As botocore's client of S3. `before` is called with each operation's name."""

    objects: dict[str, bytes] = field(default_factory=dict)
    before: Callable[[str], None] = lambda _: None

    def put_object(self, Bucket: str, Key: str, Body: Any) -> dict[str, Any]:  # noqa: N803 - AWS's own names
        self.before("put")
        self.objects[Key] = Body if isinstance(Body, bytes) else Body.read()
        return {}

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        self.before("get")
        if Key not in self.objects:  # as S3 says it to who may not list all of the bucket
            raise ClientError({"Error": {"Code": "AccessDenied"}}, "GetObject")
        content = self.objects[Key]
        return {"Body": StreamingBody(BytesIO(content), len(content))}

    def delete_object(self, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        self.before("delete")
        self.objects.pop(Key, None)
        return {}

    def list_objects_v2(self, Bucket: str, Prefix: str, ContinuationToken: str = "") -> dict[str, Any]:  # noqa: N803
        self.before("list")
        found = sorted(key for key in self.objects if key.startswith(Prefix) and key > ContinuationToken)
        answer: dict[str, Any] = {"Contents": [{"Key": key} for key in found[:PAGE]]}
        if len(found) > PAGE:
            answer |= {"IsTruncated": True, "NextContinuationToken": found[PAGE - 1]}
        return answer
