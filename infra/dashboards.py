"""The dashboards: one of the whole hub, one of each integration. They answer, from top to bottom: is it well, does it
get through, how fast, what waits, what failed and why, what does it cost."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from hub import names
from hub.config import Config
from hub.names import METRICS_NAMESPACE
from infra.actions import manifest_of
from infra.platform import Platform
from infra.watch import queue_age_seconds
from infra.widgets import BLUE, DAY, GREEN, GREY, ORANGE, PURPLE, RED, TEAL, Page, Row, expression, metric

MOST_FLOWS = 30  # a dashboard holds 2,500 metrics
FEW = 3  # flows of which each percentile is drawn; of more, the P95 of each
OUTCOMES = {
    "Applied": GREEN,
    "Unchanged": TEAL,
    "Ignored": GREY,
    "Stale": PURPLE,
    "Parked": ORANGE,
    "Dead": RED,
}
# US East, on demand, without free tiers: https://aws.amazon.com/lambda/pricing/ (Arm) and https://aws.amazon.com/sqs/pricing/
GB_SECOND_DOLLARS, INVOCATION_DOLLARS, FIFO_CALL_DOLLARS = 0.0000133334, 0.0000002, 0.0000005
CALLS_PER_MESSAGE = 3  # sent, received, deleted
BILLED = ("AWSLambda", "AmazonSQS", "AmazonDynamoDB", "AmazonCloudWatch", "AWSSecretsManager", "AmazonS3")
TOP_ERRORS = (
    "filter ispresent(category) | fields coalesce(reason, error) as trouble "
    "| stats count(*) as times, max(@timestamp) as last by flow, category, trouble "
    "| sort times desc | limit 10"
)
LAST_SUCCESS = (
    'filter outcome in ["applied", "unchanged"] | stats max(@timestamp) as last, count(*) as times by flow '
    "| sort last desc | limit 30"
)


@dataclass(frozen=True)
class Place:
    """Where a dashboard will be; both may be tokens of the CDK."""

    region: str
    account: str
    partition: str = "aws"

    def alarm(self, name: str) -> str:
        """The ARN of an alarm."""
        return f"arn:{self.partition}:cloudwatch:{self.region}:{self.account}:alarm:{name}"


class Dashboard(Construct):
    """One dashboard."""

    def __init__(self, scope: Construct, construct_id: str, name: str, body: Mapping[str, Any]) -> None:
        super().__init__(scope, construct_id)
        cloudwatch.CfnDashboard(
            self, "Dashboard", dashboard_name=name, dashboard_body=json.dumps(body, separators=(",", ":"))
        )


def place_of(scope: Construct) -> Place:
    """Where a stack will be."""
    stack = cdk.Stack.of(scope)
    return Place(stack.region, stack.account, stack.partition)


def own(name: str, dimensions: Mapping[str, str], stat: str = "Sum", label: str = "", **options: Any) -> Row:
    """One of the hub's own metrics."""
    return metric(METRICS_NAMESPACE, name, dimensions, stat, label, **options)


