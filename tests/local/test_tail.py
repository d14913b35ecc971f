"""What `make run` tells while it is up: one line per thing that happens, and the truth when it stops."""

import json
from typing import Any, cast

import pytest

from infra.configuration import load_stage
from infra.local.environment import Environment
from infra.local.tail import Tail, told
from infra.local.up import _stop


def line(message: str, **about: Any) -> str:
    return told(json.dumps({"level": "INFO", "message": message, **about}), "erp")


@pytest.mark.parametrize(
    ("state", "shown"),
    [
        ("open", "paused     erp  does not serve, and is asked until it does: shop-eu-to-erp"),
        ("half_open", "slowly     erp  answers again: shop-eu-to-erp"),
        ("closed", "flows      erp  works again: shop-eu-to-erp"),
    ],
)
def test_a_breaker_that_changes_is_told(state: str, shown: str) -> None:
    assert line("tended", state=state, changed=["shop-eu-to-erp"]) == shown


def test_a_breaker_that_stays_as_it_is_is_not() -> None:
    assert line("tended", state="open", failure="still down") == ""


def test_a_check_is_told_unless_all_is_well() -> None:
    assert line("checked", status="healthy") == ""
    assert line("checked", status="down", why="call: HTTP 503") == "down       erp  call: HTTP 503"


def test_a_refusal_is_told_with_what_was_wrong() -> None:
    said = line("refused", reason="MissingHeader", detail="header X-Topic is missing")

    assert said == "refused    erp  MissingHeader: header X-Topic is missing"


def test_the_logs_of_breakers_are_looked_at() -> None:
    asked: list[str] = []

    class Logs:
        def filter_log_events(self, **request: Any) -> Any:
            asked.append(request["logGroupName"])
            return {"events": []}

    list(Tail(Logs(), load_stage("local")).news())

    assert {"/aws/lambda/hub-local-breaker-erp", "/aws/lambda/hub-local-health-shop-eu"} <= set(asked)


@pytest.mark.parametrize(
    ("clean", "told_last"),
    [(True, "finds everything as it is now."), (False, "finds what the last clean stop has saved.")],
)
def test_the_last_line_promises_only_what_was_saved(
    clean: bool, told_last: str, capsys: pytest.CaptureFixture[str]
) -> None:
    class Stopped:
        def stop(self) -> bool:
            return clean

    _stop(cast(Environment, Stopped()))

    assert capsys.readouterr().out.rstrip().endswith(f"the next `make run` {told_last}")
