"""Reads the one fact of a Frappe delivery, whose body is what the webhook's template makes of a document."""

import re
from typing import Any

from hub.deliveries import Delivery
from hub.facts import Fact, Stated, at, canonical, fact_of, hashed_id, json_of, version_of

# The template may state the event; else the state of the document tells
STATES = {"0": "saved", "1": "submitted", "2": "cancelled"}
AMENDMENT = re.compile(r"-[0-9]+$")


def facts(delivery: Delivery) -> list[Fact]:
    """Nothing is read from headers or the URL, which Frappe does not sign. It sends no id: body, name and time tell.

    A body with `bins` states one fact about each of them, whichever document moved the stock.
    """
    body = json_of(delivery)
    bins = at(body, "bins")
    moved = [each for each in bins if isinstance(each, dict)] if isinstance(bins, list) else []
    if moved:
        return [_bin(each) for each in moved]
    stated = Stated(delivery, body, body)
    kind, name = _snake_case(stated.text("body:doctype")), stated.text("body:name")
    what = _snake_case(stated.text("body:event")) or STATES.get(stated.text("body:docstatus"), "")
    parts = [delivery.body, *(text.encode("utf-8", "surrogatepass") for text in (name, stated.text("body:modified")))]
    return [
        fact_of(
            f"{kind}/{what}" if kind and what else kind,
            [hashed_id(*parts)],
            kind,
            _first_name(name) if kind == "delivery_note" and stated.text("body:amended_from") else name,
            delivery.body,
            version=version_of(_with_zone(at(body, "modified")), "timestamp"),
            content_type=delivery.optional_header("content-type"),
        )
    ]


def _bin(stated: dict[str, Any]) -> Fact:
    """The level of one Item in one Warehouse. Equal levels of one moment are one fact, whoever tells of them."""
    data = canonical(stated)
    name = stated.get("name")
    version = version_of(_with_zone(stated.get("modified")), "timestamp")
    return fact_of(
        "bin/on_update", [hashed_id(data)], "bin", name if isinstance(name, str) else "", data, version=version
    )


def _first_name(name: str) -> str:
    """The name of the first of a chain of amendments, which are one thing: what the second ships the first no longer
    does, so that they must stay in order."""
    return AMENDMENT.sub("", name)


def _snake_case(doctype: str) -> str:
    """`Sales Order` as Frappe itself writes it where a blank would not do: `sales_order`."""
    return doctype.lower().replace(" ", "_").replace("-", "_")


def _with_zone(modified: Any) -> str:
    """`2026-01-01 05:34:12.104233` is the site's clock, which names no zone: it orders the site's own documents."""
    return f"{modified}Z" if isinstance(modified, str) and modified else ""
