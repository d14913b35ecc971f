"""`hub events find`: where is order 1042? By what people call it, by its id or document, or by how events ended."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console

from adapters.ledger_history import Ended, LedgerHistory
from cli.ends import print_json, print_one_by_one, reason
from cli.entities import subjects
from cli.failure import Failed
from cli.flow import told
from cli.period import HOW, UntilOption, moment
from cli.stage import ConfigOption, Stage, StageOption, open_stage
from hub import names
from hub.ledger import Outcome

INTERRUPTED = 130  # a shell's exit code for what Ctrl-C has stopped

Words = Annotated[
    list[str] | None,
    typer.Argument(help="Order numbers (#1042), ids of entities or events, names of ERPNext documents; any of them."),
]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which ends are asked for; what is empty asks for nothing."""

    flow: str = ""
    integration: str = ""
    topic: str = ""
    outcome: str = ""
    error: str = ""
    since: datetime | None = None
    until: datetime | None = None

    def fits(self, ended: Ended) -> bool:
        """Whether an end is among them."""
        return (
            self.flow in ("", ended.flow)
            and self.integration in ("", ended.entity.split("/", 1)[0])
            and self.topic in ("", ended.type, ended.type.split(".", 1)[-1])
            and self.outcome in ("", ended.outcome)
            and self.error.casefold() in reason(ended).casefold()
            and (self.since is None or ended.recorded_at >= self.since)
            and (self.until is None or ended.recorded_at < self.until)
        )


def find_events(
    words: Words = None,
    flow: Annotated[str, typer.Option("--flow", help="Of this flow only.")] = "",
    integration: Annotated[str, typer.Option("--integration", help="From this integration only.")] = "",
    topic: Annotated[str, typer.Option("--type", help="Of this type only: orders/create.")] = "",
    outcome: Annotated[str, typer.Option("--outcome", help="With this outcome only: dead, applied, stale, …")] = "",
    error: Annotated[str, typer.Option("--error", help="Whose error or reason contains this text.")] = "",
    since: Annotated[str | None, typer.Option("--since", help=f"Ended since then: {HOW}.")] = None,
    until: UntilOption = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Show so many, the newest.")] = 50,
    stage: StageOption = None,
    config: ConfigOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Find events and show how they ended, the newest first. Order numbers and ids are found at once; for anything else
    the whole ledger is read. Exit code 1 where nothing is found."""
    opened = open_stage(stage, config)
    outcomes = [each.value for each in Outcome]
    if outcome and outcome not in outcomes:
        raise Failed(f"--outcome {outcome!r} is none; there are {', '.join(outcomes)}.")
    now = datetime.now(UTC)
    wanted = Wanted(
        flow,
        integration,
        topic,
        outcome,
        error,
        moment(since, "--since", now) if since else None,
        moment(until, "--until", now) if until else None,
    )
    known, unknown = set[Ended](), list[str]()
    history = LedgerHistory(opened.dynamodb(), names.ledger_table(opened.name))
    with told(opened):
        for word in words or []:
            at_once = [each for entity in subjects(word, opened, history) for each in history.of(entity)]
            known.update(at_once)
            unknown += [] if at_once else [word]
        reading = _Reading(history, opened)
        if unknown or not words:
            known.update(reading.matching(unknown))
    found = sorted(filter(wanted.fits, known), key=lambda each: (each.recorded_at, each.event_id), reverse=True)
    _show(found, limit, as_json, opened, words or [])
    if reading.was_stopped:
        raise typer.Exit(INTERRUPTED)
    if not found:
        raise typer.Exit(1)


class _Reading:
    """Reads the whole ledger, telling how far it is; Ctrl-C ends it, and what it found until then counts."""

    def __init__(self, history: LedgerHistory, stage: Stage) -> None:
        self._history = history
        self._stage = stage
        self.was_stopped = False

    def matching(self, words: Sequence[str]) -> Iterator[Ended]:
        """The ends that one of the words names; all of them where there is none."""
        console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
        what = f"No index knows {', '.join(words)}" if words else "No index knows how events ended"
        console.print(
            f"{what}: reading the whole ledger of stage {self._stage.name}. Ctrl-C shows what is found by then."
        )
        items = 0
        with console.status("") as status:

            def seen(more: int) -> None:
                nonlocal items
                items += more
                status.update(f"{items:,} items read")

            try:
                yield from (each for each in self._history.everything(seen) if not words or _named(each, words))
            except KeyboardInterrupt:
                self.was_stopped = True
                console.print("Stopped by you; the rest of the ledger was not read.")
        console.print(f"{items:,} items read.")


def _named(ended: Ended, words: Iterable[str]) -> bool:
    own = {ended.name, ended.event_id, ended.entity, ended.entity.split("/", 2)[-1]}
    return not {each.casefold() for each in own}.isdisjoint(word.lstrip("#").casefold() for word in words)


def _show(found: Sequence[Ended], limit: int, as_json: bool, stage: Stage, words: Sequence[str]) -> None:
    console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    if as_json:
        print_json(found[:limit])
    elif found:
        print_one_by_one(found[:limit])
    else:
        what = f"of {', '.join(words)} " if words else ""
        console.print(
            f"The ledger of stage {stage.name} knows no such event {what}"
            "(`hub flow status` tells what waits, `hub audit --since 24h` what arrived)."
        )
    if len(found) > limit:
        console.print(f"These are the newest {limit} of {len(found)}; --limit {len(found)} shows all.")
