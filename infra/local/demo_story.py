"""The demo's story: what a shop sends, and what ERPNext must hold when it has all arrived, worked out by hand.

The expectations are stated here and in the shop's words; nothing of the hub's own mapping is asked for them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from infra.local import shopify
from infra.local.shopify import Body, Line

APPLIED, UNCHANGED, STALE = "applied", "unchanged", "stale"
REFUSED = ""  # nothing of it is kept, so no outcome either
SUBMITTED, CANCELLED = 1, 2


@dataclass(frozen=True, slots=True)
class Delivery:
    """One request of the shop, and how it must be answered and end."""

    title: str
    topic: str
    body: Body
    entity: str  # "order/8000…"
    outcome: str
    document: str = ""  # the external id of the document that it ends in
    status: int = 200
    webhook_id: str = ""  # "" is a new one
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Story:
    """Deliveries in their order; documents by doctype and external id."""

    deliveries: tuple[Delivery, ...]
    documents: Mapping[tuple[str, str], Mapping[str, Any]]
    external_ids: frozenset[str]  # of all entities, also of those of which nothing may be written


def story(integration: str, settings: Mapping[str, Any], now: datetime) -> Story:
    """The story with ids of its own: those of two runs differ as long as they start a tenth of a second apart."""
    run = int(now.timestamp() * 10)
    first, second, third = run * 10 + 1, run * 10 + 2, run * 10 + 3
    clock = now.astimezone(UTC).replace(microsecond=0) - timedelta(hours=1)
    ada = shopify.customer(run * 10 + 4, "Ada", "Lovelace", f"ada{run}@example.com", clock)
    charles = shopify.customer(run * 10 + 5, "Charles", "Babbage", f"charles{run}@example.com", clock)

    def order(number: int, buyer: Body, lines: list[Line], minutes: int, **more: Any) -> Body:
        return shopify.order(
            number, buyer, lines, created_at=clock, updated_at=clock + timedelta(minutes=minutes), **more
        )

    mugs = Line("DEMO-MUG", 2, Decimal("12.50"))
    shirt = Line("DEMO-SHIRT", 1, Decimal("24.00"), discount=Decimal("4.00"))
    posters = Line("DEMO-POSTER", 3, Decimal("9.99"))
    few = {"shipping": Decimal("5.90"), "tax": Decimal("3.94")}
    many = {"shipping": Decimal("5.90"), "tax": Decimal("6.57")}
    ordered = order(first, ada, [mugs, shirt], 0, **few)
    more = order(first, ada, [mugs, shirt, posters], 10, **many)
    gone = order(first, ada, [mugs, shirt, posters], 20, **many, cancelled_at=clock + timedelta(minutes=20))
    other = order(second, charles, [posters], 0)
    stale = order(second, charles, [Line("DEMO-POSTER", 99, Decimal("9.99"))], 5)
    fewer = order(second, charles, [Line("DEMO-POSTER", 1, Decimal("9.99"))], 15)
    forged = order(third, charles, [Line("DEMO-MUG", 1000, Decimal("0.01"))], 0)

    customer_a, customer_c = (f"{integration}:customer:{each['id']}" for each in (ada, charles))
    order_1, order_2 = (f"{integration}:order:{number}" for number in (first, second))
    twice = f"{run:x}-demo-twice"
    deliveries = (
        Delivery("a customer", "customers/create", ada, f"customer/{ada['id']}", APPLIED, customer_a),
        Delivery("order 1 of hers", "orders/create", ordered, f"order/{first}", APPLIED, f"{order_1}~0"),
        Delivery("order 1: three posters more", "orders/updated", more, f"order/{first}", APPLIED, f"{order_1}~1"),
        Delivery("order 1: cancelled", "orders/cancelled", gone, f"order/{first}", APPLIED, f"{order_1}~1"),
        Delivery(
            "order 2", "orders/create", other, f"order/{second}", APPLIED, f"{order_2}~0", webhook_id=twice
        ),
        Delivery(
            "order 2: the same delivery again", "orders/create", other, f"order/{second}", APPLIED, f"{order_2}~0",
            webhook_id=twice,
        ),
        Delivery("order 2: nothing new", "orders/updated", other, f"order/{second}", UNCHANGED, f"{order_2}~0"),
        Delivery("order 2: two posters fewer", "orders/updated", fewer, f"order/{second}", APPLIED, f"{order_2}~1"),
        Delivery("order 2: an older version, late", "orders/updated", stale, f"order/{second}", STALE),
        Delivery(
            "order 3: forged", "orders/create", forged, f"order/{third}", REFUSED, status=401,
            headers={"X-Shopify-Hmac-Sha256": shopify.signature(shopify.as_sent(forged), "not the secret")},
        ),
    )  # fmt: skip

    def sales_order(number: int, customer: str, revision: int, docstatus: int, **says: Any) -> dict[str, Any]:
        key = f"{integration}:order:{number}"
        return {
            "customer": customer,
            "docstatus": docstatus,
            "po_no": f"#{number}",
            "company": settings["company"],
            "currency": "USD",
            "transaction_date": clock.astimezone(ZoneInfo(settings["time_zone"])).date().isoformat(),
            "amended_from": f"{key}~{revision - 1}" if revision else "",
            **says,
        }

    shipping, tax = settings["shipping_account"], settings["tax_account"]
    two_mugs, one_shirt = ("DEMO-MUG", "2", "12.50"), ("DEMO-SHIRT", "1", "24.00")
    documents = {
        ("Customer", customer_a): _customer("Ada Lovelace", settings),
        ("Customer", customer_c): _customer("Charles Babbage", settings),
        # 2 × 12.50 + 24.00 − 4.00 = 45.00; + 5.90 shipping + 3.94 tax
        ("Sales Order", f"{order_1}~0"): sales_order(
            first, customer_a, 0, CANCELLED,
            items=[two_mugs, one_shirt], discount="4.00", taxes=[(shipping, "5.90"), (tax, "3.94")], total="54.84",
        ),
        # 45.00 + 3 × 9.99 = 74.97; + 5.90 + 6.57
        ("Sales Order", f"{order_1}~1"): sales_order(
            first, customer_a, 1, CANCELLED,
            items=[two_mugs, one_shirt, ("DEMO-POSTER", "3", "9.99")], discount="4.00",
            taxes=[(shipping, "5.90"), (tax, "6.57")], total="87.44",
        ),
        ("Sales Order", f"{order_2}~0"): sales_order(
            second, customer_c, 0, CANCELLED, items=[("DEMO-POSTER", "3", "9.99")], discount="0", taxes=[], total="29.97"
        ),
        ("Sales Order", f"{order_2}~1"): sales_order(
            second, customer_c, 1, SUBMITTED, items=[("DEMO-POSTER", "1", "9.99")], discount="0", taxes=[], total="9.99"
        ),
    }  # fmt: skip
    entities = {f"{integration}/{each.entity}".replace("/", ":") for each in deliveries} | {customer_c}
    return Story(deliveries, documents, frozenset(entities))


def _customer(name: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "customer_name": name,
        "customer_type": "Individual",
        "customer_group": settings["customer_group"],
        "territory": settings["territory"],
    }
