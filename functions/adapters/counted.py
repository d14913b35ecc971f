"""Counts the calls to a destination."""

from collections.abc import Mapping, Sequence
from threading import Lock

from hub.connector import Answer, HttpClientWithHeaders
from hub.remembered import Remembered


class CountedHttp:
    """An HttpClient whose calls are counted."""

    def __init__(self, http: HttpClientWithHeaders) -> None:
        self._http = http
        self._lock = Lock()
        self._calls = 0

    def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """As HttpClientWithHeaders.send."""
        with self._lock:
            self._calls += 1
        return self._http.send(method, path, query=query, body=body, headers=headers)

    def renew_credentials(self) -> None:
        """As HttpClient.renew_credentials."""
        self._http.renew_credentials()

    def taken(self) -> int:
        """The calls since the last asking."""
        with self._lock:
            calls, self._calls = self._calls, 0
        return calls


def tally(http: CountedHttp | None, remembered: Sequence[Remembered]) -> dict[str, float]:
    """What a batch has cost: calls, and lookups that needed one or not; since the last asking."""
    lookups = [each.taken() for each in remembered]
    return {
        "DestinationCalls": http.taken() if http else 0,
        "CacheHits": sum(hits for hits, _ in lookups),
        "CacheMisses": sum(misses for _, misses in lookups),
    }
