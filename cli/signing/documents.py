"""Proof that stands in the body: the sender writes it into the document that it sends."""

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

from cli.signing import Draft, Sender, Sign
from cli.signing.macs import base64_text, digest
from hub.webhook_spec import Signature

ORGANIZATION = re.compile(rb"(<(?:\w+:)?OrganizationId>)[^<]*(<)")


def adyen(draft: Draft, signature: Signature, sender: Sender) -> Draft:
    """`additionalData.hmacSignature` of each item, over eight of its fields as they are; a header where there are no
    items."""
    content = _object(draft.body)
    if "notificationItems" not in content:
        return draft.adding({signature.header: base64_text(digest(bytes.fromhex(sender.secret), draft.body))})
    for item in content["notificationItems"]:
        fields = item["NotificationRequestItem"]
        amount = fields.get("amount", {})
        message = ":".join(
            str(value)
            for value in (
                fields.get("pspReference", ""),
                fields.get("originalReference", ""),
                fields.get("merchantAccountCode", ""),
                fields.get("merchantReference", ""),
                amount.get("value", ""),
                amount.get("currency", ""),
                fields.get("eventCode", ""),
                fields.get("success", ""),
            )
        )
        mac = base64_text(digest(bytes.fromhex(sender.secret), message.encode()))
        fields["additionalData"] = {**fields.get("additionalData", {}), "hmacSignature": mac}
    return _with_json(draft, content)


def mailgun(draft: Draft, _signature: Signature, sender: Sender) -> Draft:
    """`signature` with timestamp, token and their HMAC; in a form the three stand at its top."""
    timestamp, token = str(int(sender.now)), hashlib.sha256(draft.body).hexdigest()[:50]  # a retry's is the same
    mac = hmac.digest(sender.secret.encode(), (timestamp + token).encode(), hashlib.sha256).hex()
    proof = {"timestamp": timestamp, "token": token, "signature": mac}
    if "form" in draft.header("content-type"):
        fields = [(key, value) for key, value in parse_qsl(draft.body.decode(), True) if key not in proof]
        return replace(draft, body=urlencode([*fields, *proof.items()]).encode())
    return _with_json(draft, {**_object(draft.body), "signature": proof})


def graph(draft: Draft, _signature: Signature, sender: Sender) -> Draft:
    """`clientState` of each notification."""
    content = _object(draft.body)
    for item in content.get("value", []):
        item["clientState"] = sender.secret
    return _with_json(draft, content)


def salesforce(draft: Draft, _signature: Signature, sender: Sender) -> Draft:
    """`OrganizationId`, of the organisation that the integration allows."""
    organization = sender.stated("organization_ids").encode()
    return replace(draft, body=ORGANIZATION.sub(rb"\g<1>" + organization + rb"\g<2>", draft.body))


def _object(body: bytes) -> dict[str, Any]:
    content = json.loads(body)
    return content if isinstance(content, dict) else {}


def _with_json(draft: Draft, content: Any) -> Draft:
    return replace(draft, body=json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode())


SIGNERS: Mapping[str, Sign] = {sign.__name__: sign for sign in (adyen, mailgun, graph, salesforce)}
