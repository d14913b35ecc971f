"""Slack as a destination: a message about an order, posted once."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from connectors.slack.client import Slack
from connectors.slack.settings import FlowSettings
from hub.connector import Effect, HttpClient, Written
from hub.errors import NotConfigured, SecretUnavailable
from hub.events import Event
from hub.records import Order, Record

GUEST = "a guest"
ITEMS_TOLD = 20  # of an order with many lines: a message is to be read


def credentials(live_secrets: Callable[[str], Sequence[str]]) -> Mapping[str, str]:
    """The headers that sign in the app's bot."""
    tokens = live_secrets("bot_token")
    if not tokens:
        raise SecretUnavailable("Slack's bot_token is not stored; run `hub secrets set`")
    return {"Authorization": f"Bearer {tokens[0]}"}


def destination(http: HttpClient, settings: Mapping[str, Any]) -> "SlackDestination":
    """The workspace behind `http`, with the flow's settings (already validated when they were deployed)."""
    return SlackDestination(Slack(http), FlowSettings(**settings))


def probe(http: HttpClient) -> None:
    """Ask Slack whose token ours is; raises Unavailable where it does not serve."""
    Slack(http).call("auth.test", {})


class SlackDestination:
    """Posts to one channel of one workspace."""

    def __init__(self, slack: Slack, settings: FlowSettings) -> None:
        self._slack = slack
        self._settings = settings

    def apply(self, action: str, record: Record, event: Event, known_name: str) -> Written:  # noqa: ARG002 - each event
        # is a message of its own, whatever was said of the entity before
        """Do what the manifest calls `action`. Not safe to repeat: each call is a message."""
        if action != "post_order_message" or not isinstance(record, Order):
            raise NotConfigured(f"action {action} does not take a record of kind {record.kind}; see the flow's actions")
        said = self._slack.call(
            "chat.postMessage",
            {
                "channel": self._settings.channel,
                "text": message(record, self._settings.text),
                "unfurl_links": False,
                "unfurl_media": False,
            },
        )
        return Written(Effect.APPLIED, "message", f"{said.get('channel', '')}/{said.get('ts', '')}")


def message(order: Order, text: str) -> str:
    """`text` with what it names of an order. The order's own words cannot mention anybody or hold a link."""
    more = len(order.lines) - ITEMS_TOLD
    items = [f"{_number(line.quantity)} × {line.title or line.sku or line.id}" for line in order.lines[:ITEMS_TOLD]]
    named = {
        "number": order.number,
        "total": f"{order.total:f}",
        "currency": order.currency,
        "customer": order.customer.name if order.customer else GUEST,
        "items": ", ".join(items) + (f" and {more} more" if more > 0 else ""),
    }
    return text.format_map({name: escaped(value) for name, value in named.items()})


def escaped(text: str) -> str:
    """Text that is no markup: https://docs.slack.dev/messaging/formatting-message-text (escaping)."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _number(quantity: Decimal) -> str:
    text = f"{quantity:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
