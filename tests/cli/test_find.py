"""An operator who has an order's number, a document's name or half an error finds the events."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adapters.dynamodb import DynamoLedger
from adapters.ledger_history import Ended, LedgerHistory
from cli.failure import Failed
from cli.period import moment
from hub import names
from hub.errors import TotalMismatch
from hub.events import Event
from hub.ledger import Entry, Failure, Head, Outcome
from tests.cli.conftest import STAGE, Stage
from tests.fakes import an_event

NOW = datetime.now(UTC).replace(microsecond=0)
FLOW = "shop-eu-to-erp"
ORDER, OTHER = "820982911946154508", "820982911946154509"
MISMATCH = Failure.of(TotalMismatch("order #1043: lines 10.00 = 10.00 EUR, but the source charged 20.00 EUR"))


def entry(event: Event, outcome: Outcome, hours_ago: float, **more: Any) -> Entry:
    return Entry(FLOW, event, outcome, 1, NOW - timedelta(hours=hours_ago), **more)


def of(event_id: str, order: str, topic: str = "orders/create") -> Event:
    return an_event(event_id, f"shop-eu/order/{order}", event_type=f"shopify.{topic}")


@pytest.fixture
def ledger(stage: Stage) -> DynamoLedger:
    """A ledger that knows an order that went well and one that died."""
    stage.deploy()
    ledger = DynamoLedger(stage.client("dynamodb"), names.ledger_table(STAGE), 90)
    document = {"doctype": "Sales Order", "name": "SAL-ORD-2026-00001"}
    ledger.record(
        [
            entry(of("e1", ORDER), Outcome.APPLIED, 5, **document),
            entry(of("e2", ORDER, "orders/updated"), Outcome.STALE, 3, rule="version 9 is known"),
            entry(of("e3", OTHER), Outcome.DEAD, 1, failure=MISMATCH, label="1043"),
            entry(an_event("e4", "shop-eu/customer/9", event_type="shopify.customers/create"), Outcome.APPLIED, 30,
                  doctype="Customer", name="Ada Lovelace"),
        ],
        [(FLOW, f"shop-eu/order/{ORDER}", Head("9", "Sales Order", "SAL-ORD-2026-00001", "1042"))],
    )  # fmt: skip
    return ledger


def found(stage: Stage, *arguments: str) -> list[str]:
    result = stage.hub("events", "find", *arguments, "--json")
    assert result.exit_code == (0 if json.loads(result.stdout) else 1)
    return [each["event_id"] for each in json.loads(result.stdout)]


@pytest.fixture
def no_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole ledger must not be read."""

    def read(*_: Any) -> Iterator[Ended]:
        pytest.fail("the whole ledger was read")

    monkeypatch.setattr(LedgerHistory, "everything", read)


@pytest.mark.parametrize("written", ["#1042", "1042", ORDER, f"shop-eu/order/{ORDER}"])
def test_an_order_is_found_at_once_by_its_number_or_its_id(
    stage: Stage, ledger: DynamoLedger, no_reading: None, written: str
) -> None:
    assert found(stage, written) == ["e2", "e1"]  # the newest first


def test_a_dead_order_is_found_by_its_number_too(stage: Stage, ledger: DynamoLedger, no_reading: None) -> None:
    assert found(stage, "#1043") == ["e3"]


def test_what_has_no_index_is_found_by_reading_the_whole_ledger_which_is_said(
    stage: Stage, ledger: DynamoLedger
) -> None:
    result = stage.hub("events", "find", "sal-ord-2026-00001", "--json")

    assert [each["event_id"] for each in json.loads(result.stdout)] == ["e1"]
    assert "No index knows sal-ord-2026-00001: reading the whole ledger of stage staging." in result.stderr
    assert "5 items read." in result.stderr
    assert found(stage, "e2") == ["e2"]


def test_an_outcome_that_does_not_exist_is_told_before_the_ledger_is_read(stage: Stage, ledger: DynamoLedger) -> None:
    result = stage.hub("events", "find", "--outcome", "deaf")

    assert result.exit_code == 1
    assert "--outcome 'deaf' is none; there are applied, unchanged," in result.stderr
    assert "reading the whole ledger" not in result.stderr


