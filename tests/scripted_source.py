"""A JSON API whose table changes while it is read, and whose answers go wrong as a script says."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlencode

from hub.connector import Answer

BEGIN = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ORIGIN = "https://source.example"
Item = dict[str, Any]
Fault = Callable[[Answer], Answer]


@dataclass
class Clock:
    """The one clock of the source and of the hub; reading it takes a moment."""

    moment: datetime = BEGIN

    def now(self) -> datetime:
        self.moment += timedelta(milliseconds=10)
        return self.moment


@dataclass
class ScriptedSource:
    """Lists its table in the style of `style`. `script` maps the number of a request (1 is the first) to what becomes of
    its answer; `meanwhile` is called before each request."""

    clock: Clock
    style: str
    size: int = 4
    descending: bool = False  # newest first, as many APIs list
    by_id: bool = False  # in the order of ids, whatever the version
    tells_total: bool = False
    honours_since: bool = True
    set_back: timedelta = timedelta()
    rows: dict[str, Item] = field(default_factory=dict)
    script: dict[int, Fault] = field(default_factory=dict)
    meanwhile: Callable[[int], None] = lambda _: None
    requests: int = 0
    renewed: int = 0
    limit_param: str = ""
    asked: list[dict[str, str]] = field(default_factory=list)

    def write(self, key: str, content: str = "", at: datetime | None = None) -> None:
        """Write a row now, to the second, or as if at another moment."""
        stamp = (at or self.clock.moment - self.set_back).replace(microsecond=0)
        self.rows[key] = {"id": key, "updated_at": stamp.isoformat().replace("+00:00", "Z"), "content": content}

    def send(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Answer:
        """Answer as the API does, or as the script says."""
        assert (method, body) == ("GET", None)
        self.requests += 1
        self.meanwhile(self.requests)
        self.clock.moment += timedelta(milliseconds=200)
        asked = dict(query or {})
        self.asked.append(asked)
        answer = self.answer(asked)
        fault = self.script.pop(self.requests, None)
        return fault(answer) if fault else answer

    def renew_credentials(self) -> None:
        """Count how often new credentials were asked for."""
        self.renewed += 1

    def answer(self, query: Mapping[str, str]) -> Answer:
        """What the API answers in truth."""
        found = self._found(query)
        number = int(query.get("page", "1"))
        start = int(query.get("offset", "0")) if self.style == "offset" else (number - 1) * self.size
        if self.style in ("keyset", "none"):
            start = 0
        size = len(found) if self.style == "none" else int(query.get("limit", self.size))
        page, left = found[start : start + size], found[start + size :]
        headers = {"date": format_datetime(self.clock.moment - self.set_back, usegmt=True)}
        content: dict[str, Any] = {"data": page, "meta": {}}
        following = dict(query) | {"page": str(number + 1)}
        if self.style == "link" and left:
            headers["link"] = f'<{ORIGIN}/rows?{urlencode(following)}>; rel="next"'
        if self.style == "next_url":
            content["next"] = f"/rows?{urlencode(following)}" if left else None
        if self.style == "cursor":
            content["meta"] = {"next": str(number + 1) if left else None, "more": bool(left)}
        if self.tells_total:
            content["total"] = len(found)
        return Answer(200, headers, json.dumps(content).encode())

    def _found(self, query: Mapping[str, str]) -> list[Item]:
        since = query.get("since", "") if self.honours_since else ""
        until = query.get("until", "9")
        found = [row for row in self.rows.values() if not row["updated_at"] or since <= row["updated_at"] < until]
        if self.by_id and self.style != "keyset":
            return sorted(found, key=lambda row: row["id"])
        return sorted(found, key=lambda row: (row["updated_at"] or "", row["id"]), reverse=self.descending)

    def settings(self) -> dict[str, Any]:
        """How this API is stated in the configuration."""
        pages: dict[str, dict[str, Any]] = {
            "none": {"style": "none"},
            "link": {"style": "link"},
            "next_url": {"style": "next_url", "path": "next"},
            "cursor": {"style": "cursor", "path": "meta.next", "param": "page", "more": "meta.more"},
            "page": {"style": "page"},
            "offset": {"style": "offset", "size": self.size},
            "keyset": {"style": "keyset", "size": self.size, "limit_param": self.limit_param},
        }
        return {
            "path": "/rows",
            "rows": "data",
            "version": {"field": "updated_at"},
            "since": {"param": "since"},
            "until": {"param": "until"},
            "page": pages[self.style],
            "total": "total" if self.tells_total else "",
        }


def status(code: int, **headers: str) -> Fault:
    """An answer of this status instead."""
    return lambda _: Answer(code, {name.replace("_", "-"): value for name, value in headers.items()}, b"{}")


def html(_: Answer) -> Answer:
    """A proxy's page, with status 200."""
    return Answer(200, {"content-type": "text/html"}, b"<html>Be right back</html>")


def truncated(true: Answer) -> Answer:
    """The connection broke off."""
    return Answer(200, true.headers, true.body[: len(true.body) // 2])


def empty(true: Answer) -> Answer:
    """A page without rows, though there are some; what follows is not told."""
    content = json.loads(true.body)
    gone = {"data": [], "meta": {"next": None, "more": False}, "next": None} | (
        {"total": content["total"]} if "total" in content else {}
    )
    return Answer(200, {"date": true.headers["date"]}, json.dumps(gone).encode())


def short(true: Answer) -> Answer:
    """A page of fewer rows than there are, which says rightly what follows."""
    content = json.loads(true.body)
    return Answer(200, true.headers, json.dumps(content | {"data": content["data"][:1]}).encode())


def shuffled(true: Answer) -> Answer:
    """The rows out of order."""
    content = json.loads(true.body)
    return Answer(200, true.headers, json.dumps(content | {"data": content["data"][::-1]}).encode())
