"""A hub that pulls a table, and a destination that applies what is queued."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from hub.events import Event
from hub.pull import Pulled, pull
from hub.runs import State
from hub.streams import Ask, Listing, Stream
from tests.servers.databases import Server


def a_stream(server: Server, **more: Any) -> Stream:
    """A stream of it."""
    return Stream("shop-db", server.connector, "orders", "order", **({"overlap": 60.0} | more))


@dataclass
class Hub:
    """Pulls with a connection of its own."""

    server: Server
    stream: Stream
    settings: dict[str, Any]
    state: State = field(default_factory=State)
    queued: list[Event] = field(default_factory=list)
    said: dict[str, tuple[str, dict[str, Any]]] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)

    def run(self, *, most_pages: int = 10_000, meanwhile: Any = lambda: None) -> Pulled:
        """A run; `meanwhile` is called before each page."""
        asked = iter(range(most_pages))
        listing = self.server.listing(self.stream, self.settings)

        def out_of_time() -> bool:
            meanwhile()
            return next(asked, None) is None

        return pull(
            replace(self.stream, steady=listing.steady, ordered=listing.ordered),
            listing,
            self.state,
            keep=self.keep,
            queue=self.queue,
            now=lambda: datetime.now(UTC),
            sleep=lambda _: None,
            out_of_time=out_of_time,
        )

    def keep(self, state: State) -> State:
        """The watermark never moves back."""
        assert state.watermark >= self.state.watermark
        self.state = state
        return state

    def queue(self, events: Sequence[Event]) -> None:
        """By version, the later one where they are equal, and no event twice."""
        self.queued += events
        for event in events:
            key = event.subject.split("/", 2)[2]
            if event.id not in self.ended and event.entity_version >= self.said.get(key, ("", {}))[0]:
                self.ended.add(event.id)
                self.said[key] = (event.entity_version, json.loads(event.data))

    def contents(self, column: str = "content") -> dict[str, Any]:
        """What the destination says in the end."""
        return {key: row[column] for key, (_, row) in self.said.items()}


def everything(listing: Listing, since: str = "", until: str = "") -> list[Any]:
    """All rows of all pages."""
    rows: list[Any] = []
    after = ""
    while True:
        page = listing.page(Ask(since, until, after))
        rows += page.rows
        after = page.next
        if not after:
            return rows
