"""The states of alarms, worked out from their definitions on metric data, as CloudWatch would find them at its end."""

import re
from collections.abc import Mapping
from typing import Any

from cli.dashboard.definitions import Definitions
from cli.dashboard.recorded import Metrics, Series, key_of

OK, ALARM, UNKNOWN = "OK", "ALARM", "INSUFFICIENT_DATA"
NAMED = re.compile(r'ALARM\("([^"]+)"\)')


def states(defined: Definitions, data: Metrics) -> dict[str, str]:
    """The state of every alarm by name. The hours of a metric-math alarm are left out: it counts as always expected."""
    found = {name: _state(alarm, data) for name, alarm in defined.alarms.items()}
    for name, composite in defined.composites.items():
        rule = composite["AlarmRule"]
        rings = [found.get(each) == ALARM for each in NAMED.findall(rule)]
        found[name] = ALARM if (all(rings) if " AND " in rule else any(rings)) else OK
    return found


def _state(alarm: Mapping[str, Any], data: Metrics) -> str:
    stat = alarm
    if "Metrics" in alarm:
        stat = next(
            each["MetricStat"] | each["MetricStat"]["Metric"] for each in alarm["Metrics"] if "MetricStat" in each
        )
    period, periods = int(stat["Period"]), int(alarm["EvaluationPeriods"])
    dimensions = {each["Name"]: each["Value"] for each in stat.get("Dimensions", [])}
    key = key_of(stat["Namespace"], stat["MetricName"], dimensions)
    series = data.series(key, stat.get("Statistic") or stat.get("ExtendedStatistic") or stat["Stat"], period)
    last = data.end - data.end % period
    return _judged(alarm, [series.get(last - number * period) for number in range(periods)], series)


def _judged(alarm: Mapping[str, Any], points: list[float | None], series: Series) -> str:
    threshold, silence = float(alarm["Threshold"]), alarm["TreatMissingData"]
    below = alarm["ComparisonOperator"].startswith("Less")
    if silence == "ignore" and None in points:  # what was said last counts
        points = [value for _, value in sorted(series.items())[-len(points) :]]
        if not points:
            return UNKNOWN
    breaching = [
        silence == "breaching" if value is None else (value < threshold if below else value > threshold)
        for value in points
    ]
    return ALARM if all(breaching) else OK
