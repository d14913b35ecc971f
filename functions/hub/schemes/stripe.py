"""Stripe's `t=<seconds>,v1=<hex>[,v1=<hex>]`: HMAC-SHA256 over `t.body`, one `v1` per live secret of the endpoint.

As stripe-python and stripe-node do: the whole `whsec_…` text is the key, only `v1` counts, and only the age of `t` is
judged. Stripe writes no blanks, and one `t`: what has others is two headers in one, or nobody's, and refused.
https://docs.stripe.com/webhooks#verify-manually
"""

from hub.deliveries import Delivery, Expected
from hub.errors import MalformedHeader
from hub.schemes import decoded, live_keys, matching, unix_time
from hub.webhook_spec import Signature


def verify(delivery: Delivery, signature: Signature, expected: Expected) -> int:
    """Check every `v1` under every live secret, then the time."""
    parts = [part.partition("=") for part in delivery.header(signature.header).split(",")]
    times = [value for name, _, value in parts if name == "t"]
    given = [digest for name, _, value in parts if name == "v1" and (digest := _digest(value, signature.header))]
    trimmed = all(name == name.strip() for name, _, _ in parts)
    if len(times) != 1 or not given or not trimmed:
        raise MalformedHeader(f"{signature.header} is not t=<seconds>,v1=<hex>")
    signed_at = unix_time(times[0], signature.header)
    message = times[0].encode() + b"." + delivery.body
    place = matching(live_keys(expected), signature.algorithm, message, given)
    expected.check_age(signed_at, future_too=signature.future_too)
    return place


def _digest(text: str, header: str) -> bytes:
    """One signature, or b"" where it is none: another one of the header may be good."""
    try:
        return decoded(text, "hex", header)
    except MalformedHeader:
        return b""
