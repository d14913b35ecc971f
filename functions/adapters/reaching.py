"""Opens what a connector reads or writes, with the integration's secrets: for the Lambdas and for commands alike."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING, Any

from adapters.databases import client_at, is_web
from adapters.http import DestinationHttp
from adapters.secrets import IntegrationSecrets
from connectors import connector_module, has_code
from hub.connector import Comparable, HttpClient, Reach
from hub.errors import NotConfigured
from hub.events import timestamp_version

if TYPE_CHECKING:
    from adapters.dynamodb import DynamoLedger
    from hub.drain import Messages
    from hub.reconcile import Judge, Reconciliation
    from hub.streams import Declared, Listing, Stream
    from hub.subscriptions import Subscriptions


def open_stream(
    declared: "Declared", url: str, secrets: IntegrationSecrets, timeout_seconds: float, now: Callable[[], datetime]
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


class Called:
    """A system as a check calls it."""

    def __init__(
        self,
        connector: str,
        url: str,
        secrets: IntegrationSecrets,
        timeout_seconds: float,
        now: Callable[[], datetime],
    ) -> None:
        self._connector, self._url, self._secrets = connector_module(connector), url, secrets
        self._seconds, self._now = timeout_seconds, now
        self._client = client_of(self._connector, url, secrets, timeout_seconds, 1) if self._signs_in() else None

    @property
    def supported_until(self) -> datetime | None:
        """When the system ends the version of its API that the connector speaks; None where it states none."""
        until: datetime | None = getattr(self._connector, "API_SUPPORTED_UNTIL", None)
        return until

    def call(self, streams: Sequence[Mapping[str, Any]]) -> Callable[[], object] | None:
        """Its cheapest call: the connector's `probe`, else what a stream (of these requests) has changed just now; None
        where there is neither."""
        if self._client is not None and hasattr(self._connector, "probe"):
            return partial(self._connector.probe, self._client)
        if not streams or not hasattr(self._connector, "listing"):
            return None
        from hub.streams import Ask, Declared

        declared = Declared.from_request(streams[0])

        def first_page() -> object:
            stream, listing = open_stream(declared, self._url, self._secrets, self._seconds, self._now)
            is_recent = stream.mode == "incremental" and stream.cursor == "timestamp"
            since = timestamp_version(self._now().isoformat()) if is_recent else ""
            return listing.page(Ask(since, "", ""))  # type: ignore[union-attr]  # what takes messages off has a probe

        return first_page

    def subscriptions(self, connector: str) -> "Subscriptions | None":
        """The webhooks that it has registered for integrations of `connector`; None where the hub cannot ask."""
        if self._client is None or not hasattr(self._connector, "subscriptions") or not has_code(connector):
            return None
        if not hasattr(connector_module(connector), "wanted"):
            return None
        found: Subscriptions = self._connector.subscriptions(self._client)
        return found

    def _signs_in(self) -> bool:
        return not is_web(self._url) or hasattr(self._connector, "credentials")


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


def judge_of(
    asked: "Reconciliation",
    source: str,
    secrets: IntegrationSecrets,
    ledger: "DynamoLedger",
    timeout_seconds: float,
) -> "Judge":
    """What judges the rows of a stream that the connector `source` reads; raises NotConfigured where the destination does
    not tell what it keeps. `secrets` are the destination's."""
    from hub.reconcile import Judge

    module = connector_module(asked.connector)
    client = client_of(module, asked.url, secrets, timeout_seconds, 1, asked.settings)
    destination = module.destination(client, asked.settings)
    if not isinstance(destination, Comparable):
        raise NotConfigured(
            f"{asked.destination} cannot be compared: its connector ({asked.connector}) does not tell documents."
        )
    return Judge(
        asked.action,
        asked.record,
        connector_module(source).read,
        destination,
        lambda subjects: [head.version for head in ledger.heads_of([(asked.flow, each) for each in subjects])],
    )
