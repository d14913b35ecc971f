"""The custom fields that the hub needs in ERPNext, made over REST; safe to repeat."""

from connectors.erpnext.client import ErpNext
from connectors.erpnext.documents import ID_FIELD, VERSION_FIELD
from hub.connector import HttpClient
from hub.errors import Refused

INSERT_AFTER = {"Customer": "customer_name", "Sales Order": "customer_name"}
FIELDS = {
    ID_FIELD: {"label": "Hub External ID", "unique": 1, "in_standard_filter": 1},
    VERSION_FIELD: {"label": "Hub Source Version", "allow_on_submit": 1},
}
FLAGS = ("unique", "allow_on_submit")


def setup(http: HttpClient) -> list[tuple[str, str]]:
    """Make the fields that are missing; gives ("Customer-hub_external_id", "created" | "already there") for each.

    Raises Refused where a field exists but is not what the hub needs, and what the client raises otherwise.
    """
    erp = ErpNext(http)
    done = []
    for doctype, insert_after in INSERT_AFTER.items():
        for fieldname, properties in FIELDS.items():
            found = erp.find("Custom Field", [["dt", "=", doctype], ["fieldname", "=", fieldname]], ["name", *FLAGS])
            if found:
                _fits(found[0], doctype, fieldname, properties)
            else:
                field = {"dt": doctype, "fieldname": fieldname, "fieldtype": "Data", "insert_after": insert_after}
                erp.insert("Custom Field", {**field, "no_copy": 1, **properties})
            done.append((f"{doctype}-{fieldname}", "already there" if found else "created"))
    return done


def _fits(found: dict[str, object], doctype: str, fieldname: str, properties: dict[str, object]) -> None:
    for flag in FLAGS:
        if properties.get(flag) and not found.get(flag):
            raise Refused(
                f"{doctype} has a field {fieldname} that is not set to {flag.replace('_', ' ')}; without that documents "
                f"could be doubled or not updated: set it in ERPNext (Customize Form → {doctype}), then run setup again"
            )
