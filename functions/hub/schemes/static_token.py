"""A secret that travels in a header as it is: it says who sends, and nothing about the body."""

from hub.deliveries import Delivery, Expected
from hub.errors import MalformedHeader
from hub.schemes import same
from hub.webhook_spec import Signature


def verify(delivery: Delivery, signature: Signature, expected: Expected) -> int:
    """Check that the header of the manifest holds a live secret, after its prefix."""
    token = delivery.header(signature.header)
    if not token.startswith(signature.prefix):
        raise MalformedHeader(f"{signature.header} does not begin with {signature.prefix!r}")
    return same(token[len(signature.prefix) :], expected.secrets)
