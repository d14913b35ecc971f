"""Reads files of rows as the configuration states their columns."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, BinaryIO

from connectors.csv.settings import StreamSettings
from connectors.csv.table import FileTable
from hub.errors import Unreadable
from hub.events import Event
from hub.files import Table
from hub.records import Record, TableRow


def table(file: BinaryIO, settings: Mapping[str, Any]) -> Table:
    """A file as the settings of its stream state it; raises FileRefused for one that is no such table."""
    return FileTable(file, StreamSettings(**settings))


def read(event: Event, kind: str) -> Record:
    """A row as its file held it, amounts as Decimal."""
    if kind != "row":
        raise Unreadable(f"a file's row is no {kind}: take the action off {event.type}")
    key = event.subject.split("/", 2)[2]
    return TableRow(stream=event.type.partition(".")[2], key=key, fields=json.loads(event.data, parse_float=Decimal))
