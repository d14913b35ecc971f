"""`hub events`: what became of the events of an entity, as the ledger recorded it."""

import dataclasses
import json
from datetime import UTC, datetime
from typing import Annotated

import typer
from botocore.exceptions import ClientError
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from adapters.ledger_history import Ended, LedgerHistory
from adapters.sqs import SqsEventQueue
from cli.failure import Failed
from cli.flow import told
from cli.stage import ConfigOption, Stage, StageOption, open_stage
from hub import names
from hub.events import Event, to_json
from hub.facts import UNREADABLE

UNKNOWN_TOPIC = "other"  # the entity type of an event whose topic the manifest does not state (hub.facts)
COLOURS = {"applied": "green", "dead": "red", "stale": "yellow"}

app = typer.Typer(help="What became of the events of an entity.", no_args_is_help=True)


@app.command("show")
def show_events(
    entity: Annotated[str, typer.Argument(help="The entity (shop-eu/order/820982911946154508), or its id alone.")],
    stage: StageOption = None,
    config: ConfigOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Show every recorded end of an entity's events: outcome, document, error, times. Exit code 1 where there is none."""
    opened = open_stage(stage, config)
    history = LedgerHistory(opened.dynamodb(), names.ledger_table(opened.name))
    try:
        ended = [each for subject in _subjects(entity, opened) for each in history.of(subject)]
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") == "ResourceNotFoundException":
            raise Failed(f"Stage {opened.name} is not deployed: {opened.how_to_deploy()}.") from error
        raise
    ended.sort(key=lambda each: each.recorded_at)
    if as_json:
        typer.echo(json.dumps([dataclasses.asdict(each) for each in ended], indent=2, default=datetime.isoformat))
    elif ended:
        _print(ended)
    else:
        Console(stderr=True, soft_wrap=True, highlight=False, markup=False).print(
            f"The ledger of stage {opened.name} knows no event of {entity}: "
            "it never arrived, was refused, or is still on its way (`hub flow status` tells what waits)."
        )
    if not ended:
        raise typer.Exit(1)


@app.command("replay")
def replay_events(
    entity: Annotated[str, typer.Argument(help="The entity (shop-eu/order/820982911946154508), or its id alone.")],
    event: Annotated[str | None, typer.Option("--event", help="One event of it, whatever its end.")] = None,
    stage: StageOption = None,
    config: ConfigOption = None,
) -> None:
    """Send an entity's dead events through their flows again, in the order in which they came. Each keeps its identity,
    so that nothing is doubled; a newer version that was applied since makes it stale."""
    opened = open_stage(stage, config)
    history = LedgerHistory(opened.dynamodb(), names.ledger_table(opened.name))
    with told(opened):
        ended = [each for subject in _subjects(entity, opened) for each in history.of(subject)]
        chosen = [each for each in ended if (each.event_id == event if event else each.outcome == "dead")]
        if not chosen:
            what = f"event {event}" if event else "dead event"
            raise Failed(
                f"The ledger of stage {opened.name} knows no {what} of {entity}; see `hub events show {entity}`."
            )
        for each in sorted(chosen, key=lambda each: each.received_at):
            _replay(history.event(each.entity, each.flow, each.event_id), each.flow, opened)
            Console(soft_wrap=True, highlight=False).print(Text(f"sent again: {each.event_id} in flow {each.flow}"))
    typer.echo(f"What becomes of it: hub events show {entity}")


def _replay(event: Event, flow: str, opened: Stage) -> None:
    sqs = opened.sqs()
    again = event.replayed(datetime.now(UTC))
    queue = SqsEventQueue(sqs, sqs.get_queue_url(QueueName=names.queue(opened.name, flow))["QueueUrl"])
    queue.put([(again, to_json(again))])


def _subjects(entity: str, stage: Stage) -> list[str]:
    """The ledger keys that `entity` can mean: itself, or the id under each entity type that an integration sends."""
    if entity.split("/", 1)[0] in stage.config.integrations and entity.count("/") >= 2:
        return [entity]
    subjects = []
    for integration in sorted({flow.source for flow in stage.config.flows.values()}):
        entities = {topic.entity for topic in stage.manifest(integration).topic} | {UNKNOWN_TOPIC, UNREADABLE}
        subjects += [f"{integration}/{each}/{entity}" for each in sorted(entities)]
    return subjects


def _print(ended: list[Ended]) -> None:
    console = Console(soft_wrap=True, highlight=False)
    for entity, flow in dict.fromkeys((each.entity, each.flow) for each in ended):
        rows = [each for each in ended if (each.entity, each.flow) == (entity, flow)]
        console.print(Text(f"{entity} in flow {flow}", style="bold"))
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
        for heading in ("#", "recorded (UTC)", "topic", "outcome", "document", "tries"):
            table.add_column(heading, no_wrap=True)
        for number, each in enumerate(rows, start=1):
            table.add_row(
                str(number),
                f"{each.recorded_at:%Y-%m-%d %H:%M:%S}",
                Text(each.type.split(".", 1)[-1]),
                Text(each.outcome, style=COLOURS.get(each.outcome, "")),
                Text(each.name),
                str(each.attempts),
            )
        Console().print(table)
        for number, each in enumerate(rows, start=1):
            console.print(Text(f"  {number}  event {each.event_id}"))
            if why := reason(each):
                console.print(Text(f"     {why}", style=COLOURS.get(each.outcome, "")))


def reason(ended: Ended) -> str:
    """Why an event ended without a document, or as it did; "" where there is nothing to say."""
    return ended.failure.told if ended.failure else ended.rule
