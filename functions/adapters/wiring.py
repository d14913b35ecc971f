"""Puts the parts of each Lambda together, once, in its init phase."""

import os
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import botocore.session
from botocore.config import Config as ClientConfig

from adapters.provider_keys import ProviderKeys
from adapters.s3 import S3Bodies
from adapters.secrets import IntegrationSecrets
from adapters.sqs import SqsDeadLetters, SqsEventQueue
from adapters.telemetry import EdgeTelemetry, Telemetry
from adapters.tokens import DynamoTokens
from connectors import connector_module, facts_module, has_code, manifest_path
from hub.breaker import Breakers, Limits
from hub.dead_letter import Notices
from hub.deliver import Route
from hub.deliver_batch import DeadLetters
from hub.errors import NotConfigured
from hub.events import Event
from hub.guard import Guard
from hub.ledger import Ledger
from hub.names import breaker_function
from hub.receive import Bodies, Outside, Receiver, Tokens
from hub.settings import PUBLISHED, BreakerSettings, DeliverySettings, DlqSettings, WebhookSettings
from hub.tend_breaker import Valves
from hub.webhook_spec import WebhookSpec, read_webhook

if TYPE_CHECKING:  # which the webhook Lambda need not load
    from hub.connector import Read
    from hub.records import Record

PROBE_SECONDS = 10.0  # a destination that takes longer for its cheapest call does not serve
PATIENT = ClientConfig(connect_timeout=2.0, read_timeout=10.0, retries={"total_max_attempts": 4, "mode": "standard"})


def quick(timeout_seconds: float) -> ClientConfig:
    """Clients of a function that must answer in time: a slow try and one more fit, and a 503 makes the provider send
    again, while a function that runs out of time answers nothing."""
    share = timeout_seconds / 2
    return ClientConfig(
        connect_timeout=min(1.0, share / 3),
        read_timeout=min(3.0, share * 2 / 3),
        retries={"total_max_attempts": 2, "mode": "standard"},
    )


def utc_now() -> datetime:
    """The clock of everything that ships."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class WebhookHub:
    """What the webhook handler needs."""

    receiver: Receiver
    outside: Outside
    telemetry: Telemetry
    now: Callable[[], datetime]


def webhook_hub(environment: Mapping[str, str] = os.environ) -> WebhookHub:
    """The webhook Lambda of one integration, from its environment."""
    settings = WebhookSettings.from_env(environment)
    session: Any = botocore.session.get_session()
    config = quick(settings.timeout_seconds)
    secrets = IntegrationSecrets(
        session.create_client("secretsmanager", config=config), settings.secret_id, time.monotonic, utc_now
    )
    sqs = session.create_client("sqs", config=config)
    outside = Outside(
        secrets=secrets,
        queues=[SqsEventQueue(sqs, url) for url in settings.queue_urls],
        fetch=ProviderKeys(time.monotonic).fetch,
        bodies=LateBodies(lambda: S3Bodies(session.create_client("s3", config=config), settings.bodies_bucket)),
        tokens=LateTokens(
            lambda: DynamoTokens(
                session.create_client("dynamodb", config=config), settings.ledger_table, settings.integration, utc_now
            )
        ),
    )
    dimensions = {"stage": settings.stage, "integration": settings.integration}
    return WebhookHub(receiver_of(settings), outside, EdgeTelemetry("webhooks", dimensions, utc_now), utc_now)


def receiver_of(settings: WebhookSettings) -> Receiver:
    """How an integration receives: its connector's manifest, and what its configuration states."""
    spec, topics = read_webhook(manifest_path(settings.connector))
    read_facts = facts_module(settings.connector).facts if spec.facts.code else None
    return Receiver(
        integration=settings.integration,
        connector=settings.connector,
        spec=spec,
        topics=topics,
        account=settings.account,
        public_url=settings.public_url,
        states=settings.expects,
        tolerance_seconds=settings.tolerance_seconds,
        addresses=tuple(_addresses(settings.addresses, spec)),
        token_header=settings.token_header,
        read_facts=read_facts,
    )


def _addresses(allowed: Sequence[str], spec: WebhookSpec) -> Iterator[str]:
    for each in allowed:
        if each == PUBLISHED:
            yield from spec.addresses
        else:
            yield each


@dataclass(slots=True)
class LateBodies:
    """Bodies whose client is made at the first body that is too large for a queue: most Lambdas never see one."""

    make: Callable[[], Bodies]
    made: Bodies | None = None

    def keep(self, body: bytes) -> str:
        """As Bodies.keep."""
        self.made = self.made or self.make()
        return self.made.keep(body)


@dataclass(slots=True)
class LateTokens:
    """Tokens whose client is made at the first one: few integrations ask for them."""

    make: Callable[[], Tokens]
    made: Tokens | None = None

    def event_of(self, token: str) -> str | None:
        """As Tokens.event_of."""
        self.made = self.made or self.make()
        return self.made.event_of(token)

    def keep(self, token: str, event_id: str) -> None:
        """As Tokens.keep."""
        self.made = self.made or self.make()
        self.made.keep(token, event_id)


@dataclass(frozen=True, slots=True)
class DeliveryHub:
    """What the delivery handler needs."""

    route: Route
    ledger: Ledger
    queue: SqsEventQueue
    dead_letters: DeadLetters
    telemetry: Telemetry
    workers: int
    seconds_per_event: float  # an event is not begun with less than this left
    now: Callable[[], datetime]
    draw: Callable[[], float]
    guard: Guard


