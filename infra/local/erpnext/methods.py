"""The whitelisted methods behind /api/method: frappe.client and the few others that the recordings show."""

from __future__ import annotations

import html
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from infra.local.erpnext import accounting, documents, lists, selling
from infra.local.erpnext.errors import FrappeError, no_permission, not_found, thrown
from infra.local.erpnext.faults import Faults, error_of, rate_limit_exceeded
from infra.local.erpnext.requests import Request
from infra.local.erpnext.site import Transaction
from infra.local.erpnext.store import Doc


@dataclass
class Call:
    """One call of a method: the transaction it runs in and what was sent."""

    tx: Transaction
    request: Request
    faults: Faults

    def argument(self, name: str, default: Any = None) -> Any:
        return self.request.form.get(name, default)

    def parsed(self, name: str) -> Any:
        value = self.argument(name)
        return lists.parsed(value) if isinstance(value, str) and value[:1] in ("[", "{", '"') else value

    def required(self, name: str) -> Any:
        if self.argument(name) in (None, ""):
            raise FrappeError("TypeError", f"missing 1 required positional argument: '{name}'")
        return self.argument(name)


Method = Callable[[Call], Any]


def check_permission(tx: Transaction, doctype: str, *, shows_traceback: bool) -> None:
    """PermissionError (403) for Guest and for a user who is limited to other DocTypes."""
    user = tx.store.peek("User", tx.user)
    allowed = (user or {}).get("allowed_doctypes")
    if tx.user == "Guest" or (allowed and doctype not in allowed.split(",")):
        raise no_permission(tx.user, doctype, shows_traceback=shows_traceback)


def query_of(form: dict[str, Any], default_length: int = 20) -> lists.Query:
    fields = lists.parsed(form["fields"]) if form.get("fields") else ["name"]
    if isinstance(fields, str):
        fields = [fields]
    length = form.get("limit_page_length", form.get("limit", default_length))
    return lists.Query(
        fields=[str(each) for each in fields],
        filters=form.get("filters"),
        or_filters=form.get("or_filters"),
        order_by=form.get("order_by") or None,
        start=int(form.get("limit_start") or form.get("start") or 0),
        length=int(length if length not in (None, "") else default_length),
        parent=form.get("parent"),
    )


def find(tx: Transaction, doctype: str, query: lists.Query) -> list[Doc]:
    """A list that the user may read; a child DocType only with `parent=`, as recorded."""
    meta = tx.meta(doctype)
    if meta.child:
        if not query.parent:
            raise FrappeError("PermissionError")
        check_permission(tx, query.parent, shows_traceback=True)
    else:
        check_permission(tx, doctype, shows_traceback=True)
    return lists.find(tx, doctype, query)


def get_list(call: Call) -> Any:
    return find(call.tx, call.required("doctype"), query_of(call.request.form))


def get_count(call: Call) -> int:
    query = lists.Query(["name"], filters=call.argument("filters"), length=0)
    return len(find(call.tx, call.required("doctype"), query))


def get_value(call: Call) -> Any:
    fieldname = call.parsed("fieldname") or "name"
    fields = fieldname if isinstance(fieldname, list) else [fieldname]
    query = lists.Query(fields, filters=call.parsed("filters"), parent=call.argument("parent"), length=1)
    rows = find(call.tx, call.required("doctype"), query)
    return rows[0] if rows else {}


def get(call: Call) -> Doc:
    tx, doctype = call.tx, call.required("doctype")
    check_permission(tx, doctype, shows_traceback=False)
    name = call.argument("name")
    if name in (None, "") and call.argument("filters"):
        rows = lists.find(tx, doctype, lists.Query(["name"], filters=call.parsed("filters"), length=1))
        if not rows:
            raise thrown("DoesNotExistError", f"{doctype} not found") from None
        name = rows[0]["name"]
    return documents.shown(tx, documents.load(tx, doctype, str(name or doctype)), nulls=True)


def sent_document(call: Call) -> Doc:
    doc = call.parsed("doc")
    if not isinstance(doc, dict):
        raise FrappeError("TypeError", "missing 1 required positional argument: 'doc'")
    return doc


def insert(call: Call) -> Doc:
    doc = sent_document(call)
    check_permission(call.tx, str(doc.get("doctype")), shows_traceback=False)
    return documents.shown(call.tx, documents.insert(call.tx, doc), nulls=True)


