"""SQS: what S3 says of files that came, and the notes by which one function leaves the rest of a file to another."""

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

from botocore.exceptions import BotoCoreError, ClientError

from adapters.refusals import reason
from hub.errors import QueueUnavailable

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

REST_OF = "rest_of"


class SqsInbox:
    """The queue of an integration's files."""

    def __init__(self, client: "SQSClient", url: str) -> None:
        self._client = client
        self._url = url

    def go_on(self, key: str) -> None:
        """Have another function work on the rest of a file; raises QueueUnavailable unless SQS took the note."""
        self._call(self._client.send_message, MessageBody=json.dumps({REST_OF: key}))

    def hide(self, receipt: str, seconds: float) -> None:
        """Show a message again only then; raises QueueUnavailable."""
        self._call(self._client.change_message_visibility, ReceiptHandle=receipt, VisibilityTimeout=round(seconds))

    def _call(self, operation: Any, **request: Any) -> None:
        try:
            operation(QueueUrl=self._url, **request)
        except (BotoCoreError, ClientError) as error:
            raise QueueUnavailable(f"the queue of files failed: {reason(error)}") from error


def keys_of(message: str) -> list[str]:
    """The files that a message tells of; raises ValueError, KeyError or TypeError for what is none of ours.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
    """
    told = json.loads(message)
    if not isinstance(told, dict):
        raise TypeError("not a message of S3")
    if REST_OF in told:
        return [str(told[REST_OF])]
    if told.get("Event") == "s3:TestEvent":  # sent when the notification is set up
        return []
    keys = [unquote_plus(record["s3"]["object"]["key"]) for record in told["Records"]]
    return [key for key in keys if not key.endswith("/")]  # which is how consoles make folders