def hub_dashboard(config: Config, platform: Platform, place: Place) -> dict[str, Any]:
    """The dashboard of the whole hub."""
    stage, page = config.stage, Page(place.region)
    all_of = {"stage": stage}
    links = " · ".join(f"[{each}](#dashboards:name={names.dashboard(stage, each)})" for each in config.connected)
    own_ones = f"\nEach integration has its own: {links}" if config.integration_dashboards else ""
    page.text(f"# Hub {stage}{own_ones}", height=2)
    page.alarms(
        "Health of the integrations", _health_arns(config, platform, place, config.connected), width=8, height=5
    )
    page.numbers("Today", _numbers(all_of), width=16, height=5)
    _traffic(page, [("all flows", all_of)], config)
    page.graph(
        "Breakers (1: open, its flows wait)",
        [
            own("BreakerOpen", {"stage": stage, "destination": each}, "Maximum", each)
            for each in config.connected
            if config.flows_to(each)
        ],
        period=60,
    )
    page.graph(
        "Availability (share of the checks that passed)",
        [own("Available", {"stage": stage, "integration": each}, "Average", each) for each in config.connected],
        left="1 = all",
    )
    page.graph("Rate-limit hits", [own("RateLimitHits", all_of, "Sum", "all destinations", color=ORANGE)])
    flows = list(config.flows)
    page.graph(
        "Events that wait, by flow",
        [_queue(config, flow, "ApproximateNumberOfMessagesVisible") for flow in flows][:100],
    )
    page.graph(
        "Age of the oldest event, by flow (s)",
        [_queue(config, flow, "ApproximateAgeOfOldestMessage") for flow in flows][:100],
    )
    page.graph(
        "Dead letter queues (should be empty at once)",
        [_queue(config, flow, "ApproximateNumberOfMessagesVisible", dead=True) for flow in flows][:100],
    )
    functions = [names.delivery_function(stage, flow) for flow in flows]
    page.graph(
        "Lambda: errors and throttles",
        [
            _lambda("Errors", each, label=f"errors {each.removeprefix(f'hub-{stage}-')}")
            for each in [names.dlq_function(stage), *functions][:50]
        ]
        + [
            _lambda("Throttles", each, label=f"throttles {each.removeprefix(f'hub-{stage}-')}", color=GREY)
            for each in functions[:50]
        ],
    )
    page.graph(
        "Lost by AWS (schedules, invocations)",
        [
            metric("AWS/SQS", "ApproximateNumberOfMessagesVisible", {"QueueName": queue}, "Maximum", label)
            for queue, label in (
                (names.lost_schedules_queue(stage), "schedules"),
                (names.lost_invocations_queue(stage), "invocations"),
            )
        ],
    )
    page.graph(
        "Cost of the account per day (AWS/Billing, USD)",
        [
            line
            for number, service in enumerate(BILLED)
            for line in (
                metric(
                    "AWS/Billing",
                    "EstimatedCharges",
                    {"Currency": "USD", "ServiceName": service},
                    "Maximum",
                    id=f"b{number}",
                    visible=False,
                    region="us-east-1",
                    period=DAY,
                ),
                expression(f"DIFF(b{number})", service, period=DAY),
            )
        ],
        period=DAY,
        stacked=True,
    )
    groups = [f"/aws/lambda/{each}" for each in functions][:50]
    page.table("Top errors", groups, TOP_ERRORS)
    page.table("Last success", groups, LAST_SUCCESS)
    return page.body()


