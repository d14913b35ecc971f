"""Compare all of a stream with what was queued of it, and tell as deleted what a person has approved."""

from typing import Any

from adapters.cursors import COMPARISON, HeldCursor
from adapters.wiring import SyncHub
from hub.compare import Compared, compare, tell_gone
from hub.drain import Messages
from hub.errors import HubError, NotConfigured
from hub.orphans import Judgement
from hub.runs import Run
from hub.streams import Declared
from sync import running

SHOWN = 1_000  # orphans that are named where a person is asked: they fit an item of the table


def compare_stream(request: dict[str, Any], context: Any, hub: SyncHub) -> dict[str, Any]:
    """Answer with how the comparison went. `request` is Declared.to_request() with `compare`; or with `approve`, which
    names the comparison whose orphans are to be told as deleted."""
    declared = Declared.from_request(request)
    about: dict[str, object] = {"stream": declared.stream.path, "run": COMPARISON}
    if paused := hub.cursors.read(declared.stream.path).get("paused", {}).get("S", ""):
        hub.telemetry.report("paused", about | {"by": paused})
        return {"state": "paused", "by": paused}
    held = hub.cursors.take(declared.stream.path, context.aws_request_id, hub.now(), COMPARISON)
    if held is None:
        hub.telemetry.report("another run compares it", about)
        return {"state": "busy"}
    try:
        if approved := request.get("approve"):
            return _approved(declared, held, approved, about, context, hub)
        return _compared(declared, held, request, about, context, hub)
    except HubError as trouble:
        return running.stopped(trouble, held, about, hub)


def _compared(
    declared: Declared, held: HeldCursor, request: dict[str, Any], about: dict[str, object], context: Any, hub: SyncHub
) -> dict[str, Any]:
    stream, listing = hub.open(declared)
    if isinstance(listing, Messages):
        raise NotConfigured(f"{stream.path} is a list of messages: there is nothing to compare; take `compare` off it")
    with hub.inventories(context.aws_request_id).opened(stream.integration, stream.name) as inventory:
        done = compare(
            stream,
            listing,
            held.state,
            inventory,
            declared.orphans,
            keep=lambda state: held.keep(state, hub.now()),
            queue=hub.queue,
            now=hub.now,
            sleep=hub.sleep,
            out_of_time=running.time_of(context),
        )
        if done.pulled.ended:
            waiting = [each.key for each in inventory.missing()] if done.verdict.judgement is Judgement.WAIT else []
            held.ask(done.pulled.run.began_at.isoformat(), waiting[:SHOWN], len(waiting))
    told = running.told(done.pulled) | _of_orphans(done)
    held.leave(running.last_run(done.pulled, hub) | _of_orphans(done))
    message = "comparison ended" if done.pulled.ended else "comparison goes on"
    hub.telemetry.report(message, about | told, running.counts(done.pulled) | _counts(done))
    if not done.pulled.ended:
        hub.go_on(request)
    return {"state": "ended" if done.pulled.ended else "goes on", **told}


def _approved(
    declared: Declared,
    held: HeldCursor,
    approved: dict[str, str],
    about: dict[str, object],
    context: Any,
    hub: SyncHub,
) -> dict[str, Any]:
    stream, run = declared.stream, Run(began_at=hub.now(), since="")
    with hub.inventories(context.aws_request_id).opened(stream.integration, stream.name) as inventory:
        if not inventory.fetch() or inventory.compared_at != approved["comparison"]:
            held.leave()
            hub.telemetry.warn("approval is of an earlier comparison", about)
            return {"state": "outdated"}
        told = tell_gone(stream, inventory, run, queue=hub.queue, now=hub.now)
        inventory.store(run)
    held.ask("", [], 0)
    last = {"state": "ended", "at": hub.now().isoformat(), "rows": 0, "queued": 0, "orphans": told}
    held.leave(last | {"why": f"{told:,} rows approved by {approved['by']}: {approved['reason']}"})
    hub.telemetry.report("orphans told as deleted", about | {"orphans": told} | approved, {"OrphansTold": told})
    return {"state": "ended", "orphans": told}


def _of_orphans(done: Compared) -> dict[str, object]:
    if not done.pulled.ended:
        return {}
    return {"orphans": done.orphans, "judgement": str(done.verdict.judgement), "why": done.verdict.why}


def _counts(done: Compared) -> dict[str, float]:
    if not done.pulled.ended:
        return {}
    told = done.orphans if done.verdict.judgement is Judgement.GO else 0
    return {"RowsDiffered": done.pulled.run.queued, "OrphansTold": told, "OrphansLeft": done.orphans - told}
