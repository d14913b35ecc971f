"""One document per entity in ERPNext, whatever is repeated, late, interrupted or edited by others meanwhile."""

import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.erpnext.client import Declined, ErpNext
from connectors.erpnext.connector import ErpNextDestination
from connectors.erpnext.documents import NotSetUp, external_id
from connectors.erpnext.setup import setup
from hub.connector import Answer, Effect, HttpClient, Written
from hub.errors import NotConfigured, Refused, Temporary, TotalMismatch, Unavailable
from hub.records import Charge, Customer, Order, OrderLine
from infra.local.erpnext.faults import Fault
from infra.local.erpnext.server import ErpNextStandIn
from infra.local.erpnext.store import collated
from tests.connectors.erpnext.conftest import destination_to, http_to
from tests.connectors.erpnext.interruptions import DyingHttp, Interrupted
from tests.connectors.erpnext.orders import PLACED, event, line, order

pytestmark = pytest.mark.slow  # each test starts a site of its own: half a minute in all

SUBMITTED, CANCELLED = 1, 2
MORE = order(lines=(line(quantity=Decimal(3)),), total=Decimal("91.09"))
GONE = order(cancelled_at=PLACED)


def put(erp: ErpNextDestination, sale: Order, version: str = "v1", known: str = "") -> Written:
    return erp.apply("upsert_sales_order", sale, event(version), known)


def orders(site: ErpNextStandIn) -> list[tuple[str, int, Decimal]]:
    """Every Sales Order as (name, docstatus, total)."""
    return [(doc["name"], doc["docstatus"], Decimal(str(doc["grand_total"]))) for doc in site.documents("Sales Order")]


def live(site: ErpNextStandIn) -> list[dict[str, Any]]:
    return [doc for doc in site.documents("Sales Order") if doc["docstatus"] != CANCELLED]


def postpone(site: ErpNextStandIn, name: str) -> None:
    """What a desk user does who moves the delivery of a whole draft."""
    erp = ErpNext(http_to(site))
    [row] = (erp.get("Sales Order", name) or {})["items"]
    erp.update("Sales Order", name, {"delivery_date": "2026-02-02", "items": [{**row, "delivery_date": "2026-02-02"}]})


def writes(site: ErpNextStandIn) -> list[tuple[str, str]]:
    return [(method, path.split("?")[0]) for method, path, _ in site.requests if method != "GET"]


def test_an_order_becomes_a_submitted_sales_order(site: ErpNextStandIn, erp: ErpNextDestination) -> None:
    written = put(erp, order())

    document = live(site)[0]
    said = {name: document[name] for name in ("customer", "currency", "po_no", "transaction_date", "delivery_date")}
    assert written == Written(Effect.APPLIED, "Sales Order", document["name"])
    assert said == {
        "customer": "Ann Smith",
        "currency": "USD",
        "po_no": "#1042",
        "transaction_date": "2026-01-01",
        "delivery_date": "2026-01-08",
    }
    assert (document["docstatus"], Decimal(str(document["grand_total"]))) == (SUBMITTED, Decimal("65.59"))
    assert document["hub_external_id"] == "shop-eu:order:1042~0"
    assert document["hub_source_version"] == "v1"
    assert [(row["item_code"], row["qty"], row["rate"]) for row in document["items"]] == [("SKU-1", 2, 25.5)]
    assert [customer["hub_external_id"] for customer in site.documents("Customer")] == ["shop-eu:customer:7"]


def test_discounts_come_off_the_order_and_the_total_stays_exact(site: ErpNextStandIn, erp: ErpNextDestination) -> None:
    lines = (line(1, quantity=Decimal(3), discount=Decimal("0.01")), line(2, discount=Decimal("7.77")))

    put(erp, order(lines=lines, total=Decimal("134.31")))

    assert [(doc["discount_amount"], doc["grand_total"]) for doc in live(site)] == [(7.78, 134.31)]


