"""A source of contacts over HTTP, whose answers go wrong as a script says."""

from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from tests.scripted_source import Clock, ScriptedSource

CRM = "crm"
CRM_FLOW = "crm-to-erp"
STREAM = "contacts"


class RealClock(Clock):
    """Time as it is: the hub's own clock runs as well."""

    @property
    def moment(self) -> datetime:
        return datetime.now(UTC)

    @moment.setter
    def moment(self, _: datetime) -> None:
        """It needs no help."""


class CrmServer:
    """The source, listening."""

    def __init__(self) -> None:
        self.source = ScriptedSource(RealClock(), "cursor", size=10)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self.source))

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def integration(self) -> dict[str, Any]:
        """How the configuration states it."""
        settings = self.source.settings() | {"deleted": {"field": "gone"}}
        reconcile = {"every": "30 days", "window": "1 day", "tolerance": "1 minute"}
        streams = {STREAM: {"entity": "contact", "settings": settings, "reconcile": reconcile}}
        return {"connector": "generic_rest", "url": f"http://127.0.0.1:{self._server.server_port}", "streams": streams}

    def flow_settings(self) -> dict[str, Any]:
        """What its contacts become."""
        contacts = {
            "doctype": "Customer",
            "fields": {"customer_name": {"from": "content", "required": True}},
            "constants": {"customer_group": "Commercial", "territory": "All Territories"},
            "on_delete": "disable",
        }
        return {"time_zone": "America/New_York", "documents": {STREAM: contacts}}


def _handler(source: ScriptedSource) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            answer = source.send("GET", parts.path, query=dict(parse_qsl(parts.query)))
            self.send_response_only(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler
