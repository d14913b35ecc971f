"""What was committed is there after a restart, and nothing half-written ever is."""

from __future__ import annotations

import http.client
import re
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from infra.local.erpnext.server import ErpNextStandIn
from tests.local.erpnext.calling import Clock, call, customer, external_id, item, made, order, send

ROOT = Path(__file__).parents[3]
DOCTYPES = ("Customer", "Item", "Sales Order", "Custom Field", "Deleted Document", "Company", "User", "File")


def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    path = str(tmp_path / "site.sqlite3")
    with ErpNextStandIn(path, now=Clock()) as erp:
        external_id(erp, "Customer")
        customer(erp, external_id="shop:1")
        customer(erp, "Gone")
        item(erp)
        order(erp, "P1")
        call(erp, "DELETE", "/api/resource/Customer/Gone")
        before = {doctype: erp.documents(doctype) for doctype in DOCTYPES}

    with ErpNextStandIn(path, now=Clock()) as erp:
        after = {doctype: erp.documents(doctype) for doctype in DOCTYPES}
        duplicate = call(erp, "POST", "/api/resource/Customer", {"customer_name": "Other", "external_id": "SHOP:1"})
        names = [order(erp, f"P{number}")["name"] for number in (2, 3)]
        rows = [row["name"] for doc in erp.documents("Sales Order") for row in doc["items"]]

    assert after == before
    assert duplicate.exc_type == "UniqueValidationError"
    assert names == ["SAL-ORD-2026-00002", "SAL-ORD-2026-00003"]
    assert len(rows) == len(set(rows)) == 3


def test_files_are_there_after_a_restart(tmp_path: Path) -> None:
    path = str(tmp_path / "site.sqlite3")
    headers = {"Authorization": "token hub-key:hub-secret"}
    with ErpNextStandIn(path) as erp:
        body = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nhello\r\n--b--\r\n'
        upload = {**headers, "Content-Type": "multipart/form-data; boundary=b"}
        assert send(erp.url, "POST", "/api/method/upload_file", body, upload).status == 200

    with ErpNextStandIn(path) as erp:
        assert send(erp.url, "GET", "/files/a.txt", headers=headers).text == "hello"


def test_a_reset_is_kept_too(tmp_path: Path) -> None:
    path = str(tmp_path / "site.sqlite3")
    with ErpNextStandIn(path) as erp:
        customer(erp)
        erp.reset()
        customer(erp, "After")

    with ErpNextStandIn(path) as erp:
        assert [doc["name"] for doc in erp.documents("Customer")] == ["After"]


def test_what_sqlite_refuses_is_undone_in_memory(tmp_path: Path) -> None:
    """A full disk: the request fails, and neither memory nor file has a part of it."""
    path = str(tmp_path / "site.sqlite3")
    with ErpNextStandIn(path) as erp:
        database = erp.site.store._database

        class Full:
            def __enter__(self) -> None:
                raise sqlite3.OperationalError("database or disk is full")

            def __exit__(self, *_: object) -> None: ...

        erp.site.store._database = Full()  # type: ignore[assignment]
        with pytest.raises(sqlite3.OperationalError), erp.site.transaction("hub@example.com") as tx:
            tx.store.put("Customer", "Half", {"doctype": "Customer", "name": "Half", "modified": "", "docstatus": 0})
        erp.site.store._database = database
        assert erp.documents("Customer") == []
        assert customer(erp)["name"] == "Cust 001"

    with ErpNextStandIn(path) as erp:
        assert [doc["name"] for doc in erp.documents("Customer")] == ["Cust 001"]


def test_the_same_seed_and_history_give_the_same_names() -> None:
    def names(seed: int) -> list[str]:
        with ErpNextStandIn(seed=seed, now=Clock()) as erp:
            return [made(erp, "ToDo", description=str(number))["name"] for number in range(3)]

    assert names(1) == names(1)
    assert names(1) != names(2)


def test_stamps_are_site_local_and_never_equal() -> None:
    with ErpNextStandIn(now=Clock(), time_zone="Asia/Kolkata") as erp:
        stamps = [made(erp, "ToDo", description=str(number))["modified"] for number in range(3)]

        assert all(stamp.startswith("2026-11-20 10:38:00.") for stamp in stamps)
        assert stamps == sorted(set(stamps))
        settings = call(erp, "GET", "/api/resource/System Settings/System Settings").data
        assert settings["time_zone"] == "Asia/Kolkata"


def test_stamps_run_backwards_an_hour_where_daylight_saving_ends() -> None:
    clock = Clock()
    with ErpNextStandIn(now=clock) as erp:
        clock.now = clock.now.replace(year=2027, month=11, day=7, hour=5, minute=59)
        before = made(erp, "ToDo", description="before")["modified"]
        clock.advance(120)
        after = made(erp, "ToDo", description="after")["modified"]

    assert before > after


# The process


def start(database: Path, *options: str) -> tuple[subprocess.Popen[str], str]:
    command = [sys.executable, "-m", "infra.local.erpnext", "--port", "0", "--database", str(database), *options]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    match = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
    assert match is not None
    return process, match[0]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_cleanly_and_a_new_start_finds_everything(tmp_path: Path, number: signal.Signals) -> None:
    database = tmp_path / "new" / "site.sqlite3"
    headers = {"Authorization": "token k:s", "Content-Type": "application/json"}
    process, url = start(database, "--token", "k:s")
    try:
        assert send(url, "POST", "/api/resource/Customer", b'{"customer_name": "Kept"}', headers).status == 200
    finally:
        process.send_signal(number)
        code = process.wait(10)
    again, url = start(database)
    try:
        found = send(url, "GET", "/api/resource/Customer/Kept", headers=headers)
    finally:
        again.send_signal(signal.SIGTERM)
        again.wait(10)

    assert code == 0
    assert found.data["name"] == "Kept"


def test_a_busy_port_is_said_in_one_sentence() -> None:
    with ErpNextStandIn() as erp:
        port = erp.url.rpartition(":")[2]
        command = [sys.executable, "-m", "infra.local.erpnext", "--port", port]
        result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20, check=False)

    assert result.returncode == 1
    assert (
        result.stderr
        == f"The ERPNext stand-in cannot listen on port {port}: Address already in use. Give it another --port.\n"
    )


def test_a_stopped_stand_in_answers_nobody() -> None:
    with ErpNextStandIn() as erp:
        connection = http.client.HTTPConnection("127.0.0.1", int(erp.url.rpartition(":")[2]), timeout=5)
        connection.request("GET", "/api/method/ping")
        assert connection.getresponse().read() == b'{"message":"pong"}'

    with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
        _ask(connection)


def _ask(connection: http.client.HTTPConnection) -> None:
    connection.request("GET", "/api/method/ping")
    connection.getresponse()