def test_the_same_order_again_writes_nothing(site: ErpNextStandIn, erp: ErpNextDestination) -> None:
    name = put(erp, order()).name
    before = site.documents("Sales Order")
    site.clear_requests()

    again = put(erp, order(), known=name)

    assert (again, writes(site)) == (Written(Effect.UNCHANGED, "Sales Order", name), [])
    assert site.documents("Sales Order") == before


def test_the_same_order_is_found_again_without_the_ledger(site: ErpNextStandIn) -> None:
    name = put(destination_to(http_to(site)), order()).name

    again = put(destination_to(http_to(site)), order(), known="")

    assert (again.effect, again.name, len(orders(site))) == (Effect.UNCHANGED, name, 1)


def test_an_order_of_a_known_customer_and_known_items_takes_two_calls(
    site: ErpNextStandIn, erp: ErpNextDestination
) -> None:
    put(erp, order())
    site.clear_requests()

    put(erp, order(id="1043", number="#1043"))

    assert [(method, status) for method, _, status in site.requests] == [("POST", 200), ("PUT", 200)]


def test_changed_lines_cancel_and_amend(site: ErpNextStandIn, erp: ErpNextDestination) -> None:
    name = put(erp, order()).name

    written = put(erp, MORE, "v2", name)

    assert written == Written(Effect.APPLIED, "Sales Order", f"{name}-1")
    assert orders(site) == [
        (name, CANCELLED, Decimal("65.59")),
        (f"{name}-1", SUBMITTED, Decimal("91.09")),
    ]
    amended = live(site)[0]
    assert (amended["amended_from"], amended["hub_external_id"]) == (name, "shop-eu:order:1042~1")


def test_an_amendment_is_amended_in_turn(site: ErpNextStandIn, erp: ErpNextDestination) -> None:
    name = put(erp, order()).name
    second = put(erp, MORE, "v2", name).name

    third = put(erp, order(), "v3", second)

    assert [(doc["name"], doc["hub_external_id"]) for doc in live(site)] == [(third.name, "shop-eu:order:1042~2")]


def test_an_amended_order_is_found_by_an_old_name_and_by_none(site: ErpNextStandIn, erp: ErpNextDestination) -> None:
    name = put(erp, order()).name
    amended = put(erp, MORE, "v2", name).name

    by_old_name = put(erp, MORE, "v2", name)
    by_none = put(destination_to(http_to(site)), MORE, "v2")

    assert (by_old_name.name, by_old_name.effect) == (amended, Effect.UNCHANGED)
    assert (by_none.name, by_none.effect) == (amended, Effect.UNCHANGED)


def test_an_amendment_keeps_what_desk_users_wrote(site: ErpNextStandIn, erp: ErpNextDestination) -> None:
    name = put(destination_to(http_to(site), submit=False), order()).name
    postpone(site, name)
    put(erp, order(), "v1", name)

    put(erp, MORE, "v2", name)

    [amended] = live(site)
    assert (amended["delivery_date"], amended["items"][0]["delivery_date"]) == ("2026-02-02", "2026-02-02")


def test_a_desk_users_delivery_date_is_not_reset(site: ErpNextStandIn) -> None:
    erp = destination_to(http_to(site), submit=False)
    name = put(erp, order()).name
    postpone(site, name)

    written = put(erp, order(), "v2", name)

    assert (written.effect, live(site)[0]["delivery_date"]) == (Effect.UNCHANGED, "2026-02-02")


def test_a_draft_is_changed_in_place(site: ErpNextStandIn) -> None:
    erp = destination_to(http_to(site), submit=False)
    name = put(erp, order()).name

    put(erp, MORE, "v2", name)

    assert orders(site) == [(name, 0, Decimal("91.09"))]


