"""HTTP to a destination: one kept-alive client, no cookies, no redirects; no answer means NoAnswer or Unavailable."""

from collections.abc import Callable, Mapping

import httpx

from hub.connector import Answer
from hub.errors import AnswerTooLarge, Category, NoAnswer, Unavailable

CONNECT_SECONDS = 5.0
MAX_ANSWER_BYTES = 50_000_000  # unpacked; a page is parsed beside it in 512 MB
JSON = {"Content-Type": "application/json"}  # of what is sent, unless the caller's headers say otherwise
NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)  # so it had no effect


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
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Call the destination. Any answer is returned. Where the call did not get there, raises Unavailable; where it
        did and no answer came, NoAnswer: it may have taken effect all the same (ERPNext finishes what a client no
        longer waits for). Raises AnswerTooLarge for an answer of more than MAX_ANSWER_BYTES to a question; where
        something was to be done it is none."""
        try:
            all_headers = {**({} if body is None else JSON), **self._headers(), **(headers or {})}
            with self._client.stream(method, path, params=query, content=body, headers=all_headers) as answer:
                whole = _whole(answer, method, path)
        except httpx.TimeoutException as error:
            raise _kind(error)(f"{method} {path}: no answer in time", category=Category.TIMEOUT) from error
        except httpx.RequestError as error:  # no connection, or an answer that breaks off or cannot be decoded
            raise _kind(error)(f"{method} {path}: {type(error).__name__}", category=Category.SERVER_ERROR) from error
        finally:
            self._client.cookies.clear()  # ERPNext sets sid=Guest beside a valid token; sending it back would log us out
        return Answer(answer.status_code, {k.lower(): v for k, v in answer.headers.items()}, whole)

    def renew_credentials(self) -> None:
        """Read the secrets again before the next call."""
        self._forget_credentials()


def _whole(answer: httpx.Response, method: str, path: str) -> bytes:
    """An answer's body, unpacked: some KB can become gigabytes."""
    parts, size = [], 0
    for part in answer.iter_bytes():
        parts.append(part)
        size += len(part)
        if size > MAX_ANSWER_BYTES:
            what = f"{method} {path}: an answer of more than {MAX_ANSWER_BYTES // 1_000_000} MB"
            if method == "GET":
                raise AnswerTooLarge(f"{what}; ask for fewer rows per page, or for a shorter window")
            raise NoAnswer(what, category=Category.SERVER_ERROR)
    return b"".join(parts)


def _kind(error: httpx.RequestError) -> type[Unavailable]:
    return Unavailable if isinstance(error, NOT_SENT) else NoAnswer
