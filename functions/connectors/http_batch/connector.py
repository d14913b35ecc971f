"""Sends records to an endpoint that takes several in one request, as the flow's settings describe it."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from connectors.http_batch.answers import results_of
from connectors.http_batch.rows import as_json, event_id, row_of
from connectors.http_batch.settings import FlowSettings
from hub.connector import Asked, HttpClient, HttpClientWithHeaders, Reach, Written
from hub.errors import HubError, Permanent, Unavailable
from hub.events import Event
from hub.records import Record
from hub.sign_in import Signer


def credentials(live_secrets: Callable[[str], Sequence[str]]) -> Mapping[str, str]:  # noqa: ARG001 - none are sent
    """Without a flow's settings nobody knows how to sign in: no key is sent where it might not belong."""
    return {}


def signer(settings: Mapping[str, Any], reach: Reach) -> Signer:
    """How a flow's settings say to sign in."""
    stated = FlowSettings(**settings)
    return Signer(stated.auth, stated.headers, reach)


def destination(http: HttpClientWithHeaders, settings: Mapping[str, Any]) -> "BatchEndpoint":
    """The endpoint behind `http`, with the flow's settings (already validated when they were deployed)."""
    return BatchEndpoint(http, FlowSettings(**settings))


def probe(http: HttpClient) -> None:
    """Whether anything answers there; raises Unavailable where it does not serve. It is asked without credentials, so an
    answer that refuses them counts."""
    status = http.send("GET", "/").status
    if status >= 500 or status == 429:
        raise Unavailable(f"GET /: HTTP {status}")


class BatchEndpoint:
    """One endpoint of one system."""

    def __init__(self, http: HttpClientWithHeaders, settings: FlowSettings) -> None:
        self._http, self._settings = http, settings

    def apply(self, action: str, record: Record, event: Event, known_name: str) -> Written:
        """Send one record, a batch of its own."""
        (result,) = self.apply_many([Asked(action, record, event, known_name)])
        if isinstance(result, HubError):
            raise result
        return result

    def apply_many(self, asked: Sequence[Asked]) -> Sequence[Written | HubError]:
        """Send them in one request, apart from those that cannot be told as the settings say."""
        rows, results = [], list[Written | HubError | None]()
        for each in asked:
            try:
                rows.append(row_of(each, self._settings))
                results.append(None)
            except Permanent as error:
                results.append(error)
        if rows:
            sent = [each for each, result in zip(asked, results, strict=True) if result is None]
            ended = iter(self._sent(batch_id(sent, self._settings), rows))
            results = [next(ended) if result is None else result for result in results]
        return [result for result in results if result is not None]

    def _sent(self, key: str, rows: list[dict[str, Any]]) -> list[Written | HubError]:
        settings = self._settings
        around = settings.body.constants | ({settings.body.batch_id: key} if settings.body.batch_id else {})
        body = as_json({**around, settings.body.rows: rows} if settings.body.rows else rows)
        headers = {settings.idempotency_header: key} if settings.idempotency_header else {}
        answer = self._http.send(settings.method, settings.path, body=body, headers=headers)
        if answer.status == 401:
            self._http.renew_credentials()  # a token that ran out, or was rotated
            answer = self._http.send(settings.method, settings.path, body=body, headers=headers)
        return results_of(answer, rows, settings)


def batch_id(asked: Sequence[Asked], settings: FlowSettings) -> str:
    """The same for the same events of the same entities, however often and in whichever order they come."""
    told = sorted(f"{each.event.subject} {event_id(each)}" for each in asked)
    return hashlib.sha256(as_json([settings.method, settings.path, *told])).hexdigest()[:40]
