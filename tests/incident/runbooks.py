"""The runbooks as an operator in a hurry reads them: their commands, word for word.

A command is a line that begins with `$ hub` in a block, or words in backticks that begin with `hub`. Names in it stand for what
the alarm names, as every runbook says in its first line.
"""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from infra.configuration import ROOT
from tests.incident.judging import demand

BOOK = re.compile(r"Runbook: (\S+\.md)$")
TYPED = re.compile(r"^\$ (hub .*)$|`(hub [^`]+)`", flags=re.MULTILINE)
STEP = re.compile(r"^(?=(?:\d+\.|-) )", flags=re.MULTILINE)
SOMETHING = "…"

Command = tuple[str, ...]


@dataclass(frozen=True)
class Page:
    """A page of the documentation: an alarm's runbook, or what one leads to."""

    path: Path

    def section(self, heading: str) -> str:
        """The text below a heading; raises NotAsPromised where there is none."""
        parts = re.split(r"^## (.+)$", self.path.read_text("utf-8"), flags=re.MULTILINE)
        found = dict(zip(parts[1::2], parts[2::2], strict=True))
        demand(heading in found, f"{self} has no section {heading!r}")
        return found[heading]

    def commands(self, heading: str) -> list[Command]:
        """All commands of a section, in their order; raises NotAsPromised where there is none."""
        return self._of(self.section(heading), heading)

    def step(self, heading: str, words: str) -> list[Command]:
        """The commands of the one step of a section in which the words stand."""
        return self._of(self._step(heading, words), f"{heading}, {words}")

    def advises(self, heading: str, words: str) -> bool:
        """Whether a step, which may need no command, says the words."""
        return bool(self._step(heading, words))

    def leads_to(self, heading: str, file: str) -> "Page":
        """The page to which a section links; raises NotAsPromised where it does not, or there is none."""
        links = {path.partition("#")[0] for path in re.findall(r"\]\(([^)]+)\)", self.section(heading))}
        found = [each for each in links if each.rpartition("/")[2] == file]
        demand(found, f"{self}: {heading} does not lead to {file}")
        target = (self.path.parent / found[0]).resolve()
        demand(target.is_file(), f"{self}: {heading} leads to {found[0]}, which does not exist")
        return Page(target)

    def _step(self, heading: str, words: str) -> str:
        steps = [" ".join(each.split()) for each in STEP.split(self.section(heading))]
        found = [each for each in steps if words in each]
        demand(len(found) == 1, f"{self}: {len(found)} steps of {heading} say {words!r}")
        return found[0]

    def _of(self, text: str, where: str) -> list[Command]:
        typed = [shlex.split(block or inline, comments=True) for block, inline in TYPED.findall(text)]
        demand(typed, f"{self}: {where} names no command")
        return [tuple(words) for words in typed]

    def __str__(self) -> str:
        return str(self.path.relative_to(ROOT))


def runbook_of(alarm: Mapping[str, object]) -> Page:
    """The runbook that a deployed alarm names at the end of its description."""
    found = BOOK.search(str(alarm["AlarmDescription"]))
    if found is None or not (ROOT / found[1]).is_file():
        raise AssertionError(f"alarm {alarm['AlarmName']} names no runbook that exists: {alarm['AlarmDescription']}")
    return Page(ROOT / found[1])


def named(command: Command, names: Mapping[str, str], reason: str) -> Command:
    """A runbook's command with the names of this incident in it, and a reason where it leaves that open."""
    return tuple(reason if word == SOMETHING else names.get(word.strip("'\""), word) for word in command)
