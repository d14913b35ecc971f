"""Telemetry: each line is JSON, and a set of metrics where it counts something (CloudWatch's embedded metric format)."""

import json
from typing import Any

import pytest

from adapters.telemetry import Measured, Telemetry
from tests.fakes import NOW


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def telemetry(service: str) -> Telemetry:
    """Powertools keeps one logger per service, and with it the output it was first given."""
    return Telemetry(service, {"stage": "test", "flow": "shop-eu-to-erp"}, lambda: NOW)


def test_a_line_that_counts_is_a_set_of_metrics(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry("counting").report("batch", {"entity": "shop-eu/order/1"}, {"Applied": 2, "Retried": 1})

    (line,) = lines(capsys)
    assert (line["level"], line["message"], line["service"]) == ("INFO", "batch", "counting")
    assert line["entity"] == "shop-eu/order/1"
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert directive["Dimensions"] == [["flow", "stage"]]
    assert directive["Metrics"] == [{"Name": "Applied", "Unit": "Count"}, {"Name": "Retried", "Unit": "Count"}]
    assert (line["Applied"], line["Retried"], line["flow"], line["stage"]) == (2, 1, "shop-eu-to-erp", "test")
    assert line["_aws"]["Timestamp"] == 1767268800000


def test_a_line_that_counts_nothing_is_no_metric(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry("telling").warn("again later", {"reason": "down"})

    (line,) = lines(capsys)
    assert (line["level"], line["reason"]) == ("WARNING", "down")
    assert "_aws" not in line


def test_a_bug_bears_its_traceback_and_rings(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        raise KeyError("bug")
    except KeyError as error:
        telemetry("failing").bug("a bug", error, {"event": "1"})

    (line,) = lines(capsys)
    assert line["level"] == "ERROR"
    assert "KeyError: 'bug'" in line["exception"]
    assert line["Bugs"] == 1
    assert line["_aws"]["CloudWatchMetrics"][0]["Metrics"] == [{"Name": "Bugs", "Unit": "Count"}]


def test_metrics_are_told_apart_by_the_dimensions_that_each_names(capsys: pytest.CaptureFixture[str]) -> None:
    measured = [
        Measured({"Failed": [0, 1], "Retried": 1}, [("flow", "stage"), ("stage",)]),
        Measured({"RateLimitHits": 2}, [("integration", "stage")]),
        Measured({}, [("never",)]),
    ]
    telemetry("measuring").measure("ended", {"integration": "erp"}, measured)

    (line,) = lines(capsys)
    first, second = line["_aws"]["CloudWatchMetrics"]
    assert first["Dimensions"] == [["flow", "stage"], ["stage"]]
    assert second["Dimensions"] == [["integration", "stage"]]
    assert (line["Failed"], line["RateLimitHits"], line["integration"]) == ([0, 1], 2, "erp")


def test_milliseconds_are_told_in_their_unit(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry("timing").measure("ended", {}, [Measured({"QueueMilliseconds": [5.5]}, [("stage",)])])

    (line,) = lines(capsys)
    assert line["_aws"]["CloudWatchMetrics"][0]["Metrics"] == [{"Name": "QueueMilliseconds", "Unit": "Milliseconds"}]


def test_a_line_holds_no_more_values_than_cloudwatch_reads(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry("many").measure("ended", {}, [Measured({"Failed": [0.0] * 150}, [("stage",)])])

    (line,) = lines(capsys)
    assert len(line["Failed"]) == 100


def test_metrics_are_written_whatever_the_level_of_the_log(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POWERTOOLS_LOG_LEVEL", "WARNING")
    quiet = telemetry("quiet")
    quiet.report("ended", {})
    quiet.report("ended", {}, {"Applied": 1})

    (line,) = lines(capsys)
    assert (line["level"], line["Applied"]) == ("WARNING", 1)
