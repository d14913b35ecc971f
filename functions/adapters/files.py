"""S3 and DynamoDB: the files that people and programs drop, and how far each has been worked on."""

import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import BotoCoreError, ClientError

from adapters.refusals import reason
from hub.errors import LedgerUnavailable, Temporary
from hub.files import MOST_FILE_BYTES, Dropped, FileGone, FileHeld, Progress

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

AGAIN = "hub-again"  # S3 metadata: apply a file once more that was taken in before
CHUNK_BYTES = 1 << 20
PART_BYTES = 8 << 20  # S3 takes no parts below 5 MiB but the last
RECORD = "file"
LEASE_SECONDS = 960  # longer than any function lives: none needs to prolong it
GONE = {"NoSuchKey", "404"}
REPLACED = {"PreconditionFailed", "412", "ConditionalRequestConflict", "409"}


class FilesUnavailable(Temporary):
    """S3 did not give, keep or move a file."""


class S3Files:
    """The bucket that files are dropped into."""

    def __init__(self, client: "S3Client", bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def fetch(self, key: str) -> Dropped:
        """As FileStore.fetch. The file is on disk, which must hold MOST_FILE_BYTES."""
        try:
            answer = self._client.get_object(Bucket=self._bucket, Key=key)
            file, digest = tempfile.TemporaryFile(), hashlib.sha256()  # noqa: SIM115 - it goes with its last reader
            if answer["ContentLength"] <= MOST_FILE_BYTES:
                for chunk in answer["Body"].iter_chunks(CHUNK_BYTES):
                    digest.update(chunk)
                    file.write(chunk)
                file.seek(0)
        except ClientError as error:
            if reason(error) in GONE or (reason(error) == "AccessDenied" and not self._exists(key)):
                raise FileGone(f"{key} is not in the inbox any more") from error
            raise _unavailable(key, error) from error
        except BotoCoreError as error:
            raise _unavailable(key, error) from error
        return Dropped(
            key=key,
            file=cast(Any, file),
            digest=digest.hexdigest(),
            arrived_at=answer["LastModified"].astimezone(UTC),
            size=answer["ContentLength"],
            tag=answer["ETag"],
            again=answer["Metadata"].get(AGAIN, ""),
        )

    def put(self, key: str, body: bytes) -> None:
        """As FileStore.put."""
        self._call(key, self._client.put_object, Key=key, Body=body)

    def join(self, parts: Sequence[str], key: str, head: bytes) -> None:
        """As FileStore.join, with no more than PART_BYTES and a part in memory."""
        buffer, upload, tags = bytearray(head), "", list[dict[str, Any]]()

        def flush() -> None:
            number = len(tags) + 1
            done = self._call(
                key, self._client.upload_part, Key=key, UploadId=upload, PartNumber=number, Body=bytes(buffer)
            )
            tags.append({"ETag": done["ETag"], "PartNumber": number})
            buffer.clear()

        for part in parts:
            buffer += self._call(part, self._client.get_object, Key=part)["Body"].read()
            if len(buffer) >= PART_BYTES:
                upload = upload or self._call(key, self._client.create_multipart_upload, Key=key)["UploadId"]
                flush()
        if not upload:
            self.put(key, bytes(buffer))
            return
        if buffer:
            flush()
        self._call(
            key, self._client.complete_multipart_upload, Key=key, UploadId=upload, MultipartUpload={"Parts": tags}
        )

    def move(self, dropped: Dropped, to: str) -> None:
        """As FileStore.move. A file that was replaced is kept from the copy on disk."""
        source = {"Bucket": self._bucket, "Key": dropped.key}
        try:
            self._client.copy_object(
                Bucket=self._bucket, Key=to, CopySource=cast(Any, source), CopySourceIfMatch=dropped.tag
            )
            self._client.delete_object(Bucket=self._bucket, Key=dropped.key, IfMatch=dropped.tag)
        except ClientError as error:
            if reason(error) in REPLACED and dropped.size <= MOST_FILE_BYTES:
                dropped.file.seek(0)
                self._call(to, self._client.put_object, Key=to, Body=dropped.file)
            elif reason(error) not in GONE | REPLACED:
                raise _unavailable(dropped.key, error) from error
        except BotoCoreError as error:
            raise _unavailable(dropped.key, error) from error

    def _exists(self, key: str) -> bool:
        """S3 says that a file is gone only to those who may list it."""
        found = self._call(key, self._client.list_objects_v2, Prefix=key, MaxKeys=1)
        return any(each["Key"] == key for each in found.get("Contents", []))

    def _call(self, key: str, operation: Any, **request: Any) -> Any:
        try:
            return operation(Bucket=self._bucket, **request)
        except (BotoCoreError, ClientError) as error:
            raise _unavailable(key, error) from error


def _unavailable(key: str, error: Exception) -> FilesUnavailable:
    return FilesUnavailable(f"S3 failed with {key}: {reason(error)}")


class DynamoFiles:
    """One item per content of a file, written only by who holds its lease; beside the ledger's items."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def take(self, integration: str, dropped: Dropped, owner: str, now: datetime) -> "HeldItem":
        """As FileRecord.take."""
        key = {"entity": {"S": f"file/{integration}/{dropped.identity}"}, "record": {"S": RECORD}}
        seconds = int(now.timestamp())
        try:
            item = self._client.update_item(
                TableName=self._table,
                Key=cast(Any, key),
                UpdateExpression="SET lease_owner = :owner, lease_until = :until, lease_key = :key",
                ConditionExpression="attribute_not_exists(lease_until) OR lease_until < :now OR lease_owner = :owner",
                ExpressionAttributeValues={
                    ":owner": {"S": owner},
                    ":until": {"N": str(seconds + LEASE_SECONDS)},
                    ":now": {"N": str(seconds)},
                    ":key": {"S": dropped.key},
                },
                ReturnValues="ALL_NEW",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )["Attributes"]
        except ClientError as error:
            if reason(error) == "ConditionalCheckFailedException":
                raise FileHeld(cast(Any, error.response)["Item"]["lease_key"]["S"]) from error
            raise _unkept(error) from error
        except BotoCoreError as error:
            raise _unkept(error) from error
        return HeldItem(self._client, self._table, key, owner, _progress(item, dropped, now))


class HeldItem:
    """A file's progress under this owner's lease."""

    def __init__(
        self, client: "DynamoDBClient", table: str, key: dict[str, Any], owner: str, progress: Progress
    ) -> None:
        self._client, self._table, self._key, self._owner = client, table, key, owner
        self.progress = progress

    def keep(self, progress: Progress) -> None:
        """As HeldFile.keep; raises LedgerUnavailable, also where the lease has passed to another."""
        values = {
            name: value.isoformat() if isinstance(value, datetime) else value
            for name, value in asdict(progress).items()
        }
        self._update(
            UpdateExpression="SET #progress = :progress",
            ExpressionAttributeNames={"#progress": "progress"},
            ExpressionAttributeValues={
                ":progress": {"M": {name: _attribute(value) for name, value in values.items()}},
                ":owner": {"S": self._owner},
            },
        )
        self.progress = progress

    def leave(self) -> None:
        """As HeldFile.leave. A lease that cannot be ended ends by itself."""
        try:
            self._update(
                UpdateExpression="REMOVE lease_owner, lease_until, lease_key",
                ExpressionAttributeValues={":owner": {"S": self._owner}},
            )
        except LedgerUnavailable:
            return

    def _update(self, **request: Any) -> None:
        try:
            self._client.update_item(
                TableName=self._table, Key=self._key, ConditionExpression="lease_owner = :owner", **request
            )
        except (BotoCoreError, ClientError) as error:
            raise _unkept(error) from error


def _unkept(error: Exception) -> LedgerUnavailable:
    return LedgerUnavailable(f"the file's progress could not be read or written: {reason(error)}")


def _attribute(value: str | bool | float) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"BOOL": value}
    return {"S": value} if isinstance(value, str) else {"N": str(value)}


def _progress(item: dict[str, Any], dropped: Dropped, now: datetime) -> Progress:
    if "progress" not in item:
        return Progress(dropped.key, dropped.arrived_at, now)
    kept = {name: next(iter(value.values())) for name, value in item["progress"]["M"].items()}
    return Progress(
        key=kept["key"],
        arrived_at=datetime.fromisoformat(kept["arrived_at"]),
        began_at=datetime.fromisoformat(kept["began_at"]),
        row=int(kept["row"]),
        good=int(kept["good"]),
        bad=int(kept["bad"]),
        parts=int(kept["parts"]),
        seconds=float(kept["seconds"]),
        ended=bool(kept["ended"]),
    )
