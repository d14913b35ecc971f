"""Reads the one fact of a Slack delivery: an event, a slash command, or what somebody clicked."""

import json
from typing import Any

from hub.deliveries import Delivery
from hub.facts import Fact, Stated, fact_of, json_of, time_of, version_of

# Where an event names the message that it is about: the changed or deleted one, the one that was reacted to, or itself
CHANNEL = "body:event.channel|body:event.item.channel"
MESSAGE = "body:event.message.ts|body:event.deleted_ts|body:event.item.ts|body:event.ts"


def facts(delivery: Delivery) -> list[Fact]:
    """JSON is an event; a form is a command, or holds JSON in its field `payload`."""
    form = dict(delivery.form()) if "form" in delivery.optional_header("content-type") else {}
    if "payload" in form:
        return [_interaction(delivery, form["payload"])]
    if "command" in form:
        return [_command(delivery, form)]
    return [_event(delivery)]


def _event(delivery: Delivery) -> Fact:
    body = json_of(delivery)
    stated = Stated(delivery, body, body)
    channel, message = stated.text(CHANNEL), stated.text(MESSAGE)
    about = ("message", f"{channel}/{message}") if channel and message else _wider(stated)
    return fact_of(
        stated.text("body:event.type|body:type"),
        [stated.text("body:event_id")],  # the same on every retry
        *about,
        delivery.body,
        version=_version(stated),
        time=time_of(stated.value("body:event_time")),
        content_type=delivery.optional_header("content-type"),
    )


def _wider(stated: Stated) -> tuple[str, str]:
    """An event that is about no message is about a channel, a person, or the workspace."""
    channel = stated.text("body:event.channel|body:event.channel.id|body:event.channel_id")
    if channel:
        return "channel", channel
    user = stated.text("body:event.user|body:event.user.id|body:event.user_id")
    return ("user", user) if user else ("team", stated.text("body:team_id"))


def _version(stated: Stated) -> str:
    """When it happened: to the microsecond where Slack says so, since a second may hold several events."""
    seconds, _, micros = stated.text("body:event.event_ts|body:event.ts").partition(".")
    if seconds.isdecimal() and seconds.isascii() and micros.isdecimal() and micros.isascii() and len(micros) == 6:
        whole = version_of(seconds, "unix_seconds")
        return whole.replace(".000000Z", f".{micros}Z")
    return version_of(stated.value("body:event_time"), "unix_seconds")


def _command(delivery: Delivery, form: dict[str, str]) -> Fact:
    trigger = form.get("trigger_id", "")  # one per command that is typed; a command has no other id
    return fact_of(
        "slash_command",
        [trigger],
        "command",
        trigger,
        delivery.body,
        content_type=delivery.optional_header("content-type"),
    )


def _interaction(delivery: Delivery, payload: str) -> Fact:
    body = _json(payload)
    stated = Stated(delivery, body, body)
    trigger = stated.text("body:trigger_id")
    return fact_of(
        stated.text("body:type"),
        [trigger],
        "interaction",
        trigger,
        delivery.body,
        content_type=delivery.optional_header("content-type"),
    )


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
