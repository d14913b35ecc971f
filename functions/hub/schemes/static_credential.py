"""What a person can type into a sender's settings: a header's value, a user and password, or a signed token (JWT).

None of them says anything about the body. The integration states which one it is; a JSON web token's algorithm follows
from the secret (a passphrase: HS256, a PEM public key: RS256) and is never taken from the token, so that `none`, and a
public key used as a passphrase, verify nothing.
https://docs.n8n.io/integrations/builtin/credentials/webhook/ names the three; RFC 7617 and RFC 7519 define two of them.
"""

import base64
import binascii
import hashlib
import hmac
import json
from typing import Any

from hub.deliveries import Delivery, Expected
from hub.errors import BadSignature, ForeignSender, MalformedHeader, NoSecret, NotStated, StaleDelivery
from hub.public_keys import public_key, rsa_signed
from hub.schemes import NO_MATCH, same
from hub.webhook_spec import Signature

AUTHORIZATION = "Authorization"
ALGORITHMS = ("HS256", "RS256")
PEM = "-----BEGIN"
LATEST = 10**12  # Unix seconds; beyond lies what is no time, NaN included


def verify(delivery: Delivery, signature: Signature, expected: Expected) -> int:
    """Check the credential that the integration's `mode` names: header (if it names none), basic or jwt."""
    mode = expected.states.get("mode", "header")
    if mode == "header":
        stated = expected.states.get("header", signature.header)
        return _header(delivery, stated if isinstance(stated, str) else "", expected)
    if mode == "basic":
        return _basic(_credentials(delivery, "basic"), expected)
    if mode == "jwt":
        return _jwt(_credentials(delivery, "bearer"), expected)
    raise NotStated("expects.mode is none of header, basic, jwt")


def _header(delivery: Delivery, name: str, expected: Expected) -> int:
    """The secret is the header's value; of Authorization also what a person types for it: `user:password`, or a token."""
    given, secrets = delivery.header(name), list(expected.secrets)
    if name.lower() != AUTHORIZATION.lower() or not secrets:
        return same(given, secrets)
    kind, _, credentials = given.partition(" ")
    if kind.lower() in {"basic", "bearer"}:
        given = f"{kind.title()} {credentials.strip()}"
    typed = [f"Basic {_base64(each)}" if ":" in each else f"Bearer {each}" if each else "" for each in secrets]
    return same(given, [*secrets, *typed]) % len(secrets)


def _credentials(delivery: Delivery, kind: str) -> str:
    given, _, credentials = delivery.header(AUTHORIZATION).partition(" ")
    if given.lower() != kind:
        raise MalformedHeader(f"{AUTHORIZATION} does not begin with {kind.title()}")
    return credentials.strip()


def _basic(given: str, expected: Expected) -> int:
    """The secret is `user:password`, or the password alone where the integration states the `user`."""
    user = expected.states.get("user", "")
    pairs = [f"{user}:{secret}" if user and secret else secret for secret in expected.secrets]
    return same(given, [_base64(pair) for pair in pairs])


def _base64(text: str) -> str:
    return base64.b64encode(text.encode("utf-8")).decode("ascii")


def _jwt(token: str, expected: Expected) -> int:
    parts = token.split(".")
    if len(parts) != 3:
        raise MalformedHeader("the bearer token is not a signed JSON web token")
    head, claims, proof = _object(parts[0]), _object(parts[1]), _raw(parts[2])
    signed = f"{parts[0]}.{parts[1]}".encode("ascii")
    if "crit" in head:
        raise MalformedHeader("the token asks for extensions that are not known here")
    if not any(expected.secrets):
        raise NoSecret("no secret is configured; store it with `hub secrets set`")
    pinned = expected.states.get("algorithm", "")
    if pinned not in ("", *ALGORITHMS):
        raise NotStated(f"expects.algorithm is none of {', '.join(ALGORITHMS)}")
    for place, secret in enumerate(expected.secrets):
        algorithm = "RS256" if PEM in secret else "HS256"
        if not secret or head.get("alg") != algorithm or pinned not in ("", algorithm):
            continue
        if _signed(secret, algorithm, proof, signed):
            _check_claims(claims, expected)
            return place
    raise BadSignature(NO_MATCH)


def _signed(secret: str, algorithm: str, proof: bytes, message: bytes) -> bool:
    if algorithm == "RS256":
        return rsa_signed(public_key(secret), proof, message, "sha256")
    return hmac.compare_digest(hmac.digest(secret.encode("utf-8"), message, hashlib.sha256), proof)


def _check_claims(claims: dict[str, Any], expected: Expected) -> None:
    """Hold `aud` and `iss` against what the integration states, if it does; `exp` and `nbf` against the clock where they
    are there."""
    now = expected.now
    for name, stated in (("aud", "audience"), ("iss", "issuer")):
        value = claims.get(name)
        if expected.states.get(stated) and not {
            each for each in (value if isinstance(value, list) else [value]) if isinstance(each, str)
        } & set(expected.stated_list(stated)):
            raise ForeignSender(f"the token's {name} is not expects.{stated}")
    for name, late in (("exp", True), ("nbf", False)):
        value = claims.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < LATEST:
            raise MalformedHeader(f"the token's {name} is not a time")
        if (now >= value) if late else (now < value):
            raise StaleDelivery(f"the token's {name} is {abs(now - value):.0f} s {'past' if late else 'ahead'}")


def _object(part: str) -> dict[str, Any]:
    try:
        content = json.loads(_raw(part))
    except (ValueError, RecursionError) as error:
        raise MalformedHeader("a part of the token is not JSON") from error
    if not isinstance(content, dict):
        raise MalformedHeader("a part of the token is not an object")
    return content


def _raw(part: str) -> bytes:
    """Base64url without padding, canonically written."""
    try:
        raw = base64.urlsafe_b64decode(part.encode("ascii") + b"=" * (-len(part) % 4))
    except (ValueError, binascii.Error) as error:
        raise MalformedHeader("a part of the token is not base64url") from error
    if base64.urlsafe_b64encode(raw).decode("ascii").rstrip("=") != part:
        raise MalformedHeader("a part of the token is not base64url")
    return raw
