"""Files of rows: each good row becomes an event, each bad row comes back with what is wrong with it.

A file is known by the hash of its content, so that the same one twice does nothing. It is worked on in portions: first a
portion's rows are queued, or kept as rejected, then, and only then, the progress moves on. Where time is up, another
function goes on from there.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import Any, BinaryIO, Protocol

from hub import names
from hub.dead_letter import Notices
from hub.errors import Category, Permanent, Temporary
from hub.events import Event, timestamp_version
from hub.streams import Stream

PORTION = 2_000  # rows
MOST_REASON_CHARS = 1_000  # it may name every column of a header
MOST_FILE_BYTES = 400_000_000  # a function's disk holds 512 MB


class FileRefused(Permanent):
    """A file that cannot be read as the table that it should be; nothing of it, or nothing more of it, is queued."""

    category = Category.DATA_VALIDATION_FAILED


class FileGone(Permanent):
    """The file is no longer in the inbox: another function has put it away."""


class FileHeld(Temporary):
    """A function works on the file, or on one with the same content, which lies at `key`; or it died lately."""

    def __init__(self, key: str) -> None:
        super().__init__(f"{key} is being worked on, or was until its function died", retry_after_seconds=300)


@dataclass(frozen=True, slots=True)
class GoodRow:
    """A row that its settings understand, as JSON. `number` is what a spreadsheet calls it."""

    number: int
    key: str
    data: bytes


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row as it stood, and what is wrong with it, in a sentence that quotes nothing of it."""

    number: int
    cells: Sequence[Any]
    error: str


class Table(Protocol):
    """A file as its connector reads it."""

    row_count: int

    @property
    def facts(self) -> Mapping[str, object]:
        """How the file was read, for people."""

    @property
    def tells_of_success(self) -> bool: ...

    def rows(self, after: int) -> Iterator[GoodRow | BadRow]:
        """The rows behind row `after`, in the file's order; raises FileRefused where the rest cannot be read."""

    def rejected_header(self) -> bytes:
        """The beginning of a file with rejected rows."""

    def rejected(self, rows: Sequence[BadRow]) -> bytes:
        """Bad rows as they stand in such a file."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """A file that lies in the inbox, fetched; of one that is too large, no more than its size. `again` is not empty
    where a person wants it applied once more; `tag` tells this content at this key from any later one."""

    key: str
    file: BinaryIO
    digest: str
    arrived_at: datetime
    size: int
    tag: str
    again: str = ""

    @property
    def name(self) -> str:
        """Its name without folders."""
        return self.key.rsplit("/", 1)[-1]

    @property
    def identity(self) -> str:
        """What makes it the same file."""
        return hashlib.sha256(f"{self.digest} {self.again}".encode()).hexdigest() if self.again else self.digest


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a file has been worked on."""

    key: str  # in the inbox
    arrived_at: datetime
    began_at: datetime
    row: int = 0  # the last one whose fate is settled
    good: int = 0
    bad: int = 0
    parts: int = 0  # pieces of the file with rejected rows
    seconds: float = 0.0  # of work
    ended: bool = False


class FileStore(Protocol):
    """Where files lie. Raises Temporary."""

    def fetch(self, key: str) -> Dropped:
        """A file of the inbox; raises FileGone."""

    def put(self, key: str, body: bytes) -> None: ...

    def join(self, parts: Sequence[str], key: str, head: bytes) -> None:
        """Write `head` and then the parts as one file."""

    def move(self, dropped: Dropped, to: str) -> None:
        """Take a file out of the inbox, unless another has been put in its place: that one stays."""


class HeldFile(Protocol):
    """A file's progress under a lease."""

    progress: Progress

    def keep(self, progress: Progress) -> None: ...

    def leave(self) -> None: ...


class FileRecord(Protocol):
    """The record of all files. Raises Temporary."""

    def take(self, integration: str, dropped: Dropped, owner: str, now: datetime) -> HeldFile:
        """A file's progress; raises FileHeld while another holds it."""


