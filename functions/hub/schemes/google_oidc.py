"""Google Pub/Sub's bearer token: a JSON web token by Google's key, for our audience and of our service account.

https://cloud.google.com/pubsub/docs/authenticate-push-subscriptions. RS256 and no other algorithm, whatever the token
says; the address of the service account is pinned, since any customer of Google can get a token for our audience. As
google-auth does: no leeway for `iat` and `exp`. The token says nothing of the body.
"""

import base64
import binascii
import json
import re
from typing import Any

from hub.deliveries import Delivery, Expected
from hub.errors import BadSignature, ForeignSender, MalformedHeader, SourceUnavailable, StaleDelivery
from hub.facts import at
from hub.webhook_spec import Signature

CERTIFICATES = "https://www.googleapis.com/oauth2/v3/certs"
ISSUERS = ("https://accounts.google.com", "accounts.google.com")
BEARER = re.compile(r"Bearer ([\w-]+)\.([\w-]+)\.([\w-]+)", re.ASCII)
MAX_TOKEN_CHARS = 8_192
MAX_EXPONENT, LEAST_KEY_BITS, MOST_KEY_BITS = 2**32, 2_048, 8_192


def verify(delivery: Delivery, signature: Signature, expected: Expected) -> int:
    """Check the token's signature, then what it claims, then its times. There is no secret: 0."""
    header = signature.header or "Authorization"
    text = delivery.header(header)
    token = BEARER.fullmatch(text) if len(text) <= MAX_TOKEN_CHARS else None
    if not token:
        raise MalformedHeader(f"{header} is not a bearer's JSON web token")
    head = _json(_from_base64(token[1]))
    if at(head, "alg") != "RS256" or at(head, "crit") is not None:
        raise BadSignature("the token is not signed by RS256, which is the only algorithm that counts here")
    key = _public_key(at(head, "kid"), expected)
    _check_signature(key, f"{token[1]}.{token[2]}".encode(), _from_base64(token[3]))
    claims = _json(_from_base64(token[2]))
    _check_claims(claims, expected)
    _check_times(claims, expected.now)
    return 0


def _public_key(kid: Any, expected: Expected) -> tuple[int, int]:
    """Modulus and exponent of the key that the token names, of those that Google publishes."""
    published = at(_json(expected.fetch(CERTIFICATES)), "keys")
    if not isinstance(published, list):
        raise SourceUnavailable("Google's certificates were not what they should be")
    for key in published:
        if isinstance(kid, str) and kid and at(key, "kid") == kid and at(key, "kty") == "RSA":
            if at(key, "alg") not in (None, "RS256") or at(key, "use") not in (None, "sig"):
                continue
            modulus, exponent = _number(at(key, "n")), _number(at(key, "e"))
            if LEAST_KEY_BITS <= modulus.bit_length() <= MOST_KEY_BITS and 2 < exponent < MAX_EXPONENT and exponent % 2:
                return modulus, exponent
    raise BadSignature("the token names a key that Google does not publish")


def _check_signature(key: tuple[int, int], message: bytes, given: bytes) -> None:
    from cryptography.exceptions import InvalidSignature  # not in the standard library, and seldom needed
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
    from cryptography.hazmat.primitives.hashes import SHA256

    modulus, exponent = key
    try:
        RSAPublicNumbers(exponent, modulus).public_key().verify(given, message, PKCS1v15(), SHA256())
    except (InvalidSignature, ValueError) as error:  # ValueError: numbers that are no key
        raise BadSignature("the token is not signed by the key of Google's that it names") from error


def _check_claims(claims: Any, expected: Expected) -> None:
    if at(claims, "iss") not in ISSUERS:
        raise ForeignSender("the token's issuer is not Google")
    if at(claims, "aud") not in expected.stated_list("audience"):
        raise ForeignSender("the token was made for another audience than expects.audience")
    if at(claims, "email") not in expected.stated_list("email") or at(claims, "email_verified") is not True:
        raise ForeignSender("the token is not the one of the service account in expects.email")


def _check_times(claims: Any, now: float) -> None:
    issued, expires = at(claims, "iat"), at(claims, "exp")
    if not _is_time(issued) or not _is_time(expires):
        raise MalformedHeader("the token does not say when it was issued and when it expires")
    if now > expires:
        raise StaleDelivery(f"the token expired {now - expires:.0f} s ago")
    if now < issued:
        raise StaleDelivery(f"the token is issued {issued - now:.0f} s in the future")


def _is_time(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**12


def _number(text: Any) -> int:
    return int.from_bytes(_from_base64(text), "big") if isinstance(text, str) and len(text) <= MAX_TOKEN_CHARS else 0


def _from_base64(text: str) -> bytes:
    """What base64 for URLs stands for, b"" for a text that is none or another spelling of the same bytes."""
    try:
        raw = base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except (ValueError, binascii.Error):
        return b""
    return raw if base64.urlsafe_b64encode(raw).decode("ascii").rstrip("=") == text else b""


def _json(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return None