def test_a_field_that_may_change_after_submission_is_changed_in_place(
    site: ErpNextStandIn, erp: ErpNextDestination
) -> None:
    name = put(erp, order()).name

    put(erp, order(number="#1042-B"), "v2", name)

    assert [(doc["name"], doc["po_no"], doc["hub_source_version"]) for doc in live(site)] == [(name, "#1042-B", "v2")]


def test_a_flow_can_refuse_to_amend(site: ErpNextStandIn) -> None:
    erp = destination_to(http_to(site), after_submit="refuse")
    name = put(erp, order()).name

    with pytest.raises(Refused, match=r"is submitted and items changed in the source; amend it in ERPNext, or set"):
        put(erp, MORE, "v2", name)

    assert orders(site) == [(name, SUBMITTED, Decimal("65.59"))]


def test_a_cancelled_order_is_cancelled(site: ErpNextStandIn, erp: ErpNextDestination) -> None:
    name = put(erp, order()).name

    first, second = put(erp, GONE, "v2", name), put(erp, GONE, "v2", name)

    assert (first.effect, second.effect, orders(site)) == (
        Effect.APPLIED,
        Effect.UNCHANGED,
        [(name, CANCELLED, Decimal("65.59"))],
    )


def test_a_draft_is_submitted_to_be_cancelled(site: ErpNextStandIn) -> None:
    erp = destination_to(http_to(site), submit=False)
    name = put(erp, order()).name

    put(erp, GONE, "v2", name)

    assert orders(site) == [(name, CANCELLED, Decimal("65.59"))]


def test_an_order_cancelled_before_it_was_known_stays_unknown(site: ErpNextStandIn, erp: ErpNextDestination) -> None:
    written = put(erp, GONE, "v2")

    assert (written.effect, orders(site), site.documents("Customer")) == (Effect.IGNORED, [], [])


def test_an_older_version_changes_nothing(site: ErpNextStandIn, erp: ErpNextDestination) -> None:
    name = put(erp, MORE, "v2").name

    written = put(destination_to(http_to(site)), order(), "v1")

    assert (written.effect, orders(site)) == (Effect.STALE, [(name, SUBMITTED, Decimal("91.09"))])


def test_an_older_version_does_not_revive_a_cancelled_order(site: ErpNextStandIn, erp: ErpNextDestination) -> None:
    name = put(erp, order()).name
    put(erp, GONE, "v3", name)

    written = put(erp, MORE, "v2", name)

    assert (written.effect, [docstatus for _, docstatus, _ in orders(site)]) == (Effect.STALE, [CANCELLED])


def test_an_order_that_a_person_cancelled_is_not_revived(site: ErpNextStandIn, erp: ErpNextDestination) -> None:
    name = put(erp, order()).name
    ErpNext(http_to(site)).cancel("Sales Order", name)

    with pytest.raises(Refused, match=f"{name} was cancelled in ERPNext, but the source still counts on it"):
        put(erp, MORE, "v2", name)

    assert len(orders(site)) == 1


def test_ten_at_once_make_one_order(site: ErpNextStandIn) -> None:
    def one(_: int) -> Written:
        return put(destination_to(http_to(site)), order())

    with ThreadPoolExecutor(10) as pool:
        written = list(pool.map(one, range(10)))

    assert len({one.name for one in written}) == 1
    assert [docstatus for _, docstatus, _ in orders(site)] == [SUBMITTED]
    assert len(site.documents("Customer")) == 1


def test_an_order_that_another_wrote_in_between_is_found_though_its_number_is_what_erpnext_refuses(
    site: ErpNextStandIn,
) -> None:
    """Found by ten at once: ERPNext checks the customer's order number before the unique field."""
    erp = destination_to(http_to(site))
    put(erp, order(id="1", number="#1"))  # so that the next one is created at once, without looking

    first, second = put(destination_to(http_to(site)), order()), put(erp, order())

    assert (second.effect, second.name) == (Effect.UNCHANGED, first.name)
    assert [status for method, _, status in site.requests if method == "POST"].count(417) == 1


