"""Systems that are not reached by HTTP: which client a URL's scheme asks for, and what all of them need."""

import ssl
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar
from urllib.parse import parse_qs, unquote, urlsplit

from hub.errors import SecretUnavailable

WEB = ("https", "http")
CONNECT_SECONDS = 5
STATEMENT_SECONDS = 60.0
LOCAL_HOSTS = ("127.0.0.1", "localhost")
VERIFIED = ("verify-ca", "verify-full")


@dataclass(frozen=True)
class Address:
    """Where a system is and how its users sign in, from the integration's url and secrets."""

    host: str
    port: int | None
    name: str  # of the database
    tls: str  # disable, require, verify-ca or verify-full
    secret: Callable[[str], Sequence[str]] = field(repr=False)
    forget: Callable[[], None] = field(repr=False)  # the secrets in hand were refused

    @classmethod
    def of(cls, url: str, secret: Callable[[str], Sequence[str]], forget: Callable[[], None]) -> "Address":
        """Without `sslmode`, the server is verified where the secret ssl_ca says by what, other hosts are reached
        encrypted at least, and this machine plainly."""
        parts = urlsplit(url)
        host = parts.hostname or ""
        least = "disable" if host in LOCAL_HOSTS else "verify-full" if secret("ssl_ca") else "require"
        tls = parse_qs(parts.query).get("sslmode", [least])[0]
        return cls(host, parts.port, unquote(parts.path.lstrip("/")), tls, secret, forget)

    def signed(self, name: str, default: str | None = None) -> str:
        """The current value of a secret; raises SecretUnavailable where none is stored and there is no default."""
        values = self.secret(name)
        if not values and default is None:
            raise SecretUnavailable(f"no {name} is stored for {self.host}; run `hub secrets set`")
        return values[0] if values else default or ""

    def context(self) -> ssl.SSLContext | None:
        """What TLS holds the server against."""
        if self.tls == "disable":
            return None
        context = ssl.create_default_context(cadata=self.signed("ssl_ca", "") or None)
        context.check_hostname = self.tls == "verify-full"
        if self.tls not in VERIFIED:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context

    def authorities(self) -> str:
        """A file of the certificates that the server is held against."""
        stated = self.signed("ssl_ca", "")
        return _file_of(stated) if stated else str(import_module("certifi").where())


@cache
def _file_of(text: str) -> str:
    """A file with this content, which lives as long as the function's container."""
    path = Path(tempfile.mkdtemp(prefix="authorities-")) / "authorities.pem"
    path.write_text(text, "utf-8")
    return str(path)


def is_web(url: str) -> bool:
    """Whether HTTP reaches it."""
    return urlsplit(url).scheme in WEB


def client_at(
    url: str,
    secret: Callable[[str], Sequence[str]],
    forget: Callable[[], None],
    statement_seconds: float = STATEMENT_SECONDS,
) -> Any:
    """The client of the system at `url`: adapters/<scheme>.py knows it. It connects when it is first asked."""
    adapter = import_module(f"adapters.{urlsplit(url).scheme}")
    return adapter.client(Address.of(url, secret, forget), statement_seconds)


class Closes(Protocol):
    """A connection, as all drivers have it."""

    def close(self) -> object: ...


Connection = TypeVar("Connection", bound=Closes)


class Connections(Generic[Connection]):
    """Connections that are kept for the next statement, for any number of threads."""

    def __init__(self, make: Callable[[], Connection]) -> None:
        self._make = make
        self._idle: list[Connection] = []

    def take(self) -> tuple[Connection, bool]:
        """A connection, and whether it was used before, so that the server may have closed it meanwhile."""
        with suppress(IndexError):
            return self._idle.pop(), True
        return self._make(), False

    def put(self, connection: Connection) -> None:
        """Keep it."""
        self._idle.append(connection)

    def drop(self, connection: Connection) -> None:
        """Close it, and those that were kept with it: what broke one broke them all."""
        for each in [connection, *self._idle]:
            with suppress(Exception):  # it may be broken in any way
                each.close()
        self._idle.clear()
