"""The contract of every connector: a folder is found, held to its manifest and its examples, and attacked.

An example file is described in cli/signing/examples.py. What its `expected` may hold:

    {"events": [{"topic": "orders/create",      the example's topic if left out
                 "entity": "order/123",         what the entity is called after the integration's name
                 "id": "evt_1",                 exactly; if left out: the id in the header, or a hash of the fact
                 "entity_version": "…",         "" if left out
                 "time": "2026-01-01T…Z"}],     the provider's clock, if the example cares
     "record": {…}, "error": {"code", "says"},  what connector.py reads, where the topic has a `record`; or
     "ignored": "…",                            words of the rule by which it reads nothing
     "answer": {"status", "body", "json",       a handshake's answer; each is compared if stated
                "content_type", "headers"}}

For one event the keys of the item may stand in `expected` itself.
"""

import json
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter

from cli.signing import Draft, signers
from cli.signing.examples import Example, examples
from connectors import FOLDER, connector_module, connector_names
from hub.connector import NotWanted
from hub.errors import Permanent, Unreadable
from hub.events import Event
from hub.handshakes import AFTER, Answer
from hub.records import Record
from hub.schemes import scheme_names
from tests.fakes import NOW
from tests.provider import (
    ACCOUNT,
    INTEGRATION,
    Endpoint,
    Published,
    has_public_key,
    later,
    manifest_of,
    required_expects,
    secret_of,
    spec_of,
)

RECORDS: TypeAdapter[Record] = TypeAdapter(Record)
CONNECTORS = connector_names()
SOURCES = [name for name in CONNECTORS if manifest_of(name).webhook]
KEYED = [name for name in SOURCES if spec_of(name).signature.secret]
TIMED = [name for name in SOURCES if spec_of(name).signature.tolerance_seconds is not None]
ALL_EXAMPLES = {name: list(examples(name)) for name in SOURCES}
DELIVERIES = {name: [each for each in ALL_EXAMPLES[name] if not each.handshake] for name in SOURCES}
READERS = {name: {topic.name: topic.record for topic in manifest_of(name).topic if topic.record} for name in SOURCES}


def in_header(example: Example) -> bool:
    """Whether fields of the body are signed elsewhere, and the whole of this one by a header."""
    at = Endpoint(example.connector)
    return at.spec.signature.covers == "fields" and at.signed(example).body == at.draft(example).body


def of_each(chosen: Mapping[str, list[Example]]) -> list[Any]:
    return [pytest.param(each, id=f"{name}-{each.name}") for name, several in chosen.items() for each in several]


EXAMPLES = of_each(DELIVERIES)
FIELDS = of_each(  # some fields are signed, each by itself
    {
        name: [each for each in several if spec_of(name).signature.covers == "fields" and not in_header(each)]
        for name, several in DELIVERIES.items()
    }
)
WHOLE = {  # every byte of the body is signed
    name: [each for each in several if each.body and (spec_of(name).signature.covers == "body" or in_header(each))]
    for name, several in DELIVERIES.items()
}
HANDSHAKES = of_each({name: [each for each in several if each.handshake] for name, several in ALL_EXAMPLES.items()})
FIRSTS = of_each({name: several[:1] for name, several in DELIVERIES.items()})  # one of each connector
FIRSTS_OF_TOPICS = {
    name: list({READERS[name].get(each.topic, ""): each for each in reversed(several)}.values())  # one of each kind
    for name, several in DELIVERIES.items()
}
RECORDED = of_each(
    {name: [each for each in several if each.topic in READERS[name]] for name, several in DELIVERIES.items()}
)
READABLE = of_each({name: [e for e in several if "record" in e.expected] for name, several in DELIVERIES.items()})


def proof_of(at: Endpoint, example: Example) -> list[str]:
    """The headers that signing adds."""
    before, after = at.draft(example).headers, at.signed(example).headers
    return [name for name in after if name not in before or after[name] != before[name]]


def without(draft: Draft, *names: str) -> Draft:
    lower = {name.lower() for name in names}
    return replace(draft, headers={name: value for name, value in draft.headers.items() if name.lower() not in lower})


