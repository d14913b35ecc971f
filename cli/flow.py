"""`hub flow`: whether events flow, how many wait, and how to stop and start them by hand."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from botocore.exceptions import BotoCoreError, ClientError
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from adapters.breakers import DynamoBreakers
from adapters.dead_letters import DynamoLetters
from adapters.parking import count_parked
from adapters.standings import DynamoStandings
from adapters.valves import LambdaValves, pause_key
from cli.failure import Failed
from cli.stage import ConfigOption, Stage, StageOption, open_stage
from cli.trail import WhyOption, noted, user
from hub import names
from hub.breaker import State
from hub.errors import HubError
from hub.pace import Pace, Pacing, calls_in_flight

COLOURS = {"flows": "green", "slowly": "yellow", "paused": "yellow", "waits": "red", "stopped": "red"}
SAID = {"flows": "flows", "slowly": "flows slowly", "paused": "is paused", "waits": "waits", "stopped": "is stopped"}

app = typer.Typer(help="Whether events flow to a destination; stop and start them.", no_args_is_help=True)
FlowArgument = Annotated[str, typer.Argument(help="The flow, as the configuration names it.")]


@dataclass(frozen=True, slots=True)
class Flowing:
    """How a flow stands. `state` is flows, slowly (after an outage), waits (for its destination), paused (by hand), or
    stopped: its queue is not read, and nothing tells why."""

    flow: str
    destination: str
    state: str
    waiting: int
    in_work: int
    parked: int
    dead_letters: int
    why: str
    escalated: int = 0  # dead letters that wait for a person

    @property
    def asks(self) -> str:
        """What a person is to look at; "" where nothing is."""
        if not self.escalated:
            return ""
        verb = "waits" if self.escalated == 1 else "wait"
        return f"{self.flow}: {self.escalated:,} dead {verb} for a person: hub dlq list --flow {self.flow}"


@app.command("status")
def show_status(
    stage: StageOption = None,
    config: ConfigOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Show each flow: whether it flows, how many events wait or are parked, and why it does not flow."""
    opened = open_stage(stage, config)
    rows = [flowing(opened, flow) for flow in sorted(opened.config.flows)]
    if as_json:
        typer.echo(json.dumps([asdict(row) for row in rows], indent=2))
        return
    for destination in sorted({row.destination for row in rows}):
        _print(destination, [row for row in rows if row.destination == destination])


def _print(destination: str, rows: list[Flowing]) -> None:
    """The flows to one destination; below the table why some do not flow, since sentences are wider than columns."""
    console = Console(highlight=False)
    console.print(Text(f"to {destination}", style="bold"))
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for heading in ("flow", "state", "waiting", "in work", "parked", "dead letters"):
        table.add_column(heading, no_wrap=True, justify="left" if heading in ("flow", "state") else "right")
    for row in rows:
        state = Text(row.state, style=COLOURS[row.state])
        numbers = (str(row.waiting), str(row.in_work), str(row.parked), str(row.dead_letters))
        table.add_row(Text(row.flow), state, *numbers)
    console.print(table)
    for row in rows:
        if row.why:
            console.print(Text(f"{row.flow} {SAID[row.state]}: {row.why}", style=COLOURS[row.state]), soft_wrap=True)
        if row.asks:
            console.print(Text(row.asks, style="red"), soft_wrap=True)


@app.command("pause")
def pause(
    flow: FlowArgument,
    reason: Annotated[str, typer.Option("--reason", help="Why, for those who come after you.")],
    stage: StageOption = None,
    config: ConfigOption = None,
) -> None:
    """Stop applying a flow's events. They wait on their queue (14 days at most) and lose nothing."""
    opened = _with_flow(stage, config, flow)
    noted(opened, "flow pause", flow, reason)
    note = {"by": user(), "reason": reason, "at": datetime.now(UTC).isoformat()}
    item = {**pause_key(flow), **{name: {"S": value} for name, value in note.items()}}
    with told(opened):
        opened.dynamodb().put_item(TableName=names.ledger_table(opened.name), Item=item)
        _valves(opened).set(flow, enabled=False, max_concurrency=opened.config.flows[flow].max_concurrency)
    Console().print(
        f"{flow} is paused. Its events wait; `hub flow resume {flow}` lets them go on.", highlight=False, soft_wrap=True
    )


