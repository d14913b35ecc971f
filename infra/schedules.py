"""A function that runs on schedules: the right to run it, and where it is kept that it could not be run."""

import json
from collections.abc import Mapping
from typing import Any

from aws_cdk import aws_iam as iam
from aws_cdk import aws_scheduler as scheduler
from constructs import Construct


class Schedules:
    """The schedules of one function. What AWS cannot start goes to the queue at `lost_arn`, on which an alarm rings."""

    def __init__(self, scope: Construct, function_arn: str, lost_arn: str, purpose: str) -> None:
        self._scope, self._function_arn, self._lost_arn = scope, function_arn, lost_arn
        self._role = iam.Role(
            scope,
            "ScheduleRole",
            assumed_by=iam.ServicePrincipal("scheduler.amazonaws.com"),
            description=purpose,
            inline_policies={
                "Run": iam.PolicyDocument(
                    statements=[
                        iam.PolicyStatement(actions=["lambda:InvokeFunction"], resources=[function_arn]),
                        iam.PolicyStatement(actions=["sqs:SendMessage"], resources=[lost_arn]),
                    ]
                )
            },
        )

    def run(
        self,
        construct_id: str,
        expression: str,
        *,
        request: Mapping[str, Any] | None = None,
        time_zone: str | None = None,
        retries: int = 0,
    ) -> None:
        """Run it by an expression of EventBridge Scheduler: rate(5 minutes), cron(…) in a zone. Without retries the next
        time does what this one could not."""
        scheduler.CfnSchedule(
            self._scope,
            construct_id,
            schedule_expression=expression,
            schedule_expression_timezone=time_zone,
            flexible_time_window=scheduler.CfnSchedule.FlexibleTimeWindowProperty(mode="OFF"),
            target=scheduler.CfnSchedule.TargetProperty(
                arn=self._function_arn,
                role_arn=self._role.role_arn,
                input=None if request is None else json.dumps(request, separators=(",", ":")),
                retry_policy=scheduler.CfnSchedule.RetryPolicyProperty(maximum_retry_attempts=retries),
                dead_letter_config=scheduler.CfnSchedule.DeadLetterConfigProperty(arn=self._lost_arn),
            ),
        )
