"""What the functions count is what the catalogue says, and the other way round."""

import importlib
import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapters.telemetry import Measured
from hub.connector import Effect, Written
from hub.errors import Parked
from hub.events import to_json
from hub.metrics import CATALOGUE, MILLISECONDS, unit_of
from infra.tables import DOCS, with_tables
from tests.fakes import FakeDestination, FakeTelemetry, an_event
from tests.handlers.test_delivery import Flow
from tests.sqs_batch import sqs_batch

ROOT = Path(__file__).resolve().parents[2]
FUNCTIONS = ROOT / "functions"
TOLD = ("breaker", "delivery", "dlq", "sync", "webhooks")  # their tests need nothing but fakes


@pytest.fixture(scope="module")
def counted() -> Iterator[dict[str, set[tuple[str, ...]]]]:
    """Each metric that the functions count in their own tests, with the dimensions that they state."""
    found: dict[str, set[tuple[str, ...]]] = {}
    measure, report, warn = FakeTelemetry.measure, FakeTelemetry.report, FakeTelemetry.warn

    def measured(self: Any, message: str, about: Any, several: Sequence[Measured], **options: Any) -> None:
        for each in several:
            for name in each.metrics:
                found.setdefault(name, set()).update(tuple(by) for by in each.by)
        measure(self, message, about, several, **options)

    def noted(original: Any) -> Any:
        def told(self: Any, message: str, about: Any, counts: Mapping[str, float] | None = None) -> None:
            for name in counts or {}:
                found.setdefault(name, set())
            original(self, message, about, counts)

        return told

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(FakeTelemetry, "measure", measured)
        patched.setattr(FakeTelemetry, "report", noted(report))
        patched.setattr(FakeTelemetry, "warn", noted(warn))
        for name in TOLD:
            tests = vars(importlib.import_module(f"tests.handlers.test_{name}"))
            for test in [each for title, each in tests.items() if title.startswith("test_")]:
                if not inspect.signature(test).parameters:
                    test()
        every_outcome()
        yield found


def every_outcome() -> None:
    """A batch in which each event ends otherwise."""
    effects = {str(number): Written(effect, "Sales Order", "SO-1") for number, effect in enumerate(Effect)}
    parked = Parked("its order has not come", waits_for="shop-eu/order/9")
    flow = Flow(FakeDestination({**effects, "parked": parked}))
    events = [replace(an_event(each), subject=f"shop-eu/order/{each}") for each in [*effects, "parked"]]
    flow.apply(sqs_batch(*(to_json(event) for event in events)))


def test_whatever_is_counted_is_in_the_catalogue(counted: dict[str, set[tuple[str, ...]]]) -> None:
    assert counted
    assert set(counted) - set(CATALOGUE) == set()
    for name, dimensions in counted.items():
        assert dimensions <= set(CATALOGUE[name].dimensions), name


def test_whatever_is_in_the_catalogue_is_counted(counted: dict[str, set[tuple[str, ...]]]) -> None:
    """By what runs here; or by code that names it, whose tests need more than fakes."""
    code = "\n".join(path.read_text("utf-8") for path in FUNCTIONS.glob("**/*.py") if path.name != "metrics.py")
    named = set(re.findall(r'"([A-Z][A-Za-z]+)"', code))

    assert {"Applied", "Unchanged", "Stale", "Ignored", "Parked", "Dead", "Failed", "EndToEndMilliseconds"} <= set(
        counted
    )
    assert set(CATALOGUE) - set(counted) - named == set()


def test_a_metrics_name_tells_its_unit() -> None:
    for metric in CATALOGUE.values():
        assert metric.unit == unit_of(metric.name)
        assert metric.name.endswith(MILLISECONDS) == (metric.unit == MILLISECONDS)


@pytest.mark.parametrize("page", ["alarms.md", "dashboards.md"])
def test_the_tables_of_the_docs_are_what_the_code_says(page: str) -> None:
    """Write them with python -m infra.tables."""
    text = (DOCS / page).read_text("utf-8")

    assert with_tables(text) == text
    assert "<!-- end of table -->" in text
