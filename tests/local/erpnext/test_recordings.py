"""The stand-in answers as the real ERPNext v15 was recorded to answer: status, exc_type, envelope and document."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.local.erpnext.server import ErpNextStandIn
from tests.local.erpnext.calling import Clock
from tests.local.erpnext.history import NOT_REPLAYED, REENACTED, History, replayed
from tests.local.erpnext.recorded import differences, recordings

HEADERS = ("Location", "Content-Disposition", "X-RateLimit-Limit", "X-RateLimit-Remaining")
PRESENT = ("Retry-After", "X-RateLimit-Reset", "Set-Cookie")
IGNORED = {"184c_system_settings": frozenset({"modified_by"})}
"""Keys that depend on who set the recorded site up."""


@pytest.fixture(scope="module")
def history() -> Iterator[History]:
    clock = Clock()
    with ErpNextStandIn(now=clock) as erp:
        yield History(erp, clock).tell()


def test_every_recording_is_replayed_or_accounted_for() -> None:
    accounted = set(replayed()) | NOT_REPLAYED.keys() | REENACTED.keys()

    assert accounted == set(recordings())
    assert len(NOT_REPLAYED) < 15


def test_every_reenacted_recording_names_a_test_that_exists() -> None:
    source = "\n".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))

    assert [name for name, test in REENACTED.items() if f"def {test}(" not in source] == []


@pytest.mark.parametrize("name", replayed())
def test_the_stand_in_answers_as_recorded(name: str, history: History) -> None:
    found, reply = recordings()[name], history.replies[name]

    assert reply.status == found.status, reply.text
    assert kind(reply.header("Content-Type")) == kind(found.header("Content-Type"))
    for header in HEADERS:
        recorded = found.header(header)
        assert reply.header(header) == (recorded and history.translation.into_ours(recorded))
    assert {each: reply.header(each) is None for each in PRESENT} == {
        each: found.header(each) is None for each in PRESENT
    }
    if found.body is not None:
        assert differences(found.body, reply.body, IGNORED.get(name, frozenset())) == []
    elif name == "138_v2_meta":
        assert_same_meta(found.text, reply.body)
    else:
        assert reply.text == history.translation.into_ours(found.text)


def kind(content_type: str | None) -> str:
    return str(content_type).partition(";")[0]


def assert_same_meta(recorded_text: str, ours: Any) -> None:
    """The recording was cut off: what it says of the DocType before its fields is compared."""
    recorded = json.loads(recorded_text.partition(',"fields":[')[0] + "}}")["data"]

    assert {key: value for key, value in ours["data"].items() if key != "fields"}.items() <= recorded.items()
    assert {"doctype", "fieldname", "label", "fieldtype", "reqd", "unique"} <= ours["data"]["fields"][0].keys()