@dataclass(frozen=True, slots=True)
class Intake:
    """What taking files in needs."""

    integration: str
    store: FileStore
    record: FileRecord
    stream_of: Callable[[str], Stream]  # by the file's key; raises FileRefused
    open: Callable[[Stream, BinaryIO], Table]
    queue: Callable[[Sequence[Event]], None]
    notices: Notices
    now: Callable[[], datetime]


def take_file(key: str, owner: str, out_of_time: Callable[[], bool], intake: Intake) -> dict[str, Any] | None:
    """Work on the file until its end or until time is up; then None, and another function must go on.

    Answers with its summary. Raises FileGone, FileHeld and Temporary; the progress that was kept last stays.
    """
    dropped = intake.store.fetch(key)
    try:
        if dropped.size > MOST_FILE_BYTES:
            raise FileRefused(f"the file has more than {MOST_FILE_BYTES // 1_000_000} MB; split it")
        stream = intake.stream_of(key)
    except FileRefused as refusal:
        return _put_away(dropped, _summary(dropped, "refused", str(refusal)), intake)
    held = intake.record.take(intake.integration, dropped, owner, intake.now())
    try:
        if not held.progress.ended:
            return _work(stream, dropped, held, out_of_time, intake)
        if (held.progress.key, held.progress.arrived_at) != (key, dropped.arrived_at):
            return _put_away(dropped, _known(dropped, held.progress), intake, tell=False)
        intake.store.move(dropped, names.file_processed(intake.integration, _folder(dropped), dropped.name))
        return {"state": "processed"}  # by a function that died before it had put it away
    finally:
        held.leave()


def _work(
    stream: Stream, dropped: Dropped, held: HeldFile, out_of_time: Callable[[], bool], intake: Intake
) -> dict[str, Any] | None:
    progress = replace(held.progress, key=dropped.key, arrived_at=dropped.arrived_at)
    began, before = intake.now(), progress.seconds
    facts: Mapping[str, object] = {}
    tells, refusal, header = True, "", b""
    try:
        table = intake.open(stream, dropped.file)
        facts, tells, header = table.facts, table.tells_of_success, table.rejected_header()
        rows = table.rows(progress.row)
        while portion := list(islice(rows, PORTION)):
            progress = _settle(portion, table, stream, dropped, progress, intake)
            progress = replace(progress, seconds=before + (intake.now() - began).total_seconds())
            held.keep(progress)
            if out_of_time():
                return None
    except FileRefused as refused:
        refusal = str(refused)
    progress = replace(progress, seconds=before + (intake.now() - began).total_seconds())
    summary = _summary(dropped, "refused" if refusal else "processed", refusal, progress, facts)
    if progress.bad:
        summary["rejected_rows"] = names.file_rejected(intake.integration, _folder(dropped), _stem(dropped.name))
        parts = [names.file_part(intake.integration, dropped.identity, number) for number in range(progress.parts)]
        intake.store.join(parts, summary["rejected_rows"], header)
    if refusal:  # once the file or its settings are mended, all of it is read again
        held.keep(Progress(dropped.key, dropped.arrived_at, progress.began_at))

    def conclude() -> None:
        if not refusal:
            held.keep(replace(progress, ended=True))

    return _put_away(dropped, summary, intake, tells or bool(refusal or progress.bad), conclude)


def stream_of(key: str, streams: Mapping[str, Stream]) -> Stream:
    """The stream that a file is of: its folder in the inbox says so, where there are several; raises FileRefused."""
    folder = key.split("/")[2:-1]
    if folder and folder[0] in streams:
        return streams[folder[0]]
    if not folder and len(streams) == 1:
        return next(iter(streams.values()))
    inbox = "/".join(key.split("/")[:2])
    raise FileRefused(
        f"the file lies in no stream's folder; put it into one of {', '.join(f'{inbox}/{each}/' for each in streams)}"
    )


def _settle(
    portion: Sequence[GoodRow | BadRow],
    table: Table,
    stream: Stream,
    dropped: Dropped,
    progress: Progress,
    intake: Intake,
) -> Progress:
    good = [row for row in portion if isinstance(row, GoodRow)]
    bad = [row for row in portion if isinstance(row, BadRow)]
    intake.queue([event_of(row, stream, dropped, intake.now()) for row in good])
    if bad:
        intake.store.put(names.file_part(intake.integration, dropped.identity, progress.parts), table.rejected(bad))
    return replace(
        progress,
        row=portion[-1].number,
        good=progress.good + len(good),
        bad=progress.bad + len(bad),
        parts=progress.parts + bool(bad),
    )


