"""Reads the facts of a Xero delivery: one per event, in Xero's own numbering."""

from typing import Any

from hub.deliveries import Delivery
from hub.facts import Fact, Stated, at, canonical, fact_of, json_of, time_of, version_of, whole


def facts(delivery: Delivery) -> list[Fact]:
    """An event has no id: its number, what it is about, when and what happened make one. The number is the first
    one of the delivery plus the event's place, and orders what happens to an entity."""
    body = json_of(delivery)
    events = at(body, "events")
    if not isinstance(events, list) or not events:
        return [whole(delivery)]
    first, last = at(body, "firstEventSequence"), at(body, "lastEventSequence")
    counted = _is_number(first) and _is_number(last) and last - first + 1 == len(events)
    return [
        _event(Stated(delivery, body, each), str(first + place) if counted else "") for place, each in enumerate(events)
    ]


def _event(stated: Stated, number: str) -> Fact:
    category, kind = stated.text("item:eventCategory"), stated.text("item:eventType")
    entity_id, date = stated.text("item:resourceId"), stated.text("item:eventDateUtc")
    named = category and kind and entity_id and date  # less than all could be shared by two events
    return fact_of(
        f"{category}.{kind}",
        [number, entity_id, kind, date] if named else [],
        category.lower(),
        entity_id,
        canonical(stated.item),
        version=version_of(number, "integer"),
        time=time_of(f"{date}Z"),  # UTC, as the field's name says
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
