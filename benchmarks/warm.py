"""What a warm webhook costs in processor time, against the least that its work can cost, written by hand.

The least: verify the signature, and send the body by a signed SendMessage over a kept connection; nothing is parsed,
named, made smaller, told or tried again. It is written twice: with the standard library's http.client, as one would
write it, and with a bare socket whose answers nobody reads beyond their status. All send to a server in a process of its own, take turns, and only this process'
time counts. Usage:

    python -m benchmarks.warm
"""

import base64
import hashlib
import hmac
import json
import multiprocessing
import os
import socket
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from http.client import HTTPConnection
from typing import Any

from hub.settings import WebhookSettings
from infra.bundle import ROOT

BODY_BYTES = 10_240
SECRET = "live"  # noqa: S105 - made up
TURNS = 31
CALLS = 40  # per turn
KEYS = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "t" * 700}
REGION = "us-east-1"
ANSWERS = {
    b"GetSecretValue": json.dumps({"SecretString": json.dumps({"webhook": SECRET})}).encode(),
    b"SendMessage": json.dumps({"Successful": [{"Id": "0", "MessageId": "m", "MD5OfMessageBody": "0" * 32}]}).encode(),
}


def body() -> bytes:
    """An order of Shopify's with as many lines as make 10 KB."""
    example = json.loads((ROOT / "functions/connectors/shopify/examples/orders_create.json").read_text("utf-8"))
    order = example["payload"]
    lines = order["line_items"]
    while len(json.dumps(order)) < BODY_BYTES:
        lines.append({**lines[0], "id": lines[0]["id"] + len(lines), "sku": f"SKU-{len(lines) * 7919}"})
    return json.dumps(order).encode()


def request(payload: bytes) -> dict[str, Any]:
    """What API Gateway hands to the function."""
    signature = base64.b64encode(hmac.digest(SECRET.encode(), payload, "sha256")).decode()
    headers = {
        "content-type": "application/json",
        "host": "hooks.example.com",
        "user-agent": "Shopify-Captain-Hook",
        "x-forwarded-for": "203.0.113.7",
        "x-shopify-api-version": "2026-01",
        "x-shopify-hmac-sha256": signature,
        "x-shopify-shop-domain": "shop-eu.myshopify.com",
        "x-shopify-topic": "orders/create",
        "x-shopify-webhook-id": "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043",
    }
    http = {"method": "POST", "path": "/webhooks/shop-eu", "sourceIp": "203.0.113.7"}
    text = payload.decode()
    context = {"http": http}
    return {"version": "2.0", "rawQueryString": "", "headers": headers, "requestContext": context, "body": text}


def hub(port: int) -> Callable[[dict[str, Any]], Any]:
    """The function as it is deployed."""
    from adapters.webhook_wiring import webhook_hub
    from webhooks.handler import serve

    settings = WebhookSettings(
        "test", "shop-eu", "shopify", "hub/test/shop-eu", ["https://sqs/1/q.fifo"], "bodies", "ledger"
    )
    region = {"AWS_DEFAULT_REGION": REGION, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}
    made = webhook_hub({**settings.to_env(), **KEYS, **region})

    def call(event: dict[str, Any]) -> None:
        answer = serve(event, None, made)
        assert answer["statusCode"] == 200, answer

    return call


def by_socket(port: int) -> Callable[[dict[str, Any]], Any]:
    """The least that can be done."""
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(lines: str, sent: bytes) -> None:
        head = f"POST / HTTP/1.1\n{lines}content-length:{len(sent)}\n\n".replace("\n", "\r\n")
        connection.sendall(head.encode() + sent)
        assert connection.recv(65_536).startswith(b"HTTP/1.1 200 ")

    return _by_hand(port, send)


