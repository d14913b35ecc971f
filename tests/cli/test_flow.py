"""`hub flow status` and `hub config check` in a terminal of 80 columns."""

import pytest
import yaml

from cli.flow import Flowing, _print
from tests.cli.conftest import Stage

LONGEST = "a-shop-with-a-long-name-to-erp"  # as long as a flow's name may be


def test_a_flows_row_fits_80_columns_and_its_reason_stands_below(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    reason = "erp: the site is in maintenance and answers 503 to everything that it is asked, as it has for an hour"
    rows = [
        Flowing(LONGEST, "erp", "waits", 1_234_567, 1_000, 99_999, 12_345, reason),
        Flowing("shop-eu-to-erp", "erp", "flows", 0, 1, 2, 0, ""),
    ]

    _print("erp", rows)

    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "to erp"
    assert [LONGEST, "waits", "1234567", "1000", "99999", "12345"] in [line.split() for line in shown]
    assert ["shop-eu-to-erp", "flows", "0", "1", "2", "0"] in [line.split() for line in shown]
    assert shown[-1] == f"{LONGEST} waits: {reason}"
    assert max(map(len, shown[:-1])) <= 80


def test_dead_letters_that_wait_for_a_person_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    _print("erp", [Flowing("shop-eu-to-erp", "erp", "flows", 0, 0, 0, 0, "", escalated=2)])

    told = capsys.readouterr().out.splitlines()[-1]
    assert told == "shop-eu-to-erp: 2 dead wait for a person: hub dlq list --flow shop-eu-to-erp"


def test_a_right_configuration_is_told_as_such(stage: Stage) -> None:
    result = stage.hub("config", "check")

    assert result.exit_code == 0
    assert result.stdout == (
        "The configuration of stage staging is right: integrations erp, shop-eu; flows shop-eu-to-erp.\n"
    )


def test_a_flow_of_which_every_event_is_ignored_is_worth_a_look(stage: Stage) -> None:
    stage.config.write_text(stage.config.read_text().replace("connector: shopify", "connector: github"))
    stage.config.write_text(stage.config.read_text().replace("account: shop-eu.myshopify.com", ""))

    result = stage.hub("config", "check")

    assert result.exit_code == 0, result.stderr
    assert (
        "Look at flow shop-eu-to-erp: no event of shop-eu leads to an action of erp, so that all of them end as ignored."
        in result.stdout
    )


def test_an_unnamed_second_face_of_a_system_is_worth_a_look(stage: Stage) -> None:
    content = yaml.safe_load(stage.config.read_text())
    content["integrations"]["shop-eu"]["url"] = "https://shop-eu.myshopify.com"
    content["integrations"]["erp-events"] = {"connector": "frappe"}
    content["flows"]["back"] = {"source": "erp-events", "destination": "shop-eu"}
    stage.write(content)

    told = stage.hub("config", "check").stdout
    content["integrations"]["erp-events"]["same_as"] = "erp"
    content["integrations"]["shop-eu"]["ownership"] = {"fulfilment": "erp", "price": "erp"}
    stage.write(content)

    assert "Look at integration erp-events: events of it go to shop-eu, whose own go to erp." in told
    assert "add `same_as: erp`" in told
    assert "Look at" not in stage.hub("config", "check").stdout
