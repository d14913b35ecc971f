"""A secret is rotated without a gap, and deliveries tell when the value before is no longer used."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adapters.secrets import IntegrationSecrets
from cli.rotation import generated
from connectors import manifest_path
from hub import names
from hub.manifest import Manifest, read_manifest
from tests.cli.conftest import SIGNING, Stage

NEW = SIGNING
WEBHOOK_LOG = "/aws/lambda/hub-local-webhook-shop-eu"


@pytest.fixture
def shop(stage: Stage) -> Stage:
    stage.deploy()
    stage.store("shop-eu", webhook="old")
    return stage


def rows(output: str) -> dict[str, list[str]]:
    """The lines of a table by integration and secret."""
    lines = [[cell.strip() for cell in line.split("│")[1:-1]] for line in output.splitlines() if line.startswith("│")]
    return {f"{integration} {secret}": rest for integration, secret, *rest in lines}


def remaining(stored: dict[str, str], name: str = "webhook") -> timedelta:
    return datetime.fromisoformat(stored[f"{name}_previous_until"]) - datetime.now(UTC)


def test_the_new_value_and_for_a_time_the_one_before_count(shop: Stage) -> None:
    result = shop.hub("secrets", "rotate", "shop-eu", stdin=f"{NEW}\n")

    stored = shop.secrets("shop-eu")
    assert result.exit_code == 0
    assert (stored["webhook"], stored["webhook_previous"]) == (NEW, "old")
    assert timedelta(hours=23, minutes=59) < remaining(stored) <= timedelta(hours=24)
    assert "webhook of shop-eu is rotated: the new value counts within 5 minutes" in result.stderr


def test_the_functions_accept_both_until_the_overlap_ends(shop: Stage) -> None:
    shop.hub("secrets", "rotate", "shop-eu", "--overlap", "90m", stdin=NEW)

    def live(at: datetime) -> tuple[str, ...]:
        client = shop.client("secretsmanager")
        secret_id = names.secret(shop.name, "shop-eu")
        return IntegrationSecrets(client, secret_id, lambda: 0.0, lambda: at).live("webhook")

    assert live(datetime.now(UTC) + timedelta(minutes=89)) == (NEW, "old")
    assert live(datetime.now(UTC) + timedelta(minutes=91)) == (NEW,)


def test_a_secret_that_signs_nothing_is_rotated_by_its_name(stage: Stage) -> None:
    stage.deploy()
    stage.store("erp", api_key="k", api_secret="old")

    result = stage.hub("secrets", "rotate", "erp", "api_secret", "--overlap", "7d", stdin=NEW)

    stored = stage.secrets("erp")
    assert result.exit_code == 0
    assert (stored["api_key"], stored["api_secret"], stored["api_secret_previous"]) == ("k", NEW, "old")
    assert timedelta(days=6, hours=23) < remaining(stored, "api_secret") <= timedelta(days=7)


def test_a_person_is_asked_without_echo(shop: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.secrets.at_terminal", lambda: True)

    assert shop.hub("secrets", "rotate", "shop-eu", stdin=f"{NEW}\n").exit_code == 0
    assert shop.secrets("shop-eu")["webhook"] == NEW


def test_a_value_that_is_ours_to_choose_is_made_up_and_shown_once(shop: Stage) -> None:
    result = shop.hub("secrets", "rotate", "shop-eu", "--generate")

    stored = shop.secrets("shop-eu")
    assert result.stdout == f"{stored['webhook']}\n"
    assert stored["webhook"] not in result.stderr
    assert (len(stored["webhook"]), stored["webhook_previous"]) == (43, "old")


def test_a_made_up_value_is_written_as_the_connector_reads_the_key() -> None:
    shopify = read_manifest(manifest_path("shopify")).model_dump()

    def with_key(key: str) -> Manifest:
        return Manifest.model_validate(
            shopify | {"webhook": shopify["webhook"] | {"signature": {**shopify["webhook"]["signature"], "key": key}}}
        )

    assert len(bytes.fromhex(generated(with_key("hex")))) == 32
    assert len(base64.b64decode(generated(with_key("base64")), validate=True)) == 32
    assert generated(with_key("utf-8")) != generated(with_key("utf-8"))
    standard = generated(read_manifest(manifest_path("standardwebhooks")))
    assert len(base64.b64decode(standard.removeprefix("whsec_"), validate=True)) == 32


def test_a_rotation_that_still_runs_is_not_overrun(shop: Stage) -> None:
    shop.hub("secrets", "rotate", "shop-eu", stdin="second")
    before = shop.secrets("shop-eu")

    refused = shop.hub("secrets", "rotate", "shop-eu", stdin=NEW)
    kept = shop.secrets("shop-eu")
    forced = shop.hub("secrets", "rotate", "shop-eu", "--force", stdin=NEW)

    assert (refused.exit_code, kept) == (1, before)
    assert refused.stderr.startswith("The last rotation of webhook is still running: the value before it counts until ")
    assert forced.exit_code == 0
    assert shop.secrets("shop-eu")["webhook_previous"] == "second"


def test_one_that_has_ended_makes_way(shop: Stage) -> None:
    ended = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
    shop.store("shop-eu", webhook="second", webhook_previous="old", webhook_previous_until=ended)

    result = shop.hub("secrets", "rotate", "shop-eu", stdin=NEW)

    assert result.exit_code == 0
    assert shop.secrets("shop-eu")["webhook_previous"] == "second"


@pytest.mark.parametrize(
    ("arguments", "stdin", "told"),
    [
        (["shop-eu"], "", "This is no value; nothing was changed."),
        (["shop-eu"], " \n", "This is no value; nothing was changed."),
        (["shop-eu"], "old\n", "This is the stored value; nothing was changed."),
        (["shop-eu", "webhok"], NEW, "shop-eu has no secret 'webhok'; it has: webhook, admin_token."),
        (["shop-eu", "--overlap", "soon"], NEW, "--overlap is not a time up to 30 days; write it as 90m, 24h or 7d."),
        (["shop-eu", "--overlap", "31d"], NEW, "--overlap is not a time up to 30 days"),
        (["shop-eu", "--overlap", "0h"], NEW, "--overlap is not a time up to 30 days"),
        (["erp", "api_key"], NEW, "erp has no api_key yet: store it with `hub secrets set erp`."),
        (["erp"], NEW, "erp verifies deliveries without a secret; it has: api_key, api_secret."),
    ],
)
def test_what_cannot_be_rotated_changes_nothing(shop: Stage, arguments: list[str], stdin: str, told: str) -> None:
    result = shop.hub("secrets", "rotate", *arguments, stdin=stdin)

    assert (result.exit_code, shop.secrets("shop-eu"), shop.secrets("erp")) == (1, {"webhook": "old"}, {})
    assert told in result.stderr


def test_the_status_tells_what_is_set_and_until_when_the_value_before_counts(shop: Stage) -> None:
    shop.hub("secrets", "rotate", "shop-eu", stdin=NEW)
    until = datetime.fromisoformat(shop.secrets("shop-eu")["webhook_previous_until"])

    told = rows(shop.hub("secrets", "status").stdout)

    assert told == {
        "erp api_key": ["no", "–", "–"],
        "erp api_secret": ["no", "–", "–"],
        "shop-eu admin_token": ["no", "–", "–"],
        "shop-eu webhook": ["yes", f"until {until:%Y-%m-%d %H:%M}", "none"],
    }


def test_a_value_whose_time_is_over_counts_no_longer(shop: Stage) -> None:
    shop.store("shop-eu", webhook=NEW, webhook_previous="old", webhook_previous_until="2026-01-01T00:00:00+00:00")

    assert rows(shop.hub("secrets", "status").stdout)["shop-eu webhook"] == ["yes", "no longer", "none"]


def test_deliveries_by_the_value_before_are_counted_by_their_metric(shop: Stage) -> None:
    shop.hub("secrets", "rotate", "shop-eu", stdin=NEW)
    count(shop, "shop-eu", 3, hours_ago=1)
    count(shop, "shop-eu", 4, hours_ago=30)
    count(shop, "shop-us", 50, hours_ago=1)

    assert rows(shop.hub("secrets", "status").stdout)["shop-eu webhook"][-1] == "3"
    assert rows(shop.hub("secrets", "status", "--hours", "48").stdout)["shop-eu webhook"][-1] == "7"


def test_on_this_machine_they_are_counted_in_the_log(local_stage: Stage) -> None:
    local_stage.deploy()
    local_stage.store("shop-eu", webhook="old")
    local_stage.hub("secrets", "rotate", "shop-eu", stdin=NEW)
    lines: list[dict[str, Any]] = [
        {"message": "accepted", "Accepted": 1},
        {"message": "accepted", "Accepted": 1, "PreviousSecret": 1},
        {"message": "accepted", "Accepted": 2, "PreviousSecret": 1},
    ]
    log(local_stage, "START RequestId: 1", *map(json.dumps, lines), '"PreviousSecret"')

    result = local_stage.hub("secrets", "status")

    assert rows(result.stdout)["shop-eu webhook"][-1] == "2"
    assert "counted in the functions' logs, since the local AWS makes no metrics of them" in " ".join(
        result.stdout.split()
    )


def test_nothing_logged_yet_is_no_failure(local_stage: Stage) -> None:
    local_stage.deploy()
    local_stage.store("shop-eu", webhook="old")
    local_stage.hub("secrets", "rotate", "shop-eu", stdin=NEW)

    assert rows(local_stage.hub("secrets", "status").stdout)["shop-eu webhook"][-1] == "none"


def count(stage: Stage, integration: str, number: int, hours_ago: int) -> None:
    """Deliveries that were signed by the value before, as their metric counts them."""
    stage.client("cloudwatch").put_metric_data(
        Namespace=names.METRICS_NAMESPACE,
        MetricData=[
            {
                "MetricName": "PreviousSecret",
                "Dimensions": [{"Name": "integration", "Value": integration}, {"Name": "stage", "Value": stage.name}],
                "Timestamp": datetime.now(UTC) - timedelta(hours=hours_ago),
                "Value": number,
            }
        ],
    )


def log(stage: Stage, *lines: str) -> None:
    """Lines in the log of a webhook function."""
    logs = stage.client("logs")
    logs.create_log_group(logGroupName=WEBHOOK_LOG)
    logs.create_log_stream(logGroupName=WEBHOOK_LOG, logStreamName="one")
    now = int(datetime.now(UTC).timestamp() * 1000)
    events = [{"timestamp": now, "message": line} for line in lines]
    logs.put_log_events(logGroupName=WEBHOOK_LOG, logStreamName="one", logEvents=events)
