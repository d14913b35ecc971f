"""One kept-alive HTTP/1.1 connection for requests that may be repeated, without what a general client loads and does.

It reads what AWS's services send: a status line, headers, and a body of a stated length, in chunks, or up to the end of
the connection. Anything else is no answer.
"""

import select
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from adapters.refusals import AwsSilent

MAX_HEAD_BYTES = 65_536
MAX_BODY_BYTES = 8_000_000  # the largest that is asked for, an item of DynamoDB, takes 400 KB
READ_BYTES = 65_536

Trust = Callable[[], ssl.SSLContext]


class NotReached(AwsSilent):
    """No connection: the name is unknown, nothing listens, or it took too long."""


class NotTrusted(AwsSilent):
    """The other side's certificate is not one of the trusted authorities' for this name."""


class NoAnswerInTime(AwsSilent):
    """The request went out, and no whole answer came in time."""


class AnswerBroken(AwsSilent):
    """The connection broke before the answer was whole, or what came is no answer."""


class _NothingCame(Exception):
    """The connection was closed before the first byte of an answer: an idle one may be, at any time."""


class Answer(NamedTuple):
    """An HTTP answer; header names are lower-case."""

    status: int
    headers: dict[str, str]
    body: bytes


class Connection:
    """A connection to one host, opened at the first request and whenever it was closed. Not for several threads.

    `trust` are the ways to verify the host, tried in this order; () speaks plain HTTP. `read_seconds` bound the whole
    answer, not each part of it.
    """

    def __init__(
        self,
        host: str,
        port: int,
        trust: Sequence[Trust],
        connect_seconds: float,
        read_seconds: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._address = (host, port)
        self._trust = list(trust)
        self._connect_seconds = connect_seconds
        self._read_seconds = read_seconds
        self._monotonic = monotonic
        self._socket: socket.socket | None = None
        self._poll = select.poll()

    def exchange(self, request: bytes) -> Answer:
        """Send a whole request, and give its answer; raises one of the AwsSilent above. A kept connection that turns
        out to have been closed meanwhile costs a new one, no failure."""
        kept = self._socket
        if kept and not self._poll.poll(0):  # whatever there is to read now is no answer to this request
            try:
                return self._answer_to(request, kept)
            except _NothingCame:
                pass
        self.close()
        self._socket = opened = self._opened()
        try:
            return self._answer_to(request, opened)
        except _NothingCame as error:
            raise AnswerBroken("closed without an answer") from error

    def close(self) -> None:
        """Drop the connection; the next request opens another."""
        if self._socket:
            self._poll.unregister(self._socket)
            self._socket.close()
            self._socket = None

    def _opened(self) -> socket.socket:
        host = self._address[0]
        while True:
            try:
                opened = socket.create_connection(self._address, self._connect_seconds)
                opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if self._trust:
                    opened = self._trust[0]().wrap_socket(opened, server_hostname=host)
            except ssl.SSLCertVerificationError as error:
                if len(self._trust) == 1:
                    raise NotTrusted(f"{host}: {error.verify_message}") from error
                del self._trust[0]
            except OSError as error:
                raise NotReached(f"{host}: {type(error).__name__}") from error
            else:
                self._poll.register(opened, select.POLLIN)
                return opened

    def _answer_to(self, request: bytes, connection: socket.socket) -> Answer:
        keep = False
        until = self._monotonic() + self._read_seconds
        try:
            connection.settimeout(self._read_seconds)
            try:
                connection.sendall(request)
                first = connection.recv(READ_BYTES)
            except (ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError) as error:
                raise _NothingCame from error
            if not first:
                raise _NothingCame
            answer, keep = _Reader(connection, first, until, self._monotonic).answer()
        except TimeoutError as error:
            raise NoAnswerInTime("no whole answer in time") from error
        except OSError as error:
            raise AnswerBroken(type(error).__name__) from error
        finally:
            if not keep:
                self.close()
        return answer


class _Reader:
    """Reads one answer from a connection."""

    def __init__(self, connection: socket.socket, first: bytes, until: float, monotonic: Callable[[], float]) -> None:
        self._connection = connection
        self._buffer = first
        self._until = until
        self._monotonic = monotonic

    def answer(self) -> tuple[Answer, bool]:
        """The answer, and whether the connection can be kept; raises AnswerBroken."""
        status, keep, headers = self._head()
        while 100 <= status < 200:
            status, keep, headers = self._head()
        if status == 204:
            body = b""
        elif "transfer-encoding" in headers:
            body = self._chunks(headers["transfer-encoding"])
        elif "content-length" in headers:
            body = self._taken(_number(headers["content-length"], 10))
        else:
            body, keep = self._rest(), False
        return Answer(status, headers, body), keep and not self._buffer

    def _head(self) -> tuple[int, bool, dict[str, str]]:
        head = self._up_to(b"\r\n\r\n").decode("latin-1")
        status_line, *lines = head.split("\r\n")
        version, _, rest = status_line.partition(" ")
        if version not in ("HTTP/1.1", "HTTP/1.0") or not rest[:3].isdigit():
            raise AnswerBroken("what came is not HTTP")
        headers = {}
        for line in lines:
            name, colon, value = line.partition(":")
            if not colon:
                raise AnswerBroken("a header without a colon")
            headers[name.lower()] = value.strip()
        keep = version == "HTTP/1.1" and headers.get("connection", "").lower() != "close"
        return int(rest[:3]), keep, headers

    def _chunks(self, encoding: str) -> bytes:
        if encoding.lower() != "chunked":
            raise AnswerBroken("an unknown transfer encoding")
        parts, total = [], 0
        while size := _number(self._up_to(b"\r\n").partition(b";")[0].decode("latin-1"), 16):
            total += size
            if total > MAX_BODY_BYTES:
                raise AnswerBroken("the answer is too large")
            parts.append(self._taken(size))
            if self._taken(2) != b"\r\n":
                raise AnswerBroken("a chunk of another length than stated")
        while self._up_to(b"\r\n"):  # trailers
            pass
        return b"".join(parts)

    def _up_to(self, end: bytes) -> bytes:
        while (place := self._buffer.find(end)) < 0:
            if len(self._buffer) > MAX_HEAD_BYTES:
                raise AnswerBroken("a head without end")
            self._more()
        found, self._buffer = self._buffer[:place], self._buffer[place + len(end) :]
        return found

    def _taken(self, size: int) -> bytes:
        if size > MAX_BODY_BYTES:
            raise AnswerBroken("the answer is too large")
        while len(self._buffer) < size:
            self._more()
        found, self._buffer = self._buffer[:size], self._buffer[size:]
        return found

    def _rest(self) -> bytes:
        while part := self._received():
            self._buffer += part
            if len(self._buffer) > MAX_BODY_BYTES:
                raise AnswerBroken("the answer is too large")
        found, self._buffer = self._buffer, b""
        return found

    def _more(self) -> None:
        part = self._received()
        if not part:
            raise AnswerBroken("the answer broke off")
        self._buffer += part

    def _received(self) -> bytes:
        left = self._until - self._monotonic()
        if left <= 0:
            raise TimeoutError
        self._connection.settimeout(left)
        return self._connection.recv(READ_BYTES)


def _number(text: str, base: int) -> int:
    """A length as HTTP writes it; raises AnswerBroken."""
    try:
        if not text.strip().isalnum():
            raise ValueError
        return int(text.strip(), base)
    except ValueError as error:
        raise AnswerBroken("a length that is no number") from error
