"""The bucket of bodies that are too large for a queue: the webhook Lambdas put them there, the delivery Lambdas read them."""

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

from hub import names
from infra.platform import Platform
from infra.rules import PLAIN_HTTP, accept, resource_finding

QUEUED_DAYS = 14  # an event waits so long at most until it ends (SQS's longest retention; a flow gives up after 10)


class Bodies(Construct):
    """Bodies under the hash of their bytes, for as long as anybody may still ask for one."""

    def __init__(self, scope: Construct, construct_id: str, stage: str, platform: Platform, ledger_days: int) -> None:
        super().__init__(scope, construct_id)
        stack = cdk.Stack.of(self)
        # no two accounts may have buckets of one name; by a name of our own, nested stacks need no reference to it
        self.name = names.bodies_bucket(stage, stack.account, stack.region)
        self._all = f"arn:{cdk.Aws.PARTITION}:s3:::{self.name}/{names.body('*')}"
        bucket = s3.Bucket(
            self,
            "Bucket",
            bucket_name=self.name,
            encryption=s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=platform.enforce_tls,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            versioned=False,  # a body never changes, and what expires shall be gone
            # a body that comes again is put again, so that its days begin anew
            lifecycle_rules=[
                s3.LifecycleRule(
                    id="expire", prefix=names.body(""), expiration=cdk.Duration.days(ledger_days + QUEUED_DAYS)
                )
            ],
            removal_policy=platform.ledger_removal,  # what the ledger refers to lives as long as it
        )
        accept(
            bucket,
            "AwsSolutions-S1",
            "its objects are written and read by the hub's functions alone, which log what they do with each event; "
            "a log of accesses would be a second bucket that grows with every large body",
        )
        if not platform.enforce_tls:
            accept(bucket, "AwsSolutions-S10", PLAIN_HTTP)

    def may(self, action: str) -> iam.PolicyStatement:
        """The right to put or get bodies: s3:PutObject, s3:GetObject."""
        return iam.PolicyStatement(actions=[action], resources=[self._all])

    def keeps_streams_of(self, integration: str) -> list[iam.PolicyStatement]:
        """The rights to keep the inventories of an integration's streams."""
        bucket = f"arn:{cdk.Aws.PARTITION}:s3:::{self.name}"
        return [
            iam.PolicyStatement(
                actions=["s3:DeleteObject", "s3:GetObject", "s3:PutObject"], resources=[self._streams(integration)]
            ),
            iam.PolicyStatement(
                actions=["s3:ListBucket"],
                resources=[bucket],
                conditions={"StringLike": {"s3:prefix": [names.streams(integration)]}},
            ),
        ]

    def argue_streams(self, role: iam.Role, integration: str) -> None:
        """Except a role from the rule against wildcards."""
        accept(
            role,
            resource_finding(cdk.Stack.of(role), self._streams(integration)),
            "the journal of a stream has an entry for each page that was queued; the pattern holds the streams of "
            f"{integration} only",
        )

    def _streams(self, integration: str) -> str:
        return f"arn:{cdk.Aws.PARTITION}:s3:::{self.name}/{names.streams(integration)}"

    def argue(self, role: iam.Role) -> None:
        """Except a role from the rule against wildcards."""
        accept(
            role,
            resource_finding(cdk.Stack.of(role), self._all),
            "a body's key is the hash of its bytes, which nobody knows before it comes; the pattern holds bodies only",
        )

    def longest(self) -> dict[str, str]:
        """How long the parts of the bucket's name that only AWS knows may become."""
        stack = cdk.Stack.of(self)
        tokens = {stack.account: "123456789012", stack.region: "ap-southeast-1"}
        return {token: full for token, full in tokens.items() if cdk.Token.is_unresolved(token)}
