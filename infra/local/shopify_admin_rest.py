"""An imitated Shopify store that can be listed: orders, customers and products over the REST Admin API.

Written from Shopify's documentation: cursors in the Link header that bear their filters, a bucket of 40 calls that drains
by 2 a second, https://shopify.dev/docs/api/usage/pagination-rest and https://shopify.dev/docs/api/usage/limits.

    with ShopifyRest(token="shpat_local") as store:
        store.say(order_body)          # as it stands now; what the webhook would bear
        ... list store.url + /admin/api/2026-01/orders.json with the header X-Shopify-Access-Token ...
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, urlencode, urlsplit

from infra.local.shopify import API_VERSION, Body
from infra.local.shopify_admin import PATH, ShopifyAdmin

PATHS = {f"/admin/api/{API_VERSION}/{name}.json": name for name in ("orders", "customers", "products")}
BUCKET, DRAIN_PER_SECOND = 40, 2.0
MOST_ROWS, MOST_VARIANTS = 250, 100
BESIDE_PAGE_INFO = {"limit", "page_info", "fields"}
ONLY_PUSHED = {"variant_gids"}  # which webhooks bear, and rows do not


@dataclass(frozen=True)
class Reply:
    """An answer. Header names are lower-case."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class ShopifyRest:
    """One store on 127.0.0.1. `replies` are given to the next requests instead of true ones; None is the truth. `admin` is
    the same store by GraphQL."""

    def __init__(
        self,
        token: str = "shpat_local",  # noqa: S107 - of a made-up store
        port: int = 0,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.token = token
        self.admin = ShopifyAdmin(token)
        self.replies: list[Reply | None] = []
        self.asked: list[dict[str, str]] = []
        self.throttled = 0
        self._now = now
        self.said: dict[str, dict[int, Body]] = {name: {} for name in PATHS.values()}
        self._level, self._drained_at = 0.0, now()
        self._age = 0  # of cursors: those of another age are known no longer
        self._lock = threading.RLock()
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.store = self

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self.admin.__enter__()
        serve = {"poll_interval": 0.02}
        threading.Thread(target=self._server.serve_forever, kwargs=serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.admin.__exit__()
        self._server.shutdown()
        self._server.server_close()

    # What happens in the store

    def say(self, body: Body, of: str = "orders") -> None:
        """A thing as it stands now, by the body that its webhook would bear."""
        with self._lock:
            self.said[of][body["id"]] = body

    def forget_pages(self) -> None:
        """No cursor given so far leads anywhere."""
        self._age += 1

    # The API

    def answer(self, path: str, query: Mapping[str, str], token: str) -> Reply:
        """Serve one GET request."""
        with self._lock:
            self.asked.append(dict(query))
            reply = self.replies.pop(0) if self.replies else None
            return reply or self._answer(path, query, token)

    def _answer(self, path: str, query: Mapping[str, str], token: str) -> Reply:
        if token != self.token:
            return self._errors(401, "[API] Invalid API key or access token (unrecognized login or wrong password)")
        now = self._now()
        drained = DRAIN_PER_SECOND * (now - self._drained_at).total_seconds()
        self._level, self._drained_at = max(0.0, self._level - drained), now
        if self._level + 1 > BUCKET:
            self.throttled += 1
            what = "Exceeded 2 calls per second for api client. Reduce request rates to resume uninterrupted service."
            return self._errors(429, what, {"retry-after": "2.0"})
        self._level += 1
        if path not in PATHS:
            return self._errors(404, "Not Found")
        try:
            return self._page(path, query)
        except ValueError as error:
            return self._errors(400, {str(error): "Invalid value."})

    def _page(self, path: str, query: Mapping[str, str]) -> Reply:
        limit = min(int(query.get("limit", "50")), MOST_ROWS)
        behind: tuple[str, int] = ("", 0)
        asked = dict(query)
        if "page_info" in query:
            if beside := sorted(query.keys() - BESIDE_PAGE_INFO):
                return self._errors(400, dict.fromkeys(beside, "cannot be passed beside page_info"))
            asked, behind = self._unpacked(query["page_info"])
        found = sorted((each for each in self.said[PATHS[path]].values() if _fits(each, asked)), key=_place)
        if asked.get("order", "updated_at asc") != "updated_at asc":
            raise ValueError("order")
        left = [each for each in found if _place(each) > behind]
        page = left[:limit]
        headers = {}
        if len(left) > limit:
            following = {"limit": str(limit), "page_info": self._packed(asked, _place(page[-1]))}
            headers["link"] = f'<{self.url}{path}?{urlencode(following)}>; rel="next"'
        rows = [_listed(each) for each in page]
        return self._reply(200, {PATHS[path]: rows}, headers)

    def _packed(self, asked: Mapping[str, str], last: tuple[str, int]) -> str:
        filters = {name: value for name, value in asked.items() if name not in BESIDE_PAGE_INFO}
        return base64.urlsafe_b64encode(json.dumps([self._age, filters, last]).encode()).decode()

    def _unpacked(self, page_info: str) -> tuple[dict[str, str], tuple[str, int]]:
        try:
            age, filters, (stamp, number) = json.loads(base64.urlsafe_b64decode(page_info))
        except (ValueError, TypeError) as error:
            raise ValueError("page_info") from error
        if age != self._age:
            raise ValueError("page_info")
        return filters, (stamp, number)

    def _errors(self, status: int, errors: Any, headers: Mapping[str, str] | None = None) -> Reply:
        return self._reply(status, {"errors": errors}, headers or {})

    def _reply(self, status: int, content: Body, headers: Mapping[str, str]) -> Reply:
        stated = {
            "content-type": "application/json; charset=utf-8",
            "date": format_datetime(self._now(), usegmt=True),
            "x-shopify-shop-api-call-limit": f"{int(self._level)}/{BUCKET}",
        }
        return Reply(status, json.dumps(content).encode(), {**stated, **headers})


def _fits(body: Body, asked: Mapping[str, str]) -> bool:
    if "line_items" in body and asked.get("status", "open") != "any" and body.get("cancelled_at"):
        return False
    stamp = _instant(body["updated_at"])
    least, most = asked.get("updated_at_min"), asked.get("updated_at_max")
    return (not least or stamp >= _instant(least)) and (not most or stamp <= _instant(most))


def _listed(body: Body) -> Body:
    row = {name: value for name, value in body.items() if name not in ONLY_PUSHED}
    return row | {"variants": row["variants"][:MOST_VARIANTS]} if "variants" in row else row


def _place(body: Body) -> tuple[str, int]:
    return _instant(body["updated_at"]).isoformat(), body["id"]


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    store: ShopifyRest


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that the base class gives it
        """Nothing: what was asked is in `asked`."""

    def do_POST(self) -> None:
        content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = self.server.store.admin.answer(self.headers.get("X-Shopify-Access-Token", ""), content)
        if self.path != PATH or answer is None:
            self.send_error(404)
            return
        status, body, headers = answer
        self._send(Reply(status, json.dumps(body).encode(), {"content-type": "application/json", **headers}))

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        token = self.headers.get("X-Shopify-Access-Token", "")
        self._send(self.server.store.answer(parts.path, dict(parse_qsl(parts.query)), token))

    def _send(self, reply: Reply) -> None:
        self.send_response_only(reply.status)  # without a Date of its own
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body)