def integration_dashboard(config: Config, platform: Platform, place: Place, integration: str) -> dict[str, Any]:
    """The dashboard of one integration: of the flows that start there; of those that end there, where none does."""
    stage, page = config.stage, Page(place.region)
    sends = bool(manifest_of(config.integrations[integration]).webhook) and bool(config.flows_from(integration))
    flows = list(config.flows_from(integration) or config.flows_to(integration))[:MOST_FLOWS]
    ours = {"stage": stage, "integration": integration}
    connector = config.integrations[integration].connector
    page.text(f"# {integration}\n{connector} · flows: {', '.join(flows)}", height=2)
    page.alarms("Health", _health_arns(config, platform, place, [integration], flows), width=8, height=5)
    one = {"stage": stage, "flow": flows[0]}
    page.numbers("Today" if len(flows) == 1 else f"Today, {flows[0]}", _numbers(one), width=16, height=5)
    _traffic(page, [(flow, {"stage": stage, "flow": flow}) for flow in flows], config)
    limits = config.alarms.thresholds
    page.graph(
        "Events that wait",
        [_queue(config, flow, "ApproximateNumberOfMessagesVisible") for flow in flows],
        limit=("alarm", limits.queue_length),
    )
    age = queue_age_seconds(config, config.flows[flows[0]])
    page.graph(
        "Age of the oldest event (s)",
        [_queue(config, flow, "ApproximateAgeOfOldestMessage") for flow in flows],
        limit=("alarm", age),
    )
    page.graph(
        "Dead letter queue (should be empty at once)",
        [_queue(config, flow, "ApproximateNumberOfMessagesVisible", dead=True) for flow in flows],
    )
    page.graph(
        "Dead letters by category",
        [
            expression(
                f'SEARCH(\'{{{METRICS_NAMESPACE},category,flow,stage}} MetricName="DeadLetters" stage="{stage}" '
                f"flow=\"{flow}\"', 'Sum', 300)",
                "" if len(flows) == 1 else flow,
                id=f"d{number}",
            )
            for number, flow in enumerate(flows)
        ],
        stacked=True,
    )
    page.graph(
        "Dead letters: what became of them",
        [
            own(name, {"stage": stage, "flow": flow}, "Sum", _labelled(label, flow, flows), color=color)
            for flow in flows
            for name, label, color in (
                ("RetriedDeadLetters", "tried again", BLUE),
                ("ResolvedDeadLetters", "resolved", GREEN),
            )
        ]
        + [own("EscalatedDeadLetters", ours, "Sum", "escalated: needs a person", color=RED)],
    )
    destinations = sorted({config.flows[flow].destination for flow in flows})
    page.graph(
        "Rate-limit hits and breakers",
        [
            own("RateLimitHits", {"stage": stage, "integration": each}, "Sum", f"hits {each}")
            for each in dict.fromkeys([*destinations, integration])
        ]
        + [
            own("BreakerOpen", {"stage": stage, "destination": each}, "Maximum", f"breaker {each} open", color=RED)
            for each in destinations
        ],
        limit=("alarm", limits.rate_limit_hits),
    )
    page.graph(
        "Health checks",
        [
            own("Available", ours, "Average", "passed (1 = all)", color=GREEN),
            own("Health", ours, "Maximum", "0 healthy, 1 degraded, 2 down", color=ORANGE),
        ],
    )
    page.graph("Health check: its call (ms)", [own("HealthMilliseconds", ours, "p95", "P95")])
    if sends:
        _webhook(page, stage, integration)
    if config.integrations[integration].streams:
        _sync(page, config, integration)
    _cost(page, config, integration, flows, sends)
    groups = [f"/aws/lambda/{names.delivery_function(stage, flow)}" for flow in flows][:50]
    page.table("Top errors", groups, TOP_ERRORS)
    page.table("Last success", groups, LAST_SUCCESS)
    return page.body()


def _health_arns(
    config: Config, platform: Platform, place: Place, integrations: Sequence[str], flows: Sequence[str] = ()
) -> list[str]:
    """Of composites where there are some: one colour per question; else of what they would be made of."""
    stage = config.stage
    kinds = ("outage",) if platform.composite_alarms else ("unhealthy", "down")
    alarms = [names.alarm(stage, each, kind) for each in integrations for kind in kinds]
    if flows:
        (integration,) = integrations
        alarms += [names.alarm(stage, integration, "availability"), names.alarm(stage, integration, "rate-limited")]
        alarms += [
            names.alarm(stage, flow, kind)
            for flow in flows
            for kind in ("events-wait", "failing", "queue-long", "dead-letters-wait")
        ]
    return [place.alarm(name) for name in alarms[:100]]


def _numbers(of: Mapping[str, str]) -> list[Row]:
    return [
        own("Failed", of, "SampleCount", "tried", id="tried", period=DAY),
        own("Applied", of, "Sum", "applied", period=DAY),
        own("Failed", of, "Sum", "errors", id="errors", period=DAY),
        expression("100*errors/tried", "error rate %", period=DAY),
        own("EndToEndMilliseconds", of, "p95", id="p95", visible=False, period=DAY),
        expression("p95/1000", "P95 end to end, seconds", period=DAY),
        own("Failed", of, "SampleCount", id="lately", visible=False, period=60),
        expression(
            "TIME_SERIES((MAX(EPOCH(FILL(lately,0))) - MAX(EPOCH(lately)))/60)",
            "last try ended, minutes ago",
            period=60,
        ),
    ]


