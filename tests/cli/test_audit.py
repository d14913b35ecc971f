"""An operator proves that nothing got lost, or learns what did."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml

from adapters.dynamodb import DynamoLedger
from hub import names
from hub.audit import packed
from hub.ledger import Entry, Failure, Outcome
from tests.cli.conftest import STAGE, Stage
from tests.fakes import an_event

NOW = datetime.now(UTC).replace(microsecond=0)
FLOW = "shop-eu-to-erp"
GROUP = f"/aws/lambda/{names.webhook_function(STAGE, 'shop-eu')}"
LOG_DAYS = 30


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.audit.LOOK_AGAIN_SECONDS", 0)


class Hub:
    """A stage whose edge has logged what it accepted, and whose ledger says how that ended."""

    def __init__(self, stage: Stage) -> None:
        stage.deploy()
        self.stage = stage
        self.ledger = DynamoLedger(stage.client("dynamodb"), names.ledger_table(STAGE), 90)
        for queue in (names.queue(STAGE, FLOW), names.dead_letter_queue(STAGE, FLOW)):
            stage.client("sqs").create_queue(QueueName=queue, Attributes={"FifoQueue": "true"})
        logs = stage.client("logs")
        logs.create_log_group(logGroupName=GROUP)
        logs.put_retention_policy(logGroupName=GROUP, retentionInDays=LOG_DAYS)
        logs.create_log_stream(logGroupName=GROUP, logStreamName="a-container")

    def accepted(self, number: int, hours_ago: float = 1, at: datetime | None = None, **line: Any) -> None:
        said = {"level": "INFO", "message": "accepted", "event": f"e{number}", "type": "shopify.orders/create"}
        said |= {"entity": f"shop-eu/order/{number}", **line}
        stamp = int((at or NOW - timedelta(hours=hours_ago)).timestamp() * 1000)
        self.stage.client("logs").put_log_events(
            logGroupName=GROUP,
            logStreamName="a-container",
            logEvents=[{"timestamp": stamp, "message": json.dumps(said)}],
        )

    def ended(
        self, number: int, outcome: Outcome = Outcome.APPLIED, hours_ago: float = 1, replayed: bool = False
    ) -> None:
        at = NOW - timedelta(hours=hours_ago)
        event = an_event(f"e{number}", f"shop-eu/order/{number}", received_at=at, replay_of="x" if replayed else None)
        failure = Failure("Refused", "", "", "no such item") if outcome is Outcome.DEAD else None
        self.ledger.record([Entry(FLOW, event, outcome, 1, at, failure=failure)], [])

    def queued(self, queue: str, number: int) -> None:
        sqs = self.stage.client("sqs")
        url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
        sqs.send_message(QueueUrl=url, MessageBody="x", MessageGroupId=str(number), MessageDeduplicationId=str(number))

    def reads_streams(self) -> None:
        """The shop is read as well, by a function with a log of its own."""
        content = yaml.safe_load(self.stage.config.read_text())
        content["integrations"]["shop-eu"] |= {"url": "https://shop.example.com", "streams": {"orders": {}}}
        self.stage.write(content)
        logs, group = self.stage.client("logs"), f"/aws/lambda/{names.sync_function(STAGE, 'shop-eu')}"
        logs.create_log_group(logGroupName=group)
        logs.create_log_stream(logGroupName=group, logStreamName="another-container")

    def read(self, *numbers: int, hours_ago: float = 1) -> None:
        events = [an_event(f"e{number}", f"shop-eu/order/{number}") for number in numbers]
        line = {"level": "INFO", "message": "queued", "count": len(events), "events": packed(events)}
        stamp = int((NOW - timedelta(hours=hours_ago)).timestamp() * 1000)
        self.stage.client("logs").put_log_events(
            logGroupName=f"/aws/lambda/{names.sync_function(STAGE, 'shop-eu')}",
            logStreamName="another-container",
            logEvents=[{"timestamp": stamp, "message": json.dumps(line)}],
        )

    def older_than_the_log(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The queues were made long before what the tests tell of."""
        monkeypatch.setattr("cli.audit._created", lambda *_: NOW - timedelta(days=300))

    def audit(self, *arguments: str) -> tuple[int, dict[str, Any], dict[str, Any]]:
        """The exit code, the whole, and the one flow."""
        result = self.stage.hub("audit", "--since", "24h", *arguments, "--json")
        whole = json.loads(result.stdout)
        (flow,) = whole["flows"]
        return result.exit_code, whole, flow


