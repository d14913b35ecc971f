"""One-time tokens in DynamoDB: remembered for a while, per integration, and never in clear text."""

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import EndpointConnectionError

from adapters.tokens import KEEP, DynamoTokens
from hub.errors import TokensUnavailable
from tests.fakes import NOW

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


def test_a_token_is_remembered_with_its_event(dynamodb: "DynamoDBClient", table: str) -> None:
    tokens = DynamoTokens(dynamodb, table, "shop-eu", lambda: NOW)
    assert tokens.event_of("t-1") is None

    tokens.keep("t-1", "event-1")

    assert tokens.event_of("t-1") == "event-1"
    assert tokens.event_of("t-2") is None
    assert DynamoTokens(dynamodb, table, "shop-us", lambda: NOW).event_of("t-1") is None


def test_a_token_expires_and_is_not_kept_in_clear(dynamodb: "DynamoDBClient", table: str) -> None:
    DynamoTokens(dynamodb, table, "shop-eu", lambda: NOW).keep("a-private-token \ud800", "event-1")

    (item,) = dynamodb.scan(TableName=table)["Items"]
    assert item["expires_at"] == {"N": str(int((NOW + KEEP).timestamp()))}
    assert "a-private-token" not in str(item)


def test_trouble_is_told_and_passes() -> None:
    class Unreachable:
        def get_item(self, **_: Any) -> None:
            raise EndpointConnectionError(endpoint_url="https://dynamodb")

        put_item = get_item

    client: Any = Unreachable()
    tokens = DynamoTokens(client, "table", "shop-eu", lambda: NOW)

    with pytest.raises(TokensUnavailable):
        tokens.event_of("t")
    with pytest.raises(TokensUnavailable):
        tokens.keep("t", "e")
