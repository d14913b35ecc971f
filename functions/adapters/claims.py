"""Powertools Idempotency: the claims of `once` actions, beside the ledger's items of the same entity.

Imported only by flows with such an action: it loads boto3, which takes longer than everything else at start.
The persistence layer is used without its decorator, which deletes a claim on any error: also on one that leaves open
whether the thing was done. Claims bear an in-progress expiry equal to their own end, so that none is taken over blindly.
"""

import copy
import dataclasses
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.utilities.idempotency import DynamoDBPersistenceLayer, IdempotencyConfig
from aws_lambda_powertools.utilities.idempotency.exceptions import (
    IdempotencyItemAlreadyExistsError,
    IdempotencyItemNotFoundError,
)
from aws_lambda_powertools.utilities.idempotency.persistence.datarecord import DataRecord
from botocore.exceptions import BotoCoreError, ClientError

from adapters.refusals import reason
from hub import names
from hub.connector import Effect, Written
from hub.errors import LedgerUnavailable
from hub.ledger import TTL_ATTRIBUTE
from hub.once import Claim, ClaimKey

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

DAY_SECONDS = 86_400


class DynamoClaims:
    """Claims that end with the outcomes, after `days`."""

    def __init__(self, client: "DynamoDBClient", table: str, days: int, now: Callable[[], datetime]) -> None:
        self._layer = DynamoDBPersistenceLayer(
            table_name=table,
            key_attr="entity",
            sort_key_attr="record",
            static_pk_value="",  # the event's entity, set for each claim
            expiry_attr=TTL_ATTRIBUTE,
            boto3_client=client,
        )
        self._seconds = days * DAY_SECONDS
        self._config = IdempotencyConfig(expires_after_seconds=self._seconds, hash_function="sha256")
        self._now = now

    def take(self, key: ClaimKey) -> Claim:
        """Claim, unless there is a claim; raises LedgerUnavailable."""
        layer = self._layer_of(key)
        try:
            layer.save_inprogress(_hashed(key), remaining_time_in_millis=self._seconds * 1000)
        except IdempotencyItemAlreadyExistsError as exists:
            return self._found(exists.old_data_record or self._read(layer, key))
        except (BotoCoreError, ClientError) as error:
            raise _unavailable(error) from error
        return Claim(is_new=True)

    def keep(self, key: ClaimKey, written: Written) -> None:
        """Keep the result in the claim; raises LedgerUnavailable."""
        try:
            self._layer_of(key).save_success(_hashed(key), dataclasses.asdict(written))
        except (BotoCoreError, ClientError) as error:
            raise _unavailable(error) from error

    def drop(self, key: ClaimKey) -> None:
        """Take the claim back; raises LedgerUnavailable."""
        try:
            self._layer_of(key).delete_record(_hashed(key), exception=RuntimeError("not done"))
        except (BotoCoreError, ClientError) as error:
            raise _unavailable(error) from error

    def _layer_of(self, key: ClaimKey) -> DynamoDBPersistenceLayer:
        layer = copy.copy(self._layer)  # threads claim at the same time, and a new one would hook itself to the client
        layer.static_pk_value = key.subject
        layer.configure(self._config, key_prefix=names.claims(key.flow, key.action))
        return layer

    def _read(self, layer: DynamoDBPersistenceLayer, key: ClaimKey) -> DataRecord:
        try:
            record = layer.get_record(_hashed(key))
        except IdempotencyItemNotFoundError as error:
            raise LedgerUnavailable("a claim was dropped while it was read") from error
        except (BotoCoreError, ClientError) as error:
            raise _unavailable(error) from error
        assert record is not None  # noqa: S101 - only without a key there would be none
        return record

    def _found(self, record: DataRecord) -> Claim:
        result: dict[str, Any] | None = record.response_json_as_dict()
        if result:
            return Claim(is_new=False, written=Written(**{**result, "effect": Effect(result["effect"])}))
        claimed_at = int(record.expiry_timestamp or 0) - self._seconds  # DynamoDB gives a Decimal
        return Claim(is_new=False, age_seconds=max(0.0, self._now().timestamp() - claimed_at))


def _hashed(key: ClaimKey) -> dict[str, Any]:
    return {"event": key.event_id}


def _unavailable(error: Exception) -> LedgerUnavailable:
    return LedgerUnavailable(f"a claim could not be read or written: {reason(error)}")
