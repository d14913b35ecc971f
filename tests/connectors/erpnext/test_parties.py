"""Customers get an address, end, are merged and are forgotten, however often each is tried."""

import json
from typing import Any

import pytest

from connectors.erpnext.client import ErpNext
from connectors.erpnext.connector import ErpNextDestination
from hub.connector import Effect, Written
from hub.errors import NotConfigured, Parked
from hub.records import Customer, Deletion, Merge, Redaction
from infra.local.erpnext.server import ErpNextStandIn
from tests.connectors.erpnext.conftest import destination_to, http_to
from tests.connectors.erpnext.interruptions import die_everywhere
from tests.connectors.erpnext.orders import event, order

pytestmark = pytest.mark.slow  # each test starts a site of its own

ANN = Customer(id="7", name="Ann Smith", email="ann@example.com")
BOB = Customer(id="8", name="Bob Stone", email="bob@example.com")


def about(version: str = "v1", entity_id: str = "7") -> Any:
    return event(version, kind="customer", entity_id=entity_id)


def put(erp: ErpNextDestination, customer: Customer, version: str = "v1", known: str = "") -> Written:
    return erp.apply("upsert_customer", customer, about(version, customer.id), known)


def with_contacts(site: ErpNextStandIn) -> ErpNextDestination:
    return destination_to(http_to(site), contacts=True)


def addresses(site: ErpNextStandIn) -> list[tuple[str, str, list[str]]]:
    """Every Contact as (name, primary address, customers)."""
    return [
        (doc["name"], doc["email_id"], [row["link_name"] for row in doc["links"]]) for doc in site.documents("Contact")
    ]


def writes(site: ErpNextStandIn) -> list[tuple[str, str]]:
    return [(method, path) for method, path, _ in site.requests if method != "GET"]


def test_a_customer_gets_a_contact_whose_address_it_shows(site: ErpNextStandIn) -> None:
    put(with_contacts(site), ANN)

    [customer] = site.documents("Customer")
    assert addresses(site) == [("Ann Smith-Ann Smith", "ann@example.com", ["Ann Smith"])]
    assert (customer["email_id"], customer["customer_primary_contact"]) == ("ann@example.com", "Ann Smith-Ann Smith")


def test_no_contact_is_made_unless_wanted_and_none_without_an_address(
    site: ErpNextStandIn, erp: ErpNextDestination
) -> None:
    put(erp, ANN)
    put(with_contacts(site), Customer(id="9", name="Silent"))

    assert addresses(site) == []


def test_the_same_customer_again_writes_nothing(site: ErpNextStandIn) -> None:
    erp = with_contacts(site)
    name = put(erp, ANN).name
    site.clear_requests()

    assert (put(erp, ANN, "v1", name).effect, writes(site)) == (Effect.UNCHANGED, [])


def test_a_new_address_replaces_the_old_one_and_others_stay(site: ErpNextStandIn) -> None:
    erp = with_contacts(site)
    name = put(erp, ANN).name
    rows = [{"email_id": "ann@example.com", "is_primary": 1}, {"email_id": "work@example.com"}]
    ErpNext(http_to(site)).update("Contact", "Ann Smith-Ann Smith", {"email_ids": rows})

    written = put(erp, ANN.model_copy(update={"email": "new@example.com"}), "v2", name)

    [contact] = site.documents("Contact")
    assert written.effect == Effect.APPLIED
    assert [row["email_id"] for row in contact["email_ids"]] == ["new@example.com", "work@example.com"]
    assert site.documents("Customer")[0]["email_id"] == "new@example.com"


def test_a_contact_that_desk_users_chose_stays_the_primary_one(site: ErpNextStandIn) -> None:
    name = put(destination_to(http_to(site)), ANN).name
    erp = ErpNext(http_to(site))
    links = [{"link_doctype": "Customer", "link_name": name}]
    theirs = erp.insert("Contact", {"first_name": "Desk", "email_ids": [{"email_id": "d@example.com"}], "links": links})
    erp.update("Customer", name, {"customer_primary_contact": theirs["name"]})

    put(with_contacts(site), ANN, "v2", name)

    [customer] = site.documents("Customer")
    assert (customer["email_id"], len(addresses(site))) == ("d@example.com", 2)


def test_an_address_that_erpnext_refuses_is_left_out_and_told(site: ErpNextStandIn) -> None:
    written = put(with_contacts(site), ANN.model_copy(update={"email": "nonsense"}))

    assert (written.effect, addresses(site)) == (Effect.APPLIED, [])
    assert written.rule == "without e-mail address, which ERPNext refuses (InvalidEmailAddressError)"


def test_a_name_of_full_length_still_gets_a_contact(site: ErpNextStandIn) -> None:
    put(with_contacts(site), ANN.model_copy(update={"name": "x" * 100}))

    [(name, _, _)] = addresses(site)
    assert len(name) <= 140


