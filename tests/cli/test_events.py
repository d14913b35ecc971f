"""An operator who has an order's number learns what became of it."""

import json
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from rich.console import Console

from adapters.dynamodb import DynamoLedger
from cli.ends import say_below
from hub import names
from hub.errors import TotalMismatch
from hub.events import Event
from hub.ledger import Entry, Failure, Head, Outcome
from tests.cli.conftest import STAGE, Stage

AT = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
ORDER = "820982911946154508"


@pytest.fixture
def ledger(stage: Stage) -> DynamoLedger:
    """A ledger that knows an order's two events, and another order."""
    stage.deploy()
    ledger = DynamoLedger(stage.client("dynamodb"), names.ledger_table(STAGE), 90)
    mismatch = Failure.of(TotalMismatch("the source charged 20.00 USD"))
    ledger.record(
        [
            Entry("shop-eu-to-erp", event("e2", ORDER, "orders/updated"), Outcome.DEAD, 3, AT + timedelta(minutes=1),
                  failure=mismatch),
            Entry("shop-eu-to-erp", event("e1#x", ORDER, "orders/create"), Outcome.APPLIED, 1, AT, doctype="Sales Order",
                  name="SAL-ORD-2026-00001"),
            Entry("shop-eu-to-erp", event("e3", "7", "orders/create"), Outcome.STALE, 1, AT, rule="version 9 is known"),
            Entry("shop-eu-to-erp", event("e4", ORDER, "orders/paid", "other"), Outcome.IGNORED, 1, AT, rule="no action"),
        ],
        [("shop-eu-to-erp", f"shop-eu/order/{ORDER}", Head("v1", "Sales Order", "SAL-ORD-2026-00001"))],
    )  # fmt: skip
    return ledger


def event(event_id: str, entity_id: str, topic: str, entity: str = "order") -> Event:
    return Event(
        id=event_id,
        source="/integrations/shop-eu",
        type=f"shopify.{topic}",
        subject=f"shop-eu/{entity}/{entity_id}",
        time=None,
        received_at=AT,
        entity_version="",
        content_type="application/json",
        data=b'{"secret": "payload"}' * 30_000,  # in parts, which are no events
    )


def test_an_entity_is_shown_in_the_order_of_time(stage: Stage, ledger: DynamoLedger) -> None:
    result = stage.hub("events", "show", f"shop-eu/order/{ORDER}")

    lines = [line.split() for line in result.stdout.splitlines()]
    assert result.exit_code == 0
    assert ["1", "2026-01-01", "12:00:00", "orders/create", "applied", "SAL-ORD-2026-00001", "1"] in lines
    assert ["2", "2026-01-01", "12:01:00", "orders/updated", "dead", "3"] in lines
    assert "2  event e2\n     TotalMismatch: the source charged 20.00 USD\n" in result.stdout
    assert "version 9" not in result.stdout
    assert "payload" not in result.stdout


def test_an_id_alone_finds_every_kind_of_entity(stage: Stage, ledger: DynamoLedger) -> None:
    result = stage.hub("events", "show", ORDER, "--json")

    shown = json.loads(result.stdout)
    assert [(each["entity"], each["event_id"], each["outcome"]) for each in shown] == [
        (f"shop-eu/order/{ORDER}", "e1#x", "applied"),
        (f"shop-eu/other/{ORDER}", "e4", "ignored"),
        (f"shop-eu/order/{ORDER}", "e2", "dead"),
    ]
    assert shown[2]["failure"]["code"] == "TotalMismatch"
    assert shown[2]["recorded_at"] == "2026-01-01T12:01:00+00:00"


def test_an_unknown_entity_is_one_sentence(stage: Stage, ledger: DynamoLedger) -> None:
    result = stage.hub("events", "show", "4711")

    assert result.exit_code == 1
    assert result.stderr.startswith("The ledger of stage staging knows no event of 4711")


def test_an_unknown_entity_is_an_empty_list_for_a_program(stage: Stage, ledger: DynamoLedger) -> None:
    result = stage.hub("events", "show", "4711", "--json")

    assert (result.exit_code, json.loads(result.stdout)) == (1, [])


def test_a_stage_that_is_not_deployed_is_one_sentence(stage: Stage) -> None:
    result = stage.hub("events", "show", ORDER)

    assert (result.exit_code, result.stderr) == (
        1,
        "Stage staging is not deployed: deploy it with `make deploy STAGE=staging`.\n",
    )


@pytest.mark.parametrize(
    ("is_terminal", "lines"), [(True, ["     one two", "     three"]), (False, ["     one two three"])]
)
def test_a_sentence_is_folded_between_words_on_a_terminal_only(is_terminal: bool, lines: list[str]) -> None:
    written = StringIO()
    console = Console(file=written, width=14, force_terminal=is_terminal, color_system=None, soft_wrap=True)

    say_below(console, "one two three", "")

    assert [line.rstrip() for line in written.getvalue().splitlines()] == lines
