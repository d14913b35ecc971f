"""Rows of a source's tables become documents of any DocType, once each, and say what the rows say in the end."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from connectors.erpnext.client import ErpNext
from connectors.erpnext.connector import ErpNextDestination
from connectors.erpnext.documents import REDACTED
from connectors.erpnext.rows import RowDoesNotFit
from connectors.erpnext.settings import FlowSettings
from connectors.erpnext.setup import setup
from hub.connector import Effect, HttpClient, Written
from hub.errors import NotConfigured, Refused
from hub.events import Event
from hub.records import Deletion, TableRow
from infra.local.erpnext.server import ErpNextStandIn
from tests.connectors.erpnext.conftest import http_to
from tests.connectors.erpnext.interruptions import die_everywhere
from tests.connectors.erpnext.orders import settings

pytestmark = pytest.mark.slow  # each test starts a site of its own

CONTACTS: dict[str, Any] = {
    "doctype": "Customer",
    "fields": {
        "customer_name": {"from": "name", "required": True, "max_length": 140},
        "tax_id": {"from": "vat", "default": ""},
        "default_commission_rate": {"from": "rate", "type": "number", "default": 0},
        "so_required": {"from": "careful", "type": "bool", "default": False},
    },
    "constants": {"customer_group": "Commercial", "territory": "United States"},
    "on_delete": "disable",
}
ANN = {"name": "Ann Smith", "vat": "DE1", "rate": Decimal("2.5"), "careful": True}


def rows_to(http: HttpClient, **documents: Any) -> ErpNextDestination:
    stated = FlowSettings(time_zone="America/New_York", documents=documents or {"contacts": CONTACTS})  # type: ignore[call-arg]
    return ErpNextDestination(ErpNext(http), stated, monotonic=lambda: 0.0)


def about(version: str = "v1", key: str = "7", *, stream: str = "contacts", gone: bool = False) -> Event:
    return Event(
        id=f"{stream}-{key}-{version}",
        source="/integrations/crm",
        type=f"generic_rest.{stream}/deleted" if gone else f"generic_rest.{stream}",
        subject=f"crm/contact/{key}",
        time=None,
        received_at=datetime(2026, 1, 1, tzinfo=UTC),
        entity_version=version,
        content_type="application/json",
        data=b"{}",
    )


def put(erp: ErpNextDestination, row: dict[str, Any], version: str = "v1", known: str = "", **more: Any) -> Written:
    event = about(version, **more)
    record = TableRow(stream=more.get("stream", "contacts"), key=more.get("key", "7"), fields=row)
    return erp.apply("upsert_document", record, event, known)


def gone(erp: ErpNextDestination, version: str = "v9", **more: Any) -> Written:
    return erp.apply(
        "remove", Deletion(entity="contact", id=more.get("key", "7")), about(version, gone=True, **more), ""
    )


def writes(site: ErpNextStandIn) -> list[str]:
    return [method for method, _, _ in site.requests if method != "GET"]


@pytest.fixture
def crm(site: ErpNextStandIn) -> ErpNextDestination:
    return rows_to(http_to(site))


def test_a_row_becomes_a_document_that_says_what_it_says(site: ErpNextStandIn, crm: ErpNextDestination) -> None:
    written = put(crm, ANN)

    [customer] = site.documents("Customer")
    assert (written.effect, written.doctype, written.name) == (Effect.APPLIED, "Customer", customer["name"])
    assert (customer["customer_name"], customer["tax_id"], customer["default_commission_rate"]) == (
        "Ann Smith",
        "DE1",
        2.5,
    )
    assert (customer["so_required"], customer["customer_group"]) == (1, "Commercial")
    assert (customer["hub_external_id"], customer["hub_source_version"]) == ("crm:contact:7", "v1")


def test_the_same_row_again_writes_nothing_and_costs_one_call(site: ErpNextStandIn, crm: ErpNextDestination) -> None:
    name = put(crm, ANN).name
    site.clear_requests()

    assert put(crm, ANN, "v2", name).effect == Effect.UNCHANGED
    assert [method for method, _, _ in site.requests] == ["GET"]


def test_a_new_row_costs_one_call_once_the_site_is_known(site: ErpNextStandIn, crm: ErpNextDestination) -> None:
    put(crm, ANN)
    site.clear_requests()

    put(crm, {**ANN, "name": "Bob"}, key="8")

    assert [method for method, _, _ in site.requests] == ["POST"]


def test_a_changed_row_changes_its_fields_and_leaves_the_desk_users_theirs(
    site: ErpNextStandIn, crm: ErpNextDestination
) -> None:
    name = put(crm, ANN).name
    ErpNext(http_to(site)).update("Customer", name, {"territory": "Rest Of The World", "website": "ann.example"})

    written = put(crm, {**ANN, "vat": None, "rate": "3"}, "v2", name)

    [customer] = site.documents("Customer")
    assert written.effect == Effect.APPLIED
    assert (customer.get("tax_id") or "", customer["default_commission_rate"]) == ("", 3)
    assert (customer["territory"], customer["website"]) == ("Rest Of The World", "ann.example")


def test_an_older_row_changes_nothing(site: ErpNextStandIn, crm: ErpNextDestination) -> None:
    put(crm, ANN, "v2")

    assert put(crm, {**ANN, "vat": "old"}, "v1").effect == Effect.STALE
    assert site.documents("Customer")[0]["tax_id"] == "DE1"


def test_ids_that_differ_in_case_alone_are_two_documents(site: ErpNextStandIn, crm: ErpNextDestination) -> None:
    put(crm, ANN, key="a7")
    put(crm, {**ANN, "name": "Other"}, key="A7")

    assert len({doc["hub_external_id"] for doc in site.documents("Customer")}) == 2


@pytest.mark.parametrize("after", [False, True])
def test_a_process_that_dies_anywhere_leaves_one_document(site: ErpNextStandIn, after: bool) -> None:
    died = die_everywhere(http_to(site), lambda http: put(rows_to(http), ANN), after=after)

    assert died
    assert len(site.documents("Customer")) == 1


def test_a_row_of_another_shape_is_set_aside_and_its_document_stays(
    site: ErpNextStandIn, crm: ErpNextDestination
) -> None:
    name = put(crm, ANN).name
    site.clear_requests()

    with pytest.raises(RowDoesNotFit, match=r"contacts: customer_name \(from name\) is missing"):
        put(crm, {"full_name": "Ann Smith"}, "v2", name)
    with pytest.raises(RowDoesNotFit, match=r"default_commission_rate \(from rate\) is not a number"):
        put(crm, {**ANN, "rate": {"percent": 3}}, "v2", name)
    assert site.requests == []


def test_a_fieldname_that_erpnext_does_not_have_is_told_and_nothing_stays(site: ErpNextStandIn) -> None:
    wrong = {**CONTACTS, "fields": {**CONTACTS["fields"], "vat_number": "vat"}}

    with pytest.raises(NotConfigured, match="Customer in ERPNext has no field vat_number; correct the fieldnames"):
        put(rows_to(http_to(site), contacts=wrong), ANN)
    assert site.documents("Customer") == []


def test_a_row_that_is_gone_disables_its_document_and_one_that_returns_enables_it(
    site: ErpNextStandIn, crm: ErpNextDestination
) -> None:
    put(crm, ANN)

    effects = [gone(crm, "v2").effect, gone(crm, "v2").effect]
    disabled = site.documents("Customer")[0]["disabled"]
    put(crm, ANN, "v3")

    assert (effects, disabled) == ([Effect.APPLIED, Effect.UNCHANGED], 1)
    assert site.documents("Customer")[0]["disabled"] == 0


def test_a_deletion_that_is_older_than_the_document_changes_nothing(
    site: ErpNextStandIn, crm: ErpNextDestination
) -> None:
    put(crm, ANN, "v3")

    assert gone(crm, "v2").effect == Effect.STALE
    assert gone(crm, "v4", key="8").effect == Effect.IGNORED
    assert site.documents("Customer")[0]["disabled"] == 0


def test_what_was_erased_is_left_alone(site: ErpNextStandIn, crm: ErpNextDestination) -> None:
    name = put(crm, ANN).name
    ErpNext(http_to(site)).update("Customer", name, {"hub_source_version": REDACTED})
    site.clear_requests()

    assert (put(crm, ANN, "v2", name).effect, gone(crm, "v3").effect) == (Effect.IGNORED, Effect.IGNORED)
    assert writes(site) == []


def test_a_deletion_that_nobody_asked_to_follow_is_recorded_as_ignored(site: ErpNextStandIn) -> None:
    crm = rows_to(http_to(site), contacts={**CONTACTS, "on_delete": "ignore"})
    put(crm, ANN)

    assert (gone(crm).effect, gone(crm).rule) == (
        Effect.IGNORED,
        "the row is gone at the source; its document stays (on_delete: ignore)",
    )


def test_a_doctype_that_cannot_be_disabled_is_told(site: ErpNextStandIn) -> None:
    setup(http_to(site), ["Address"])
    rules = {
        "doctype": "Address",
        "fields": {"address_title": "name", "address_line1": "street", "city": "city"},
        "constants": {"address_type": "Billing", "country": "United States"},
        "on_delete": "ignore",
    }
    row = {"name": "Ann", "street": "Main St 1", "city": "Boston"}
    put(rows_to(http_to(site), contacts=rules), row)
    tree = {**rules, "doctype": "Contact", "fields": {"first_name": "name"}, "constants": {}, "on_delete": "disable"}
    setup(http_to(site), ["Contact"])
    ErpNext(http_to(site)).insert("Contact", {"first_name": "Ann", "hub_external_id": "crm:contact:7"})

    assert len(site.documents("Address")) == 1
    with pytest.raises(NotConfigured, match="Contact in ERPNext has no field disabled; set on_delete to ignore"):
        gone(rows_to(http_to(site), contacts=tree))


PEOPLE: dict[str, Any] = {
    "doctype": "Contact",
    "fields": {"first_name": {"from": "name", "required": True}},
    "tables": {
        "email_ids": {"fields": {"email_id": "mail"}, "constants": {"is_primary": 1}},
        "phone_nos": {"from": "phones", "fields": {"phone": "no"}},
    },
}
EVE: dict[str, Any] = {"name": "Eve", "mail": "eve@example.com", "phones": [{"no": "1"}, {"no": "2"}]}


def test_child_tables_say_what_the_row_says_and_change_with_it(site: ErpNextStandIn) -> None:
    setup(http_to(site), ["Contact"])
    crm = rows_to(http_to(site), contacts=PEOPLE)
    name = put(crm, EVE).name
    again = put(crm, EVE, "v2", name).effect
    put(crm, {**EVE, "mail": None, "phones": [{"no": "2"}]}, "v3", name)

    [contact] = site.documents("Contact")
    assert again == Effect.UNCHANGED
    assert (contact["email_ids"], [line["phone"] for line in contact["phone_nos"]]) == ([], ["2"])


def test_a_column_or_table_that_erpnext_does_not_have_is_told(site: ErpNextStandIn) -> None:
    setup(http_to(site), ["Contact"])
    columns = {**PEOPLE, "tables": {"email_ids": {"fields": {"email_id": "mail", "mail_adress": "mail"}}}}
    tables = {**PEOPLE, "tables": {"mails": {"fields": {"email_id": "mail"}}}}

    for rules, told in ((columns, "email_ids.mail_adress"), (tables, "mails")):
        with pytest.raises(NotConfigured, match=f"Contact in ERPNext has no field {told};"):
            put(rows_to(http_to(site), contacts=rules), EVE)
    assert site.documents("Contact") == []


def test_setup_makes_the_fields_of_the_doctypes_that_rows_become_once(site: ErpNextStandIn) -> None:
    first = dict(setup(http_to(site), ["Address", "Contact", "Customer", "Address"]))
    second = setup(http_to(site), ["Address", "Contact", "Customer"])

    made = {name for name, state in first.items() if state == "created"}
    assert made == {"Address-hub_external_id", "Address-hub_source_version", "Contact-hub_source_version"}
    assert {state for _, state in second} == {"already there"}
    assert len(second) == len(dict(second))


def test_submitted_documents_are_amended_and_cancelled_as_stated(site: ErpNextStandIn) -> None:
    rules: dict[str, Any] = {
        "doctype": "Payment Entry",
        "fields": {
            "party": "payer",
            "paid_amount": {"from": "amount", "type": "money"},
            "received_amount": {"from": "amount", "type": "money"},
            "posting_date": {"from": "on", "type": "date"},
        },
        "constants": {
            "payment_type": "Receive",
            "party_type": "Customer",
            "company": "Acme Test Inc",
            "paid_to": "Main Bank - ATI",
            "reference_no": "bank",
            "reference_date": "2026-01-02",
        },
        "submit": True,
        "on_delete": "cancel",
    }
    payer = ErpNext(http_to(site)).insert(
        "Customer", {"customer_name": "Payer", "customer_group": "Commercial", "territory": "United States"}
    )
    row = {"payer": payer["name"], "amount": "12.50", "on": "2026-01-02"}
    bank = rows_to(http_to(site), contacts=rules)
    put(bank, row)
    put(bank, {**row, "amount": "13.50"}, "v2")
    found = [(doc["docstatus"], doc["paid_amount"]) for doc in site.documents("Payment Entry")]
    effect = gone(bank, "v3").effect

    assert found == [(2, 12.5), (1, 13.5)]
    assert (effect, [doc["docstatus"] for doc in site.documents("Payment Entry")]) == (Effect.APPLIED, [2, 2])


def test_a_draft_that_desk_users_submitted_is_theirs(site: ErpNextStandIn) -> None:
    rules = {
        "doctype": "Payment Entry",
        "fields": {"party": "payer", "paid_amount": {"from": "amount", "type": "money"}},
        "constants": {
            "payment_type": "Receive",
            "party_type": "Customer",
            "company": "Acme Test Inc",
            "paid_to": "Main Bank - ATI",
            "received_amount": 12.5,
            "posting_date": "2026-01-02",
            "reference_no": "bank",
            "reference_date": "2026-01-02",
        },
    }
    fields = {"customer_name": "Payer", "customer_group": "Commercial", "territory": "United States"}
    payer = ErpNext(http_to(site)).insert("Customer", fields)
    bank = rows_to(http_to(site), contacts=rules)
    name = put(bank, {"payer": payer["name"], "amount": "12.50"}).name
    ErpNext(http_to(site)).update("Payment Entry", name, {"docstatus": 1})

    with pytest.raises(Refused, match="is submitted and paid_amount changed in the source"):
        put(bank, {"payer": payer["name"], "amount": "13.50"}, "v2", name)


def test_a_stream_of_which_the_settings_say_nothing_is_told(site: ErpNextStandIn, crm: ErpNextDestination) -> None:
    with pytest.raises(NotConfigured, match=r"do not say what rows of deals become; add documents\.deals"):
        put(crm, ANN, stream="deals")


def test_a_flow_of_orders_still_states_all_that_orders_need() -> None:
    with pytest.raises(ValueError, match="warehouse"):
        FlowSettings(company="Acme", time_zone="UTC", documents={"contacts": CONTACTS})  # type: ignore[call-arg]
    assert settings(documents={"contacts": CONTACTS}).row_streams == {"contacts"}
