"""Reads the facts of CloudEvents, however they come: as one document, as a batch, or with the attributes in headers.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md
"""

import re
from typing import Any

from hub.deliveries import Delivery
from hub.facts import Fact, Stated, canonical, fact_of, json_of, time_of, version_of, whole

ATTRIBUTES = ("specversion", "id", "source", "type", "subject", "time", "datacontenttype")
OBJECT = re.compile(r"\.([A-Z]\w*)\.\w+\.v\d+$")  # sap.s4.beh.businesspartner.v1.BusinessPartner.Changed.v1


def facts(delivery: Delivery) -> list[Fact]:
    """One fact per event. `id` tells it together with `source`: two systems may count alike."""
    if delivery.optional_header("ce-id"):
        return [_in_headers(delivery)]
    body = json_of(delivery)
    batch = body if isinstance(body, list) else [body]
    found = [_fact(delivery, event, canonical(event)) for event in batch if isinstance(event, dict)]
    return found or [whole(delivery)]


def _in_headers(delivery: Delivery) -> Fact:
    """The body is the event's data; queued is the event as it would have come in one document."""
    stated = {name: delivery.optional_header(f"ce-{name}") for name in ATTRIBUTES}
    event: dict[str, Any] = {name: value for name, value in stated.items() if value}
    content = json_of(delivery)
    if content is None:
        return _fact(delivery, event, delivery.body, delivery.optional_header("content-type"))
    event["data"] = content
    return _fact(delivery, event, canonical(event))


def _fact(delivery: Delivery, event: dict[str, Any], data: bytes, content_type: str = "application/json") -> Fact:
    stated = Stated(delivery, None, event)
    kind, key = _entity(stated, event)
    when = event.get("time")
    event_id = stated.text("item:id")
    return fact_of(
        stated.text("item:type"),
        [stated.text("item:source"), event_id] if event_id else [],
        kind,
        key,
        data,
        version=version_of(when, "timestamp"),
        time=time_of(when),
        content_type=content_type,
    )


def _entity(stated: Stated, event: dict[str, Any]) -> tuple[str, str]:
    """The business object that the type names and its key in the data; else the event's subject, or the event itself."""
    named = OBJECT.search(stated.text("item:type"))
    kind = named[1] if named else ""
    content = event.get("data")
    key = stated.text(f"item:data.{kind}") if kind else ""
    if not key and kind and isinstance(content, dict) and len(content) == 1:
        key = stated.text(f"item:data.{next(iter(content))}")
    subject = stated.text("item:subject")
    if key or subject:
        return kind or "subject", key or subject
    return "event", stated.text("item:id")
