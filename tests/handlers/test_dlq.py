"""The dlq handler: dead letters in and recorded, what could not be recorded stays; and the schedule's runs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast

from adapters.dead_letters import DynamoLetters
from adapters.telemetry import Telemetry
from adapters.wiring import DlqHub
from dlq.handler import handle
from hub.dead_letter import End, Letter, Status
from hub.dead_letter_retries import Plan
from hub.errors import LedgerUnavailable
from hub.events import to_json
from hub.ledger import Failure, Outcome
from hub.settings import DlqSettings
from tests.fakes import NOW, FakeBreakers, FakeNotices, FakeTelemetry, an_event
from tests.letters import FLOW, FakeFlowQueues, FakeLetters
from tests.sqs_batch import Context, sqs_batch

DEAD_LETTERS = "hub-test-shop-eu-to-erp-dead.fifo"
REFUSED = Failure("Refused", "DATA_VALIDATION_FAILED", "medium", "no such item")
PLANS = {"plans": [Plan("of-another", "x", "y").to_request(), Plan(FLOW, "shop-eu", "erp", [5], {}).to_request()]}


class Killed(BaseException):
    """The function's process ends here."""


class SlowContext(Context):
    """Time is up after the first flow."""

    def get_remaining_time_in_millis(self) -> int:
        self.milliseconds -= 150_000
        return self.milliseconds + 20_000 - 150_000


@dataclass
class Hub:
    """The dlq Lambda's parts, faked."""

    letters: FakeLetters = field(default_factory=FakeLetters)
    notices: FakeNotices = field(default_factory=FakeNotices)
    telemetry: FakeTelemetry = field(default_factory=FakeTelemetry)
    queues: FakeFlowQueues = field(default_factory=FakeFlowQueues)
    counted: list[Mapping[str, str]] = field(default_factory=list)
    now: datetime = NOW

    def handle(self, request: dict[str, Any], context: Context | None = None) -> dict[str, Any]:
        def by(dimensions: Mapping[str, str]) -> Telemetry:
            self.counted.append(dict(dimensions))
            return self.telemetry

        hub = DlqHub(
            DlqSettings("test", "table", "topic").flows_by_queue,
            cast(DynamoLetters, self.letters),
            FakeBreakers(),
            self.queues,
            self.notices,
            self.telemetry,
            by,
            lambda: self.now,
        )
        return handle(request, context or Context(), hub)

    def record(self, batch: dict[str, Any], receives: int = 1) -> list[str]:
        for record in batch["Records"]:
            record["attributes"]["ApproximateReceiveCount"] = str(receives)
        return [failure["itemIdentifier"] for failure in self.handle(batch)["batchItemFailures"]]


def test_a_letter_is_recorded_with_the_reason_it_bears() -> None:
    hub = Hub()

    assert hub.record(sqs_batch(to_json(an_event("1")), queue=DEAD_LETTERS, failure=REFUSED, attempts=4)) == []

    (entry,) = hub.letters.ended.values()
    assert (entry.flow, entry.outcome, entry.failure, entry.attempts) == (FLOW, Outcome.DEAD, REFUSED, 4)
    about = {"flow": FLOW, "event": "1", "entity": "shop-eu/order/1001", "error": "Refused: no such item"}
    assert hub.telemetry.lines[:1] == [("warning", "dead", about, {"DeadLetters": 1})]
    assert hub.counted == [{"flow": FLOW}, {"flow": FLOW, "category": "DATA_VALIDATION_FAILED"}]


def test_what_sqs_gave_up_on_has_no_reason_but_its_receives() -> None:
    hub = Hub()

    hub.record(sqs_batch(to_json(an_event("1")), queue=DEAD_LETTERS), receives=2)

    (entry,) = hub.letters.ended.values()
    assert entry.failure
    assert (entry.failure.code, entry.attempts) == ("ReceivesExhausted", 2)


def test_a_letter_that_is_no_event_stays_and_rings_and_stops_no_other() -> None:
    hub = Hub()

    stayed = hub.record(sqs_batch("no event", to_json(an_event("2")), queue=DEAD_LETTERS, failure=REFUSED))

    assert stayed == ["message-1"]
    assert [event_id for _, _, event_id in hub.letters.ended] == ["2"]
    assert hub.telemetry.bugs() == ["a dead letter is not an event"]


