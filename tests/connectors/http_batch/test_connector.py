"""What is sent to a batch endpoint, and what its answers mean for each row."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.http_batch.connector import BatchEndpoint, destination, probe
from connectors.http_batch.settings import FlowSettings
from hub.connector import Answer, Asked, HttpClientWithHeaders, Written
from hub.errors import BatchRefused, Category, HubError, NotConfigured, Refused, Temporary, Unavailable
from hub.events import Event
from hub.records import Customer, Deletion, Record, TableRow
from tests.fakes import NOW, an_event

PATH = "/v1/contacts/batch"


def answer(content: Any = None, status: int = 200, **headers: str) -> Answer:
    return Answer(status, headers, b"" if content is None else json.dumps(content).encode())


@dataclass
class Http:
    """A HttpClientWithHeaders that answers as it is told."""

    answers: list[Answer] = field(default_factory=list)
    sent: list[tuple[str, str, Any, Mapping[str, str]]] = field(default_factory=list)
    renewed: int = 0

    def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        self.sent.append((method, path, json.loads(body) if body else None, dict(headers or {})))
        return self.answers.pop(0) if self.answers else answer()

    def renew_credentials(self) -> None:
        self.renewed += 1


def asked(key: str = "7", fields: Mapping[str, Any] | None = None, **event: Any) -> Asked:
    """A row of the stream `contacts`; its event is `e` and the key."""
    about = an_event(f"e{key}", f"crm/contact/{key}", event_type="crm.contacts")
    about = replace(about, **event)
    return Asked("push_row", TableRow(stream="contacts", key=key, fields=dict(fields or {"name": key})), about, "")


def endpoint(http: HttpClientWithHeaders, **settings: Any) -> BatchEndpoint:
    return destination(http, {"path": PATH, "rows": {"contacts": {}}, **settings})


def ended(said: Answer, *rows: Asked, **settings: Any) -> list[Written | HubError]:
    return list(endpoint(Http([said]), **settings).apply_many(rows or [asked("1"), asked("2"), asked("3")]))


def kinds(results: list[Written | HubError]) -> list[str]:
    return [type(result).__name__ for result in results]


# What is sent


def test_a_batch_is_one_request_with_its_id_and_each_row_with_its_own() -> None:
    http = Http()

    results = endpoint(http).apply_many([asked("1", {"name": "Eva"}), asked("2", {"name": "Ben"})])

    ((method, path, body, headers),) = http.sent
    assert (method, path) == ("POST", PATH)
    assert body == [{"id": "1", "event_id": "e1", "name": "Eva"}, {"id": "2", "event_id": "e2", "name": "Ben"}]
    assert list(headers) == ["Idempotency-Key"]
    assert [result.name for result in results if isinstance(result, Written)] == ["1", "2"]


def test_the_same_events_make_the_same_batch_and_others_another() -> None:
    http = Http()
    one, two, three = asked("1"), asked("2"), asked("3")
    replayed = replace(two, event=two.event.replayed(NOW + timedelta(hours=1)))

    for batch in ([one, two], [two, one], [one, two], [one, three], [one], [one, replayed], [one, replayed]):
        endpoint(http).apply_many(batch)

    keys = [headers["Idempotency-Key"] for *_, headers in http.sent]
    assert len(set(keys[:3])) == 1
    assert len(set(keys)) == 4
    assert keys[5] == keys[6]  # an operator's replay is to have an effect, once


def test_names_of_fields_and_headers_are_the_endpoints_own() -> None:
    http = Http()
    stated = {
        "method": "PUT",
        "idempotency_header": "X-Request-Id",
        "body": {"rows": "records", "constants": {"source": "hub"}, "batch_id": "batch"},
        "id_field": "external_id",
        "event_field": "key",
        "version_field": "version",
        "rows": {"contacts": {"fields": {"mail": "contact.email", "age": {"from": "age", "type": "integer"}}}},
    }

    endpoint(http, **stated).apply_many(
        [asked("1", {"contact": {"email": "a@b.c"}, "age": 4, "secret": "no"}, entity_version="5")]
    )

    ((method, _, body, headers),) = http.sent
    assert (method, body["source"], body["batch"]) == ("PUT", "hub", headers["X-Request-Id"])
    assert body["records"] == [{"external_id": "1", "key": "e1", "version": "5", "mail": "a@b.c", "age": 4}]


def test_numbers_are_sent_exactly() -> None:
    http = Http()
    exact = {"a": Decimal("0.1"), "b": Decimal("12.00"), "c": Decimal("0.12345678901234567891"), "d": Decimal("1E+400")}

    endpoint(http).apply_many([asked("1", exact)])

    assert http.sent[0][2][0] | {"a": 0.1, "b": 12, "c": "0.12345678901234567891", "d": "1E+400"} == http.sent[0][2][0]


@pytest.mark.parametrize(
    ("rule", "fields", "fault"),
    [
        ("mail", {}, "missing"),
        ("contact.mail", {"contact": {}}, "missing"),
        ({"from": "mail", "required": True}, {"mail": ""}, "empty"),
        ({"from": "mail", "type": "text"}, {"mail": [1]}, "no text"),
        ({"from": "mail", "type": "integer"}, {"mail": True}, "no integer"),
        ({"from": "mail", "type": "number"}, {"mail": "1"}, "no number"),
        ({"from": "mail", "type": "boolean"}, {"mail": 1}, "no boolean"),
        ("mail", {"mail": float("nan")}, "JSON"),
    ],
)
def test_a_record_that_does_not_fit_ends_alone(rule: Any, fields: dict[str, Any], fault: str) -> None:
    http = Http()
    rows = {"contacts": {"fields": {"mail": rule}}}

    bad, good = endpoint(http, rows=rows).apply_many(
        [asked("1", fields), asked("2", {"contact": None, "mail": good_for(rule)})]
    )

    assert isinstance(bad, HubError)
    assert fault in str(bad)
    assert isinstance(good, Written)
    assert len(http.sent[0][2]) == 1


def good_for(rule: Any) -> Any:
    kind = rule.get("type", "text") if isinstance(rule, dict) else "any"
    return {"text": "a@b.c", "any": "a@b.c", "integer": 1, "number": Decimal("1.5"), "boolean": True}[kind]


def test_nothing_is_sent_where_no_record_fits() -> None:
    http = Http()

    endpoint(http, rows={"contacts": {"fields": {"mail": "mail"}}}).apply_many([asked("1")])

    assert http.sent == []


def test_a_default_fills_what_is_missing() -> None:
    http = Http()
    fields = {"mail": {"from": "mail", "default": None}, "tier": {"from": "tier", "default": "new"}}

    endpoint(http, rows={"contacts": {"fields": fields, "constants": {"list": "b2b"}}}).apply_many([asked("1")])

    assert http.sent[0][2] == [{"id": "1", "event_id": "e1", "mail": None, "tier": "new", "list": "b2b"}]


def record(what: Record, event_type: str = "shop.customers/create") -> Asked:
    event: Event = an_event("e9", "shop-eu/customer/9", event_type=event_type)
    return Asked("push", what, event, "")


def test_records_of_a_known_kind_are_sent_whole_or_as_stated() -> None:
    http = Http()
    customer = record(Customer(id="9", name="Eva", email="a@b.c"))

    endpoint(http).apply_many([customer])
    endpoint(http, rows={"customer": {"fields": {"mail": "email"}}}).apply_many([customer])

    whole, stated = (body[0] for _, _, body, _ in http.sent)
    assert whole == {"id": "9", "event_id": "e9", "name": "Eva", "email": "a@b.c", "is_company": False}
    assert stated == {"id": "9", "event_id": "e9", "mail": "a@b.c"}


def test_a_deletion_is_told_only_where_the_settings_say_how() -> None:
    http, gone = Http(), record(Deletion(entity="contact", id="9"), "crm.contacts/deleted")

    told, untold = (endpoint(http, **stated).apply_many([gone])[0] for stated in ({"deleted": {"field": "gone"}}, {}))

    assert isinstance(told, Written)
    assert isinstance(untold, NotConfigured)
    assert [body for *_, body, _ in http.sent] == [[{"id": "9", "event_id": "e9", "gone": True}]]


def test_rows_of_a_stream_of_which_nothing_is_said_are_not_sent() -> None:
    (result,) = endpoint(Http(), rows={}).apply_many([asked("1")])

    assert isinstance(result, NotConfigured)


# What answers mean


@pytest.mark.parametrize("status", [400, 402, 409, 413, 415, 422])
def test_a_refusal_of_the_whole_batch_asks_for_halves(status: int) -> None:
    with pytest.raises(BatchRefused, match=f"HTTP {status} for a batch of 3: bad country"):
        ended(answer({"error": {"message": "bad country"}}, status))


@pytest.mark.parametrize("status", [301, 404, 405, 408, 500, 502, 503])
def test_trouble_of_the_endpoint_is_no_rows_fault(status: int) -> None:
    with pytest.raises(Unavailable, match=f"HTTP {status}"):
        ended(answer(None, status))


def test_a_limit_is_honoured_as_the_answer_states_it() -> None:
    date = "Thu, 01 Jan 2026 12:00:00 GMT"
    for said, seconds in (("7", 7.0), ("Thu, 01 Jan 2026 12:00:30 GMT", 30.0), ("soon", None), ("999999", 3600.0)):
        with pytest.raises(Temporary) as limited:
            ended(answer(None, 429, **{"retry-after": said, "date": date}))
        assert limited.value.category is Category.RATE_LIMIT_EXCEEDED
        assert limited.value.retry_after_seconds == seconds


def test_refused_credentials_are_read_again_once() -> None:
    http = Http([answer(None, 401), answer(None, 200)])
    endpoint(http).apply_many([asked("1")])

    assert http.renewed == 1
    assert http.sent[0] == http.sent[1]
    with pytest.raises(Unavailable, match="hub secrets set"):
        ended(answer(None, 403))


LISTED = {"results": {"path": "data.results", "key": "event", "error": "why", "document": "made"}}


def listed(*results: dict[str, Any]) -> Answer:
    return answer({"data": {"results": list(results)}}, 207)


def test_results_say_of_each_row_what_became_of_it() -> None:
    said = listed(
        {"event": "e3", "status": 429},
        {"event": "e1", "status": 201, "made": "C-1"},
        {"event": "e2", "status": 422, "why": "no such country"},
    )

    taken, refused, later = ended(said, **LISTED)

    assert isinstance(taken, Written)
    assert taken.name == "C-1"
    assert isinstance(refused, Refused)
    assert "(422): no such country" in str(refused)
    assert isinstance(later, Temporary)
    assert later.category is Category.RATE_LIMIT_EXCEEDED


def test_a_row_of_which_nothing_is_said_is_never_taken_for_done() -> None:
    results = ended(listed({"event": "e1", "status": 200}, {"event": "e2"}), **LISTED)

    assert kinds(results) == ["Written", "AnswerUnclear", "AnswerUnclear"]


def test_where_only_failures_are_listed_the_others_were_taken() -> None:
    stated = {"results": {"path": "errors", "lists": "failed", "key": "row", "names": "id", "outcome": "code"}}
    said = answer({"errors": [{"row": 2, "code": "invalid"}, {"row": "3", "code": "503"}]})

    assert kinds(ended(said, **stated)) == ["Written", "Refused", "Temporary"]


def test_words_of_the_endpoint_say_what_succeeded_and_what_may_be_tried_again() -> None:
    stated = {"results": {"outcome": "state", "success": ["created", "same"], "temporary": ["locked"]}}
    said = answer([{"state": "created"}, {"state": "locked"}, {"state": "bad"}])

    assert kinds(ended(said, **stated)) == ["Written", "Temporary", "Refused"]


def test_207_is_read_by_position_where_the_settings_say_nothing() -> None:
    assert kinds(ended(answer([{"status": 200}, {"status": "500"}, {"status": 404}], 207))) == [
        "Written",
        "Temporary",
        "Refused",
    ]


@pytest.mark.parametrize(
    "said",
    [
        answer({"ok": True}, 207),
        Answer(207, {}, b"<html>"),
        answer([{"status": 200}], 207),
    ],
)
def test_an_answer_that_says_nothing_of_the_rows_sends_them_again(said: Answer) -> None:
    with pytest.raises(Temporary):
        ended(said)


def test_results_about_rows_that_were_not_sent_are_not_believed() -> None:
    with pytest.raises(Temporary, match="no row that was sent"):
        ended(listed({"event": "e1", "status": 200}, {"event": "e9", "status": 200}), **LISTED)
    with pytest.raises(Temporary, match="two results"):
        ended(listed({"event": "e1", "status": 200}, {"event": "e1", "status": 500}), **LISTED)


def test_one_event_alone_ends_as_its_row_does() -> None:
    one = asked("1")
    stated: dict[str, Any] = {"results": {}}

    with pytest.raises(Refused):
        endpoint(Http([answer([{"status": 400}])]), **stated).apply(one.action, one.record, one.event, "")
    written = endpoint(Http([answer([{"status": 200}])]), **stated).apply(one.action, one.record, one.event, "")

    assert (written.doctype, written.name) == (PATH, "1")


def test_a_probe_asks_whether_anything_answers() -> None:
    probe(Http([answer(None, 404)]))
    with pytest.raises(Unavailable):
        probe(Http([answer(None, 503)]))


@pytest.mark.parametrize(
    ("stated", "fault"),
    [
        ({"path": "https://elsewhere.example.com/x"}, "no path"),
        ({"auth": {"type": "query", "name": "key"}}, "use header"),
        ({"id_field": "event_id"}, "three different fields"),
        ({"rows": {"contacts": {"fields": {"event_id": "x"}}}}, "which the hub writes"),
        ({"results": {"lists": "failed"}}, "needs key"),
        ({"body": {"batch_id": "batch"}}, "need rows"),
    ],
)
def test_settings_that_do_not_fit_are_told(stated: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValidationError, match=fault):
        FlowSettings(**{"path": PATH, **stated})
