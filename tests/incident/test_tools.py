"""What the incidents are judged with: the alarms' clock, and runbooks as they are read."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.configuration import ROOT
from tests.incident.alarms import Clock
from tests.incident.judging import PHASES, Findings, NotAsPromised
from tests.incident.runbooks import Page, named, runbook_of

TEXT = """# x

## Look

```console
$ hub flow status               # what waits
```

## Mend

1. It is down: wait,
   as [outage](outage.md).
2. Its key: `hub secrets set erp`, then `hub flow pause shop-eu-to-erp --reason "…"`.
"""


@pytest.fixture
def page() -> Page:
    folder = ROOT / ".local"
    folder.mkdir(exist_ok=True)
    return _written(folder / "runbook-of-a-test.md")


def _written(path: Path) -> Page:
    path.write_text(TEXT, "utf-8")
    return Page(path)


def test_commands_are_read_as_they_stand(page: Page) -> None:
    key = page.step("Mend", "Its key")

    assert page.commands("Look") == [("hub", "flow", "status")]
    assert key == [
        ("hub", "secrets", "set", "erp"),
        ("hub", "flow", "pause", "shop-eu-to-erp", "--reason", "…"),
    ]
    assert named(key[1], {"shop-eu-to-erp": "shop-us-to-erp"}, "why") == (
        *("hub", "flow", "pause", "shop-us-to-erp", "--reason", "why"),
    )


def test_what_is_not_there_is_told(page: Page) -> None:
    for look in (
        lambda: page.commands("Over when"),
        lambda: page.step("Mend", "Its address"),
        lambda: page.step("Mend", "It is down"),
        lambda: page.leads_to("Mend", "outage.md"),
        lambda: page.leads_to("Look", "outage.md"),
    ):
        with pytest.raises(NotAsPromised):
            look()
    assert page.advises("Mend", "down: wait, as")


def test_an_alarm_without_a_runbook_is_told() -> None:
    with pytest.raises(AssertionError, match="names no runbook"):
        runbook_of({"AlarmName": "a", "AlarmDescription": "It rings. Runbook: docs/runbooks/nothing.md"})


@given(st.floats(0, 2e9), st.lists(st.tuples(st.floats(0, 100), st.sampled_from([60, 300]))))
def test_a_leap_leads_to_the_beginning_of_the_next_period_and_changes_no_order(
    begin: float, steps: list[tuple[float, int]]
) -> None:
    real = [begin]
    clock = Clock(lambda: real[0])
    for passes, period in steps:
        before, then = clock.now(), real[0]
        clock.leap(period)
        real[0] += passes + 0.001
        assert clock.at(then - 0.001) <= before
        assert 0 <= clock.now() - (before // period + 1) * period - passes < 0.01


def test_an_incident_of_which_a_phase_was_not_seen_is_not_whole() -> None:
    found = Findings("x", lambda _: None)
    for phase in PHASES[:-1]:
        found.saw(phase, "seen")

    with pytest.raises(NotAsPromised, match="was not audited"):
        found.check_whole()
