"""Ids that are the same on every redelivery and nobody else's, where a manifest's expressions alone do not make them."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from cli.signing.examples import examples
from connectors import facts_module
from hub.deliveries import Delivery
from hub.errors import UsedToken, WrongAccount
from hub.facts import UNREADABLE, Fact
from hub.receive import name_the_facts, receive
from tests.api_gateway import api_gateway_request
from tests.fakes import FakeEventQueue, FakeSecrets, FakeTokens, outside
from tests.provider import Endpoint, secret_of
from webhooks.handler import delivery_from_api_gateway


def read(connector: str, body: Any, **headers: str) -> list[Fact]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = Delivery("POST", {name.replace("_", "-").lower(): [value] for name, value in headers.items()}, raw)
    facts: list[Fact] = facts_module(connector).facts(sent)
    return facts


# --- devices ----------------------------------------------------------------------------------------------------------


def test_what_two_devices_count_is_told_apart() -> None:
    ((one,), (two,)) = (read("generic_hmac", {"device_id": device, "seq": 5}) for device in ("a", "b"))

    assert (one.event_id, two.event_id) == ("a:5", "b:5")
    assert one.version == "00000000000000000005"


@pytest.mark.parametrize(
    "body", [{"device_id": "a"}, {"seq": 5}, {}, [], b"\x00\xff", b"", {"device_id": True, "seq": 1}]
)
def test_without_device_and_number_the_bytes_are_the_id(body: Any) -> None:
    (fact,) = read("generic_hmac", body)

    assert fact.event_id.startswith("sha256-")


def test_a_system_that_is_no_device_names_its_entity() -> None:
    (fact,) = read(
        "generic_hmac", {"entity": "order", "entity_id": "17", "event_id": "e-1", "version": 3, "type": "paid"}
    )

    assert (fact.topic, fact.event_id, fact.entity, fact.entity_id) == ("paid", "e-1", "order", "17")
    assert fact.version == "00000000000000000003"


# --- Xero, DocuSign, GitLab, Telegram ---------------------------------------------------------------------------------


def xero(*dates: str, first: Any = 1, last: Any = None) -> dict[str, Any]:
    events = [
        {"resourceId": "r", "eventCategory": "INVOICE", "eventType": "UPDATE", "eventDateUtc": date} for date in dates
    ]
    return {"events": events, "firstEventSequence": first, "lastEventSequence": last or len(dates)}


def test_events_of_one_moment_have_numbers_of_their_own_in_whatever_delivery_they_come() -> None:
    together = read("xero", xero("2026-01-01T00:00:00", "2026-01-01T00:00:00"))
    alone = read("xero", xero("2026-01-01T00:00:00", first=2, last=2))

    assert len({fact.event_id for fact in together}) == 2
    assert alone[0].event_id == together[1].event_id


@pytest.mark.parametrize(("first", "last"), [(1, 5), ("1", "1"), (None, 1), (True, 1), (-1, -1), (1.0, 1.0)])
def test_numbers_that_do_not_fit_the_events_order_nothing(first: Any, last: Any) -> None:
    (fact,) = read("xero", xero("2026-01-01T00:00:00", first=first, last=last))

    assert fact.version == ""
    assert fact.event_id.startswith("sha256-")


@pytest.mark.parametrize("missing", ["resourceId", "eventCategory", "eventType", "eventDateUtc"])
def test_an_event_that_lacks_a_part_of_its_id_is_told_by_its_bytes(missing: str) -> None:
    body = xero("2026-01-01T00:00:00")
    del body["events"][0][missing]

    assert read("xero", body)[0].event_id.startswith("sha256-")


@pytest.mark.parametrize(
    "document",
    [
        '<!DOCTYPE a [<!ENTITY b "b">]><DocuSignEnvelopeInformation/>',
        "<DocuSignEnvelopeInformation",
        "<a/>",
        '<?xml version="1.0" encoding="utf-16"?><a>\0</a>',
        '<?xml version="1.0" encoding="rot13"?><a/>',
    ],
)
def test_xml_that_is_not_docusigns_is_one_unreadable_fact(document: str) -> None:
    for body in (document.encode(), document.encode("utf-16"), document.encode("utf-16-le")):
        (fact,) = read("docusign", body)
        assert fact.entity == UNREADABLE
        assert fact.event_id.startswith("sha256-")


@pytest.mark.parametrize(
    ("hours", "version"),
    [
        ("-7", "2026-04-29T19:00:00.000000Z"),
        ("+2", "2026-04-29T10:00:00.000000Z"),
        ("0", "2026-04-29T12:00:00.000000Z"),
        ("", ""),
        ("x", ""),
        ("-٣", ""),
        ("99", ""),
    ],
)
def test_the_zone_of_docusigns_xml_stands_at_its_end(hours: str, version: str) -> None:
    body = (
        '<DocuSignEnvelopeInformation xmlns="http://www.docusign.net/API/3.0"><EnvelopeStatus><EnvelopeID>e</EnvelopeID>'
        "<Status>Voided</Status><TimeGenerated>2026-04-29T12:00:00</TimeGenerated></EnvelopeStatus>"
        f"<TimeZoneOffset>{hours}</TimeZoneOffset></DocuSignEnvelopeInformation>"
    )
    (fact,) = read("docusign", body.encode())

    assert (fact.topic, fact.event_id) == ("envelope-voided", "e:envelope-voided:2026-04-29T12:00:00")
    assert fact.version == version


def test_a_retry_of_docusigns_has_the_same_id() -> None:
    event = {"event": "envelope-sent", "generatedDateTime": "2026-01-01T00:00:00Z", "data": {"envelopeId": "e"}}
    ids = {read("docusign", event | {"retryCount": count})[0].event_id for count in range(3)}

    assert ids == {"e:envelope-sent:2026-01-01T00:00:00Z"}


def test_the_signed_id_of_gitlab_goes_before_the_one_that_is_not() -> None:
    body = {"object_kind": "push", "project_id": 1, "ref": "refs/heads/a"}

    assert read("gitlab", body, webhook_id="w", Idempotency_Key="i")[0].event_id == "w"
    assert read("gitlab", body, Idempotency_Key="i")[0].event_id == "i"
    assert read("gitlab", body)[0].event_id.startswith("sha256-")


def test_branches_of_one_push_are_told_apart_where_they_share_a_uuid() -> None:
    ids = {
        read("gitlab", {"object_kind": "push", "project_id": 1, "ref": ref}, X_Gitlab_Event_UUID="u")[0].event_id
        for ref in ("refs/heads/a", "refs/heads/b")
    }

    assert len(ids) == 2


def test_telegrams_message_numbers_count_within_their_chat() -> None:
    updates = [
        {"update_id": number, kind: {"message_id": 5, "chat": {"id": chat}}}
        for number, (kind, chat) in enumerate([("message", 1), ("message", -2), ("edited_message", 1)])
    ]
    facts = [read("telegram", update)[0] for update in updates]

    assert [(fact.entity, fact.entity_id) for fact in facts] == [
        ("message", "1/5"),
        ("message", "-2/5"),
        ("message", "1/5"),
    ]
    assert [fact.event_id for fact in facts] == ["0", "1", "2"]
    assert facts[0].version < facts[2].version


@pytest.mark.parametrize("body", [{}, {"update_id": 1}, {"message": {}, "poll": {}}, [], b"x"])
def test_an_update_of_no_known_form_is_kept_as_it_is(body: Any) -> None:
    (fact,) = read("telegram", body)

    assert fact.entity == UNREADABLE


# --- in receiving -----------------------------------------------------------------------------------------------------


def test_a_mailgun_token_vouches_for_one_event_alone() -> None:
    example = next(examples("mailgun"))
    at, tokens, queue = Endpoint("mailgun"), FakeTokens(), FakeEventQueue()
    receiver = at.hub().receiver
    around = outside(queue, secrets=FakeSecrets((secret_of("mailgun"),)), tokens=tokens)
    draft = at.signed(example)
    genuine = delivery_from_api_gateway(api_gateway_request(draft.body, draft.headers))
    other = json.loads(draft.body)
    other["event-data"]["id"] = "another"
    forged = Delivery("POST", genuine.headers, json.dumps(other).encode())

    receive(genuine, receiver, around, at.now)
    receive(genuine, receiver, around, at.now)
    with pytest.raises(UsedToken):
        receive(forged, receiver, around, at.now)

    assert {event.id for event, _ in queue.kept} == {"CPgfbmQMTCKtHW6uIWtuVe"}


def test_every_item_of_a_delivery_must_be_of_the_bound_account() -> None:
    for example in examples("hubspot"):
        at = Endpoint("hubspot")
        draft = at.signed(example)
        sent = delivery_from_api_gateway(
            api_gateway_request(draft.body, draft.headers, query=draft.url.partition("?")[2])
        )
        for account, good in (("62515", True), ("62516", False)):
            receiver = replace(at.hub().receiver, account=account)
            around = outside(FakeEventQueue(), secrets=FakeSecrets((secret_of("hubspot"),)))
            if good:
                assert receive(sent, receiver, around, at.now).events
            else:
                with pytest.raises(WrongAccount):
                    receive(sent, receiver, around, at.now)


def test_a_hundred_items_are_a_hundred_events() -> None:
    item = {"eventId": 1, "subscriptionId": 2, "occurredAt": 3, "subscriptionType": "contact.creation"}
    body = json.dumps([item | {"objectId": number, "eventId": number} for number in range(100)]).encode()
    events = name_the_facts(Delivery("POST", {}, body), Endpoint("hubspot").hub().receiver, datetime.now(UTC))

    assert len({(event.subject, event.id) for event in events}) == 100
