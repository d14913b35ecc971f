"""Moto's imitated AWS behind a socket: for clients that moto cannot reach into, as it does into botocore's."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from botocore.awsrequest import AWSRequest
from moto.core.models import botocore_stubber

HOSTS = {"AmazonSQS": "sqs", "secretsmanager": "secretsmanager", "DynamoDB_20120810": "dynamodb"}
MOTO = threading.Lock()  # it keeps what it imitates in plain dictionaries


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        service, _, operation = self.headers.get("x-amz-target", "").partition(".")
        host = HOSTS.get(service, "s3")
        name = f"{host}.us-east-1.amazonaws.com"
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {**self.headers, "Host": name}
        request: Any = AWSRequest(self.command, f"https://{name}{self.path}", headers, body).prepare()
        with MOTO:
            answer = botocore_stubber(f"before-send.{host}.{operation}", request)
        assert answer, "moto imitates no such service"
        self.send_response(answer.status_code)
        for header in ("x-amzn-errortype", "x-amzn-query-error"):
            if header in answer.headers:
                self.send_header(header, answer.headers[header])
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    do_POST = do_PUT = _answer  # noqa: N815 - http.server's names

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def moto_endpoint() -> Iterator[str]:
    """Within: the URL at which the AWS that this process imitates can be called; signatures are not verified."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
