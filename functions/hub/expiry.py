"""When secrets end, as far as they say so themselves."""

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

CERTIFICATE = "-----BEGIN CERTIFICATE-----"


@dataclass(frozen=True, slots=True)
class Expiry:
    """A secret that says of itself when it ends."""

    secret: str
    at: datetime


def expiries(stored: Mapping[str, str]) -> Iterator[Expiry]:
    """The ends that secrets state of themselves: JSON Web Tokens (`exp`), and certificates."""
    for name, value in sorted(stored.items()):
        if CERTIFICATE in value:
            with suppress(ValueError):
                yield Expiry(name, _end_of_certificate(value))
        elif value.count(".") == 2:
            with suppress(ValueError, KeyError, TypeError, OverflowError, binascii.Error):
                claims = value.split(".")[1]
                told = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
                yield Expiry(name, datetime.fromtimestamp(int(told["exp"]), UTC))


def _end_of_certificate(text: str) -> datetime:
    from cryptography.x509 import load_pem_x509_certificates

    return min(each.not_valid_after_utc for each in load_pem_x509_certificates(text.encode()))
