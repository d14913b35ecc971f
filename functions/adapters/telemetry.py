"""What operators see: one structured log line that is a set of metrics at the same time (CloudWatch EMF).

EMF is JSON in the log with a `_aws` member at its root; one write serves both.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from aws_lambda_powertools import Logger

NAMESPACE = "ErpHub"


class Telemetry:
    """Log lines and metrics of one Lambda, with its integration or flow as the only dimension beside the stage."""

    def __init__(self, service: str, dimensions: Mapping[str, str], now: Callable[[], datetime]) -> None:
        self._dimensions = dict(dimensions)
        self._now = now
        self._logger = Logger(service=service)

    def report(self, message: str, about: Mapping[str, object], counts: Mapping[str, float] | None = None) -> None:
        """One line; `counts` become metrics of that name, in the unit Count."""
        self._logger.info(message, extra={**about, **self._metrics(counts or {})})

    def warn(self, message: str, about: Mapping[str, object], counts: Mapping[str, float] | None = None) -> None:
        """One line of level WARNING."""
        self._logger.warning(message, extra={**about, **self._metrics(counts or {})})

    def bug(self, message: str, error: BaseException, about: Mapping[str, object]) -> None:
        """One line of level ERROR with the traceback, and the metric `Bugs`, on which an alarm rings."""
        self._logger.error(message, exc_info=error, extra={**about, **self._metrics({"Bugs": 1})})

    def _metrics(self, counts: Mapping[str, float]) -> dict[str, Any]:
        if not counts:
            return dict(self._dimensions)
        directive = {
            "Namespace": NAMESPACE,
            "Dimensions": [sorted(self._dimensions)],
            "Metrics": [{"Name": name, "Unit": "Count"} for name in counts],
        }
        stamp = int(self._now().timestamp() * 1000)
        return {**self._dimensions, **counts, "_aws": {"Timestamp": stamp, "CloudWatchMetrics": [directive]}}
