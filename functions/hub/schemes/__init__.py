"""How deliveries are verified: one module per scheme, each with `verify(delivery, signature, expected) -> int`.

`verify` is pure. It returns the place of the secret that matched in `expected.secrets` (0 is the current one), or raises
one of the family `Rejected`; it raises Temporary only where a certificate could not be fetched. No bytes, headers or
encodings lead to anything else. Comparisons are constant-time and on bytes: `hmac.compare_digest` raises TypeError on a
str that is not ASCII, which a hostile header can be.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

from hub.deliveries import Delivery, Expected
from hub.errors import BadSignature, MalformedHeader, NoSecret
from hub.events import parse_instant
from hub.webhook_spec import Signature

Scheme = Callable[[Delivery, Signature, Expected], int]

NAMED = {"amp": "&", "lt": "<", "gt": ">", "quot": '"'}
ENTITY = re.compile(r"&(?:(amp|lt|gt|quot)|#0*(34|38|39|60|62)|#[xX]0*(22|26|27));")
NO_MATCH = "no live secret yields this signature: wrong secret, or the bytes were changed on the way"


def scheme_names() -> list[str]:
    """The names of all schemes, which are the modules of this package."""
    return sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py"))


def scheme(name: str) -> Scheme:
    """The `verify` of a scheme, imported at its first use: few need more than the standard library."""
    verify: Scheme = import_module(f"hub.schemes.{name}").verify
    return verify


def one_time_token(name: str) -> Callable[[Delivery, Expected], str]:
    """The `one_time_token` of a scheme whose signature vouches for little but a token, which must then count once."""
    token: Callable[[Delivery, Expected], str] = import_module(f"hub.schemes.{name}").one_time_token
    return token


def live_keys(expected: Expected, encoding: str = "utf-8") -> list[bytes]:
    """The keys in the order of the secrets; raises NoSecret where there is none. A secret that is not what `encoding`
    says, or is an empty key, is as good as absent."""
    keys = [key for secret in expected.secrets if (key := _key(secret, encoding)) is not None]
    if not any(keys):
        raise NoSecret("no usable secret is configured; store it with `hub secrets set`")
    return [key or b"" for key in keys]


def _key(secret: str, encoding: str) -> bytes | None:
    try:
        if encoding == "base64":
            return base64.b64decode(secret.encode("ascii"), validate=True)
        if encoding == "hex":
            return bytes.fromhex(secret)
    except (ValueError, binascii.Error):
        return b""
    return (_without_entities(secret) if encoding == "html" else secret).encode("utf-8")


def _without_entities(secret: str) -> str:
    """As WordPress' `wp_specialchars_decode(…, ENT_QUOTES)`: these five characters, and nothing twice."""

    def character(found: re.Match[str]) -> str:
        return NAMED[found[1]] if found[1] else chr(int(found[2]) if found[2] else int(found[3], 16))

    return ENTITY.sub(character, secret)


def matching(keys: Sequence[bytes], algorithm: str, message: bytes, given: Sequence[bytes]) -> int:
    """The place of the first key under which one of the `given` digests is `message`'s; raises BadSignature.

    Every key is tried on every digest, so that the time tells nothing. An empty key matches nothing.
    """
    found = -1
    for place, key in enumerate(keys):
        digest = hmac.new(key, message, algorithm).digest()
        for each in given:
            if hmac.compare_digest(digest, each) and key and found < 0:
                found = place
    if found < 0:
        raise BadSignature(NO_MATCH)
    return found


def same(given: str, wanted: Sequence[str]) -> int:
    """The place of the wanted text that `given` equals, in constant time; raises NoSecret or BadSignature."""
    if not any(wanted):
        raise NoSecret("no secret is configured; store it with `hub secrets set`")
    found = -1
    for place, each in enumerate(wanted):
        equal = hmac.compare_digest(
            hashlib.sha256(each.encode("utf-8", "surrogatepass")).digest(),
            hashlib.sha256(given.encode("utf-8", "surrogatepass")).digest(),
        )
        if equal and each and found < 0:
            found = place
    if found < 0:
        raise BadSignature("the token is not the configured one")
    return found


def decoded(text: str, encoding: str, header: str, algorithm: str = "sha256") -> bytes:
    """A digest as it stands in a header; raises MalformedHeader unless it is exactly one, canonically written."""
    size = hashlib.new(algorithm).digest_size
    try:
        if encoding == "hex":
            raw = bytes.fromhex(text) if re.fullmatch(r"[0-9a-f]+", text) else b""
        elif encoding == "base64url":  # with padding or without
            bare = text.removesuffix("=" * (-len(text.rstrip("=")) % 4))
            raw = base64.urlsafe_b64decode(bare.encode("ascii") + b"=" * (-len(bare) % 4))
            raw = raw if base64.urlsafe_b64encode(raw).decode("ascii").rstrip("=") == bare else b""
        else:
            raw = base64.b64decode(text.encode("ascii"), validate=True)
            raw = raw if base64.b64encode(raw).decode("ascii") == text else b""
    except (ValueError, binascii.Error):
        raw = b""
    if len(raw) != size:
        raise MalformedHeader(f"{header} is not the {encoding} form of a {algorithm} digest")
    return raw


def base64_bytes(text: str, header: str) -> bytes:
    """A signature of any length as it stands in a header; raises MalformedHeader unless it is canonical base64."""
    try:
        raw = base64.b64decode(text.encode("ascii"), validate=True)
    except (ValueError, binascii.Error):
        raw = b""
    if not raw or base64.b64encode(raw).decode("ascii") != text:
        raise MalformedHeader(f"{header} is not base64")
    return raw


def instant(text: str, header: str) -> float:
    """A signed RFC 3339 time as Unix seconds; raises MalformedHeader for one that cannot be read."""
    try:
        return parse_instant(text).timestamp()
    except ValueError as error:
        raise MalformedHeader(f"{header} is not a time with its zone") from error


def unix_time(text: str, header: str) -> float:
    """A time of whole seconds or milliseconds in a header; raises MalformedHeader for anything but ASCII digits."""
    if not re.fullmatch(r"[0-9]{1,15}", text):
        raise MalformedHeader(f"{header} is not a Unix time")
    return float(text)