def insert_many(call: Call) -> list[str]:
    docs = call.parsed("docs")
    if len(docs) > 200:
        raise thrown("ValidationError", "Only 200 inserts allowed in one request")
    for doc in docs:
        check_permission(call.tx, str(doc.get("doctype")), shows_traceback=False)
    return [documents.insert(call.tx, doc)["name"] for doc in docs]


def save(call: Call) -> Doc:
    doc = sent_document(call)
    check_permission(call.tx, str(doc.get("doctype")), shows_traceback=False)
    before = documents.load(call.tx, str(doc.get("doctype")), str(doc.get("name")))
    return documents.shown(call.tx, documents.save(call.tx, before, doc, expected=doc.get("modified")), nulls=True)


def submit(call: Call) -> Doc:
    doc = sent_document(call)
    check_permission(call.tx, str(doc.get("doctype")), shows_traceback=False)
    before = documents.load(call.tx, str(doc.get("doctype")), str(doc.get("name")))
    saved = documents.save(call.tx, before, {**doc, "docstatus": 1}, expected=doc.get("modified"))
    return documents.shown(call.tx, saved, nulls=True)


def cancel(call: Call) -> Doc:
    doctype, name = call.required("doctype"), call.required("name")
    check_permission(call.tx, doctype, shows_traceback=False)
    return documents.shown(call.tx, documents.update(call.tx, doctype, name, {"docstatus": 2}), nulls=True)


def delete(call: Call) -> None:
    check_permission(call.tx, call.required("doctype"), shows_traceback=False)
    documents.delete(call.tx, call.required("doctype"), call.required("name"))


def set_value(call: Call) -> Doc:
    doctype, name = call.required("doctype"), call.required("name")
    check_permission(call.tx, doctype, shows_traceback=False)
    fieldname = call.parsed("fieldname")
    changes = fieldname if isinstance(fieldname, dict) else {str(fieldname): call.argument("value")}
    for standard in ("name", "owner", "creation", "modified", "modified_by", "docstatus", "idx"):
        if standard in changes:
            raise thrown("ValidationError", "Cannot edit standard fields")
    return documents.shown(call.tx, documents.update(call.tx, doctype, name, changes), nulls=True)


def rename_doc(call: Call) -> str:
    check_permission(call.tx, call.required("doctype"), shows_traceback=False)
    names = (call.required("old_name"), call.required("new_name"))
    return documents.rename(call.tx, call.required("doctype"), *names, merge=call.argument("merge") in (True, 1, "1"))


def bulk_update(call: Call) -> Any:
    """As recorded: no savepoints, so a deadlock silently takes the documents before it along."""
    docs = call.parsed("docs")
    docs = lists.parsed(docs) if isinstance(docs, str) else docs
    failed = []
    start = call.tx.store.savepoint()
    for doc in docs:
        values = {key: value for key, value in doc.items() if key not in ("doctype", "docname")}
        try:
            for fault in call.faults.take("POST", call.request.path, doc["doctype"], doc["docname"], inner=True):
                if fault.kind == "deadlock":
                    call.tx.store.rollback_to(start)
                    call.tx.events.clear()
                error = error_of(fault, from_erpnext=call.tx.meta(doc["doctype"]).submittable)
                if error:
                    raise error
            documents.update(call.tx, doc["doctype"], doc["docname"], values)
        except FrappeError as error:
            call.tx.messages += error.messages
            failed.append({"doc": doc, "exc": json.dumps(["Traceback omitted"])})
    return {"failed_docs": failed}


def get_time_zone(call: Call) -> Any:
    """The caller's default, not the site's: a Guest got Asia/Kolkata from a site in New York."""
    return {"time_zone": "Asia/Kolkata" if call.tx.user == "Guest" else call.tx.site.clock.time_zone}


def get_logged_user(call: Call) -> str:
    return call.tx.user


def generate_keys(call: Call) -> Any:
    name = call.required("user")
    user = documents.load(call.tx, "User", name)
    secret = call.tx.random_name(15)
    key = user["api_key"] or call.tx.random_name(15)
    documents.set_directly(call.tx, "User", user["name"], {"api_key": key, "api_secret": secret})
    return {"api_secret": secret}


def get_latest_stock_qty(call: Call) -> float:
    warehouse = call.argument("warehouse")
    bins = (each for each in call.tx.store.all("Bin") if each["item_code"] == call.required("item_code"))
    return float(sum(each["actual_qty"] for each in bins if warehouse in (None, "", each["warehouse"])))


