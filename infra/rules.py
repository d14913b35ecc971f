"""cdk-nag's AWS Solutions rules: every synthesis is held against them, and every exception bears its reason."""

import aws_cdk as cdk
from aws_cdk import Acknowledgment, Validations
from cdk_nag import AwsSolutionsChecks
from constructs import IConstruct


def check(app: cdk.App) -> None:
    """Let a synthesis of `app` that breaks a rule fail and say which."""
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))


# Why the rules that ask for TLS do not hold on the local AWS
PLAIN_HTTP = "the local AWS runs on this machine and speaks plain HTTP only; on AWS the rule is kept"
# Why a role may send to every queue of a stage
MANY_QUEUES = "it returns events to the queues of flows that may be hundreds: more than a role's policy may name"


def accept(construct: IConstruct, rule: str, reason: str) -> None:
    """Except `construct` from a rule, which is an id such as AwsSolutions-L1, or one of its findings in brackets."""
    Validations.of(construct).acknowledge(Acknowledgment(id=rule, reason=reason))


def resource_finding(stack: cdk.Stack, arn: str) -> str:
    """The id of the finding that a policy names `arn`, which holds a wildcard."""
    resolved = stack.resolve(arn)
    if "Fn::GetAtt" in resolved:
        text = f"<{'.'.join(resolved['Fn::GetAtt'])}>"
    else:
        parts = resolved["Fn::Join"][1]
        text = "".join(part if isinstance(part, str) else f"<{part['Ref']}>" for part in parts)
    return f"AwsSolutions-IAM5[Resource::{text}]"
