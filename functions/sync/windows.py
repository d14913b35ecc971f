"""Read the windows of a backfill, one after the other, until none is left or time is up; several functions may do so at
the same time."""

from typing import Any

from adapters.backfills import Taken
from adapters.wiring import SyncHub
from hub.errors import HubError
from hub.runs import LeaseLost
from hub.streams import Declared
from sync import running

WAIT_SECONDS = 20.0  # after a window that failed: the source may need a rest


def fill_windows(request: dict[str, Any], context: Any, hub: SyncHub) -> dict[str, Any]:
    """Answer with how many windows were read. `request` is Declared.to_request() with `backfill`: its id, and how many
    windows may be read at the same time."""
    declared, backfill = Declared.from_request(request), request["backfill"]
    stream, out_of_time = declared.stream.path, running.time_of(context)
    done = failed = 0
    while not out_of_time():
        if paused := hub.cursors.read(stream).get("paused", {}).get("S", ""):
            return {"state": "paused", "by": paused, "windows": done}
        taken = hub.backfills.take(stream, backfill["id"], backfill["parallel"], context.aws_request_id, hub.now())
        if taken is None:
            return {"state": "ended", "windows": done, "failed": failed}
        about = {"stream": stream, "backfill": backfill["id"], "window": taken.window.number}
        try:
            done += _read(declared, taken, context, about, hub)
        except LeaseLost as lost:
            hub.telemetry.warn("run stopped", about | {"reason": str(lost)})
        except HubError as trouble:
            failed += 1
            running.leave(taken.held.fail, running.failed(trouble, hub))
            hub.telemetry.warn("run failed", about | {"code": trouble.code, "reason": str(trouble)}, {"RunsFailed": 1})
            hub.sleep(WAIT_SECONDS)
    hub.go_on(request)
    return {"state": "goes on", "windows": done, "failed": failed}


def _read(declared: Declared, taken: Taken, context: Any, about: dict[str, object], hub: SyncHub) -> bool:
    """Whether the window was read to its end."""
    window = (taken.window.since, taken.window.until)
    pulled = running.pulled_from(declared, taken.held, context, hub, window)
    last = running.last_run(pulled, hub)
    if pulled.ended:
        taken.held.end(last)
    else:
        taken.held.leave(last)
    message = "window ended" if pulled.ended else "window goes on"
    hub.telemetry.report(message, about | running.told(pulled), running.counts(pulled))
    return pulled.ended
