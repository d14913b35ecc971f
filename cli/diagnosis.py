"""Why a signature does not match: tries what commonly goes wrong on the way, and says which of it would have matched.

Only for a person at a terminal, with the secret at hand. The Lambda tries nothing of the kind: what is not exactly what
the provider signed is refused there.
"""

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from hub.deliveries import Delivery, Expected
from hub.errors import HubError, Rejected, StaleDelivery, Temporary
from hub.schemes import scheme
from hub.webhook_spec import Signature

PROXY = "a proxy or framework on the way changes the bytes; hand them on as they come"
Attempt = tuple[str, Delivery, Signature, Expected]


def diagnosis(delivery: Delivery, signature: Signature, expected: Expected) -> str:
    """A sentence that says what would have matched, "" where nothing that is tried here does."""
    for told, sent, how, held in attempts(delivery, signature, expected):
        try:
            scheme(how.scheme)(sent, how, held)
        except StaleDelivery:
            return f"{told} (and the timestamp is outside the window)"
        except (Rejected, Temporary):
            continue
        return told
    return ""


def attempts(delivery: Delivery, signature: Signature, expected: Expected) -> Iterator[Attempt]:
    """What is tried, in the order of how often it is the cause."""
    for what, body in bodies(delivery.body):
        yield f"matches with the body {what}: {PROXY}", replace(delivery, body=body), signature, expected
    for what, secrets in changed_secrets(expected.secrets):
        yield f"matches with the secret {what}", delivery, signature, replace(expected, secrets=secrets)
    for url in urls(expected.public_url):
        told = f"matches with public_url {url}: configure it exactly as it is registered at the provider"
        yield told, delivery, signature, replace(expected, public_url=url)
    if delivery.query:
        told = "matches without the query: it is not part of the registered URL"
        yield told, replace(delivery, query=""), signature, expected
    yield from other_forms(delivery, signature, expected)


def bodies(body: bytes) -> Iterator[tuple[str, bytes]]:
    """The body as intermediaries are known to rewrite it, and back."""
    try:
        text = body.decode("utf-8")
        yield from _texts(text)
    except UnicodeDecodeError:
        text = ""
    try:
        content = json.loads(body)
        yield from _written_again(content)
    except (ValueError, RecursionError):
        pass
    with suppress(ValueError, binascii.Error):
        yield "decoded from base64 once more", base64.b64decode(body, validate=True)
    yield "encoded in base64", base64.b64encode(body)
    yield "decoded as Latin-1 and encoded as UTF-8", body.decode("latin-1").encode("utf-8")
    if text:
        with suppress(UnicodeEncodeError):
            yield "decoded from UTF-8 twice", text.encode("latin-1")


def _texts(text: str) -> Iterator[tuple[str, bytes]]:
    for what, other in (
        ("without white space at its ends", text.strip()),
        ("with a line feed at its end", text + "\n"),
        ("with CRLF at its end", text + "\r\n"),
        ("with CRLF for line feeds", re.sub(r"\r?\n", "\r\n", text)),
        ("with line feeds for CRLF", text.replace("\r\n", "\n")),
        ("without a byte order mark", text.removeprefix("\ufeff")),
        ("with unescaped slashes", text.replace("\\/", "/")),
        ("with escaped slashes", re.sub(r"(?<!\\)/", r"\\/", text)),
        ("with its escapes decoded", unquote(text.replace("+", " "))),
    ):
        if other != text:
            yield what, other.encode("utf-8")
    pairs = parse_qsl(text, keep_blank_values=True)
    if pairs and "=" in text and not text.lstrip().startswith(("{", "[", "<")):
        yield "encoded again as a form", urlencode(pairs).encode()
        yield "without empty fields", urlencode([(name, value) for name, value in pairs if value]).encode()
        for name, value in pairs:
            if name == "payload":
                yield "reduced to its field `payload`", value.encode("utf-8")


def _written_again(content: Any) -> Iterator[tuple[str, bytes]]:
    for ascii_only in (True, False):
        for separators, spaced in (((",", ":"), "compact"), ((", ", ": "), "with spaces")):
            for ordered in (False, True):
                text = json.dumps(content, ensure_ascii=ascii_only, separators=separators, sort_keys=ordered)
                what = f"re-encoded ({spaced}{', keys sorted' if ordered else ''}{', ASCII' if ascii_only else ''})"
                yield what, text.encode("utf-8", "surrogatepass")
                yield f"{what[:-1]}, slashes escaped)", text.replace("/", "\\/").encode("utf-8", "surrogatepass")
    for indent in (2, 4, "\t"):
        yield "re-encoded (indented)", json.dumps(content, ensure_ascii=False, indent=indent).encode("utf-8", "replace")


