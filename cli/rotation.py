"""`hub secrets rotate` and `hub secrets status`: a new value counts at once, the one before for as long as the provider
needs to change over, and deliveries tell when it has."""

import base64
import json
import re
import secrets as random
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from botocore.exceptions import ClientError
from rich.console import Console
from rich.table import Table

from cli import secrets
from cli.failure import Failed
from cli.secrets import DEFAULT_OVERLAP, IN_USE_AFTER_MINUTES, PREVIOUS, UNTIL, IntegrationName, read, when
from cli.stage import LOCAL, ConfigOption, Stage, StageOption, open_stage
from cli.trail import WhyOption, noted
from hub import names
from hub.manifest import Manifest

COUNT = "PreviousSecret"  # what the webhook Lambda counts deliveries as that are signed by the previous value
OVERLAP = re.compile(r"([0-9]{1,4})([mhd])")
LONGEST = timedelta(days=30)  # a value that is rotated out shall end
GENERATED_BYTES = 32  # as many as an HMAC-SHA256 key is worth


def rotate(
    integration: IntegrationName,
    name: Annotated[str | None, typer.Argument(help="The secret; without it, the one that signs deliveries.")] = None,
    overlap: Annotated[
        str, typer.Option(help="How long the value before counts too: 90m, 24h, 7d.")
    ] = f"{DEFAULT_OVERLAP // timedelta(hours=1)}h",
    generate: Annotated[
        bool, typer.Option("--generate", help="Make up the new value, where it is ours to choose, and print it once.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Even while the rotation before is still running.")] = False,
    reason: WhyOption = "",
    stage: StageOption = None,
    config: ConfigOption = None,
) -> None:
    """Replace a secret: asks for the new value without showing it, or reads it from stdin.

    The value before stays valid until the overlap ends, so that nothing is refused while the provider changes over.
    """
    lasting = duration(overlap)
    opened = open_stage(stage, config)
    manifest = opened.manifest(integration)
    name = chosen(manifest, name, integration)
    stored, now = read(opened, integration), datetime.now(UTC)
    current = stored.get(name)
    if not current:
        raise Failed(f"{integration} has no {name} yet: store it with `hub secrets set {integration}`.")
    end = running(stored, name, now)
    if end and not force:
        raise Failed(
            f"The last rotation of {name} is still running: the value before it counts until {when(end)}, and another "
            "rotation would forget it. `hub secrets status` tells whether deliveries still come by it; --force rotates."
        )
    new = generated(manifest) if generate else _given(name)
    if not new or new == current:
        raise Failed(f"This is {'no value' if not new else 'the stored value'}; nothing was changed.")
    until = now + lasting
    noted(opened, "secrets rotate", integration, reason, changed=name, overlap=overlap)
    secrets.store(opened, integration, rotated(stored, name, new, until))
    told = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    told.print(
        f"{name} of {integration} is rotated: the new value counts within {IN_USE_AFTER_MINUTES} minutes, the one before "
        f"until {when(until)}. By then the provider must use the new one; `hub secrets status` tells whether it does."
    )
    if generate:
        told.print("The new value, shown this once:")
        typer.echo(new)


def status(
    hours: Annotated[int, typer.Option(help="How far to look back for deliveries.", min=1, max=24 * 15)] = 24,
    stage: StageOption = None,
    config: ConfigOption = None,
) -> None:
    """Tell of every integration which secrets are set, until when values before count, and whether deliveries still come
    signed by them."""
    opened = open_stage(stage, config)
    now = datetime.now(UTC)
    table = Table("integration", "secret", "set", "value before (UTC)", "signed by it", title=f"Stage {opened.name}")
    for integration in sorted(opened.config.integrations):
        manifest = opened.manifest(integration)
        stored = read(opened, integration)
        for name in manifest.secrets:
            table.add_row(
                integration,
                name,
                "yes" if stored.get(name) else "[red]no[/red]",
                previous(stored, name, now),
                _seen(opened, integration, hours, now)
                if stored.get(name + PREVIOUS) and signs(manifest, name)
                else "–",
            )
    where = " in the functions' logs, since the local AWS makes no metrics of them" if opened.name == LOCAL else ""
    console = Console(highlight=False)
    console.print(table)
    console.print(f"Deliveries of the last {hours} h that were signed by the value before are counted{where}.")


