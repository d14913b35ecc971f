"""The cost model: pure, so that whoever doubts a number can follow it.

Money is in USD, for a month of 730 hours. Nothing of AWS's free tier is taken off. What the destination's waiting costs, and the
init of cold functions, is in Lambda's GB-seconds. Not in it: traffic out of AWS (100 GB a month are free, some 20 million
events), the domain, support, taxes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import ceil, exp

MONTH_SECONDS = 730 * 3600.0
DAY_SECONDS = 86_400.0
MILLION = 1_000_000.0
API_CHUNK_BYTES = 524_288
BATCH = 10
WHOLE_CPU_MB = 1_769  # of memory come with one
IDLE_SECONDS = 400.0  # after which Lambda ends an idle environment, about; it says nothing of it
LEAST_COLD = 0.005  # of invocations, at any rate: environments are renewed, bursts need more of them
CONTAINER_SECONDS = 300.0  # between two reads of a secret (adapters/secrets.py)
BUSY_SHARE = 0.8  # of the functions' time; beyond it queues grow
EMPTY_RECEIVES_PER_SECOND = 5 / 20  # an idle mapping's pollers: five, each asking for 20 s
LOGS_KEPT_SHARE = 0.17  # of a log's bytes, as CloudWatch stores them compressed


@dataclass(frozen=True, slots=True)
class Prices:
    """See prices.toml."""

    region: str
    read_on: str
    source: str
    http_api_per_million_requests: float
    lambda_per_million_requests: float
    lambda_per_gb_second_arm64: float
    lambda_per_gb_second_x86: float
    sqs_fifo_per_million_requests: float
    dynamodb_per_million_writes: float
    dynamodb_per_million_reads: float
    dynamodb_per_gb_month: float
    dynamodb_backup_per_gb_month: float
    logs_per_gb: float
    logs_per_gb_month: float
    metric_per_month: float
    alarm_per_month: float
    dashboard_per_month: float
    secret_per_month: float
    secrets_per_10_thousand_calls: float
    scheduler_per_million_invocations: float
    sns_per_million_requests: float
    s3_per_thousand_writes: float
    s3_per_gb_month: float


@dataclass(frozen=True, slots=True)
class Counts:
    """What one event takes, as `make bench` counted it, and what it assumes of times that only AWS could tell."""

    measured_on: str
    write_units_per_event: float  # of table and index, in full batches
    write_units_of_an_event_alone: float  # in a batch of one: nothing lies beside it that it could be kept like
    read_units_per_batch: float  # beside those of its events
    read_units_per_event: float
    stored_bytes_per_event: float
    stored_bytes_of_an_event_alone: float
    erpnext_calls_per_event: float
    webhook_log_bytes: float  # per event
    delivery_log_bytes: float  # per event
    batch_log_bytes: float  # per invocation, Lambda's own lines included
    metrics_per_source: float  # custom metrics that a webhook function sends
    metrics_per_flow: float
    metrics_per_hub: float  # that all flows share
    body_bytes: float
    webhook_cpu_seconds: float  # per event, on the machine that measured
    delivery_cpu_seconds: float
    cpu_slower: float  # assumed: by how much Lambda's CPU is, with a whole one
    erpnext_call_seconds: float  # assumed
    send_seconds: float  # assumed: of SendMessage
    batch_seconds: float  # assumed: of the ledger's calls around a batch
    init_seconds: float  # assumed


@dataclass(frozen=True, slots=True)
class Schedule:
    """Functions that run by the clock."""

    runs_per_month: float
    memory_mb: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Deployment:
    """What is there, whether events come or not."""

    sources: int  # webhook functions
    flows: int
    max_concurrency: int  # of a flow's delivery functions, on average
    workers: int
    webhook_memory_mb: int
    delivery_memory_mb: int
    queues_read: int  # by event source mappings
    alarm_metrics: int  # metrics that alarms look at
    dashboards: int
    secrets: int
    schedules: tuple[Schedule, ...]
    ledger_days: int
    log_days: int


@dataclass(frozen=True, slots=True)
class Traffic:
    """How events come: evenly, and to all flows alike."""

    events_per_second: float
    full_batches: bool  # more comes than ERPNext takes with the configured functions; so batches are full
    batch: float  # events of an invocation, on average


@dataclass(frozen=True, slots=True)
class Cost:
    """USD per month by component: of the events, and what is there anyway."""

    traffic: Traffic
    events: Mapping[str, float]
    fixed: Mapping[str, float]

    @property
    def per_month(self) -> float:
        """All of it."""
        return sum(self.events.values()) + sum(self.fixed.values())

    def per_million(self, without: str = "") -> float:
        """All of it, or all but one component, for each million events."""
        left = self.per_month - (self.events.get(without, 0.0) + self.fixed.get(without, 0.0) if without else 0.0)
        return left / (self.traffic.events_per_second * MONTH_SECONDS) * MILLION


STORAGE = "DynamoDB storage"  # the yardsticks of other designs leave it out


def cost(deployed: Deployment, counts: Counts, prices: Prices, events_per_second: float) -> Cost:
    """What a month costs at a rate of more than zero events per second, once the ledger is as full as it gets."""
    traffic = _traffic(deployed, counts, events_per_second)
    return Cost(traffic, _of_events(deployed, counts, prices, traffic), idle(deployed, counts, prices, True))


def idle(deployed: Deployment, counts: Counts, prices: Prices, events_come: bool = False) -> dict[str, float]:
    """What a month costs though nothing comes; metrics cost only where events come."""
    metrics = counts.metrics_per_source * deployed.sources + counts.metrics_per_flow * deployed.flows
    metrics += counts.metrics_per_hub
    runs = sum(each.runs_per_month for each in deployed.schedules)
    seconds = sum(each.runs_per_month * each.seconds * each.memory_mb / 1024 for each in deployed.schedules)
    receives = deployed.queues_read * EMPTY_RECEIVES_PER_SECOND * MONTH_SECONDS
    return {
        "Secrets": deployed.secrets * prices.secret_per_month,
        "Alarms": deployed.alarm_metrics * prices.alarm_per_month,
        "Dashboards": deployed.dashboards * prices.dashboard_per_month,
        "Metrics": metrics * prices.metric_per_month if events_come else 0.0,
        "Schedules": runs / MILLION * (prices.scheduler_per_million_invocations + prices.lambda_per_million_requests)
        + seconds * prices.lambda_per_gb_second_arm64,
        "Empty receives": 0.0
        if events_come and not receives
        else receives / MILLION * prices.sqs_fifo_per_million_requests,
    }


def _traffic(deployed: Deployment, counts: Counts, rate: float) -> Traffic:
    """How full batches are. A FIFO queue has no batching window: what comes is taken at once while a function is free, and
    a batch holds what came while none was; so it is as small as the functions can just keep up with, on most days."""
    of_each = rate / deployed.flows / deployed.max_concurrency  # functions
    fitting = (n for n in range(1, BATCH + 1) if n * BUSY_SHARE >= of_each * _seconds(deployed, counts, n))
    batch = next(fitting, None)
    return Traffic(rate, batch is None, float(batch or BATCH))


def _seconds(deployed: Deployment, counts: Counts, batch: int) -> float:
    """How long an invocation takes: the ledger, and the calls to the destination, as many at once as there are workers."""
    rounds = ceil(batch / deployed.workers)
    waits = counts.batch_seconds + rounds * counts.erpnext_calls_per_event * counts.erpnext_call_seconds
    return waits + batch * counts.delivery_cpu_seconds * _slowness(counts, deployed.delivery_memory_mb)


def _slowness(counts: Counts, memory_mb: int) -> float:
    """By how much a function's share of a CPU is slower than the CPU that measured."""
    return counts.cpu_slower * max(WHOLE_CPU_MB / memory_mb, 1.0)


