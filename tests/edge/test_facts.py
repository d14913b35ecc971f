"""What single connectors promise of their facts beyond their examples: as many events as updates, and no credential kept."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from cli.signing.examples import Example, examples
from connectors import facts_module
from hub.deliveries import Delivery
from hub.facts import Fact
from tests.fakes import FakeEventQueue
from tests.provider import Endpoint, secret_of


def read(connector: str, content: Any, **headers: str) -> list[Fact]:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    stated = {name.replace("_", "-"): [value] for name, value in headers.items()}
    facts: list[Fact] = facts_module(connector).facts(Delivery("POST", stated, body))
    return facts


def message(number: int) -> dict[str, Any]:
    return {"from": f"49{number}", "id": f"wamid.{number}", "timestamp": str(1_767_225_900 + number), "type": "text"}


def test_a_thousand_updates_are_a_thousand_events_that_fit_their_queue() -> None:
    people = [{"profile": {"name": "é" * 50}, "wa_id": f"49{number}"} for number in range(1_000)]
    value = {"metadata": {"phone_number_id": "1"}, "contacts": people, "messages": [message(n) for n in range(1_000)]}
    entry = {"id": "5467539754836534", "changes": [{"field": "messages", "value": value}]}
    facts = read("whatsapp", {"object": "whatsapp_business_account", "entry": [entry]})

    assert [fact.event_id for fact in facts] == [f"wamid.{number}" for number in range(1_000)]
    assert max(len(fact.data) for fact in facts) < 1_000
    alone = json.loads(facts[7].data)["entry"][0]["changes"][0]["value"]
    assert alone["messages"] == [message(7)]
    assert alone["contacts"] == [people[7]]


def test_statuses_of_one_message_are_facts_of_their_own() -> None:
    statuses = [
        {"id": "wamid.1", "status": status, "timestamp": "1767225900"} for status in ("sent", "delivered", "read")
    ]
    facts = read(
        "whatsapp", {"entry": [{"id": "1", "changes": [{"field": "messages", "value": {"statuses": statuses}}]}]}
    )

    assert [fact.event_id for fact in facts] == ["wamid.1:sent", "wamid.1:delivered", "wamid.1:read"]
    assert len({fact.version for fact in facts}) == 1


def secretive() -> Iterator[Any]:
    for connector in ("salesforce", "msgraph", "google_push"):
        for example in examples(connector):
            if not example.handshake:
                yield pytest.param(connector, example, id=f"{connector}-{example.name}")


@pytest.mark.parametrize(("connector", "example"), list(secretive()))
def test_what_proved_the_sender_goes_no_further_than_the_edge(connector: str, example: Example) -> None:
    at = Endpoint(connector, queue=FakeEventQueue())
    at.send(at.signed(example), example)
    queued = "".join(message for _, message in at.queue.kept)

    assert queued
    assert "SESSION" not in queued
    assert "clientState" not in queued
    assert not secret_of(connector) or secret_of(connector) not in queued


def test_the_same_order_in_two_formats_has_one_topic_and_one_entity() -> None:
    entity = {"name": "Invoice", "id": "95", "operation": "Create", "lastUpdated": "2026-01-01T00:04:50.000Z"}
    (old,) = read("quickbooks", {"eventNotifications": [{"realmId": "7", "dataChangeEvent": {"entities": [entity]}}]})
    (new,) = read(
        "quickbooks", [{"id": "1", "type": "qbo.invoice.created.v1", "intuitentityid": "95", "intuitaccountid": "7"}]
    )

    assert (old.topic, old.entity, old.entity_id) == (new.topic, new.entity, new.entity_id)


def test_two_orders_of_one_second_are_told_apart_by_their_bodies() -> None:
    headers = {"x_wc_webhook_topic": "order.updated", "x_wc_webhook_delivery_id": "2d8f9c6b1e7a4f5d8c3b2a1908f7e6d5"}
    (first,), (second,) = (read("woocommerce", {"id": number}, **headers) for number in (727, 728))

    assert first.event_id != second.event_id


def test_steps_of_a_call_that_share_everything_but_what_was_pressed_are_told_apart() -> None:
    def step(digits: str) -> Fact:
        body = f"CallSid=CA1&CallStatus=in-progress&Digits={digits}".encode()
        return read("twilio", body, content_type="application/x-www-form-urlencoded")[0]

    assert step("1").event_id != step("2").event_id
    assert step("1").event_id == step("1").event_id


def test_a_resource_whose_name_is_too_long_for_an_entity_is_hashed_and_stays_one() -> None:
    def item(change: str) -> Fact:
        return read("msgraph", {"value": [{"id": change, "changeType": change, "resource": "users/" + "A" * 300}]})[0]

    assert item("created").entity == "resource"
    assert item("created").entity_id == item("updated").entity_id
    assert len(item("created").entity_id) < 100
