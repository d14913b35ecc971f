"""The dlq Lambda: records what died in the ledger and tells the operators; each flow attaches its dead letter queue."""

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from constructs import Construct

from hub import names
from hub.settings import DlqSettings
from infra.functions import HubFunction, Runtime
from infra.rules import accept, resource_finding

TIMEOUT_SECONDS = 60  # one write and a few notices for a batch of 10; the patient clients try 4 × 12 s
CONSUME = ("sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage")


class DeadLetters(Construct):
    """The dlq Lambda of a stage."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        runtime: Runtime,
        *,
        table: dynamodb.ITable,
        ledger_days: int,
    ) -> None:
        super().__init__(scope, construct_id)
        stack = cdk.Stack.of(self)
        every_dead_letter_queue = stack.format_arn(service="sqs", resource=names.dead_letter_queue(runtime.stage, "*"))
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
                ledger_days=ledger_days,
            ),
            longest={topic_arn: f"arn:aws-us-gov:sns:us-gov-west-1:123456789012:{names.alarms_topic(runtime.stage)}"},
            rights=[
                iam.PolicyStatement(actions=list(CONSUME), resources=[every_dead_letter_queue]),
                iam.PolicyStatement(actions=["dynamodb:BatchWriteItem"], resources=[table.table_arn]),
                iam.PolicyStatement(actions=["sns:Publish"], resources=[topic_arn]),
            ],
            timeout_seconds=TIMEOUT_SECONDS,
            memory_mb=256,  # never in a hurry; its packages take 85 MB, a batch at most 6 MB and its copies
            dimensions={"stage": runtime.stage},
            purpose="Records dead letters in the ledger and tells the operators",
        )
        self.function_arn = function.function.function_arn
        accept(
            function.role,
            resource_finding(stack, every_dead_letter_queue),
            "it serves the dead letter queue of every flow of this stage, whose names all match this pattern and "
            "those of no other queue; naming each of hundreds would exceed what a role's policy may hold",
        )
