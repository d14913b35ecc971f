"""Claims in DynamoDB, by Powertools: of all who try one gets it, and no time alone gives it to another."""

import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ReadTimeoutError
from botocore.stub import Stubber

from adapters.claims import DynamoClaims
from adapters.dynamodb import DynamoLedger
from adapters.ledger_history import LedgerHistory
from hub.connector import Effect, Written
from hub.errors import LedgerUnavailable
from hub.ledger import Head, Known
from hub.once import ClaimKey
from tests.fakes import an_event

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

KEY = ClaimKey("shop-eu-to-chat", "post_order_message", "shop-eu/order/1001", "event-1")
WRITTEN = Written(Effect.APPLIED, "message", "C1/1.5", "because")


@pytest.fixture(autouse=True)
def silence() -> Iterator[None]:
    """Powertools warns where a claim could be taken over while it is worked on; none of ours may."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        yield


def claims_of(dynamodb: "DynamoDBClient", table: str, later: timedelta = timedelta()) -> DynamoClaims:
    return DynamoClaims(dynamodb, table, 90, lambda: datetime.now(UTC) + later)


def test_a_claim_is_had_once_and_then_its_result(dynamodb: "DynamoDBClient", table: str) -> None:
    claims = claims_of(dynamodb, table)

    assert claims.take(KEY).is_new
    again = claims.take(KEY)
    claims.keep(KEY, WRITTEN)
    done = claims.take(KEY)

    assert (again.is_new, again.written) == (False, None)
    assert (done.is_new, done.written) == (False, WRITTEN)


def test_of_ten_who_claim_at_the_same_time_one_gets_it(dynamodb: "DynamoDBClient", table: str) -> None:
    claims = claims_of(dynamodb, table)

    with ThreadPoolExecutor(10) as pool:
        found = list(pool.map(lambda _: claims.take(KEY).is_new, range(10)))

    assert sorted(found) == [False] * 9 + [True]


def test_a_claim_that_was_left_over_is_never_taken_over_by_time_alone(dynamodb: "DynamoDBClient", table: str) -> None:
    claims_of(dynamodb, table).take(KEY)

    found = claims_of(dynamodb, table, timedelta(days=89)).take(KEY)

    assert not found.is_new
    assert found.age_seconds == pytest.approx(89 * 86_400, abs=5)
    (item,) = dynamodb.scan(TableName=table)["Items"]
    ends = datetime.now(UTC) + timedelta(days=90)
    assert int(item["expires_at"]["N"]) == pytest.approx(ends.timestamp(), abs=5)
    assert int(item["in_progress_expiration"]["N"]) / 1000 == pytest.approx(ends.timestamp(), abs=5)


def test_a_dropped_claim_can_be_had_again(dynamodb: "DynamoDBClient", table: str) -> None:
    claims = claims_of(dynamodb, table)
    claims.take(KEY)

    claims.drop(KEY)

    assert claims.take(KEY).is_new


@pytest.mark.parametrize(
    "other",
    [
        ClaimKey("shop-eu-to-mail", "post_order_message", KEY.subject, KEY.event_id),
        ClaimKey(KEY.flow, "post_refund_message", KEY.subject, KEY.event_id),
        ClaimKey(KEY.flow, KEY.action, "shop-eu/order/1002", KEY.event_id),
        ClaimKey(KEY.flow, KEY.action, KEY.subject, "event-2"),
    ],
)
def test_claims_are_told_apart_by_flow_action_entity_and_event(
    dynamodb: "DynamoDBClient", table: str, other: ClaimKey
) -> None:
    claims = claims_of(dynamodb, table)
    claims.take(KEY)
    claims.keep(KEY, WRITTEN)

    assert claims.take(other).is_new
    assert claims.take(KEY).written == WRITTEN


def test_claims_lie_beside_the_outcomes_and_are_none(dynamodb: "DynamoDBClient", table: str) -> None:
    claims_of(dynamodb, table).take(KEY)

    assert not list(LedgerHistory(dynamodb, table).of(KEY.subject))
    assert DynamoLedger(dynamodb, table, 90).known(KEY.flow, [an_event()]) == [Known(Head(), None)]


def test_claiming_does_not_hook_itself_to_the_client_each_time(dynamodb: "DynamoDBClient", table: str) -> None:
    claims = claims_of(dynamodb, table)
    hooked: list[Any] = []
    original = dynamodb.meta.events.register
    dynamodb.meta.events.register = lambda *given, **named: hooked.append(given)  # type: ignore[method-assign]
    try:
        claims.take(KEY)
        claims.take(KEY)
    finally:
        dynamodb.meta.events.register = original  # type: ignore[method-assign]

    assert not hooked


@pytest.mark.parametrize("call", ["put_item", "update_item", "delete_item"])
def test_a_refusal_is_our_trouble(dynamodb: "DynamoDBClient", call: str) -> None:
    claims = claims_of(dynamodb, "t")
    does = {"put_item": claims.take, "update_item": lambda key: claims.keep(key, WRITTEN), "delete_item": claims.drop}
    with Stubber(dynamodb) as stubbed:
        stubbed.add_client_error(call, "ProvisionedThroughputExceededException")

        with pytest.raises(LedgerUnavailable, match="ProvisionedThroughputExceededException"):
            does[call](KEY)


def test_no_answer_is_our_trouble(dynamodb: "DynamoDBClient", table: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(**_: Any) -> None:
        raise ReadTimeoutError(endpoint_url="https://dynamodb")

    monkeypatch.setattr(dynamodb, "put_item", silent)

    with pytest.raises(LedgerUnavailable, match="ReadTimeoutError"):
        claims_of(dynamodb, table).take(KEY)
