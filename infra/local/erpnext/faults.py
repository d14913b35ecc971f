"""How the stand-in is told to misbehave: what can go wrong, for which requests, and how often."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from math import ceil
from typing import Any

from infra.local.erpnext.errors import FrappeError, thrown

KINDS = {
    "slow": "wait `seconds` before the work begins",
    "late_commit": "stamp the documents now, wait `seconds`, then commit: they appear older than rows already seen",
    "deadlock": "answer 500 QueryDeadlockError, nothing written",
    "lock_timeout": "wait `seconds`, answer 500 QueryTimeoutError, nothing written",
    "stall_after_commit": "commit, wait `seconds`, then answer",
    "drop_after_commit": "commit, then close the connection without an answer",
    "drop_before_commit": "close the connection without an answer, nothing written",
    "rate_limit": "answer 429 TooManyRequestsError with X-RateLimit headers and Retry-After (`seconds`, 29 if 0)",
    "rate_limit_exceeded": "answer 429 RateLimitExceededError, without Retry-After",
    "maintenance": "answer 503 SessionStopped",
    "read_only": "answer 503 InReadOnlyMode to writes",
    "bin_race": "answer 404 DoesNotExistError, as the race for the first Bin does",
    "html_error": "answer an HTML page with `status`",
    "truncated": "commit, then break the answer off in the middle of its body",
}

DEADLOCK = "(1213, 'Deadlock found when trying to get lock; try restarting transaction')"
READ_ONLY = (
    "Site is running in read only mode for maintenance or site update, this action can not be performed right now. "
    "Please try again later."
)


@dataclass
class Fault:
    """One way to misbehave. `times` is how many matching requests it hits (None: until cleared), after `skip` others.

    It matches when each of `method` (GET …), `doctype`, `document` (its name) and `path` (a part of the path) that is
    given matches the request.
    """

    kind: str
    times: int | None = 1
    skip: int = 0
    method: str | None = None
    doctype: str | None = None
    document: str | None = None
    path: str | None = None
    seconds: float = 0.0
    status: int = 502

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"unknown fault {self.kind!r}; there are: {', '.join(KINDS)}")

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Fault:
        unknown = set(values) - {each.name for each in fields(cls)}
        if unknown:
            raise ValueError(
                f"unknown keys {', '.join(sorted(unknown))}; a fault has {', '.join(f.name for f in fields(cls))}"
            )
        return cls(**values)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def matches(self, method: str, path: str, doctype: str | None, document: str | None) -> bool:
        if self.kind == "read_only" and method in ("GET", "HEAD"):
            return False
        return (
            self.method in (None, method)
            and self.doctype in (None, doctype)
            and self.document in (None, document)
            and (self.path is None or self.path in path)
        )


@dataclass
class Faults:
    """The faults that are waiting for their requests."""

    waiting: list[Fault] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, fault: Fault) -> None:
        with self._lock:
            self.waiting.append(fault)

    def clear(self) -> None:
        with self._lock:
            self.waiting.clear()

    def take(
        self, method: str, path: str, doctype: str | None, document: str | None, *, inner: bool = False
    ) -> list[Fault]:
        """The faults that hit this request; each is used up by one. `inner` asks for those of one document in a bulk."""
        hits: list[Fault] = []
        with self._lock:
            for fault in list(self.waiting):
                if (inner and fault.document is None) or not fault.matches(method, path, doctype, document):
                    continue
                if fault.skip > 0:
                    fault.skip -= 1
                    continue
                hits.append(fault)
                if fault.times is not None:
                    fault.times -= 1
                    if fault.times <= 0:
                        self.waiting.remove(fault)
        return hits


def error_of(fault: Fault, *, from_erpnext: bool = False) -> FrappeError | None:
    """What a fault makes ERPNext answer, for those that are answers of ERPNext's own.

    `from_erpnext` tells that ERPNext's code, not Frappe's, was at work, which the envelope shows.
    """
    if fault.kind == "deadlock":
        return FrappeError("QueryDeadlockError", DEADLOCK, from_erpnext=from_erpnext)
    if fault.kind == "lock_timeout":
        return FrappeError("QueryTimeoutError", "(1205, 'Lock wait timeout exceeded; try restarting transaction')")
    if fault.kind == "rate_limit_exceeded":
        return rate_limit_exceeded()
    if fault.kind == "maintenance":
        return FrappeError("SessionStopped", "Session Stopped")
    if fault.kind == "read_only":
        return thrown("InReadOnlyMode", READ_ONLY, title="In Read Only Mode")
    if fault.kind == "bin_race":
        message = {"message": "Item Code must be unique", "title": "Message"}
        return FrappeError("DoesNotExistError", messages=[message], shows_traceback=False)
    return None


def rate_limit_exceeded() -> FrappeError:
    return thrown(
        "RateLimitExceededError", "You hit the rate limit because of too many requests. Please try after sometime."
    )


class RateLimiter:
    """Frappe's site-wide limiter: a budget of server time per window; one bucket for everybody, before authentication.

    `charge_seconds` charges every request that much instead of the time it took, so that tests can count.
    """

    def __init__(
        self,
        window_seconds: int,
        limit_seconds: float,
        now: Callable[[], datetime],
        charge_seconds: float | None = None,
    ) -> None:
        self.window_seconds = window_seconds
        self.limit = int(limit_seconds * 1_000_000)
        self.charge_seconds = charge_seconds
        self._now = now
        self._window = -1
        self._spent = 0.0
        self._lock = threading.Lock()

    def _roll(self) -> float:
        now = self._now().timestamp()
        window = int(now // self.window_seconds)
        if window != self._window:
            self._window, self._spent = window, 0.0
        return (window + 1) * self.window_seconds - now

    def exhausted(self) -> bool:
        with self._lock:
            self._roll()
            return self._spent >= self.limit

    def charge(self, took_seconds: float) -> None:
        with self._lock:
            self._roll()
            self._spent += 1_000_000 * (took_seconds if self.charge_seconds is None else self.charge_seconds)

    def headers(self, *, refused: bool) -> list[tuple[str, str]]:
        """The recorded headers; Remaining is rounded to whole seconds of server time, as 15.105 rounds it."""
        with self._lock:
            reset = str(ceil(self._roll()))
            left = max(self.limit - self._spent, 0)
            remaining = 0 if refused else round(left / 1_000_000) * 1_000_000
        headers = [
            ("X-RateLimit-Reset", reset),
            ("X-RateLimit-Limit", str(self.limit)),
            ("X-RateLimit-Remaining", str(remaining)),
        ]
        return [*headers, ("Retry-After", reset)] if refused else headers
