"""Check one integration every few minutes; what it counts is what alarms watch, its silence included."""

from typing import Any

from adapters.wiring import HealthHub
from hub.check_health import Checked, check_health
from hub.health import AVAILABLE_METRIC, HEALTH_METRIC, MENDED_METRIC, MILLISECONDS_METRIC, worst


def check_integration(_request: dict[str, Any], _context: Any, hub: HealthHub) -> dict[str, Any]:
    """Answer with how the integration is."""
    checked = check_health(hub.integration, hub.looks, hub.records, hub.mending, hub.monotonic, hub.now())
    about = {"status": checked.record.status.value, "why": worst(checked.record.parts), "mended": list(checked.mended)}
    hub.telemetry.report("checked", {name: told for name, told in about.items() if told}, _counts(checked))
    for trouble in checked.troubles:
        hub.telemetry.warn("not done, the next check does it", {"reason": trouble})
    return about


def _counts(checked: Checked) -> dict[str, float]:
    counts: dict[str, float] = {
        AVAILABLE_METRIC: float(checked.record.available),
        HEALTH_METRIC: checked.record.status.level,
    }
    if checked.milliseconds is not None:
        counts[MILLISECONDS_METRIC] = round(checked.milliseconds)
    if checked.mended:
        counts[MENDED_METRIC] = len(checked.mended)
    return counts
