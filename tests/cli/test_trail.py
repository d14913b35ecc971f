"""Whoever changes something by `hub` is recorded first, for good; and `hub audit report` tells it."""

import csv
import getpass
import io
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.trail import DynamoTrail
from cli import main
from hub import names
from hub.trail import TrailUnavailable
from tests.cli.conftest import SESSION, STAGE, Stage

FLOW = "shop-eu-to-erp"
TRAIL = names.trail_table(STAGE)
CLI = Path(main.__file__).parent
# Commands that change something, by the file and function that is the command
MUTATING = {
    "approve": ["approve"],
    "backfill": ["backfill"],
    "dlq": ["discard_letters", "assign_letters"],
    "dlq_redrive": ["redrive_letters", "_begun", "_cancel"],
    "events": ["replay_events", "discard_event"],
    "files": ["put"],
    "flow": ["pause", "resume"],
    "ledger": ["restore"],
    "reconcile": ["_repair"],
    "rotation": ["rotate"],
    "secrets": ["set_secrets"],
    "settle": ["settle"],
    "setup": ["setup_erp", "setup_webhooks"],
    "sync": ["run", "pause", "resume", "reset"],
}


def items(stage: Stage) -> list[dict[str, str]]:
    found = stage.client("dynamodb").scan(TableName=TRAIL)["Items"]
    return [{name: value["S"] for name, value in item.items()} for item in found]


def test_who_did_what_when_and_why_is_kept(stage: Stage) -> None:
    stage.deploy()

    result = stage.hub("secrets", "set", "erp", "--reason", "new key", stdin='{"api_key": "an-api-key-nobody-may-see"}')

    assert result.exit_code == 0, result.output
    (item,) = items(stage)
    assert item["entity"] == f"operators/{datetime.now(UTC):%Y-%m}"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00#[0-9a-f]{32}", item["record"])
    assert item["who"].startswith("arn:aws:")
    assert (item["action"], item["about"], item["reason"]) == ("secrets set", "erp", "new key")
    assert (item["user"], json.loads(item["details"])) == (getpass.getuser(), {"changed": "api_key"})
    assert "nobody-may-see" not in json.dumps(item)


