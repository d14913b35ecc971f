"""The dlq handler: dead letters in, recorded and told; what could not be recorded stays."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from adapters.wiring import DlqHub
from dlq.handler import record_batch
from hub.errors import Temporary
from hub.events import to_json
from hub.ledger import Failure, Outcome
from hub.settings import DlqSettings
from tests.fakes import NOW, FakeLedger, FakeNotices, FakeTelemetry, an_event
from tests.sqs_batch import Context, sqs_batch

FLOW = "shop-eu-to-erp"
DEAD_LETTERS = "hub-test-shop-eu-to-erp-dead.fifo"
REFUSED = Failure("Refused", "DATA_VALIDATION_FAILED", "medium", "no such item")


@dataclass
class Hub:
    """The dlq Lambda's parts, faked."""

    ledger: FakeLedger = field(default_factory=FakeLedger)
    notices: FakeNotices = field(default_factory=FakeNotices)
    telemetry: FakeTelemetry = field(default_factory=FakeTelemetry)

    def record(self, batch: dict[str, Any]) -> list[str]:
        flows = DlqSettings("test", "table", "topic").flows_by_queue
        answer = record_batch(batch, Context(), DlqHub(flows, self.ledger, self.notices, self.telemetry, lambda: NOW))
        return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def test_a_letter_is_recorded_with_the_reason_it_bears() -> None:
    hub = Hub()

    assert hub.record(sqs_batch(to_json(an_event("1")), queue=DEAD_LETTERS, failure=REFUSED, attempts=4)) == []

    (entry,) = hub.ledger.entries.values()
    assert (entry.flow, entry.outcome, entry.failure, entry.attempts) == (FLOW, Outcome.DEAD, REFUSED, 4)
    assert [subject for subject, _ in hub.notices.told] == ["shop-eu-to-erp: Refused"]
    about = {"flow": FLOW, "event": "1", "entity": "shop-eu/order/1001", "error": "Refused: no such item"}
    assert hub.telemetry.lines == [("warning", "dead", about, {"DeadLetters": 1})]


def test_what_sqs_gave_up_on_has_no_reason_but_its_receives() -> None:
    hub = Hub()

    hub.record(sqs_batch(to_json(an_event("1")), queue=DEAD_LETTERS, attempts=9))

    (entry,) = hub.ledger.entries.values()
    assert entry.failure
    assert (entry.failure.code, entry.attempts) == ("ReceivesExhausted", 9)


def test_a_letter_that_is_no_event_stays_and_rings_and_stops_no_other() -> None:
    hub = Hub()

    stayed = hub.record(sqs_batch("no event", to_json(an_event("2")), queue=DEAD_LETTERS, failure=REFUSED))

    assert stayed == ["message-1"]
    assert [event_id for _, _, event_id in hub.ledger.entries] == ["2"]
    assert hub.telemetry.bugs() == ["a dead letter is not an event"]


def test_a_letter_of_no_known_flow_stays_and_rings() -> None:
    hub = Hub()

    assert hub.record(sqs_batch(to_json(an_event("1")), queue="somebody-elses.fifo", failure=REFUSED)) == ["message-1"]
    assert hub.telemetry.bugs()
    assert not hub.ledger.entries


@pytest.mark.parametrize(
    ("ledger", "notices"),
    [(FakeLedger(unwritable=True), FakeNotices()), (FakeLedger(), FakeNotices(failure=Temporary("SNS")))],
    ids=["ledger", "notices"],
)
def test_what_could_not_be_recorded_or_told_stays_all_of_it(ledger: FakeLedger, notices: FakeNotices) -> None:
    hub = Hub(ledger, notices)

    stayed = hub.record(
        sqs_batch(to_json(an_event("1")), "no event", to_json(an_event("2")), queue=DEAD_LETTERS, failure=REFUSED)
    )

    assert stayed == ["message-1", "message-2", "message-3"]
    assert hub.telemetry.lines[-1][3] == {"NotRecorded": 2}
