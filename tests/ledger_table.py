"""The ledger's table as the stack makes it, for tests that make one by hand."""

from typing import Any

from hub.dead_letter import BY_LOOK, LOOK_AT, OPEN_IN
from hub.ledger import BY_LABEL, LABEL

KEYS = ("entity", "record", LABEL, OPEN_IN, LOOK_AT)


def table(name: str) -> dict[str, Any]:
    """What to ask DynamoDB to create."""
    return {
        "TableName": name,
        "KeySchema": [_key("entity", "HASH"), _key("record", "RANGE")],
        "AttributeDefinitions": [{"AttributeName": each, "AttributeType": "S"} for each in KEYS],
        "GlobalSecondaryIndexes": [
            {"IndexName": BY_LABEL, "KeySchema": [_key(LABEL, "HASH")], "Projection": {"ProjectionType": "KEYS_ONLY"}},
            {
                "IndexName": BY_LOOK,
                "KeySchema": [_key(OPEN_IN, "HASH"), _key(LOOK_AT, "RANGE")],
                "Projection": {"ProjectionType": "ALL"},
            },
        ],
        "BillingMode": "PAY_PER_REQUEST",
    }


def _key(name: str, kind: str) -> dict[str, str]:
    return {"AttributeName": name, "KeyType": kind}