def changed_secrets(secrets: Sequence[str]) -> Iterator[tuple[str, Sequence[str]]]:
    """The secrets as they get spoilt between the provider's page and ours, and as other profiles read them."""
    changes: tuple[tuple[str, Callable[[str], str]], ...] = (
        ("without the white space around it: store it anew", str.strip),
        ("with a line feed at its end: the sender's copy has one", lambda each: each + "\n"),
        ("without the quotes around it: store it anew", lambda each: each.strip("\"'")),
        ("without its prefix: the sender leaves it out", lambda each: each.partition("_")[2] or each),
        ("decoded from base64: this sender uses the raw key", lambda each: _text_of(base64.b64decode, each)),
        ("decoded from hex: this sender uses the raw key", lambda each: _text_of(bytes.fromhex, each)),
        ("as base64 of its text", lambda each: base64.b64encode(each.encode()).decode()),
        ("as hex of its text", lambda each: each.encode().hex()),
        ("in lower case", str.lower),
    )
    for what, change in changes:
        changed = [change(each) for each in secrets]
        if changed != list(secrets) and any(changed):
            yield what, changed


def _text_of(decode: Callable[[str], bytes], secret: str) -> str:
    try:
        return decode(secret.partition("_")[2] or secret).decode("utf-8")
    except (ValueError, binascii.Error):
        return secret


def urls(url: str) -> Iterator[str]:
    """The configured URL in the spellings by which it is confused with another one."""
    if not url:
        return
    parts = urlsplit(url)
    host = parts.netloc.rpartition(":")[0] if ":" in parts.netloc else parts.netloc
    path = parts.path.rstrip("/")
    found = [
        parts._replace(path=path),
        parts._replace(path=path + "/"),
        parts._replace(netloc=host),
        parts._replace(netloc=f"{host}:443"),
        parts._replace(scheme="http" if parts.scheme == "https" else "https"),
        parts._replace(query=""),
        parts._replace(netloc=host.removeprefix("www.")),
        parts._replace(netloc="www." + host),
        parts._replace(path=re.sub(r"^/[^/]+", "", path)),  # without a base path or stage
    ]
    for each in dict.fromkeys(urlunsplit(one) for one in found):
        if each != url:
            yield each


def other_forms(delivery: Delivery, signature: Signature, expected: Expected) -> Iterator[Attempt]:
    """The signature in another encoding, under another prefix, or by another algorithm than the manifest's."""
    value = delivery.optional_header(signature.header) if signature.header else ""
    if not value:
        return
    bare = value.removeprefix(signature.prefix)
    for encoding, other in (("base64", _hex_of(bare)), ("hex", _base64_of(bare)), ("hex in capitals", bare.lower())):
        if other and other != bare:
            told = f"matches, but is written as {encoding}, which this provider does not send: another sender signs"
            yield told, _with(delivery, signature, signature.prefix + other), signature, expected
    if signature.prefix and not value.startswith(signature.prefix):
        told = f"matches, but without its prefix {signature.prefix!r}"
        yield told, _with(delivery, signature, signature.prefix + value.rpartition("=")[2]), signature, expected
    for algorithm in ("sha1", "sha256", "sha512"):
        if algorithm != signature.algorithm:
            told = f"matches by {algorithm}, which is not accepted here: the sender must use {signature.algorithm}"
            how = replace(signature, algorithm=algorithm, prefix=_prefix(value, algorithm, signature.prefix))
            yield told, delivery, how, expected
    if signature.scheme == "body_hmac":
        for signed in ("{body}", "{timestamp}.{body}", "{timestamp}{body}", "{body}{timestamp}", "{url}{body}"):
            if signed != signature.signed and ("timestamp" not in signed or signature.timestamp_header):
                told = f"matches over {signed}, while this provider signs {signature.signed}"
                yield told, delivery, replace(signature, signed=signed), expected


def _with(delivery: Delivery, signature: Signature, value: str) -> Delivery:
    name = signature.header.lower().partition(",")[0]  # of several names the first counts
    return replace(delivery, headers={**delivery.headers, name: [value]})


def _prefix(value: str, algorithm: str, otherwise: str) -> str:
    return f"{algorithm}=" if value.startswith(f"{algorithm}=") else otherwise


def _hex_of(text: str) -> str:
    """What is written in base64, as hex: for a scheme that wants hex."""
    try:
        return base64.b64decode(text, validate=True).hex()
    except (ValueError, binascii.Error):
        return ""


def _base64_of(text: str) -> str:
    """What is written in hex, as base64: for a scheme that wants base64."""
    try:
        return base64.b64encode(bytes.fromhex(text)).decode("ascii")
    except ValueError:
        return ""


def told_with_remedy(error: HubError, delivery: Delivery, signature: Signature, expected: Expected) -> str:
    """The reason of a refusal as a person should read it: with what would have matched, where something would."""
    found = "" if isinstance(error, StaleDelivery | Temporary) else diagnosis(delivery, signature, expected)
    return f"{error}; {found}" if found else str(error)
