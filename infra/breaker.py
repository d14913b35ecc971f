"""The breaker of a destination: the Lambda that pauses its flows while it is down and releases what is parked for it,
and the rule that runs it."""

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from constructs import Construct

from hub import names
from hub.breaker import OPEN_METRIC, Limits
from hub.config import Config
from hub.settings import BreakerSettings
from infra.actions import url_of
from infra.alarms import ring
from infra.credentials import may_read_secret
from infra.functions import HubFunction, Runtime
from infra.rules import MANY_QUEUES, accept, resource_finding
from infra.schedules import Schedules

TIMEOUT_SECONDS = 60  # a probe of 10 s, two quick calls for each of some dozen flows, three for a parked event
ALARMED_MINUTES = 3  # a restart of a minute or two is told by a notice, and wakes nobody
EVERY_MINUTES = 1  # the shortest that EventBridge offers: how soon an outage's end is noticed


class DestinationBreaker(Construct):
    """The breaker of one destination, and of all flows that end there."""

    def __init__(
        self, scope: Construct, destination: str, runtime: Runtime, config: Config, table: dynamodb.ITable
    ) -> None:
        super().__init__(scope, destination)
        stack, stage = cdk.Stack.of(self), runtime.stage
        integration = config.integrations[destination]
        mappings = stack.format_arn(
            service="lambda",
            resource="event-source-mapping",
            resource_name="*",
            arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
        )
        topic_arn = runtime.alarms.topic_arn
        function = HubFunction(
            self,
            "Lambda",
            runtime,
            name=names.breaker_function(stage, destination),
            handler="breaker.main.handler",
            settings=BreakerSettings(
                stage=stage,
                destination=destination,
                connector=integration.connector,
                url=url_of(integration),
                secret_id=names.secret(stage, destination),
                ledger_table=names.ledger_table(stage),
                topic_arn=topic_arn,
                breaker=Limits(**integration.breaker.model_dump()),
            ),
            longest={topic_arn: f"arn:aws-us-gov:sns:us-gov-west-1:123456789012:{names.alarms_topic(stage)}"},
            rights=[
                iam.PolicyStatement(
                    actions=["dynamodb:GetItem", "dynamodb:PutItem"],
                    resources=[table.table_arn],
                    conditions={"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["destination/*", "flow/*"]}},
                ),
                iam.PolicyStatement(actions=["lambda:ListEventSourceMappings"], resources=["*"]),
                iam.PolicyStatement(
                    actions=["lambda:UpdateEventSourceMapping"],
                    resources=[mappings],
                    conditions={"ArnLike": {"lambda:FunctionArn": self._delivery_functions(stage)}},
                ),
                iam.PolicyStatement(actions=["sns:Publish"], resources=[topic_arn]),
                may_read_secret(self, stage, destination),
                *self._may_release(stage, destination, config, table),
            ],
            timeout_seconds=TIMEOUT_SECONDS,
            memory_mb=256,  # never in a hurry; its packages take 85 MB
            dimensions={"stage": stage, "destination": destination},
            invoked_later=True,
            purpose=f"Pauses the flows to {destination} while it is down, and releases what is parked for it",
            network=integration.network,
        )
        accept(
            function.role,
            "AwsSolutions-IAM5[Resource::*]",
            "lambda:ListEventSourceMappings takes no resource; it tells which mapping serves which function, no more",
        )
        accept(
            function.role,
            resource_finding(stack, mappings),
            "a mapping's id is given by AWS when it is made; the condition admits those of this stage's deliveries only",
        )
        accept(
            function.role,
            resource_finding(stack, self._queues(stage)),
            MANY_QUEUES,
        )
        schedules = Schedules(self, function.function.function_arn, runtime.lost.schedules_arn, f"Tends {destination}")
        schedules.run("EveryMinute", f"rate({EVERY_MINUTES} minute)")
        ring(
            self,
            "Open",
            name=f"hub-{stage}-{destination}-unavailable",
            metric=cloudwatch.Metric(
                namespace=names.METRICS_NAMESPACE,
                metric_name=OPEN_METRIC,
                dimensions_map={"stage": stage, "destination": destination},
                statistic="Maximum",
                period=cdk.Duration.minutes(EVERY_MINUTES),
            ),
            above=0,
            of=ALARMED_MINUTES,
            why=f"{destination} does not serve, or only just again; its flows wait and lose nothing. See `hub flow status` "
            f"for the reason: mend {destination} (is it up, is its key valid, is its limit used up?); they go on by "
            "themselves",
            topic=None if runtime.platform.composite_alarms else runtime.critical,  # its destination's outage tells
            kind="unavailable",
            silence=cloudwatch.TreatMissingData.IGNORE,  # what was said last counts, also while nothing can be said
        )

    def _may_release(
        self, stage: str, destination: str, config: Config, table: dynamodb.ITable
    ) -> list[iam.PolicyStatement]:
        sources = sorted({flow.source for flow in config.flows.values() if flow.destination == destination})

        def on(actions: list[str], entities: list[str]) -> iam.PolicyStatement:
            narrowed = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": entities}}
            return iam.PolicyStatement(actions=actions, resources=[table.table_arn], conditions=narrowed)

        return [
            on(["dynamodb:DeleteItem", "dynamodb:Query", "dynamodb:UpdateItem"], [names.parked(destination)]),
            # the parked events, and how their parents stand
            on(["dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:Query"], [f"{source}/*" for source in sources]),
            iam.PolicyStatement(actions=["sqs:GetQueueUrl", "sqs:SendMessage"], resources=[self._queues(stage)]),
        ]

    def _queues(self, stage: str) -> str:
        return cdk.Stack.of(self).format_arn(service="sqs", resource=names.queue(stage, "*"))

    def _delivery_functions(self, stage: str) -> str:
        return cdk.Stack.of(self).format_arn(
            service="lambda",
            resource="function",
            resource_name=names.delivery_function(stage, "*"),
            arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
        )


def may_wake(scope: Construct, stage: str, destination: str) -> iam.PolicyStatement:
    """The right to run a destination's breaker now."""
    arn = cdk.Stack.of(scope).format_arn(
        service="lambda",
        resource="function",
        resource_name=names.breaker_function(stage, destination),
        arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
    )
    return iam.PolicyStatement(actions=["lambda:InvokeFunction"], resources=[arn])
