"""Custom Fields: made over REST, they change their DocType at once, unique index included."""

from __future__ import annotations

import re

from infra.local.erpnext.errors import thrown
from infra.local.erpnext.site import Hook, Transaction
from infra.local.erpnext.store import Doc, collated


def validate_custom_field(tx: Transaction, doc: Doc) -> None:
    meta = tx.meta(doc["dt"])
    if doc.get("__islocal"):
        if doc["fieldname"] in meta.by_name:
            raise thrown(
                "ValidationError",
                f"A field with the name <strong>{doc['fieldname']}</strong> already exists in {doc['dt']}",
            )
        positions = [i for i, each in enumerate(meta.fields, 1) if each.name == doc.get("insert_after")]
        doc["idx"] = positions[0] + 1 if positions else len(meta.fields)
    elif doc["_before"]["fieldtype"] != doc["fieldtype"]:
        raise thrown(
            "ValidationError", f"Fieldtype cannot be changed from {doc['_before']['fieldtype']} to {doc['fieldtype']}"
        )


def name_custom_field(_tx: Transaction, doc: Doc) -> None:
    if not doc.get("fieldname"):
        if not doc.get("label"):
            raise thrown("ValidationError", "Label is mandatory")
        doc["fieldname"] = "custom_" + re.sub(r"[^a-z0-9_]", "", str(doc["label"]).lower().replace(" ", "_"))
    doc["fieldname"] = str(doc["fieldname"]).lower()


def alter(tx: Transaction, doc: Doc) -> None:
    """Add the column to the documents that exist, and index it; refused when they already hold duplicates."""
    doctype = doc["dt"]
    tx.altered.add(doctype)
    tx.site.reload_meta(doctype)
    if not doc["unique"]:
        return
    field = doc["fieldname"]
    held = [collated(each[field]) for each in tx.store.all(doctype) if each.get(field) not in (None, "")]
    if len(set(held)) != len(held):
        text = f"Field {doctype}.{field} cannot be set as unique as there are non-unique existing values"
        raise thrown("ValidationError", text)


HOOKS: dict[str, dict[str, Hook]] = {
    "Custom Field": {
        "before_naming": name_custom_field,
        "validate": validate_custom_field,
        "after_insert": alter,
        "on_update": alter,
        "after_delete": alter,
    },
}
