"""`hub reconcile`: does the destination say what the source says? Differences are told by money, and repaired on request."""

import csv
import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from adapters.dynamodb import DynamoLedger
from adapters.reaching import client_of, open_stream
from adapters.s3 import S3Bodies
from adapters.secrets import IntegrationSecrets
from adapters.sqs import SqsEventQueue
from cli.failure import Failed
from cli.findings import Findings, as_json
from cli.flow import told
from cli.stage import ConfigOption, Stage, StageOption
from cli.sync import IntegrationArgument, StreamArgument, YesOption, version, with_stream
from cli.trail import WhyOption, noted
from connectors import connector_module
from hub import names
from hub.connector import Comparable
from hub.drain import Messages
from hub.errors import Temporary
from hub.events import Event
from hub.ledger import searchable
from hub.pull import State, pull
from hub.receive import message_of
from hub.reconcile import KINDS, Finding, Judge, Judged, orphan
from hub.streams import Declared, Listing, Stream
from infra.actions import declared_records, url_of
from infra.ownership import divided

TIMEOUT_SECONDS = 60.0
WAITS_SECONDS = (1.0, 5.0, 20.0)  # between tries of the destination
LONGEST_WAIT_SECONDS = 60.0  # that it may ask for
SENT_AT_ONCE = 10
COLOURS = {"missing": "red", "differs": "red", "behind": "yellow", "unreadable": "yellow", "orphan": "cyan"}
COLUMNS = ("kind", "entity", "label", "doctype", "name", "money", "currency", "differences")
MEANING = {
    "missing": "missing",
    "differs": "with other values",
    "behind": "without the newest version",
    "unreadable": "not judged, since the row cannot be read",
    "orphan": "that the source does not list",
}
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet would compute


def reconcile(
    integration: IntegrationArgument,
    stream: StreamArgument,
    since: Annotated[str, typer.Option("--from", help="Rows changed since then: a moment (as in --since), a number.")],
    until: Annotated[str | None, typer.Option("--to", help="The end, not included; now if not stated.")] = None,
    flow: Annotated[str | None, typer.Option("--flow", help="The flow, where the stream leads to several.")] = None,
    csv_file: Annotated[Path | None, typer.Option("--csv", help="Write all differences into this file.")] = None,
    as_json_text: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
    repair: Annotated[
        list[str] | None,
        typer.Option("--repair", help="Send this entity's row again: its key or label. May be repeated."),
    ] = None,
    repair_all: Annotated[bool, typer.Option("--repair-all", help="Send every row that differs again.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Show so many, the most pressing.")] = 50,
    yes: YesOption = False,
    reason: WhyOption = "",
    stage: StageOption = None,
    config: ConfigOption = None,
) -> None:
    """Hold what the source lists against what the destination says, and show where they differ, by money. Nothing is
    changed without --repair. Exit code 0 where nothing differs, else 1."""
    opened, declared = with_stream(stage, config, integration, stream)
    now = datetime.now(UTC)
    window = _window(declared, since, until, now)
    chosen = _flow(opened, declared, flow)
    with told(opened):
        comparison = _compared(opened, declared, chosen, window)
    if csv_file:
        _write_csv(csv_file, comparison.findings)
    if as_json_text:
        _print_json(comparison.findings)
    else:
        show(comparison, declared.stream.path, opened.config.flows[chosen].destination, limit)
    if repair or repair_all:
        with told(opened):
            _repair(opened, chosen, comparison, None if repair_all else repair or [], yes, reason)
    if comparison.counts:
        raise typer.Exit(1)


