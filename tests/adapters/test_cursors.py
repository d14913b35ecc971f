"""How far a stream has been read, in DynamoDB: one owner at a time, and every state as it was kept."""

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from adapters.cursors import LEASE_SECONDS, DynamoCursors, packed
from hub.errors import LedgerUnavailable
from hub.listed import MOST_SEEN, Stand
from hub.runs import LeaseLost, Run, State
from tests.fakes import NOW

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

ORDERS = "shop-eu/orders"
LATER = NOW + timedelta(seconds=LEASE_SECONDS + 1)
VERSION = "2026-01-01T12:00:00.000000Z"
STATE = State(
    watermark=VERSION,
    looked_at=NOW,
    seen={2**64 - 1: Stand(VERSION, 0), 7: Stand("", 2**63)},
    run=Run(began_at=NOW, since=VERSION, after="?page=2&x=ü", total=7, doubt="none", new_fields=("vat",)),
    fields=frozenset({"id", "vat"}),
)


def test_a_stream_that_was_never_read_begins_with_nothing(dynamodb: "DynamoDBClient", table: str) -> None:
    held = DynamoCursors(dynamodb, table).take(ORDERS, "a", NOW)

    assert held is not None
    assert held.state == State()
    assert held.paused == ""


@pytest.mark.parametrize("state", [STATE, State(), replace(STATE, run=None, seen={})])
def test_a_state_is_read_as_it_was_kept(dynamodb: "DynamoDBClient", table: str, state: State) -> None:
    cursors = DynamoCursors(dynamodb, table)
    held = cursors.take(ORDERS, "a", NOW)
    assert held is not None
    held.keep(state, NOW)
    held.leave()

    again = cursors.take(ORDERS, "b", NOW)

    assert again is not None
    assert again.state == state


def test_of_two_runs_only_one_has_the_stream_until_it_leaves_or_its_lease_ends(
    dynamodb: "DynamoDBClient", table: str
) -> None:
    cursors = DynamoCursors(dynamodb, table)
    first = cursors.take(ORDERS, "a", NOW)
    assert first is not None

    assert cursors.take(ORDERS, "b", NOW) is None
    assert cursors.take("shop-eu/customers", "b", NOW) is not None
    first.leave()
    assert cursors.take(ORDERS, "b", NOW) is not None
    assert cursors.take(ORDERS, "c", LATER) is not None


def test_a_run_that_was_thought_dead_cannot_write_over_its_successor(dynamodb: "DynamoDBClient", table: str) -> None:
    cursors = DynamoCursors(dynamodb, table)
    first, second = cursors.take(ORDERS, "a", NOW), cursors.take(ORDERS, "b", LATER)
    assert first is not None
    assert second is not None
    second.keep(STATE, LATER)

    with pytest.raises(LeaseLost):
        first.keep(State(), LATER)
    first.leave()
    assert cursors.take(ORDERS, "c", LATER) is None


def test_keeping_prolongs_the_lease(dynamodb: "DynamoDBClient", table: str) -> None:
    cursors = DynamoCursors(dynamodb, table)
    held = cursors.take(ORDERS, "a", NOW)
    assert held is not None
    held.keep(STATE, NOW + timedelta(seconds=LEASE_SECONDS - 1))

    assert cursors.take(ORDERS, "b", LATER) is None


def test_a_stream_with_all_the_rows_it_may_remember_fits_an_item() -> None:
    seen = {
        number * 0x9E3779B97F4A7C15 % 2**64: Stand(VERSION, number * 0xC2B2AE3D27D4EB4F % 2**64)
        for number in range(MOST_SEEN)
    }

    assert len(packed(replace(STATE, seen=seen))) < 60_000


def test_a_table_that_refuses_is_our_trouble(table: str) -> None:
    class Refusing:
        def update_item(self, **_request: object) -> None:
            raise ClientError({"Error": {"Code": "ProvisionedThroughputExceededException"}}, "UpdateItem")

    with pytest.raises(LedgerUnavailable, match="ProvisionedThroughputExceeded"):
        DynamoCursors(Refusing(), table).take(ORDERS, "a", NOW)  # type: ignore[arg-type]
