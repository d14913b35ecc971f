"""`hub events`: what became of the events of an entity, as the ledger recorded it, and what is to become of them."""

from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from adapters.ledger_history import Ended, LedgerHistory
from adapters.sqs import SqsEventQueue
from cli.ends import print_by_entity, print_json
from cli.entities import subjects
from cli.failure import Failed
from cli.flow import told
from cli.stage import ConfigOption, Stage, StageOption, open_stage
from cli.trail import WhyOption, noted, user
from hub import names
from hub.events import Event, to_json

SET_ASIDE = ("dead", "parked")  # outcomes that wait for a person

app = typer.Typer(help="What became of the events of an entity.", no_args_is_help=True)
Entity = Annotated[
    str,
    typer.Argument(help="The entity (shop-eu/order/820982911946154508), its id, or what people call it: #1042."),
]


@app.command("show")
def show_events(
    entity: Entity,
    stage: StageOption = None,
    config: ConfigOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Show every recorded end of an entity's events: outcome, document, error, times. Exit code 1 where there is none."""
    opened = open_stage(stage, config)
    ended = sorted(_ends(entity, opened), key=lambda each: each.recorded_at)
    if as_json:
        print_json(ended)
    elif ended:
        print_by_entity(ended)
    else:
        Console(stderr=True, soft_wrap=True, highlight=False, markup=False).print(
            f"The ledger of stage {opened.name} knows no event of {entity}: "
            "it never arrived, was refused, or is still on its way (`hub flow status` tells what waits)."
        )
    if not ended:
        raise typer.Exit(1)


@app.command("replay")
def replay_events(
    entity: Entity,
    event: Annotated[str | None, typer.Option("--event", help="One event of it, whatever its end.")] = None,
    reason: WhyOption = "",
    stage: StageOption = None,
    config: ConfigOption = None,
) -> None:
    """Send an entity's dead events through their flows again, in the order in which they came. Each keeps its identity,
    so that nothing is doubled; a newer version that was applied since makes it stale."""
    opened = open_stage(stage, config)
    history = LedgerHistory(opened.dynamodb(), names.ledger_table(opened.name))
    with told(opened):
        ended = _ends(entity, opened)
        chosen = [each for each in ended if (each.event_id == event if event else each.outcome == "dead")]
        if not chosen:
            what = f"event {event}" if event else "dead event"
            raise Failed(
                f"The ledger of stage {opened.name} knows no {what} of {entity}; see `hub events show {entity}`."
            )
        noted(opened, "events replay", entity, reason, events=", ".join(each.event_id for each in chosen))
        for each in sorted(chosen, key=lambda each: each.received_at):
            _replay(history.event(each.entity, each.flow, each.event_id), each.flow, opened)
            Console(soft_wrap=True, highlight=False).print(Text(f"sent again: {each.event_id} in flow {each.flow}"))
    typer.echo(f"What becomes of it: hub events show {entity}")


@app.command("discard")
def discard_event(
    entity: Entity,
    event: Annotated[str, typer.Argument(help="The id of the event, as `hub events show` tells it.")],
    reason: Annotated[str, typer.Option("--reason", help="Why, for those who come after you.")],
    flow: Annotated[
        str | None, typer.Option("--flow", help="The flow, where the event was set aside in several.")
    ] = None,
    stage: StageOption = None,
    config: ConfigOption = None,
) -> None:
    """End an event that was set aside, dead or parked, for good: it is recorded as discarded, by whom and why, and
    nothing applies it any more but `hub events replay --event`."""
    opened = open_stage(stage, config)
    if not reason.strip():
        raise Failed("--reason is empty: say why, for those who come after you.")
    of_event = [each for each in _ends(entity, opened) if each.event_id == event and flow in (None, each.flow)]
    chosen = [each for each in of_event if each.outcome in SET_ASIDE]
    if not of_event:
        where = f" in flow {flow}" if flow else ""
        raise Failed(
            f"The ledger of stage {opened.name} knows no event {event} of {entity}{where}; "
            f"see `hub events show {entity}`."
        )
    if not chosen:
        raise Failed(f"Event {event} is {of_event[0].outcome}; only what is {' or '.join(SET_ASIDE)} can be discarded.")
    if len(chosen) > 1:
        several = ", ".join(sorted(each.flow for each in chosen))
        raise Failed(f"Event {event} was set aside in several flows; say --flow, one of: {several}.")
    noted(opened, "events discard", entity, reason, event=event, flow=chosen[0].flow)
    with told(opened):
        done = LedgerHistory(opened.dynamodb(), names.ledger_table(opened.name)).discard(
            chosen[0],
            opened.config.flows[chosen[0].flow].destination,
            f"by {user()}: {reason.strip()}",
            datetime.now(UTC),
        )
    if not done:
        raise Failed(f"Event {event} has ended anew meanwhile and was not discarded; see `hub events show {entity}`.")
    Console(soft_wrap=True, highlight=False).print(Text(f"discarded: {event} in flow {chosen[0].flow}"))


def _ends(entity: str, opened: Stage) -> list[Ended]:
    history = LedgerHistory(opened.dynamodb(), names.ledger_table(opened.name))
    with told(opened):
        return [each for subject in subjects(entity, opened, history) for each in history.of(subject)]


def _replay(event: Event, flow: str, opened: Stage) -> None:
    sqs = opened.sqs()
    again = event.replayed(datetime.now(UTC))
    queue = SqsEventQueue(sqs, sqs.get_queue_url(QueueName=names.queue(opened.name, flow))["QueueUrl"])
    queue.put([(again, to_json(again))])
