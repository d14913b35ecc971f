"""A flow may have its orders created submitted, in one call: a wrong one is cancelled, and nothing is doubled."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest

from connectors.erpnext.connector import ErpNextDestination
from hub.connector import Answer, Effect, HttpClient, Written
from hub.errors import Refused, Temporary, TotalMismatch, Unavailable
from hub.records import Order
from infra.local.erpnext.faults import Fault
from infra.local.erpnext.server import ErpNextStandIn
from tests.connectors.erpnext.conftest import destination_to, http_to
from tests.connectors.erpnext.interruptions import DyingHttp, Interrupted, die_everywhere
from tests.connectors.erpnext.orders import event, line, order

pytestmark = pytest.mark.slow  # each test starts a site of its own

SUBMITTED, CANCELLED = 1, 2
MORE = order(lines=(line(quantity=Decimal(3)),), total=Decimal("91.09"))


def at_once(http: HttpClient) -> ErpNextDestination:
    return destination_to(http, check_before_submit=False)


def put(erp: ErpNextDestination, sale: Order, version: str = "v1", known: str = "") -> Written:
    return erp.apply("upsert_sales_order", sale, event(version), known)


def orders(site: ErpNextStandIn) -> list[tuple[int, Decimal]]:
    return [(doc["docstatus"], Decimal(str(doc["grand_total"]))) for doc in site.documents("Sales Order")]


class Altering(DyingHttp):
    """Lets ERPNext compute another total than it does; may die at a call as well."""

    def send(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Answer:
        answer = super().send(method, path, query=query, body=body)
        return Answer(answer.status, answer.headers, answer.body.replace(b"65.59", b"65.6"))


def test_an_order_of_a_known_customer_and_known_items_takes_one_call(site: ErpNextStandIn) -> None:
    erp = at_once(http_to(site))
    put(erp, order())
    site.clear_requests()

    put(erp, order(id="1043", number="#1043"))

    assert [(method, status) for method, _, status in site.requests] == [("POST", 200)]
    assert orders(site) == [(SUBMITTED, Decimal("65.59"))] * 2


def test_a_wrong_total_is_cancelled_and_named(site: ErpNextStandIn) -> None:
    with pytest.raises(TotalMismatch, match=r"ERPNext computes 65\.6 USD, the source charged 65\.59 USD"):
        put(at_once(Altering(http_to(site), 0, after=False)), order())

    assert orders(site) == [(CANCELLED, Decimal("65.59"))]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_dying_before_a_wrong_total_is_cancelled_leaves_none_submitted(site: ErpNextStandIn, after: bool) -> None:
    died = 0
    for at in range(1, 20):
        try:
            put(at_once(Altering(http_to(site), at, after=after)), order())
        except Interrupted:
            died += 1
        except (TotalMismatch, Refused):
            break

    assert died >= 5
    assert SUBMITTED not in [docstatus for docstatus, _ in orders(site)]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_dying_at_any_call_ends_in_one_order(site: ErpNextStandIn, after: bool) -> None:
    assert die_everywhere(http_to(site), lambda http: put(at_once(http), order()), after=after) >= 4
    assert orders(site) == [(SUBMITTED, Decimal("65.59"))]


@pytest.mark.parametrize("kind", ["deadlock", "drop_after_commit", "drop_before_commit", "truncated"])
@pytest.mark.parametrize("skip", range(5))
def test_a_fault_at_any_call_ends_in_one_order(site: ErpNextStandIn, kind: str, skip: int) -> None:
    site.misbehave(Fault(kind, skip=skip))
    for _ in range(3):
        try:
            put(at_once(http_to(site)), order())
            break
        except Temporary:
            continue

    assert orders(site) == [(SUBMITTED, Decimal("65.59"))]


def test_the_race_for_a_bin_sets_nothing_aside(site: ErpNextStandIn) -> None:
    site.misbehave(Fault("bin_race", method="POST", doctype="Sales Order"))
    with pytest.raises(Temporary, match="creating a Sales Order"):
        put(at_once(http_to(site)), order())

    put(at_once(http_to(site)), order())

    assert orders(site) == [(SUBMITTED, Decimal("65.59"))]


def test_a_warm_function_whose_creation_got_no_answer_finds_its_order(site: ErpNextStandIn) -> None:
    erp = at_once(http_to(site))
    put(erp, order(id="900", number="#900"))
    site.misbehave(Fault("drop_after_commit", method="POST", doctype="Sales Order"))
    with pytest.raises(Unavailable):
        put(erp, order())

    assert put(erp, order()).effect == Effect.UNCHANGED
    assert [docstatus for docstatus, _ in orders(site)] == [SUBMITTED, SUBMITTED]


def test_ten_at_once_make_one_order(site: ErpNextStandIn) -> None:
    with ThreadPoolExecutor(10) as pool:
        written = list(pool.map(lambda _: put(at_once(http_to(site)), order()), range(10)))

    assert (len({one.name for one in written}), orders(site)) == (1, [(SUBMITTED, Decimal("65.59"))])


def test_an_amendment_is_still_checked_before_it_is_submitted(site: ErpNextStandIn) -> None:
    erp = at_once(http_to(site))
    name = put(erp, order()).name
    site.clear_requests()

    put(erp, MORE, "v2", name)

    assert orders(site) == [(CANCELLED, Decimal("65.59")), (SUBMITTED, Decimal("91.09"))]
    assert [method for method, path, _ in site.requests if "Sales%20Order" in path][-2:] == ["POST", "PUT"]


def test_a_flow_that_leaves_drafts_submits_none(site: ErpNextStandIn) -> None:
    put(destination_to(http_to(site), check_before_submit=False, submit=False), order())

    assert orders(site) == [(0, Decimal("65.59"))]
