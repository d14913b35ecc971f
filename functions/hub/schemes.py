"""How signatures are checked: one pure function per scheme, (delivery, spec, secrets) → None or `Rejected`.

Comparisons are constant-time and on bytes: `hmac.compare_digest` raises TypeError on a str that is not ASCII, which a
hostile header can be.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from hub.errors import BadSignature, MalformedHeader, MissingHeader, NoSecret, RepeatedHeader
from hub.webhook_spec import WebhookSpec


@dataclass(frozen=True, slots=True)
class Delivery:
    """One HTTP request that a provider made to us: bytes until verified.

    `headers` maps lower-case names to every value that came, in order of arrival.
    """

    method: str
    headers: Mapping[str, Sequence[str]]
    body: bytes

    def header(self, name: str) -> str:
        """The one value of a header; raises MissingHeader or RepeatedHeader."""
        values = self.headers.get(name.lower(), ())
        if len(values) > 1:
            raise RepeatedHeader(f"header {name} came {len(values)} times; the provider sends it once")
        if not values or not values[0].strip():
            raise MissingHeader(f"header {name} is missing; this is not a delivery of the provider")
        return values[0].strip()

    def optional_header(self, name: str) -> str:
        """The one value of a header, or "" where it is absent, empty or repeated."""
        values = self.headers.get(name.lower(), ())
        return values[0].strip() if len(values) == 1 else ""


Scheme = Callable[[Delivery, WebhookSpec, Sequence[str]], None]


def hmac_sha256_base64(delivery: Delivery, spec: WebhookSpec, secrets: Sequence[str]) -> None:
    """Standard base64 of HMAC-SHA256(secret as UTF-8, raw body), in one header (Shopify, WooCommerce, Frappe).

    Any of the live `secrets` may match, so that a rotation needs no outage.
    """
    given = _from_base64(delivery.header(spec.signature_header), spec.signature_header)
    matches = False
    for key in _keys(secrets):
        expected = hmac.new(key, delivery.body, hashlib.sha256).digest()
        matches |= hmac.compare_digest(expected, given)
    if not matches:
        raise BadSignature("no live secret yields this signature: wrong secret, or the bytes were changed on the way")


SCHEMES: Mapping[str, Scheme] = {"hmac-sha256-base64": hmac_sha256_base64}


def _keys(secrets: Sequence[str]) -> list[bytes]:
    keys = [secret.encode() for secret in secrets if secret]
    if not keys:
        raise NoSecret("no secret is configured; store it with `hub secrets set`")
    return keys


def _from_base64(text: str, header: str) -> bytes:
    try:
        return base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise MalformedHeader(f"header {header} is not base64") from error
