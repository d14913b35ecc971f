"""Certificates and keys that providers publish: fetched over https with the standard library, and kept for a while.

Which hosts may be asked is decided by the scheme that asks; here a URL is only held to be https to a public name: no
other port, no address, no user, no redirect, a bounded answer.
"""

import re
from collections.abc import Callable
from http.client import HTTPException, HTTPSConnection
from urllib.parse import urlsplit

from hub.errors import ForeignSender, SourceUnavailable

SECONDS = 2.0  # the provider itself waits no longer than 3 to 5 s for our answer
MAX_ANSWER_BYTES = 262_144
KEEP_SECONDS = 3_600.0
KEEP = 100  # URLs; a provider uses a handful
HOST = re.compile(r"([a-z0-9-]+\.)+[a-z]{2,}")


class ProviderKeys:
    """Fetches by GET, with a cache of an hour."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._kept: dict[str, tuple[bytes, float]] = {}

    def fetch(self, url: str) -> bytes:
        """What stands at an https URL; raises ForeignSender for a URL that must not be asked, SourceUnavailable where
        no good answer comes."""
        body, until = self._kept.get(url, (b"", 0.0))
        if self._monotonic() < until:
            return body
        body = self._get(url)
        if len(self._kept) >= KEEP:
            self._kept.clear()
        self._kept[url] = (body, self._monotonic() + KEEP_SECONDS)
        return body

    def _get(self, url: str) -> bytes:
        host, target = public_https(url)
        connection = HTTPSConnection(host, timeout=SECONDS)
        try:
            connection.request("GET", target)
            answer = connection.getresponse()
            body = answer.read(MAX_ANSWER_BYTES + 1)
        except (OSError, HTTPException) as error:
            raise SourceUnavailable(f"https://{host} did not answer: {type(error).__name__}") from error
        finally:
            connection.close()
        if answer.status != 200 or len(body) > MAX_ANSWER_BYTES:
            raise SourceUnavailable(f"https://{host} answered {answer.status} with {len(body)} bytes")
        return body


def public_https(url: str) -> tuple[str, str]:
    """Host and target of a URL that may be asked; raises ForeignSender for any other."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ForeignSender("the URL to fetch is malformed") from error
    host = parts.hostname or ""
    plain = parts.scheme == "https" and port in (None, 443) and not parts.username and not parts.password
    if not plain or not HOST.fullmatch(host) or not url.isascii() or not url.isprintable() or " " in url:
        raise ForeignSender("only https URLs of public names are fetched")
    return host, (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
