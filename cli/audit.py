"""`hub audit`: did anything get lost? Holds what the edge accepted in a period against what the ledger says of it."""

import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from adapters.accepted_lines import AcceptedLines
from adapters.ledger_history import LedgerHistory
from cli.ends import COLOURS
from cli.failure import Failed
from cli.flow import told
from cli.period import HOW, UntilOption, moment
from cli.stage import ConfigOption, Stage, StageOption, open_stage
from hub import names
from hub.audit import Accepted, Account, account, once

GRACE = timedelta(minutes=1)  # an event may be on its way, its line in the log too, and SQS's counts lag as long
LOOK_AGAIN_SECONDS = 5  # before anything is called lost: it may just be leaving its queue
OUTCOMES = ("applied", "unchanged", "stale", "ignored", "dead", "discarded", "parked")
DEPTHS: Any = [
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
]


@dataclass(frozen=True, slots=True)
class Audited:
    """The account of one flow. `before` are events that were accepted before the flow existed, and never given to it."""

    integration: str
    flow: str
    account: Account
    before: int


@dataclass(frozen=True, slots=True)
class Beside:
    """What the ledger received in the period without a line of its acceptance."""

    replayed: int  # sent again by an operator
    without_line: int


def audit(
    context: typer.Context,
    since: Annotated[str | None, typer.Option("--since", help=f"Accepted since then: {HOW}.")] = None,
    until: UntilOption = None,
    integration: Annotated[str | None, typer.Option("--integration", help="Of this integration only.")] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Leave out the way back, for which the whole ledger is read.")
    ] = False,
    stage: StageOption = None,
    config: ConfigOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Account for every event that was accepted in a period: how it ended, or that it waits. What is neither is named.
    Exit code 0 where all are accounted for, 1 where one is not."""
    if context.invoked_subcommand:
        return
    if since is None:
        raise typer.BadParameter("say since when", param_hint="--since")
    opened = open_stage(stage, config)
    now = datetime.now(UTC)
    start = moment(since, "--since", now)
    end = min(moment(until, "--until", now) if until else now, now - GRACE)
    if start >= end:
        raise Failed(
            f"From {_shown(start)} to {_shown(end)} is no time: the latest {GRACE.seconds} s are left out, since their "
            "events may still be on their way. Begin earlier."
        )
    if integration:
        opened.integration(integration)
    flows = opened.config.flows.values()
    sources = sorted({flow.source for flow in flows if integration in (None, flow.source)})
    sources = [each for each in sources if opened.manifest(each).webhook]
    if not sources:
        raise Failed(f"No flow begins at {integration or 'an integration that receives'}: nothing is accepted there.")
    with told(opened):
        audits = [_Audit(opened, source, start, end, now) for source in sources]
        for each in audits:
            each.check_memory()
        found = [flow for each in audits for flow in each.flows()]
        beside = None if quick else _beside(opened, audits, start, end)
    if as_json:
        typer.echo(json.dumps(_told(found, beside, start, end), indent=2, default=datetime.isoformat))
    else:
        _print(found, beside, start, end)
    if any(each.account.unaccounted for each in found):
        raise typer.Exit(1)


class _Audit:
    """The audit of one integration."""

    def __init__(self, stage: Stage, integration: str, start: datetime, end: datetime, now: datetime) -> None:
        self.integration = integration
        self._stage = stage
        self._start, self._end, self._now = start, end, now
        self._lines = AcceptedLines(stage.logs(), names.webhook_function(stage.name, integration))
        self._ledger = LedgerHistory(stage.dynamodb(), names.ledger_table(stage.name))

    def check_memory(self) -> None:
        """Raise Failed where the period is longer than log or ledger remember, or nothing is written there."""
        if self._stage.config.log_level == "WARNING":
            raise Failed(
                "log_level is WARNING, by which the functions do not log what they accept: set it to INFO and deploy; "
                "from then on there is something to audit."
            )
        log_days, ledger_days = self._lines.kept_days(), self._stage.config.ledger_days
        days = min(ledger_days, log_days or ledger_days)
        if self._start < self._now - timedelta(days=days):
            which = "the ledger" if days == ledger_days else "the log"
            raise Failed(
                f"--since lies {(self._now - self._start).days} days back, and {which} remembers {days}: what has been "
                f"forgotten would look lost. Begin within the last {days} days."
            )

    def flows(self) -> list[Audited]:
        """The accounts of the integration's flows."""
        accepted = self.accepted(self._start, self._end)
        return [self._flow(flow, accepted) for flow in sorted(self._stage.config.flows_from(self.integration))]

    def accepted(self, start: datetime, end: datetime) -> list[Accepted]:
        """What was accepted in a part of the period, each once."""
        return once(list(self._lines.between(start, end)))

    def _flow(self, flow: str, accepted: Sequence[Accepted]) -> Audited:
        begun = _created(self._stage, flow)
        given = [each for each in accepted if each.received_at >= begun]
        taken = self._account(flow, given)
        if taken.unaccounted:
            time.sleep(LOOK_AGAIN_SECONDS)
            taken = self._account(flow, given)
        return Audited(self.integration, flow, taken, len(accepted) - len(given))

    def _account(self, flow: str, given: Sequence[Accepted]) -> Account:
        messages = _messages(self._stage, flow)  # before the ledger: what leaves the queue meanwhile is in it by then
        ended = self._ledger.outcomes(flow, [each.key for each in given])
        later: list[Accepted] = []
        if messages and len(ended) < len(given):  # what came later may be what waits
            keys = {each.key for each in given}
            later = [each for each in self.accepted(self._end, self._now) if each.key not in keys]
            ended |= self._ledger.outcomes(flow, [each.key for each in later])
        return account(given, later, ended, messages, self._now)


