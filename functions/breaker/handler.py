"""Tend the breaker of one destination: every minute, and at once when it opens."""

from typing import Any

from adapters.wiring import BreakerHub
from hub.errors import Temporary
from hub.tend_breaker import tend


def tend_destination(_request: dict[str, Any], _context: Any, hub: BreakerHub) -> dict[str, str]:
    """Answer with the breaker's state. What AWS refuses now is tried again in a minute."""
    try:
        tended = tend(hub.destination, hub.breakers, hub.limits, hub.valves, hub.notices, hub.probe, hub.now())
    except Temporary as trouble:
        hub.telemetry.warn("not tended", {"reason": str(trouble)}, {"NotTended": 1})
        raise
    is_open = float(tended.breaker.state != "closed")
    about = {"state": tended.breaker.state.value, "changed": list(tended.changed), "failure": tended.failure}
    hub.telemetry.report("tended", {name: told for name, told in about.items() if told}, {"BreakerOpen": is_open})
    return {"state": tended.breaker.state.value}
