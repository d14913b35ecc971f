"""One imitated ERPNext site: its documents, clock and rules, and the transaction in which every request runs."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from infra.local.erpnext.clock import SiteClock
from infra.local.erpnext.doctypes import STANDARD_DOCTYPES, DocType, Field
from infra.local.erpnext.errors import FrappeError, Message
from infra.local.erpnext.store import Doc, Store

BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"
Hook = Callable[["Transaction", Doc], None]


class Outbox(Protocol):
    """Takes the events of a committed transaction; a rolled-back one sends nothing."""

    def send(self, events: list[tuple[str, Doc]], user: str) -> None: ...


class Site:
    """State shared by all requests; `lock` is held during each transaction."""

    def __init__(self, database: str, clock: SiteClock, seed: int, hooks: dict[str, dict[str, Hook]]) -> None:
        self.clock = clock
        self.seed = seed
        self.hooks = hooks
        self.lock = threading.RLock()
        self.url = "http://127.0.0.1"
        self.outbox: Outbox | None = None
        self._meta = dict(STANDARD_DOCTYPES)
        self.store = Store(database, lambda doctype: self.meta_or_none_unique(doctype))
        for doctype in {doc["dt"] for doc in self.store.all("Custom Field")}:
            self.reload_meta(doctype)
        for doctype in self._meta:
            self.store.index(doctype)

    def meta_or_none_unique(self, doctype: str) -> tuple[str, ...]:
        meta = self._meta.get(doctype)
        return meta.unique_fields if meta else ()

    def knows(self, doctype: str) -> bool:
        return doctype in self._meta

    def meta(self, doctype: str) -> DocType:
        """The DocType with its custom fields; ImportError (500), as recorded, for one that does not exist."""
        try:
            return self._meta[doctype]
        except KeyError:
            module = doctype.lower().replace(" ", "_")
            raise FrappeError("ImportError", f"No module named 'frappe.core.doctype.{module}'") from None

    def reload_meta(self, doctype: str) -> None:
        """Apply the Custom Fields of a DocType, as the real one alters its table."""
        custom = [
            (custom_field(doc), doc.get("insert_after") or "")
            for doc in self.store.all("Custom Field")
            if doc["dt"] == doctype
        ]
        self._meta[doctype] = STANDARD_DOCTYPES[doctype].with_fields(custom)
        self.store.index(doctype)

    @property
    def metas(self) -> list[DocType]:
        return list(self._meta.values())

    @contextmanager
    def transaction(
        self, user: str, snapshot: int | None = None, instant: datetime | None = None
    ) -> Iterator[Transaction]:
        """Everything or nothing: commits at the end, rolls back on any exception.

        `snapshot` is the number of commits that were visible when the request arrived; a name taken later is not seen
        until the insert collides with it (REPEATABLE READ). `instant` stamps the documents with an earlier time.
        """
        with self.lock:
            transaction = Transaction(self, user, self.store.commits if snapshot is None else snapshot, instant)
            try:
                yield transaction
                self.store.commit()
            except BaseException:
                self.store.rollback()
                for doctype in transaction.altered:
                    self.reload_meta(doctype)
                raise
        if transaction.events and self.outbox is not None:
            self.outbox.send(transaction.events, user)


def custom_field(doc: Doc) -> Field:
    numeric: dict[str, Any] = {"Int": 0, "Check": 0, "Float": 0.0, "Currency": 0.0, "Percent": 0.0}
    kind = doc["fieldtype"]
    default = doc.get("default") or None
    if kind in numeric:
        default = type(numeric[kind])(default or 0)
    options = doc.get("options") or ""
    return Field(
        doc["fieldname"],
        kind,
        "|".join(options.split("\n")) if kind == "Select" else options,
        default,
        doc.get("label") or doc["fieldname"],
        reqd=bool(doc["reqd"]),
        unique=bool(doc["unique"]),
        on_submit=bool(doc["allow_on_submit"]),
        length=doc.get("length") or 0,
    )


@dataclass
class Transaction:
    """One request's work on the site: who does it, what it may see, what it said and what it did."""

    site: Site
    user: str
    snapshot: int
    instant: datetime | None = None
    messages: list[Message] = field(default_factory=list)
    events: list[tuple[str, Doc]] = field(default_factory=list)
    altered: set[str] = field(default_factory=set)

    @property
    def store(self) -> Store:
        return self.site.store

    def meta(self, doctype: str) -> DocType:
        return self.site.meta(doctype)

    def sees(self, doctype: str, name: str) -> bool:
        """Whether there is such a document for this transaction: not when it was committed after the request arrived."""
        return self.store.peek(doctype, name) is not None and self.store.appeared(doctype, name) <= self.snapshot

    def stamp(self) -> str:
        return self.site.clock.stamp(self.instant)

    def today(self) -> str:
        return self.site.clock.today()

    def say(self, text: str, title: str = "Message", **rest: Any) -> None:
        self.messages.append({"message": text, "title": title, **rest})

    def random_name(self, length: int = 10) -> str:
        """A name like a Frappe hash: the same for the same seed and history, never twice in one database."""
        number = self.store.next_in_series("(random names)")
        digest = int.from_bytes(hashlib.sha256(f"{self.site.seed}:{number}".encode()).digest(), "big")
        characters = []
        for _ in range(length):
            digest, rest = divmod(digest, 36)
            characters.append(BASE36[rest])
        return "".join(characters)

    def run(self, hook: str, doc: Doc) -> None:
        found = self.site.hooks.get(doc["doctype"], {}).get(hook)
        if found:
            found(self, doc)

    def happened(self, event: str, doc: Doc) -> None:
        self.events.append((event, doc))
