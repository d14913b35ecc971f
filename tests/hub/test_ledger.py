"""The ledger's words: what people call an entity is found however they write it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.ledger import MAX_LABEL_BYTES, searchable


@pytest.mark.parametrize("written", ["#1042", "1042", " #1042 ", "# 1042"])
def test_an_orders_number_is_the_same_with_and_without_its_sign(written: str) -> None:
    assert searchable(written) == "1042"


def test_case_does_not_count() -> None:
    assert searchable("#EU1042-a") == searchable("eu1042-A") == "eu1042-a"


@given(st.text(max_size=600))
def test_whatever_a_shop_calls_an_order_dynamodb_takes_it_as_a_key_or_gets_none(written: str) -> None:
    label = searchable(written)

    assert len(label.encode()) <= MAX_LABEL_BYTES
    assert not label or label.isprintable()
    assert searchable(f"#{label}") == label


def test_a_label_that_is_too_long_for_a_key_is_none() -> None:
    assert (searchable("x" * 1024), searchable("x" * 1025)) == ("x" * 1024, "")
