"""The states of alarms, from their definitions and what was counted."""

from typing import Any

import pytest

from cli.dashboard.definitions import Definitions
from cli.dashboard.recorded import Recorded, key_of
from cli.dashboard.states import states


def alarm(**changes: Any) -> dict[str, Any]:
    return {
        "Namespace": "ErpHub",
        "MetricName": "Failed",
        "Dimensions": [{"Name": "stage", "Value": "test"}],
        "Statistic": "Average",
        "Period": 300,
        "EvaluationPeriods": 2,
        "Threshold": 0.05,
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "notBreaching",
    } | changes


def state(defined: dict[str, Any], *points: tuple[int, list[float]]) -> str:
    data = Recorded(0, 1_499, "", {key_of("ErpHub", "Failed", {"stage": "test"}): points})
    return states(Definitions({}, {"one": defined}, {}), data)["one"]


HIGH, LOW = [1.0, 0.0], [0.0, 0.0]


@pytest.mark.parametrize(
    ("defined", "points", "found"),
    [
        (alarm(), [(900, HIGH), (1200, HIGH)], "ALARM"),
        (alarm(), [(900, LOW), (1200, HIGH)], "OK"),
        (alarm(), [(600, HIGH), (1200, HIGH)], "OK"),  # nothing in between
        (alarm(TreatMissingData="breaching"), [(600, HIGH), (1200, HIGH)], "ALARM"),
        (alarm(TreatMissingData="breaching"), [], "ALARM"),
        (alarm(ComparisonOperator="LessThanThreshold", Threshold=1), [(900, HIGH), (1200, HIGH)], "ALARM"),
        (alarm(TreatMissingData="ignore"), [(300, HIGH), (600, HIGH)], "ALARM"),  # what was said last counts
        (alarm(TreatMissingData="ignore"), [], "INSUFFICIENT_DATA"),
        (alarm(Statistic=None, ExtendedStatistic="p95"), [(900, HIGH), (1200, HIGH)], "ALARM"),
    ],
)
def test_an_alarm_rings_as_it_is_defined(defined: dict[str, Any], points: list[Any], found: str) -> None:
    assert state(defined, *points) == found


def test_a_composite_rings_as_its_rule_says() -> None:
    silent = alarm(TreatMissingData="breaching")
    both, either = 'ALARM("a") AND ALARM("b")', 'ALARM("a") OR ALARM("b")'
    defined = Definitions(
        {}, {"a": silent, "b": alarm()}, {"both": {"AlarmRule": both}, "either": {"AlarmRule": either}}
    )

    assert states(defined, Recorded(0, 1_499, "", {})) == {"a": "ALARM", "b": "OK", "both": "OK", "either": "ALARM"}
