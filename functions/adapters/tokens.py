"""DynamoDB: one-time tokens that have come, beside the ledger's items and for a bounded time."""

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from adapters.refusals import aws_errors, reason
from hub import names
from hub.errors import TokensUnavailable
from hub.ledger import TTL_ATTRIBUTE

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from adapters.lean import DynamoDb

KEEP = timedelta(days=7)  # longer than any provider repeats a delivery
RECORD = "token"


class DynamoTokens:
    """The tokens of one integration; only those that came with a verified delivery are ever written."""

    def __init__(
        self, client: "DynamoDBClient | DynamoDb", table: str, integration: str, now: Callable[[], datetime]
    ) -> None:
        self._client = client
        self._table = table
        self._integration = integration
        self._now = now

    def event_of(self, token: str) -> str | None:
        """The event that came with this token, or None; raises TokensUnavailable."""
        try:
            item = self._client.get_item(TableName=self._table, Key=self._key(token), ConsistentRead=True).get("Item")
        except aws_errors() as error:
            raise TokensUnavailable(f"the token could not be looked up: {reason(error)}") from error
        return item["event"]["S"] if item else None

    def keep(self, token: str, event_id: str) -> None:
        """Remember the token; raises TokensUnavailable."""
        expires = {"N": str(int((self._now() + KEEP).timestamp()))}
        item = {**self._key(token), "event": {"S": event_id}, TTL_ATTRIBUTE: expires}
        try:
            self._client.put_item(TableName=self._table, Item=item)
        except aws_errors() as error:
            raise TokensUnavailable(f"the token could not be kept: {reason(error)}") from error

    def _key(self, token: str) -> dict[str, dict[str, str]]:
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
        return {"entity": {"S": names.token(self._integration, digest)}, "record": {"S": RECORD}}
