"""What every run of a stream has: how long it may go on, and what is told of it."""

from collections.abc import Callable, Mapping
from typing import Any

from adapters.cursors import HeldCursor
from adapters.telemetry import Measured
from adapters.wiring import SyncHub
from hub.drain import Messages, drain
from hub.errors import Category, HubError, Temporary
from hub.metrics import INTEGRATION, STREAM
from hub.pull import Pulled, pull
from hub.runs import LeaseLost, Run
from hub.streams import Declared

SPARE_SECONDS = 90.0  # one page with all its tries, and what is to be kept of it


def time_of(context: Any) -> Callable[[], bool]:
    """Says whether a function's time is nearly up."""
    return lambda: context.get_remaining_time_in_millis() / 1000 < SPARE_SECONDS


def pulled_from(
    declared: Declared,
    held: HeldCursor,
    context: Any,
    hub: SyncHub,
    window: tuple[str, str] | None = None,
) -> Pulled:
    """Pull a stream, or a window of it, under its lease; raises as `pull`. The journal of a stream that is compared now
    and then is told what is about to be queued."""
    stream, source = hub.open(declared)
    out_of_time = time_of(context)
    keep = lambda state: held.keep(state, hub.now())  # noqa: E731 - a name for it
    if isinstance(source, Messages):
        return drain(stream, source, held.state, keep=keep, queue=hub.queue, now=hub.now, out_of_time=out_of_time)
    journal = None
    if declared.is_compared:
        journal = hub.inventories(context.aws_request_id).journal(stream.integration, stream.name)
    return pull(
        stream,
        source,
        held.state,
        keep=keep,
        queue=hub.queue,
        now=hub.now,
        sleep=hub.sleep,
        out_of_time=out_of_time,
        window=window,
        note=journal,
    )


def told(pulled: Pulled) -> dict[str, object]:
    """How a run went, in its line of the log and in its answer."""
    run: Run = pulled.run
    return {
        "watermark": pulled.state.watermark,
        "pages": run.pages,
        "rows": run.rows,
        "queued": run.queued,
        "unversioned": run.unversioned,
        "passes": run.passes,
    } | ({"new_fields": list(run.new_fields)} if run.new_fields else {})


def counts(pulled: Pulled) -> dict[str, float]:
    """The metrics of a run."""
    return {"RowsListed": pulled.run.rows, "RowsQueued": pulled.run.queued, "RowsUnversioned": pulled.run.unversioned}


def measured(pulled: Pulled) -> list[Measured]:
    """The metrics of a scheduled run; that it ended is told by stream, so that a late one is seen."""
    ended = {"RunsEnded": 1} if pulled.ended else {}
    return [Measured(counts(pulled), [INTEGRATION]), Measured(ended, [INTEGRATION, STREAM])]


def last_run(pulled: Pulled, hub: SyncHub) -> dict[str, object]:
    """How a run went, kept beside the cursor for people."""
    state = "ended" if pulled.ended else "goes on"
    return {"state": state, "at": hub.now().isoformat(), "rows": pulled.run.rows, "queued": pulled.run.queued}


def failed(trouble: HubError, hub: SyncHub) -> dict[str, object]:
    """As `last_run`, of a run that failed."""
    return {"state": "failed", "at": hub.now().isoformat(), "reason": f"{trouble.code}: {trouble}"}


def leave(end: Callable[[dict[str, object]], None], last: dict[str, object]) -> None:
    """End a lease; one that cannot be ended ends by itself."""
    try:
        end(last)
    except Temporary:
        return


def stopped(
    trouble: HubError,
    held: HeldCursor,
    about: Mapping[str, object],
    hub: SyncHub,
    more: Mapping[str, object] | None = None,
) -> dict[str, Any]:
    """The answer of a run that came to no end. A lost lease is another run's by now, any other is ended, and `more` kept
    of it."""
    if isinstance(trouble, LeaseLost):
        hub.telemetry.warn("run stopped", {**about, "reason": str(trouble)})
        return {"state": "lost"}
    leave(held.leave, failed(trouble, hub) | dict(more or {}))
    limited = {"RateLimitHits": 1} if trouble.category is Category.RATE_LIMIT_EXCEEDED else {}
    told = {**about, "code": trouble.code, "category": str(trouble.category), "reason": str(trouble)}
    hub.telemetry.warn("run failed", told, {"RunsFailed": 1, **limited})
    return {"state": "failed", "reason": f"{trouble.code}: {trouble}"}
