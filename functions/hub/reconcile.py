"""Hold what a source lists against what a destination says, page by page. Nothing is changed here."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from decimal import Decimal
from heapq import nlargest
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self

from hub.connector import Comparable, Difference, Kept, NotWanted, Read, Standing
from hub.errors import NotConfigured, Permanent, Temporary
from hub.events import Event
from hub.pull import pull
from hub.runs import State
from hub.streams import Listing, Stream

if TYPE_CHECKING:
    from hub.records import Record

DIFFERENCES = "Differences"  # the metric: how many the integration's latest reconciliations have found
LARGEST = 10  # findings that are named where not all can be
WAITS_SECONDS = (1.0, 5.0, 20.0)  # between tries of the destination
LONGEST_WAIT_SECONDS = 60.0  # that it may ask for

# missing: the destination has no document; differs: it says something else; behind: it says the same of what was compared,
# and the row's newer version was never applied; unreadable: the row cannot be one of its kind; orphan: a document whose
# entity the source does not list
Kind = Literal["missing", "differs", "behind", "unreadable", "orphan"]
KINDS: tuple[Kind, ...] = ("missing", "differs", "behind", "unreadable", "orphan")  # the most pressing ones first
MEANING: Mapping[str, str] = {
    "missing": "missing",
    "differs": "with other values",
    "behind": "without the newest version",
    "unreadable": "not judged, since the row cannot be read",
    "orphan": "that the source does not list",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """What differs about one entity. `money` is what is at stake, None where that is unknown."""

    kind: Kind
    subject: str  # of an orphan: what is unique of its document
    label: str = ""  # what people call it
    doctype: str = ""
    name: str = ""
    money: Decimal | None = None
    currency: str = ""
    differences: Sequence[Difference] = ()

    def to_json(self) -> dict[str, Any]:
        """For programs; money is text, exactly."""
        return {
            "kind": self.kind,
            "entity": self.subject,
            "label": self.label,
            "doctype": self.doctype,
            "name": self.name,
            "money": None if self.money is None else str(self.money),
            "currency": self.currency,
            "differences": [each._asdict() for each in self.differences],
        }

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        money = None if told["money"] is None else Decimal(told["money"])
        differences = tuple(Difference(**each) for each in told["differences"])
        about = (told["label"], told["doctype"], told["name"])
        return cls(told["kind"], told["entity"], *about, money, told["currency"], differences)

    @property
    def stake(self) -> float:
        """For the order alone: what is unknown comes last."""
        return -1.0 if self.money is None else float(self.money)


@dataclass(frozen=True, slots=True)
class Judged:
    """How one listed row stands. No `finding`: source and destination agree, or the flow does not want it."""

    event: Event
    identity: str
    finding: Finding | None


@dataclass(frozen=True, slots=True)
class Judge:
    """What judging the rows of one stream in one flow takes. `applied` tells the newest version that the hub has brought
    to an end of each subject, "" where it knows none."""

    action: str
    kind: str  # of the stream's records
    read: Read
    destination: Comparable
    applied: Callable[[Sequence[str]], Sequence[str]]

    def judge(self, events: Sequence[Event]) -> list[Judged]:
        """How these rows stand, in their order; asks the destination once for all. Rows that the source lists as deleted
        are left out. Raises Temporary, and NotConfigured for an action that cannot be compared."""
        listed = [event for event in events if not event.type.endswith("/deleted")]
        unread: dict[str, Permanent] = {}
        pairs: list[tuple[Record, Event]] = []
        for event in listed:
            try:
                record = self.read(event, self.kind)
            except NotConfigured:
                raise
            except Permanent as error:
                unread[event.id] = error
                continue
            if not isinstance(record, NotWanted):
                pairs.append((record, event))
        standings = self.destination.standings(self.action, pairs) if pairs else []
        found = {
            event.id: finding
            for (record, event), standing in zip(pairs, standings, strict=True)
            if (finding := _finding(record, event, standing))
        }
        found |= {event.id: _unreadable(event, unread[event.id]) for event in listed if event.id in unread}
        found |= self._behind(pairs, standings)
        return [Judged(event, self.destination.identity(self.action, event), found.get(event.id)) for event in listed]

    def _behind(self, pairs: "Sequence[tuple[Record, Event]]", standings: Sequence[Standing]) -> Mapping[str, Finding]:
        """Documents that say the same, written as of an older version: right where the newer one ended as unchanged."""
        older = [
            (record, event, standing)
            for (record, event), standing in zip(pairs, standings, strict=True)
            if standing.name and not standing.differences and "" < standing.version < event.entity_version
        ]
        applied = self.applied([event.subject for _, event, _ in older]) if older else []
        return {
            event.id: Finding(
                "behind",
                event.subject,
                record.label,
                standing.doctype,
                standing.name,
                differences=[Difference("version", event.entity_version, max(standing.version, version))],
            )
            for (record, event, standing), version in zip(older, applied, strict=True)
            if version < event.entity_version
        }


class Findings(Protocol):
    """What a comparison has found so far, and what was listed."""

    def add(self, judged: Iterable[Judged]) -> None:
        """Remember rows; what was found of an entity before counts no longer."""

    def add_orphans(self, orphans: Iterable[Finding]) -> None:
        """Remember those of the documents that nothing listed stands for."""

    def drop_orphans(self, identities: Iterable[str]) -> None:
        """These are listed after all."""

    def has_orphans(self) -> bool:
        """Whether there are any."""


@dataclass(frozen=True, slots=True)
class Walk:
    """What a comparison needs of the world. `alive` is called with each page, and raises where the work must stop."""

    now: Callable[[], datetime]
    sleep: Callable[[float], None]
    out_of_time: Callable[[], bool] = lambda: False
    alive: Callable[[], object] = lambda: None


def reconcile(
    stream: Stream,
    listing: Listing,
    window: tuple[str, str],
    judge: Judge,
    findings: Findings,
    walk: Walk,
    is_meant: Callable[[Event], bool] = lambda _: True,
) -> bool:
    """Find what differs about the rows whose version lies from the window's first on and before its second; False where
    time was up before all was looked at: then nothing that was found can be relied on. Of orphans, those whose row
    changed since are to be dropped (`drop_moved`). A source may list more than the window; only rows that are meant are
    judged. Raises Temporary, Permanent."""

    def compared(events: Sequence[Event]) -> None:
        findings.add(_patiently(judge, [each for each in events if is_meant(each)], walk.sleep))

    if not _listed(stream, listing, window, walk, compared):
        return False
    for page in judge.destination.kept(judge.action, stream, *window):
        walk.alive()
        if walk.out_of_time():
            return False
        findings.add_orphans(map(orphan, page))
    return True


def drop_moved(stream: Stream, listing: Listing, since: str, judge: Judge, findings: Findings, walk: Walk) -> bool:
    """Drop the orphans whose row bears a version from `since` on; False where time was up before all was looked at."""

    def drop(events: Sequence[Event]) -> None:
        findings.drop_orphans(judge.destination.identity(judge.action, each) for each in events)

    return not findings.has_orphans() or _listed(stream, listing, (since, ""), walk, drop)


def _listed(
    stream: Stream,
    listing: Listing,
    window: tuple[str, str],
    walk: Walk,
    seen: Callable[[Sequence[Event]], None],
) -> bool:
    def keep(state: State) -> State:
        walk.alive()
        return state

    return pull(
        stream,
        listing,
        State(),
        keep=keep,
        queue=seen,
        now=walk.now,
        sleep=walk.sleep,
        out_of_time=walk.out_of_time,
        window=window,
    ).ended


def _patiently(judge: Judge, events: Sequence[Event], sleep: Callable[[float], None]) -> list[Judged]:
    """How these rows stand, in the end: a passing trouble must not end a long comparison."""
    for wait in WAITS_SECONDS:
        try:
            return judge.judge(events)
        except Temporary as error:
            sleep(max(wait, min(error.retry_after_seconds or 0.0, LONGEST_WAIT_SECONDS)))
    return judge.judge(events)


@dataclass(slots=True)
class Tally:
    """Findings in numbers: how many of each kind, what is at stake by kind and currency, and the largest few."""

    rows: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    money: dict[str, dict[str, Decimal]] = field(default_factory=dict)
    largest: list[Finding] = field(default_factory=list)

    @property
    def differences(self) -> int:
        """All of them."""
        return sum(self.counts.values())

    def add(self, rows: int, findings: Iterable[Finding]) -> None:
        """Count what was found among so many more rows."""
        self.rows += rows
        for each in findings:
            self.counts[each.kind] = self.counts.get(each.kind, 0) + 1
            if each.money is not None:
                sums = self.money.setdefault(each.kind, {})
                sums[each.currency] = sums.get(each.currency, Decimal()) + each.money
            self.largest.append(each)
            if len(self.largest) > 10 * LARGEST:
                self._cut()
        self._cut()

    def _cut(self) -> None:
        self.largest = nlargest(LARGEST, self.largest, key=lambda each: (each.stake, -KINDS.index(each.kind)))

    def lines(self) -> Iterator[str]:
        """A sentence for each kind that was found."""
        for kind in KINDS:
            if count := self.counts.get(kind):
                sums = " + ".join(amount(money, unit) for unit, money in sorted(self.money.get(kind, {}).items()))
                yield f"{count:,} {MEANING[kind]}{f': {sums}' if sums else ''}"

    def to_json(self) -> dict[str, Any]:
        """For `from_json`."""
        money = {kind: {unit: str(each) for unit, each in sums.items()} for kind, sums in self.money.items()}
        largest = [each.to_json() for each in self.largest]
        return {"rows": self.rows, "counts": self.counts, "money": money, "largest": largest}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        money = {kind: {unit: Decimal(each) for unit, each in sums.items()} for kind, sums in told["money"].items()}
        return cls(told["rows"], dict(told["counts"]), money, [Finding.from_json(each) for each in told["largest"]])


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """What a stream is held against now and then: the destination of one flow, and which rows of the stream. Rows that
    changed less than `tolerance_seconds` ago may still be on their way."""

    flow: str
    action: str
    record: str  # the kind of the stream's records
    destination: str
    connector: str
    url: str
    settings: Mapping[str, Any]
    window_seconds: float = 7 * 86_400.0
    tolerance_seconds: float = 3_600.0
    beside: Sequence[tuple[str, str]] = ()  # the integration's other ones: stream and flow

    def to_request(self) -> dict[str, Any]:
        """As JSON, for `from_request`."""
        return asdict(self)

    @classmethod
    def from_request(cls, request: Mapping[str, Any]) -> Self:
        """Read what `to_request` wrote; raises TypeError for what it did not."""
        return cls(**{**request, "beside": [(stream, flow) for stream, flow in request.get("beside", ())]})


def amount(money: Decimal, currency: str) -> str:
    """Exactly, with two decimals at least."""
    whole, _, decimals = f"{money:,f}".partition(".")
    return f"{whole}.{decimals.rstrip('0').ljust(2, '0')} {currency}".rstrip()


def orphan(kept: Kept) -> Finding:
    """A document that no listed row stands for."""
    return Finding("orphan", kept.identity, "", kept.doctype, kept.name, kept.money, kept.currency)


def _finding(record: "Record", event: Event, standing: Standing) -> Finding | None:
    if not standing.differences:
        return None
    return Finding(
        "differs" if standing.name else "missing",
        event.subject,
        record.label,
        standing.doctype,
        standing.name,
        standing.money,
        standing.currency,
        standing.differences,
    )


def _unreadable(event: Event, error: Permanent) -> Finding:
    return Finding("unreadable", event.subject, differences=[Difference("row", str(error), "")])
