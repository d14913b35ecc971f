"""What is demanded of an incident, and what was seen of it."""

from collections.abc import Callable
from dataclasses import dataclass, field

PHASES = ("detected", "alarmed", "repaired", "audited")


class NotAsPromised(AssertionError):
    """The hub, an alarm or a runbook did not do what it says."""


def demand(fulfilled: object, sentence: str) -> None:
    """Raise NotAsPromised with the sentence unless fulfilled."""
    if not fulfilled:
        raise NotAsPromised(sentence)


@dataclass
class Findings:
    """What was seen of one incident, by phase, in the order of seeing."""

    title: str
    told: Callable[[str], None]
    rows: list[tuple[str, str]] = field(default_factory=list)

    def saw(self, phase: str, what: str) -> None:
        """Keep what was seen in one of PHASES."""
        self.rows.append((phase, what))
        self.told(f"{self.title}: {what}")

    def check_whole(self) -> None:
        """Raise NotAsPromised where a phase was not seen at all."""
        missing = [phase for phase in PHASES if phase not in dict(self.rows)]
        demand(not missing, f"{self.title} was not {', not '.join(missing)}")
