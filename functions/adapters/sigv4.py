"""AWS Signature Version 4 of one request.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import hashlib
import hmac
from collections.abc import Mapping

ALGORITHM = "AWS4-HMAC-SHA256"


class Credentials:
    """What requests are signed with; the secret parts never appear in its repr."""

    __slots__ = ("access_key", "secret_key", "token")

    def __init__(self, access_key: str, secret_key: str, token: str = "") -> None:
        self.access_key = access_key
        self.secret_key = secret_key
        self.token = token


class Signer:
    """Signs the requests to one service in one region. The day's key is kept: four of the six HMACs make it."""

    def __init__(self, service: str, region: str) -> None:
        self._scope = f"{region}/{service}/aws4_request"
        self._parts = (region.encode(), service.encode(), b"aws4_request")
        self._made_of = ("", "")
        self._key = b""

    def authorization(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        credentials: Credentials,
        amz_date: str,
    ) -> str:
        """The Authorization header. `path` is encoded already and bears no query; `headers` are those to sign, with
        lower-case names and single-spaced values: `host` and `x-amz-date` among them, and `x-amz-security-token` where
        the credentials have a token. `amz_date` is as in that header: 20261120T120000Z."""
        names = sorted(headers)
        signed = ";".join(names)
        lines = "\n".join([f"{name}:{headers[name]}" for name in names])
        canonical = f"{method}\n{path}\n\n{lines}\n\n{signed}\n{hashlib.sha256(body).hexdigest()}"
        day = amz_date[:8]
        scope = f"{day}/{self._scope}"
        text = f"{ALGORITHM}\n{amz_date}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        signature = hmac.digest(self._key_of(day, credentials.secret_key), text.encode(), "sha256").hex()
        return f"{ALGORITHM} Credential={credentials.access_key}/{scope}, SignedHeaders={signed}, Signature={signature}"

    def _key_of(self, day: str, secret_key: str) -> bytes:
        if self._made_of != (day, secret_key):
            key = hmac.digest(f"AWS4{secret_key}".encode(), day.encode(), "sha256")
            for part in self._parts:
                key = hmac.digest(key, part, "sha256")
            self._key, self._made_of = key, (day, secret_key)
        return self._key
