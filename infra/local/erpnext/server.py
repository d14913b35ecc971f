"""The HTTP server of the stand-in, and the object through which tests and `make run` use it.

    with ErpNextStandIn() as erp:
        erp.misbehave(Fault("deadlock", method="POST", doctype="Sales Order"))
        ... call erp.url with erp.token ...
        assert erp.documents("Sales Order") == [...]

Another process steers it over HTTP: POST, GET and DELETE /_standin/faults, GET and DELETE /_standin/requests,
POST /_standin/reset, GET /_standin/documents/<DocType>, POST /_standin/rate-limit, POST and GET /_standin/capacity.
"""

from __future__ import annotations

import contextlib
import html
import socket
import struct
import threading
import time
import traceback
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from infra.local.erpnext import accounting, api, customising, files, masters, oauth, pages, seed, selling, stock
from infra.local.erpnext.capacity import Capacity
from infra.local.erpnext.clock import SiteClock
from infra.local.erpnext.errors import FrappeError
from infra.local.erpnext.faults import Fault, Faults, RateLimiter, error_of
from infra.local.erpnext.requests import REASONS, Answer, Request, html_answer, json_answer
from infra.local.erpnext.sessions import Sessions, user_of
from infra.local.erpnext.site import Site
from infra.local.erpnext.store import Doc, copied
from infra.local.erpnext.webhooks import WebhookSender

REQUEST_LINE_LIMIT = 4094
HOOKS = {
    **selling.HOOKS,
    **stock.HOOKS,
    **accounting.HOOKS,
    **customising.HOOKS,
    **masters.HOOKS,
    **oauth.HOOKS,
}


def utc_now() -> datetime:
    return datetime.now(UTC)


