"""An integration of files: the bucket that tells of what is dropped, the queue that is told, the Lambda that reads it."""

import pytest

from hub.config import Config, Flow, Integration, StreamConfig
from hub.settings import FilesSettings, unpacked
from hub.streams import Declared
from infra.streams import streams_of
from tests.infra.conftest import Synthesize
from tests.infra.templates import Templates

pytestmark = pytest.mark.slow

NAME = "hub-production-files-prices"
BUCKET = "arn:aws:s3:::hub-production-files-ACCOUNT-eu-central-1"


@pytest.fixture(scope="module")
def config(example: Config) -> Config:
    """The example, with price lists that people drop."""
    columns = {"sku": "text", **{f"price_{number}": {"type": "money", "decimal": ","} for number in range(60)}}
    prices = Integration(connector="csv", streams={"prices": StreamConfig(settings={"key": "sku", "columns": columns})})
    flow = Flow(source="prices", destination="erp", settings=example.flows["shop-eu-to-erp"].settings)
    return example.model_copy(
        update={
            "integrations": {**example.integrations, "prices": prices},
            "flows": {**example.flows, "prices-to-erp": flow},
        }
    )


@pytest.fixture(scope="module")
def templates(synthesize: Synthesize, config: Config) -> Templates:
    return synthesize(config)


def test_the_bucket_tells_the_integrations_queue_of_its_inbox_alone(templates: Templates) -> None:
    bucket = next(each for each in templates.all("AWS::S3::Bucket") if "NotificationConfiguration" in each.properties)
    told = templates.plain(bucket, bucket.properties["NotificationConfiguration"]["QueueConfigurations"])

    assert told == [
        {
            "Event": "s3:ObjectCreated:*",
            "Filter": {"S3Key": {"Rules": [{"Name": "prefix", "Value": "inbox/prices/"}]}},
            "Queue": f"arn:aws:sqs:eu-central-1:ACCOUNT:{NAME}",
        }
    ]
    nested = [
        one.logical_id for one in templates.all("AWS::CloudFormation::Stack") if one.logical_id.startswith("prices")
    ]
    assert set(nested) <= set(bucket.definition["DependsOn"])


def test_only_that_bucket_may_tell_the_queue(templates: Templates) -> None:
    statements = [
        statement
        for policy in templates.all("AWS::SQS::QueuePolicy")
        for statement in templates.plain(policy, policy.properties["PolicyDocument"]["Statement"])
        if statement["Effect"] == "Allow"
    ]

    assert [(each["Principal"], each["Condition"]) for each in statements] == [
        (
            {"Service": "s3.amazonaws.com"},
            {"ArnEquals": {"aws:SourceArn": BUCKET}, "StringEquals": {"aws:SourceAccount": "ACCOUNT"}},
        )
    ]


def test_the_function_may_do_what_its_own_files_need_and_nothing_else(templates: Templates) -> None:
    rights = templates.rights(NAME)

    assert rights == {
        f"</aws/lambda/{NAME} Arn>": ["logs:CreateLogStream", "logs:PutLogEvents"],
        "<hub-production-prices-to-erp.fifo Arn>": ["sqs:SendMessage"],
        f"<{NAME} Arn>": [
            "sqs:ChangeMessageVisibility",
            "sqs:DeleteMessage",
            "sqs:GetQueueAttributes",
            "sqs:ReceiveMessage",
            "sqs:SendMessage",
        ],
        "<hub-production-ledger Arn>": [
            "dynamodb:UpdateItem",
            'if {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["file/prices/*"]}}',
        ],
        f"{BUCKET}/inbox/prices/*": ["s3:DeleteObject", "s3:GetObject"],
        f"{BUCKET}/processed/prices/*": ["s3:PutObject"],
        f"{BUCKET}/rejected/prices/*": ["s3:PutObject"],
        f"{BUCKET}/parts/prices/*": ["s3:GetObject", "s3:PutObject"],
        BUCKET: ['if {"StringLike": {"s3:prefix": ["inbox/prices/*"]}}', "s3:ListBucket"],
        "arn:aws:s3:::hub-production-bodies-ACCOUNT-eu-central-1/bodies/*": ["s3:PutObject"],
        "<hub-production-alarms>": ["sns:Publish"],
    }


def test_it_reads_the_streams_that_it_is_given_however_many_columns_they_have(
    templates: Templates, config: Config
) -> None:
    settings = FilesSettings._from_dict(templates.settings(NAME))
    streams = {name: Declared.from_request(each) for name, each in unpacked(settings.streams).items()}

    assert streams == streams_of(config, "prices")
    assert len(streams["prices"].settings["columns"]) == 61


def test_a_dead_functions_message_comes_back_and_is_not_tried_for_ever(templates: Templates) -> None:
    queue = templates.named("AWS::SQS::Queue", NAME).properties
    function = templates.named("AWS::Lambda::Function", NAME).properties

    assert queue["VisibilityTimeout"] > function["Timeout"]
    assert queue["RedrivePolicy"]["maxReceiveCount"] == 20


def test_a_stage_without_files_has_no_such_bucket(production: Templates) -> None:
    assert not [each for each in production.all("AWS::S3::Bucket") if "NotificationConfiguration" in each.properties]
    assert not [
        each for each in production.all("AWS::Lambda::Function") if "-files-" in each.properties["FunctionName"]
    ]
