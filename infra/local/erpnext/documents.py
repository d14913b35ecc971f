"""The life of a document: insert, save, submit, cancel, delete, rename, with the checks that Frappe makes on the way."""

from __future__ import annotations

import json
import re
from datetime import date
from typing import Any
from urllib.parse import quote

from infra.local.erpnext.doctypes import CHILD_STANDARD, NUMBERS, STANDARD, DocType, Field
from infra.local.erpnext.errors import FrappeError, not_found, thrown
from infra.local.erpnext.site import Transaction
from infra.local.erpnext.store import Doc, collated, copied

DOCSTATUS = {0: "Draft", 1: "Submitted", 2: "Cancelled"}
IGNORED_LINKS = {
    "Comment",
    "File",
    "Deleted Document",
    "Webhook Request Log",
    "GL Entry",
    "Stock Ledger Entry",
    "ToDo",
    "Webhook",
}


# Showing


def shown(tx: Transaction, doc: Doc, *, nulls: bool = False) -> Doc:
    """A document as the API sends it; resources leave null values out, whitelisted methods send them."""
    meta = tx.meta(doc["doctype"])
    return _shown(tx, meta, doc, STANDARD, (), nulls)


def _shown(tx: Transaction, meta: DocType, doc: Doc, first: tuple[str, ...], last: tuple[str, ...], nulls: bool) -> Doc:
    body: Doc = {}
    for name in first:
        if nulls or doc.get(name) is not None:
            body[name] = doc.get(name)
    for each in meta.columns:
        value = doc.get(each.name)
        if each.hidden and value:
            value = "*" * len(str(value))
        if value is not None or nulls or each.null:
            body[each.name] = value
    for name in last:
        body[name] = doc.get(name)
    body["doctype"] = meta.name
    for table in meta.tables:
        child = tx.meta(table.options)
        body[table.name] = [
            _shown(tx, child, row, STANDARD, CHILD_STANDARD, nulls) for row in doc.get(table.name) or []
        ]
    if "__unsaved" in doc:
        body["__unsaved"] = 1
    return body


# Building


def cast(each: Field, value: Any) -> Any:
    """A value as the column would hold it."""
    if each.type in NUMBERS:
        if value in (None, ""):
            return NUMBERS[each.type]
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = 0.0
        return int(number) if each.type in ("Int", "Check") else number
    if value is None or isinstance(value, str):
        if each.type == "Date" and value:
            return _date(value)
        return value
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, (dict, list)):
        return json.dumps(value)
    return str(value)


def _date(value: str) -> str:
    try:
        return date.fromisoformat(value[:10]).isoformat()
    except ValueError:
        raise thrown("ValidationError", f"{value} is not a valid date string.", title="Invalid Date") from None


def _filled(tx: Transaction, meta: DocType, values: Doc) -> Doc:
    """A row or document with every column of its DocType: what was sent, else the default; the rest is dropped."""
    doc: Doc = {}
    for each in meta.columns:
        value = cast(each, values.get(each.name))
        if each.name not in values or values[each.name] is None:
            value = tx.today() if each.default == "today" else copied(each.default)
        doc[each.name] = value
    return doc


def _rows(tx: Transaction, table: Field, sent: Any, kept: list[Doc]) -> list[Doc]:
    """The rows of a child table as sent; one that bears the name of a kept row goes on as that row, all others are new."""
    if not isinstance(sent, list):
        raise FrappeError("TypeError", f"{table.name} must be a list")
    known = {row["name"]: row for row in kept}
    meta = tx.meta(table.options)
    rows: list[Doc] = []
    for row in sent:
        if not isinstance(row, dict):
            raise FrappeError("AttributeError", f"'{type(row).__name__}' object has no attribute 'get'")
        before = known.get(row.get("name"))
        filled = {**dict.fromkeys(STANDARD), **_filled(tx, meta, row)}
        if before:
            filled.update({name: before[name] for name in ("name", "owner", "creation")})
        else:
            filled["__unsaved"] = 1
        rows.append(filled)
    return rows


def _adopt(tx: Transaction, meta: DocType, doc: Doc) -> None:
    """Number the child rows and give the new ones names."""
    for table in meta.tables:
        for idx, row in enumerate(doc[table.name], 1):
            if not row.get("name"):
                row.update(name=tx.random_name(), owner=tx.user, creation=doc["modified"])
            row.update(
                idx=idx,
                docstatus=doc["docstatus"],
                modified=doc["modified"],
                modified_by=doc["modified_by"],
                parent=doc["name"],
                parentfield=table.name,
                parenttype=meta.name,
            )


