"""Paddle Billing: `Paddle-Signature: ts=<seconds>;h1=<hex>`, one `h1` per live secret of the destination.

HMAC-SHA256 over `ts:body`, by the whole secret `pdl_ntfset_…`. While a secret is rotated several `h1` come, in any
order: each is tried with each secret (Paddle's library for node looks at the last one alone).
https://developer.paddle.com/webhooks/signature-verification; confirmed by paddle-python-sdk and its published vectors.
"""

import re

from hub.deliveries import Delivery, Expected
from hub.errors import MalformedHeader, RepeatedHeader
from hub.schemes import live_keys, matching, unix_time
from hub.webhook_spec import Signature

DIGEST = re.compile(r"[0-9a-f]{64}")


def verify(delivery: Delivery, signature: Signature, expected: Expected) -> int:
    """Check the signatures and the time; a part of another name is refused, as Paddle's Python library does."""
    timestamp, given = _parts(delivery.header(signature.header), signature.header)
    signed_at = unix_time(timestamp, signature.header)
    place = matching(live_keys(expected), "sha256", timestamp.encode("ascii") + b":" + delivery.body, given)
    expected.check_age(signed_at, future_too=signature.future_too)
    return place


def _parts(text: str, header: str) -> tuple[str, list[bytes]]:
    if "," in text:  # API Gateway joins a header that came twice
        raise RepeatedHeader(f"header {header} came more than once; Paddle sends it once")
    parts = [part.partition("=") for part in text.split(";")]
    times = [value for name, _, value in parts if name == "ts"]
    digests = [bytes.fromhex(value) for name, _, value in parts if name == "h1" and DIGEST.fullmatch(value)]
    if len(times) != 1 or not digests or any(name not in ("ts", "h1") for name, _, _ in parts):
        raise MalformedHeader(f"{header} is not ts=<seconds>;h1=<64 hex digits>")
    return times[0], digests
