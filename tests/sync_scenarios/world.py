"""A REST source that a story changes, breaks and mends; the hub that reads it over HTTP; and what a destination says then."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime
from typing import Any, TypeVar

import httpx

from adapters.cursors import packed, state_of
from adapters.http import DestinationHttp
from adapters.inventory import S3Inventories
from connectors.generic_rest.connector import listing, read
from hub.compare import Compared, compare
from hub.connector import HttpClient, Reach
from hub.errors import HubError, Unreadable
from hub.events import Event
from hub.facts import UNREADABLE, canonical
from hub.orphans import OrphanLimits
from hub.pull import Pulled, pull
from hub.records import Deletion, TableRow
from hub.runs import State
from hub.streams import Listing, Stream
from tests.handlers.s3_bucket import Bucket
from tests.scripted_source import BEGIN

ORIGIN = "https://source.example"
STYLES = ("none", "link", "next_url", "cursor", "page", "offset", "keyset")
PAGED = STYLES[1:]
TOLD = ("link", "next_url", "cursor")  # the source says what follows
Item = dict[str, Any]
Break = Callable[[httpx.Request, httpx.Response], httpx.Response]
Done = TypeVar("Done")


class Died(BaseException):
    """The process is gone."""


def rfc3339(moment: datetime) -> str:
    """To the second, as most write it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class World:
    """The source: `items` in the order `order` ("updated", "newest", "id", "as is"), pages of `size`. `stamp` writes its
    times, `compares` says how it takes `since`: as moments, as text, or not at all."""

    style: str = "page"
    order: str = "id"
    size: int = 4
    compares: str = "moments"
    stamp: Callable[[datetime], Any] = rfc3339
    settings: dict[str, Any] = field(default_factory=dict)
    stream: dict[str, Any] = field(default_factory=dict)
    dates: bool = True  # it sends the header Date
    moment: datetime = BEGIN
    set_back: timedelta = timedelta()
    items: list[Item] = field(default_factory=list)
    broken: dict[int, Break] = field(default_factory=dict)  # by the number of the request; 1 is the first
    pages_broken: dict[int, Break] = field(default_factory=dict)  # by the number of the page, however often it is asked
    meanwhile: Callable[[int], None] = lambda _: None  # called with each request's number
    requests: int = 0
    asked: list[httpx.Request] = field(default_factory=list)
    secrets: list[str] = field(default_factory=lambda: ["first"])
    # the hub
    kept: dict[str, Any] = field(default_factory=dict)
    compared: dict[str, Any] = field(default_factory=dict)
    bucket: Bucket = field(default_factory=Bucket)
    limits: OrphanLimits | None = field(default_factory=lambda: OrphanLimits(max_per_run=5, max_share=0.3))
    troubles: list[HubError] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    dies: dict[str, int] = field(default_factory=dict)  # step → at which of its times
    steps: dict[str, int] = field(default_factory=dict)
    # the destinations: one applies what comes, in the order in which it comes; one as the ledger does, by version
    in_order: dict[str, Any] = field(default_factory=dict)
    by_version: dict[str, tuple[str, Any]] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    quarantined: dict[str, bytes] = field(default_factory=dict)
    queued: int = 0

    # What people do at the source

    @property
    def clock(self) -> datetime:
        """What the source's clock shows."""
        return self.moment - self.set_back

    def write(self, key: Any, content: Any, at: datetime | None = None, **more: Any) -> Item:
        """A row now, or as if written at another moment; it takes the place of the one with its key."""
        stamp = self.stamp(at or self.clock)
        item = {"id": key, "updated_at": stamp, "content": content} | more
        for number, each in enumerate(self.items):
            if each["id"] == key and type(each["id"]) is type(key):
                self.items[number] = item
                return item
        self.items.append(item)
        return item

    def fill(self, count: int = 18, apart: float = 40.0, before: float = 1800.0, descending: bool = False) -> "World":
        """So many rows, the first one half an hour ago."""
        for number in range(count):
            seconds = apart * (count - number if descending else number)
            self.write(f"{number:03}", "first", self.moment - timedelta(seconds=before - seconds))
        return self

    def delete(self, key: Any) -> None:
        """A hard delete."""
        self.items = [each for each in self.items if each["id"] != key]

    def later(self, **much: float) -> "World":
        """Time goes by."""
        self.moment += timedelta(**(much or {"minutes": 15}))
        return self

    # What it answers

    def answer(self, request: httpx.Request) -> httpx.Response:
        """As the API does, or as the story says."""
        self.requests += 1
        self.asked.append(request)
        self.meanwhile(self.requests)
        self.moment += timedelta(milliseconds=200)
        number = self.number(request)
        response = self.truly(request)
        for broken in (self.pages_broken.get(number), self.broken.pop(self.requests, None)):
            response = broken(request, response) if broken else response
        return response

    def number(self, request: httpx.Request) -> int:
        """Which page, by its own count."""
        query = request.url.params
        if self.style == "offset":
            return int(query.get("offset", 0)) // max(self.size - 1, 1) + 1
        return int(query.get("page", 1))

    def truly(self, request: httpx.Request, number: int | None = None) -> httpx.Response:
        """The page that is asked for, or another."""
        query = dict(request.url.params)
        found, number = self.listed(query), number or self.number(request)
        size = len(found) if self.style == "none" else int(query.get("limit", self.size))
        start = int(query.get("offset", 0)) if self.style == "offset" else (number - 1) * size
        start = 0 if self.style in ("keyset", "none") else start
        page, left = found[start : start + size], found[start + size :]
        content: dict[str, Any] = {"data": page, "meta": {"next": str(number + 1) if left else None}}
        following = str(request.url.copy_merge_params({"page": str(number + 1)}))
        content["next"] = following if left else None
        content["total"] = len(found)
        headers = {"Content-Type": "application/json"}
        if self.style == "link" and left:
            headers["Link"] = f'<{following}>; rel="next"'
        if self.dates:
            headers["Date"] = format_datetime(self.clock, usegmt=True)
        return httpx.Response(200, headers=headers, content=json.dumps(content).encode())

    def listed(self, query: Mapping[str, str]) -> list[Item]:
        """The rows that a question is about, in their order."""
        found = [item for item in self.items if self._is_within(item.get("updated_at"), query)]
        if self.order == "id":
            return sorted(found, key=lambda item: str(item["id"]))
        if self.order == "as is":
            return found
        return sorted(
            found, key=lambda item: (_moment(item.get("updated_at")), str(item["id"])), reverse=self.order == "newest"
        )

    def _is_within(self, stamp: Any, query: Mapping[str, str]) -> bool:
        since, until = query.get("since"), query.get("until")
        if not since or self.compares == "not at all" or stamp is None:
            return True
        if self.compares == "text":
            return since <= str(stamp) < (until or "~")
        if self.compares == "numbers":
            return int(since) <= Decimal(str(stamp)) < int(until or 10**30)
        return _moment(since) <= _moment(stamp) < (_moment(until) if until else datetime.max.replace(tzinfo=UTC))

    # The hub

    def stated(self) -> dict[str, Any]:
        """The stream's settings."""
        pages: dict[str, dict[str, Any]] = {
            "none": {"style": "none"},
            "link": {"style": "link"},
            "next_url": {"style": "next_url", "path": "next"},
            "cursor": {"style": "cursor", "path": "meta.next", "param": "page"},
            "page": {"style": "page"},
            "offset": {"style": "offset", "size": self.size},
            "keyset": {"style": "keyset", "size": self.size, "limit_param": "limit"},
        }
        bounds = {"since": {"param": "since"}, "until": {"param": "until"}, "version": {"field": "updated_at"}}
        return {"path": "/rows", "rows": "data", "page": pages[self.style]} | bounds | self.settings

    def open(self) -> tuple[Stream, Listing]:
        """As the sync function does, on a wire of its own."""

        def http(headers: Callable[[], Mapping[str, str]]) -> HttpClient:
            return DestinationHttp(
                ORIGIN, headers, lambda: self.secrets.reverse(), 30.0, 1, httpx.MockTransport(self.answer)
            )

        stream = Stream("crm", "generic_rest", "rows", "row", **({"overlap": 60.0} | self.stream))
        rest = listing(stream, self.stated(), Reach(ORIGIN, lambda _: self.secrets, http, self.now, self.sleep))
        return replace(stream, steady=rest.steady, ordered=rest.ordered), rest

    def now(self) -> datetime:
        """The hub's clock, which is right."""
        self.moment += timedelta(milliseconds=10)
        return self.moment

    def sleep(self, seconds: float) -> None:
        """Let time go by."""
        self.slept.append(seconds)
        self.moment += timedelta(seconds=seconds)

    def run(self, pages: int = 10_000) -> Pulled | None:
        """A run of the schedule, of one function with time for so many pages; None where it failed or died."""

        def work() -> Pulled:
            stream, rest = self.open()
            return pull(
                stream,
                rest,
                state_of(self.kept),
                keep=lambda state: self._keep(self.kept, state),
                queue=self._queue,
                now=self.now,
                sleep=self.sleep,
                out_of_time=_after(pages),
                note=S3Inventories(self.bucket, "b", self.now, "run").journal("crm", "rows"),  # type: ignore[arg-type]
            )

        return self._loudly(work)

    def compare(self, pages: int = 10_000) -> Compared | None:
        """A comparison."""

        def work() -> Compared:
            stream, rest = self.open()
            inventories = S3Inventories(self.bucket, "b", self.now, "comparison")  # type: ignore[arg-type]
            with inventories.opened("crm", "rows") as inventory:
                return compare(
                    stream,
                    rest,
                    state_of(self.compared),
                    inventory,
                    self.limits,
                    keep=lambda state: self._keep(self.compared, state),
                    queue=self._queue,
                    now=self.now,
                    sleep=self.sleep,
                    out_of_time=_after(pages),
                )

        return self._loudly(work)

    def mend(self) -> "World":
        """The source is whole again, and nobody dies."""
        self.broken, self.pages_broken, self.dies, self.meanwhile = {}, {}, {}, lambda _: None
        return self

    def settle(self, runs: int = 2) -> "World":
        """Quiet runs of the schedule."""
        self.mend()
        for _ in range(runs):
            self.later()
            self.run()
        return self

    def _loudly(self, work: Callable[[], Done]) -> Done | None:
        try:
            return work()
        except HubError as trouble:
            self.troubles.append(trouble)
        except Died:
            pass
        return None

    def _step(self, name: str) -> None:
        self.steps[name] = self.steps.get(name, 0) + 1
        if self.dies.get(name) == self.steps[name]:
            raise Died

    def _keep(self, where: dict[str, Any], state: State) -> State:
        self._step("before the cursor")
        assert where is self.compared or state.watermark >= state_of(where).watermark, "a cursor moved back"
        where["state"] = {"B": packed(state)}
        self._step("after the cursor")
        return state

    def _queue(self, events: Sequence[Event]) -> None:
        self._step("before the queue")
        for event in events:
            self.queued += 1
            self._apply(event)
        self._step("after the queue")

    def _apply(self, event: Event) -> None:
        entity, key = event.subject.split("/", 2)[1:]
        try:
            record = read(event, "deletion" if event.type.endswith("/deleted") else "row")
        except Unreadable:
            self.quarantined[key if entity != UNREADABLE else event.id] = event.data
            return
        said = None if isinstance(record, Deletion) else record.fields if isinstance(record, TableRow) else record
        self.in_order[key] = said
        known = self.by_version.get(key, ("", None))
        if event.id not in self.ended and (not event.entity_version or event.entity_version >= known[0]):
            self.by_version[key] = (max(event.entity_version, known[0]), said)
        self.ended.add(event.id)

    # The judgement

    def truth(self) -> dict[str, Any]:
        """What the source says, by key: of two rows with one key, the newer."""
        said: dict[str, Item] = {}
        for item in self.items:
            key = str(item["id"])
            if key not in said or _moment(item.get("updated_at")) >= _moment(said[key].get("updated_at")):
                said[key] = item
        exactly = json.loads(canonical(said), parse_float=Decimal)
        return dict(exactly)

    def wrong(self) -> dict[str, Any]:
        """What either destination says otherwise than the source, by key; {} in the best of worlds."""
        truth, found = self.truth(), dict[str, Any]()
        for name, said in (
            ("in order", self.in_order),
            ("by version", {key: row for key, (_, row) in self.by_version.items()}),
        ):
            for key in truth.keys() | said.keys():
                if said.get(key) != truth.get(key):
                    found[f"{key}, {name}"] = (truth.get(key), said.get(key))
        return found


