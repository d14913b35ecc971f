"""`make incident`: five incidents on the local AWS, with the functions as they are deployed and the commands of the runbooks."""

import sys
import time
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tests.incident.incidents import INCIDENTS
from tests.incident.judging import PHASES, Findings
from tests.incident.world import stands

COLOURS = dict(zip(PHASES, ("cyan", "yellow", "green", "blue"), strict=True))


def main(only: Annotated[str, typer.Option(help=f"One of: {', '.join(INCIDENTS)}.")] = "") -> None:
    """Let five things go wrong; exit code 1 unless each is detected, alarmed, repaired by its runbook, and audited."""
    console = Console(highlight=False)
    if only and only not in INCIDENTS:
        raise typer.BadParameter(f"there is no incident {only!r}; there are: {', '.join(INCIDENTS)}")
    failed, began = "", time.monotonic()
    with Console(stderr=True).status("starting") as status:

        def say(line: str) -> None:
            status.update(Text(line))
            if not status.console.is_terminal:
                print(f"  {time.monotonic() - began:4.0f} s  {line}", file=sys.stderr, flush=True)

        with stands(say) as world:
            for title, incident in INCIDENTS.items():
                if only not in ("", title):
                    continue
                found, started, typed = Findings(title, say), time.monotonic(), len(world.operator.typed)
                say(f"{title}: begins")
                try:
                    incident(world, found)
                    found.check_whole()
                except AssertionError as error:
                    failed = f"{title}: {error}"
                console.print(_table(found, time.monotonic() - started, len(world.operator.typed) - typed, failed))
                if failed:
                    break
    if failed:
        console.print(Text(f"✗ {failed}", style="red"))
        raise typer.Exit(1)
    took = f"{time.monotonic() - began:.0f} s"
    console.print(
        f"Each was detected, alarmed, repaired by its runbook and audited: {took}, {len(world.operator.typed)} commands."
    )


def _table(found: Findings, seconds: float, commands: int, failed: str) -> Table:
    sign = Text("✗ ", style="red") if failed else Text("✓ ", style="green")
    title = sign + Text(f"{found.title}  ({seconds:.0f} s, {commands} commands)", style="bold")
    table = Table(title=title, title_justify="left", show_header=False, expand=True)
    table.add_column(no_wrap=True, ratio=1)
    table.add_column(overflow="fold", ratio=9)
    for phase in PHASES:
        seen = [what for each, what in found.rows if each == phase]
        table.add_row(Text(phase, style=COLOURS[phase]), Text("\n".join(seen) or "–"))
    return table


if __name__ == "__main__":
    typer.run(main)
