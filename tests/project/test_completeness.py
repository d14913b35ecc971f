"""A run that skipped something, or left out the end-to-end suite, does not pass for a whole one."""

from pathlib import Path

import pytest

from tests.project.completeness import shortcomings

FAST = '<testcase classname="tests.hub.test_events" name="test_a"/>'
SLOW = '<testcase classname="tests.local_aws.test_orders" name="test_b"/>'
SKIPPED = '<testcase classname="tests.local_aws.test_orders" name="test_c"><skipped message="no time"/></testcase>'
NO_SUITE = "no end-to-end test ran on the local AWS (tests/local_aws)"


@pytest.mark.parametrize(
    ("cases", "lacking"),
    [
        ([FAST, SLOW], []),
        ([FAST], [NO_SUITE]),
        ([], [NO_SUITE]),
        ([FAST, SLOW, SKIPPED], ["1 skipped in tests.local_aws.test_orders"]),
    ],
)
def test_what_a_run_lacks_is_told(tmp_path: Path, cases: list[str], lacking: list[str]) -> None:
    report = tmp_path / "junit.xml"
    report.write_text(f"<testsuites><testsuite>{''.join(cases)}</testsuite></testsuites>")

    assert shortcomings(report) == lacking


def test_a_run_without_report_is_none(tmp_path: Path) -> None:
    assert shortcomings(tmp_path / "junit.xml") == [
        f"there is no report {tmp_path / 'junit.xml'}: the tests did not run"
    ]
