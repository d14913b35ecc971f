"""docs/operate.md shows what the commands really say: each of its examples is run, and compared but for numbers."""

import re
import shlex
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adapters.breakers import DynamoBreakers
from adapters.valves import LambdaValves
from hub import names
from hub.breaker import Breaker, State
from hub.events import Event
from hub.ledger import Entry, Failure, Head, Outcome
from infra.configuration import ROOT
from tests.cli.conftest import STAGE, Stage
from tests.cli.test_audit import Hub
from tests.fakes import an_event

PAGE = (ROOT / "docs" / "operate.md").read_text("utf-8")
EXAMPLES = dict(re.findall(r"^```console\n\$ hub (.*?)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
NOW = datetime.now(UTC).replace(microsecond=0)
FLOW = "shop-eu-to-erp"
DOWN = "503 Service Unavailable: the site is in maintenance"
FIRST, UPDATE, DEAD, LOST = (
    "6f1b7e0c-3a5e-4f0e-9a86-1f6f0d1f2a3b",
    "91c64a3e-5b0d-4f0f-8a53-d7a0c1f0b2e7",
    "0b8f6a54-87c1-4c3e-b6d1-5a2f1e9d7c60",
    "c2a1d6b8-6e1f-4a57-9d55-3f0e8b7a9c14",
)


def shape(shown: str) -> list[str]:
    """Lines without what differs from one run to the next: numbers and times, and how wide a table had to be."""
    found = []
    for line in shown.splitlines():
        plain = re.sub(r"\d+", "0", re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "<event>", line))
        if words := " ".join(re.sub(r"─+", "─", plain).split()):
            found.append(words)
    return found


@pytest.fixture
def hub(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Hub:
    """What the page tells of: an order that went well, one that died, one that is lost, and ERPNext down."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("cli.audit.LOOK_AGAIN_SECONDS", 0)
    monkeypatch.setattr(LambdaValves, "is_read", lambda *_: False)
    monkeypatch.setattr(LambdaValves, "set", lambda *_, **__: True)
    hub = Hub(stage)
    hub.older_than_the_log(monkeypatch)
    for hours, event in ((3.0, FIRST), (2.0, UPDATE), (1.0, DEAD), (0.5, LOST)):
        hub.accepted(numbered(event), hours, event=event)
    refused = Failure("Refused", "", "", "Item POSTER-9 does not exist; create it in ERPNext, then replay the event")
    known = "version 2026-11-20T10:01:00.000000Z is already known"
    hub.ledger.record(
        [
            entry(FIRST, 3, Outcome.APPLIED, "orders/create", doctype="Sales Order", name="SAL-ORD-2026-00001"),
            entry(UPDATE, 2, Outcome.STALE, "orders/updated", rule=known),
            entry(DEAD, 1, Outcome.DEAD, "orders/create", failure=refused, label="1043"),
            Entry(FLOW, an_event("x", "shop-eu/customer/1", received_at=ago(3), replay_of="x"), Outcome.APPLIED, 1, ago(30)),
        ],
        [(FLOW, subject(FIRST), Head("1", "Sales Order", "SAL-ORD-2026-00001", "1042")),
         (FLOW, "shop-eu/customer/1", Head("1", "Customer", "Ada"))],
    )  # fmt: skip
    return hub


def ago(hours: float) -> datetime:
    return NOW - timedelta(hours=hours)


def numbered(event: str) -> int:
    return {FIRST: 820982911946154508, UPDATE: 820982911946154508, DEAD: 820982911946154509}.get(
        event, 820982911946154510
    )


def subject(event: str) -> str:
    return f"shop-eu/order/{numbered(event)}"


def entry(event_id: str, hours: float, outcome: Outcome, topic: str, **more: Any) -> Entry:
    event: Event = an_event(event_id, subject(event_id), received_at=ago(hours), event_type=f"shopify.{topic}")
    return Entry(FLOW, event, outcome, 1, ago(hours), **more)


def test_the_page_has_examples_of_every_command_of_an_operator() -> None:
    named = {" ".join(words.split()[:2]) for words in EXAMPLES}

    assert named >= {"events find", "events replay", "events discard", "flow status", "flow pause", "audit --since"}


@pytest.mark.parametrize("words", EXAMPLES)
def test_a_command_says_what_the_page_shows(hub: Hub, words: str) -> None:
    if words.startswith("flow"):
        down = Breaker(state=State.OPEN, reason=DOWN, changed_at=NOW, flows={FLOW: 2})
        DynamoBreakers(hub.stage.client("dynamodb"), names.ledger_table(STAGE)).write("erp", down)
        hub.queued(names.queue(STAGE, FLOW), 1)

    result = hub.stage.hub(*shlex.split(words))

    assert shape(result.output) == shape(EXAMPLES[words])
