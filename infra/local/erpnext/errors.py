"""What ERPNext says when it refuses: exception classes, their HTTP statuses, and the v1 and v2 error envelopes."""

from __future__ import annotations

import builtins
import hashlib
import json
from typing import Any

Message = dict[str, Any]

# Recorded statuses; a class that is not listed answers 417, as frappe.ValidationError does.
STATUS = {
    "AuthenticationError": 401,
    "PermissionError": 403,
    "DoesNotExistError": 404,
    "DuplicateEntryError": 409,
    "NameError": 409,
    "TooManyRequestsError": 429,
    "RateLimitExceededError": 429,
    "SessionStopped": 503,
    "InReadOnlyMode": 503,
    "QueryDeadlockError": 500,
    "QueryTimeoutError": 500,
    "AttributeError": 500,
    "TypeError": 500,
    "ImportError": 500,
    "JSONDecodeError": 500,
}

# The prefix that the recorded `exception` text bears for classes that are not in frappe.exceptions.
PREFIX = {
    "AttributeError": "AttributeError",
    "TypeError": "TypeError",
    "ImportError": "Error",
    "JSONDecodeError": "json.decoder.JSONDecodeError",
    "FiscalYearError": "erpnext.accounts.utils.FiscalYearError",
    "NegativeStockError": "erpnext.stock.stock_ledger.NegativeStockError",
}

TRACEBACK = json.dumps(["Traceback omitted"])


class FrappeError(Exception):
    """One refusal; `shows_traceback` tells whether `exception` and `exc` are in the envelope (404s have neither)."""

    def __init__(
        self,
        exc_type: str,
        text: str = "",
        messages: list[Message] | None = None,
        *,
        from_erpnext: bool = False,
        shows_traceback: bool = True,
        error_message: str = "",
    ) -> None:
        super().__init__(f"{exc_type}: {text}")
        self.exc_type = exc_type
        self.text = text
        self.messages = messages or []
        self.from_erpnext = from_erpnext
        self.shows_traceback = shows_traceback
        self.error_message = error_message

    @property
    def status(self) -> int:
        """Python's own exceptions are crashes (500) unless they are listed; all others are refusals."""
        return STATUS.get(self.exc_type, 500 if hasattr(builtins, self.exc_type) else 417)


def thrown(
    exc_type: str, text: str, *, title: str = "Message", indicator: str = "red", from_erpnext: bool = False
) -> FrappeError:
    """The error that frappe.throw raises: its text is also the user's message."""
    message = {"message": text, "title": title, "indicator": indicator, "raise_exception": 1}
    return FrappeError(exc_type, text, [message], from_erpnext=from_erpnext)


def invalid(text: str, title: str = "Message", indicator: str = "red") -> FrappeError:
    """A refusal by an ERPNext business rule."""
    return thrown("ValidationError", text, title=title, indicator=indicator, from_erpnext=True)


def not_found(doctype: str, name: str) -> FrappeError:
    error = thrown("DoesNotExistError", f"{doctype} {name} not found")
    error.shows_traceback = False
    return error


def no_such_route() -> FrappeError:
    return FrappeError("DoesNotExistError", shows_traceback=False)


def no_permission(user: str, doctype: str, *, shows_traceback: bool) -> FrappeError:
    text = (
        f"User <strong>{user}</strong> does not have doctype access via role permission "
        f"for document <strong>{doctype}</strong>"
    )
    return FrappeError(
        "PermissionError",
        messages=[{"message": text, "title": "Message"}],
        shows_traceback=shows_traceback,
        error_message=f"No permission for {doctype}",
    )


def exception_text(error: FrappeError) -> str:
    prefix = PREFIX.get(error.exc_type, f"frappe.exceptions.{error.exc_type}")
    return f"{prefix}: {error.text}" if error.text else prefix


def server_messages(messages: list[Message]) -> str:
    """JSON in JSON in JSON, as Frappe sends it."""
    numbered = []
    for message in messages:
        if message.get("raise_exception"):
            token = hashlib.sha256(json.dumps(message).encode()).hexdigest()[:56]
            message = {**message, "__frappe_exc_id": token}
        numbered.append(json.dumps(message))
    return json.dumps(numbered)


def envelope_v1(error: FrappeError, messages: list[Message], show_traceback: bool) -> dict[str, Any]:
    """The body of a v1 error; `messages` were collected before the error was raised."""
    body: dict[str, Any] = {}
    traceback = show_traceback and error.shows_traceback
    if traceback:
        body["exception"] = exception_text(error)
    body["exc_type"] = error.exc_type
    if traceback:
        if error.from_erpnext:
            body["_exc_source"] = "erpnext (app)"
        body["exc"] = TRACEBACK
    everything = messages + error.messages
    if everything:
        body["_server_messages"] = server_messages(everything)
    if error.error_message:
        body["_error_message"] = error.error_message
    return body


def envelope_v2(error: FrappeError, show_traceback: bool) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": error.exc_type}
    if show_traceback and error.shows_traceback:
        entry["exception"] = "Traceback omitted"
    if error.messages:
        last = error.messages[-1]
        entry.update({key: last[key] for key in ("message", "title", "indicator") if key in last})
    return {"errors": [entry]}
