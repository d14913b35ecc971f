"""A flow: its FIFO queue, its FIFO dead letter queue, and the delivery Lambda between the queue and the destination."""

from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from hub import names
from hub.breaker import Limits
from hub.config import Config
from hub.settings import DeliverySettings, RetrySettings
from infra import dead_letters
from infra.actions import declared_records, once_of, url_of
from infra.alarms import ring
from infra.bodies import QUEUED_DAYS, Bodies
from infra.breaker import may_wake
from infra.credentials import may_read_secret
from infra.functions import HubFunction, Runtime
from infra.ownership import divided
from infra.receives import receives
from infra.rules import PLAIN_HTTP, accept

# One call to the destination may take 60 s (DeliverySettings.http_timeout_seconds) and an event is begun only with so
# much time left, so a batch gets at least one event done, and the ledger's write still fits.
TIMEOUT_SECONDS = 120
# AWS's advice: https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
VISIBILITY_TIMES_TIMEOUT = 6
RETENTION_DAYS = QUEUED_DAYS  # the most that SQS allows: an outage's events must still be there
# Ten orders of 500 lines take 82 MB, packages included; ten of 4 MB, of which two are parsed at once, 164 MB (python -m
# benchmarks.memory). It waits for the destination most of the time, so that half the memory is nearly half the cost: 512 MB
# would make a batch of ten a tenth faster, and 80 % dearer (docs/benchmarks.md).
MEMORY_MB = 256
CONSUME = ("sqs:ChangeMessageVisibility", *dead_letters.CONSUME)


@dataclass(frozen=True)
class Destinations:
    """What every flow of a stage shares."""

    config: Config
    table: dynamodb.ITable
    bodies: Bodies
    dlq_function_arn: str


