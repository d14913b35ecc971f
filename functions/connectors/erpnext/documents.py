"""Bring one ERPNext document to what a source states, safely however often it is tried.

The arbiter is a unique external id inside the document. ERPNext has no upsert and no idempotency key: a repeated POST
makes a second document, and a request whose client gave up still takes effect.
"""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from connectors.erpnext.client import AlreadyThere, ChangedMeanwhile, Declined, Document, ErpNext, Filter, Missing
from hub.connector import Effect, Written
from hub.errors import Category, Permanent, Refused, Severity, Temporary, Unavailable

ID_FIELD = "hub_external_id"  # unique
VERSION_FIELD = "hub_source_version"  # of the source's entity; may change after submission
REDACTED = "~redacted"  # in place of a version, and above all of them: nothing is written to the document any more
MAX_ID_CHARS = 120  # a Data field holds 140; the rest is for the revision
TRIES = 5  # against desk users and other Lambdas that change the same document
AMENDING = " is being amended"  # behind the version in VERSION_FIELD of a document that the hub itself cancels to amend
DRAFT, SUBMITTED, CANCELLED = 0, 1, 2
# The document is not as it was seen: created, changed or deleted by others. Missing is also ERPNext's race for the first
# Bin of an item, which submitting and cancelling meet as well as creating
LOOK_AGAIN = (AlreadyThere, ChangedMeanwhile, Missing)
NOT_COPIED = frozenset(
    [
        "name",
        "owner",
        "creation",
        "modified",
        "modified_by",
        "docstatus",
        "idx",
        "status",
        "amended_from",
        "doctype",
        "parent",
        "parentfield",
        "parenttype",
        "payment_schedule",
        "packed_items",
        "pricing_rules",
    ]
)