def refused(at: Endpoint, answer: Answer, *reasons: str) -> None:
    """The delivery was refused, for one of these reasons, with the status of the provider's wish, and nothing kept."""
    assert not at.queue.kept
    assert at.reasons(), f"answered {answer.status}"
    if reasons:
        assert at.reasons()[-1] in reasons
    wished = at.spec.reply.refused_status
    assert answer.status == wished if wished else 400 <= answer.status < 500
    if at.spec.reply.silent:
        assert answer.body == ""
    else:
        assert json.loads(answer.body) == {"refused": at.reasons()[-1]}


def accepted(at: Endpoint, answer: Answer) -> list[Event]:
    assert answer.status == at.spec.reply.status, at.reasons()
    assert at.events()
    return at.events()


# --- what every folder holds ------------------------------------------------------------------------------------------


def test_connectors_are_found() -> None:
    assert CONNECTORS
    assert SOURCES


@pytest.mark.parametrize("name", CONNECTORS)
def test_a_connector_does_something(name: str) -> None:
    """Code only where there is something to read or to write: most that send have none."""
    manifest = manifest_of(name)
    coded = (FOLDER / name / "connector.py").exists()

    streams = bool(manifest.stream or manifest.declares_streams)

    assert manifest.webhook or manifest.action or streams
    assert coded == bool(manifest.action or READERS.get(name) or streams)
    if coded:
        assert bool(READERS.get(name) or streams) == hasattr(connector_module(name), "read")
        opens = ("listing", "messages", "table")
        assert streams == any(hasattr(connector_module(name), each) for each in opens)
        assert bool(manifest.action) == hasattr(connector_module(name), "destination")


@pytest.mark.parametrize("name", CONNECTORS)
def test_the_readme_says_how_to_create_each_secret_and_what_to_state(name: str) -> None:
    readme = (FOLDER / name / "README.md").read_text("utf-8")

    assert readme.startswith(f"# {manifest_of(name).title}\n")
    if manifest_of(name).secrets:
        assert "hub secrets set" in readme
    for said in (*manifest_of(name).secrets, *manifest_of(name).expects):
        assert f"`{said}`" in readme, f"the README does not say what {said} is"


@pytest.mark.parametrize("name", SOURCES)
def test_the_readme_shows_the_integration_that_its_commands_name(name: str) -> None:
    readme = (FOLDER / name / "README.md").read_text("utf-8")
    blocks = [yaml.safe_load(textwrap.dedent(block)) for block in re.findall(r"```yaml\n(.*?)```", readme, re.DOTALL)]
    shown = {key: each for block in blocks for key, each in (block or {}).get("integrations", {}).items()}

    assert {each["connector"] for each in shown.values()} == {name}
    assert {*re.findall(r"hub (?:secrets set|send) ([a-z][\w-]*)", readme)} <= {*shown}


@pytest.mark.parametrize("name", [name for name in SOURCES if spec_of(name).signature.covers != "body"])
def test_the_readme_says_what_the_provider_does_not_authenticate(name: str) -> None:
    readme = (FOLDER / name / "README.md").read_text("utf-8").lower()

    assert "not authenticated" in readme or "not signed" in readme


@pytest.mark.parametrize("name", SOURCES)
def test_signed_fields_are_stated_where_only_fields_are_signed(name: str) -> None:
    signature = spec_of(name).signature

    assert (signature.covers == "fields") == bool(signature.signed_fields)


@pytest.mark.parametrize("name", CONNECTORS)
def test_bronze_is_the_least_and_higher_tiers_are_not_claimed_without_their_parts(name: str) -> None:
    """Silver is pulled as well as pushed."""
    manifest = manifest_of(name)

    assert manifest.tier == "bronze" or manifest.stream or manifest.declares_streams


def test_every_scheme_can_be_signed_and_every_signer_signs_a_scheme() -> None:
    assert sorted(signers()) == scheme_names()


@pytest.mark.parametrize("name", SOURCES)
def test_every_topic_has_an_example(name: str) -> None:
    exemplified = {each.topic for each in DELIVERIES[name]}

    assert exemplified == {topic.name for topic in manifest_of(name).topic}


@pytest.mark.parametrize("name", SOURCES)
def test_every_topic_with_a_record_has_an_example_that_can_be_read(name: str) -> None:
    readable = {each.topic for each in DELIVERIES[name] if "record" in each.expected}

    assert readable == set(READERS[name])


