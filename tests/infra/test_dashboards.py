"""The dashboards show what the hub counts, and can be drawn as they are defined."""

import json
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.dashboard.definitions import in_templates
from cli.dashboard.recorded import read
from cli.main import app
from hub import names
from hub.config import Config
from hub.metrics import CATALOGUE
from tests.infra.conftest import Synthesize
from tests.infra.templates import Templates

pytestmark = pytest.mark.slow

AWS = {"AWS/Lambda", "AWS/SQS", "AWS/Billing"}
SEARCH = re.compile(r"SEARCH\('\{([\w/]+),([^}]+)\} MetricName=\"(\w+)\"")
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_limits.html
MAX_WIDGETS, MAX_METRICS, MAX_METRICS_OF_A_WIDGET, MAX_EXPRESSION_CHARS = 500, 2_500, 500, 1_024


def dashboards(templates: Templates, stage: str = "production") -> dict[str, dict[str, Any]]:
    return dict(in_templates(templates.folder, stage).dashboards)


def metrics_of(body: dict[str, Any]) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Namespace, name and dimensions of each metric, searched ones included."""
    for widget in body["widgets"]:
        for row in widget["properties"].get("metrics", []):
            options = row[-1] if isinstance(row[-1], dict) else {}
            if found := SEARCH.match(options.get("expression", "")):
                yield found[1], found[3], tuple(sorted(found[2].split(",")))
            elif "expression" not in options:
                yield row[0], row[1], tuple(sorted(row[2:-1:2]))


def test_there_is_one_of_the_hub_and_one_of_each_integration(production: Templates, example: Config) -> None:
    assert set(dashboards(production)) == {
        "hub-production",
        *(f"hub-production-{name}" for name in example.integrations),
    }


def test_a_hub_may_do_with_one(synthesize: Synthesize, example: Config) -> None:
    one = dashboards(synthesize(example.model_copy(update={"integration_dashboards": False})))

    assert set(one) == {"hub-production"}
    assert "#dashboards:name=" not in json.dumps(one)


def test_every_metric_on_a_dashboard_is_counted_by_the_hub_or_by_aws(production: Templates, crowded: Templates) -> None:
    for body in [*dashboards(production).values(), *dashboards(crowded, "production123456").values()]:
        shown = set(metrics_of(body))
        assert shown
        for namespace, name, dimensions in shown:
            if namespace == names.METRICS_NAMESPACE:
                assert dimensions in CATALOGUE[name].dimensions, (name, dimensions)
            else:
                assert namespace in AWS


def test_what_operators_must_see_of_an_integration_is_there(production: Templates) -> None:
    shown = {name for _, name, _ in metrics_of(dashboards(production)["hub-production-shop-eu"])}

    assert shown >= {
        *("Applied", "Dead", "Failed", "EndToEndMilliseconds", "QueueMilliseconds", "DeliveryMilliseconds"),
        *("RateLimitHits", "BreakerOpen", "DeadLetters", "EscalatedDeadLetters", "CacheHits", "DestinationCalls"),
        *("Accepted", "Refused", "MissedWebhooks", "Available", "Health", "HealthMilliseconds"),
        *("ApproximateNumberOfMessagesVisible", "ApproximateAgeOfOldestMessage", "Duration", "Invocations"),
    }


def test_health_is_the_colour_of_alarms_that_exist(production: Templates) -> None:
    alarms = [*production.all("AWS::CloudWatch::Alarm"), *production.all("AWS::CloudWatch::CompositeAlarm")]
    exist = {one.properties["AlarmName"] for one in alarms}

    for body in dashboards(production).values():
        arns = [arn for each in body["widgets"] if each["type"] == "alarm" for arn in each["properties"]["alarms"]]
        assert arns
        assert {arn.rsplit(":", 1)[-1] for arn in arns} <= exist


def test_errors_and_last_success_are_read_from_the_logs_that_exist(production: Templates) -> None:
    exist = {one.properties["LogGroupName"] for one in production.all("AWS::Logs::LogGroup")}

    for body in dashboards(production).values():
        tables = [each["properties"] for each in body["widgets"] if each["type"] == "log"]
        assert [table["title"] for table in tables] == ["Top errors", "Last success"]
        for table in tables:
            groups = re.findall(r"SOURCE '([^']+)'", table["query"])
            assert groups
            assert set(groups) <= exist


def test_widgets_lie_beside_each_other_and_within_cloudwatchs_limits(crowded: Templates) -> None:
    for name, body in dashboards(crowded, "production123456").items():
        taken: set[tuple[int, int]] = set()
        metrics = 0
        for widget in body["widgets"]:
            cells = {
                (x, y)
                for x in range(widget["x"], widget["x"] + widget["width"])
                for y in range(widget["y"], widget["y"] + widget["height"])
            }
            assert not cells & taken, name
            assert max(x for x, _ in cells) < 24
            taken |= cells
            rows = widget["properties"].get("metrics", [])
            assert len(rows) <= MAX_METRICS_OF_A_WIDGET, (name, widget["properties"]["title"])
            expressions = [row[-1]["expression"] for row in rows if "expression" in row[-1]]
            assert all(len(each) <= MAX_EXPRESSION_CHARS for each in expressions)
            metrics += len(rows)
        assert len(body["widgets"]) <= MAX_WIDGETS
        assert metrics <= MAX_METRICS, name


def rendered(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["dashboard", "render", *arguments])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def pictures(local: Templates, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The local stage's dashboards in the middle of the recorded outage."""
    out = tmp_path_factory.mktemp("pictures")
    rendered("--templates", str(local.folder), "--out", str(out), "--until", "2026-03-01T13:00:00", "--hours", "8")
    return out