def test_in_the_end_what_is_no_event_is_kept_as_it_is_before_sqs_deletes_it() -> None:
    hub = Hub()

    assert hub.record(sqs_batch("no event", queue=DEAD_LETTERS), receives=4) == []

    letter = hub.letters.only()
    assert (letter.failure.code, letter.status) == ("NotAnEvent", Status.PENDING)
    (entry,) = hub.letters.ended.values()
    assert entry.event.data == b"no event"
    hub.record(sqs_batch("no event", queue=DEAD_LETTERS), receives=5)
    assert hub.letters.only().deaths == 1


def test_a_message_that_no_function_survives_is_kept_as_it_is_unread() -> None:
    poison = to_json(an_event("1"))
    hub = Hub()

    def dies() -> None:
        raise Killed

    for receives in range(1, 6):
        hub.letters.meanwhile = dies
        try:
            hub.record(sqs_batch(poison, queue=DEAD_LETTERS), receives)
        except Killed:
            continue
    hub.letters.meanwhile = None

    assert hub.record(sqs_batch(poison, queue=DEAD_LETTERS), 6) == []
    (entry,) = hub.letters.ended.values()
    assert entry.event.data == poison.encode()
    assert entry.failure
    assert entry.failure.code == "NotAnEvent"


def test_a_long_outage_of_the_ledger_makes_no_letter_a_poison() -> None:
    hub = Hub(FakeLetters(unavailable=True))
    batch = sqs_batch(to_json(an_event("1")), queue=DEAD_LETTERS, failure=REFUSED)

    assert [hub.record(batch, receives) for receives in range(1, 60)] == [["message-1"]] * 59
    hub.letters.unavailable = False
    assert hub.record(batch, 60) == []

    assert hub.letters.only().failure == REFUSED


def test_a_ledger_that_fails_only_at_the_write_makes_no_letter_a_poison() -> None:
    hub = Hub()
    batch = sqs_batch(to_json(an_event("1")), queue=DEAD_LETTERS, failure=REFUSED)

    def refuses() -> None:
        raise LedgerUnavailable("the table is throttled")

    for receives in range(1, 30):
        hub.letters.meanwhile = refuses
        assert hub.record(batch, receives) == ["message-1"]
    assert hub.record(batch, 30) == []

    assert hub.letters.only().failure == REFUSED


def test_a_letter_of_no_known_flow_stays_and_rings() -> None:
    hub = Hub()

    assert hub.record(sqs_batch(to_json(an_event("1")), queue="somebody-elses.fifo", failure=REFUSED)) == ["message-1"]
    assert hub.telemetry.bugs()
    assert not hub.letters.ended


def test_what_could_not_be_recorded_stays_all_of_it() -> None:
    hub = Hub(FakeLetters(unavailable=True))

    stayed = hub.record(
        sqs_batch(to_json(an_event("1")), "no event", to_json(an_event("2")), queue=DEAD_LETTERS, failure=REFUSED)
    )

    assert stayed == ["message-1", "message-2", "message-3"]
    assert sum(counts.get("NotRecorded", 0) for *_, counts in hub.telemetry.lines) == 2


def test_the_schedule_brings_the_letters_of_every_flow_forward() -> None:
    hub = Hub()
    hub.record(sqs_batch(to_json(an_event("1")), queue=DEAD_LETTERS, failure=REFUSED, attempts=4))
    hub.telemetry.lines.clear()

    assert hub.handle({"plans": [{**PLANS["plans"][1], "minutes": []}]}) == {}

    assert hub.letters.only().status is Status.ESCALATED
    assert hub.telemetry.lines == [("warning", "escalated", {"flow": FLOW}, {"EscalatedDeadLetters": 1})]
    assert hub.counted[-1] == {"integration": "shop-eu"}
    assert [subject for subject, _ in hub.notices.told] == ["shop-eu-to-erp: Refused"]


def test_the_trouble_of_a_run_is_told_and_the_next_one_goes_on() -> None:
    hub = Hub(FakeLetters(unavailable=True))

    assert hub.handle(PLANS) == {}

    assert [counts for *_, counts in hub.telemetry.lines] == [{"NotTended": 1}] * 2


@dataclass
class NotingLetters(FakeLetters):
    """Remembers whose letters were asked for."""

    asked: list[str] = field(default_factory=list)

    def due(self, flow: str, now: datetime) -> Iterator[Sequence[tuple[Letter, End | None]]]:
        self.asked.append(flow)
        return super().due(flow, now)


def test_where_time_is_up_another_flow_comes_first_in_the_next_minute() -> None:
    first, second = NotingLetters(), NotingLetters()

    Hub(first).handle(PLANS, SlowContext())
    Hub(second, now=NOW + timedelta(minutes=1)).handle(PLANS, SlowContext())

    assert sorted([first.asked, second.asked]) == [["of-another"], [FLOW]]
