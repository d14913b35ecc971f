"""The ledger's table as the stack makes it, for tests that make one by hand."""

from typing import Any

from hub.ledger import BY_LABEL, LABEL


def table(name: str) -> dict[str, Any]:
    """What to ask DynamoDB to create."""
    return {
        "TableName": name,
        "KeySchema": [_key("entity", "HASH"), _key("record", "RANGE")],
        "AttributeDefinitions": [{"AttributeName": each, "AttributeType": "S"} for each in ("entity", "record", LABEL)],
        "GlobalSecondaryIndexes": [
            {"IndexName": BY_LABEL, "KeySchema": [_key(LABEL, "HASH")], "Projection": {"ProjectionType": "KEYS_ONLY"}}
        ],
        "BillingMode": "PAY_PER_REQUEST",
    }


def _key(name: str, kind: str) -> dict[str, str]:
    return {"AttributeName": name, "KeyType": kind}
