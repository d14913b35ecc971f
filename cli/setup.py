"""`hub setup`: prepares an outside system for the hub, once; repeating it is safe."""

import time
from datetime import UTC, datetime
from functools import partial
from types import ModuleType
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from adapters.http import DestinationHttp
from adapters.secrets import IntegrationSecrets
from cli.failure import Failed
from cli.secrets import read
from cli.send import webhook_url
from cli.stage import ConfigOption, Stage, StageOption, open_stage
from cli.trail import WhyOption, noted
from connectors import connector_module
from connectors.erpnext.client import ErpNext
from connectors.erpnext.settings import FlowSettings
from connectors.erpnext.setup import setup
from connectors.frappe.templates import WEBHOOKS
from hub.errors import Category, HubError, Permanent, Temporary, Unavailable

TIMEOUT_SECONDS = 60.0  # ERPNext alters its tables while it answers

app = typer.Typer(help="Prepare an outside system for the hub.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Prepare an outside system for the hub."""


@app.command("erp")
def setup_erp(
    integration: Annotated[str, typer.Option(help="The integration that is the ERPNext site.")] = "erp",
    reason: WhyOption = "",
    stage: StageOption = None,
    config: ConfigOption = None,
) -> None:
    """Make the custom fields in ERPNext that keep the hub from writing a document twice. Safe to repeat."""
    opened = open_stage(stage, config)
    site, http = _site(opened, integration)
    more = _doctypes_of_rows(opened, integration)
    noted(opened, "setup erp", integration, reason)
    try:
        made = setup(http, more)
        checked = dict(setup(http, more))  # ERPNext itself says that they are there now
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


@app.command("webhooks")
def setup_webhooks(
    integration: Annotated[str, typer.Argument(help="The integration that receives the site's webhooks: erp-events.")],
    reason: WhyOption = "",
    stage: StageOption = None,
    config: ConfigOption = None,
) -> None:
    """Make the webhooks in ERPNext that tell the hub of stock, prices and deliveries. Safe to repeat: it renews them."""
    opened = open_stage(stage, config)
    receiver = opened.integration(integration)
    if receiver.connector != "frappe" or not receiver.same_as:
        raise Failed(
            f"{integration} receives no webhooks of a site: it needs `connector: frappe` and `same_as: <site>`."
        )
    secret = read(opened, integration).get("webhook")
    if not secret:
        raise Failed(f"{integration} lacks webhook: store it with `hub secrets set {integration}`.")
    url = receiver.public_url or webhook_url(opened, integration)
    site, http = _site(opened, receiver.same_as)
    erp = ErpNext(http)
    noted(opened, "setup webhooks", integration, reason, url=url)
    table = Table("webhook", "of", "when", "state", title=f"ERPNext at {site} → {url}")
    try:
        for wanted in WEBHOOKS:
            document = wanted.document(url, secret)
            there = erp.get("Webhook", wanted.name) is not None
            if there:
                erp.update("Webhook", wanted.name, document)  # it shows no secret, so that none can be compared
            else:
                erp.insert("Webhook", document)
            table.add_row(wanted.name, wanted.doctype, wanted.event, "renewed" if there else "created")
    except (Temporary, Permanent) as error:
        raise Failed(_told(error, site, receiver.same_as)) from error
    Console().print(table)


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
