"""Rows of tables as records."""

import json
from decimal import Decimal

from hub.errors import Unreadable
from hub.events import Event
from hub.facts import UNREADABLE
from hub.records import Deletion, Record, TableRow


def read_row(event: Event, kind: str) -> Record:
    """A row as its table has it, or that it is gone; raises Unreadable for a row without a key."""
    entity, key = event.subject.split("/", 2)[1:]
    if kind == "deletion":
        return Deletion(entity=entity, id=key)
    if entity == UNREADABLE:
        what = "the row lacks a part of its key, or it is longer than 200 characters"
        raise Unreadable(f"{what}: see the stream's setting `key`, then reset the stream")
    return TableRow(stream=event.type.partition(".")[2], key=key, fields=json.loads(event.data, parse_float=Decimal))
