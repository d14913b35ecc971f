"""Whatever comes, the edge answers: no bytes, headers, query, method or encoding lead to anything but 2xx, 4xx or 503."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cli.signing import Draft
from cli.signing.examples import Example, examples
from cli.signing.tokens import jwt_hs256, url_base64
from connectors import connector_names
from hub.deliveries import Delivery
from hub.errors import Rejected, Temporary
from hub.receive import receive
from tests.fakes import NOW
from tests.provider import Endpoint, manifest_of

SOURCES = [name for name in connector_names() if manifest_of(name).webhook]
DEEP = "[" * 5_000
TEXTS = [
    "",
    " ",
    "ü",
    "\ud800",
    "\x00",
    "\u2028",
    "٣" * 10,
    "²",
    "0",
    "-1",
    "9" * 400,
    "1e999",
    "inf",
    "nan",
    "1767268800",
    "1767268800000",
    "true",
    "a,b",
    "x" * 5_000,
    "=",
    "==",
    "AAAA",
    "%",
    "%ff%00",
    "sha256=",
    "v1,",
    "v1a," + base64.b64encode(bytes(64)).decode(),
    "v0=" + "0" * 64,
    "t=1767268800,v1=" + "0" * 64,
    "t=,v1=",
    "ts=;h1=",
    "Basic " + base64.b64encode(b"\xff:\xff").decode(),
    "Basic =",
    "Bearer a.b.c",
    "Bearer " + jwt_hs256({"exp": "soon", "nbf": [], "aud": {}}, "x"),
    f"Bearer {url_base64(DEEP.encode())}.{url_base64(b'1')}.{url_base64(bytes(64))}",
    f"Bearer {url_base64(json.dumps({'alg': 'RS256', 'kid': {}}).encode())}.e30.{url_base64(bytes(256))}",
    "https://api.paypal.com/cert",
    "https://[",
    "http://169.254.169.254/latest",
    "key=x,algorithm=HMAC_SHA256",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/json; charset=utf-16",
    "application/cloudevents-batch+json",
]
BODIES = [
    b"",
    b"\x00",
    b"\xff\xfe",
    b"null",
    b"true",
    b'"text"',
    b"12",
    b"[]",
    b"{}",
    b"[[]]",
    b"[null]",
    DEEP.encode(),
    b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
    b'{"id":' + b"9" * 5_000 + b"}",
    b'{"id":1e999,"type":NaN}',
    b'{"id":"\\ud800","type":"\\ud800\\u0000"}',
    b'{"id":{},"id":[],"type":{},"event":[],"data":"x","payload":1,"value":[1],"entry":[{"changes":[1]}]}',
    b'{"signature":{"timestamp":9e999,"token":{},"signature":[]},"event-data":[]}',
    b'{"notificationItems":[{"NotificationRequestItem":{"additionalData":{"hmacSignature":"\\ud800"}}},1]}',
    b'{"value":[{"clientState":null},{"clientState":"\\ud800"}]}',
    b'{"Type":"Notification","SignatureVersion":"1","TopicArn":[],"SigningCertURL":{},"Signature":1}',
    b'{"message":{"data":"%","attributes":[],"messageId":{}}}',
    b"a=1&a=2&=&&%ff=%ff&payload=%7B&timestamp=&token=&signature=",
    b"&".join([b"a=1"] * 11_000),
    b"webhook_id=\xd9\xa3",
    b'--x\r\nContent-Disposition: form-data; name="\xff"\r\n\r\n\xff\r\n--x--',
    b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY a 'a'><!ENTITY b '&a;&a;'>]><a>&b;</a>",
    b"<a>" * 5_000,
    b"<?xml version='1.0' encoding='utf-7'?><a/>",
    "<?xml version='1.0' encoding='utf-16'?><a/>".encode("utf-16"),
]
SURROGATES = st.text(st.characters(), max_size=40)
VALUES = st.sampled_from(TEXTS) | SURROGATES
CONTENT = st.sampled_from(BODIES) | st.binary(max_size=60)
QUERIES = (
    st.sampled_from(
        [
            "",
            "?",
            "&=&",
            "validationToken=%ff%00",
            "validationToken=" + quote("<script>alert(1)</script>"),
            "hub.mode=subscribe&hub.verify_token=\ud800&hub.challenge=" + "9" * 5_000,
            "bodySHA256=é",
            "a=1&" * 20_000,
        ]
    )
    | SURROGATES
)
METHODS = st.sampled_from(["POST", "GET", "OPTIONS", "PUT", "DELETE", "post", "", "\ud800"])


@cache
def samples(connector: str) -> tuple[tuple[Example, Draft], ...]:
    """A genuine request of each topic and handshake, as far as four go."""
    return tuple((each, Endpoint(connector).signed(each)) for each in list(examples(connector))[:4])


def header_names(connector: str) -> list[str]:
    """The headers that the connector's own requests bear, and those that are read of anybody's."""
    found = {name.lower() for _, draft in samples(connector) for name in draft.headers}
    return sorted(found | {"content-type", "authorization", "traceparent", "x-twilio-webhooks-signature-settings"})


@st.composite
def requests(draw: st.DrawFn, connector: str) -> tuple[Example, Delivery]:
    """A genuine request with some of its parts replaced by hostile ones, or a request of hostile parts alone."""
    example, draft = draw(st.sampled_from(samples(connector)))
    headers: dict[str, Sequence[str]] = {}
    if draw(st.booleans()):
        headers = {name.lower(): [value] for name, value in draft.headers.items()}
    names = st.sampled_from(header_names(connector))
    changed: Mapping[str, list[str]] = draw(st.dictionaries(names, st.lists(VALUES, max_size=2), max_size=4))
    headers |= changed
    for name in draw(st.lists(names, max_size=1)):
        headers[name] = [*headers.get(name, []), *headers.get(name, [])]
    body = draw(CONTENT) if draw(st.booleans()) else draft.body
    query = draw(QUERIES) if draw(st.booleans()) else draft.url.partition("?")[2]
    method = draw(METHODS) if draw(st.booleans()) else draft.method
    return example, Delivery(method, headers, body, query, "192.0.2.1")


def as_api_gateway(sent: Delivery, as_base64: bool) -> dict[str, Any]:
    request: dict[str, Any] = {
        "version": "2.0",
        "rawQueryString": sent.query,
        "headers": {name: ",".join(values) for name, values in sent.headers.items()},
        "requestContext": {"http": {"method": sent.method, "sourceIp": sent.source_ip}},
        "isBase64Encoded": as_base64,
        "body": base64.b64encode(sent.body).decode() if as_base64 else sent.body.decode("utf-8", "surrogateescape"),
    }
    return request


def answers_all(connector: str, data: st.DataObject) -> None:
    example, sent = data.draw(requests(connector))
    at = Endpoint(connector)
    try:
        receive(sent, at.hub(example).receiver, at.hub(example).outside, NOW)
    except (Rejected, Temporary):
        assert not at.queue.kept
    for event in at.events():  # what is queued can be read again
        assert event.id
        assert len(event.subject.encode("utf-8")) <= 2_048

    served = Endpoint(connector)
    answer = served.answered(as_api_gateway(sent, data.draw(st.booleans())), example)

    assert 200 <= answer.status < 300 or 400 <= answer.status < 500 or answer.status == 503
    json.dumps([answer.body, dict(answer.headers)]).encode("utf-8")  # what the Lambda's runtime does with it
    assert all("\n" not in value and "\r" not in value for value in (answer.content_type, *answer.headers.values()))


SHORT = settings(max_examples=10, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@pytest.mark.parametrize("connector", SOURCES)
@SHORT
@given(data=st.data())
def test_whatever_comes_is_answered(connector: str, data: st.DataObject) -> None:
    answers_all(connector, data)


@pytest.mark.slow
@pytest.mark.parametrize("connector", SOURCES)
@settings(SHORT, max_examples=600)
@given(data=st.data())
def test_whatever_comes_is_answered_at_length(connector: str, data: st.DataObject) -> None:
    answers_all(connector, data)


def signable(connector: str) -> list[Example]:
    """One example whose body can be any other, since nothing of the proof stands in it."""
    for example, signed in samples(connector):
        at = Endpoint(connector)
        in_body = at.spec.signature.covers == "fields" or signed.body != at.draft(example).body
        if signed.body and not in_body and not example.handshake:
            return [example]
    return []


SIGNABLE = [(name, example) for name in SOURCES for example in signable(name)]
JSON_TEXT = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


def mangled(draw: st.DrawFn, content: Any) -> Any:
    """A genuine body with something else in some place."""
    if draw(st.integers(0, 5)) == 0:
        return draw(JSON_TEXT)
    if isinstance(content, dict) and content:
        name = draw(st.sampled_from(sorted(content)))
        return {**content, name: mangled(draw, content[name])}
    if isinstance(content, list) and content:
        return [mangled(draw, content[0]), *content[1:]]
    return draw(JSON_TEXT)


@st.composite
def signed_bodies(draw: st.DrawFn, example: Example) -> bytes:
    if example.payload is None or draw(st.booleans()):
        return draw(CONTENT)
    return json.dumps(mangled(draw, example.payload)).encode()


def takes_all(connector: str, example: Example, data: st.DataObject) -> None:
    at = Endpoint(connector)
    body = data.draw(signed_bodies(example))
    try:
        draft = at.sign(replace(at.draft(example), body=body), example)
    except ValueError:  # a form that is no text: the provider's signer has nothing to sign
        return

    answer = at.send(draft, example)

    assert 200 <= answer.status < 300 or 400 <= answer.status < 500
    if answer.status < 300:
        assert at.events() or at.telemetry.lines[-1][1] == "handshake"
    ids = [(event.subject, event.id) for event in at.events()]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize(("connector", "example"), SIGNABLE, ids=[name for name, _ in SIGNABLE])
@SHORT
@given(data=st.data())
def test_whatever_a_provider_signs_is_taken_or_refused(connector: str, example: Example, data: st.DataObject) -> None:
    takes_all(connector, example, data)


@pytest.mark.slow
@pytest.mark.parametrize(("connector", "example"), SIGNABLE, ids=[name for name, _ in SIGNABLE])
@settings(SHORT, max_examples=600)
@given(data=st.data())
def test_whatever_a_provider_signs_is_taken_or_refused_at_length(
    connector: str, example: Example, data: st.DataObject
) -> None:
    takes_all(connector, example, data)


def is_form(draft: Draft) -> bool:
    return "form-urlencoded" in draft.header("content-type")


@pytest.mark.slow
@pytest.mark.parametrize("connector", [name for name, _ in SIGNABLE if Endpoint(name).spec.signature.covers == "body"])
def test_every_single_signed_byte_counts(connector: str) -> None:
    example = signable(connector)[0]
    draft = Endpoint(connector).signed(example)
    for place in range(min(len(draft.body), 3_000)):
        at = Endpoint(connector)
        altered = bytearray(draft.body)
        altered[place] ^= 0x20
        if is_form(draft) and parse_qsl(bytes(altered)) == parse_qsl(draft.body):
            continue  # %2B and %2b are the same field, and the fields are what such a provider signs

        assert 400 <= at.send(replace(draft, body=bytes(altered)), example).status < 500, place


@pytest.mark.slow
@pytest.mark.parametrize("connector", SOURCES)
def test_every_single_character_of_the_proof_counts(connector: str) -> None:
    example, signed = samples(connector)[0]
    before = Endpoint(connector).draft(example).headers
    for header in [name for name in signed.headers if signed.headers[name] != before.get(name)]:
        value = signed.headers[header]
        for place in range(len(value)):
            for other in {"A", "0", "é"} - {value[place]}:
                at = Endpoint(connector)
                draft = signed.adding({header: value[:place] + other + value[place + 1 :]})

                assert 400 <= at.send(draft, example).status < 500, (header, place, other)
