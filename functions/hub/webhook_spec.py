"""How a provider sends webhooks: the facts of a manifest's `[webhook]` and `[[topic]]` that the edge needs.

Standard library only, since the webhook Lambda reads them at its start; `hub.manifest` checks them strictly before
anything ships.
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

FORBID_EXTRA = {"extra": "forbid"}  # read by pydantic, where hub.manifest checks these types; means nothing here
POST_ONLY = ("POST",)


@dataclass(frozen=True, slots=True)
class Topic:
    """One kind of delivery, and where its body names the entity and the entity's version."""

    __pydantic_config__: ClassVar[dict[str, str]] = FORBID_EXTRA

    name: str  # as the provider writes it: "orders/create"
    entity: str  # what the fact is about: "order"
    record: str  # what the connector makes of the body: "order", "customer"
    entity_id: str = "id"  # dotted path in the body
    entity_version: str = "updated_at"  # dotted path in the body
    version_kind: Literal["timestamp", "integer"] = "timestamp"


@dataclass(frozen=True, slots=True)
class WebhookSpec:
    """One provider's way of signing and naming its deliveries. Header names are compared without case."""

    __pydantic_config__: ClassVar[dict[str, str]] = FORBID_EXTRA

    scheme: str  # a name in hub.schemes
    signature_header: str
    topic_header: str
    event_id_header: str
    secret: str = "webhook"  # noqa: S105 - the secret's name in the manifest's [secrets], not its value
    time_header: str = ""  # the provider's clock, if it sends one
    account_header: str = ""  # which of the provider's tenants sent it; bound to the integration's `account`
    methods: tuple[str, ...] = POST_ONLY
    acknowledge_status: int = 200
    answer_within_seconds: float = 5.0


def read_webhook(manifest: Path) -> tuple[WebhookSpec, dict[str, Topic]]:
    """The webhook part of a manifest that `hub.manifest` has accepted: its spec, and its topics by name."""
    facts = tomllib.loads(manifest.read_text("utf-8"))
    spec = facts["webhook"]
    spec["methods"] = tuple(spec.get("methods", POST_ONLY))
    return WebhookSpec(**spec), {topic["name"]: Topic(**topic) for topic in facts["topic"]}