def test_several_words_mean_any_of_them(stage: Stage, ledger: DynamoLedger) -> None:
    assert found(stage, "1043", "Ada Lovelace") == ["e3", "e4"]


@pytest.mark.parametrize(
    ("filters", "events"),
    [
        (["--outcome", "dead"], ["e3"]),
        (["--outcome", "applied"], ["e1", "e4"]),
        (["--type", "orders/updated"], ["e2"]),
        (["--type", "shopify.orders/updated"], ["e2"]),
        (["--error", "totalmismatch"], ["e3"]),
        (["--error", "IS KNOWN"], ["e2"]),
        (["--since", "2h"], ["e3"]),
        (["--since", "4h", "--until", "2h"], ["e2"]),
        (["--since", "1d"], ["e3", "e2", "e1"]),
        (["--flow", "another"], []),
        (["--integration", "shop-eu", "--outcome", "stale"], ["e2"]),
        (["--integration", "shop-us"], []),
        (["--limit", "2"], ["e3", "e2"]),
        (["1042", "--outcome", "stale"], ["e2"]),
        (["1042", "--outcome", "dead"], []),
    ],
)
def test_filters_narrow_what_is_found(
    stage: Stage, ledger: DynamoLedger, filters: list[str], events: list[str]
) -> None:
    assert found(stage, *filters) == events


