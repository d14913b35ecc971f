"""What a batch has cost: its calls, and the lookups that needed one."""

from collections.abc import Mapping

from adapters.counted import CountedHttp, tally
from hub.connector import Answer
from hub.remembered import Remembered


class Http:
    """Answers everything."""

    renewed = False

    def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        return Answer(200, {}, f"{method} {path}".encode())

    def renew_credentials(self) -> None:
        self.renewed = True


def test_calls_and_lookups_are_counted_since_the_last_asking() -> None:
    http, customers, items = CountedHttp(Http()), Remembered(lambda: 0.0), Remembered(lambda: 0.0)
    customers.put("a", "Customer A")

    assert http.send("GET", "/x").body == b"GET /x"
    http.send("PUT", "/y", body=b"{}")
    found = [customers.get("a"), customers.get("b"), items.get("c")]

    assert found == ["Customer A", "", ""]
    assert tally(http, [customers, items]) == {"DestinationCalls": 2, "CacheHits": 1, "CacheMisses": 2}
    assert tally(http, [customers, items]) == {"DestinationCalls": 0, "CacheHits": 0, "CacheMisses": 0}


def test_credentials_are_renewed_where_they_are() -> None:
    bare = Http()
    CountedHttp(bare).renew_credentials()

    assert bare.renewed
