"""`hub setup`: prepares an outside system for the hub, once; repeating it is safe."""

import time
from datetime import UTC, datetime
from functools import partial
from types import ModuleType
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from adapters.health import DynamoHealth
from adapters.http import DestinationHttp
from adapters.secrets import IntegrationSecrets
from cli.failure import Failed
from cli.secrets import read
from cli.send import webhook_url
from cli.stage import ConfigOption, Stage, StageOption, open_stage
from cli.trail import WhyOption, noted
from connectors import connector_module, has_code
from connectors.erpnext.settings import FlowSettings
from connectors.erpnext.setup import setup, unreadable
from hub import names
from hub.config import Integration
from hub.errors import Category, HubError, Permanent, Temporary, Unavailable
from hub.health import Registered
from infra.actions import declared_records, event_actions, url_of

TIMEOUT_SECONDS = 60.0  # ERPNext alters its tables while it answers

app = typer.Typer(help="Prepare an outside system for the hub.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Prepare an outside system for the hub."""


@app.command("erp")
def setup_erp(
    integration: Annotated[str, typer.Option(help="The integration that is the ERPNext site.")] = "erp",
    check: Annotated[bool, typer.Option("--check", help="Only look: exit code 1 where a field is missing.")] = False,
    reason: WhyOption = "",
    stage: StageOption = None,
    config: ConfigOption = None,
) -> None:
    """Make the custom fields in ERPNext that keep the hub from writing a document twice. Safe to repeat."""
    opened = open_stage(stage, config)
    site, http = _site(opened, integration)
    more = _doctypes_of_rows(opened, integration)
    if not check:
        noted(opened, "setup erp", integration, reason)
    try:
        made = setup(http, more, only_look=check)
        checked = {} if check else dict(setup(http, more))  # ERPNext itself says that they are there now
    except (Unavailable, Permanent) as error:
        raise Failed(_told(error, site, integration)) from error
    if wrong := [name for name, state in checked.items() if state != "already there"]:
        raise Failed(
            f"ERPNext at {site} confirmed {', '.join(wrong)}, yet does not show it: try again, then look "
            "at Customize Form there."
        )
    table = Table("custom field", "state", title=f"ERPNext at {site}")
    for name, state in made:
        table.add_row(name, state)
    Console().print(table)
    if missing := [name for name, state in made if state == "missing"]:
        raise Failed(f"{len(missing)} fields are missing: hub setup erp --integration {integration}")


def site_lacks(opened: Stage, integration: str) -> tuple[list[str], list[str]]:
    """Of an integration that is an ERPNext site: the hub's fields that it lacks, and the DocTypes that the hub's user may
    not read; nothing of any other. Raises Failed, HubError."""
    if opened.integration(integration).connector != "erpnext":
        return [], []
    _, http = _site(opened, integration)
    more = _doctypes_of_rows(opened, integration)
    denied = unreadable(http, more)
    return [name for name, state in setup(http, more, only_look=True) if state == "missing"], denied


@app.command("webhooks")
def setup_webhooks(
    integration: Annotated[
        str, typer.Argument(help="The integration that receives the webhooks: erp-events, shop-eu.")
    ],
    reason: WhyOption = "",
    stage: StageOption = None,
    config: ConfigOption = None,
) -> None:
    """Register the webhooks that the flows need at a shop or an ERPNext site. Safe to repeat: it renews them. From then on
    the health check watches them, and registers again what the provider drops."""
    opened = open_stage(stage, config)
    receiver = opened.integration(integration)
    system = _system_of(opened, integration)
    secret = read(opened, integration).get("webhook")
    if not secret:
        raise Failed(f"{integration} lacks webhook: store it with `hub secrets set {integration}`.")
    url = receiver.public_url or webhook_url(opened, integration)
    if not url.startswith("https://") and not opened.endpoint:
        raise Failed(f"{url} is no https:// address; providers send nowhere else.")
    there, connector = opened.integration(system), connector_module(receiver.connector)
    at = url_of(there)
    http = client(opened, system, at, connector_module(there.connector))
    subscriptions = connector_module(there.connector).subscriptions(http)
    names_there = connector.subscriptions_for(topics_of(opened, integration))
    noted(opened, "setup webhooks", integration, reason, url=url)
    table, refused = Table("webhook", "state", title=f"{at} → {url}"), {}
    try:
        for wanted in connector.wanted(names_there, url, secret):
            try:
                state = subscriptions.register(wanted)
            except Permanent as error:
                refused[wanted.topic] = error
                state = "refused"
            table.add_row(wanted.topic, state)
        made = tuple(name for name in names_there if name not in refused)
        registered = Registered(url, made, datetime.now(UTC).isoformat(timespec="seconds"))
        if made:
            DynamoHealth(opened.dynamodb(), names.ledger_table(opened.name)).keep_registered(integration, registered)
            Console().print(table)
    except Temporary as error:
        raise Failed(_refusal(error, at, system, there)) from error
    for topic, why in refused.items():
        raise Failed(f"{', '.join(refused)} refused; {topic}: {_refusal(why, at, system, there)}") from why


def _refusal(error: HubError, at: str, system: str, there: Integration) -> str:
    return _told(error, at, system) if there.connector == "erpnext" else f"{at} refuses: {error}"


def _system_of(opened: Stage, integration: str) -> str:
    """The integration whose system is asked to send to this one: itself, or what it is the same as; raises Failed."""
    receiver = opened.integration(integration)
    if receiver.connector == "frappe" and receiver.same_as:
        _site(opened, receiver.same_as)  # raises where it is none, or lacks its keys
        return receiver.same_as
    if not hasattr(connector_of(receiver), "subscriptions_for") or receiver.connector == "frappe":
        raise Failed(
            f"{integration} has no webhooks that a command could register: its connector's README says how to do it by "
            "hand. An ERPNext site's need `connector: frappe` and `same_as: <site>`."
        )
    if not url_of(receiver):
        raise Failed(f"{integration} is asked nowhere: state integrations.{integration}.url, where its system is.")
    return integration


def subscribed_at(opened: Stage, integration: str) -> str:
    """The integration whose system can be asked by code to send to this one; "" where there is none."""
    receiver = opened.integration(integration)
    system = receiver.same_as if receiver.connector == "frappe" else integration
    able = hasattr(connector_of(receiver), "subscriptions_for") and bool(opened.config.flows_from(integration))
    return system if able and system and url_of(opened.integration(system)) else ""


def connector_of(integration: Integration) -> ModuleType | None:
    """The connector's code; None for one that is a manifest alone."""
    return connector_module(integration.connector) if has_code(integration.connector) else None


def topics_of(opened: Stage, integration: str) -> list[str]:
    """The topics of an integration that lead to an action in one of its flows."""
    source = opened.manifest(integration)
    used: set[str] = set()
    for flow in opened.config.flows_from(integration).values():
        declared = declared_records(opened.integration(integration))
        used |= event_actions(source, opened.manifest(flow.destination), flow.actions, declared).keys()
    return [topic.name for topic in source.topic if source.event_type(topic.name) in used]


def _doctypes_of_rows(opened: Stage, integration: str) -> list[str]:
    """What the rows of sources become that flow to a site."""
    flows = [flow for flow in opened.config.flows.values() if flow.destination == integration]
    settings = [FlowSettings(**flow.settings) for flow in flows]
    return [rules.doctype for each in settings for rules in each.documents.values()]


def _site(opened: Stage, integration: str) -> tuple[str, DestinationHttp]:
    """An ERPNext site's address and HTTP to it; raises Failed where the stage has none of it."""
    site = opened.integration(integration)
    if site.connector != "erpnext" or not site.url:
        erps = [name for name, each in opened.config.integrations.items() if each.connector == "erpnext"]
        raise Failed(f"{integration} is no ERPNext site; say --integration {' or '.join(erps) or '<name>'}.")
    stored = read(opened, integration)
    missing = [name for name in opened.manifest(integration).secrets if not stored.get(name)]
    if missing:
        them = "it" if len(missing) == 1 else "them"
        raise Failed(f"{integration} lacks {' and '.join(missing)}: store {them} with `hub secrets set {integration}`.")
    return site.url, client(opened, integration, site.url, connector_module(site.connector))


def client(stage: Stage, integration: str, url: str, connector: ModuleType) -> DestinationHttp:
    """HTTP to an integration with its stored secrets, as its delivery Lambda has it."""
    secrets = IntegrationSecrets(
        stage.secrets(), stage.secret_id(integration), time.monotonic, lambda: datetime.now(UTC)
    )
    return DestinationHttp(url, partial(connector.credentials, secrets.live), secrets.forget, TIMEOUT_SECONDS, 1)


def _told(error: HubError, url: str, integration: str) -> str:
    if error.code == "AuthenticationError" or error.category == Category.AUTHENTICATION_FAILED:
        if "PermissionError" in str(error) or error.code == "PermissionError":
            return (
                f"The hub's user may not make that at {url} ({error}): give it the role System Manager in "
                "ERPNext (User → Roles), at least while this runs."
            )
        return (
            f"ERPNext at {url} does not accept the API key: store the right one with `hub secrets set {integration}`."
        )
    if isinstance(error, Unavailable):
        return f"No ERPNext answers at {url} ({error}): check integrations.{integration}.url and that the site is up."
    return f"ERPNext at {url} refuses: {error}"