@pytest.mark.parametrize("name", SOURCES)
def test_every_handshake_has_an_example(name: str) -> None:
    exemplified = {each.handshake for each in ALL_EXAMPLES[name] if each.handshake}

    assert exemplified == set(spec_of(name).handshakes)


# --- what an example becomes ------------------------------------------------------------------------------------------


def test_examples_expect_something() -> None:
    wrong = [
        f"{name}/{each.name}"
        for name, several in ALL_EXAMPLES.items()
        for each in several
        if not ("answer" in each.expected if each.handshake else "entity" in each.expected or "events" in each.expected)
    ]

    assert not wrong


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_accepted_as_the_events_that_it_states(example: Example) -> None:
    at = Endpoint(example.connector)
    draft = at.signed(example)

    events = accepted(at, at.send(draft, example, as_base64=False))

    expected = example.expected.get("events", [example.expected])
    assert [(event.subject, event.type) for event in events] == [
        (f"{INTEGRATION}/{each['entity']}", f"{example.connector}.{each.get('topic', example.topic)}")
        for each in expected
    ]
    for event, each in zip(events, expected, strict=True):
        assert event.source == f"/integrations/{INTEGRATION}"
        assert event.entity_version == each.get("entity_version", "")
        assert event.received_at == NOW
        if "id" in each:
            assert event.id == each["id"]
        else:
            assert event.id in draft.headers.values() or event.id.startswith("sha256-")
        if "time" in each:
            assert event.time
            assert event.time.isoformat().replace("+00:00", "Z") == each["time"]
    if not at.spec.facts.items and not at.spec.facts.code:
        assert [(event.data, event.content_type) for event in events] == [(draft.body, draft.header("content-type"))]


@pytest.mark.parametrize("example", FIRSTS)
def test_the_answer_is_the_one_that_the_provider_wants(example: Example) -> None:
    at = Endpoint(example.connector)
    reply = at.spec.reply

    answer = at.send(at.signed(example), example)

    if reply.body is None:
        told = {"event": at.events()[0].id} if len(at.events()) == 1 else {"events": len(at.events())}
        assert json.loads(answer.body) == told
        assert answer.content_type == "application/json"
    else:
        assert answer.body == reply.body
        assert answer.content_type == (reply.content_type if reply.body else "")
    assert answer.status == reply.status


@pytest.mark.parametrize("example", RECORDED)
def test_an_example_is_read_as_the_record_or_the_refusal_that_it_states(example: Example) -> None:
    read = connector_module(example.connector).read
    kind = READERS[example.connector][example.topic]
    event = event_of(example)

    assert sum(each in example.expected for each in ("record", "error", "ignored")) == 1
    if "ignored" in example.expected:
        nothing = read(event, kind)
        assert isinstance(nothing, NotWanted)
        assert example.expected["ignored"] in nothing.rule
        return
    if "error" in example.expected:
        with pytest.raises(Permanent, match=re.escape(example.expected["error"]["says"])) as refused:
            read(event, kind)
        assert refused.value.code == example.expected["error"]["code"]
        return
    record = read(event, kind)
    assert record == RECORDS.validate_python(example.expected["record"])
    assert record.kind == kind


@pytest.mark.parametrize("name", SOURCES)
def test_a_redelivery_has_the_same_ids_entities_and_bytes(name: str) -> None:
    for example in DELIVERIES[name]:
        at = Endpoint(example.connector)
        draft = at.signed(example)

        at.send(draft, example, as_base64=True)
        first = at.events()
        at.send(draft, example, as_base64=False)

        assert at.events() == [*first, *first]


@pytest.mark.parametrize("name", SOURCES)
def test_a_redelivery_that_is_signed_anew_has_the_same_ids(name: str) -> None:
    for example in DELIVERIES[name]:
        at, then = Endpoint(example.connector), Endpoint(example.connector, now=later(60))

        at.send(at.signed(example), example)
        then.send(then.signed(example), example)

        assert [(event.id, event.subject) for event in at.events()] == [
            (event.id, event.subject) for event in then.events()
        ]
        assert at.events()


@pytest.mark.parametrize("name", SOURCES)
def test_two_facts_never_share_an_id(name: str) -> None:
    seen: dict[tuple[str, str], str] = {}
    for example in DELIVERIES[name]:
        at = Endpoint(name)
        at.send(at.signed(example), example)
        for event in at.events():
            assert (event.subject, event.id) not in seen, f"{example.name} and {seen[event.subject, event.id]}"
            seen[event.subject, event.id] = example.name


