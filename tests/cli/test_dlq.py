"""Operators clear dead letters: they see them, see what a replay would change, send them again, and stop that anywhere."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adapters.breakers import DynamoBreakers
from adapters.dead_letters import DynamoLetters
from adapters.dynamodb import DynamoLedger
from adapters.ledger_history import LedgerHistory
from hub import names
from hub.breaker import Breaker, State
from hub.dead_letter import DeadLetter, Status, escalated, record_dead_letters
from hub.events import Event, from_json
from hub.ledger import Entry, Failure, Outcome
from tests.cli.conftest import STAGE, Stage
from tests.fakes import an_event

NOW = datetime.now(UTC).replace(microsecond=0)
HOUR = timedelta(hours=1)
FLOW = "shop-eu-to-erp"
REFUSED = Failure("Refused", "DATA_VALIDATION_FAILED", "medium", "Item 'POSTER-9' does not exist")
CRASHED = Failure("ServerError", "SERVER_ERROR", "high", "500 Internal Server Error")


@dataclass
class Hub:
    """A stage with dead letters."""

    stage: Stage
    events: dict[str, Event] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.stage.deploy()
        self.dynamodb, self.sqs = self.stage.client("dynamodb"), self.stage.client("sqs")
        self.table = names.ledger_table(STAGE)
        self.book = DynamoLetters(self.dynamodb, self.table, 90)
        self.queue_url = self.sqs.create_queue(QueueName=names.queue(STAGE, FLOW), Attributes={"FifoQueue": "true"})[
            "QueueUrl"
        ]

    def dies(self, number: int, failure: Failure = REFUSED, hours_ago: float = 1, waits: bool = True) -> None:
        """The event of an order died; and a person is to look at it, unless it is tried again by itself."""
        at = NOW - hours_ago * HOUR
        event = an_event(f"e{number}", f"shop-eu/order/{number}", received_at=at, data=b'{"id": %d}' % number)
        self.events[event.id] = event
        record_dead_letters([DeadLetter(FLOW, event, 3, failure, str(number + 1000))], self.book, at)
        if waits:
            self.book.keep([escalated(self.letter(number), at)])

    def letter(self, number: int) -> Any:
        letter = self.book.find(FLOW, f"shop-eu/order/{number}", f"e{number}").letter
        assert letter
        return letter

    def sent(self) -> list[Event]:
        found = []
        while messages := self.sqs.receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=10).get("Messages"):
            for each in messages:
                found.append(from_json(each["Body"]))
                self.sqs.delete_message(QueueUrl=self.queue_url, ReceiptHandle=each["ReceiptHandle"])
        return found

    def run(self, *arguments: str, stdin: str = "") -> Any:
        return self.stage.hub("dlq", *arguments, stdin=stdin)

    def listed(self, *arguments: str) -> list[str]:
        return [each["event_id"] for each in json.loads(self.run("list", *arguments, "--json").stdout)]


@pytest.fixture
def hub(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Hub:
    monkeypatch.setattr("cli.dlq_redrive.time.sleep", lambda _: None)
    return Hub(stage)


def test_letters_are_listed_those_that_died_last_first_and_filtered(hub: Hub) -> None:
    hub.dies(1, hours_ago=3)
    hub.dies(2, CRASHED, hours_ago=2, waits=False)
    hub.dies(3, hours_ago=1)
    ended = hub.events["e3"].replayed(NOW)
    DynamoLedger(hub.dynamodb, hub.table, 90).record([Entry(FLOW, ended, Outcome.APPLIED, 1, NOW)], [])

    assert hub.listed() == ["e2", "e1"]
    assert hub.listed("--status", "all") == ["e3", "e2", "e1"]
    assert hub.listed("--status", "resolved") == ["e3"]
    assert hub.listed("--status", "pending") == ["e2"]
    assert hub.listed("--category", "server_error") == hub.listed("--error", "internal server") == ["e2"]
    assert hub.listed("--since", "150m") == hub.listed("--entity", "#1002") == ["e2"]
    assert hub.listed("--until", "150m", "--flow", FLOW, "--integration", "shop-eu") == ["e1"]
    assert hub.run("list", "--status", "discarded").exit_code == 1


def test_the_table_says_what_a_person_needs(hub: Hub) -> None:
    hub.dies(1)

    shown = hub.run("list").stdout

    for words in (
        "escalated",
        "data validation failed",
        "shop-eu/order/1 (1001)",
        "event e1",
        "Refused: Item 'POSTER-9'",
    ):
        assert words in shown


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["list", "--status", "sleeping"], "--status 'sleeping' is none; there are all, pending"),
        (["list", "--flow", "nowhere"], "--flow 'nowhere' is none; there are"),
        (["list", "--category", "BAD_LUCK"], "--category 'BAD_LUCK' is none; there are AUTHENTICATION_FAILED"),
        (["show", "e99"], "has no dead letter of e99"),
        (["redrive", "--resume", "r"], "has no redrive 'r'"),
        (["redrive", "--cancel", "r"], "has no redrive 'r'"),
        (["redrive"], "there is no such dead letter"),
        (["redrive", "--preview"], "no such dead letter"),
        (["discard", "--reason", " "], "--reason is empty"),
        (["assign", "--to", "ada"], "there is no such dead letter"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(hub: Hub, arguments: list[str], told: str) -> None:
    result = hub.run(*arguments)

    assert (result.exit_code, told in result.output) == (1, True), result.output


def test_one_letter_is_shown_whole_and_its_payload_only_on_request(hub: Hub) -> None:
    hub.dies(1)

    shown, whole = hub.run("show", "e1").stdout, hub.run("show", "1001", "--payload").stdout

    for words in ("3 deliveries, 1 deaths", "severity medium", "escalated", "first died"):
        assert words in shown
    assert '{"id": 1}' not in shown
    assert '{"id": 1}' in whole


def test_the_stats_of_a_week(hub: Hub) -> None:
    for number in range(1, 5):
        hub.dies(number, Failure("Refused", "DATA_VALIDATION_FAILED", "medium", f"order {number} has no customer"))
    hub.dies(5, CRASHED)
    hub.dies(6, CRASHED, hours_ago=24 * 8)
    ended = hub.events["e1"].replayed(NOW)
    DynamoLedger(hub.dynamodb, hub.table, 90).record([Entry(FLOW, ended, Outcome.APPLIED, 1, NOW)], [])

    told = json.loads(hub.run("stats", "--days", "7", "--json").stdout)

    assert (told["total"], told["by_status"], told["success_rate"]) == (5, {"escalated": 4, "resolved": 1}, 0.2)
    assert [(each["cause"], each["events"], each["open"]) for each in told["causes"]] == [
        ("Refused: order … has no customer", 4, 3),
        ("ServerError: … Internal Server Error", 1, 1),
    ]
    assert "20.0% of what was closed or escalated" in hub.run("stats").stdout


def test_chosen_letters_are_sent_again_as_the_same_events(hub: Hub) -> None:
    hub.dies(1)
    hub.dies(2, CRASHED)

    done = hub.run("redrive", "--category", "DATA_VALIDATION_FAILED", "--reason", "POSTER-9 is there now")

    assert done.exit_code == 0, done.output
    assert "sent again: 1 dead letter." in done.stdout
    (event,) = hub.sent()
    assert (event.id, event.replay_of, event.data) == ("e1", "e1", b'{"id": 1}')
    assert (hub.letter(1).status, hub.letter(2).status) == (Status.RETRYING, Status.ESCALATED)
    assert event.received_at > hub.events["e1"].received_at


def test_many_are_sent_only_if_a_person_agrees(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.dlq.ASKED_ABOVE", 5)
    for number in range(1, 7):
        hub.dies(number)

    refused = hub.run("redrive", stdin="n\n")
    agreed = hub.run("redrive", "--per-second", "200", stdin="y\n")

    assert (refused.exit_code, agreed.exit_code) == (1, 0)
    assert "Send again: 6 dead letters (6 in shop-eu-to-erp)?" in refused.output
    assert len(hub.sent()) == 6


def test_interrupted_in_the_middle_and_resumed_each_is_sent_once(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(1, 10):
        hub.dies(number)

    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("cli.dlq_redrive.time.sleep", interrupt)
    stopped = hub.run("redrive", "--per-second", "4")
    monkeypatch.setattr("cli.dlq_redrive.time.sleep", lambda _: None)
    run = stopped.stderr.split("--resume ")[1].split()[0]
    hub.dies(99)  # is not among the chosen ones
    resumed = hub.run("redrive", "--resume", run)

    assert (stopped.exit_code, "Stopped by you after 4 of 9" in stopped.stderr) == (130, True)
    assert (resumed.exit_code, resumed.stdout.startswith("sent again: 9 dead letters.")) == (0, True)
    assert sorted(each.id for each in hub.sent()) == sorted(f"e{number}" for number in range(1, 10))
    again = hub.run("redrive", "--resume", run)
    assert (again.exit_code, "is done: 9 of 9" in again.output) == (1, True)


def test_a_cancelled_run_does_not_go_on(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(1, 4):
        hub.dies(number)

    def cancel(_: float) -> None:
        (run,) = {
            item["entity"]["S"].split("/")[1]
            for item in hub.dynamodb.scan(TableName=hub.table)["Items"]
            if item["entity"]["S"].startswith("redrive/")
        }
        assert "is cancelled" in hub.run("redrive", "--cancel", run).output

    monkeypatch.setattr("cli.dlq_redrive.time.sleep", cancel)
    stopped = hub.run("redrive", "--per-second", "1")

    assert (stopped.exit_code, "was cancelled" in stopped.output) == (1, True)
    assert len(hub.sent()) == 2


def test_while_the_destination_is_down_nothing_is_sent_unless_a_person_insists(hub: Hub) -> None:
    hub.dies(1)
    down = Breaker(State.OPEN, reason="503: the site is in maintenance", flows={FLOW: 2})
    DynamoBreakers(hub.dynamodb, hub.table).write("erp", down)

    refused, insisted = hub.run("redrive"), hub.run("redrive", "--queue-anyway")

    assert refused.exit_code == 1
    assert "Nothing was sent: erp does not serve (503: the site is in maintenance)" in refused.output
    assert (insisted.exit_code, len(hub.sent())) == (0, 1)


def test_a_destination_that_goes_down_stops_the_run_which_goes_on_later(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1, 4):
        hub.dies(number)
    breakers = DynamoBreakers(hub.dynamodb, hub.table)

    def goes_down(_: float) -> None:
        breakers.write("erp", Breaker(State.OPEN, reason="503"))

    monkeypatch.setattr("cli.dlq_redrive.time.sleep", goes_down)
    monkeypatch.setattr("cli.dlq_redrive._Down.SECONDS", 0.0)
    stopped = hub.run("redrive", "--per-second", "1")
    run = stopped.output.split("--resume ")[1].split()[0]
    monkeypatch.setattr("cli.dlq_redrive.time.sleep", lambda _: None)
    breakers.write("erp", Breaker(version=1))
    resumed = hub.run("redrive", "--resume", run)

    assert (stopped.exit_code, resumed.exit_code) == (1, 0), stopped.output + resumed.output
    assert "Stopped after 1 of 3: the destination of shop-eu-to-erp does not serve: 503" in " ".join(
        stopped.output.split()
    )
    assert sorted(each.id for each in hub.sent()) == ["e1", "e2", "e3"]


def test_whoever_sends_again_discards_or_assigns_is_told_of_in_the_trail(hub: Hub) -> None:
    hub.dies(43)
    hub.dies(44)

    hub.run("assign", "--to", "ada", "--entity", "1043", "--reason", "knows it")
    hub.run("discard", "--entity", "1044", "--reason", "a test order")
    hub.run("redrive", "--preview")
    hub.run("redrive", "--reason", "POSTER-9 is there now")

    deeds = json.loads(hub.stage.hub("audit", "report", "--from", "1h", "--format", "json").stdout)
    assert [(each["action"], each["about"], each["reason"], each["details"]["events"]) for each in deeds] == [
        ("dlq assign", FLOW, "knows it", "e43"),
        ("dlq discard", FLOW, "a test order", "e44"),
        ("dlq redrive", FLOW, "POSTER-9 is there now", "e43"),
    ]


def test_nothing_is_discarded_without_a_filter_unless_a_person_agrees(hub: Hub) -> None:
    hub.dies(43)

    done = hub.run("discard", "--reason", "all of it")

    assert done.exit_code == 1
    assert "Discard: 1 dead letter (1 in shop-eu-to-erp)?" in done.stderr
    assert hub.letter(43).status is Status.ESCALATED
    assert hub.run("discard", "--reason", "all of it", "--yes").stdout == "discarded: 1 dead letter\n"


def test_what_is_discarded_says_by_whom_and_why_and_stays_so(hub: Hub) -> None:
    hub.dies(1)
    hub.dies(2, CRASHED)

    done = hub.run("discard", "--error", "POSTER-9", "--reason", "test orders")

    assert (done.exit_code, done.stdout) == (0, "discarded: 1 dead letter\n")
    (end,) = LedgerHistory(hub.dynamodb, hub.table).of("shop-eu/order/1")
    assert (end.outcome, end.rule.endswith(": test orders")) == ("discarded", True)
    assert (hub.letter(1).status, hub.letter(1).note.endswith(": test orders")) == (Status.DISCARDED, True)
    assert hub.letter(2).status is Status.ESCALATED


def test_a_person_who_looks_after_letters_is_named(hub: Hub) -> None:
    hub.dies(1)

    assert hub.run("assign", "--to", "ada", "--event", "e1").exit_code == 0

    assert hub.letter(1).assignee == "ada"
    assert "ada" in hub.run("list").stdout


def test_a_payload_in_a_letters_error_is_not_taken_for_markup(hub: Hub) -> None:
    hub.dies(1, Failure("Refused", "DATA_VALIDATION_FAILED", "medium", "[red]no[/] such [item]"))

    assert "[red]no[/] such [item]" in hub.run("list").stdout
