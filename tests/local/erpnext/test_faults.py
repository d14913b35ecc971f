"""The stand-in misbehaves as told, as often as told, for the requests it was told of."""

from __future__ import annotations

import http.client
import time
from typing import Any

import pytest

from infra.local.erpnext.faults import KINDS, Fault
from infra.local.erpnext.server import ErpNextStandIn
from tests.local.erpnext.calling import Clock, Reply, call, send

LOST = (http.client.RemoteDisconnected, ConnectionResetError, http.client.IncompleteRead)


def post(erp: ErpNextStandIn, name: str = "New") -> Reply:
    return call(erp, "POST", "/api/resource/Customer", {"customer_name": name})


def names(erp: ErpNextStandIn) -> list[str]:
    return [doc["name"] for doc in erp.documents("Customer")]


@pytest.mark.parametrize(
    ("fault", "status", "exc_type"),
    [
        (Fault("deadlock"), 500, "QueryDeadlockError"),
        (Fault("lock_timeout"), 500, "QueryTimeoutError"),
        (Fault("rate_limit"), 429, "TooManyRequestsError"),
        (Fault("rate_limit_exceeded"), 429, "RateLimitExceededError"),
        (Fault("maintenance"), 503, "SessionStopped"),
        (Fault("read_only"), 503, "InReadOnlyMode"),
        (Fault("bin_race"), 404, "DoesNotExistError"),
    ],
)
def test_a_fault_refuses_once_and_writes_nothing(erp: ErpNextStandIn, fault: Fault, status: int, exc_type: str) -> None:
    erp.misbehave(fault)

    refused, retried = post(erp), post(erp)

    assert (refused.status, refused.exc_type) == (status, exc_type)
    assert retried.status == 200
    assert names(erp) == ["Cust 001", "New"]


def test_a_fault_hits_as_many_requests_as_told_after_those_it_skips(erp: ErpNextStandIn) -> None:
    erp.misbehave(Fault("deadlock", times=2, skip=1))

    assert [post(erp, f"N{number}").status for number in range(4)] == [200, 500, 500, 200]


def test_a_fault_hits_only_what_it_matches(erp: ErpNextStandIn) -> None:
    erp.misbehave(Fault("deadlock", method="POST", doctype="Sales Order"))
    erp.misbehave(Fault("deadlock", document="Cust 001"))
    erp.misbehave(Fault("deadlock", path="insert_many"))

    assert post(erp).status == 200
    assert call(erp, "GET", "/api/resource/Sales Order").status == 200
    assert call(erp, "POST", "/api/resource/Sales Order", {}).exc_type == "QueryDeadlockError"
    assert call(erp, "GET", "/api/resource/Customer/Cust 001").exc_type == "QueryDeadlockError"
    body = {"docs": [{"doctype": "Customer", "customer_name": "M"}]}
    assert call(erp, "POST", "/api/method/frappe.client.insert_many", body).exc_type == "QueryDeadlockError"


def test_a_method_call_is_about_the_doctype_in_its_body(erp: ErpNextStandIn) -> None:
    erp.misbehave(Fault("deadlock", doctype="Customer"))

    reply = call(
        erp, "POST", "/api/method/frappe.client.insert", {"doc": {"doctype": "Customer", "customer_name": "M"}}
    )

    assert reply.exc_type == "QueryDeadlockError"


def test_rate_limit_answers_bear_the_recorded_headers(erp: ErpNextStandIn) -> None:
    erp.misbehave(Fault("rate_limit", seconds=12))
    erp.misbehave(Fault("rate_limit_exceeded", skip=1))

    limited = post(erp)
    post(erp)
    exceeded = post(erp)

    assert [limited.header(name) for name in ("Retry-After", "X-RateLimit-Reset", "X-RateLimit-Remaining")] == [
        "12",
        "12",
        "0",
    ]
    assert exceeded.header("Retry-After") is None


def test_the_rate_limiter_counts_server_time_per_window(erp: ErpNextStandIn, clock: Clock) -> None:
    erp.limit_rate(30, 1, charge_seconds=0.4)
    clock.advance(30 - clock.now.timestamp() % 30)

    statuses = [post(erp, f"N{number}").status for number in range(5)]
    refused = call(erp, "GET", "/api/resource/Customer", Authorization="token nope:nope")
    clock.advance(31)
    allowed = post(erp, "Later")

    assert statuses == [200, 200, 200, 429, 429]
    assert refused.exc_type == "TooManyRequestsError", "checked before authentication"
    assert refused.header("Retry-After") == "30"
    assert allowed.status == 200
    assert allowed.header("X-RateLimit-Limit") == "1000000"


