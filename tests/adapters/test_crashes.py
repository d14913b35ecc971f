"""A function may die at any line between the claim, the destination's commit and our record: one effect, or parked."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import pytest

import adapters
import hub
from adapters.claims import DynamoClaims
from adapters.dynamodb import DynamoLedger
from adapters.parking import DynamoWaitingRoom
from hub.connector import Destination, Effect, Written
from hub.deliver import Route
from hub.deliver_batch import Batch, deliver_batch
from hub.events import Event
from hub.ledger import A_PERSON, Outcome
from hub.once import OnceDestination
from hub.records import Record
from hub.settings import RetrySettings
from tests.fakes import FakeDeadLetters, an_event, read_anything, received

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

pytestmark = pytest.mark.slow

OURS = {
    str(Path(folder) / name)
    for folder, files in {
        hub.__path__[0]: ("once.py", "deliver.py", "deliver_batch.py"),
        adapters.__path__[0]: ("claims.py", "dynamodb.py"),
    }.items()
    for name in files
} | {__file__}
LATER = timedelta(seconds=720)  # the queue's visibility timeout: so much later a message of a dead function comes again

Line = tuple[str, int]


class Killed(BaseException):
    """The death of a function's process."""


@dataclass
class Death:
    """Kills when `at` is to be run; notes which of our lines are run."""

    at: Line | None = None
    lines: dict[Line, None] = field(default_factory=dict)

    def trace(self, frame: FrameType, what: str, _: Any) -> Any:
        if frame.f_code.co_filename not in OURS or frame.f_code.co_name == "strike":
            return None
        if what == "line":
            line = (frame.f_code.co_filename, frame.f_lineno)
            self.lines[line] = None
            if line == self.at:
                raise Killed
        return self.trace

    @contextmanager
    def strike(self) -> Iterator[None]:
        """Within: also in threads that are begun."""
        threading.settrace(self.trace)
        sys.settrace(self.trace)
        try:
            yield
        finally:
            sys.settrace(None)
            threading.settrace(None)


class Untraced:
    """A client whose own lines are not looked at: they are not ours, and there are very many of them."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)

        def call(**asked: Any) -> Any:
            tracing = sys.gettrace()
            sys.settrace(None)
            try:
                return found(**asked)
            finally:
                sys.settrace(tracing)

        return call if callable(found) else found


@dataclass
class Chat:
    """Each call is a message of its own; it cannot tell what it did."""

    done: list[str] = field(default_factory=list)

    def apply(self, action: str, record: Record, event: Event, known_name: str) -> Written:
        number = len(self.done) + 1
        self.done.append(event.id)
        return Written(Effect.APPLIED, "message", f"m{number}")


class Bank(Chat):
    """Each call is a payment of its own; it can tell by the event's id."""

    def find(self, action: str, record: Record, event: Event) -> Written | None:
        return Written(Effect.APPLIED, "payment", "found") if event.id in self.done else None


class Erp(Chat):
    """A call that is repeated finds its document."""

    def apply(self, action: str, record: Record, event: Event, known_name: str) -> Written:
        if event.id in self.done:
            return Written(Effect.UNCHANGED, "Sales Order", "SO-1")
        return super().apply(action, record, event, known_name)


@dataclass
class Flow:
    """A flow on moto's DynamoDB, on a clock that begins now, as Powertools' own does."""

    dynamodb: Any
    table: str
    chat: Chat
    once: dict[str, bool]
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def deliver(self, event: Event) -> Batch:
        claims = DynamoClaims(self.dynamodb, self.table, 90, lambda: self.now)
        destination: Destination = OnceDestination(self.chat, "flow", self.once, claims) if self.once else self.chat
        route = Route(
            "flow",
            read_anything,
            destination,
            {"shop.orders/create": "act"},
            {"shop.orders/create": "order"},
            RetrySettings(),
            lambda event: event.data,
            destination_name="chat",
        )
        return deliver_batch(
            [received(event)],
            route,
            DynamoLedger(self.dynamodb, self.table, 90),
            FakeDeadLetters(),
            workers=1,
            now=lambda: self.now,
            out_of_time=lambda: False,
            draw=lambda: 0.5,
        )

    def outcome(self, event: Event) -> Outcome | None:
        return DynamoLedger(self.dynamodb, self.table, 90).known("flow", [event])[0].outcome


def killed_at_every_line(flow: Flow, judge: Callable[[Event], None]) -> set[str]:
    """For each line that is run: die there, come again until the event leaves the queue, judge it. The files."""
    whole = Death()
    with whole.strike():
        flow.deliver(an_event("whole", "shop-eu/order/0"))
    for number, line in enumerate(whole.lines, start=1):
        event = an_event(f"e{number}", f"shop-eu/order/{number}")
        with pytest.raises(Killed), Death(line).strike():
            flow.deliver(event)
        flow.now += LATER
        assert not flow.deliver(event).again, line
        judge(event)
    return {Path(file).name for file, _ in whole.lines}


@pytest.mark.parametrize(("chat", "once"), [(Erp(), {}), (Bank(), {"act": True})], ids=["upsert", "once with lookup"])
def test_what_can_be_looked_up_has_exactly_one_effect(
    dynamodb: "DynamoDBClient", table: str, chat: Chat, once: dict[str, bool]
) -> None:
    flow = Flow(Untraced(dynamodb), table, chat, once)

    def judge(event: Event) -> None:
        assert chat.done.count(event.id) == 1
        assert flow.outcome(event) in (Outcome.APPLIED, Outcome.UNCHANGED)

    assert {"deliver.py", "deliver_batch.py", "dynamodb.py", Path(__file__).name} <= killed_at_every_line(flow, judge)


def test_what_cannot_be_looked_up_has_one_effect_or_waits_for_a_person_with_one_at_most(
    dynamodb: "DynamoDBClient", table: str
) -> None:
    chat = Chat()
    flow = Flow(Untraced(dynamodb), table, chat, {"act": False})
    ends: list[tuple[int, str]] = []

    def judge(event: Event) -> None:
        ends.append((chat.done.count(event.id), str(flow.outcome(event))))

    assert {"once.py", "claims.py", "dynamodb.py", Path(__file__).name} <= killed_at_every_line(flow, judge)

    assert set(ends) == {(1, "applied"), (0, "parked"), (1, "parked")}
    room = DynamoWaitingRoom(dynamodb, table, "chat")
    listed = [one for page in room.pages() for one in page]
    assert {one.waits_for for one in listed} == {A_PERSON}
    assert len(listed) == sum(outcome == "parked" for _, outcome in ends)
