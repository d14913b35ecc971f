"""An integration's streams: the Lambda that reads them, and the schedules that run it."""

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from hub import names
from hub.settings import SyncSettings
from infra.credentials import may_read_secret
from infra.flow import Destinations, Flow, longest_queue_url
from infra.functions import HubFunction, Runtime
from infra.network import network_of
from infra.schedules import Schedules
from infra.streams import reconciliations_of, streams_of

TIMEOUT_SECONDS = 900  # Lambda's longest: each function that goes on costs a start and the page that it reads first
MEMORY_MB = 512  # packages take 85 MB, a page some MB, what is remembered of a pass 40 MB


class Sync(Construct):
    """The streams of one integration."""

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
        name = names.sync_function(stage, integration)
        is_compared = any(each.compare for each in stated.streams.values())
        self._reconciled = reconciliations_of(shared.config, integration)
        topic_arn = runtime.alarms.topic_arn if self._reconciled else ""
        itself = stack.format_arn(
            service="lambda", resource="function", resource_name=name, arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME
        )
        function = HubFunction(
            self,
            "Lambda",
            runtime,
            name=name,
            handler="sync.main.handler",
            settings=SyncSettings(
                stage=stage,
                integration=integration,
                connector=stated.connector,
                url=stated.url or "",
                secret_id=names.secret(stage, integration),
                queue_urls=[flow.queue.queue_url for flow in flows],
                bodies_bucket=shared.bodies.name,
                ledger_table=names.ledger_table(stage),
                topic_arn=topic_arn,
            ),
            longest={
                **(
                    {topic_arn: f"arn:aws-us-gov:sns:us-gov-west-1:123456789012:{names.alarms_topic(stage)}"}
                    if topic_arn
                    else {}
                ),
                **{flow.queue.queue_url: longest_queue_url(names.queue(stage, flow.name)) for flow in flows},
                **shared.bodies.longest(),
            },
            rights=[
                iam.PolicyStatement(actions=["sqs:SendMessage"], resources=[flow.queue.queue_arn for flow in flows]),
                iam.PolicyStatement(
                    actions=["dynamodb:GetItem", "dynamodb:Query", "dynamodb:UpdateItem"],
                    resources=[shared.table.table_arn],
                    conditions={"ForAllValues:StringLike": {"dynamodb:LeadingKeys": [f"stream/{integration}/*"]}},
                ),
                may_read_secret(self, stage, integration),
                shared.bodies.may("s3:PutObject"),
                *(shared.bodies.keeps_streams_of(integration) if is_compared else ()),
                iam.PolicyStatement(
                    actions=["lambda:InvokeFunction"], resources=[itself]
                ),  # to go on where time was up
                *self._may_reconcile(runtime, integration, shared),
            ],
            timeout_seconds=TIMEOUT_SECONDS,
            memory_mb=MEMORY_MB,
            dimensions={"stage": stage, "integration": integration},
            purpose=f"Reads the streams of {integration}",
            runs_itself=True,
            network=network_of(shared.config, [integration, *self._ends()]),
            invoked_later=True,
        )
        shared.bodies.argue(function.role)
        if is_compared:
            shared.bodies.argue_streams(function.role, integration)
        self._schedules(integration, shared, function, runtime.lost.schedules_arn)

    def _ends(self) -> list[str]:
        """The destinations that its streams are held against."""
        return sorted({each.destination for pairs in self._reconciled.values() for each in pairs})

    def _may_reconcile(self, runtime: Runtime, integration: str, shared: Destinations) -> list[iam.PolicyStatement]:
        """To ask the destinations, to see in the ledger what has ended, and to tell."""
        if not self._reconciled:
            return []
        return [
            *(may_read_secret(self, runtime.stage, end) for end in self._ends()),
            iam.PolicyStatement(
                actions=["dynamodb:BatchGetItem"],
                resources=[shared.table.table_arn],
                conditions={"ForAllValues:StringLike": {"dynamodb:LeadingKeys": [f"{integration}/*"]}},
            ),
            iam.PolicyStatement(actions=["sns:Publish"], resources=[runtime.alarms.topic_arn]),
        ]

    def _schedules(self, integration: str, shared: Destinations, function: HubFunction, lost_arn: str) -> None:
        schedules = Schedules(self, function.function.function_arn, lost_arn, f"Runs the streams of {integration}")
        for name, declared in streams_of(shared.config, integration).items():
            stated, request = shared.config.integrations[integration].streams[name], declared.to_request()
            planned = {f"Schedule{name}": (stated.schedule, request)} if stated.schedule else {}
            if stated.compare:
                planned[f"Compare{name}"] = (f"rate({stated.compare})", request | {"compare": True})
            if stated.reconcile:
                for pair in self._reconciled.get(name, ()):
                    asked = request | {"reconcile": pair.to_request()}
                    planned[f"Reconcile{name}{pair.flow}"] = (f"rate({stated.reconcile.every})", asked)
            for construct_id, (expression, what) in planned.items():
                schedules.run(construct_id, expression, request=what, time_zone=stated.time_zone, retries=2)
