"""`hub status`: one table of everything, in 80 columns, for people and for programs."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
import yaml
from rich.console import Console

from adapters.breakers import DynamoBreakers
from adapters.cursors import DynamoCursors
from adapters.health import DynamoHealth
from adapters.valves import LambdaValves
from cli.flow import Flowing
from cli.status import Being, Everything, Moving, Reading, late_seconds
from cli.status_table import drawn, lasting, sparkline
from cli.sync import Streaming
from hub import names
from hub.breaker import Breaker
from hub.breaker import State as Stand
from hub.health import Beat, Part, Record, Status, Waiting
from hub.runs import State
from infra.configuration import ROOT
from tests.cli.conftest import Stage
from tests.cli.test_operate_page import shape

NOW = datetime.now(UTC)  # each test sets it anew: a session takes minutes, and what is old is told
FLOW = "shop-eu-to-erp"
LONGEST = "a-shop-with-a-name-of-30-chars"
STREAM = Streaming("shop-eu", "orders", "idle", "rate(15 minutes)", "", "", 0, 0, "", "", "")


@pytest.fixture(autouse=True)
def this_moment() -> None:
    global NOW
    NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture(params=["stage", "local_stage"])
def running(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """A stage with an event on its queue; on AWS and on this machine."""
    stage: Stage = request.getfixturevalue(request.param)
    content = yaml.safe_load(stage.config.read_text())
    content["integrations"]["shop-eu"] |= {
        "url": "https://shop-eu.myshopify.com",
        "streams": {"orders": {"every": "15 minutes"}},
    }
    stage.write(content)
    stage.deploy()
    monkeypatch.setattr(LambdaValves, "is_read", lambda *_: True)
    sqs = stage.client("sqs")
    for queue in (names.queue(stage.name, FLOW), names.dead_letter_queue(stage.name, FLOW)):
        url = sqs.create_queue(QueueName=queue, Attributes={"FifoQueue": "true"})["QueueUrl"]
    url = sqs.get_queue_url(QueueName=names.queue(stage.name, FLOW))["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="x", MessageGroupId="g", MessageDeduplicationId="d")
    return stage


def keep(stage: Stage, integration: str, record: Record) -> None:
    kept = DynamoHealth(stage.client("dynamodb"), names.ledger_table(stage.name))
    assert kept.write(integration, replace(record, version=kept.read(integration).version), NOW)


def told(stage: Stage) -> dict[str, Any]:
    result = stage.hub("status", "--json")
    assert result.exit_code == 0, result.stderr
    content: dict[str, Any] = json.loads(result.stdout)
    return content


def applied(stage: Stage, ago: timedelta) -> None:
    """The flow wrote a document, as the stage tells of it."""
    if stage.name != "local":
        dimensions = [{"Name": "flow", "Value": FLOW}, {"Name": "stage", "Value": stage.name}]
        datum = {"MetricName": "Applied", "Dimensions": dimensions, "Timestamp": NOW - ago, "Value": 1.0}
        stage.client("cloudwatch").put_metric_data(Namespace="ErpHub", MetricData=[datum])
        return
    group = f"/aws/lambda/{names.delivery_function(stage.name, FLOW)}"
    stamp = int((NOW - ago).timestamp() * 1000)
    logs = stage.client("logs")
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName="s")
    line = {"timestamp": stamp, "message": json.dumps({"message": "ended", "outcome": "applied"})}
    logs.put_log_events(logGroupName=group, logStreamName="s", logEvents=[line])


def test_everything_of_a_stage_is_told(running: Stage) -> None:
    ago = timedelta(minutes=4)
    beats = (Beat(NOW - 2 * ago, Status.HEALTHY, 80), Beat(NOW - ago, Status.DOWN))
    record = Record((Part("call", Status.DOWN, "HTTP 503"),), beats, since=NOW - ago, healthy_at=NOW - 2 * ago)
    keep(running, "erp", record)
    keep(running, "shop-eu", Record((Part("call"),), beats[:1], waiting={FLOW: Waiting(1, NOW - 5 * ago)}))
    applied(running, timedelta(hours=3))
    cursors = DynamoCursors(running.client("dynamodb"), names.ledger_table(running.name))
    held = cursors.take("shop-eu/orders", "me", NOW)
    assert held
    held.keep(State(watermark="2026-01-01T00:00:00.000000Z"), NOW)
    held.leave({"state": "ended", "at": (NOW - timedelta(hours=1)).isoformat(), "rows": 7, "queued": 7})

    content = told(running)

    erp, shop = content["integrations"]
    assert (erp["status"], erp["why"], erp["availability"], erp["milliseconds"]) == ("down", "call: HTTP 503", 0.5, 80)
    assert (erp["since"], erp["healthy"]) == ((NOW - ago).isoformat(), (NOW - 2 * ago).isoformat())
    assert (shop["status"], [beat[1:] for beat in shop["beats"]]) == ("healthy", [["healthy", 80]])
    assert erp["parts"] == [{"name": "call", "status": "down", "told": "HTTP 503"}]
    (flow,) = content["flows"]
    assert (flow["flow"], flow["state"], flow["waiting"]) == (FLOW, "flows", 1)
    assert flow["age_seconds"] == pytest.approx(20 * 60, abs=60)
    assert abs(datetime.fromisoformat(flow["applied"]) - (NOW - timedelta(hours=3))) < timedelta(minutes=6)
    (stream,) = content["streams"]
    assert (stream["state"], stream["rows"]) == ("idle", 7)
    assert stream["late_seconds"] == pytest.approx(45 * 60, abs=60)


def test_an_integration_that_is_not_checked_is_not_taken_for_healthy(running: Stage) -> None:
    keep(running, "erp", Record((Part("call"),), (Beat(NOW - timedelta(minutes=30), Status.HEALTHY, 5),)))

    erp, shop = told(running)["integrations"]

    assert (erp["status"], shop["status"]) == ("unknown", "unknown")
    assert (erp["why"].split(";")[0], shop["why"].split(";")[0]) == ("checked no longer", "never checked")


def test_a_stage_that_is_not_deployed_is_told_in_a_sentence(stage: Stage) -> None:
    result = stage.hub("status")

    assert (result.exit_code, "not deployed" in result.stderr) == (1, True), result.stderr


def test_watching_goes_on_until_ctrl_c(running: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr("cli.status.time.sleep", sleep)
    looks = running.hub("status", "--json", "--watch", "5").stdout.splitlines()

    assert waited == [5, 5]
    assert [json.loads(look)["stage"] for look in looks] == [running.name] * 2


def shown(everything: Everything, colours: bool = False) -> str:
    out = StringIO()
    Console(file=out, width=80, highlight=False, force_terminal=colours, color_system="standard" if colours else None,
            ).print(drawn(everything))  # fmt: skip
    return out.getvalue()


def everything() -> Everything:
    beats = [
        (NOW.isoformat(), status, took) for status, took in [("healthy", 90), ("degraded", 2500), ("down", None)] * 4
    ]
    why = (
        "call: HTTP 503: the site is in maintenance and answers so to everything that it is asked, as it has for hours"
    )
    being = Being(LONGEST, "shopify", "degraded", why, "slower", "", 12_345, 0.98765, "", "", "", 2_000, beats)
    flow = Flowing(f"{LONGEST[:26]}-erp", "erp", "slowly", 123_456, 1_000, 99_999, 12_345, why)
    stream = replace(STREAM, integration=LONGEST, stream=LONGEST, state="failed", rows=1_234_567,
                     last_run=(NOW - timedelta(days=99)).isoformat(), why=why)  # fmt: skip
    applied_at = (NOW - timedelta(minutes=90)).isoformat()
    return Everything("production", NOW, [being], [Moving(flow, 90_000, applied_at)], [Reading(stream, 90_000)])


def test_the_widest_of_all_fits_80_columns_and_no_word_is_broken() -> None:
    whole = shown(everything())

    lines = whole.splitlines()
    assert max(map(len, lines)) <= 80
    assert [LONGEST, "degraded", "▁█✗▁█✗▁█✗▁█✗", "12,345", "98.7%", "never"] in [line.split() for line in lines]
    assert [f"{LONGEST[:26]}-erp", "slowly", "124456", "25", "h", "99999", "12345", "90", "min", "ago"] in [
        line.split() for line in lines
    ]
    words = {word for line in lines for word in line.split()}
    assert words >= {"maintenance", "everything", "hours", "failed:"}


def test_what_is_true_of_several_is_said_once() -> None:
    being = replace(everything().integrations[0], status="unknown", why="never checked", trend="steady")
    several = [replace(being, integration=name) for name in ("a", "b")]
    slower = replace(being, integration="c", status="healthy", why="", trend="slower")

    lines = [line.strip() for line in shown(replace(everything(), integrations=[*several, slower])).splitlines()]

    assert "a, b: never checked" in lines
    assert "c: its calls take longer than they did" in lines


def test_each_state_has_its_colour() -> None:
    coloured = shown(everything(), colours=True)

    assert "\x1b[33mdegraded" in coloured
    assert "\x1b[31m✗" in coloured
    assert "\x1b[31mfailed" in coloured


def test_a_bar_is_as_high_as_the_call_was_slow() -> None:
    beats = [("", "healthy", took) for took in (0, 500, 1000, 2000, 9000)] + [("", "healthy", None), ("", "down", 3)]

    assert sparkline(beats, 2_000).plain == "▁▂▄██·✗"


@pytest.mark.parametrize(
    ("schedule", "state", "minutes", "late"),
    [
        ("rate(15 minutes)", "idle", 20, 0.0),
        ("rate(15 minutes)", "idle", 30, 15.0),
        ("rate(15 minutes)", "paused", 30, None),
        ("cron(0 6 ? * MON-FRI *)", "idle", 30, None),
        ("by hand", "idle", 30, None),
    ],
)
def test_a_stream_is_late_once_its_schedule_was_missed(
    schedule: str, state: str, minutes: int, late: float | None
) -> None:
    ran = (NOW - timedelta(minutes=minutes)).isoformat()
    seconds = late_seconds(replace(STREAM, schedule=schedule, state=state, last_run=ran), NOW)

    assert seconds == (late if late is None else late * 60)


@pytest.mark.parametrize(("seconds", "words"), [(59, "59 s"), (180, "3 min"), (7200, "2 h"), (200_000, "2 d")])
def test_a_time_is_told_in_few_characters(seconds: float, words: str) -> None:
    assert lasting(seconds) == words


@pytest.mark.parametrize("running", ["stage"], indirect=True)
def test_the_page_shows_what_it_says(running: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    ago, why = timedelta(minutes=5), "HTTP 503: the site is in maintenance"
    took = [80, 82, 79, 85, 81, 420, None, None, None]
    at = [NOW - timedelta(minutes=1) - ago * (8 - number) for number in range(9)]
    states = [Status.DOWN if each is None else Status.HEALTHY for each in took]
    down = tuple(Beat(*each) for each in zip(at, states, took, strict=True))
    well = tuple(Beat(each, Status.HEALTHY, 80) for each in at)
    waiting = {FLOW: Waiting(1, NOW - 4 * ago)}
    keep(running, "erp", Record((Part("call", Status.DOWN, why),), down, healthy_at=at[5]))
    keep(running, "shop-eu", Record((Part("call"),), well, healthy_at=at[8], waiting=waiting))
    applied(running, timedelta(hours=3))
    table = names.ledger_table(running.name)
    DynamoBreakers(running.client("dynamodb"), table).write("erp", Breaker(Stand.OPEN, reason=why, flows={FLOW: 2}))
    held = DynamoCursors(running.client("dynamodb"), table).take("shop-eu/orders", "me", NOW)
    assert held
    held.keep(State(watermark="2026-01-01T00:00:00.000000Z"), NOW)
    held.leave({"state": "ended", "at": (NOW - 2 * ago).isoformat(), "rows": 7, "queued": 7})
    page = (ROOT / "docs" / "health.md").read_text("utf-8")
    example = page.split("$ hub status\n")[1].split("```")[0]

    assert shape(running.hub("status").stdout) == shape(example)
