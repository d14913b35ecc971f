"""What a connector states about itself: `manifest.toml`, parsed by one strict model (unknown keys are refused)."""

import tomllib
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from hub.handshakes import AFTER, BEFORE
from hub.schemes import scheme_names
from hub.webhook_spec import Topic, WebhookSpec

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{1,39}$")]


class ManifestError(Exception):
    """A manifest that cannot be used; says file, key and remedy."""


class Action(BaseModel):
    """One thing that a destination can do with a record."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    accepts: str  # the kind of record: "order", "customer"
    kind: Literal["upsert", "once"]  # safe to repeat, or claimed before it is done


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
    needs_url: bool = False  # an integration of it must say where the system is

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if bool(self.webhook) != bool(self.topic):
            raise ValueError("[webhook] and [[topic]] need each other: state both or neither")
        if self.webhook:
            self._webhook_agrees(self.webhook)
        for what, names in (("topic", [t.name for t in self.topic]), ("action", [a.name for a in self.action])):
            repeated = {name for name in names if names.count(name) > 1}
            if repeated:
                raise ValueError(f"[[{what}]] states {', '.join(sorted(repeated))} twice")
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
        if not self.confirmed_by:
            raise ValueError("confirmed_by says what confirms the scheme; 'nothing but our own code' is an answer")

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