class ErpNextStandIn:
    """An ERPNext site on 127.0.0.1 that serves from threads; `port` 0 takes a free one.

    `database` is a file, or ":memory:". `now` is the clock (UTC), `seed` decides the random names, `sleep` is what
    slow faults wait with, `webhook_sleep` what the retries of outbound webhooks wait with. With `hosts`, a request for any
    other site than these (by X-Frappe-Site-Name or Host) gets ERPNext's 404 page.
    """

    def __init__(
        self,
        database: str = ":memory:",
        port: int = 0,
        token: str = "hub-key:hub-secret",  # noqa: S107 - of a made-up site
        time_zone: str = "America/New_York",
        seed: int = 7,
        now: Callable[[], datetime] = utc_now,
        sleep: Callable[[float], None] | None = None,
        webhook_sleep: Callable[[float], None] | None = None,
        hosts: frozenset[str] | None = None,
    ) -> None:
        self.token = token
        self.hosts = hosts
        self.requests: list[tuple[str, str, int]] = []
        self.faults = Faults()
        self.rate_limiter: RateLimiter | None = None
        self.capacity: Capacity | None = None
        self.sessions = Sessions()
        self.stopping = threading.Event()
        self.sleep = sleep or self._wait
        self._now = now
        self._port = port
        self._thread: threading.Thread | None = None
        self.site = Site(database, SiteClock(now, time_zone), seed, HOOKS)
        self.webhooks = WebhookSender(self.site, webhook_sleep or self._wait)
        self.site.outbox = self.webhooks
        self._seed()
        self._server = _Server(self, port)
        self.site.url = self.url

    def _seed(self) -> None:
        seed.seed(self.site, self.token)

    def _wait(self, seconds: float) -> None:
        self.stopping.wait(seconds)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def start(self) -> Self:
        self.webhooks.start()
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop serving and close the database; everything committed is on disk."""
        self.stopping.set()
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._thread = None
        self._server.server_close()
        self._server.hang_up()
        self.webhooks.stop()
        with self.site.lock:
            self.site.store.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # What tests and operators ask for

    def documents(self, doctype: str) -> list[Doc]:
        """Every document of a DocType with its child tables, oldest first: what an oracle compares."""
        with self.site.lock:
            return [copied(doc) for doc in self.site.store.all(doctype)]

    def clear_requests(self) -> None:
        self.requests.clear()

    def misbehave(self, fault: Fault) -> None:
        """Let the next matching requests go wrong."""
        self.faults.add(fault)

    def behave(self) -> None:
        """Forget all faults, the rate limit and the capacity."""
        self.faults.clear()
        self.rate_limiter = None
        self.capacity = None

    def limit_rate(self, window_seconds: int, limit_seconds: float, charge_seconds: float | None = None) -> None:
        """Switch Frappe's site-wide rate limiter on."""
        self.rate_limiter = RateLimiter(window_seconds, limit_seconds, self._now, charge_seconds)

    def serve_with(self, workers: int, seconds: float, contended_above: int | None = None) -> None:
        """Serve so many requests at once, each for so long; see Capacity."""
        self.capacity = Capacity(workers, seconds, self.sleep, contended_above)

    def add_user(self, email: str, token: str, *, allowed_doctypes: str = "", password: str = "") -> None:
        with self.site.transaction("Administrator") as tx:
            seed.add_user(tx, email, token, allowed_doctypes=allowed_doctypes, password=password)

    def reset(self) -> None:
        """Back to a new site with its seed data only; faults and the list of requests are forgotten too."""
        self.behave()
        self.clear_requests()
        with self.site.lock:
            customised = {doc["dt"] for doc in self.site.store.all("Custom Field")}
            self.site.store.clear()
            for doctype in customised:
                self.site.reload_meta(doctype)
            self._seed()

    # One request

    def answer(self, request: Request) -> Answer | None:
        """Serve a request; None means: close the connection without an answer."""
        snapshot = self.site.store.commits
        host = request.header("x-frappe-site-name") or request.header("host").partition(":")[0]
        if self.hosts is not None and host not in self.hosts:
            return html_answer(404, "Not Found", f"<p>{html.escape(host)} does not exist</p>")
        with self.capacity or contextlib.nullcontext():
            return self._within_limit(request, snapshot)

    def _within_limit(self, request: Request, snapshot: int) -> Answer | None:
        started = time.monotonic()
        limited = self.rate_limiter
        if limited is not None and limited.exhausted():
            answer = api.refusal(self.site, request, FrappeError("TooManyRequestsError"), [])
            answer.headers += limited.headers(refused=True)
            return answer
        result = self._answer(request, snapshot)
        if limited is not None and result is not None:
            limited.charge(time.monotonic() - started)
            result.headers += limited.headers(refused=False)
        return result

    def _answer(self, request: Request, snapshot: int) -> Answer | None:
        messages: list[dict[str, Any]] = []
        form_error: FrappeError | None = None
        try:
            request.read_form()
        except FrappeError as error:
            form_error = error
        doctype, document = target_of(request)
        hits = self.faults.take(request.method, request.path, doctype, document)
        instant = None
        try:
            if self.capacity and request.method not in ("GET", "HEAD"):
                self.capacity.collide()
            for fault in hits:
                early = self._before_the_work(fault, request, doctype)
                if early is not None:
                    return early
                if fault.kind == "drop_before_commit":
                    return None
                if fault.kind == "late_commit":
                    with self.site.lock:
                        instant = self.site.clock.instant()
                    self.sleep(fault.seconds)
            if form_error is not None:
                raise form_error
            request.user = user_of(self.site, self.sessions, request)
            answer = self._perform(request, snapshot, instant, messages)
        except Exception as error:  # noqa: BLE001 - the outermost boundary: Frappe too answers 500 with the class's name
            if not isinstance(error, FrappeError):
                traceback.print_exc()
                error = FrappeError(type(error).__name__, str(error))
            refusal = api.refusal(self.site, request, error, messages)
            # Recorded: a request that fails before its session begins gets no cookies.
            if error is form_error or error.exc_type == "SessionStopped":
                refusal.cookies = False
            return refusal
        for fault in hits:
            if fault.kind == "drop_after_commit":
                return None
            if fault.kind == "stall_after_commit":
                self.sleep(fault.seconds)
            if fault.kind == "truncated":
                answer.headers.append(("X-Standin-Truncate", "1"))
        return answer

    def _before_the_work(self, fault: Fault, request: Request, doctype: str | None) -> Answer | None:
        if fault.kind in ("slow", "lock_timeout"):
            self.sleep(fault.seconds)
        if fault.kind == "html_error":
            return html_answer(fault.status, REASONS.get(fault.status, "Error").title())
        if fault.kind == "rate_limit":
            answer = api.refusal(self.site, request, FrappeError("TooManyRequestsError"), [])
            wait = str(int(fault.seconds) or 29)
            answer.headers += [
                ("X-RateLimit-Reset", wait),
                ("X-RateLimit-Limit", "1000000"),
                ("X-RateLimit-Remaining", "0"),
            ]
            answer.headers.append(("Retry-After", wait))
            return answer
        submittable = doctype is not None and self.site.knows(doctype) and self.site.meta(doctype).submittable
        error = error_of(fault, from_erpnext=submittable)
        if error is not None:
            raise error
        return None

    def _perform(
        self, request: Request, snapshot: int, instant: datetime | None, messages: list[dict[str, Any]]
    ) -> Answer:
        with self.site.transaction(request.user, snapshot, instant) as tx:
            tx.messages = messages
            for routes in (pages.respond, files.respond):
                answer = routes(tx, request)
                if answer is not None:
                    return answer
            answer = oauth.respond(tx, request, self.sessions)
            if answer is not None:
                return answer
            return api.respond(tx, request, self.faults)

    def control(self, request: Request) -> Answer:
        """The routes under /_standin, for another process; they need no token and are not counted."""
        try:
            return self._control(request)
        except (ValueError, TypeError, KeyError, FrappeError) as error:
            return json_answer(400, {"error": str(error)})

    def _control(self, request: Request) -> Answer:
        request.read_form()
        route = (request.method, "/".join(request.segments[1:]))
        if route == ("POST", "faults"):
            self.misbehave(Fault.from_json(request.form))
        elif route == ("DELETE", "faults"):
            self.behave()
        elif route == ("GET", "requests"):
            return json_answer(200, {"requests": list(self.requests)})
        elif route == ("DELETE", "requests"):
            self.clear_requests()
        elif route == ("POST", "reset"):
            self.reset()
        elif route == ("POST", "rate-limit"):
            self.limit_rate(**request.form)
        elif route == ("POST", "capacity"):
            self.serve_with(**request.form)
        elif route == ("GET", "capacity") and self.capacity:
            return json_answer(200, self.capacity.seen())
        elif request.method == "GET" and request.segments[1:2] == ["documents"]:
            return json_answer(200, {"documents": self.documents("/".join(request.segments[2:]))})
        elif route != ("GET", "faults"):
            return json_answer(404, {"error": f"no such route: {request.method} {request.path}"})
        return json_answer(200, {"faults": [fault.to_json() for fault in self.faults.waiting]})


