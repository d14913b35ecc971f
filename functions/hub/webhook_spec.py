"""How a provider sends webhooks: the facts of a manifest's `[webhook]` and `[[topic]]` that the edge needs.

Standard library only, since the webhook Lambda reads them at its start; `hub.manifest` checks them strictly before
anything ships.
"""

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

FORBID_EXTRA = {"extra": "forbid"}  # read by pydantic, where hub.manifest checks these types; means nothing here
POST_ONLY = ("POST",)

VersionKind = Literal["timestamp", "unix_seconds", "unix_milliseconds", "integer"]


@dataclass(frozen=True, slots=True)
class Signature:
    """How a delivery proves where it comes from. `scheme` names a module of hub.schemes, which says what it reads."""

    __pydantic_config__: ClassVar[dict[str, str]] = FORBID_EXTRA

    scheme: str
    header: str = ""  # the one that bears the signature or the token; "X-New, X-Old" while the provider changes over
    secret: str = "webhook"  # noqa: S105 - the secret's name in the manifest's [secrets], not its value
    algorithm: Literal["sha1", "sha256", "sha512"] = "sha256"
    encoding: Literal["hex", "base64"] = "hex"  # of the signature in its header; hex is lower-case
    prefix: str = ""  # what stands before the signature in its header: "sha256="
    key: Literal["utf-8", "base64", "hex", "html"] = "utf-8"  # how the secret's text becomes the key's bytes
    signed: str = "{body}"  # what is signed, of {body} {timestamp} {url} {registered_url} {method} {id}
    timestamp_header: str = ""
    timestamp_unit: Literal["seconds", "milliseconds"] = "seconds"
    id_header: str = ""
    tolerance_seconds: float | None = None  # the window of signed times; an integration may set its own
    future_too: bool = True  # the window counts for times to come as well, as in the provider's own library
    one_time_token: bool = False  # the scheme's proof bears a token that must count once
    covers: Literal["body", "fields", "nothing"] = "body"  # of the body: every byte, `signed_fields`, or none of it
    signed_fields: tuple[str, ...] = ()  # the paths that are authenticated where `covers` is "fields"


@dataclass(frozen=True, slots=True)
class Facts:
    """Where a delivery says what it states. Each value is an expression of hub.facts: "header:X-Topic", "body:data.id"."""

    __pydantic_config__: ClassVar[dict[str, str]] = FORBID_EXTRA

    topic: str = ""
    event_id: tuple[str, ...] = ()  # joined; where all are missing, a hash of the fact
    entity: str = "text:other"
    entity_id: str = "body:id"
    entity_version: str = ""
    version_kind: VersionKind = "timestamp"
    time: str = ""  # the provider's clock, if it sends one
    account: str = ""  # which of the provider's tenants sent it; bound to the integration's `account`
    items: str = ""  # the path of a list in the body, of which each item is a fact: "value[]", "[]"
    form_json: str = ""  # the form field that holds the JSON where the body comes as a form
    code: bool = False  # facts.py of the connector reads them instead


@dataclass(frozen=True, slots=True)
class Reply:
    """What the provider wants to hear."""

    __pydantic_config__: ClassVar[dict[str, str]] = FORBID_EXTRA

    status: int = 200
    body: str | None = None  # None: JSON that names the event
    content_type: str = "text/plain; charset=utf-8"
    refused_status: int | None = None  # for every refusal, where the provider insists on one
    silent: bool = False  # refusals have an empty body too


@dataclass(frozen=True, slots=True)
class Topic:
    """One kind of fact. What it leaves empty is as [webhook.facts] says."""

    __pydantic_config__: ClassVar[dict[str, str]] = FORBID_EXTRA

    name: str  # as the provider writes it: "orders/create"
    record: str = ""  # what the connector reads its body as: "order", "customer"; "" where it reads none yet
    entity: str = ""
    entity_id: str = ""
    entity_version: str = ""
    version_kind: VersionKind | None = None
    by_hand: str = ""  # what a person must do about it, as no code can: the rule by which it is ignored


@dataclass(frozen=True, slots=True)
class WebhookSpec:
    """One provider's way of sending. Header names are compared without case."""

    __pydantic_config__: ClassVar[dict[str, str]] = FORBID_EXTRA

    signature: Signature
    facts: Facts = field(default_factory=Facts)
    reply: Reply = field(default_factory=Reply)
    methods: tuple[str, ...] = POST_ONLY
    handshakes: tuple[str, ...] = ()  # functions of hub.handshakes
    required_headers: tuple[str, ...] = ()  # that come with every delivery beside those of the proof
    empty_body: bool = True  # false: the provider's own library refuses a delivery without a body
    addresses: tuple[str, ...] = ()  # the CIDRs that the provider publishes as its senders
    answer_within_seconds: float = 5.0
    retries: str = ""  # what the provider does after a failure, in words


def read_webhook(manifest: Path) -> tuple[WebhookSpec, dict[str, Topic]]:
    """The webhook part of a manifest that `hub.manifest` has accepted: its spec, and its topics by name."""
    stated = tomllib.loads(manifest.read_text("utf-8"))
    spec = stated["webhook"]
    facts = spec.pop("facts", {})
    if "event_id" in facts:
        facts["event_id"] = tuple(facts["event_id"])
    for table, names in (
        (spec, ("methods", "handshakes", "addresses", "required_headers")),
        (spec["signature"], ("signed_fields",)),
    ):
        for name in names:
            if name in table:
                table[name] = tuple(table[name])
    webhook = WebhookSpec(
        signature=Signature(**spec.pop("signature")), facts=Facts(**facts), reply=Reply(**spec.pop("reply", {})), **spec
    )
    return webhook, {topic["name"]: Topic(**topic) for topic in stated.get("topic", ())}
