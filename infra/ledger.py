"""The ledger: the table in which every event ends with exactly one recorded outcome."""

from aws_cdk import aws_dynamodb as dynamodb
from constructs import Construct

from hub import names
from hub.dead_letter import BY_LOOK, LOOK_AT, OPEN_IN
from hub.ledger import BY_LABEL, LABEL, TTL_ATTRIBUTE
from infra.platform import Platform

READ = ("dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:Query")
WRITE = ("dynamodb:BatchWriteItem", "dynamodb:PutItem")


class Ledger(Construct):
    """Key: entity, then record. Encrypted by DynamoDB's own key, on demand, restorable to any second of 35 days."""

    def __init__(self, scope: Construct, construct_id: str, stage: str, platform: Platform) -> None:
        super().__init__(scope, construct_id)
        self.table = dynamodb.Table(
            self,
            "Table",
            table_name=names.ledger_table(stage),
            partition_key=dynamodb.Attribute(name="entity", type=dynamodb.AttributeType.STRING),
            sort_key=dynamodb.Attribute(name="record", type=dynamodb.AttributeType.STRING),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            time_to_live_attribute=TTL_ATTRIBUTE,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            deletion_protection=platform.keep_ledger,
            removal_policy=platform.ledger_removal,
        )
        # only items with a label are in it, and one that is written again with the same label costs it nothing
        self.table.add_global_secondary_index(
            index_name=BY_LABEL,
            partition_key=dynamodb.Attribute(name=LABEL, type=dynamodb.AttributeType.STRING),
            projection_type=dynamodb.ProjectionType.KEYS_ONLY,
        )
        # only open dead letters are in it: what is due is found without reading what is done
        self.table.add_global_secondary_index(
            index_name=BY_LOOK,
            partition_key=dynamodb.Attribute(name=OPEN_IN, type=dynamodb.AttributeType.STRING),
            sort_key=dynamodb.Attribute(name=LOOK_AT, type=dynamodb.AttributeType.STRING),
            projection_type=dynamodb.ProjectionType.ALL,
        )
