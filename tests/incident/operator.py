"""Somebody at a terminal with the `hub` command and a runbook."""

import json
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from cli.main import app
from tests.incident.alarms import rfc3339
from tests.incident.judging import demand
from tests.incident.runbooks import Command, named

MAY_FIND_FAULTS = "doctor"  # exit code 1 says that something is wrong, not that the command failed
WHY = "as the runbook says"


@dataclass
class Operator:
    """Types the commands of one stage. What was typed is kept for the report."""

    config: Path
    typed: list[str] = field(default_factory=list)

    def types(self, command: Command, *more: str, stdin: str = "") -> str:
        """Type a command, with what the runbook leaves open; what it says. Raises NotAsPromised where it fails."""
        words = [*command[1:], *more]
        self.typed.append(" ".join(("hub", *words)))
        done = CliRunner().invoke(app, [*words, "--config", str(self.config)], input=stdin)
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        fine = (0, 1) if words[0] == MAY_FIND_FAULTS else (0,)
        demand(done.exit_code in fine, f"`{self.typed[-1]}` ends with {done.exit_code}: {done.output.strip()}")
        return done.stdout

    def follows(self, commands: list[Command], names: dict[str, str], *more: str, stdin: str = "") -> str:
        """Type each of a runbook's commands with this incident's names; all that they say,
        however its lines are broken."""
        said = [self.types(named(each, names, WHY), *more, stdin=stdin) for each in commands]
        return " ".join(" ".join(said).split())

    def balance(self, since: datetime) -> list[dict[str, Any]]:
        """`hub audit --since`: the account of each flow. Exit code 1, where an event is unaccounted for, is raised."""
        flows: list[dict[str, Any]] = json.loads(
            self.types(("hub", "audit"), "--since", rfc3339(since), "--json")
        )["flows"]  # fmt: skip
        return flows

    def deeds(self, since: datetime) -> list[dict[str, Any]]:
        """`hub audit report`: who did what."""
        told = self.types(("hub", "audit", "report"), "--from", rfc3339(since), "--format", "json")
        found: list[dict[str, Any]] = json.loads(told)
        return found