@pytest.mark.parametrize("example", FIRSTS)
def test_what_a_queue_did_not_confirm_is_asked_for_again(example: Example) -> None:
    from hub.errors import QueueUnavailable

    at = Endpoint(example.connector)
    at.queue.failure = QueueUnavailable("no answer")

    assert at.send(at.signed(example), example).status == 503


# --- handshakes -------------------------------------------------------------------------------------------------------


def answers_as_stated(answer: Answer, expected: Mapping[str, Any]) -> None:
    assert answer.status == expected["status"]
    if "body" in expected:
        assert answer.body == expected["body"]
    if "json" in expected:
        assert json.loads(answer.body) == expected["json"]
    if "content_type" in expected:
        assert answer.content_type.partition(";")[0] == expected["content_type"]
    for name, value in expected.get("headers", {}).items():
        assert {key.lower(): each for key, each in answer.headers.items()}.get(name.lower()) == value


@pytest.mark.parametrize("example", HANDSHAKES)
def test_a_handshake_is_answered_and_keeps_nothing(example: Example) -> None:
    at = Endpoint(example.connector)
    draft = at.signed(example) if example.handshake in AFTER else at.draft(example)

    answers_as_stated(at.send(draft, example), example.expected["answer"])

    assert not at.queue.kept


@pytest.mark.parametrize("example", [each for each in HANDSHAKES if each.values[0].handshake in AFTER])
def test_an_unverified_handshake_is_refused_without_its_answer(example: Example) -> None:
    """Else the endpoint would compute signatures for strangers."""
    for draft in (Endpoint(example.connector).signed(example, secret=1), Endpoint(example.connector).draft(example)):
        at = Endpoint(example.connector)

        refused(at, at.send(draft, example))


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SOURCES)
def test_what_somebody_else_signed_is_refused(name: str) -> None:
    for example in DELIVERIES[name]:
        at = Endpoint(example.connector)
        other: dict[str, str | Sequence[str]] = dict.fromkeys(required_expects(example.connector), "somebody-else")
        if at.spec.signature.secret:
            forged = at.signed(example, secret=1)
        else:
            forged = Endpoint(example.connector, states=other).signed(example, secret=1)

        refused(at, at.send(forged, example))


