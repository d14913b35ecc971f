"""An integration's health: the Lambda that checks it, and the schedule that runs it.

One for each integration, so that each reads its own secret only, and one that hangs delays no other.
"""

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from constructs import Construct

from hub import names
from hub.config import Config, seconds_of
from hub.settings import CalledSettings, HealthSettings, packed
from infra.actions import manifest_of, url_of
from infra.credentials import may_read_secret
from infra.edge import longest_url
from infra.flow import Flow
from infra.functions import HubFunction, Runtime
from infra.schedules import Schedules
from infra.streams import streams_of

TIMEOUT_SECONDS = 60  # a call of 10 s, one for subscriptions, two quick ones for each of some dozen queues
MEMORY_MB = 256  # never in a hurry; its packages take 85 MB


class HealthCheck(Construct):
    """The checks of one integration. `flows` are those that start at it, `log_group_arn` is that of its webhook function."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        runtime: Runtime,
        *,
        integration: str,
        config: Config,
        table: dynamodb.ITable,
        flows: Sequence[Flow] = (),
        log_group_arn: str = "",
        public_url: str = "",
    ) -> None:
        super().__init__(scope, construct_id)
        stage, stated = runtime.stage, config.integrations[integration]
        called = _called(config, integration)
        system = {integration, stated.same_as} - {""}  # more than one face of the same system, maybe
        read = {name: streams_of(config, name) for name in sorted(system) if not _reads_files(config, name)}
        streams = {
            names.sync_function(stage, name): [each.to_request() for each in found.values()]
            for name, found in read.items()
            if found and config.flows_from(name)
        }
        topic_arn = runtime.alarms.topic_arn
        function = HubFunction(
            self,
            "Lambda",
            runtime,
            name=names.health_function(stage, integration),
            handler="health.main.handler",
            settings=HealthSettings(
                stage=stage,
                integration=integration,
                connector=stated.connector,
                secret_id=names.secret(stage, integration),
                ledger_table=names.ledger_table(stage),
                topic_arn=topic_arn,
                called=called,
                public_url=public_url,
                flows=[flow.name for flow in flows],
                streams=packed(streams) if streams else "",
                every_seconds=stated.health.every_seconds,
                slow_milliseconds=stated.health.slow_milliseconds,
                silent_after_seconds=seconds_of(stated.silent_after) if stated.expects_traffic is True else 0,
                mend=stated.health.mend,
            ),
            longest={
                topic_arn: f"arn:aws-us-gov:sns:us-gov-west-1:123456789012:{names.alarms_topic(stage)}",
                **({public_url: stated.public_url or longest_url(integration)} if public_url else {}),
            },
            rights=[
                iam.PolicyStatement(
                    actions=["dynamodb:GetItem", "dynamodb:PutItem"],
                    resources=[table.table_arn],
                    conditions={"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": [names.health(integration)]}},
                ),
                *[may_read_secret(self, stage, name) for name in sorted(system)],
                *self._may_look(flows, log_group_arn),
                *(self._may_mend(list(streams), sorted(system), table, topic_arn) if public_url else []),
            ],
            timeout_seconds=TIMEOUT_SECONDS,
            memory_mb=MEMORY_MB,
            dimensions={"stage": stage, "integration": integration},
            purpose=f"Checks the health of {integration}",
            network=stated.network,
            invoked_later=True,
        )
        purpose = f"Checks the health of {integration}"
        schedules = Schedules(self, function.function.function_arn, runtime.lost.schedules_arn, purpose)
        schedules.run("Schedule", f"rate({stated.health.every})")

    def _may_look(self, flows: Sequence[Flow], log_group_arn: str) -> list[iam.PolicyStatement]:
        rights = []
        if flows:
            queues = [flow.queue.queue_arn for flow in flows]
            rights.append(iam.PolicyStatement(actions=["sqs:GetQueueAttributes", "sqs:GetQueueUrl"], resources=queues))
        if log_group_arn:
            rights.append(iam.PolicyStatement(actions=["logs:FilterLogEvents"], resources=[log_group_arn]))
        return rights

    def _may_mend(
        self, functions: list[str], system: list[str], table: dynamodb.ITable, topic_arn: str
    ) -> list[iam.PolicyStatement]:
        """To run the streams that fill a gap, and to tell."""
        rights = [iam.PolicyStatement(actions=["sns:Publish"], resources=[topic_arn])]
        if functions:
            arns = [
                cdk.Stack.of(self).format_arn(
                    service="lambda",
                    resource="function",
                    resource_name=name,
                    arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
                )
                for name in functions
            ]
            own = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": [f"stream/{name}/*" for name in system]}}
            rights += [
                iam.PolicyStatement(actions=["lambda:InvokeFunction"], resources=arns),
                iam.PolicyStatement(actions=["dynamodb:GetItem"], resources=[table.table_arn], conditions=own),
            ]
        return rights


def _called(config: Config, integration: str) -> CalledSettings | None:
    """The system that is called: the integration's own, or the one that it is the same as."""
    for name in (integration, config.integrations[integration].same_as):
        if name and (url := url_of(config.integrations[name])):
            each = config.integrations[name]
            return CalledSettings(each.connector, url, names.secret(config.stage, name))
    return None


def _reads_files(config: Config, integration: str) -> bool:
    return manifest_of(config.integrations[integration]).reads_files
