"""HMAC over the raw body, and over what the manifest puts around it, in one header: most providers.

The manifest states header, prefix, encoding, algorithm, what is signed and how the secret becomes the key; nothing of
it is read from the delivery.
"""

import re

from hub.deliveries import Delivery, Expected
from hub.errors import MalformedHeader
from hub.schemes import decoded, live_keys, matching, unix_time
from hub.webhook_spec import Signature

PARTS = re.compile(r"\{(body|timestamp|url|registered_url|method|id)\}")


def verify(delivery: Delivery, signature: Signature, expected: Expected) -> int:
    """Check the signature and, where one is signed, the time."""
    text = delivery.header(signature.header)
    if not text.startswith(signature.prefix):
        raise MalformedHeader(f"{signature.header} does not begin with {signature.prefix!r}")
    given = decoded(text[len(signature.prefix) :], signature.encoding, signature.header, signature.algorithm)
    keys = live_keys(expected, signature.key)
    timestamp = delivery.header(signature.timestamp_header) if signature.timestamp_header else ""
    signed_at = unix_time(timestamp, signature.timestamp_header) if timestamp else 0.0
    place = matching(keys, signature.algorithm, _message(delivery, signature, expected, timestamp), [given])
    if timestamp:  # a stale one is only worth mentioning once it is known to be the provider's
        unit = 1000.0 if signature.timestamp_unit == "milliseconds" else 1.0
        expected.check_age(signed_at / unit, future_too=signature.future_too)
    return place


def _message(delivery: Delivery, signature: Signature, expected: Expected, timestamp: str) -> bytes:
    parts = {
        "body": lambda: delivery.body,
        "timestamp": lambda: timestamp.encode(),
        "url": lambda: expected.signed_url(delivery).encode("utf-8", "surrogatepass"),
        "registered_url": lambda: expected.registered_url().encode(),
        "method": lambda: delivery.method.encode(),
        "id": lambda: delivery.header(signature.id_header).encode("utf-8", "surrogatepass"),
    }
    pieces = PARTS.split(signature.signed)  # literals at even places, names of parts at odd ones
    return b"".join(parts[piece]() if place % 2 else piece.encode() for place, piece in enumerate(pieces))
