"""Keys that providers publish: fetched from public https only, bounded, and kept for an hour."""

from http.client import HTTPException
from typing import Any

import pytest

from adapters import provider_keys
from adapters.provider_keys import (
    ASKED_PER_MINUTE,
    FAILED_SECONDS,
    KEEP,
    KEEP_SECONDS,
    MAX_ANSWER_BYTES,
    STALE_SECONDS,
    ProviderKeys,
    public_https,
)
from hub.errors import ForeignSender, SourceUnavailable


class Web:
    """Stands in for HTTPSConnection: answers with `status` and `body`, and counts."""

    def __init__(self) -> None:
        self.status, self.body, self.failure = 200, b"a key", None
        self.asked: list[tuple[str, str]] = []

    def __call__(self, host: str, timeout: float) -> "Web":
        self.host = host
        assert timeout <= 2
        return self

    def request(self, method: str, target: str) -> None:
        assert method == "GET"
        self.asked.append((self.host, target))
        if self.failure:
            raise self.failure

    def getresponse(self) -> "Web":
        return self

    def read(self, most: int) -> bytes:
        return self.body[:most]

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Any:
    web = Web()
    monkeypatch.setattr(provider_keys, "HTTPSConnection", web)
    return web


def test_a_key_is_fetched_and_kept_for_an_hour(web: Any) -> None:
    seconds = [0.0]
    keys = ProviderKeys(lambda: seconds[0])

    for now in (0.0, KEEP_SECONDS - 1, KEEP_SECONDS):
        seconds[0] = now
        assert keys.fetch("https://sns.eu-west-1.amazonaws.com/a.pem?v=1") == b"a key"

    assert web.asked == [("sns.eu-west-1.amazonaws.com", "/a.pem?v=1")] * 2
    assert web.closed


def test_what_is_used_stays_and_the_cache_is_bounded(web: Any) -> None:
    seconds = [0.0]
    keys = ProviderKeys(lambda: seconds[0])

    for number in range(3 * KEEP):
        seconds[0] += 61 / (ASKED_PER_MINUTE - 1)
        keys.fetch("https://api.paypal.com/cert")
        keys.fetch(f"https://api.paypal.com/{number}")

    assert len(keys._kept) <= KEEP
    assert web.asked.count(("api.paypal.com", "/cert")) == 1  # within the hour


def test_forged_deliveries_cause_only_so_many_requests(web: Any) -> None:
    seconds = [0.0]
    keys = ProviderKeys(lambda: seconds[0])
    keys.fetch("https://api.paypal.com/cert")
    web.status = 404
    for number in range(1_000):
        seconds[0] += 0.01
        with pytest.raises(SourceUnavailable):
            keys.fetch(f"https://api.paypal.com/{number}")

    assert len(web.asked) == ASKED_PER_MINUTE
    assert keys.fetch("https://api.paypal.com/cert") == b"a key"
    seconds[0] += 60
    with pytest.raises(SourceUnavailable, match="answered 404"):
        keys.fetch("https://api.paypal.com/another")
    assert len(keys._failed) <= KEEP


def test_a_key_outlives_its_hour_while_no_newer_one_is_to_be_had(web: Any) -> None:
    seconds = [0.0]
    keys = ProviderKeys(lambda: seconds[0])
    keys.fetch("https://api.paypal.com/cert")
    web.failure = TimeoutError()

    seconds[0] = STALE_SECONDS - 1
    assert keys.fetch("https://api.paypal.com/cert") == b"a key"
    seconds[0] = STALE_SECONDS
    with pytest.raises(SourceUnavailable):
        keys.fetch("https://api.paypal.com/cert")


@pytest.mark.parametrize(
    "url",
    [
        "http://api.paypal.com/cert",
        "https://127.0.0.1/cert",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/cert",
        "https://localhost/cert",
        "https://api.paypal.com:8443/cert",
        "https://user@api.paypal.com/cert",
        "https://user:password@api.paypal.com/cert",
        "https://api.paypal.com\\@evil.example/cert",
        "https://api.paypal.com/a b",
        "https://api.paypal.com/\r\nHost: evil.example",
        "https://api.paypal.com/ü",
        "https://api.paypal.com:99999/",
        "https://api.paypal.com:x/",
        "https://",
        "file:///etc/passwd",
        "ftp://api.paypal.com/cert",
        "//api.paypal.com/cert",
        "",
        "https://[",
        f"https://{'a' * 64}.paypal.com/cert",
        f"https://{'a.' * 130}paypal.com/cert",
        "https://-.paypal.com/cert",
        "https://a-.paypal.com/cert",
        "https://paypal..com/cert",
    ],
)
def test_what_must_not_be_asked_is_not_asked(web: Any, url: str) -> None:
    with pytest.raises(ForeignSender):
        ProviderKeys(lambda: 0.0).fetch(url)

    assert not web.asked


def test_a_public_url_is_taken_apart() -> None:
    assert public_https("https://www.googleapis.com:443/oauth2/v3/certs") == ("www.googleapis.com", "/oauth2/v3/certs")
    assert public_https("https://www.googleapis.com?x=1") == ("www.googleapis.com", "/?x=1")


@pytest.mark.parametrize("failure", [TimeoutError(), ConnectionResetError(), HTTPException(), OSError()])
def test_no_answer_is_temporary_and_remembered_for_a_moment(web: Any, failure: Exception) -> None:
    seconds = [0.0]
    keys = ProviderKeys(lambda: seconds[0])
    web.failure = failure
    for _ in range(5):
        with pytest.raises(SourceUnavailable, match="did not answer"):
            keys.fetch("https://api.paypal.com/cert")
    assert len(web.asked) == 1
    web.failure = None

    seconds[0] = FAILED_SECONDS
    assert keys.fetch("https://api.paypal.com/cert") == b"a key"


@pytest.mark.parametrize(
    ("status", "body"), [(302, b""), (404, b"x"), (500, b""), (200, b"x" * (MAX_ANSWER_BYTES + 1))]
)
def test_a_bad_answer_is_temporary(web: Any, status: int, body: bytes) -> None:
    web.status, web.body = status, body

    with pytest.raises(SourceUnavailable):
        ProviderKeys(lambda: 0.0).fetch("https://api.paypal.com/cert")
