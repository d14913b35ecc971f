"""The files handler: a message tells of a file, and stays only while trouble lasts."""

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from adapters.wiring import FilesHub
from files.handler import FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS, take_files
from hub.errors import QueueUnavailable
from tests.fakes import FakeTelemetry
from tests.hub.test_files import FEW, KEY, World
from tests.sqs_batch import Context, sqs_batch


def message(*keys: str) -> str:
    return json.dumps({"Records": [{"s3": {"object": {"key": key}}} for key in keys]})


@dataclass
class Hub:
    """What the handler meets."""

    world: World = field(default_factory=World)
    went_on: list[str] = field(default_factory=list)
    hidden: list[tuple[str, float]] = field(default_factory=list)
    hiding: Exception | None = None
    telemetry: FakeTelemetry = field(default_factory=FakeTelemetry)

    def run(self, batch: dict[str, Any], milliseconds: int = 900_000) -> list[str]:
        hub = FilesHub(self.world.intake(), self.went_on.append, self.hide, self.telemetry)
        answer = take_files(batch, Context(milliseconds), hub)
        return [each["itemIdentifier"] for each in answer["batchItemFailures"]]

    def hide(self, receipt: str, seconds: float) -> None:
        if self.hiding:
            raise self.hiding
        self.hidden.append((receipt, seconds))


@pytest.fixture
def hub() -> Hub:
    made = Hub()
    made.world.store.drop(KEY, FEW)
    return made


def test_a_file_that_came_is_taken_in_and_told(hub: Hub) -> None:
    assert hub.run(sqs_batch(message(KEY))) == []

    level, said, about, counts = hub.telemetry.lines[-1]
    assert (level, said, about["file"], about["rows"]) == ("info", "file ended", KEY, 3)
    assert counts == {"FilesTaken": 1, "FilesRefused": 0, "RowsGood": 2, "RowsBad": 1}


def test_where_time_is_up_a_note_is_left(hub: Hub) -> None:
    assert hub.run(sqs_batch(message(KEY)), milliseconds=1_000) == []
    assert hub.went_on == [KEY]

    assert hub.run(sqs_batch(json.dumps({"rest_of": KEY}))) == []
    assert len(hub.world.applied()) == 2


def test_a_message_about_a_file_that_is_gone_goes_too(hub: Hub) -> None:
    assert hub.run(sqs_batch(message("inbox/shop-eu/gone.csv"))) == []


@pytest.mark.parametrize(("attempts", "seconds"), [(1, FIRST_WAIT_SECONDS), (3, 60.0), (50, LONGEST_WAIT_SECONDS)])
def test_in_trouble_the_message_comes_again_later_and_later(hub: Hub, attempts: int, seconds: float) -> None:
    hub.world.failure = QueueUnavailable("down")

    assert hub.run(sqs_batch(message(KEY), attempts=attempts)) == ["message-1"]
    assert hub.hidden == [("receipt-1", seconds)]


def test_a_message_that_cannot_be_hidden_stays_all_the_same(hub: Hub) -> None:
    hub.world.failure = QueueUnavailable("down")
    hub.hiding = QueueUnavailable("down")

    assert hub.run(sqs_batch(message(KEY))) == ["message-1"]


def test_a_refused_file_is_a_warning_and_no_retry(hub: Hub) -> None:
    hub.world.store.drop(KEY, "no such columns\n1\n")

    assert hub.run(sqs_batch(message(KEY))) == []
    assert hub.telemetry.lines[-1][0] == "warning"
    assert hub.telemetry.lines[-1][3]["FilesRefused"] == 1


def test_a_message_of_something_else_stays_and_rings(hub: Hub) -> None:
    assert hub.run(sqs_batch("what?")) == ["message-1"]
    assert hub.telemetry.bugs() == ["a message tells of no file"]
