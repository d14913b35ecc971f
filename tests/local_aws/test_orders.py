"""A signed order becomes exactly one Sales Order, follows the shop's changes, and is cancelled with it."""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

from infra.local.shopify import as_sent
from tests.local_aws.hub import (
    FLOW,
    MUG,
    OTHER_INTEGRATION,
    POSTER,
    SHIRT,
    LocalHub,
    a_customer,
    a_line,
    an_order,
    fresh_number,
)

DRAFT, SUBMITTED, CANCELLED = 0, 1, 2
TAX_ACCOUNT = "Sales Tax - ATI"
SHIPPING_ACCOUNT = "Freight and Forwarding Charges - ATI"


def test_an_order_becomes_one_submitted_sales_order_with_every_amount(hub: LocalHub) -> None:
    buyer = a_customer("Grace", "Hopper")
    body = an_order(
        a_line(MUG, 2, "12.50"),
        a_line(SHIRT, 3, "19.99", discount="9.97"),
        buyer=buyer,
        shipping=Decimal("5.90"),
        tax=Decimal("6.11"),
    )

    end = hub.end_of(f"order/{body['id']}", hub.deliver("orders/create", body))

    (order,) = hub.orders(body["id"])
    (customer,) = hub.customers(buyer["id"])
    assert (end.outcome, end.doctype, end.name) == ("applied", "Sales Order", order["name"])
    assert {name: order[name] for name in ("docstatus", "customer", "company", "currency", "po_no")} == {
        "docstatus": SUBMITTED,
        "customer": customer["name"],
        "company": "Acme Test Inc",
        "currency": "USD",
        "po_no": f"#{body['id']}",
    }
    assert customer["customer_name"] == "Grace Hopper"
    assert [(row["item_code"], row["qty"], row["rate"]) for row in order["items"]] == [
        (MUG, 2, 12.5),
        (SHIRT, 3, 19.99),
    ]
    assert [(row["account_head"], row["tax_amount"]) for row in order["taxes"]] == [
        (SHIPPING_ACCOUNT, 5.9),
        (TAX_ACCOUNT, 6.11),
    ]
    # 25.00 + 59.97 − 9.97 + 5.90 + 6.11
    assert (order["discount_amount"], order["grand_total"]) == (9.97, 87.01)


def test_an_order_of_500_lines_keeps_every_line_and_cent(hub: LocalHub) -> None:
    lines = [a_line(MUG, 1 + place % 3, f"{place % 90 + 1}.{place % 100:02d}") for place in range(500)]
    body = an_order(*lines, tax=Decimal("17.23"))

    hub.end_of(f"order/{body['id']}", hub.deliver("orders/create", body))

    (order,) = hub.orders(body["id"])
    assert [(row["qty"], Decimal(str(row["rate"]))) for row in order["items"]] == [
        (line.quantity, line.price) for line in lines
    ]
    expected = sum((line.quantity * line.price for line in lines), Decimal("17.23"))
    assert (order["docstatus"], Decimal(str(order["grand_total"]))) == (SUBMITTED, expected)


def test_a_change_amends_the_submitted_order_and_a_cancellation_cancels_it(hub: LocalHub) -> None:
    number, buyer = fresh_number(), a_customer()
    entity = f"order/{number}"
    first = an_order(a_line(MUG, 1), number=number, buyer=buyer, at=0)
    changed = an_order(a_line(MUG, 1), a_line(POSTER, 2, "9.99"), number=number, buyer=buyer, at=5)
    gone = {**changed, "cancelled_at": changed["updated_at"], "updated_at": an_order(at=9)["updated_at"]}

    ends = [
        hub.end_of(entity, hub.deliver(topic, body)).outcome
        for topic, body in (("orders/create", first), ("orders/updated", changed), ("orders/cancelled", gone))
    ]

    before, after = hub.orders(number)
    assert ends == ["applied"] * 3
    assert (before["docstatus"], before["grand_total"]) == (CANCELLED, 12.5)
    assert (after["docstatus"], after["grand_total"], after["amended_from"]) == (CANCELLED, 32.48, before["name"])


def test_a_change_that_changes_nothing_writes_nothing(hub: LocalHub) -> None:
    number, buyer = fresh_number(), a_customer()
    first = an_order(number=number, buyer=buyer, at=0)
    hub.end_of(f"order/{number}", hub.deliver("orders/create", first))
    (before,) = hub.orders(number)

    end = hub.end_of(f"order/{number}", hub.deliver("orders/updated", an_order(number=number, buyer=buyer, at=5)))

    assert end.outcome == "unchanged"
    assert hub.orders(number) == [before]


