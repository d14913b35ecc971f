"""What the benchmarks count of an event is what the targets allow, and the cost model reads the same."""

from dataclasses import fields

import pytest

from benchmarks.counts import for_costs, measures_of, run
from benchmarks.wire import item_bytes
from cli.costs.model import Counts, checked


@pytest.mark.slow
def test_an_event_takes_no_more_calls_units_and_bytes_than_it_may() -> None:
    told = run()

    measured = measures_of(told)
    assert measured["aws_calls_per_event"] <= 2.0
    assert measured["erpnext_calls_per_order"] <= 2.0
    assert measured["dynamodb_write_units_per_event_of_10_kb"] <= 2.5
    assert set(checked(for_costs(told), Counts)) == {each.name for each in fields(Counts)}


@pytest.mark.parametrize(
    ("item", "size"),
    [
        ({"a": {"S": "größe"}}, 1 + 7),
        ({"ab": {"N": "1767268800"}}, 2 + 5),
        ({"a": {"B": "AAAA"}}, 1 + 3),
        ({"a": {"M": {"b": {"S": "c"}}}}, 1 + 3 + 1 + 1 + 1),
    ],
)
def test_an_item_is_as_large_as_dynamodb_reckons(item: dict[str, dict[str, object]], size: int) -> None:
    assert item_bytes(item) == size
