"""`hub smoke` names what is missing after a deployment; the whole of it runs on the local AWS (tests/local_aws)."""

import json
from functools import partial
from typing import Any

import pytest
import yaml

from cli import smoke
from cli.stage import open_stage
from hub import names
from tests.cli.conftest import STAGE, Stage, Web


def opened(stage: Stage) -> Any:
    return open_stage(None, stage.config)


def with_integrations(stage: Stage, **more: dict[str, Any]) -> None:
    content = yaml.safe_load(stage.config.read_text())
    content["integrations"] |= {name: each["integration"] for name, each in more.items()}
    content["flows"] |= {f"{name}-flow": each["flow"] for name, each in more.items()}
    stage.write(content)


def test_each_fault_is_told_and_any_makes_it_fail(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.stage.Stage.outputs", lambda _: {})
    faults = {"a: is well": [], "b: is not": ["B lacks x: store it."]}
    monkeypatch.setattr("cli.smoke.checks", lambda _: [(name, partial(iter, told)) for name, told in faults.items()])

    shown, as_json = stage.hub("smoke"), stage.hub("smoke", "--json")
    faults.pop("b: is not")
    well = stage.hub("smoke")

    assert (shown.exit_code, as_json.exit_code, well.exit_code) == (1, 1, 0)
    assert [" ".join(line.split()) for line in shown.output.splitlines()] == [
        "ok a: is well",
        "wrong b: is not",
        "B lacks x: store it.",
        "1 of 2 checks passed.",
    ]
    assert json.loads(as_json.stdout)["b: is not"] == ["B lacks x: store it."]


REST = {"connector": "generic_rest", "url": "https://crm.example.com"}
PUSH = {"connector": "http_batch", "url": "https://crm.example.com"}
TABLE = {"connector": "postgresql", "url": "postgresql://db.example.com/shop"}


def to_crm(auth: dict[str, Any]) -> dict[str, Any]:
    return {"source": "shop-eu", "destination": "crm", "settings": {"path": "/x", "auth": auth}}


def from_crm(auth: dict[str, Any]) -> dict[str, Any]:
    return {**REST, "streams": {"contacts": {"settings": {"path": "/x", "auth": auth}}}}


INTO_ERP = {"source": "crm", "destination": "erp", "settings": {}}


@pytest.mark.parametrize(
    ("integration", "flow", "expected"),
    [
        (PUSH, to_crm({"type": "bearer"}), {"token"}),
        (PUSH, to_crm({"type": "basic"}), {"username", "password"}),
        (PUSH, to_crm({"type": "oauth2", "token_url": "/token"}), {"client_id", "client_secret"}),
        (PUSH, to_crm({"type": "none"}), set()),
        (TABLE, {"source": "shop-eu", "destination": "crm", "settings": {"table": "x"}}, {"username", "password"}),
        (from_crm({"type": "query", "name": "key"}), INTO_ERP, {"token"}),
    ],
)
def test_the_secrets_that_the_configuration_asks_for_are_known_without_a_call(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, integration: Any, flow: Any, expected: set[str]
) -> None:
    monkeypatch.setattr("infra.configuration.sense", lambda _: iter(()))  # only what is needed is looked at here
    with_integrations(stage, crm={"integration": integration, "flow": flow})

    assert smoke.needed(opened(stage), "crm") == expected


def test_a_missing_secret_is_named_and_a_stored_one_never_shown(stage: Stage) -> None:
    stage.deploy()
    stage.store("erp", api_key="an-api-key-nobody-may-see", api_secret="")

    told = list(smoke._secrets(opened(stage), "erp"))

    assert told == ["erp lacks api_secret: store it with `hub secrets set erp`."]
    assert smoke.needed(opened(stage), "shop-eu") == {"webhook"}


@pytest.mark.parametrize(
    ("status", "told"),
    [(401, ""), (403, ""), (200, "nobody signed"), (404, "HTTP 404"), (500, "HTTP 500"), (503, "HTTP 503")],
)
def test_an_unsigned_delivery_must_be_refused(
    stage: Stage, web: Web, monkeypatch: pytest.MonkeyPatch, status: int, told: str
) -> None:
    web.answer = (status, b"{}")
    monkeypatch.setattr("cli.smoke.webhook_url", lambda *_: f"{web.url}/webhooks/shop-eu")

    faults = list(smoke._unsigned(opened(stage), "shop-eu"))

    assert [method for method, *_ in web.came] == ["POST"]
    assert bool(faults) == bool(told)
    assert told in " ".join(faults)


def test_alarms_must_be_heard_by_somebody_who_has_confirmed(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    sns = stage.client("sns")
    arn = sns.create_topic(Name=names.alarms_topic(STAGE))["TopicArn"]
    monkeypatch.setattr("cli.stage.Stage.outputs", lambda _: {"AlarmsTopic": arn, "ApiId": "x"})

    assert "nobody is subscribed" in " ".join(smoke._heard(opened(stage)))
    sns.subscribe(TopicArn=arn, Protocol="email", Endpoint="operations@example.com")
    assert list(smoke._heard(opened(stage))) == []


def test_what_cannot_be_looked_at_is_a_fault_and_ends_no_other_check(stage: Stage) -> None:
    for about, look in smoke.checks(opened(stage)):
        if not about.endswith(("refused", "heard")):  # which ask for the stack first
            assert list(smoke._faults(look)), about


def test_streams_need_their_schedules(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.configuration.sense", lambda _: iter(()))  # only schedules are looked at here
    crm = from_crm({"type": "none"})
    crm["streams"]["contacts"]["every"] = "1 hour"
    with_integrations(stage, crm={"integration": crm, "flow": INTO_ERP})
    scheduler = stage.client("scheduler")
    about = {
        "Name": "contacts",
        "ScheduleExpression": "rate(1 hour)",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": {
            "Arn": f"arn:aws:lambda:eu-central-1:1:function:{names.sync_function(STAGE, 'crm')}",
            "RoleArn": "arn:aws:iam::123456789012:role/run",
        },
    }

    missing = list(smoke._schedules(opened(stage), "crm"))
    scheduler.create_schedule(**about)
    there = list(smoke._schedules(opened(stage), "crm"))
    scheduler.update_schedule(**about, State="DISABLED")
    disabled = list(smoke._schedules(opened(stage), "crm"))

    assert "0 schedules for 1 streams" in missing[0]
    assert there == []
    assert "disabled" in disabled[0]
