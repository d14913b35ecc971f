"""Reads any JSON API page by page, as the configuration states it."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from connectors.generic_rest.listing import RestListing
from connectors.generic_rest.settings import StreamSettings
from hub.connector import Reach
from hub.errors import Unreadable
from hub.events import Event
from hub.facts import UNREADABLE
from hub.records import Deletion, Record, TableRow
from hub.streams import Listing, Stream


def listing(stream: Stream, settings: Mapping[str, Any], reach: Reach) -> Listing:
    """A stream as its settings state it."""
    return RestListing(stream, StreamSettings(**settings), reach)


def read(event: Event, kind: str) -> Record:
    """A row as the source listed it, or that it is gone; raises Unreadable for a row without a key or fields."""
    entity, key = event.subject.split("/", 2)[1:]
    if kind == "deletion":
        return Deletion(entity=entity, id=key)
    if entity == UNREADABLE:
        raise Unreadable(
            "the row bears no key: see the stream's setting `key`, then reset the stream or replay the event"
        )
    try:
        fields = json.loads(event.data, parse_float=Decimal, parse_constant=_no_number)
    except ValueError as error:
        raise Unreadable("the row is no JSON: it holds NaN or an infinite number") from error
    if not isinstance(fields, dict):
        raise Unreadable("the row is no object with fields: see the stream's setting `rows`")
    return TableRow(stream=event.type.partition(".")[2], key=key, fields=fields)


def _no_number(name: str) -> None:
    raise ValueError(name)