def _store(tx: Transaction, meta: DocType, doc: Doc) -> None:
    """Write the document without what exists in memory only."""
    kept = {key: value for key, value in doc.items() if not key.startswith("_")}
    for table in meta.tables:
        kept[table.name] = [{k: v for k, v in row.items() if not k.startswith("_")} for row in doc[table.name]]
    tx.store.put(meta.name, doc["name"], kept)


# Checking


def _check_links(tx: Transaction, meta: DocType, doc: Doc) -> None:
    missing: list[str] = []
    cancelled: list[str] = []

    def check(row: Doc, row_meta: DocType, prefix: str) -> None:
        for each in row_meta.columns:
            value = row.get(each.name)
            if not value or each.type not in ("Link", "Dynamic Link"):
                continue
            target = each.options if each.type == "Link" else row.get(each.options)
            text = f"{prefix}{each.label}: {value}"
            if target == "DocType":
                if not tx.site.knows(str(value)):
                    missing.append(text)
                continue
            found = tx.store.peek(str(target), value) if target else None
            if found is None:
                missing.append(text)
            else:
                row[each.name] = found["name"]
                if found["docstatus"] == 2 and each.name != "amended_from" and meta.submittable:
                    cancelled.append(text)

    check(doc, meta, "")
    for table in meta.tables:
        for idx, row in enumerate(doc[table.name], 1):
            check(row, tx.meta(table.options), f"Row #{idx}: ")
    if missing:
        raise thrown("LinkValidationError", f"Could not find {', '.join(missing)}")
    if cancelled:
        raise thrown("CancelledLinkError", f"Cannot link cancelled document: {', '.join(cancelled)}")


def _is_missing(value: Any) -> bool:
    return value is None or value == "" or value == []


def _check_values(tx: Transaction, meta: DocType, doc: Doc) -> None:
    """Mandatory, Select and length, in Frappe's order."""
    rows = [(meta, doc, "")]
    for table in meta.tables:
        rows += [(tx.meta(table.options), row, f"Row #{row['idx']}: ") for row in doc[table.name]]
    missing: list[tuple[str, str]] = []
    for row_meta, row, prefix in rows:
        for each in row_meta.fields:
            if each.reqd and _is_missing(row.get(each.name)):
                where = f"{meta.name}: " if not prefix else f"{meta.name} {prefix}"
                missing.append((each.name, f"Error: Value missing for {where}{each.label}"))
    if missing:
        raise FrappeError(
            "MandatoryError",
            f"[{meta.name}, {doc['name']}]: {', '.join(name for name, _ in missing)}",
            [{"message": text, "title": "Message"} for _, text in missing],
        )
    for row_meta, row, prefix in rows:
        for each in row_meta.columns:
            value = row.get(each.name)
            if each.type == "Select" and value and value not in each.choices:
                choices = ", ".join(f'"{choice}"' for choice in each.choices if choice)
                raise thrown(
                    "ValidationError", f'{prefix} {each.label} cannot be "{value}". It should be one of {choices}'
                )
    for row_meta, row, prefix in rows:
        for each in row_meta.columns:
            value = row.get(each.name)
            if each.max_length and isinstance(value, str) and len(value) > each.max_length:
                text = (
                    f"{meta.name} {doc['name']}: {prefix}'<strong>{each.label}</strong>' ({value}) "
                    f"will get truncated, as max characters allowed is {each.max_length}"
                )
                raise thrown("CharacterLengthExceededError", text, title="Value too big")


def _check_unique(tx: Transaction, meta: DocType, doc: Doc) -> None:
    for name in meta.unique_fields:
        if doc.get(name) in (None, ""):
            continue
        holder = tx.store.holder(meta.name, name, doc[name])
        if holder is not None and holder["name"] != doc["name"]:
            raise FrappeError(
                "UniqueValidationError",
                _integrity_error(meta.name, doc["name"], doc[name], name),
                [{"message": f"{meta.by_name[name].label} must be unique", "title": "Message"}],
            )


def _integrity_error(doctype: str, name: str, value: Any, key: str) -> str:
    return f"('{doctype}', '{name}', IntegrityError(1062, \"Duplicate entry '{value}' for key '{key}'\"))"


