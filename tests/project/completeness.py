"""Whether a test run was whole: nothing skipped, and the end-to-end suite on the local AWS among it."""

import sys
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path

END_TO_END = "tests.local_aws."


def shortcomings(report: Path) -> list[str]:
    """What a JUnit report of pytest lacks, one sentence each; empty for a whole run."""
    if not report.is_file():
        return [f"there is no report {report}: the tests did not run"]
    cases = list(ET.parse(report).iter("testcase"))  # noqa: S314 - our own pytest wrote it a moment ago
    skipped = Counter(case.get("classname", "") for case in cases if case.find("skipped") is not None)
    end_to_end = [case for case in cases if f"{case.get('classname', '')}.".startswith(END_TO_END)]
    lacking = [f"{count} skipped in {where}" for where, count in sorted(skipped.items())]
    if not end_to_end:
        lacking.append("no end-to-end test ran on the local AWS (tests/local_aws)")
    return lacking


if __name__ == "__main__":
    lacking = shortcomings(Path(sys.argv[1]))
    for sentence in lacking:
        print(f"Not a whole test run: {sentence}", file=sys.stderr)
    sys.exit(1 if lacking else 0)
