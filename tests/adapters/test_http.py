"""HTTP to a destination: any answer is an answer, none is NoAnswer or Unavailable; no cookies, redirects, retries."""

import gzip
from collections.abc import Callable, Iterator, Mapping

import httpx
import pytest

from adapters.http import CONNECT_SECONDS, MAX_ANSWER_BYTES, DestinationHttp
from hub.errors import AnswerTooLarge, Category, NoAnswer, SecretUnavailable, Unavailable


class Site:
    """A destination that answers as told and remembers what it was asked."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self._answers = iter(answers)
        self.asked: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.asked.append(request)
        answer = next(self._answers)
        if isinstance(answer, Exception):
            raise answer
        return answer


def client(
    site: Site,
    headers: Callable[[], Mapping[str, str]] = lambda: {"Authorization": "token a:b"},
    forget: Callable[[], None] = lambda: None,
) -> DestinationHttp:
    return DestinationHttp("https://erp.example.com", headers, forget, 7.0, 2, httpx.MockTransport(site))


def test_a_call_bears_credentials_query_and_json_bytes() -> None:
    site = Site(httpx.Response(200, json={"data": []}))

    answer = client(site).send("PUT", "/api/resource/Sales Order/SO-1", query={"limit": "1"}, body=b'{"a": 1.10}')

    (asked,) = site.asked
    assert asked.method == "PUT"
    assert str(asked.url) == "https://erp.example.com/api/resource/Sales%20Order/SO-1?limit=1"
    assert asked.headers["authorization"] == "token a:b"
    assert asked.headers["content-type"] == "application/json"
    assert asked.content == b'{"a": 1.10}'
    assert (answer.status, answer.body) == (200, b'{"data":[]}')


def test_a_call_without_body_states_no_content_type() -> None:
    site = Site(httpx.Response(200))

    client(site).send("GET", "/api/resource/Item")

    assert "content-type" not in site.asked[0].headers


@pytest.mark.parametrize("status", [200, 202, 302, 401, 404, 409, 417, 429, 500, 503])
def test_an_answer_of_any_status_is_returned(status: int) -> None:
    answer = client(Site(httpx.Response(status, headers={"Retry-After": "3", "Location": "https://elsewhere/"}))).send(
        "GET", "/"
    )

    assert answer.status == status
    assert answer.headers["retry-after"] == "3"


def test_a_redirect_is_not_followed_so_that_credentials_go_nowhere_else() -> None:
    site = Site(httpx.Response(301, headers={"Location": "https://evil.example.com/"}))

    client(site).send("GET", "/")

    assert len(site.asked) == 1


def test_cookies_are_never_sent_back() -> None:
    """ERPNext sets sid=Guest beside a valid token; sent back, it would count instead of the token."""
    cookie = httpx.Response(200, headers={"Set-Cookie": "sid=Guest; Path=/"})
    site = Site(cookie, httpx.ConnectError("x"), httpx.Response(200))
    http = client(site)

    http.send("GET", "/")
    with pytest.raises(Unavailable):
        http.send("GET", "/")
    http.send("GET", "/")

    assert ["cookie" in asked.headers for asked in site.asked] == [False, False, False]


@pytest.mark.parametrize(
    "error", [httpx.ConnectTimeout("x"), httpx.ReadTimeout("x"), httpx.WriteTimeout("x"), httpx.PoolTimeout("x")]
)
def test_no_answer_in_time_makes_the_destination_unavailable(error: Exception) -> None:
    with pytest.raises(Unavailable, match="GET /api: no answer in time") as unavailable:
        client(Site(error)).send("GET", "/api")

    assert unavailable.value.category == Category.TIMEOUT


@pytest.mark.parametrize(
    "error", [httpx.ConnectError("secret detail"), httpx.ReadError("x"), httpx.RemoteProtocolError("x")]
)
def test_a_broken_connection_makes_the_destination_unavailable(error: Exception) -> None:
    with pytest.raises(Unavailable) as unavailable:
        client(Site(error)).send("POST", "/api")

    assert str(unavailable.value) == f"POST /api: {type(error).__name__}"
    assert unavailable.value.category == Category.SERVER_ERROR


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (httpx.ConnectError("x"), Unavailable),
        (httpx.ConnectTimeout("x"), Unavailable),
        (httpx.PoolTimeout("x"), Unavailable),
        (httpx.ReadTimeout("x"), NoAnswer),
        (httpx.WriteTimeout("x"), NoAnswer),
        (httpx.ReadError("x"), NoAnswer),
        (httpx.WriteError("x"), NoAnswer),
        (httpx.RemoteProtocolError("x"), NoAnswer),
        (httpx.DecodingError("x"), NoAnswer),
    ],
)
def test_what_may_have_been_carried_out_is_told_from_what_never_got_there(
    error: Exception, kind: type[Unavailable]
) -> None:
    with pytest.raises(Unavailable) as unavailable:
        client(Site(error)).send("POST", "/")

    assert type(unavailable.value) is kind


def test_an_answer_that_cannot_be_decoded_is_none() -> None:
    class Cut(httpx.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            yield b"not gzip"

    with pytest.raises(Unavailable, match="DecodingError"):
        client(Site(httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=Cut()))).send("GET", "/")


def test_a_compressed_answer_is_read() -> None:
    compressed = httpx.Response(200, headers={"Content-Encoding": "gzip"}, content=gzip.compress(b"{}"))

    assert client(Site(compressed)).send("GET", "/").body == b"{}"


def test_credentials_are_asked_for_at_each_call_and_forgotten_on_demand() -> None:
    tokens = iter(["old", "new"])
    forgotten: list[bool] = []
    site = Site(httpx.Response(401), httpx.Response(200))
    http = client(site, lambda: {"Authorization": next(tokens)}, lambda: forgotten.append(True))

    http.send("GET", "/")
    http.renew_credentials()
    http.send("GET", "/")

    assert [asked.headers["authorization"] for asked in site.asked] == ["old", "new"]
    assert forgotten == [True]


def test_unreadable_credentials_are_our_trouble() -> None:
    def unreadable() -> Mapping[str, str]:
        raise SecretUnavailable("x")

    with pytest.raises(SecretUnavailable):
        client(Site(), unreadable).send("GET", "/")


def test_the_destinations_slowness_has_a_bound() -> None:
    site = Site(httpx.Response(200))

    client(site).send("GET", "/")

    limits = site.asked[0].extensions["timeout"]
    assert (limits["read"], limits["connect"]) == (7.0, CONNECT_SECONDS)


def test_a_proxy_in_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NETRC", "/dev/null")
    site = Site(httpx.Response(200))

    assert client(site).send("GET", "/").status == 200


def packed_zeros(size: int) -> httpx.Response:
    return httpx.Response(200, headers={"content-encoding": "gzip"}, content=gzip.compress(bytes(size), 1))


def test_a_small_answer_that_unpacks_to_a_huge_one_is_not_taken() -> None:
    with pytest.raises(AnswerTooLarge, match="an answer of more than 50 MB; ask for fewer rows per page"):
        client(Site(packed_zeros(MAX_ANSWER_BYTES + 1))).send("GET", "/rows")
    with pytest.raises(NoAnswer, match="more than 50 MB"):  # what was asked for may have been done
        client(Site(packed_zeros(MAX_ANSWER_BYTES + 1))).send("POST", "/rows", body=b"{}")


def test_an_answer_as_large_as_allowed_is_taken() -> None:
    assert len(client(Site(packed_zeros(MAX_ANSWER_BYTES))).send("GET", "/rows").body) == MAX_ANSWER_BYTES
