"""Reads the facts of a Twilio delivery: a form about a message or a call, or CloudEvents of Event Streams."""

from typing import Any
from urllib.parse import parse_qsl, urlencode

from hub.deliveries import Delivery
from hub.facts import Fact, Stated, canonical, fact_of, json_of, time_of, version_of, whole

FORM = "application/x-www-form-urlencoded"
TOKEN = "header:I-Twilio-Idempotency-Token"  # noqa: S105 - an id that is the same on every retry, and no secret
# What a caller or an app did in a call that goes on: several of them share CallSid and CallStatus
WITHIN_A_CALL = {
    "Digits",
    "SpeechResult",
    "RecordingSid",
    "DialCallSid",
    "TranscriptionSid",
    "ConferenceSid",
    "QueueSid",
}


def facts(delivery: Delivery) -> list[Fact]:
    """A form is one fact, an array of CloudEvents one fact each."""
    body = json_of(delivery)
    events = [event for event in body if isinstance(event, dict)] if isinstance(body, list) else []
    if events:
        return [_of_cloud_event(delivery, event) for event in events]
    form = delivery.form() if delivery.body else parse_qsl(delivery.query, keep_blank_values=True)
    if ("form" not in delivery.optional_header("content-type") and delivery.body) or not form:
        return [whole(delivery)]
    data = delivery.body or urlencode(form).encode()  # the parameters of a GET's URL, as a form
    return [_of_form(delivery, dict(form), data)]


def _of_form(delivery: Delivery, form: dict[str, str], data: bytes) -> Fact:
    token = Stated(delivery, None, None).text(TOKEN)
    message, call = form.get("MessageSid") or form.get("SmsSid") or "", form.get("CallSid", "")
    if message:
        status = form.get("MessageStatus") or form.get("SmsStatus") or ""
        topic = "message/received" if status == "received" else "message/status"
        ids, about, version = [message, status], ("message", message), ""
    else:
        status = form.get("CallStatus", "")
        within = not status or not WITHIN_A_CALL.isdisjoint(form)
        topic = "call/step" if within else "call/status"
        ids, about = [] if within else [call, status], ("call", call)
        version = version_of(form.get("SequenceNumber"), "integer")
    return fact_of(topic, [token] if token else ids, *about, data, version=version, content_type=FORM)


def _of_cloud_event(delivery: Delivery, event: dict[str, Any]) -> Fact:
    stated = Stated(delivery, None, event)
    message = stated.text("item:data.messageSid|item:data.MessageSid")
    call = stated.text("item:data.callSid|item:data.CallSid|item:data.call_sid")
    about = ("message", message) if message else ("call", call) if call else ("event", stated.text("item:id"))
    return fact_of(
        stated.text("item:type"),
        [stated.text("item:id")],
        *about,
        canonical(event),
        version=version_of(event.get("time"), "timestamp"),
        time=time_of(event.get("time")),
    )
