"""Where AWS puts what it could not start: the dead letter queues of the schedules and of functions that run later."""

import aws_cdk as cdk
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from hub import names
from infra.alarms import Watched, watch
from infra.platform import Platform
from infra.rules import PLAIN_HTTP, accept

RETENTION_DAYS = 14
WHY = {
    "lost-schedules": "EventBridge Scheduler could not start a function, try after try: something did not run",
    "lost-invocations": "A function that was to run later failed, try after try: something was not done",
}


class Lost(Construct):
    """Both queues, and an alarm on each."""

    def __init__(self, scope: Construct, construct_id: str, stage: str, platform: Platform, topic_arn: str) -> None:
        super().__init__(scope, construct_id)
        self.schedules_arn = self._queue("Schedules", names.lost_schedules_queue(stage), platform)
        self.invocations_arn = self._queue("Invocations", names.lost_invocations_queue(stage), platform)
        for kind, why in WHY.items():
            watched = Watched(
                namespace="AWS/SQS",
                metric="ApproximateNumberOfMessagesVisible",
                dimensions={"QueueName": f"hub-{stage}-{kind}"},
                statistic="Maximum",
                above=0,
                why=why,
            )
            watch(self, "hub", kind, watched, stage=stage, topic_arn=topic_arn)

    def _queue(self, construct_id: str, name: str, platform: Platform) -> str:
        queue = sqs.Queue(
            self,
            construct_id,
            queue_name=name,
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=platform.enforce_tls,
            retention_period=cdk.Duration.days(RETENTION_DAYS),
        )
        accept(queue, "AwsSolutions-SQS3", "it is a dead letter queue itself: an alarm rings when anything lies in it")
        if not platform.enforce_tls:
            accept(queue, "AwsSolutions-SQS4", PLAIN_HTTP)
        return queue.queue_arn