def _of_events(deployed: Deployment, counts: Counts, prices: Prices, traffic: Traffic) -> dict[str, float]:
    events = traffic.events_per_second * MONTH_SECONDS
    millions, batches = events / MILLION, events / traffic.batch / MILLION
    gb_second = prices.lambda_per_gb_second_arm64
    webhook_gb, delivery_gb = deployed.webhook_memory_mb / 1024, deployed.delivery_memory_mb / 1024
    invocation = _seconds(deployed, counts, round(traffic.batch))
    receiving = counts.send_seconds + counts.webhook_cpu_seconds * _slowness(counts, deployed.webhook_memory_mb)
    cold = [
        max(LEAST_COLD, exp(-IDLE_SECONDS * traffic.events_per_second / many))
        for many in (deployed.sources, deployed.flows)
    ]
    reads = counts.read_units_per_event * millions + counts.read_units_per_batch * batches
    logged = counts.webhook_log_bytes + counts.delivery_log_bytes + counts.batch_log_bytes / traffic.batch
    alone = (BATCH - traffic.batch) / (BATCH - 1)  # 1 for batches of one, 0 for full ones
    written = _between(counts.write_units_per_event, counts.write_units_of_an_event_alone, alone)
    stored = _between(counts.stored_bytes_per_event, counts.stored_bytes_of_an_event_alone, alone)
    log_gb, kept_gb = millions * MILLION * logged / 1e9, events * stored / 1e9
    ledger_months, log_months = (
        deployed.ledger_days * DAY_SECONDS / MONTH_SECONDS,
        deployed.log_days * DAY_SECONDS / MONTH_SECONDS,
    )
    reading = min(1.0, traffic.events_per_second * CONTAINER_SECONDS) * MONTH_SECONDS / CONTAINER_SECONDS
    return {
        "API Gateway": millions * ceil(counts.body_bytes / API_CHUNK_BYTES) * prices.http_api_per_million_requests,
        "Lambda, webhooks": millions
        * (
            prices.lambda_per_million_requests
            + MILLION * webhook_gb * gb_second * (receiving + cold[0] * counts.init_seconds)
        ),
        "SQS": (millions + 2 * batches) * prices.sqs_fifo_per_million_requests,
        "Lambda, delivery": batches
        * (
            prices.lambda_per_million_requests
            + MILLION * delivery_gb * gb_second * (invocation + cold[1] * counts.init_seconds)
        ),
        "DynamoDB": millions * written * prices.dynamodb_per_million_writes + reads * prices.dynamodb_per_million_reads,
        STORAGE: kept_gb * ledger_months * (prices.dynamodb_per_gb_month + prices.dynamodb_backup_per_gb_month),
        "Logs": log_gb * (prices.logs_per_gb + LOGS_KEPT_SHARE * log_months * prices.logs_per_gb_month),
        "Secrets": reading * (deployed.sources + deployed.flows) / 10_000 * prices.secrets_per_10_thousand_calls,
    }


