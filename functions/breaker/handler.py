"""Tend one destination every minute, and at once when its breaker opens: the breaker, then what is parked for it."""

from typing import Any

from adapters.wiring import BreakerHub
from hub.breaker import OPEN_METRIC, State
from hub.errors import Temporary
from hub.release_parked import release_parked
from hub.tend_breaker import failure_of, tend

ONLY_PROBE = {"probe": True}  # the request of `hub smoke`


def tend_destination(request: dict[str, Any], _context: Any, hub: BreakerHub) -> dict[str, str]:
    """Answer with the breaker's state. What AWS refuses now is tried again in a minute. Asked to probe only, answer why the
    destination does not serve, "" where it does, and change nothing."""
    if request == ONLY_PROBE:
        return {"failure": failure_of(hub.probe)}
    try:
        tended = tend(hub.destination, hub.breakers, hub.limits, hub.valves, hub.notices, hub.probe, hub.now())
    except Temporary as trouble:
        hub.telemetry.warn("not tended", {"reason": str(trouble)}, {"NotTended": 1})
        raise
    is_open = float(tended.breaker.state is not State.CLOSED)
    about = {"state": tended.breaker.state.value, "changed": list(tended.changed), "failure": tended.failure}
    hub.telemetry.report("tended", {name: told for name, told in about.items() if told}, {OPEN_METRIC: is_open})
    if tended.breaker.state is not State.OPEN:
        release(hub)
    return {"state": tended.breaker.state.value}


def release(hub: BreakerHub) -> None:
    """Let go what waited; nothing is released to a destination that is down."""
    try:
        done = release_parked(hub.destination, hub.waiting_room, hub.ledger, hub.flow_queues, hub.notices, hub.now())
    except Temporary as trouble:
        hub.telemetry.warn("not released", {"reason": str(trouble)}, {"NotTended": 1})
        raise
    for reason in done.troubles:
        hub.telemetry.warn("not released", {"reason": reason}, {"NotTended": 1})
    if done.waiting or done.released or done.dead:
        counts = {"ParkedWaiting": done.waiting, "ParkedReleased": done.released, "ParkedDead": done.dead}
        hub.telemetry.report("parked", {}, counts)
