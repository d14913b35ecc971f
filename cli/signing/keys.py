"""Signatures that only the provider can make, since only it has the private key; tests make them with keys of their own."""

import json
import zlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from cli.signing import Draft, OnlyTheProvider, Sender, Sign
from cli.signing.macs import base64_text
from cli.signing.tokens import url_base64
from hub.webhook_spec import Signature

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

KEY_ID = "key-1"
PAYPAL_CERTIFICATE = "https://api.paypal.com/v1/notifications/certs/CERT-360caa42-fca2a594-1d93a270"
SNS_CERTIFICATE = "https://sns.us-east-2.amazonaws.com/SimpleNotificationService-f3ecfb7224c7233fe7bb5f59f96de52f.pem"
SNS_FIELDS = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
    "UnsubscribeConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}


def sendgrid(draft: Draft, _signature: Signature, sender: Sender) -> Draft:
    """ECDSA P-256 over timestamp and body."""
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
    from cryptography.hazmat.primitives.hashes import SHA256

    timestamp = str(int(sender.now))
    key = cast("EllipticCurvePrivateKey", _private(sender))
    proof = base64_text(key.sign(timestamp.encode() + draft.body, ECDSA(SHA256())))
    return draft.adding(
        {
            "X-Twilio-Email-Event-Webhook-Signature": proof,
            "X-Twilio-Email-Event-Webhook-Timestamp": timestamp,
        }
    )


def google_oidc(draft: Draft, _signature: Signature, sender: Sender) -> Draft:
    """A bearer token of Google's for our audience, of our push service account. The body is not signed."""
    claims = {
        "aud": sender.stated("audience"),
        "email": sender.stated("email"),
        "email_verified": True,
        "iss": "https://accounts.google.com",
        "iat": int(sender.now),
        "exp": int(sender.now) + 3_600,
        "sub": "113774264463038321964",
    }
    head = {"alg": "RS256", "kid": KEY_ID, "typ": "JWT"}
    signed = ".".join(url_base64(json.dumps(each, separators=(",", ":")).encode()) for each in (head, claims))
    return draft.with_headers(Authorization=f"Bearer {signed}.{url_base64(_rsa(sender, signed.encode()))}")


def paypal(draft: Draft, _signature: Signature, sender: Sender) -> Draft:
    """RSA over `id|time|webhook id|CRC32 of the body`."""
    transmission = draft.header("PAYPAL-TRANSMISSION-ID") or "69cd13f0-d67a-11e5-baa3-778b53f4ae55"
    time = datetime.fromtimestamp(int(sender.now), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    message = f"{transmission}|{time}|{sender.stated('webhook_id')}|{zlib.crc32(draft.body)}"
    return draft.adding(
        {
            "PAYPAL-TRANSMISSION-ID": transmission,
            "PAYPAL-TRANSMISSION-TIME": time,
            "PAYPAL-TRANSMISSION-SIG": base64_text(_rsa(sender, message.encode())),
            "PAYPAL-CERT-URL": PAYPAL_CERTIFICATE,
            "PAYPAL-AUTH-ALGO": "SHA256withRSA",
        }
    )


def sns(draft: Draft, _signature: Signature, sender: Sender) -> Draft:
    """RSA over the message's own fields, SignatureVersion 2, into the message; of the topic that is allowed."""
    content: dict[str, Any] = json.loads(draft.body)
    content |= {"TopicArn": sender.stated("topic_arns"), "SignatureVersion": "2", "SigningCertURL": SNS_CERTIFICATE}
    fields = SNS_FIELDS.get(content.get("Type", ""), SNS_FIELDS["Notification"])
    lines = "".join(f"{name}\n{content[name]}\n" for name in fields if name in content)
    content["Signature"] = base64_text(_rsa(sender, lines.encode()))
    return replace(draft, body=json.dumps(content, ensure_ascii=False, indent=2).encode())


def _rsa(sender: Sender, message: bytes) -> bytes:
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.hashes import SHA256

    return cast("RSAPrivateKey", _private(sender)).sign(message, PKCS1v15(), SHA256())


def _private(sender: Sender) -> Any:
    if not sender.private_key:
        raise OnlyTheProvider("only the provider has the key that signs these deliveries")
    return _loaded(sender.private_key)


@cache
def _loaded(pem: bytes) -> Any:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    return load_pem_private_key(pem, None)


SIGNERS: Mapping[str, Sign] = {sign.__name__: sign for sign in (sendgrid, google_oidc, paypal, sns)}
