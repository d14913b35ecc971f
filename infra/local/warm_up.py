"""Starts the functions' processes on the local AWS before the first delivery, and finds one that cannot start."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from hub import names
from infra.local.ministack import MiniStack

# A webhook function refuses a request without a signature; the others have nothing to do in an empty batch.
UNSIGNED_REQUEST = {
    "version": "2.0",
    "headers": {"content-type": "application/json"},
    "requestContext": {"http": {"method": "POST"}},
    "body": "{}",
    "isBase64Encoded": False,
}
# A deployment ends the processes with the former code, and an event that waited since the last stop may just be in one.
REPLACED = "Worker process exited immediately"
TRIES = 4
EMPTY_BATCH: dict[str, Any] = {"Records": []}


class FunctionBroken(Exception):
    """A function does not start or does not answer; the message names it and tells its error."""


def warm_up(aws: MiniStack, stage: str, webhook_workers: int = 2) -> int:
    """Have every function of the stage running, webhook functions in several processes; return how many ran.

    Nothing is queued, written or counted as a delivery by it; health functions, which nobody waits for, are left to their
    schedules. Raises FunctionBroken.
    """
    functions = aws.client("lambda")
    webhooks, checks = names.webhook_function(stage, ""), names.health_function(stage, "")
    calls: list[tuple[str, dict[str, Any]]] = []
    for page in functions.get_paginator("list_functions").paginate():
        for function in page["Functions"]:
            name = function["FunctionName"]
            if name.startswith(webhooks):
                calls += [(name, UNSIGNED_REQUEST)] * webhook_workers
            elif name.startswith(names.stack(stage) + "-") and not name.startswith(checks):
                calls.append((name, EMPTY_BATCH))

    def call(name: str, event: dict[str, Any]) -> None:
        for attempt in range(TRIES):
            answer = functions.invoke(FunctionName=name, Payload=json.dumps(event))
            told = answer["Payload"].read().decode(errors="replace")
            if "FunctionError" not in answer:
                return
            if REPLACED not in told:
                break
            time.sleep(0.5 * attempt)
        raise FunctionBroken(f"function {name} is broken: {told[:600]}")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(call, *zip(*calls, strict=True)) if calls else [])
    return len(calls)