# Naming


def _new_name(tx: Transaction, meta: DocType, doc: Doc, sent: Any) -> str:
    kind, _, argument = meta.naming.partition(":")
    if doc.get("amended_from"):
        return _amended_name(tx, meta, str(doc["amended_from"]))
    if kind == "series":
        return series_name(tx, doc.get("naming_series") or argument)
    if kind == "title":
        return _customer_name(tx, doc)
    if kind == "field":
        if not doc.get(argument):
            raise thrown("ValidationError", f"{meta.by_name[argument].label} is required")
        return str(doc[argument]).strip()
    if kind == "abbr":
        company = tx.store.peek("Company", doc["company"] or "")
        suffix = f" - {company['abbr']}" if company else ""
        base = str(doc.get(argument) or "").strip()
        return base if base.endswith(suffix) and suffix else base + suffix
    if kind == "custom_field":
        return f"{doc['dt']}-{doc['fieldname']}"
    if kind in ("address", "contact"):
        return _party_name(tx, doc, kind)
    if kind == "prompt" and sent:
        return str(sent).strip()
    if kind == "single":
        return meta.name
    return tx.random_name()


def series_name(tx: Transaction, series: str) -> str:
    """'SAL-ORD-.YYYY.-' and today's date give 'SAL-ORD-2026-00001'."""
    today = tx.today()
    parts = {"YYYY": today[:4], "YY": today[2:4], "MM": today[5:7], "DD": today[8:10]}
    prefix = "".join(parts.get(part, part) for part in series.split(".") if not part.startswith("#"))
    return f"{prefix}{tx.store.next_in_series(prefix):05d}"


def _amended_name(tx: Transaction, meta: DocType, amended_from: str) -> str:
    before = tx.store.peek(meta.name, amended_from)
    if before is not None and before["docstatus"] != 2:
        raise thrown("ValidationError", f"{meta.name} {amended_from} must be cancelled before it is amended")
    if before is not None and before.get("amended_from"):
        prefix, _, number = amended_from.rpartition("-")
        return f"{prefix}-{int(number) + 1}"
    return f"{amended_from}-1"


def _customer_name(tx: Transaction, doc: Doc) -> str:
    wanted = doc.get("customer_name")
    if wanted is None:
        raise FrappeError("AttributeError", "'NoneType' object has no attribute 'strip'", from_erpnext=True)
    wanted = str(wanted).strip()
    if not tx.sees("Customer", wanted):
        return wanted
    pattern = re.compile(re.escape(f"{collated(wanted)} - ") + r"(\d+)$")
    numbers = [int(match[1]) for each in tx.store.all("Customer") if (match := pattern.match(collated(each["name"])))]
    name = f"{wanted} - {max(numbers, default=0) + 1}"
    tx.say(f"Changed customer name to '{name}' as '{wanted}' already exists.", "Note", indicator="yellow")
    return name


def _party_name(tx: Transaction, doc: Doc, kind: str) -> str:
    if kind == "address":
        links = doc.get("links") or []
        title = doc.get("address_title") or (links[0].get("link_name") if links else None)
        if not title:
            raise thrown("ValidationError", "Address Title is mandatory.")
        doc["address_title"] = title
        base = f"{title}-{doc['address_type']}"
    else:
        base = " ".join(filter(None, (doc.get("first_name"), doc.get("last_name")))) or str(doc.get("email_id") or "")
        doc["full_name"] = base
        links = doc.get("links") or []
        if links and links[0].get("link_name"):
            base = f"{base}-{links[0]['link_name']}"
    name, number = base.strip(), 0
    while tx.store.peek(doc["doctype"], name) is not None:
        number += 1
        name = f"{base.strip()}-{number}"
    return name


# Changing


