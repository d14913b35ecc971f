"""What one event costs in calls, units and bytes, counted at the wire: `python -m benchmarks.counts`.

Deterministic: the functions run as Lambda runs them, each in its process, and a server counts what they send. The normal path:
a signed webhook becomes a Sales Order by way of a queue that is read in batches of 10. Counted apart are new orders, each
heard of for the first time and of a known customer, and orders' usual lives of five deliveries; of a usual basket of two
lines (6 KB), and of the 10 KB that all yardsticks were measured with.
"""

import json
from collections import Counter
from dataclasses import dataclass

from benchmarks.hub_at_the_wire import BATCH, HubAtTheWire
from benchmarks.orders import USUAL_LINES, Sent, lives, new_orders
from benchmarks.wire import LAMBDA_SERVICE

EVENTS = 40
PLATFORM_LINES_BYTES = (
    420  # START, END and REPORT of an invocation of the delivery function; the webhook function has none
)
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
    log_lines: float
    outcomes: dict[str, int]


def counted(hub: HubAtTheWire, sent: list[Sent]) -> Counted:
    """Let deliveries through, ten by ten, and count."""
    before = Counter(hub.outcomes())
    logged = len(hub.webhooks.log) + len(hub.delivery.log)
    logged_lines = hub.webhooks.log.count(b"\n") + hub.delivery.log.count(b"\n")
    hub.forget()
    invocations = 0
    for start in range(0, len(sent), BATCH):
        hub.send(sent[start : start + BATCH])
        invocations += hub.deliver()
    for counter in (hub.aws.calls, hub.aws.chunks):
        counter[RECEIVE] = invocations  # a busy queue has none that find nothing
    aws, count = hub.aws, len(sent)
    ended = Counter(hub.outcomes()) - before
    assert ended.total() == count, f"{count} events, of which these ended: {dict(ended)}"
    calls = {" ".join(call): number / count for call, number in sorted(aws.calls.items()) if call not in OURS}
    lines = hub.webhooks.log.count(b"\n") + hub.delivery.log.count(b"\n") - logged_lines + 3 * invocations
    told = Counter(f"{method} {'/'.join(path.split('?')[0].split('/')[:4])}" for method, path, _ in hub.erp.requests)
    log = len(hub.webhooks.log) + len(hub.delivery.log) - logged + invocations * PLATFORM_LINES_BYTES
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
        log_bytes=log / count,
        log_lines=lines / count,
        outcomes=dict(ended),
    )


def run() -> dict[str, Counted]:
    """New orders, and whole lives of orders: of 10 KB, and of a usual basket."""
    with HubAtTheWire() as hub:
        hub.warm_up()
        return {
            "new orders of 10 KB": counted(hub, new_orders(EVENTS)),
            "new orders": counted(hub, new_orders(EVENTS, seed=4, lines=USUAL_LINES)),
            "lives of 10 KB": counted(hub, lives(EVENTS // 5, seed=2)),
            "lives": counted(hub, lives(EVENTS // 5, seed=5, lines=USUAL_LINES)),
        }


def measure() -> dict[str, float]:
    """The measures that have targets, and those that the cost model reads beside them, each of an event on average."""
    told = run()
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
        "log_lines_per_event": life.log_lines,
    }


def main() -> None:
    """Print everything that was counted."""
    told = {name: {field: getattr(each, field) for field in each.__slots__} for name, each in run().items()}
    print(json.dumps(told, indent=2))


if __name__ == "__main__":
    main()
