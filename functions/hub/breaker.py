"""The circuit breaker of a destination: shared by all its flows, so that an outage burns nothing.

    closed ──(so many calls in a row found it unavailable)─► open ──(a probe succeeds)──► half-open
       ▲                                                       ▲ └─(a probe fails: wait longer)   │
       └──────────────(events are applied again)───────────────┼──────────────────────────────────┘
                                                               └──(still unavailable)─────────────┘

Open: the queues of the flows that meet it are not read, so that no event uses up its receives; a probe asks now and then. Half-open: they
are read by as few functions as AWS allows. Pure: every function gives the next state.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

OPEN_METRIC = "BreakerOpen"  # 1 unless a breaker is closed; an alarm rings on it
LONGEST_PAUSE_SECONDS = 3_600.0  # of what it asked for: ERPNext's limiter counts in windows of an hour at most


@dataclass(frozen=True, slots=True)
class Limits:
    """When a breaker opens, and how soon its destination is asked again."""

    strikes: int = 5  # fewer would open on one slow moment of a destination, more would burn receives
    first_probe_seconds: float = 30.0
    longest_probe_seconds: float = 300.0  # a destination that is back is noticed within five minutes


class State(StrEnum):
    """How much of a destination's traffic flows."""

    CLOSED = "closed"  # all of it
    OPEN = "open"  # none
    HALF_OPEN = "half_open"  # a little


@dataclass(frozen=True, slots=True)
class Breaker:
    """The state of one destination. `version` counts its changes, so that two writers cannot overwrite each other."""

    state: State = State.CLOSED
    strikes: int = 0  # calls in a row that found the destination unavailable
    reason: str = ""  # of the last strike
    changed_at: datetime | None = None
    probes: int = 0  # that failed, or were followed by another outage, since it last worked
    probe_at: datetime | None = None
    flows: Mapping[str, int] = field(default_factory=dict)  # that met the outage → their configured max_concurrency
    told: State = State.CLOSED  # what people were told last
    version: int = 0

    @property
    def pristine(self) -> bool:
        """Whether nothing is left of an outage: a success would change nothing, and all flows are read as configured."""
        return self.state is State.CLOSED and self.strikes == 0 and not self.flows


class Breakers(Protocol):
    """Where breakers are kept; raises LedgerUnavailable."""

    def read(self, destination: str) -> Breaker:
        """The breaker of a destination; a new one if there is none yet."""

    def write(self, destination: str, breaker: Breaker) -> bool:
        """Keep a state that was derived from the one read before; False if another writer was faster."""


def struck(
    breaker: Breaker, strikes: int, reason: str, now: datetime, limits: Limits, wait_seconds: float = 0.0
) -> Breaker:
    """After `strikes` calls, and no successful one among them, found the destination unavailable. `wait_seconds` is the
    pause that it asked for itself."""
    if breaker.state is State.OPEN:
        return breaker
    counted = replace(breaker, strikes=breaker.strikes + strikes, reason=reason)
    if breaker.state is State.HALF_OPEN:  # it was back for a moment only: ask less often
        return _opened(replace(counted, probes=breaker.probes + 1), now, limits, wait_seconds)
    return _opened(counted, now, limits, wait_seconds) if counted.strikes >= limits.strikes else counted


def succeeded(breaker: Breaker, now: datetime) -> Breaker:
    """After the destination took an event. An open breaker stays open: what succeeded may have begun before it opened,
    and the probe will tell."""
    if breaker.state is State.OPEN or (breaker.state is State.CLOSED and breaker.strikes == 0):
        return breaker
    changed_at = now if breaker.state is State.HALF_OPEN else breaker.changed_at
    return Breaker(State.CLOSED, changed_at=changed_at, flows=breaker.flows, told=breaker.told, version=breaker.version)


def met_by(breaker: Breaker, flow: str, max_concurrency: int) -> Breaker:
    """After a flow has met the open breaker: it is one of those that are paused, and restored in the end."""
    if breaker.state is not State.OPEN or flow in breaker.flows:
        return breaker
    return replace(breaker, flows={**breaker.flows, flow: max_concurrency})


def restored(breaker: Breaker) -> Breaker:
    """After all flows are read as configured again."""
    return replace(breaker, flows={}) if breaker.state is State.CLOSED else breaker


def probe_is_due(breaker: Breaker, now: datetime) -> bool:
    """Whether an open breaker's destination should be asked now."""
    return breaker.state is State.OPEN and (breaker.probe_at is None or now >= breaker.probe_at)


def probed(breaker: Breaker, failure: str, now: datetime, limits: Limits) -> Breaker:
    """After a probe; `failure` is "" where the destination answered well."""
    if breaker.state is not State.OPEN:
        return breaker
    if not failure:
        return replace(breaker, state=State.HALF_OPEN, strikes=0, changed_at=now, probe_at=None)
    probes = breaker.probes + 1
    return replace(breaker, reason=failure, probes=probes, probe_at=now + _probe_wait(probes, limits))


def _opened(breaker: Breaker, now: datetime, limits: Limits, wait_seconds: float) -> Breaker:
    asked_for = timedelta(seconds=min(wait_seconds, LONGEST_PAUSE_SECONDS))
    wait = max(_probe_wait(breaker.probes, limits), asked_for)
    return replace(breaker, state=State.OPEN, changed_at=now, probe_at=now + wait)


def _probe_wait(probes: int, limits: Limits) -> timedelta:
    return timedelta(seconds=min(limits.first_probe_seconds * 2.0 ** min(probes, 10), limits.longest_probe_seconds))
