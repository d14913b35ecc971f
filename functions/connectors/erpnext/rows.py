"""Rows of any table become documents of any DocType, as the flow's settings state; what does not fit is set aside."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from connectors.erpnext.client import Declined, Document, ErpNext
from connectors.erpnext.documents import (
    CANCELLED,
    DRAFT,
    LOOK_AGAIN,
    REDACTED,
    SUBMITTED,
    TRIES,
    VERSION_FIELD,
    Documents,
    Wanted,
    external_id,
)
from connectors.erpnext.row_settings import DocumentRules, FieldRule, TableRules, fixed
from connectors.erpnext.row_values import NotOfType, converted, empty
from connectors.erpnext.settings import FlowSettings
from hub.connector import Effect, Written
from hub.errors import Category, NotConfigured, Permanent, Temporary
from hub.events import Event
from hub.records import Deletion, TableRow

DISABLED = "disabled"
NOTHING = (None, "")
MOST_FAULTS = 10  # of one row that are told
_MISSING = object()


class RowDoesNotFit(Permanent):
    """A row that is not what its stream's fields promise: its source has changed, or the row is wrong."""

    category = Category.DATA_VALIDATION_FAILED


def stream_of(event: Event) -> str:
    """The stream that a row's event, or that of its deletion, belongs to."""
    return event.type.partition(".")[2].removesuffix("/deleted")


@dataclass(frozen=True, slots=True)
class Said:
    """What a row says of its document."""

    fields: dict[str, Any]
    tables: dict[str, list[dict[str, Any]]]


def said(stream: str, row: Mapping[str, Any], rules: DocumentRules, zone: str) -> Said:
    """What a row says of its document; `zone` is the site's. Raises RowDoesNotFit with one sentence for all that does not
    fit, which names no values."""
    faults: list[str] = []
    fields = _line(row, rules.fields, zone, "", faults)
    tables = {name: _lines(row, name, table, zone, faults) for name, table in rules.tables.items()}
    if faults:
        raise RowDoesNotFit(
            f"{stream}: {'; '.join(faults[:MOST_FAULTS])}. Mend the row in the source, or the stream's `documents` in the "
            "flow's settings if the source has changed, then replay the event (hub events replay)"
        )
    return Said(fields, tables)


def _lines(row: Mapping[str, Any], name: str, table: TableRules, zone: str, faults: list[str]) -> list[dict[str, Any]]:
    entries = _found(row, table.source) if table.source else [row]
    if entries is _MISSING:
        faults.append(f"{name} (from {table.source}) is missing")
    elif entries is not None and not isinstance(entries, list):
        faults.append(f"{name} (from {table.source}) is not a list")
    if not isinstance(entries, list):
        return []
    lines = [_line(entry, table.fields, zone, f"{name}.", faults) for entry in entries]
    return [
        {**fixed(table.constants), **line} for line in lines if any(value not in NOTHING for value in line.values())
    ]


def _line(entry: Any, rules: Mapping[str, FieldRule], zone: str, inside: str, faults: list[str]) -> dict[str, Any]:
    fields = {}
    for name, rule in rules.items():
        try:
            fields[name] = _value(entry, rule, zone)
        except NotOfType as error:
            faults.append(f"{inside}{name} (from {rule.source}) {error}")
    return fields


def _value(row: Any, rule: FieldRule, zone: str) -> Any:
    found = _found(row, rule.source)
    if found is _MISSING and not rule.has_default:
        raise NotOfType("is missing; state a default if rows may lack it")
    if found is _MISSING or found is None or (isinstance(found, str) and not found.strip()):
        if rule.required:
            raise NotOfType("is empty, and required")
        found = rule.default_value
    if found is None or found == "":
        return empty(rule.type)
    try:
        value = converted(found, rule.type, rule.times(zone))
    except NotOfType as error:
        raise NotOfType(f"is not {error}") from error
    if rule.max_length and len(value) > rule.max_length:
        raise NotOfType(f"is longer than {rule.max_length} characters")
    if rule.allowed and str(value) not in map(str, rule.allowed):
        raise NotOfType(f"is none of {', '.join(map(str, rule.allowed))}")
    return value


def _found(row: Any, path: str) -> Any:
    """What stands at a dotted path; a column may bear dots of its own. Below a null everything is null."""
    if isinstance(row, Mapping) and path in row:
        return row[path]
    for part in path.split("."):
        if row is None:
            return None
        if isinstance(row, Mapping) and part in row:
            row = row[part]
        elif isinstance(row, list) and part.isascii() and part.isdigit() and int(part) < len(row):
            row = row[int(part)]
        else:
            return _MISSING
    return row


