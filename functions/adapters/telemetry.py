"""What operators see: one structured log line that is a set of metrics at the same time (CloudWatch EMF).

EMF is JSON in the log with a `_aws` member at its root; one write serves both.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aws_lambda_powertools import Logger

from hub.names import METRICS_NAMESPACE

MILLISECONDS = "Milliseconds"  # ends the names of metrics in that unit; all others are counts

ACCEPTED = "accepted"  # the message of the line that says of an event that a queue keeps it; hub audit reads it back
LINES_PER_MINUTE = 10  # of one reason and container: enough for whoever sets a provider up and gets it wrong
VALUES = 100  # of one metric that a line may hold


@dataclass(frozen=True, slots=True)
class Measured:
    """Metrics that share their sets of dimensions. Each is a number, or up to VALUES numbers, of which CloudWatch makes
    percentiles. A dimension's value is the Telemetry's own, or what the line is about."""

    metrics: Mapping[str, float | Sequence[float]]
    by: Sequence[Sequence[str]]  # sets of dimensions


class Telemetry:
    """Log lines and metrics of one Lambda, with its integration or flow as the only dimension beside the stage."""

    def __init__(self, service: str, dimensions: Mapping[str, str], now: Callable[[], datetime]) -> None:
        self._dimensions = dict(dimensions)
        self._now = now
        self._logger = Logger(service=service, location=None)  # which would always be `_write` below

    def report(self, message: str, about: Mapping[str, object], counts: Mapping[str, float] | None = None) -> None:
        """One line; `counts` become metrics of that name, in the unit Count."""
        self.measure(message, about, [self._counted(counts)])

    def warn(self, message: str, about: Mapping[str, object], counts: Mapping[str, float] | None = None) -> None:
        """One line of level WARNING."""
        self.measure(message, about, [self._counted(counts)], warns=True)

    def measure(
        self, message: str, about: Mapping[str, object], measured: Sequence[Measured], *, warns: bool = False
    ) -> None:
        """One line that is all of these metrics; of level INFO, unless it `warns`."""
        self._write(message, self._line(about, measured), warns=warns)

    def bug(self, message: str, error: BaseException, about: Mapping[str, object]) -> None:
        """One line of level ERROR with the traceback, and the metric `Bugs`, on which an alarm rings."""
        self._logger.error(message, exc_info=error, extra=self._line(about, [self._counted({"Bugs": 1})]))

    def _counted(self, counts: Mapping[str, float] | None, apart_by: str = "") -> Measured:
        """Counts under the Telemetry's own dimensions. `apart_by` names a member of what the line is about by which they
        are told apart too; its values must be few."""
        own = sorted(self._dimensions)
        return Measured(counts or {}, [own, [*own, apart_by]] if apart_by else [own])

    def _line(self, about: Mapping[str, object], measured: Sequence[Measured]) -> dict[str, Any]:
        """What a line says beside its message."""
        told = [each for each in measured if each.metrics]
        line = {**about, **self._dimensions}
        if not told:
            return line
        directives = [
            {
                "Namespace": METRICS_NAMESPACE,
                "Dimensions": [list(dimensions) for dimensions in each.by],
                "Metrics": [{"Name": name, "Unit": _unit(name)} for name in each.metrics],
            }
            for each in told
        ]
        for each in told:
            line |= {name: _value(value) for name, value in each.metrics.items()}
        stamp = int(self._now().timestamp() * 1000)
        return {**line, "_aws": {"Timestamp": stamp, "CloudWatchMetrics": directives}}

    def _write(self, message: str, line: dict[str, Any], *, warns: bool) -> None:
        """Write a line; one with metrics whatever the level of the log is, as alarms live on them."""
        if warns or ("_aws" in line and self._logger.log_level > logging.INFO):
            self._logger.warning(message, extra=line)
        else:
            self._logger.info(message, extra=line)


def _value(value: float | Sequence[float]) -> float | list[float]:
    return value if isinstance(value, int | float) else list(value)[:VALUES]


class EdgeTelemetry(Telemetry):
    """Telemetry of the edge, where strangers cause lines.

    What was not accepted is counted by its `reason`, which is the name of an error of ours. Of a reason's lines,
    LINES_PER_MINUTE are written; the first one of a later minute bears the counts of those that were not. So a flood
    costs a bounded log, and the metrics lack at most its last minute, if the container ends with it.
    """

    def __init__(self, service: str, dimensions: Mapping[str, str], now: Callable[[], datetime]) -> None:
        super().__init__(service, dimensions, now)
        self._minute = 0
        self._written: Counter[str] = Counter()  # in this minute, by reason
        self._untold: Counter[tuple[str, str]] = Counter()  # by reason and metric

    def report(self, message: str, about: Mapping[str, object], counts: Mapping[str, float] | None = None) -> None:
        """One line, unless it states a reason that has had its lines of this minute."""
        if line := self._sampled(about, counts):
            self._write(message, line, warns=False)

    def warn(self, message: str, about: Mapping[str, object], counts: Mapping[str, float] | None = None) -> None:
        """One line of level WARNING, under the same condition."""
        if line := self._sampled(about, counts):
            self._write(message, line, warns=True)

    def _sampled(self, about: Mapping[str, object], counts: Mapping[str, float] | None) -> dict[str, Any] | None:
        reason = str(about.get("reason", ""))
        if not reason:
            return self._line(about, [self._counted(counts)])
        minute = int(self._now().timestamp()) // 60
        if minute != self._minute:
            self._minute = minute
            self._written.clear()
        self._written[reason] += 1
        untold = {name: int(count) + self._untold.pop((reason, name), 0) for name, count in (counts or {}).items()}
        if self._written[reason] <= LINES_PER_MINUTE:
            return self._line(about, [self._counted(untold, apart_by="reason")])
        self._untold.update({(reason, name): count for name, count in untold.items()})
        return None


def _unit(name: str) -> str:
    return MILLISECONDS if name.endswith(MILLISECONDS) else "Count"
