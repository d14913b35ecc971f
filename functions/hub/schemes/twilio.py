"""Twilio's HMAC over the URL that it called and the decoded parameters of the form that it posted.

https://www.twilio.com/docs/usage/webhooks/webhooks-security and, for SHA-256 by a key of one's own,
https://www.twilio.com/docs/usage/webhooks/webhook-shared-keys. As twilio-python 9.13: names in byte order, the values of a
name sorted and each counted once, the URL with and without its port. A body that is no form is signed by way of
`bodySHA256` in the URL; without it nothing says whose body that is, and it is refused.
"""

import hashlib
import hmac
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from hub.deliveries import Delivery, Expected
from hub.errors import BadSignature, ForeignSender, MalformedBody, MalformedHeader, NotStated
from hub.schemes import decoded, live_keys, matching
from hub.webhook_spec import Signature

SETTINGS = "X-Twilio-Webhooks-Signature-Settings"
ALGORITHMS = {"HMAC_SHA1": "sha1", "HMAC_SHA256": "sha256"}
PORTS = {"https": 443, "http": 80}
MAX_FIELDS = 10_000


def verify(delivery: Delivery, signature: Signature, expected: Expected) -> int:
    """Check the signature of URL and form, or of a URL that bears the body's hash."""
    text = delivery.header(signature.header)
    algorithm = _algorithm(delivery, signature.algorithm)
    _check_key(delivery, expected)
    given = decoded(text, "base64", signature.header, algorithm)
    keys = live_keys(expected)
    signed = _parameters(delivery).encode("utf-8", "surrogatepass")
    refusal = None
    for url in _spellings(expected.signed_url(delivery)):
        try:
            return matching(keys, algorithm, url.encode("utf-8", "surrogatepass") + signed, [given])
        except BadSignature as error:
            refusal = error
    raise refusal or BadSignature("no URL to verify")


def _settings(delivery: Delivery, setting: str) -> list[str]:
    values = delivery.headers.get(SETTINGS.lower(), ())
    parts = [part.partition("=") for part in ",".join(values).split(",")]
    return [value.strip() for name, _, value in parts if name.strip() == setting and value.strip()]


def _check_key(delivery: Delivery, expected: Expected) -> None:
    """Refuse a shared key of another id than the integration states, if it states any."""
    if expected.states.get("shared_keys") and not {*_settings(delivery, "key")} <= {
        *expected.stated_list("shared_keys")
    }:
        raise ForeignSender(f"{SETTINGS} names a key that is not one of expects.shared_keys")


def _algorithm(delivery: Delivery, without_settings: str) -> str:
    """SHA-1 by the auth token, unless a key of one's own is named together with what it signs by."""
    named = [value.upper() for value in _settings(delivery, "algorithm")]
    if not named:
        return without_settings
    if len(named) > 1 or named[0] not in ALGORITHMS:
        raise MalformedHeader(f"{SETTINGS} names no algorithm that Twilio signs by")
    return ALGORITHMS[named[0]]


def _parameters(delivery: Delivery) -> str:
    """What the signature covers after the URL: the form's names and values. For another body "", once it has the hash
    that the URL states."""
    stated = delivery.query_value("bodySHA256")
    if stated:
        digest = hashlib.sha256(delivery.body).hexdigest()
        if not hmac.compare_digest(digest.encode(), stated.encode("utf-8", "surrogatepass")):
            raise BadSignature("the body is not the one whose bodySHA256 stands in the URL: it was changed on the way")
    if not delivery.body:  # of a GET: its parameters stand in the URL
        return ""
    if not _is_form(delivery):
        if not stated:
            raise MalformedBody("neither a form nor a body whose bodySHA256 stands in the URL: nothing signs it")
        return ""
    values: dict[str, set[str]] = {}
    for name, value in _form(delivery.body):
        values.setdefault(name, set()).add(value)
    return "".join(name + value for name in sorted(values) for value in sorted(values[name]))


def _is_form(delivery: Delivery) -> bool:
    content_type = delivery.optional_header("content-type").partition(";")[0]
    return content_type.strip().lower() == "application/x-www-form-urlencoded"


def _form(body: bytes) -> list[tuple[str, str]]:
    """The parameters of a form; raises MalformedBody for one that has none, which nothing would sign."""
    try:
        fields = parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError as error:
        raise MalformedBody("a form that is not UTF-8, or of too many fields") from error
    if not fields:
        raise MalformedBody("a form without a field")
    return fields


def _spellings(url: str) -> list[str]:
    """The URL as configured, without its port, and with the scheme's own one: Twilio signs one or the other."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise NotStated("public_url is configured, but is no URL") from error
    host, _, _ = parts.netloc.rpartition(":")
    bare = urlunsplit(parts._replace(netloc=host)) if port else url
    with_port = url if port else urlunsplit(parts._replace(netloc=f"{parts.netloc}:{PORTS.get(parts.scheme, 443)}"))
    return list(dict.fromkeys((url, bare, with_port)))