def _traffic(page: Page, flows: Sequence[tuple[str, Mapping[str, str]]], config: Config) -> None:
    limits, several = config.alarms.thresholds, len(flows) > 1
    labels = [label for label, _ in flows]

    def summed(name: str, label: str, color: str, stat: str = "Sum") -> list[Row]:
        if not several:
            return [own(name, flows[0][1], stat, label, color=color)]
        prefix = name.lower()
        parts = [own(name, of, stat, id=f"{prefix}{number}", visible=False) for number, (_, of) in enumerate(flows)]
        return [*parts, expression(f'SUM(METRICS("{prefix}"))', label, color=color)]

    page.graph(
        "Events by outcome (per 5 minutes)",
        [row for name, color in OUTCOMES.items() for row in summed(name, name.lower(), color)],
        stacked=True,
    )
    page.graph(
        "Error rate (% of tries)",
        [
            row
            for number, (label, of) in enumerate(flows)
            for row in (
                own("Failed", of, "Average", id=f"f{number}", visible=False),
                expression(f"100*f{number}", label, **({} if several else {"color": RED})),
            )
        ],
        limit=("alarm", limits.error_rate_percent),
    )
    page.graph(
        "Throughput (tries per minute) and retries",
        [
            row
            for number, (label, of) in enumerate(flows)
            for row in (
                own("Failed", of, "SampleCount", id=f"t{number}", visible=False),
                expression(f"t{number}/5", label),
            )
        ]
        + summed("Retried", "events put back, per 5 minutes", ORANGE),
    )
    percentiles = (("p50", GREEN), ("p95", ORANGE), ("p99", RED)) if len(flows) <= FEW else (("p95", ""),)
    page.graph(
        "End to end: the source's clock to the document (s)",
        [
            row
            for number, (label, of) in enumerate(flows)
            for stat, color in percentiles
            for row in _seconds(
                "EndToEndMilliseconds",
                of,
                stat,
                _labelled(stat.upper(), label, labels),
                f"{stat}x{number}",
                **({"color": color} if color and not several else {}),
            )
        ],
        limit=("alarm on P95", limits.p95_seconds),
    )
    page.graph(
        "Where the time goes: P95 of each stage (s)",
        [
            row
            for number, (label, of) in enumerate(flows)
            for name, stage in (("QueueMilliseconds", "queue"), ("DeliveryMilliseconds", "delivery"))
            for row in _seconds(name, of, "p95", _labelled(stage, label, labels), f"{stage}{number}")
        ],
    )
    page.graph(
        "Calls per event, and lookups that needed none (%)",
        [
            *_hidden("DestinationCalls", flows, "calls"),
            *_hidden("Failed", flows, "events", "SampleCount"),
            *_hidden("CacheHits", flows, "hits"),
            *_hidden("CacheMisses", flows, "misses"),
            expression('SUM(METRICS("calls"))/SUM(METRICS("events"))', "calls per event", color=BLUE),
            expression(
                '100*SUM(METRICS("hits"))/(SUM(METRICS("hits"))+SUM(METRICS("misses")))',
                "remembered %",
                color=GREEN,
                yAxis="right",
            ),
        ],
    )
    page.graph("Missed webhooks, found by a pull", summed("MissedWebhooks", "missed", RED))
    page.graph("Delivered twice, applied once", summed("KnownBefore", "known before", GREY))
    if held := [own("InFlightLimit", of, "Average", label) for label, of in flows if "flow" in of]:
        page.graph("Calls in flight that the destination is held to", held)
    else:
        page.graph(
            "Calls to the destinations", [own("DestinationCalls", flows[0][1], "Sum", "calls to all destinations")]
        )


def _seconds(name: str, of: Mapping[str, str], stat: str, label: str, ident: str, **options: Any) -> list[Row]:
    """A metric of milliseconds, drawn in seconds."""
    return [own(name, of, stat, id=ident, visible=False), expression(f"{ident}/1000", label, **options)]


def _hidden(name: str, flows: Sequence[tuple[str, Mapping[str, str]]], prefix: str, stat: str = "Sum") -> list[Row]:
    return [own(name, of, stat, id=f"{prefix}{number}", visible=False) for number, (_, of) in enumerate(flows)]