class NotSetUp(Unavailable):
    """ERPNext lacks the hub's custom fields, without which nothing can be written safely: all events wait."""

    category = Category.INVALID_REQUEST
    severity = Severity.CRITICAL


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a document must say. Only the fields and table columns named here are written and, but for `only_new`,
    compared."""

    doctype: str
    external_id: str
    version: str  # the source's entity version, "" where it states none
    fields: Mapping[str, Any]
    tables: Mapping[str, Sequence[Mapping[str, Any]]]
    only_new: frozenset[str] = frozenset()  # fields and columns given at creation; what desk users make of them stays
    row_key: Mapping[str, Sequence[str]] = field(default_factory=dict)  # table → columns that tell its rows apart
    docstatus: int = DRAFT
    allowed_on_submit: frozenset[str] = frozenset()
    submittable: bool = False
    amend: bool = True  # cancel and amend a submitted document whose other fields changed; else refuse
    at_once: bool = False  # create it submitted, in one call, and check afterwards; else check a draft first
    check: Callable[[Document], None] | None = None  # raises Permanent if ERPNext computed something else
    may_amend: Callable[[Document], None] | None = None  # raises Permanent if other documents stand on a submitted one
    may_cancel: Callable[[Document], None] | None = None  # the same where it is to be cancelled for good
    once: bool = False  # written once, then never compared: what desk users make of it stays
    seen: Callable[[Document], None] | None = None  # is told the document as ERPNext has it


def external_id(integration: str, entity: str, entity_id: str) -> str:
    """The unique value that stands for a source's entity: `shop-eu:order:820982911946154508`.

    ERPNext compares unique values without case and trailing spaces, so an id in which those could matter, or which is
    too long, is replaced by its SHA-256.
    """
    readable = f"{integration}:{entity}:{entity_id}"
    if re.fullmatch(r"[a-z0-9.-]+", entity_id) and len(readable) <= MAX_ID_CHARS:
        return readable
    return f"{integration}:{entity}:sha256-{hashlib.sha256(entity_id.encode()).hexdigest()}"


class Documents:
    """Writes documents of one ERPNext site."""

    def __init__(self, erp: ErpNext) -> None:
        self._erp = erp
        self._set_up: set[str] = set()  # doctypes seen to have the hub's fields

    def converge(self, want: Callable[[bool], Wanted], known_name: str) -> Written:
        """Make the document say what is wanted, with as few calls as that takes.

        `want(fresh)` builds the wanted state; with `fresh` it must not rely on names remembered from earlier events.
        `known_name` is the document's last known name, "" where none is known: then it is created at once, and
        ERPNext's unique field tells whether it exists.
        """
        fresh = bool(known_name)
        try_create = not known_name
        clash: Declined | None = None
        for _ in range(TRIES):
            wanted = want(fresh)
            try:
                if try_create and wanted.docstatus != CANCELLED and wanted.doctype in self._set_up:
                    return self._create(wanted)
                return self._settle(wanted, self._current(wanted, known_name))
            except LOOK_AGAIN as error:
                clash, fresh, known_name, try_create = error, True, "", False
            except Declined as error:
                if error.exc_type != "LinkValidationError" or fresh:
                    raise
                fresh = True  # a remembered customer or item may have been renamed
        if isinstance(clash, AlreadyThere):
            raise clash  # not our own document: another one holds the name or a unique value
        raise Temporary(f"{wanted.doctype} {wanted.external_id} keeps being changed while it is written: {clash}")

    def find_name(self, doctype: str, external: str) -> str:
        """The name of the document with this external id, or "" where there is none."""
        rows = self._rows(doctype, [ID_FIELD, "=", external])
        return str(rows[0]["name"]) if rows else ""

    def _current(self, wanted: Wanted, known_name: str) -> Document | None:
        """The document as ERPNext has it: the live one if there are amendments, else the last cancelled one."""
        if known_name:
            document = self._erp.get(wanted.doctype, known_name)
            if document and _belongs(document, wanted) and document["docstatus"] != CANCELLED:
                return document  # else it was renamed, deleted, or amended: ask by the external id
        operator = ["like", f"{wanted.external_id}~%"] if wanted.submittable else ["=", wanted.external_id]
        rows = [row for row in self._rows(wanted.doctype, [ID_FIELD, *operator]) if _belongs(row, wanted)]
        if not rows:
            return None
        newest = max(rows, key=lambda row: (row["docstatus"] != CANCELLED, _revision(row)))
        return self._erp.get(wanted.doctype, str(newest["name"]))

    def standing(self, doctype: str, externals: Sequence[str]) -> dict[str, Document]:
        """Which of the submittable documents that are written once exist: external id → name and docstatus; one call."""
        marked = {f"{external}~0": external for external in externals}
        rows = self._rows(doctype, [ID_FIELD, "in", list(marked)])
        return {marked[row[ID_FIELD]]: row for row in rows if row[ID_FIELD] in marked}

    def live(self, doctype: str, external: str) -> Document | None:
        """The submittable document with this external id, whole: the live one, or what a desk user made of a cancelled
        one; else the last cancelled one."""
        rows = [row for row in self._rows(doctype, [ID_FIELD, "like", f"{external}~%"]) if _key(row) == external]
        if not rows:
            return None
        newest = max(rows, key=lambda row: (row["docstatus"] != CANCELLED, _revision(row)))
        name = str(newest["name"])
        if newest["docstatus"] == CANCELLED:
            name = self._successor(doctype, name) or name
        return self._erp.get(doctype, name)

    def _successor(self, doctype: str, name: str) -> str:
        """The document by which desk users amended a cancelled one; the hub's id is not copied into it."""
        rows = self._erp.find(doctype, [["amended_from", "=", name], ["docstatus", "<", CANCELLED]], ["name"])
        return str(rows[0]["name"]) if rows else ""

    def _rows(self, doctype: str, condition: Sequence[Any]) -> list[Document]:
        return self.rows(doctype, [condition], ["name", "docstatus", ID_FIELD])

    def rows(self, doctype: str, filters: Sequence[Filter], fields: Sequence[str]) -> list[Document]:
        """All documents that match, with fields of the hub's own among `fields`; raises NotSetUp where these lack."""
        try:
            rows = self._erp.find(doctype, filters, fields)
        except Declined as error:
            if error.exc_type == "DataError":  # "Field not permitted in query"
                raise _not_set_up(doctype) from error
            raise
        self._set_up.add(doctype)
        return rows

    def _settle(self, wanted: Wanted, current: Document | None) -> Written:
        if current is None:
            if wanted.docstatus == CANCELLED:
                return Written(Effect.IGNORED, rule="cancelled before ERPNext knew of it")
            return self._create(wanted)
        if current.get(VERSION_FIELD) == REDACTED:
            return Written(Effect.IGNORED, wanted.doctype, current["name"], "the person's data were erased for good")
        if wanted.seen:
            wanted.seen(current)
        if wanted.version and wanted.version < version_of(current):
            return Written(Effect.STALE, wanted.doctype, current["name"], "ERPNext has a newer version")
        settle = {DRAFT: self._settle_draft, SUBMITTED: self._settle_submitted, CANCELLED: self._settle_cancelled}
        return settle[current["docstatus"]](wanted, current)

    def _create(self, wanted: Wanted, revision: int = 0, copied: Mapping[str, Any] | None = None) -> Written:
        marked = f"{wanted.external_id}~{revision}" if wanted.submittable else wanted.external_id
        marks = {ID_FIELD: marked, VERSION_FIELD: wanted.version}
        at_once = wanted.at_once and wanted.docstatus == SUBMITTED and not revision
        status = {"docstatus": SUBMITTED} if at_once else {}
        document = {**wanted.fields, **(copied or {}), **wanted.tables, **marks, **status}
        created = self._insert(wanted.doctype, document, marked)
        if created.get(ID_FIELD) != marked:  # ERPNext drops unknown fields in silence
            self._undo(wanted, created)
            raise _not_set_up(wanted.doctype)
        if wanted.seen:
            wanted.seen(created)
        if revision:
            self._finish_amendment(wanted, created)
        elif at_once:
            self._check_submitted(wanted, created)
        else:
            self._finish_own(wanted, created)
        return Written(Effect.APPLIED, wanted.doctype, created["name"])

    def _insert(self, doctype: str, document: Mapping[str, Any], marked: str) -> Document:
        """Create a document; raises AlreadyThere where its external id exists, whatever ERPNext says of it: another of
        its rules (a customer's po_no used twice) may speak before the unique field does. So it is where the answer to
        our own earlier success was lost, and where another function was faster."""
        try:
            return self._erp.insert(doctype, document)
        except AlreadyThere:
            raise
        except Declined as error:
            if doctype in self._set_up and self.find_name(doctype, marked):
                raise AlreadyThere(error.exc_type, str(error)) from error
            raise

    def _amend(self, wanted: Wanted, cancelled: Document) -> Written:
        """A new draft in place of a cancelled document: what desk users wrote is copied, what the source says, newer."""
        copied = {**_copy(cancelled), "amended_from": cancelled["name"]}
        newer = {name: value for name, value in wanted.fields.items() if name not in wanted.only_new}
        tables = {name: with_desk_columns(wanted, name, cancelled) for name in wanted.tables}
        return self._create(replace(wanted, tables=tables), _revision(cancelled) + 1, {**copied, **newer})

    def _finish(self, wanted: Wanted, draft: Document) -> None:
        """Submit a draft where that is wanted, once it says exactly what it should."""
        self._check(wanted, draft)
        if wanted.docstatus == SUBMITTED:
            self._submit(wanted, draft)

    def _check(self, wanted: Wanted, document: Document) -> None:
        left = sorted(differences(wanted, document))
        if wanted.submittable and left:
            raise Refused(f"ERPNext stored other values than it was sent for {', '.join(left)} of a {wanted.doctype}")
        if wanted.check:
            wanted.check(document)

    def _finish_own(self, wanted: Wanted, draft: Document) -> None:
        """The same for a draft that only the hub has made so far: a wrong one is deleted, nothing stays half-written."""
        try:
            self._finish(wanted, draft)
        except LOOK_AGAIN:
            raise
        except Permanent:
            self.delete_draft(wanted.doctype, str(draft["name"]))
            raise

    def delete_draft(self, doctype: str, name: str) -> None:
        """Delete a draft; raises Temporary where another function has submitted it meanwhile: the next try sees it."""
        try:
            self._erp.delete(doctype, name)
        except Declined as refusal:
            now = self._erp.get(doctype, name)
            if now and now["docstatus"] != DRAFT:
                raise Temporary(f"{doctype} {name} was submitted while it was to be deleted") from refusal
            raise

    def _finish_amendment(self, wanted: Wanted, draft: Document) -> None:
        """The same for a draft that replaces a cancelled document: a wrong one stays, since nothing else is left."""
        try:
            self._finish(wanted, draft)
        except LOOK_AGAIN:
            raise
        except Permanent as error:
            raise Refused(
                f"{error} ({wanted.doctype} {draft['name']} replaces a cancelled one and is left as a draft)",
                category=error.category,
                severity=Severity.HIGH,
            ) from error

    def _check_submitted(self, wanted: Wanted, created: Document) -> None:
        """The same for a document that was created submitted: a wrong one is cancelled."""
        try:
            self._check(wanted, created)
        except Permanent:
            self._undo(wanted, created)
            raise

    def _undo(self, wanted: Wanted, created: Document) -> None:
        if created["docstatus"] == SUBMITTED:
            self._erp.cancel(wanted.doctype, created["name"])
        else:
            self._erp.delete(wanted.doctype, created["name"])

    def _submit(self, wanted: Wanted, draft: Document) -> Document:
        changes = {"docstatus": SUBMITTED, "modified": draft["modified"]}
        return self._erp.update(wanted.doctype, draft["name"], changes)

    def _settle_draft(self, wanted: Wanted, draft: Document) -> Written:
        if wanted.docstatus == CANCELLED:
            self._cancel(wanted, self._submit(wanted, draft))  # ERPNext cancels only what was submitted
            return Written(Effect.APPLIED, wanted.doctype, draft["name"])
        changes = differences(wanted, draft)
        if changes:
            draft = self._write(wanted, draft, changes)
            if wanted.seen:
                wanted.seen(draft)
        if wanted.docstatus == SUBMITTED:
            self._finish_own(wanted, draft)  # left by a try that did not get to its end
        else:
            self._finish(wanted, draft)
        changed = bool(changes) or wanted.docstatus == SUBMITTED
        return Written(Effect.APPLIED if changed else Effect.UNCHANGED, wanted.doctype, draft["name"])

    def _settle_submitted(self, wanted: Wanted, current: Document) -> Written:
        name = current["name"]
        if wanted.docstatus == CANCELLED:
            if wanted.may_cancel:
                wanted.may_cancel(current)
            self._cancel(wanted, current)
            return Written(Effect.APPLIED, wanted.doctype, name)
        changes = differences(wanted, current)
        if not changes:
            if wanted.at_once:  # the try that created it may have ended before it was checked
                self._check_submitted(wanted, current)
            return Written(Effect.UNCHANGED, wanted.doctype, name)
        if changes.keys() <= wanted.allowed_on_submit:
            self._write(wanted, current, changes)
            return Written(Effect.APPLIED, wanted.doctype, name)
        if not wanted.amend:
            raise Refused(
                f"{wanted.doctype} {name} is submitted and {', '.join(sorted(changes))} changed in the source; "
                "amend it in ERPNext, or set after_submit: amend in the flow's settings, then replay the event"
            )
        if wanted.may_amend:
            wanted.may_amend(current)
        return self._amend(wanted, self._cancel(wanted, current, AMENDING))

    def _settle_cancelled(self, wanted: Wanted, current: Document) -> Written:
        if wanted.docstatus == CANCELLED:
            return Written(Effect.UNCHANGED, wanted.doctype, current["name"])
        if wanted.once:
            successor = self._successor(wanted.doctype, current["name"])
            if successor:
                return Written(Effect.UNCHANGED, wanted.doctype, successor)
        elif is_being_amended(current):
            return self._amend(wanted, current)  # by the hub, for this version or one before it that got no further
        raise Refused(
            f"{wanted.doctype} {current['name']} was cancelled in ERPNext, but the source still counts on it; "
            "amend it in ERPNext or cancel it in the source, then replay the event (hub events replay)"
        )

    def _write(self, wanted: Wanted, current: Document, changes: Mapping[str, Any]) -> Document:
        locked = {**changes, VERSION_FIELD: wanted.version, "modified": current["modified"]}
        return self._erp.update(wanted.doctype, current["name"], locked)

    def _cancel(self, wanted: Wanted, submitted: Document, purpose: str = "") -> Document:
        mark = wanted.version + purpose
        if submitted.get(VERSION_FIELD) != mark:  # first say which version ends it: a later, staler event then knows
            self._erp.update(
                wanted.doctype, submitted["name"], {VERSION_FIELD: mark, "modified": submitted["modified"]}
            )
        try:
            return self._erp.cancel(wanted.doctype, submitted["name"])
        except Declined as error:
            now = self._erp.get(wanted.doctype, submitted["name"])
            if now and now["docstatus"] == CANCELLED:  # by another function, or by our own call that nobody waited for
                raise ChangedMeanwhile(error.exc_type, str(error)) from error
            raise


