"""Reads the facts of a Graph notification: each item, without the clientState that proved where it comes from."""

from typing import Any

from hub.deliveries import Delivery
from hub.facts import MAX_NAME_CHARS, Fact, Stated, at, canonical, fact_of, hashed_id, json_of, whole

SECRET = "clientState"  # noqa: S105 - the name of the field


def facts(delivery: Delivery) -> list[Fact]:
    """Each item tells that a resource was created, updated or deleted, or what became of the subscription itself."""
    items = at(json_of(delivery), "value")
    found = [_of_item(delivery, item) for item in items if isinstance(item, dict)] if isinstance(items, list) else []
    return found or [whole(delivery)]


def _of_item(delivery: Delivery, item: dict[str, Any]) -> Fact:
    open_item = {name: value for name, value in item.items() if name != SECRET}
    stated = Stated(delivery, None, open_item)
    own, resource = stated.text("item:id"), stated.text("item:resourceData.id|item:resource")
    change = stated.text("item:changeType|item:lifecycleEvent")
    subscription = stated.text("item:subscriptionId")
    etag = _etag(open_item)
    parts = (subscription, stated.text("item:resource"), etag, change)
    identified = own or etag  # without either, two changes of one resource would look the same
    hashed = hashed_id(*(part.encode("utf-8", "surrogatepass") for part in parts)) if identified else ""
    return fact_of(
        change,
        [own or hashed],
        _kind(open_item) if resource else "subscription",
        _short(resource or subscription),
        canonical(open_item),
    )


def _kind(item: dict[str, Any]) -> str:
    """`#Microsoft.Graph.Message` is a message."""
    data = item.get("resourceData")
    named = data.get("@odata.type") if isinstance(data, dict) else None
    return named.rpartition(".")[2].lower() if isinstance(named, str) else "resource"


def _etag(item: dict[str, Any]) -> str:
    data = item.get("resourceData")
    etag = data.get("@odata.etag") if isinstance(data, dict) else None
    return etag if isinstance(etag, str) else ""


def _short(resource: str) -> str:
    """A resource's id as the name of an entity; Exchange's are long, and those that are too long are hashed."""
    return resource if len(resource) <= MAX_NAME_CHARS else hashed_id(resource.encode("utf-8", "surrogatepass"))
