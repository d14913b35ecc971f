"""AWS as moto imitates it, behind a server that counts what comes over the wire: calls, and what DynamoDB would bill.

DynamoDB's units: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html
Sizes of items: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
"""

import base64
import json
import threading
from collections import Counter
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from math import ceil
from types import TracebackType
from typing import Any, Self

from botocore.awsrequest import AWSRequest
from moto import mock_aws
from moto.core.models import botocore_stubber

from hub.ledger import LABEL

HOSTS = {"DynamoDB_20120810": "dynamodb", "AmazonSQS": "sqs", "secretsmanager": "secretsmanager", "": "s3"}
FUNCTIONS = "functions"
LAMBDA_SERVICE = "lambda-service"  # in the User-Agent of the calls that AWS's own pollers would make
CHUNK_BYTES = 65_536
WRITE_UNIT_BYTES, READ_UNIT_BYTES = 1_024, 4_096
Item = Mapping[str, Mapping[str, Any]]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # connections are kept, as AWS keeps them
    disable_nagle_algorithm = True
    server: "_Server"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status, headers, content = self.server.aws.answer(self.command, self.path, dict(self.headers), body)
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in ("content-length", "connection", "transfer-encoding"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_PUT = do_POST  # noqa: N815 - names that the base class gives

    def log_message(self, *arguments: Any) -> None:
        """Nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    aws: "CountingAws"


class CountingAws:
    """An imitated AWS at `url`. `calls` counts (who, service.action); the units are of DynamoDB's tables and indexes."""

    def __init__(self) -> None:
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.aws = self
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._imitation = mock_aws()
        self._lock = threading.Lock()
        self._sizes: dict[tuple[str, str], int] = {}
        self._labels: dict[tuple[str, str], str] = {}
        self.forget()

    def forget(self) -> None:
        """Count from nothing; what is stored stays."""
        self.calls: Counter[tuple[str, str]] = Counter()
        self.chunks: Counter[tuple[str, str]] = Counter()  # of 64 KB, by which SQS bills
        self.write_units = self.index_units = self.stored_bytes = 0
        self.read_units = 0.0

    def __enter__(self) -> Self:
        self._imitation.start()
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._imitation.stop()

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Count a request, and answer it."""
        lower = {name.lower(): value for name, value in headers.items()}
        who = LAMBDA_SERVICE if LAMBDA_SERVICE in lower.get("user-agent", "") else FUNCTIONS
        service, _, operation = lower.get("x-amz-target", "").partition(".")
        host = HOSTS[service]
        with self._lock:
            call = who, f"{host}.{operation or method}"
            self.calls[call] += 1
            if host == "dynamodb" and who == FUNCTIONS:
                self._count(operation, json.loads(body))
            url = f"https://{host}.us-east-1.amazonaws.com{path}"
            prepared = AWSRequest(method, url, headers={**headers, "Host": url.split("/")[2]}, data=body).prepare()
            answer = botocore_stubber(f"before-send.{host}.{operation}", prepared)
            assert answer, "moto imitates no such service"
            self.chunks[call] += ceil(max(len(body), len(answer.content)) / CHUNK_BYTES)
            return answer.status_code, dict(answer.headers), answer.content

    def _count(self, operation: str, asked: dict[str, Any]) -> None:
        if operation == "BatchWriteItem":
            for requests in asked["RequestItems"].values():
                for request in requests:
                    if "PutRequest" in request:
                        self._put(request["PutRequest"]["Item"])
                    else:
                        self._delete(request["DeleteRequest"]["Key"])
        elif operation == "PutItem":
            self._put(asked["Item"])
        elif operation == "BatchGetItem":
            for table in asked["RequestItems"].values():
                units = sum(ceil(max(self._sizes.get(_key(key), 0), 1) / READ_UNIT_BYTES) for key in table["Keys"])
                self.read_units += units if table.get("ConsistentRead") else units / 2
        elif operation == "GetItem":
            self.read_units += ceil(max(self._sizes.get(_key(asked["Key"]), 0), 1) / READ_UNIT_BYTES)
        elif operation == "Query":
            (value,) = asked["ExpressionAttributeValues"].values()
            size = sum(size for (entity, _), size in self._sizes.items() if entity == value["S"])
            self.read_units += max(ceil(size / READ_UNIT_BYTES), 1)
        else:
            raise NotImplementedError(f"{operation}: say what DynamoDB bills for it")

    def _put(self, item: Item) -> None:
        key, size = _key(item), item_bytes(item)
        self.write_units += ceil(max(size, self._sizes.get(key, 0)) / WRITE_UNIT_BYTES)
        label, before = item.get(LABEL, {}).get("S", ""), self._labels.get(key, "")
        self.index_units += (label != before) * ((label != "") + (before != ""))  # the old one goes, the new one comes
        self.stored_bytes += size - self._sizes.get(key, 0)
        self._sizes[key], self._labels[key] = size, label

    def _delete(self, key: Item) -> None:
        size = self._sizes.pop(_key(key), 0)
        self.write_units += max(ceil(size / WRITE_UNIT_BYTES), 1)
        self.index_units += self._labels.pop(_key(key), "") != ""
        self.stored_bytes -= size


def item_bytes(item: Item) -> int:
    """The size of an item as DynamoDB reckons it."""
    return sum(len(name.encode()) + _value_bytes(value) for name, value in item.items())


def _value_bytes(value: Mapping[str, Any]) -> int:
    ((kind, content),) = value.items()
    if kind == "S":
        return len(content.encode())
    if kind == "N":
        return ceil(len(str(content).lstrip("-").replace(".", "").strip("0")) / 2) + 1 + str(content).startswith("-")
    if kind == "B":
        return len(base64.b64decode(content))
    if kind == "M":
        return 3 + sum(1 + len(name.encode()) + _value_bytes(each) for name, each in content.items())
    if kind == "L":
        return 3 + sum(1 + _value_bytes(each) for each in content)
    if kind in ("BOOL", "NULL"):
        return 1
    raise NotImplementedError(kind)


def _key(item: Item) -> tuple[str, str]:
    return str(item["entity"]["S"]), str(item.get("record", {}).get("S", ""))
