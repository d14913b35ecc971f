"""Read one stream of the integration: until its end, or until time is nearly up; then another function goes on."""

from typing import Any

from adapters.wiring import SyncHub
from hub.errors import HubError
from hub.streams import Declared
from sync import running
from sync.comparison import compare_stream
from sync.reconciliation import reconcile_stream
from sync.windows import fill_windows


def sync(request: dict[str, Any], context: Any, hub: SyncHub) -> dict[str, Any]:
    """Do what a schedule, a person or the run before asks for."""
    if "backfill" in request:
        return fill_windows(request, context, hub)
    if "compare" in request or "approve" in request:
        return compare_stream(request, context, hub)
    if "reconcile" in request:
        return reconcile_stream(request, context, hub)
    return sync_stream(request, context, hub)


def sync_stream(request: dict[str, Any], context: Any, hub: SyncHub) -> dict[str, Any]:
    """Answer with how the run went. `request` is Declared.to_request()."""
    if "stream" not in request:
        return {"state": "failed", "reason": "the request names no stream; see Declared.to_request"}
    declared = Declared.from_request(request)
    about: dict[str, object] = {"stream": declared.stream.path}
    held = hub.cursors.take(declared.stream.path, context.aws_request_id, hub.now())
    if held is None:
        hub.telemetry.report("another run reads it", about)
        return {"state": "busy"}
    if held.paused:
        held.leave()
        hub.telemetry.report("paused", about | {"by": held.paused})
        return {"state": "paused", "by": held.paused}
    try:
        pulled = running.pulled_from(declared, held, context, hub)
    except HubError as trouble:
        return running.stopped(trouble, held, about, hub)
    held.leave(running.last_run(pulled, hub))
    told = running.told(pulled)
    hub.telemetry.measure("run ended" if pulled.ended else "run goes on", about | told, running.measured(pulled))
    if not pulled.ended:
        hub.go_on(request)
    return {"state": "ended" if pulled.ended else "goes on", **told}
