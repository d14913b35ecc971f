"""What became of each row, as an endpoint's answer tells."""

import json
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

from connectors.http_batch.settings import FlowSettings, Results, Told
from hub.connector import Answer, Effect, Written
from hub.errors import BatchRefused, Category, HubError, Refused, Severity, Temporary, Unavailable
from hub.facts import at

AGAIN = {408, 425, 429}  # statuses that time heals, beside those from 500 on
NO_ENDPOINT = {404, 405, 410, 421}  # nothing is wrong with the rows
PARTIAL = HTTPStatus.MULTI_STATUS
LONGEST_WORDS = 300
MOST_RETRY_SECONDS = 3_600.0
_ABSENT = object()


class AnswerUnclear(Temporary):
    """An answer of 2xx that does not say what became of a row: it is sent again, under the same id."""


def results_of(answer: Answer, rows: Sequence[Mapping[str, Any]], settings: FlowSettings) -> list[Written | HubError]:
    """How each row ended, in their order; raises BatchRefused, Temporary and Unavailable where all share one fate."""
    if not 200 <= answer.status < 300:
        raise _of_all(answer, settings.path, len(rows))
    if settings.results is None and answer.status != PARTIAL:
        return [Written(Effect.APPLIED, settings.path, str(row[settings.id_field])) for row in rows]
    results = settings.results or Results()
    try:
        found = _matched(json.loads(answer.body), rows, results, results.names or settings.event_field)
    except (ValueError, RecursionError) as error:
        raise AnswerUnclear(
            f"{settings.path}: {error if type(error) is _Mismatch else 'the answer is no JSON'}"
        ) from None
    return [_result(each, row, settings, results) for each, row in zip(found, rows, strict=True)]


class _Mismatch(ValueError):
    """An answer that is not what the settings' `results` say."""


def _of_all(answer: Answer, path: str, rows: int) -> HubError:
    status = answer.status
    told = f"{path}: HTTP {status} for a batch of {rows}"
    if status == 429:
        wait = _retry_after(answer)
        return Temporary(told, category=Category.RATE_LIMIT_EXCEEDED, retry_after_seconds=wait)
    if status >= 500 or status in AGAIN:
        return Unavailable(told, retry_after_seconds=_retry_after(answer))
    if status in (401, 403, 407):
        what = f"{told}: it refuses the hub's credentials; store new ones with `hub secrets set`"
        return Unavailable(what, category=Category.AUTHENTICATION_FAILED, severity=Severity.CRITICAL)
    if status in NO_ENDPOINT or status < 400:
        what = f"{told}: nothing takes rows there; mend the flow's settings (path, method) or the endpoint"
        return Unavailable(what, category=Category.INVALID_REQUEST, severity=Severity.HIGH)
    return BatchRefused(f"{told}{_words(answer.body)}", category=Category.DATA_VALIDATION_FAILED)


def _matched(content: Any, rows: Sequence[Mapping[str, Any]], results: Results, names: str) -> list[Any]:
    """The result of each row; `_ABSENT` where none speaks of it."""
    listed = at(content, results.path) if results.path else content
    if not isinstance(listed, list):
        raise _Mismatch(f"{results.path or 'the answer'} is no list of results; see the flow's settings (results)")
    if not results.key:
        if len(listed) != len(rows):
            raise _Mismatch(f"{len(listed)} results for {len(rows)} rows; state results.key if only some are listed")
        return listed
    by_row: dict[str, Any] = {}
    for each in listed:
        key = _text(at(each, results.key))
        if key in by_row and by_row[key] != each:
            raise _Mismatch("two results speak of one row")
        by_row[key] = each
    if strangers := by_row.keys() - {_text(row.get(names)) for row in rows}:
        raise _Mismatch(f"{len(strangers)} results speak of no row that was sent; see results.key and results.names")
    return [by_row.get(_text(row.get(names)), _ABSENT) for row in rows]


def _result(found: Any, row: Mapping[str, Any], settings: FlowSettings, results: Results) -> Written | HubError:
    taken = Written(Effect.APPLIED, settings.path, str(row[settings.id_field]))
    if found is _ABSENT:
        unsaid = AnswerUnclear(f"{settings.path}: the answer says nothing of this row; it is sent again")
        return taken if results.lists == "failed" else unsaid
    said = at(found, results.outcome)
    status = _status(said)
    if results.lists == "all" and _is_success(said, status, results.success):
        name = _text(at(found, results.document)) if results.document else ""
        return Written(Effect.APPLIED, settings.path, name) if name.isprintable() and name else taken
    words = _text(at(found, results.error))[:LONGEST_WORDS] if results.error else ""
    told = f"{settings.path}: the row was not taken ({_text(said)[:60] or 'no reason'}){f': {words}' if words else ''}"
    if status == 429:
        return Temporary(told, category=Category.RATE_LIMIT_EXCEEDED)
    if _is_one(said, results.temporary) or status in AGAIN or 500 <= status < 600:
        return Temporary(told)
    if said is None and results.lists == "all":
        return AnswerUnclear(f"{settings.path}: a result bears no {results.outcome}; see the flow's settings (results)")
    return Refused(f"{told}; mend it, then replay the event (hub events replay)")


def _is_success(said: Any, status: int, success: Sequence[Told]) -> bool:
    return _is_one(said, success) if success else said is True or 200 <= status < 300


def _is_one(said: Any, values: Sequence[Told]) -> bool:
    return any(said == value and type(said) is type(value) for value in values)


def _status(said: Any) -> int:
    """An HTTP status, also one written as text; 0 for anything else."""
    text = str(said) if isinstance(said, int | str) and not isinstance(said, bool) else ""
    return int(text) if len(text) == 3 and text.isascii() and text.isdigit() else 0


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value).strip() if isinstance(value, str | int) else ""


def _words(body: bytes) -> str:
    """What an answer says about an error, where it says so in the usual places."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    for path in ("error.message", "error", "message", "detail", "title"):
        if words := _text(at(content, path)):
            return f": {words[:LONGEST_WORDS]}"
    return ""


def _retry_after(answer: Answer) -> float | None:
    """Retry-After in seconds, which is a number or a date (RFC 9110, section 10.2.3), by the other side's own clock."""
    text = answer.headers.get("retry-after", "")
    if text.isascii() and text.isdigit():
        return min(float(text), MOST_RETRY_SECONDS)
    try:
        wait = parsedate_to_datetime(text) - parsedate_to_datetime(answer.headers.get("date", ""))
        return min(max(wait.total_seconds(), 0.0), MOST_RETRY_SECONDS)
    except (ValueError, TypeError):
        return None
