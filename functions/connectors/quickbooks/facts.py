"""Reads the facts of a QuickBooks delivery, of the older format and of CloudEvents: one per record that changed."""

from typing import Any

from hub.deliveries import Delivery
from hub.facts import Fact, Stated, at, canonical, fact_of, hashed_id, json_of, time_of, version_of, whole

# What the older format calls an operation → what CloudEvents call it, so that a topic is the same in both
OPERATIONS = {
    "Create": "created",
    "Update": "updated",
    "Delete": "deleted",
    "Merge": "merged",
    "Void": "voided",
    "Emailed": "emailed",
}
PARTS_OF_TYPE = 4  # qbo.invoice.created.v1


def facts(delivery: Delivery) -> list[Fact]:
    """The record's id alone is told, so that a fact names company, kind and id; whoever reads it fetches the record."""
    body = json_of(delivery)
    found = [_of_cloud_event(delivery, event) for event in _dicts(body)]
    for company in _dicts(at(body, "eventNotifications")):
        found += [_of_entity(delivery, company, entity) for entity in _dicts(at(company, "dataChangeEvent.entities"))]
    return found or [whole(delivery)]


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _of_cloud_event(delivery: Delivery, event: dict[str, Any]) -> Fact:
    stated = Stated(delivery, None, event)
    kind, operation = _kind_and_operation(stated.text("item:type"))
    when = event.get("time")
    return fact_of(
        f"{kind}/{operation}",
        [stated.text("item:id")],
        kind,
        _of_company(stated.text("item:intuitaccountid"), stated.text("item:intuitentityid")),
        canonical([event]),
        version=version_of(when, "timestamp"),
        time=time_of(when),
    )


def _kind_and_operation(event_type: str) -> tuple[str, str]:
    parts = event_type.split(".")
    return (parts[1], parts[2]) if len(parts) == PARTS_OF_TYPE else (event_type, "")


def _of_entity(delivery: Delivery, company: dict[str, Any], entity: dict[str, Any]) -> Fact:
    """An entity of the older format has no id of an event: company, record, operation and time are what tells it."""
    stated = Stated(delivery, company, entity)
    realm, name, key = stated.text("body:realmId"), stated.text("item:name"), stated.text("item:id")
    operation, when = stated.text("item:operation"), entity.get("lastUpdated")
    parts = (realm, name, key, operation, stated.text("item:lastUpdated"))
    alone = {**company, "dataChangeEvent": {"entities": [entity]}}
    return fact_of(
        f"{name.lower()}/{OPERATIONS.get(operation, operation.lower())}",
        [hashed_id(*(part.encode("utf-8", "surrogatepass") for part in parts))],
        name.lower(),
        _of_company(realm, key),
        canonical({"eventNotifications": [alone]}),
        version=version_of(when, "timestamp"),
        time=time_of(when),
    )


def _of_company(realm: str, key: str) -> str:
    """A record's id is its company's own: two companies have a customer 1 each."""
    return f"{realm}/{key}" if realm and key else ""