def event_of(row: GoodRow, stream: Stream, dropped: Dropped, now: datetime) -> Event:
    """The event that a row is. Its version is the moment of its file's arrival: the later file counts."""
    digest = hashlib.sha256(f"{dropped.identity} {row.number} ".encode() + row.data).hexdigest()
    return Event(
        id=f"{stream.name}-{digest[:32]}",
        source=f"/integrations/{stream.integration}",
        type=stream.type,
        subject=f"{stream.integration}/{stream.entity}/{row.key}",
        time=dropped.arrived_at,
        received_at=now,
        entity_version=timestamp_version(dropped.arrived_at.isoformat()),
        content_type="application/json",
        data=row.data,
    )


def _put_away(
    dropped: Dropped,
    summary: dict[str, Any],
    intake: Intake,
    tell: bool = True,
    conclude: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Write the summary, tell people, and only then take the file out of the inbox: until then all this is repeated."""
    put = names.file_refused if summary["state"] == "refused" else names.file_processed
    where = put(intake.integration, _folder(dropped), dropped.name)
    summary |= {"sha256": dropped.digest, "file": where}
    text = json.dumps(summary, indent=2, ensure_ascii=False, default=str)
    intake.store.put(f"{where}.summary.json", text.encode())
    if tell:
        intake.notices.tell(*_notice(intake.integration, dropped.name, summary))
    conclude()
    intake.store.move(dropped, where)
    return summary


def _summary(
    dropped: Dropped,
    state: str,
    reason: str = "",
    progress: Progress | None = None,
    facts: Mapping[str, object] | None = None,
) -> dict[str, Any]:
    told: dict[str, Any] = {"state": state, "uploaded_as": dropped.key, "arrived_at": dropped.arrived_at.isoformat()}
    if reason:
        told["reason"] = reason[:MOST_REASON_CHARS]
    if progress:
        rows = progress.good + progress.bad
        told |= {
            "rows": rows,
            "good": progress.good,
            "bad": progress.bad,
            "began_at": progress.began_at.isoformat(),
            "seconds": round(progress.seconds, 3),
            "rows_per_second": round(rows / progress.seconds) if progress.seconds else rows,
        }
    return told | dict(facts or {})


def _known(dropped: Dropped, progress: Progress) -> dict[str, Any]:
    reason = (
        f"a file with this very content was taken in on {progress.began_at:%Y-%m-%d %H:%M} UTC as {progress.key}; nothing "
        "was done. To apply it again: hub files put --again"
    )
    return _summary(dropped, "known", reason)


def _notice(integration: str, name: str, summary: Mapping[str, Any]) -> tuple[str, str]:
    if summary["state"] == "refused":
        subject = f"{integration}: {name} was refused"
        lines = [f"The file was refused: {summary['reason']}."]
        if summary.get("good"):
            lines.append(f"{summary['good']} rows before that were queued.")
    else:
        subject = f"{integration}: {name}: {summary['good']} rows taken, {summary['bad']} rejected"
        speed = f"{summary['rows']} rows in {summary['seconds']} s"
        lines = [f"{speed}: {summary['good']} are on their way, {summary['bad']} were rejected."]
    if rejected := summary.get("rejected_rows"):
        lines.append(f"Correct the rows in {rejected} (its last column says what is wrong) and upload that file.")
    lines.append(f"The file is now {summary['file']}, with its summary beside it.")
    return subject, "\n".join(lines)


def _folder(dropped: Dropped) -> str:
    """Of all that belongs to one upload, so that tomorrow's file of the same name does not take its place."""
    stamp = f"{dropped.arrived_at:%Y%m%dT%H%M%SZ}-{dropped.identity[:8]}"
    inner = dropped.key.split("/")[2:-1]
    return "/".join([*inner, stamp])


def _stem(name: str) -> str:
    stem = name.rsplit(".", 1)[0] if "." in name else name
    return stem.removesuffix(names.REJECTED)
