"""HTTP to a destination: one kept-alive client, no cookies, no redirects; no answer means Unavailable."""

from collections.abc import Callable, Mapping

import httpx

from hub.connector import Answer
from hub.errors import Category, Unavailable

CONNECT_SECONDS = 5.0


class DestinationHttp:
    """The HttpClient of one destination; `headers` is asked for each call's credentials."""

    def __init__(
        self,
        url: str,
        headers: Callable[[], Mapping[str, str]],
        forget_credentials: Callable[[], None],
        timeout_seconds: float,
        connections: int,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._headers = headers
        self._forget_credentials = forget_credentials
        self._client = httpx.Client(
            base_url=url,
            timeout=httpx.Timeout(timeout_seconds, connect=CONNECT_SECONDS),
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
            follow_redirects=False,
            trust_env=False,
            transport=transport,
        )

    def send(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Answer:
        """Call the destination. Any answer is returned; where none comes, raises Unavailable.

        A call that timed out may have taken effect all the same (ERPNext finishes what a client no longer waits for).
        """
        try:
            headers = {**self._headers(), "Content-Type": "application/json"} if body is not None else self._headers()
            answer = self._client.request(method, path, params=query, content=body, headers=dict(headers))
        except httpx.TimeoutException as error:
            raise Unavailable(f"{method} {path}: no answer in time", category=Category.TIMEOUT) from error
        except httpx.RequestError as error:  # no connection, or an answer that breaks off or cannot be decoded
            raise Unavailable(f"{method} {path}: {type(error).__name__}", category=Category.SERVER_ERROR) from error
        finally:
            self._client.cookies.clear()  # ERPNext sets sid=Guest beside a valid token; sending it back would log us out
        return Answer(answer.status_code, {k.lower(): v for k, v in answer.headers.items()}, answer.content)

    def renew_credentials(self) -> None:
        """Read the secrets again before the next call."""
        self._forget_credentials()
