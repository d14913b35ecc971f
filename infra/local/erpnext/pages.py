"""Plain pages for a person who wants to see what was written: the DocTypes, their documents, one document."""

from __future__ import annotations

import html
import json
from typing import Any
from urllib.parse import quote

from infra.local.erpnext.requests import Answer, Request
from infra.local.erpnext.site import Transaction
from infra.local.erpnext.store import Doc

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1f272e; background: #f4f5f6; margin: 0 }
header { background: #fff; border-bottom: 1px solid #dcdfe2; padding: 12px 24px } header a { color: inherit }
main { max-width: 1180px; margin: 24px auto; padding: 0 24px }
h1 { font-size: 18px; margin: 0 } h2 { font-size: 16px; margin: 28px 0 8px }
table { border-collapse: collapse; width: 100%; background: #fff; border: 1px solid #dcdfe2; border-radius: 6px }
th, td { text-align: left; padding: 6px 10px; border-bottom: 1px solid #ebeef0; vertical-align: top; overflow-wrap: anywhere }
th { color: #687178; font-weight: 500; white-space: nowrap } td.number { text-align: right; font-variant-numeric: tabular-nums }
a { color: #0b57a4; text-decoration: none } a:hover { text-decoration: underline }
.muted { color: #687178 } .scroll { overflow-x: auto }
"""
FIRST = (
    "Sales Order", "Customer", "Item", "Sales Invoice", "Payment Entry", "Delivery Note", "Stock Entry", "Bin", "Custom Field",
    "Webhook Request Log", "Deleted Document",
)  # fmt: skip
LISTED = (
    "customer",
    "customer_name",
    "item_name",
    "external_id",
    "po_no",
    "status",
    "currency",
    "grand_total",
    "total_qty",
)
DOCSTATUS = ("Draft", "Submitted", "Cancelled")


def respond(tx: Transaction, request: Request) -> Answer | None:
    """The page at `/` or `/app/...`; None for every other path. Pages need no token: the server is this machine's only."""
    segments = request.segments
    if request.method != "GET" or (segments and segments[0] != "app"):
        return None
    if len(segments) < 2:
        return _page("ERPNext stand-in", _overview(tx))
    doctype = next((each for each in tx.store.doctypes() if _route(each) == segments[1] or each == segments[1]), None)
    if doctype is None:
        return _page("Nothing here", "<p>No documents of that kind yet.</p>", 404)
    if len(segments) == 2:
        return _page(doctype, _documents(tx, doctype))
    doc = tx.store.peek(doctype, "/".join(segments[2:]))
    if doc is None:
        return _page("Nothing here", f"<p>There is no such {html.escape(doctype)}.</p>", 404)
    return _page(f"{doctype} {doc['name']}", _document(tx, doc))


def _route(doctype: str) -> str:
    return doctype.lower().replace(" ", "-")


def _link(doctype: str, name: str) -> str:
    return f'<a href="/app/{_route(doctype)}/{quote(name, safe="")}">{html.escape(name)}</a>'


def _page(title: str, content: str, status: int = 200) -> Answer:
    page = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<style>{STYLE}</style><header><a href="/">ERPNext stand-in</a> <span class="muted">answers as a recorded ERPNext v15 did; '
        f"for development and tests</span></header><main><h1>{html.escape(title)}</h1>{content}</main></html>"
    )
    return Answer(status, page.encode(), "text/html; charset=utf-8", cookies=False)


def _overview(tx: Transaction) -> str:
    def rows(doctypes: list[str]) -> str:
        return "".join(
            f'<tr><td><a href="/app/{_route(each)}">{html.escape(each)}</a></td><td class="number">{tx.store.count(each)}</td></tr>'
            for each in doctypes
        )

    filled = tx.store.doctypes()
    others = [each for each in filled if each not in FIRST]
    empty = (
        ""
        if any(each in filled for each in FIRST)
        else '<tr><td class="muted">Nothing was written yet.</td><td></td></tr>'
    )
    return (
        f"<h2>Written documents</h2><table><tr><th>DocType</th><th>Documents</th></tr>"
        f"{rows([each for each in FIRST if each in filled])}{empty}</table>"
        f"<h2>Set-up</h2><table><tr><th>DocType</th><th>Documents</th></tr>{rows(others)}</table>"
    )


def _documents(tx: Transaction, doctype: str) -> str:
    docs = sorted(tx.store.all(doctype), key=lambda doc: str(doc["modified"]), reverse=True)[:500]
    columns = [name for name in LISTED if any(doc.get(name) not in (None, "") for doc in docs)]
    head = "".join(
        f"<th>{html.escape(name.replace('_', ' '))}</th>" for name in ("name", "docstatus", *columns, "modified")
    )
    body = "".join(
        f"<tr><td>{_link(doctype, doc['name'])}</td><td>{DOCSTATUS[doc['docstatus']]}</td>"
        + "".join(_cell(doc.get(name)) for name in (*columns, "modified"))
        + "</tr>"
        for doc in docs
    )
    return f'<p class="muted">{len(docs)} newest of {tx.store.count(doctype)}</p><div class="scroll"><table><tr>{head}</tr>{body}</table></div>'


def _cell(value: Any) -> str:
    if isinstance(value, (int, float)):
        return (
            f'<td class="number">{value:,.2f}</td>' if isinstance(value, float) else f'<td class="number">{value}</td>'
        )
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else str(value or "")
    return f"<td>{html.escape(text)}</td>"


def _document(tx: Transaction, doc: Doc) -> str:
    meta = tx.meta(doc["doctype"])
    hidden = {each.name for each in meta.columns if each.hidden}
    fields = ["name", "docstatus", *(each.name for each in meta.columns), "owner", "creation", "modified"]
    rows = "".join(
        f"<tr><th>{html.escape(name)}</th>{_cell('********' if name in hidden else doc.get(name))}</tr>"
        for name in fields
        if doc.get(name) not in (None, "", 0, 0.0) or name == "docstatus"
    )
    tables = ""
    for table in meta.tables:
        children = doc.get(table.name) or []
        if not children:
            continue
        columns = [
            each.name
            for each in tx.meta(table.options).columns
            if any(row.get(each.name) not in (None, "", 0, 0.0) for row in children)
        ]
        head = "".join(f"<th>{html.escape(name)}</th>" for name in columns)
        body = "".join("<tr>" + "".join(_cell(row.get(name)) for name in columns) + "</tr>" for row in children)
        tables += f'<h2>{html.escape(table.label)}</h2><div class="scroll"><table><tr>{head}</tr>{body}</table></div>'
    return f"{tables}<h2>Fields</h2><table>{rows}</table>"
