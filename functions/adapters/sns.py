"""SNS: how operators are told."""

from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from hub.errors import Temporary

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient

MAX_SUBJECT_CHARS = 99  # SNS: less than 100, ASCII, no line breaks


class SnsNotices:
    """Notices to the alarms topic."""

    def __init__(self, client: "SNSClient", topic_arn: str) -> None:
        self._client = client
        self._topic_arn = topic_arn

    def tell(self, subject: str, text: str) -> None:
        """Publish a notice; raises Temporary unless SNS confirmed it."""
        safe = subject.encode("ascii", "replace").decode().replace("\n", " ")[:MAX_SUBJECT_CHARS]
        try:
            self._client.publish(TopicArn=self._topic_arn, Subject=safe, Message=text)
        except (BotoCoreError, ClientError) as error:
            raise Temporary(f"SNS did not confirm the notice: {type(error).__name__}") from error
