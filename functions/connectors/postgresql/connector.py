"""Reads PostgreSQL's tables page by page, and writes rows into them."""

from collections.abc import Mapping
from typing import Any

from connectors.postgresql.dialect import PostgreSql
from connectors.postgresql.settings import FlowSettings, StreamSettings
from hub.connector import Database, Destination, Reach
from hub.events import Event
from hub.records import Record
from hub.sql.listing import TableListing
from hub.sql.reading import read_row
from hub.sql.upsert import TableDestination
from hub.streams import Listing, Stream


def listing(stream: Stream, settings: Mapping[str, Any], reach: Reach) -> Listing:
    """A table as its settings state it."""
    return TableListing(stream, StreamSettings(**settings), reach.client(), PostgreSql())


def read(event: Event, kind: str) -> Record:
    """A row; raises Unreadable for one without a key."""
    return read_row(event, kind)


def destination(database: Database, settings: Mapping[str, Any]) -> Destination:
    """A table as a destination."""
    return TableDestination(FlowSettings(**settings), database, PostgreSql())


def probe(database: Database) -> None:
    """Whether it serves; raises what a call raises."""
    database.select(PostgreSql.now)
