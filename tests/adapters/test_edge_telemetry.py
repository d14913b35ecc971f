"""Telemetry of the edge: strangers' refusals are all counted, by reason, and few of them are written."""

import json
from datetime import timedelta
from typing import Any

import pytest

from adapters.telemetry import LINES_PER_MINUTE, EdgeTelemetry
from tests.fakes import NOW


class Edge:
    """An edge whose clock is set by hand."""

    def __init__(self, service: str, capsys: pytest.CaptureFixture[str]) -> None:
        """Powertools keeps one logger per service, and with it the output it was first given."""
        self.now = NOW
        self._capsys = capsys
        self.telemetry = EdgeTelemetry(service, {"stage": "test", "integration": "shop-eu"}, lambda: self.now)

    def refuse(self, reason: str, times: int = 1) -> None:
        for _ in range(times):
            self.telemetry.report("refused", {"reason": reason}, {"Refused": 1})

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._capsys.readouterr().out.splitlines()]


def test_a_refusal_is_counted_by_its_reason_and_in_all(capsys: pytest.CaptureFixture[str]) -> None:
    edge = Edge("counting-reasons", capsys)

    edge.refuse("BadSignature")

    (line,) = edge.lines()
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert directive["Dimensions"] == [["integration", "stage"], ["integration", "stage", "reason"]]
    assert directive["Metrics"] == [{"Name": "Refused", "Unit": "Count"}]
    assert (line["reason"], line["Refused"], line["integration"]) == ("BadSignature", 1, "shop-eu")


def test_what_was_accepted_is_told_each_time_and_has_no_reason(capsys: pytest.CaptureFixture[str]) -> None:
    edge = Edge("accepting", capsys)

    for _ in range(3 * LINES_PER_MINUTE):
        edge.telemetry.report("accepted", {"event": "e-1"}, {"Accepted": 1})

    lines = edge.lines()
    assert len(lines) == 3 * LINES_PER_MINUTE
    assert lines[-1]["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["integration", "stage"]]


def test_a_flood_writes_few_lines_and_every_refusal_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    edge = Edge("flooded", capsys)

    edge.refuse("BadSignature", 1_000)
    edge.now += timedelta(minutes=1)
    edge.refuse("BadSignature", 500)
    edge.now += timedelta(minutes=1)
    edge.refuse("BadSignature")

    lines = edge.lines()
    assert len(lines) == 2 * LINES_PER_MINUTE + 1
    assert sum(line["Refused"] for line in lines) == 1_501


def test_one_reason_does_not_hide_another(capsys: pytest.CaptureFixture[str]) -> None:
    edge = Edge("mixed", capsys)

    edge.refuse("BadSignature", 100)
    edge.refuse("StaleDelivery")
    edge.telemetry.warn("not accepted", {"reason": "QueueUnavailable"}, {"NotAccepted": 1})

    assert [(line["level"], line["reason"]) for line in edge.lines()[-2:]] == [
        ("INFO", "StaleDelivery"),
        ("WARNING", "QueueUnavailable"),
    ]
