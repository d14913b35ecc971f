"""Where the stand-in keeps its documents: in memory for speed, in one SQLite file for keeps, all or nothing."""

from __future__ import annotations

import json
import sqlite3
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from typing import Any

Doc = dict[str, Any]

SCHEMA = """
CREATE TABLE IF NOT EXISTS document (
    doctype TEXT NOT NULL, key TEXT NOT NULL, position INTEGER NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (doctype, key)
);
CREATE TABLE IF NOT EXISTS series (prefix TEXT PRIMARY KEY, value INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS content (url TEXT PRIMARY KEY, body BLOB NOT NULL);
"""


LOOKUPS: dict[str, tuple[str, ...]] = {
    "Bin": ("item_code", "warehouse"),
    "Item Price": ("item_code", "price_list"),
    "Sales Order": ("customer", "po_no"),
}
"""Fields by which the rules look documents up for each order: indexed, so that thousands of orders stay fast."""


def collated(value: object) -> str:
    """The form in which utf8mb4_unicode_ci compares: no case, no accents, no trailing spaces."""
    text = unicodedata.normalize("NFD", str(value).rstrip(" "))
    return "".join(c for c in text if not unicodedata.combining(c)).casefold()


def copied(value: Any) -> Any:
    """A deep copy of JSON data; several times faster than copy.deepcopy."""
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    if isinstance(value, list):
        return [copied(item) for item in value]
    return value