def differences(wanted: Wanted, current: Document) -> dict[str, Any]:
    """The wanted fields and whole tables that `current` does not already say: writing the same again fires webhooks."""
    if wanted.once:
        return {}
    fields = {
        name: value
        for name, value in wanted.fields.items()
        if name not in wanted.only_new and not same(value, current.get(name))
    }
    tables = {
        name: with_desk_columns(wanted, name, current)
        for name, rows in wanted.tables.items()
        if not _same_rows(rows, current.get(name) or [], wanted.only_new)
    }
    return {**fields, **tables}


def with_desk_columns(wanted: Wanted, table: str, current: Document) -> list[dict[str, Any]]:
    """The wanted rows of a table, each with what desk users made of its `only_new` columns in the row it replaces."""
    left = list(current.get(table) or [])
    rows = []
    for row in wanted.tables[table]:
        old = _replaced(row, left, wanted.row_key.get(table, ()))
        if old is not None:
            left.remove(old)
        desk = {name: old[name] for name in row if name in wanted.only_new and old.get(name)} if old else {}
        rows.append({**row, **desk})
    return rows


def _replaced(row: Mapping[str, Any], left: Sequence[Document], keys: Sequence[str]) -> Document | None:
    """The row that `row` takes the place of, by the first of the keys that both state."""
    for key in keys:
        for one in left:
            if row.get(key) and same(row[key], one.get(key)):
                return one
        left = [one for one in left if not (row.get(key) and one.get(key))]  # of another line
    return None