def test_a_stall_after_the_commit_leaves_the_document(erp: ErpNextStandIn) -> None:
    erp.misbehave(Fault("stall_after_commit", seconds=5))

    with pytest.raises(TimeoutError):
        call(erp, "POST", "/api/resource/Customer", {"customer_name": "New"}, timeout=0.2)

    assert names(erp) == ["Cust 001", "New"]
    assert erp.requests[-1][0] != "POST" or erp.requests[-1][2] == 200


@pytest.mark.parametrize(
    ("kind", "left"),
    [
        ("drop_before_commit", ["Cust 001"]),
        ("drop_after_commit", ["Cust 001", "New"]),
        ("truncated", ["Cust 001", "New"]),
    ],
)
def test_a_dropped_connection_tells_nothing_about_the_commit(erp: ErpNextStandIn, kind: str, left: list[str]) -> None:
    erp.misbehave(Fault(kind))

    with pytest.raises(LOST):
        post(erp)

    assert names(erp) == left


def test_slow_waits_before_the_work(erp: ErpNextStandIn) -> None:
    erp.misbehave(Fault("slow", seconds=0.2))
    started = time.monotonic()

    assert post(erp).status == 200
    assert time.monotonic() - started >= 0.2


def test_an_html_error_page_is_not_json(erp: ErpNextStandIn) -> None:
    erp.misbehave(Fault("html_error", status=502))

    reply = post(erp)

    assert (reply.status, reply.header("Content-Type")) == (502, "text/html")
    assert "<h1>" in reply.text


def test_every_kind_of_fault_can_be_told(erp: ErpNextStandIn) -> None:
    for kind in KINDS:
        erp.misbehave(Fault(kind, doctype="No Such"))

    assert post(erp).status == 200


def test_an_unknown_fault_names_those_that_there_are() -> None:
    with pytest.raises(ValueError, match="unknown fault 'boom'; there are: slow"):
        Fault("boom")


# From another process


def steer(erp: ErpNextStandIn, method: str, path: str, body: Any = None) -> Reply:
    return call(erp, method, f"/_standin/{path}", body, Authorization="")


def test_faults_are_told_over_http_too(erp: ErpNextStandIn) -> None:
    told = steer(erp, "POST", "faults", {"kind": "deadlock", "times": 2, "doctype": "Customer"})
    first = post(erp)
    steer(erp, "DELETE", "faults")

    assert told.body["faults"][0]["times"] == 2
    assert first.exc_type == "QueryDeadlockError"
    assert post(erp).status == 200


def test_a_fault_that_makes_no_sense_is_refused_in_words(erp: ErpNextStandIn) -> None:
    assert steer(erp, "POST", "faults", {"kind": "deadlock", "tmies": 2}).status == 400
    assert "unknown keys tmies" in steer(erp, "POST", "faults", {"kind": "deadlock", "tmies": 2}).text
    assert steer(erp, "POST", "faults", {"kind": "boom"}).status == 400
    assert steer(erp, "GET", "nothing").status == 404


def test_requests_are_counted_with_their_status(erp: ErpNextStandIn) -> None:
    erp.clear_requests()
    post(erp)
    erp.misbehave(Fault("drop_before_commit"))
    with pytest.raises(LOST):
        post(erp)

    assert erp.requests == [("POST", "/api/resource/Customer", 200), ("POST", "/api/resource/Customer", 0)]
    assert steer(erp, "GET", "requests").body["requests"] == [list(each) for each in erp.requests]
    assert steer(erp, "DELETE", "requests").status == 200
    assert erp.requests == []


def test_the_rate_limit_is_told_over_http_too(erp: ErpNextStandIn) -> None:
    steer(erp, "POST", "rate-limit", {"window_seconds": 30, "limit_seconds": 1, "charge_seconds": 2})

    assert [post(erp, "A").status, post(erp, "B").status] == [200, 429]
    steer(erp, "DELETE", "faults")
    assert post(erp, "C").status == 200


def test_a_reset_leaves_the_seed_data_only(erp: ErpNextStandIn) -> None:
    steer(erp, "POST", "reset")

    assert names(erp) == []
    assert call(erp, "GET", "/api/resource/Company/Acme Test Inc").status == 200
    assert call(erp, "GET", '/api/resource/Customer?fields=["external_id"]').exc_type == "DataError"


def test_documents_can_be_read_by_another_process(erp: ErpNextStandIn) -> None:
    reply = steer(erp, "GET", "documents/Customer")

    assert reply.body["documents"] == erp.documents("Customer")


def test_a_request_line_beyond_the_limit_is_refused_and_one_at_the_limit_is_not(erp: ErpNextStandIn) -> None:
    headers = {"Authorization": f"token {erp.token}"}
    spare = 4094 - len("GET /api/resource/Customer?x= HTTP/1.1")

    assert send(erp.url, "GET", f"/api/resource/Customer?x={'a' * spare}", headers=headers).status == 200
    assert send(erp.url, "GET", f"/api/resource/Customer?x={'a' * (spare + 1)}", headers=headers).status == 400
