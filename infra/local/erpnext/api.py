"""The routes: /api/resource and /api/method (v1), /api/v2, and what else answers at an ERPNext site."""

from __future__ import annotations

from typing import Any

from infra.local.erpnext import documents, files, lists, methods
from infra.local.erpnext.errors import FrappeError, envelope_v1, envelope_v2, no_such_route, server_messages
from infra.local.erpnext.faults import Faults
from infra.local.erpnext.methods import Call
from infra.local.erpnext.requests import Answer, Request, html_answer, json_answer
from infra.local.erpnext.site import Site, Transaction


def respond(tx: Transaction, request: Request, faults: Faults) -> Answer:
    """Run one API request in its transaction."""
    segments = request.segments
    version = "v1"
    if segments[:1] == ["api"] and segments[1:2] in (["v1"], ["v2"]):
        version = segments[1]
        segments = ["api", *segments[2:]]
    if len(segments) >= 3 and segments[:2] == ["api", "method"]:
        return _wrapped(
            tx, "message" if version == "v1" else "data", methods.run("/".join(segments[2:]), Call(tx, request, faults))
        )
    if version == "v1" and len(segments) >= 3 and segments[:2] == ["api", "resource"]:
        return _resource(tx, request, segments[2], "/".join(segments[3:]))
    if version == "v2" and len(segments) >= 3 and segments[:2] == ["api", "document"]:
        return _document(tx, request, segments[2], "/".join(segments[3:]))
    if version == "v2" and len(segments) == 4 and segments[:2] == ["api", "doctype"]:
        return _doctype(tx, segments[2], segments[3])
    raise no_such_route()


def _wrapped(tx: Transaction, key: str, value: Any, status: int = 200) -> Answer:
    body: dict[str, Any] = {} if value is None else {key: value}
    if tx.messages and key in ("data", "message"):
        body["_server_messages"] = server_messages(tx.messages)
    return json_answer(status, body)


def _list(tx: Transaction, request: Request, doctype: str) -> Any:
    for name in ("fields", "filters", "or_filters"):
        value = request.form.get(name)
        if value and not isinstance(value, str):
            # Recorded for GET with a JSON body.
            raise FrappeError(
                "TypeError", f"the JSON object must be str, bytes or bytearray, not {type(value).__name__}"
            )
    return methods.find(tx, doctype, methods.query_of(request.form))


def _sent(request: Request) -> dict[str, Any]:
    """The fields of a document: the body as JSON, or its form field `data`."""
    if isinstance(request.form.get("data"), str) and len(request.form) == 1:
        return dict(lists.parsed(request.form["data"]))
    return {key: value for key, value in request.form.items() if key not in ("cmd", "run_method")}


def _resource(tx: Transaction, request: Request, doctype: str, name: str) -> Answer:
    method = request.method
    if not name:
        if method == "GET":
            return _wrapped(tx, "data", _list(tx, request, doctype))
        if method == "POST":
            return _wrapped(tx, "data", _create(tx, request, doctype))
        raise no_such_route()
    if method == "GET":
        return _wrapped(tx, "data", _read(tx, doctype, name))
    if method == "PUT":
        return _wrapped(tx, "data", _change(tx, request, doctype, name))
    if method == "POST" and request.form.get("run_method"):
        changed = methods.run_document_method(tx, doctype, name, str(request.form["run_method"]))
        return _wrapped(tx, "data", documents.shown(tx, changed))
    if method == "DELETE":
        return _remove(tx, doctype, name)
    raise no_such_route()


def _document(tx: Transaction, request: Request, doctype: str, name: str) -> Answer:
    method = request.method
    if not name and method == "GET":
        return _wrapped(tx, "data", _list(tx, request, doctype))
    if not name and method == "POST":
        return _wrapped(tx, "data", _create(tx, request, doctype))
    if name and method == "GET":
        return _wrapped(tx, "data", _read(tx, doctype, name))
    if name and method in ("PUT", "PATCH"):
        return _wrapped(tx, "data", _change(tx, request, doctype, name))
    if name and method == "DELETE":
        return _remove(tx, doctype, name)
    raise no_such_route()


def _doctype(tx: Transaction, doctype: str, what: str) -> Answer:
    meta = tx.meta(doctype)
    methods.check_permission(tx, doctype, shows_traceback=True)
    if what == "count":
        return json_answer(200, {"data": tx.store.count(doctype)})
    if what != "meta":
        raise no_such_route()
    rows = [
        {
            "doctype": "DocField",
            "fieldname": each.name,
            "label": each.label,
            "fieldtype": each.type,
            "options": each.options.replace("|", "\n") if each.type == "Select" else each.options or None,
            "reqd": int(each.reqd),
            "unique": int(each.unique),
            "allow_on_submit": int(each.on_submit),
            "length": each.length,
            "idx": idx,
            "parent": doctype,
        }
        for idx, each in enumerate(meta.fields, 1)
    ]
    values = {"doctype": "DocType", "name": doctype, "docstatus": 0, "issingle": int(meta.naming == "single")}
    values.update(
        istable=int(meta.child), is_submittable=int(meta.submittable), title_field=meta.title or None, fields=rows
    )
    return json_answer(200, {"data": values})


def _create(tx: Transaction, request: Request, doctype: str) -> Any:
    tx.meta(doctype)
    methods.check_permission(tx, doctype, shows_traceback=False)
    if doctype == "File":
        return documents.shown(tx, files.create(tx, _sent(request)))
    return documents.shown(tx, documents.insert(tx, {**_sent(request), "doctype": doctype}))


def _read(tx: Transaction, doctype: str, name: str) -> Any:
    tx.meta(doctype)
    methods.check_permission(tx, doctype, shows_traceback=False)
    return documents.shown(tx, documents.load(tx, doctype, name))


def _change(tx: Transaction, request: Request, doctype: str, name: str) -> Any:
    tx.meta(doctype)
    methods.check_permission(tx, doctype, shows_traceback=False)
    return documents.shown(tx, documents.update(tx, doctype, name, _sent(request)))


def _remove(tx: Transaction, doctype: str, name: str) -> Answer:
    tx.meta(doctype)
    methods.check_permission(tx, doctype, shows_traceback=False)
    documents.delete(tx, doctype, name)
    return json_answer(202, {"data": "ok"})


def refusal(site: Site, request: Request, error: FrappeError, messages: list[dict[str, Any]]) -> Answer:
    """The answer to a request that failed, in the form that the caller's path and Accept header ask for."""
    settings = site.store.peek("System Settings", "System Settings") or {}
    show_traceback = bool(settings.get("allow_error_traceback", 1))
    if request.header("accept").startswith("text/html"):
        # Recorded on a bench without built assets: the error page itself fails.
        return html_answer(500, "Internal Server Error")
    if request.header("accept").startswith("text/plain"):
        words = {429: "Too Many Requests", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found"}
        text = words.get(error.status, "Internal Server Error")
        return Answer(error.status, text.encode(), "text/plain; charset=utf-8")
    if request.path.startswith("/api/v2/"):
        answer = json_answer(error.status, envelope_v2(error, show_traceback))
    else:
        answer = json_answer(error.status, envelope_v1(error, messages, show_traceback))
    answer.ended = error.exc_type == "AuthenticationError"
    return answer
