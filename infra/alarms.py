"""How an alarm is made: from the metric, the threshold, its kind's runbook, and who is told."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_sns as sns
from constructs import Construct

from hub import names

RUNBOOKS = "runbooks"  # the context in which a stack says where its runbooks are
SUPPRESSOR_WAIT_SECONDS = 180  # how long a composite holds its tongue, so that what suppresses it may ring first
SUPPRESSOR_EXTENSION_SECONDS = 600  # and how long after an outage: its backlog is none of their own


def runbook(scope: Construct, kind: str) -> str:
    """Where the runbook of a kind of alarm is."""
    base = scope.node.try_get_context(RUNBOOKS) or "docs/runbooks"
    return f"{base}/{kind}.md"


def described(scope: Construct, kind: str, why: str) -> str:
    """An alarm's description: what it means, and where it is told what to do."""
    return f"{why}. Runbook: {runbook(scope, kind)}"


def ring(
    scope: Construct,
    construct_id: str,
    *,
    name: str,
    metric: cloudwatch.Metric,
    above: float,
    of: int,
    why: str,
    topic: sns.ITopic | None,
    silence: cloudwatch.TreatMissingData = cloudwatch.TreatMissingData.NOT_BREACHING,
    kind: str = "",
) -> cloudwatch.Alarm:
    """An alarm that rings when `metric` exceeds `above` in each of `of` periods; silence is good news unless stated.

    `kind` names its runbook; without it, the construct's id does (DeadLettersWait: dead-letters-wait). An alarm without
    a topic is part of a composite, which tells.
    """
    alarm = cloudwatch.Alarm(
        scope,
        construct_id,
        alarm_name=name,
        metric=metric,
        threshold=above,
        comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
        evaluation_periods=of,
        alarm_description=described(scope, kind or re.sub(r"(?<!^)([A-Z])", r"-\1", construct_id).lower(), why),
        treat_missing_data=silence,
    )
    if topic:
        alarm.add_alarm_action(actions.SnsAction(topic))
    return alarm


@dataclass(frozen=True, kw_only=True)
class Watched:
    """What an alarm watches, and when it rings: in each of `periods` periods above (or below) the threshold."""

    metric: str
    dimensions: Mapping[str, str]
    statistic: str
    above: float | None = None
    below: float | None = None
    periods: int = 1
    period_seconds: int = 300
    silence: str = "notBreaching"
    namespace: str = names.METRICS_NAMESPACE
    math: str = ""  # over m (the metric), instead of the metric itself
    why: str = ""


def watch(scope: Construct, subject: str, kind: str, watched: Watched, *, stage: str, topic_arn: str | None) -> str:
    """An alarm of a kind on a flow, an integration or a stream; its name."""
    name = names.alarm(stage, subject, kind)
    below = watched.below is not None
    alarm = cloudwatch.CfnAlarm(
        scope,
        f"{subject}-{kind}".replace("/", "-"),
        alarm_name=name,
        alarm_description=described(scope, kind, watched.why),
        comparison_operator="LessThanThreshold" if below else "GreaterThanThreshold",
        threshold=watched.below if below else watched.above,
        evaluation_periods=watched.periods,
        datapoints_to_alarm=watched.periods,
        treat_missing_data=watched.silence,
        alarm_actions=[topic_arn] if topic_arn else None,
        **(_math(watched) if watched.math else _plain(watched)),
    )
    return str(alarm.alarm_name)


def _plain(watched: Watched) -> dict[str, Any]:
    percentile = re.fullmatch(r"p[0-9.]+", watched.statistic)
    return {
        "namespace": watched.namespace,
        "metric_name": watched.metric,
        "dimensions": _dimensions(watched),
        "period": watched.period_seconds,
        "extended_statistic" if percentile else "statistic": watched.statistic,
    }


def _math(watched: Watched) -> dict[str, Any]:
    metric = cloudwatch.CfnAlarm.MetricProperty(
        namespace=watched.namespace, metric_name=watched.metric, dimensions=_dimensions(watched)
    )
    stat = cloudwatch.CfnAlarm.MetricStatProperty(metric=metric, period=watched.period_seconds, stat=watched.statistic)
    return {
        "metrics": [
            cloudwatch.CfnAlarm.MetricDataQueryProperty(id="m", metric_stat=stat, return_data=False),
            cloudwatch.CfnAlarm.MetricDataQueryProperty(id="e", expression=watched.math, return_data=True),
        ]
    }


def _dimensions(watched: Watched) -> list[cloudwatch.CfnAlarm.DimensionProperty]:
    return [
        cloudwatch.CfnAlarm.DimensionProperty(name=name, value=value)
        for name, value in sorted(watched.dimensions.items())
    ]


def compose(
    scope: Construct,
    subject: str,
    kind: str,
    *,
    stage: str,
    rule: str,
    why: str,
    topic_arn: str,
    suppressor: str = "",
) -> str:
    """A composite alarm: so that one outage makes one page. `suppressor` is an alarm during which it stays silent.

    CloudWatch takes a rule only when the alarms that it names exist: it is made after those of them that are beside it.
    """
    stack = cdk.Stack.of(scope)
    quiet: dict[str, Any] = {
        "actions_suppressor": stack.format_arn(
            service="cloudwatch",
            resource="alarm",
            resource_name=suppressor,
            arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
        ),
        "actions_suppressor_wait_period": SUPPRESSOR_WAIT_SECONDS,
        "actions_suppressor_extension_period": SUPPRESSOR_EXTENSION_SECONDS,
    }
    alarm = cloudwatch.CfnCompositeAlarm(
        scope,
        f"{subject}-{kind}",
        alarm_name=names.alarm(stage, subject, kind),
        alarm_description=described(scope, kind, why),
        alarm_rule=rule,
        alarm_actions=[topic_arn],
        **(quiet if suppressor else {}),
    )
    for each in scope.node.children:
        if not isinstance(each, cloudwatch.CfnAlarm | cloudwatch.CfnCompositeAlarm) or each is alarm:
            continue
        if f'"{each.alarm_name}"' in rule or each.alarm_name == suppressor:
            alarm.node.add_dependency(each)
    return str(alarm.alarm_name)


def any_of(alarms: Sequence[str]) -> str:
    """The rule that one of these rings."""
    return " OR ".join(f'ALARM("{name}")' for name in alarms)


def all_of(alarms: Sequence[str]) -> str:
    """The rule that all of these ring."""
    return " AND ".join(f'ALARM("{name}")' for name in alarms)
