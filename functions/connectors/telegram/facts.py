"""Reads the one fact of a Telegram update, whose kind is the name of the field beside `update_id`."""

from typing import Any

from hub.deliveries import Delivery
from hub.facts import Fact, Stated, fact_of, json_of, time_of, version_of, whole


def facts(delivery: Delivery) -> list[Fact]:
    """An update is about a message of a chat, or else about what its own id names."""
    body = json_of(delivery)
    kinds = [name for name, value in body.items() if isinstance(value, dict)] if isinstance(body, dict) else []
    if len(kinds) != 1:
        return [whole(delivery)]
    stated = Stated(delivery, body, body[kinds[0]])
    return [
        fact_of(
            kinds[0],
            [stated.text("body:update_id")],  # the same on every retry
            *_about(stated, kinds[0]),
            delivery.body,
            version=version_of(stated.value("body:update_id"), "integer"),
            time=time_of(_date(stated)),
            content_type=delivery.optional_header("content-type"),
        )
    ]


def _about(stated: Stated, kind: str) -> tuple[str, str]:
    """A message's number counts within its chat. A changed one keeps its number, so that the newest update wins."""
    chat, message = stated.text("item:chat.id"), stated.text("item:message_id")
    if chat and message:
        return "message", f"{chat}/{message}"
    own = stated.text("item:id|item:poll_id")
    return (kind, own) if own else ("chat", chat)


def _date(stated: Stated) -> Any:
    return stated.value("item:edit_date|item:date")
