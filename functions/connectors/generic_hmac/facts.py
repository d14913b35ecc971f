"""Reads the one fact that a device or an in-house system states; the README says which fields it may use."""

from hub.deliveries import Delivery
from hub.facts import Fact, Stated, fact_of, json_of, time_of, version_of

DEVICE = "body:device_id|body:machine_id"


def facts(delivery: Delivery) -> list[Fact]:
    """The id is the device's name and what it counts: either alone would be shared by two facts."""
    body = json_of(delivery)
    stated = Stated(delivery, body, body)
    device = stated.text(DEVICE)
    entity, entity_id = ("device", device) if device else (stated.text("body:entity"), stated.text("body:entity_id"))
    counted = stated.text("body:event_id|body:seq" if device else "body:event_id")
    return [
        fact_of(
            stated.text("body:type|body:event"),
            [part for part in (device, counted) if part] if counted else [],
            entity,
            entity_id,
            delivery.body,
            version=version_of(stated.value("body:seq|body:version"), "integer"),
            time=time_of(stated.value("body:ts")),
            content_type=delivery.optional_header("content-type"),
        )
    ]
