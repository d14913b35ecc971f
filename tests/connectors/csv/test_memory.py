"""However many rows a file has, it takes no more memory than the function has."""

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.architecture.sources import ROOT

pytestmark = pytest.mark.slow
MOST_MB = 150
MOST_GROWTH_MB = 20


def measured(rows: int, kind: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.files", "--rows", str(rows), "--kind", kind]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=300)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(("kind", "rows"), [("csv", 200_000), ("xlsx", 30_000)])
def test_memory_does_not_grow_with_the_rows(kind: str, rows: int) -> None:
    found = measured(rows, kind)

    assert (found["rows"], found["bad"]) == (rows, rows // 100)
    assert found["most_mb"] < MOST_MB
    assert found["most_mb"] - found["start_mb"] < MOST_GROWTH_MB
