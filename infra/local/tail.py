"""One line per thing that happens to a delivery or an event, as the functions' own logs tell it."""

import json
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from hub import names
from hub.config import Config

OVERLAP_MILLISECONDS = 5_000  # a line may be stored a moment after its time
BREAKERS = {  # by the state that a breaker has come to: what its flows do now
    "open": ("paused", "does not serve, and is asked until it does"),
    "half_open": ("slowly", "answers again"),
    "closed": ("flows", "works again"),
}


class Tail:
    """Reads what the functions of a stage have logged since the last look."""

    def __init__(self, client: Any, config: Config) -> None:
        self._client = client
        self._since = int(time.time() * 1000)
        self._told: set[tuple[str, int, str]] = set()
        self._groups = {
            **{names.webhook_function(config.stage, name): name for name in config.integrations},
            **{names.delivery_function(config.stage, flow): flow for flow in config.flows},
            **{names.health_function(config.stage, name): name for name in config.integrations},
            names.dlq_function(config.stage): "dlq",
            **{
                names.breaker_function(config.stage, each.destination): each.destination
                for each in config.flows.values()
            },
        }

    def news(self) -> Iterator[str]:
        """The lines that were not told yet, in the order of their time."""
        found: list[tuple[int, str]] = []
        for function, who in self._groups.items():
            for event in self._events(f"/aws/lambda/{function}"):
                key = (function, event["timestamp"], event["message"])
                if key not in self._told:
                    self._told.add(key)
                    if line := told(event["message"], who):
                        found.append((event["timestamp"], line))
        newest = max((stamp for _, stamp, _ in self._told), default=self._since)
        self._since = max(self._since, newest - OVERLAP_MILLISECONDS)
        self._told = {key for key in self._told if key[1] >= self._since}
        for stamp, line in sorted(found, key=lambda each: each[0]):  # a function's own lines stay in their order
            clock = datetime.fromtimestamp(stamp / 1000).strftime("%H:%M:%S")  # noqa: DTZ006 - the reader's own clock
            yield f"  {clock}  {line}"

    def _events(self, group: str) -> list[dict[str, Any]]:
        try:
            answer = self._client.filter_log_events(logGroupName=group, startTime=self._since, limit=1000)
        except (ClientError, BotoCoreError):
            return []  # no log yet, or the local AWS is on its way out, which is told elsewhere
        events: list[dict[str, Any]] = answer["events"]
        return events


def told(message: str, who: str) -> str:
    """A log line for a person; "" for one that says nothing of a delivery or an event."""
    try:
        line = json.loads(message)
    except ValueError:
        return ""
    if not isinstance(line, dict):
        return ""
    entity = line.get("entity", "")
    match line.get("message"):
        case "accepted":
            return f"accepted   {entity}  {_topic(line)}"
        case "refused":
            return f"refused    {who}  {line.get('reason', '')}: {line.get('detail', '')}"
        case "not accepted":
            return f"not taken  {who}  {line.get('reason', '')}: {line.get('detail', '')}"
        case "ended" if line.get("outcome") != "dead":
            reason = line.get("document") or line.get("rule", "")
            return f"{line.get('outcome', ''):<10} {entity}  {_topic(line)} → {reason}"
        case "again later":
            return f"waits      {entity}  {line.get('wait_seconds')} s: {line.get('reason', '')}"
        case "dead":
            return f"dead       {entity}  {line.get('error', '')}"
        case "tended" if line.get("changed"):
            word, what = BREAKERS.get(line.get("state", ""), ("breaker", ""))
            return f"{word:<10} {who}  {what}: {', '.join(line['changed'])}"
        case "checked" if line.get("status") != "healthy":
            return f"{line.get('status', ''):<10} {who}  {line.get('why', '')}"
        case text if line.get("level") == "ERROR":
            return f"BUG        {who}  {text}: {line.get('exception_name', '')}"
    return ""


def _topic(line: dict[str, Any]) -> str:
    return str(line.get("type", "")).split(".", 1)[-1]
