"""`hub events settle`: a person decides what the hub cannot know, whether an action that must be done once was done."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated

import typer

from adapters.claims import DynamoClaims
from adapters.dynamodb import DynamoLedger
from adapters.ledger_history import Ended, LedgerHistory
from adapters.parking import SqsFlowQueues
from cli.failure import Failed
from cli.flow import told
from cli.stage import ConfigOption, Stage, StageOption, open_stage
from cli.trail import noted, user
from hub import names
from hub.connector import Effect, Written
from hub.events import Event
from hub.ledger import A_PERSON, Entry, Outcome
from hub.once import ClaimKey


def settle(
    entity: Annotated[str, typer.Argument(help="The entity, as `hub events show` prints it.")],
    event: Annotated[str, typer.Argument(help="The event's id.")],
    flow: Annotated[str, typer.Option("--flow", help="The flow in which it waits.")],
    reason: Annotated[str, typer.Option("--reason", help="How you know, for those who come after you.")],
    done: Annotated[bool | None, typer.Option("--done/--again", help="It was done there, or do it again.")] = None,
    stage: StageOption = None,
    config: ConfigOption = None,
) -> None:
    """Say of an event that waits for a person whether what it asks for was done. With --done it ends as applied; with
    --again it is done once more, so look at the destination first."""
    opened = open_stage(stage, config)
    if flow not in opened.config.flows:
        raise Failed(f"Stage {opened.name} has no flow {flow!r}; it has: {', '.join(sorted(opened.config.flows))}.")
    if done is None:
        raise Failed("Say whether it was done: --done (it ends as applied) or --again (it is done once more).")
    with told(opened):
        history = LedgerHistory(opened.dynamodb(), names.ledger_table(opened.name))
        _check(next((e for e in history.of(entity) if (e.flow, e.event_id) == (flow, event)), None), entity, event)
        parked = history.event(entity, flow, event)
        noted(opened, "events settle", entity, reason, event=event, flow=flow, said="done" if done else "again")
        said = f"settled by {user()}: {reason}"
        if done:
            _end(opened, flow, parked, said)
            typer.echo(f"{event} is recorded as applied.")
        else:
            _again(opened, flow, parked)
            typer.echo(f"{event} is done once more. What becomes of it: hub events show {entity}")


def _check(ended: Ended | None, entity: str, event: str) -> None:
    if ended is None:
        raise Failed(f"The ledger knows no event {event} of {entity} in this flow; see `hub events show {entity}`.")
    if ended.waits_for == A_PERSON:
        return
    if ended.outcome == Outcome.PARKED:
        raise Failed(
            f"{event} waits for {ended.waits_for}, not for a person: it goes on once that is written. To try it now: "
            f"hub events replay {entity} --event {event}"
        )
    raise Failed(f"{event} is {ended.outcome} and waits for nobody: there is nothing to settle.")


def _end(opened: Stage, flow: str, event: Event, said: str) -> None:
    """First the claim, then the outcome: what breaks off in between is still parked and can be settled again."""
    for key in _keys(opened, flow, event):
        _claims(opened).keep(key, Written(Effect.APPLIED, rule=said))
    entry = Entry(
        flow, event, Outcome.APPLIED, 1, datetime.now(UTC), rule=said, parked_before=_destination(opened, flow)
    )
    DynamoLedger(opened.dynamodb(), names.ledger_table(opened.name), opened.config.ledger_days).record([entry], [])


def _again(opened: Stage, flow: str, event: Event) -> None:
    """First the claim goes, then the event comes: what breaks off in between is still parked and can be settled again."""
    for key in _keys(opened, flow, event):
        _claims(opened).drop(key)
    now = datetime.now(UTC)
    SqsFlowQueues(opened.sqs(), opened.name).put_again(flow, replace(event, received_at=now), now.isoformat())


def _keys(opened: Stage, flow: str, event: Event) -> list[ClaimKey]:
    """Of each `once` action that the event may have led to: the flow's table may have changed since."""
    actions = opened.manifest(_destination(opened, flow)).action
    return [ClaimKey(flow, each.name, event.subject, event.id) for each in actions if each.kind == "once"]


def _claims(opened: Stage) -> DynamoClaims:
    days = opened.config.ledger_days
    return DynamoClaims(opened.dynamodb(), names.ledger_table(opened.name), days, lambda: datetime.now(UTC))


def _destination(opened: Stage, flow: str) -> str:
    return opened.config.flows[flow].destination
