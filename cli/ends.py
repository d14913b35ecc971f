"""How the ends of events are shown to a person: a table, and below it what does not fit into one."""

import dataclasses
import json
from collections.abc import Sequence
from datetime import datetime

import typer
from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from adapters.ledger_history import Ended
from hub.ledger import A_PERSON, Outcome

REMEDY = "\n     mend the cause, then `hub events replay`; or end it with `hub events discard`"
COLOURS = {"applied": "green", "dead": "red", "stale": "yellow", "parked": "yellow"}


def print_json(ended: Sequence[Ended]) -> None:
    """The ends as a list, for programs."""
    typer.echo(json.dumps([dataclasses.asdict(each) for each in ended], indent=2, default=datetime.isoformat))


def print_by_entity(ended: Sequence[Ended]) -> None:
    """The ends under the entity and flow that they belong to."""
    console = Console(soft_wrap=True, highlight=False)
    for entity, flow in dict.fromkeys((each.entity, each.flow) for each in ended):
        rows = [each for each in ended if (each.entity, each.flow) == (entity, flow)]
        console.print(Text(f"{entity} in flow {flow}", style="bold"))
        _print(rows, [f"event {each.event_id}" for each in rows])


def print_one_by_one(ended: Sequence[Ended]) -> None:
    """The ends in their order, each with its entity and flow."""
    _print(ended, [f"{each.entity} in flow {each.flow}\n     event {each.event_id}" for each in ended])


def reason(ended: Ended) -> str:
    """Why an event ended without a document, or as it did; "" where there is nothing to say."""
    if ended.waits_for and ended.outcome == Outcome.PARKED:
        until = f" until {ended.until:%Y-%m-%d %H:%M}" if ended.until and ended.waits_for != A_PERSON else ""
        return f"waits for {ended.waits_for}{until}: {ended.rule}"
    if ended.failure and ended.outcome == "discarded":
        return f"{ended.rule}\n     before: {ended.failure.told}"
    if ended.failure is None:
        return ended.rule
    remedy = "" if "replay" in ended.failure.told else REMEDY
    return ended.failure.told + remedy


def _print(ended: Sequence[Ended], about: Sequence[str]) -> None:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for heading in ("#", "recorded (UTC)", "topic", "outcome", "document", "tries"):
        table.add_column(heading, no_wrap=heading not in ("topic", "document"), overflow="fold")
    for number, each in enumerate(ended, start=1):
        table.add_row(
            str(number),
            f"{each.recorded_at:%Y-%m-%d %H:%M:%S}",
            Text(each.type.split(".", 1)[-1]),
            Text(each.outcome, style=COLOURS.get(each.outcome, "")),
            Text(each.name),
            str(each.attempts),
        )
    Console().print(table)
    console = Console(soft_wrap=True, highlight=False)
    for number, (each, text) in enumerate(zip(ended, about, strict=True), start=1):
        console.print(Text(f"{number:>3}  {text}"))
        if why := reason(each):
            say_below(console, why, COLOURS.get(each.outcome, ""))


def say_below(console: Console, words: str, style: str) -> None:
    """A sentence below its row: folded between words on a terminal, in one line for a file or another program."""
    if console.is_terminal:
        console.print(Padding(Text(words.replace("\n     ", "\n"), style=style), (0, 0, 0, 5)), soft_wrap=False)
    else:
        console.print(Text(f"     {words}", style=style), soft_wrap=True)
