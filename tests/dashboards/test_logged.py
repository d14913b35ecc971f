"""What a log in the embedded metric format counts, where nobody else reads it."""

import json
import sys
from datetime import UTC, datetime
from typing import Any

import pytest

from adapters.telemetry import Measured, Telemetry
from cli.dashboard.definitions import Definitions
from cli.dashboard.logged import Logged, recorded
from cli.dashboard.recorded import key_of
from hub.metrics import FLOW, STAGE

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
SECONDS = int(NOW.timestamp())
GROUP = "/aws/lambda/hub-local-delivery-shop-to-erp"


@pytest.fixture
def written(capsys: pytest.CaptureFixture[str]) -> str:
    telemetry = Telemetry("dashboards-logged", {"stage": "local", "flow": "shop-to-erp"}, lambda: NOW)
    for handler in telemetry._logger.handlers:
        handler.stream = sys.stdout  # type: ignore[attr-defined]  # perhaps an earlier test's
    telemetry.measure("ended", {"event": "1"}, [Measured({"Failed": [0, 1], "Retried": 1}, [FLOW, STAGE])])
    telemetry.warn("again later", {"category": "TIMEOUT"})
    return capsys.readouterr().out


def test_every_value_counts_under_every_set_of_dimensions(written: str) -> None:
    lines = [json.loads(line) | {"group": GROUP, "at": SECONDS} for line in written.splitlines()]

    found = recorded(lines, SECONDS - 60, SECONDS + 60)
    for dimensions in ({"stage": "local"}, {"stage": "local", "flow": "shop-to-erp"}):
        assert found.series(key_of("ErpHub", "Failed", dimensions), "Average", 60) == {SECONDS: 0.5}
        assert found.series(key_of("ErpHub", "Retried", dimensions), "Sum", 60) == {SECONDS: 1}
    assert [line.get("category") for line in found.lines([GROUP])] == [None, "TIMEOUT"]


class Pages:
    """A client of CloudWatch Logs that has one group, and of CloudWatch that knows nothing."""

    def __init__(self, messages: list[str]) -> None:
        self._messages = messages

    def get_paginator(self, call: str) -> Any:
        answers = {
            "describe_log_groups": {"logGroups": [{"logGroupName": GROUP}]},
            "filter_log_events": {
                "events": [{"message": each, "timestamp": SECONDS * 1000} for each in self._messages]
            },
        }

        class Paginator:
            def paginate(self, **_: Any) -> list[Any]:
                return [answers[call]]

        return Paginator()


def test_alarms_of_the_local_stage_follow_from_the_logs(written: str) -> None:
    failing = {
        "Namespace": "ErpHub",
        "MetricName": "Failed",
        "Dimensions": [{"Name": "flow", "Value": "shop-to-erp"}, {"Name": "stage", "Value": "local"}],
        "Statistic": "Average",
        "Period": 300,
        "EvaluationPeriods": 1,
        "Threshold": 0.05,
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "notBreaching",
    }
    client: Any = Pages(["START RequestId: 1", "{broken", *written.splitlines()])

    data = Logged(client, client, NOW, 1, "local", Definitions({}, {"failing": failing}, {}))
    assert data.alarm("failing") == "ALARM"
    assert data.alarm("another") == "INSUFFICIENT_DATA"


def test_no_account_is_asked_for_a_metric_of_another_region() -> None:
    client: Any = Pages([])
    data = Logged(client, client, NOW, 1, "local", Definitions({}, {}, {}))

    assert data._elsewhere("us-east-1") is client
