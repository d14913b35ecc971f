"""Tend a destination's breaker: pause its flows while it is open, probe, and let them flow again."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from hub.breaker import Breaker, Breakers, Limits, State, probe_is_due, probed, restored
from hub.dead_letter import Notices
from hub.errors import HubError, Temporary

HALF_OPEN_CONCURRENCY = 2  # AWS allows no fewer


class Valves(Protocol):
    """The reading of flows' queues; raises Temporary where AWS refuses."""

    def set(self, flow: str, *, enabled: bool, max_concurrency: int) -> bool:
        """Read a flow's queue or not, by at most so many functions; says whether that is a change. Repeating it is
        safe. A flow that an operator paused stays paused."""


@dataclass(frozen=True, slots=True)
class Tended:
    """What tending found and did."""

    breaker: Breaker
    changed: tuple[str, ...]  # flows whose reading was changed
    failure: str = ""  # of the probe


def tend(
    destination: str,
    breakers: Breakers,
    limits: Limits,
    valves: Valves,
    notices: Notices,
    probe: Callable[[], None],  # raises HubError where the destination does not serve
    now: datetime,
) -> Tended:
    """Bring the reading of the flows that met the outage in line with the breaker, after a probe where one is due.

    Safe to repeat, also side by side: first the flows are paused, then one of those who tend tells people of the new
    state, and a notice that fails is repeated.
    """
    breaker, failure = breakers.read(destination), ""
    if probe_is_due(breaker, now):
        failure = failure_of(probe)
        after = probed(breaker, failure, now, limits)
        if breakers.write(destination, after):
            breaker = replace(after, version=after.version + 1)
    changed = [
        flow
        for flow, configured in breaker.flows.items()
        if valves.set(flow, enabled=breaker.state is not State.OPEN, max_concurrency=_concurrency(breaker, configured))
    ]
    if breaker.state is not breaker.told:
        _tell(destination, breaker, breakers, notices)
    elif breaker.state is State.CLOSED and breaker.flows and not changed:
        breakers.write(destination, restored(breaker))  # only once a run has found nothing left to change
    return Tended(breaker, tuple(changed), failure)


def failure_of(probe: Callable[[], None]) -> str:
    """Why a destination does not serve; "" where it does."""
    try:
        probe()
    except HubError as error:
        return str(error)
    return ""


def _concurrency(breaker: Breaker, configured: int) -> int:
    return configured if breaker.state is State.CLOSED else HALF_OPEN_CONCURRENCY


def _tell(destination: str, breaker: Breaker, breakers: Breakers, notices: Notices) -> None:
    """Tell people of a breaker's state, unless somebody else does: who writes it down first tells."""
    if not breakers.write(destination, replace(breaker, told=breaker.state)):
        return
    subject, text = _notice(destination, breaker)
    try:
        notices.tell(subject, text)
    except Temporary:
        mine = breakers.read(destination)
        breakers.write(destination, replace(mine, told=breaker.told))
        raise


def _notice(destination: str, breaker: Breaker) -> tuple[str, str]:
    flows = ", ".join(sorted(breaker.flows))
    if breaker.state is State.OPEN:
        text = (
            f"{destination} does not serve: {breaker.reason}\n\nIts flows are paused ({flows}). Events wait on their "
            "queues and lose nothing; it is asked every few minutes and they go on by themselves.\n\n"
            "Look: hub flow status"
        )
        return f"{destination} is unavailable", text
    if breaker.state is State.HALF_OPEN:
        return f"{destination} answers again", f"The flows to {destination} go on slowly: {flows}."
    return f"{destination} works again", f"The flows to {destination} are back at full speed: {flows}."
