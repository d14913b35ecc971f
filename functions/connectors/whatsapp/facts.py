"""Reads the facts of a WhatsApp delivery: each message and each status of up to 1,000 updates, as a delivery of its own."""

from collections.abc import Iterator
from typing import Any

from hub.deliveries import Delivery
from hub.facts import Fact, Stated, at, canonical, fact_of, hashed_id, json_of, time_of, version_of, whole

LISTS = {"messages": "message", "statuses": "status"}  # where a change holds several updates → what each is
PEOPLE = "contacts"


def facts(delivery: Delivery) -> list[Fact]:
    """One fact per message (`messages[].id`), per status of one (`statuses[].id` and `status`), and per other change."""
    body = json_of(delivery)
    found = [fact for entry in _dicts(at(body, "entry")) for fact in _of_entry(delivery, body, entry)]
    return found or [whole(delivery)]


def _of_entry(delivery: Delivery, body: Any, entry: dict[str, Any]) -> Iterator[Fact]:
    changes = _dicts(entry.get("changes"))
    for change in changes:
        yield from _of_change(delivery, body, entry, change)
    if not changes:  # other products of Meta send entries of other forms
        yield _other(delivery, _text(at(body, "object")), _around(body, entry))


def _of_change(delivery: Delivery, body: Any, entry: dict[str, Any], change: dict[str, Any]) -> Iterator[Fact]:
    value = change["value"] if isinstance(change.get("value"), dict) else {}
    field = _text(change.get("field"))
    updates = [(name, update) for name in LISTS for update in _dicts(value.get(name))]
    if not updates:
        yield _other(delivery, field, _around(body, {**entry, "changes": [change]}))
        return
    shared = {name: each for name, each in value.items() if name not in LISTS and name != PEOPLE}
    people = {_text(person.get("wa_id")): person for person in _dicts(value.get(PEOPLE))}
    for name, update in updates:
        person = people.get(_text(update.get("from" if name == "messages" else "recipient_id")))
        alone = {**shared, name: [update], **({PEOPLE: [person]} if person else {})}
        yield _of_update(
            delivery, field, name, update, _around(body, {**entry, "changes": [{**change, "value": alone}]})
        )


def _of_update(delivery: Delivery, field: str, name: str, update: dict[str, Any], content: dict[str, Any]) -> Fact:
    """`content` is the delivery as it would be with this update alone."""
    data = canonical(content)
    stated = Stated(delivery, content, update)
    message, status = stated.text("item:id"), stated.text("item:status")
    parts = [message] if name == "messages" else [message, status]
    when = update.get("timestamp")
    return fact_of(
        f"{field}/{LISTS[name]}",
        parts if all(parts) else [],
        "message",
        message,
        data,
        version=version_of(when, "unix_seconds"),
        time=time_of(when),
    )


def _other(delivery: Delivery, topic: str, content: dict[str, Any]) -> Fact:
    """A change that is none of a message: about the account that the entry names."""
    data = canonical(content)
    account = Stated(delivery, content, None).text("body:entry.0.id")
    time = time_of(at(content, "entry.0.time"))
    return fact_of(
        topic, [hashed_id(topic.encode("utf-8", "surrogatepass"), data)], "account", account, data, time=time
    )


def _around(body: Any, entry: dict[str, Any]) -> dict[str, Any]:
    """The delivery with one entry alone."""
    return {**body, "entry": [entry]}


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
