"""Products become Items and Item Prices that follow the source, and nothing that sells elsewhere is touched."""

from decimal import Decimal
from typing import Any

import pytest

from connectors.erpnext.client import Declined, ErpNext
from connectors.erpnext.connector import ErpNextDestination
from connectors.erpnext.documents import NotSetUp
from hub.connector import Effect, Written
from hub.errors import NotConfigured, Refused, Temporary
from hub.records import Deletion, Product, Variant
from infra.local.erpnext.faults import Fault
from infra.local.erpnext.server import ErpNextStandIn
from tests.connectors.erpnext.conftest import destination_to, http_to
from tests.connectors.erpnext.interruptions import die_everywhere
from tests.connectors.erpnext.orders import event, line, order, settings

pytestmark = pytest.mark.slow  # each test starts a site of its own

RED = Variant(id="11", sku="TEE-R", title="Tee - Red", price=Decimal("19.90"))
BLUE = Variant(id="12", sku="TEE-B", title="Tee - Blue", price=Decimal("20.90"))
PRICED: dict[str, Any] = {"item_prices": True, "price_currency": "USD"}


def product(*variants: Variant, **changes: Any) -> Product:
    values = {"id": "5", "title": "Tee", "description": "Cotton, < 200 g & soft", "variants": variants or (RED, BLUE)}
    return Product(**{**values, **changes})


def put(erp: ErpNextDestination, said: Product, version: str = "v1") -> Written:
    return erp.apply("upsert_items", said, event(version, kind="product", entity_id=said.id), "")


def items(site: ErpNextStandIn) -> dict[str, dict[str, Any]]:
    """The Items by name, without those that every test's site has."""
    found = {doc["name"]: doc for doc in site.documents("Item")}
    return {name: doc for name, doc in found.items() if not name.startswith("SKU-")}


def prices(site: ErpNextStandIn) -> list[tuple[str, float]]:
    return sorted((doc["item_code"], doc["price_list_rate"]) for doc in site.documents("Item Price"))


def calls(site: ErpNextStandIn) -> list[str]:
    return [f"{method} {path.split('?')[0]}" for method, path, _ in site.requests]


def test_each_variant_becomes_an_item(site: ErpNextStandIn, erp: ErpNextDestination) -> None:
    written = put(erp, product())

    made = items(site)
    assert written == Written(Effect.APPLIED, "Item", "TEE-R")
    assert [(name, doc["item_name"], doc["disabled"]) for name, doc in made.items()] == [
        ("TEE-R", "Tee - Red", 0),
        ("TEE-B", "Tee - Blue", 0),
    ]
    assert made["TEE-R"]["description"] == "Cotton, &lt; 200 g &amp; soft"
    assert [doc["hub_external_id"] for doc in made.values()] == ["shop-eu:variant:11", "shop-eu:variant:12"]
    assert {doc["hub_product_id"] for doc in made.values()} == {"shop-eu:product:5"}


def test_an_unchanged_product_writes_nothing_and_costs_one_call(site: ErpNextStandIn, erp: ErpNextDestination) -> None:
    put(erp, product())
    site.clear_requests()

    written = put(erp, product(), "v2")

    assert (written.effect, calls(site)) == (Effect.UNCHANGED, ["GET /api/resource/Item"])


def test_barcodes_and_prices_cost_one_call_each(site: ErpNextStandIn) -> None:
    erp = destination_to(http_to(site), **PRICED)
    said = product(RED.model_copy(update={"barcode": "4006381333931"}), BLUE)
    put(erp, said)
    site.clear_requests()

    written = put(erp, said, "v2")

    assert written.effect == Effect.UNCHANGED
    assert calls(site) == [f"GET /api/resource/{doctype}" for doctype in ("Item", "Item%20Barcode", "Item%20Price")]


def test_a_changed_title_changes_its_item_alone(site: ErpNextStandIn, erp: ErpNextDestination) -> None:
    put(erp, product())
    site.clear_requests()

    put(erp, product(RED, BLUE.model_copy(update={"title": "Tee - Navy"})), "v2")

    assert items(site)["TEE-B"]["item_name"] == "Tee - Navy"
    assert [call for call in calls(site) if not call.startswith("GET")] == ["PUT /api/resource/Item/TEE-B"]


