"""What operators see: one structured log line that is a set of metrics at the same time (CloudWatch EMF).

EMF is JSON in the log with a `_aws` member at its root; one write serves both.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from aws_lambda_powertools import Logger

from hub.names import METRICS_NAMESPACE

ACCEPTED = "accepted"  # the message of the line that says of an event that a queue keeps it; hub audit reads it back
LINES_PER_MINUTE = 10  # of one reason and container: enough for whoever sets a provider up and gets it wrong


class Telemetry:
    """Log lines and metrics of one Lambda, with its integration or flow as the only dimension beside the stage."""

    def __init__(self, service: str, dimensions: Mapping[str, str], now: Callable[[], datetime]) -> None:
        self._dimensions = dict(dimensions)
        self._now = now
        self._logger = Logger(service=service)

    def report(self, message: str, about: Mapping[str, object], counts: Mapping[str, float] | None = None) -> None:
        """One line; `counts` become metrics of that name, in the unit Count."""
        self._logger.info(message, extra=self._line(about, counts))

    def warn(self, message: str, about: Mapping[str, object], counts: Mapping[str, float] | None = None) -> None:
        """One line of level WARNING."""
        self._logger.warning(message, extra=self._line(about, counts))

    def bug(self, message: str, error: BaseException, about: Mapping[str, object]) -> None:
        """One line of level ERROR with the traceback, and the metric `Bugs`, on which an alarm rings."""
        self._logger.error(message, exc_info=error, extra=self._line(about, {"Bugs": 1}))

    def _line(
        self, about: Mapping[str, object], counts: Mapping[str, float] | None, apart_by: str = ""
    ) -> dict[str, Any]:
        """What a line says beside its message. `apart_by` names a member of `about` by which the counts are told apart
        too; its values must be few."""
        if not counts:
            return {**about, **self._dimensions}
        dimensions = sorted(self._dimensions)
        directive = {
            "Namespace": METRICS_NAMESPACE,
            "Dimensions": [dimensions, [*dimensions, apart_by]] if apart_by else [dimensions],
            "Metrics": [{"Name": name, "Unit": "Count"} for name in counts],
        }
        stamp = int(self._now().timestamp() * 1000)
        metrics = {"Timestamp": stamp, "CloudWatchMetrics": [directive]}
        return {**about, **self._dimensions, **counts, "_aws": metrics}


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
            self._logger.info(message, extra=line)

    def warn(self, message: str, about: Mapping[str, object], counts: Mapping[str, float] | None = None) -> None:
        """One line of level WARNING, under the same condition."""
        if line := self._sampled(about, counts):
            self._logger.warning(message, extra=line)

    def _sampled(self, about: Mapping[str, object], counts: Mapping[str, float] | None) -> dict[str, Any] | None:
        reason = str(about.get("reason", ""))
        if not reason:
            return self._line(about, counts)
        minute = int(self._now().timestamp()) // 60
        if minute != self._minute:
            self._minute = minute
            self._written.clear()
        self._written[reason] += 1
        untold = {name: int(count) + self._untold.pop((reason, name), 0) for name, count in (counts or {}).items()}
        if self._written[reason] <= LINES_PER_MINUTE:
            return self._line(about, untold, apart_by="reason")
        self._untold.update({(reason, name): count for name, count in untold.items()})
        return None
