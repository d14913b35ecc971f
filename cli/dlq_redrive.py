"""`hub dlq redrive`: send dead letters through their flows again, at a pace, with a look at what that would change first."""

import getpass
import json
import secrets
import time
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from adapters.breakers import DynamoBreakers
from adapters.dead_letters_redrive import DynamoRedrives
from adapters.parking import SqsFlowQueues
from adapters.valves import LambdaValves
from cli.dlq import (
    CategoryOption,
    EntityOption,
    ErrorOption,
    EventOption,
    FlowOption,
    IntegrationOption,
    JsonOption,
    ReasonOption,
    SinceOption,
    StatusOption,
    YesOption,
    agreed,
    book_of,
    details_of,
    flows_of,
    letters,
    many,
    wanted,
)
from cli.dlq_preview import previews, show
from cli.failure import Failed
from cli.flow import told
from cli.period import UntilOption
from cli.stage import ConfigOption, Stage, StageOption, open_stage
from cli.trail import noted
from hub import names
from hub.breaker import State
from hub.dead_letter import Letter, Status
from hub.dead_letter_redrive import Redrive, TakenOver, begun_at, redrive

INTERRUPTED = 130  # a shell's exit code for what Ctrl-C has stopped
SHOWN = 20  # previews, without --limit


def redrive_letters(
    integration: IntegrationOption = "",
    flow: FlowOption = "",
    entity: EntityOption = "",
    event: EventOption = "",
    category: CategoryOption = "",
    error: ErrorOption = "",
    status: StatusOption = "",
    since: SinceOption = None,
    until: UntilOption = None,
    preview: Annotated[
        bool, typer.Option("--preview", help="Change nothing; show field by field what would change.")
    ] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Preview so many.")] = SHOWN,
    per_second: Annotated[
        float, typer.Option("--per-second", min=0.1, max=200, help="Send so many in a second.")
    ] = 10.0,
    resume: Annotated[str, typer.Option("--resume", help="Go on with this run instead.")] = "",
    cancel: Annotated[str, typer.Option("--cancel", help="Stop this run for good instead, wherever it runs.")] = "",
    queue_anyway: Annotated[
        bool, typer.Option("--queue-anyway", help="Also while a destination is down: what is sent waits on its queue.")
    ] = False,
    reason: ReasonOption = "",
    yes: YesOption = False,
    stage: StageOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send dead letters through their flows again. Each keeps its identity, so that nothing is doubled. A run that stops,
    by Ctrl-C or because a destination went down, goes on with --resume. Retrying ones are left alone."""
    opened = open_stage(stage, config)
    if cancel:
        noted(opened, "dlq redrive", cancel, reason, cancel="true")
        _cancel(opened, cancel)
        return
    if resume:
        run = _found(opened, resume)
        noted(opened, "dlq redrive", resume, reason, resume="true")
        _go_on(opened, run, queue_anyway)
        return
    asked = wanted(flow, integration, entity, event, category, error, status, since, until)
    chosen = [each for each in letters(opened, asked) if each.status in (Status.PENDING, Status.ESCALATED)]
    if preview:
        _preview(opened, chosen, limit, as_json)
        return
    if not queue_anyway and (down := _down_now(opened, chosen)):
        raise Failed(f"Nothing was sent: {down}. What is sent now would wait on its queue; --queue-anyway does that.")
    agreed(chosen, "Send again", yes)
    noted(opened, "dlq redrive", flows_of(chosen), reason, **details_of(chosen))
    _go_on(opened, _begun(opened, chosen, per_second, reason), queue_anyway)


def _preview(opened: Stage, chosen: list[Letter], limit: int, as_json: bool) -> None:
    if not chosen:
        raise Failed("There is no such dead letter to be sent again.")
    with told(opened):
        found = list(previews(opened, chosen[:limit]))
    if as_json:
        typer.echo(json.dumps([each.to_json() for each in found], indent=2))
        return
    for each in found:
        show(each, opened.config.flows[each.letter.flow].destination)
    said = f"Nothing was changed. {many(len(chosen))} would be sent again"
    rest = f"; these are the first {limit}, --limit {len(chosen)} shows all." if len(chosen) > limit else "."
    _console().print(said + rest)


def _begun(opened: Stage, chosen: list[Letter], per_second: float, reason: str) -> Redrive:
    """A new run; older lives of an entity first, as they came."""
    now = datetime.now(UTC)
    ordered = sorted(chosen, key=lambda each: (each.life, each.event_id))
    run = Redrive(
        f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}",
        getpass.getuser(),
        reason.strip(),
        begun_at(ordered, now),
        per_second,
        len(ordered),
    )
    with told(opened):
        _redrives(opened).begin(run, [(each.flow, each.subject, each.event_id) for each in ordered])
    return run


def _found(opened: Stage, name: str) -> Redrive:
    with told(opened):
        run = _redrives(opened).read(name)
    if run is None:
        raise Failed(f"Stage {opened.name} has no redrive {name!r}: the run's own lines name it.")
    if run.is_over:
        how = "was cancelled" if run.is_cancelled else "is done"
        raise Failed(f"Redrive {name} {how}: {run.sent:,} of {run.total:,} sent again.")
    return run


def _go_on(opened: Stage, run: Redrive, queue_anyway: bool) -> None:
    console = _console()
    console.print(f"redrive {run.id}: {run.total - run.done:,} of {run.total:,} to go, {run.per_second:g} a second")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    how = f"Go on with: hub dlq redrive --resume {run.id}"
    seen = run
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(f"redrive {run.id}", total=run.total, completed=run.done)

        def went_on(now: Redrive) -> None:
            nonlocal seen
            seen = now
            progress.update(task, completed=now.done)

        try:
            with told(opened):
                seen = redrive(
                    run,
                    _redrives(opened),
                    book_of(opened),
                    SqsFlowQueues(opened.sqs(), opened.name),
                    (lambda _: "") if queue_anyway else _Down(opened).why,
                    lambda: datetime.now(UTC),
                    time.sleep,
                    went_on,
                )
        except KeyboardInterrupt:
            progress.stop()
            console.print(f"Stopped by you after {seen.done:,} of {run.total:,}. {how}")
            raise typer.Exit(INTERRUPTED) from None
        except Failed as failure:
            if isinstance(failure.__cause__, TakenOver):
                raise
            raise Failed(f"Stopped after {seen.done:,} of {run.total:,}: {failure}. {how}") from failure
    left = seen.total - seen.sent
    rest = f" {many(left)} had ended or been sent otherwise." if left else ""
    typer.echo(f"sent again: {many(seen.sent)}.{rest} What becomes of them: hub dlq list --status {_next(seen)}")


def _next(run: Redrive) -> str:
    return "retrying" if run.sent else "all"


def _cancel(opened: Stage, name: str) -> None:
    with told(opened):
        if not _redrives(opened).cancel(name, getpass.getuser()):
            raise Failed(f"Stage {opened.name} has no redrive {name!r}.")
    typer.echo(f"redrive {name} is cancelled; what it sent stays sent.")


class _Down:
    """Whether flows' destinations serve, asked anew every few seconds."""

    SECONDS = 5.0

    def __init__(self, opened: Stage) -> None:
        self._opened = opened
        self._said: dict[str, tuple[float, str]] = {}

    def why(self, flow: str) -> str:
        """Why a flow's destination does not serve; "" where it does."""
        destination = self._opened.config.flows[flow].destination
        asked_at, said = self._said.get(destination, (-self.SECONDS, ""))
        if time.monotonic() - asked_at >= self.SECONDS:
            said = _why(self._opened, destination)
            self._said[destination] = (time.monotonic(), said)
        return said


def _why(opened: Stage, destination: str) -> str:
    breaker = DynamoBreakers(opened.dynamodb(), names.ledger_table(opened.name)).read(destination)
    if breaker.state is State.CLOSED:
        return ""
    slowly = "it is just back" if breaker.state is State.HALF_OPEN else breaker.reason
    return slowly or "its breaker is open"


def _down_now(opened: Stage, chosen: list[Letter]) -> str:
    """Why some of these cannot be applied now: a destination that is down, a flow that a person paused."""
    ledger = names.ledger_table(opened.name)
    with told(opened):
        valves = LambdaValves(opened.lambda_(), opened.dynamodb(), ledger, opened.name)
        for flow in sorted({each.flow for each in chosen}):
            destination = opened.config.flows[flow].destination
            if why := _why(opened, destination):
                return f"{destination} does not serve ({why})"
            if who := valves.paused_by(flow):
                return f"{flow} is paused by {who}"
    return ""


def _redrives(opened: Stage) -> DynamoRedrives:
    return DynamoRedrives(opened.dynamodb(), names.ledger_table(opened.name))


def _console() -> Console:
    return Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
