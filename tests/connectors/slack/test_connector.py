"""Slack as a destination: one message per order, in words that mention nobody; and what each of its answers means."""

import json
import socket
import threading
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from adapters.http import DestinationHttp
from connectors.slack.connector import credentials, destination, escaped, message, probe
from connectors.slack.settings import FlowSettings
from hub.connector import Effect, Written
from hub.errors import (
    Category,
    HubError,
    NoAnswer,
    NotConfigured,
    Refused,
    SecretUnavailable,
    Severity,
    Temporary,
    Unavailable,
)
from hub.records import Customer, Order, OrderLine
from tests.fakes import NOW, an_event

POSTED = httpx.Response(200, json={"ok": True, "channel": "C123", "ts": "1503435956.000247"})
SETTINGS = {"channel": "C123", "text": "Order {number} of {customer}: {total} {currency}"}


def an_order(**fields: Any) -> Order:
    stated: dict[str, Any] = {
        "id": "1",
        "number": "#1042",
        "placed_at": NOW,
        "currency": "EUR",
        "total": Decimal("12.50"),
        "lines": (OrderLine(id="1", title="T-Shirt", quantity=Decimal("2.0"), unit_price=Decimal("6.25")),),
        "customer": Customer(id="7", name="Ann & Bob <Ltd>"),
        **fields,
    }
    return Order(**stated)


class Workspace:
    """Slack, which answers as told and remembers what it was asked."""

    def __init__(self, *answers: httpx.Response) -> None:
        self._answers = list(answers)
        self.asked: list[httpx.Request] = []
        self.renewed = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.asked.append(request)
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]

    def http(self, url: str = "https://slack.com/api", timeout: float = 5.0, transport: Any = None) -> DestinationHttp:
        def headers() -> Any:
            return credentials(lambda name: [f"xoxb-{name}-{self.renewed}"])

        def forget() -> None:
            self.renewed += 1

        return DestinationHttp(url, headers, forget, timeout, 1, transport or httpx.MockTransport(self))

    def post(self, order: Order | None = None) -> Written:
        return destination(self.http(), SETTINGS).apply("post_order_message", order or an_order(), an_event(), "")


WAIT = {"Retry-After": "30"}


def failed(error: str, status: int = 200, headers: Mapping[str, str] | None = None) -> httpx.Response:
    return httpx.Response(status, json={"ok": False, "error": error}, headers=headers)


def test_an_order_becomes_one_message() -> None:
    slack = Workspace(POSTED)

    written = slack.post()

    (asked,) = slack.asked
    assert (asked.method, str(asked.url)) == ("POST", "https://slack.com/api/chat.postMessage")
    assert asked.headers["authorization"] == "Bearer xoxb-bot_token-0"
    assert json.loads(asked.content) == {
        "channel": "C123",
        "text": "Order #1042 of Ann &amp; Bob &lt;Ltd&gt;: 12.50 EUR",
        "unfurl_links": False,
        "unfurl_media": False,
    }
    assert written == Written(Effect.APPLIED, "message", "C123/1503435956.000247")


def test_all_that_a_text_may_name() -> None:
    order = an_order(customer=None, lines=an_order().lines * 21)

    text = message(order, "{number}|{total}|{currency}|{customer}|{items}|{{}}|<#C1>")

    items = ", ".join(["2 × T-Shirt"] * 20) + " and 1 more"
    assert text == f"#1042|12.50|EUR|a guest|{items}|{{}}|<#C1>"


@given(st.text())
def test_no_word_of_an_order_is_markup_and_every_word_is_kept(words: str) -> None:
    said = escaped(words)

    assert not set(said) & set("<>")
    assert said.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&") == words


@pytest.mark.parametrize(
    "text", ["{nubmer}", "{number.__class__}", "{number[0]}", "{0}", "{}", "{number!r}", "{total:>9}", "{"]
)
def test_a_text_that_names_what_no_order_has_is_refused_when_it_is_deployed(text: str) -> None:
    with pytest.raises(ValidationError, match=r"there are \{number\}, \{total\}|a brace that is meant as such"):
        FlowSettings(channel="C1", text=text)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (failed("ratelimited", 429, WAIT), Temporary),
        (failed("ratelimited", headers=WAIT), Temporary),
        (failed("rate_limited"), Temporary),
        (failed("request_timeout"), Temporary),
        (failed("service_unavailable"), Unavailable),
        (failed("missing_scope"), Unavailable),
        (failed("token_revoked"), Unavailable),
        (failed("fatal_error"), NoAnswer),
        (failed("internal_error", 500), NoAnswer),
        (httpx.Response(502, text="<html>"), NoAnswer),
        (httpx.Response(503, text=""), NoAnswer),
        (httpx.Response(200, text="<html>"), NoAnswer),
        (httpx.Response(200, json=[]), NoAnswer),
        (httpx.Response(404, text="<html>"), Unavailable),
        (httpx.Response(302, text=""), Unavailable),
    ],
)
def test_what_an_answer_means(answer: httpx.Response, kind: type[HubError]) -> None:
    with pytest.raises(HubError) as error:
        Workspace(answer).post()

    assert type(error.value) is kind


