"""The ledger read as a whole: how every event ended."""

from typing import Any


def ends_in(dynamodb: Any, table: str) -> dict[str, dict[str, str]]:
    """Entity without its integration ("order/1001") → event id → outcome."""
    found: dict[str, dict[str, str]] = {}
    for page in dynamodb.get_paginator("scan").paginate(TableName=table, ConsistentRead=True):
        for item in page["Items"]:
            if "outcome" in item:  # the heads and the breaker have none
                entity, record = item["entity"]["S"], item["record"]["S"]
                found.setdefault(entity.partition("/")[2], {})[record.partition("#")[2]] = item["outcome"]["S"]
    return found
