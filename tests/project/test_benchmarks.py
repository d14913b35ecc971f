"""The measurements that the documents name still run, and measure what they say."""

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
