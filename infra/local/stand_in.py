"""The ERPNext stand-in as a process beside the local AWS: started, given the demo shop's goods, stopped."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import httpx

from adapters.http import DestinationHttp
from connectors.erpnext.connector import credentials
from connectors.erpnext.setup import setup
from infra.local.running import ROOT

TOKEN = "hub-key:hub-secret"  # noqa: S105 - the stand-in's own; it opens nothing else
HOST = "127.0.0.1"
START_SECONDS = 30.0
STOP_SECONDS = 10.0
SETUP_SECONDS = 60.0  # ERPNext alters its tables meanwhile
PING = "/api/method/ping"
# What the connectors' examples and the demo sell; a real site has its own Items.
COMPANY, WAREHOUSE = "Acme Test Inc", "Stores - ATI"
SAMPLES = ("MUG", "SHIRT-M", "SHIRT-S", "SCHRAUBE-1", "STRAW-1", "HN152 - 20oz")  # of the connectors' examples
GOODS = ("IPOD2008PINK", "DEMO-MUG", "DEMO-SHIRT", "DEMO-POSTER")


class StandInFailed(Exception):
    """The stand-in did not start; the message says why and what to do."""


class StandIn:
    """One stand-in whose site is the file `database`."""

    def __init__(self, database: Path, port: int, log: Path) -> None:
        self.url = f"http://{HOST}:{port}"
        self.log = log
        self._database = database
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """True from the start until the process ends, by us or by itself."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start and wait until it answers. Raises StandInFailed; nothing is left running then."""
        self._database.parent.mkdir(parents=True, exist_ok=True)
        module = ["infra.local.erpnext", "--port", str(self._port), "--database", str(self._database)]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "infra.local.attended", *module],
                cwd=ROOT,
                stdin=subprocess.PIPE,  # its closing tells the stand-in that we are gone
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a Ctrl-C is ours: stop() ends it, once
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop and wait for the end; the site stays on disk."""
        if self._process is None:
            return
        process, self._process = self._process, None
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        finally:
            if process.stdin:
                process.stdin.close()

    def _wait(self) -> None:
        began = time.monotonic()
        while not answers(self.url):
            if not self.running:
                end = self.log.read_text(errors="replace")[-1500:]
                raise StandInFailed(f"the ERPNext stand-in ended while it started; the end of {self.log}:\n{end}")
            if time.monotonic() - began > START_SECONDS:
                raise StandInFailed(f"the ERPNext stand-in did not answer within {START_SECONDS:.0f} s; see {self.log}")
            time.sleep(0.05)


def stock(url: str, goods: Sequence[str] = GOODS, received: int = 0) -> int:
    """Make the Items that are missing, and receive so many of each of these; return how many were. Safe to repeat."""
    with client(url) as erp:
        there = {row["name"] for row in listed(erp, "Item", ["name"], [["name", "in", list(goods)]])}
        for code in goods:
            if code not in there:
                item = {"item_code": code, "item_name": code, "item_group": "Products", "stock_uom": "Nos"}
                erp.post("/api/resource/Item", json=item).raise_for_status()
                if received:
                    goods_in = {"item_code": code, "qty": received, "t_warehouse": WAREHOUSE, "basic_rate": 1}
                    entry = {
                        "stock_entry_type": "Material Receipt",
                        "company": COMPANY,
                        "items": [goods_in],
                        "docstatus": 1,
                    }
                    erp.post("/api/resource/Stock Entry", json=entry).raise_for_status()
    return len(set(goods) - there)


def set_up(url: str) -> list[str]:
    """Do what `hub setup erp` does; return the names of the fields that were missing."""
    key, secret = TOKEN.split(":")
    live = {"api_key": (key,), "api_secret": (secret,)}
    http = DestinationHttp(url, partial(credentials, live.__getitem__), lambda: None, SETUP_SECONDS, 1)
    return [name for name, state in setup(http) if state == "created"]


def answers(url: str) -> bool:
    """Whether an ERPNext, real or not, answers at a URL."""
    try:
        return httpx.get(url + PING, timeout=2, trust_env=False).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def client(url: str, token: str = TOKEN) -> httpx.Client:
    """HTTP to an ERPNext as a user of its REST API would speak to it."""
    headers = {"Authorization": f"token {token}", "Accept": "application/json"}
    return httpx.Client(base_url=url, headers=headers, timeout=30, trust_env=False)


def listed(
    erp: httpx.Client, doctype: str, fields: Sequence[str], filters: Sequence[Sequence[object]] = ()
) -> list[dict[str, object]]:
    """All documents of a kind that match; only `fields` of each."""
    query = {"doctype": doctype, "fields": list(fields), "filters": list(filters), "limit_page_length": 0}
    answer = erp.post("/api/method/frappe.client.get_list", json=query).raise_for_status()
    rows: list[dict[str, object]] = answer.json()["message"]
    return rows
