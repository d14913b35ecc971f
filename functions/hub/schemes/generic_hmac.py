"""HMAC over the raw body as an in-house sender or a device signs it: the integration states the profile.

Header, prefix, encoding and algorithm come from the integration's `expects`, or else from the manifest; what the header
says of an algorithm is compared, never obeyed. Nothing confirms it but our own code: there is no provider.
"""

from dataclasses import replace
from typing import Any

from hub.deliveries import Delivery, Expected
from hub.errors import NotStated
from hub.schemes import body_hmac
from hub.webhook_spec import Signature

CHOICES = {
    "encoding": {"hex", "base64", "base64url"},
    "algorithm": {"sha256", "sha384", "sha512", "sha1"},
    "key": {"utf-8", "hex", "base64"},
}


def verify(delivery: Delivery, signature: Signature, expected: Expected) -> int:
    """Check the signature under the profile; raises NotStated for a profile that cannot be."""
    return body_hmac.verify(delivery, profile(signature, expected), expected)


def profile(signature: Signature, expected: Expected) -> Signature:
    """The manifest's way of signing with what the integration states instead."""
    stated: dict[str, Any] = {
        name: value
        for name in ("header", "prefix", "encoding", "algorithm", "key")
        if isinstance(value := expected.states.get(name), str)
    }
    for name, choices in CHOICES.items():
        if name in stated and (stated := stated | {name: stated[name].lower()})[name] not in choices:
            raise NotStated(f"expects.{name} is none of {', '.join(sorted(choices))}")
    if not stated.get("header", signature.header):
        raise NotStated("expects.header is empty, so that nothing can be verified")
    return replace(signature, **stated)