def reset_password(call: Call) -> Any:
    """Refused by its own rate limit after three calls in an hour, as @rate_limit does it."""
    with_limit = [each for each in call.tx.store.all("Comment") if each["comment_type"] == "reset_password"]
    if len(with_limit) >= 3:
        raise rate_limit_exceeded()
    documents.insert(
        call.tx, {"doctype": "Comment", "comment_type": "reset_password", "content": call.argument("user")}
    )
    return "not found"


def get_payment_entry(call: Call) -> Doc:
    return accounting.payment_for(call.tx, call.required("dt"), call.required("dn"))


def update_order_status(call: Call) -> None:
    check_permission(call.tx, "Sales Order", shows_traceback=False)
    selling.update_order_status(call.tx, call.required("name"), call.required("status"))


def add_comment(call: Call) -> Doc:
    values = {
        "reference_doctype": call.required("reference_doctype"),
        "reference_name": call.required("reference_name"),
    }
    doc = documents.insert(call.tx, {"doctype": "Comment", "content": call.required("content"), **values})
    return documents.shown(call.tx, doc, nulls=True)


def add_tag(call: Call) -> str:
    documents.load(call.tx, call.required("dt"), call.required("dn"))
    return str(call.required("tag"))


METHODS: dict[str, Method] = {
    "frappe.auth.get_logged_user": get_logged_user,
    "frappe.client.get_list": get_list,
    "frappe.client.get_count": get_count,
    "frappe.client.get_value": get_value,
    "frappe.client.get": get,
    "frappe.client.insert": insert,
    "frappe.client.insert_many": insert_many,
    "frappe.client.save": save,
    "frappe.client.submit": submit,
    "frappe.client.cancel": cancel,
    "frappe.client.delete": delete,
    "frappe.client.set_value": set_value,
    "frappe.client.rename_doc": rename_doc,
    "frappe.client.bulk_update": bulk_update,
    "frappe.client.get_time_zone": get_time_zone,
    "frappe.core.doctype.user.user.generate_keys": generate_keys,
    "frappe.core.doctype.user.user.reset_password": reset_password,
    "frappe.desk.form.utils.add_comment": add_comment,
    "frappe.desk.doctype.tag.tag.add_tag": add_tag,
    "erpnext.accounts.doctype.payment_entry.payment_entry.get_payment_entry": get_payment_entry,
    "erpnext.selling.doctype.sales_order.sales_order.update_status": update_order_status,
    "erpnext.stock.utils.get_latest_stock_qty": get_latest_stock_qty,
    "ping": lambda _: "pong",
}

OPEN_TO_GUESTS = {"ping", "frappe.client.get_time_zone", "frappe.core.doctype.user.user.reset_password"}


def not_whitelisted(name: str) -> FrappeError:
    text = (
        "<details><summary>You are not permitted to access this resource. Login to access</summary>"
        f"Function <strong>{html.escape(name)}</strong> is not whitelisted.</details>"
    )
    return thrown("PermissionError", text, title="Method Not Allowed")


def unknown(name: str) -> FrappeError:
    """417, not 404, as recorded."""
    app = name.partition(".")[0]
    first = (
        f"App {app} is not installed"
        if app not in ("frappe", "erpnext")
        else f"module has no attribute '{name.rpartition('.')[2]}'"
    )
    text = f"Failed to get method for command {name} with {first}"
    error = thrown("ValidationError", text)
    if app not in ("frappe", "erpnext"):
        error.messages = thrown("ValidationError", first).messages + error.messages
    return error


def run(name: str, call: Call) -> Any:
    """Call a method by its dotted name, as the user of the transaction."""
    method = METHODS.get(name)
    if method is None:
        raise unknown(name)
    if call.tx.user == "Guest" and name not in OPEN_TO_GUESTS:
        raise not_whitelisted(name)
    return method(call)


def run_document_method(tx: Transaction, doctype: str, name: str, method: str) -> Doc:
    """POST /api/resource/<doctype>/<name> with run_method: submit and cancel."""
    check_permission(tx, doctype, shows_traceback=False)
    if tx.store.peek(doctype, name) is None:
        raise not_found(doctype, name)
    if method not in ("submit", "cancel", "save"):
        raise thrown(
            "PermissionError",
            f"Function <strong>{html.escape(method)}</strong> is not whitelisted.",
            title="Method Not Allowed",
        )
    changes = {"submit": {"docstatus": 1}, "cancel": {"docstatus": 2}, "save": {}}[method]
    return documents.update(tx, doctype, name, changes)
