"""One HTTP request and its answer, as the stand-in's routes see them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from infra.local.erpnext.errors import FrappeError

REASONS = {
    200: "OK", 202: "ACCEPTED", 301: "MOVED PERMANENTLY", 302: "FOUND", 400: "BAD REQUEST", 401: "UNAUTHORIZED",
    403: "FORBIDDEN", 404: "NOT FOUND", 409: "CONFLICT", 417: "EXPECTATION FAILED", 429: "TOO MANY REQUESTS",
    500: "INTERNAL SERVER ERROR", 502: "BAD GATEWAY", 503: "SERVICE UNAVAILABLE", 504: "GATEWAY TIME-OUT",
}  # fmt: skip


@dataclass
class Request:
    """A request as received; `form` holds the query and the body's fields together, as Frappe's form_dict does."""

    method: str
    raw_path: str
    headers: dict[str, str]
    body: bytes = b""
    form: dict[str, Any] = field(default_factory=dict)
    files: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    user: str = "Guest"

    @property
    def path(self) -> str:
        return unquote(urlsplit(self.raw_path).path)

    @property
    def segments(self) -> list[str]:
        """The path's parts, each decoded by itself, so that an encoded slash stays within its part."""
        return [unquote(part) for part in urlsplit(self.raw_path).path.split("/") if part]

    @property
    def writes(self) -> bool:
        return self.method not in ("GET", "HEAD")

    def header(self, name: str) -> str:
        return self.headers.get(name.lower(), "")

    def read_form(self) -> None:
        """Parse the query and the body; JSONDecodeError (500), as recorded, for a body that is not JSON."""
        self.form = dict(parse_qsl(urlsplit(self.raw_path).query, keep_blank_values=True))
        kind = self.header("content-type")
        if not self.body:
            return
        if kind.startswith("multipart/form-data"):
            self._read_multipart(kind)
        elif kind.startswith("application/x-www-form-urlencoded"):
            self.form.update(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))
        else:
            try:
                values = json.loads(self.body)
            except ValueError as error:
                raise FrappeError("JSONDecodeError", str(error)) from error
            if isinstance(values, dict):
                self.form.update(values)

    def _read_multipart(self, kind: str) -> None:
        boundary = kind.partition("boundary=")[2].strip('"').encode()
        for part in self.body.split(b"--" + boundary)[1:-1]:
            head, _, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
            content = content.removesuffix(b"\r\n")
            names = dict(
                piece.strip().split("=", 1)
                for line in head.decode("utf-8", "replace").splitlines()
                if line.lower().startswith("content-disposition")
                for piece in line.split(";")
                if "=" in piece
            )
            name = names.get("name", "").strip('"')
            if "filename" in names:
                self.files[name] = (names["filename"].strip('"'), content)
            else:
                self.form[name] = content.decode("utf-8", "replace")


@dataclass
class Answer:
    """A response to be sent; `cookies` tells whether the session's cookies go with it, and `ended` expires them."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: list[tuple[str, str]] = field(default_factory=list)
    cookies: bool = True
    ended: bool = False
    session: tuple[str, str] | None = None


def json_answer(status: int, body: Any) -> Answer:
    return Answer(status, json.dumps(body, ensure_ascii=False, separators=(",", ":"), default=str).encode())


def html_answer(status: int, title: str, text: str = "") -> Answer:
    page = f"<html>\n  <head>\n    <title>{title}</title>\n  </head>\n  <body>\n    <h1><p>{title}</p></h1>\n    {text}\n  </body>\n</html>\n"
    return Answer(status, page.encode(), "text/html", [("Connection", "close")], cookies=False)
