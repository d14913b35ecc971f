"""Mailgun: the body bears `timestamp`, `token` and `signature`, the hex HMAC-SHA256 over the first two, joined.

The event itself is not signed at all, so the token must count once only, or one genuine delivery would vouch for any
other. Nothing separates timestamp and token: moving digits between the two gives another pair with the same signature,
which is why the window must count for times to come as well.
https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks; confirmed by django-anymail.
"""

from dataclasses import dataclass
from typing import Any

from hub.deliveries import Delivery, Expected
from hub.errors import BadSignature, MalformedBody, MalformedHeader
from hub.facts import at, json_of
from hub.schemes import NO_MATCH, decoded, live_keys, matching, unix_time
from hub.webhook_spec import Signature

PLACES = ("signature", "parent-signature")  # the second by the parent account's key, where a subaccount sends


@dataclass(frozen=True, slots=True)
class _Proof:
    timestamp: str
    token: str
    digest: bytes


def verify(delivery: Delivery, signature: Signature, expected: Expected) -> int:
    """Check that a live key signed the timestamp and token, and the timestamp's age."""
    place, proof = _verified(delivery, expected)
    expected.check_age(unix_time(proof.timestamp, "timestamp"), future_too=signature.future_too)
    return place


def one_time_token(delivery: Delivery, expected: Expected) -> str:
    """The token that was verified."""
    return _verified(delivery, expected)[1].token


def _verified(delivery: Delivery, expected: Expected) -> tuple[int, _Proof]:
    keys = live_keys(expected)
    for proof in _proofs(delivery):
        try:
            message = (proof.timestamp + proof.token).encode("utf-8", "surrogatepass")
            return matching(keys, "sha256", message, [proof.digest]), proof
        except BadSignature:
            continue
    raise BadSignature(NO_MATCH)


def _proofs(delivery: Delivery) -> list[_Proof]:
    """Those of the JSON, or else the one at the top of a form, whose last values count as in Mailgun's own samples."""
    body = json_of(delivery)
    stated = [each for name in PLACES if isinstance(each := at(body, name), dict)] or [dict(delivery.form())]
    return [_proof(each) for each in stated]


def _proof(stated: dict[str, Any]) -> _Proof:
    timestamp, token, proof = (stated.get(name) for name in ("timestamp", "token", "signature"))
    if isinstance(timestamp, int) and not isinstance(timestamp, bool):
        timestamp = str(timestamp)
    if not (isinstance(timestamp, str) and isinstance(token, str) and isinstance(proof, str) and token):
        raise MalformedBody("the body has no timestamp, token and signature of Mailgun's")
    try:
        unix_time(timestamp, "timestamp")
        return _Proof(timestamp, token, decoded(proof, "hex", "signature"))
    except MalformedHeader as error:
        raise MalformedBody(str(error)) from error
