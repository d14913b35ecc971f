"""The custom fields that the hub needs in ERPNext, made over REST; safe to repeat."""

from collections.abc import Iterable, Mapping
from typing import Any

from connectors.erpnext.catalogue import PRODUCT_FIELD
from connectors.erpnext.client import ErpNext
from connectors.erpnext.documents import ID_FIELD, VERSION_FIELD
from connectors.erpnext.mapping import LINE_FIELD
from hub.connector import HttpClient
from hub.errors import Refused

INSERT_AFTER = {
    "Customer": "customer_name",
    "Sales Order": "customer_name",
    "Sales Invoice": "customer_name",
    "Delivery Note": "customer_name",
    "Payment Entry": "party_name",
    "Item": "item_name",
}
INSERT_ID_AFTER = {"Item Price": "price_list_rate", "Contact": "last_name"}  # they need no version
AT_THE_END = "append"  # Frappe's own word for it
LINE_TABLES = ("Sales Order Item", "Sales Invoice Item", "Delivery Note Item")
FIELDS = {
    ID_FIELD: {"label": "Hub External ID", "unique": 1, "in_standard_filter": 1},
    VERSION_FIELD: {"label": "Hub Source Version", "allow_on_submit": 1},
}
PRODUCT_FIELD_PROPERTIES = {"label": "Hub Product ID", "search_index": 1}
# copied along when a desk user makes an invoice or delivery from an order
LINE_FIELD_PROPERTIES = {"label": "Hub Line ID", "no_copy": 0, "read_only": 1, "print_hide": 1}
FLAGS = ("unique", "allow_on_submit")


def setup(http: HttpClient, more: Iterable[str] = (), *, only_look: bool = False) -> list[tuple[str, str]]:
    """Make the fields that are missing; gives ("Customer-hub_external_id", "created" | "already there") for each. `more`
    are the DocTypes that rows become. With `only_look` nothing is made, and the state of such a field is "missing".

    Raises Refused where a field exists but is not what the hub needs, and what the client raises otherwise.
    """
    erp = ErpNext(http)
    wanted = [
        (doctype, fieldname, insert_after, properties)
        for doctype, insert_after in INSERT_AFTER.items()
        for fieldname, properties in FIELDS.items()
    ]
    wanted += [(doctype, ID_FIELD, after, FIELDS[ID_FIELD]) for doctype, after in INSERT_ID_AFTER.items()]
    wanted.append(("Item", PRODUCT_FIELD, "item_name", PRODUCT_FIELD_PROPERTIES))
    wanted += [(table, LINE_FIELD, "item_code", LINE_FIELD_PROPERTIES) for table in LINE_TABLES]
    there = {(doctype, fieldname) for doctype, fieldname, _, _ in wanted}
    wanted += [
        (doctype, fieldname, AT_THE_END, properties)
        for doctype in sorted(set(more))
        for fieldname, properties in FIELDS.items()
        if (doctype, fieldname) not in there
    ]
    done = []
    for doctype, fieldname, insert_after, properties in wanted:
        found = erp.find("Custom Field", [["dt", "=", doctype], ["fieldname", "=", fieldname]], ["name", *FLAGS])
        if found:
            _fits(found[0], doctype, fieldname, properties)
        elif not only_look:
            field = {"dt": doctype, "fieldname": fieldname, "fieldtype": "Data", "insert_after": insert_after}
            erp.insert("Custom Field", {**field, "no_copy": 1, **properties})
        done.append((f"{doctype}-{fieldname}", "already there" if found else "missing" if only_look else "created"))
    return done


def unreadable(http: HttpClient, more: Iterable[str] = ()) -> list[str]:
    """The DocTypes that the hub's user may not even read: it lacks a role."""
    erp, denied = ErpNext(http), []
    for doctype in sorted({*INSERT_AFTER, *INSERT_ID_AFTER, *more}):
        try:
            erp.find(doctype, [["name", "=", "hub:probe"]], ["name"])
        except Refused as error:
            if error.code != "PermissionError":
                raise
            denied.append(doctype)
    return denied


def _fits(found: Mapping[str, Any], doctype: str, fieldname: str, properties: Mapping[str, Any]) -> None:
    for flag in FLAGS:
        if properties.get(flag) and not found.get(flag):
            raise Refused(
                f"{doctype} has a field {fieldname} that is not set to {flag.replace('_', ' ')}; without that documents "
                f"could be doubled or not updated: set it in ERPNext (Customize Form → {doctype}), then run setup again"
            )
