"""SNS: operators are told, or it is known that they were not."""

import json
from typing import TYPE_CHECKING, Any

import pytest
from botocore.stub import ANY, Stubber

from adapters.sns import SnsNotices
from hub.errors import Temporary

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient


def test_a_notice_arrives(sns: "SNSClient", sqs: "SQSClient", name: str) -> None:
    topic = sns.create_topic(Name=name)["TopicArn"]
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)

    SnsNotices(sns, topic).tell("shop-eu-to-erp: Refused", "1 event is dead\nü")

    notice = json.loads(sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"])
    assert (notice["Subject"], notice["Message"]) == ("shop-eu-to-erp: Refused", "1 event is dead\nü")


@pytest.mark.parametrize(("subject", "sent"), [("x" * 200, "x" * 99), ("über\nzwei", "?ber zwei"), ("plain", "plain")])
def test_a_subject_is_cut_to_what_sns_takes(sns: "SNSClient", subject: str, sent: str) -> None:
    with Stubber(sns) as stubbed:
        answer: Any = {"MessageId": "1"}
        stubbed.add_response("publish", answer, {"TopicArn": ANY, "Subject": sent, "Message": "text"})
        SnsNotices(sns, "arn").tell(subject, "text")

        stubbed.assert_no_pending_responses()


def test_a_notice_that_sns_did_not_take_says_so(sns: "SNSClient") -> None:
    with Stubber(sns) as stubbed:
        stubbed.add_client_error("publish", "InternalError")

        with pytest.raises(Temporary, match="SNS did not confirm the notice"):
            SnsNotices(sns, "arn").tell("subject", "text")
