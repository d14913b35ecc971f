"""Secrets come in by prompt or stdin, are checked against the manifest, and never come out again."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from tests.cli.conftest import API_KEY, API_SECRET, SIGNING, Stage


def test_secrets_from_stdin_are_stored(stage: Stage) -> None:
    stage.deploy()

    result = stage.hub("secrets", "set", "erp", stdin=json.dumps({"api_key": API_KEY, "api_secret": API_SECRET}))

    assert result.exit_code == 0
    assert stage.secrets("erp") == {"api_key": API_KEY, "api_secret": API_SECRET}
    assert "Changed in hub/staging/erp: api_key, api_secret. In use everywhere within 5 minutes." in result.stdout


def test_one_of_several_can_be_changed(stage: Stage) -> None:
    stage.deploy()
    stage.store("erp", api_key=API_KEY, api_secret="old")

    result = stage.hub("secrets", "set", "erp", stdin=json.dumps({"api_secret": API_SECRET}))

    assert result.exit_code == 0
    assert stage.secrets("erp") == {"api_key": API_KEY, "api_secret": API_SECRET}


def test_a_person_is_asked_for_each_without_echo(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.deploy()
    stage.store("erp", api_secret="old")
    monkeypatch.setattr("cli.secrets.at_terminal", lambda: True)

    result = stage.hub("secrets", "set", "erp", stdin=f"{API_KEY}\n\n")

    assert result.exit_code == 0
    assert stage.secrets("erp") == {"api_key": API_KEY, "api_secret": "old"}
    assert "API key of the hub's own user" in result.stderr


def test_a_replaced_signing_secret_stays_valid_until_it_is_forgotten(stage: Stage) -> None:
    stage.deploy()
    stage.store("shop-eu", webhook="old")

    stage.hub("secrets", "set", "shop-eu", stdin=json.dumps({"webhook": SIGNING}))
    rotating = stage.secrets("shop-eu")
    stage.hub("secrets", "set", "shop-eu", "--forget-previous", stdin="{}")

    until = datetime.fromisoformat(rotating.pop("webhook_previous_until"))
    assert rotating == {"webhook": SIGNING, "webhook_previous": "old"}
    assert timedelta(hours=23, minutes=59) < until - datetime.now(UTC) <= timedelta(hours=24)
    assert stage.secrets("shop-eu") == {"webhook": SIGNING}


def test_the_first_signing_secret_has_no_previous_one(stage: Stage) -> None:
    stage.deploy()

    stage.hub("secrets", "set", "shop-eu", stdin=json.dumps({"webhook": SIGNING}))

    assert stage.secrets("shop-eu") == {"webhook": SIGNING}


@pytest.mark.parametrize(
    ("stdin", "told"),
    [
        (json.dumps({"webhok": SIGNING}), "shop-eu has no secret named webhok; it has: webhook"),
        (f"webhook={SIGNING}", "stdin is not a JSON object of texts"),
        (json.dumps([SIGNING]), "stdin is not a JSON object of texts"),
        (json.dumps({"webhook": 5}), "stdin is not a JSON object of texts"),
        (json.dumps({"webhook": ""}), "Nothing new was given; nothing was changed."),
        ("", "stdin is not a JSON object of texts"),
    ],
)
def test_what_cannot_be_stored_changes_nothing(stage: Stage, stdin: str, told: str) -> None:
    stage.deploy()
    stage.store("shop-eu", webhook="old")

    result = stage.hub("secrets", "set", "shop-eu", stdin=stdin)

    assert (result.exit_code, stage.secrets("shop-eu")) == (1, {"webhook": "old"})
    assert told in result.stderr


def test_names_are_shown_and_values_are_not(stage: Stage) -> None:
    stage.deploy()
    stage.store("erp", api_key=API_KEY)

    result = stage.hub("secrets", "show", "erp")

    told = {
        name: words for line in result.stdout.splitlines() for name, *words in [line.replace("│", "").split()] if words
    }
    assert result.exit_code == 0
    assert (told["api_key"][0], told["api_secret"][0]) == ("yes", "no")


@pytest.mark.parametrize("command", ["set", "show"])
def test_a_stage_that_is_not_deployed_is_one_sentence(stage: Stage, command: str) -> None:
    result = stage.hub("secrets", command, "shop-eu", stdin=json.dumps({"webhook": SIGNING}))

    assert result.exit_code == 1
    assert result.stderr == (
        "There is no secret hub/staging/shop-eu: the stage is not deployed, or not since shop-eu was added; "
        "deploy it with `make deploy STAGE=staging`.\n"
    )