def test_two_orders_of_one_new_customer_at_once_make_one_customer(site: ErpNextStandIn) -> None:
    def one(number: int) -> Written:
        return put_as(destination_to(http_to(site)), order(id=str(number), number=f"#{number}"))

    def put_as(erp: ErpNextDestination, sale: Order) -> Written:
        return erp.apply("upsert_sales_order", sale, event("v1", sale.id, entity_id=sale.id), "")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, range(8)))

    assert (len(site.documents("Customer")), len(live(site))) == (1, 8)


LIVES: Mapping[str, tuple[list[tuple[Order, str]], list[tuple[int, Decimal]]]] = {
    "create": ([(order(), "v1")], [(SUBMITTED, Decimal("65.59"))]),
    "amend": (
        [(order(), "v1"), (MORE, "v2")],
        [(CANCELLED, Decimal("65.59")), (SUBMITTED, Decimal("91.09"))],
    ),
    "cancel": ([(order(), "v1"), (GONE, "v2")], [(CANCELLED, Decimal("65.59"))]),
    "number": ([(order(), "v1"), (order(number="#B"), "v2")], [(SUBMITTED, Decimal("65.59"))]),
}


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("life", LIVES)
def test_dying_at_any_call_ends_in_the_same_documents(site: ErpNextStandIn, life: str, after: bool) -> None:
    """Each event dies at its first, second, third … call in turn and is tried again by a process that knows nothing."""
    events, end = LIVES[life]
    died = 0
    for sale, version in events:
        for at in range(1, 50):
            dying = DyingHttp(http_to(site), at, after=after)
            try:
                put(destination_to(dying), sale, version)
            except Interrupted:
                died += 1
                continue
            break

    assert died >= 4
    assert [(docstatus, total) for _, docstatus, total in orders(site)] == end
    assert len(site.documents("Customer")) == 1


def test_an_amendment_that_was_given_up_half_way_is_no_cancellation_to_the_next_version(site: ErpNextStandIn) -> None:
    erp = destination_to(http_to(site))
    name = put(erp, order(), "v1").name
    site.misbehave(Fault("deadlock", method="POST", path="/api/resource/Sales Order"))
    with pytest.raises(Temporary):
        put(erp, MORE, "v2", name)
    between = [docstatus for _, docstatus, _ in orders(site)]
    newest = order(lines=(line(quantity=Decimal(4)),), total=Decimal("116.59"))

    put(erp, newest, "v3", name)
    put(erp, MORE, "v2", name)

    assert between == [CANCELLED]
    assert [order["grand_total"] for order in live(site)] == [116.59]


def test_an_order_that_a_person_cancelled_is_not_revived_by_a_repetition(
    site: ErpNextStandIn, erp: ErpNextDestination
) -> None:
    name = put(erp, order(), "v1").name
    ErpNext(http_to(site)).cancel("Sales Order", name)

    with pytest.raises(Refused, match="was cancelled in ERPNext"):
        put(destination_to(http_to(site)), order(), "v1")

    assert live(site) == []


@pytest.mark.parametrize("kind", ["deadlock", "drop_after_commit", "drop_before_commit", "truncated", "html_error"])
@pytest.mark.parametrize("skip", range(6))
def test_a_fault_at_any_call_ends_in_one_order(site: ErpNextStandIn, kind: str, skip: int) -> None:
    site.misbehave(Fault(kind, skip=skip))
    for _ in range(3):
        try:
            put(destination_to(http_to(site)), order())
            break
        except Temporary:
            continue

    assert [(docstatus, total) for _, docstatus, total in orders(site)] == [(SUBMITTED, Decimal("65.59"))]


