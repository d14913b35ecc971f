"""Puts the webhook Lambda together, once, in its init phase: without botocore, pydantic and httpx, whose loading takes
longer than all that it does. Providers wait three to five seconds for an answer, a cold start included."""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from adapters.late import LateBodies, LateTokens, utc_now
from adapters.lean import LeanAws, quick
from adapters.secrets import IntegrationSecrets
from adapters.sending import SqsSender
from adapters.telemetry import EdgeTelemetry, Telemetry
from connectors import facts_module, manifest_path
from hub.receive import Bodies, Outside, Receiver, Tokens
from hub.schemes import scheme
from hub.webhook_settings import PUBLISHED, WebhookSettings
from hub.webhook_spec import WebhookSpec, read_webhook


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
    aws = LeanAws(environment, quick(settings.timeout_seconds))
    sqs = aws.sqs()
    outside = Outside(
        secrets=IntegrationSecrets(aws.secretsmanager(), settings.secret_id, time.monotonic, utc_now),
        queues=[SqsSender(sqs, url) for url in settings.queue_urls],
        fetch=lambda url: _provider_keys().fetch(url),
        bodies=LateBodies(lambda: _bodies(aws.s3(), settings.bodies_bucket)),
        tokens=LateTokens(lambda: _tokens(aws, settings)),
    )
    dimensions = {"stage": settings.stage, "integration": settings.integration}
    receiver = receiver_of(settings)
    scheme(receiver.spec.signature.scheme)  # loads it now
    return WebhookHub(receiver, outside, EdgeTelemetry("webhooks", dimensions, utc_now), utc_now)


# What few integrations ask for is loaded when it is first needed.


@cache
def _provider_keys() -> Any:
    from adapters.provider_keys import ProviderKeys

    return ProviderKeys(time.monotonic)


def _bodies(client: Any, bucket: str) -> Bodies:
    from adapters.s3 import S3Bodies

    return S3Bodies(client, bucket)


def _tokens(aws: LeanAws, settings: WebhookSettings) -> Tokens:
    from adapters.tokens import DynamoTokens

    return DynamoTokens(aws.dynamodb(), settings.ledger_table, settings.integration, utc_now)


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
