"""Functions that reach a system in a private network: which network that is, and what Lambda must be allowed for it."""

from collections.abc import Iterable

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from hub.config import Config, Network
from infra.rules import accept, resource_finding

# Lambda makes, looks at and removes a function's network interfaces with the function's own role. Its calls bear no
# lambda:SourceFunctionArn, while those of the function's code do: so the code itself may do nothing of this.
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html
NOT_BY_CODE = {"Null": {"lambda:SourceFunctionArn": "true"}}


def network_of(config: Config, integrations: Iterable[str]) -> Network | None:
    """The network that the systems of these integrations are reached from; None where none lies in a private one. That
    they agree is checked with the configuration."""
    return next((each for name in integrations if (each := config.integrations[name].network)), None)


def may_join(scope: Construct, network: Network) -> list[iam.PolicyStatement]:
    """What Lambda needs to put a function into a network, and nothing beside these subnets and groups."""
    stack = cdk.Stack.of(scope)

    def arn(kind: str, name: str) -> str:
        return stack.format_arn(service="ec2", resource=kind, resource_name=name)

    return [
        iam.PolicyStatement(
            actions=["ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets"], resources=["*"], conditions=NOT_BY_CODE
        ),
        iam.PolicyStatement(
            actions=["ec2:CreateNetworkInterface"],
            resources=[
                *(arn("subnet", each) for each in network.subnets),
                *(arn("security-group", each) for each in network.security_groups),
                arn("network-interface", "*"),
            ],
            conditions=NOT_BY_CODE,
        ),
        iam.PolicyStatement(
            actions=["ec2:AssignPrivateIpAddresses", "ec2:DeleteNetworkInterface", "ec2:UnassignPrivateIpAddresses"],
            resources=[arn("*", "*")],  # the form that AWS's page asks for; with less, interfaces are left behind
            conditions=NOT_BY_CODE,
        ),
    ]


def join(function: lambda_.Function, role: iam.Role, network: Network) -> None:
    """Put a function into a network that exists already: nothing is looked up."""
    made = function.node.default_child
    assert isinstance(made, lambda_.CfnFunction)  # noqa: S101 - what CDK makes of every function
    made.vpc_config = lambda_.CfnFunction.VpcConfigProperty(
        subnet_ids=list(network.subnets), security_group_ids=list(network.security_groups)
    )
    stack = cdk.Stack.of(function)
    reason = (
        "a network interface gets its id when Lambda makes it; the condition keeps the function's own code from using "
        "these rights"
    )
    for wildcard in (("network-interface", "*"), ("*", "*")):
        arn = stack.format_arn(service="ec2", resource=wildcard[0], resource_name=wildcard[1])
        accept(role, resource_finding(stack, arn), reason)
    accept(role, "AwsSolutions-IAM5[Resource::*]", f"ec2:Describe… take no resource; and {reason}")