def test_an_older_version_that_comes_late_is_stale(hub: LocalHub) -> None:
    number, buyer = fresh_number(), a_customer()
    hub.end_of(f"order/{number}", hub.deliver("orders/create", an_order(number=number, buyer=buyer, at=8)))
    (before,) = hub.orders(number)
    late = an_order(a_line(MUG, 77), number=number, buyer=buyer, at=3)

    end = hub.end_of(f"order/{number}", hub.deliver("orders/updated", late))

    assert end.outcome == "stale"
    assert hub.orders(number) == [before]


def test_an_update_that_overtakes_its_create_makes_one_order(hub: LocalHub) -> None:
    number, buyer = fresh_number(), a_customer()
    newer = an_order(a_line(MUG, 3), number=number, buyer=buyer, at=5)
    older = an_order(a_line(MUG, 1), number=number, buyer=buyer, at=0)

    ends = [
        hub.end_of(f"order/{number}", hub.deliver(topic, body)).outcome
        for topic, body in (("orders/updated", newer), ("orders/create", older))
    ]

    (order,) = hub.orders(number)
    assert (ends, order["grand_total"]) == (["applied", "stale"], 37.5)


def test_the_same_delivery_ten_times_at_once_is_one_event_and_one_order(hub: LocalHub) -> None:
    body = an_order()
    content, webhook_id = as_sent(body), f"ten-times-{body['id']}"

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: hub.deliver("orders/create", content, webhook_id=webhook_id), range(10)))
    hub.end_of(f"order/{body['id']}", answers[0])
    hub.settle()

    assert {(answer.status, answer.event) for answer in answers} == {(200, webhook_id)}
    assert [end.outcome for end in hub.ends(f"order/{body['id']}")] == ["applied"]
    assert len(hub.orders(body["id"])) == 1


def test_ten_different_deliveries_of_one_order_at_once_are_one_order(hub: LocalHub) -> None:
    body = an_order()
    content = as_sent(body)

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: hub.deliver("orders/updated", content), range(10)))
    outcomes = sorted(hub.end_of(f"order/{body['id']}", answer).outcome for answer in answers)

    assert outcomes == ["applied"] + ["unchanged"] * 9
    assert len(hub.orders(body["id"])) == 1


def test_ten_orders_of_one_new_customer_at_once_are_one_customer(hub: LocalHub) -> None:
    buyer = a_customer("Katherine", "Johnson")
    bodies = [an_order(buyer=buyer) for _ in range(10)]

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda body: hub.deliver("orders/create", body), bodies))
    outcomes = {hub.end_of(f"order/{body['id']}", answer).outcome for body, answer in zip(bodies, answers, strict=True)}

    (customer,) = hub.customers(buyer["id"])
    assert outcomes == {"applied"}
    assert {order["customer"] for body in bodies for order in hub.orders(body["id"])} == {customer["name"]}


def test_a_customer_is_created_and_follows_the_shop(hub: LocalHub) -> None:
    buyer = a_customer("Hedy", "Lamarr")
    entity = f"customer/{buyer['id']}"
    married = {**buyer, "last_name": "Markey", "updated_at": an_order(at=5)["updated_at"]}

    ends = [hub.end_of(entity, hub.deliver(topic, body)) for topic, body in
            (("customers/create", buyer), ("customers/update", married))]  # fmt: skip

    (customer,) = hub.customers(buyer["id"])
    assert [end.outcome for end in ends] == ["applied", "applied"]
    assert customer["customer_name"] == "Hedy Markey"


def test_equal_ids_of_two_shops_are_two_orders(hub: LocalHub) -> None:
    body = an_order()
    elsewhere = hub.shop(OTHER_INTEGRATION).deliver("orders/create", body)
    hub.end_of(f"{OTHER_INTEGRATION}/order/{body['id']}", elsewhere)
    # ERPNext refuses a purchase order number twice for a customer only, and these are two customers
    hub.end_of(f"order/{body['id']}", hub.deliver("orders/create", body))

    keys = {
        str(order["hub_external_id"])
        for order in hub.erp.documents("Sales Order")
        if f":{body['id']}~" in str(order["hub_external_id"])
    }
    assert keys == {f"shop-eu:order:{body['id']}~0", f"{OTHER_INTEGRATION}:order:{body['id']}~0"}
    assert FLOW in {end.flow for end in hub.ends(f"order/{body['id']}")}
