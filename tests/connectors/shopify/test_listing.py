"""A store is listed without loss, within its limits, and what is pulled is the same fact as what was pushed."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from adapters.http import DestinationHttp
from connectors.shopify.connector import listing, read
from hub.connector import Answer, Reach
from hub.errors import Category, Refused, SecretUnavailable, Temporary, Unavailable
from hub.events import Event, timestamp_version
from hub.pull import Pulled, pull
from hub.records import Product
from hub.runs import State
from hub.streams import Ask, PageGone, PageSuspect, Stream
from infra.local import shopify
from infra.local.shopify import Choice, Line
from infra.local.shopify_admin_rest import BUCKET, Reply, ShopifyRest
from tests.fakes import an_event

BEGIN = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ORDERS = Stream("shop-eu", "shopify", "orders", "order", overlap=300.0, ordered=True)


@dataclass
class Store:
    """A store and the pull of one of its streams, on one clock. It is the HttpClient of the listing, too."""

    stream: Stream = ORDERS
    settings: Mapping[str, object] = field(default_factory=lambda: {"page_size": 5})
    moment: datetime = BEGIN
    token: str = "shpat_1"
    renewed_to: str = "shpat_1"
    state: State = field(default_factory=State)
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rest = ShopifyRest("shpat_1", now=self.now)

    def now(self) -> datetime:
        return self.moment

    def sleep(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)

    def send(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Answer:
        assert (method, body) == ("GET", None)
        self.moment += timedelta(milliseconds=100)
        reply = self.rest.answer(path, query or {}, self.token)
        return Answer(reply.status, reply.headers, reply.body)

    def renew_credentials(self) -> None:
        self.token = self.renewed_to

    def reach(self) -> Reach:
        return Reach("https://shop", lambda _: (self.token,), lambda _: self, self.now, self.sleep)

    def run(self, most_pages: int = 10_000) -> Pulled:
        left = iter(range(most_pages))
        return pull(
            self.stream,
            listing(self.stream, self.settings, self.reach()),
            self.state,
            keep=self.keep,
            queue=self.events.extend,
            now=self.now,
            sleep=self.sleep,
            out_of_time=lambda: next(left, None) is None,
        )

    def keep(self, state: State) -> State:
        self.state = state
        return state

    def order(self, number: int, at: datetime | None = None, **changes: object) -> shopify.Body:
        at = at or self.moment
        body = shopify.order(number, None, [Line("MUG", 2, Decimal("9.50"))], created_at=at, updated_at=at) | changes
        self.rest.say(body)
        return body

    def orders(self, count: int) -> None:
        for number in range(1, count + 1):
            self.order(number, BEGIN - timedelta(hours=1) + timedelta(seconds=number // 3))

    def last_said(self) -> dict[str, str]:
        return {event.subject.rpartition("/")[2]: event.entity_version for event in self.events}


def versions(bodies: Sequence[shopify.Body]) -> dict[str, str]:
    return {str(body["id"]): timestamp_version(body["updated_at"]) for body in bodies}


def test_everything_is_read_once_page_by_page_and_then_only_what_changed() -> None:
    store = Store()
    store.orders(23)

    first = store.run()
    store.sleep(600)
    store.order(7)
    second = store.run()

    assert (first.run.queued, first.run.pages, first.run.passes) == (23, 5, 1)
    assert second.run.queued == 1
    assert store.events[-1].subject == "shop-eu/order/7"
    assert store.events[-1].type == "shopify.orders"


def test_orders_are_listed_whatever_their_status_oldest_change_first() -> None:
    store = Store()
    store.order(1, cancelled_at=BEGIN.isoformat())

    assert store.run().run.queued == 1
    assert store.rest.asked[0] == {"limit": "5", "order": "updated_at asc", "status": "any"}


def test_a_following_page_repeats_no_filter() -> None:
    store = Store()
    store.orders(6)
    store.run()

    assert sorted(store.rest.asked[1]) == ["limit", "page_info"]


def test_a_run_begins_at_the_overlap_to_the_second() -> None:
    store = Store()
    store.orders(1)
    store.run()
    store.run()

    assert store.rest.asked[-1]["updated_at_min"] == "2026-03-01T10:55:00Z"


def test_a_window_holds_what_lies_in_it_and_not_its_end() -> None:
    store = Store()
    for seconds in range(4):
        store.order(seconds + 1, BEGIN + timedelta(seconds=seconds))

    rest = listing(ORDERS, {}, store.reach())
    ask = Ask(timestamp_version("2026-03-01T12:00:01Z"), timestamp_version("2026-03-01T12:00:03Z"), "")

    assert [row.key for row in rest.page(ask).rows] == ["2", "3"]


def test_the_same_change_by_webhook_and_by_pull_is_one_fact() -> None:
    store = Store()
    body = store.order(1)
    store.run()

    (pulled,) = store.events
    pushed = an_event(data=shopify.as_sent(body))
    assert read(pulled, "order") == read(pushed, "order")
    assert pulled.entity_version == timestamp_version(body["updated_at"])
    assert pulled.subject == "shop-eu/order/1"


@pytest.mark.parametrize("name", ["customers", "products"])
def test_customers_and_products_are_listed_as_they_are_pushed(name: str) -> None:
    store = Store(Stream("shop-eu", "shopify", name, name[:-1]))
    choices = [Choice(11, "MUG", Decimal("9.50"))]
    body = {
        "customers": shopify.customer(7, "Ada", "Lovelace", "ada@example.com", BEGIN),
        "products": shopify.product(7, "Mug", choices, BEGIN),
    }[name]
    store.rest.say(body, name)
    store.run()

    (pulled,) = store.events
    assert read(pulled, name[:-1]) == read(an_event(data=shopify.as_sent(body)), name[:-1])


@pytest.mark.parametrize(("variants", "all_of_them"), [(99, True), (100, False), (140, False)])
def test_a_listed_product_may_have_more_variants_than_are_listed(variants: int, all_of_them: bool) -> None:
    store = Store(Stream("shop-eu", "shopify", "products", "product"))
    choices = [Choice(number, f"SKU-{number}", Decimal(1), f"No. {number}") for number in range(variants)]
    store.rest.say(shopify.product(7, "Shirt", choices, BEGIN), "products")
    store.run()

    product = read(store.events[0], "product")
    assert isinstance(product, Product)
    assert product.states_all_variants is all_of_them


def test_rows_that_change_while_they_are_listed_are_listed_as_they_are_in_the_end() -> None:
    store = Store()
    store.orders(20)
    final = {}
    for _ in range(4):
        store.run(most_pages=1)
        body = store.order(2)
        final = {"2": timestamp_version(body["updated_at"])}
    store.sleep(60)
    store.run()
    store.run()

    assert store.last_said() == versions(list(store.rest.said["orders"].values())) | final
    assert len(store.last_said()) == 20


def test_half_of_the_limit_is_left_to_others() -> None:
    store = Store(settings={"page_size": 1})
    store.orders(90)

    began = store.moment
    store.run()

    assert len(store.events) == 90
    assert store.rest.throttled == 0
    assert 34 <= (store.moment - began).total_seconds() < 40  # 20 of its share at once, then 2 a second


def test_a_bucket_that_others_have_filled_is_waited_for() -> None:
    store = Store()
    store.orders(12)
    for _ in range(BUCKET):
        store.rest.answer("/", {}, "shpat_1")

    assert store.run().run.queued == 12
    assert store.rest.throttled == 1


HTML = Reply(200, b"<html>Be right back</html>")


@pytest.mark.parametrize("at", [0, 1, 3])
@pytest.mark.parametrize(
    "reply",
    [
        HTML,
        Reply(200, b'{"orders": [{"id": 1, "upd'),
        Reply(200, b'{"errors": "Something went wrong"}'),
        Reply(200, b'{"orders": [5]}'),
        Reply(429, b"{}", {"retry-after": "2.0"}),
        Reply(500, b"{}"),
        Reply(503, b"<html>"),
        Reply(400, b'{"errors": {"page_info": "Invalid value."}}'),
    ],
    ids=["html", "truncated", "errors", "no rows", "429", "500", "503", "gone"],
)
def test_an_answer_that_is_wrong_once_changes_nothing_in_the_end(reply: Reply, at: int) -> None:
    store = Store()
    store.orders(20)
    store.rest.replies = [*[None] * at, reply]
    for _ in range(2):
        with suppress(Temporary, Refused):
            store.run()

    assert len(store.last_said()) == 20


def test_a_full_page_whose_link_got_lost_is_asked_for_again() -> None:
    store = Store()
    store.orders(20)
    true = store.rest.answer("/admin/api/2026-01/orders.json", {"limit": "5", "order": "updated_at asc"}, "shpat_1")
    store.rest.replies = [Reply(200, true.body, {name: text for name, text in true.headers.items() if name != "link"})]

    assert store.run().run.queued == 20


def test_pages_that_are_known_no_longer_begin_the_listing_anew() -> None:
    store = Store()
    store.orders(20)
    store.run(most_pages=2)
    store.rest.forget_pages()

    assert store.run().ended
    assert len(store.last_said()) == 20
    with pytest.raises(PageGone, match="no longer knows"):
        listing(ORDERS, {}, store.reach()).page(Ask("", "", "eyJ4IjoxfQ=="))


def test_a_page_that_names_itself_as_the_next_is_not_believed() -> None:
    store = Store()
    link = {"link": '<https://shop/admin/api/2026-01/orders.json?limit=5&page_info=abc>; rel="next"'}
    store.rest.replies = [Reply(200, b'{"orders": []}', link)]

    with pytest.raises(PageSuspect, match="names itself"):
        listing(ORDERS, {}, store.reach()).page(Ask("", "", "abc"))


def test_a_rotated_token_is_read_again_once() -> None:
    store = Store(token="shpat_0")
    store.orders(1)

    assert store.run().run.queued == 1


@pytest.mark.parametrize(
    ("status", "error", "category"),
    [
        (401, Unavailable, Category.AUTHENTICATION_FAILED),
        (403, Unavailable, Category.AUTHENTICATION_FAILED),
        (429, Temporary, Category.RATE_LIMIT_EXCEEDED),
        (301, Refused, Category.DATA_VALIDATION_FAILED),
        (404, Unavailable, Category.SERVER_ERROR),
    ],
)
def test_what_a_status_means(status: int, error: type[Exception], category: Category) -> None:
    store = Store()
    store.rest.replies = [Reply(status, b"{}")] * 2

    with pytest.raises(error) as raised:
        listing(ORDERS, {}, store.reach()).page(Ask("", "", ""))
    assert type(raised.value) is error
    assert getattr(raised.value, "category") == category  # noqa: B009 - of several classes


def test_rows_without_id_or_readable_time_are_told_all_the_same() -> None:
    store = Store()
    odd = [{"updated_at": "2026-03-01T12:00:00Z"}, {"id": True}, {"id": 5, "updated_at": "yesterday"}]
    store.rest.replies = [Reply(200, json.dumps({"orders": odd}).encode())]

    rows = listing(ORDERS, {}, store.reach()).page(Ask("", "", "")).rows

    assert [(row.key, bool(row.version)) for row in rows] == [("", True), ("", False), ("5", False)]


def test_it_works_over_http_with_the_store_token() -> None:
    with ShopifyRest("shpat_9") as rest:
        rest.say(shopify.order(1, None, [Line("MUG", 1, Decimal(5))], created_at=BEGIN, updated_at=BEGIN))
        reach = Reach(
            rest.url,
            lambda name: ("shpat_9",) if name == "admin_token" else (),
            lambda headers: DestinationHttp(rest.url, headers, lambda: None, 5.0, 1),
            lambda: BEGIN,
            lambda _: None,
        )
        page = listing(ORDERS, {}, reach).page(Ask("", "", ""))

    assert [row.key for row in page.rows] == ["1"]
    assert page.source_now
    assert abs(datetime.now(UTC) - page.source_now) < timedelta(minutes=1)


def test_without_a_token_the_reader_says_what_to_do() -> None:
    reach = Reach(
        "http://127.0.0.1:9",
        lambda _: (),
        lambda headers: DestinationHttp("http://127.0.0.1:9", headers, lambda: None, 1.0, 1),
        lambda: BEGIN,
        lambda _: None,
    )

    with pytest.raises(SecretUnavailable, match="hub secrets set"):
        listing(ORDERS, {}, reach).page(Ask("", "", ""))
