"""Each alarm watches its metric, with its dimensions, period and threshold, tells its topic, and has its runbook."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from hub import names
from hub.config import Config, Recipients, Reconcile, Slack, StreamConfig, Thresholds, TrafficHours
from hub.metrics import CATALOGUE
from infra.alarm_kinds import KINDS, Severity
from infra.watch import expected_hours, late_after, queue_age_seconds, window
from tests.infra.conftest import Synthesize
from tests.infra.templates import Resource, Templates

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
PROBLEM, NOTHING = "notBreaching", "breaching"
FLOW, SHOP, ERP = {"flow": "shop-eu-to-erp"}, {"integration": "shop-eu"}, {"integration": "erp"}
QUEUE = {"QueueName": "hub-production-shop-eu-to-erp.fifo"}
DEAD_QUEUE = {"QueueName": "<hub-production-shop-eu-to-erp-dead.fifo QueueName>"}
TOPIC = {
    Severity.CRITICAL: ["<hub-production-alarms-critical>"],
    Severity.WARNING: ["<hub-production-alarms>"],
    Severity.INFO: ["<hub-production-alarms-info>"],
    None: None,
}


@pytest.fixture(scope="module")
def watched(synthesize: Synthesize, example: Config) -> Templates:
    """The example, with traffic that is expected, streams, and everybody who can be told."""
    streams = {
        "orders": StreamConfig(every="15 minutes", reconcile=Reconcile(every="1 day")),
        "by-hand": StreamConfig(),
    }
    shop = example.integrations["shop-eu"].model_copy(update={"expects_traffic": True, "streams": streams})
    office = TrafficHours(days="MON-FRI", from_hour=7, until_hour=19)
    us = example.integrations["shop-us"].model_copy(update={"expects_traffic": office, "silent_after": "2 hours"})
    channel = Slack(workspace="T012345", channel="C012345")
    alarms = example.alarms.model_copy(
        update={
            "critical": Recipients(
                sms=["+4930123456"], pagerduty="hub/production/pagerduty", slack=[channel], email=["boss@example.com"]
            ),
            "warning": Recipients(slack=[channel], https=["https://hooks.example.com/alarms"]),
            "runbooks": "https://wiki.example.com/runbooks",
        }
    )
    integrations = {**example.integrations, "shop-eu": shop, "shop-us": us}
    return synthesize(example.model_copy(update={"integrations": integrations, "alarms": alarms}))


def of(kind: str, templates: Templates) -> list[Resource]:
    return [
        one
        for one in [*templates.all("AWS::CloudWatch::Alarm"), *templates.all("AWS::CloudWatch::CompositeAlarm")]
        if kind_of(one) == kind
    ]


def kind_of(alarm: Resource) -> str:
    return str(re.findall(r"/([a-z-]+)\.md$", alarm.properties["AlarmDescription"])[0])


# name → namespace, metric, dimensions, statistic, comparison, threshold, periods × seconds, what silence means
EVERY: dict[str, tuple[str, str, dict[str, str], str, str, float, tuple[int, int], str]] = {
    "erp-unavailable": ("ErpHub", "BreakerOpen", {"destination": "erp"}, "Maximum", ">", 0, (3, 60), "ignore"),
    "erp-unhealthy": ("ErpHub", "Available", ERP, "Maximum", "<", 1, (3, 300), NOTHING),
    "shop-eu-down": ("ErpHub", "Available", SHOP, "Maximum", "<", 1, (6, 300), NOTHING),
    "shop-eu-availability": ("ErpHub", "Available", SHOP, "Average", "<", 0.95, (1, 21_600), PROBLEM),
    "shop-eu-silent": ("ErpHub", "Accepted", SHOP, "Sum", "<", 1, (6, 300), NOTHING),
    "erp-rate-limited": ("ErpHub", "RateLimitHits", ERP, "Sum", ">", 10, (1, 300), PROBLEM),
    "shop-eu-rate-limited": ("ErpHub", "RateLimitHits", SHOP, "Sum", ">", 10, (1, 300), PROBLEM),
    "shop-eu-orders-late": (
        "ErpHub",
        "RunsEnded",
        {**SHOP, "stream": "shop-eu/orders"},
        "Sum",
        "<",
        1,
        (6, 300),
        NOTHING,
    ),
    "shop-eu-differences": ("ErpHub", "Differences", SHOP, "Maximum", ">", 0, (1, 300), "ignore"),
    "shop-eu-escalated": ("ErpHub", "EscalatedDeadLetters", SHOP, "Sum", ">", 0, (1, 300), PROBLEM),
    "shop-eu-to-erp-events-wait": (
        "AWS/SQS",
        "ApproximateAgeOfOldestMessage",
        QUEUE,
        "Maximum",
        ">",
        1800,
        (5, 60),
        PROBLEM,
    ),
    "shop-eu-to-erp-failing": ("ErpHub", "Failed", FLOW, "Average", ">", 0.05, (2, 300), PROBLEM),
    "shop-eu-to-erp-queue-long": (
        "AWS/SQS",
        "ApproximateNumberOfMessagesVisible",
        QUEUE,
        "Maximum",
        ">",
        100,
        (5, 60),
        PROBLEM,
    ),
    "shop-eu-to-erp-slow": ("ErpHub", "EndToEndMilliseconds", FLOW, "p95", ">", 2000, (3, 300), PROBLEM),
    "shop-eu-to-erp-dead-letters-wait": (
        "AWS/SQS",
        "ApproximateNumberOfMessagesVisible",
        DEAD_QUEUE,
        "Maximum",
        ">",
        0,
        (2, 60),
        PROBLEM,
    ),
    **{
        f"{function}-{kind}": found
        for function, own in {
            "delivery-shop-eu-to-erp": FLOW,
            "webhook-shop-eu": SHOP,
            "sync-shop-eu": SHOP,
            "breaker-erp": {"destination": "erp"},
            "dlq": {},
        }.items()
        for kind, found in {
            "errors": (
                "AWS/Lambda",
                "Errors",
                {"FunctionName": f"<hub-production-{function}>"},
                "Sum",
                ">",
                0,
                (1, 300),
                PROBLEM,
            ),
            "throttled": (
                "AWS/Lambda",
                "Throttles",
                {"FunctionName": f"hub-production-{function}"},
                "Sum",
                ">",
                0,
                (1, 300),
                PROBLEM,
            ),
            "bugs": ("ErpHub", "Bugs", own, "Sum", ">", 0, (1, 300), PROBLEM),
        }.items()
    },
    **{
        f"hub-{kind}": (
            "AWS/SQS",
            "ApproximateNumberOfMessagesVisible",
            {"QueueName": f"hub-production-{kind}"},
            "Maximum",
            ">",
            0,
            (1, 300),
            PROBLEM,
        )
        for kind in ("lost-schedules", "lost-invocations")
    },
}
COMPARISONS = {">": "GreaterThanThreshold", "<": "LessThanThreshold"}


@pytest.mark.parametrize("name", EVERY)
def test_an_alarm_watches_its_metric_and_tells_its_topic(watched: Templates, name: str) -> None:
    namespace, metric, dimensions, statistic, comparison, threshold, (periods, seconds), silence = EVERY[name]
    alarm = watched.named("AWS::CloudWatch::Alarm", f"hub-production-{name}")
    found = watched.plain(alarm, alarm.properties)

    if namespace == "ErpHub":
        dimensions = {"stage": "production", **dimensions}
    assert (found["Namespace"], found["MetricName"]) == (namespace, metric)
    assert {one["Name"]: one["Value"] for one in found["Dimensions"]} == dimensions
    assert found.get("Statistic", found.get("ExtendedStatistic")) == statistic
    assert (found["ComparisonOperator"], found["Threshold"]) == (COMPARISONS[comparison], threshold)
    assert (found["EvaluationPeriods"], found["Period"]) == (periods, seconds)
    assert found.get("DatapointsToAlarm", periods) == periods
    assert found["TreatMissingData"] == silence
    assert found.get("AlarmActions") == TOPIC[KINDS[kind_of(alarm)].severity]


def test_every_kind_of_alarm_is_tried_here(watched: Templates) -> None:
    tried = {kind_of(watched.named("AWS::CloudWatch::Alarm", f"hub-production-{name}")) for name in EVERY}

    assert tried == {kind_of(alarm) for alarm in watched.all("AWS::CloudWatch::Alarm")}


def test_every_alarm_is_of_a_kind_that_has_a_runbook_and_says_where_it_is(watched: Templates) -> None:
    alarms = [*watched.all("AWS::CloudWatch::Alarm"), *watched.all("AWS::CloudWatch::CompositeAlarm")]

    assert {kind_of(alarm) for alarm in alarms} == set(KINDS) - {"lost"}  # of files
    for alarm in alarms:
        description = alarm.properties["AlarmDescription"]
        assert f". Runbook: https://wiki.example.com/runbooks/{kind_of(alarm)}.md" in description
        assert alarm.properties["AlarmName"].endswith(f"-{kind_of(alarm)}")
    assert {path.stem for path in (ROOT / "docs" / "runbooks").glob("*.md")} == set(KINDS)


def test_every_metric_that_an_alarm_watches_is_counted_by_the_hub_or_by_aws(watched: Templates) -> None:
    for alarm in watched.all("AWS::CloudWatch::Alarm"):
        stats = [one["MetricStat"]["Metric"] for one in alarm.properties.get("Metrics", []) if "MetricStat" in one]
        for metric in stats or [alarm.properties]:
            if metric["Namespace"] == names.METRICS_NAMESPACE:
                dimensions = tuple(sorted(one["Name"] for one in metric["Dimensions"]))
                assert dimensions in CATALOGUE[metric["MetricName"]].dimensions, alarm.properties["AlarmName"]
            else:
                assert metric["Namespace"] in {"AWS/Lambda", "AWS/SQS"}


def test_an_outage_of_a_destination_is_told_once_and_holds_back_the_alarms_of_its_flows(watched: Templates) -> None:
    composites = {
        one.properties["AlarmName"].removeprefix("hub-production-"): watched.plain(one, one.properties)
        for one in watched.all("AWS::CloudWatch::CompositeAlarm")
    }
    arn = "arn:aws:cloudwatch:eu-central-1:ACCOUNT:alarm:hub-production-"

    assert set(composites) == {
        "hub-blind",
        *(f"{name}-outage" for name in ("erp", "shop-eu", "shop-us")),
        *(f"{shop}-to-erp-{kind}" for shop in ("shop-eu", "shop-us") for kind in ("stuck", "strained")),
    }
    outage, stuck, strained = (
        composites[name] for name in ("erp-outage", "shop-eu-to-erp-stuck", "shop-eu-to-erp-strained")
    )
    assert outage["AlarmRule"] == rule(" OR ", "erp-unhealthy", "erp-down", "erp-unavailable")
    assert (outage["AlarmActions"], outage["ActionsSuppressor"]) == (TOPIC[Severity.CRITICAL], f"{arn}hub-blind")
    assert stuck["AlarmRule"] == rule(" OR ", "shop-eu-to-erp-events-wait", "shop-eu-to-erp-failing")
    assert (stuck["AlarmActions"], stuck["ActionsSuppressor"]) == (TOPIC[Severity.CRITICAL], f"{arn}erp-outage")
    assert (stuck["ActionsSuppressorWaitPeriod"], stuck["ActionsSuppressorExtensionPeriod"]) == (180, 600)
    assert strained["AlarmRule"] == rule(" OR ", "shop-eu-to-erp-queue-long", "shop-eu-to-erp-slow")
    assert (strained["AlarmActions"], strained["ActionsSuppressor"]) == (TOPIC[Severity.WARNING], f"{arn}erp-outage")
    assert composites["hub-blind"]["AlarmRule"] == rule(
        " AND ", *(f"{one}-unhealthy" for one in ("shop-eu", "shop-us", "erp"))
    )
    assert "ActionsSuppressor" not in composites["hub-blind"]


def rule(joint: str, *alarms: str) -> str:
    return joint.join(f'ALARM("hub-production-{name}")' for name in alarms)


def test_a_composite_is_made_after_the_alarms_that_it_names(watched: Templates) -> None:
    """CloudWatch refuses a rule that names an alarm which does not exist."""
    for composite in watched.all("AWS::CloudWatch::CompositeAlarm"):
        template = watched.templates[composite.template]["Resources"]
        own = {
            one["Properties"]["AlarmName"]: name for name, one in template.items() if "AlarmName" in one["Properties"]
        }
        needed = {
            own[name] for name in re.findall(r'ALARM\("([^"]+)"\)', composite.properties["AlarmRule"]) if name in own
        }

        assert needed <= set(composite.definition["DependsOn"])
    nested = {one.logical_id: one.definition.get("DependsOn", []) for one in watched.all("AWS::CloudFormation::Stack")}
    pulse = next(name for name in nested if name.startswith("Pulse"))
    assert all(pulse in after for name, after in nested.items() if name.startswith("Watch"))
    assert any(name.startswith("Breakers") for name in nested[pulse])


def test_a_source_that_sleeps_at_night_is_silent_only_in_its_hours(watched: Templates) -> None:
    silent = watched.named("AWS::CloudWatch::Alarm", "hub-production-shop-us-silent").properties
    metric, expression = silent["Metrics"]

    assert metric["MetricStat"]["Metric"]["MetricName"] == "Accepted"
    assert (metric["ReturnData"], expression["ReturnData"]) == (False, True)
    assert expression["Expression"] == (
        "IF(DAY(FILL(m,0))<=5 AND HOUR(FILL(m,0))>=7 AND HOUR(FILL(m,0))<19, FILL(m,0), 1)"
    )
    assert (metric["MetricStat"]["Period"], silent["EvaluationPeriods"], silent["Threshold"]) == (300, 24, 1)


def test_a_source_of_which_nothing_is_expected_is_never_silent(production: Templates) -> None:
    assert of("silent", production) == []


def test_hours_are_written_as_cloudwatch_counts_days() -> None:
    assert expected_hours(TrafficHours(days="MON-SAT", from_hour=0, until_hour=24)).startswith(
        "IF(DAY(FILL(m,0))<=6 AND"
    )


@pytest.mark.parametrize(
    ("seconds", "period", "periods"),
    [
        (1800, 300, 6),
        (1801, 300, 7),
        (86_400, 300, 288),
        (86_401, 3600, 25),
        (604_800, 3600, 168),
        (9_999_999, 3600, 168),
    ],
)
def test_an_alarm_looks_back_no_further_than_cloudwatch_lets_it(seconds: int, period: int, periods: int) -> None:
    assert window(seconds) == (period, periods)


@pytest.mark.parametrize(
    ("stream", "seconds"),
    [
        ({}, None),
        ({"every": "5 minutes"}, 1800),
        ({"every": "1 hour"}, 7200),
        ({"cron": "0 2 * * ? *"}, 26 * 3600),
        ({"cron": "0 6 ? * MON-FRI *"}, 604_800),
        ({"cron": "0 6 1 * ? *"}, 604_800),
        ({"every": "1 day", "late_after": "25 hours"}, 25 * 3600),
    ],
)
def test_a_stream_is_late_after_two_of_its_intervals_unless_it_says_otherwise(
    stream: dict[str, Any], seconds: int | None
) -> None:
    assert late_after(StreamConfig(**stream)) == seconds


def test_thresholds_are_the_stages_own(synthesize: Synthesize, example: Config) -> None:
    stated = Thresholds(
        down_minutes=60, failed_checks=5, availability_percent=99, error_rate_percent=1, rate_limit_hits=0, p95_seconds=9,
        queue_length=7, queue_age_minutes=3,
    )  # fmt: skip
    alarms = example.alarms.model_copy(update={"thresholds": stated})
    config = example.model_copy(update={"alarms": alarms})
    templates = synthesize(config)

    def limits(name: str) -> tuple[float, int]:
        found = templates.named("AWS::CloudWatch::Alarm", f"hub-production-{name}").properties
        return found["Threshold"], found["EvaluationPeriods"]

    assert limits("erp-down") == (1, 12)
    assert limits("erp-unhealthy") == (1, 5)
    assert limits("erp-availability") == (0.99, 1)
    assert limits("shop-eu-to-erp-failing") == (0.01, 2)
    assert limits("erp-rate-limited") == (0, 1)
    assert limits("shop-eu-to-erp-slow") == (9000, 3)
    assert limits("shop-eu-to-erp-queue-long") == (7, 5)
    assert limits("shop-eu-to-erp-events-wait") == (180, 5)
    assert queue_age_seconds(example, example.flows["shop-eu-to-erp"]) == 1800


def test_each_severity_tells_those_who_want_to_know(watched: Templates) -> None:
    told = {
        (watched.plain(one, one.properties["TopicArn"]), one.properties["Protocol"], one.properties["Endpoint"])
        for one in watched.all("AWS::SNS::Subscription")
    }
    critical, warning = "<hub-production-alarms-critical>", "<hub-production-alarms>"

    assert told == {
        (critical, "email", "operations@example.com"),
        (warning, "email", "operations@example.com"),
        (critical, "email", "boss@example.com"),
        (critical, "sms", "+4930123456"),
        (critical, "https", "{{resolve:secretsmanager:hub/production/pagerduty}}"),
        (warning, "https", "https://hooks.example.com/alarms"),
    }
    (slack,) = watched.all("AWS::Chatbot::SlackChannelConfiguration")
    found = watched.plain(slack, slack.properties)
    assert (found["SlackWorkspaceId"], found["SlackChannelId"]) == ("T012345", "C012345")
    assert found["SnsTopicArns"] == [warning, critical]
    assert found["GuardrailPolicies"] == ["arn:aws:iam::aws:policy/AWSDenyAll"]
    role = watched.templates[slack.template]["Resources"][slack.properties["IamRoleArn"]["Fn::GetAtt"][0]]
    assert not {"Policies", "ManagedPolicyArns"} & set(role["Properties"])


def test_what_they_cost_is_what_the_docs_say(production: Templates) -> None:
    plain, composite = (
        [one.properties["AlarmName"] for one in production.all(kind)]
        for kind in ("AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm")
    )
    said = re.findall(
        r"^\| ([a-zA-Z, ]+) \| (\d+) \| (\d+) \| \$([\d.]+) \|$", (ROOT / "docs/alarms.md").read_text(), re.M
    )

    def of(*parts: str) -> tuple[int, int]:
        both = [sum(any(part in name for part in parts) for name in names_) for names_ in (plain, composite)]
        return both[0], both[1]

    counted = {
        "the shop and its flow": of("shop-eu"),
        "ERPNext, with its breaker": of("production-erp-", "breaker-erp", "health-erp"),
        "the hub": of("production-dlq", "production-hub-"),
    }
    assert {what: (int(alarms), int(composites)) for what, alarms, composites, _ in said} == counted
    for _, alarms, composites, dollars in said:
        assert float(dollars) == pytest.approx(int(alarms) * 0.1 + int(composites) * 0.5)


def test_alarms_of_this_account_may_use_the_topics_and_no_other_service_may(watched: Templates) -> None:
    policies = watched.all("AWS::SNS::TopicPolicy")

    assert len(policies) == 3
    for policy in policies:
        allowed = [one for one in policy.properties["PolicyDocument"]["Statement"] if one["Effect"] == "Allow"]
        assert [(one["Action"], one["Principal"], one["Condition"]) for one in allowed] == [
            (
                "sns:Publish",
                {"Service": "cloudwatch.amazonaws.com"},
                {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}},
            )
        ]


def test_what_aws_cannot_start_or_a_function_fails_to_do_later_is_kept(watched: Templates) -> None:
    for schedule in watched.all("AWS::Scheduler::Schedule"):
        target = watched.plain(schedule, schedule.properties["Target"])
        assert target["DeadLetterConfig"] == {"Arn": "<hub-production-lost-schedules Arn>"}
    kept = {
        watched.plain(one, one.properties["FunctionName"]): watched.plain(one, one.properties["DestinationConfig"])
        for one in watched.all("AWS::Lambda::EventInvokeConfig")
    }
    checks = [f"health-{name}" for name in ("erp", "shop-eu", "shop-us")]
    lost = {"OnFailure": {"Destination": "<hub-production-lost-invocations Arn>"}}
    assert kept == {f"<hub-production-{name}>": lost for name in ("breaker-erp", "dlq", *checks, "sync-shop-eu")}
    for role in watched.all("AWS::IAM::Role"):
        if json.dumps(role.properties["AssumeRolePolicyDocument"]).count("scheduler.amazonaws.com"):
            (policy,) = role.properties["Policies"]
            granted = {
                one["Action"]: watched.plain(role, one["Resource"]) for one in policy["PolicyDocument"]["Statement"]
            }
            assert granted["sqs:SendMessage"] == "<hub-production-lost-schedules Arn>"


def test_the_local_stage_has_the_same_alarms_and_each_tells_for_itself(local: Templates) -> None:
    assert local.all("AWS::CloudWatch::CompositeAlarm") == []
    assert all(one.properties["AlarmActions"] for one in local.all("AWS::CloudWatch::Alarm"))
    assert not [one for one in local.all("AWS::CloudWatch::Alarm") if "Metrics" in one.properties]
