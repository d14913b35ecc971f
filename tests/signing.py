"""The commonest signature, written down once more for tests that are about something else."""

import base64
import hashlib
import hmac


def base64_hmac(body: bytes, secret: str) -> str:
    """Base64 of HMAC-SHA256(secret, body)."""
    return base64.standard_b64encode(hmac.digest(secret.encode("utf-8"), body, hashlib.sha256)).decode("ascii")