def _same_rows(wanted: Sequence[Mapping[str, Any]], current: Sequence[Document], only_new: frozenset[str]) -> bool:
    return len(wanted) == len(current) and all(
        same(value, row.get(name))
        for want, row in zip(wanted, current, strict=True)
        for name, value in want.items()
        if name not in only_new
    )


def same(wanted: Any, current: Any) -> bool:
    """Whether a field already says what is wanted."""
    if isinstance(wanted, int | Decimal) and isinstance(current, int | Decimal):
        return Decimal(wanted) == Decimal(current)
    return (wanted or "") == (current or "")  # ERPNext says null and "" for an empty field


def _copy(document: Document) -> dict[str, Any]:
    """What an amendment takes over: all that is not ERPNext's own bookkeeping and not computed anew from the lines."""
    return {
        name: [_copy(row) for row in value] if isinstance(value, list) else value
        for name, value in document.items()
        if value not in (None, []) and name not in NOT_COPIED
    }


def _belongs(document: Document, wanted: Wanted) -> bool:
    if not wanted.submittable:
        return str(document.get(ID_FIELD) or "") == wanted.external_id
    return _key(document) == wanted.external_id


def _key(document: Document) -> str:
    """The external id of a submittable document, without its revision; "" where it bears none of the hub's."""
    key, _, revision = str(document.get(ID_FIELD) or "").rpartition("~")
    return key if revision.isdigit() else ""


def _revision(document: Document) -> int:
    """How many amendments came before: the number behind the external id of a submittable document."""
    _, mark, revision = str(document.get(ID_FIELD) or "").rpartition("~")
    return int(revision) if mark else 0


def version_of(document: Document) -> str:
    """The source's version that the document says, or is being brought to."""
    return str(document.get(VERSION_FIELD) or "").removesuffix(AMENDING)


def is_being_amended(document: Document) -> bool:
    """Whether the hub cancelled it to put another one in its place, which may not be there yet."""
    return str(document.get(VERSION_FIELD) or "").endswith(AMENDING)


def _not_set_up(doctype: str) -> NotSetUp:
    return NotSetUp(f"{doctype} in ERPNext has no field {ID_FIELD}; run `hub setup erp`, the events wait until then")
