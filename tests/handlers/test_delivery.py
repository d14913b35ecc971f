"""The delivery handler: an SQS batch in, the exact ids of what stays out."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ConnectTimeoutError

from adapters.sqs import SqsEventQueue
from adapters.telemetry import Telemetry
from adapters.wiring import DeliveryHub
from delivery.handler import SPARE_SECONDS, apply_batch
from hub.breaker import Limits
from hub.deliver import Route
from hub.errors import Category, Refused, Temporary, Unavailable
from hub.events import to_json
from hub.guard import Guard
from hub.pace import BudgetSpent
from hub.settings import RetrySettings
from tests.fakes import (
    NOW,
    FakeBreakers,
    FakeDeadLetters,
    FakeDestination,
    FakeLedger,
    FakePacer,
    FakeTelemetry,
    an_event,
    read_anything,
)
from tests.sqs_batch import Context, sqs_batch


class Sqs:
    """The part of SQS that hides messages: what it was asked, or no answer."""

    def __init__(self) -> None:
        self.hidden: list[dict[str, Any]] = []
        self.silent = False

    def change_message_visibility_batch(self, QueueUrl: str, Entries: list[dict[str, Any]]) -> None:  # noqa: N803
        if self.silent:
            raise ConnectTimeoutError(endpoint_url="https://sqs")
        self.hidden += Entries


@dataclass
class Ticking:
    """A clock that goes on by so many seconds each time it is asked."""

    seconds: float
    asked: int = 0

    def __call__(self) -> datetime:
        self.asked += 1
        return NOW + timedelta(seconds=self.seconds * self.asked)


@dataclass
class Flow:
    """One flow, everything around it faked."""

    destination: FakeDestination = field(default_factory=FakeDestination)
    ledger: FakeLedger = field(default_factory=FakeLedger)
    sqs: Any = field(default_factory=Sqs)
    telemetry: Any = field(default_factory=FakeTelemetry)
    dead_letters: FakeDeadLetters = field(default_factory=FakeDeadLetters)
    pulled_too: tuple[str, ...] = ()
    pacer: FakePacer = field(default_factory=FakePacer)
    clock: Callable[[], datetime] = lambda: NOW
    tally: Callable[[], Mapping[str, float]] = dict
    told_by_webhook: tuple[str, ...] = ("shop.orders/create",)

    def counted(self) -> list[dict[str, Any]]:
        """The metrics of each line, without how long things took."""
        return [
            {name: value for name, value in counts.items() if not name.endswith("Milliseconds")}
            for _, _, _, counts in self.telemetry.lines
        ]

    def apply(self, batch: dict[str, Any], milliseconds: int = 300_000) -> list[str]:
        route = Route(
            "shop-eu-to-erp",
            read_anything,
            self.destination,
            {"shop.orders/create": "upsert_sales_order"},
            {"shop.orders/create": "order"},
            RetrySettings(base_seconds=4, cap_seconds=900, give_up_after_seconds=3600),
            lambda event: event.data,
            pulled_too=self.pulled_too,
        )
        hub = DeliveryHub(
            route=route,
            ledger=self.ledger,
            queue=SqsEventQueue(self.sqs, "url"),
            dead_letters=self.dead_letters,
            telemetry=self.telemetry,
            workers=2,
            seconds_per_event=60.0,
            now=self.clock,
            draw=lambda: 0.5,
            guard=Guard("flow", 2, "erp", FakeBreakers(), Limits(), lambda: None, self.pacer),
            tally=self.tally,
            told_by_webhook=lambda event: event.type in self.told_by_webhook,
        )
        answer = apply_batch(batch, Context(milliseconds), hub)
        assert set(answer) == {"batchItemFailures"}
        return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def message(event_id: str, entity: str = "A", version: str = "") -> str:
    return to_json(an_event(event_id, f"shop-eu/order/{entity}", version))


def test_a_batch_that_ended_leaves_nothing_on_the_queue() -> None:
    flow = Flow()

    assert flow.apply(sqs_batch(message("1"), message("2", "B"))) == []
    assert not flow.sqs.hidden


def test_exactly_what_did_not_end_stays_and_is_hidden() -> None:
    flow = Flow(FakeDestination({"2": Temporary("deadlock"), "5": Unavailable("down", retry_after_seconds=30)}))
    batch = sqs_batch(
        message("1", "A"), message("2", "B"), message("3", "A"), message("4", "B"), message("5", "C"), attempts=2
    )

    assert flow.apply(batch) == ["message-2", "message-4", "message-5"]
    assert [(entry["ReceiptHandle"], entry["VisibilityTimeout"]) for entry in flow.sqs.hidden] == [
        ("receipt-2", 4),
        ("receipt-4", 4),
        ("receipt-5", 30),
    ]


def test_a_dead_event_leaves_the_queue() -> None:
    flow = Flow(FakeDestination({"1": Refused("no such item")}))

    assert flow.apply(sqs_batch(message("1"))) == []
    assert [received.event.id for received, _ in flow.dead_letters.buried] == ["1"]


@pytest.mark.parametrize("ledger", [FakeLedger(unreadable=True), FakeLedger(unwritable=True)], ids=["read", "write"])
def test_without_the_ledger_everything_stays(ledger: FakeLedger) -> None:
    flow = Flow(ledger=ledger)

    assert sorted(flow.apply(sqs_batch(message("1"), message("2", "B")))) == ["message-1", "message-2"]


def test_a_message_that_is_no_event_stays_and_rings_and_stops_no_other() -> None:
    flow = Flow()

    assert flow.apply(sqs_batch(message("1"), "no event", '{"id": 5}', message("2"))) == ["message-2", "message-3"]
    assert sorted(event_id for _, _, event_id in flow.ledger.entries) == ["1", "2"]
    assert flow.telemetry.bugs() == ["a message on the queue is not an event"] * 2
    assert not flow.sqs.hidden  # it comes back after the queue's own timeout, until SQS sets it aside


def test_a_bug_stays_and_rings() -> None:
    flow = Flow(FakeDestination({"1": KeyError("bug")}))

    assert flow.apply(sqs_batch(message("1"), message("2", "B"))) == ["message-1"]
    assert flow.telemetry.bugs() == ["a bug keeps an event on the queue"]


def test_messages_that_could_not_be_hidden_stay_all_the_same() -> None:
    flow = Flow(FakeDestination({"1": Temporary("deadlock")}))
    flow.sqs.silent = True

    assert flow.apply(sqs_batch(message("1"))) == ["message-1"]
    assert ("warning", "retries come only after the queue's own timeout") in [line[:2] for line in flow.telemetry.lines]


@pytest.mark.parametrize(("milliseconds", "applied"), [(66_000, 1), (65_000, 1), (64_999, 0), (0, 0)])
def test_nothing_is_begun_without_time_for_a_call_and_the_ledger(milliseconds: int, applied: int) -> None:
    flow = Flow()
    assert SPARE_SECONDS == 5

    stayed = flow.apply(sqs_batch(message("1")), milliseconds)

    assert len(flow.destination.applied) == applied
    assert stayed == ([] if applied else ["message-1"])


def test_a_batch_is_told_event_by_event_and_counted_once_on_its_last_line() -> None:
    flow = Flow(FakeDestination({"2": Refused("no such item"), "3": Temporary("deadlock")}))

    flow.apply(sqs_batch(message("1", "A"), message("2", "B"), message("3", "C"), message("4", "C")))

    assert [(level, text, about["event"]) for level, text, about, _ in flow.telemetry.lines] == [
        ("info", "ended", "1"),
        ("info", "ended", "2"),
        ("warning", "again later", "3"),
        ("warning", "again later", "4"),
    ]
    told = [about for _, _, about, _ in flow.telemetry.lines]
    assert told[0]["document"] == "Sales Order SO-1"
    assert (told[1]["error"], told[1]["category"]) == ("Refused: no such item", "DATA_VALIDATION_FAILED")
    assert "{}" not in json.dumps(told)  # never a body
    *others, counts = flow.counted()
    assert others == [{}, {}, {}]
    assert counts == {"Applied": 1, "Dead": 1, "Retried": 2, "Failed": [0, 1, 1]}  # the fourth was not tried


def test_what_was_known_before_is_counted_and_leaves() -> None:
    flow = Flow()
    flow.apply(sqs_batch(message("1")))

    assert flow.apply(sqs_batch(message("1"))) == []
    assert flow.telemetry.lines[-1][1] == "batch"
    assert flow.counted()[-1] == {"KnownBefore": 1}
    assert len(flow.destination.applied) == 1


def test_a_change_that_only_a_pull_brought_is_counted_as_a_missed_webhook() -> None:
    flow = Flow(pulled_too=("shop.orders/create",))
    late = replace(an_event("1"), time=NOW - timedelta(minutes=6), received_at=NOW)

    flow.apply(sqs_batch(to_json(late)))

    (level, text, about, _), _ = flow.telemetry.lines
    assert (level, text, about["event"]) == ("warning", "missed webhook: only a pull brought this", "1")
    assert flow.counted()[-1] == {"Applied": 1, "MissedWebhooks": 1, "Failed": [0]}


def test_a_pace_below_its_most_is_counted() -> None:
    flow = Flow(pacer=FakePacer(held=2.3456))

    flow.apply(sqs_batch(message("1")))

    assert flow.counted()[-1] == {"Applied": 1, "Failed": [0], "InFlightLimit": 2.35}


def test_latency_is_told_from_the_providers_clock_to_the_document_and_stage_by_stage() -> None:
    flow = Flow(clock=Ticking(seconds=2))
    event = replace(an_event("1"), time=NOW - timedelta(seconds=30), received_at=NOW - timedelta(seconds=20))

    flow.apply(sqs_batch(to_json(event)))

    counts = flow.telemetry.lines[-1][3]
    (end_to_end,), (queue,), (delivery,) = (
        counts[f"{stage}Milliseconds"] for stage in ("EndToEnd", "Queue", "Delivery")
    )
    assert delivery == 2000
    assert end_to_end == queue + delivery + 10_000
    assert queue > 20_000


def test_what_a_pull_brought_or_a_person_replays_is_not_measured_end_to_end() -> None:
    """It is as late as its schedule, or as the person."""
    pulled, replayed = Flow(told_by_webhook=()), Flow()

    pulled.apply(sqs_batch(message("1")))
    replayed.apply(sqs_batch(to_json(replace(an_event("1"), replay_of="1"))))

    for flow in (pulled, replayed):
        counts = flow.telemetry.lines[-1][3]
        assert "EndToEndMilliseconds" not in counts
        assert counts["QueueMilliseconds"] == counts["DeliveryMilliseconds"] == [0]


def test_the_clock_of_a_provider_that_is_ahead_makes_no_negative_latency() -> None:
    flow = Flow()

    flow.apply(sqs_batch(to_json(replace(an_event("1"), time=NOW + timedelta(hours=1)))))

    assert flow.telemetry.lines[-1][3]["EndToEndMilliseconds"] == [0]


def test_a_destinations_rate_limit_is_counted_where_it_was_met_and_not_where_it_was_avoided() -> None:
    limited = Temporary("HTTP 429", category=Category.RATE_LIMIT_EXCEEDED)
    flow = Flow(FakeDestination({"1": limited, "2": BudgetSpent("not sent", retry_after_seconds=9)}))

    flow.apply(sqs_batch(message("1", "A"), message("2", "B")))

    assert flow.counted()[-1]["RateLimitHits"] == 1


def test_what_had_no_turn_has_not_failed() -> None:
    flow = Flow()

    flow.apply(sqs_batch(message("1")), milliseconds=0)

    assert flow.counted()[-1] == {"Retried": 1}


def test_a_batch_tells_what_it_has_cost() -> None:
    flow = Flow(tally=lambda: {"DestinationCalls": 3, "CacheHits": 2, "CacheMisses": 0})

    flow.apply(sqs_batch(message("1")))

    assert flow.counted()[-1] == {"Applied": 1, "Failed": [0], "DestinationCalls": 3, "CacheHits": 2}


def test_the_log_of_an_event_stays_below_a_kilobyte(capsys: pytest.CaptureFixture[str]) -> None:
    flow = Flow(clock=Ticking(seconds=0.123), tally=lambda: {"DestinationCalls": 30, "CacheHits": 12, "CacheMisses": 7})
    flow.telemetry = Telemetry("delivery-size", {"stage": "production", "flow": "shop-eu-to-erp"}, lambda: NOW)
    orders = [f"820982911946154{number:03d}" for number in range(10)]
    events = [an_event(f"shop-eu.b54557e4-bdd9-4b37-8a5f-{order[-12:]}", f"shop-eu/order/{order}") for order in orders]

    flow.apply(sqs_batch(*(to_json(event) for event in events)))

    written = capsys.readouterr().out
    assert len(written.splitlines()) == 10
    assert len(written.encode()) / 10 < 600
