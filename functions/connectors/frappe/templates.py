"""The webhooks that the hub wants of an ERPNext site: which documents, when, and what each body says.

A Bin has no webhook of its own: ERPNext changes it beside the document layer (erpnext/stock/doctype/bin/bin.py, v15), so
that its events never fire. What does fire is each Stock Ledger Entry, and each Sales Order that promises or releases
stock. Webhooks are rendered after the commit, so that their templates see the Bins as they then are; and twice, for the
signature and for sending, within one snapshot of the database. They see a document as a dictionary, so that a table
called `items` is `doc["items"]`: `doc.items` would be the dictionary's own method.
"""

from dataclasses import dataclass

_BIN = """{% set bin = frappe.db.get_value("Bin", {"item_code": row.item_code, "warehouse": row.warehouse}, \
["name", "item_code", "warehouse", "actual_qty", "reserved_qty", "modified"], as_dict=True) %}\
{% if bin %}{"name": {{ bin.name | tojson }}, "item_code": {{ bin.item_code | tojson }}, \
"warehouse": {{ bin.warehouse | tojson }}, "actual_qty": {{ bin.actual_qty | tojson }}, \
"reserved_qty": {{ bin.reserved_qty | tojson }}, "modified": {{ bin.modified | string | tojson }}}\
{% else %}null{% endif %}{% if not loop.last %}, {% endif %}"""

STOCK_MOVED = f"""{{"event": "after_insert", "doctype": "Stock Ledger Entry", "name": {{{{ doc.name | tojson }}}},
"modified": {{{{ doc.modified | string | tojson }}}},
"bins": [{{% for row in [doc] %}}{_BIN}{{% endfor %}}]}}"""

STOCK_PROMISED = f"""{{"event": "on_change", "doctype": "Sales Order", "name": {{{{ doc.name | tojson }}}},
"modified": {{{{ doc.modified | string | tojson }}}},
"bins": [{{% for row in doc["items"] %}}{_BIN}{{% endfor %}}]}}"""

PRICE = """{"event": "on_update", "doctype": "Item Price", "name": {{ doc.name | tojson }},
"modified": {{ doc.modified | string | tojson }}, "item_code": {{ doc.item_code | tojson }},
"price_list": {{ doc.price_list | tojson }}, "currency": {{ doc.currency | tojson }},
"price_list_rate": {{ doc.price_list_rate | tojson }}}"""

DELIVERY = """{"event": "%s", "doctype": "Delivery Note", "name": {{ doc.name | tojson }},
"amended_from": {{ doc.amended_from | tojson }}, "modified": {{ doc.modified | string | tojson }},
"hub_external_id": {{ (doc.hub_external_id or "") | tojson }},
"posted_at": "{{ doc.posting_date }} {{ doc.posting_time }}",
"time_zone": {{ frappe.db.get_single_value("System Settings", "time_zone") | tojson }},
"carrier": {{ (doc.transporter_name or "") | tojson }}, "tracking_number": {{ (doc.lr_no or "") | tojson }},
"items": [{%% for row in doc["items"] %%}{"item_code": {{ row.item_code | tojson }}, "qty": {{ row.stock_qty | tojson }},
"order": {{ (frappe.db.get_value("Sales Order", row.against_sales_order, "hub_external_id") \
if row.against_sales_order else "") | tojson }},
"line": {{ (row.hub_line_id or "") | tojson }}}{%% if not loop.last %%}, {%% endif %%}{%% endfor %%}]}"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One webhook of the site. `condition` is Frappe's own expression, "" for all documents."""

    name: str
    doctype: str
    event: str
    template: str
    condition: str = ""

    def document(self, url: str, secret: str) -> dict[str, str | int]:
        """The Webhook document that the site must have, sending to the hub's `url` and signing with `secret`."""
        return {
            "name": self.name,
            "webhook_doctype": self.doctype,
            "webhook_docevent": self.event,
            "condition": self.condition,
            "enabled": 1,
            "request_url": url,
            "request_method": "POST",
            "request_structure": "JSON",
            "enable_security": 1,
            "webhook_secret": secret,
            "webhook_json": self.template,
        }


WEBHOOKS = (
    Wanted("hub-stock-moved", "Stock Ledger Entry", "after_insert", STOCK_MOVED),
    Wanted("hub-stock-promised", "Sales Order", "on_change", STOCK_PROMISED, "doc.docstatus > 0"),
    Wanted(
        "hub-price",
        "Item Price",
        "on_update",
        PRICE,
        "doc.selling and not doc.customer and not doc.batch_no and not doc.valid_upto",
    ),
    Wanted("hub-shipped", "Delivery Note", "on_submit", DELIVERY % "on_submit", "not doc.is_return"),
    Wanted("hub-not-shipped", "Delivery Note", "on_cancel", DELIVERY % "on_cancel", "not doc.is_return"),
)