def target_of(request: Request) -> tuple[str | None, str | None]:
    """The DocType and the document's name that a request is about, for matching faults."""
    segments = [part for part in request.segments if part not in ("v1", "v2")]
    if segments[:1] == ["api"] and segments[1:2] in (["resource"], ["document"], ["doctype"]):
        return (segments[2] if len(segments) > 2 else None), ("/".join(segments[3:]) or None)
    doc = request.form.get("doc")
    docs = request.form.get("docs")
    values: Any = request.form
    if isinstance(doc, dict):
        values = doc
    elif isinstance(docs, list) and docs and isinstance(docs[0], dict):
        values = docs[0]
    doctype = values.get("doctype") or values.get("dt")
    return (str(doctype) if doctype else None), (str(values["name"]) if values.get("name") else None)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    standin: ErpNextStandIn

    def __init__(self, standin: ErpNextStandIn, port: int) -> None:
        self.standin = standin
        self.connections: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), _Handler)

    def hang_up(self) -> None:
        """End the connections that clients keep alive: a stopped server answers nobody."""
        for connection in list(self.connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: a client that went away in the middle is no error of ours."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "gunicorn"
    sys_version = ""
    timeout = 120
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that the base class gives it
        """Nothing: what was asked is in `requests`."""

    def date_time_string(self, timestamp: float | None = None) -> str:
        """The site's own clock, in the Date header."""
        moment = datetime.fromtimestamp(timestamp, UTC) if timestamp else self.server.standin.site.clock.now()
        return format_datetime(moment.astimezone(UTC), usegmt=True)

    def setup(self) -> None:
        super().setup()
        self.server.connections.add(self.connection)
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)

    def finish(self) -> None:
        self.server.connections.discard(self.connection)
        super().finish()

    def handle_one_request(self) -> None:
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline:
            self.close_connection = True
            return
        if len(self.raw_requestline.rstrip(b"\r\n")) > REQUEST_LINE_LIMIT:
            self._refuse_long_line()
            return
        if not self.parse_request():
            return
        self._serve()

    def _refuse_long_line(self) -> None:
        size = min(len(self.raw_requestline), 8192)  # gunicorn counts what it has read so far
        answer = html_answer(400, "Bad Request", f"Request Line is too large ({size} &gt; {REQUEST_LINE_LIMIT})")
        self.requestline, self.request_version, self.command = "", "HTTP/1.1", "GET"
        self.server.standin.requests.append(("GET", self.raw_requestline.decode("latin-1").split(" ")[1][:200], 400))
        self._send(answer)
        self.close_connection = True

    def _serve(self) -> None:
        standin = self.server.standin
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else b""
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, self.path, headers, body)
        if request.segments[:1] == ["_standin"]:
            self._send(standin.control(request))
            return
        answer = standin.answer(request)
        standin.requests.append((request.method, request.raw_path, answer.status if answer else 0))
        if answer is None:
            self._drop()
        else:
            self._send(answer)

    def _drop(self) -> None:
        """Close the connection at once, so that the client sees a reset."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def _send(self, answer: Answer) -> None:
        truncate = ("X-Standin-Truncate", "1") in answer.headers
        headers = [each for each in answer.headers if each[0] != "X-Standin-Truncate"]
        self.send_response(answer.status, REASONS.get(answer.status))
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        for name, value in headers:
            self.send_header(name, value)
        if answer.cookies:
            for cookie in cookies_of(answer, self.server.standin.site.clock.now()):
                self.send_header("Set-Cookie", cookie)
        if ("Connection", "close") in headers:
            self.close_connection = True
        elif not self.close_connection:
            self.send_header("Connection", "keep-alive")
        try:
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body[: len(answer.body) // 2] if truncate else answer.body)
            if truncate:
                self.close_connection = True
        except (BrokenPipeError, ConnectionResetError):
            # The client went away; what was committed stays committed, as recorded.
            self.close_connection = True


def cookies_of(answer: Answer, now: datetime) -> list[str]:
    """The cookies that Frappe sets even for token callers; 401 expires them again."""
    sid, user = answer.session or ("Guest", "Guest")
    expires = format_datetime(now + timedelta(seconds=612000), usegmt=True)
    cookies = [
        f"sid={sid}; Expires={expires}; Max-Age=612000; HttpOnly; Path=/; SameSite=Lax",
        f"system_user={'no' if user == 'Guest' else 'yes'}; Path=/; SameSite=Lax",
        f"full_name={user}; Path=/; SameSite=Lax",
        f"user_id={user}; Path=/; SameSite=Lax",
        "user_image=; Path=/; SameSite=Lax",
    ]
    if answer.ended:
        yesterday = format_datetime(now - timedelta(days=1), usegmt=True)
        names = ("system_user", "sid", "user_id", "user_image", "full_name")
        cookies += [f"{name}=; Expires={yesterday}; Path=/" for name in names]
    return cookies
