"""Recorded requests with their secrets: read from a file, and judged by the code that the webhook Lambda runs.

A file holds one request, a list of them, or {"vectors": [...]}. The least that a request needs:

    {"provider": "stripe",                       the connector, or what its manifest's `known_as` says
     "url": "https://…/in/stripe?a=b",           or nothing, where no query matters
     "headers": {"Stripe-Signature": "t=…"},     or "headers_list": [[name, value], …], where one may come twice
     "body": "{…}",                              or "body_base64": exactly the bytes that came
     "secrets": ["whsec_…"]}                     those that are live, the newest first

or, in place of url, headers and body, "lambda_event": the request as API Gateway handed it to the function. Further:
"id"; "method" (POST); "now" (Unix seconds; else this moment); "tolerance_s" (else the manifest's window; null for none);
"config": what the integration states (its `expects` and `public_url`), "certs": {url: PEM} and "jwks" for keys that the
provider publishes; "expect": "accept" or "reject".
"""

import base64
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from adapters.webhook_wiring import receiver_of
from cli.failure import Failed
from connectors import connector_names, manifest_path
from hub.deliveries import Delivery
from hub.errors import SourceUnavailable
from hub.manifest import Manifest, read_manifest
from hub.receive import Outside, Receiver
from hub.settings import WebhookSettings
from webhooks.handler import delivery_from_api_gateway

URLS = ("public_url", "notification_url")  # what a file may call the URL as registered
NAMED_SECRET = re.compile(r"signing|^parent_|public_key|passphrase|^password$")  # beside `secrets`, which has no names


@dataclass(frozen=True, slots=True)
class Vector:
    """One request, and what it is held against."""

    name: str
    manifest: Manifest
    delivery: Delivery
    secrets: tuple[str, ...]
    now: float
    config: Mapping[str, Any] = field(default_factory=dict)
    expect: str = ""  # "" where the file does not say
    tolerance: tuple[float | None, ...] = ()  # () where the file does not say: the manifest's counts

    def receiver(self) -> Receiver:
        """The integration that the request arrives at."""
        states = {}
        for name, value in self.config.items():
            meant = next((each for each in spellings(name) if each in self.manifest.expects), "")
            if meant and not (meant == "user" and any(each.startswith(f"{value}:") for each in self.secrets)):
                states[meant] = stated(list(value) if isinstance(value, dict) else value)
        settings = WebhookSettings(
            stage="check",
            integration="recorded",
            connector=self.manifest.name,
            secret_id="",
            queue_urls=[],
            bodies_bucket="",
            ledger_table="",
            public_url=next((str(self.config[name]) for name in URLS if self.config.get(name)), ""),
            expects=states,
        )
        receiver = receiver_of(settings)
        if not self.tolerance:
            return receiver
        signature = replace(receiver.spec.signature, tolerance_seconds=self.tolerance[0])
        return replace(receiver, spec=replace(receiver.spec, signature=signature))

    def outside(self) -> Outside:
        """The services around it: its secrets and certificates, and nothing that keeps anything."""
        return Outside(Told(self.secrets), (), self.fetch, NoBodies(), NoTokens())

    def fetch(self, url: str) -> bytes:
        """What the provider publishes at a URL, as far as the file holds it; asks nobody."""
        certificates = self.config.get("certs") or {}
        if url in certificates:
            return str(certificates[url]).encode("utf-8")
        if "Action=ConfirmSubscription" in url:  # AWS SNS: judging a recorded confirmation confirms nothing
            return b""
        if "jwks" in self.config:
            return json.dumps(self.config["jwks"]).encode("utf-8")
        raise SourceUnavailable(f"the file does not hold what stands at {url}: add it under config.certs")


@dataclass(frozen=True, slots=True)
class Told:
    """Secrets that a file states: those of every name are the same, and there are no newer ones."""

    values: tuple[str, ...]

    def live(self, _name: str) -> tuple[str, ...]:
        """As Secrets.live."""
        return tuple(value for value in self.values if value)

    def renewed(self) -> bool:
        """As Secrets.renewed: no."""
        return False


class NoBodies:
    """Bodies that are kept nowhere."""

    def keep(self, body: bytes) -> str:
        """As Bodies.keep."""
        return f"nowhere:{len(body)}"


class NoTokens:
    """One-time tokens of which none ever came before: a recorded request can be judged again and again."""

    def event_of(self, _token: str) -> None:
        """As Tokens.event_of."""
        return

    def keep(self, _token: str, _event_id: str) -> None:
        """As Tokens.keep."""


