"""Deliver behind the destination's breaker and at its pace: what is open is not tried, and what is tried moves both."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from hub.breaker import Breaker, Breakers, Limits, State, met_by, struck, succeeded
from hub.deliver import SAID_ALREADY
from hub.deliver_batch import Again, Batch, Received
from hub.errors import LedgerUnavailable, Unavailable
from hub.ledger import Outcome
from hub.pace import Pace, Pacer

ANSWERED = {Outcome.APPLIED, Outcome.UNCHANGED, Outcome.DEAD}  # ends that the destination had a part in
WRITES = 5  # against other functions that move the same breaker


class Standing(NamedTuple):
    """How a destination stands."""

    breaker: Breaker
    pace: Pace


class Standings(Breakers, Protocol):
    """Where breakers and paces are kept side by side; raises LedgerUnavailable."""

    def standing(self, destination: str) -> Standing:
        """Both, in one look; new ones where there are none yet."""

    def write_pace(self, destination: str, pace: Pace) -> bool:
        """Keep a pace that was cut from the one read before; False if another function was faster."""


@dataclass(frozen=True, slots=True)
class Guard:
    """A flow's place behind its destination's breaker and pace."""

    flow: str
    max_concurrency: int  # as configured: what is restored after an outage
    destination: str
    standings: Standings
    limits: Limits
    wake: Callable[[], None]  # who pauses the flows of an open breaker
    pacer: Pacer


def deliver_guarded(
    batch: Sequence[Received],
    guard: Guard,
    deliver: Callable[[Sequence[Received]], Batch],
    now: Callable[[], datetime],
    seconds_left: Callable[[], float],
) -> Batch:
    """Deliver a batch if the breaker lets it. Where it is open, or opens, the flow is counted among those to pause, and
    who does that is woken. Where the batch met trouble that fewer calls would have spared, the pace is cut for all.
    What cannot be read or written of either stops no event: it saves receives, not documents."""
    try:
        breaker, pace = guard.standings.standing(guard.destination)
    except LedgerUnavailable:
        guard.pacer.begin(None, seconds_left)
        return deliver(batch)
    guard.pacer.begin(pace, seconds_left)
    is_open = breaker.state is State.OPEN
    result = _wait_for_probe(batch, breaker, guard.limits, now()) if is_open else deliver(batch)
    cut = guard.pacer.end()
    with suppress(LedgerUnavailable):  # the next batch counts again
        if cut:
            guard.standings.write_pace(guard.destination, cut)  # who was faster met the same trouble
        _move(breaker, result, guard, now())
    return result


def _wait_for_probe(batch: Sequence[Received], breaker: Breaker, limits: Limits, now: datetime) -> Batch:
    """What arrives between the opening and the pause waits until the probe has been: it costs one receive."""
    left = (breaker.probe_at - now) if breaker.probe_at else timedelta(0)
    wait = max(left.total_seconds(), limits.first_probe_seconds)
    error = Unavailable(f"the breaker is open: {breaker.reason}")
    return Batch((), (), tuple(Again(received, wait, error) for received in batch))


def _move(breaker: Breaker, result: Batch, guard: Guard, now: datetime) -> None:
    """Move the breaker as the batch tells."""
    for _ in range(WRITES):
        after = met_by(_judged(breaker, result, guard.limits, now), guard.flow, guard.max_concurrency)
        if after == breaker:
            return
        if guard.standings.write(guard.destination, after):
            if after.state is State.OPEN:
                guard.wake()
            return
        breaker = guard.standings.read(guard.destination)


def _judged(breaker: Breaker, result: Batch, limits: Limits, now: datetime) -> Breaker:
    if any(entry.outcome in ANSWERED and entry.rule != SAID_ALREADY for entry in result.ended):
        return succeeded(breaker, now)
    strikes = [again.error for again in result.again if isinstance(again.error, Unavailable)]
    strikes += result.no_answers
    if not strikes:
        return breaker
    longest = max(error.retry_after_seconds or 0.0 for error in strikes)
    return struck(breaker, len({id(error) for error in strikes}), str(strikes[-1]), now, limits, longest)
