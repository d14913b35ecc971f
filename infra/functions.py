"""A Lambda of the hub: its own role, its own log group, its settings in the environment, an alarm on its errors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns
from constructs import Construct

from hub import names
from hub.config import Network
from hub.settings import MAX_ENVIRONMENT_BYTES, Settings
from infra.alarms import Watched, ring, watch
from infra.bundle import Kind
from infra.lost import Lost
from infra.mistakes import ConfigurationError
from infra.network import join, may_join
from infra.platform import Platform
from infra.rules import accept


@dataclass(frozen=True)
class Runtime:
    """What all functions of a stage share."""

    stage: str
    code: str  # the folder of bundles that infra.bundle made
    platform: Platform
    log_level: str
    alarms: sns.ITopic  # of warnings
    critical: sns.ITopic
    lost: Lost


class HubFunction(Construct):
    """One Lambda with exactly the rights that it is given.

    `longest` says how long the parts of the settings that only AWS knows may become, so that a too large environment
    is found at synth; raises ConfigurationError then.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        runtime: Runtime,
        *,
        name: str,
        handler: str,
        settings: Settings,
        longest: Mapping[str, str],
        rights: Sequence[iam.PolicyStatement],
        timeout_seconds: int,
        memory_mb: int,
        dimensions: Mapping[str, str],
        purpose: str,
        bundle: Kind = Kind.FUNCTIONS,
        reserved_concurrency: int | None = None,
        quiet: bool = False,
        runs_itself: bool = False,
        network: Network | None = None,
        invoked_later: bool = False,
    ) -> None:
        super().__init__(scope, construct_id)
        log_group = logs.LogGroup(
            self,
            "Logs",
            log_group_name=f"/aws/lambda/{name}",
            retention=logs.RetentionDays.ONE_MONTH,  # logs tell what happened lately; outcomes are in the ledger
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )
        role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            description=f"What {name} may do",
            inline_policies={
                "Logs": iam.PolicyDocument(
                    statements=[
                        iam.PolicyStatement(
                            actions=["logs:CreateLogStream", "logs:PutLogEvents"],
                            resources=[log_group.log_group_arn],
                        )
                    ]
                ),
                "Hub": iam.PolicyDocument(statements=[*rights, *(_may_lose(runtime) if invoked_later else ())]),
                **({"Network": iam.PolicyDocument(statements=may_join(self, network))} if network else {}),
            },
        )
        self.role = role
        self.function = lambda_.Function(
            self,
            "Function",
            function_name=name,
            description=purpose,
            runtime=lambda_.Runtime.PYTHON_3_13,
            architecture=runtime.platform.architecture,
            handler=handler,
            code=lambda_.Code.from_asset(f"{runtime.code}/{bundle}"),
            role=role,
            log_group=log_group,
            environment=environment(settings, runtime.log_level, name, longest),
            timeout=cdk.Duration.seconds(timeout_seconds),
            memory_size=memory_mb,
            reserved_concurrent_executions=reserved_concurrency,
            # else Lambda ends a function that goes on in another of its own after sixteen times, without a word:
            # https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html
            recursive_loop=lambda_.RecursiveLoop.ALLOW if runs_itself else None,
            **(_quiet(runtime.log_level) if quiet else {}),
        )
        if network:
            join(self.function, role, network)
        if invoked_later:  # who starts it does not wait for its end: what fails to the last try must not be gone
            lambda_.CfnEventInvokeConfig(
                self,
                "Later",
                function_name=self.function.function_name,
                qualifier="$LATEST",
                destination_config=lambda_.CfnEventInvokeConfig.DestinationConfigProperty(
                    on_failure=lambda_.CfnEventInvokeConfig.OnFailureProperty(destination=runtime.lost.invocations_arn)
                ),
            ).node.add_dependency(role)
        ring(
            self,
            "Errors",
            name=f"{name}-errors",
            metric=self.function.metric_errors(period=cdk.Duration.minutes(5)),
            above=0,
            of=1,
            why=f"{name} could not start, crashed, or ran out of time or memory: read its log",
            topic=runtime.alarms,
        )
        ring(
            self,
            "Bugs",
            name=f"{name}-bugs",
            metric=cloudwatch.Metric(
                namespace=names.METRICS_NAMESPACE,
                metric_name="Bugs",
                dimensions_map=dict(dimensions),
                statistic="Sum",
                period=cdk.Duration.minutes(5),
            ),
            above=0,
            of=1,
            why=f"{name} met an error that nothing expects and kept the event on its queue: read its log",
            topic=runtime.alarms,
        )
        throttled = Watched(
            namespace="AWS/Lambda",
            metric="Throttles",
            dimensions={"FunctionName": name},
            statistic="Sum",
            above=0,
            why=f"{name} was refused by Lambda: too many functions run at the same time",
        )
        watch(
            self,
            name.removeprefix(f"hub-{runtime.stage}-"),
            "throttled",
            throttled,
            stage=runtime.stage,
            topic_arn=runtime.alarms.topic_arn,
        )
        accept(
            self.function,
            "AwsSolutions-L1",
            "the bundle's packages and byte-code are built for Python 3.13, which AWS supports until June 2029",
        )


def _may_lose(runtime: Runtime) -> list[iam.PolicyStatement]:
    """What Lambda needs, in the function's own name, to keep what failed."""
    return [iam.PolicyStatement(actions=["sqs:SendMessage"], resources=[runtime.lost.invocations_arn])]


def _quiet(log_level: str) -> dict[str, Any]:
    """Without Lambda's own three lines per invocation: of a webhook function, strangers would fill the log with them at
    their pace; of a delivery function, they are as much as all it says of an event that comes alone. What went wrong, such
    as a timeout, Lambda logs all the same.

    Only the JSON format knows levels. It does not touch our lines, which are JSON already.
    https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html
    """
    return {
        "logging_format": lambda_.LoggingFormat.JSON,
        "system_log_level_v2": lambda_.SystemLogLevel.WARN,
        "application_log_level_v2": lambda_.ApplicationLogLevel.DEBUG
        if log_level == "DEBUG"
        else lambda_.ApplicationLogLevel.INFO,  # with WARNING, POWERTOOLS_LOG_LEVEL alone keeps INFO out
    }


def environment(settings: Settings, log_level: str, name: str, longest: Mapping[str, str]) -> dict[str, str]:
    """The variables of a function; raises ConfigurationError where AWS would refuse them as too large."""
    remedy = "shorten names and settings, or split the integration in two"
    try:
        variables = settings.to_env() | {"POWERTOOLS_LOG_LEVEL": log_level}
    except ValueError as error:
        raise ConfigurationError([f"{name}: {error}; {remedy}"]) from error
    text = "".join([*variables.keys(), *variables.values()])
    for token, full in longest.items():
        text = text.replace(token, full)
    size = len(text.encode())
    if size > MAX_ENVIRONMENT_BYTES:
        too_large = f"{name}: the settings take {size} bytes; a Lambda's environment holds {MAX_ENVIRONMENT_BYTES}"
        raise ConfigurationError([f"{too_large}; {remedy}"])
    return variables
