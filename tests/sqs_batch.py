"""Batches as Lambda's event source mapping of an SQS FIFO queue hands them over, and the context beside them.

https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
"""

from dataclasses import dataclass
from typing import Any

from adapters.sqs import failure_attributes
from hub.ledger import Failure


@dataclass
class Context:
    """The part of a Lambda's context that the handlers ask."""

    milliseconds: int = 300_000
    aws_request_id: str = "request-1"

    def get_remaining_time_in_millis(self) -> int:
        return self.milliseconds


def sqs_batch(
    *bodies: str,
    attempts: int = 1,
    queue: str = "hub-test-shop-eu-to-erp.fifo",
    failure: Failure | None = None,
) -> dict[str, Any]:
    """A batch whose messages are `message-1`, `message-2` … with receipt handles `receipt-1`, `receipt-2` …"""
    return {"Records": [_record(number, body, attempts, queue, failure) for number, body in enumerate(bodies, 1)]}


def _record(number: int, body: str, attempts: int, queue: str, failure: Failure | None) -> dict[str, Any]:
    reasons = failure_attributes(failure, attempts) if failure else {}
    return {
        "messageId": f"message-{number}",
        "receiptHandle": f"receipt-{number}",
        "body": body,
        "attributes": {
            "ApproximateReceiveCount": str(attempts),
            "SentTimestamp": "1767268800000",
            "SequenceNumber": "18849496460467696128",
            "MessageGroupId": "group",
            "SenderId": "AIDAIO23YVJENQZJOL4VO",
            "MessageDeduplicationId": f"deduplication-{number}",
            "ApproximateFirstReceiveTimestamp": "1767268800001",
        },
        "messageAttributes": {
            name: {
                "stringValue": value["StringValue"],
                "stringListValues": [],
                "binaryListValues": [],
                "dataType": "String",
            }
            for name, value in reasons.items()
        },
        "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:us-east-1:000000000000:{queue}",
        "awsRegion": "us-east-1",
    }
