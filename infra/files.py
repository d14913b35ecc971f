"""Files that are dropped: the stage's bucket, and for each integration of files a queue of what came and the Lambda that
takes it in."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from hub import names
from hub.settings import FilesSettings, packed
from infra.alarms import ring
from infra.dead_letters import CONSUME
from infra.flow import RETENTION_DAYS, Destinations, Flow, longest_queue_url
from infra.functions import HubFunction, Runtime
from infra.platform import Platform
from infra.rules import PLAIN_HTTP, accept, resource_finding
from infra.streams import streams_of

if TYPE_CHECKING:
    from infra.integration import Source

TIMEOUT_SECONDS = 900  # Lambda's longest: each function that goes on reads the file once before it does
# A dead function's message comes back soon; one that lives is done before. AWS advises six times the timeout for queues
# whose messages wait to be taken while they are invisible already, which two functions for one message at a time do not.
VISIBILITY_SECONDS = TIMEOUT_SECONDS + 60
MEMORY_MB = 1_769  # a whole processor; a table of a million rows takes some 100 MB
MOST_RECEIVES = 20  # with waits of up to 15 minutes: some four hours of trouble
FILES_AT_ONCE = 2  # of an integration: AWS's minimum
PARTS_DAYS = 7


class FilesBucket(Construct):
    """The bucket of a stage's files. It tells each integration's queue of what is dropped into its inbox, so that the
    queues must exist before it: `sources` are their stacks."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        stage: str,
        platform: Platform,
        ledger_days: int,
        sources: Sequence["Source"],
    ) -> None:
        super().__init__(scope, construct_id)
        stack = cdk.Stack.of(self)
        self.name = names.files_bucket(stage, stack.account, stack.region)
        days = cdk.Duration.days(ledger_days)
        bucket = s3.Bucket(
            self,
            "Bucket",
            bucket_name=self.name,
            encryption=s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=platform.enforce_tls,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            versioned=False,
            lifecycle_rules=[
                s3.LifecycleRule(id="processed", prefix="processed/", expiration=days),
                s3.LifecycleRule(id="rejected", prefix="rejected/", expiration=days),
                s3.LifecycleRule(id="parts", prefix="parts/", expiration=cdk.Duration.days(PARTS_DAYS)),
                s3.LifecycleRule(id="unfinished", abort_incomplete_multipart_upload_after=cdk.Duration.days(1)),
            ],
            removal_policy=platform.ledger_removal,
        )
        resource = bucket.node.default_child
        assert isinstance(resource, s3.CfnBucket)  # noqa: S101 - for the type checker
        resource.notification_configuration = s3.CfnBucket.NotificationConfigurationProperty(
            queue_configurations=[
                s3.CfnBucket.QueueConfigurationProperty(
                    event="s3:ObjectCreated:*",
                    queue=stack.format_arn(service="sqs", resource=names.files_queue(stage, source.integration)),
                    filter=s3.CfnBucket.NotificationFilterProperty(
                        s3_key=s3.CfnBucket.S3KeyFilterProperty(
                            rules=[
                                s3.CfnBucket.FilterRuleProperty(name="prefix", value=names.inbox(source.integration))
                            ]
                        )
                    ),
                )
                for source in sources
            ]
        )
        for source in sources:
            if source.nested_stack_resource:
                resource.add_dependency(source.nested_stack_resource)
        accept(
            bucket,
            "AwsSolutions-S1",
            "what becomes of each file is in its summary beside it and in the function's log; a log of accesses would be "
            "a second bucket",
        )
        if not platform.enforce_tls:
            accept(bucket, "AwsSolutions-S10", PLAIN_HTTP)


