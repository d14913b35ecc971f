"""ERPNext's REST API: one call per method, every answer turned into a document or one of the hub's errors.

What an answer means stands in its `exc_type`, never in its status: ERPNext answers 417, 409, 404 and 500 for lasting and
passing troubles alike.
"""

import base64
import hashlib
import html
import json
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from hub.connector import Answer, Budget, HttpClient
from hub.errors import Category, Contended, Refused, SecretUnavailable, Severity, Temporary, Unavailable

Document = dict[str, Any]  # numbers are int or Decimal
Filter = Sequence[Any]  # [field, operator, value]

MAX_QUERY_CHARS = 3_000  # gunicorn refuses a request line above 4,094 bytes; a POST has no such limit
MAX_WORDS_CHARS = 400

ROUNDED_AWAY_SECONDS = 0.5

# exc_type → what to do next, as recorded of ERPNext v15
ALREADY_THERE = {"DuplicateEntryError", "UniqueValidationError"}  # primary key, unique field: look it up
CHANGED_MEANWHILE = {"TimestampMismatchError"}
CONTENDED = {"QueryDeadlockError", "QueryTimeoutError", "DocumentLockedError"}
PASSING = {"RateLimitExceededError"}
WHOLE_SITE = {"TooManyRequestsError", "SessionStopped", "InReadOnlyMode", "QueueOverloaded", "AuthenticationError"}
OUR_MISTAKE = {"AttributeError", "TypeError", "ImportError", "JSONDecodeError", "KeyError", "ValueError"}  # HTTP 500
CATEGORIES = {
    "AuthenticationError": Category.AUTHENTICATION_FAILED,
    "PermissionError": Category.AUTHENTICATION_FAILED,
    "TooManyRequestsError": Category.RATE_LIMIT_EXCEEDED,
    "RateLimitExceededError": Category.RATE_LIMIT_EXCEEDED,
    "QueryTimeoutError": Category.TIMEOUT,
}


class Declined(Refused):
    """ERPNext refuses the request for good. `exc_type` is its own name for the reason."""

    def __init__(self, exc_type: str, message: str, category: Category | None = None) -> None:
        super().__init__(message, category=category)
        self.exc_type = exc_type

    @property
    def code(self) -> str:
        """ERPNext's exc_type, so that equal causes group together."""
        return self.exc_type


class AlreadyThere(Declined):
    """A document with this name or unique value exists: perhaps our own earlier success."""


class ChangedMeanwhile(Declined):
    """The document is no longer the one that was read: somebody saved it in between."""


class Missing(Declined):
    """There is no such document."""


def credentials(live_secrets: Callable[[str], Sequence[str]]) -> Mapping[str, str]:
    """The headers that sign in the hub's own user of ERPNext."""
    pair = [values[0] for values in (live_secrets("api_key"), live_secrets("api_secret")) if values]
    if len(pair) != 2:
        raise SecretUnavailable("ERPNext's api_key and api_secret are not stored; run `hub secrets set`")
    return {"Authorization": f"token {pair[0]}:{pair[1]}", "Accept": "application/json"}


class ErpNext:
    """A site of ERPNext, over its REST API v1."""

    def __init__(self, http: HttpClient) -> None:
        self._http = http

    def find(
        self, doctype: str, filters: Sequence[Filter], fields: Sequence[str], *, parent: str = ""
    ) -> list[Document]:
        """All documents that match; only `fields` of each. The rows of a child table are found with their `parent`
        doctype, which ERPNext asks for."""
        of_parent = {"parent": parent} if parent else {}
        query = {"filters": json.dumps(filters), "fields": json.dumps(list(fields)), "limit_page_length": "0"}
        if sum(len(quote(value)) for value in query.values()) <= MAX_QUERY_CHARS:
            return list(self._call("GET", _path(doctype), query={**query, **of_parent})["data"])
        asked = {"doctype": doctype, "filters": filters, "fields": list(fields), "limit_page_length": 0, **of_parent}
        return list(self._call("POST", "/api/method/frappe.client.get_list", asked)["message"])

    def page(
        self, doctype: str, filters: Sequence[Filter], fields: Sequence[str], order_by: str, size: int
    ) -> tuple[list[Document], Answer]:
        """The first `size` documents that match, and the answer that they came in."""
        query = {
            "filters": json.dumps(filters),
            "fields": json.dumps(list(fields)),
            "order_by": order_by,
            "limit_page_length": str(size),
        }
        if sum(len(quote(value)) for value in query.values()) <= MAX_QUERY_CHARS:
            answer = self._send("GET", _path(doctype), None, query)
            return list(_content(answer)["data"]), answer
        asked = {**query, "doctype": doctype, "filters": filters, "fields": list(fields), "limit_page_length": size}
        answer = self._send("POST", "/api/method/frappe.client.get_list", asked, None)
        return list(_content(answer)["message"]), answer

    def get(self, doctype: str, name: str) -> Document | None:
        """A document with its child tables, or None where there is none of that name."""
        try:
            return dict(self._call("GET", _path(doctype, name))["data"])
        except Missing:
            return None

    def insert(self, doctype: str, document: Mapping[str, Any]) -> Document:
        """Create a document; raises AlreadyThere where its name or a unique value exists.

        A DoesNotExistError answered to a create is a race inside ERPNext (the first Bin of an item), hence Temporary.
        """
        try:
            return dict(self._call("POST", _path(doctype), document)["data"])
        except Missing as error:
            raise Temporary(f"creating a {doctype}: {error}") from error

    def update(self, doctype: str, name: str, changes: Mapping[str, Any]) -> Document:
        """Change fields of a document. With the `modified` that was read among `changes`, raises ChangedMeanwhile
        where somebody saved it since."""
        return dict(self._call("PUT", _path(doctype, name), changes)["data"])

    def cancel(self, doctype: str, name: str) -> Document:
        """Cancel a submitted document."""
        return dict(
            self._call("POST", "/api/method/frappe.client.cancel", {"doctype": doctype, "name": name})["message"]
        )

    def call(self, method: str, arguments: Mapping[str, Any]) -> None:
        """Call one of ERPNext's whitelisted methods by its dotted name, for its effect."""
        self._call("POST", f"/api/method/{method}", arguments)

    def delete(self, doctype: str, name: str) -> None:
        """Delete a draft; one that is gone already counts as deleted."""
        try:
            self._call("DELETE", _path(doctype, name))
        except Missing:
            return

    def rename(self, doctype: str, old: str, new: str, *, merge: bool = False) -> None:
        """Give a document another name, or with `merge` give all that links to it to the document that bears the new
        name already, and delete it. What links to it follows. Raises Missing where there is no `old`."""
        body = {"doctype": doctype, "old_name": old, "new_name": new, "merge": merge}
        self._call("POST", "/api/method/frappe.client.rename_doc", body)

    def attach(self, doctype: str, name: str, file_name: str, content: bytes) -> bool:
        """Attach a private file to a document, once per content; says whether it was not there yet.

        ERPNext keeps the MD5 of every file, and makes a second File of the same one without a word.
        """
        digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
        attached = [["attached_to_doctype", "=", doctype], ["attached_to_name", "=", name]]
        if self.find("File", [*attached, ["content_hash", "=", digest]], ["name"]):
            return False
        file = {"file_name": file_name, "attached_to_doctype": doctype, "attached_to_name": name, "is_private": 1}
        self.insert("File", {**file, "content": base64.b64encode(content).decode(), "decode": 1})
        return True

    def _call(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, query: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        return _content(self._send(method, path, body, query))

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None, query: Mapping[str, str] | None) -> Answer:
        sent = None if body is None else json.dumps(body, default=float).encode()  # a Decimal as a JSON number
        answer = self._http.send(method, path, query=query, body=sent)
        if answer.status == 401:
            self._http.renew_credentials()  # the key may have been rotated since it was read: once more with the new one
            answer = self._http.send(method, path, query=query, body=sent)
        return answer


