"""How much memory the delivery function takes for the largest batches that can come: `python -m benchmarks.memory`.

A batch is at most 6 MB, which is what Lambda hands over; its bodies are deflated, and two are parsed at a time.
"""

import json
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.files import megabytes

LAMBDA_PAYLOAD_BYTES = 6_000_000
WORKERS = 2


def batch_of(lines: int) -> list[str]:
    """The most messages that a batch may hold, at most ten, each an order of so many lines."""
    from benchmarks.orders import Sent, an_order
    from benchmarks.throughput import event_of
    from hub.events import to_json
    from infra.local.shopify import as_sent

    dice = random.Random(1)  # noqa: S311 - the same orders every time
    messages: list[str] = []
    for number in range(10):
        body = as_sent(an_order(5_000_000_000_000 + number, dice, datetime(2026, 11, 1, tzinfo=UTC), lines=lines))
        message = to_json(event_of(Sent("orders/create", str(number), body)))
        if sum(map(len, messages)) + len(message) > LAMBDA_PAYLOAD_BYTES:
            break
        messages.append(message)
    return messages


def work(messages: list[str]) -> dict[str, float]:
    """Do with them what the function does, and say what it took."""
    import botocore.session

    import adapters.wiring  # noqa: F401 - what the Lambda holds in memory counts
    from adapters.dynamodb import DynamoLedger
    from connectors import connector_module
    from hub.events import from_json
    from hub.ledger import Entry, Outcome

    for service in ("sqs", "secretsmanager", "dynamodb", "s3"):
        botocore.session.get_session().create_client(service, region_name="us-east-1")
    shop, erp = connector_module("shopify"), connector_module("erpnext")
    assert erp
    start = megabytes()
    raw = json.dumps({"Records": [{"body": message} for message in messages]})
    events = [from_json(each["body"]) for each in json.loads(raw)["Records"]]

    def one(place: int) -> int:
        return len(repr(shop.read(events[place], "order")))

    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(one, range(len(events))))
    ledger = DynamoLedger(None, "table", 90)  # type: ignore[arg-type]
    now = datetime.now(UTC)
    items = [ledger.entry_items(Entry("flow", event, Outcome.APPLIED, 1, now)) for event in events]
    return {
        "events": len(events),
        "body_mb": round(max(len(event.data) for event in events) / 1e6, 2),
        "message_mb": round(len(raw) / 1e6, 2),
        "items": sum(map(len, items)),
        "start_mb": start,
        "most_mb": megabytes(),
    }


def measure() -> dict[str, dict[str, float]]:
    """Usual orders, ones as large as Shopify makes them (500 lines), and as large as the hub takes them (some 6 MB)."""
    return {name: _apart(lines) for name, lines in (("usual", 6), ("500 lines", 500), ("6 MB", 4_200))}


def _apart(lines: int) -> dict[str, float]:
    """In a process of its own, since memory once had is never given back."""
    command = [sys.executable, "-m", "benchmarks.memory", str(lines)]
    told = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=True).stdout
    found: dict[str, float] = json.loads(told)
    return found


def main() -> None:
    """Print the measurements; with a number of lines, that one."""
    if len(sys.argv) > 1:
        messages = batch_of(int(sys.argv[1]))
        program = "import sys, json; from benchmarks.memory import work; print(json.dumps(work(json.load(sys.stdin))))"
        command = [sys.executable, "-c", program]
        print(subprocess.run(command, input=json.dumps(messages), capture_output=True, text=True, check=True).stdout)
        return
    for name, one in measure().items():
        print(f"{name:10} {json.dumps(one)}")


if __name__ == "__main__":
    main()