def test_an_item_that_was_there_before_is_adopted(site: ErpNextStandIn, erp: ErpNextDestination) -> None:
    http = http_to(site)
    ErpNext(http).insert("Item", {"item_code": "TEE-R", "item_group": "Services", "stock_uom": "Box"})

    put(erp, product())

    adopted = items(site)["TEE-R"]
    assert (adopted["hub_external_id"], adopted["item_group"], adopted["stock_uom"], len(items(site))) == (
        "shop-eu:variant:11",
        "Services",
        "Box",
        2,
    )


def test_an_item_of_another_shop_is_left_alone_and_named(site: ErpNextStandIn, erp: ErpNextDestination) -> None:
    ErpNext(http_to(site)).insert(
        "Item", {"item_code": "tee-r", "item_group": "Products", "hub_external_id": "shop-us:variant:1"}
    )

    written = put(erp, product())

    assert written.rule == "SKU TEE-R of variant 11 is left out: Item tee-r belongs to shop-us:variant:1"
    assert items(site)["tee-r"]["item_name"] == "tee-r"
    assert "TEE-B" in items(site)


def test_two_variants_of_one_sku_make_one_item(site: ErpNextStandIn, erp: ErpNextDestination) -> None:
    written = put(erp, product(RED, BLUE.model_copy(update={"sku": "TEE-R"})))

    assert "SKU TEE-R of variant 12 is left out" in written.rule
    assert list(items(site)) == ["TEE-R"]


def test_a_variant_without_sku_is_left_out_and_named(site: ErpNextStandIn, erp: ErpNextDestination) -> None:
    written = put(erp, product(RED.model_copy(update={"sku": ""}), BLUE))

    assert (written.effect, written.rule, list(items(site))) == (Effect.APPLIED, "variant 11 has no SKU", ["TEE-B"])


def test_a_product_without_any_sku_is_set_aside(site: ErpNextStandIn, erp: ErpNextDestination) -> None:
    with pytest.raises(NotConfigured, match="none of its variants has a SKU, by which orders find their Items"):
        put(erp, product(RED.model_copy(update={"sku": ""})))

    assert site.requests == []


def test_a_product_without_variants_disables_nothing(site: ErpNextStandIn, erp: ErpNextDestination) -> None:
    put(erp, product())

    with pytest.raises(Refused, match="states no variants at all"):
        put(erp, Product(id="5", title="Tee"), "v2")

    assert [doc["disabled"] for doc in items(site).values()] == [0, 0]


def test_a_variant_that_left_is_disabled_and_comes_back(site: ErpNextStandIn, erp: ErpNextDestination) -> None:
    put(erp, product())

    left = put(erp, product(RED), "v2")
    gone = items(site)["TEE-B"]["disabled"]
    put(erp, product(), "v3")

    assert (left.rule, gone) == ("Item TEE-B is disabled: its variant is gone", 1)
    assert items(site)["TEE-B"]["disabled"] == 0


def test_a_source_that_may_leave_out_variants_disables_none(site: ErpNextStandIn, erp: ErpNextDestination) -> None:
    put(erp, product())

    written = put(erp, product(RED, states_all_variants=False), "v2")

    assert "does not state all variants: 1 Items" in written.rule
    assert [doc["disabled"] for doc in items(site).values()] == [0, 0]


def test_an_inactive_product_disables_its_items(site: ErpNextStandIn, erp: ErpNextDestination) -> None:
    put(erp, product())

    put(erp, product(is_active=False), "v2")

    assert [doc["disabled"] for doc in items(site).values()] == [1, 1]


def test_a_deleted_product_disables_its_items_once(site: ErpNextStandIn, erp: ErpNextDestination) -> None:
    put(erp, product())
    gone = Deletion(entity="product", id="5")
    about = event("", kind="product", entity_id="5")

    first, second = (erp.apply("remove", gone, about, "") for _ in range(2))

    assert [doc["disabled"] for doc in items(site).values()] == [1, 1]
    assert (first.effect, second.effect) == (Effect.APPLIED, Effect.UNCHANGED)


