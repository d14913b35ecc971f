"""The contract of every connector: a folder is found, held to its manifest and its examples, and attacked."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from adapters.wiring import WebhookHub
from connectors import FOLDER, connector_module, connector_names, manifest_path
from hub.errors import Permanent, Unreadable
from hub.events import Event, from_json
from hub.manifest import Manifest, read_manifest
from hub.receive import Receiver
from hub.records import Record
from hub.schemes import SCHEMES
from hub.webhook_spec import Topic, WebhookSpec, read_webhook
from tests.api_gateway import api_gateway_request
from tests.fakes import FakeEventQueue, FakeTelemetry
from tests.signing import SIGNERS
from webhooks.handler import serve

INTEGRATION = "shop-eu"
ACCOUNT = "shop-eu.example.com"
SECRET = "a-secret-of-the-provider"
EVENT_ID = "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043"
NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
RECORDS: TypeAdapter[Record] = TypeAdapter(Record)
CONNECTORS = connector_names()


@cache
def manifest_of(name: str) -> Manifest:
    return read_manifest(manifest_path(name))


@dataclass(frozen=True)
class Example:
    """One file of a connector's examples/."""

    connector: str
    name: str
    topic: str
    payload: Any
    expected: Mapping[str, Any]

    @property
    def body(self) -> bytes:
        """Compact, with slashes escaped: valid JSON that no re-serialising would reproduce."""
        return json.dumps(self.payload, ensure_ascii=False, separators=(",", ":")).replace("/", "\\/").encode()

    @property
    def kind(self) -> str:
        return next(topic.record for topic in manifest_of(self.connector).topic if topic.name == self.topic)


def examples(connector: str) -> Iterator[Example]:
    for path in sorted((FOLDER / connector / "examples").glob("*.json")):
        content = json.loads(path.read_text("utf-8"))
        yield Example(connector, path.stem, content["topic"], content["payload"], content["expected"])


SOURCES = [name for name in CONNECTORS if manifest_of(name).webhook]
TOPICS = [(name, topic.name) for name in SOURCES for topic in manifest_of(name).topic]
EXAMPLES = [
    pytest.param(each, id=f"{name}-{each.name}") for name in SOURCES for each in examples(name) if each.expected
]
READABLE = [
    pytest.param(each, id=f"{name}-{each.name}")
    for name in SOURCES
    for each in examples(name)
    if "record" in each.expected
]


@dataclass
class Endpoint:
    """A provider's deliveries to one integration of a connector, served by the real handler."""

    connector: str
    spec: WebhookSpec
    topics: Mapping[str, Topic]
    secrets: tuple[str, ...] = (SECRET,)
    account: str = ""

    def __post_init__(self) -> None:
        self.queue = FakeEventQueue()
        self.telemetry = FakeTelemetry()
        self.account = ACCOUNT if self.spec.account_header else ""

    def headers(self, body: bytes, topic: str, secret: str = SECRET) -> dict[str, str]:
        named = {
            "Content-Type": "application/json",
            self.spec.signature_header: SIGNERS[self.spec.scheme](body, secret),
            self.spec.topic_header: topic,
            self.spec.event_id_header: EVENT_ID,
            self.spec.account_header: ACCOUNT,
        }
        return {name: value for name, value in named.items() if name}

    def send(self, body: bytes, headers: Mapping[str, str], **how: Any) -> tuple[int, dict[str, str]]:
        receiver = Receiver(INTEGRATION, self.connector, self.spec, self.topics, self.account)
        hub = WebhookHub(receiver, lambda: self.secrets, [self.queue], self.telemetry, lambda: NOW)
        request = api_gateway_request(body, headers, method=self.spec.methods[0], **how)
        answer = serve(request, None, hub)
        return answer["statusCode"], json.loads(answer["body"])

    def events(self) -> list[Event]:
        return [from_json(message) for _, message in self.queue.kept]


def endpoint(connector: str) -> Endpoint:
    return Endpoint(connector, *read_webhook(manifest_path(connector)))


def an_example(connector: str) -> Example:
    return next(each for each in examples(connector) if "record" in each.expected)


# --- what every folder holds ------------------------------------------------------------------------------------------


def test_connectors_are_found() -> None:
    assert CONNECTORS
    assert SOURCES


@pytest.mark.parametrize("name", CONNECTORS)
def test_a_connector_does_something(name: str) -> None:
    manifest = manifest_of(name)
    module = connector_module(name)

    assert manifest.webhook or manifest.action
    assert bool(manifest.topic) == hasattr(module, "read")
    assert bool(manifest.action) == hasattr(module, "destination")