class Files(Construct):
    """The files of one integration."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        runtime: Runtime,
        *,
        integration: str,
        shared: Destinations,
        flows: Sequence[Flow],
    ) -> None:
        super().__init__(scope, construct_id)
        stack, stage, stated = cdk.Stack.of(self), runtime.stage, shared.config.integrations[integration]
        bucket = names.files_bucket(stage, stack.account, stack.region)
        lost = _queue(self, "LostFiles", runtime, names.lost_files_queue(stage, integration))
        inbox = _queue(
            self,
            "Inbox",
            runtime,
            names.files_queue(stage, integration),
            sqs.DeadLetterQueue(max_receive_count=MOST_RECEIVES, queue=lost),
        )
        inbox.add_to_resource_policy(
            iam.PolicyStatement(
                sid="FilesOfThisStage",
                actions=["sqs:SendMessage"],
                principals=[iam.ServicePrincipal("s3.amazonaws.com")],
                resources=[inbox.queue_arn],
                conditions={
                    "ArnEquals": {"aws:SourceArn": f"arn:{cdk.Aws.PARTITION}:s3:::{bucket}"},
                    "StringEquals": {"aws:SourceAccount": stack.account},
                },
            )
        )
        name, topic_arn = names.files_function(stage, integration), runtime.alarms.topic_arn
        declared = {each: one.to_request() for each, one in streams_of(shared.config, integration).items()}
        folders = _Folders(bucket, integration)
        function = HubFunction(
            self,
            "Lambda",
            runtime,
            name=name,
            handler="files.main.handler",
            settings=FilesSettings(
                stage=stage,
                integration=integration,
                connector=stated.connector,
                queue_urls=[flow.queue.queue_url for flow in flows],
                inbox_url=inbox.queue_url,
                files_bucket=bucket,
                bodies_bucket=shared.bodies.name,
                ledger_table=names.ledger_table(stage),
                topic_arn=topic_arn,
                streams=packed(declared),
            ),
            longest={
                **{flow.queue.queue_url: longest_queue_url(names.queue(stage, flow.name)) for flow in flows},
                inbox.queue_url: longest_queue_url(names.files_queue(stage, integration)),
                topic_arn: f"arn:aws-us-gov:sns:us-gov-west-1:123456789012:{names.alarms_topic(stage)}",
                **shared.bodies.longest(),
            },
            rights=[
                iam.PolicyStatement(actions=["sqs:SendMessage"], resources=[flow.queue.queue_arn for flow in flows]),
                iam.PolicyStatement(
                    actions=[*CONSUME, "sqs:ChangeMessageVisibility", "sqs:SendMessage"], resources=[inbox.queue_arn]
                ),
                iam.PolicyStatement(
                    actions=["dynamodb:UpdateItem"],
                    resources=[shared.table.table_arn],
                    conditions={"ForAllValues:StringLike": {"dynamodb:LeadingKeys": [f"file/{integration}/*"]}},
                ),
                *folders.rights(),
                shared.bodies.may("s3:PutObject"),
                iam.PolicyStatement(actions=["sns:Publish"], resources=[topic_arn]),
            ],
            timeout_seconds=TIMEOUT_SECONDS,
            memory_mb=MEMORY_MB,
            dimensions={"stage": stage, "integration": integration},
            purpose=f"Takes in the files of {integration}",
        )
        shared.bodies.argue(function.role)
        for arn in folders.all:
            accept(
                function.role,
                resource_finding(stack, arn),
                "people name the files that they drop; the pattern holds this integration's alone",
            )
        lambda_.CfnEventSourceMapping(
            self,
            "Dropped",
            function_name=function.function.function_name,
            event_source_arn=inbox.queue_arn,
            batch_size=1,
            scaling_config=lambda_.CfnEventSourceMapping.ScalingConfigProperty(maximum_concurrency=FILES_AT_ONCE),
            function_response_types=["ReportBatchItemFailures"],
        )
        ring(
            self,
            "FilesLost",
            name=f"{name}-lost",
            metric=lost.metric_approximate_number_of_messages_visible(
                period=cdk.Duration.minutes(1), statistic="Maximum"
            ),
            above=0,
            of=1,
            kind="lost",
            why=f"A file of {integration} could not be taken in, try after try, and lies in its inbox: read {name}'s log",
            topic=runtime.alarms,
        )


class _Folders:
    """What an integration's function may do in the bucket."""

    def __init__(self, bucket: str, integration: str) -> None:
        self._bucket = f"arn:{cdk.Aws.PARTITION}:s3:::{bucket}"
        self._prefix = f"{names.inbox(integration)}*"
        self._inbox = f"{self._bucket}/{self._prefix}"
        self._ends = [f"{self._bucket}/{folder}/{integration}/*" for folder in ("processed", "rejected")]
        self._parts = f"{self._bucket}/parts/{integration}/*"
        self.all = [self._inbox, *self._ends, self._parts]

    def rights(self) -> list[iam.PolicyStatement]:
        return [
            iam.PolicyStatement(actions=["s3:GetObject", "s3:DeleteObject"], resources=[self._inbox]),
            iam.PolicyStatement(actions=["s3:PutObject"], resources=[*self._ends, self._parts]),
            iam.PolicyStatement(actions=["s3:GetObject"], resources=[self._parts]),
            iam.PolicyStatement(  # without it S3 does not tell a missing file from a forbidden one
                actions=["s3:ListBucket"],
                resources=[self._bucket],
                conditions={"StringLike": {"s3:prefix": [self._prefix]}},
            ),
        ]


def _queue(
    scope: Construct,
    construct_id: str,
    runtime: Runtime,
    name: str,
    dead_letter_queue: sqs.DeadLetterQueue | None = None,
) -> sqs.Queue:
    queue = sqs.Queue(
        scope,
        construct_id,
        queue_name=name,
        encryption=sqs.QueueEncryption.SQS_MANAGED,
        enforce_ssl=runtime.platform.enforce_tls,
        visibility_timeout=cdk.Duration.seconds(VISIBILITY_SECONDS),
        retention_period=cdk.Duration.days(RETENTION_DAYS),
        dead_letter_queue=dead_letter_queue,
    )
    if not runtime.platform.enforce_tls:
        accept(queue, "AwsSolutions-SQS4", PLAIN_HTTP)
    if not dead_letter_queue:
        accept(queue, "AwsSolutions-SQS3", "it is the dead letter queue of the other")
    return queue
