"""The dlq Lambda: records what died in the ledger and brings it forward; each flow attaches its dead letter queue."""

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from constructs import Construct

from hub import names
from hub.config import Config
from hub.dead_letter import BY_LOOK
from hub.dead_letter_retries import Plan, waits_by_category
from hub.settings import DlqSettings
from infra.functions import HubFunction, Runtime
from infra.rules import MANY_QUEUES, accept, resource_finding
from infra.schedules import Schedules

TIMEOUT_SECONDS = 60  # two calls for a letter, the patient clients try 4 × 12 s; a run stops itself before
CONSUME = ("sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage")


class DeadLetters(Construct):
    """The dlq Lambda of a stage, and the schedule that runs it every minute with the plans of all flows."""

    def __init__(
        self, scope: Construct, construct_id: str, runtime: Runtime, config: Config, table: dynamodb.ITable
    ) -> None:
        super().__init__(scope, construct_id)
        stack = cdk.Stack.of(self)
        every_dead_letter_queue = stack.format_arn(service="sqs", resource=names.dead_letter_queue(runtime.stage, "*"))
        every_queue = stack.format_arn(service="sqs", resource=names.queue(runtime.stage, "*"))
        topic_arn = runtime.alarms.topic_arn
        function = HubFunction(
            self,
            "Lambda",
            runtime,
            name=names.dlq_function(runtime.stage),
            handler="dlq.main.handler",
            settings=DlqSettings(
                stage=runtime.stage,
                ledger_table=names.ledger_table(runtime.stage),
                topic_arn=topic_arn,
                ledger_days=config.ledger_days,
            ),
            longest={topic_arn: f"arn:aws-us-gov:sns:us-gov-west-1:123456789012:{names.alarms_topic(runtime.stage)}"},
            rights=[
                iam.PolicyStatement(actions=list(CONSUME), resources=[every_dead_letter_queue]),
                iam.PolicyStatement(actions=["sqs:GetQueueUrl", "sqs:SendMessage"], resources=[every_queue]),
                iam.PolicyStatement(
                    actions=["dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:PutItem"],
                    resources=[table.table_arn],
                ),
                iam.PolicyStatement(
                    actions=["dynamodb:Query", "dynamodb:UpdateItem"],
                    resources=[table.table_arn],
                    conditions={"ForAllValues:StringLike": {"dynamodb:LeadingKeys": [names.letters("*")]}},
                ),
                iam.PolicyStatement(actions=["dynamodb:Query"], resources=[f"{table.table_arn}/index/{BY_LOOK}"]),
                iam.PolicyStatement(actions=["sns:Publish"], resources=[topic_arn]),
            ],
            timeout_seconds=TIMEOUT_SECONDS,
            memory_mb=256,  # never in a hurry; its packages take 85 MB, a message 1 MB and its copies
            dimensions={"stage": runtime.stage},
            invoked_later=True,
            purpose="Records dead letters in the ledger, tries them again and tells the operators",
        )
        self.function_arn = function.function.function_arn
        accept(
            function.role,
            resource_finding(stack, every_dead_letter_queue),
            "it serves the dead letter queue of every flow of this stage, whose names all match this pattern and "
            "those of no other queue; naming each of hundreds would exceed what a role's policy may hold",
        )
        accept(
            function.role,
            resource_finding(stack, every_queue),
            MANY_QUEUES,
        )
        schedules = Schedules(self, self.function_arn, runtime.lost.schedules_arn, "Tends the dead letters")
        # the plans of all flows ride on the request: a function's environment holds only 4 KB
        schedules.run("EveryMinute", "rate(1 minute)", request={"plans": plans(config)})


def plans(config: Config) -> list[dict[str, Any]]:
    """When the dead letters of each flow are tried again, as the dlq Lambda is told; its source's configuration says so."""
    found = []
    for name, flow in config.flows.items():
        stated = config.integrations[flow.source].dead_letters
        categories = {str(category): waits for category, waits in stated.categories.items()}
        waits = waits_by_category(stated.retry_minutes, categories)
        found.append(Plan(name, flow.source, flow.destination, stated.retry_minutes, waits).to_request())
    return found
