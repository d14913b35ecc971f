"""Standard Webhooks and Svix: `v1` (HMAC-SHA256) or `v1a` (Ed25519) over `id.timestamp.body`, several with spaces between.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
A secret is `whsec_` and the key in base64, or `whpk_` and the sender's public key: each serves its own version alone, so
that a public key never becomes an HMAC's. Svix's own header names count where none of the standard's came.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Sequence

from hub.deliveries import Delivery, Expected
from hub.errors import BadSignature, MalformedHeader, NoSecret
from hub.schemes import NO_MATCH, unix_time
from hub.webhook_spec import Signature

NAMES = ("webhook", "svix")
PUBLIC, PRIVATE = "whpk_", "whsk_"
ED25519_KEY_BYTES, ED25519_SIGNATURE_BYTES, HMAC_BYTES = 32, 64, 32
VERSION = re.compile(r"v1a?")


def verify(delivery: Delivery, signature: Signature, expected: Expected) -> int:
    """Check every signature of a known version under every live key of that version, then the time."""
    present = [name for name in NAMES if any(header.startswith(f"{name}-") for header in delivery.headers)]
    name = present[0] if present else NAMES[0]
    message_id = delivery.header(f"{name}-id")
    timestamp = delivery.header(f"{name}-timestamp")
    given = _given(delivery.header(f"{name}-signature"))
    signed_at = unix_time(timestamp, f"{name}-timestamp")
    if not given:
        raise MalformedHeader(f"{name}-signature holds no v1 or v1a signature")
    message = b".".join((message_id.encode("utf-8", "surrogatepass"), timestamp.encode(), delivery.body))
    place = _matching(expected.secrets, message, given)
    expected.check_age(signed_at, future_too=signature.future_too)
    return place


def _given(header: str) -> list[tuple[str, bytes]]:
    """The signatures of known versions; what else stands in the header is another version's. A second comma in one is a
    second header, joined to the first."""
    found = []
    for each in header.split(" "):
        if each.count(",") > 1:
            raise MalformedHeader("the signature header came twice, or holds what is no signature")
        version, _, text = each.partition(",")
        raw = _from_base64(text)
        size = HMAC_BYTES if version == "v1" else ED25519_SIGNATURE_BYTES
        if VERSION.fullmatch(version) and len(raw) == size and base64.b64encode(raw).decode("ascii") == text:
            found.append((version, raw))
    return found


def _matching(secrets: Sequence[str], message: bytes, given: Sequence[tuple[str, bytes]]) -> int:
    found, usable = -1, False
    for place, secret in enumerate(secrets):
        key = _key(secret)
        usable = usable or bool(key)
        for version, raw in given:
            if secret.startswith(PUBLIC):
                good = version == "v1a" and _signed(key, message, raw)
            else:
                digest = hmac.new(key, message, hashlib.sha256).digest()
                good = hmac.compare_digest(digest, raw) and version == "v1"
            if good and key and found < 0:
                found = place
    if not usable:
        raise NoSecret("no usable secret is configured (whsec_… or whpk_…); store it with `hub secrets set`")
    if found < 0:
        raise BadSignature(NO_MATCH)
    return found


def _key(secret: str) -> bytes:
    """The bytes of a key, b"" for a text that is none: a sender's private key is nothing that a receiver should have."""
    if secret.startswith(PRIVATE):
        return b""
    text = secret.removeprefix("whsec_").removeprefix(PUBLIC)
    key = _from_base64(text + "=" * (-len(text) % 4))  # senders leave the padding out, too
    return b"" if secret.startswith(PUBLIC) and len(key) != ED25519_KEY_BYTES else key


def _from_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text.encode("ascii"), validate=True)
    except (ValueError, binascii.Error):
        return b""


def _signed(key: bytes, message: bytes, raw: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature  # not in the standard library, and seldom needed
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(key).verify(raw, message)
    except (InvalidSignature, ValueError):  # ValueError: bytes that are no public key
        return False
    return True
