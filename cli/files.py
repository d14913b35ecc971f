"""`hub files`: put files into an integration's inbox, try them beforehand, see what became of them."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table as Shown

from adapters.files import AGAIN
from cli.failure import Failed
from cli.stage import ConfigOption, Stage, StageOption, open_stage, settings_of
from cli.trail import WhyOption, noted
from connectors import connector_module
from hub import names
from hub.config import Config
from hub.files import BadRow, FileRefused
from hub.manifest import Manifest
from infra.actions import manifest_of
from infra.streams import streams_of

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MOST_SHOWN = 20
ENDING = ".summary.json"

app = typer.Typer(help="Tables that are dropped as files: try, put, see what became of them.", no_args_is_help=True)
FileArgument = Annotated[Path, typer.Argument(help="A CSV or XLSX file.")]
IntegrationOption = Annotated[str, typer.Option("--integration", help="The integration that takes such files.")]
StreamOption = Annotated[
    str | None, typer.Option("--stream", help="What the file holds, where the integration has several streams.")
]


@app.command("check")
def check(
    file: FileArgument,
    integration: IntegrationOption,
    stream: StreamOption = None,
    stage: StageOption = None,
    config: ConfigOption = None,
) -> None:
    """Read a file as the hub would, and say what it would take and what it would reject. Nothing is sent anywhere.
    Exit code 0 where all rows are good, else 1."""
    settings = settings_of(stage, config)
    _manifest(settings, integration)
    declared = streams_of(settings, integration)[_stream(settings, integration, stream)]
    good, shown = 0, list[BadRow]()
    bad = 0
    try:
        with _opened(file) as content:
            table = connector_module(settings.integrations[integration].connector).table(content, declared.settings)
            for row in table.rows(0):
                if isinstance(row, BadRow):
                    bad += 1
                    shown += [row] if len(shown) < MOST_SHOWN else []
                else:
                    good += 1
    except FileRefused as refusal:
        raise Failed(f"{file.name} would be refused: {refusal}.") from refusal
    read_as = ", ".join(f"{name} {value}" for name, value in table.facts.items() if name != "columns")
    typer.echo(f"{file.name} ({read_as}): {good} rows good, {bad} bad")
    for row in shown:
        typer.echo(f"  row {row.number}: {row.error}")
    if bad > len(shown):
        typer.echo(f"  … and {bad - len(shown)} more")
    if bad:
        raise typer.Exit(1)


@app.command("put")
def put(
    file: FileArgument,
    integration: IntegrationOption,
    stream: StreamOption = None,
    again: Annotated[
        bool, typer.Option("--again", help="Apply it although the same file was taken in before.")
    ] = False,
    reason: WhyOption = "",
    stage: StageOption = None,
    config: ConfigOption = None,
) -> None:
    """Put a file into the integration's inbox; it is taken in at once."""
    opened = open_stage(stage, config)
    opened.integration(integration)
    _manifest(opened.config, integration)
    folder = _stream(opened.config, integration, stream)
    key = f"{names.inbox(integration)}{folder}/{file.name}"
    metadata = {AGAIN: datetime.now(UTC).isoformat()} if again else {}
    with _opened(file) as content:
        noted(opened, "files put", f"{integration}/{folder}", reason, file=file.name, again=str(again).lower())
        opened.s3().put_object(Bucket=_bucket(opened), Key=key, Body=content, Metadata=metadata)
    typer.echo(f"{file.name} is in the inbox of {integration}; hub files list shows what becomes of it.")


@app.command("list")
def list_files(
    integration: Annotated[str | None, typer.Option("--integration", help="Of this integration only.")] = None,
    limit: Annotated[int, typer.Option("--limit", help="How many at most, the latest first.", min=1)] = 20,
    stage: StageOption = None,
    config: ConfigOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Show the files that wait, and what became of those that came."""
    opened = open_stage(stage, config)
    if integration:
        opened.integration(integration)
        _manifest(opened.config, integration)
    takers = [
        name
        for name, each in opened.config.integrations.items()
        if manifest_of(each).reads_files and integration in (None, name)
    ]
    if not takers:
        raise Failed(f"Stage {opened.name} has no integration that takes files; see docs/files.md.")
    s3, bucket = opened.s3(), _bucket(opened)
    found = [each for name in takers for each in _files(s3, bucket, name, limit)]
    latest = sorted(found, key=lambda each: each["arrived_at"], reverse=True)[:limit]
    if as_json:
        typer.echo(json.dumps(latest, indent=2))
        return
    if not latest:
        typer.echo("No file waits, and none was taken in.")
        return
    table = Shown("arrived", "file", "state", "good", "bad", "seconds", box=box.SIMPLE_HEAD, pad_edge=False)
    for each in latest:
        cells = [each["arrived_at"][:19], each["uploaded_as"].split("/", 1)[1], each["state"]]
        table.add_row(*cells, *(str(each.get(name, "")) for name in ("good", "bad", "seconds")))
    console = Console(highlight=False)
    console.print(table)
    for each in latest:
        if each.get("reason"):
            console.print(f"{each['uploaded_as']}: {each['reason']}", markup=False, soft_wrap=True)
        if each.get("rejected_rows"):
            console.print(f"rejected rows: s3://{bucket}/{each['rejected_rows']}", markup=False, soft_wrap=True)


def _files(s3: "S3Client", bucket: str, integration: str, limit: int) -> Iterator[dict[str, Any]]:
    """Summaries of the latest uploads, which folders name by their moment; and what waits."""
    pages = s3.get_paginator("list_objects_v2")
    for page in pages.paginate(Bucket=bucket, Prefix=names.inbox(integration)):
        for each in page.get("Contents", []):
            if not each["Key"].endswith("/"):
                when = each["LastModified"].astimezone(UTC).isoformat()
                yield {"state": "waits", "uploaded_as": each["Key"], "arrived_at": when}
    ended = [
        (each["LastModified"], each["Key"])
        for folder in ("processed", "rejected")
        for page in pages.paginate(Bucket=bucket, Prefix=f"{folder}/{integration}/")
        for each in page.get("Contents", [])
        if each["Key"].endswith(ENDING)
    ]
    for _, key in islice(sorted(ended, reverse=True), limit):
        yield json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())


def _bucket(stage: Stage) -> str:
    bucket = stage.outputs().get("FilesBucket")
    if not bucket:
        raise Failed(f"Stage {stage.name} was deployed without files: {stage.how_to_deploy()}.")
    return bucket


def _manifest(config: Config, integration: str) -> Manifest:
    if integration not in config.integrations:
        known = ", ".join(sorted(config.integrations))
        raise Failed(f"Stage {config.stage} has no integration {integration!r}; it has: {known}.")
    manifest = manifest_of(config.integrations[integration])
    if not manifest.reads_files:
        raise Failed(f"{integration} takes no files: its connector is {manifest.name}.")
    return manifest


def _stream(config: Config, integration: str, stream: str | None) -> str:
    streams = list(config.integrations[integration].streams)
    if stream is None and len(streams) == 1:
        return streams[0]
    if stream not in streams:
        what = f"no stream {stream!r}" if stream else "several streams"
        raise Failed(f"{integration} has {what}: add --stream with one of {', '.join(streams)}.")
    return stream


def _opened(file: Path) -> Any:
    try:
        return file.open("rb")
    except OSError as error:
        raise Failed(f"{file} cannot be read: {error.strerror}.") from error
