"""AWS SNS: RSA over the message's own fields, by a certificate that SNS publishes; of topics that are allowed.

Each field is signed as its name and its value on lines of their own. SignatureVersion 1 is SHA-1, 2 is SHA-256. Any AWS
account can have SNS sign a message, so the signature alone says nothing: `topic_arns` decides whose it may be.
https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html; confirmed by sns-validator, which knows
no topics.
"""

import re
from collections.abc import Mapping
from typing import Any

from hub.deliveries import Delivery, Expected
from hub.errors import BadSignature, ForeignSender, MalformedBody, MalformedHeader
from hub.facts import json_of
from hub.public_keys import RsaHash, certificates, certified_key, rsa_signed
from hub.schemes import base64_bytes, instant
from hub.webhook_spec import Signature

CONFIRMATION = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
SIGNED: Mapping[str, tuple[str, ...]] = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": CONFIRMATION,
    "UnsubscribeConfirmation": CONFIRMATION,
}
HASHES: Mapping[str, RsaHash] = {"1": "sha1", "2": "sha256"}
HOST = r"https://sns\.[a-z0-9-]{3,}\.amazonaws\.com(\.cn)?"
SNS_URL = re.compile(HOST + r"/[!-~]*")
CERTIFICATE_URL = re.compile(HOST + r"/[!-\"$->@-~]*\.pem")  # neither query nor fragment


def verify(delivery: Delivery, signature: Signature, expected: Expected) -> int:
    """Check topic and signature; the time only where the integration states a window, since SNS defines none.

    Raises Temporary where SNS does not give out its certificate.
    """
    allowed = expected.stated_list("topic_arns")
    message = json_of(delivery)
    if not isinstance(message, dict):
        raise MalformedBody("the body is no message of SNS; raw message delivery must be off, since it is not signed")
    kind, version = _text(message, "Type"), _text(message, "SignatureVersion")
    if kind not in SIGNED or version not in HASHES:
        raise MalformedBody("Type or SignatureVersion is not one that SNS documents")
    if _text(message, "TopicArn") not in allowed:
        raise ForeignSender("TopicArn is not one of the integration's topic_arns")
    url = _text(message, "SigningCertURL")
    if not CERTIFICATE_URL.fullmatch(url):
        raise ForeignSender("SigningCertURL is not a certificate of SNS")
    try:
        proof = base64_bytes(_text(message, "Signature"), "Signature")
    except MalformedHeader as error:
        raise MalformedBody(str(error)) from error
    signed = _signed(message, SIGNED[kind])
    key = certified_key(certificates(expected.fetch(url))[0])
    if not rsa_signed(key, proof, signed, HASHES[version]):
        raise BadSignature("the signature is not that of SNS: the message was changed on the way")
    if expected.tolerance_seconds is not None:
        expected.check_age(instant(_text(message, "Timestamp"), "Timestamp"), future_too=signature.future_too)
    return 0


def sns_url(url: Any, name: str) -> str:
    """A URL of SNS itself, which may be fetched; raises ForeignSender for any other."""
    if not isinstance(url, str) or not SNS_URL.fullmatch(url):
        raise ForeignSender(f"{name} is not an https URL of SNS")
    return url


def _signed(message: Mapping[str, Any], names: tuple[str, ...]) -> bytes:
    present = [name for name in names if name != "Subject" or message.get(name) is not None]
    return "".join(f"{name}\n{_text(message, name)}\n" for name in present).encode("utf-8", "surrogatepass")


def _text(message: Mapping[str, Any], name: str) -> str:
    value = message.get(name)
    if not isinstance(value, str) or ("\n" in value and name != "Message"):  # else lines could pass for other fields
        raise MalformedBody(f"the message has no {name} as SNS writes it")
    return value