def insert(tx: Transaction, values: Doc) -> Doc:
    """Make a document, submitted at once when `docstatus` is 1; the answer is the document in memory, as recorded."""
    doctype = str(values.get("doctype"))
    meta = tx.meta(doctype)
    now = tx.stamp()
    doc: Doc = dict.fromkeys(STANDARD)
    doc.update(owner=tx.user, creation=now, modified=now, modified_by=tx.user, docstatus=0, idx=0, doctype=doctype)
    doc.update(_filled(tx, meta, values))
    doc["docstatus"] = _docstatus(values.get("docstatus"))
    if doc["docstatus"] == 2:
        raise FrappeError("DocstatusTransitionError", "Cannot change docstatus from 0 (Draft) to 2 (Cancelled)")
    for table in meta.tables:
        doc[table.name] = _rows(tx, table, values.get(table.name) or [], [])
    doc["__islocal"] = 1
    _check_links(tx, meta, doc)
    tx.run("before_naming", doc)
    doc["name"] = _new_name(tx, meta, doc, values.get("name"))
    if "<" in doc["name"] or ">" in doc["name"]:
        raise thrown("NameError", "Name cannot contain special characters like '<', '>'")
    _adopt(tx, meta, doc)
    tx.run("validate", doc)
    _adopt(tx, meta, doc)
    _check_values(tx, meta, doc)
    if tx.store.peek(doctype, doc["name"]) is not None:
        raise FrappeError(
            "DuplicateEntryError",
            _integrity_error(doctype, doc["name"], doc["name"], "PRIMARY"),
            [
                {
                    "message": f"{doctype} <strong>{doc['name']}</strong> already exists",
                    "title": "Duplicate Name",
                    "indicator": "red",
                }
            ],
        )
    _check_unique(tx, meta, doc)
    del doc["__islocal"]
    if meta.naming == "single":
        doc.update(creation=None, idx="0")  # a Single has no row of its own, as recorded
    _store(tx, meta, doc)
    tx.run("after_insert", doc)
    tx.happened("after_insert", doc)
    tx.happened("on_update", doc)
    if doc["docstatus"] == 1:
        tx.run("on_submit", doc)
        tx.happened("on_submit", doc)
    return doc


def _docstatus(value: Any) -> int:
    try:
        return int(value or 0)
    except (TypeError, ValueError):
        raise FrappeError("ValueError", f"invalid docstatus {value!r}") from None


def load(tx: Transaction, doctype: str, name: str) -> Doc:
    """A document to be changed; DoesNotExistError (404) when there is none."""
    tx.meta(doctype)
    doc = tx.store.get(doctype, name)
    if doc is None:
        raise not_found(doctype, name)
    return doc


def update(tx: Transaction, doctype: str, name: str, changes: Doc) -> Doc:
    """Change some fields of a document; a child table that is sent replaces the whole table."""
    doc = load(tx, doctype, name)
    if changes.get("name") and changes["name"] != doc["name"]:
        raise not_found(doctype, str(changes["name"]))
    return save(tx, doc, changes, expected=changes.get("modified", doc["modified"]))


def save(tx: Transaction, before: Doc, changes: Doc, *, expected: Any) -> Doc:
    """Save `before` with `changes`; `expected` is compared with its `modified` as an exact string.

    The new docstatus decides whether this saves a draft, submits, changes a submitted document, or cancels.
    """
    doctype = before["doctype"]
    meta = tx.meta(doctype)
    doc: Doc = copied(before)
    now = tx.stamp()
    for each in meta.columns:
        if each.name in changes and not (each.hidden and set(str(changes[each.name])) == {"*"}):
            doc[each.name] = cast(each, changes[each.name])
    for table in meta.tables:
        if table.name in changes:
            doc[table.name] = _rows(tx, table, changes[table.name] or [], before[table.name])
    target = _docstatus(changes.get("docstatus", before["docstatus"]))
    if str(expected) != str(before["modified"]):
        raise thrown(
            "TimestampMismatchError",
            f"Error: Document has been modified after you have opened it ({before['modified']}, {now}). "
            "Please refresh to get the latest document.",
        )
    _check_transition(before["docstatus"], target)
    for name, label in (("creation", "Created On"), ("owner", "Created By")):
        if name in changes and str(changes[name]) != str(before[name]):
            raise thrown("CannotChangeConstantError", f"Value cannot be changed for <strong>{label}</strong>")
    doc.update(modified=now, modified_by=tx.user, docstatus=target)
    doc["_before"] = before
    _check_links(tx, meta, doc)
    _adopt(tx, meta, doc)
    action = {(0, 0): "save", (0, 1): "submit", (1, 1): "change", (1, 2): "cancel"}[before["docstatus"], target]
    if action in ("save", "submit"):
        tx.run("validate", doc)
        _adopt(tx, meta, doc)
        _check_values(tx, meta, doc)
    elif action == "change":
        tx.run("before_update_after_submit", doc)
        _check_values(tx, meta, doc)
        _check_update_after_submit(tx, meta, before, doc)
    else:
        doc = {**copied(before), "modified": now, "modified_by": tx.user, "docstatus": 2, "_before": before}
        _adopt(tx, meta, doc)
        tx.run("before_cancel", doc)
    _check_unique(tx, meta, doc)
    _store(tx, meta, doc)
    if action in ("save", "submit"):
        tx.run("on_update", doc)
        tx.happened("on_update", doc)
    if action == "submit":
        tx.run("on_submit", doc)
        tx.happened("on_submit", doc)
    if action == "cancel":
        tx.run("on_cancel", doc)
        tx.happened("on_cancel", doc)
    tx.happened("on_change", doc)
    del doc["_before"]
    return doc


