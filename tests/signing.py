"""Signs as each scheme's providers do, written from their documentation and not from hub.schemes."""

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping


def sign_hmac_sha256_base64(body: bytes, secret: str) -> str:
    """Base64 of HMAC-SHA256(secret, body)."""
    return base64.standard_b64encode(hmac.digest(secret.encode("utf-8"), body, hashlib.sha256)).decode("ascii")


SIGNERS: Mapping[str, Callable[[bytes, str], str]] = {"hmac-sha256-base64": sign_hmac_sha256_base64}
