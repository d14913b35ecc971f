"""The `hub` command as an operator uses it: what flows, stopping and starting it, and replaying what is dead."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli.main import app
from hub import names
from infra.local.stand_in import stock
from tests.local_aws.hub import FLOW, STAGE, LocalHub, a_line, an_order, wait_for


@pytest.fixture
def command(hub: LocalHub, config_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The `hub` command, pointed at the local AWS of this session."""
    monkeypatch.setattr("cli.stage.local_aws_url", lambda: hub.aws.endpoint)

    def run(*words: str) -> Result:
        return CliRunner().invoke(app, [*words, "--config", str(config_folder / f"{STAGE}.yaml")])

    return run


def status(command: Any) -> dict[str, Any]:
    rows = json.loads(command("flow", "status", "--json").output)
    return next(row for row in rows if row["flow"] == FLOW)


def test_a_flow_is_paused_and_resumed_and_nothing_is_lost(hub: LocalHub, command: Any) -> None:
    assert status(command)["state"] == "flows"

    paused = command("flow", "pause", FLOW, "--reason", "stocktaking")
    assert paused.exit_code == 0, paused.output
    wait_for(lambda: hub.reading(FLOW) == "Disabled" or None, "the flow is not paused")
    body = an_order()
    answer = hub.deliver("orders/create", body)
    wait_for(lambda: status(command)["waiting"] == 1 or None, "the event does not wait")
    during = status(command)
    hub.tend()
    resumed = command("flow", "resume", FLOW)

    assert during["why"].endswith(": stocktaking")
    assert (during["state"], hub.ends(f"order/{body['id']}")) == ("paused", [])
    assert resumed.exit_code == 0, resumed.output
    assert hub.end_of(f"order/{body['id']}", answer).outcome == "applied"
    assert status(command)["state"] == "flows"


def test_a_flow_that_is_stopped_without_a_reason_is_told_and_can_be_resumed(hub: LocalHub, command: Any) -> None:
    """A restored ledger does not know of the outage in which it was lost."""
    with hub.paused(names.delivery_function(STAGE, FLOW)):
        stopped = status(command)
        command("flow", "resume", FLOW)
        wait_for(lambda: hub.reading(FLOW) == "Enabled" or None, "the flow is not resumed")

    assert (stopped["state"], "hub flow resume" in stopped["why"]) == ("stopped", True)


def test_the_table_is_readable_and_a_wrong_flow_is_told(hub: LocalHub, command: Any) -> None:
    shown, wrong = command("flow", "status"), command("flow", "pause", "shop-to-nowhere", "--reason", "x")

    assert FLOW in shown.output
    assert "flows" in shown.output
    assert wrong.exit_code == 1
    assert "has no flow 'shop-to-nowhere'; it has: " in wrong.output
    assert FLOW in wrong.output


def test_a_dead_order_is_replayed_once_its_cause_is_mended(hub: LocalHub, command: Any) -> None:
    body = an_order(a_line("NEW-POSTER"))
    answer = hub.deliver("orders/create", body)
    assert hub.end_of(f"order/{body['id']}", answer).outcome == "dead"

    stock(hub.erp.url, ["NEW-POSTER"])
    replayed = command("events", "replay", str(body["id"]))

    assert replayed.exit_code == 0, replayed.output
    wait_for(lambda: hub.ends(f"order/{body['id']}")[0].outcome == "applied" or None, "the order is not applied")
    (end,) = hub.ends(f"order/{body['id']}")
    assert (end.event_id, end.replay_of, len(hub.orders(body["id"]))) == (answer.event, answer.event, 1)


def test_what_is_not_dead_is_not_replayed_by_mistake(hub: LocalHub, command: Any) -> None:
    body = an_order()
    hub.end_of(f"order/{body['id']}", hub.deliver("orders/create", body))

    nothing = command("events", "replay", str(body["id"]))

    assert nothing.exit_code == 1
    assert f"knows no dead event of {body['id']}" in nothing.output