def by_http_client(port: int) -> Callable[[dict[str, Any]], Any]:
    """The same with the standard library's client of HTTP."""
    connection = HTTPConnection("127.0.0.1", port)

    def send(lines: str, sent: bytes) -> None:
        headers = dict(line.split(":", 1) for line in lines.splitlines())
        connection.request("POST", "/", sent, headers)
        answer = connection.getresponse()
        assert answer.status == 200
        answer.read()

    return _by_hand(port, send)


def _by_hand(port: int, send: Callable[[str, bytes], None]) -> Callable[[dict[str, Any]], Any]:
    key = f"AWS4{KEYS['AWS_SECRET_ACCESS_KEY']}".encode()
    scope = f"{time.strftime('%Y%m%d', time.gmtime())}/{REGION}/sqs/aws4_request"
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    names = "content-type;host;x-amz-date;x-amz-security-token;x-amz-target"
    token = KEYS["AWS_SESSION_TOKEN"]

    def call(event: dict[str, Any]) -> None:
        text = event["body"]
        wanted = hmac.digest(SECRET.encode(), text.encode(), "sha256")
        given = base64.b64decode(event["headers"]["x-shopify-hmac-sha256"])
        assert hmac.compare_digest(wanted, given)
        sent = json.dumps({"QueueUrl": "https://sqs/1/q.fifo", "MessageBody": text, "MessageGroupId": "g"}).encode()
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        lines = (
            f"content-type:application/x-amz-json-1.0\nhost:127.0.0.1:{port}\nx-amz-date:{stamp}\n"
            f"x-amz-security-token:{token}\nx-amz-target:AmazonSQS.SendMessage\n"
        )
        canonical = f"POST\n/\n\n{lines}\n{names}\n{hashlib.sha256(sent).hexdigest()}"
        to_sign = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
        proof = f"AWS4-HMAC-SHA256 Credential=AKID/{scope}, SignedHeaders={names}, Signature={signature}"
        send(f"{lines}authorization:{proof}\n", sent)

    return call


def _serve(ready: Any) -> None:
    """Answer whatever comes, each connection by a thread."""
    import threading

    def converse(connection: socket.socket) -> None:
        buffered = b""
        while part := connection.recv(1_000_000):
            buffered += part
            head, gap, rest = buffered.partition(b"\r\n\r\n")
            stated = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
            if not gap or len(rest) < int(stated):
                continue
            buffered = b""
            told = next(told for name, told in ANSWERS.items() if name in head)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(told), told))

    with socket.create_server(("127.0.0.1", 0)) as listening:
        ready.put(listening.getsockname()[1])
        while True:
            threading.Thread(target=converse, args=(listening.accept()[0],), daemon=True).start()


@contextmanager
def server() -> Iterator[int]:
    """Within: the port of a server that takes all events, in a process of its own."""
    context = multiprocessing.get_context("spawn")
    ready: Any = context.Queue()
    process = context.Process(target=_serve, args=(ready,), daemon=True)
    process.start()
    try:
        yield ready.get(timeout=30)
    finally:
        process.terminate()
        process.join()


def measure() -> dict[str, float]:
    """Microseconds of processor time per event, of each way."""
    event = request(body())
    taken: dict[str, list[float]] = {}
    with server() as port, open(os.devnull, "w", encoding="utf-8") as nowhere, redirect_stdout(nowhere):  # the log
        ways = {"hub": hub(port), "by http.client": by_http_client(port), "by socket": by_socket(port)}
        for turn in range(TURNS):
            for name, call in ways.items():
                began = time.process_time()
                for _ in range(CALLS):
                    call(event)
                if turn:  # the first warms up
                    taken.setdefault(name, []).append((time.process_time() - began) / CALLS * 1e6)
    return {name: statistics.median(each) for name, each in taken.items()}


def main() -> int:
    """Print each, and how many times of it the hub takes."""
    taken = measure()
    for name, each in taken.items():
        print(f"{name:<16} {each:6.0f} µs of processor time per event   hub: {taken['hub'] / each:5.2f} times as much")
    return 0


if __name__ == "__main__":
    sys.exit(main())