@pytest.mark.parametrize("name", CONNECTORS)
def test_the_readme_says_how_to_create_each_secret(name: str) -> None:
    readme = (FOLDER / name / "README.md").read_text("utf-8")

    assert readme.startswith(f"# {manifest_of(name).title}\n")
    assert "hub secrets set" in readme
    for secret in manifest_of(name).secrets:
        assert f"`{secret}`" in readme, f"the README does not say how to create the secret {secret}"


@pytest.mark.parametrize("name", CONNECTORS)
def test_bronze_is_the_least_and_higher_tiers_are_not_claimed_without_their_parts(name: str) -> None:
    """Silver is pulled as well as pushed; no manifest can state streams yet, so that none may claim it."""
    assert manifest_of(name).tier == "bronze"


@pytest.mark.parametrize("name", SOURCES)
def test_the_scheme_is_one_that_the_hub_verifies_and_the_tests_can_sign(name: str) -> None:
    spec = manifest_of(name).webhook

    assert spec
    assert spec.scheme in SCHEMES
    assert spec.scheme in SIGNERS


@pytest.mark.parametrize(("name", "topic"), TOPICS)
def test_every_topic_has_an_example_that_can_be_read(name: str, topic: str) -> None:
    assert [each.name for each in examples(name) if each.topic == topic and "record" in each.expected]


@pytest.mark.parametrize("name", SOURCES)
def test_examples_are_of_topics_that_exist_and_expect_something(name: str) -> None:
    topics = {topic.name for topic in manifest_of(name).topic}

    for each in examples(name):
        assert each.topic in topics, each.name
        assert ("record" in each.expected) != ("error" in each.expected), each.name


# --- what an example becomes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("as_base64", [False, True], ids=["text", "base64"])
@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_accepted_as_the_event_that_it_states(example: Example, as_base64: bool) -> None:
    at = endpoint(example.connector)

    status, answer = at.send(example.body, at.headers(example.body, example.topic), as_base64=as_base64)

    assert (status, answer) == (at.spec.acknowledge_status, {"event": EVENT_ID})
    (event,) = at.events()
    assert event.id == EVENT_ID
    assert event.source == f"/integrations/{INTEGRATION}"
    assert event.type == f"{example.connector}.{example.topic}"
    assert event.subject == f"{INTEGRATION}/{example.expected['entity']}"
    assert event.entity_version == example.expected["entity_version"]
    assert event.received_at == NOW
    assert event.content_type == "application/json"
    assert event.data == example.body


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_read_as_the_record_or_the_refusal_that_it_states(example: Example) -> None:
    read = connector_module(example.connector).read
    event = event_of(example)

    if "error" in example.expected:
        with pytest.raises(Permanent, match=re.escape(example.expected["error"]["says"])) as refused:
            read(event, example.kind)
        assert refused.value.code == example.expected["error"]["code"]
        return
    record = read(event, example.kind)
    assert record == RECORDS.validate_python(example.expected["record"])
    assert record.kind == example.kind


@pytest.mark.parametrize("example", EXAMPLES)
def test_a_redelivery_has_the_same_id_entity_and_bytes(example: Example) -> None:
    at = endpoint(example.connector)

    for as_base64 in (False, True):
        at.send(example.body, at.headers(example.body, example.topic), as_base64=as_base64)

    first, second = at.events()
    assert first == second


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SOURCES)
def test_a_forged_signature_is_refused(name: str) -> None:
    at, example = endpoint(name), an_example(name)

    answer = at.send(example.body, at.headers(example.body, example.topic, secret="guessed"))

    assert answer == (401, {"refused": "BadSignature"})
    assert not at.queue.kept


