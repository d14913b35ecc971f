"""What a connector states about itself: `manifest.toml`, parsed by one strict model (unknown keys are refused)."""

import tomllib
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator, model_validator

from hub.facts import SOURCES
from hub.handshakes import AFTER, BEFORE
from hub.records import KINDS
from hub.schemes import scheme_names
from hub.streams import CursorKind, Mode
from hub.webhook_spec import Topic, WebhookSpec

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{1,39}$")]


Scheme = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]{1,19}$")]


class ManifestError(Exception):
    """A manifest that cannot be used; says file, key and remedy."""


class Action(BaseModel):
    """One thing that a destination can do with a record."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    accepts: str  # the kind of record: "order", "customer"
    kind: Literal["upsert", "once"]  # safe to repeat, or claimed before it is done
    writes: tuple[Name, ...] = ()  # what of the destination it changes: stock, price, fulfilment; two systems that
    # both write one must agree who owns it (`ownership` in the configuration)
    by_default: bool = True  # false: only where a flow's `actions` name it
    lookup: bool = False  # of a `once` action: the code has `find`, which tells whether an event's was done
    compares: bool = False  # the code has `standings`, which tells how what it wrote stands beside a record

    @model_validator(mode="after")
    def _lookup_serves_once(self) -> Self:
        if self.lookup and self.kind != "once":
            raise ValueError('lookup is for kind = "once": what is safe to repeat is repeated; remove it')
        return self


class StreamFacts(BaseModel):
    """A collection of the system that can be read page by page. What it leaves open, an integration's configuration
    states (`streams.<name>`)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    entity: Name  # the type of its rows' entities, the same as that of the webhooks about them
    record: Name  # what the connector reads a row as
    mode: Mode = "incremental"
    cursor: CursorKind = "timestamp"
    overlap: float = Field(default=300.0, ge=0)  # seconds or units behind the watermark that are read again


class Manifest(BaseModel):
    """The facts of one connector."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    title: str
    summary: str
    known_as: tuple[str, ...] = ()  # other names of the system, as recorded requests may call it
    tier: Literal["bronze", "silver", "gold"]
    secrets: dict[Name, str] = Field(default_factory=dict)  # name → what it is for; values live in Secrets Manager
    expects: dict[Name, str] = Field(default_factory=dict)  # what an integration must state, name → what it is
    confirmed_by: str = ""  # what other than our own code confirms the scheme: a library, published vectors
    webhook: WebhookSpec | None = None
    topic: tuple[Topic, ...] = ()
    action: tuple[Action, ...] = ()
    stream: tuple[StreamFacts, ...] = ()
    reads_rows_as: tuple[str, ...] = ()  # kinds of record beside "row", that a stream of the configuration may ask for
    declares_streams: bool = False  # integrations may state streams of their own, whose rows are records of kind "row"
    reads_files: bool = False  # its streams are files that are dropped into the hub's bucket: it asks no system
    needs_url: bool = False  # an integration of it must say where the system is
    url: str = ""  # where the system is unless an integration says otherwise: one address for all customers
    url_schemes: tuple[Scheme, ...] = ("https", "http")  # how its URLs begin; http only on this machine

    @field_validator("reads_rows_as")
    @classmethod
    def _are_kinds(cls, kinds: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := set(kinds) - set(KINDS):
            raise ValueError(f"{', '.join(sorted(unknown))}: no such record; there are {', '.join(KINDS)}")
        return kinds

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if bool(self.webhook) != bool(self.topic):
            raise ValueError("[webhook] and [[topic]] need each other: state both or neither")
        if self.webhook:
            self._webhook_agrees(self.webhook)
        stated = {
            "topic": [topic.name for topic in self.topic],
            "action": [action.name for action in self.action],
            "stream": [stream.name for stream in self.stream],
        }
        for what, names in stated.items():
            repeated = {name for name in names if names.count(name) > 1}
            if repeated:
                raise ValueError(f"[[{what}]] states {', '.join(sorted(repeated))} twice")
        for what, kinds in (
            ("topic", [(topic.name, topic.record) for topic in self.topic if topic.record]),
            ("action", [(action.name, action.accepts) for action in self.action]),
        ):
            for name, kind in kinds:
                if kind not in KINDS:
                    raise ValueError(f"[[{what}]] {name}: there is no record {kind!r}; there are {', '.join(KINDS)}")
        return self

    def _webhook_agrees(self, webhook: WebhookSpec) -> None:
        secret = webhook.signature.secret
        if secret and secret not in self.secrets:
            raise ValueError(f"webhook.signature.secret is {secret!r}, which [secrets] does not name")
        if webhook.signature.scheme not in scheme_names():
            raise ValueError(
                f"webhook.signature.scheme is {webhook.signature.scheme!r}; there are {', '.join(scheme_names())}"
            )
        for handshake in webhook.handshakes:
            if handshake not in BEFORE and handshake not in AFTER:
                raise ValueError(f"webhook.handshakes: {handshake!r}; there are {', '.join([*BEFORE, *AFTER])}")
        for address in webhook.addresses:
            ip_network(address)
        for where, expression in self._expressions(webhook):
            for alternative in expression.split("|") if expression else ():
                source, colon, _ = alternative.partition(":")
                if not colon or source not in SOURCES:
                    raise ValueError(
                        f"{where} is {expression!r}, in which {source!r} is no source; write one of "
                        f"{', '.join(f'{each}:…' for each in SOURCES)}"
                    )
        if not self.confirmed_by:
            raise ValueError("confirmed_by says what confirms the scheme; 'nothing but our own code' is an answer")

    def _expressions(self, webhook: WebhookSpec) -> Iterator[tuple[str, str]]:
        """Where the manifest says where a delivery states something, each with its place in the file."""
        for part in ("topic", "entity", "entity_id", "entity_version", "time", "account"):
            yield f"webhook.facts.{part}", getattr(webhook.facts, part)
        for each in webhook.facts.event_id:
            yield "webhook.facts.event_id", each
        for topic in self.topic:
            for part in ("entity_id", "entity_version"):
                yield f"[[topic]] {topic.name}: {part}", getattr(topic, part)
            if ":" in topic.entity:  # else it is the entity itself
                yield f"[[topic]] {topic.name}: entity", topic.entity

    @property
    def pulled_too(self) -> frozenset[str]:
        """The types of the events that streams make of entities of which webhooks tell as well."""
        told = {topic.entity for topic in self.topic}
        types = [self.event_type(stream.name) for stream in self.stream if stream.entity in told]
        return frozenset([*types, *(f"{each}/deleted" for each in types)])

    def event_type(self, topic: str) -> str:
        """The CloudEvents `type` of a delivery with this topic: `shopify.orders/create`."""
        return f"{self.name}.{topic}"


def read_manifest(path: Path) -> Manifest:
    """Parse a connector's manifest; raises ManifestError that names file, key and remedy."""
    try:
        manifest = Manifest.model_validate(tomllib.loads(path.read_text("utf-8")))
    except OSError as error:
        raise ManifestError(f"{path}: {error.strerror}; a connector is a folder with a manifest.toml") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ManifestError(f"{path}: not valid TOML ({error}); mend it at the named line") from error
    except ValidationError as error:
        raise ManifestError("\n".join(f"{path}: {line}" for line in _told(error))) from error
    if manifest.name != path.parent.name:
        raise ManifestError(
            f"{path}: name is {manifest.name!r} but the folder is {path.parent.name!r}; make them the same"
        )
    return manifest


def _told(error: ValidationError) -> list[str]:
    return [f"{'.'.join(str(part) for part in item['loc']) or 'manifest'}: {item['msg']}" for item in error.errors()]
