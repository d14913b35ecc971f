"""HubSpot: version 3, base64 of HMAC-SHA256 over method, URL, body and milliseconds; versions 1 and 2 if allowed.

HubSpot's documentation has a few escapes of the URL decoded before it is signed, its libraries decode none: both forms
are tried. Versions 1 and 2 are plain SHA-256 over secret and request, know no time, and still come beside version 3:
they count only where the integration states `allow_legacy`, and never where a version 3 came.
https://developers.hubspot.com/docs/api/webhooks/validating-requests; confirmed by hubspot-api-client for Python and
node and by their published vectors.
"""

import hashlib
import hmac
import re
from urllib.parse import unquote

from hub.deliveries import Delivery, Expected
from hub.errors import BadSignature, MalformedHeader
from hub.schemes import NO_MATCH, decoded, live_keys, matching, unix_time
from hub.webhook_spec import Signature

DECODED = re.compile(r"%(?:3A|2F|3F|40|21|24|27|28|29|2A|2C|3B)", re.IGNORECASE)
LEGACY = "X-HubSpot-Signature"
VERSION = "X-HubSpot-Signature-Version"


def verify(delivery: Delivery, signature: Signature, expected: Expected) -> int:
    """Check version 3 and its time; an older one only where none of version 3 came and the integration allows it."""
    if not delivery.headers.get(signature.header.lower()) and _legacy_allowed(expected):
        return _legacy(delivery, expected)
    given = decoded(delivery.header(signature.header), "base64", signature.header)
    timestamp = delivery.header(signature.timestamp_header)
    signed_at = unix_time(timestamp, signature.timestamp_header)
    keys, url = live_keys(expected), expected.signed_url(delivery)
    place = _either(keys, [_signed(delivery, each) + timestamp.encode("ascii") for each in _forms(url)], given)
    expected.check_age(signed_at / 1000, future_too=signature.future_too)
    return place


def _forms(url: str) -> list[str]:
    return list(dict.fromkeys([DECODED.sub(lambda escape: unquote(escape[0]), url), url]))


def _signed(delivery: Delivery, url: str) -> bytes:
    return (delivery.method + url).encode("utf-8", "surrogatepass") + delivery.body


def _either(keys: list[bytes], messages: list[bytes], given: bytes) -> int:
    for message in messages[:-1]:
        try:
            return matching(keys, "sha256", message, [given])
        except BadSignature:
            continue
    return matching(keys, "sha256", messages[-1], [given])


def _legacy_allowed(expected: Expected) -> bool:
    return str(expected.states.get("allow_legacy", "")).lower() in {"true", "yes"}


def _legacy(delivery: Delivery, expected: Expected) -> int:
    given = decoded(delivery.header(LEGACY), "hex", LEGACY)
    version = delivery.header(VERSION) if delivery.headers.get(VERSION.lower()) else "v1"
    if version not in {"v1", "v2"}:
        raise MalformedHeader(f"{VERSION} is neither v1 nor v2")
    keys = live_keys(expected)
    messages = [delivery.body]
    if version == "v2":
        messages = [_signed(delivery, url) for url in _forms(expected.signed_url(delivery))]
    found = -1
    for place, key in enumerate(keys):
        for message in messages:
            if hmac.compare_digest(hashlib.sha256(key + message).digest(), given) and key and found < 0:
                found = place
    if found < 0:
        raise BadSignature(NO_MATCH)
    return found