def rotated(stored: Mapping[str, str], name: str, new: str, until: datetime) -> dict[str, str]:
    """The secrets after a rotation of `name`, whose value until now counts until `until`."""
    return {**stored, name: new, name + PREVIOUS: stored[name], name + UNTIL: until.isoformat(timespec="seconds")}


def running(stored: Mapping[str, str], name: str, now: datetime) -> datetime | None:
    """When the running rotation of a secret ends; None where none runs."""
    end = secrets.end_of_previous(stored, name)
    return end if end and end > now else None


def previous(stored: Mapping[str, str], name: str, now: datetime) -> str:
    """Until when the value before counts, for a table."""
    if not stored.get(name + PREVIOUS):
        return "–"
    end = secrets.end_of_previous(stored, name)
    return f"until {end:%Y-%m-%d %H:%M}" if end and end > now else "no longer"


def signs(manifest: Manifest, name: str) -> bool:
    """Whether a secret is the one by which deliveries are verified."""
    return manifest.webhook is not None and manifest.webhook.signature.secret == name


def chosen(manifest: Manifest, name: str | None, integration: str) -> str:
    """The secret that is meant; raises Failed that lists those there are."""
    name = name or (manifest.webhook.signature.secret if manifest.webhook else "")
    if name not in manifest.secrets:
        there = ", ".join(manifest.secrets)
        what = f"has no secret {name!r}" if name else "verifies deliveries without a secret"
        raise Failed(f"{integration} {what}; it has: {there}." if there else f"{integration} needs no secrets.")
    return name


def duration(text: str) -> timedelta:
    """The time that 90m, 24h or 7d means; raises Failed."""
    match = OVERLAP.fullmatch(text)
    unit = {"m": "minutes", "h": "hours", "d": "days"}[match[2]] if match else ""
    lasting = timedelta(**{unit: int(match[1])}) if match else timedelta(0)
    if not timedelta(0) < lasting <= LONGEST:
        raise Failed(f"--overlap is not a time up to {LONGEST.days} days; write it as 90m, 24h or 7d.")
    return lasting


def generated(manifest: Manifest) -> str:
    """A new value, written as the connector reads the key."""
    key = manifest.webhook.signature.key if manifest.webhook else "utf-8"
    if manifest.webhook and manifest.webhook.signature.scheme == "standard_webhooks":
        return "whsec_" + base64.b64encode(random.token_bytes(GENERATED_BYTES)).decode("ascii")
    if key == "hex":
        return random.token_hex(GENERATED_BYTES)
    if key == "base64":
        return base64.b64encode(random.token_bytes(GENERATED_BYTES)).decode("ascii")
    return random.token_urlsafe(GENERATED_BYTES)


def _given(name: str) -> str:
    if secrets.at_terminal():
        value: str = typer.prompt(f"new {name}", hide_input=True, default="", show_default=False, err=True)
        return value.strip()
    return sys.stdin.read().strip()


def _seen(stage: Stage, integration: str, hours: int, now: datetime) -> str:
    since = now - timedelta(hours=hours)
    count = _in_logs(stage, integration, since) if stage.name == LOCAL else _in_metrics(stage, integration, since, now)
    return f"[yellow]{count}[/yellow]" if count else "none"


def _in_metrics(stage: Stage, integration: str, since: datetime, now: datetime) -> int:
    answer = stage.cloudwatch().get_metric_statistics(
        Namespace=names.METRICS_NAMESPACE,
        MetricName=COUNT,
        Dimensions=[{"Name": "integration", "Value": integration}, {"Name": "stage", "Value": stage.name}],
        StartTime=since,
        EndTime=now,
        Period=3600,
        Statistics=["Sum"],
    )
    return round(sum(point["Sum"] for point in answer["Datapoints"]))


def _in_logs(stage: Stage, integration: str, since: datetime) -> int:
    group = f"/aws/lambda/{names.webhook_function(stage.name, integration)}"
    pages = stage.logs().get_paginator("filter_log_events")
    count = 0
    try:
        for page in pages.paginate(logGroupName=group, startTime=int(since.timestamp() * 1000)):
            count += sum(_counted(event["message"]) for event in page["events"])
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") != "ResourceNotFoundException":  # nothing was logged yet
            raise
    return count


def _counted(line: str) -> int:
    try:
        told = json.loads(line)
    except ValueError:  # a line of the platform
        return 0
    return int(told.get(COUNT, 0)) if isinstance(told, dict) else 0
