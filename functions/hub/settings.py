"""The settings of the Lambdas behind the edge, and by re-export all others, so that writers need one place."""

import base64
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from hub.breaker import Limits
from hub.names import FlowsByDeadLetterQueue
from hub.pace import Pacing
from hub.webhook_settings import MAX_ENVIRONMENT_BYTES as MAX_ENVIRONMENT_BYTES
from hub.webhook_settings import PUBLISHED as PUBLISHED
from hub.webhook_settings import VARIABLE as VARIABLE
from hub.webhook_settings import Settings as Settings
from hub.webhook_settings import WebhookSettings as WebhookSettings


@dataclass(frozen=True, slots=True)
class RetrySettings:
    """Exponential backoff with full jitter: before try n+1, a random wait in [0, min(cap, base * 2**n)] seconds."""

    base_seconds: float = 2.0
    cap_seconds: float = 900.0
    give_up_after_seconds: float = 43_200.0  # 12 hours, the length of outage that must end with no dead letter


@dataclass(frozen=True, slots=True)
class DeliverySettings(Settings):
    """The delivery Lambda of one flow."""

    stage: str
    flow: str
    source_connector: str
    destination: str
    destination_connector: str
    destination_url: str
    destination_secret_id: str
    queue_url: str
    dead_letter_queue_url: str
    ledger_table: str
    bodies_bucket: str
    actions: dict[str, str]  # event type → action
    flow_settings: dict[str, Any]
    records: dict[str, str] = field(
        default_factory=dict
    )  # event type → kind of record, of streams in the configuration
    left: dict[str, str] = field(default_factory=dict)  # event type → the field of another's that the flow leaves alone
    max_concurrency: int = 2  # deliveries of this flow at the same time, unless its breaker says fewer
    workers: int = 2  # entities of one batch that are applied at the same time
    http_timeout_seconds: float = 60.0
    ledger_days: int = 90
    wait_for_parent_seconds: float = 86_400.0  # how long an event may be parked
    once: dict[str, bool] = field(default_factory=dict)  # action that must be claimed → whether it can be looked up
    retry: RetrySettings = field(default_factory=RetrySettings)
    breaker: Limits = field(default_factory=Limits)
    pacing: Pacing = field(default_factory=lambda: Pacing(planned=4, most=4))

    @classmethod
    def _from_dict(cls, values: dict[str, Any]) -> Self:
        parts = {"retry": RetrySettings, "breaker": Limits, "pacing": Pacing}
        return cls(**{name: parts[name](**value) if name in parts else value for name, value in values.items()})


@dataclass(frozen=True, slots=True)
class DlqSettings(Settings):
    """The dlq Lambda of the hub."""

    stage: str
    ledger_table: str
    topic_arn: str
    ledger_days: int = 90

    @property
    def flows_by_queue(self) -> Mapping[str, str]:
        """The dead letter queue's name → the flow's name."""
        return FlowsByDeadLetterQueue(self.stage)


@dataclass(frozen=True, slots=True)
class BreakerSettings(Settings):
    """The breaker Lambda of one destination."""

    stage: str
    destination: str
    connector: str
    url: str
    secret_id: str
    ledger_table: str
    topic_arn: str
    breaker: Limits = field(default_factory=Limits)

    @classmethod
    def _from_dict(cls, values: dict[str, Any]) -> Self:
        return cls(breaker=Limits(**values.pop("breaker")), **values)


@dataclass(frozen=True, slots=True)
class SyncSettings(Settings):
    """The sync Lambda of one integration. What it reads stands in the request that runs it."""

    stage: str
    integration: str
    connector: str
    url: str
    secret_id: str
    queue_urls: list[str]  # one per flow that starts at this integration
    bodies_bucket: str
    ledger_table: str
    topic_arn: str = ""  # where differences are told; "" where nothing is reconciled
    http_timeout_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class CalledSettings:
    """A system that can be called, and whose secrets sign us in there."""

    connector: str
    url: str
    secret_id: str


@dataclass(frozen=True, slots=True)
class HealthSettings(Settings):
    """The health Lambda of one integration."""

    stage: str
    integration: str
    connector: str
    secret_id: str
    ledger_table: str
    topic_arn: str
    called: CalledSettings | None = None  # itself, or the system that it is the same as; None where nothing is called
    public_url: str = ""  # where its provider sends to, "" for one that sends nothing
    flows: list[str] = field(default_factory=list)  # that start at it
    streams: str = ""  # sync function → the requests that run its streams, packed
    every_seconds: int = 300
    slow_milliseconds: int = 2_000
    silent_after_seconds: int = 0  # 0: silence is no news
    mend: bool = True

    @classmethod
    def _from_dict(cls, values: dict[str, Any]) -> Self:
        called = values.pop("called")
        return cls(called=CalledSettings(**called) if called else None, **values)


@dataclass(frozen=True, slots=True)
class FilesSettings(Settings):
    """The files Lambda of one integration."""

    stage: str
    integration: str
    connector: str
    queue_urls: list[str]  # one per flow that starts at this integration
    inbox_url: str
    files_bucket: str
    bodies_bucket: str
    ledger_table: str
    topic_arn: str
    streams: str  # stream → Declared.to_request(), packed: a table may have many columns


def packed(value: Any) -> str:
    """A value in few characters, for `unpacked`."""
    return base64.b64encode(zlib.compress(json.dumps(value, separators=(",", ":")).encode(), 9)).decode()


def unpacked(text: str) -> Any:
    """Read what `packed` wrote."""
    return json.loads(zlib.decompress(base64.b64decode(text)))