def test_an_order_makes_its_new_customers_contact_and_later_ones_ask_no_more(site: ErpNextStandIn) -> None:
    erp = with_contacts(site)
    erp.apply("upsert_sales_order", order(customer=ANN), event(), "")
    site.clear_requests()

    erp.apply("upsert_sales_order", order(id="2", number="#2", customer=ANN), event(entity_id="2"), "")

    assert addresses(site) == [("Ann Smith-Ann Smith", "ann@example.com", ["Ann Smith"])]
    assert [method for method, _, _ in site.requests] == ["POST", "PUT"]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_dying_at_any_call_of_an_order_still_makes_one_contact(site: ErpNextStandIn, after: bool) -> None:
    def act(http: Any) -> None:
        destination_to(http, contacts=True).apply("upsert_sales_order", order(customer=ANN), event(), "")

    assert die_everywhere(http_to(site), act, after=after) >= 5
    assert addresses(site) == [("Ann Smith-Ann Smith", "ann@example.com", ["Ann Smith"])]
    assert site.documents("Customer")[0]["email_id"] == "ann@example.com"


# Deletion


def test_a_deleted_customer_is_disabled_once(site: ErpNextStandIn, erp: ErpNextDestination) -> None:
    put(erp, ANN)

    first, second = (erp.apply("remove", Deletion(entity="customer", id="7"), about(""), "") for _ in range(2))

    assert (first.effect, second.effect) == (Effect.APPLIED, Effect.UNCHANGED)
    assert [doc["disabled"] for doc in site.documents("Customer")] == [1]


def test_a_customer_that_erpnext_never_had_is_gone_already(erp: ErpNextDestination) -> None:
    assert erp.apply("remove", Deletion(entity="customer", id="7"), about(""), "").effect == Effect.IGNORED


def test_what_the_hub_cannot_remove_is_named(erp: ErpNextDestination) -> None:
    with pytest.raises(NotConfigured, match="nothing is removed for a deleted voucher"):
        erp.apply("remove", Deletion(entity="voucher", id="7"), about(""), "")


# Merging


def merge(erp: ErpNextDestination) -> Written:
    return erp.apply("merge_customers", Merge(kept_id="8", gone_id="7"), about("", "8"), "")


def test_a_merged_customer_hands_over_its_documents(site: ErpNextStandIn) -> None:
    erp = with_contacts(site)
    put(erp, BOB)
    erp.apply("upsert_sales_order", order(customer=ANN), event(), "")

    written = merge(erp)

    assert written == Written(Effect.APPLIED, "Customer", "Bob Stone")
    assert [doc["customer"] for doc in site.documents("Sales Order")] == ["Bob Stone"]
    assert [doc["hub_external_id"] for doc in site.documents("Customer")] == ["shop-eu:customer:8"]
    assert {customers[0] for _, _, customers in addresses(site)} == {"Bob Stone"}


def test_merging_keeps_the_name_that_the_source_gave_the_kept_customer(
    site: ErpNextStandIn, erp: ErpNextDestination
) -> None:
    """ERPNext calls a merged Customer by its document's name again."""
    put(erp, ANN)
    name = put(erp, BOB).name
    put(erp, BOB.model_copy(update={"name": "Bob Rock"}), "v2", name)

    merge(erp)

    assert [doc["customer_name"] for doc in site.documents("Customer")] == ["Bob Rock"]


def test_merging_again_changes_nothing(site: ErpNextStandIn, erp: ErpNextDestination) -> None:
    put(erp, ANN)
    put(erp, BOB)
    merge(erp)
    site.clear_requests()

    assert (merge(erp).effect, writes(site)) == (Effect.UNCHANGED, [])


def test_a_merge_waits_for_the_customer_that_is_kept(site: ErpNextStandIn, erp: ErpNextDestination) -> None:
    put(erp, ANN)

    with pytest.raises(Parked, match="merged into 8, which ERPNext does not have yet") as parked:
        merge(erp)

    assert parked.value.waits_for == "shop-eu/customer/8"
    put(erp, BOB)
    assert merge(erp).effect == Effect.APPLIED
    assert len(site.documents("Customer")) == 1


def test_a_merge_of_strangers_is_ignored(erp: ErpNextDestination) -> None:
    assert merge(erp).effect == Effect.IGNORED


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_dying_at_any_call_of_a_merge_leaves_one_customer(site: ErpNextStandIn, after: bool) -> None:
    erp = destination_to(http_to(site))
    put(erp, BOB)
    erp.apply("upsert_sales_order", order(customer=ANN), event(), "")

    assert die_everywhere(http_to(site), lambda http: merge(destination_to(http)), after=after) >= 3
    assert [doc["name"] for doc in site.documents("Customer")] == ["Bob Stone"]
    assert [doc["customer"] for doc in site.documents("Sales Order")] == ["Bob Stone"]


# Forgetting


def redact(erp: ErpNextDestination, customer_id: str = "7") -> Written:
    return erp.apply("redact_customer", Redaction(customer_id=customer_id), about("", customer_id), "")


