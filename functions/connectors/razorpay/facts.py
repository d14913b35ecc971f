"""Reads the one fact of a Razorpay delivery: of several entities in it, the event's name says which one it is about."""

from hub.deliveries import Delivery
from hub.facts import Fact, Stated, at, fact_of, json_of, time_of, version_of


def facts(delivery: Delivery) -> list[Fact]:
    """`payment.dispute.created` is about a dispute, `refund.processed` about a refund, whatever comes with it."""
    body = json_of(delivery)
    stated = Stated(delivery, body, body)
    event = stated.text("body:event")
    payload = at(body, "payload")
    named = [kind for kind in reversed(event.split(".")[:-1]) if at(payload, kind)]
    kind = named[0] if named else stated.text("body:contains.0")
    created = stated.value("body:created_at")
    return [
        fact_of(
            event,
            [stated.text("header:x-razorpay-event-id")],
            kind,
            stated.text(f"body:payload.{kind}.entity.id"),
            delivery.body,
            version=version_of(created, "unix_seconds"),
            time=time_of(created),
            content_type=delivery.optional_header("content-type"),
        )
    ]
