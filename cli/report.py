"""`hub audit report`: who did what by hand in a period, and why."""

import csv
import io
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum, auto
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.failure import Failed
from cli.flow import told
from cli.period import HOW, moment
from cli.stage import ConfigOption, StageOption, open_stage
from cli.trail import trail
from hub.trail import Deed

COLUMNS = ("at", "who", "user", "action", "about", "reason", "concerns_permissions", "details")
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet takes for the beginning of one


class Format(StrEnum):
    """How a report is written."""

    TABLE = auto()
    CSV = auto()
    JSON = auto()


def report(
    since: Annotated[str, typer.Option("--from", help=f"The period's beginning: {HOW}.")],
    until: Annotated[str | None, typer.Option("--to", help="Its end, not included; now if not stated.")] = None,
    style: Annotated[Format, typer.Option("--format", help="How to write it.")] = Format.TABLE,
    output: Annotated[Path | None, typer.Option("--output", help="Into this file, which must not exist yet.")] = None,
    permissions: Annotated[
        bool, typer.Option("--permissions", help="Only changes of secrets, approvals, pauses and resumptions.")
    ] = False,
    stage: StageOption = None,
    config: ConfigOption = None,
) -> None:
    """Tell everything that operators did by `hub` in a period: who, when, what and why. Entries cannot be changed."""
    opened = open_stage(stage, config)
    now = datetime.now(UTC)
    start, end = moment(since, "--from", now), moment(until, "--to", now) if until else now
    if start >= end:
        raise Failed("--from is not before --to; write the period's beginning first.")
    with told(opened):
        deeds = [each for each in trail(opened).deeds(start, end) if each.concerns_permissions or not permissions]
    if output is None and style is Format.TABLE:
        _print(deeds)
        return
    text = _json(deeds) if style is Format.JSON else _csv(deeds)
    if output is None:
        typer.echo(text, nl=False)
        return
    try:
        with output.open("x", encoding="utf-8", newline="") as file:
            file.write(text)
    except OSError as error:
        raise Failed(f"{output} could not be written: {error.strerror}.") from error
    typer.echo(f"{len(deeds):,} entries are in {output}.")


def _print(deeds: Iterable[Deed]) -> None:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for heading in ("at (UTC)", "who", "did", "about", "why"):  # nothing of what was done is cut
        table.add_column(heading, no_wrap=heading in ("at (UTC)", "about"), overflow="fold")
    for each in deeds:
        who = f"{each.who.replace(':', '/').rpartition('/')[2] or each.who} ({each.user})"
        cells = (f"{each.at:%Y-%m-%d %H:%M:%S}", who, each.action, each.about, each.reason)
        table.add_row(*map(Text, cells))
    console = Console(highlight=False)
    console.print(table if table.row_count else "Nobody did anything by `hub` in this period.")


def _row(deed: Deed) -> dict[str, object]:
    told_of = {name: getattr(deed, name) for name in COLUMNS}
    return told_of | {"at": deed.at.isoformat(), "details": dict(deed.details)}


def _json(deeds: Iterable[Deed]) -> str:
    return json.dumps([_row(each) for each in deeds], indent=2, ensure_ascii=False) + "\n"


def _csv(deeds: Iterable[Deed]) -> str:
    written = io.StringIO()
    lines = csv.writer(written)
    lines.writerow(COLUMNS)
    for each in deeds:
        row = _row(each) | {"details": json.dumps(dict(each.details), ensure_ascii=False, sort_keys=True)}
        lines.writerow([_harmless(str(row[name])) for name in COLUMNS])
    return written.getvalue()


def _harmless(cell: str) -> str:
    """No spreadsheet takes a reason for a formula."""
    return f"'{cell}" if cell.startswith(FORMULA) else cell
