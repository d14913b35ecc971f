"""SQLite: what a comparison has found so far, in a file of its own that vanishes with it, so that memory stays small."""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence

from hub.events import Event, from_json, to_json
from hub.reconcile import KINDS, Finding, Judged

TABLES = """
CREATE TABLE listed (identity TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE found (subject TEXT PRIMARY KEY, rank INTEGER, stake REAL, finding TEXT, message TEXT);
"""
IN_ORDER = "ORDER BY rank, stake DESC, subject"


class SqliteFindings:
    """Findings, ranked by kind and then by money, and the identities of all that was listed."""

    def __init__(self) -> None:
        self._file = sqlite3.connect("")  # SQLite's own temporary file, which nobody else can open
        self._file.executescript(TABLES)

    def add(self, judged: Iterable[Judged]) -> None:
        """Remember rows; what was found of an entity before counts no longer."""
        for each in judged:
            self._file.execute("INSERT OR IGNORE INTO listed VALUES (?)", (each.identity,))
            self._file.execute("DELETE FROM found WHERE subject = ?", (each.event.subject,))
            if each.finding:
                self._put(each.finding, to_json(each.event))

    def add_orphans(self, orphans: Iterable[Finding]) -> None:
        """Remember those of the documents that nothing listed stands for."""
        for each in orphans:
            if not self._is_listed(each.subject):
                self._put(each, "")

    def drop_orphans(self, identities: Iterable[str]) -> None:
        """These are listed after all."""
        self._file.executemany("DELETE FROM found WHERE subject = ? AND message = ''", ((each,) for each in identities))

    def has_orphans(self) -> bool:
        """Whether there are any."""
        return bool(self._file.execute("SELECT 1 FROM found WHERE message = '' LIMIT 1").fetchone())

    def listed(self) -> int:
        """How many entities the source listed."""
        return int(self._file.execute("SELECT count(*) FROM listed").fetchone()[0])

    def ranked(self, limit: int = -1) -> Iterator[Finding]:
        """The most pressing findings first."""
        for (text,) in self._file.execute(f"SELECT finding FROM found {IN_ORDER} LIMIT ?", (limit,)):  # noqa: S608 - a constant
            yield Finding.from_json(json.loads(text))

    def events(self, subjects: Sequence[str] | None) -> Iterator[Event]:
        """The events of the findings of these subjects, None: of all; orphans have none."""
        chosen = set(subjects or ())
        for subject, message in self._file.execute(f"SELECT subject, message FROM found {IN_ORDER}"):  # noqa: S608 - a constant
            if message and (subjects is None or subject in chosen):
                yield from_json(message)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def _is_listed(self, identity: str) -> bool:
        return bool(self._file.execute("SELECT 1 FROM listed WHERE identity = ?", (identity,)).fetchone())

    def _put(self, finding: Finding, message: str) -> None:
        rank = KINDS.index(finding.kind)
        row = (finding.subject, rank, finding.stake, json.dumps(finding.to_json()), message)
        self._file.execute("INSERT OR REPLACE INTO found VALUES (?, ?, ?, ?, ?)", row)
