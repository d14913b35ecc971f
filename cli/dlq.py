"""`hub dlq`: what died and why, what becomes of it, and what a person does about it."""

import dataclasses
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from adapters.dead_letters import DynamoLetters
from adapters.ledger_history import Ended, LedgerHistory
from cli.ends import say_below
from cli.failure import Failed
from cli.flow import told
from cli.period import HOW, UntilOption, moment
from cli.stage import ConfigOption, Stage, StageOption, open_stage
from cli.trail import WhyOption, noted, user
from hub import names
from hub.dead_letter import Letter, Status, assigned, closed, discarded
from hub.errors import Category
from hub.ledger import Outcome, searchable

COLOURS = {"pending": "yellow", "retrying": "cyan", "escalated": "red", "resolved": "green", "discarded": "dim"}
ALL = "all"
SHOWN_CAUSES = 10
NAMED = 100  # letters of which the trail names the events
ASKED_ABOVE = 20  # letters that are changed without asking

app = typer.Typer(help="What died, and what becomes of it.", no_args_is_help=True)

IntegrationOption = Annotated[str, typer.Option("--integration", help="From this integration only.")]
FlowOption = Annotated[str, typer.Option("--flow", help="Of this flow only.")]
EntityOption = Annotated[str, typer.Option("--entity", help="Of this entity: in full, its id, or its number.")]
EventOption = Annotated[str, typer.Option("--event", help="This event only.")]
CategoryOption = Annotated[str, typer.Option("--category", help="Of this category of error: SERVER_ERROR, …")]
ErrorOption = Annotated[str, typer.Option("--error", help="Whose error contains this text.")]
StatusOption = Annotated[
    str,
    typer.Option("--status", help="pending, retrying, escalated, resolved, discarded, or all; open ones if not said."),
]
SinceOption = Annotated[str | None, typer.Option("--since", help=f"That died last since then: {HOW}.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which letters are asked for; what is empty asks for nothing."""

    flow: str = ""
    integration: str = ""
    entity: str = ""
    event: str = ""
    category: str = ""
    error: str = ""
    status: str = ""
    since: datetime | None = None
    until: datetime | None = None

    def fits(self, letter: Letter) -> bool:
        """Whether a letter is among them."""
        return (
            self.flow in ("", letter.flow)
            and self.integration in ("", letter.subject.split("/", 1)[0])
            and (not self.entity or is_called(letter, self.entity))
            and self.event in ("", letter.event_id)
            and self.category.upper() in ("", letter.failure.category)
            and self.error.casefold() in letter.failure.told.casefold()
            and self._status_fits(letter.status)
            and (self.since is None or letter.last_at >= self.since)
            and (self.until is None or letter.last_at < self.until)
        )

    def _status_fits(self, status: Status) -> bool:
        return status.is_open if not self.status else self.status in (ALL, status.value)


def is_called(letter: Letter, word: str) -> bool:
    """Whether a person can mean this letter's entity."""
    return word in (letter.subject, letter.subject.split("/", 2)[-1]) or searchable(word) == (letter.label or None)


def wanted(
    flow: str,
    integration: str,
    entity: str,
    event: str,
    category: str,
    error: str,
    status: str,
    since: str | None,
    until: str | None,
) -> Wanted:
    """The filters as a person stated them; raises Failed for what is none."""
    _one_of("--status", status, ["", ALL, *(each.value for each in Status)])
    _one_of("--category", category.upper(), ["", *(each.value for each in Category)])
    now = datetime.now(UTC)
    return Wanted(
        flow,
        integration,
        entity,
        event,
        category,
        error,
        status,
        moment(since, "--since", now) if since else None,
        moment(until, "--until", now) if until else None,
    )


def book_of(opened: Stage) -> DynamoLetters:
    """The stage's letters."""
    return DynamoLetters(opened.dynamodb(), names.ledger_table(opened.name), opened.config.ledger_days)


def letters(opened: Stage, asked: Wanted) -> list[Letter]:
    """The letters that are asked for, as they stand now, those that died last first; raises Failed for an unknown flow."""
    flows = opened.config.flows
    _one_of("--flow", asked.flow, ["", *flows])
    _one_of("--integration", asked.integration, ["", *sorted({flow.source for flow in flows.values()})])
    book, now = book_of(opened), datetime.now(UTC)
    any_status = dataclasses.replace(asked, status=ALL)
    with told(opened):
        found = [
            (closed(letter, end, now) or letter) if end else letter
            for name, flow in flows.items()
            if asked.flow in ("", name) and asked.integration in ("", flow.source)
            for letter, end in book.ends([each for each in book.of(name) if any_status.fits(each)])
        ]
    return sorted(filter(asked.fits, found), key=lambda each: (each.last_at, each.event_id), reverse=True)


@app.command("list")
def list_letters(
    integration: IntegrationOption = "",
    flow: FlowOption = "",
    entity: EntityOption = "",
    category: CategoryOption = "",
    error: ErrorOption = "",
    status: StatusOption = "",
    since: SinceOption = None,
    until: UntilOption = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Show so many, those that died last.")] = 50,
    stage: StageOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List dead letters, those that died last first. Exit code 1 where there is none."""
    opened = open_stage(stage, config)
    asked = wanted(flow, integration, entity, "", category, error, status, since, until)
    found = letters(opened, asked)
    if as_json:
        typer.echo(json.dumps([plain(each) for each in found[:limit]], indent=2))
    elif found:
        _print(found[:limit])
    else:
        which = "open" if asked == Wanted() else "such"
        _console().print(f"Stage {opened.name} has no {which} dead letter.")
    if len(found) > limit and not as_json:
        _console().print(f"These are {limit} of {len(found):,}; --limit {len(found)} shows all.")
    if not found:
        raise typer.Exit(1)


@app.command("show")
def show_letter(
    word: Annotated[str, typer.Argument(help="The event's id, or its entity: in full, its id, or its number.")],
    flow: FlowOption = "",
    payload: Annotated[bool, typer.Option("--payload", help="With the event's body, personal data included.")] = False,
    stage: StageOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show letters whole: every time and count, the error, who looks after it. Exit code 1 where there is none."""
    opened = open_stage(stage, config)
    found = [
        each
        for each in letters(opened, Wanted(flow=flow, status=ALL))
        if word == each.event_id or is_called(each, word)
    ]
    if not found:
        raise Failed(f"Stage {opened.name} has no dead letter of {word}; see `hub events show {word}`.")
    bodies = {each: _body(opened, each) for each in found} if payload else {}
    if as_json:
        typer.echo(json.dumps([plain(each) | ({"body": bodies[each]} if payload else {}) for each in found], indent=2))
        return
    for each in found:
        _print_whole(each)
        if payload:
            typer.echo(bodies[each])


@app.command("stats")
def show_stats(
    days: Annotated[int, typer.Option("--days", min=1, help="Of the last so many days.")] = 7,
    integration: IntegrationOption = "",
    flow: FlowOption = "",
    stage: StageOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell how many events died, how many of them were resolved, how many wait for a person, and of what they died."""
    opened = open_stage(stage, config)
    since = datetime.now(UTC) - timedelta(days=days)
    found = letters(opened, Wanted(flow=flow, integration=integration, status=ALL, since=since))
    stats = counted(found)
    if as_json:
        typer.echo(json.dumps({"days": days, **stats}, indent=2))
        return
    console = Console(highlight=False)
    console.print(Text(f"Died in the last {days} days: {len(found):,} events", style="bold"))
    for status in Status:
        if count := stats["by_status"].get(status.value, 0):
            console.print(Text(f"  {count:>7,} {status.value}", style=COLOURS[status.value]))
    rate = stats["success_rate"]
    said = "nothing has been closed or escalated yet" if rate is None else f"{rate:.1%} of what was closed or escalated"
    console.print(f"Success rate: {said}")
    if stats["causes"]:
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
        for heading in ("events", "open", "flow", "cause"):
            table.add_column(heading, justify="right" if heading in ("events", "open") else "left", overflow="fold")
        for cause in stats["causes"][:SHOWN_CAUSES]:
            table.add_row(f"{cause['events']:,}", f"{cause['open']:,}", Text(cause["flow"]), Text(cause["cause"]))
        console.print(table)


@app.command("discard")
def discard_letters(
    reason: Annotated[str, typer.Option("--reason", help="Why, for those who come after you.")],
    integration: IntegrationOption = "",
    flow: FlowOption = "",
    entity: EntityOption = "",
    event: EventOption = "",
    category: CategoryOption = "",
    error: ErrorOption = "",
    status: StatusOption = "",
    since: SinceOption = None,
    until: UntilOption = None,
    yes: YesOption = False,
    stage: StageOption = None,
    config: ConfigOption = None,
) -> None:
    """End events for good: they are recorded as discarded, by whom and why. One that was queued again meanwhile, or ended
    otherwise, is left alone."""
    opened = open_stage(stage, config)
    if not reason.strip():
        raise Failed("--reason is empty: say why, for those who come after you.")
    asked = wanted(flow, integration, entity, event, category, error, status, since, until)
    found = [each for each in letters(opened, asked) if each.status in (Status.PENDING, Status.ESCALATED)]
    agreed(found, "Discard", yes, always=asked == Wanted())
    note = f"by {user()}: {reason.strip()}"
    with told(opened):
        note_letters(opened, "dlq discard", found, reason)
        gone = sum(_discard(opened, each, note) for each in found)
    typer.echo(f"discarded: {many(gone)}")
    if gone < len(found):
        raise Failed(f"{many(len(found) - gone)} changed meanwhile and stayed; see `hub dlq list`.")


@app.command("assign")
def assign_letters(
    to: Annotated[str, typer.Option("--to", help="Who looks after them; '' for nobody.")],
    integration: IntegrationOption = "",
    flow: FlowOption = "",
    entity: EntityOption = "",
    event: EventOption = "",
    category: CategoryOption = "",
    error: ErrorOption = "",
    status: StatusOption = "",
    since: SinceOption = None,
    until: UntilOption = None,
    reason: WhyOption = "",
    yes: YesOption = False,
    stage: StageOption = None,
    config: ConfigOption = None,
) -> None:
    """Say who looks after letters, so that nobody does it twice."""
    opened = open_stage(stage, config)
    asked = wanted(flow, integration, entity, event, category, error, status, since, until)
    found = letters(opened, asked)
    agreed(found, f"Assign to {to or 'nobody'}", yes)
    with told(opened):
        note_letters(opened, "dlq assign", found, reason, to=to.strip())
        kept = book_of(opened).keep([assigned(each, to.strip(), datetime.now(UTC)) for each in found])
    typer.echo(f"assigned to {to.strip() or 'nobody'}: {many(kept)}")
    if kept < len(found):
        raise Failed(f"{many(len(found) - kept)} changed meanwhile; repeat the command.")


def agreed(found: Sequence[Letter], verb: str, yes: bool, always: bool = False) -> None:
    """Go on only with letters, and where they are many, or always, only if a person agrees; raises Failed."""
    if not found:
        raise Failed("Nothing was changed: there is no such dead letter (see `hub dlq list --status all`).")
    if yes or (len(found) <= ASKED_ABOVE and not always):
        return
    by_flow = ", ".join(f"{count:,} in {flow}" for flow, count in Counter(each.flow for each in found).most_common(5))
    if not typer.confirm(f"{verb}: {many(len(found))} ({by_flow})?", err=True):
        raise Failed("Nothing was changed.")


def note_letters(opened: Stage, action: str, found: Sequence[Letter], reason: str, **details: str) -> None:
    """Record what is about to be done with letters, as `noted` does."""
    events = " ".join(each.event_id for each in found[:NAMED])
    flows = ", ".join(sorted({each.flow for each in found}))
    noted(opened, action, flows, reason, letters=str(len(found)), events=events, **details)


def counted(found: Sequence[Letter]) -> dict[str, Any]:
    """What the letters of a period say together. The success rate leaves out what the hub is still at."""
    by_status = Counter(each.status.value for each in found)
    judged = sum(by_status[each] for each in (Status.RESOLVED, Status.DISCARDED, Status.ESCALATED))
    causes: Counter[tuple[str, str]] = Counter((each.flow, each.cause) for each in found)
    still_open = Counter((each.flow, each.cause) for each in found if each.status.is_open)
    return {
        "total": len(found),
        "by_status": dict(by_status),
        "success_rate": by_status[Status.RESOLVED] / judged if judged else None,
        "by_category": dict(Counter(each.failure.category for each in found).most_common()),
        "causes": [
            {"flow": flow, "cause": cause, "events": count, "open": still_open[flow, cause]}
            for (flow, cause), count in causes.most_common()
        ],
    }


def plain(letter: Letter) -> dict[str, Any]:
    """A letter for programs."""
    found = dataclasses.asdict(letter) | {"cause": letter.cause}
    del found["version"], found["look_at"], found["life"]
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in found.items()}


def many(count: int) -> str:
    """So many letters."""
    return "1 dead letter" if count == 1 else f"{count:,} dead letters"


def _discard(opened: Stage, letter: Letter, note: str) -> bool:
    """First the ledger, which says how the event ended, then the letter; what breaks off in between is mended by a look."""
    history, now = LedgerHistory(opened.dynamodb(), names.ledger_table(opened.name)), datetime.now(UTC)
    ends: Iterator[Ended] = history.of(letter.subject)
    end = next((each for each in ends if (each.flow, each.event_id) == (letter.flow, letter.event_id)), None)
    if end is None or end.outcome != Outcome.DEAD:
        return False
    if not history.discard(end, opened.config.flows[letter.flow].destination, note, now):
        return False
    book_of(opened).keep([discarded(letter, note, now)])
    return True


def _body(opened: Stage, letter: Letter) -> str:
    with told(opened):
        event = book_of(opened).event(letter)
    if event is None:
        return "(the ledger no longer has it)"
    return f"(kept at {event.data_ref})" if event.data_ref else event.data.decode("utf-8", "replace")


def _one_of(option: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise Failed(f"{option} {value!r} is none; there are {', '.join(each for each in known if each)}.")


def _print(found: Sequence[Letter]) -> None:
    """In 80 columns; below the table the sentences, which are wider than a column."""
    console = Console(highlight=False)
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for heading in ("#", "died (UTC)", "status", "category", "deaths", "next try", "for"):
        table.add_column(heading, no_wrap=heading not in ("for", "category"), overflow="fold")
    for number, each in enumerate(found, start=1):
        table.add_row(
            str(number),
            f"{each.last_at:%m-%d %H:%M:%S}",
            Text(each.status.value, style=COLOURS[each.status.value]),
            Text(each.failure.category.replace("_", " ").lower()),
            str(each.deaths),
            f"{each.retry_at:%H:%M}" if each.retry_at else "",
            Text(each.assignee),
        )
    console.print(table)
    for number, each in enumerate(found, start=1):
        called = f" ({each.label})" if each.label else ""
        console.print(Text(f"{number:>3}  {each.subject}{called} in flow {each.flow}"), soft_wrap=True)
        console.print(Text(f"     event {each.event_id}"), soft_wrap=True)
        say_below(console, each.failure.told, COLOURS[each.status.value])


def _print_whole(letter: Letter) -> None:
    console = Console(highlight=False, soft_wrap=True)
    console.print(Text(f"{letter.subject} in flow {letter.flow}", style="bold"))
    failure = letter.failure
    rows = {
        "event": f"{letter.event_id} ({letter.event_type})",
        "called": letter.label,
        "status": letter.status.value,
        "error": failure.told,
        "category": f"{failure.category}, severity {failure.severity}",
        "attempts": f"{letter.attempts} deliveries, {letter.deaths} deaths",
        "first died": f"{letter.first_at:%Y-%m-%d %H:%M:%S} UTC",
        "last died": f"{letter.last_at:%Y-%m-%d %H:%M:%S} UTC",
        "next try": f"{letter.retry_at:%Y-%m-%d %H:%M:%S} UTC" if letter.retry_at else "",
        "changed": f"{letter.changed_at:%Y-%m-%d %H:%M:%S} UTC",
        "for": letter.assignee,
        "note": letter.note,
    }
    for name, value in rows.items():
        if value:
            console.print(Text(f"  {name:<11}{value}"))


def _console() -> Console:
    return Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
