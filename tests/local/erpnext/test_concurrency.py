"""Requests at the same time: what wins, what loses, what is seen, and what is lost."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from infra.local.erpnext.faults import Fault
from infra.local.erpnext.server import ErpNextStandIn
from tests.local.erpnext.calling import Clock, Reply, call, customer, item, made, order_values
from tests.local.erpnext.recorded import recording

ROUNDS = 15


def together(calls: list[Callable[[], Reply]]) -> list[Reply]:
    """The replies of calls that start at the same moment."""
    start = threading.Barrier(len(calls))

    def run(one: Callable[[], Reply]) -> Reply:
        start.wait()
        return one()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def outcomes(replies: list[Reply]) -> Counter[tuple[int, str | None]]:
    return Counter((reply.status, reply.exc_type) for reply in replies)


@pytest.mark.parametrize("same_name", [True, False])
def test_of_simultaneous_posts_with_one_external_id_exactly_one_wins(erp: ErpNextStandIn, same_name: bool) -> None:
    def post(number: int, client: int) -> Reply:
        name = f"Race {number}" if same_name else f"Race {number} by {client}"
        return call(erp, "POST", "/api/resource/Customer", {"customer_name": name, "external_id": f"race:{number}"})

    for number in range(ROUNDS):
        replies = together([partial(post, number, client) for client in range(4)])

        assert sorted(reply.status for reply in replies)[0] == 200
        assert all(
            reply.exc_type in ("UniqueValidationError", "DuplicateEntryError")
            for reply in replies
            if reply.status != 200
        )
        assert sum(reply.status == 200 for reply in replies) == 1
    assert len(erp.documents("Customer")) == 1 + ROUNDS


def test_an_order_twice_is_refused_by_another_rule_at_once_than_one_after_the_other(erp: ErpNextStandIn) -> None:
    """After the first commit the purchase order number is seen first; at the same time only the unique index sees."""
    arrived = threading.Barrier(2)

    def wait(_: float) -> None:
        arrived.wait(5)

    erp.sleep = wait
    erp.misbehave(Fault("slow", times=2, doctype="Sales Order"))
    post = partial(call, erp, "POST", "/api/resource/Sales Order", order_values("P1", external_id="shop:1"))

    at_once = together([post, post])
    later = post()

    assert outcomes(at_once) == {(200, None): 1, (417, "UniqueValidationError"): 1}
    assert (later.status, later.exc_type) == (417, "ValidationError")


def test_simultaneous_posts_of_one_name_never_share_it(erp: ErpNextStandIn) -> None:
    replies = [
        reply
        for _ in range(ROUNDS)
        for reply in together([lambda: call(erp, "POST", "/api/resource/Customer", {"customer_name": "Twin"})] * 2)
    ]
    names = [reply.data["name"] for reply in replies if reply.status == 200]

    assert len(names) == len(set(names)) == len(erp.documents("Customer")) - 1
    assert {reply.exc_type for reply in replies} <= {None, "DuplicateEntryError"}


def test_of_four_simultaneous_puts_with_the_same_modified_one_wins(erp: ErpNextStandIn) -> None:
    replies: list[Reply] = []
    for number in range(10):
        modified = call(erp, "GET", "/api/resource/Customer/Cust 001").data["modified"]
        body = {"website": f"https://{number}.example", "modified": modified}
        replies += together([partial(call, erp, "PUT", "/api/resource/Customer/Cust 001", body)] * 4)

    recorded = recording("180").content["results"]
    assert {str(key): count for key, count in outcomes(replies).items()} == recorded


def test_puts_without_modified_all_win(erp: ErpNextStandIn) -> None:
    replies = together([lambda: call(erp, "PUT", "/api/resource/Customer/Cust 001", {"website": "https://x"})] * 8)

    assert outcomes(replies) == {(200, None): 8}


def test_a_late_commit_is_older_than_rows_already_seen(erp: ErpNextStandIn, clock: Clock) -> None:
    arrived, released = threading.Event(), threading.Event()

    def wait(_: float) -> None:
        arrived.set()
        released.wait(5)

    erp.sleep = wait
    erp.misbehave(Fault("late_commit", seconds=1, path="insert_many"))
    docs = [{"doctype": "Customer", "customer_name": f"Late {number:03}"} for number in range(200)]
    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(call, erp, "POST", "/api/method/frappe.client.insert_many", {"docs": docs})
        arrived.wait(5)
        for number in range(5):
            clock.advance(0.2)
            customer(erp, f"Early {number}")
        watermark = max(doc["modified"] for doc in erp.documents("Customer"))
        seen = {doc["name"] for doc in erp.documents("Customer")}
        released.set()
        assert late.result().status == 200

    appeared = [doc for doc in erp.documents("Customer") if doc["name"] not in seen]
    assert len(appeared) == 200
    assert all(doc["modified"] < watermark for doc in appeared)


def test_a_client_that_hangs_up_does_not_stop_the_server(erp: ErpNextStandIn) -> None:
    erp.misbehave(Fault("slow", seconds=0.3, path="insert_many"))
    docs = [{"doctype": "Customer", "customer_name": f"Left {number:03}"} for number in range(60)]

    with pytest.raises(TimeoutError):
        call(erp, "POST", "/api/method/frappe.client.insert_many", {"docs": docs}, timeout=0.1)

    for _ in range(50):
        if len(erp.documents("Customer")) > 1:
            break
        threading.Event().wait(0.05)
    assert len(erp.documents("Customer")) - 1 == recording("270").content["documents_created_anyway"] == 60


def test_stock_entries_at_the_same_time_lose_the_race_for_the_first_bin(erp: ErpNextStandIn) -> None:
    """The race itself is not imitated, its outcome is: 404 on POST, nothing written, and a retry that succeeds."""
    for code in ("BIN-1", "BIN-2"):
        item(erp, code)
    erp.misbehave(Fault("bin_race", times=6, method="POST", doctype="Stock Entry"))

    def post(client: int) -> Reply:
        codes = ["BIN-1", "BIN-2"] if client % 2 else ["BIN-2", "BIN-1"]
        rows = [{"item_code": code, "qty": 1, "t_warehouse": "Stores - ATI", "basic_rate": 7} for code in codes]
        body = {"stock_entry_type": "Material Receipt", "company": "Acme Test Inc", "items": rows, "docstatus": 1}
        return call(erp, "POST", "/api/resource/Stock Entry", body)

    replies = [reply for _ in range(10) for reply in together([partial(post, client) for client in range(8)])]

    recorded = recording("188").content
    assert {str(key): count for key, count in outcomes(replies).items()} == recorded["results"]
    lost = next(reply for reply in replies if reply.status == 404)
    assert lost.text == recorded["sample_bodies"]["(404, 'DoesNotExistError')"]
    assert post(1).status == 200
    assert [each["actual_qty"] for each in erp.documents("Bin") if each["item_code"] != "SKU-001"] == [75.0, 75.0]


def test_a_deadlock_in_a_bulk_update_takes_the_documents_before_it_along(erp: ErpNextStandIn) -> None:
    names = ["Bulk 001", "Bulk 002", "Bulk 003"]
    for name in names:
        customer(erp, name)
    docs = [
        {"doctype": "Customer", "docname": name, "website": f"https://dead{i}.example"}
        for i, name in enumerate(names, 1)
    ]
    erp.misbehave(Fault("deadlock", document="Bulk 002"))

    reply = call(erp, "POST", "/api/method/frappe.client.bulk_update", {"docs": docs})

    after = [doc["website"] for doc in erp.documents("Customer") if doc["name"] in names]
    recorded = recording("189c").content
    assert after == recorded["after"]
    assert [each["doc"]["docname"] for each in reply.body["message"]["failed_docs"]] == recorded["failed_docs_reported"]


def test_paging_by_offset_skips_a_row_when_another_is_updated(erp: ErpNextStandIn) -> None:
    recorded = recording("275").content
    every = [f"Page 152465 {number:02}" for number in range(20)]
    for name in every:
        customer(erp, name)

    def page(start: int) -> list[str]:
        filters = '[["name","like","Page 152465 %"]]'
        path = f"/api/resource/Customer?filters={filters}&order_by=modified asc&limit_start={start}&limit_page_length=5"
        return [row["name"] for row in call(erp, "GET", path).data]

    first = page(0)
    call(erp, "PUT", f"/api/resource/Customer/{recorded['updated_between_pages']}", {"website": "https://x"})
    second = page(5)

    assert first == recorded["page1"]
    assert set(recorded["never_returned"]).isdisjoint(first + second)
    assert second[:4] == recorded["page2"][:4]


def test_insert_many_is_all_or_nothing_while_others_write(erp: ErpNextStandIn) -> None:
    good = [{"doctype": "Customer", "customer_name": f"Many {number}"} for number in range(20)]
    bad = [*good, {"doctype": "Customer", "customer_name": "Bad", "customer_group": "No Such"}]

    def many() -> Reply:
        return call(erp, "POST", "/api/method/frappe.client.insert_many", {"docs": bad})

    def one() -> Reply:
        return call(erp, "POST", "/api/resource/Customer", {"customer_name": "Alone"})

    replies = together([many, one, many, one])

    assert [reply.status for reply in replies][::2] == [417, 417]
    assert not [doc["name"] for doc in erp.documents("Customer") if doc["name"].startswith("Many")]


def test_orders_made_at_the_same_time_have_distinct_consecutive_numbers(erp: ErpNextStandIn) -> None:
    def post(number: int) -> Reply:
        body = {"customer": "Cust 001", "delivery_date": "2026-11-30", "po_no": f"P{number}"}
        return call(
            erp, "POST", "/api/resource/Sales Order", {**body, "items": [{"item_code": "SKU-001", "qty": 1, "rate": 5}]}
        )

    together([partial(post, number) for number in range(8)])

    assert sorted(doc["name"] for doc in erp.documents("Sales Order")) == [f"SAL-ORD-2026-{n:05}" for n in range(1, 9)]


def test_made_documents_are_seen_by_everybody_at_once(erp: ErpNextStandIn) -> None:
    made(erp, "ToDo", description="seen")

    replies = together([lambda: call(erp, "GET", '/api/resource/ToDo?fields=["description"]')] * 8)

    assert all(reply.data == [{"description": "seen"}] for reply in replies)