def delivery_hub(environment: Mapping[str, str] = os.environ) -> DeliveryHub:
    """The delivery Lambda of one flow, from its environment."""
    from adapters.breakers import DynamoBreakers
    from adapters.dynamodb import DynamoLedger
    from adapters.http import DestinationHttp
    from adapters.valves import wake
    from hub.manifest import read_manifest

    settings = DeliverySettings.from_env(environment)
    session: Any = botocore.session.get_session()
    sqs = session.create_client("sqs", config=PATIENT)
    secrets = IntegrationSecrets(
        session.create_client("secretsmanager", config=PATIENT),
        settings.destination_secret_id,
        time.monotonic,
        utc_now,
    )
    connector = connector_module(settings.destination_connector)
    credentials = partial(connector.credentials, secrets.live)
    timeout = settings.http_timeout_seconds
    http = DestinationHttp(settings.destination_url, credentials, secrets.forget, timeout, settings.workers)
    source = read_manifest(manifest_path(settings.source_connector))
    dynamodb = session.create_client("dynamodb", config=PATIENT)
    tender = breaker_function(settings.stage, settings.destination)
    bodies = S3Bodies(session.create_client("s3", config=PATIENT), settings.bodies_bucket)
    route = Route(
        flow=settings.flow,
        read=_reader(settings.source_connector),
        destination=connector.destination(http, settings.flow_settings),
        actions=settings.actions,
        records={source.event_type(topic.name): topic.record for topic in source.topic},
        retry=settings.retry,
        body_of=lambda event: bodies.fetch(event.data_ref),
    )
    return DeliveryHub(
        route,
        DynamoLedger(dynamodb, settings.ledger_table, settings.ledger_days),
        SqsEventQueue(sqs, settings.queue_url),
        SqsDeadLetters(sqs, settings.dead_letter_queue_url),
        Telemetry("delivery", {"stage": settings.stage, "flow": settings.flow}, utc_now),
        settings.workers,
        timeout,
        utc_now,
        random.random,
        Guard(
            settings.flow,
            settings.max_concurrency,
            settings.destination,
            DynamoBreakers(dynamodb, settings.ledger_table),
            settings.breaker,
            lambda: wake(session.create_client("lambda", config=PATIENT), tender),  # rarely, so not made before
        ),
    )


def _reader(connector: str) -> "Read":
    """How a source's bodies are read. A connector without code reads none; its events are recorded as ignored."""
    if has_code(connector):
        read: Read = connector_module(connector).read
        return read

    def read_nothing(event: Event, kind: str) -> "Record":  # noqa: ARG001 - the name that Read gives it
        raise NotConfigured(f"the connector {connector} reads no records: take the action off {event.type}")

    return read_nothing


@dataclass(frozen=True, slots=True)
class DlqHub:
    """What the dlq handler needs."""

    flows_by_queue: Mapping[str, str]
    ledger: Ledger
    notices: Notices
    telemetry: Telemetry
    now: Callable[[], datetime]


def dlq_hub(environment: Mapping[str, str] = os.environ) -> DlqHub:
    """The dlq Lambda of the hub, from its environment."""
    from adapters.dynamodb import DynamoLedger
    from adapters.sns import SnsNotices

    settings = DlqSettings.from_env(environment)
    session: Any = botocore.session.get_session()
    return DlqHub(
        settings.flows_by_queue,
        DynamoLedger(session.create_client("dynamodb", config=PATIENT), settings.ledger_table, settings.ledger_days),
        SnsNotices(session.create_client("sns", config=PATIENT), settings.topic_arn),
        Telemetry("dlq", {"stage": settings.stage}, utc_now),
        utc_now,
    )


@dataclass(frozen=True, slots=True)
class BreakerHub:
    """What the breaker handler needs."""

    destination: str
    breakers: Breakers
    limits: Limits
    valves: Valves
    notices: Notices
    probe: Callable[[], None]
    telemetry: Telemetry
    now: Callable[[], datetime]


def breaker_hub(environment: Mapping[str, str] = os.environ) -> BreakerHub:
    """The breaker Lambda of one destination, from its environment."""
    from adapters.breakers import DynamoBreakers
    from adapters.http import DestinationHttp
    from adapters.sns import SnsNotices
    from adapters.valves import LambdaValves

    settings = BreakerSettings.from_env(environment)
    session: Any = botocore.session.get_session()
    dynamodb = session.create_client("dynamodb", config=PATIENT)
    secrets = IntegrationSecrets(
        session.create_client("secretsmanager", config=PATIENT), settings.secret_id, time.monotonic, utc_now
    )
    connector = connector_module(settings.connector)
    credentials = partial(connector.credentials, secrets.live)
    http = DestinationHttp(settings.url, credentials, secrets.forget, PROBE_SECONDS, connections=1)
    return BreakerHub(
        settings.destination,
        DynamoBreakers(dynamodb, settings.ledger_table),
        settings.breaker,
        LambdaValves(session.create_client("lambda", config=PATIENT), dynamodb, settings.ledger_table, settings.stage),
        SnsNotices(session.create_client("sns", config=PATIENT), settings.topic_arn),
        partial(connector.probe, http),
        Telemetry("breaker", {"stage": settings.stage, "destination": settings.destination}, utc_now),
        utc_now,
    )
