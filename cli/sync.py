"""`hub sync`: how far each stream is read; run, pause and set one back by hand."""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from adapters.backfills import DynamoBackfills
from adapters.cursors import (
    COMPARISON,
    CURSOR,
    RECONCILIATION,
    RESET,
    DynamoCursors,
    is_leased,
    last_run,
    orphans_of,
    state_of,
)
from adapters.lambdas import invoke_later
from cli.failure import Failed
from cli.flow import told
from cli.period import moment
from cli.stage import ConfigOption, Stage, StageOption, open_stage
from cli.trail import WhyOption, noted, user
from hub import names
from hub.backfill import Filling
from hub.events import integer_version, parse_instant, timestamp_version
from hub.runs import State
from hub.streams import CursorKind, Declared
from infra.streams import streams_of

COLOURS = {
    "idle": "green",
    "reading": "green",
    "paused": "yellow",
    "waits": "yellow",
    "failed": "red",
    "never": "yellow",
}
POLL_SECONDS = 1.0
SILENCE_SECONDS = 420.0  # longer than a lease: whoever read it is gone

app = typer.Typer(help="How far each stream is read; run, pause and set one back.", no_args_is_help=True)
IntegrationArgument = Annotated[str, typer.Argument(help="The integration, as the configuration names it.")]
StreamArgument = Annotated[str, typer.Argument(help="Its stream, as the configuration names it.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why, for those who come after you.")]
YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


@dataclass(frozen=True, slots=True)
class Streaming:
    """How a stream stands. `state` is idle, reading, waits (a run is to go on), failed (the last run did), never (read),
    or paused."""

    integration: str
    stream: str
    state: str
    schedule: str
    watermark: str
    last_run: str  # when it ended, "" where there was none
    rows: int  # of that run
    queued: int
    why: str
    progress: str  # of the run that reads or waits
    reset: str  # the latest time that the cursor was set by hand
    compared: str = ""  # how it was held against what was queued
    orphans_waiting: int = 0  # for `hub sync approve`
    backfills: list[Filling] = field(default_factory=list)
    reconciled: list[str] = field(default_factory=list)  # how it was held against each flow's destination


