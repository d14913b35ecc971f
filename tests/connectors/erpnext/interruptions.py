"""A process that dies at a chosen call, for the tests of whatever must be repeatable at any point."""

from collections.abc import Callable, Mapping

from hub.connector import Answer, HttpClient


class Interrupted(Exception):
    """Stands for the death of the process."""


class DyingHttp:
    """Dies at the `at`-th call: before it is sent, or after ERPNext has taken it."""

    def __init__(self, http: HttpClient, at: int, *, after: bool) -> None:
        self._http, self._at, self._after, self.calls = http, at, after, 0

    def send(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Answer:
        self.calls += 1
        if self.calls == self._at and not self._after:
            raise Interrupted
        answer = self._http.send(method, path, query=query, body=body)
        if self.calls == self._at:
            raise Interrupted
        return answer

    def renew_credentials(self) -> None:
        self._http.renew_credentials()


def die_everywhere(http: HttpClient, act: Callable[[HttpClient], object], *, after: bool) -> int:
    """Let `act` die at its first, second, third … call in turn until it gets to its end; gives how often it died."""
    for at in range(1, 100):
        try:
            act(DyingHttp(http, at, after=after))
        except Interrupted:
            continue
        return at - 1
    raise AssertionError("it never came to its end")
