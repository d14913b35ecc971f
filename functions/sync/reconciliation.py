"""Hold a stretch of a stream against a flow's destination, and tell how many differences there are.

The stretch is gone through as a whole where time allows. Where it does not, half of it is tried next, so that what one
function has not done another one will; what was found lies in the table meanwhile. A document without a row counts only
once no later part lists the row, nor what has changed since.
"""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from adapters.cursors import LEASE_SECONDS, RECONCILIATION, HeldCursor, last_run
from adapters.findings import SqliteFindings
from adapters.wiring import SyncHub
from hub.drain import Messages
from hub.errors import Category, HubError, NotConfigured, Permanent, Temporary
from hub.events import Event, parse_instant, timestamp_version
from hub.reconcile import DIFFERENCES, Finding, Reconciliation, Tally, Walk, amount, drop_moved, reconcile
from hub.streams import Declared, Stream
from sync import running

SHORTEST = timedelta(seconds=1)  # what changed in one second and takes a function longer cannot be compared


MOST_ORPHANS = 2_000  # that may wait to be told: they lie in an item of the table


class TooDense(Permanent):
    """More rows than a function can compare, that nothing divides."""

    category = Category.SYNC_FAILED


@dataclass(slots=True)
class Progress:
    """How far a reconciliation is: rows whose version lies before `at` are done, and `width` is tried next. `orphans`
    may be listed by what comes; beyond MOST_ORPHANS they are `unjudged`."""

    began_at: datetime
    since: datetime
    until: datetime
    at: datetime
    width: timedelta
    tally: Tally = field(default_factory=Tally)
    orphans: list[Finding] = field(default_factory=list)
    unjudged: int = 0

    @property
    def whole(self) -> timedelta:
        """The width of all that is asked for."""
        return self.until - self.since

    @classmethod
    def begun(cls, asked: Reconciliation, now: datetime) -> "Progress":
        """A reconciliation of all that it is asked for."""
        until = now - timedelta(seconds=asked.tolerance_seconds)
        width = timedelta(seconds=asked.window_seconds)
        return cls(now, until - width, until, until - width, width)

    def to_json(self) -> dict[str, Any]:
        """For `from_json`."""
        moments = {name: getattr(self, name).isoformat() for name in ("began_at", "since", "until", "at")}
        orphans = [each.to_json() for each in self.orphans]
        width, tally = self.width.total_seconds(), self.tally.to_json()
        return {**moments, "width": width, "tally": tally, "orphans": orphans, "unjudged": self.unjudged}

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> "Progress":
        """Read what `to_json` wrote."""
        began_at, since, until, at = (parse_instant(told[name]) for name in ("began_at", "since", "until", "at"))
        width, tally = timedelta(seconds=told["width"]), Tally.from_json(told["tally"])
        orphans = [Finding.from_json(each) for each in told["orphans"]]
        return cls(began_at, since, until, at, width, tally, orphans, told["unjudged"])

    def add(self, findings: SqliteFindings, end: datetime) -> None:
        """The part until `end` was gone through."""
        found = list(findings.ranked())
        self.tally.add(findings.listed(), [each for each in found if each.kind != "orphan"])
        orphans = [each for each in found if each.kind == "orphan"]
        self.orphans, self.at = orphans[:MOST_ORPHANS], end
        self.unjudged += len(orphans) - len(self.orphans)


def reconcile_stream(request: dict[str, Any], context: Any, hub: SyncHub) -> dict[str, Any]:
    """Answer with how it went. `request` is Declared.to_request() with `reconcile`: Reconciliation.to_request(); and with
    `goes_on`, the moment at which the reconciliation began that this function goes on with."""
    declared, asked = Declared.from_request(request), Reconciliation.from_request(request["reconcile"])
    about: dict[str, object] = {"stream": declared.stream.path, "flow": asked.flow, "run": "reconciliation"}
    if paused := hub.cursors.read(declared.stream.path).get("paused", {}).get("S", ""):
        hub.telemetry.report("paused", about | {"by": paused})
        return {"state": "paused", "by": paused}
    held = hub.cursors.take(declared.stream.path, context.aws_request_id, hub.now(), record(asked.flow))
    if held is None:
        hub.telemetry.report("another run reconciles it", about)
        return {"state": "busy"}
    goes_on = request.get("goes_on", "")
    if goes_on and held.progress.get("began_at") != goes_on:
        held.leave()
        return {"state": "outdated"}
    progress = Progress.from_json(held.progress) if goes_on else Progress.begun(asked, hub.now())
    try:
        return _reconciled(request, declared, asked, held, progress, context, hub, about)
    except HubError as trouble:
        return running.stopped(trouble, held, about, hub, {"differences": held.last.get("differences", 0)})


def record(flow: str) -> str:
    """The record of a stream's reconciliation with a flow's destination."""
    return f"{RECONCILIATION}{flow}"


def _reconciled(
    request: dict[str, Any],
    declared: Declared,
    asked: Reconciliation,
    held: HeldCursor,
    progress: Progress,
    context: Any,
    hub: SyncHub,
    about: dict[str, object],
) -> dict[str, Any]:
    if not _gone_through(declared, asked, held, progress, context, hub):
        held.leave({"state": "goes on", "at": hub.now().isoformat(), "differences": held.last.get("differences", 0)})
        hub.go_on(request | {"goes_on": progress.began_at.isoformat()})
        hub.telemetry.report("reconciliation goes on", about | {"rows": progress.tally.rows})
        return {"state": "goes on", "rows": progress.tally.rows}
    tally = progress.tally
    told: dict[str, object] = {"rows": tally.rows, "differences": tally.differences}
    told |= {"unjudged": progress.unjudged} if progress.unjudged else {}
    _tell(declared, asked, progress, hub, about | told)
    held.put({}, hub.now())  # what Lambda delivers twice finds nothing to go on with
    held.leave({"state": "ended", "at": hub.now().isoformat(), **told})
    return {"state": "ended", **told}


