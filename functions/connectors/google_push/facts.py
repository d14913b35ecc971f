"""Reads the one fact of a push channel's message, which stands in its headers, and leaves the token out."""

from hub.deliveries import Delivery
from hub.facts import MAX_NAME_CHARS, Fact, Stated, canonical, fact_of, hashed_id

TOLD = {
    "channelId": "X-Goog-Channel-ID",
    "channelExpiration": "X-Goog-Channel-Expiration",
    "resourceId": "X-Goog-Resource-ID",
    "resourceUri": "X-Goog-Resource-URI",
    "resourceState": "X-Goog-Resource-State",
    "changed": "X-Goog-Changed",
    "messageNumber": "X-Goog-Message-Number",
}


def facts(delivery: Delivery) -> list[Fact]:
    """Channel and message number are the id. There is no version: each message says no more than "look again"."""
    stated = Stated(delivery, None, None)
    told = {name: value for name, header in TOLD.items() if (value := stated.text(f"header:{header}"))}
    channel, number = told.get("channelId", ""), told.get("messageNumber", "")
    data = canonical(told)
    uri = told.get("resourceUri", "")
    return [
        fact_of(
            told.get("resourceState", ""),
            [hashed_id(channel.encode("utf-8", "surrogatepass"), number.encode("utf-8", "surrogatepass"))]
            if number
            else [],
            "resource",
            uri if 0 < len(uri) <= MAX_NAME_CHARS else hashed_id(uri.encode("utf-8", "surrogatepass")),
            data,
        )
    ]
