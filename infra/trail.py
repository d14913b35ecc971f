"""The table of what operators did: no function has a right to it, and it outlives its stack."""

from aws_cdk import aws_dynamodb as dynamodb
from constructs import Construct

from hub import names
from infra.platform import Platform


class TrailTable(Construct):
    """Key: month, then time. Kept for good, restorable to any second of 35 days."""

    def __init__(self, scope: Construct, construct_id: str, stage: str, platform: Platform) -> None:
        super().__init__(scope, construct_id)
        self.table = dynamodb.Table(
            self,
            "Table",
            table_name=names.trail_table(stage),
            partition_key=dynamodb.Attribute(name="entity", type=dynamodb.AttributeType.STRING),
            sort_key=dynamodb.Attribute(name="record", type=dynamodb.AttributeType.STRING),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            deletion_protection=platform.keep_ledger,
            removal_policy=platform.ledger_removal,
        )