def _check_transition(before: int, after: int) -> None:
    if before == 2:
        raise FrappeError("ValidationError", "Cannot edit cancelled document")
    if after not in DOCSTATUS or (before, after) in ((0, 2), (1, 0)):
        text = f"Cannot change docstatus from {before} ({DOCSTATUS[before]}) to {after} ({DOCSTATUS.get(after, 'unknown')})"
        raise FrappeError("DocstatusTransitionError", text)


def _check_update_after_submit(tx: Transaction, meta: DocType, before: Doc, doc: Doc) -> None:
    def refuse(prefix: str, label: str, old: Any, new: Any) -> FrappeError:
        text = (
            f"{prefix} Not allowed to change <strong>{label}</strong> after submission "
            f"from <strong>{'' if old is None else old}</strong> to <strong>{'' if new is None else new}</strong>"
        )
        return thrown("UpdateAfterSubmitError", text, title="Cannot Update After Submit")

    def compare(row_meta: DocType, old: Doc, new: Doc, prefix: str) -> None:
        for each in row_meta.columns:
            if not each.on_submit and (old.get(each.name) or None) != (new.get(each.name) or None):
                raise refuse(prefix, each.label, old.get(each.name), new.get(each.name))

    compare(meta, before, doc, "")
    for table in meta.tables:
        if table.on_submit:
            continue
        if len(before[table.name]) != len(doc[table.name]):
            raise refuse("", table.label, len(before[table.name]), len(doc[table.name]))
        known = {row["name"]: row for row in before[table.name]}
        for row in doc[table.name]:
            if row["name"] not in known:
                raise refuse(f"Row #{row['idx']}:", table.label, "", row["name"])
            compare(tx.meta(table.options), known[row["name"]], row, f"Row #{row['idx']}:")


def set_directly(tx: Transaction, doctype: str, name: str, values: Doc, *, touch: bool = True) -> Doc:
    """Set fields without any check (Frappe's db_set), with a new `modified` unless told not to."""
    doc = load(tx, doctype, name)
    doc.update(values)
    if touch:
        doc.update(modified=tx.stamp(), modified_by=tx.user)
    _store(tx, tx.meta(doctype), doc)
    tx.happened("on_change", doc)
    return doc


def delete(tx: Transaction, doctype: str, name: str) -> None:
    """Delete a document and leave a Deleted Document with its full JSON."""
    meta = tx.meta(doctype)
    doc = tx.store.get(doctype, name)
    if doc is None:
        raise FrappeError("DoesNotExistError", shows_traceback=False)
    if doc["docstatus"] == 1:
        raise thrown(
            "ValidationError",
            f"{doctype} {doc['name']}: Submitted Record cannot be deleted. You must "
            "<a href='https://docs.frappe.io/erpnext/user/manual/en/delete-submitted-document' target='_blank'> Cancel </a> it first.",
        )
    tx.run("on_trash", doc)
    linked = _linking_document(tx, doctype, doc["name"])
    if linked is not None:
        raise linked_error(tx, meta, doc["name"], *linked)
    if doctype != "Deleted Document":
        data = shown(tx, doc, nulls=True)
        insert(
            tx,
            {
                "doctype": "Deleted Document",
                "deleted_doctype": doctype,
                "deleted_name": doc["name"],
                "data": json.dumps(data, indent=1, sort_keys=True, separators=(",", ": ")),
            },
        )
    tx.store.remove(doctype, doc["name"])
    tx.run("after_delete", doc)
    tx.happened("on_trash", doc)
    tx.happened("on_change", doc)


