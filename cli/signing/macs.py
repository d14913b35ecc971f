"""Signatures in headers that whoever has the secret can make: HMAC and its relatives."""

import base64
import hashlib
import hmac
import uuid
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

from cli.signing import Draft, Sender, Sign
from hub.webhook_spec import Signature


def digest(key: bytes, message: bytes, algorithm: str = "sha256") -> bytes:
    """HMAC of `message`."""
    return hmac.digest(key, message, algorithm)


def base64_text(raw: bytes) -> str:
    """Standard base64."""
    return base64.standard_b64encode(raw).decode("ascii")


def body_hmac(draft: Draft, signature: Signature, sender: Sender) -> Draft:
    """What the manifest says: header, prefix, encoding, key, algorithm, and what is signed."""
    milliseconds = signature.timestamp_unit == "milliseconds"
    timestamp = str(int(sender.now * 1000 if milliseconds else sender.now))
    message_id = draft.header(signature.id_header) if signature.id_header else ""
    message = signature.signed.encode()
    for name, value in {
        "timestamp": timestamp.encode(),
        "url": draft.url.encode(),
        "registered_url": draft.url.encode(),
        "method": draft.method.encode(),
        "id": message_id.encode(),
        "body": draft.body,
    }.items():
        message = message.replace(b"{" + name.encode() + b"}", value)
    raw = digest(key_bytes(sender.secret, signature.key), message, signature.algorithm)
    text = raw.hex() if signature.encoding == "hex" else base64_text(raw)
    headers = {signature.header.partition(",")[0]: signature.prefix + text}
    if signature.timestamp_header:
        headers[signature.timestamp_header] = timestamp
    return draft.adding(headers)


def key_bytes(secret: str, written: str) -> bytes:
    """The key that a secret's text stands for."""
    if written == "hex":
        return bytes.fromhex(secret)
    return base64.b64decode(secret) if written == "base64" else secret.encode("utf-8")


def generic_hmac(draft: Draft, signature: Signature, sender: Sender) -> Draft:
    """The profile of an in-house sender, as the integration states it."""
    algorithm = sender.stated("algorithm", signature.algorithm).lower()
    raw = digest(sender.secret.encode(), draft.body, algorithm)
    encoding = sender.stated("encoding", signature.encoding).lower()
    text = raw.hex() if encoding == "hex" else base64_text(raw)
    if encoding == "base64url":
        text = text.translate(str.maketrans("+/", "-_"))
    header = sender.stated("header", signature.header)
    prefix = sender.stated("prefix", signature.prefix)
    return draft.adding({header: prefix + text})


def stripe(draft: Draft, signature: Signature, sender: Sender) -> Draft:
    """`t=<seconds>,v1=<hex>` over `t.body`; the whole secret is the key."""
    timestamp = str(int(sender.now))
    mac = digest(sender.secret.encode(), timestamp.encode() + b"." + draft.body).hex()
    return draft.adding({signature.header: f"t={timestamp},v1={mac}"})


def paddle(draft: Draft, signature: Signature, sender: Sender) -> Draft:
    """`ts=<seconds>;h1=<hex>` over `ts:body`."""
    timestamp = str(int(sender.now))
    mac = digest(sender.secret.encode(), timestamp.encode() + b":" + draft.body).hex()
    return draft.adding({signature.header: f"ts={timestamp};h1={mac}"})


def standard_webhooks(draft: Draft, _signature: Signature, sender: Sender) -> Draft:
    """`v1,<base64>` over `id.timestamp.body`; the key is the base64 after `whsec_`."""
    message_id = draft.header("webhook-id") or f"msg_{uuid.uuid4().hex}"
    timestamp = str(int(sender.now))
    key = base64.b64decode(sender.secret.removeprefix("whsec_"))
    mac = digest(key, f"{message_id}.{timestamp}.".encode() + draft.body)
    return draft.with_headers(
        webhook_id=message_id, webhook_timestamp=timestamp, webhook_signature="v1," + base64_text(mac)
    )


def twilio(draft: Draft, signature: Signature, sender: Sender) -> Draft:
    """SHA-1 over URL and sorted parameters; other bodies than forms by their hash in the URL."""
    message, url = draft.url, draft.url
    if "form" in draft.header("content-type"):
        values: dict[str, set[str]] = {}
        for name, value in parse_qsl(draft.body.decode("utf-8"), keep_blank_values=True):
            values.setdefault(name, set()).add(value)
        for name in sorted(values):
            for value in sorted(values[name]):
                message += name + value
    else:
        joint = "&" if urlsplit(url).query else "?"
        url += f"{joint}bodySHA256={hashlib.sha256(draft.body).hexdigest()}"
        message = url
    mac = digest(sender.secret.encode(), message.encode("utf-8"), "sha1")
    return Draft(draft.method, url, draft.adding({signature.header: base64_text(mac)}).headers, draft.body)


def hubspot(draft: Draft, _signature: Signature, sender: Sender) -> Draft:
    """v3: base64 over method, URL, body and milliseconds."""
    timestamp = str(int(sender.now * 1000))
    message = draft.method.encode() + draft.url.encode() + draft.body + timestamp.encode()
    return draft.adding(
        {
            "X-HubSpot-Signature-v3": base64_text(digest(sender.secret.encode(), message)),
            "X-HubSpot-Request-Timestamp": timestamp,
        }
    )


def docusign(draft: Draft, _signature: Signature, sender: Sender) -> Draft:
    """One header per active Connect key; ours is the second of an account whose first one is gone."""
    return draft.adding({"X-DocuSign-Signature-2": base64_text(digest(sender.secret.encode(), draft.body))})


SIGNERS: Mapping[str, Sign] = {
    sign.__name__: sign
    for sign in (body_hmac, generic_hmac, stripe, paddle, standard_webhooks, twilio, hubspot, docusign)
}
