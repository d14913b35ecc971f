"""The measurements that the documents name still run, and measure what they say."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_reading_a_rest_source_is_measured() -> None:
    command = [sys.executable, "-m", "benchmarks.sync_rest", "--rows", "1100", "--turns", "1"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120).stdout

    ways = re.findall(r"^(.+?) +[\d,]+ rows/s   ratio \d+\.\d\d   of processor time \d+\.\d\d$", told, re.MULTILINE)
    assert ways == ["plain loop", "hub, one pass", "hub, two passes", "hub, one pass, as messages"]
    assert re.search(r"^peak memory \d+ MB$", told, re.MULTILINE)


@pytest.mark.slow
def test_every_kind_of_source_is_measured_by_one_command(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    command = [sys.executable, "-m", "benchmarks.sync", "--sources", "csv|redis", "--rows", "1000", "--turns", "1"]
    told = subprocess.run(
        [*command, "--json", str(file)], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120
    ).stdout

    lines = json.loads(file.read_text("utf-8"))
    assert [(line["source"], line["rows"]) for line in lines] == [("csv", 1000), ("redis", 1000)]
    assert all(line[what] > 0 for line in lines for what in ("rows_per_second", "ratio", "cpu_ratio", "mb"))
    assert re.search(r"^redis +[\d,]+ +[\d,]+ +\d+\.\d\d +\d+\.\d\d +\d+ +\d+$", told, re.MULTILINE)
