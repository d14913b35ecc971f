"""The alarms topic, and the alarms that ring on it."""

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from hub import names
from infra.platform import Platform
from infra.rules import PLAIN_HTTP, accept


class AlarmsTopic(Construct):
    """Where operators are told. It is not encrypted with a key of ours: notices bear names, never payloads, and
    CloudWatch cannot publish to a topic under AWS's own SNS key."""

    def __init__(self, scope: Construct, construct_id: str, stage: str, platform: Platform, emails: list[str]) -> None:
        super().__init__(scope, construct_id)
        self.topic = sns.Topic(self, "Topic", topic_name=names.alarms_topic(stage), enforce_ssl=platform.enforce_tls)
        stack = cdk.Stack.of(self)
        self.topic.add_to_resource_policy(  # a topic with a policy of its own has lost the one that let alarms in
            iam.PolicyStatement(
                sid="AlarmsOfThisAccount",
                actions=["sns:Publish"],
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                resources=[self.topic.topic_arn],
                conditions={"StringEquals": {"aws:SourceAccount": stack.account}},
            )
        )
        if not platform.enforce_tls:
            accept(self.topic, "AwsSolutions-SNS3", PLAIN_HTTP)
        for email in emails:
            self.topic.add_subscription(subscriptions.EmailSubscription(email))


def ring(
    scope: Construct,
    construct_id: str,
    *,
    name: str,
    metric: cloudwatch.Metric,
    above: float,
    of: int,
    why: str,
    topic: sns.ITopic,
    silence: cloudwatch.TreatMissingData = cloudwatch.TreatMissingData.NOT_BREACHING,
) -> cloudwatch.Alarm:
    """An alarm that rings when `metric` exceeds `above` in each of `of` periods; silence is good news unless stated."""
    alarm = cloudwatch.Alarm(
        scope,
        construct_id,
        alarm_name=name,
        metric=metric,
        threshold=above,
        comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
        evaluation_periods=of,
        alarm_description=why,
        treat_missing_data=silence,
    )
    alarm.add_alarm_action(actions.SnsAction(topic))
    return alarm
