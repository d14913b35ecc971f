"""The webhook handler: what API Gateway hands over, and what it is answered."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.webhook_wiring import WebhookHub
from hub.errors import QueueUnavailable, Rejected, SecretUnavailable
from hub.receive import Receiver
from hub.webhook_spec import Facts, Reply, Signature, Topic, WebhookSpec
from tests.api_gateway import api_gateway_request
from tests.fakes import NOW, FakeEventQueue, FakeSecrets, FakeTelemetry, outside
from tests.signing import base64_hmac
from webhooks.handler import delivery_from_api_gateway, serve

SPEC = WebhookSpec(
    Signature("body_hmac", "X-Signature", encoding="base64"),
    Facts(topic="header:X-Topic", event_id=("header:X-Event-Id",)),
    Reply(202),
    empty_body=False,
)
TOPICS = {"orders/create": Topic("orders/create", entity="order", record="order")}
RECEIVER = Receiver("shop-eu", "shop", SPEC, TOPICS)
BODY = '{"id": 1, "name": "Größe"}'.encode()


def a_hub(queue: FakeEventQueue, secrets: FakeSecrets | None = None) -> WebhookHub:
    return WebhookHub(RECEIVER, outside(queue, secrets=secrets), FakeTelemetry(), lambda: NOW)


def signed(body: bytes = BODY) -> dict[str, str]:
    return {
        "X-Signature": base64_hmac(body, "live"),
        "X-Topic": "orders/create",
        "X-Event-Id": "e-1",
    }


def answered(request: dict[str, Any], hub: WebhookHub) -> tuple[int, dict[str, str]]:
    answer = serve(request, None, hub)
    assert answer["headers"] == {"content-type": "application/json"}
    assert type(answer["statusCode"]) is int  # API Gateway takes no other
    return answer["statusCode"], json.loads(answer["body"])


@pytest.mark.parametrize("as_base64", [False, True])
def test_the_bytes_are_those_that_were_sent_however_they_travel(as_base64: bool) -> None:
    queue = FakeEventQueue()

    answer = answered(api_gateway_request(BODY, signed(), as_base64=as_base64), a_hub(queue))

    assert answer == (202, {"event": "e-1"})
    assert queue.kept[0][0].data == BODY


def test_what_is_accepted_is_told_with_its_id_and_counted() -> None:
    hub = a_hub(FakeEventQueue())

    serve(api_gateway_request(BODY, signed()), None, hub)

    assert isinstance(hub.telemetry, FakeTelemetry)
    about = {"event": "e-1", "type": "shop.orders/create", "entity": "shop-eu/order/1"}
    assert hub.telemetry.lines == [("info", "accepted", about, {"Accepted": 1})]


def test_what_the_previous_secret_signed_is_counted() -> None:
    hub = a_hub(FakeEventQueue(), FakeSecrets(("new", "live")))

    serve(api_gateway_request(BODY, signed()), None, hub)

    assert isinstance(hub.telemetry, FakeTelemetry)
    assert hub.telemetry.lines[0][3] == {"Accepted": 1, "PreviousSecret": 1}


def test_a_provider_that_insists_on_one_status_and_silence_gets_them() -> None:
    hub = a_hub(FakeEventQueue())
    strict = replace(SPEC, reply=Reply(200, "", refused_status=401, silent=True))
    hub = replace(hub, receiver=replace(RECEIVER, spec=strict))

    for request in (
        api_gateway_request(BODY, signed(b"other")),
        api_gateway_request(BODY, {}),
        api_gateway_request(b"", {}),
        api_gateway_request(BODY, signed(), method="PUT"),
        api_gateway_request(BODY, signed(), as_base64=True) | {"body": "*"},
    ):
        assert serve(request, None, hub) == {"statusCode": 401, "headers": {}, "body": ""}
    assert serve(api_gateway_request(BODY, signed()), None, hub) == {"statusCode": 200, "headers": {}, "body": ""}


def test_a_stranger_is_told_the_reasons_name_and_the_log_what_was_wrong() -> None:
    hub = a_hub(FakeEventQueue())

    answer = answered(api_gateway_request(BODY, signed(b"other bytes")), hub)

    assert answer == (401, {"refused": "BadSignature"})
    assert isinstance(hub.telemetry, FakeTelemetry)
    ((level, message, about, counts),) = hub.telemetry.lines
    assert (level, message, about["reason"], counts) == ("info", "refused", "BadSignature", {"Refused": 1})
    assert str(about["detail"]).startswith("no live secret yields this signature")


def test_the_log_names_the_header_that_is_missing() -> None:
    hub = a_hub(FakeEventQueue())
    unnamed = {name: value for name, value in signed().items() if name != "X-Topic"}

    answer = answered(api_gateway_request(BODY, unnamed), hub)

    assert answer == (401, {"refused": "MissingHeader"})
    assert isinstance(hub.telemetry, FakeTelemetry)
    assert hub.telemetry.lines[0][2]["detail"] == "header X-Topic is missing; this is not a delivery of the provider"


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=12, max_size=60), st.integers(0, 2))
def test_the_log_of_a_refusal_bears_nothing_that_came(value: str, place: int) -> None:
    headers = signed()
    headers[sorted(headers)[place]] = f"{value},"
    hub = a_hub(FakeEventQueue())

    assert serve(api_gateway_request(BODY, headers), None, hub)["statusCode"] in (400, 401)
    assert isinstance(hub.telemetry, FakeTelemetry)
    assert value not in str(hub.telemetry.lines)
    assert BODY.decode() not in str(hub.telemetry.lines)


def test_each_event_of_a_delivery_is_told_and_all_are_counted_once() -> None:
    spec = replace(SPEC, facts=Facts(topic="text:orders/create", event_id=("item:id",), entity="text:order",
                                     entity_id="item:id", entity_version="item:at", items="[]"))  # fmt: skip
    hub = replace(a_hub(FakeEventQueue()), receiver=replace(RECEIVER, spec=spec))
    body = b'[{"id": 1, "at": "2026-01-01T00:00:00Z"}, {"id": 2, "at": "yesterday"}, {"id": 3}, {"id": 3}]'

    answer = serve(api_gateway_request(body, signed(body)), None, hub)

    assert (answer["statusCode"], json.loads(answer["body"])) == (202, {"events": 3})
    assert isinstance(hub.telemetry, FakeTelemetry)
    assert [(about["event"], about["entity"], counts) for _, _, about, counts in hub.telemetry.lines] == [
        ("1", "shop-eu/order/1", {"Accepted": 3, "UnreadableVersions": 1}),
        ("2", "shop-eu/order/2", {}),
        ("3", "shop-eu/order/3", {}),
    ]
    assert {message for _, message, _, _ in hub.telemetry.lines} == {"accepted"}


def test_our_own_trouble_is_a_503_and_never_a_4xx() -> None:
    no_queue = a_hub(FakeEventQueue(failure=QueueUnavailable("no answer")))
    no_secret = a_hub(FakeEventQueue(), FakeSecrets(failure=SecretUnavailable("no answer")))

    assert answered(api_gateway_request(BODY, signed()), no_queue) == (503, {"unavailable": "QueueUnavailable"})
    assert answered(api_gateway_request(BODY, signed()), no_secret) == (503, {"unavailable": "SecretUnavailable"})
    assert isinstance(no_queue.telemetry, FakeTelemetry)
    assert no_queue.telemetry.lines[0][0] == "warning"
    assert no_queue.telemetry.lines[0][3] == {"NotAccepted": 1}


def test_a_bug_rises() -> None:
    """Lambda answers 500 then, and its Errors alarm rings; the provider sends again."""
    with pytest.raises(ZeroDivisionError):
        serve(api_gateway_request(BODY, signed()), None, a_hub(FakeEventQueue(failure=ZeroDivisionError())))


@pytest.mark.parametrize("body", [None, "", "absent"])
@pytest.mark.parametrize("as_base64", [False, True])
def test_a_request_without_body_is_refused(body: str | None, as_base64: bool) -> None:
    request = api_gateway_request(b"", signed(b""), as_base64=as_base64)
    if body != "absent":
        request["body"] = body

    assert answered(request, a_hub(FakeEventQueue())) == (400, {"refused": "EmptyBody"})


@pytest.mark.parametrize("body", ["*", "AAA", "ü", "A A A A", "\ud800"])
def test_base64_that_is_none_is_refused(body: str) -> None:
    request = api_gateway_request(BODY, signed(), as_base64=True) | {"body": body}

    assert answered(request, a_hub(FakeEventQueue())) == (400, {"refused": "Rejected"})


def test_a_text_that_has_no_bytes_is_refused() -> None:
    request = api_gateway_request(BODY, signed()) | {"body": '{"id": "\ud800"}'}

    assert answered(request, a_hub(FakeEventQueue())) == (400, {"refused": "Rejected"})


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD", "OPTIONS"])
def test_another_method_is_refused(method: str) -> None:
    request = api_gateway_request(BODY, signed(), method=method)

    assert answered(request, a_hub(FakeEventQueue())) == (405, {"refused": "MethodNotAllowed"})


@pytest.mark.parametrize("headers", [None, {}])
def test_a_request_without_headers_is_refused(headers: dict[str, str] | None) -> None:
    request = api_gateway_request(BODY, {}) | {"headers": headers}

    assert answered(request, a_hub(FakeEventQueue())) == (401, {"refused": "MissingHeader"})


@pytest.mark.parametrize("request_", [{}, {"requestContext": {}}, {"body": None}, {"requestContext": {"http": {}}}])
def test_a_request_of_another_shape_is_refused(request_: dict[str, Any]) -> None:
    assert answered(request_, a_hub(FakeEventQueue())) == (405, {"refused": "MethodNotAllowed"})


def test_what_a_rest_api_hands_over_is_the_same_delivery() -> None:
    """Payload format 1.0: spellings and repetitions kept, the query decoded."""
    request = {
        "version": "1.0",
        "httpMethod": "POST",
        "headers": {"X-Topic": "last"},
        "multiValueHeaders": {"X-Topic": ["first", "last"], "x-topic": ["another"], "X-One": ["1"]},
        "queryStringParameters": {"a": "2"},
        "multiValueQueryStringParameters": {"a": ["1", "2"], "b": ["ü &"]},
        "requestContext": {"identity": {"sourceIp": "192.0.2.7"}},
        "body": "{}",
        "isBase64Encoded": False,
    }

    delivery = delivery_from_api_gateway(request)

    assert (delivery.method, delivery.source_ip, delivery.body) == ("POST", "192.0.2.7", b"{}")
    assert delivery.headers == {"x-topic": ["first", "last", "another"], "x-one": ["1"]}
    assert delivery.query == "a=1&a=2&b=%C3%BC+%26"


def test_a_header_in_two_spellings_came_twice() -> None:
    """API Gateway lower-cases names, but not every front does."""
    request = api_gateway_request(BODY, signed())
    request["headers"]["X-Signature"] = "AAAA"

    assert answered(request, a_hub(FakeEventQueue())) == (401, {"refused": "RepeatedHeader"})


def test_an_integration_bound_to_an_account_asks_for_it() -> None:
    queue = FakeEventQueue()
    bound = replace(
        RECEIVER,
        spec=replace(SPEC, facts=replace(SPEC.facts, account="header:X-Account")),
        account="shop-eu.example.com",
    )
    hub = replace(a_hub(queue), receiver=bound)

    assert answered(api_gateway_request(BODY, signed()), hub) == (403, {"refused": "WrongAccount"})
    theirs = signed() | {"X-Account": "shop-us.example.com"}
    assert answered(api_gateway_request(BODY, theirs), hub) == (403, {"refused": "WrongAccount"})
    assert not queue.kept


@given(
    st.one_of(st.none(), st.text(st.characters())),
    st.booleans(),
    st.dictionaries(st.text(), st.text(st.characters())),
    st.sampled_from(["POST", "GET"]),
)
def test_no_request_leads_to_a_500(body: str | None, as_base64: bool, headers: dict[str, str], method: str) -> None:
    request = api_gateway_request(b"", headers, method=method, as_base64=as_base64) | {"body": body}

    status, answer = answered(request, a_hub(FakeEventQueue()))

    assert 400 <= status < 500
    assert "refused" in answer


@given(st.binary(), st.booleans())
def test_any_bytes_arrive_as_they_were_sent(body: bytes, as_base64: bool) -> None:
    try:
        request = api_gateway_request(body, {}, as_base64=as_base64)
    except UnicodeDecodeError:
        return  # API Gateway hands such a body over in base64 only
    try:
        assert delivery_from_api_gateway(request).body == body
    except Rejected:
        pytest.fail("a body that API Gateway hands over is never refused for its encoding")
