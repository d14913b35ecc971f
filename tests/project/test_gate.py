"""The gate of the deterministic measures cannot be passed by leaving a measure out."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from benchmarks import gate, init
from infra.bundle import LOCAL_PYTHON


def judged(take: Any, most: float = 1.0) -> tuple[bool, str]:
    return gate.judged(gate.Measure("calls", take, most, "calls"))


def test_a_measure_passes_up_to_its_bound() -> None:
    assert judged(lambda: 1.0) == (True, "✓ calls                                    1.00  of at most 1 calls")
    assert judged(lambda: 1.01)[0] is False


@pytest.mark.parametrize("found", [float("nan"), -1.0])
def test_what_is_no_measure_fails(found: float) -> None:
    assert judged(lambda: found)[0] is False


def test_a_measure_that_cannot_be_taken_fails_and_says_why() -> None:
    measured: dict[str, float] = {}
    good, line = judged(lambda: measured["aws_calls_per_event"])

    assert not good
    assert "cannot be measured: KeyError: 'aws_calls_per_event'" in line


def test_a_package_that_the_webhook_path_should_not_load_is_found() -> None:
    assert gate.in_vain({"json", "hub.receive", "botocore.session", "botocore"}) == {"botocore"}


@pytest.mark.slow
def test_without_valgrind_processor_time_is_compared_and_it_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    start = init.Start("pass", tmp_path)
    longer = init.Start("sum(range(6_000_000))", tmp_path)
    monkeypatch.setattr(init, "starts", lambda: {init.YARDSTICK: start, "webhook": longer})
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(init, "TURNS", 3)

    unit, taken = init.measure.__wrapped__()

    assert "no valgrind" in unit
    assert taken["webhook"] > taken[init.YARDSTICK]


@pytest.mark.slow
def test_a_start_that_compiles_its_own_sources_is_found(tmp_path: Path) -> None:
    (tmp_path / "fresh.py").write_text("x = 1\n")

    assert LOCAL_PYTHON.exists()
    assert [Path(path).name for path in init.recompiled(init.Start("import fresh", tmp_path))] == ["fresh.py"]
