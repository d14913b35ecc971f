"""Documents change as ERPNext changes them: names, links, unique fields, docstatus, renames, deletions, what follows."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from infra.local.erpnext.server import ErpNextStandIn
from tests.local.erpnext.calling import Clock, Reply, call, customer, external_id, item, made, order, order_values, send
from tests.local.erpnext.recorded import recording


def put(erp: ErpNextStandIn, doctype: str, name: str, /, **values: Any) -> Reply:
    return call(erp, "PUT", f"/api/resource/{doctype}/{name}", values)


def get(erp: ErpNextStandIn, doctype: str, name: str) -> Any:
    return call(erp, "GET", f"/api/resource/{doctype}/{name}").data


def submitted_invoice(erp: ErpNextStandIn, *rows: dict[str, Any]) -> Any:
    items = list(rows) or [{"item_code": "SKU-001", "qty": 1, "rate": 100}]
    draft = made(erp, "Sales Invoice", customer="Cust 001", due_date="2026-12-20", items=items)
    return put(erp, "Sales Invoice", draft["name"], docstatus=1).data


# Unique fields


@pytest.mark.parametrize("value", ["shop:1", "SHOP:1", "shop:1 ", "Shop:1  "])
def test_unique_ignores_case_and_trailing_spaces(erp: ErpNextStandIn, value: str) -> None:
    customer(erp, "First", external_id="shop:1")

    reply = call(erp, "POST", "/api/resource/Customer", {"customer_name": "Second", "external_id": value})

    assert (reply.status, reply.exc_type) == (417, "UniqueValidationError")


@pytest.mark.parametrize("value", [" shop:1", "shop:10", "shop 1"])
def test_unique_tells_other_values_apart(erp: ErpNextStandIn, value: str) -> None:
    customer(erp, "First", external_id="shop:1")

    assert customer(erp, "Second", external_id=value)["external_id"] == value


@pytest.mark.parametrize("value", ["", None])
def test_several_documents_may_lack_a_unique_value(erp: ErpNextStandIn, value: str | None) -> None:
    assert {customer(erp, name, external_id=value)["name"] for name in ("A", "B")} == {"A", "B"}


def test_a_unique_value_is_free_again_after_its_holder_is_deleted(erp: ErpNextStandIn) -> None:
    customer(erp, "First", external_id="shop:1")
    call(erp, "DELETE", "/api/resource/Customer/First")

    assert customer(erp, "Second", external_id="shop:1")["name"] == "Second"


def test_a_unique_value_is_free_again_after_a_rollback(erp: ErpNextStandIn) -> None:
    docs = [
        {"doctype": "Customer", "customer_name": "A", "external_id": "x"},
        {"doctype": "Customer", "customer_group": "No"},
    ]
    assert call(erp, "POST", "/api/method/frappe.client.insert_many", {"docs": docs}).status == 417

    assert customer(erp, "B", external_id="x")["external_id"] == "x"


def test_a_custom_field_on_existing_duplicates_is_refused_and_leaves_no_trace(erp: ErpNextStandIn) -> None:
    for name in ("A", "B"):
        customer(erp, name, website="https://same")
    made(erp, "Custom Field", dt="Customer", fieldname="code", label="Code", fieldtype="Data")
    for name in ("A", "B"):
        put(erp, "Customer", name, code="same")

    reply = put(erp, "Custom Field", "Customer-code", unique=1)

    assert reply.status == 417
    assert customer(erp, "C", code="same")["code"] == "same"


# Names


def test_the_suffix_counts_on(erp: ErpNextStandIn) -> None:
    assert [customer(erp, "Same")["name"] for _ in range(3)] == ["Same", "Same - 1", "Same - 2"]
    assert customer(erp, "same")["name"] == "same - 3"


def test_an_amended_amendment_counts_on(erp: ErpNextStandIn) -> None:
    name = order(erp, "P1")["name"]
    for number in (1, 2):
        put(erp, "Sales Order", name, docstatus=1)
        put(erp, "Sales Order", name, docstatus=2)
        amended = order(erp, "P1", amended_from=name)
        assert amended["name"] == f"SAL-ORD-2026-00001-{number}"
        name = amended["name"]


def test_a_name_frees_its_number_when_the_insert_fails(erp: ErpNextStandIn) -> None:
    assert call(erp, "POST", "/api/resource/Sales Order", order_values("P1", delivery_date="2026-11-01")).status == 417

    assert order(erp, "P2")["name"] == "SAL-ORD-2026-00001"


def test_names_with_a_slash_can_be_read(erp: ErpNextStandIn) -> None:
    item(erp, "A/B 1")

    reply = send(erp.url, "GET", "/api/resource/Item/A%2FB%201", headers={"Authorization": f"token {erp.token}"})

    assert reply.data["name"] == "A/B 1"


def test_a_rename_is_followed_by_the_documents_that_link_to_it(erp: ErpNextStandIn) -> None:
    name = order(erp, "P1")["name"]
    body = {"doctype": "Customer", "old_name": "Cust 001", "new_name": "Cust One"}

    assert call(erp, "POST", "/api/method/frappe.client.rename_doc", body).body["message"] == "Cust One"
    assert get(erp, "Sales Order", name)["customer"] == "Cust One"
    assert call(erp, "GET", "/api/resource/Customer/Cust 001").status == 404


# Checks


def test_a_missing_link_in_a_row_names_the_row(erp: ErpNextStandIn) -> None:
    body = order_values("P1", {"item_code": "NO-SUCH", "qty": 1, "rate": 1})

    reply = call(erp, "POST", "/api/resource/Sales Order", body)

    assert (reply.status, reply.exc_type) == (417, "LinkValidationError")
    assert "Could not find Row #1: Item Code: NO-SUCH" in reply.body["exception"]


def test_a_mandatory_custom_field_is_mandatory(erp: ErpNextStandIn) -> None:
    made(erp, "Custom Field", dt="Customer", fieldname="code", label="Code", fieldtype="Data", reqd=1)

    assert call(erp, "POST", "/api/resource/Customer", {"customer_name": "X"}).exc_type == "MandatoryError"


def test_a_field_of_a_type_with_a_limit_is_too_long(erp: ErpNextStandIn) -> None:
    assert put(erp, "Customer", "Cust 001", website="x" * 141).exc_type == "CharacterLengthExceededError"
    assert put(erp, "Customer", "Cust 001", website="x" * 140).status == 200


def test_only_allowed_fields_change_after_submission(erp: ErpNextStandIn) -> None:
    made(erp, "Custom Field", dt="Sales Order", fieldname="note", label="Note", fieldtype="Data", allow_on_submit=1)
    name = order(erp, "P1", external_id="x")["name"]
    put(erp, "Sales Order", name, docstatus=1)

    assert put(erp, "Sales Order", name, note="changed", po_no="P2").data["note"] == "changed"
    assert put(erp, "Sales Order", name, external_id="y").exc_type == "UpdateAfterSubmitError"
    assert put(erp, "Sales Order", name, delivery_date="2026-12-01").exc_type == "UpdateAfterSubmitError"
    rows = get(erp, "Sales Order", name)["items"]
    assert put(erp, "Sales Order", name, items=[{**rows[0], "qty": 3}]).exc_type == "UpdateAfterSubmitError"
    assert put(erp, "Sales Order", name, items=[rows[0], rows[0]]).exc_type == "UpdateAfterSubmitError"
    assert put(erp, "Sales Order", name, items=rows).status == 200


def test_docstatus_moves_only_forward(erp: ErpNextStandIn) -> None:
    name = order(erp, "P1")["name"]

    assert put(erp, "Sales Order", name, docstatus=2).exc_type == "DocstatusTransitionError"
    assert put(erp, "Sales Order", name, docstatus=1).status == 200
    assert put(erp, "Sales Order", name, docstatus=0).exc_type == "DocstatusTransitionError"
    assert put(erp, "Sales Order", name, docstatus=2).status == 200
    assert put(erp, "Sales Order", name, po_no="X").exc_type == "ValidationError"
    assert call(erp, "POST", "/api/resource/Sales Order", order_values("P2", docstatus=2)).status == 417


def test_amending_wants_a_cancelled_document(erp: ErpNextStandIn) -> None:
    name = order(erp, "P1")["name"]

    assert call(erp, "POST", "/api/resource/Sales Order", order_values("P2", amended_from=name)).status == 417


def test_a_cancelled_order_frees_its_purchase_order_number(erp: ErpNextStandIn) -> None:
    name = order(erp, "P1")["name"]
    put(erp, "Sales Order", name, docstatus=1)

    assert call(erp, "POST", "/api/resource/Sales Order", order_values("P1")).exc_type == "ValidationError"
    put(erp, "Sales Order", name, docstatus=2)
    assert order(erp, "P1")["name"] == "SAL-ORD-2026-00002"


def test_selling_settings_allow_one_purchase_order_number_twice(erp: ErpNextStandIn) -> None:
    put(erp, "Selling Settings", "Selling Settings", allow_against_multiple_purchase_orders=1)

    assert [order(erp, "P1")["po_no"] for _ in range(2)] == ["P1", "P1"]


def test_an_order_with_an_invoice_cannot_be_cancelled(erp: ErpNextStandIn) -> None:
    doc = order(erp, "P1")
    put(erp, "Sales Order", doc["name"], docstatus=1)
    row = {
        "item_code": "SKU-001",
        "qty": 2,
        "rate": 25.5,
        "sales_order": doc["name"],
        "so_detail": doc["items"][0]["name"],
    }
    submitted_invoice(erp, row)

    assert put(erp, "Sales Order", doc["name"], docstatus=2).exc_type == "LinkExistsError"
    assert get(erp, "Sales Order", doc["name"])["status"] == "To Deliver"


def test_a_disabled_customer_or_item_is_refused(erp: ErpNextStandIn) -> None:
    put(erp, "Item", "SKU-001", disabled=1)
    assert call(erp, "POST", "/api/resource/Sales Order", order_values("P1")).exc_type == "ValidationError"
    put(erp, "Item", "SKU-001", disabled=0)
    put(erp, "Customer", "Cust 001", disabled=1)
    assert call(erp, "POST", "/api/resource/Sales Order", order_values("P1")).exc_type == "PartyDisabled"


def test_a_deletion_leaves_the_whole_document_behind(erp: ErpNextStandIn) -> None:
    before = customer(erp, "Gone", external_id="x")
    call(erp, "DELETE", "/api/resource/Customer/Gone")

    (tombstone,) = erp.documents("Deleted Document")
    assert (tombstone["deleted_doctype"], tombstone["deleted_name"]) == ("Customer", "Gone")
    assert before.items() <= json.loads(tombstone["data"]).items()


def test_a_partial_row_with_a_name_keeps_its_row(erp: ErpNextStandIn) -> None:
    doc = order(erp, "P1")
    row = doc["items"][0]

    kept = put(erp, "Sales Order", doc["name"], items=[{**row, "qty": 5}]).data["items"]
    replaced = put(erp, "Sales Order", doc["name"], items=[{"item_code": "SKU-001", "qty": 1, "rate": 1}]).data["items"]

    assert [each["name"] for each in kept] == [row["name"]]
    assert [each["name"] for each in replaced] != [row["name"]]


def test_a_masked_secret_that_comes_back_does_not_overwrite_the_secret(erp: ErpNextStandIn) -> None:
    hook = {"name": "h", "webhook_doctype": "Customer", "webhook_docevent": "on_update", "request_method": "POST"}
    doc = made(erp, "Webhook", **hook, request_url="http://127.0.0.1:1/", enable_security=1, webhook_secret="whsec")
    assert doc["webhook_secret"] == "*****"

    put(erp, "Webhook", "h", **{**doc, "timeout": 2})

    assert erp.documents("Webhook")[0]["webhook_secret"] == "whsec"


# What follows


def test_what_bumps_modified(erp: ErpNextStandIn) -> None:
    customer(erp, "Cust 005")
    item(erp, "SKU-005", standard_rate=10)
    recorded = recording("182").content["results"]
    receipt = {"stock_entry_type": "Material Receipt", "company": "Acme Test Inc", "docstatus": 1}
    receipt["items"] = [{"item_code": "SKU-005", "qty": 50, "t_warehouse": "Stores - ATI", "basic_rate": 7}]
    made(erp, "Stock Entry", **receipt)
    source = order(erp, "P1", {"item_code": "SKU-005", "qty": 2, "rate": 25.5, "warehouse": "Stores - ATI"})
    put(erp, "Sales Order", source["name"], docstatus=1)
    row = {"item_code": "SKU-005", "qty": 1, "rate": 25.5, "so_detail": source["items"][0]["name"]}
    bin_name = next(each["name"] for each in erp.documents("Bin") if each["item_code"] == "SKU-005")
    invoice = submitted_invoice(erp)

    def pay() -> None:
        path = "/api/method/erpnext.accounts.doctype.payment_entry.payment_entry.get_payment_entry"
        template = call(erp, "POST", path, {"dt": "Sales Invoice", "dn": invoice["name"]}).body["message"]
        made(erp, "Payment Entry", **{**template, "reference_no": "ch_1", "docstatus": 1})

    def tag() -> None:
        path = "/api/method/frappe.desk.doctype.tag.tag.add_tag"
        assert call(erp, "POST", path, {"tag": "vip", "dt": "Customer", "dn": "Cust 005"}).status == 200

    def comment() -> None:
        path = "/api/method/frappe.desk.form.utils.add_comment"
        body = {"reference_doctype": "Customer", "reference_name": "Cust 005", "content": "hello", "comment_by": "hub"}
        assert call(erp, "POST", path, body).status == 200

    def address() -> None:
        links = [{"link_doctype": "Customer", "link_name": "Cust 005"}]
        made(erp, "Address", address_line1="1 Street", city="Town", country="United States", links=links)

    def attach() -> None:
        made(erp, "File", file_name="a.txt", attached_to_doctype="Customer", attached_to_name="Cust 005")

    def set_value() -> None:
        body = {"doctype": "Customer", "name": "Cust 005", "fieldname": "website", "value": "https://x"}
        assert call(erp, "POST", "/api/method/frappe.client.set_value", body).status == 200

    def rename() -> None:
        body = {"doctype": "Customer", "old_name": "Cust 001", "new_name": "Cust 001 New"}
        assert call(erp, "POST", "/api/method/frappe.client.rename_doc", body).status == 200

    def deliver() -> None:
        made(
            erp,
            "Delivery Note",
            customer="Cust 001",
            items=[{**row, "against_sales_order": source["name"]}],
            docstatus=1,
        )

    def price() -> None:
        values = {"item_code": "SKU-005", "price_list": "Standard Selling", "price_list_rate": 11}
        made(erp, "Item Price", **values, valid_from="2027-01-01")  # the standard rate has made one of today

    def reserve() -> None:
        again = order(erp, "P2", {"item_code": "SKU-005", "qty": 1, "rate": 1, "warehouse": "Stores - ATI"})
        put(erp, "Sales Order", again["name"], docstatus=1)

    steps: dict[str, tuple[str, str, Callable[[], Any]]] = {
        "Sales Invoice when a Payment Entry against it is submitted": ("Sales Invoice", invoice["name"], pay),
        "Sales Order when a Delivery Note from it is submitted": ("Sales Order", source["name"], deliver),
        "Sales Order when a Sales Invoice from it is submitted": (
            "Sales Order",
            source["name"],
            lambda: submitted_invoice(erp, {**row, "sales_order": source["name"]}),
        ),
        "Bin on a stock movement": ("Bin", bin_name, lambda: made(erp, "Stock Entry", **receipt)),
        "Bin reserved_qty when a Sales Order is submitted": ("Bin", bin_name, reserve),
        "Item on a stock movement": ("Item", "SKU-005", lambda: made(erp, "Stock Entry", **receipt)),
        "Item when an Item Price is added": ("Item", "SKU-005", price),
        "Customer when a tag is added": ("Customer", "Cust 005", tag),
        "Customer when a comment is added": ("Customer", "Cust 005", comment),
        "Customer when a linked Address is added": ("Customer", "Cust 005", address),
        "Customer when a file is attached": ("Customer", "Cust 005", attach),
        "Customer on frappe.client.set_value": ("Customer", "Cust 005", set_value),
        "Customer on no-op PUT {}": ("Customer", "Cust 005", lambda: put(erp, "Customer", "Cust 005")),
        "Sales Order when its customer is renamed": ("Sales Order", source["name"], rename),
    }
    changed = {}
    for what, (doctype, name, step) in steps.items():
        before = get(erp, doctype, name)["modified"]
        step()
        changed[what] = get(erp, doctype, name)["modified"] != before

    assert changed == {what: each["modified_changed"] for what, each in recorded.items() if "modified_changed" in each}
    paid = recorded["invoice_fields_changed_by_payment"]
    after = get(erp, "Sales Invoice", invoice["name"])
    assert [after["status"], after["outstanding_amount"]] == [paid["status"][1], paid["outstanding_amount"][1]]
    assert get(erp, "Sales Order", source["name"])["customer"] == "Cust 001 New"


def test_an_order_completes_as_it_is_delivered_and_billed(erp: ErpNextStandIn) -> None:
    stock = [{"item_code": "SKU-001", "qty": 5, "t_warehouse": "Stores - ATI", "basic_rate": 7}]
    made(erp, "Stock Entry", stock_entry_type="Material Receipt", company="Acme Test Inc", items=stock, docstatus=1)
    doc = order(erp, "P1")
    put(erp, "Sales Order", doc["name"], docstatus=1)
    row = {"item_code": "SKU-001", "rate": 25.5, "so_detail": doc["items"][0]["name"]}
    seen = []
    for quantity in (1, 1):
        delivered = [{**row, "qty": quantity, "against_sales_order": doc["name"]}]
        made(erp, "Delivery Note", customer="Cust 001", items=delivered, docstatus=1)
        now = get(erp, "Sales Order", doc["name"])
        seen.append((now["status"], now["per_delivered"], now["delivery_status"]))
    submitted_invoice(erp, {**row, "qty": 2, "sales_order": doc["name"]})

    now = get(erp, "Sales Order", doc["name"])
    assert seen == [("To Deliver and Bill", 50.0, "Partly Delivered"), ("To Bill", 100.0, "Fully Delivered")]
    assert (now["status"], now["billing_status"]) == ("Completed", "Fully Billed")
    (shelf,) = erp.documents("Bin")
    assert (shelf["actual_qty"], shelf["reserved_qty"], shelf["projected_qty"]) == (3.0, 0.0, 3.0)


def test_a_cancelled_payment_opens_the_invoice_again(erp: ErpNextStandIn) -> None:
    invoice = submitted_invoice(erp)
    path = "/api/method/erpnext.accounts.doctype.payment_entry.payment_entry.get_payment_entry"
    template = call(erp, "POST", path, {"dt": "Sales Invoice", "dn": invoice["name"]}).body["message"]
    part = {**template, "paid_amount": 40, "received_amount": 40, "reference_no": "ch_1", "docstatus": 1}
    part["references"] = [{**template["references"][0], "allocated_amount": 40}]
    payment = made(erp, "Payment Entry", **part)
    partly = get(erp, "Sales Invoice", invoice["name"])
    put(erp, "Payment Entry", payment["name"], docstatus=2)

    again = get(erp, "Sales Invoice", invoice["name"])
    assert (partly["status"], partly["outstanding_amount"]) == ("Partly Paid", 60.0)
    assert (again["status"], again["outstanding_amount"]) == ("Unpaid", 100.0)


def test_the_ledger_balances(erp: ErpNextStandIn) -> None:
    tax = {"charge_type": "On Net Total", "account_head": "Sales Tax - ATI", "description": "Tax", "rate": 8.25}
    rows = [{"item_code": "SKU-001", "qty": 3, "rate": 9.99}]
    draft = made(
        erp, "Sales Invoice", customer="Cust 001", due_date="2026-12-20", items=rows, taxes=[tax], discount_amount=1
    )
    put(erp, "Sales Invoice", draft["name"], docstatus=1)

    entries = erp.documents("GL Entry")
    accounts = {entry["account"] for entry in entries}
    assert accounts == {"Sales - ATI", "Sales Tax - ATI", "Debtors - ATI", "Round Off - ATI"}
    assert round(sum(entry["debit"] - entry["credit"] for entry in entries), 2) == 0


# Other doors


def test_the_same_document_through_every_door(erp: ErpNextStandIn) -> None:
    v1 = call(erp, "GET", "/api/resource/Customer/Cust 001").data
    v2 = call(erp, "GET", "/api/v2/document/Customer/Cust 001/").data
    client = call(erp, "GET", "/api/method/frappe.client.get?doctype=Customer&name=Cust 001").body["message"]
    found = call(erp, "GET", '/api/method/frappe.client.get?doctype=Customer&filters={"customer_name":"Cust 001"}')

    assert v1 == v2 == {key: value for key, value in client.items() if value is not None}
    assert found.body["message"] == client
    assert call(erp, "GET", "/api/method/ping", Authorization="").body == {"message": "pong"}


def test_get_ignores_the_case_of_a_name(erp: ErpNextStandIn) -> None:
    assert get(erp, "Customer", "CUST 001")["name"] == "Cust 001"


def test_dates_are_the_sites(erp: ErpNextStandIn) -> None:
    """05:08 UTC is eight minutes after midnight in New York."""
    assert made(erp, "ToDo", description="x")["date"] == "2026-11-20"
    assert external_id(erp, "Item")["creation"].startswith("2026-11-20 00:08:00.")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/api/resource/Sales Order", {"items": "many"}),
        ("POST", "/api/resource/Sales Order", {"items": [1]}),
        ("POST", "/api/resource/Customer", {"customer_name": {"a": 1}, "docstatus": "x"}),
        ("GET", "/api/resource/Customer?limit=many", None),
        ("POST", "/api/method/frappe.client.insert_many", {"docs": 3}),
        ("POST", "/api/method/frappe.client.insert", {}),
        ("POST", "/api/method/frappe.client.get_list", {}),
    ],
)
def test_nonsense_is_a_crash_of_erpnext_not_of_the_connection(
    erp: ErpNextStandIn, method: str, path: str, body: Any
) -> None:
    reply = call(erp, method, path, body)

    assert reply.status == 500
    assert reply.exc_type in ("TypeError", "AttributeError", "ValueError")
    assert call(erp, "GET", "/api/resource/Customer").status == 200


def test_a_site_is_chosen_by_its_host(clock: Clock) -> None:
    with ErpNextStandIn(now=clock, hosts=frozenset({"127.0.0.1", "erp.example"})) as erp:
        wrong = call(erp, "GET", "/api/resource/Customer", Host="other.example")
        right = call(erp, "GET", "/api/resource/Customer", Host="other.example", X_Frappe_Site_Name="erp.example")

        assert (wrong.status, wrong.header("Content-Type")) == (404, "text/html")
        assert "other.example does not exist" in wrong.text
        assert right.status == 200
