"""A table at a source, and the sync function that reads it into a queue, on an imitated DynamoDB."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from adapters.backfills import DynamoBackfills
from adapters.cursors import DynamoCursors
from adapters.inventory import S3Inventories
from adapters.wiring import SyncHub
from hub.events import Event
from hub.reconcile import Judge, Reconciliation
from hub.streams import Ask, Declared, Listing, Page, Row, Stream
from sync.handler import sync
from tests.fakes import NOW, FakeTelemetry
from tests.sqs_batch import Context

BUCKET = "bodies"
ORDERS = Declared(Stream("shop-eu", "shop", "orders", "order", overlap=60.0), {"path": "/orders"})


@dataclass
class Hurried(Context):
    """The context of a function of which the time is up after so many looks at it."""

    pages: int = 1

    def get_remaining_time_in_millis(self) -> int:
        self.pages -= 1
        return self.milliseconds if self.pages >= 0 else 0


@dataclass
class StreamWorld:
    """`before` is called with each question before it is answered; `size` rows make a page."""

    dynamodb: Any
    table: str
    s3: Any = None
    rows: dict[str, Row] = field(default_factory=dict)
    size: int = 3
    before: Callable[[Ask], None] = lambda _: None
    queued: list[Event] = field(default_factory=list)
    to_run: list[Mapping[str, Any]] = field(default_factory=list)  # what functions asked to be run later
    asked: list[Ask] = field(default_factory=list)
    telemetry: FakeTelemetry = field(default_factory=FakeTelemetry)
    moment: datetime = NOW
    numbers: int = 0
    steady: bool = True
    ordered: bool = True
    judge: Callable[[Reconciliation], Judge] = field(default=lambda _: pytest.fail("nothing is to be judged"))
    told: list[tuple[str, str]] = field(default_factory=list)  # to operators

    def now(self) -> datetime:
        """Reading the clock takes a moment."""
        self.moment += timedelta(milliseconds=1)
        return self.moment

    def sleep(self, seconds: float) -> None:
        """Let time go by."""
        self.moment += timedelta(seconds=seconds)

    def write(self, key: str, version: str, content: str = "a") -> None:
        """A row at the source."""
        self.rows[key] = Row(key, version, f'{{"id":"{key}","content":"{content}"}}'.encode())

    def page(self, ask: Ask) -> Page:
        """As Listing."""
        self.asked.append(ask)
        self.before(ask)
        found = sorted(self.rows.values(), key=lambda row: (row.version, row.key))
        found = [row for row in found if row.version >= ask.since and (not ask.until or row.version < ask.until)]
        left = [row for row in found if f"{row.version}|{row.key}" > ask.after]
        page = left[: self.size]
        more = f"{page[-1].version}|{page[-1].key}" if len(left) > self.size else ""
        return Page(page, more, source_now=self.moment)

    def hub(self) -> SyncHub:
        """What the handler needs."""
        return SyncHub(
            DynamoCursors(self.dynamodb, self.table),
            DynamoBackfills(self.dynamodb, self.table),
            lambda token: S3Inventories(self.s3, BUCKET, self.now, token),
            self._open,
            self.queue,
            self.to_run.append,
            self.telemetry,
            self.now,
            self.sleep,
            self.judge,
            self.tell,
        )

    def queue(self, events: Sequence[Event]) -> None:
        """The flows' queues."""
        self.queued += events

    def tell(self, subject: str, text: str) -> None:
        """As Notices."""
        self.told.append((subject, text))

    def run(self, request: Mapping[str, Any], pages: int = 1_000_000, request_id: str = "") -> dict[str, Any]:
        """One function, which has time for so many pages."""
        self.numbers += 1
        context = Hurried(pages=pages, aws_request_id=request_id or f"request-{self.numbers}")
        return sync(dict(request), context, self.hub())

    def run_all(self) -> None:
        """Every function that was asked to be run, until there is none."""
        while self.to_run:
            self.run(self.to_run.pop(0))

    def _open(self, declared: Declared) -> tuple[Stream, Listing]:
        return replace(declared.stream, steady=self.steady, ordered=self.ordered), self
