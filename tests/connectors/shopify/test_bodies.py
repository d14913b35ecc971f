"""The bodies beside orders and refunds: shipments, transactions, products, merges, deletions, erasures."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.shopify.connector import read
from connectors.shopify.products import plain_text
from hub.connector import NotWanted
from hub.errors import Permanent, Unreadable
from hub.records import Deletion, Fulfilment, Merge, Payment, Product, Redaction
from infra.local import shopify
from infra.local.shopify import Body, Choice, Line, as_sent
from tests.fakes import an_event

AT = datetime(2026, 1, 1, tzinfo=UTC)
ORDER = shopify.order(1, None, [Line("MUG", 2, Decimal(5)), Line(None, 1, Decimal(9))], created_at=AT, updated_at=AT)
SHIPMENT = shopify.fulfilment(ORDER, 3, {0: 1, 1: 1}, AT, tracking="1Z999", carrier="UPS")
SALE = shopify.transaction(ORDER, 4, Decimal(19), AT)
SHIRT = shopify.product(
    8,
    "Shirt",
    [Choice(81, "S-RED", Decimal("19.90"), "Red", "4006381333931"), Choice(82, None, Decimal(0), "Blue")],
    AT,
)


def recorded(body: Body, kind: str, subject: str = "shop-eu/order/1") -> Any:
    return read(replace(an_event(data=as_sent(body)), subject=subject), kind)


# --- shipments --------------------------------------------------------------------------------------------------------


def test_a_shipment_says_what_left_and_how() -> None:
    shipment = recorded(SHIPMENT, "fulfilment")

    assert isinstance(shipment, Fulfilment)
    assert [(line.line_id, line.sku) for line in shipment.lines] == [("1000", "MUG"), ("1001", "")]
    assert [line.quantity for line in shipment.lines] == [1, 1]
    assert (shipment.order_id, shipment.shipped_at) == ("1", AT)
    assert (shipment.carrier, shipment.tracking_numbers, shipment.is_cancelled) == ("UPS", ("1Z999",), False)


@pytest.mark.parametrize(
    ("fields", "numbers"),
    [
        ({"tracking_numbers": None}, ("1Z999",)),
        ({"tracking_numbers": [], "tracking_number": None}, ()),
        ({"tracking_numbers": ["A", "", "B", "A"]}, ("A", "B")),
    ],
)
def test_tracking_numbers_are_told_once_each(fields: Body, numbers: tuple[str, ...]) -> None:
    assert recorded(SHIPMENT | fields, "fulfilment").tracking_numbers == numbers


@pytest.mark.parametrize("status", ["cancelled", "error", "failure"])
def test_a_shipment_that_did_not_happen_is_cancelled(status: str) -> None:
    assert recorded(SHIPMENT | {"status": status}, "fulfilment").is_cancelled


@pytest.mark.parametrize("status", ["pending", "open"])
def test_a_shipment_that_has_not_left_yet_is_none(status: str) -> None:
    waiting = SHIPMENT | {"status": status}

    assert recorded(waiting, "fulfilment") == NotWanted(
        "the fulfilment is not shipped yet; Shopify tells again when it is"
    )
    assert recorded(shopify.fulfilled(ORDER, waiting), "order").fulfilments == ()


def test_a_shipment_of_nothing_is_none() -> None:
    empty = shopify.fulfilment(ORDER, 3, {0: 0}, AT)

    assert recorded(empty, "fulfilment") == NotWanted("the fulfilment ships nothing")


def test_a_status_that_nobody_knows_is_not_taken_for_shipped() -> None:
    with pytest.raises(Unreadable, match="status: is no fulfilment's"):
        recorded(SHIPMENT | {"status": "teleported"}, "fulfilment")


# --- transactions -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["sale", "capture"])
def test_money_that_came_in_is_a_payment(kind: str) -> None:
    assert recorded(SALE | {"kind": kind}, "payment") == Payment(
        id="4", order_id="1", paid_at=AT, currency="USD", amount=Decimal(19), gateway="shopify_payments"
    )


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"kind": "authorization"}, "not a sale nor a capture: no money came in"),
        ({"kind": "void"}, "not a sale nor a capture: no money came in"),
        ({"kind": "change"}, "not a sale nor a capture: no money came in"),
        ({"kind": "refund"}, "a refund's transaction: refunds/create and orders/updated tell of the refund"),
        ({"kind": "refund", "status": "pending"}, "a refund's transaction: refunds/create and orders/updated tell"),
        ({"status": "pending"}, "the payment did not succeed, or not yet: no money came in"),
        ({"status": "failure"}, "the payment did not succeed, or not yet: no money came in"),
        ({"status": "error"}, "the payment did not succeed, or not yet: no money came in"),
        ({"amount": "0.00"}, "a payment of nothing"),
    ],
)
def test_what_brings_no_money_is_ignored_with_the_rule(fields: Body, rule: str) -> None:
    nothing = recorded(SALE | fields, "payment")

    assert isinstance(nothing, NotWanted)
    assert nothing.rule.startswith(rule)


@pytest.mark.parametrize("status", ["failure", "error"])
def test_a_refund_that_fails_after_it_was_told_is_a_persons_matter(status: str) -> None:
    with pytest.raises(Unreadable, match="a refund failed, so that the buyer has not got the money"):
        recorded(SALE | {"kind": "refund", "status": status}, "payment")


# --- products ---------------------------------------------------------------------------------------------------------


def test_a_product_has_its_variants() -> None:
    product = recorded(SHIRT, "product")

    assert isinstance(product, Product)
    assert [(each.id, each.sku, each.title, each.price, each.barcode) for each in product.variants] == [
        ("81", "S-RED", "Shirt - Red", Decimal("19.90"), "4006381333931"),
        ("82", "", "Shirt - Blue", Decimal(0), ""),
    ]


def test_the_only_variant_bears_the_products_name() -> None:
    product = recorded(shopify.product(8, "Mug", [Choice(81, "MUG", Decimal(5))], AT), "product")

    assert [each.title for each in product.variants] == ["Mug"]


@pytest.mark.parametrize(
    ("status", "is_active"), [("active", True), (None, True), ("draft", False), ("archived", False)]
)
def test_only_what_is_sold_is_active(status: str | None, is_active: bool) -> None:
    assert recorded(SHIRT | {"status": status}, "product").is_active is is_active


def test_variants_that_a_body_leaves_out_do_not_seem_to_be_gone() -> None:
    with pytest.raises(Unreadable, match="the body bears 1 of the product's 2 variants"):
        recorded(SHIRT | {"variants": SHIRT["variants"][:1]}, "product")


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("", ""),
        ("<p>Good <strong>shirt</strong>!</p>\n<p>Cotton &amp; linen</p>", "Good shirt!\nCotton & linen"),
        ("one<br>two<br/>three", "one\ntwo\nthree"),
        ("<ul><li>a</li><li>b</li></ul>", "a\nb"),
        ("<style>p {color: red}</style><p>x</p><script>alert('<p>y</p>')</script>z", "x\nz"),
        ("</script>still here", "still here"),
        ("1 < 2 &lt; 3", "1 < 2 < 3"),
        ("<!-- said aside -->a\n  b", "a b"),
    ],
)
def test_a_description_is_what_a_person_reads_of_it(html: str, text: str) -> None:
    assert plain_text(html) == text


@given(st.text(alphabet=st.sampled_from("<>/&;!-#xp \n\"'a=0") | st.characters(), max_size=60))
def test_no_description_is_too_broken_to_be_read(html: str) -> None:
    assert plain_text(html) == plain_text(html).strip()


# --- customers and what is gone ---------------------------------------------------------------------------------------


def test_two_customers_become_one() -> None:
    assert recorded(shopify.merged(3, 4), "merge") == Merge(kept_id="3", gone_id="4")


@pytest.mark.parametrize("status", ["requested", "in_progress", "failed"])
def test_a_merge_that_has_not_happened_is_none(status: str) -> None:
    nothing = recorded(shopify.merged(3, 4, status), "merge")

    assert isinstance(nothing, NotWanted)
    assert nothing.rule.startswith(f"the merge is {status}: nothing has changed")


def test_a_merge_of_unknown_end_is_told() -> None:
    with pytest.raises(Unreadable, match="look whether they were merged"):
        recorded(shopify.merged(3, 4, "postponed"), "merge")


@pytest.mark.parametrize("gid", [None, 3, "3", "gid://shopify/Order/3", "gid://shopify/Customer/3/4"])
def test_a_merge_names_customers(gid: Any) -> None:
    with pytest.raises(Unreadable, match="admin_graphql_api_customer_kept_id: must be a customer's global id"):
        recorded(shopify.merged(3, 4) | {"admin_graphql_api_customer_kept_id": gid}, "merge")


def test_who_must_be_forgotten_is_named_by_id_alone() -> None:
    person = shopify.customer(7, "Ada", "Lovelace", "ada@example.com", AT)

    assert recorded(shopify.redaction(person, [1]), "redaction") == Redaction(customer_id="7")


@pytest.mark.parametrize("entity", ["order", "product", "customer"])
def test_what_is_gone_is_of_the_kind_that_its_topic_names(entity: str) -> None:
    assert recorded(shopify.deleted(9), "deletion", f"shop-eu/{entity}/9") == Deletion(entity=entity, id="9")


def test_what_is_still_there_is_no_deletion() -> None:
    with pytest.raises(Unreadable, match="created_at: the body is of something that is still there"):
        recorded(SHIRT, "deletion")


# --- any ----------------------------------------------------------------------------------------------------------------

BODIES: dict[str, Body] = {
    "fulfilment": SHIPMENT,
    "payment": SALE,
    "product": SHIRT,
    "merge": shopify.merged(3, 4),
    "refund": shopify.refund(ORDER, 5, {0: 1}, AT, beyond=Decimal(1)),
    "order": shopify.refunded(ORDER, shopify.refund(ORDER, 5, {0: 1}, AT)),
}
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("1.00"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(SALE)), inner, max_size=4),
    max_leaves=6,
)


@given(
    st.sampled_from(sorted(BODIES)).flatmap(
        lambda kind: st.tuples(st.just(kind), st.sampled_from(sorted(BODIES[kind])))
    ),
    VALUES,
)
def test_whatever_a_field_holds_a_body_is_read_or_refused(place: tuple[str, str], value: Any) -> None:
    kind, name = place
    try:
        record = recorded(BODIES[kind] | {name: value}, kind)
    except Permanent:
        return
    assert isinstance(record, NotWanted) or record.kind == kind