def test_a_machine_without_names_of_users_stops_nobody(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 1000")

    stage.deploy()
    monkeypatch.setattr("getpass.getuser", nameless)

    stage.hub("secrets", "set", "erp", stdin='{"api_key": "an-api-key-nobody-may-see"}')

    assert [item["user"] for item in items(stage)] == ["unknown"]


def test_what_cannot_be_recorded_is_not_done(stage: Stage) -> None:
    stage.deploy()
    stage.client("dynamodb").delete_table(TableName=TRAIL)

    for command in (("secrets", "set", "erp"), ("flow", "pause", FLOW, "--reason", "x"), ("flow", "resume", FLOW)):
        result = stage.hub(*command, stdin='{"api_key": "an-api-key-nobody-may-see"}')

        assert result.exit_code == 1
        assert "Nothing was done, since it could not be recorded" in " ".join(result.output.split())
    assert stage.secrets("erp") == {}
    assert stage.client("dynamodb").scan(TableName=names.ledger_table(STAGE))["Items"] == []


@pytest.mark.parametrize(("module", "function"), [(m, f) for m, functions in MUTATING.items() for f in functions])
def test_every_command_that_changes_something_is_noted(module: str, function: str) -> None:
    code = (CLI / f"{module}.py").read_text("utf-8")
    body = re.search(rf"^def {function}\(.*?(?=^(?:@|def |class )|\Z)", code, re.DOTALL | re.MULTILINE)

    assert body
    assert "noted(" in body[0] or "note_letters(" in body[0]


def note(*deeds: tuple[str, str, str]) -> None:
    """Deeds as (time, action, reason)."""
    for number, (at, action, reason) in enumerate(deeds):
        trail(at, f"id{number}").note(action, "shop-eu", reason, {"n": str(number)})


def trail(at: str = "2026-01-01T00:00:00+00:00", new_id: str = "one") -> DynamoTrail:
    client, now = SESSION.client("dynamodb"), datetime.fromisoformat(at)
    return DynamoTrail(
        client, TRAIL, lambda: "arn:aws:sts::1:assumed-role/ops/eva", lambda: "eva", lambda: now, lambda: new_id
    )


def test_nothing_in_the_trail_is_overwritten(stage: Stage) -> None:
    stage.deploy()
    trail().note("flow pause", "x", "first")

    with pytest.raises(TrailUnavailable, match="nothing was done"):
        trail().note("flow pause", "x", "second")
    assert [item["reason"] for item in items(stage)] == ["first"]


def test_a_report_tells_a_period_over_months_in_order(stage: Stage) -> None:
    stage.deploy()
    note(
        ("2025-12-31T23:59:59+00:00", "events discard", "too early"),
        ("2026-03-01T00:00:00+00:00", "events replay", "last"),
        ("2026-01-31T23:59:59.999999+00:00", "secrets rotate", "=cmd()"),
        ("2026-01-01T00:00:00+00:00", "flow pause", "first"),
        ("2026-03-01T00:00:01+00:00", "flow resume", "too late"),
    )
    period = ("audit", "report", "--from", "2026-01-01", "--to", "2026-03-01T00:00:00.5")

    told = json.loads(stage.hub(*period, "--format", "json").stdout)
    rows = list(csv.DictReader(io.StringIO(stage.hub(*period, "--format", "csv").stdout)))
    permissions = json.loads(stage.hub(*period, "--format", "json", "--permissions").stdout)

    assert [each["reason"] for each in told] == ["first", "=cmd()", "last"]
    assert told[0] == {
        "at": "2026-01-01T00:00:00+00:00",
        "who": "arn:aws:sts::1:assumed-role/ops/eva",
        "user": "eva",
        "action": "flow pause",
        "about": "shop-eu",
        "reason": "first",
        "concerns_permissions": True,
        "details": {"n": "3"},
    }
    assert [row["reason"] for row in rows] == ["first", "'=cmd()", "last"]
    assert [each["action"] for each in permissions] == ["flow pause", "secrets rotate"]


def test_a_report_goes_into_a_file_that_is_not_there_yet(stage: Stage, tmp_path: Path) -> None:
    stage.deploy()
    note(("2026-01-01T00:00:00+00:00", "flow pause", "first"))
    command = ("audit", "report", "--from", "2026-01-01", "--format", "csv", "--output", str(tmp_path / "report.csv"))

    assert [stage.hub(*command).exit_code for _ in range(2)] == [0, 1]
    assert "flow pause" in (tmp_path / "report.csv").read_text("utf-8")
    shown = stage.hub("audit", "report", "--from", "2026-01-01").stdout
    assert "eva (eva)" in shown
    assert "…" not in shown


def test_a_period_without_deeds_and_one_that_is_none(stage: Stage) -> None:
    stage.deploy()

    assert "Nobody did anything" in stage.hub("audit", "report", "--from", "1h").stdout
    assert stage.hub("audit", "report", "--from", "1h", "--to", "2h").exit_code == 1
    assert stage.hub("audit").exit_code == 2  # as ever: --since is missing


FIRST = datetime(2024, 11, 1, tzinfo=UTC)
MOMENTS = st.integers(0, 500 * 86_400).map(lambda seconds: FIRST + timedelta(seconds=seconds))


@given(st.lists(MOMENTS, max_size=20), MOMENTS, MOMENTS)
def test_a_period_holds_exactly_what_was_done_in_it(moments: list[datetime], since: datetime, until: datetime) -> None:
    kept: dict[tuple[str, str], Any] = {}

    class Table:
        """As much of DynamoDB as the trail asks."""

        def put_item(self, Item: Any, **_: Any) -> None:  # noqa: N803 - boto's name
            kept[Item["entity"]["S"], Item["record"]["S"]] = Item

        def get_paginator(self, _: str) -> Any:
            return self

        def paginate(self, ExpressionAttributeValues: Any, **_: Any) -> Any:  # noqa: N803 - boto's name
            entity, a, b = (ExpressionAttributeValues[name]["S"] for name in (":e", ":a", ":b"))
            yield {"Items": [kept[key] for key in sorted(kept) if key[0] == entity and a <= key[1] <= b]}

    client: Any = Table()
    clock, ids = iter(moments), map(str, range(len(moments)))
    kept_trail = DynamoTrail(client, TRAIL, lambda: "w", lambda: "u", lambda: next(clock), lambda: next(ids))
    for _ in moments:
        kept_trail.note("x", "y", "")

    found = list(kept_trail.deeds(since, until))

    assert sorted(each.at for each in found) == [each.at for each in found]
    assert sorted(each.at for each in found) == sorted(each for each in moments if since <= each < until)
