"""Frappe's outbound webhooks: which events call which URL, how the body is built and signed, and how calls are retried.

As recorded: body in ASCII-escaped JSON without a Content-Type, base64 HMAC-SHA256 over the exact bytes, three attempts
after 0, 1 and 5 s (at once again after a read timeout), a redirect followed as GET, one Webhook Request Log per attempt.
Only 127.0.0.1 and localhost are called; any other host is refused and logged. What templates and conditions may say is in
templates.py.
"""

from __future__ import annotations

import ast
import base64
import hashlib
import hmac
import http.client
import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urljoin, urlsplit

from infra.local.erpnext import documents
from infra.local.erpnext.errors import FrappeError
from infra.local.erpnext.site import Site
from infra.local.erpnext.store import Doc, copied
from infra.local.erpnext.templates import evaluated, render

ATTEMPTS = 3
LOCAL_HOSTS = {"127.0.0.1", "localhost"}


class Refused(Exception):
    """The receiver answered with an error status, or must not be called at all."""


class WebhookSender:
    """Calls the webhooks of committed transactions, from threads of its own."""

    def __init__(self, site: Site, sleep: Callable[[float], None]) -> None:
        self._site = site
        self._sleep = sleep
        self._pool: ThreadPoolExecutor | None = None
        self._pending = 0
        self._idle = threading.Condition()

    def start(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=8, thread_name_prefix="webhook")

    def stop(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None

    def wait_until_idle(self, timeout_seconds: float = 10.0) -> bool:
        """Wait until every webhook was delivered or given up; False when the time is over."""
        with self._idle:
            return bool(self._idle.wait_for(lambda: self._pending == 0, timeout_seconds))

    def send(self, events: list[tuple[str, Doc]], user: str) -> None:
        """Queue the calls for the events of one transaction; each webhook at most once per document, as Frappe does."""
        queued: set[tuple[str, str]] = set()
        with self._site.lock:
            webhooks = [copied(each) for each in self._site.store.all("Webhook") if each["enabled"]]
        for event, doc in events:
            for webhook in webhooks:
                if (webhook["webhook_doctype"], webhook["webhook_docevent"]) != (doc["doctype"], event):
                    continue
                if (webhook["name"], doc["name"]) in queued or not meets(webhook.get("condition"), doc):
                    continue
                queued.add((webhook["name"], doc["name"]))
                self._enqueue(webhook, copied(doc), user)

    def _enqueue(self, webhook: Doc, doc: Doc, user: str) -> None:
        pool = self._pool
        if pool is None:
            return
        with self._idle:
            self._pending += 1
        pool.submit(self._deliver, webhook, doc, user).add_done_callback(lambda _: self._done())

    def _done(self) -> None:
        with self._idle:
            self._pending -= 1
            self._idle.notify_all()

    def _deliver(self, webhook: Doc, doc: Doc, user: str) -> None:
        try:
            data = self._data(webhook, doc)
        except ValueError:
            self._log(webhook, doc, user, error="Traceback omitted")
            return
        body = json.dumps(data).encode()
        headers = {"User-Agent": "python-requests/2.32.5", "Accept-Encoding": "gzip, deflate, br", "Accept": "*/*"}
        headers["Connection"] = "keep-alive"
        if webhook["enable_security"] and webhook.get("webhook_secret"):
            digest = hmac.new(webhook["webhook_secret"].encode(), body, hashlib.sha256).digest()
            headers["X-Frappe-Webhook-Signature"] = base64.b64encode(digest).decode()
        headers.update({row["key"]: row["value"] for row in webhook["webhook_headers"] if row["key"]})
        for attempt in range(ATTEMPTS):
            try:
                text = call(webhook["request_url"], webhook["request_method"], headers, body, webhook["timeout"] or 5)
            except TimeoutError:
                self._log(webhook, doc, user, headers, data, error="Traceback omitted")
                continue
            except (Refused, OSError, http.client.HTTPException) as error:
                self._log(
                    webhook, doc, user, headers, data, response=getattr(error, "text", None), error="Traceback omitted"
                )
                if attempt < ATTEMPTS - 1:
                    self._sleep(3 * attempt + 1)
                continue
            self._log(webhook, doc, user, headers, data, response=text, error="")
            return

    def _data(self, webhook: Doc, doc: Doc) -> Any:
        if webhook.get("webhook_json"):
            with self._site.transaction("Administrator") as tx:
                return json.loads(render(webhook["webhook_json"], {"doc": doc}, tx))
        with self._site.transaction("Administrator") as tx:
            shown = documents.shown(tx, doc, nulls=True)
        return {row["key"]: shown.get(row["fieldname"]) for row in webhook["webhook_data"]}

    def _log(
        self,
        webhook: Doc,
        doc: Doc,
        user: str,
        headers: dict[str, str] | None = None,
        data: Any = None,
        response: str | None = None,
        error: str | None = None,
    ) -> None:
        values = {"doctype": "Webhook Request Log", "webhook": webhook["name"], "reference_document": doc["name"]}
        values.update(user=user, url=webhook["request_url"], response=response, error=error)
        values["headers"] = json.dumps(headers) if headers else None
        values["data"] = json.dumps(data) if data is not None else None
        try:
            with self._site.transaction("Administrator") as tx:
                documents.insert(tx, values)
        except FrappeError:
            # The Webhook was deleted meanwhile; Frappe's job would fail here too.
            return


def meets(condition: str | None, doc: Doc) -> bool:
    """Whether a document meets a webhook's condition; ValueError for one that is more than the stand-in knows."""
    return not condition or bool(evaluated(ast.parse(condition.strip(), mode="eval").body, {"doc": doc}, {}))


def call(url: str, method: str, headers: dict[str, str], body: bytes | None, timeout_seconds: float) -> str:
    """One HTTP call, with redirects followed as python-requests follows them; Refused for an error status."""
    for _ in range(10):
        target = urlsplit(url)
        if target.scheme != "http" or target.hostname not in LOCAL_HOSTS:
            raise Refused(
                f"the stand-in calls http://127.0.0.1 and http://localhost only, not {target.scheme}://{target.hostname}"
            )
        connection = http.client.HTTPConnection(target.hostname, target.port or 80, timeout=timeout_seconds)
        try:
            path = (target.path or "/") + (f"?{target.query}" if target.query else "")
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            text = response.read().decode("utf-8", "replace")
        finally:
            connection.close()
        location = response.getheader("Location")
        if response.status in (301, 302, 303, 307, 308) and location:
            url = urljoin(url, location)
            if response.status in (301, 302, 303):
                method, body = "GET", None
            continue
        if response.status >= 400:
            refused = Refused(f"HTTP {response.status}")
            refused.text = text  # type: ignore[attr-defined]  # read back with getattr, absent when nothing was answered
            raise refused
        return text
    raise Refused("too many redirects")