def _webhook(page: Page, stage: str, integration: str) -> None:
    ours, function = {"stage": stage, "integration": integration}, names.webhook_function(stage, integration)
    page.graph(
        "Webhook: accepted and refused",
        [
            own("Accepted", ours, "Sum", "accepted", color=GREEN),
            own("Refused", ours, "Sum", "refused", color=RED),
            own("NotAccepted", ours, "Sum", "503: our own trouble", color=ORANGE),
            own("PreviousSecret", ours, "Sum", "signed with the previous secret", color=PURPLE),
        ],
    )
    page.graph(
        "Webhook: refusals by reason",
        [
            expression(
                f'SEARCH(\'{{{METRICS_NAMESPACE},integration,reason,stage}} MetricName="Refused" stage="{stage}" '
                f"integration=\"{integration}\"', 'Sum', 300)",
                "",
                id="r",
            )
        ],
        stacked=True,
    )
    page.graph(
        "Webhook: time to answer (ms)",
        [
            _lambda("Duration", function, stat, stat.upper(), color=color)
            for stat, color in (("p50", GREEN), ("p95", ORANGE), ("p99", RED))
        ],
    )


def _sync(page: Page, config: Config, integration: str) -> None:
    ours = {"stage": config.stage, "integration": integration}
    page.graph(
        "Runs of streams",
        [
            own("RunsEnded", {**ours, "stream": f"{integration}/{stream}"}, "Sum", f"ended: {stream}")
            for stream in config.integrations[integration].streams
        ]
        + [own("RunsFailed", ours, "Sum", "failed", color=RED)],
    )
    page.graph(
        "Rows",
        [own("RowsListed", ours, "Sum", "read", color=GREY), own("RowsQueued", ours, "Sum", "queued", color=GREEN)],
    )
    page.graph(
        "Comparison and reconciliation",
        [
            own("RowsDiffered", ours, "Sum", "rows that differed", color=ORANGE),
            own("OrphansLeft", ours, "Sum", "vanished, left alone", color=PURPLE),
            own("Differences", ours, "Maximum", "documents that differ", color=RED),
        ],
    )


def _cost(page: Page, config: Config, integration: str, flows: Sequence[str], sends: bool) -> None:
    """What the integration's functions and queues cost, by usage; the rest (ledger, metrics) is the hub's."""
    from infra import edge, flow

    functions = {names.delivery_function(config.stage, each): flow.MEMORY_MB for each in flows}
    if sends:
        functions[names.webhook_function(config.stage, integration)] = edge.MEMORY_MB
    rows: list[Row] = []
    parts = []
    for number, (function, memory) in enumerate(functions.items()):
        rows += [
            _lambda("Duration", function, id=f"ms{number}", visible=False, period=DAY),
            _lambda("Invocations", function, id=f"n{number}", visible=False, period=DAY),
        ]
        spent = f"ms{number}/1000*{memory / 1024:g}*{GB_SECOND_DOLLARS:.10f}+n{number}*{INVOCATION_DOLLARS:.7f}"
        rows.append(expression(spent, function, id=f"c{number}", visible=False, period=DAY))
        parts.append(f"c{number}")
    for number, each in enumerate(flows):
        queue = {"QueueName": names.queue(config.stage, each)}
        rows.append(metric("AWS/SQS", "NumberOfMessagesSent", queue, "Sum", id=f"q{number}", visible=False, period=DAY))
    per_message = CALLS_PER_MESSAGE * FIFO_CALL_DOLLARS
    page.graph(
        "Cost per day by usage (Lambda and SQS, USD)",
        [
            *rows,
            expression(f"SUM([{','.join(parts)}])", "Lambda", period=DAY, color=ORANGE),
            expression(f'SUM(METRICS("q"))*{per_message:.7f}', "SQS", period=DAY, color=BLUE),
        ],
        period=DAY,
        stacked=True,
        left="USD",
    )


def _queue(config: Config, flow: str, name: str, *, dead: bool = False) -> Row:
    queue = (names.dead_letter_queue if dead else names.queue)(config.stage, flow)
    return metric("AWS/SQS", name, {"QueueName": queue}, "Maximum", flow, period=60)


def _lambda(name: str, function: str, stat: str = "Sum", label: str = "", **options: Any) -> Row:
    return metric("AWS/Lambda", name, {"FunctionName": function}, stat, label, **options)


def _labelled(label: str, flow: str, flows: Sequence[str]) -> str:
    return label if len(flows) == 1 else f"{label} {flow}"