def _after(pages: int) -> Callable[[], bool]:
    left = iter(range(pages))
    return lambda: next(left, None) is None


def _moment(stamp: Any) -> datetime:
    """What a person reads in any of the ways of writing a time."""
    if stamp is None:
        return datetime.min.replace(tzinfo=UTC)
    text = str(stamp)
    if text.replace(".", "").isdigit():
        number = float(text)
        return datetime.fromtimestamp(number / 1000 if number > 1e11 else number, UTC)
    moment = datetime.fromisoformat(text.upper())
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


# Ways in which an answer is wrong


def instead(status: int = 200, body: bytes | str = b"", **headers: str) -> Break:
    """Another answer."""
    content = body.encode() if isinstance(body, str) else body
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _request, _true: httpx.Response(status, headers=names, content=content)


def changed(**fields: Any) -> Break:
    """The true answer, but for these fields of its body; the header Link goes with `next`."""

    def change(_: httpx.Request, true: httpx.Response) -> httpx.Response:
        content = json.loads(true.content)
        for name, value in fields.items():
            content[name] = value(content[name]) if callable(value) else value
        headers = {name: true.headers[name] for name in ("date", "link") if name in true.headers}
        if "next" in fields and fields["next"] is None:
            headers.pop("link", None)
            content["meta"] = {"next": None}
        return httpx.Response(true.status_code, headers=headers, content=json.dumps(content).encode())

    return change


EMPTY_END = changed(data=[], next=None)  # no rows, and nothing follows
EMPTY = changed(data=[])  # no rows; what follows is told rightly
SHORT = changed(data=lambda rows: rows[:1])
SHORT_END = changed(data=lambda rows: rows[:1], next=None)
NO_NEXT = changed(next=None)
HTML = instead(200, "<html>Be right back</html>", Content_Type="text/html")
ERROR_BODY = instead(200, '{"error": "rate limited", "data": []}')


def truncated(_: httpx.Request, true: httpx.Response) -> httpx.Response:
    """The first half of it."""
    return httpx.Response(200, content=true.content[: len(true.content) // 2])
