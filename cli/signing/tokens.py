"""Secrets that travel with the delivery: tokens, passwords, and what the provider repeats of what we told it."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

from cli.signing import Draft, Sender, Sign
from cli.signing.macs import standard_webhooks
from hub.webhook_spec import Signature


def static_token(draft: Draft, signature: Signature, sender: Sender) -> Draft:
    """The secret itself, in the header that the manifest names."""
    return draft.adding({signature.header: signature.prefix + sender.secret})


def gitlab(draft: Draft, signature: Signature, sender: Sender) -> Draft:
    """The secret token, or what Standard Webhooks asks for where the secret is a signing token."""
    return (standard_webhooks if sender.secret.startswith("whsec_") else static_token)(draft, signature, sender)


def google_channel(draft: Draft, _signature: Signature, sender: Sender) -> Draft:
    """The channel's token beside its ids; no body."""
    return draft.adding(
        {
            "X-Goog-Channel-ID": sender.stated("channel_id"),
            "X-Goog-Resource-ID": sender.stated("resource_id"),
            "X-Goog-Channel-Token": sender.secret,
        }
    )


def static_credential(draft: Draft, signature: Signature, sender: Sender) -> Draft:
    """What a person typed into the sender's webhook settings: a header, a user's password, or a token it signs."""
    mode = sender.stated("mode", "header")
    if mode == "basic":
        user = sender.stated("user", "")
        pair = f"{user}:{sender.secret}" if user else sender.secret
        return draft.adding({"Authorization": "Basic " + _base64(pair.encode())})
    if mode == "jwt":
        return draft.adding({"Authorization": "Bearer " + jwt_hs256({"iat": int(sender.now)}, sender.secret)})
    return draft.adding({sender.stated("header", signature.header): sender.secret})


def jwt_hs256(claims: Mapping[str, Any], passphrase: str) -> str:
    """A JSON web token under a passphrase."""
    signed = f"{_url_json({'alg': 'HS256', 'typ': 'JWT'})}.{_url_json(claims)}"
    return f"{signed}.{url_base64(hmac.digest(passphrase.encode(), signed.encode(), hashlib.sha256))}"


def url_base64(raw: bytes) -> str:
    """Base64 as JSON web tokens write it."""
    return base64.urlsafe_b64encode(raw).decode("ascii").rstrip("=")


def _url_json(content: Mapping[str, Any]) -> str:
    return url_base64(json.dumps(content, separators=(",", ":")).encode())


def _base64(raw: bytes) -> str:
    return base64.standard_b64encode(raw).decode("ascii")


SIGNERS: Mapping[str, Sign] = {
    sign.__name__: sign for sign in (static_token, gitlab, google_channel, static_credential)
}