@dataclass(slots=True)
class Comparison:
    """What a comparison has found."""

    findings: Findings = field(default_factory=Findings)
    counts: dict[str, int] = field(default_factory=dict)  # findings by kind
    money: dict[str, dict[str, Decimal]] = field(default_factory=dict)  # what is at stake, by kind and currency

    def count(self) -> None:
        """Once all is found."""
        money: dict[str, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
        counts: dict[str, int] = defaultdict(int)
        for each in self.findings.ranked():
            counts[each.kind] += 1
            if each.money is not None:
                money[each.kind][each.currency] += each.money
        self.counts, self.money = dict(counts), {kind: dict(sums) for kind, sums in money.items()}


def _window(declared: Declared, since: str, until: str | None, now: datetime) -> tuple[str, str]:
    kind = declared.stream.cursor
    if declared.stream.mode == "delta" or kind == "token":
        raise Failed(f"{declared.stream.path} is read by the source's own tokens, which tell no stretch of its past.")
    if until is None and kind == "integer":
        raise Failed("Say where to end: --to. The cursor of this stream is a number, which has no now.")
    begin, end = version(since, "--from", kind, now), version(until or "0s", "--to", kind, now)
    if begin >= end:
        raise Failed("--from must lie before --to.")
    return begin, end


def _flow(opened: Stage, declared: Declared, stated: str | None) -> str:
    """The flow whose destination is compared: one that does something with the stream's rows."""
    flows = {
        name
        for name, flow in opened.config.flows.items()
        if flow.source == declared.stream.integration and declared.stream.type in divided(opened.config, flow).actions
    }
    if stated and stated in flows:
        return stated
    there = f"those that do: {', '.join(sorted(flows))}" if flows else "none does"
    if stated:
        raise Failed(f"Flow {stated} does nothing with rows of {declared.stream.path}; {there}.")
    if len(flows) != 1:
        why = (
            f"say --flow, one of: {', '.join(sorted(flows))}" if flows else "no flow of the stage does anything with it"
        )
        raise Failed(f"What is {declared.stream.path} to be compared with? {why[0].upper()}{why[1:]}.")
    return flows.pop()


def _compared(opened: Stage, declared: Declared, flow: str, window: tuple[str, str]) -> Comparison:
    stream, listing = _listing(opened, declared)
    judge = _judge(opened, declared, flow)
    comparison, findings = Comparison(), Findings()
    comparison.findings = findings
    console = Console(stderr=True, highlight=False)
    with console.status(f"{stream.path}: asking the source") as status:

        def compared(events: Sequence[Event]) -> None:
            findings.add(_patiently(lambda: judge.judge(events)))
            status.update(f"{stream.path}: {findings.listed():,} rows compared")

        _listed(stream, listing, window, compared)
        status.update(f"{stream.path}: looking for documents that the source does not list")
        for page in judge.destination.kept(judge.action, stream, *window):
            findings.add_orphans(map(orphan, page))
        if findings.has_orphans():  # perhaps they changed since, and are listed behind the window
            _listed(
                stream,
                listing,
                (window[1], ""),
                lambda events: findings.drop_orphans(judge.destination.identity(judge.action, each) for each in events),
            )
    comparison.count()
    return comparison


def _patiently(ask: Callable[[], list[Judged]]) -> list[Judged]:
    """What the destination answers, in the end: a passing trouble must not end a long comparison."""
    for wait in WAITS_SECONDS:
        try:
            return ask()
        except Temporary as error:
            time.sleep(max(wait, min(error.retry_after_seconds or 0.0, LONGEST_WAIT_SECONDS)))
    return ask()


def _listed(stream: Stream, listing: Listing, window: tuple[str, str], seen: Callable[[Sequence[Event]], None]) -> None:
    pull(
        stream,
        listing,
        State(),
        keep=lambda state: state,
        queue=seen,
        now=_now,
        sleep=time.sleep,
        out_of_time=lambda: False,
        window=window,
    )


def _listing(opened: Stage, declared: Declared) -> tuple[Stream, Listing]:
    integration = opened.integration(declared.stream.integration)
    secrets = _secrets(opened, declared.stream.integration)
    stream, listing = open_stream(declared, url_of(integration), secrets, TIMEOUT_SECONDS, _now)
    if isinstance(listing, Messages):
        raise Failed(f"{stream.path} takes messages off a list: what was taken cannot be listed again.")
    return stream, listing


def _judge(opened: Stage, declared: Declared, flow: str) -> Judge:
    config = opened.config
    stated, source = config.flows[flow], config.integrations[declared.stream.integration]
    division = divided(config, stated)
    end = config.integrations[stated.destination]
    module = connector_module(end.connector)
    client = client_of(module, url_of(end), _secrets(opened, stated.destination), TIMEOUT_SECONDS, 1)
    destination = module.destination(client, division.settings(stated))
    if not isinstance(destination, Comparable):
        raise Failed(
            f"{stated.destination} cannot be compared: its connector ({end.connector}) does not tell documents."
        )
    ledger = DynamoLedger(opened.dynamodb(), names.ledger_table(opened.name), days=0)  # only reads
    return Judge(
        division.actions[declared.stream.type],
        declared_records(source)[declared.stream.type],
        connector_module(source.connector).read,
        destination,
        lambda subjects: [head.version for head in ledger.heads_of([(flow, each) for each in subjects])],
    )


def _secrets(opened: Stage, integration: str) -> IntegrationSecrets:
    return IntegrationSecrets(opened.secrets(), opened.secret_id(integration), time.monotonic, _now)


def _now() -> datetime:
    return datetime.now(UTC)


# Telling


def show(comparison: Comparison, path: str, destination: str, limit: int) -> None:
    """The findings in 80 columns; below the table what is wider than a column."""
    console = Console(highlight=False)
    findings = list(comparison.findings.ranked(limit))
    if findings:
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
        for heading in ("#", "what", "entity", "at stake", "document"):
            table.add_column(
                heading,
                no_wrap=heading not in ("entity", "document"),
                overflow="fold",
                justify="right" if heading in ("#", "at stake") else "left",
            )
        for number, each in enumerate(findings, start=1):
            what = Text(each.kind, style=COLOURS[each.kind])
            table.add_row(str(number), what, Text(_called(each)), _money(each), Text(each.name))
        console.print(table)
        for number, each in enumerate(findings, start=1):
            for line in _below(each, destination):
                console.print(Text(f"{number:>3}  {line}"), soft_wrap=True)
    if sum(comparison.counts.values()) > limit:
        shown = f"These are the first {limit}; --limit {sum(comparison.counts.values())} shows all, --csv writes them."
        console.print(shown, soft_wrap=True)
    for line in _summary(comparison, path, destination):
        console.print(Text(line), soft_wrap=True)


def _summary(comparison: Comparison, path: str, destination: str) -> Iterator[str]:
    rows = f"{path}: {_many(comparison.findings.listed(), 'row')} listed"
    if not comparison.counts:
        yield f"{rows}; {destination} says the same."
        return
    yield f"{rows}. In {destination}:"
    for kind in KINDS:
        if count := comparison.counts.get(kind):
            sums = " + ".join(_amount(amount, unit) for unit, amount in sorted(comparison.money.get(kind, {}).items()))
            yield f"  {count:,} {MEANING[kind]}{f': {sums}' if sums else ''}"


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def _called(finding: Finding) -> str:
    return finding.label or finding.subject.split("/", 2)[-1]


def _money(finding: Finding) -> str:
    return "" if finding.money is None else _amount(finding.money, finding.currency)


def _amount(money: Decimal, currency: str) -> str:
    """Exactly, with two decimals at least."""
    whole, _, decimals = f"{money:,f}".partition(".")
    return f"{whole}.{decimals.rstrip('0').ljust(2, '0')} {currency}"


def _below(finding: Finding, destination: str) -> Iterator[str]:
    if finding.kind == "orphan":
        yield f"{finding.doctype} {finding.name} stands for {finding.subject}, which the source does not list"
    elif finding.kind == "unreadable":
        yield finding.differences[0].source
    elif finding.kind != "missing":
        for each in finding.differences:
            yield f"{each.field}: {each.source or 'nothing'} at the source, {each.destination or 'nothing'} in {destination}"


def _print_json(findings: Findings) -> None:
    first = True
    for each in findings.ranked():  # one at a time: there may be many
        typer.echo(("[" if first else ",") + "\n  " + json.dumps(as_json(each)), nl=False)
        first = False
    typer.echo("[]" if first else "\n]")


def _write_csv(path: Path, findings: Findings) -> None:
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            lines = csv.writer(file)
            lines.writerow(COLUMNS)
            for each in findings.ranked():
                row = as_json(each) | {
                    "differences": "; ".join(
                        f"{one.field}: {one.source} → {one.destination}" for one in each.differences
                    )
                }
                lines.writerow([_harmless(str(row[name] if row[name] is not None else "")) for name in COLUMNS])
    except OSError as error:
        raise Failed(f"{path} cannot be written: {error.strerror}.") from error


def _harmless(cell: str) -> str:
    """What an outsider may have written is no formula."""
    return f"'{cell}" if cell.startswith(FORMULA) else cell


# Repairing


def _repair(
    opened: Stage, flow: str, comparison: Comparison, wanted: Sequence[str] | None, yes: bool, reason: str
) -> None:
    """Send the rows of findings through the flow again."""
    subjects = None if wanted is None else _subjects(comparison.findings, wanted)
    count = sum(1 for _ in comparison.findings.events(subjects))
    if not count:
        typer.echo("Nothing to be sent again.", err=True)
        return
    if not yes and not typer.confirm(f"Send {_many(count, 'row')} through {flow} again?", err=True):
        raise Failed("Nothing was sent.")
    noted(opened, "reconcile repair", flow, reason, rows=str(count), chosen=", ".join(wanted or ("all",)))
    sqs, now = opened.sqs(), _now()
    queue = SqsEventQueue(sqs, sqs.get_queue_url(QueueName=names.queue(opened.name, flow))["QueueUrl"])
    bodies = _Bodies(opened)
    sent: list[tuple[Event, str]] = []
    for event in comparison.findings.events(subjects):
        again = event.replayed(now)
        sent.append((again, message_of(again, bodies)))
        if len(sent) == SENT_AT_ONCE:
            queue.put(sent)
            sent = []
    if sent:
        queue.put(sent)
    typer.echo(f"{_many(count, 'row')} sent again; `hub events show ENTITY` tells what becomes of each.", err=True)


def _subjects(findings: Findings, wanted: Sequence[str]) -> list[str]:
    """The entities that people name by key, by label or in full; raises Failed for what no finding is called."""
    found: dict[str, list[str]] = defaultdict(list)
    for each in findings.ranked():
        if each.kind != "orphan":
            called = {each.subject, each.subject.split("/", 2)[-1], searchable(each.label)} - {""}
            for name in called & {*wanted, *map(searchable, wanted)}:
                found[name].append(each.subject)
    unknown = [each for each in wanted if not (found.get(each) or found.get(searchable(each)))]
    if unknown:
        raise Failed(f"Nothing was sent: no row that differs is called {', '.join(unknown)}.")
    return [subject for subjects in found.values() for subject in subjects]


@dataclass(slots=True)
class _Bodies:
    """The stage's bucket of large bodies; looked up at the first one."""

    stage: Stage

    def keep(self, body: bytes) -> str:
        bucket = names.bodies_bucket(self.stage.name, self.stage.account_id(), self.stage.session.region_name or "")
        return S3Bodies(self.stage.s3(), bucket).keep(body)