def test_a_product_that_erpnext_never_had_is_gone_already(erp: ErpNextDestination) -> None:
    about = event("", kind="product", entity_id="5")

    assert erp.apply("remove", Deletion(entity="product", id="5"), about, "").effect == Effect.IGNORED


def test_an_older_product_changes_nothing(site: ErpNextStandIn, erp: ErpNextDestination) -> None:
    put(erp, product(), "v2")

    written = put(destination_to(http_to(site)), product(RED.model_copy(update={"title": "Old"})), "v1")

    assert (written.effect, items(site)["TEE-R"]["item_name"]) == (Effect.STALE, "Tee - Red")


def test_a_changed_sku_is_left_to_a_person_and_the_rest_is_written(
    site: ErpNextStandIn, erp: ErpNextDestination
) -> None:
    put(erp, product())

    with pytest.raises(Refused, match=r"SKUs changed \(Item TEE-R is TEE-RED now\); an Item keeps its code"):
        put(erp, product(RED.model_copy(update={"sku": "TEE-RED"}), BLUE.model_copy(update={"title": "Navy"})), "v2")

    assert {name: doc["item_name"] for name, doc in items(site).items()} == {"TEE-R": "Tee - Red", "TEE-B": "Navy"}


def test_a_changed_sku_can_rename_the_item_and_orders_find_it(site: ErpNextStandIn) -> None:
    erp = destination_to(http_to(site), sku_change="rename")
    put(erp, product())

    put(erp, product(RED.model_copy(update={"sku": "TEE-RED"}), BLUE), "v2")
    erp.apply("upsert_sales_order", order(lines=(line(sku="TEE-RED"),)), event(), "")

    assert sorted(items(site)) == ["TEE-B", "TEE-RED"]
    assert site.documents("Sales Order")[0]["items"][0]["item_code"] == "TEE-RED"


def test_an_item_that_a_person_renamed_to_the_new_sku_goes_on(site: ErpNextStandIn, erp: ErpNextDestination) -> None:
    put(erp, product())
    ErpNext(http_to(site)).rename("Item", "TEE-R", "TEE-RED")

    written = put(erp, product(RED.model_copy(update={"sku": "TEE-RED"}), BLUE), "v2")

    assert (written.effect, sorted(items(site))) == (Effect.UNCHANGED, ["TEE-B", "TEE-RED"])


def test_a_barcode_is_added_beside_those_of_desk_users(site: ErpNextStandIn, erp: ErpNextDestination) -> None:
    put(erp, product())
    http = ErpNext(http_to(site))
    http.update("Item", "TEE-R", {"barcodes": [{"barcode": "DESK"}]})

    put(erp, product(RED.model_copy(update={"barcode": "4006381333931"}), BLUE), "v2")

    assert [row["barcode"] for row in items(site)["TEE-R"]["barcodes"]] == ["DESK", "4006381333931"]


def test_another_items_barcode_is_left_out_and_named(site: ErpNextStandIn, erp: ErpNextDestination) -> None:
    ErpNext(http_to(site)).update("Item", "SKU-1", {"barcodes": [{"barcode": "400"}]})

    written = put(erp, product(RED.model_copy(update={"barcode": "400"}), BLUE))

    assert written.rule == "barcode 400 of SKU TEE-R is left out: Item SKU-1 bears it"
    assert (items(site)["TEE-R"]["barcodes"], len(items(site))) == ([], 2)


def test_one_barcode_on_two_variants_is_written_once(site: ErpNextStandIn, erp: ErpNextDestination) -> None:
    both = [variant.model_copy(update={"barcode": "400"}) for variant in (RED, BLUE)]

    put(erp, product(*both))

    assert [len(doc["barcodes"]) for doc in items(site).values()] == [1, 0]


def test_prices_are_written_where_they_are_wanted(site: ErpNextStandIn, erp: ErpNextDestination) -> None:
    put(erp, product())
    without = prices(site)
    put(destination_to(http_to(site), **PRICED), product())

    assert (without, prices(site)) == ([], [("TEE-B", 20.9), ("TEE-R", 19.9)])


