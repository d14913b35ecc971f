"""Orders as a shop of Shopify's sends them: some 10 KB each, no two alike, with every member that Shopify documents.

`infra.local.shopify.order` says what the hub reads; here stands beside it what is only carried along, so that sizes are true.
https://shopify.dev/docs/api/admin-rest/latest/resources/order
"""

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from infra.local.shopify import Body, Line, as_sent, fulfilled, fulfilment, order
from infra.local.stand_in import GOODS

LINES, USUAL_LINES = 6, 2  # an order of 10 KB, the size that all yardsticks were measured with; and a usual basket
BUYERS = 40  # customers who come again, as most of a shop's do


@dataclass(frozen=True, slots=True)
class World:
    """What orders are made of."""

    first: tuple[str, ...] = ("Ada", "Grace", "Hedy", "Katherine", "Alan", "Edsger", "Barbara", "Donald", "Margaret")
    last: tuple[str, ...] = (
        "Lovelace",
        "Hopper",
        "Lamarr",
        "Johnson",
        "Turing",
        "Dijkstra",
        "Liskov",
        "Knuth",
        "Perlman",
    )
    streets: tuple[str, ...] = (
        "Chestnut Street",
        "Main Street",
        "Oak Avenue",
        "Elm Road",
        "Harbour View",
        "Mill Close",
    )
    cities: tuple[tuple[str, str, str], ...] = (
        ("Fayetteville", "Tennessee", "TN"),
        ("Austin", "Texas", "TX"),
        ("Portland", "Oregon", "OR"),
        ("Ithaca", "New York", "NY"),
    )
    words: tuple[str, ...] = ("organic", "cotton", "travel", "mug", "shirt", "poster", "limited", "blue", "gift", "set")
    agent: str = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 Chrome/{}.0.0.0 Safari/537.36"
    site: str = "https://www.example.org/"


SHOP = World()


@dataclass(frozen=True, slots=True)
class Sent:
    """One delivery of a shop."""

    topic: str
    event: str
    body: bytes


def new_orders(count: int, seed: int = 1, world: World = SHOP, lines: int = LINES) -> list[Sent]:
    """So many orders, each created and heard of for the first time."""
    dice = random.Random(seed)  # noqa: S311 - orders to be had again, no secret
    return [
        Sent("orders/create", _uuid(dice), as_sent(an_order(_number(dice), dice, _moment(place), world, lines, place)))
        for place in range(count)
    ]


def lives(count: int, seed: int = 1, lines: int = LINES) -> list[Sent]:
    """So many orders' usual lives, five deliveries each: created and paid at once, which a shop tells by three topics of
    one version; and shipped hours later, after all of them have come, which it tells by two."""
    dice = random.Random(seed)  # noqa: S311 - orders to be had again, no secret
    first, later = [], []
    for place in range(count):
        body = an_order(_number(dice), dice, _moment(place), SHOP, lines, place)
        shipment = fulfilment(body, _number(dice), dict.fromkeys(range(lines), 1), _moment(place) + timedelta(hours=5))
        gone = fulfilled(body, shipment)
        first += [Sent(f"orders/{topic}", _uuid(dice), as_sent(body)) for topic in ("create", "paid", "updated")]
        later += [Sent(f"orders/{topic}", _uuid(dice), as_sent(gone)) for topic in ("fulfilled", "updated")]
    return first + later


def an_order(
    number: int, dice: random.Random, at: datetime, world: World = SHOP, lines: int = LINES, buyer: int = 0
) -> Body:
    """The body of orders/create; `buyer` is one of BUYERS."""
    person = _buyer(buyer % BUYERS, at, world)
    bought = [
        Line(
            dice.choice(GOODS[1:]),
            1 + dice.randrange(3),
            Decimal(dice.randrange(100, 9000)) / 100,
            title=_words(dice, world),
        )
        for _ in range(lines)
    ]
    cents = Decimal(dice.randrange(100, 900)) / 100
    body = order(number, person, bought, created_at=at, updated_at=at, shipping=cents, tax=cents + 1)
    body["line_items"] = [_whole(each, dice, world) for each in body["line_items"]]
    return body | _carried_along(body, person, dice, world)


def _buyer(place: int, at: datetime, world: World) -> Body:
    dice = random.Random(place)  # noqa: S311 - a buyer is always the same
    first, last, number = dice.choice(world.first), dice.choice(world.last), 7_000_000_000_000 + place
    return {
        "id": number,
        "email": f"{first.lower()}.{last.lower()}{place}@example.com",
        "created_at": (at - timedelta(days=90)).isoformat(),
        "updated_at": (at - timedelta(days=90)).isoformat(),
        "first_name": first,
        "last_name": last,
        "state": "disabled",
        "note": None,
        "verified_email": True,
        "multipass_identifier": None,
        "tax_exempt": False,
        "phone": None,
        "currency": "USD",
        "tax_exemptions": [],
        "admin_graphql_api_id": f"gid://shopify/Customer/{number}",
        "default_address": {
            "id": number + 1,
            "customer_id": number,
            **_address(first, last, dice, world),
            "default": True,
        },
    }


