"""`hub send`: sends an integration a delivery, named and signed as its provider would."""

import base64
import hashlib
import hmac
import json
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import httpx
import typer
from rich.console import Console

from cli.failure import Failed
from cli.secrets import read
from cli.stage import ConfigOption, Stage, StageOption, open_stage
from connectors import manifest_path
from hub import names
from hub.webhook_spec import WebhookSpec, read_webhook
from infra.local.running import local_api_url


def hmac_sha256_base64(body: bytes, secret: str) -> str:
    """What hub.schemes.hmac_sha256_base64 accepts."""
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode("ascii")


SIGNERS: Mapping[str, Callable[[bytes, str], str]] = {"hmac-sha256-base64": hmac_sha256_base64}


def send(
    integration: Annotated[str, typer.Argument(help="The integration: shop-eu.")],
    topic: Annotated[str, typer.Argument(help="What the delivery is about, as the provider writes it: orders/create.")],
    file: Annotated[Path | None, typer.Argument(help="The body; without it, the connector's example.")] = None,
    stage: StageOption = None,
    config: ConfigOption = None,
) -> None:
    """Send a delivery, signed with the integration's own secret, and show the answer. Exit code 1 where it is refused."""
    opened = open_stage(stage, config)
    manifest = opened.manifest(integration)
    if manifest.webhook is None:
        raise Failed(f"{integration} receives no webhooks: its connector is {manifest.name!r}.")
    spec, topics = read_webhook(manifest_path(manifest.name))
    if topic not in topics and file is None:
        raise Failed(f"{manifest.title} has no example for topic {topic!r}; topics: {', '.join(topics)}.")
    body = _file(file) if file else example(manifest.name, topic)
    secret = read(opened, integration).get(spec.secret)
    if not secret:
        raise Failed(f"{integration} has no secret {spec.secret!r}: store it with `hub secrets set {integration}`.")
    url = webhook_url(opened, integration)
    headers = signed_headers(spec, topic, body, secret, opened.integration(integration).account, str(uuid.uuid4()))
    try:
        answer = httpx.post(url, content=body, headers=headers, timeout=30, trust_env=opened.endpoint is None)
    except httpx.TransportError as error:
        raise Failed(f"{url} does not answer ({type(error).__name__}): {opened.how_to_deploy()}.") from error
    console = Console(soft_wrap=True, highlight=False, markup=False)
    console.print(f"{topic} → {url}\nHTTP {answer.status_code} {answer.text[:500]}")
    if answer.status_code >= 300:
        raise typer.Exit(1)
    entity = entity_id(body, topics[topic].entity_id) if topic in topics else ""
    if entity:
        console.print(f"What became of it: hub events show {entity}")


def signed_headers(
    spec: WebhookSpec, topic: str, body: bytes, secret: str, account: str, event_id: str
) -> dict[str, str]:
    """The headers by which the provider names and signs `body`."""
    headers = {
        "Content-Type": "application/json",
        spec.signature_header: SIGNERS[spec.scheme](body, secret),
        spec.topic_header: topic,
        spec.event_id_header: event_id,
    }
    if spec.time_header:
        headers[spec.time_header] = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    if spec.account_header and account:
        headers[spec.account_header] = account
    return headers


def example(connector: str, topic: str) -> bytes:
    """The body of a connector's example delivery for a topic; raises Failed where there is none."""
    for path in sorted((manifest_path(connector).parent / "examples").glob("*.json")):
        content = json.loads(path.read_text("utf-8"))
        if content["topic"] == topic:
            return json.dumps(content["payload"], ensure_ascii=False).encode()
    raise Failed(f"The connector {connector} has no example for {topic!r}: name a file with the body.")


def webhook_url(stage: Stage, integration: str) -> str:
    """The URL that the integration's provider sends to."""
    outputs = stage.outputs()
    if stage.endpoint:
        return local_api_url(stage.endpoint, outputs["ApiId"]) + names.webhook_path(integration)
    return outputs["ApiUrl"].rstrip("/") + names.webhook_path(integration)


def entity_id(body: bytes, path: str) -> str:
    """The id of the entity that a body is about, at its dotted path; "" where there is none."""
    try:
        content = json.loads(body)
    except ValueError:
        return ""
    for part in path.split("."):
        content = content.get(part) if isinstance(content, dict) else None
    return str(content) if isinstance(content, int | str) else ""


def _file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Failed(f"{path} cannot be read: {error.strerror}.") from error
