"""What is said of a table is taken as it stands, and what cannot be meant is refused with a sentence."""

from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from hub.sql.settings import Filter, StreamSettings


@pytest.mark.parametrize("value", ["yes", "1", "true", "", "1.50", 0, 1, 2**70, True, False, ["on", 1, False]])
def test_a_filters_value_stays_what_it_is(value: Any) -> None:
    op = "in" if isinstance(value, list) else "="
    stated = Filter(column="status", op=op, value=value).value

    assert stated == value
    assert repr(stated) == repr(value)  # True == 1


def test_a_filters_fraction_is_exact() -> None:
    assert Filter.model_validate({"column": "total", "value": 0.1}).value == Decimal("0.1")


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"table": ""}, "is no name"),
        ({"table": "a\x00b"}, "is no name"),
        ({"table": "t" * 65}, "is no name"),
        ({"table": "sales."}, "is no name"),
        ({"table": ["a", "b", "c"]}, "at most 2"),
        ({"table": "t", "key": []}, "at least 1"),
        ({"table": "t", "key": ["id", "id"]}, "id stands there twice"),
        ({"table": "t", "time_zone": "Europe/Bonn"}, "is not an IANA time zone"),
        ({"table": "t", "size": 0}, "greater than or equal to 1"),
        ({"table": "t", "filters": [{"column": "a", "op": "; DROP"}]}, "Input should be"),
        ({"table": "t", "filters": [{"column": "a", "op": "in", "value": 1}]}, "takes a list of values"),
        ({"table": "t", "filters": [{"column": "a", "op": "in", "value": []}]}, "takes a list of values"),
        ({"table": "t", "filters": [{"column": "a", "op": "=", "value": [1]}]}, "takes one value"),
        ({"table": "t", "filters": [{"column": "a", "op": "is null", "value": 1}]}, "takes no value"),
        ({"table": "t", "filters": [{"column": "a"}]}, "takes a value"),
    ],
)
def test_what_cannot_be_meant_is_refused(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        StreamSettings(**settings)
    assert told in str(refusal.value)


def test_a_tables_name_may_bear_a_dot_where_it_is_a_list() -> None:
    assert StreamSettings(table="sales.orders").path == ["sales", "orders"]
    assert StreamSettings(table=["sales", "orders.2026"]).path == ["sales", "orders.2026"]