def test_a_pause_is_as_long_as_slack_wishes() -> None:
    with pytest.raises(Temporary) as error:
        Workspace(failed("ratelimited", 429, WAIT)).post()

    assert (error.value.retry_after_seconds, error.value.category) == (30, Category.RATE_LIMIT_EXCEEDED)


@pytest.mark.parametrize(
    "error", ["channel_not_found", "not_in_channel", "is_archived", "msg_too_long", "never_heard_of"]
)
def test_what_slack_refuses_for_good_is_named_by_its_own_word(error: str) -> None:
    with pytest.raises(Refused, match=f"chat.postMessage: {error}; mend it, then replay") as refused:
        Workspace(failed(error)).post()

    assert refused.value.code == error


def test_a_rotated_token_is_read_again_and_the_message_posted() -> None:
    slack = Workspace(failed("invalid_auth"), POSTED)

    slack.post()

    assert [asked.headers["authorization"] for asked in slack.asked] == [
        "Bearer xoxb-bot_token-0",
        "Bearer xoxb-bot_token-1",
    ]


def test_a_wrong_token_is_an_outage_that_a_person_must_end() -> None:
    slack = Workspace(failed("invalid_auth"))

    with pytest.raises(Unavailable, match="hub secrets set") as error:
        slack.post()

    assert (error.value.category, error.value.severity) == (Category.AUTHENTICATION_FAILED, Severity.CRITICAL)
    assert len(slack.asked) == 2


def test_the_probe_asks_whose_token_it_is() -> None:
    slack = Workspace(httpx.Response(200, json={"ok": True, "user": "hub"}))

    probe(slack.http())

    assert str(slack.asked[0].url) == "https://slack.com/api/auth.test"
    with pytest.raises(Unavailable):
        probe(Workspace(failed("account_inactive")).http())


def test_without_a_token_nothing_is_asked() -> None:
    with pytest.raises(SecretUnavailable, match="hub secrets set"):
        credentials(lambda name: [])


def test_another_record_is_a_mistake_of_the_configuration() -> None:
    with pytest.raises(NotConfigured):
        destination(Workspace(POSTED).http(), SETTINGS).apply(
            "post_order_message", Customer(id="1", name="x"), an_event(), ""
        )


def served(answer: Callable[[socket.socket], None]) -> tuple[str, threading.Thread]:
    """A server for one connection: it reads the request, then does as told."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with listening, listening.accept()[0] as connection:
            connection.recv(65_536)
            answer(connection)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return f"http://127.0.0.1:{listening.getsockname()[1]}", thread


@pytest.mark.parametrize(
    "answer",
    [
        lambda connection: connection.recv(1),  # waits until the client has gone
        lambda connection: connection.close(),
        lambda connection: connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"),
        lambda connection: connection.sendall(b"not HTTP\r\n\r\n"),
    ],
    ids=["silent", "closed", "cut off", "garbled"],
)
def test_a_server_that_took_the_message_and_did_not_say_so_leaves_it_open(
    answer: Callable[[socket.socket], None],
) -> None:
    url, thread = served(answer)
    http = Workspace().http(url, timeout=0.3, transport=httpx.HTTPTransport())

    with pytest.raises(NoAnswer):
        destination(http, SETTINGS).apply("post_order_message", an_order(), an_event(), "")

    thread.join(timeout=5)


def test_a_server_that_cannot_be_reached_has_done_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        free = taken.getsockname()[1]
    http = Workspace().http(f"http://127.0.0.1:{free}", transport=httpx.HTTPTransport())

    with pytest.raises(Unavailable) as error:
        destination(http, SETTINGS).apply("post_order_message", an_order(), an_event(), "")

    assert type(error.value) is Unavailable
