"""Opens what a connector reads or writes, with the integration's secrets: for the Lambdas and for commands alike."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING, Any

from adapters.databases import client_at, is_web
from adapters.http import DestinationHttp
from adapters.secrets import IntegrationSecrets
from connectors import connector_module
from hub.connector import HttpClient, Reach
from hub.streams import Declared, Listing, Stream

if TYPE_CHECKING:
    from hub.drain import Messages


def open_stream(
    declared: Declared, url: str, secrets: IntegrationSecrets, timeout_seconds: float, now: Callable[[], datetime]
) -> "tuple[Stream, Listing | Messages]":
    """A stream as its connector lists it, and how far that can be trusted."""

    def http(headers: Callable[[], Mapping[str, str]]) -> HttpClient:
        return DestinationHttp(url, headers, secrets.forget, timeout_seconds, connections=1)

    def reached() -> Any:
        return client_at(url, secrets.live, secrets.forget, timeout_seconds)

    reach = Reach(url, secrets.live, http, now, time.sleep, reached)
    connector = connector_module(declared.stream.connector)
    if hasattr(connector, "messages"):
        return declared.stream, connector.messages(declared.stream, declared.settings, reach)
    listing = connector.listing(declared.stream, declared.settings, reach)
    return replace(declared.stream, steady=listing.steady, ordered=listing.ordered), listing


def client_of(
    connector: ModuleType,
    url: str,
    secrets: IntegrationSecrets,
    timeout_seconds: float,
    connections: int,
    settings: Mapping[str, Any] | None = None,
) -> Any:
    """What calls a destination: its url says whether that is HTTP. Where a flow's settings say how to sign in, they must
    be given; without them such a system can only be asked whether it is there."""
    if not is_web(url):
        return client_at(url, secrets.live, secrets.forget, timeout_seconds)

    def http(headers: Callable[[], Mapping[str, str]], forget: Callable[[], None] = secrets.forget) -> DestinationHttp:
        return DestinationHttp(url, headers, forget, timeout_seconds, connections)

    if settings is None or not hasattr(connector, "signer"):
        return http(partial(connector.credentials, secrets.live))
    signer = connector.signer(settings, Reach(url, secrets.live, http, partial(datetime.now, UTC), time.sleep))

    def forget() -> None:
        secrets.forget()
        signer.forget()

    return http(signer.headers, forget)
