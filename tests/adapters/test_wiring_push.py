"""A flow that sends batches to an HTTP endpoint with troubles: every row arrives, and none again after it was taken."""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from adapters.wiring import DeliveryHub, delivery_hub
from delivery.handler import apply_batch
from hub.events import Event, to_json
from hub.ledger import Outcome
from hub.settings import DeliverySettings
from tests.fakes import FakeTelemetry, an_event
from tests.sqs_batch import Context, sqs_batch

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

pytestmark = pytest.mark.usefixtures("lambdas_environment")
FLOW = "shop-eu-to-crm"
COUNTRIES = {"DE", "FR"}


class Crm(BaseHTTPRequestHandler):
    """A CRM's batch endpoint on this machine. The server's `troubles` are met by its next requests, one each; it keeps
    answers by idempotency key, and counts how often each row was carried out."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        server: Any = self.server
        body = self.rfile.read(int(self.headers["Content-Length"]))
        key = self.headers["Idempotency-Key"]
        server.requests.append((key, self.headers["Authorization"], json.loads(body)))
        trouble = server.troubles.pop(0) if server.troubles else ""
        if trouble == "503":
            return self._say(503, {})
        if key not in server.answered:
            server.answered[key] = self._carried_out(json.loads(body), trouble)
        if trouble == "lost":  # carried out, and nobody hears of it
            self.close_connection = True
            return None
        return self._say(*server.answered[key])

    def _carried_out(self, rows: list[dict[str, Any]], trouble: str) -> tuple[int, Any]:
        server: Any = self.server
        if any(row["country"] is None for row in rows):
            return 400, {"message": "country must not be null"}
        results = []
        for number, row in enumerate(rows):
            if trouble == "busy" and number % 2:
                results.append({"key": row["event_id"], "status": 503})
            elif row["country"] not in COUNTRIES:
                results.append({"key": row["event_id"], "status": 422, "error": "unknown country"})
            else:
                server.rows[row["id"]] += 1
                results.append({"key": row["event_id"], "status": 201})
        return 207, {"results": results}

    def _say(self, status: int, content: Any) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture
def crm() -> Iterator[Any]:
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Crm)
    server.troubles, server.requests, server.answered, server.rows = [], [], {}, Counter()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def hub(
    secretsmanager: "SecretsManagerClient",
    queue_url: str,
    table: str,
    name: str,
    crm: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> DeliveryHub:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    secretsmanager.create_secret(Name=name, SecretString='{"token": "t0k3n"}')
    settings = DeliverySettings(
        stage=name,
        flow=FLOW,
        source_connector="generic_rest",
        destination="crm",
        destination_connector="http_batch",
        destination_url=f"http://127.0.0.1:{crm.server_address[1]}",
        destination_secret_id=name,
        queue_url=queue_url,
        dead_letter_queue_url=queue_url,
        ledger_table=table,
        bodies_bucket="bodies",
        actions={"generic_rest.contacts": "push_row"},
        records={"generic_rest.contacts": "row"},
        flow_settings={
            "path": "/contacts/batch",
            "auth": {"type": "bearer"},
            "rows": {"contacts": {"fields": {"country": {"from": "country", "default": None}}}},
            "results": {"path": "results", "key": "key", "error": "error"},
        },
    )
    return delivery_hub(settings.to_env())


def a_row(key: str, country: str | None = "DE") -> Event:
    body = json.dumps({"country": country}).encode()
    return an_event(f"e{key}", f"shop-eu/contact/{key}", event_type="generic_rest.contacts", data=body)


def deliver(hub: DeliveryHub, events: list[Event]) -> list[Event]:
    """Deliver a batch; what stays on the queue."""
    answered = apply_batch(sqs_batch(*map(to_json, events)), Context(), hub)
    stay = {each["itemIdentifier"] for each in answered["batchItemFailures"]}
    return [event for number, event in enumerate(events, 1) if f"message-{number}" in stay]


def outcomes(hub: DeliveryHub, events: list[Event]) -> list[Outcome | None]:
    return [known.outcome for known in hub.ledger.known(FLOW, events)]


def test_every_row_arrives_once_whatever_the_endpoint_meets(hub: DeliveryHub, crm: Any) -> None:
    crm.troubles = ["503", "lost", "busy", "", "busy"]
    events = [a_row(str(number), "XX" if number == 3 else None if number == 5 else "DE") for number in range(10)]

    left = events
    for _ in range(12):
        left = deliver(hub, left)

    good = [event for number, event in enumerate(events) if number not in (3, 5)]
    assert left == []
    assert outcomes(hub, good) == [Outcome.APPLIED] * 8
    assert crm.rows == Counter({str(number): 1 for number in range(10) if number not in (3, 5)})
    assert {authorization for _, authorization, _ in crm.requests} == {"Bearer t0k3n"}


def test_a_batch_whose_outcome_was_not_recorded_is_repeated_under_the_same_key(hub: DeliveryHub, crm: Any) -> None:
    crm.troubles = ["lost"]
    events = [a_row("1"), a_row("2", "FR")]

    assert deliver(hub, events) == events
    assert deliver(hub, list(reversed(events))) == []

    (first, _, sent), (second, _, again) = crm.requests
    assert (first, sent) == (second, again)
    assert crm.rows == Counter({"1": 1, "2": 1})


def test_the_batchs_line_bears_its_metrics(hub: DeliveryHub) -> None:
    told = FakeTelemetry()

    deliver(replace(hub, telemetry=told), [a_row("1"), a_row("2", "XX"), a_row("3")])

    counts = told.lines[-1][3]
    assert (counts["Pushed"], counts["PushFailed"], counts["PushBatches"]) == (2, 1, 1)
