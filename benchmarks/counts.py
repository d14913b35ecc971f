"""What one event costs in calls, units and bytes, counted at the wire: `python -m benchmarks.counts`.

Deterministic: the functions run as Lambda runs them, each in its process, and a server counts what they send. The normal path:
a signed webhook becomes a Sales Order by way of a queue that is read in batches of 10. Counted apart are new orders, each
heard of for the first time and of a known customer, and orders' usual lives of five deliveries; of a usual basket of two
lines (6 KB), and of the 10 KB that all yardsticks were measured with.
"""

import json
import sys
from collections import Counter
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.hub_at_the_wire import BATCH, HubAtTheWire
from benchmarks.orders import USUAL_LINES, Sent, lives, new_orders
from benchmarks.wire import LAMBDA_SERVICE
from hub.metrics import STAGE as STAGE_ALONE

EVENTS = 40
COSTS = Path(__file__).resolve().parents[1] / "cli" / "costs" / "counts.json"
ASSUMED = {  # what no machine but AWS's could tell
    "erpnext_call_seconds": 0.25,
    "cpu_slower": 1.5,
    "send_seconds": 0.01,
    "batch_seconds": 0.03,  # three calls of 8 ms each
    "init_seconds": 0.4,
}
LOG_EVENT_BYTES = 26  # that CloudWatch Logs bills beside the bytes of each line
OURS = {(LAMBDA_SERVICE, "dynamodb.Scan"), (LAMBDA_SERVICE, "sqs.GetQueueAttributes")}
RECEIVE = (LAMBDA_SERVICE, "sqs.ReceiveMessage")


@dataclass(frozen=True, slots=True)
class Counted:
    """What some events took, each on average."""

    aws_calls: dict[str, float]
    sqs_requests: float  # as billed: a call of more than 64 KB is several
    write_units: float  # of the table
    index_units: float  # of its index
    read_units: float
    stored_bytes: float
    erpnext_calls: dict[str, float]
    log_bytes: float
    webhook_log_bytes: float  # as CloudWatch bills them, and so the next
    delivery_log_bytes: float  # with what a batch's metrics take
    cpu_seconds: tuple[float, float]  # of the webhook and the delivery function; not deterministic
    metrics: tuple[int, int, int]  # custom metrics: of the source, of the flow, and of the whole hub
    outcomes: dict[str, int]


def counted(hub: HubAtTheWire, sent: list[Sent], at_once: int = BATCH) -> Counted:
    """Let deliveries through, ten by ten or fewer at once, and count."""
    before = Counter(hub.outcomes())
    logged = len(hub.webhooks.log), len(hub.delivery.log)
    cpu = hub.webhooks.cpu_seconds, hub.delivery.cpu_seconds
    hub.forget()
    invocations = 0
    for start in range(0, len(sent), at_once):
        hub.send(sent[start : start + at_once])
        invocations += hub.deliver()
    for counter in (hub.aws.calls, hub.aws.chunks):
        counter[RECEIVE] = invocations  # a busy queue has none that find nothing
    aws, count = hub.aws, len(sent)
    ended = Counter(hub.outcomes()) - before
    assert ended.total() == count, f"{count} events, of which these ended: {dict(ended)}"
    calls = {" ".join(call): number / count for call, number in sorted(aws.calls.items()) if call not in OURS}
    said, did = hub.webhooks.log[logged[0] :], hub.delivery.log[logged[1] :]
    measured = _metrics(did)
    shared = sum(1 for _, dimensions, _ in measured if dimensions == STAGE_ALONE)
    told = Counter(f"{method} {'/'.join(path.split('?')[0].split('/')[:4])}" for method, path, _ in hub.erp.requests)
    return Counted(
        aws_calls=calls,
        sqs_requests=sum(
            number for call, number in aws.chunks.items() if call[1].startswith("sqs.") and call not in OURS
        )
        / count,
        write_units=aws.write_units / count,
        index_units=aws.index_units / count,
        read_units=aws.read_units / count,
        stored_bytes=aws.stored_bytes / count,
        erpnext_calls={call: number / count for call, number in sorted(told.items())},
        log_bytes=(len(said) + len(did)) / count,
        webhook_log_bytes=_billed(said) / count,
        delivery_log_bytes=_billed(did) / count,
        cpu_seconds=((hub.webhooks.cpu_seconds - cpu[0]) / count, (hub.delivery.cpu_seconds - cpu[1]) / count),
        metrics=(len(_metrics(said)), len(measured) - shared, shared),
        outcomes=dict(ended),
    )


def _billed(log: bytes) -> int:
    """What CloudWatch Logs bills for lines."""
    return sum(len(line) + LOG_EVENT_BYTES for line in log.splitlines())


def _metrics(log: bytes) -> set[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    """The custom metrics that some lines are: each name with each set of dimensions' values is one."""
    found = set()
    for line in map(json.loads, log.splitlines()):
        for directive in line.get("_aws", {}).get("CloudWatchMetrics", []):
            for dimensions in directive["Dimensions"]:
                values = tuple(str(line[name]) for name in dimensions)
                found |= {(metric["Name"], tuple(dimensions), values) for metric in directive["Metrics"]}
    return found


def run() -> dict[str, Counted]:
    """New orders, and whole lives of orders: of 10 KB, and of a usual basket."""
    with HubAtTheWire() as hub:
        hub.warm_up()
        return {
            "new orders of 10 KB": counted(hub, new_orders(EVENTS)),
            "new orders": counted(hub, new_orders(EVENTS, seed=4, lines=USUAL_LINES)),
            "lives of 10 KB": counted(hub, lives(EVENTS // 5, seed=2)),
            "lives": counted(hub, lives(EVENTS // 5, seed=5, lines=USUAL_LINES)),
            "lives of 10 KB, each event alone": counted(hub, lives(EVENTS // 5, seed=6), at_once=1),
        }


def measure() -> dict[str, float]:
    """The measures that have targets, and what explains them, each of an event on average."""
    return measures_of(run())


def measures_of(told: dict[str, Counted]) -> dict[str, float]:
    """As `measure`, of what was counted."""
    life, large, new, new_large = (
        told[name] for name in ("lives", "lives of 10 KB", "new orders", "new orders of 10 KB")
    )
    return {
        "aws_calls_per_event": sum(new_large.aws_calls.values()),
        "dynamodb_write_units_per_event": life.write_units + life.index_units,
        "dynamodb_write_units_per_event_of_10_kb": large.write_units + large.index_units,
        "dynamodb_write_units_per_new_order": new.write_units + new.index_units,
        "dynamodb_write_units_per_new_order_of_10_kb": new_large.write_units + new_large.index_units,
        "dynamodb_read_units_per_event": life.read_units,
        "stored_bytes_per_event": life.stored_bytes,
        "sqs_requests_per_event": new_large.sqs_requests,
        "erpnext_calls_per_order": sum(new_large.erpnext_calls.values()),
        "erpnext_calls_per_event": sum(life.erpnext_calls.values()),
        "log_bytes_per_event": max(life.log_bytes, new.log_bytes),
    }


def for_costs(told: dict[str, Counted]) -> dict[str, object]:
    """What the cost model reads of it: cli/costs/counts.json."""
    life, alone = told["lives of 10 KB"], told["lives of 10 KB, each event alone"]
    of_batches = 1.0  # a query for breaker and pace
    batch_log = (alone.delivery_log_bytes - life.delivery_log_bytes) / (1 - 1 / BATCH)  # the metrics of an invocation
    return {
        "measured_on": datetime.now(UTC).date().isoformat(),
        "write_units_per_event": round(life.write_units + life.index_units, 3),
        "write_units_of_an_event_alone": round(alone.write_units + alone.index_units, 3),
        "read_units_per_batch": of_batches,
        "read_units_per_event": round(life.read_units - of_batches / BATCH, 3),
        "stored_bytes_per_event": round(life.stored_bytes),
        "stored_bytes_of_an_event_alone": round(alone.stored_bytes),
        "erpnext_calls_per_event": round(sum(life.erpnext_calls.values()), 3),
        "webhook_log_bytes": round(life.webhook_log_bytes),
        "delivery_log_bytes": round(alone.delivery_log_bytes - batch_log),
        "batch_log_bytes": round(batch_log),
        "metrics_per_source": life.metrics[0],
        "metrics_per_flow": life.metrics[1],
        "metrics_per_hub": life.metrics[2],
        "body_bytes": 10_240,
        # of all events, as the clock of a process ticks a hundred times a second only
        "webhook_cpu_seconds": round(sum(each.cpu_seconds[0] for each in told.values()) / len(told), 4),
        "delivery_cpu_seconds": round(life.cpu_seconds[1], 4),
        **ASSUMED,
    }


def main() -> None:
    """Print everything that was counted; with --write, keep what the cost model reads."""
    told = run()
    print(json.dumps({name: asdict(each) for name, each in told.items()}, indent=2))
    print(json.dumps(measures_of(told), indent=2))
    if "--write" in sys.argv:
        COSTS.write_text(json.dumps(for_costs(told), indent=2) + "\n")


if __name__ == "__main__":
    main()
