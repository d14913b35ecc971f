"""`hub setup erp` makes the hub's fields, may be repeated, and says plainly why it cannot."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local.erpnext.server import ErpNextStandIn
from infra.local.ministack import free_port
from tests.cli.conftest import API_KEY, API_SECRET, Stage, Web

PERMISSION_DENIED = Path(__file__).parents[1] / "recordings" / "erpnext" / "012_permission_denied_create.json"


@pytest.fixture
def erp() -> Iterator[ErpNextStandIn]:
    with ErpNextStandIn(token=f"{API_KEY}:{API_SECRET}") as running:
        yield running


@pytest.fixture
def deployed(local_stage: Stage, erp: ErpNextStandIn) -> Stage:
    local_stage.with_erp(erp.url)
    local_stage.deploy()
    local_stage.store("erp", api_key=API_KEY, api_secret=API_SECRET)
    return local_stage


def test_the_fields_are_made_once(deployed: Stage, erp: ErpNextStandIn) -> None:
    first = deployed.hub("setup", "erp")
    made = len(erp.documents("Custom Field"))
    second = deployed.hub("setup", "erp")

    assert (first.exit_code, second.exit_code) == (0, 0)
    assert (first.stdout.count("created"), second.stdout.count("already there")) == (4, 4)
    assert (made, len(erp.documents("Custom Field"))) == (4, 4)


def test_a_wrong_key_is_told(deployed: Stage) -> None:
    deployed.store("erp", api_key=API_KEY, api_secret="wrong")

    result = deployed.hub("setup", "erp")

    assert result.exit_code == 1
    assert "does not accept the API key: store the right one with `hub secrets set erp`." in result.stderr


def test_a_missing_key_is_told(deployed: Stage) -> None:
    deployed.store("erp", api_key=API_KEY)

    result = deployed.hub("setup", "erp")

    assert (result.exit_code, result.stderr) == (
        1,
        "erp lacks api_secret: store it with `hub secrets set erp`.\n",
    )


def test_a_url_where_nothing_answers_is_told(deployed: Stage) -> None:
    deployed.with_erp(f"http://127.0.0.1:{free_port()}")

    result = deployed.hub("setup", "erp")

    assert result.exit_code == 1
    assert "No ERPNext answers at http://127.0.0.1" in result.stderr
    assert "check integrations.erp.url" in result.stderr


def test_a_url_of_something_else_is_told(deployed: Stage, web: Web) -> None:
    web.answer = (404, b"<html>nginx</html>")
    deployed.with_erp(web.url)

    result = deployed.hub("setup", "erp")

    assert result.exit_code == 1
    assert "No ERPNext answers at" in result.stderr


def test_a_user_without_the_permission_is_told(deployed: Stage, web: Web) -> None:
    recorded = json.loads(PERMISSION_DENIED.read_text())["response"]
    web.answer = (recorded["status"], recorded["body"].encode())
    deployed.with_erp(web.url)

    result = deployed.hub("setup", "erp")

    assert result.exit_code == 1
    assert "The hub's user may not make custom fields" in result.stderr
    assert "System Manager" in result.stderr


def test_an_integration_that_is_no_erpnext_is_told(deployed: Stage) -> None:
    result = deployed.hub("setup", "erp", "--integration", "shop-eu")

    assert (result.exit_code, result.stderr) == (1, "shop-eu is no ERPNext site; say --integration erp.\n")
