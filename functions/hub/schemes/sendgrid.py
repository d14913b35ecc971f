"""SendGrid's event webhook: ECDSA P-256/SHA-256 over the timestamp and the raw body, by SendGrid's own key.

The secret is the verification key of the event webhook's settings: base64 of its SubjectPublicKeyInfo. Bodies end with
CRLF, which is signed like the rest.
https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features;
confirmed by sendgrid-python, @sendgrid/eventwebhook and their published vector.
"""

from hub.deliveries import Delivery, Expected
from hub.errors import BadSignature, NoSecret
from hub.public_keys import ecdsa_signed, public_key
from hub.schemes import NO_MATCH, base64_bytes, unix_time
from hub.webhook_spec import Signature


def verify(delivery: Delivery, signature: Signature, expected: Expected) -> int:
    """Check the signature; the time only where the integration states a window, since SendGrid defines none."""
    proof = base64_bytes(delivery.header(signature.header), signature.header)
    timestamp = delivery.header(signature.timestamp_header)
    signed_at = unix_time(timestamp, signature.timestamp_header)
    keys = [public_key(secret) for secret in expected.secrets]
    if not any(keys):
        raise NoSecret("no usable verification key is configured; store it with `hub secrets set`")
    message = timestamp.encode("ascii") + delivery.body
    place = next((place for place, key in enumerate(keys) if ecdsa_signed(key, proof, message)), -1)
    if place < 0:
        raise BadSignature(NO_MATCH)
    expected.check_age(signed_at, future_too=signature.future_too)
    return place