def test_a_person_sees_one_row_per_event_in_80_columns(
    stage: Stage, ledger: DynamoLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")

    shown = stage.hub("events", "find", "1042").stdout

    rows = [line.split() for line in shown.splitlines()]
    moments = [f"{NOW - timedelta(hours=hours):%Y-%m-%d %H:%M:%S}".split() for hours in (3, 5)]
    assert ["1", *moments[0], "orders/updated", "stale", "1"] in rows
    assert ["2", *moments[1], "orders/create", "applied", "SAL-ORD-2026-00001", "1"] in rows
    assert max(map(len, shown.splitlines())) <= 80
    assert f"shop-eu/order/{ORDER} in flow {FLOW}\n     event e2\n     version 9 is known\n" in shown


def test_the_limit_is_told(stage: Stage, ledger: DynamoLedger) -> None:
    result = stage.hub("events", "find", "--limit", "1")

    assert "These are the newest 1 of 4; --limit 4 shows all." in result.stderr


def test_nothing_found_is_one_sentence_and_exit_code_1(stage: Stage, ledger: DynamoLedger) -> None:
    result = stage.hub("events", "find", "4711")

    assert (result.exit_code, result.stdout) == (1, "")
    assert "The ledger of stage staging knows no such event of 4711" in result.stderr


def test_what_was_found_until_ctrl_c_is_shown(
    stage: Stage, ledger: DynamoLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything = LedgerHistory.everything

    def interrupted(self: LedgerHistory, seen: Any) -> Iterator[Ended]:
        yield from list(everything(self, seen))[:2]
        raise KeyboardInterrupt

    monkeypatch.setattr(LedgerHistory, "everything", interrupted)

    result = stage.hub("events", "find", "--json")

    assert (result.exit_code, len(json.loads(result.stdout))) == (130, 2)
    assert "Stopped by you" in result.stderr


def test_show_and_replay_know_an_order_by_its_number(stage: Stage, ledger: DynamoLedger) -> None:
    result = stage.hub("events", "show", "#1042")

    assert result.stdout.startswith(f"shop-eu/order/{ORDER} in flow {FLOW}\n")


def test_a_period_that_is_none_is_one_sentence(stage: Stage, ledger: DynamoLedger) -> None:
    result = stage.hub("events", "find", "--since", "yesterday")

    assert result.exit_code == 1
    assert result.stderr == (
        "--since 'yesterday' is no time: write how long ago (90s, 30m, 2h, 7d, 4w), a day (2026-11-20) or a moment "
        "(2026-11-20T14:30), in UTC.\n"
    )


@pytest.mark.parametrize(
    ("text", "then"),
    [
        ("90s", datetime(2026, 11, 20, 11, 58, 30, tzinfo=UTC)),
        ("2h", datetime(2026, 11, 20, 10, tzinfo=UTC)),
        (" 7d ", datetime(2026, 11, 13, 12, tzinfo=UTC)),
        ("2026-11-19", datetime(2026, 11, 19, tzinfo=UTC)),
        ("2026-11-19T14:30", datetime(2026, 11, 19, 14, 30, tzinfo=UTC)),
        ("2026-11-19T14:30+02:00", datetime(2026, 11, 19, 12, 30, tzinfo=UTC)),
    ],
)
def test_a_moment_is_written_as_people_write_it(text: str, then: datetime) -> None:
    assert moment(text, "--since", datetime(2026, 11, 20, 12, tzinfo=UTC)) == then


@pytest.mark.parametrize("text", ["", "2", "h", "999999w", "2026-13-01", "-2h", "0001-01-01T00:00+14:00"])
def test_what_is_no_moment_is_told(text: str) -> None:
    with pytest.raises(Failed, match="is no time: write how long ago"):
        moment(text, "--since", datetime(2026, 11, 20, 12, tzinfo=UTC))


# --- discarding -------------------------------------------------------------------------------------------------------


def test_a_dead_event_is_discarded_with_by_whom_and_why(
    stage: Stage, ledger: DynamoLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "anna")

    done = stage.hub("events", "discard", "#1043", "e3", "--reason", "a test order")

    assert (done.exit_code, done.stdout) == (0, f"discarded: e3 in flow {FLOW}\n")
    (ended,) = LedgerHistory(stage.client("dynamodb"), names.ledger_table(STAGE)).of(f"shop-eu/order/{OTHER}")
    assert (ended.outcome, ended.rule, ended.failure) == ("discarded", "by anna: a test order", MISMATCH)
    assert ended.recorded_at > NOW - timedelta(minutes=1)
    shown = stage.hub("events", "show", OTHER).stdout
    assert "     by anna: a test order\n     before: TotalMismatch: order #1043" in shown
    assert ledger.known(FLOW, [of("e3", OTHER)])[0].outcome is Outcome.DISCARDED  # coming again, it has no effect


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([ORDER, "e1", "--reason", "x"], "Event e1 is applied; only what is dead or parked can be discarded.\n"),
        ([ORDER, "e9", "--reason", "x"], "knows no event e9 of"),
        ([OTHER, "e3", "--reason", "x", "--flow", "another"], "knows no event e3 of"),
        ([OTHER, "e3", "--reason", "  "], "--reason is empty"),
    ],
)
def test_what_cannot_be_discarded_is_told(stage: Stage, ledger: DynamoLedger, arguments: list[str], told: str) -> None:
    result = stage.hub("events", "discard", *arguments)

    assert result.exit_code == 1
    assert told in result.stderr


def test_an_event_that_died_in_two_flows_is_discarded_in_the_one_that_is_named(
    stage: Stage, ledger: DynamoLedger
) -> None:
    dead = Entry("shop-eu-to-crm", of("e3", OTHER), Outcome.DEAD, 1, NOW, failure=MISMATCH)
    ledger.record([dead], [])

    both = stage.hub("events", "discard", OTHER, "e3", "--reason", "x")
    one = stage.hub("events", "discard", OTHER, "e3", "--reason", "x", "--flow", FLOW)

    assert (both.exit_code, one.exit_code) == (1, 0)
    assert f"say --flow, one of: shop-eu-to-crm, {FLOW}." in both.stderr
    assert ledger.known("shop-eu-to-crm", [of("e3", OTHER)])[0].outcome is Outcome.DEAD


def test_an_event_that_ends_anew_meanwhile_is_not_discarded(stage: Stage, ledger: DynamoLedger) -> None:
    history = LedgerHistory(stage.client("dynamodb"), names.ledger_table(STAGE))
    (before,) = history.of(f"shop-eu/order/{OTHER}")
    ledger.record([entry(of("e3", OTHER), Outcome.APPLIED, 0)], [])

    assert not history.discard(before, "erp", "by anna", NOW)
    assert ledger.known(FLOW, [of("e3", OTHER)])[0].outcome is Outcome.APPLIED
