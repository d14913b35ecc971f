"""A server on a socket that does what a script says with each request: for clients that must bear anything."""

import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

Behaviour = bytes | Callable[[socket.socket], None]  # an answer, or what is done instead; both see a whole request


def answer(status: int, body: bytes = b"{}", *headers: str) -> bytes:
    """An HTTP answer that states its length."""
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def reset(connection: socket.socket) -> None:
    """End the connection without a word: the client reads a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    connection.close()


def hang_up(connection: socket.socket) -> None:
    """End the connection in an orderly way, without an answer."""
    connection.close()


def then_hang_up(what: bytes) -> Callable[[socket.socket], None]:
    """Say this, and end the connection."""

    def behave(connection: socket.socket) -> None:
        connection.sendall(what)
        connection.close()

    return behave


def stall(connection: socket.socket) -> None:
    """Say nothing until the client gives up."""
    with suppress(OSError):
        connection.recv(1)
    connection.close()


@dataclass
class ScriptedServer:
    """What it was asked, on how many connections."""

    port: int
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def headers(self, place: int) -> dict[str, str]:
        """The headers of a request, by their lower-case names."""
        head = self.requests[place].partition(b"\r\n\r\n")[0].decode("latin-1")
        pairs = (line.partition(":") for line in head.split("\r\n")[1:])
        return {name.lower(): value.strip() for name, _, value in pairs}


@contextmanager
def scripted(behaviours: Sequence[Behaviour]) -> Iterator[ScriptedServer]:
    """Within: a server that meets the n-th request as the n-th behaviour says, and any later one with a reset."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = ScriptedServer(listening.getsockname()[1])
        script = iter(behaviours)
        opened: list[socket.socket] = []

        def serve() -> None:
            with suppress(OSError):  # closed
                while True:
                    connection, _ = listening.accept()
                    server.connections += 1
                    opened.append(connection)
                    threading.Thread(target=_converse, args=(connection, server, script), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield server
        for each in [listening, *opened]:
            with suppress(OSError):  # closed already
                each.shutdown(socket.SHUT_RDWR)


def _converse(connection: socket.socket, server: ScriptedServer, script: Iterator[Behaviour]) -> None:
    with connection, suppress(OSError):
        while request := _request(connection):
            server.requests.append(request)
            behaviour = next(script, reset)
            if callable(behaviour):
                behaviour(connection)
            else:
                connection.sendall(behaviour)
            if connection.fileno() < 0:
                return


def _request(connection: socket.socket) -> bytes:
    """A whole request; b"" where the client has hung up."""
    got = b""
    while b"\r\n\r\n" not in got:
        part = connection.recv(65_536)
        if not part:
            return b""
        got += part
    head, _, body = got.partition(b"\r\n\r\n")
    stated = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    length = int(stated[0].partition(b":")[2]) if stated else 0
    while len(body) < length:
        body += connection.recv(65_536)
    return head + b"\r\n\r\n" + body
