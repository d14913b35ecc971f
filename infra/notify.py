"""Who is told: a topic for each severity, and the e-mail, SMS, Slack, PagerDuty and HTTPS that listen to it."""

import aws_cdk as cdk
from aws_cdk import aws_chatbot as chatbot
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from constructs import Construct

from hub import names
from hub.config import Alarms, Recipients, Slack
from infra.alarm_kinds import Severity
from infra.platform import Platform
from infra.rules import PLAIN_HTTP, accept

MAILED = (Severity.CRITICAL, Severity.WARNING)  # what the addresses of the whole stage are told of


class AlarmsTopics(Construct):
    """The topics. They are not encrypted with a key of ours: notices bear names, never payloads, and CloudWatch cannot
    publish to a topic under AWS's own SNS key."""

    def __init__(self, scope: Construct, construct_id: str, stage: str, platform: Platform, alarms: Alarms) -> None:
        super().__init__(scope, construct_id)
        self._stage, self._platform = stage, platform
        # the topic of warnings is older than the others, and keeps its place in the template
        self.topics = {
            severity: self._topic(severity) for severity in (Severity.WARNING, Severity.CRITICAL, Severity.INFO)
        }
        channels: dict[Slack, list[Severity]] = {}
        for severity, topic in self.topics.items():
            told: Recipients = getattr(alarms, severity)
            for email in [*(alarms.email if severity in MAILED else []), *told.email]:
                _subscribe(topic, f"Email{email}", "email", email)
            for number in told.sms:
                _subscribe(topic, f"Sms{number}", "sms", number)
            for url in told.https:
                _subscribe(topic, f"Https{url}", "https", url)
            if (
                told.pagerduty
            ):  # the URL holds a key, so it is read while the stack is deployed and stands in no template
                url = f"{{{{resolve:secretsmanager:{told.pagerduty}}}}}"
                _subscribe(topic, "PagerDuty", "https", url)
            for channel in told.slack:
                channels.setdefault(channel, []).append(severity)
        for channel, severities in channels.items():
            self._slack(channel, severities)

    def _topic(self, severity: Severity) -> sns.Topic:
        topic = sns.Topic(
            self,
            "Topic" if severity is Severity.WARNING else f"Topic{severity}",
            topic_name=names.alarms_topic(self._stage, severity),
            enforce_ssl=self._platform.enforce_tls,
        )
        topic.add_to_resource_policy(  # a topic with a policy of its own has lost the one that let alarms in
            iam.PolicyStatement(
                sid="AlarmsOfThisAccount",
                actions=["sns:Publish"],
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                resources=[topic.topic_arn],
                conditions={"StringEquals": {"aws:SourceAccount": cdk.Stack.of(self).account}},
            )
        )
        if not self._platform.enforce_tls:
            accept(topic, "AwsSolutions-SNS3", PLAIN_HTTP)
        return topic

    def _slack(self, channel: Slack, severities: list[Severity]) -> None:
        """AWS takes one configuration per channel. Its role has no rights: it shows what it is told, and does nothing."""
        role = iam.Role(
            self,
            f"SlackRole{channel.channel}",
            assumed_by=iam.ServicePrincipal("chatbot.amazonaws.com"),
            description=f"Shows alarms in Slack channel {channel.channel}, and may do nothing",
        )
        chatbot.CfnSlackChannelConfiguration(
            self,
            f"Slack{channel.channel}",
            configuration_name=f"{names.stack(self._stage)}-{channel.channel}",
            iam_role_arn=role.role_arn,
            slack_workspace_id=channel.workspace,
            slack_channel_id=channel.channel,
            sns_topic_arns=[self.topics[severity].topic_arn for severity in severities],
            guardrail_policies=[f"arn:{cdk.Aws.PARTITION}:iam::aws:policy/AWSDenyAll"],
            logging_level="ERROR",
        )


def _subscribe(topic: sns.Topic, construct_id: str, protocol: str, endpoint: str) -> None:
    sns.CfnSubscription(
        topic,
        construct_id.replace("/", "|"),
        topic_arn=topic.topic_arn,
        protocol=protocol,
        endpoint=endpoint,
    )
