"""`hub send`: sends an integration a delivery, named and signed as its provider would."""

import base64
import time
import uuid
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import httpx
import typer
from rich.console import Console

from cli.failure import Failed
from cli.secrets import read
from cli.signing import Draft, OnlyTheProvider, Sender, signers
from cli.signing.examples import Example, drafted, examples
from cli.stage import ConfigOption, Stage, StageOption, open_stage
from connectors import facts_module, manifest_path
from hub import names
from hub.deliveries import Delivery
from hub.facts import Stated, items_of, json_of
from hub.handshakes import AFTER
from hub.receive import Receiver, name_the_facts
from hub.webhook_spec import WebhookSpec, read_webhook
from infra.local.running import local_api_url


def send(
    integration: Annotated[str, typer.Argument(help="The integration: shop-eu.")],
    topic: Annotated[
        str,
        typer.Argument(help="What the delivery is about, as the provider writes it: orders/create. Or a handshake."),
    ],
    file: Annotated[Path | None, typer.Argument(help="The body; without it, the connector's example.")] = None,
    stage: StageOption = None,
    config: ConfigOption = None,
) -> None:
    """Send a delivery, signed with the integration's own secret, and show the answer. Exit code 1 where it is refused."""
    opened = open_stage(stage, config)
    manifest = opened.manifest(integration)
    if manifest.webhook is None:
        raise Failed(f"{integration} receives no webhooks: its connector is {manifest.name!r}.")
    spec, _ = read_webhook(manifest_path(manifest.name))
    chosen = example_of(manifest.name, topic, file)
    url = webhook_url(opened, integration)
    draft = signed(opened, integration, spec, chosen)
    where = url + (f"?{draft.url.partition('?')[2]}" if "?" in draft.url else "")
    try:
        answer = httpx.request(
            draft.method,
            where,
            content=draft.body,
            headers=dict(draft.headers),
            timeout=30,
            trust_env=opened.endpoint is None,
        )
    except httpx.TransportError as error:
        raise Failed(f"{url} does not answer ({type(error).__name__}): {opened.how_to_deploy()}.") from error
    console = Console(soft_wrap=True, highlight=False, markup=False)
    console.print(f"{topic} → {url}\nHTTP {answer.status_code} {answer.text[:500]}")
    if answer.status_code >= 300:
        raise typer.Exit(1)
    if not chosen.handshake:
        console.print(f"What became of it: hub events show {subject(draft, integration, manifest.name)}")


def example_of(connector: str, topic: str, file: Path | None) -> Example:
    """The connector's example for a topic or a handshake, with the body of the file where there is one; raises Failed
    where there is neither."""
    known = {
        name: each for each in reversed(list(examples(connector))) for name in (each.topic, each.handshake) if name
    }
    example = known.get(topic)
    if file:
        body = _file(file)
        headers = example.headers if example else {}
        return Example(connector, file.stem, topic, headers=headers, raw=body)
    if example is None:
        raise Failed(f"The connector {connector} has no example for {topic!r}, but for {', '.join(sorted(known))}.")
    return example


def signed(stage: Stage, integration: str, spec: WebhookSpec, example: Example) -> Draft:
    """The request as the provider would sign it for this integration; raises Failed where only the provider can."""
    configured = stage.integration(integration)
    now = time.time()
    url = configured.public_url or stage.outputs()["ApiUrl"].rstrip("/") + names.webhook_path(integration)
    at = datetime.fromtimestamp(now, UTC).isoformat().replace("+00:00", "Z")
    draft = drafted(example, spec, url, str(uuid.uuid4()), at, configured.account)
    if configured.account and example.raw is None:
        draft = of_account(draft, spec, configured.account)
    if example.handshake and example.handshake not in AFTER:
        return draft
    secret = read(stage, integration).get(spec.signature.secret, "") if spec.signature.secret else ""
    if spec.signature.secret and not secret:
        raise Failed(
            f"{integration} has no secret {spec.signature.secret!r}: store it with `hub secrets set {integration}`."
        )
    if spec.signature.secret and not readable(secret, spec.signature.key):
        raise Failed(
            f"The secret {spec.signature.secret!r} of {integration} is not {spec.signature.key}, which "
            f"{stage.manifest(integration).title} makes: store the right one with `hub secrets set {integration}`."
        )
    states = {name: value for name, value in configured.expects.items() if value}
    try:
        return signers()[spec.signature.scheme](draft, spec.signature, Sender(secret, now, states))
    except OnlyTheProvider as error:
        raise Failed(
            f"{stage.manifest(integration).title} signs with a private key that nobody else has: "
            "send a test from there, or judge a recorded delivery with `hub signature check`."
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Failed(
            f"This body cannot be signed as {stage.manifest(integration).title} does ({type(error).__name__}): "
            "the proof stands in it, so it must have the provider's form; see the connector's examples."
        ) from error


def of_account(draft: Draft, spec: WebhookSpec, account: str) -> Draft:
    """An example as the provider would send it from the account that the integration is bound to."""
    headers = {name.lower(): [value] for name, value in draft.headers.items()}
    delivery = Delivery(draft.method, headers, draft.body, draft.url.partition("?")[2])
    body = json_of(delivery, spec.facts.form_json)
    items = items_of(body, spec.facts.items) if spec.facts.items else [body]
    content = draft.body
    for each in {Stated(delivery, body, item).text(spec.facts.account) for item in items} - {"", account}:
        content = content.replace(each.encode(), account.encode())
    return replace(draft, body=content)


def readable(secret: str, key: str) -> bool:
    """Whether a secret is written as its scheme reads it."""
    try:
        if key == "hex":
            return bool(bytes.fromhex(secret))
        return key != "base64" or bool(base64.b64decode(secret, validate=True))
    except ValueError:
        return False


def webhook_url(stage: Stage, integration: str) -> str:
    """The URL that the integration's provider sends to."""
    outputs = stage.outputs()
    if stage.endpoint:
        return local_api_url(stage.endpoint, outputs["ApiId"]) + names.webhook_path(integration)
    return outputs["ApiUrl"].rstrip("/") + names.webhook_path(integration)


def subject(draft: Draft, integration: str, connector: str) -> str:
    """The entity of the first fact that a delivery states, named as the edge names it."""
    spec, topics = read_webhook(manifest_path(connector))
    read_facts = facts_module(connector).facts if spec.facts.code else None
    receiver = Receiver(integration, connector, spec, topics, read_facts=read_facts)
    headers = {name.lower(): [value] for name, value in draft.headers.items()}
    delivery = Delivery(draft.method, headers, draft.body, draft.url.partition("?")[2])
    return name_the_facts(delivery, receiver, datetime.now(UTC))[0].subject


def _file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Failed(f"{path} cannot be read: {error.strerror}.") from error