def _between(one: float, other: float, share: float) -> float:
    return one + (other - one) * share


def naive(prices: Prices, counts: Counts, events_per_second: float) -> Mapping[str, float]:
    """What a naive design costs in a month: a batch of one, 512 MB, four calls to ERPNext one after the other, every
    event traced, talkative logs, a secret read by a fifth of the invocations."""
    millions = events_per_second * MONTH_SECONDS / MILLION
    gb_second = prices.lambda_per_gb_second_x86
    return {
        "API Gateway": millions * prices.http_api_per_million_requests,
        "Lambda": millions
        * (
            2 * prices.lambda_per_million_requests
            + MILLION * 0.5 * gb_second * (0.03 + 4 * counts.erpnext_call_seconds)
        ),
        "SQS": millions * 3 * prices.sqs_fifo_per_million_requests,
        "DynamoDB": millions * 2 * prices.dynamodb_per_million_writes,
        "Logs": millions * MILLION * NAIVE_LOG_BYTES / 1e9 * prices.logs_per_gb,
        "X-Ray": millions * 2 * XRAY_PER_MILLION,
        "Secrets": millions * 0.2 * 100 * prices.secrets_per_10_thousand_calls,
        "Fixed": NAIVE_FIXED,
    }


NAIVE_LOG_BYTES = 4_700
XRAY_PER_MILLION = 5.0
NAIVE_FIXED = 20.0  # metrics, alarms, a dashboard, secrets


def checked(values: Mapping[str, object], kind: type) -> dict[str, object]:
    """The values of a file for a dataclass here; raises ValueError that names what is missing or too many."""
    wanted = {each.name for each in fields(kind)}
    if wanted != set(values):
        raise ValueError(f"{kind.__name__}: {', '.join(sorted(wanted ^ set(values)))} missing or unknown")
    return dict(values)