@pytest.mark.parametrize("place", ["first", "quarter", "middle", "last"])
@pytest.mark.parametrize("name", SOURCES)
def test_a_body_altered_in_one_bit_is_refused(name: str, place: str) -> None:
    at, example = endpoint(name), an_example(name)
    last = len(example.body) - 1
    position = {"first": 0, "quarter": last // 4, "middle": last // 2, "last": last}[place]
    altered = bytearray(example.body)
    altered[position] ^= 1

    answer = at.send(bytes(altered), at.headers(example.body, example.topic), as_base64=True)

    assert answer == (401, {"refused": "BadSignature"})
    assert not at.queue.kept


@pytest.mark.parametrize("change", [b" ", b"\n", b"\x00"])
@pytest.mark.parametrize("name", SOURCES)
def test_a_body_with_one_byte_more_is_refused(name: str, change: bytes) -> None:
    at, example = endpoint(name), an_example(name)

    answer = at.send(example.body + change, at.headers(example.body, example.topic), as_base64=True)

    assert answer == (401, {"refused": "BadSignature"})


@pytest.mark.parametrize("name", SOURCES)
def test_a_body_that_was_parsed_and_written_again_is_refused(name: str) -> None:
    at, example = endpoint(name), an_example(name)
    rewritten = json.dumps(json.loads(example.body)).encode()

    answer = at.send(rewritten, at.headers(example.body, example.topic))

    assert answer == (401, {"refused": "BadSignature"})


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("value", [None, "", "  "], ids=["absent", "empty", "blank"])
def test_an_unsigned_delivery_is_refused(name: str, value: str | None) -> None:
    at, example = endpoint(name), an_example(name)
    headers = at.headers(example.body, example.topic)
    del headers[at.spec.signature_header]
    if value is not None:
        headers[at.spec.signature_header] = value

    answer = at.send(example.body, headers)

    assert answer == (401, {"refused": "MissingHeader"})


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize(
    ("signature", "refusal"),
    [
        ("ünsigniert", (400, {"refused": "MalformedHeader"})),
        ("*not base64*", (400, {"refused": "MalformedHeader"})),
        ("x" * 10_001, (400, {"refused": "MalformedHeader"})),
        ("\u2028", (401, {"refused": "MissingHeader"})),  # blank, to Unicode
        ("AAAA", (401, {"refused": "BadSignature"})),
        ("0" * 64, (401, {"refused": "BadSignature"})),  # hexadecimal is base64, too
    ],
    ids=ascii,
)
def test_a_signature_that_is_none_is_refused(name: str, signature: str, refusal: tuple[int, dict[str, str]]) -> None:
    at, example = endpoint(name), an_example(name)
    headers = at.headers(example.body, example.topic) | {at.spec.signature_header: signature}

    assert at.send(example.body, headers) == refusal
    assert not at.queue.kept


@pytest.mark.parametrize("name", SOURCES)
def test_a_signature_that_came_twice_is_refused_even_if_both_are_right(name: str) -> None:
    """API Gateway joins what came twice with a comma."""
    at, example = endpoint(name), an_example(name)
    headers = at.headers(example.body, example.topic)
    headers[at.spec.signature_header] = f"{headers[at.spec.signature_header]},{headers[at.spec.signature_header]}"

    answer = at.send(example.body, headers)

    assert answer == (400, {"refused": "MalformedHeader"})


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("header", ["topic_header", "event_id_header"])
@pytest.mark.parametrize("value", ["twice,twice", "a b", "ü", "x" * 201], ids=ascii)
def test_a_topic_or_event_id_that_no_provider_sends_is_refused(name: str, header: str, value: str) -> None:
    at, example = endpoint(name), an_example(name)
    headers = at.headers(example.body, example.topic) | {getattr(at.spec, header): value}

    assert at.send(example.body, headers) == (400, {"refused": "MalformedHeader"})


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("header", ["topic_header", "event_id_header"])
def test_a_delivery_without_topic_or_event_id_is_refused(name: str, header: str) -> None:
    at, example = endpoint(name), an_example(name)
    headers = at.headers(example.body, example.topic)
    del headers[getattr(at.spec, header)]

    assert at.send(example.body, headers) == (401, {"refused": "MissingHeader"})


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("secrets", [(), ("",)], ids=["none", "empty"])
def test_without_a_secret_nothing_is_accepted_not_even_what_the_empty_key_signed(
    name: str, secrets: tuple[str, ...]
) -> None:
    at, example = endpoint(name), an_example(name)
    at.secrets = secrets

    answer = at.send(example.body, at.headers(example.body, example.topic, secret=""))

    assert answer == (401, {"refused": "NoSecret"})
    assert not at.queue.kept


@pytest.mark.parametrize("name", SOURCES)
def test_during_a_rotation_both_secrets_count(name: str) -> None:
    at, example = endpoint(name), an_example(name)
    at.secrets = ("new", "old")

    answers = [
        at.send(example.body, at.headers(example.body, example.topic, secret))[0] for secret in ("new", "old", "older")
    ]

    assert answers == [at.spec.acknowledge_status, at.spec.acknowledge_status, 401]


@pytest.mark.parametrize("name", [name for name in SOURCES if endpoint(name).spec.account_header])
def test_another_account_of_the_same_app_is_refused(name: str) -> None:
    at, example = endpoint(name), an_example(name)
    headers = at.headers(example.body, example.topic)

    other = at.send(example.body, headers | {at.spec.account_header: "shop-us.example.com"})
    joined = at.send(example.body, headers | {at.spec.account_header: f"{ACCOUNT},{ACCOUNT}"})
    del headers[at.spec.account_header]
    unnamed = at.send(example.body, headers)

    assert other == (403, {"refused": "WrongAccount"})
    assert joined == (403, {"refused": "WrongAccount"})
    assert unnamed == (401, {"refused": "MissingHeader"})
    assert not at.queue.kept


@pytest.mark.parametrize("name", [name for name in SOURCES if endpoint(name).spec.account_header])
def test_an_account_is_compared_without_case(name: str) -> None:
    at, example = endpoint(name), an_example(name)
    headers = at.headers(example.body, example.topic) | {at.spec.account_header: ACCOUNT.upper()}

    assert at.send(example.body, headers)[0] == at.spec.acknowledge_status


@pytest.mark.parametrize("name", SOURCES)
def test_an_empty_body_is_refused(name: str) -> None:
    at = endpoint(name)

    answer = at.send(b"", at.headers(b"", an_example(name).topic))

    assert answer == (400, {"refused": "EmptyBody"})


# --- what is accepted, and dead ---------------------------------------------------------------------------------------

GARBAGE = {
    "not JSON": b"<order/>",
    "blank": b"   ",
    "null": b"null",
    "a list": b'[{"id": 1}]',
    "a number": b"12",
    "not UTF-8": b'{"id": "\xff"}',
    "a lone surrogate": b'{"id": "\\ud800"}',
    "nested too deep": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "NaN": b'{"id": 1, "total_price": NaN}',
    "a number beyond Decimal": b'{"id": 1, "total_price": 1e99999999999999999999}',
    "an empty object": b"{}",
    "an id that is none": b'{"id": true}',
    "an id of 5,000 digits": b'{"id": ' + b"9" * 5_000 + b"}",
    "cut off": b'{"id": 1, "name": "#10',
}


@pytest.mark.parametrize("body", GARBAGE.values(), ids=GARBAGE)
@pytest.mark.parametrize(("name", "topic"), TOPICS)
def test_garbage_under_a_valid_signature_is_kept_and_found_unreadable(name: str, topic: str, body: bytes) -> None:
    """The provider would only repeat it; a person must see it."""
    at = endpoint(name)

    status, _ = at.send(body, at.headers(body, topic), as_base64=True)

    assert status == at.spec.acknowledge_status
    (event,) = at.events()
    assert event.data == body
    kind = next(each.record for each in manifest_of(name).topic if each.name == topic)
    with pytest.raises(Unreadable) as unreadable:
        connector_module(name).read(event, kind)
    assert str(unreadable.value)


@pytest.mark.parametrize("example", READABLE)
def test_a_body_of_another_kind_is_unreadable(example: Example) -> None:
    kinds = {topic.record for topic in manifest_of(example.connector).topic}

    for kind in kinds - {example.kind}:
        with pytest.raises(Unreadable):
            connector_module(example.connector).read(event_of(example), kind)


@pytest.mark.parametrize("name", SOURCES)
def test_an_unknown_topic_is_kept(name: str) -> None:
    at, example = endpoint(name), an_example(name)

    status, _ = at.send(example.body, at.headers(example.body, "unheard/of"))

    assert status == at.spec.acknowledge_status
    assert at.events()[0].type == f"{name}.unheard/of"


@pytest.mark.parametrize("example", READABLE)
def test_log_lines_and_answers_bear_no_body_no_signature_and_no_secret(example: Example) -> None:
    at = endpoint(example.connector)
    headers = at.headers(example.body, example.topic)

    answers = [at.send(example.body, headers), at.send(example.body + b" ", headers)]

    told = repr(at.telemetry.lines) + repr(answers)
    for private in (SECRET, headers[at.spec.signature_header], *personal(example.payload)):
        assert private not in told


def personal(payload: Any) -> Iterator[str]:
    """The e-mail addresses of a payload."""
    if isinstance(payload, dict):
        for value in payload.values():
            yield from personal(value)
    elif isinstance(payload, list):
        for value in payload:
            yield from personal(value)
    elif isinstance(payload, str) and re.fullmatch(r"\S+@\S+", payload):
        yield payload


def event_of(example: Example) -> Event:
    at = endpoint(example.connector)
    at.send(example.body, at.headers(example.body, example.topic))
    return at.events()[0]


def test_the_tests_name_no_folder() -> None:
    """A connector is one folder: this suite must find it, not know it."""
    text = Path(__file__).read_text("utf-8")

    assert not [name for name in CONNECTORS if name in text]
