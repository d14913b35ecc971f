"""`hub secrets`: stores an integration's secrets and tells which are set. Values come from a prompt or stdin, never argv."""

import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from botocore.exceptions import ClientError
from rich.console import Console
from rich.table import Table

from cli.failure import Failed
from cli.stage import ConfigOption, Stage, StageOption, open_stage
from cli.trail import WhyOption, noted
from hub.events import parse_instant

PREVIOUS = "_previous"  # "<name>_previous" counts beside "<name>"
UNTIL = "_previous_until"  # until this time
DEFAULT_OVERLAP = timedelta(hours=24)
IN_USE_AFTER_MINUTES = 5  # adapters.secrets keeps a secret that long

UNKNOWN = "not known to the connector"

app = typer.Typer(help="Store and rotate the secrets of an integration; tell which are set.", no_args_is_help=True)
IntegrationName = Annotated[str, typer.Argument(help="The integration, as the configuration names it: shop-eu.")]


@app.command("set")
def set_secrets(
    integration: IntegrationName,
    reason: WhyOption = "",
    stage: StageOption = None,
    config: ConfigOption = None,
    forget_previous: Annotated[
        bool, typer.Option("--forget-previous", help="Accept the previous signing secret no longer: it leaked.")
    ] = False,
) -> None:
    """Store secrets: asks for each one without showing it, or reads a JSON object {name: value} from stdin.

    What is left empty keeps its value. A replaced signing secret stays valid beside the new one for 24 hours, since the
    provider changes over in its own time, or until --forget-previous ends it. `hub secrets rotate` can make that longer.
    """
    opened = open_stage(stage, config)
    manifest = opened.manifest(integration)
    if not manifest.secrets:
        raise Failed(f"The connector {manifest.name!r} needs no secrets.")
    stored = read(opened, integration)  # first, so that nobody types a secret for a stage that is not there
    given = _asked(manifest.secrets, stored) if at_terminal() else _from_stdin(sys.stdin.read())
    _check_names(given, manifest.secrets, integration)
    signing = manifest.webhook.signature.secret if manifest.webhook else ""
    until = datetime.now(UTC) + DEFAULT_OVERLAP
    new = changed(stored, {name: value for name, value in given.items() if value}, signing, until, forget_previous)
    if new == stored:
        raise Failed("Nothing new was given; nothing was changed.")
    names = ", ".join(sorted(name for name in {*new, *stored} if new.get(name) != stored.get(name)))
    noted(opened, "secrets set", integration, reason, changed=names)
    store(opened, integration, new)
    Console().print(
        f"Changed in {opened.secret_id(integration)}: {names}. In use everywhere within {IN_USE_AFTER_MINUTES} minutes.",
        soft_wrap=True,
        highlight=False,
    )


def changed(
    stored: Mapping[str, str], given: Mapping[str, str], signing: str, until: datetime, forget_previous: bool
) -> dict[str, str]:
    """The secrets after a change; `signing` names the one whose replaced value stays valid, until `until`."""
    kept = {name: value for name, value in stored.items() if not name.endswith((PREVIOUS, UNTIL))}
    new = {**(kept if forget_previous else stored), **given}
    replaced = stored.get(signing)
    if replaced and new[signing] != replaced and signing + PREVIOUS not in given and not forget_previous:
        new[signing + PREVIOUS] = replaced
    ends = until.isoformat(timespec="seconds")
    begun = [name for name in new if name.endswith(PREVIOUS) and new[name] != stored.get(name)]
    return new | {name.removesuffix(PREVIOUS) + UNTIL: ends for name in begun}


def end_of_previous(stored: Mapping[str, str], name: str) -> datetime | None:
    """Until when the value before a rotation counts; None where that is not said, and it counts no longer."""
    try:
        return parse_instant(stored.get(name + UNTIL, ""))
    except ValueError:
        return None


def when(moment: datetime) -> str:
    """A moment for a person."""
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def store(stage: Stage, integration: str, values: Mapping[str, str]) -> None:
    """Keep the secrets of an integration, all of them together."""
    stage.secrets().put_secret_value(
        SecretId=stage.secret_id(integration), SecretString=json.dumps(values, sort_keys=True)
    )


@app.command("show")
def show_secrets(integration: IntegrationName, stage: StageOption = None, config: ConfigOption = None) -> None:
    """Tell which secrets of an integration are set. Values are not shown."""
    opened = open_stage(stage, config)
    purposes = opened.manifest(integration).secrets
    stored = read(opened, integration)
    table = Table("secret", "set", "what it is for", title=opened.secret_id(integration))
    for name, purpose in purposes.items():
        table.add_row(name, "yes" if stored.get(name) else "[red]no[/red]", purpose)
    now = datetime.now(UTC)
    for name in sorted(set(stored) - set(purposes) - {purpose + UNTIL for purpose in purposes}):
        table.add_row(name, "yes", _about_previous(stored, name, now) if name.endswith(PREVIOUS) else UNKNOWN)
    Console().print(table)


def _about_previous(stored: Mapping[str, str], name: str, now: datetime) -> str:
    end = end_of_previous(stored, name.removesuffix(PREVIOUS))
    return f"accepted too, until {when(end)}" if end and end > now else "accepted no longer"


def read(stage: Stage, integration: str) -> dict[str, str]:
    """The stored secrets of an integration by name; raises Failed where the stage is not deployed."""
    secret_id = stage.secret_id(integration)
    try:
        text = stage.secrets().get_secret_value(SecretId=secret_id)["SecretString"]
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") == "ResourceNotFoundException":
            raise Failed(
                f"There is no secret {secret_id}: the stage is not deployed, or not since {integration} was added; "
                f"{stage.how_to_deploy()}."
            ) from None
        raise
    try:
        values = json.loads(text)
    except ValueError:
        values = None
    if not isinstance(values, dict):
        raise Failed(f"The secret {secret_id} is not a JSON object; write it anew in the AWS console: {{}}.")
    return {name: value for name, value in values.items() if isinstance(value, str)}


def at_terminal() -> bool:
    """Whether a person can be asked."""
    return sys.stdin.isatty()


def _asked(purposes: dict[str, str], stored: dict[str, str]) -> dict[str, str]:
    given = {}
    for name, purpose in purposes.items():
        keep = " (Enter keeps the stored one)" if stored.get(name) else ""
        Console(stderr=True, soft_wrap=True, highlight=False, markup=False).print(f"{purpose}{keep}")
        given[name] = typer.prompt(name, hide_input=True, default="", show_default=False, err=True)
    return given


def _from_stdin(text: str) -> dict[str, str]:
    try:
        given = json.loads(text)
    except ValueError:
        given = None
    if not isinstance(given, dict) or not all(isinstance(value, str) for value in given.values()):
        raise Failed('stdin is not a JSON object of texts, such as {"name": "value"}; nothing was changed.')
    return given


def _check_names(given: dict[str, str], purposes: dict[str, str], integration: str) -> None:
    allowed = set(purposes) | {f"{name}{PREVIOUS}" for name in purposes}
    unknown = sorted(set(given) - allowed)
    if unknown:
        raise Failed(
            f"{integration} has no secret named {', '.join(unknown)}; it has: {', '.join(purposes)} "
            f"(and each with {PREVIOUS} during a rotation). Nothing was changed."
        )