def _linking_document(tx: Transaction, doctype: str, name: str) -> tuple[str, str] | None:
    for meta in tx.site.metas:
        if meta.name in IGNORED_LINKS or meta.child:
            continue
        linking = [
            doc
            for doc in tx.store.all(meta.name)
            if (meta.name, doc["name"]) != (doctype, name) and _links_to(tx, meta, doc, doctype, name)
        ]
        if linking:
            return meta.name, max(linking, key=lambda doc: str(doc["modified"]))["name"]
    return None


def _links_to(tx: Transaction, meta: DocType, doc: Doc, doctype: str, name: str) -> bool:
    for each in meta.columns:
        if doc.get(each.name) == name:
            if each.type == "Link" and each.options == doctype:
                return True
            if each.type == "Dynamic Link" and doc.get(each.options) == doctype:
                return True
    return any(
        _links_to(tx, tx.meta(table.options), row, doctype, name)
        for table in meta.tables
        for row in doc.get(table.name, [])
    )


def link_to(tx: Transaction, doctype: str, name: str) -> str:
    route = doctype.lower().replace(" ", "-")
    return f'<a href="{tx.site.url}/app/{route}/{quote(name)}">{name}</a>'


def linked_error(tx: Transaction, meta: DocType, name: str, other_doctype: str, other_name: str) -> FrappeError:
    text = (
        f"Cannot delete or cancel because {meta.name} {link_to(tx, meta.name, name)} "
        f"is linked with {other_doctype} {link_to(tx, other_doctype, other_name)} "
    )
    error = thrown("LinkExistsError", text)
    if "disabled" in meta.by_name:
        hint = thrown("LinkExistsError", f"You can disable this {meta.name} instead of deleting it.")
        hint.messages = error.messages + hint.messages
        return hint
    return error


def rename(tx: Transaction, doctype: str, old: str, new: str, *, merge: bool = False) -> str:
    """Give a document another primary key; documents that link to it follow without a new `modified`.

    With `merge`, they follow to the document that bears the new name already, and the old one is deleted. A merged
    Customer is called by its name again, as ERPNext's after_rename does it; that and merging are from the sources.
    """
    meta = tx.meta(doctype)
    doc = load(tx, doctype, old)
    new = new.strip()
    if not new:
        raise thrown("ValidationError", "New name is required")
    existing = tx.store.peek(doctype, new)
    old = doc["name"]
    if merge:
        if existing is None:
            raise thrown("ValidationError", f"{doctype} {new} does not exist, select a new target to merge")
        if existing["name"] == old:
            raise thrown("ValidationError", "No changes made because old and new name are the same.")
        doc = load(tx, doctype, new)
    elif existing is not None and existing["name"] != old:
        raise thrown("ValidationError", f"Another {doctype} with name {new} exists, select another name")
    else:
        tx.store.remove(doctype, old)
        doc["name"] = new
    if meta.naming in ("title",):
        doc[meta.title] = new
    if meta.naming.startswith("field:"):
        doc[meta.naming.partition(":")[2]] = new
    for table in meta.tables:
        for row in doc[table.name]:
            row["parent"] = new
    _store(tx, meta, doc)
    for other in tx.site.metas:
        if other.child:
            continue
        for each in tx.store.all(other.name):
            if _links_to(tx, other, each, doctype, old):
                changed = copied(each)
                _relink(tx, other, changed, doctype, old, new)
                tx.store.put(other.name, changed["name"], changed)
    for file in tx.store.all("File"):
        if (file["attached_to_doctype"], file["attached_to_name"]) == (doctype, old):
            tx.store.put("File", file["name"], {**file, "attached_to_name": new})
    if merge:
        delete(tx, doctype, old)
    tx.say(f"Document renamed from <strong>{old}</strong> to <strong>{new}</strong>", indicator="green", alert=1)
    tx.happened("on_change", doc)
    return new


def _relink(tx: Transaction, meta: DocType, doc: Doc, doctype: str, old: str, new: str) -> None:
    for each in meta.columns:
        static = each.type == "Link" and each.options == doctype
        dynamic = each.type == "Dynamic Link" and doc.get(each.options) == doctype
        if (static or dynamic) and doc.get(each.name) == old:
            doc[each.name] = new
    for table in meta.tables:
        for row in doc[table.name]:
            _relink(tx, tx.meta(table.options), row, doctype, old, new)
