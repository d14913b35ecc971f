"""Reads the one fact of a WooCommerce delivery, whose id WooCommerce makes of the webhook and the second alone."""

import hashlib
from typing import Any

from hub.deliveries import Delivery
from hub.facts import Fact, Stated, at, fact_of, json_of, time_of, version_of


def facts(delivery: Delivery) -> list[Fact]:
    """Topic and kind stand in headers. Two orders of one second share the delivery's id, so that the body counts too."""
    body = json_of(delivery)
    stated = Stated(delivery, body, body)
    delivery_id = stated.text("header:X-WC-Webhook-Delivery-ID")
    digest = hashlib.sha256(delivery.body).hexdigest()[:32]
    changed = _in_utc(at(body, "date_modified_gmt"))
    return [
        fact_of(
            stated.text("header:X-WC-Webhook-Topic"),
            [delivery_id, digest] if delivery_id else [],
            stated.text("header:X-WC-Webhook-Resource"),
            stated.text("body:id"),
            delivery.body,
            version=version_of(changed, "timestamp"),  # a deletion states none: the body is {"id": 727}
            time=time_of(changed),
            content_type=delivery.optional_header("content-type"),
        )
    ]


def _in_utc(time: Any) -> str:
    """`date_modified_gmt` is `2017-03-22T19:28:08`: in UTC, without saying so."""
    return f"{time}Z" if isinstance(time, str) and time else ""