@pytest.mark.parametrize("name", [name for name in SOURCES if WHOLE[name]])
def test_a_body_altered_in_one_bit_is_refused(name: str) -> None:
    for example in WHOLE[name]:
        at = Endpoint(example.connector)
        draft = at.signed(example)
        last = len(draft.body) - 1
        for place in {0, last // 4, last // 2, last * 3 // 4, last}:
            altered = bytearray(draft.body)
            altered[place] ^= 1

            refused(at, at.send(replace(draft, body=bytes(altered)), example))


@pytest.mark.parametrize("name", [name for name in SOURCES if WHOLE[name]])
def test_a_body_with_something_more_is_refused(name: str) -> None:
    for example in WHOLE[name]:
        at = Endpoint(example.connector)
        draft = at.signed(example)
        for more in (b" ", b"\n", b"\x00", b"\r\n"):
            refused(at, at.send(replace(draft, body=draft.body + more), example))


@pytest.mark.parametrize(
    "example", of_each({name: [e for e in several if e.payload is not None][:1] for name, several in WHOLE.items()})
)
def test_a_body_that_was_parsed_and_written_again_is_refused(example: Example) -> None:
    at = Endpoint(example.connector)
    draft = at.signed(example)

    refused(at, at.send(replace(draft, body=json.dumps(json.loads(draft.body)).encode()), example))


@pytest.mark.parametrize("example", FIELDS)
def test_every_signed_field_is_held_to_its_signature(example: Example) -> None:
    """In a delivery of many items an alteration of the last one counts as well."""
    at = Endpoint(example.connector)
    draft = at.signed(example)
    tried = 0
    for path in at.spec.signature.signed_fields:
        content = json.loads(draft.body)
        if alter(content, path.split(".")):
            tried += 1
            refused(at, at.send(replace(draft, body=json.dumps(content, ensure_ascii=False).encode()), example))

    assert tried or proof_of(at, example)  # what bears a header instead is signed as a whole


def alter(content: Any, path: list[str]) -> bool:
    """Change what stands at a path, in the last item of every list on the way; False where nothing stands there."""
    name, is_list = path[0].removesuffix("[]"), path[0].endswith("[]")
    if not isinstance(content, dict) or name not in content:
        return False
    if is_list:
        return bool(content[name]) and alter(content[name][-1], path[1:])
    if len(path) > 1:
        return alter(content[name], path[1:])
    value = content[name]
    content[name] = value + 1 if isinstance(value, int) and not isinstance(value, bool) else f"{value}0"
    return True


@pytest.mark.parametrize("example", FIRSTS)
def test_an_unsigned_delivery_is_refused(example: Example) -> None:
    at = Endpoint(example.connector)
    proof = proof_of(at, example)

    unsigned = without(at.signed(example), *proof)
    refused(at, at.send(unsigned if proof else at.draft(example), example))


@pytest.mark.parametrize("example", FIRSTS)
def test_each_header_of_the_proof_is_needed(example: Example) -> None:
    at = Endpoint(example.connector)
    for header in proof_of(at, example):
        draft = without(at.signed(example), header)

        refused(at, at.send(draft, example))
        for blank in ("", "  "):
            refused(at, at.send(draft.adding({header: blank}), example))


NO_SIGNATURES = [
    "ünsigniert",
    "*not base64*",
    "x" * 10_001,
    "\u2028",
    "AAAA",
    "0" * 64,
    "٣" * 64,
    "sha256=",
    "v1,",
    "=",
]


@pytest.mark.parametrize("example", FIRSTS)
def test_a_signature_that_is_none_is_refused(example: Example) -> None:
    at = Endpoint(example.connector)
    draft = at.signed(example)
    for header in proof_of(at, example):
        for signature in NO_SIGNATURES:
            refused(at, at.send(draft.adding({header: signature}), example))


@pytest.mark.parametrize("example", FIRSTS)
def test_a_proof_altered_in_one_character_is_refused(example: Example) -> None:
    at = Endpoint(example.connector)
    for header in proof_of(at, example):
        value = at.signed(example).header(header)
        for place in {0, len(value) // 2, max(0, len(value) - 5)}:
            other = "b" if value[place] != "b" else "c"
            altered = value[:place] + other + value[place + 1 :]

            refused(at, at.send(at.signed(example).adding({header: altered}), example))


@pytest.mark.parametrize("example", FIRSTS)
def test_a_proof_that_came_twice_is_refused_even_if_both_are_right(example: Example) -> None:
    """API Gateway joins what came twice with a comma; other fronts hand over both."""
    at = Endpoint(example.connector)
    for header in proof_of(at, example):
        draft = at.signed(example)
        value = draft.header(header)

        refused(at, at.send(draft.adding({header: f"{value},{value}"}), example))
        refused(at, at.send(draft.adding({header: f"{value}, {value}"}), example))


@pytest.mark.parametrize("secrets", [(), ("",), ("", "")], ids=["none", "empty", "two empty ones"])
@pytest.mark.parametrize("name", KEYED)
def test_without_a_secret_nothing_is_accepted_not_even_what_the_empty_key_signed(
    name: str, secrets: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    example = DELIVERIES[name][0]
    at = Endpoint(name, secrets=secrets)
    genuine = at.signed(example)
    refused(at, at.send(genuine, example), "NoSecret")

    if not has_public_key(name):  # which signs nothing
        monkeypatch.setattr("tests.provider.secret_of", lambda *_: "")
        refused(at, at.send(at.signed(example), example))


@pytest.mark.parametrize("name", [name for name in SOURCES if required_expects(name)])
def test_what_is_not_stated_allows_nothing(name: str) -> None:
    """Fail closed: each thing that an integration must state is held against a delivery or a handshake."""
    for stated in required_expects(name):
        refusals = []
        for example in ALL_EXAMPLES[name]:
            whole, at = Endpoint(name), Endpoint(name, unstated=frozenset({stated}))
            draft = at.draft(example) if example.handshake and example.handshake not in AFTER else at.signed(example)
            assert not whole.send(draft, example).status >= 400
            at.send(draft, example)
            refusals += at.reasons()

        assert refusals, f"{stated} must be stated, and nothing changes where it is not"


@pytest.mark.parametrize("name", KEYED)
def test_during_a_rotation_both_secrets_count(name: str) -> None:
    example = DELIVERIES[name][0]
    answers = []
    told = []
    for number in (5, 0, 7):
        at = Endpoint(name, secrets=(secret_of(name, 5), secret_of(name, 0)))
        answers.append(at.send(at.signed(example, secret=number), example).status)
        lines = [counts for _, message, _, counts in at.telemetry.lines if message == "accepted"]
        told.append(sum(counts.get("PreviousSecret", 0) for counts in lines))  # a delivery has a line per event

    good = spec_of(name).reply.status
    assert answers[:2] == [good, good]
    assert 400 <= answers[2] < 500
    assert told == [0, 1, 0]


@pytest.mark.parametrize("name", TIMED)
def test_the_window_is_exact(name: str) -> None:
    example = DELIVERIES[name][0]
    window = spec_of(name).signature.tolerance_seconds or 0
    good = spec_of(name).reply.status

    for age, inside in ((window, True), (window + 1, False), (-window, True), (-window - 1, False)):
        at = Endpoint(name, timed=True)
        answer = at.send(at.signed(example, at=later(-age)), example)
        if inside or (age < 0 and not spec_of(name).signature.future_too):
            assert answer.status == good, f"{age} s old"
        else:
            refused(at, answer, "StaleDelivery")


@pytest.mark.parametrize("name", TIMED)
def test_an_integration_may_state_its_own_window(name: str) -> None:
    example = DELIVERIES[name][0]
    for age, inside in ((1_000, True), (1_001, False)):
        at = Endpoint(name, tolerance_seconds=1_000, timed=True)
        answer = at.send(at.signed(example, at=later(-age)), example)
        if inside:
            accepted(at, answer)
        else:
            refused(at, answer, "StaleDelivery")


@pytest.mark.parametrize("name", [name for name in SOURCES if spec_of(name).facts.account])
def test_another_account_of_the_same_app_is_refused(name: str) -> None:
    example = DELIVERIES[name][0]
    where = spec_of(name).facts.account
    if where.startswith("header:"):
        at = Endpoint(name)
        draft = at.signed(example)
        header = where.removeprefix("header:").partition(",")[0]

        refused(at, at.send(draft.adding({header: "us.example.com"}), example), "WrongAccount")
        refused(at, at.send(draft.adding({header: f"{ACCOUNT},{ACCOUNT}"}), example), "WrongAccount")
        refused(at, at.send(without(draft, header), example), "MissingHeader", "WrongAccount")
        accepted(at, at.send(draft.adding({header: ACCOUNT.upper()}), example))


@pytest.mark.parametrize("name", [name for name in SOURCES if not spec_of(name).empty_body])
def test_an_empty_body_is_refused_where_the_provider_never_sends_one(name: str) -> None:
    at, example = Endpoint(name), DELIVERIES[name][0]

    refused(at, at.send(at.sign(replace(at.draft(example), body=b""), example), example), "EmptyBody")


@pytest.mark.parametrize("example", FIRSTS)
def test_another_method_is_refused(example: Example) -> None:
    at = Endpoint(example.connector)
    draft = at.signed(example)
    for method in {"GET", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "post", ""} - set(at.spec.methods):
        refused(at, at.send(replace(draft, method=method), example), "MethodNotAllowed")


# --- what is accepted, and dead ---------------------------------------------------------------------------------------

GARBAGE = {
    "not JSON": b"<order/>",
    "blank": b"   ",
    "null": b"null",
    "a list": b'[{"id": 1}]',
    "a list of lists": b"[[[]]]",
    "a list of nothing": b"[null, 1, true]",
    "a number": b"12",
    "not UTF-8": b'{"id": "\xff"}',
    "a lone surrogate": b'{"id": "\\ud800", "type": "\\ud800", "event": "\\ud800"}',
    "nested too deep": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "NaN": b'{"id": 1, "total_price": NaN}',
    "a number beyond Decimal": b'{"id": 1, "total_price": 1e99999999999999999999}',
    "an empty object": b"{}",
    "an id that is none": b'{"id": true}',
    "an id of 5,000 digits": b'{"id": ' + b"9" * 5_000 + b"}",
    "cut off": b'{"id": 1, "name": "#10',
    "XML": b"<?xml version='1.0'?><a><b>1</b></a>",
    "XML with entities": b'<!DOCTYPE a [<!ENTITY b "b">]><a>&b;</a>',
    "a form": b"a=1&b=%FF&=&&payload=%7B",
    "nothing": b"",
}


def signed_in_headers(example: Example) -> bool:
    """Whether any body can be signed: the proof stands in headers or the URL, and the signer reads no body."""
    at = Endpoint(example.connector)
    draft = replace(at.draft(example), body=b"\xff")
    try:
        signed = at.sign(draft, example)
    except ValueError:
        return False
    return bool(example.body) and signed.body == b"\xff" and (signed.headers, signed.url) != (draft.headers, draft.url)


SIGNED_IN_HEADERS = of_each(
    {name: [each for each in firsts if signed_in_headers(each)] for name, firsts in FIRSTS_OF_TOPICS.items()}
)


@pytest.mark.parametrize("example", SIGNED_IN_HEADERS)
def test_garbage_under_a_valid_signature_is_kept(example: Example) -> None:
    """The provider would only repeat it; a person must see it. Where the proof stands in the body there is none."""
    kind = READERS[example.connector].get(example.topic)
    for what, body in GARBAGE.items():
        at = Endpoint(example.connector)
        if not body and not at.spec.empty_body:
            continue
        draft = at.sign(replace(at.draft(example), body=body), example)
        (event, *_) = accepted(at, at.send(draft, example))

        assert event.data or not body, what
        if kind:
            assert event.data == body, what
            with pytest.raises(Unreadable) as unreadable:
                connector_module(example.connector).read(event, kind)
            assert str(unreadable.value)


@pytest.mark.parametrize("name", [name for name in SOURCES if spec_of(name).signature.covers != "nothing"])
def test_garbage_that_nobody_signed_is_refused(name: str) -> None:
    example = DELIVERIES[name][0]
    draft = Endpoint(name).signed(example)
    for body in GARBAGE.values():
        at = Endpoint(name)

        refused(at, at.send(replace(draft, body=body), example))


@pytest.mark.parametrize("example", READABLE)
def test_a_body_of_another_kind_is_unreadable(example: Example) -> None:
    kinds = set(READERS[example.connector].values())

    for kind in kinds - {READERS[example.connector][example.topic]}:
        with pytest.raises(Unreadable):
            connector_module(example.connector).read(event_of(example), kind)


@pytest.mark.parametrize("name", [name for name in SOURCES if spec_of(name).facts.topic.startswith("header:")])
def test_an_unknown_topic_is_kept(name: str) -> None:
    at, example = Endpoint(name), DELIVERIES[name][0]
    header = spec_of(name).facts.topic.removeprefix("header:").partition("|")[0].partition(",")[0]
    draft = at.sign(at.draft(example).adding({header: "unheard/of"}), example)

    (event, *_) = accepted(at, at.send(draft, example))

    assert event.type.startswith(f"{name}.unheard/of")


@pytest.mark.parametrize("name", SOURCES)
def test_log_lines_and_answers_bear_no_body_no_signature_and_no_secret(name: str) -> None:
    for example in DELIVERIES[name]:
        at = Endpoint(example.connector)
        draft = at.signed(example)

        answers = [at.send(draft, example), at.send(replace(draft, body=draft.body + b" "), example)]

        told = repr(at.telemetry.lines) + repr(answers)
        proof = [draft.header(name) for name in proof_of(at, example) if len(draft.header(name)) > 12]
        ids = {event.id for event in at.events()}  # an id that is part of the proof is told
        for private in {secret_of(example.connector), *proof, *personal(example.payload)} - {"", *ids}:
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
    at = Endpoint(example.connector)
    at.send(at.signed(example), example)
    return at.events()[0]


def test_certificates_and_keys_are_asked_for_only_where_the_provider_publishes_them() -> None:
    """Every URL that was fetched for the examples is https, and none came from the delivery's own words unchecked."""
    for name in SOURCES:
        for example in DELIVERIES[name][:1]:
            fetch = Published()
            at = Endpoint(name, fetch=fetch)
            at.send(at.signed(example), example)

            assert all(url.startswith("https://") for url in fetch.asked)


def test_the_tests_name_no_folder() -> None:
    """A connector is one folder: this suite must find it, not know it."""
    text = Path(__file__).read_text("utf-8")

    assert not [name for name in CONNECTORS if f'"{name}"' in text]
