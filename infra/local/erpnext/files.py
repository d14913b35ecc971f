"""Uploads and downloads: upload_file (multipart) and /private/files and /files."""

from __future__ import annotations

import base64
import hashlib
from email.utils import format_datetime
from typing import Any

from infra.local.erpnext import documents
from infra.local.erpnext.errors import FrappeError, thrown
from infra.local.erpnext.methods import not_whitelisted
from infra.local.erpnext.requests import Answer, Request, json_answer
from infra.local.erpnext.site import Transaction
from infra.local.erpnext.store import Doc


def respond(tx: Transaction, request: Request) -> Answer | None:
    """The answer to an upload or a download; None for every other path."""
    if request.path in ("/api/method/upload_file", "/api/v1/method/upload_file"):
        if tx.user == "Guest":
            raise not_whitelisted("upload_file")
        return json_answer(200, {"message": _upload(tx, request)})
    if request.path.startswith(("/private/files/", "/files/")):
        return _download(tx, request)
    return None


def _upload(tx: Transaction, request: Request) -> Any:
    """Attach a file to a document; that the document exists is not checked, as recorded."""
    if not request.files:
        raise thrown("ValidationError", "There is no file attached")
    name, content = next(iter(request.files.values()))
    private = str(request.form.get("is_private") or "0") == "1"
    attached = {"attached_to_doctype": request.form.get("doctype"), "attached_to_name": request.form.get("docname")}
    return documents.shown(tx, _keep(tx, name, content, private, {**attached, "folder": "Home"}))


def create(tx: Transaction, sent: Doc) -> Doc:
    """A File made as a resource, with its `content` in it: text, or base64 with `decode` (from Frappe's file.py)."""
    if not sent.get("file_name"):
        raise FrappeError("MandatoryError", "Fields `file_name` or `file_url` must be set for File")
    content = str(sent.get("content") or "").encode()
    if sent.get("decode"):
        content = base64.b64decode(content.rpartition(b",")[2], validate=False)
    attached = {name: sent.get(name) for name in ("attached_to_doctype", "attached_to_name")}
    if attached["attached_to_doctype"] and not attached["attached_to_name"]:
        raise thrown("ValidationError", "Attached To Name must be a string or an integer")
    folder = "Home/Attachments" if attached["attached_to_doctype"] else "Home"
    private = bool(int(sent.get("is_private") or 0))
    return _keep(tx, str(sent["file_name"]).replace("/", ""), content, private, {**attached, "folder": folder})


def _keep(tx: Transaction, name: str, content: bytes, private: bool, about: Doc) -> Doc:
    url = f"{'/private' if private else ''}/files/{name}"
    known = tx.store.content(url)
    digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if known is not None and known != content:
        stem, dot, ending = name.rpartition(".")
        url = url.removesuffix(name) + (
            f"{stem or ending}{digest[-6:]}{dot}{ending}" if dot else f"{name}{digest[-6:]}"
        )
    tx.store.put_content(url, content)
    values: dict[str, Any] = {"doctype": "File", "file_name": name, "is_private": int(private), "file_url": url}
    values.update(file_type=name.rpartition(".")[2].upper(), file_size=len(content), content_hash=digest)
    return documents.insert(tx, {**values, **about})


def _download(tx: Transaction, request: Request) -> Answer:
    content = tx.store.content(request.path)
    if request.path.startswith("/private/") and tx.user == "Guest":
        return _page(403, "Forbidden", "You don&#39;t have permission to access this file")
    if content is None:
        return _page(404, "Not Found", "The requested URL was not found on the server.")
    name = request.path.rpartition("/")[2]
    headers = [("Content-Disposition", f"inline; filename={name}"), ("Cache-Control", "no-cache")]
    headers.append(("Last-Modified", format_datetime(tx.site.clock.now().replace(microsecond=0), usegmt=True)))
    headers.append(("ETag", f'"{hashlib.sha256(content).hexdigest()[:20]}"'))
    kind = "text/plain; charset=utf-8" if name.endswith(".txt") else "application/octet-stream"
    return Answer(200, content, kind, headers)


def _page(status: int, title: str, text: str) -> Answer:
    page = f"<!doctype html>\n<html lang=en>\n<title>{status} {title}</title>\n<h1>{title}</h1>\n<p>{text}</p>\n"
    return Answer(status, page.encode(), "text/html; charset=utf-8", cookies=False)
