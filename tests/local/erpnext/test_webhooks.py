"""Frappe's outbound webhooks: what is sent, when, signed how, and how often, as it was recorded."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from infra.local.erpnext.server import ErpNextStandIn
from infra.local.erpnext.webhooks import meets
from tests.local.erpnext.calling import Clock, call, customer, made, order, shop
from tests.local.erpnext.recorded import Recording, recording

SECRET = "whsec_test_123"
TEMPLATE = (
    '{"event":"EVENT","name":{{ doc.name | tojson }},"customer_name":{{ doc.customer_name | tojson }},'
    '"modified":"{{ doc.modified }}"}'
)


class Receiver:
    """A receiver on this machine that notes what it is sent and answers by the path."""

    def __init__(self) -> None:
        self.deliveries: list[tuple[str, str, dict[str, str], bytes]] = []
        self.silent = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
                pass

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                receiver.deliveries.append((self.command, self.path, dict(self.headers), body))
                if self.path == "/slow":
                    receiver.silent.wait(5)
                statuses = {"/fail": 500, "/gone": 410, "/redir": 302, "/abroad": 302}
                self.send_response(statuses.get(self.path, 200))
                places = {"/redir": "/ok-redirected", "/abroad": "http://example.com/"}
                if self.path in places:
                    self.send_header("Location", places[self.path])
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            do_POST = do_GET = do_PUT = answer  # noqa: N815 - the names that http.server looks for

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.block_on_close = False
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def paths(self) -> list[str]:
        return [path for _, path, _, _ in self.deliveries]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()
    thread = threading.Thread(target=found.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield found
    found.silent.set()
    found.server.shutdown()
    thread.join()
    found.server.server_close()


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def erp(clock: Clock, waits: list[float]) -> Iterator[ErpNextStandIn]:
    with shop(now=clock, webhook_sleep=waits.append) as standin:
        yield standin


Hook = Callable[..., Any]


@pytest.fixture
def hook(erp: ErpNextStandIn, receiver: Receiver) -> Hook:
    """Make a Webhook like the recorded one."""

    def make(event: str, path: str, doctype: str = "Customer", **values: Any) -> Any:
        wanted: dict[str, Any] = {
            "webhook_doctype": doctype,
            "webhook_docevent": event,
            "request_url": receiver.url + path,
        }
        wanted.update(name=f"hub-{path[1:]}-{event}", enabled=1, request_method="POST", request_structure="JSON")
        wanted.update(enable_security=1, webhook_secret=SECRET)
        if "webhook_data" not in values:
            wanted["webhook_json"] = TEMPLATE.replace("EVENT", event)
        return made(erp, "Webhook", **{**wanted, **values})

    return make


def sent(found: Recording, index: int = 0) -> Any:
    return found.content["deliveries"][index]


def names_of_headers(headers: Any) -> set[str]:
    return {str(name) for name in (dict(headers) if isinstance(headers, list) else headers)}


def is_signed(headers: dict[str, str], body: bytes) -> bool:
    digest = hmac.new(SECRET.encode(), body, hashlib.sha256).digest()
    return headers.get("X-Frappe-Webhook-Signature") == base64.b64encode(digest).decode()


def test_an_inserted_document_is_sent_signed(erp: ErpNextStandIn, receiver: Receiver, hook: Hook) -> None:
    hook("after_insert", "/ok-insert")
    doc = customer(erp, "Hook Ünï 51967")
    assert erp.webhooks.wait_until_idle()

    ((method, path, headers, body),) = receiver.deliveries
    recorded = sent(recording("201"))
    assert f"{method} {path} HTTP/1.1" == recorded["request_line"]
    assert names_of_headers(headers) == names_of_headers(recorded["headers"])
    assert is_signed(headers, body)
    assert body.decode() == recorded["body_raw"].replace("2026-11-20 00:19:27.407987", doc["modified"])


def test_on_update_fires_on_an_insert_too(erp: ErpNextStandIn, receiver: Receiver, hook: Hook) -> None:
    extra = [{"key": "Content-Type", "value": "application/json"}, {"key": "X-Hub", "value": "erp"}]
    hook("on_update", "/ok-update", webhook_headers=extra)
    doc = customer(erp, "Hook Ünï 51967")
    assert erp.webhooks.wait_until_idle()

    ((_, _, headers, body),) = receiver.deliveries
    recorded = sent(recording("202"))
    assert names_of_headers(headers) == names_of_headers(recorded["headers"])
    assert (headers["Content-Type"], headers["X-Hub"]) == ("application/json", "erp")
    assert body.decode() == recorded["body_raw"].replace("2026-11-20 00:19:27.407987", doc["modified"])


def test_a_deleted_document_is_sent(erp: ErpNextStandIn, receiver: Receiver, hook: Hook) -> None:
    hook("on_trash", "/ok-trash")
    doc = customer(erp, "Hook Ünï 51967R")
    call(erp, "DELETE", f"/api/resource/Customer/{doc['name']}")
    assert erp.webhooks.wait_until_idle()

    ((_, _, headers, body),) = receiver.deliveries
    assert is_signed(headers, body)
    assert body.decode() == sent(recording("203"))["body_raw"].replace("2026-11-20 00:19:35.601616", doc["modified"])


def test_form_urlencoded_is_json_all_the_same(erp: ErpNextStandIn, receiver: Receiver, hook: Hook) -> None:
    recorded = sent(recording("204"))
    fields = [{"fieldname": name, "key": name} for name in json.loads(recorded["body_raw"])]
    hook("on_submit", "/ok-form", "Sales Invoice", webhook_data=fields, request_structure="Form URL-Encoded")
    draft = made(erp, "Sales Invoice", customer="Cust 001", items=[{"item_code": "SKU-001", "qty": 1, "rate": 5}])
    call(erp, "PUT", f"/api/resource/Sales Invoice/{draft['name']}", {"docstatus": 1})
    assert erp.webhooks.wait_until_idle()

    ((_, _, headers, body),) = receiver.deliveries
    varying = {"name", "posting_time"}
    assert names_of_headers(headers) == names_of_headers(recorded["headers"])
    assert is_signed(headers, body)
    ours, theirs = json.loads(body), json.loads(recorded["body_raw"])
    assert list(ours) == list(theirs)
    assert {key: ours[key] for key in ours.keys() - varying} == {key: theirs[key] for key in theirs.keys() - varying}


def test_a_child_table_is_sent_whole(erp: ErpNextStandIn, receiver: Receiver, hook: Hook) -> None:
    recorded = json.loads(sent(recording("205"))["body_raw"])
    fields = [{"fieldname": name, "key": name} for name in recorded]
    hook("after_insert", "/ok-items", "Sales Invoice", webhook_data=fields)
    row = {"item_code": "SKU-001", "qty": 1, "rate": 5}
    made(erp, "Sales Invoice", customer="Cust 001", items=[row], docstatus=1)
    assert erp.webhooks.wait_until_idle()

    ((_, _, headers, body),) = receiver.deliveries
    assert is_signed(headers, body)
    assert json.loads(body)["items"][0].keys() == recorded["items"][0].keys()


def test_which_events_fire_on_which_action(erp: ErpNextStandIn, receiver: Receiver, hook: Hook) -> None:
    events = {
        "on_update_after_submit": "uas",
        "on_change": "chg",
        "on_cancel": "can",
        "on_submit": "sub",
        "on_update": "upd",
    }
    for event, path in events.items():
        hook(event, f"/ok-{path}", "Sales Order")
    fired: dict[str, list[str]] = {}

    def note(action: str) -> None:
        assert erp.webhooks.wait_until_idle()
        fired[action] = sorted(receiver.paths())
        receiver.deliveries.clear()

    name = order(erp, "P1")["name"]
    note("insert draft")
    for action, change in (
        ("submit", {"docstatus": 1}),
        ("update after submit (200)", {"po_no": "P2"}),
        ("cancel (200)", {"docstatus": 2}),
    ):
        assert call(erp, "PUT", f"/api/resource/Sales Order/{name}", change).status == 200
        note(action)

    assert fired == recording("206").content["fired"]


@pytest.mark.parametrize(("number", "path"), [("207", "/fail"), ("209", "/gone")])
def test_a_failing_receiver_is_called_three_times(
    erp: ErpNextStandIn, receiver: Receiver, hook: Hook, waits: list[float], number: str, path: str
) -> None:
    hook("after_insert", path)
    customer(erp, "HookFail")
    assert erp.webhooks.wait_until_idle()

    recorded = recording(number).content["deliveries"]
    assert receiver.paths() == [path] * len(recorded)
    assert len({(headers["X-Frappe-Webhook-Signature"], body) for _, _, headers, body in receiver.deliveries}) == 1
    offsets = [0.0]
    for wait in waits:
        offsets.append(offsets[-1] + wait)
    assert [round(offset) for offset in offsets] == [round(each["t_rel_s"]) for each in recorded] == [0, 1, 5]


def test_a_receiver_that_does_not_answer_is_called_again_at_once(
    erp: ErpNextStandIn, receiver: Receiver, hook: Hook, waits: list[float]
) -> None:
    hook("after_insert", "/slow", timeout=1)
    customer(erp, "HookSlow")
    assert erp.webhooks.wait_until_idle()

    assert len(receiver.deliveries) == len(recording("208").content["deliveries"])
    assert waits == []


def test_a_redirect_is_followed_as_get_without_a_body(erp: ErpNextStandIn, receiver: Receiver, hook: Hook) -> None:
    hook("after_insert", "/redir")
    customer(erp, "HookRedir")
    assert erp.webhooks.wait_until_idle()

    recorded = recording("210").content["deliveries"]
    assert [f"{method} {path} HTTP/1.1" for method, path, _, _ in receiver.deliveries] == [
        each["request_line"] for each in recorded
    ]
    (_, _, first, _), (_, _, second, body) = receiver.deliveries
    assert body == b""
    assert second["X-Frappe-Webhook-Signature"] == first["X-Frappe-Webhook-Signature"]


def test_each_attempt_is_logged(erp: ErpNextStandIn, receiver: Receiver, hook: Hook) -> None:
    hook("after_insert", "/gone")
    customer(erp, "HookGone 51967")
    assert erp.webhooks.wait_until_idle()
    call(erp, "PUT", "/api/resource/Webhook/hub-gone-after_insert", {"request_url": receiver.url + "/redir"})
    customer(erp, "HookRedir 51967")
    assert erp.webhooks.wait_until_idle()

    found = recording("211")
    fields = list(found.body["data"][0])
    query = f"fields={json.dumps(fields)}&order_by=creation desc&limit_page_length=3"
    rows = call(erp, "GET", f"/api/resource/Webhook Request Log?{query}").data
    compared = ("reference_document", "response", "error")
    assert [[row[name] for name in compared] for row in rows] == [
        [row[name] for name in compared] for row in found.body["data"]
    ]


def test_a_body_that_is_not_json_is_logged_and_never_sent(erp: ErpNextStandIn, receiver: Receiver, hook: Hook) -> None:
    hook("after_insert", "/ok-quote", webhook_json='{"name": "{{ doc.name }}"}')
    customer(erp, 'He said "hi" 52105')
    assert erp.webhooks.wait_until_idle()

    found = recording("212")
    fields = json.dumps(list(found.body["data"][0]))
    rows = call(erp, "GET", f"/api/resource/Webhook Request Log?fields={fields}").data
    recorded = [{**row, "url": receiver.url + "/ok-quote"} for row in found.body["data"]]
    assert receiver.deliveries == []
    assert rows == recorded


def test_a_rolled_back_write_sends_nothing(erp: ErpNextStandIn, receiver: Receiver, hook: Hook) -> None:
    hook("after_insert", "/ok")
    docs = [{"doctype": "Customer", "customer_name": "A"}, {"doctype": "Customer", "customer_group": "No"}]
    call(erp, "POST", "/api/method/frappe.client.insert_many", {"docs": docs})
    assert erp.webhooks.wait_until_idle()

    assert receiver.deliveries == []


def test_insert_many_sends_each_document_to_each_webhook(erp: ErpNextStandIn, receiver: Receiver, hook: Hook) -> None:
    hook("after_insert", "/ok-a")
    hook("on_update", "/ok-b")
    docs = [{"doctype": "Customer", "customer_name": f"Many {number}"} for number in range(3)]
    call(erp, "POST", "/api/method/frappe.client.insert_many", {"docs": docs})
    assert erp.webhooks.wait_until_idle()

    assert sorted(receiver.paths()) == ["/ok-a"] * 3 + ["/ok-b"] * 3


def test_a_rename_fires_on_change_only(erp: ErpNextStandIn, receiver: Receiver, hook: Hook) -> None:
    for event in ("on_change", "on_update", "on_trash", "after_insert"):
        hook(event, f"/ok-{event}")
    body = {"doctype": "Customer", "old_name": "Cust 001", "new_name": "Cust One"}
    call(erp, "POST", "/api/method/frappe.client.rename_doc", body)
    assert erp.webhooks.wait_until_idle()

    assert receiver.paths() == ["/ok-on_change"]


def test_a_put_without_changes_fires_all_the_same(erp: ErpNextStandIn, receiver: Receiver, hook: Hook) -> None:
    hook("on_update", "/ok")
    call(erp, "PUT", "/api/resource/Customer/Cust 001", {})
    assert erp.webhooks.wait_until_idle()

    assert receiver.paths() == ["/ok"]


def test_a_disabled_webhook_is_silent_and_a_condition_is_kept(
    erp: ErpNextStandIn, receiver: Receiver, hook: Hook
) -> None:
    hook("after_insert", "/ok-off", enabled=0)
    hook("after_insert", "/ok-vip", condition="doc.customer_group == 'Commercial' and not doc.disabled")
    customer(erp, "A", customer_group="Individual")
    customer(erp, "B")
    assert erp.webhooks.wait_until_idle()

    assert [json.loads(body)["name"] for _, _, _, body in receiver.deliveries] == ["B"]


@pytest.mark.parametrize("condition", ["__import__('os')", "doc.x()", "doc.name[0] == 'a'"])
def test_a_condition_beyond_comparisons_is_refused(condition: str) -> None:
    with pytest.raises(ValueError, match="does not know this expression"):
        meets(condition, {"name": "a"})


@pytest.mark.parametrize("url", ["http://example.com/hook", "https://127.0.0.1/hook", "http://10.0.0.1/"])
def test_only_this_machine_is_ever_called(erp: ErpNextStandIn, hook: Hook, url: str) -> None:
    hook("after_insert", "/x", request_url=url)
    customer(erp, "A")
    assert erp.webhooks.wait_until_idle()

    logs = erp.documents("Webhook Request Log")
    assert [(log["url"], log["response"], log["error"]) for log in logs] == [(url, None, "Traceback omitted")] * 3


def test_a_redirect_abroad_is_not_followed(erp: ErpNextStandIn, receiver: Receiver, hook: Hook) -> None:
    hook("after_insert", "/abroad")
    customer(erp, "A")
    assert erp.webhooks.wait_until_idle()

    assert receiver.paths() == ["/abroad"] * 3
    assert {log["error"] for log in erp.documents("Webhook Request Log")} == {"Traceback omitted"}
