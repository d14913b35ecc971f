"""`hub sync backfill`: read a stretch of a stream's past, in windows, several at the same time."""

import re
import time
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from cli.failure import Failed
from cli.flow import told
from cli.period import AGO, SECONDS
from cli.stage import ConfigOption, Stage, StageOption
from cli.sync import (
    POLL_SECONDS,
    IntegrationArgument,
    StreamArgument,
    backfills,
    cursors,
    said,
    start,
    version,
    with_stream,
)
from cli.trail import WhyOption, noted, user
from hub.backfill import Filling, Window, windows
from hub.streams import CursorKind, Declared

INTERRUPTED = 130  # a shell's exit code for what Ctrl-C has stopped
QUIET_POLLS = 15  # in which nobody reads a window: then the functions are started anew
UNITS = re.compile(r"[0-9]{1,15}")


def backfill(
    integration: IntegrationArgument,
    stream: StreamArgument,
    since: Annotated[str | None, typer.Option("--from", help="The first version: a moment, or a number.")] = None,
    until: Annotated[str | None, typer.Option("--to", help="The end, not included; now if not stated.")] = None,
    window: Annotated[str, typer.Option("--window", help="How wide a window is: 6h, 1d, 1w; or a number.")] = "1d",
    parallel: Annotated[int, typer.Option("--parallel", min=1, max=100, help="Windows read at the same time.")] = 4,
    again: Annotated[str | None, typer.Option("--resume", help="Go on with this backfill instead.")] = None,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Show how it goes on; Ctrl-C does not stop it.")
    ] = True,
    reason: WhyOption = "",
    stage: StageOption = None,
    config: ConfigOption = None,
) -> None:
    """Read a stretch of a stream's past. Its cursor stays where it is. What is killed goes on where it stood: by itself,
    while this command waits, or with --resume. Exit code 1 where windows failed."""
    opened, declared = with_stream(stage, config, integration, stream)
    path, now = declared.stream.path, datetime.now(UTC)
    with told(opened):
        if paused := cursors(opened).read(path).get("paused"):
            raise Failed(f"{path} is paused by {paused['S']}; `hub sync resume {integration} {stream}` first.")
        if again:
            noted(opened, "sync backfill", path, reason, resume=again)
            backfill_id = _resumed(opened, path, again)
        elif since is None:
            raise Failed("Say where to begin: --from, or --resume with the backfill that is to go on.")
        else:
            cut = _cut(declared, since, until, window, now)
            noted(opened, "sync backfill", path, reason, since=since, until=until or "", windows=str(len(cut)))
            backfill_id = _planned(opened, declared, cut, parallel, now)
            typer.echo(f"backfill {backfill_id} of {path}: {len(cut):,} windows", err=True)
        _start(opened, path, backfill_id, integration)
        if not wait:
            typer.echo(f"`hub sync status {integration}` tells how it goes.")
            return
        filling = _watched(opened, path, backfill_id, integration)
    typer.echo(f"{path}: {said(filling)}.")
    if filling.failed:
        raise Failed(f"`hub sync backfill {integration} {stream} --resume {backfill_id}` tries what failed again.")


def _cut(declared: Declared, since: str, until: str | None, window: str, now: datetime) -> list[Window]:
    kind = declared.stream.cursor
    if until is None and kind == "integer":
        raise Failed("Say where to end: --to. The cursor of this stream is a number, which has no now.")
    begin, end = version(since, "--from", kind, now), version(until or "0s", "--to", kind, now)
    try:
        return windows(begin, end, _width(window, kind), kind)
    except ValueError as error:
        raise Failed(f"This cannot be cut into windows: {error}.") from error


def _width(text: str, kind: CursorKind) -> float:
    """Seconds, or units of an integer cursor."""
    if kind == "integer" and UNITS.fullmatch(text):
        return float(text)
    if kind != "integer" and (span := AGO.fullmatch(text)):
        return float(span[1]) * SECONDS[span[2]]
    how = "a number, as the stream's cursor is" if kind == "integer" else "a span such as 6h, 1d or 1w"
    raise Failed(f"--window {text!r} is no width of a window: write {how}.")


def _planned(opened: Stage, declared: Declared, cut: list[Window], parallel: int, now: datetime) -> str:
    backfill_id = f"{now:%Y%m%d-%H%M%S}"
    request = declared.to_request() | {"backfill": {"id": backfill_id, "parallel": parallel}}
    backfills(opened).plan(declared.stream.path, backfill_id, cut, request, user(), now)
    return backfill_id


def _resumed(opened: Stage, path: str, backfill_id: str) -> str:
    if backfills(opened).request(path, backfill_id) is None:
        known = ", ".join(each.id for each in backfills(opened).fillings(path, datetime.now(UTC))) or "none"
        raise Failed(f"{path} has no backfill {backfill_id!r}; it has: {known}.")
    backfills(opened).forgive(path, backfill_id)
    return backfill_id


def _start(opened: Stage, path: str, backfill_id: str, integration: str) -> None:
    """As many functions as may read at the same time and do not yet."""
    filling = _filling(opened, path, backfill_id)
    request = backfills(opened).request(path, backfill_id) or {}
    for _ in range(min(filling.open, max(0, filling.parallel - filling.running))):
        start(opened, request, integration)


def _filling(opened: Stage, path: str, backfill_id: str) -> Filling:
    return backfills(opened).filling(path, backfill_id, None, datetime.now(UTC))


def _watched(opened: Stage, path: str, backfill_id: str, integration: str) -> Filling:
    console = Console(stderr=True, highlight=False)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    quiet = 0
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(path)
        try:
            while not (filling := _filling(opened, path, backfill_id)).ended:
                what = f"{path}: {filling.queued:,} rows queued, {filling.running} being read"
                progress.update(task, description=what, completed=filling.done, total=filling.windows)
                quiet = 0 if filling.running else quiet + 1
                if quiet > QUIET_POLLS:
                    _start(opened, path, backfill_id, integration)
                    quiet = 0
                time.sleep(POLL_SECONDS)
        except KeyboardInterrupt:
            progress.stop()
            console.print(f"It goes on without you; `hub sync status {integration}` tells how.", soft_wrap=True)
            raise typer.Exit(INTERRUPTED) from None
    return filling
