"""Shopify's Admin GraphQL API: one call per question, every answer turned into data or one of the hub's errors.

https://shopify.dev/docs/api/admin-graphql and https://shopify.dev/docs/api/usage/response-codes. GraphQL answers 200 for
most troubles too: `errors` are about the request, `userErrors` about what it asks for.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from hub.connector import Answer, HttpClient
from hub.errors import Category, Refused, Severity, Temporary, Unavailable

API_VERSION = "2026-01"
PATH = f"/admin/api/{API_VERSION}/graphql.json"
MAX_WORDS_CHARS = 400
AGAIN_SECONDS = 2.0  # where Shopify throttles without saying for how long: a bucket refills by 100 points per second

# HTTP status → what it says of the whole store
OF_THE_STORE = {
    402: "the store is frozen: its owner must settle the bill",
    404: "there is no such store at this address, or it does not speak API version " + API_VERSION,
    423: "the store is locked",
    430: "Shopify takes the hub's requests for an attack",
}
# `extensions.code` of GraphQL errors, https://shopify.dev/docs/api/admin-graphql#status_and_error_codes
THROTTLED, DENIED, INACTIVE, INTERNAL = "THROTTLED", "ACCESS_DENIED", "SHOP_INACTIVE", "INTERNAL_SERVER_ERROR"
IN_PROGRESS = {"IDEMPOTENCY_CONCURRENT_REQUEST", "SERVICE_UNAVAILABLE"}  # `code` of user errors that pass


class Declined(Refused):
    """Shopify refuses what a mutation asks for. `codes` are its own names for the reasons, where it has some."""

    def __init__(self, message: str, codes: Sequence[str]) -> None:
        super().__init__(message)
        self.codes = frozenset(codes)


class Admin:
    """The Admin API of one store."""

    def __init__(self, http: HttpClient) -> None:
        self._http = http

    def ask(self, query: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        """The `data` of an answer; numbers are int or Decimal."""
        return data_of(self.answer(query, variables))

    def answer(self, query: str, variables: Mapping[str, Any]) -> Answer:
        """An answer as it came, for `data_of` and `Cost.of`."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        answer = self._http.send("POST", PATH, body=body)
        if answer.status == 401:
            self._http.renew_credentials()  # the token may have been rotated since it was read
            answer = self._http.send("POST", PATH, body=body)
        return answer

    def change(self, mutation: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        """The payload of a document with one mutation; raises Declined with Shopify's words where it has user errors."""
        data = self.ask(mutation, variables)
        ((name, payload),) = data.items()
        if not isinstance(payload, dict):
            raise Temporary(f"{name}: Shopify answered without a result")
        if errors := payload.get("userErrors"):
            codes = [str(error.get("code") or "") for error in errors]
            told = f"{name}: " + "; ".join(_told(error) for error in errors)[:MAX_WORDS_CHARS]
            if IN_PROGRESS.intersection(codes):
                raise Temporary(told)
            raise Declined(told, codes)
        return payload


def _told(error: Mapping[str, Any]) -> str:
    where = ".".join(str(part) for part in error.get("field") or [])
    return f"{where}: {error.get('message')}" if where else str(error.get("message"))


@dataclass(frozen=True, slots=True)
class Cost:
    """What a query costs, and what the app's bucket of points holds: https://shopify.dev/docs/api/usage/limits. Zeros
    where an answer says nothing."""

    points: float = 0.0
    available: float = 0.0
    most: float = 0.0
    per_second: float = 0.0

    @classmethod
    def of(cls, answer: Answer) -> "Cost":
        """As an answer tells it."""
        cost = _part(_part(_content(answer) or {}, "extensions"), "cost")
        status = _part(cost, "throttleStatus")
        told = (
            cost.get("requestedQueryCost"),
            status.get("currentlyAvailable"),
            status.get("maximumAvailable"),
            status.get("restoreRate"),
        )
        try:
            return cls(*(float(each or 0) for each in told))
        except (TypeError, ValueError):
            return cls()

    def wait_seconds(self, share: float) -> float:
        """Until a query of the same cost leaves the app's other calls all but `share` of the bucket."""
        wanted = min(self.most * (1 - share) + self.points, self.most)
        return max(wanted - self.available, 0.0) / self.per_second if self.per_second > 0 else 0.0


def _content(answer: Answer) -> dict[str, Any] | None:
    try:
        content = json.loads(answer.body, parse_float=Decimal)
    except (ValueError, RecursionError, InvalidOperation):
        return None
    return content if isinstance(content, dict) else None


def data_of(answer: Answer) -> dict[str, Any]:
    """The `data` of an answer; raises what its status or its errors mean."""
    content = _content(answer)
    check_status(answer)
    if content is None:
        raise Unavailable(f"HTTP {answer.status} without JSON: a wrong URL or a proxy answered, not Shopify's API")
    if errors := content.get("errors"):
        raise _meaning(errors if isinstance(errors, list) else [{"message": errors}], content)
    if answer.status >= 300 or not isinstance(content.get("data"), dict):
        raise Unavailable(f"HTTP {answer.status} without data: a wrong URL or a proxy answered, not Shopify's API")
    return dict(content["data"])


def check_status(answer: Answer) -> None:
    """Raise what a status alone means."""
    wait = _retry_after(answer)
    if answer.status in (401, 403):
        raise Unavailable(
            f"HTTP {answer.status}: Shopify refuses the hub's admin_token (wrong, or the app was uninstalled); store a "
            "new one with `hub secrets set`",
            category=Category.AUTHENTICATION_FAILED,
            severity=Severity.CRITICAL,
        )
    if answer.status in OF_THE_STORE:
        raise Unavailable(f"HTTP {answer.status}: {OF_THE_STORE[answer.status]}", retry_after_seconds=wait)
    if answer.status == 429:
        raise Temporary("HTTP 429: throttled", category=Category.RATE_LIMIT_EXCEEDED, retry_after_seconds=wait)
    if answer.status >= 500:
        error = Temporary if answer.status == 500 else Unavailable
        raise error(f"HTTP {answer.status}: Shopify cannot answer now", retry_after_seconds=wait)


def _meaning(errors: Sequence[Mapping[str, Any]], content: Mapping[str, Any]) -> Exception:
    codes = {str(_part(error, "extensions").get("code") or "") for error in errors}
    told = "; ".join(str(error.get("message")) for error in errors)[:MAX_WORDS_CHARS]
    if THROTTLED in codes:
        wait = _throttled_seconds(_part(_part(content, "extensions"), "cost"))
        return Temporary("throttled", category=Category.RATE_LIMIT_EXCEEDED, retry_after_seconds=wait)
    if DENIED in codes:
        return Unavailable(
            f"the app may not do this: {told}; grant it the scope, which the connector's README lists",
            category=Category.AUTHENTICATION_FAILED,
            severity=Severity.CRITICAL,
        )
    if INACTIVE in codes:
        return Unavailable(f"the store is not active: {told}")
    if INTERNAL in codes:
        return Temporary(f"Shopify failed inside: {told}")
    return Refused(f"Shopify does not understand the request: {told}")


def _throttled_seconds(cost: Mapping[str, Any]) -> float:
    """How long until the bucket holds what the request costs: the missing points at the rate that it refills by."""
    status = _part(cost, "throttleStatus")
    try:
        missing = float(cost["requestedQueryCost"]) - float(status["currentlyAvailable"])
        rate = float(status["restoreRate"])
    except (KeyError, TypeError, ValueError):
        return AGAIN_SECONDS
    return max(missing / rate, 0.0) if rate > 0 else AGAIN_SECONDS


def _part(content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = content.get(name)
    return part if isinstance(part, dict) else {}


def _retry_after(answer: Answer) -> float | None:
    """Retry-After in seconds; Shopify writes "2.0"."""
    text = answer.headers.get("retry-after", "")
    return float(text) if text.replace(".", "", 1).isdigit() and text.isascii() else None
