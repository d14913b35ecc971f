"""What a run of faults tells a person, while it lasts and in the end."""

import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping

from tests.faults.judge import Judgement
from tests.faults.story import Story

EVERY_SECONDS = 3.0


class Progress:
    """A line every few seconds, on standard error."""

    def __init__(self, say: Callable[[str], None] | None = None) -> None:
        self._say = say or (lambda line: print(line, file=sys.stderr, flush=True))
        self._began = self._told = time.monotonic()

    def tell(self, line: Callable[[], str]) -> None:
        """Tell, unless that was done a moment ago."""
        if time.monotonic() - self._told >= EVERY_SECONDS:
            self.say(line())

    def say(self, line: str) -> None:
        """Tell in any case."""
        self._told = time.monotonic()
        self._say(f"  {self._told - self._began:4.0f} s  {line}")


def report(story: Story, struck: Mapping[str, int], judgements: Mapping[str, Judgement]) -> str:
    """What happened and what is wrong. `judgements` are the looks taken, by when; the last one is the end."""
    lines = [
        f"events       {len(story.events)} ({sum(each.copies for each in story.deliveries)} deliveries)",
        f"entities     {len({each.entity for each in story.deliveries})}",
        "faults",
        *(f"  {count:5}  {kind}" for kind, count in sorted((Counter(story.told) + Counter(struck)).items())),
    ]
    for when, found in judgements.items():
        lines.append(when)
        outcomes = ", ".join(f"{count} {outcome}" for outcome, count in found.outcomes.most_common())
        lines.append(f"  {'outcomes':<15}{outcomes}")
        for kind, cases in found.wrong.items():
            shown = f"  {', '.join(cases[:5])}{' …' if len(cases) > 5 else ''}" if cases else ""
            lines.append(f"  {kind:<15}{len(cases)}{shown}")
    return "\n".join(lines)
