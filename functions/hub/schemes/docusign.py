"""DocuSign Connect: base64 of HMAC-SHA256 over the raw body, one numbered header per active key.

`X-DocuSign-Signature-1` to `-N`: which number belongs to which key is not said, and numbers are missing once a key is
gone, so all that came are tried. `x-authorization-digest` is not read: the algorithm is fixed.
https://developers.docusign.com/platform/webhooks/connect/hmac/; confirmed by nothing but OpenSSL's HMAC.
"""

import re

from hub.deliveries import Delivery, Expected
from hub.errors import MalformedHeader, MissingHeader, RepeatedHeader
from hub.schemes import decoded, live_keys, matching
from hub.webhook_spec import Signature

NUMBER = re.compile(r"[1-9][0-9]{0,2}")  # DocuSign allows 100 keys


def verify(delivery: Delivery, signature: Signature, expected: Expected) -> int:
    """Check that one of the numbered headers is the body's signature under a live key."""
    return matching(live_keys(expected), "sha256", delivery.body, _given(delivery, signature.header))


def _given(delivery: Delivery, name: str) -> list[bytes]:
    start = f"{name.lower()}-"
    numbered = [each for each in delivery.headers if each.startswith(start) and NUMBER.fullmatch(each[len(start) :])]
    present = [each for each in numbered if any(value.strip() for value in delivery.headers[each])]
    if not present:
        raise MissingHeader(f"no header {name}-1, -2 and so on came; switch HMAC on for the Connect configuration")
    digests = []
    for each in present:
        text = delivery.header(each)
        if "," in text:  # API Gateway joins a header that came twice
            raise RepeatedHeader(f"header {each} came more than once; DocuSign sends it once")
        try:
            digests.append(decoded(text, "base64", each))
        except MalformedHeader as error:
            malformed = error
    if not digests:
        raise malformed
    return digests
