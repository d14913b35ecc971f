"""`hub sync approve`: a person looks at the rows that a source lists no more, and says that they are to be told as
deleted."""

import json
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from adapters.cursors import APPROVAL, COMPARISON, orphans_of
from cli.failure import Failed
from cli.flow import told
from cli.stage import ConfigOption, StageOption
from cli.sync import (
    IntegrationArgument,
    StreamArgument,
    YesOption,
    cursors,
    said_why,
    start,
    with_stream,
)
from cli.trail import noted, user

SHOWN = 20  # without --all


def approve(
    integration: IntegrationArgument,
    stream: StreamArgument,
    reason: Annotated[str, typer.Option("--reason", help="Why, for those who come after you.")] = "",
    show_all: Annotated[
        bool, typer.Option("--all", help="Name all rows that the hub has kept, not the first 20.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what waits as JSON, and change nothing.")] = False,
    yes: YesOption = False,
    stage: StageOption = None,
    config: ConfigOption = None,
) -> None:
    """Show the rows that vanished from a source and are too many to be told as deleted without a person; with --reason,
    have them told. Rows that came back meanwhile are left out."""
    opened, declared = with_stream(stage, config, integration, stream)
    path, now = declared.stream.path, datetime.now(UTC)
    with told(opened):
        asked = orphans_of(cursors(opened).read(path, COMPARISON))
        if as_json:
            typer.echo(json.dumps(asked or {"comparison": "", "keys": [], "count": 0}, indent=2))
            return
        if not asked:
            raise Failed(f"No orphans of {path} wait; `hub sync status {integration}` tells how it was compared last.")
        _show(asked["keys"], asked["count"], show_all, path, asked["comparison"])
        if not reason.strip():
            raise Failed("Nothing was changed. To have them told as deleted, say why: --reason.")
        if not yes and not typer.confirm(f"Tell {asked['count']:,} rows of {path} as deleted?"):
            raise Failed("Nothing was changed.")
        why = said_why(reason)
        noted(opened, "sync approve", path, why, comparison=asked["comparison"], count=str(asked["count"]))
        approved = {"comparison": asked["comparison"], "by": user(), "reason": why}
        cursors(opened).note(path, APPROVAL, now, approved | {"count": str(asked["count"])})
        start(opened, declared.to_request() | {"approve": approved}, integration)
    typer.echo(f"They are being told as deleted; `hub sync status {integration}` tells when it is done.")


def _show(keys: list[str], count: int, show_all: bool, path: str, comparison: str) -> None:
    console = Console(highlight=False, soft_wrap=True)
    console.print(Text(f"{count:,} rows of {path} were listed no more on {comparison[:16].replace('T', ' ')} UTC:"))
    shown = keys if show_all else keys[:SHOWN]
    for key in shown:
        console.print(Text(f"  {key}"))
    if count > len(shown):
        kept = f"; --all names {len(keys):,}" if len(keys) > len(shown) else ""
        console.print(Text(f"  … and {count - len(shown):,} more{kept}"))
