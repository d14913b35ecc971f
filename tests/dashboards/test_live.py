"""CloudWatch's own data: metrics by period, what there is, and the states of alarms."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from moto import mock_aws

from cli.dashboard.live import Live
from cli.dashboard.recorded import key_of

NOW = datetime.now(UTC).replace(second=0, microsecond=0)
OWN = {"stage": "test", "flow": "shop-to-erp"}
KEY = key_of("ErpHub", "Failed", OWN)


@pytest.fixture
def cloudwatch() -> Iterator[Any]:
    with mock_aws():
        client: Any = boto3.client("cloudwatch", region_name="us-east-1")
        dimensions = [{"Name": name, "Value": value} for name, value in OWN.items()]
        for minutes, value in ((10, 1.0), (10, 0.0), (1000, 5.0)):
            point = {
                "MetricName": "Failed",
                "Dimensions": dimensions,
                "Timestamp": NOW - timedelta(minutes=minutes),
                "Value": value,
            }
            client.put_metric_data(Namespace="ErpHub", MetricData=[point])
        yield client


def live(cloudwatch: Any) -> Live:
    return Live(cloudwatch, boto3.client("logs", region_name="us-east-1"), NOW, 3)


def test_a_statistic_comes_by_period_within_the_hours_that_are_shown(cloudwatch: Any) -> None:
    series = live(cloudwatch).series(KEY, "Sum", 60)

    assert series == {int((NOW - timedelta(minutes=10)).timestamp()): 1.0}


def test_metrics_are_found_by_their_dimensions(cloudwatch: Any) -> None:
    data = live(cloudwatch)

    assert list(data.found("ErpHub", frozenset(OWN))) == [KEY]
    assert list(data.found("ErpHub", frozenset({"stage"}))) == []


def test_an_alarm_is_as_cloudwatch_says(cloudwatch: Any) -> None:
    cloudwatch.put_metric_alarm(
        AlarmName="rings",
        Namespace="ErpHub",
        MetricName="Failed",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=0,
        ComparisonOperator="GreaterThanThreshold",
    )
    cloudwatch.set_alarm_state(AlarmName="rings", StateValue="ALARM", StateReason="a test")

    data = live(cloudwatch)
    assert (data.alarm("rings"), data.alarm("another")) == ("ALARM", "INSUFFICIENT_DATA")