def _address(first: str, last: str, dice: random.Random, world: World) -> Body:
    city, province, code = dice.choice(world.cities)
    return {
        "first_name": first,
        "address1": f"{dice.randrange(1, 900)} {dice.choice(world.streets)}",
        "phone": f"+1 555 {dice.randrange(100, 999)} {dice.randrange(1000, 9999)}",
        "city": city,
        "zip": f"{dice.randrange(10000, 99999)}",
        "province": province,
        "country": "United States",
        "last_name": last,
        "address2": None,
        "company": None,
        "latitude": round(dice.uniform(30, 45), 7),
        "longitude": round(dice.uniform(-120, -75), 7),
        "name": f"{first} {last}",
        "country_code": "US",
        "province_code": code,
    }


def _whole(line: Body, dice: random.Random, world: World) -> Body:
    return line | {
        "admin_graphql_api_id": f"gid://shopify/LineItem/{line['id']}",
        "attributed_staffs": [],
        "fulfillable_quantity": line["quantity"],
        "fulfillment_service": "manual",
        "fulfillment_status": None,
        "grams": dice.randrange(50, 2000),
        "product_exists": True,
        "properties": [],
        "sales_line_item_group_id": None,
        "total_discount_set": {
            "shop_money": {"amount": "0.00", "currency_code": "USD"},
            "presentment_money": {"amount": "0.00", "currency_code": "USD"},
        },
        "variant_inventory_management": "shopify",
        "variant_title": _words(dice, world, 1),
        "vendor": "Example Goods",
        "duties": [],
    }


def _carried_along(body: Body, buyer: Body, dice: random.Random, world: World) -> dict[str, Any]:
    token, address = _hex(dice, 32), _address(buyer["first_name"], buyer["last_name"], dice, world)
    agent = world.agent.format(dice.randrange(120, 140))
    return {
        "app_id": 580111,
        "browser_ip": f"203.0.113.{dice.randrange(255)}",
        "buyer_accepts_marketing": dice.random() < 0.5,
        "cart_token": _hex(dice, 32),
        "checkout_id": _number(dice),
        "checkout_token": _hex(dice, 32),
        "client_details": {
            "accept_language": "en-US,en;q=0.9",
            "browser_height": None,
            "browser_ip": f"203.0.113.{dice.randrange(255)}",
            "browser_width": None,
            "session_hash": None,
            "user_agent": agent,
        },
        "closed_at": None,
        "company": None,
        "confirmation_number": _hex(dice, 9).upper(),
        "contact_email": buyer["email"],
        "customer_locale": "en-US",
        "device_id": None,
        "discount_codes": [],
        "estimated_taxes": False,
        "landing_site": f"/products/{_words(dice, world).replace(' ', '-')}?utm_source=newsletter",
        "landing_site_ref": None,
        "location_id": None,
        "merchant_of_record_app_id": None,
        "note": None,
        "note_attributes": [],
        "order_status_url": f"https://shop-eu.myshopify.com/690933842/orders/{token}/authenticate?key={_hex(dice, 32)}",
        "original_total_duties_set": None,
        "phone": None,
        "po_number": None,
        "reference": None,
        "referring_site": world.site,
        "source_identifier": None,
        "source_name": "web",
        "source_url": None,
        "tags": "",
        "token": token,
        "total_tip_received": "0.00",
        "total_weight": sum(each["grams"] * each["quantity"] for each in body["line_items"]),
        "user_id": None,
        "billing_address": address,
        "payment_terms": None,
        "shipping_address": address,
    }


def _number(dice: random.Random) -> int:
    return dice.randrange(5_000_000_000_000, 6_000_000_000_000)


def _moment(place: int) -> datetime:
    return datetime(2026, 11, 1, 9, 0, 0, tzinfo=UTC) + timedelta(seconds=place)


def _words(dice: random.Random, world: World, count: int = 3) -> str:
    return " ".join(dice.choice(world.words) for _ in range(count))


def _hex(dice: random.Random, digits: int) -> str:
    return f"{dice.getrandbits(4 * digits):0{digits}x}"


def _uuid(dice: random.Random) -> str:
    raw = _hex(dice, 32)
    return f"{raw[:8]}-{raw[8:12]}-4{raw[13:16]}-a{raw[17:20]}-{raw[20:]}"