class Flow(Construct):
    """One flow."""

    def __init__(self, scope: Construct, name: str, runtime: Runtime, shared: Destinations) -> None:
        super().__init__(scope, name)
        self.name = name
        stage = runtime.stage
        self.dead_letter_queue = _fifo(
            self,
            "DeadLetterQueue",
            runtime,
            name=names.dead_letter_queue(stage, name),
            visibility_seconds=VISIBILITY_TIMES_TIMEOUT * dead_letters.TIMEOUT_SECONDS,
        )
        self.queue = _fifo(
            self,
            "Queue",
            runtime,
            name=names.queue(stage, name),
            visibility_seconds=VISIBILITY_TIMES_TIMEOUT * TIMEOUT_SECONDS,
            dead_letter_queue=sqs.DeadLetterQueue(
                max_receive_count=receives(shared.config.flows[name].retry), queue=self.dead_letter_queue
            ),
        )
        self._delivery(runtime, shared)
        lambda_.CfnEventSourceMapping(
            self,
            "DeadLetters",
            function_name=shared.dlq_function_arn,
            event_source_arn=self.dead_letter_queue.queue_arn,
            batch_size=1,  # a message that no function survives takes no other with it
            scaling_config=lambda_.CfnEventSourceMapping.ScalingConfigProperty(maximum_concurrency=2),  # AWS's minimum
            function_response_types=["ReportBatchItemFailures"],
        )
        self._alarms(runtime)

    def _delivery(self, runtime: Runtime, shared: Destinations) -> None:
        stage, config, flow = runtime.stage, shared.config, shared.config.flows[self.name]
        destination, division = config.integrations[flow.destination], divided(config, flow)
        once = once_of(config, flow, division.actions.values())
        function = HubFunction(
            self,
            "Delivery",
            runtime,
            name=names.delivery_function(stage, self.name),
            handler="delivery.main.handler",
            settings=DeliverySettings(
                stage=stage,
                flow=self.name,
                source_connector=config.integrations[flow.source].connector,
                destination=flow.destination,
                destination_connector=destination.connector,
                destination_url=url_of(destination),
                destination_secret_id=names.secret(stage, flow.destination),
                queue_url=self.queue.queue_url,
                dead_letter_queue_url=self.dead_letter_queue.queue_url,
                ledger_table=names.ledger_table(stage),
                bodies_bucket=shared.bodies.name,
                actions=division.actions,
                flow_settings=division.settings(flow),
                left=division.left,
                records=declared_records(config.integrations[flow.source]),
                max_concurrency=flow.max_concurrency,
                workers=flow.workers,
                ledger_days=config.ledger_days,
                wait_for_parent_seconds=flow.wait_for_parent_hours * 3600,
                once=once,
                retry=RetrySettings(
                    base_seconds=flow.retry.base_seconds,
                    cap_seconds=flow.retry.cap_seconds,
                    give_up_after_seconds=flow.retry.give_up_after_hours * 3600,
                ),
                breaker=Limits(**destination.breaker.model_dump()),
                pacing=config.pacing_of(flow.destination),
            ),
            longest={
                self.queue.queue_url: longest_queue_url(names.queue(stage, self.name)),
                self.dead_letter_queue.queue_url: longest_queue_url(names.dead_letter_queue(stage, self.name)),
                **shared.bodies.longest(),
            },
            rights=[
                iam.PolicyStatement(actions=list(CONSUME), resources=[self.queue.queue_arn]),
                iam.PolicyStatement(actions=["sqs:SendMessage"], resources=[self.dead_letter_queue.queue_arn]),
                iam.PolicyStatement(
                    actions=["dynamodb:BatchGetItem", "dynamodb:BatchWriteItem"], resources=[shared.table.table_arn]
                ),
                may_read_secret(self, stage, flow.destination),
                iam.PolicyStatement(
                    actions=["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"],
                    resources=[shared.table.table_arn],
                    conditions={
                        "ForAllValues:StringEquals": {"dynamodb:LeadingKeys": [f"destination/{flow.destination}"]}
                    },
                ),
                may_wake(self, stage, flow.destination),
                shared.bodies.may("s3:GetObject"),
                *([_may_claim(shared.table, flow.source)] if once else []),
            ],
            timeout_seconds=TIMEOUT_SECONDS,
            memory_mb=MEMORY_MB,
            dimensions={"stage": stage, "flow": self.name},
            purpose=f"Applies the events of flow {self.name} to {flow.destination}",
            network=destination.network,
            quiet=True,
        )
        shared.bodies.argue(function.role)
        lambda_.CfnEventSourceMapping(
            self,
            "Events",
            function_name=function.function.function_name,
            event_source_arn=self.queue.queue_arn,
            batch_size=flow.batch_size,
            scaling_config=lambda_.CfnEventSourceMapping.ScalingConfigProperty(
                maximum_concurrency=flow.max_concurrency
            ),
            function_response_types=["ReportBatchItemFailures"],
        )

    def _alarms(self, runtime: Runtime) -> None:
        minute = cdk.Duration.minutes(1)
        ring(
            self,
            "DeadLettersWait",
            name=f"hub-{runtime.stage}-{self.name}-dead-letters-wait",
            metric=self.dead_letter_queue.metric_approximate_number_of_messages_visible(
                period=minute, statistic="Maximum"
            ),
            above=0,
            of=2,  # the dlq Lambda empties the queue in seconds and tells of each cause; this rings when it does not
            why=f"Dead letters of flow {self.name} wait in their queue: the dlq Lambda does not record them",
            topic=runtime.critical,
        )


def _may_claim(table: dynamodb.ITable, source: str) -> iam.PolicyStatement:
    """The right to claim what is done once only, under the entities of one source."""
    return iam.PolicyStatement(
        actions=["dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"],
        resources=[table.table_arn],
        conditions={"ForAllValues:StringLike": {"dynamodb:LeadingKeys": [f"{source}/*"]}},
    )


def longest_queue_url(name: str) -> str:
    """A queue's URL in a region with a long name."""
    return f"https://sqs.ap-southeast-1.amazonaws.com/123456789012/{name}"


def _fifo(
    scope: Construct,
    construct_id: str,
    runtime: Runtime,
    *,
    name: str,
    visibility_seconds: int,
    dead_letter_queue: sqs.DeadLetterQueue | None = None,
) -> sqs.Queue:
    queue = sqs.Queue(
        scope,
        construct_id,
        queue_name=name,
        fifo=True,
        # per entity, as the hub needs it, and thereby 3,000 and more events per second instead of 300
        deduplication_scope=sqs.DeduplicationScope.MESSAGE_GROUP,
        fifo_throughput_limit=sqs.FifoThroughputLimit.PER_MESSAGE_GROUP_ID,
        encryption=sqs.QueueEncryption.SQS_MANAGED,
        enforce_ssl=runtime.platform.enforce_tls,
        visibility_timeout=cdk.Duration.seconds(visibility_seconds),
        retention_period=cdk.Duration.days(RETENTION_DAYS),
        dead_letter_queue=dead_letter_queue,
    )
    if not runtime.platform.enforce_tls:
        accept(queue, "AwsSolutions-SQS4", PLAIN_HTTP)
    return queue
