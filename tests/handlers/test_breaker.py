"""The breaker handler: it tends, then releases what is parked, but nothing to a destination that is down."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from adapters.wiring import BreakerHub
from breaker.handler import tend_destination
from hub.breaker import Breaker, Limits, State
from hub.errors import LedgerUnavailable, Unavailable
from hub.events import Event
from hub.ledger import Failure, Head
from hub.release_parked import Waiting
from tests.fakes import NOW, FakeBreakers, FakeLedger, FakeNotices, FakeTelemetry, an_event

ORDER = "shop-eu/order/1001"


class Room:
    """One event that waits for ORDER."""

    def __init__(self) -> None:
        self.left: list[str] = []
        self.unavailable = False

    def pages(self) -> Iterator[Sequence[Waiting]]:
        if self.unavailable:
            raise LedgerUnavailable("throttled")
        yield [Waiting("flow", "shop-eu/refund/7", "r1", ORDER, "", NOW, NOW + timedelta(hours=24))]

    def event(self, waiting: Waiting) -> Event | None:
        return an_event(waiting.event_id, waiting.subject)

    def standing(self, flow: str, subject: str) -> str:
        return ""

    def leave(self, waiting: Waiting) -> None:
        self.left.append(waiting.event_id)

    def note_told(self, waiting: Waiting, at: datetime) -> None: ...


class Queues:
    """Keeps what is sent."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    def put_again(self, flow: str, event: Event, mark: str) -> None:
        self.sent.append(event.id)

    def bury(self, flow: str, event: Event, failure: Failure) -> None: ...


class Valves:
    """Changes nothing."""

    def set(self, flow: str, *, enabled: bool, max_concurrency: int) -> bool:
        return False


class Tending:
    """One destination with a parked event whose parent has come."""

    def __init__(self, state: State) -> None:
        self.room, self.queues, self.telemetry = Room(), Queues(), FakeTelemetry()
        ledger = FakeLedger(heads={("flow", ORDER): Head("1")})
        breakers: Any = FakeBreakers(Breaker(state, probe_at=NOW))

        def down() -> None:
            raise Unavailable("down")

        self.hub = BreakerHub(
            destination="erp",
            breakers=breakers,
            limits=Limits(),
            valves=Valves(),
            notices=FakeNotices(),
            probe=down,
            waiting_room=self.room,
            ledger=ledger,
            flow_queues=self.queues,
            telemetry=self.telemetry,
            now=lambda: NOW,
        )


@pytest.mark.parametrize(("state", "sent"), [(State.CLOSED, ["r1"]), (State.HALF_OPEN, ["r1"]), (State.OPEN, [])])
def test_what_waited_is_released_unless_the_destination_is_down(state: State, sent: list[str]) -> None:
    tending = Tending(state)

    assert tend_destination({}, None, tending.hub) == {"state": state.value}

    assert (tending.queues.sent, tending.room.left) == (sent, sent)


def test_a_release_is_told_and_counted() -> None:
    tending = Tending(State.CLOSED)

    tend_destination({}, None, tending.hub)

    assert tending.telemetry.lines[-1] == (
        "info",
        "parked",
        {},
        {"ParkedWaiting": 0, "ParkedReleased": 1, "ParkedDead": 0},
    )


def test_a_list_that_cannot_be_read_is_told_and_tried_again_in_a_minute() -> None:
    tending = Tending(State.CLOSED)
    tending.room.unavailable = True

    with pytest.raises(LedgerUnavailable):
        tend_destination({}, None, tending.hub)

    assert tending.telemetry.lines[-1] == ("warning", "not released", {"reason": "throttled"}, {"NotTended": 1})
