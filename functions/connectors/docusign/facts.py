"""Reads the one fact of a DocuSign Connect delivery, in JSON or in the older XML."""

from xml.etree.ElementTree import Element

from hub.deliveries import Delivery
from hub.facts import Fact, Stated, fact_of, json_of, time_of, version_of, whole
from hub.xml import root_of

NAMESPACE = "{http://www.docusign.net/API/3.0}"


def facts(delivery: Delivery) -> list[Fact]:
    """What happened to an envelope, or to what else the event names. DocuSign sends no id: the envelope, the event and
    the time at which it was generated make one, and stay the same when `retryCount` grows."""
    body = json_of(delivery)
    if isinstance(body, dict):
        return [_json(Stated(delivery, body, body))]
    root = _xml(delivery.body)
    return [whole(delivery) if root is None else _from_xml(delivery, root)]


def _json(stated: Stated) -> Fact:
    event, generated = stated.text("body:event"), stated.text("body:generatedDateTime")
    envelope = stated.text("body:data.envelopeId")
    entity = ("envelope", envelope) if envelope else ("template", stated.text("body:data.templateId"))
    recipient = stated.text("body:data.recipientId")
    about = [entity[1], recipient, event, generated] if recipient else [entity[1], event, generated]
    return fact_of(
        event,
        about if all(about) else [],
        *entity,
        stated.delivery.body,
        version=version_of(generated, "timestamp"),
        time=time_of(generated),
        content_type=stated.delivery.optional_header("content-type"),
    )


def _from_xml(delivery: Delivery, root: Element) -> Fact:
    """DocuSignEnvelopeInformation, whose times lack the zone that stands at its end in hours."""
    envelope, status = _text(root, "EnvelopeStatus/EnvelopeID"), _text(root, "EnvelopeStatus/Status")
    generated = _text(root, "EnvelopeStatus/TimeGenerated")
    zoned = f"{generated}{_zone(_text(root, 'TimeZoneOffset'))}"
    event = f"envelope-{status.lower()}" if status else ""  # as the JSON calls it
    about = [envelope, event, generated]
    return fact_of(
        event,
        about if all(about) else [],
        "envelope",
        envelope,
        delivery.body,
        version=version_of(zoned, "timestamp"),
        time=time_of(zoned),
        content_type=delivery.optional_header("content-type"),
    )


def _xml(body: bytes) -> Element | None:
    try:
        return root_of(body)
    except ValueError:
        return None


def _text(root: Element, path: str) -> str:
    steps = "/".join(NAMESPACE + step for step in path.split("/"))
    return (root.findtext(steps) or "").strip()


def _zone(hours: str) -> str:
    sign, number = ("-", hours[1:]) if hours.startswith("-") else ("+", hours.removeprefix("+"))
    return f"{sign}{int(number):02d}:00" if number.isascii() and number.isdigit() and len(number) <= 2 else ""
