"""Read sources through a world of faults and judge its end: `make faults SUITE=sync SEED=n`."""

import sys
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta

import typer
from moto import mock_aws

from tests.faults.judge import ENDS
from tests.faults.sync_world import STYLES, SyncWorld, change
from tests.scripted_source import BEGIN

SET_BACK = range(20, 24)  # quarters of an hour in which the sources' clocks show an hour less
COMPARED_EVERY = 8  # quarters of an hour


@dataclass
class Judgement:
    """What is wrong in the end; all lists are empty in a good world."""

    lost: list[str] = field(default_factory=list)  # the source says it, the destination does not
    wrong: list[str] = field(default_factory=list)  # the destination says something else
    left_over: list[str] = field(default_factory=list)  # the destination says it, the source does not any more
    wrongly_deleted: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    unaccounted: list[str] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    found_by_comparing: int = 0  # no fault: what no cursor can show

    @property
    def good(self) -> bool:
        """Whether nothing is wrong."""
        return not (
            self.lost or self.wrong or self.left_over or self.wrongly_deleted or self.doubled or self.unaccounted
        )


def live_through(world: SyncWorld, quarters: int) -> None:
    """Play so many quarters of an hour: people work at the sources, schedules run, what is queued is applied."""
    for style in STYLES:
        for _ in range(12):
            change(world, style)
    for quarter in range(quarters):
        for source in world.sources.values():
            source.set_back = timedelta(hours=1) if quarter in SET_BACK and world.share else timedelta()
        for style in STYLES:
            for _ in range(world.dice.randrange(4)):
                change(world, style)
        world.clock.moment += timedelta(minutes=15)
        for place, style in enumerate(STYLES):
            world.run(style)
            if (quarter + place) % COMPARED_EVERY == 0:
                world.run(style, compare=True)
                world.approve(style)
        world.deliver()


def come_to_rest(world: SyncWorld) -> int:
    """Two quiet runs of each schedule and two comparisons; how many rows only these found."""
    world.calm()
    for _ in range(2):
        world.clock.moment += timedelta(minutes=15)
        for style in STYLES:
            world.run(style)
    world.deliver()
    before = len(_differing(world))
    for _ in range(2):
        world.clock.moment += timedelta(minutes=15)
        for style in STYLES:
            world.run(style, compare=True)
            world.approve(style)
        world.deliver()
    return before - len(_differing(world))


def _differing(world: SyncWorld) -> set[str]:
    said, source = world.destination.rows, _source(world)
    return {key for key in said.keys() | source.keys() if said.get(key) != source.get(key)}


def _source(world: SyncWorld) -> dict[str, dict[str, object]]:
    return {f"{style}/{key}": row for style, source in world.sources.items() for key, row in source.rows.items()}


def judge(world: SyncWorld) -> Judgement:
    """Hold the destination and the ledger against the sources."""
    found, said, source = Judgement(wrongly_deleted=world.wrongly_deleted), world.destination.rows, _source(world)
    found.lost += sorted(source.keys() - said.keys())
    found.left_over += sorted(said.keys() - source.keys())
    found.wrong += sorted(key for key in said.keys() & source.keys() if said[key] != source[key])
    found.doubled += [event for event, times in world.destination.written.items() if times > 1]
    ends = {entity: world.ends_of(entity) for entity in set(world.accepted.values())}
    for event, entity in world.accepted.items():
        outcome = ends[entity].get(event, "")
        found.outcomes[outcome] += 1
        if outcome not in ENDS:
            found.unaccounted.append(event)
    return found


def report(world: SyncWorld, found: Judgement) -> str:
    """What happened and what is wrong, for a person."""
    rows, pages = (
        sum(len(each.rows) for each in world.sources.values()),
        sum(each.requests for each in world.sources.values()),
    )
    lines = [
        f"rows         {rows} in {len(STYLES)} sources, {pages} pages asked for",
        f"events       {len(world.accepted)}",
        f"time         {world.clock.moment - BEGIN}",
        "outcomes     " + ", ".join(f"{count} {outcome}" for outcome, count in found.outcomes.most_common()),
        f"in the end   {found.found_by_comparing} rows that only the last comparison found",
        "faults",
        *(f"  {count:5}  {kind}" for kind, count in sorted(world.struck.items())),
    ]
    for name in ("lost", "wrong", "left_over", "wrongly_deleted", "doubled", "unaccounted"):
        wrong = getattr(found, name)
        lines.append(f"{name.replace('_', ' '):<17}{len(wrong)}" + (f"  {', '.join(wrong[:5])} …" if wrong else ""))
    return "\n".join(lines)


def run(seed: int, quarters: int) -> tuple[SyncWorld, Judgement]:
    """One story in one world."""
    world = SyncWorld(seed)
    live_through(world, quarters)
    by_comparing = come_to_rest(world)
    found = judge(world)
    found.found_by_comparing = by_comparing
    return world, found


def main(seed: int = 1, quarters: int = 96) -> None:
    """Run the faults of a day; exit code 1 unless every source's rows are where they belong, once, and accounted for."""
    with mock_aws():
        world, found = run(seed, quarters)
    print(f"seed         {seed}\n{report(world, found)}")
    sys.exit(0 if found.good else 1)


if __name__ == "__main__":
    typer.run(main)