def test_each_dashboard_is_drawn_as_a_picture_and_a_page(pictures: Path) -> None:
    assert {path.name for path in pictures.iterdir()} == {
        f"hub-local{end}.{kind}" for end in ("", "-erp", "-shop-eu") for kind in ("png", "html")
    }
    for path in pictures.glob("*.png"):
        content = path.read_bytes()
        width, height = struct.unpack(">II", content[16:24])
        assert content.startswith(b"\x89PNG")
        assert (width, height > 1_500, len(content) > 100_000) == (1_920, True, True)


def test_a_page_shows_the_outage_and_needs_nothing_from_elsewhere(pictures: Path) -> None:
    page = (pictures / "hub-local-erp.html").read_text("utf-8")

    assert re.findall(r'(?:src|href)="(?!#)[^"]*"', page) == []
    assert not re.search(r"@import|url\((?!#)|<script", page)
    states = dict(
        re.findall(r'<li><span class="chip"[^>]*>([^<]+)</span>([^<]+)</li>', page)[i][::-1] for i in range(8)
    )
    assert states["hub-local-erp-down"] == states["hub-local-erp-unhealthy"] == "ALARM"
    assert states["hub-local-shop-eu-to-erp-queue-long"] == states["hub-local-shop-eu-to-erp-events-wait"] == "ALARM"
    assert states["hub-local-shop-eu-to-erp-dead-letters-wait"] == "OK"
    assert "AUTHENTICATION_FAILED" in page
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_every_dashboard_of_a_large_hub_can_be_drawn_without_data(crowded: Templates, tmp_path: Path) -> None:
    data = tmp_path / "none.json"
    times = {"from": "2026-03-01T06:00:00+00:00", "until": "2026-03-01T07:00:00+00:00", "of": "nothing"}
    data.write_text(json.dumps({"format": 1, "recorded": times, "metrics": []}))
    config = tmp_path / "production123456.yaml"
    config.write_text(
        (Path("config") / "example.yaml").read_text().replace("stage: production", "stage: production123456")
    )
    name = next(each for each in dashboards(crowded, "production123456") if each.endswith("-erp"))

    rendered(
        *("--config", str(config), "--templates", str(crowded.folder)),
        *("--dashboard", name, "--data", str(data), "--out", str(tmp_path)),
    )

    assert (tmp_path / f"{name}.png").exists()


def test_a_dashboard_that_does_not_exist_is_told_with_those_that_do(local: Templates, tmp_path: Path) -> None:
    result = CliRunner().invoke(
        app,
        ["dashboard", "render", "--templates", str(local.folder), "--dashboard", "nothing", "--out", str(tmp_path)],
    )

    assert result.exit_code == 1
    assert "there are: hub-local, hub-local-erp, hub-local-shop-eu." in result.output


@pytest.mark.parametrize(
    ("content", "told"), [(None, "cannot be read"), ("{}", "is no recorded metric data"), ("nothing", "is no recorded")]
)
def test_data_that_is_none_is_told(local: Templates, tmp_path: Path, content: str | None, told: str) -> None:
    data = tmp_path / "data.json"
    if content is not None:
        data.write_text(content)

    result = CliRunner().invoke(
        app, ["dashboard", "render", "--templates", str(local.folder), "--data", str(data), "--out", str(tmp_path)]
    )
    assert result.exit_code == 1
    assert told in " ".join(result.output.split())


def test_the_sample_is_what_the_hub_counts() -> None:
    sample = read(Path("cli/dashboard/sample.json"))

    for namespace, name, dimensions in sample.values:
        if namespace == names.METRICS_NAMESPACE:
            assert tuple(each for each, _ in dimensions) in CATALOGUE[name].dimensions, (name, dimensions)
