"""Every answer of Shopify's Admin API means what is to be done next."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from connectors.shopify.admin import Admin, Declined
from hub.connector import Answer
from hub.errors import Category, HubError, Refused, Temporary, Unavailable

COST = {
    "requestedQueryCost": 752,
    "actualQueryCost": None,
    "throttleStatus": {"maximumAvailable": 1000.0, "currentlyAvailable": 666, "restoreRate": 50.0},
}


class ScriptedHttp:
    """Answers with what it is given, in order."""

    def __init__(self, *answers: tuple[int, Any, Mapping[str, str]]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, str, Any]] = []
        self.renewed = 0

    def send(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Answer:
        self.asked.append((method, path, json.loads(body or b"{}")))
        status, content, headers = self.answers.pop(0)
        return Answer(status, headers, content if isinstance(content, bytes) else json.dumps(content).encode())

    def renew_credentials(self) -> None:
        self.renewed += 1


def coded(code: str, **content: Any) -> dict[str, Any]:
    return {"errors": [{"message": "words", "extensions": {"code": code}}], **content}


MEANINGS: list[tuple[int, Any, dict[str, str], type[HubError], Category, float | None]] = [
    (200, coded("THROTTLED", extensions={"cost": COST}), {}, Temporary, Category.RATE_LIMIT_EXCEEDED, 1.72),
    (200, coded("THROTTLED"), {}, Temporary, Category.RATE_LIMIT_EXCEEDED, 2.0),
    (429, {"errors": "Exceeded"}, {"retry-after": "2.0"}, Temporary, Category.RATE_LIMIT_EXCEEDED, 2.0),
    (200, coded("ACCESS_DENIED"), {}, Unavailable, Category.AUTHENTICATION_FAILED, None),
    (403, {"errors": "Forbidden"}, {}, Unavailable, Category.AUTHENTICATION_FAILED, None),
    (402, {"errors": "Payment Required"}, {}, Unavailable, Category.SERVER_ERROR, None),
    (404, {"errors": "Not Found"}, {}, Unavailable, Category.SERVER_ERROR, None),
    (423, {"errors": "Locked"}, {}, Unavailable, Category.SERVER_ERROR, None),
    (430, {}, {}, Unavailable, Category.SERVER_ERROR, None),
    (200, coded("SHOP_INACTIVE"), {}, Unavailable, Category.SERVER_ERROR, None),
    (500, b"<html>", {}, Temporary, Category.SERVER_ERROR, None),
    (200, coded("INTERNAL_SERVER_ERROR"), {}, Temporary, Category.SERVER_ERROR, None),
    (503, b"<html>", {"retry-after": "7"}, Unavailable, Category.SERVER_ERROR, 7.0),
    (200, b"<html>", {}, Unavailable, Category.SERVER_ERROR, None),
    (200, {}, {}, Unavailable, Category.SERVER_ERROR, None),
    (301, {"data": {}}, {}, Unavailable, Category.SERVER_ERROR, None),
    (200, coded("undefinedField"), {}, Refused, Category.DATA_VALIDATION_FAILED, None),
    (400, {"errors": "Bad Request"}, {}, Refused, Category.DATA_VALIDATION_FAILED, None),
]


@pytest.mark.parametrize(("status", "content", "headers", "error", "category", "wait"), MEANINGS)
def test_an_answer_means_what_to_do_next(
    status: int,
    content: Any,
    headers: dict[str, str],
    error: type[HubError],
    category: Category,
    wait: float | None,
) -> None:
    with pytest.raises(HubError) as raised:
        Admin(ScriptedHttp((status, content, headers))).ask("query { shop { name } }", {})

    assert (type(raised.value), raised.value.category) == (error, category)
    assert getattr(raised.value, "retry_after_seconds", None) == wait


def test_a_rotated_token_is_read_again_once() -> None:
    http = ScriptedHttp((401, {}, {}), (200, {"data": {"shop": {"name": "S"}}}, {}))

    assert Admin(http).ask("query { shop { name } }", {}) == {"shop": {"name": "S"}}
    assert http.renewed == 1
    assert {(method, path) for method, path, _ in http.asked} == {("POST", "/admin/api/2026-01/graphql.json")}


def test_a_token_that_stays_wrong_makes_all_wait() -> None:
    with pytest.raises(Unavailable, match="store a new one with `hub secrets set`") as raised:
        Admin(ScriptedHttp((401, {}, {}), (401, {}, {}))).ask("query { shop { name } }", {})

    assert raised.value.category == Category.AUTHENTICATION_FAILED


def test_user_errors_are_told_in_shopifys_words() -> None:
    errors = [{"code": "STALE", "field": ["input", "0"], "message": "no longer"}, {"field": None, "message": "and so"}]
    http = ScriptedHttp((200, {"data": {"change": {"userErrors": errors}}}, {}))

    with pytest.raises(Declined, match=r"change: input\.0: no longer; and so") as raised:
        Admin(http).change("mutation { change }", {})
    assert raised.value.codes == {"STALE", ""}


@pytest.mark.parametrize(
    "payload", [None, {"userErrors": [{"code": "IDEMPOTENCY_CONCURRENT_REQUEST", "message": "x"}]}]
)
def test_a_change_that_is_not_over_yet_is_tried_again(payload: Any) -> None:
    with pytest.raises(Temporary):
        Admin(ScriptedHttp((200, {"data": {"change": payload}}, {}))).change("mutation { change }", {})
