"""Reads the facts of an outbound message: each of up to 100 notifications as JSON, without the session that comes along."""

import json
from typing import Any
from xml.etree.ElementTree import Element

from hub.deliveries import Delivery
from hub.facts import Fact, fact_of, time_of, version_of
from hub.schemes.salesforce import OUTBOUND, notifications, text_of

TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"
CHANGED = ("SystemModstamp", "LastModifiedDate")  # if the message was set up to send one of them
MAX_DEPTH = 8


def facts(delivery: Delivery) -> list[Fact]:
    """One fact per notification. `SessionId` is a key to the organisation, and goes no further than this function."""
    message = notifications(delivery.body)
    shared = {name: text_of(message, name) for name in ("OrganizationId", "ActionId", "EnterpriseUrl", "PartnerUrl")}
    found = [_of_notification(each, shared) for each in message.findall(f"{OUTBOUND}Notification")]
    return found or [fact_of("", (), "", "", _json(shared))]


def _of_notification(notification: Element, shared: dict[str, str]) -> Fact:
    notification_id = text_of(notification, "Id")  # the same on every retry
    records = notification.findall(f"{OUTBOUND}sObject")
    kind, record = _kind(records[0]) if records else "", _read(records[0]) if records else None
    fields: dict[str, Any] = record if isinstance(record, dict) else {}
    changed = next((fields[name] for name in CHANGED if fields.get(name)), None)
    told = {**shared, "Notification": {"Id": notification_id, "sObject": {"type": kind, **fields}}}
    key = fields.get("Id")
    return fact_of(
        kind,
        [notification_id],
        kind,
        key if isinstance(key, str) else "",
        _json(told),
        version=version_of(changed, "timestamp"),
        time=time_of(changed),
    )


def _kind(record: Element) -> str:
    """`sf:Opportunity` is an Opportunity."""
    return record.get(TYPE, "").rpartition(":")[2]


def _read(element: Element, depth: int = 0) -> Any:
    """An element as JSON: its text, or its children by name; None where it is nil."""
    if element.get(NIL) == "true":
        return None
    if not len(element) or depth == MAX_DEPTH:
        return (element.text or "").strip()
    found: dict[str, Any] = {}
    for child in element:
        name, value = child.tag.rpartition("}")[2], _read(child, depth + 1)
        if name in found:  # a field that comes twice is a list
            before = found[name]
            found[name] = [*before, value] if isinstance(before, list) else [before, value]
        else:
            found[name] = value
    return found


def _json(content: dict[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