@pytest.mark.parametrize("kind", ["drop_after_commit", "truncated"])
def test_a_warm_function_whose_creation_got_no_answer_finds_its_order(
    site: ErpNextStandIn, erp: ErpNextDestination, kind: str
) -> None:
    """It was set aside as dead once: a warm function creates at once, and ERPNext refuses the customer's po_no
    (ValidationError) before it comes to the unique id."""
    put(erp, order(id="900", number="#900"))
    site.misbehave(Fault(kind, method="POST", doctype="Sales Order"))
    with pytest.raises(Unavailable):
        put(erp, order())

    put(erp, order())

    assert [(doc["po_no"], doc["docstatus"]) for doc in live(site)] == [("#900", SUBMITTED), ("#1042", SUBMITTED)]


def test_the_race_for_a_bin_while_submitting_or_cancelling_sets_nothing_aside(
    site: ErpNextStandIn, erp: ErpNextDestination
) -> None:
    """An order was dead once because ERPNext answered its cancellation with the DoesNotExistError of a Bin."""
    site.misbehave(Fault("bin_race", method="PUT", doctype="Sales Order"))
    put(erp, order())
    site.misbehave(Fault("bin_race", path="frappe.client.cancel"))
    put(erp, GONE, "v2")

    assert [(docstatus, total) for _, docstatus, total in orders(site)] == [(CANCELLED, Decimal("65.59"))]


def test_the_race_for_a_bin_while_submitting_an_amendment_sets_nothing_aside(
    site: ErpNextStandIn, erp: ErpNextDestination
) -> None:
    """A storm of faults left an amendment as a draft once, and its event dead."""
    put(erp, order())
    site.misbehave(Fault("bin_race", method="PUT", doctype="Sales Order", skip=1))  # the first one marks the version

    put(erp, MORE, "v2")

    assert [(docstatus, total) for _, docstatus, total in orders(site)] == [
        (CANCELLED, Decimal("65.59")),
        (SUBMITTED, Decimal("91.09")),
    ]


def test_a_desk_user_who_saves_in_between_is_not_overwritten(site: ErpNextStandIn) -> None:
    erp = destination_to(http_to(site), submit=False)
    name = put(erp, order()).name
    meddling = AfterReading(
        http_to(site), lambda: ErpNext(http_to(site)).update("Sales Order", name, {"po_no": "DESK"})
    )

    put(destination_to(meddling, submit=False), MORE, "v2", name)

    document = live(site)[0]
    assert (document["po_no"], document["grand_total"]) == ("#1042", 91.09)
    assert [status for method, _, status in site.requests if method == "PUT"].count(417) == 1


@pytest.mark.parametrize("change", [MORE, GONE], ids=["amended", "cancelled"])
def test_an_order_that_another_function_cancels_in_between_is_looked_at_again(
    site: ErpNextStandIn, erp: ErpNextDestination, change: Order
) -> None:
    name = put(erp, order()).name
    meddling = AfterReading(http_to(site), lambda: ErpNext(http_to(site)).cancel("Sales Order", name), "v2")

    written = put(destination_to(meddling), change, "v2", name)

    assert [total for _, status, total in orders(site) if status == SUBMITTED] == (
        [change.total] if change is MORE else []
    )
    assert written.effect == (Effect.APPLIED if change is MORE else Effect.UNCHANGED)


def test_a_customers_own_event_that_another_function_wrote_in_between_is_not_undone_by_an_order(
    site: ErpNextStandIn, erp: ErpNextDestination
) -> None:
    put(erp, order(id="1"), "v1")  # the function is warm: it knows that ERPNext has the hub's fields
    newest = Customer(id="8", name="Ann Newname")

    def write_it() -> None:
        destination_to(http_to(site)).apply("upsert_customer", newest, event("v9"), "")

    meddling = AfterReading(http_to(site), write_it, path="/Customer")
    late = destination_to(meddling)
    put(late, order(id="2", customer=Customer(id="8", name="Ann Oldname")), "v2")

    customer = next(each for each in site.documents("Customer") if each["hub_external_id"] == "shop-eu:customer:8")
    assert (customer["customer_name"], customer["hub_source_version"]) == ("Ann Newname", "v9")