def lived(site: ErpNextStandIn) -> None:
    """A person's traces: a customer with a changed name, contact, address, and an order with the shop's payload."""
    erp = destination_to(http_to(site), contacts=True, attach_payload=True)
    name = put(erp, ANN).name
    put(erp, ANN.model_copy(update={"name": "Ann Jones"}), "v2", name)
    erp.apply("upsert_sales_order", order(customer=ANN), event(), "")
    http = ErpNext(http_to(site))
    links = [{"link_doctype": "Customer", "link_name": name}]
    street = {"address_title": "Ann Smith", "address_line1": "Ann's Lane 1", "city": "Smithtown", "pincode": "D-12345"}
    http.insert("Address", {**street, "country": "Germany", "phone": "+49 30 0123", "links": links})
    phones = [{"phone": "+49 30 0123", "is_primary_phone": 1}]
    http.update("Contact", "Ann Smith-Ann Smith", {"phone_nos": phones})
    http.update("Customer", name, {"tax_id": "ANN-1", "website": "ann.example.com"})
    assert (http.get("Customer", name) or {})["first_name"] == "Ann Jones"


def said_of_people(site: ErpNextStandIn) -> str:
    """All that Customers, Contacts and Addresses say, and the files' names."""
    documents = [site.documents(doctype) for doctype in ("Customer", "Contact", "Address", "File")]
    return json.dumps(documents).casefold()


def test_a_forgotten_customer_leaves_no_personal_data(site: ErpNextStandIn, erp: ErpNextDestination) -> None:
    lived(site)

    written = redact(erp)

    assert written == Written(Effect.APPLIED, "Customer", "Redacted shop-eu 7")
    text = said_of_people(site)
    assert not [
        word for word in ("ann", "jones", "+49 30 0123", "d-12345") if word in text.replace("account_manager", "")
    ]
    assert site.documents("File") == []
    assert [doc["customer"] for doc in site.documents("Sales Order")] == ["Redacted shop-eu 7"]
    assert [doc["name"] for doc in site.documents("Contact")] == ["Redacted shop-eu 7"]


def test_forgetting_again_changes_nothing(site: ErpNextStandIn, erp: ErpNextDestination) -> None:
    lived(site)
    redact(erp)
    site.clear_requests()

    assert (redact(erp).effect, writes(site)) == (Effect.UNCHANGED, [])


def test_late_events_of_a_forgotten_customer_bring_nothing_back(site: ErpNextStandIn) -> None:
    lived(site)
    redact(destination_to(http_to(site)))
    erp = with_contacts(site)

    late = put(erp, ANN, "v9")
    unversioned = put(erp, ANN, "")
    erp.apply("upsert_sales_order", order(id="2", number="#2", customer=ANN), event(entity_id="2"), "")

    assert (
        late
        == unversioned
        == Written(Effect.IGNORED, "Customer", "Redacted shop-eu 7", "the person's data were erased for good")
    )
    assert "ann" not in said_of_people(site).replace("account_manager", "")
    assert len(site.documents("Sales Order")) == 2


def test_a_contact_that_others_use_too_is_left_and_named(site: ErpNextStandIn) -> None:
    erp = with_contacts(site)
    put(erp, ANN)
    put(erp, BOB)
    both = [{"link_doctype": "Customer", "link_name": name} for name in ("Ann Smith", "Bob Stone")]
    ErpNext(http_to(site)).update("Contact", "Bob Stone-Bob Stone", {"links": both})

    written = redact(erp)

    assert written.rule == "left as they were, since others use them too: Bob Stone-Bob Stone"
    assert ("Bob Stone-Bob Stone", "bob@example.com") in [each[:2] for each in addresses(site)]


def test_a_customer_called_by_a_number_keeps_it(site: ErpNextStandIn, erp: ErpNextDestination) -> None:
    put(erp, ANN)
    ErpNext(http_to(site)).rename("Customer", "Ann Smith", "CUST-2026-00007")

    assert redact(erp).name == "CUST-2026-00007"
    assert [doc["customer_name"] for doc in site.documents("Customer")] == ["Redacted shop-eu 7"]


def test_a_stranger_needs_no_forgetting(erp: ErpNextDestination) -> None:
    assert redact(erp).effect == Effect.IGNORED


def test_a_disabled_customer_stays_disabled_when_forgotten(site: ErpNextStandIn, erp: ErpNextDestination) -> None:
    put(erp, ANN)
    erp.apply("remove", Deletion(entity="customer", id="7"), about(""), "")

    redact(erp)

    assert [doc["disabled"] for doc in site.documents("Customer")] == [1]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_dying_at_any_call_still_forgets_everything(site: ErpNextStandIn, after: bool) -> None:
    lived(site)

    assert die_everywhere(http_to(site), lambda http: redact(destination_to(http)), after=after) >= 10

    text = said_of_people(site)
    assert not [
        word for word in ("ann", "jones", "+49 30 0123", "d-12345") if word in text.replace("account_manager", "")
    ]
    assert site.documents("File") == []