class Store:
    """Documents by DocType and collated name. Not thread-safe: the site's lock guards every use.

    Writes go to memory at once and to SQLite at `commit`; `rollback` undoes them in memory. `commits` counts the
    committed transactions, and `appeared` tells with which of them a document became visible to others.
    """

    def __init__(self, path: str, unique_fields: Callable[[str], Iterable[str]]) -> None:
        self._unique_fields = unique_fields
        self._documents: dict[str, dict[str, Doc]] = {}
        self._unique: dict[tuple[str, str], dict[str, str]] = {}
        self._lookup: dict[str, dict[tuple[str, ...], dict[str, None]]] = {}
        self._series: dict[str, int] = {}
        self._contents: dict[str, bytes] = {}
        self._position: dict[tuple[str, str], int] = {}
        self._undo: list[Callable[[], None]] = []
        self._touched: dict[tuple[str, str], None] = {}
        self._created: set[tuple[str, str]] = set()
        self._touched_series: set[str] = set()
        self._touched_contents: set[str] = set()
        self.commits = 0
        self._appeared: dict[tuple[str, str], int] = {}
        self._database = sqlite3.connect(path, check_same_thread=False)
        self._database.executescript(SCHEMA)
        if path != ":memory:":
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=NORMAL")
        self._load()

    def _load(self) -> None:
        rows = self._database.execute("SELECT doctype, key, position, body FROM document ORDER BY position")
        for doctype, key, position, body in rows:
            doc = self._documents.setdefault(doctype, {})[key] = json.loads(body)
            self._note(doctype, key, doc)
            self._position[doctype, key] = position
        self._series = dict(self._database.execute("SELECT prefix, value FROM series"))
        self._contents = dict(self._database.execute("SELECT url, body FROM content"))

    def index(self, doctype: str) -> None:
        """(Re)build the unique indexes of a DocType, after its unique fields changed or the file was loaded."""
        for field in self._unique_fields(doctype):
            entries = self._unique[doctype, field] = {}
            for key, doc in self._documents.get(doctype, {}).items():
                if doc.get(field) not in (None, ""):
                    entries[collated(doc[field])] = key

    # Reading

    def doctypes(self) -> list[str]:
        return sorted(doctype for doctype, documents in self._documents.items() if documents)

    def get(self, doctype: str, name: object) -> Doc | None:
        """A copy that may be changed freely."""
        doc = self.peek(doctype, name)
        return None if doc is None else copied(doc)

    def peek(self, doctype: str, name: object) -> Doc | None:
        """The stored document itself, to be read only."""
        return self._documents.get(doctype, {}).get(collated(name))

    def all(self, doctype: str) -> Iterator[Doc]:
        """The stored documents themselves, to be read only, oldest first."""
        return iter(list(self._documents.get(doctype, {}).values()))

    def where(self, doctype: str, *values: object) -> list[Doc]:
        """The documents with these values in the DocType's LOOKUPS fields, to be read only."""
        keys = self._lookup.get(doctype, {}).get(tuple(collated(value or "") for value in values), {})
        return [self._documents[doctype][key] for key in keys]

    def count(self, doctype: str) -> int:
        return len(self._documents.get(doctype, {}))

    def holder(self, doctype: str, field: str, value: object) -> Doc | None:
        """The document that holds a unique field's value, compared as the database compares."""
        key = self._unique.get((doctype, field), {}).get(collated(value))
        return None if key is None else self._documents[doctype][key]

    def is_indexed(self, doctype: str, field: str) -> bool:
        return (doctype, field) in self._unique

    def appeared(self, doctype: str, name: object) -> int:
        """The number of the commit with which a document of this name became visible (0: before the start)."""
        return self._appeared.get((doctype, collated(name)), 0)

    # Writing, within the transaction

    def put(self, doctype: str, name: str, doc: Doc) -> None:
        self._replace(doctype, collated(name), copied(doc))

    def remove(self, doctype: str, name: str) -> None:
        self._replace(doctype, collated(name), None)

    def next_in_series(self, prefix: str) -> int:
        before = self._series.get(prefix, 0)

        def undo() -> None:
            self._series[prefix] = before

        self._undo.append(undo)
        self._touched_series.add(prefix)
        self._series[prefix] = before + 1
        return before + 1

    def put_content(self, url: str, body: bytes) -> None:
        before = self._contents.get(url)

        def undo() -> None:
            if before is None:
                self._contents.pop(url, None)
            else:
                self._contents[url] = before

        self._undo.append(undo)
        self._touched_contents.add(url)
        self._contents[url] = body

    def content(self, url: str) -> bytes | None:
        return self._contents.get(url)

    def _replace(self, doctype: str, key: str, doc: Doc | None) -> None:
        before = self._documents.get(doctype, {}).get(key)
        if before is None:
            self._created.add((doctype, key))
        self._undo.append(lambda: self._set(doctype, key, before))
        self._touched[doctype, key] = None
        self._set(doctype, key, doc)

    def _set(self, doctype: str, key: str, doc: Doc | None) -> None:
        documents = self._documents.setdefault(doctype, {})
        before = documents.get(key)
        for field in self._unique_fields(doctype):
            entries = self._unique.setdefault((doctype, field), {})
            if before is not None and before.get(field) not in (None, ""):
                entries.pop(collated(before[field]), None)
            if doc is not None and doc.get(field) not in (None, ""):
                entries[collated(doc[field])] = key
        if before is not None:
            self._note(doctype, key, before, gone=True)
        if doc is None:
            documents.pop(key, None)
        else:
            documents[key] = doc
            self._note(doctype, key, doc)

    def _note(self, doctype: str, key: str, doc: Doc, *, gone: bool = False) -> None:
        """Keep the lookup of a DocType up to date."""
        if doctype not in LOOKUPS:
            return
        values = tuple(collated(doc.get(field) or "") for field in LOOKUPS[doctype])
        keys = self._lookup.setdefault(doctype, {}).setdefault(values, {})
        if gone:
            keys.pop(key, None)
        else:
            keys[key] = None

    # The end of a transaction

    def commit(self) -> None:
        """Write everything that the transaction changed to SQLite, or (when SQLite fails) undo it and raise."""
        try:
            with self._database:
                for doctype, key in self._touched:
                    doc = self._documents.get(doctype, {}).get(key)
                    if doc is None:
                        self._database.execute("DELETE FROM document WHERE doctype=? AND key=?", (doctype, key))
                        continue
                    position = self._position.setdefault((doctype, key), len(self._position) + 1)
                    self._database.execute(
                        "INSERT INTO document VALUES (?,?,?,?) ON CONFLICT (doctype, key) DO UPDATE SET body=excluded.body",
                        (doctype, key, position, json.dumps(doc)),
                    )
                for prefix in self._touched_series:
                    self._database.execute("REPLACE INTO series VALUES (?,?)", (prefix, self._series[prefix]))
                for url in self._touched_contents:
                    self._database.execute("REPLACE INTO content VALUES (?,?)", (url, self._contents[url]))
        except sqlite3.Error:
            self.rollback()
            raise
        self.commits += 1
        for created in self._created:
            self._appeared[created] = self.commits
        self._forget()

    def rollback(self) -> None:
        for undo in reversed(self._undo):
            undo()
        self._forget()

    def _forget(self) -> None:
        self._undo.clear()
        self._touched.clear()
        self._created.clear()
        self._touched_series.clear()
        self._touched_contents.clear()

    def savepoint(self) -> int:
        """A mark for `rollback_to`."""
        return len(self._undo)

    def rollback_to(self, savepoint: int) -> None:
        while len(self._undo) > savepoint:
            self._undo.pop()()

    def clear(self) -> None:
        """Forget every document, for a reset between two tests."""
        with self._database:
            for table in ("document", "series", "content"):
                self._database.execute(f"DELETE FROM {table}")  # noqa: S608 - three names of ours
        for mapping in (
            self._documents,
            self._unique,
            self._lookup,
            self._series,
            self._contents,
            self._position,
            self._appeared,
        ):
            mapping.clear()
        self._forget()

    def close(self) -> None:
        self._database.close()
