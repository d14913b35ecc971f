"""Moto's imitated AWS behind a socket: for clients that moto cannot reach into, as it does into botocore's."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
from botocore.exceptions import ClientError

SERVICES = {"AmazonSQS": "sqs", "secretsmanager": "secretsmanager", "DynamoDB_20120810": "dynamodb"}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        target, _, operation = self.headers["x-amz-target"].partition(".")
        client = boto3.client(SERVICES[target])  # type: ignore[call-overload]  # a name that is only known now
        method = re.sub(r"(?<!^)(?=[A-Z])", "_", operation).lower()
        try:
            told = getattr(client, method)(**json.loads(self._body()))
        except ClientError as error:
            code = error.response["Error"]["Code"]
            return self._tell(error.response["ResponseMetadata"]["HTTPStatusCode"], {"__type": f"aws#{code}"})
        return self._tell(200, {name: value for name, value in told.items() if name != "ResponseMetadata"})

    def do_PUT(self) -> None:
        _, bucket, key = self.path.split("/", 2)
        boto3.client("s3").put_object(Bucket=bucket, Key=key, Body=self._body())
        self._tell(200, None)

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers["content-length"]))

    def _tell(self, status: int, told: Any) -> None:
        body = b"" if told is None else json.dumps(told, default=str).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def moto_endpoint() -> Iterator[str]:
    """Within: the URL at which the AWS that this process imitates can be called; what it is asked is not verified."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