def budget(answer: Answer) -> Budget | None:
    """What a site with a rate limit will still do, or None where the answer comes from one without.

    Frappe counts the seconds that it works for all callers together, not their calls. X-RateLimit-Remaining is in
    microseconds, and v15.105 rounds it to whole seconds: up to half a second of it may be spent already.
    """
    told = [answer.headers.get(f"x-ratelimit-{name}", "") for name in ("remaining", "reset")]
    if not all(text.isascii() and text.isdigit() for text in told):
        return None
    work, reset = int(told[0]) / 1_000_000 - ROUNDED_AWAY_SECONDS, int(told[1])
    return Budget(max(work, 0.0), max(reset, 1))


def _path(doctype: str, name: str = "") -> str:
    path = f"/api/resource/{quote(doctype, safe='')}"
    return f"{path}/{quote(name, safe='')}" if name else path


def _content(answer: Answer) -> dict[str, Any]:
    """The JSON object of a good answer; raises what a bad one means."""
    try:
        content = json.loads(answer.body, parse_float=Decimal)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise Unavailable(
            f"HTTP {answer.status} without JSON: a proxy or a wrong URL answered, not ERPNext's API",
            retry_after_seconds=_retry_after(answer),
        )
    if answer.status < 300:
        return content
    raise _meaning(answer, content)


def _meaning(answer: Answer, content: dict[str, Any]) -> Exception:
    exc_type = str(content.get("exc_type") or "")
    words = _words(content)
    told = f"{exc_type or f'HTTP {answer.status}'}: {words}" if words else exc_type or f"HTTP {answer.status}"
    category = CATEGORIES.get(exc_type)
    wait = _retry_after(answer)
    if exc_type in ALREADY_THERE:
        return AlreadyThere(exc_type, told)
    if exc_type in CHANGED_MEANWHILE:
        return ChangedMeanwhile(exc_type, told)
    if exc_type == "DoesNotExistError":
        return Missing(exc_type, told)
    if exc_type == "AuthenticationError":
        told = "ERPNext refuses the hub's API key (wrong, regenerated, or its user disabled); store a new one with "
        return Unavailable(told + "`hub secrets set`", category=category, severity=Severity.CRITICAL)
    if exc_type in CONTENDED:
        return Contended(told, category=category, retry_after_seconds=wait)
    if exc_type in PASSING:
        return Temporary(told, category=category, retry_after_seconds=wait)
    if exc_type in WHOLE_SITE or answer.status in {429, 502, 503, 504}:
        return Unavailable(told, category=category, retry_after_seconds=wait)
    if answer.status >= 500 and exc_type not in OUR_MISTAKE:
        return Temporary(told, category=category, retry_after_seconds=wait)
    return Declined(exc_type or f"Http{answer.status}", told, category)


def _words(content: dict[str, Any]) -> str:
    """ERPNext's own message as plain text. `_server_messages` is JSON in JSON in JSON, and HTML."""
    try:
        messages = json.loads(content.get("_server_messages") or "[]")
        texts = [str(json.loads(message).get("message", "")) for message in messages]
    except (ValueError, TypeError, AttributeError):
        texts = []
    if not texts:
        texts = [str(content.get("exception") or "").partition(": ")[2]]
    plain = html.unescape(re.sub(r"<[^>]*>", "", " ".join(texts)))
    return " ".join(plain.split())[:MAX_WORDS_CHARS]


def _retry_after(answer: Answer) -> float | None:
    """Retry-After in seconds; ERPNext's limiter writes whole seconds."""
    text = answer.headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdigit() else None
