"""The secrets: one per integration, made empty, filled by `hub secrets set`, readable by the functions that need it."""

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from hub import names
from infra.rules import accept

# An object without a single secret, so that every delivery is refused until a person stores one. CloudFormation writes
# it only where this text changes: it must never change, or a deployment would empty the secrets.
EMPTY = "{}"


class IntegrationSecret(Construct):
    """The secret of one integration. Deleted with its integration, and restorable for 30 days then."""

    def __init__(self, scope: Construct, construct_id: str, stage: str, integration: str, purposes: str) -> None:
        super().__init__(scope, construct_id)
        secret = secretsmanager.Secret(
            self,
            "Secret",
            secret_name=names.secret(stage, integration),
            description=purposes,
            secret_string_value=cdk.SecretValue.unsafe_plain_text(EMPTY),  # holds nothing that could leak
        )
        accept(
            secret,
            "AwsSolutions-SMG4",
            "only the outside system can issue a new value, so no rotation function of ours could; "
            "`hub secrets set` stores a new one and keeps the previous one valid meanwhile",
        )


def may_read_secret(scope: Construct, stage: str, integration: str) -> iam.PolicyStatement:
    """The right to read one integration's secret.

    AWS appends a hyphen and six characters to a secret's name in its ARN. Exactly six are allowed for: with `-*`,
    `shop` could read the secret of `shop-eu`.
    """
    arn = cdk.Stack.of(scope).format_arn(
        service="secretsmanager",
        resource="secret",
        resource_name=f"{names.secret(stage, integration)}-??????",
        arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
    )
    return iam.PolicyStatement(actions=["secretsmanager:GetSecretValue"], resources=[arn])