@app.command("status")
def show_status(
    integration: Annotated[str | None, typer.Argument(help="Of this integration only.")] = None,
    stage: StageOption = None,
    config: ConfigOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Show each stream: how far it is read, how the last run went, what a backfill has left."""
    opened, now = open_stage(stage, config), datetime.now(UTC)
    if integration:
        opened.integration(integration)
    chosen = [integration] if integration else sorted(opened.config.integrations)
    with told(opened):
        rows = [row for name in chosen for row in streaming(opened, name, now)]
    if as_json:
        typer.echo(json.dumps([asdict(row) for row in rows], indent=2))
        return
    if not rows:
        Console(stderr=True, highlight=False, soft_wrap=True).print(
            f"Stage {opened.name} reads no streams: `streams` of an integration states them."
        )
    for name in dict.fromkeys(row.integration for row in rows):
        show(name, [row for row in rows if row.integration == name], now)


def show(integration: str, rows: Sequence[Streaming], now: datetime) -> None:
    """The streams of one integration in 80 columns; below the table what is wider than a column."""
    console = Console(highlight=False)
    console.print(Text(f"from {integration}", style="bold"))
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for heading in ("stream", "state", "read up to", "last run", "rows", "queued"):
        right = heading in ("rows", "queued")
        table.add_column(heading, no_wrap=heading != "stream", overflow="fold", justify="right" if right else "left")
    for row in rows:
        state = Text(row.state, style=COLOURS[row.state])
        ran = ago(row.last_run, now)
        counts = (f"{row.rows:,}", f"{row.queued:,}") if row.last_run else ("", "")
        table.add_row(Text(row.stream), state, _short(row.watermark)[:16], ran, *counts)
    console.print(table)
    for row in rows:
        for line in _below(row):
            console.print(Text(line, style=COLOURS[row.state]), soft_wrap=True)
        for filling in row.backfills:
            console.print(Text(f"{row.stream}: {said(filling)}"), soft_wrap=True)


def said(filling: Filling) -> str:
    """How far a backfill is, in a sentence."""
    parts = [f"{filling.done:,} of {filling.windows:,} windows done", f"{filling.queued:,} rows queued"]
    parts += [f"{filling.running} being read"] if filling.running else []
    parts += [f"{filling.failed} failed ({filling.why})"] if filling.failed else []
    return f"backfill {filling.id}: {', '.join(parts)}"


def _below(row: Streaming) -> Iterator[str]:
    if row.why:
        yield f"{row.stream} {'is paused by' if row.state == 'paused' else 'failed:'} {row.why}"
    if row.progress:
        yield f"{row.stream}: {row.progress}"
    if row.reset:
        yield f"{row.stream}: {row.reset}"
    if row.compared:
        yield f"{row.stream}: {row.compared}"
    for each in row.reconciled:
        yield f"{row.stream}: {each}"
    if row.orphans_waiting:
        yield (
            f"{row.stream}: {row.orphans_waiting:,} rows that vanished wait: "
            f"hub sync approve {row.integration} {row.stream}"
        )


@app.command("run")
def run(
    integration: IntegrationArgument,
    stream: StreamArgument,
    wait: Annotated[bool, typer.Option("--wait", help="Show how it goes on, until it has ended.")] = False,
    compare: Annotated[
        bool, typer.Option("--compare", help="Hold all of it against what was queued, as the stream's `compare` does.")
    ] = False,
    reason: WhyOption = "",
    stage: StageOption = None,
    config: ConfigOption = None,
) -> None:
    """Read a stream now, whatever its schedule says. With --wait, exit code 1 where the run failed."""
    opened, declared = with_stream(stage, config, integration, stream)
    with told(opened):
        _not_paused(_item(opened, declared), integration, stream)
        if compare and not declared.is_compared:
            raise Failed(
                f"{declared.stream.path} cannot be compared: its configuration must state `compare`, such as '1 day', "
                "and be deployed, so that its runs keep a journal."
            )
        record = COMPARISON if compare else CURSOR
        before = _item(opened, declared, record)
        noted(opened, "sync run", declared.stream.path, reason, compare=str(compare).lower())
        start(opened, declared.to_request() | ({"compare": True} if compare else {}), integration)
    if not wait:
        Console(highlight=False, soft_wrap=True).print(
            f"{declared.stream.path} is being read; `hub sync status {integration}` tells how it goes."
        )
        return
    with told(opened):
        ended = _watched(opened, declared, last_run(before), record)
    if ended["state"] == "failed":
        raise Failed(f"The run of {declared.stream.path} failed: {ended['reason']}")
    verb = "compared" if compare else "read"
    typer.echo(f"{declared.stream.path} is {verb}: {ended['rows']:,} rows listed, {ended['queued']:,} queued.")
    if ended.get("orphans"):
        typer.echo(_told_orphans(ended))


@app.command("pause")
def pause(
    integration: IntegrationArgument,
    stream: StreamArgument,
    reason: ReasonOption,
    stage: StageOption = None,
    config: ConfigOption = None,
) -> None:
    """Read a stream no more, on schedule, by hand or in backfills, until it is resumed. A run that has begun ends its
    function first."""
    opened, declared = with_stream(stage, config, integration, stream)
    why = said_why(reason)
    noted(opened, "sync pause", declared.stream.path, why)
    with told(opened):
        cursors(opened).pause(declared.stream.path, f"{user()}: {why}")
    Console(highlight=False, markup=False, soft_wrap=True).print(
        f"{declared.stream.path} is paused. `hub sync resume {integration} {stream}` lets it be read again, "
        "from where it stands."
    )


@app.command("resume")
def resume(
    integration: IntegrationArgument,
    stream: StreamArgument,
    reason: WhyOption = "",
    stage: StageOption = None,
    config: ConfigOption = None,
) -> None:
    """Let a paused stream be read again; its schedule, or `hub sync run`, goes on where it stood."""
    opened, declared = with_stream(stage, config, integration, stream)
    noted(opened, "sync resume", declared.stream.path, reason)
    with told(opened):
        cursors(opened).resume(declared.stream.path)
    Console(highlight=False, soft_wrap=True).print(f"{declared.stream.path} is read again.")


@app.command("reset")
def reset(
    integration: IntegrationArgument,
    stream: StreamArgument,
    reason: ReasonOption,
    to: Annotated[
        str | None, typer.Option("--to", help="Read on from there: a moment (as in --since), a number, or a token.")
    ] = None,
    from_start: Annotated[bool, typer.Option("--from-start", help="Read everything again.")] = False,
    yes: YesOption = False,
    stage: StageOption = None,
    config: ConfigOption = None,
) -> None:
    """Set a stream's cursor. Nothing else ever moves it back, and who did it is recorded. What is read again in the same
    state is not applied again: `hub events replay` does that."""
    opened, declared = with_stream(stage, config, integration, stream)
    if (to is None) != from_start:
        raise Failed("Say where to read on from: either --to or --from-start.")
    now, why = datetime.now(UTC), said_why(reason)
    wanted = version(to, "--to", declared.stream.cursor, now) if to else ""
    with told(opened):
        before = state_of(_item(opened, declared)).watermark
        _asked_for(before, wanted, declared, yes)
        noted(opened, "sync reset", declared.stream.path, why, before=before, to=wanted)
        held = cursors(opened).take(declared.stream.path, f"reset by {user()} at {now.isoformat()}", now)
        if held is None:
            raise Failed(
                f"{declared.stream.path} is being read: `hub sync pause {integration} {stream}`, and repeat this once "
                "`hub sync status` says so."
            )
        about = {"by": user(), "reason": why, "before": held.state.watermark, "to": wanted}
        cursors(opened).note(declared.stream.path, RESET, now, about)
        held.keep(State(watermark=wanted), now)
        held.leave()
    typer.echo(f"{declared.stream.path} is read from {_short(wanted) or 'its beginning'} on.")


def _asked_for(before: str, wanted: str, declared: Declared, yes: bool) -> None:
    what = f"{declared.stream.path} is read up to {_short(before) or 'its beginning'} and would be read on from "
    what += _short(wanted) or "its beginning"
    skips = declared.stream.cursor != "token" and wanted > before
    if not yes and not typer.confirm(f"{what}{', skipping what lies between' if skips else ''}. Do so?"):
        raise Failed("Nothing was changed.")


def version(text: str, option: str, kind: CursorKind, now: datetime) -> str:
    """What a person writes for a cursor, as the hub compares it; raises Failed."""
    if kind == "token":
        return text
    if kind == "integer":
        try:
            return integer_version(int(text))
        except ValueError as error:
            raise Failed(f"{option} {text!r} is no whole number, which this stream's cursor is.") from error
    return timestamp_version(moment(text, option, now).isoformat())


def said_why(reason: str) -> str:
    """A reason; raises Failed for an empty one."""
    if not reason.strip():
        raise Failed("--reason is empty: say why, for those who come after you.")
    return reason.strip()


def with_stream(stage: str | None, config: Path | None, integration: str, stream: str) -> tuple[Stage, Declared]:
    """The stage and one of its streams; raises Failed that lists the known ones."""
    opened = open_stage(stage, config)
    opened.integration(integration)
    streams = streams_of(opened.config, integration)
    if stream not in streams:
        there = (
            f"it has: {', '.join(sorted(streams))}"
            if streams
            else "it has none: `streams` of the integration states them"
        )
        raise Failed(f"{integration} has no stream {stream!r} in stage {opened.name}; {there}.")
    return opened, streams[stream]


def cursors(opened: Stage) -> DynamoCursors:
    """The cursors of a stage."""
    return DynamoCursors(opened.dynamodb(), names.ledger_table(opened.name))


def backfills(opened: Stage) -> DynamoBackfills:
    """The backfills of a stage."""
    return DynamoBackfills(opened.dynamodb(), names.ledger_table(opened.name))


def start(opened: Stage, request: dict[str, Any], integration: str) -> None:
    """Run the integration's sync function with a request; raises Temporary."""
    invoke_later(opened.lambda_(), names.sync_function(opened.name, integration), request)


def _item(opened: Stage, declared: Declared, record: str = CURSOR) -> dict[str, Any]:
    return cursors(opened).read(declared.stream.path, record)


def _not_paused(item: dict[str, Any], integration: str, stream: str) -> None:
    if "paused" in item:
        raise Failed(
            f"{integration}/{stream} is paused by {item['paused']['S']}; `hub sync resume {integration} {stream}` first."
        )


def _watched(opened: Stage, declared: Declared, before: dict[str, Any], record: str) -> dict[str, Any]:
    """Until another run than the one before has ended; raises Failed where nothing happens any more."""
    console = Console(stderr=True, highlight=False)
    seen, silent = None, 0.0
    with console.status(f"{declared.stream.path}: waiting for its function") as status:
        while silent < SILENCE_SECONDS:
            item = _item(opened, declared, record)
            last, run = last_run(item), state_of(item).run
            if last != before and last.get("state") in ("ended", "failed"):
                return last
            if run:
                status.update(f"{declared.stream.path}: {_progress(run)}")
            silent = 0.0 if (run, last) != seen else silent + POLL_SECONDS
            seen = (run, last)
            time.sleep(POLL_SECONDS)
    raise Failed(
        f"Nothing was heard of the run for {SILENCE_SECONDS / 60:.0f} minutes: read the log of "
        f"{names.sync_function(opened.name, declared.stream.integration)}."
    )


def _progress(run: Any) -> str:
    again = f", pass {run.passes}" if run.passes > 1 else ""
    of = f" of {run.total:,}" if run.total is not None else ""
    return f"{run.rows:,}{of} rows listed, {run.queued:,} queued, page {run.pages:,}{again}"


def streaming(opened: Stage, integration: str, now: datetime) -> Iterator[Streaming]:
    """How the streams of an integration stand."""
    for name, declared in sorted(streams_of(opened.config, integration).items()):
        item = _item(opened, declared)
        state, last = state_of(item), last_run(item)
        stated = opened.config.integrations[integration].streams[name]
        resets = list(cursors(opened).records(declared.stream.path, RESET))
        comparison = _item(opened, declared, COMPARISON)
        words = _state(item, state, last, now)
        yield Streaming(
            integration,
            name,
            words,
            stated.schedule or "by hand",
            state.watermark,
            last.get("at", ""),
            last.get("rows", 0),
            last.get("queued", 0),
            item["paused"]["S"] if words == "paused" else last.get("reason", "") if words == "failed" else "",
            _progress(state.run) if state.run and words != "failed" else "",
            _told_reset(resets[-1]) if resets else "",
            _told_comparison(comparison, now),
            orphans_of(comparison).get("count", 0),
            backfills(opened).fillings(declared.stream.path, now),
            [_told_reconciliation(each, now) for each in cursors(opened).records(declared.stream.path, RECONCILIATION)],
        )


def _state(item: dict[str, Any], state: State, last: dict[str, Any], now: datetime) -> str:
    if "paused" in item:
        return "paused"
    if is_leased(item, now):
        return "reading"
    if last.get("state") == "failed":
        return "failed"
    if state.run:
        return "waits"
    return "idle" if last or state.watermark else "never"


def _told_reset(item: dict[str, Any]) -> str:
    at = item["record"]["S"].removeprefix(RESET)
    before, to = (_short(item[name]["S"]) or "the beginning" for name in ("before", "to"))
    return f"was set from {before} to {to} by {item['by']['S']} on {at[:10]}: {item['reason']['S']}"


def _told_comparison(item: dict[str, Any], now: datetime) -> str:
    if is_leased(item, now):
        run = state_of(item).run
        return f"is being compared: {_progress(run)}" if run else "is being compared"
    last = last_run(item)
    if not last:
        return ""
    when = ago(last["at"], now)
    if last["state"] != "ended":
        return f"was to be compared {when}, and {last.get('reason', 'goes on')}"
    orphans = f"; {_told_orphans(last)}" if last.get("orphans") else ""
    return f"was compared {when}: {last['queued']:,} rows differed{orphans}"


def _told_reconciliation(item: dict[str, Any], now: datetime) -> str:
    flow, last = item["record"]["S"].removeprefix(RECONCILIATION), last_run(item)
    if is_leased(item, now) or not last:
        return f"is being reconciled by {flow}"
    when, found = ago(last["at"], now), last.get("differences", 0)
    if last["state"] != "ended":
        return f"was to be reconciled by {flow} {when}, and {last.get('reason', 'goes on')}"
    return f"was reconciled by {flow} {when}: {found:,} {'difference' if found == 1 else 'differences'}"


def _told_orphans(last: dict[str, Any]) -> str:
    went = last.get("judgement", "go") == "go"
    return f"{last['why']}; {'told as deleted' if went else 'nothing was deleted'}"


def _short(watermark: str) -> str:
    """A cursor in as few characters as tell it."""
    if watermark.isdigit():
        return str(int(watermark))
    try:
        return f"{parse_instant(watermark):%Y-%m-%d %H:%M:%S}"
    except ValueError:
        return watermark if len(watermark) <= 19 else f"{watermark[:16]}..."


def ago(at: str, now: datetime) -> str:
    """How long ago a moment was, for people; "" for none."""
    if not at:
        return ""
    seconds = max(0, int((now - datetime.fromisoformat(at)).total_seconds()))
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"