def test_a_changed_price_changes_the_price_that_is_there(site: ErpNextStandIn) -> None:
    erp = destination_to(http_to(site), **PRICED)
    put(erp, product())

    put(erp, product(RED.model_copy(update={"price": Decimal("17.00")}), BLUE), "v2")

    assert prices(site) == [("TEE-B", 20.9), ("TEE-R", 17.0)]


def test_the_newest_general_price_is_adopted_and_special_ones_stay(site: ErpNextStandIn) -> None:
    http = ErpNext(http_to(site))
    put(destination_to(http_to(site)), product(RED))
    http.insert("Customer", {"customer_name": "Big", "customer_group": "Commercial", "territory": "United States"})
    price = {"item_code": "TEE-R", "price_list": "Standard Selling", "price_list_rate": 1}
    for more in ({"valid_from": "2020-01-01"}, {"valid_from": "2021-01-01"}, {"customer": "Big"}, {"packing_unit": 12}):
        http.insert("Item Price", {**price, **more})

    put(destination_to(http_to(site), **PRICED), product(RED))

    rates = {(doc["valid_from"], doc["customer"], doc["packing_unit"]): doc for doc in site.documents("Item Price")}
    assert len(rates) == 4
    assert [key[:2] for key, doc in rates.items() if doc["price_list_rate"] == 19.9] == [("2021-01-01", None)]


def test_a_price_list_of_another_currency_is_refused_and_keeps_nothing(site: ErpNextStandIn) -> None:
    erp = destination_to(http_to(site), item_prices=True, price_currency="EUR")

    with pytest.raises(NotConfigured, match="price list Standard Selling is in USD, the source's prices are in EUR"):
        put(erp, product())

    assert prices(site) == []


def test_item_prices_need_a_currency() -> None:
    with pytest.raises(ValueError, match="item_prices needs price_currency"):
        settings(item_prices=True)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_dying_at_any_call_ends_in_the_same_items_and_prices(site: ErpNextStandIn, after: bool) -> None:
    said = product(RED.model_copy(update={"barcode": "400"}), BLUE)
    renamed = product(RED.model_copy(update={"barcode": "401", "sku": "TEE-RED", "price": Decimal(7)}))
    wants: dict[str, Any] = {**PRICED, "sku_change": "rename"}

    died = die_everywhere(http_to(site), lambda http: put(destination_to(http, **wants), said), after=after)
    died += die_everywhere(http_to(site), lambda http: put(destination_to(http, **wants), renamed, "v2"), after=after)

    assert died >= 10
    assert {name: doc["disabled"] for name, doc in items(site).items()} == {"TEE-B": 1, "TEE-RED": 0}
    assert [row["barcode"] for row in items(site)["TEE-RED"]["barcodes"]] == ["400", "401"]
    assert prices(site) == [("TEE-B", 20.9), ("TEE-RED", 7.0)]


@pytest.mark.parametrize("kind", ["deadlock", "drop_after_commit", "drop_before_commit", "truncated", "html_error"])
@pytest.mark.parametrize("skip", range(5))
def test_a_fault_at_any_call_ends_in_the_same_items_and_prices(site: ErpNextStandIn, kind: str, skip: int) -> None:
    site.misbehave(Fault(kind, skip=skip))
    for _ in range(3):
        try:
            put(destination_to(http_to(site), **PRICED), product())
            break
        except Temporary:
            continue

    assert (sorted(items(site)), prices(site)) == (["TEE-B", "TEE-R"], [("TEE-B", 20.9), ("TEE-R", 19.9)])


def test_a_sku_that_is_no_name_for_an_item_is_refused_in_erpnexts_words(erp: ErpNextDestination) -> None:
    with pytest.raises(Declined, match="NameError"):
        put(erp, product(RED.model_copy(update={"sku": "<TEE>"})))


def test_before_the_setup_products_wait() -> None:
    with ErpNextStandIn() as bare, pytest.raises(NotSetUp, match="run `hub setup erp`"):
        put(destination_to(http_to(bare)), product())
