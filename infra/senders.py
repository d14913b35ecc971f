"""What an integration states of those who send to it, held against its connector's manifest."""

import re
from collections.abc import Iterator
from ipaddress import ip_network

from hub.config import Integration
from hub.manifest import Manifest
from hub.settings import PUBLISHED
from hub.webhook_spec import Signature, WebhookSpec
from infra.mistakes import Mistake
from infra.yaml_lines import Place

ABOUT_SENDERS = ("account", "public_url", "expects", "tolerance_seconds", "allowed_addresses", "token_header")
OPTIONAL = "Optional:"  # how a manifest begins to say what an integration may leave out
HEADER = re.compile(r"[A-Za-z0-9-]+")


def senders(place: Place, integration: Integration, facts: Manifest) -> Iterator[Mistake]:
    """Judge what stands in an integration about deliveries. Its `public_url` is judged as other URLs are."""
    if facts.webhook is None:
        for name in ABOUT_SENDERS:
            if getattr(integration, name):
                yield Mistake((*place, name), f"{facts.title} sends nothing that this could be about", "remove it")
        return
    if integration.account and not facts.webhook.facts.account:
        what = f"{facts.title} does not say which account a delivery comes from, so none can be bound"
        yield Mistake((*place, "account"), what, "remove it")
    if integration.tolerance_seconds is not None and not signs_time(facts.webhook.signature):
        what = f"{facts.title} signs no time, so a delivery has no age"
        yield Mistake((*place, "tolerance_seconds"), what, "remove it")
    if integration.token_header and not HEADER.fullmatch(integration.token_header):
        what = f"{integration.token_header!r} is not the name of a header"
        yield Mistake((*place, "token_header"), what, "write letters, digits and hyphens: X-Token")
    yield from _expects((*place, "expects"), integration, facts)
    yield from _addresses((*place, "allowed_addresses"), integration.allowed_addresses, facts.title, facts.webhook)


def signs_time(signature: Signature) -> bool:
    """Whether a delivery bears a time that its signature covers."""
    return signature.tolerance_seconds is not None or bool(signature.timestamp_header)


def _expects(place: Place, integration: Integration, facts: Manifest) -> Iterator[Mistake]:
    for name, value in integration.expects.items():
        if name not in facts.expects:
            known = ", ".join(facts.expects)
            remedy = f"remove it; {facts.title} expects: {known}" if known else "remove it"
            yield Mistake((*place, name), f"{facts.title} holds deliveries against nothing of this name", remedy)
        elif _required(facts.expects[name]) and not (value and all([value] if isinstance(value, str) else value)):
            yield Mistake((*place, name), "is empty, so that every delivery is refused", f"state {facts.expects[name]}")
    for name, what in facts.expects.items():
        if name not in integration.expects and _required(what):
            yield Mistake((*place, name), "is missing, so that every delivery is refused", f"add it: {what}")


def _required(what: str) -> bool:
    return not what.startswith(OPTIONAL)


def _addresses(place: Place, allowed: list[str], title: str, webhook: WebhookSpec) -> Iterator[Mistake]:
    for number, each in enumerate(allowed):
        at = (*place, number)
        if each == PUBLISHED:
            if not webhook.addresses:
                yield Mistake(at, f"{title} publishes no addresses that it sends from", "list CIDRs, or remove it")
            continue
        try:
            ip_network(each)
        except ValueError:
            yield Mistake(at, f"{each!r} is not a network", _network(each))


def _network(text: str) -> str:
    try:
        return f"write {ip_network(text, strict=False)}"
    except ValueError:
        return f"write a CIDR such as 203.0.113.0/24, or {PUBLISHED} for the addresses that the provider publishes"
