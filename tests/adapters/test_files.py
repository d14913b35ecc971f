"""Files in S3 and their progress in DynamoDB, as the imitated services keep them."""

import hashlib
import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError

from adapters.files import LEASE_SECONDS, PART_BYTES, DynamoFiles, FilesUnavailable, S3Files
from adapters.inbox import SqsInbox, keys_of
from hub.errors import LedgerUnavailable
from hub.files import MOST_FILE_BYTES, FileGone, FileHeld, Progress
from tests.fakes import NOW

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

KEY = "inbox/shop-eu/price list + more ü.csv"
TO = "processed/shop-eu/x/prices.csv"


@pytest.fixture
def s3(imitated_aws: None) -> "S3Client":
    return boto3.client("s3")


@pytest.fixture
def files(s3: "S3Client", name: str) -> S3Files:
    s3.create_bucket(Bucket=name)
    return S3Files(s3, name)


def content(s3: "S3Client", bucket: str, key: str) -> bytes:
    return s3.get_object(Bucket=bucket, Key=key)["Body"].read()


def keys(s3: "S3Client", bucket: str) -> list[str]:
    return [each["Key"] for each in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]


def test_a_file_is_fetched_with_its_hash_and_moment(files: S3Files, s3: "S3Client", name: str) -> None:
    s3.put_object(Bucket=name, Key=KEY, Body=b"a,b\n" * 500_000, Metadata={"hub-again": "yes"})

    dropped = files.fetch(KEY)

    assert dropped.digest == hashlib.sha256(b"a,b\n" * 500_000).hexdigest()
    assert dropped.file.read(8) == b"a,b\na,b\n"
    assert (dropped.size, dropped.again, dropped.name) == (2_000_000, "yes", "price list + more ü.csv")
    assert dropped.identity != dropped.digest
    assert dropped.arrived_at.utcoffset() == timedelta(0)


def test_a_file_that_is_gone_is_told_from_one_that_cannot_be_read(files: S3Files, s3: "S3Client") -> None:
    with pytest.raises(FileGone):
        files.fetch(KEY)
    with pytest.raises(FilesUnavailable):
        S3Files(s3, "no-such-bucket").fetch(KEY)


@pytest.mark.parametrize(("is_there", "error"), [(True, FilesUnavailable), (False, FileGone)])
def test_where_s3_only_says_forbidden_the_listing_tells_whether_the_file_is_gone(
    files: S3Files, s3: "S3Client", name: str, is_there: bool, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    if is_there:
        s3.put_object(Bucket=name, Key=KEY, Body=b"x")

    def forbidden(**_: Any) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied"}}, "GetObject")

    monkeypatch.setattr(s3, "get_object", forbidden)
    with pytest.raises(error):
        files.fetch(KEY)


def test_a_file_that_is_too_large_is_not_read(
    files: S3Files, s3: "S3Client", name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3.put_object(Bucket=name, Key=KEY, Body=b"x" * 100)
    monkeypatch.setattr("adapters.files.MOST_FILE_BYTES", 99)

    dropped = files.fetch(KEY)

    assert (dropped.size, dropped.file.read()) == (100, b"")
    assert MOST_FILE_BYTES > 100


def test_a_moved_file_lies_in_one_place(files: S3Files, s3: "S3Client", name: str) -> None:
    s3.put_object(Bucket=name, Key=KEY, Body=b"rows")
    dropped = files.fetch(KEY)

    files.move(dropped, TO)
    files.move(dropped, TO)  # by a function that takes over

    assert keys(s3, name) == [TO]
    assert content(s3, name, TO) == b"rows"


def test_a_file_that_was_put_in_its_place_meanwhile_stays(files: S3Files, s3: "S3Client", name: str) -> None:
    s3.put_object(Bucket=name, Key=KEY, Body=b"old")
    dropped = files.fetch(KEY)
    s3.put_object(Bucket=name, Key=KEY, Body=b"new")

    files.move(dropped, TO)

    assert content(s3, name, KEY) == b"new"
    assert content(s3, name, TO) == b"old"


@pytest.mark.parametrize("sizes", [[], [10, 20], [PART_BYTES], [PART_BYTES // 2 + 1] * 5, [PART_BYTES + 7, 3]])
def test_parts_are_joined_whatever_their_sizes(files: S3Files, s3: "S3Client", name: str, sizes: list[int]) -> None:
    parts = {f"parts/{number}": bytes([65 + number]) * size for number, size in enumerate(sizes)}
    for part, body in parts.items():
        files.put(part, body)

    files.join(list(parts), "rejected/all.csv", b"head\n")

    assert content(s3, name, "rejected/all.csv") == b"head\n" + b"".join(parts.values())


@pytest.fixture
def record(dynamodb: "DynamoDBClient", table: str) -> DynamoFiles:
    return DynamoFiles(dynamodb, table)


def test_progress_is_kept_by_content_and_by_one_function_at_a_time(
    files: S3Files, s3: "S3Client", name: str, record: DynamoFiles
) -> None:
    s3.put_object(Bucket=name, Key=KEY, Body=b"rows")
    dropped = files.fetch(KEY)
    held = record.take("shop-eu", dropped, "request-1", NOW)
    progress = Progress(KEY, dropped.arrived_at, NOW, row=7, good=5, bad=1, parts=1, seconds=1.5, ended=True)
    held.keep(progress)

    with pytest.raises(FileHeld) as other:
        record.take("shop-eu", dropped, "request-2", NOW)
    assert KEY in str(other.value)
    assert record.take("shop-eu", replace(dropped, again="now"), "request-2", NOW).progress.row == 0
    assert record.take("shop-us", dropped, "request-2", NOW).progress.row == 0

    held.leave()
    assert record.take("shop-eu", dropped, "request-2", NOW).progress == progress
    with pytest.raises(LedgerUnavailable):
        held.keep(progress)


def test_a_dead_functions_lease_runs_out(files: S3Files, s3: "S3Client", name: str, record: DynamoFiles) -> None:
    s3.put_object(Bucket=name, Key=KEY, Body=b"rows")
    dropped = files.fetch(KEY)
    dead = record.take("shop-eu", dropped, "request-1", NOW)
    later = NOW + timedelta(seconds=LEASE_SECONDS + 1)

    record.take("shop-eu", dropped, "request-2", later)

    dead.leave()  # it has nothing to leave any more
    with pytest.raises(FileHeld):
        record.take("shop-eu", dropped, "request-3", later)


def test_the_rest_of_a_file_is_left_by_a_note(sqs: "SQSClient", name: str) -> None:
    url = sqs.create_queue(QueueName=name)["QueueUrl"]

    SqsInbox(sqs, url).go_on(KEY)

    message = sqs.receive_message(QueueUrl=url)["Messages"][0]
    assert keys_of(message["Body"]) == [KEY]
    SqsInbox(sqs, url).hide(message["ReceiptHandle"], 0)
    assert sqs.receive_message(QueueUrl=url)["Messages"]


def test_s3_tells_of_files_with_their_names_encoded() -> None:
    names = ["inbox/shop-eu/price+list+%2B+more+%C3%BC.csv", "inbox/shop-eu/folder/"]
    body = json.dumps({"Records": [{"s3": {"object": {"key": each}}} for each in names]})

    assert keys_of(body) == ["inbox/shop-eu/price list + more ü.csv"]
    assert keys_of(json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent"})) == []


@pytest.mark.parametrize("body", ["", "no json", "[]", "{}", '{"Records": [{}]}', '{"Records": 1}'])
def test_a_message_of_something_else_is_told(body: str) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        keys_of(body)
