"""The recorded history told again: every recorded request in its order, with the steps that were not recorded between.

Each arrangement is what must have happened before a recording; it is done over REST wherever that is possible.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from infra.local.erpnext import documents
from infra.local.erpnext.faults import Fault
from infra.local.erpnext.seed import LIMITED, LIMITED_TOKEN
from infra.local.erpnext.server import ErpNextStandIn
from tests.local.erpnext.calling import Clock, Reply, call, customer, item, made, order, send
from tests.local.erpnext.recorded import Recording, Translation, recording, recordings

HUB = "hub@example.com"
HUB_PASSWORD = "Hub-pass-8821x"

NOT_REPLAYED = {
    "190_throughput": "a measurement of speed on that machine, not a behaviour",
    "290_control_vs_verified_upstream": "a summary that compares two servers; each of its checks is recorded by itself",
}
"""Recordings that cannot apply, each with the reason."""

REENACTED = {
    "180_concurrent_put_same_modified": "test_of_four_simultaneous_puts_with_the_same_modified_one_wins",
    "181_late_commit_modified_ordering": "test_a_late_commit_is_older_than_rows_already_seen",
    "182_what_bumps_modified": "test_what_bumps_modified",
    "188_concurrent_stock_entries": "test_stock_entries_at_the_same_time_lose_the_race_for_the_first_bin",
    "189c_bulk_update_deadlock_aftermath": "test_a_deadlock_in_a_bulk_update_takes_the_documents_before_it_along",
    "201_webhook_after_insert_signed": "test_an_inserted_document_is_sent_signed",
    "202_webhook_on_update_fires_on_insert_too": "test_on_update_fires_on_an_insert_too",
    "203_webhook_on_trash": "test_a_deleted_document_is_sent",
    "204_webhook_form_urlencoded_is_json": "test_form_urlencoded_is_json_all_the_same",
    "205_webhook_child_table_signed": "test_a_child_table_is_sent_whole",
    "206_webhook_events_matrix": "test_which_events_fire_on_which_action",
    "207_webhook_retry_on_500": "test_a_failing_receiver_is_called_three_times",
    "208_webhook_retry_on_timeout": "test_a_receiver_that_does_not_answer_is_called_again_at_once",
    "209_webhook_retry_on_410": "test_a_failing_receiver_is_called_three_times",
    "210_webhook_redirect": "test_a_redirect_is_followed_as_get_without_a_body",
    "211_webhook_request_log": "test_each_attempt_is_logged",
    "212_webhook_template_broken_json_never_sent": "test_a_body_that_is_not_json_is_logged_and_never_sent",
    "270_client_timeout_server_completes": "test_a_client_that_hangs_up_does_not_stop_the_server",
    "275_offset_paging_skips_rows": "test_paging_by_offset_skips_a_row_when_another_is_updated",
}
"""Recordings of several requests (or of webhooks), and the test that does the same to the stand-in."""


def replayed() -> list[str]:
    """The recordings that are replayed, in the order in which they happened: the lists came after the first inserts."""
    names = [name for name in recordings() if name not in NOT_REPLAYED and name not in REENACTED]
    return sorted(names, key=_when)


def _when(name: str) -> tuple[int, str]:
    number = int(name[:3])
    return (49 if 20 <= number <= 28 else number, ("z" if 20 <= number <= 28 else "") + name)


@dataclass
class History:
    """The stand-in on its way through the recorded history, and what it answered."""

    erp: ErpNextStandIn
    clock: Clock
    translation: Translation = field(default_factory=Translation)
    replies: dict[str, Reply] = field(default_factory=dict)
    cookie: str = ""
    limited_token: str = LIMITED_TOKEN

    def tell(self) -> History:
        for name in replayed():
            found = recordings()[name]
            if found.at is not None and found.at > self.clock.now:
                self.clock.now = found.at
            if name in BEFORE:
                BEFORE[name](self)
            if name not in self.replies:
                self.replies[name] = self.replay(found)
            self.translation.learn(found.body, self.replies[name].body)
            if name in AFTER:
                AFTER[name](self)
        return self

    def replay(self, found: Recording) -> Reply:
        """Send a recorded request, with our credentials and values in the place of the recorded ones."""
        request = found.request
        headers = {
            name: self._header(name, value) for name, value in request["headers"].items() if name != "Content-Length"
        }
        if found.number == "221":
            headers["Cookie"] = self.cookie
        text = BODIES[found.name]() if found.name in BODIES else request["body"]
        if isinstance(text, str):
            text = self.translation.into_ours(text)
        raw_path = self.translation.into_ours(request["raw_path"])
        return send(self.erp.url, request["method"], raw_path, text.encode() if text is not None else None, headers)

    def _header(self, name: str, value: str) -> str:
        if name != "Authorization":
            return value
        key = self.erp.token.partition(":")[0]
        if value.startswith("Basic"):
            return "Basic " + base64.b64encode(self.erp.token.encode()).decode()
        if value.startswith("token c80ca64424d07ce"):
            return f"token {self.limited_token}"
        value = value.replace("<api_key>:<api_secret>", self.erp.token).replace("<api_key>", key)
        return self.translation.into_ours(value)

    def set_value(self, doctype: str, name: str, **values: Any) -> None:
        with self.erp.site.transaction("Administrator") as tx:
            documents.set_directly(tx, doctype, name, values)


# What was not recorded


def _more_customers(history: History) -> None:
    for number in range(2, 8):
        history.clock.advance(0.1)
        customer(history.erp, f"Cust {number:03}")


def _dup_group(history: History) -> None:
    made(history.erp, "Item Group", item_group_name="Dup Group", parent_item_group="All Item Groups")


def _orders(history: History) -> None:
    order(history.erp, "SHOP-1001")


def _more_orders(history: History) -> None:
    for po_no in ("P2", "P3", "P4"):
        order(history.erp, po_no)
    sent = json.loads(recording("074").request["body"])["doc"]
    history.translation.learn(sent, call(history.erp, "GET", "/api/resource/Sales Order/SAL-ORD-2026-00004").data)


def _submit_fifth(history: History) -> None:
    assert call(history.erp, "PUT", "/api/resource/Sales Order/SAL-ORD-2026-00005", {"docstatus": 1}).status == 200


def _touch_first(history: History) -> None:
    """Cust 001 was changed meanwhile: it is no longer the one with the oldest `modified`."""
    assert call(history.erp, "PUT", "/api/resource/Customer/Cust 001", {}).status == 200


def _race(history: History) -> None:
    """Two inserts that both arrived before either was committed."""
    names = ["170_concurrent_same_external_id_client0", "171_concurrent_same_external_id_client1"]
    arrived = threading.Barrier(2)

    def wait(seconds: float) -> None:
        arrived.wait(5)

    sleep, history.erp.sleep = history.erp.sleep, wait
    history.erp.misbehave(Fault("slow", times=2, method="POST", doctype="Customer"))
    replies: list[Reply] = []
    threads = [
        threading.Thread(target=lambda name=name: replies.append(history.replay(recordings()[name]))) for name in names
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    history.erp.sleep = sleep
    history.replies.update(zip(names, sorted(replies, key=lambda reply: reply.status), strict=True))


def _fault(kind: str, times: int | None = 1, **match: Any) -> Callable[[History], None]:
    return lambda history: history.erp.misbehave(Fault(kind, times=times, **match))


def _behave(history: History) -> None:
    history.erp.behave()


def _stocked_items(history: History) -> None:
    for code, rate in (("DL-1", 4), ("DL-2", 5), ("DL-3", 6)):
        item(history.erp, code, item_name=code.replace("-", " "), standard_rate=rate)
        row = {"item_code": code, "qty": 314, "t_warehouse": "Stores - ATI", "basic_rate": 7}
        made(
            history.erp,
            "Stock Entry",
            stock_entry_type="Material Receipt",
            company="Acme Test Inc",
            items=[row],
            docstatus=1,
        )
    history.erp.misbehave(Fault("deadlock", doctype="Stock Entry"))


def _log_in(history: History) -> None:
    history.set_value("User", HUB, password=HUB_PASSWORD)
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    reply = send(history.erp.url, "POST", "/api/method/login", f"usr={HUB}&pwd={HUB_PASSWORD}".encode(), form)
    sid = next(value for name, value in reply.headers if name == "Set-Cookie" and value.startswith("sid="))
    history.cookie = sid.partition(";")[0]


def _approve(history: History) -> None:
    """Follow the redirect of authorize; the code is in the next one."""
    location = history.replies["221_oauth_authorize"].header("Location")
    reply = send(history.erp.url, "GET", str(location), headers={"Cookie": history.cookie})
    code = parse_qs(urlsplit(str(reply.header("Location"))).query)["code"][0]
    recorded = parse_qs(recording("222").request["body"])["code"][0]
    history.translation.known[recorded] = code


def _expire(history: History) -> None:
    token = history.translation.known["JF5TPUl9KLUUdC3PiCB2IWGNT4QRjJ"]
    history.set_value("OAuth Bearer Token", token, expiration_time="2026-11-19 00:00:00.000000")


def _fresh_tokens(history: History) -> None:
    """Another authorization, whose refresh token is used twice at the same time."""
    reply = history.replay(recording("232"))
    recorded = parse_qs(recordings()["240_oauth_concurrent_refresh_0"].request["body"])["refresh_token"][0]
    with history.erp.site.transaction("Administrator") as tx:
        documents.set_directly(tx, "OAuth Bearer Token", reply.body["access_token"], {"scopes": "all openid"})
    history.translation.known[recorded] = reply.body["refresh_token"]


def _three_resets(history: History) -> None:
    for _ in range(3):
        assert history.replay(recording("250")).status == 200


def _limit(history: History) -> None:
    history.erp.limit_rate(30, 1, charge_seconds=0)


def _spend(history: History) -> None:
    assert history.erp.rate_limiter is not None
    history.erp.rate_limiter.charge_seconds = 2
    history.erp.rate_limiter.charge(0)


def _traceback(show: int) -> Callable[[History], None]:
    return lambda history: history.set_value("System Settings", "System Settings", allow_error_traceback=show)


def _disable_limited(history: History) -> None:
    history.set_value("User", LIMITED, enabled=0)


def _rotate_keys(history: History) -> None:
    history.set_value("User", LIMITED, enabled=1)
    path = "/api/method/frappe.core.doctype.user.user.generate_keys"
    assert call(history.erp, "POST", path, {"user": LIMITED}).status == 200


def _order_172(history: History) -> None:
    """The hundred orders between, of which only the numbers matter."""
    with history.erp.site.transaction("Administrator") as tx:
        while documents.series_name(tx, "SAL-ORD-.YYYY.-") != "SAL-ORD-2026-00171":
            pass
    rows = [{"item_code": code, "qty": 1, "rate": 5, "warehouse": "Stores - ATI"} for code in ("DL-2", "DL-3")]
    assert order(history.erp, "CH152465", *rows)["name"] == "SAL-ORD-2026-00172"


BEFORE: dict[str, Callable[[History], None]] = {
    "031_create_customer_same_name_autosuffix": _more_customers,
    "032_duplicate_entry_409_item_group": _dup_group,
    "070_sales_order_create_draft": _orders,
    "071_submit_put_docstatus": _more_orders,
    "088_cancel": _submit_fifth,
    "170_concurrent_same_external_id_client0": _race,
    "183_modified_between_dates": _touch_first,
    "186_lock_wait_timeout": _fault("lock_timeout"),
    "187_lock_wait_timeout_v2": _fault("lock_timeout"),
    "189_deadlock_stock_entry": _stocked_items,
    "189b_bulk_update_deadlock": _fault("deadlock", document="Bulk 002"),
    "221_oauth_authorize": _log_in,
    "235_oauth_expired_access_token": _expire,
    "240_oauth_concurrent_refresh_0": _fresh_tokens,
    "250_rate_limit_decorator_429": _three_resets,
    "251_rate_limit_headers_under_limit": _limit,
    "252_rate_limit_429_json": _spend,
    "256_maintenance_mode_503": _fault("maintenance"),
    "257_maintenance_reads_allowed": _fault("read_only", times=None),
    "259_mandatory_error_no_traceback": _traceback(0),
    "265_disabled_user_token": _disable_limited,
    "274_old_secret_after_rotation": _rotate_keys,
    "277_put_child_table_replaces_all": _order_172,
}

AFTER: dict[str, Callable[[History], None]] = {
    "221_oauth_authorize": _approve,
    "255_rate_limit_429_before_auth": _behave,
    "258_maintenance_write_503": _behave,
    "263_bad_token_no_traceback": _traceback(1),
}

BODIES: dict[str, Callable[[], str]] = {
    "122_insert_many_201": lambda: json.dumps(
        {
            "docs": [
                {"doctype": "Customer", "customer_name": f"Big {n}", "customer_group": "Commercial"} for n in range(201)
            ]
        }
    ),
    "272_long_filter_via_post": lambda: json.dumps(
        {
            "doctype": "Customer",
            "fields": ["name", "modified"],
            "filters": [["name", "in", [f"Perf name {n:05}" for n in range(400)]]],
        }
    ),
}
"""Request bodies that were cut off when they were recorded."""
