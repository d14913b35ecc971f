"""PayPal: RSA-SHA256 over `transmission id|time|webhook id|CRC32 of the body`, by a certificate of PayPal's.

Only a checksum of the body is signed, and CRC32 can be forged: whoever holds one genuine transmission can pad another
body to the same checksum. What a PayPal event says must be fetched from PayPal before it is acted upon.
https://developer.paypal.com/api/rest/webhooks/rest/#link-selfverificationmethod; the formula is confirmed by
paypalrestsdk, which does not look at the certificate's host.
"""

import re
import zlib
from urllib.parse import urlsplit

from hub.deliveries import Delivery, Expected
from hub.errors import BadSignature, ForeignSender, MalformedHeader
from hub.public_keys import certificates, certified_key, check_certificate, rsa_signed
from hub.schemes import base64_bytes, instant
from hub.webhook_spec import Signature

DOMAIN = "paypal.com"
HOST = re.compile(r"(?:[a-z0-9-]+\.)*paypal\.com")
ALGORITHM = "SHA256withRSA"
NO_MATCH = "the signature is not PayPal's for this webhook id: another id, or the bytes were changed on the way"


def verify(delivery: Delivery, signature: Signature, expected: Expected) -> int:
    """Check the signature under one of the webhook ids that the integration states; the time where it states a window.

    Raises Temporary where PayPal does not give out its certificate.
    """
    webhook_ids = expected.stated_list("webhook_id")
    if delivery.header("PAYPAL-AUTH-ALGO") != ALGORITHM:
        raise MalformedHeader(f"PAYPAL-AUTH-ALGO is not {ALGORITHM}")
    proof = base64_bytes(delivery.header(signature.header), signature.header)
    transmission, time = delivery.header("PAYPAL-TRANSMISSION-ID"), delivery.header("PAYPAL-TRANSMISSION-TIME")
    chain = certificates(expected.fetch(certificate_url(delivery.header("PAYPAL-CERT-URL"))))
    check_certificate(chain, DOMAIN, expected.now)
    key = certified_key(chain[0])
    messages = [f"{transmission}|{time}|{webhook_id}|{zlib.crc32(delivery.body)}" for webhook_id in webhook_ids]
    if not any(rsa_signed(key, proof, each.encode("utf-8", "surrogatepass"), "sha256") for each in messages):
        raise BadSignature(NO_MATCH)
    if expected.tolerance_seconds is not None:
        expected.check_age(instant(time, "PAYPAL-TRANSMISSION-TIME"), future_too=signature.future_too)
    return 0


def certificate_url(url: str) -> str:
    """The URL of a certificate if it is PayPal's: https, and paypal.com or a name below it; else ForeignSender."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise ForeignSender("PAYPAL-CERT-URL is no URL") from error
    plain = url.isascii() and url.isprintable() and "@" not in parts.netloc and port in (None, 443)
    if parts.scheme != "https" or not HOST.fullmatch(host) or not plain:
        raise ForeignSender(f"PAYPAL-CERT-URL is not an https URL of {DOMAIN}")
    return url
