"""The `hub` command as an operator uses it: what flows, stopping and starting it, and replaying what is dead."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli.main import app
from hub import names
from infra.local.stand_in import stock
from tests.local_aws.hub import (
    FLOW,
    INTEGRATION,
    OTHER_FLOW,
    STAGE,
    WITHOUT_SECRET,
    LocalHub,
    a_line,
    an_order,
    wait_for,
)


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


def test_a_dead_order_is_told_of_previewed_and_redriven_once_its_cause_is_mended(hub: LocalHub, command: Any) -> None:
    table = hub.aws.client("dynamodb")
    for cause in table.query(  # other tests may have died of it: then nobody would be told
        TableName=names.ledger_table(STAGE),
        KeyConditionExpression="entity = :letters AND begins_with(#record, :cause)",
        ExpressionAttributeNames={"#record": "record"},
        ExpressionAttributeValues={":letters": {"S": names.letters(FLOW)}, ":cause": {"S": "cause#"}},
    )["Items"]:
        table.delete_item(TableName=names.ledger_table(STAGE), Key={name: cause[name] for name in ("entity", "record")})
    body = an_order(a_line("NEW-POSTER"))
    entity = f"{INTEGRATION}/order/{body['id']}"
    answer = hub.deliver("orders/create", body)
    assert hub.end_of(f"order/{body['id']}", answer).outcome == "dead"
    told = hub.told_of(entity)
    notice = hub.notice_about("NotConfigured")  # by cause: other tests' orders may be its example

    def letter(*status: str) -> dict[str, Any]:
        (found,) = json.loads(command("dlq", "list", "--entity", entity, "--json", *status).stdout)
        return dict(found)

    waits = letter()
    stock(hub.erp.url, ["NEW-POSTER"])
    preview = command("dlq", "redrive", "--entity", entity, "--preview", "--json")
    redriven = command("dlq", "redrive", "--entity", entity, "--reason", "NEW-POSTER is there now")

    assert preview.exit_code == 0, preview.output
    assert redriven.exit_code == 0, redriven.output
    wait_for(lambda: hub.ends(f"order/{body['id']}")[0].outcome == "applied" or None, "the order is not applied")
    (end,) = hub.ends(f"order/{body['id']}")
    assert (end.event_id, end.replay_of, len(hub.orders(body["id"]))) == (answer.event, answer.event, 1)
    assert f"{FLOW}: NotConfigured" in told
    assert f"{FLOW}: NotConfigured" in notice
    assert waits["status"] == "escalated"
    assert [each["effect"] for each in json.loads(preview.stdout)] == ["creates"]
    assert letter("--status", "resolved")["note"] == "applied"


def test_an_order_is_found_by_its_number_however_it_ended(hub: LocalHub, command: Any) -> None:
    well, bad = an_order(), an_order(a_line("NEW-MAP"))
    for body, outcome in ((well, "applied"), (bad, "dead")):
        assert hub.end_of(f"order/{body['id']}", hub.deliver("orders/create", body)).outcome == outcome

        found = command("events", "find", body["name"], "--json")

        assert found.exit_code == 0, found.output
        (end,) = json.loads(found.stdout)
        assert (end["entity"], end["outcome"]) == (f"{INTEGRATION}/order/{body['id']}", outcome)


def test_a_document_is_found_by_its_name_although_no_index_has_it(hub: LocalHub, command: Any) -> None:
    body = an_order()
    end = hub.end_of(f"order/{body['id']}", hub.deliver("orders/create", body))

    found = command("events", "find", end.name, "--json")

    assert [each["event_id"] for each in json.loads(found.stdout)] == [end.event_id]
    assert "reading the whole ledger" in found.stderr


def test_a_dead_order_is_discarded_and_stays_so_when_it_comes_again(hub: LocalHub, command: Any) -> None:
    body = an_order(a_line("NEW-GLOBE"))
    answer = hub.deliver("orders/create", body)
    dead = hub.end_of(f"order/{body['id']}", answer)

    done = command("events", "discard", str(body["id"]), dead.event_id, "--reason", "a test order")

    assert done.exit_code == 0, done.output
    (end,) = hub.ends(f"order/{body['id']}")
    assert (end.outcome, end.rule.endswith(": a test order")) == ("discarded", True)


def test_the_audit_accounts_for_all_that_came_in_and_names_what_was_deleted(
    hub: LocalHub, command: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.audit.GRACE", timedelta(0))  # a test cannot wait a minute
    monkeypatch.setattr("cli.audit.LOOK_AGAIN_SECONDS", 0)
    began = datetime.now(UTC)
    bodies = [an_order(), an_order(), an_order(a_line("NEW-COMPASS"))]
    answers = [hub.deliver("orders/create", body) for body in bodies]
    ends = [hub.end_of(f"order/{body['id']}", answer) for body, answer in zip(bodies, answers, strict=True)]
    hub.deliver("orders/create", bodies[0], webhook_id=answers[0].webhook_id)  # as a provider repeats itself
    hub.settle()

    def audit() -> tuple[int, dict[str, Any], dict[str, Any]]:
        told = command("audit", "--since", began.isoformat(), "--integration", INTEGRATION, "--json")
        whole = json.loads(told.stdout)
        return told.exit_code, whole, whole["flows"][0]

    def logged() -> tuple[int, dict[str, Any], dict[str, Any]] | None:
        seen = audit()
        return seen if seen[2]["in"] == len(bodies) else None

    status, whole, flow = wait_for(logged, "the log does not tell of all three orders")
    key = {"entity": {"S": ends[1].entity}, "record": {"S": f"{FLOW}#{ends[1].event_id}"}}
    hub.aws.client("dynamodb").delete_item(TableName=names.ledger_table(STAGE), Key=key)
    after = audit()
    shown = command("audit", "--since", began.isoformat(), "--quick")

    assert (status, flow["applied"], flow["dead"], flow["waiting"], flow["unaccounted"]) == (0, 2, 1, 0, [])
    assert whole["not_from_a_delivery"] == {"replayed": 0, "without_line": 0}
    assert after[0] == 1
    assert [(each["entity"], each["event_id"]) for each in after[2]["unaccounted"]] == [
        (ends[1].entity, ends[1].event_id)
    ]
    assert (shown.exit_code, f"event {ends[1].event_id}" in shown.stdout) == (1, True)


def test_what_is_not_dead_is_not_replayed_by_mistake(hub: LocalHub, command: Any) -> None:
    body = an_order()
    hub.end_of(f"order/{body['id']}", hub.deliver("orders/create", body))

    nothing = command("events", "replay", str(body["id"]))

    assert nothing.exit_code == 1
    assert f"knows no dead event of {body['id']}" in nothing.output


def test_a_smoke_test_tells_what_is_missing_of_a_deployed_stage_and_nothing_else(hub: LocalHub, command: Any) -> None:
    def smoke() -> tuple[int, set[str]]:
        told = command("smoke", "--json")
        return told.exit_code, {about for about, faults in json.loads(told.stdout).items() if faults}

    secret_missing = f"{WITHOUT_SECRET}: its secrets are stored"
    whole = smoke()
    with hub.paused(names.delivery_function(STAGE, FLOW)):
        stopped = smoke()

    assert whole == (1, {secret_missing})
    assert stopped == (1, {secret_missing, f"{FLOW}: its queue is read"})


def test_what_an_operator_did_is_told(hub: LocalHub, command: Any) -> None:
    command("flow", "pause", OTHER_FLOW, "--reason", "stocktaking")
    command("flow", "resume", OTHER_FLOW, "--reason", "done")

    told = json.loads(command("audit", "report", "--from", "1h", "--format", "json").stdout)

    deeds = [(each["action"], each["reason"]) for each in told if each["about"] == OTHER_FLOW]
    assert deeds[-2:] == [("flow pause", "stocktaking"), ("flow resume", "done")]
    assert all(each["who"].startswith("arn:aws:") for each in told)