class Rows:
    """Writes the rows of a source's streams to one ERPNext site."""

    def __init__(self, erp: ErpNext, documents: Documents, settings: FlowSettings) -> None:
        self._erp = erp
        self._documents = documents
        self._settings = settings

    def upsert(self, row: TableRow, event: Event, known_name: str) -> Written:
        """Have the row's document say what the row says. The row's fields are the source's, all others the desk users'."""
        rules = self._rules(row.stream)
        told = said(row.stream, row.fields, rules, self._settings.time_zone)
        enabled = {DISABLED: 0} if rules.on_delete == "disable" else {}  # it was gone, and came back
        fields = {**fixed(rules.constants), **told.fields, **enabled}

        def check(document: Document) -> None:
            """ERPNext drops unknown fields in silence, and says nothing of empty ones."""
            unknown = [*_dropped(fields, document), *(name for name in told.tables if name not in document)]
            for name, lines in told.tables.items():
                written = zip(lines, document.get(name) or [], strict=False)
                unknown += [f"{name}.{column}" for line, kept in written for column in _dropped(line, kept)]
            if unknown:
                raise NotConfigured(
                    f"{rules.doctype} in ERPNext has no field {', '.join(sorted(set(unknown)))}; correct the fieldnames in the flow's "
                    f"settings (documents.{row.stream}), or make the field in ERPNext (Customize Form → {rules.doctype}), "
                    "then replay the event (hub events replay)"
                )

        wanted = Wanted(
            doctype=rules.doctype,
            external_id=_key(event, row.key),
            version=event.entity_version,
            fields=fields,
            tables=told.tables,
            only_new=frozenset(rules.constants),
            docstatus=SUBMITTED if rules.submit else DRAFT,
            submittable=rules.submit,
            amend=rules.submit and self._settings.after_submit == "amend",
            check=check,
        )
        return self._documents.converge(lambda _fresh: wanted, known_name)

    def remove(self, deletion: Deletion, event: Event, known_name: str) -> Written:
        """Do with the document of a row that is gone what the settings say; never delete it."""
        rules = self._rules(stream_of(event))
        key = _key(event, deletion.id)
        if rules.on_delete == "disable":
            return self._disable(rules, key, event.entity_version)
        if rules.on_delete == "cancel":
            wanted = Wanted(
                doctype=rules.doctype,
                external_id=key,
                version=event.entity_version,
                fields={},
                tables={},
                docstatus=CANCELLED,
                submittable=True,
            )
            return self._documents.converge(lambda _fresh: wanted, known_name)
        return Written(Effect.IGNORED, rule="the row is gone at the source; its document stays (on_delete: ignore)")

    def _rules(self, stream: str) -> DocumentRules:
        rules = self._settings.documents.get(stream)
        if rules is None:
            raise NotConfigured(
                f"the flow's settings do not say what rows of {stream} become; add documents.{stream}, or ignore the stream "
                f"in the flow's actions, then replay the event (hub events replay)"
            )
        return rules

    def _disable(self, rules: DocumentRules, key: str, version: str) -> Written:
        clash: Declined | None = None
        for _ in range(TRIES):
            try:
                return self._disabled(rules, key, version)
            except LOOK_AGAIN as error:
                clash = error
        raise Temporary(f"{rules.doctype} {key} keeps being changed while it is disabled: {clash}")

    def _disabled(self, rules: DocumentRules, key: str, version: str) -> Written:
        name = self._documents.find_name(rules.doctype, key)
        document = self._erp.get(rules.doctype, name) if name else None
        if document is None:
            return Written(Effect.IGNORED, rule=f"ERPNext has no {rules.doctype} of the row")
        if document.get(VERSION_FIELD) == REDACTED:
            return Written(Effect.IGNORED, rules.doctype, name, "the person's data were erased for good")
        if version and version < (document.get(VERSION_FIELD) or ""):
            return Written(Effect.STALE, rules.doctype, name, "ERPNext has a newer version")
        if DISABLED not in document:
            raise NotConfigured(
                f"{rules.doctype} in ERPNext has no field {DISABLED}; set on_delete to ignore for it in the flow's settings, "
                "then replay the event (hub events replay)"
            )
        if document[DISABLED]:
            return Written(Effect.UNCHANGED, rules.doctype, name)
        marks = {VERSION_FIELD: version} if version else {}
        self._erp.update(rules.doctype, name, {DISABLED: 1, **marks, "modified": document["modified"]})
        return Written(Effect.APPLIED, rules.doctype, name)


def _dropped(wanted: Mapping[str, Any], kept: Mapping[str, Any]) -> list[str]:
    return [name for name, value in wanted.items() if value not in NOTHING and name not in kept]


def _key(event: Event, row_key: str) -> str:
    _, entity, _ = event.subject.split("/", 2)
    return external_id(event.integration, entity, row_key)