def _beside(stage: Stage, audits: Sequence[_Audit], start: datetime, end: datetime) -> Beside:
    known = {each.key for one in audits for each in one.accepted(start - GRACE, end + GRACE)}
    sources = {each.integration for each in audits}
    console = Console(stderr=True, highlight=False)
    counted: Counter[str] = Counter()
    items = 0
    with console.status("") as status:

        def seen(more: int) -> None:
            nonlocal items
            items += more
            status.update(f"the way back: {items:,} items of the ledger read (--quick leaves it out)")

        others = set()
        for each in LedgerHistory(stage.dynamodb(), names.ledger_table(stage.name)).everything(seen):
            key = (each.entity, each.event_id)
            if each.entity.split("/", 1)[0] in sources and start <= each.received_at < end and key not in known:
                others.add((*key, bool(each.replay_of)))
        counted.update("replayed" if replayed else "without line" for *_, replayed in others)
    return Beside(counted["replayed"], counted["without line"])


def _messages(stage: Stage, flow: str) -> int:
    sqs, found = stage.sqs(), 0
    for queue in (names.queue(stage.name, flow), names.dead_letter_queue(stage.name, flow)):
        url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
        told_by: Mapping[Any, str] = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=DEPTHS)["Attributes"]
        found += sum(int(told_by.get(name, "0")) for name in DEPTHS)
    return found


def _created(stage: Stage, flow: str) -> datetime:
    sqs = stage.sqs()
    url = sqs.get_queue_url(QueueName=names.queue(stage.name, flow))["QueueUrl"]
    answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["CreatedTimestamp"])["Attributes"]
    return datetime.fromtimestamp(float(answer["CreatedTimestamp"]), UTC)


def _told(found: Sequence[Audited], beside: Beside | None, start: datetime, end: datetime) -> dict[str, Any]:
    return {
        "since": start,
        "until": end,
        "flows": [
            {
                "integration": each.integration,
                "flow": each.flow,
                "in": each.account.arrived,
                **{outcome: each.account.outcomes.get(outcome, 0) for outcome in OUTCOMES},
                "waiting": each.account.waiting,
                "unaccounted": [asdict(one) for one in each.account.unaccounted],
                "before_the_flow": each.before,
            }
            for each in found
        ],
        "not_from_a_delivery": asdict(beside) if beside else None,
    }


def _print(found: Sequence[Audited], beside: Beside | None, start: datetime, end: datetime) -> None:
    console = Console(soft_wrap=True, highlight=False)
    console.print(f"Accepted from {_shown(start)} to {_shown(end)} (UTC)")
    for each in found:
        _print_flow(console, each)
    if beside and beside.replayed:
        console.print(f"\nBeside these: {beside.replayed:,} sent again by hand (hub events replay)")
    if beside and beside.without_line:
        console.print(
            f"\nBeside these: {beside.without_line:,} in the ledger without a line of acceptance: a function ended\n"
            "between queue and log, and the provider has sent them again; or they were not pushed"
        )
    if any(each.account.unaccounted for each in found):
        console.print(WHAT_TO_DO)


WHAT_TO_DO = """
What to do: each of these was acknowledged to its provider, and has neither an
end nor a place on a queue. Let the provider send it again, or save the entity
there once more, which sends it whole; `hub events find` with its id tells what
became of it. Then find out who deleted from the ledger or purged a queue."""


def _print_flow(console: Console, each: Audited) -> None:
    taken = each.account
    console.print(f"\n[bold]{each.flow}[/bold] (from {each.integration})   in {taken.arrived:,}")
    known = [outcome for outcome in OUTCOMES if taken.outcomes.get(outcome)]
    ends = Text("  ")
    for outcome in [*known, *sorted(set(taken.outcomes) - set(OUTCOMES))]:
        ends.append(f"{outcome} {taken.outcomes[outcome]:,}   ", style=COLOURS.get(outcome, ""))
    if taken.waiting:
        ends.append(f"waiting {taken.waiting:,}", style="yellow")
    if ends.plain.strip():
        ends.rstrip()
        console.print(ends)
    if each.before:
        console.print(f"  {each.before:,} more were accepted before this flow existed, and never given to it")
    if not taken.unaccounted:
        console.print("  ✓ every one is accounted for", style="green")
        return
    are = "1 is" if len(taken.unaccounted) == 1 else f"{len(taken.unaccounted):,} are"
    console.print(f"  ✗ {are} unaccounted for:", style="bold red")
    for one in taken.unaccounted:
        console.print(Text(f"    {_shown(one.received_at)}  {one.entity}"))
        console.print(Text(f"      {one.type.split('.', 1)[-1]}, event {one.event_id}"))
    if taken.waiting:
        console.print(
            "    a queue does not tell which events wait on it: these are the oldest of\n"
            f"    {len(taken.unaccounted) + taken.waiting:,} that have not ended"
        )


def _shown(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}"