def spellings(name: str) -> tuple[str, ...]:
    """What a setting may be called in [expects]: itself, one of several or several of one, a user or its name."""
    return (name, f"{name}s", name.removesuffix("s"), name.removesuffix("name"))


def secrets_of(content: Mapping[str, Any]) -> tuple[str, ...]:
    """The live secrets, also those that a file states by what they are called."""
    secrets = content.get("secrets", [])
    config = content.get("config") or {}
    if not isinstance(secrets, list) or not all(isinstance(each, str) for each in secrets):
        raise TypeError("secrets is not a list of texts")
    user = config.get("user", config.get("username"))
    named = [
        f"{user}:{value}" if name == "password" and user else value
        for name, value in config.items()
        if NAMED_SECRET.search(name) and isinstance(value, str)
    ]
    keyed = [
        value
        for name, several in config.items()
        if name.endswith("keys") and isinstance(several, dict)
        for value in several.values()
        if isinstance(value, str)
    ]
    return (*named, *keyed, *secrets)


def stated(value: Any) -> str | list[str]:
    """A setting as the configuration would hold it."""
    if isinstance(value, list) and len(value) != 1:
        return [str(each) for each in value]
    if isinstance(value, list):
        value = value[0]
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """One of several requests of which nothing can be said but why."""

    name: str
    why: str


def read_vectors(path: Path) -> list[Vector | Unreadable]:
    """The requests of a file; raises Failed with a sentence that says what to mend, if no other request is hurt by it."""
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise Failed(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise Failed(f"{path} is not JSON; `hub signature check --help` shows what it must hold.") from error
    if isinstance(content, dict):
        content = content.get("vectors", [content])
    if not isinstance(content, list) or not content:
        raise Failed(f"{path} holds no requests: it must be one object, a list, or an object with `vectors`.")
    manifests = known_manifests()
    read: list[Vector | Unreadable] = []
    for place, each in enumerate(content, start=1):
        name = str(each.get("id", place)) if isinstance(each, dict) else str(place)
        try:
            read.append(vector_of(each, name, manifests))
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError, OSError) as error:
            what = f"{error.args[0]} is missing" if isinstance(error, KeyError) else str(error)
            if len(content) == 1:
                raise Failed(f"{path}, request {name}: {what}.") from error
            read.append(Unreadable(name, what))
    return read


def vector_of(content: Mapping[str, Any], name: str, manifests: Mapping[str, Manifest]) -> Vector:
    """One request; raises the errors of a text that cannot be read for one of another form."""
    if not isinstance(content, dict):
        raise TypeError("it is not an object")
    provider = content["provider"]
    called = [manifests.get(squeezed(str(name))) for name in (provider, content.get("scheme", ""))]
    manifest = next((each for each in called if each and each.webhook), None)
    if manifest is None:
        raise ValueError(f"there is no connector for provider {provider!r}")
    tolerance = content.get("tolerance_s", ())
    expect = content.get("expect", "")
    if expect not in {"accept", "reject", ""}:
        raise ValueError("expect is neither 'accept' nor 'reject'")
    now = time.time() if content.get("now") is None else float(content["now"])
    datetime.fromtimestamp(now, UTC)  # raises for what is no time
    return Vector(
        name,
        manifest,
        delivery_of(content),
        secrets_of(content),
        now,
        dict(content.get("config") or {}),
        expect,
        () if tolerance == () else (None if tolerance is None else float(tolerance),),
    )


def delivery_of(content: Mapping[str, Any]) -> Delivery:
    """The request itself, from its parts or from API Gateway's event."""
    if "body" not in content and "body_base64" not in content and "lambda_event" in content:
        return delivery_from_api_gateway(content["lambda_event"])
    headers: dict[str, list[str]] = {}
    for header, value in content.get("headers_list") or list((content.get("headers") or {}).items()):
        if not isinstance(value, str):
            raise TypeError(f"header {header} is not a text")
        headers.setdefault(header.lower(), []).append(value)
    body = content.get("body", "")
    raw = base64.b64decode(content["body_base64"], validate=True) if "body_base64" in content else body.encode("utf-8")
    return Delivery(content.get("method", "POST"), headers, raw, urlsplit(content.get("url", "")).query)


@cache
def known_manifests() -> Mapping[str, Manifest]:
    """Every connector's manifest by its name and by what else it is known as."""
    known: dict[str, Manifest] = {}
    for connector in connector_names():
        manifest = read_manifest(manifest_path(connector))
        for name in (manifest.name, *manifest.known_as):
            known[squeezed(name)] = manifest
    return known


def squeezed(name: str) -> str:
    """A name without the signs that people put between its words."""
    return "".join(character for character in name.lower() if character.isalnum())