@pytest.fixture
def hub(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Hub:
    hub = Hub(stage)
    hub.older_than_the_log(monkeypatch)
    return hub


def test_all_that_came_in_is_accounted_for_by_its_outcome(hub: Hub) -> None:
    for number, outcome in enumerate(Outcome):
        hub.accepted(number)
        hub.ended(number, outcome)

    status, _, flow = hub.audit()

    assert (status, flow["in"], flow["unaccounted"]) == (0, len(Outcome), [])
    assert {outcome: flow[outcome] for outcome in Outcome} == dict.fromkeys(Outcome, 1)


def test_an_end_that_is_deleted_from_the_ledger_is_named(hub: Hub) -> None:
    for number in (1, 2):
        hub.accepted(number)
        hub.ended(number)
    key = {"entity": {"S": "shop-eu/order/2"}, "record": {"S": f"{FLOW}#e2"}}
    hub.stage.client("dynamodb").delete_item(TableName=names.ledger_table(STAGE), Key=key)

    status, _, flow = hub.audit()
    shown = hub.stage.hub("audit", "--since", "24h")

    assert (status, flow["applied"]) == (1, 1)
    assert flow["unaccounted"] == [
        {
            "entity": "shop-eu/order/2",
            "event_id": "e2",
            "type": "shopify.orders/create",
            "received_at": (NOW - timedelta(hours=1)).isoformat(),
        }
    ]
    assert "✗ 1 is unaccounted for:" in shown.stdout
    at = f"{NOW - timedelta(hours=1):%Y-%m-%d %H:%M:%S}"
    assert f"    {at}  shop-eu/order/2\n      orders/create, event e2\n" in shown.stdout
    assert "What to do: " in shown.stdout
    assert shown.exit_code == 1
    assert max(map(len, shown.stdout.splitlines())) <= 80


def test_what_the_provider_sent_twice_came_in_once(hub: Hub) -> None:
    hub.accepted(1, hours_ago=3)
    hub.accepted(1, hours_ago=2)
    hub.ended(1, hours_ago=3)

    status, _, flow = hub.audit()

    assert (status, flow["in"], flow["applied"]) == (0, 1, 1)


@pytest.mark.parametrize("queue", [names.queue(STAGE, FLOW), names.dead_letter_queue(STAGE, FLOW)])
def test_what_waits_on_a_queue_is_accounted_for_and_one_more_is_not(hub: Hub, queue: str) -> None:
    hub.accepted(1, hours_ago=2)
    hub.queued(queue, 1)
    only = hub.audit()
    hub.accepted(2, hours_ago=5)
    both = hub.audit()

    assert (only[0], only[2]["waiting"], only[2]["unaccounted"]) == (0, 1, [])
    assert (both[0], both[2]["waiting"]) == (1, 1)
    assert [each["event_id"] for each in both[2]["unaccounted"]] == ["e2"]


def test_a_message_that_came_after_the_period_does_not_hide_a_loss_in_it(hub: Hub) -> None:
    hub.accepted(1, hours_ago=5)
    hub.accepted(2, at=datetime.now(UTC))  # too young to be judged, and on the queue
    hub.queued(names.queue(STAGE, FLOW), 2)

    status, _, flow = hub.audit()

    assert (status, flow["in"], flow["waiting"]) == (1, 1, 0)
    assert [each["event_id"] for each in flow["unaccounted"]] == ["e1"]


def test_what_is_on_its_way_for_less_than_a_minute_is_not_judged(hub: Hub) -> None:
    hub.accepted(1, at=datetime.now(UTC))

    status, _, flow = hub.audit()

    assert (status, flow["in"]) == (0, 0)


def test_an_event_that_ends_while_it_is_looked_for_is_not_called_lost(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.accepted(1)
    monkeypatch.setattr("time.sleep", lambda _: hub.ended(1))

    status, _, flow = hub.audit()

    assert (status, flow["applied"]) == (0, 1)


def test_ends_without_a_line_are_counted_on_the_way_back(hub: Hub) -> None:
    hub.accepted(1)
    hub.ended(1)
    hub.ended(2)
    hub.ended(3, replayed=True)
    hub.ended(4, hours_ago=30)  # before the period

    _, whole, _ = hub.audit()
    _, quick, _ = hub.audit("--quick")

    assert whole["not_from_a_delivery"] == {"replayed": 1, "without_line": 1}
    assert quick["not_from_a_delivery"] is None


def test_what_was_read_is_accounted_for_beside_what_was_received(hub: Hub) -> None:
    hub.reads_streams()
    hub.accepted(1)
    hub.read(1, 2, 3)  # the first one came by its webhook, too: it is one event where it bears one id
    for number in (1, 2, 3):
        hub.ended(number)

    status, whole, flow = hub.audit()

    assert (status, flow["in"], flow["applied"], flow["unaccounted"]) == (0, 3, 3, [])
    assert whole["not_from_a_delivery"] == {"replayed": 0, "without_line": 0}


def test_a_row_that_was_queued_and_never_ended_is_named(hub: Hub) -> None:
    hub.reads_streams()
    hub.read(1, 2)
    hub.ended(1)

    status, _, flow = hub.audit()

    assert (status, flow["in"]) == (1, 2)
    assert [(each["entity"], each["event_id"]) for each in flow["unaccounted"]] == [("shop-eu/order/2", "e2")]


def test_what_came_before_a_flow_existed_is_not_asked_of_it(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.accepted(1, hours_ago=5)
    hub.accepted(2, hours_ago=1)
    hub.ended(2)
    monkeypatch.setattr("cli.audit._created", lambda *_: NOW - timedelta(hours=3))

    status, _, flow = hub.audit()

    assert (status, flow["in"], flow["before_the_flow"]) == (0, 1, 1)


def test_the_queue_tells_since_when_a_flow_exists(stage: Stage) -> None:
    """Its own creation, and not the one of this test's clock."""
    hub = Hub(stage)
    hub.accepted(1, hours_ago=5)

    status, _, flow = hub.audit()

    assert (status, flow["in"], flow["before_the_flow"]) == (0, 0, 1)


def test_lines_of_other_things_and_lines_that_are_broken_are_no_events(hub: Hub) -> None:
    hub.accepted(1, message="not accepted")
    logs = hub.stage.client("logs")
    stamp = int((NOW - timedelta(hours=1)).timestamp() * 1000)
    said = ["accepted", '{"message": "accepted"}', '["accepted"]', "START RequestId: accepted"]
    logs.put_log_events(
        logGroupName=GROUP,
        logStreamName="a-container",
        logEvents=[{"timestamp": stamp, "message": each} for each in said],
    )

    assert hub.audit()[2]["in"] == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--since", "40d"], "--since lies 40 days back, and the log remembers 30:"),
        (["--since", "30s"], "is no time: the latest 60 s are left out"),
        (["--since", "1h", "--until", "2h"], "is no time"),
        (["--since", "soon"], "--since 'soon' is no time: write how long ago"),
        (["--since", "1h", "--integration", "shop-us"], "has no integration 'shop-us'; it has: erp, shop-eu."),
        (["--since", "1h", "--integration", "erp"], "No flow begins at erp"),
    ],
)
def test_a_period_that_cannot_be_audited_is_refused(hub: Hub, arguments: list[str], told: str) -> None:
    result = hub.stage.hub("audit", *arguments)

    assert result.exit_code == 1
    assert told in result.stderr


def test_a_ledger_that_remembers_less_than_the_log_bounds_the_period(hub: Hub) -> None:
    config = hub.stage.config.read_text()
    hub.stage.config.write_text(config + "ledger_days: 7\n")

    result = hub.stage.hub("audit", "--since", "8d")

    assert "--since lies 8 days back, and the ledger remembers 7:" in result.stderr


def test_where_acceptances_are_not_logged_there_is_nothing_to_audit(hub: Hub) -> None:
    hub.stage.config.write_text(hub.stage.config.read_text() + "log_level: WARNING\n")

    result = hub.stage.hub("audit", "--since", "1h")

    assert (result.exit_code, "log_level is WARNING" in result.stderr) == (1, True)


def test_a_stage_that_is_not_deployed_is_one_sentence(stage: Stage) -> None:
    result = stage.hub("audit", "--since", "1h")

    assert result.exit_code == 1
    assert result.stderr == "Stage staging is not deployed: deploy it with `make deploy STAGE=staging`.\n"
