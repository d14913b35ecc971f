"""The stand-in answers as the real ERPNext v15 was recorded to answer: status, exc_type, envelope and document."""

from __future__ import annotations

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
IGNORED: dict[str, frozenset[str]] = {}


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
    assert {each: reply.header(each) for each in HEADERS} == {each: found.header(each) for each in HEADERS}
    assert [each for each in PRESENT if reply.header(each) is None] == [each for each in PRESENT if found.header(each) is None]
    if found.body is None:
        assert_same_text(found.text, reply.text)
    else:
        assert differences(found.body, reply.body, IGNORED.get(name, frozenset())) == []


def kind(content_type: str | None) -> str:
    return str(content_type).partition(";")[0]


def assert_same_text(recorded: str, ours: Any) -> None:
    assert ours.split() == recorded.split()