@app.command("resume")
def resume(flow: FlowArgument, reason: WhyOption = "", stage: StageOption = None, config: ConfigOption = None) -> None:
    """Let a paused flow go on; while its destination is down, its breaker still holds it back."""
    opened = _with_flow(stage, config, flow)
    noted(opened, "flow resume", flow, reason)
    with told(opened):
        opened.dynamodb().delete_item(TableName=names.ledger_table(opened.name), Key=pause_key(flow))
        breaker = DynamoBreakers(opened.dynamodb(), names.ledger_table(opened.name)).read(_destination(opened, flow))
        if breaker.state is not State.OPEN:
            _valves(opened).set(flow, enabled=True, max_concurrency=opened.config.flows[flow].max_concurrency)
    held = f" once {_destination(opened, flow)} is back ({breaker.reason})" if breaker.state is State.OPEN else ""
    Console().print(f"{flow} goes on{held}.", highlight=False, markup=False, soft_wrap=True)


def flowing(opened: Stage, flow: str) -> Flowing:
    """How a flow stands; raises Failed where the stage is not deployed."""
    destination = _destination(opened, flow)
    with told(opened):
        valves = _valves(opened)
        breaker, pace = DynamoStandings(opened.dynamodb(), names.ledger_table(opened.name)).standing(destination)
        paused = valves.paused_by(flow)
        is_read = valves.is_read(flow)
        waiting, in_work = _depth(opened, names.queue(opened.name, flow))
        parked = count_parked(opened.dynamodb(), names.ledger_table(opened.name), destination, flow)
        dead, dying = _depth(opened, names.dead_letter_queue(opened.name, flow))
        table, days = names.ledger_table(opened.name), opened.config.ledger_days
        escalated = DynamoLetters(opened.dynamodb(), table, days).count_escalated(flow)
    if paused:
        state, why = "paused", f"by {paused}"
    elif breaker.state is State.OPEN:
        state, why = "waits", breaker.reason
    elif not is_read:
        state, why = "stopped", f"nobody paused it (was the ledger restored?): hub flow resume {flow}"
    elif breaker.state is not State.CLOSED:
        state, why = "slowly", f"{destination} is just back"
    else:
        state, why = "flows", held_back(pace, opened.config.pacing_of(destination), datetime.now(UTC))
    return Flowing(flow, destination, state, waiting, in_work, parked, dead + dying, why, escalated)


def held_back(pace: Pace, pacing: Pacing, now: datetime) -> str:
    """How far the pace of its destination holds a flow back that nothing stops; "" where it does not."""
    in_flight = calls_in_flight(pace, pacing, now)
    if in_flight >= pacing.most:
        return ""
    return f"{in_flight:.1f} of {pacing.most:g} calls at once, since {pace.level:.1f} were too many"


def _depth(opened: Stage, queue: str) -> tuple[int, int]:
    sqs = opened.sqs()
    url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
    told_by = sqs.get_queue_attributes(
        QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    )["Attributes"]
    return int(told_by["ApproximateNumberOfMessages"]), int(told_by["ApproximateNumberOfMessagesNotVisible"])


def _destination(opened: Stage, flow: str) -> str:
    return opened.config.flows[flow].destination


def _valves(opened: Stage) -> LambdaValves:
    return LambdaValves(opened.lambda_(), opened.dynamodb(), names.ledger_table(opened.name), opened.name)


def _with_flow(stage: str | None, config: Path | None, flow: str) -> Stage:
    opened = open_stage(stage, config)
    if flow not in opened.config.flows:
        raise Failed(f"Stage {opened.name} has no flow {flow!r}; it has: {', '.join(sorted(opened.config.flows))}.")
    return opened


@contextmanager
def told(opened: Stage) -> Iterator[None]:
    """Within: what AWS or an adapter refuses ends as one sentence."""
    try:
        yield
    except HubError as error:
        if isinstance(error.__cause__, BotoCoreError):
            raise error.__cause__ from error  # nothing answers at all: told as every command tells it
        if isinstance(error.__cause__, ClientError) and _is_missing(error.__cause__):
            raise Failed(f"Stage {opened.name} is not deployed: {opened.how_to_deploy()}.") from error
        raise Failed(str(error)) from error
    except ClientError as error:
        if _is_missing(error):
            raise Failed(f"Stage {opened.name} is not deployed: {opened.how_to_deploy()}.") from error
        raise


def _is_missing(error: ClientError) -> bool:
    code = error.response.get("Error", {}).get("Code", "")
    return "NotFound" in code or "NonExistentQueue" in code