class AfterReading:
    """Lets something happen right after the Sales Order, or what else `path` says, was read; with `version`, not before
    this version was written into it."""

    def __init__(
        self, http: HttpClient, happen: Callable[[], object], version: str = "", path: str = "/Sales%20Order/"
    ) -> None:
        self._http, self._happen, self._pending = http, happen, True
        self._version, self._path = version, path

    def send(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Answer:
        answer = self._http.send(method, path, query=query, body=body)
        moment = (
            f'"hub_source_version": "{self._version}"'.encode() in (body or b"") if self._version else method == "GET"
        )
        if self._pending and moment and self._path in path:
            self._pending = False
            self._happen()
        return answer

    def renew_credentials(self) -> None:
        self._http.renew_credentials()


class Altering(AfterReading):
    """Lets ERPNext compute another total than it does."""

    def __init__(self, http: HttpClient) -> None:
        super().__init__(http, lambda: None)

    def send(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Answer:
        answer = self._http.send(method, path, query=query, body=body)
        return Answer(answer.status, answer.headers, answer.body.replace(b"65.59", b"65.6"))


def test_another_total_in_erpnext_is_never_submitted_and_leaves_nothing(site: ErpNextStandIn) -> None:
    with pytest.raises(TotalMismatch, match=r"ERPNext computes 65\.6 USD, the source charged 65\.59 USD"):
        put(destination_to(Altering(http_to(site))), order())

    assert orders(site) == []


def test_an_order_that_does_not_add_up_is_not_even_begun(site: ErpNextStandIn, erp: ErpNextDestination) -> None:
    with pytest.raises(TotalMismatch, match=r"= 65\.59 USD, but the source charged 65\.60 USD"):
        put(erp, order(total=Decimal("65.60")))

    assert site.requests == []


def test_before_the_setup_all_events_wait_and_nothing_is_written() -> None:
    with ErpNextStandIn() as bare:
        with pytest.raises(NotSetUp, match="run `hub setup erp`"):
            put(destination_to(http_to(bare), unknown_item="substitute", substitute_item="SKU-1"), order())
        assert (bare.documents("Sales Order"), bare.documents("Customer")) == ([], [])


def test_the_setup_can_be_repeated(site: ErpNextStandIn) -> None:
    assert {done for _, done in setup(http_to(site))} == {"already there"}


def test_the_setup_refuses_a_field_that_is_not_unique() -> None:
    with ErpNextStandIn() as bare:
        http = http_to(bare)
        field = {"dt": "Customer", "fieldname": "hub_external_id", "fieldtype": "Data", "label": "X"}
        ErpNext(http).insert("Custom Field", field)

        with pytest.raises(Refused, match="Customer has a field hub_external_id that is not set to unique"):
            setup(http)


def test_an_unknown_sku_is_set_aside_before_anything_is_written(site: ErpNextStandIn, erp: ErpNextDestination) -> None:
    with pytest.raises(
        NotConfigured, match=r"SKU 'NOPE', which is no Item in ERPNext; create the Item, or set unknown_item"
    ):
        put(erp, order(lines=(line(sku="NOPE"),)))

    assert writes(site) == []


def test_an_unknown_sku_can_become_an_item(site: ErpNextStandIn) -> None:
    erp = destination_to(http_to(site), unknown_item="create")

    put(erp, order(lines=(line(sku="NEW", title="<New> thing"),)))

    made = [(doc["name"], doc["item_name"]) for doc in site.documents("Item")][-1]
    assert (made, [row["item_code"] for row in live(site)[0]["items"]]) == (("NEW", "New thing"), ["NEW"])


def test_an_unknown_sku_can_be_substituted(site: ErpNextStandIn) -> None:
    erp = destination_to(http_to(site), unknown_item="substitute", substitute_item="SKU-3")

    put(erp, order(lines=(line(sku="NOPE"),)))

    assert [row["item_code"] for row in live(site)[0]["items"]] == ["SKU-3"]


def test_a_line_without_sku_is_set_aside(erp: ErpNextDestination) -> None:
    with pytest.raises(NotConfigured, match=r"no SKU \('Thing 1'\); give the product a SKU"):
        put(erp, order(lines=(line(sku=""),)))


def test_a_line_without_sku_can_be_substituted(site: ErpNextStandIn) -> None:
    put(destination_to(http_to(site), substitute_item="SKU-2"), order(lines=(line(sku=""),)))

    assert [row["item_code"] for row in live(site)[0]["items"]] == ["SKU-2"]


def test_skus_are_compared_as_erpnext_compares_them(site: ErpNextStandIn, erp: ErpNextDestination) -> None:
    put(erp, order(lines=(line(sku="sku-1"),)))

    assert [row["item_code"] for row in live(site)[0]["items"]] == ["SKU-1"]


def test_an_order_without_customer_is_set_aside(site: ErpNextStandIn, erp: ErpNextDestination) -> None:
    with pytest.raises(NotConfigured, match=r"has no customer; name one for such orders in the flow's settings"):
        put(erp, order(customer=None))

    assert writes(site) == []


def test_an_order_without_customer_can_go_to_the_configured_one(site: ErpNextStandIn, erp: ErpNextDestination) -> None:
    erp.apply("upsert_customer", Customer(id="1", name="Web Guest"), event(kind="customer", entity_id="1"), "")

    put(destination_to(http_to(site), guest_customer="Web Guest"), order(customer=None))

    assert [doc["customer"] for doc in live(site)] == ["Web Guest"]


def test_a_customer_follows_the_source_and_keeps_its_group(site: ErpNextStandIn, erp: ErpNextDestination) -> None:
    about = event(kind="customer", entity_id="7")
    name = erp.apply("upsert_customer", Customer(id="7", name="Ann Smith"), about, "").name
    ErpNext(http_to(site)).update("Customer", name, {"customer_group": "Individual"})

    erp.apply("upsert_customer", Customer(id="7", name="Ann Jones"), event("v2", kind="customer", entity_id="7"), name)

    [customer] = site.documents("Customer")
    assert (customer["name"], customer["customer_name"], customer["customer_group"]) == (
        "Ann Smith",
        "Ann Jones",
        "Individual",
    )


def test_two_customers_of_one_name_stay_two(site: ErpNextStandIn, erp: ErpNextDestination) -> None:
    for number in ("7", "8"):
        erp.apply("upsert_customer", Customer(id=number, name="Ann"), event(kind="customer", entity_id=number), "")

    assert [doc["name"] for doc in site.documents("Customer")] == ["Ann", "Ann - 1"]


def test_a_renamed_customer_is_found_again(site: ErpNextStandIn, erp: ErpNextDestination) -> None:
    put(erp, order())
    renaming = {"doctype": "Customer", "old_name": "Ann Smith", "new_name": "Ann the Great"}
    http_to(site).send("POST", "/api/method/frappe.client.rename_doc", body=_json(renaming))

    put(erp, order(id="1043", number="#1043"))

    assert {doc["customer"] for doc in live(site)} == {"Ann the Great"}


def test_a_renamed_customer_does_not_amend_an_unchanged_order(site: ErpNextStandIn, erp: ErpNextDestination) -> None:
    name = put(erp, order()).name
    renaming = {"doctype": "Customer", "old_name": "Ann Smith", "new_name": "Ann the Great"}
    http_to(site).send("POST", "/api/method/frappe.client.rename_doc", body=_json(renaming))

    written = put(erp, order(), "v2", name)

    assert (written.effect, len(orders(site))) == (Effect.UNCHANGED, 1)


def test_a_renamed_item_is_found_again_by_its_new_code(site: ErpNextStandIn, erp: ErpNextDestination) -> None:
    put(erp, order())
    ErpNext(http_to(site)).rename("Item", "SKU-1", "SKU-ONE")

    put(erp, order(id="1043", number="#1043", lines=(line(sku="SKU-ONE"),)))

    with pytest.raises(NotConfigured, match="SKU 'SKU-1', which is no Item"):
        put(erp, order(id="1044", number="#1044"))
    assert {row["item_code"] for doc in live(site) for row in doc["items"]} == {"SKU-ONE"}


def test_an_unknown_sku_is_asked_for_again_each_time(site: ErpNextStandIn, erp: ErpNextDestination) -> None:
    sale = order(lines=(line(sku="LATER"),))
    with pytest.raises(NotConfigured):
        put(erp, sale)
    ErpNext(http_to(site)).insert("Item", {"item_code": "LATER", "item_group": "Products", "stock_uom": "Nos"})

    put(erp, sale)

    assert [row["item_code"] for row in live(site)[0]["items"]] == ["LATER"]


def test_five_hundred_lines_make_one_order(site: ErpNextStandIn, erp: ErpNextDestination) -> None:
    lines = tuple(
        OrderLine(id=str(n), sku=f"SKU-{n % 3 + 1}", quantity=Decimal(1), unit_price=Decimal("0.99"))
        for n in range(500)
    )

    put(erp, order(lines=lines, shipping=(), taxes=(), total=Decimal("495.00")))

    assert [(len(doc["items"]), doc["grand_total"]) for doc in live(site)] == [(500, 495.0)]


def test_taxes_that_the_prices_contain_are_split_exactly(site: ErpNextStandIn, erp: ErpNextDestination) -> None:
    sale = order(
        lines=(line(1, quantity=Decimal(3), unit_price=Decimal("9.99"), tax=Decimal("4.79")),),
        shipping=(Charge(title="Post", amount=Decimal("5.95"), tax=Decimal("0.95")),),
        taxes=(Charge(title="VAT 19%", amount=Decimal("5.74")),),
        taxes_included=True,
        total=Decimal("35.92"),
    )

    put(erp, sale)

    assert [doc["grand_total"] for doc in live(site)] == [35.92]


def test_erpnexts_own_refusal_leaves_no_draft(site: ErpNextStandIn) -> None:
    erp = destination_to(http_to(site), tax_account="No Such Account")

    with pytest.raises(Declined, match="Could not find"):
        put(erp, order())

    assert orders(site) == []


def test_maintenance_makes_the_whole_site_unavailable(site: ErpNextStandIn, erp: ErpNextDestination) -> None:
    site.misbehave(Fault("maintenance", times=None))

    with pytest.raises(Unavailable, match="SessionStopped"):
        put(erp, order())


@pytest.mark.parametrize("entity_id", ["ABC", "a b", "1042 ", "ä", "x" * 200, "a~1", "a%"])
def test_an_id_that_erpnext_could_confuse_is_hashed(entity_id: str) -> None:
    key = external_id("shop-eu", "order", entity_id)

    assert key.startswith("shop-eu:order:sha256-")
    assert len(key) <= 140


@given(st.text(min_size=1, max_size=200), st.text(min_size=1, max_size=200))
def test_two_ids_are_one_for_erpnext_only_if_they_are_one(one: str, other: str) -> None:
    """ERPNext compares without case, accents and trailing spaces, as the stand-in's `collated` does."""
    first, second = external_id("shop-eu", "order", one), external_id("shop-eu", "order", other)

    assert (collated(first) == collated(second)) is (one == other)
    assert re.fullmatch(r"[a-z0-9.:-]{1,120}", first)


def test_ids_that_differ_only_in_case_stay_two() -> None:
    assert external_id("s", "order", "ABC") != external_id("s", "order", "aBC")


def _json(value: object) -> bytes:
    import json

    return json.dumps(value).encode()
