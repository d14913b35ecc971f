"""Certificates and keys that providers publish: fetched over https with the standard library, and kept for a while.

Which hosts may be asked is decided by the scheme that asks; here a URL is only held to be https to a public name: no
other port, no address, no user, no redirect, a bounded answer.
"""

import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

from hub.errors import ForeignSender, SourceUnavailable

SECONDS = 2.0  # the provider itself waits no longer than 3 to 5 s for our answer
MAX_ANSWER_BYTES = 262_144
KEEP_SECONDS = 3_600.0
STALE_SECONDS = 86_400.0  # how old a body may be that serves while no newer one is to be had
FAILED_SECONDS = 10.0  # a URL that gave nothing is not asked again before
KEEP = 100  # URLs; a provider uses a handful
ASKED_PER_MINUTE = 20  # all URLs together: forged deliveries name ever new ones on the provider's own host
LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"  # of DNS; a longer one is no name to the standard library either
HOST = re.compile(rf"(?=.{{4,253}}$)(?:{LABEL}\.)+[a-z]{{2,63}}")


@dataclass(frozen=True, slots=True)
class _Kept:
    body: bytes
    fetched: float


class ProviderKeys:
    """Fetches by GET, with a cache of an hour. Whatever deliveries name, only so many requests a minute go out."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._kept: dict[str, _Kept] = {}  # the one that was used last is the last
        self._failed: dict[str, tuple[str, float]] = {}  # why, and until when it is not asked again
        self._asked: deque[float] = deque(maxlen=ASKED_PER_MINUTE)

    def fetch(self, url: str) -> bytes:
        """What stands at an https URL; raises ForeignSender for a URL that must not be asked, SourceUnavailable where
        no good answer comes, or none came a moment ago."""
        now = self._monotonic()
        kept = self._kept.get(url)
        if not kept or now >= kept.fetched + KEEP_SECONDS:
            try:
                kept = _Kept(self._asked_for(url, now), now)
            except SourceUnavailable:
                if not kept or now >= kept.fetched + STALE_SECONDS:
                    raise
        self._kept.pop(url, None)
        _make_room(self._kept)
        self._kept[url] = kept
        return kept.body

    def _asked_for(self, url: str, now: float) -> bytes:
        host, target = public_https(url)
        why, until = self._failed.get(url, ("", 0.0))
        if now < until:
            raise SourceUnavailable(why)
        if len(self._asked) == ASKED_PER_MINUTE and now < self._asked[0] + 60:
            raise SourceUnavailable(f"more than {ASKED_PER_MINUTE} URLs were to be asked within a minute")
        self._asked.append(now)
        try:
            return _get(host, target)
        except SourceUnavailable as error:
            self._failed.pop(url, None)
            _make_room(self._failed)
            self._failed[url] = (str(error), now + FAILED_SECONDS)
            raise


def _make_room(known: dict[str, Any]) -> None:
    while len(known) >= KEEP:
        del known[next(iter(known))]


def _get(host: str, target: str) -> bytes:
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