def _gone_through(
    declared: Declared, asked: Reconciliation, held: HeldCursor, progress: Progress, context: Any, hub: SyncHub
) -> bool:
    """Whether all of it is done by now; what is done is kept."""
    stream, listing = hub.open(declared)
    if isinstance(listing, Messages):
        raise NotConfigured(f"{stream.path} is a list of messages: there is nothing to hold against; drop `reconcile`")
    judge, out_of_time = hub.judge(asked), running.time_of(context)

    def keep() -> None:
        held.put(progress.to_json(), hub.now())

    walk = Walk(hub.now, hub.sleep, out_of_time, alive=_at_most_every(LEASE_SECONDS / 10, keep, hub.now))
    keep()
    is_first = True
    while progress.at < progress.until:
        if out_of_time():
            return False
        end = min(progress.at + progress.width, progress.until)
        window = (timestamp_version(progress.at.isoformat()), timestamp_version(end.isoformat()))
        with closing(SqliteFindings()) as findings:
            is_meant = _meant(window, is_whole=end - progress.at == progress.whole, is_last=end == progress.until)
            if not reconcile(stream, listing, window, judge, findings, walk, is_meant):
                if is_first:  # it had a function's whole time
                    progress.width = _half(end - progress.at, stream)
                    keep()
                return False
            findings.add_orphans(progress.orphans)  # which this part may have listed
            progress.add(findings, end)
        is_first = False
        keep()
    with closing(SqliteFindings()) as findings:
        findings.add_orphans(progress.orphans)
        if not drop_moved(stream, listing, timestamp_version(progress.until.isoformat()), judge, findings, walk):
            if is_first:
                raise TooDense(f"{stream.path}: more rows changed since {progress.until} than a function can list")
            return False
        progress.tally.add(0, findings.ranked())
        progress.orphans = []
    return True


def _meant(window: tuple[str, str], *, is_whole: bool, is_last: bool) -> Callable[[Event], bool]:
    """Says which rows a part counts, so that no two do, though a source may list more than it is asked for: those
    without a version count with the last part."""

    def is_meant(event: Event) -> bool:
        version = event.entity_version
        return is_whole or (window[0] <= version < window[1] if version else is_last)

    return is_meant


def _half(width: timedelta, stream: Stream) -> timedelta:
    if stream.mode == "full":
        raise TooDense(f"{stream.path} lists all its rows each time, more than a function can compare")
    if width <= SHORTEST:
        raise TooDense(f"{stream.path}: more rows changed within {SHORTEST.seconds} s than a function can compare")
    return max(width / 2, SHORTEST)


def _at_most_every(seconds: float, call: Callable[[], None], now: Callable[[], datetime]) -> Callable[[], None]:
    due = now() + timedelta(seconds=seconds)

    def sometimes() -> None:
        nonlocal due
        if now() >= due:
            due = now() + timedelta(seconds=seconds)
            call()

    return sometimes


def _tell(
    declared: Declared, asked: Reconciliation, progress: Progress, hub: SyncHub, about: dict[str, object]
) -> None:
    """The metric, the largest few in the log, and a notice. Should that fail, the alarm rings all the same."""
    tally = progress.tally
    others = sum(_latest(stream, flow, hub) for stream, flow in asked.beside)
    largest = [_shown(each) for each in tally.largest]
    counts = {DIFFERENCES: tally.differences + others}
    hub.telemetry.report(
        "reconciliation ended", about | {"counts": tally.counts} | ({"largest": largest} if largest else {}), counts
    )
    if not tally.differences:
        return
    try:
        hub.tell(*notice(declared, asked, progress))
    except Temporary as error:
        hub.telemetry.warn("operators were not told of the differences", about | {"reason": str(error)})


def _latest(stream: str, flow: str, hub: SyncHub) -> int:
    return int(last_run(hub.cursors.read(stream, record(flow))).get("differences", 0))


def _shown(finding: Finding) -> dict[str, str]:
    """Without what a field says: it may be a person's."""
    told = {
        "kind": finding.kind,
        "entity": finding.subject,
        "document": finding.name,
        "money": "" if finding.money is None else amount(finding.money, finding.currency),
        "fields": ", ".join(each.field for each in finding.differences),
    }
    return {name: value for name, value in told.items() if value}


def notice(declared: Declared, asked: Reconciliation, progress: Progress) -> tuple[str, str]:
    """What operators are told: subject and text, with keys and amounts, and no word of what a field says."""
    path, tally = declared.stream.path, progress.tally
    since, until = (f"{each:%Y-%m-%dT%H:%M:%SZ}" for each in (progress.since, progress.until))
    are = "1 difference" if tally.differences == 1 else f"{tally.differences:,} differences"
    wanted = ("kind", "entity", "document", "money")
    largest = ["  ".join(each[name] for name in wanted if name in each) for each in map(_shown, tally.largest)]
    stated = f"{declared.stream.integration} {declared.stream.name} --flow {asked.flow} --from {since} --to {until}"
    lines = [
        f"{path} lists {tally.rows:,} rows that changed from {since} to {until}. In {asked.destination} are:",
        *(f"  {line}" for line in tally.lines()),
        "",
        "The largest:" if tally.differences > len(largest) else "They are:",
        *(f"  {line}" for line in largest),
        "",
        f"Look, and repair what you choose: hub reconcile {stated}",
    ]
    return f"{path}: {are} in {asked.destination}", "\n".join(lines)
