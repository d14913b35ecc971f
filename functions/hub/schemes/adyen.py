"""Adyen: standard notifications, each item signed by itself within the body; other webhooks by a header.

A standard notification's `additionalData.hmacSignature` is base64 of HMAC-SHA256 by the hex-decoded key over eight
fields, joined by colons, as they are: nothing is escaped, and what is missing counts as empty. Nothing else of the item
is authenticated, so `eventDate`, `reason` and `additionalData` are hearsay. Every item is checked (Adyen's Python library
checks the first alone). Balance Platform and Management webhooks bear `HmacSignature` over the raw body instead.
https://docs.adyen.com/development-resources/webhooks/verify-hmac-signatures; confirmed by Adyen's published
notifications and its libraries for Python and node.
"""

import json
from typing import Any

from hub.deliveries import Delivery, Expected
from hub.errors import MalformedBody, MalformedHeader
from hub.facts import at, json_of
from hub.schemes import decoded, live_keys, matching
from hub.webhook_spec import Signature

SIGNED = (
    "pspReference",
    "originalReference",
    "merchantAccountCode",
    "merchantReference",
    "amount.value",
    "amount.currency",
    "eventCode",
    "success",
)


def verify(delivery: Delivery, signature: Signature, expected: Expected) -> int:
    """Check the header where one came, else every item; the place is that of the oldest secret that was needed."""
    keys = live_keys(expected, "hex")
    if delivery.headers.get(signature.header.lower()):
        given = decoded(delivery.header(signature.header), "base64", signature.header)
        return matching(keys, "sha256", delivery.body, [given])
    return max(_item(item, keys) for item in _items(delivery))


def _items(delivery: Delivery) -> list[dict[str, Any]]:
    items = at(json_of(delivery), "notificationItems")
    if not isinstance(items, list) or not items:
        raise MalformedBody("neither a HmacSignature header nor notificationItems came: nothing to verify")
    fields = [at(item, "NotificationRequestItem") for item in items]
    if not all(isinstance(each, dict) for each in fields):
        raise MalformedBody("an entry of notificationItems has no NotificationRequestItem")
    return fields


def _item(item: dict[str, Any], keys: list[bytes]) -> int:
    proof = at(item, "additionalData.hmacSignature")
    if not isinstance(proof, str):
        raise MalformedBody("an item has no additionalData.hmacSignature; enable the HMAC key for this webhook")
    try:
        given = decoded(proof, "base64", "additionalData.hmacSignature")
    except MalformedHeader as error:
        raise MalformedBody(str(error)) from error
    message = ":".join(_text(at(item, path)) for path in SIGNED)
    return matching(keys, "sha256", message.encode("utf-8", "surrogatepass"), [given])


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, dict | list):
        raise MalformedBody("a signed field of an item is neither text nor a number")
    return json.dumps(value)
