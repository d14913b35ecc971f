"""What a REST source is asked, signed how, how often and until when; and what its rows are."""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.generic_rest.connector import listing, read
from connectors.generic_rest.listing import RestListing
from hub.connector import Answer, HttpClient, Reach
from hub.errors import Category, Refused, SecretUnavailable, Temporary, Unavailable, Unreadable
from hub.events import Event, timestamp_version
from hub.facts import UNREADABLE
from hub.records import Deletion, TableRow
from hub.streams import Ask, Listing, PageSuspect, Stream

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
FIRST = Ask("", "", "")
SECRETS = {"token": "t0k3n", "username": "eva", "password": "p:w", "client_id": "id", "client_secret": "s&c"}


@dataclass
class System:
    """A system behind HTTP, its clock, and the secrets that are stored for it."""

    answers: list[Answer] = field(default_factory=list)
    secrets: dict[str, str] = field(default_factory=lambda: dict(SECRETS))
    moment: datetime = NOW
    asked: list[tuple[str, str, dict[str, str], dict[str, str], bytes | None]] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)

    def reach(self) -> Reach:
        return Reach("https://crm.example.com", self.secret, self.http, lambda: self.moment, self.sleep)

    def secret(self, name: str) -> tuple[str, ...]:
        return (self.secrets[name],) if name in self.secrets else ()

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.moment += timedelta(seconds=seconds)

    def http(self, headers: Callable[[], Mapping[str, str]]) -> HttpClient:
        system = self

        class Client:
            def send(
                self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: bytes | None = None
            ) -> Answer:
                system.asked.append((method, path, dict(query or {}), dict(headers()), body))
                return system.answers.pop(0) if system.answers else answer([])

            def renew_credentials(self) -> None:
                system.secrets["token"] = "renewed"

        return Client()

    def open(self, stream: Stream | None = None, **settings: Any) -> Listing:
        return listing(stream or CONTACTS, {"path": "/contacts", **settings}, self.reach())


CONTACTS = Stream("crm", "generic_rest", "contacts", "contact")


def answer(content: Any, status: int = 200, **headers: str) -> Answer:
    return Answer(
        status, {name.replace("_", "-"): each for name, each in headers.items()}, json.dumps(content).encode()
    )


def token(name: str, **more: Any) -> Answer:
    return answer({"access_token": name, **more})


# Signing in


@pytest.mark.parametrize(
    ("auth", "headers", "query"),
    [
        ({}, {}, {}),
        ({"type": "bearer"}, {"Authorization": "Bearer t0k3n"}, {}),
        ({"type": "header", "name": "X-Key"}, {"X-Key": "t0k3n"}, {}),
        ({"type": "query", "name": "key"}, {}, {"key": "t0k3n"}),
        ({"type": "basic"}, {"Authorization": "Basic " + base64.b64encode(b"eva:p:w").decode()}, {}),
    ],
)
def test_each_request_is_signed_as_stated(auth: dict[str, str], headers: dict[str, str], query: dict[str, str]) -> None:
    system = System()

    system.open(auth=auth, headers={"X-Own": "1"}, query={"q": "2"}).page(FIRST)

    [(method, path, asked, sent, body)] = system.asked
    assert (method, path, asked, body) == ("GET", "/contacts", {"q": "2", **query}, None)
    assert sent == {"Accept": "application/json", "X-Own": "1", **headers}


@pytest.mark.parametrize(
    ("auth", "missing"),
    [
        ({"type": "bearer"}, "token"),
        ({"type": "query", "name": "key"}, "token"),
        ({"type": "basic"}, "password"),
        ({"type": "oauth2", "token_url": "/token"}, "client_secret"),
    ],
)
def test_a_secret_that_is_not_stored_is_named_and_nothing_is_asked(auth: dict[str, str], missing: str) -> None:
    system = System()
    del system.secrets[missing]

    with pytest.raises(SecretUnavailable, match=f"the secret {missing} is not stored; run `hub secrets set`"):
        system.open(auth=auth).page(FIRST)
    assert [asked for asked in system.asked if asked[1] == "/contacts"] == []


def test_a_key_in_the_query_is_new_after_a_refusal() -> None:
    system = System([answer({}, 401), answer([])])

    system.open(auth={"type": "query", "name": "key"}).page(FIRST)

    assert [asked[2]["key"] for asked in system.asked] == ["t0k3n", "renewed"]


OAUTH = {"type": "oauth2", "token_url": "https://login.example.com/token", "scope": "read all"}


def test_a_token_is_got_once_and_used_until_shortly_before_it_runs_out() -> None:
    system = System([token("one", expires_in=600), answer([]), answer([]), token("two", expires_in=600), answer([])])
    rest = system.open(auth=OAUTH)

    rest.page(FIRST)
    system.moment += timedelta(seconds=539)
    rest.page(FIRST)
    system.moment += timedelta(seconds=1)
    rest.page(FIRST)

    form = parse_qs((system.asked[0][4] if system.asked[0][4] else b"").decode())
    paths = [asked[1] for asked in system.asked]
    bearers = [asked[3]["Authorization"] for asked in system.asked if asked[1] == "/contacts"]
    assert sorted(paths) == ["/contacts"] * 3 + ["https://login.example.com/token"] * 2
    assert bearers == ["Bearer one", "Bearer one", "Bearer two"]
    assert form == {
        "grant_type": ["client_credentials"],
        "client_id": ["id"],
        "client_secret": ["s&c"],
        "scope": ["read all"],
    }


def test_a_token_that_is_refused_early_is_got_anew_once() -> None:
    system = System([token("one", expires_in=600), answer({}, 401), token("two"), answer([])])

    system.open(auth=OAUTH).page(FIRST)

    assert system.asked[-1][3]["Authorization"] == "Bearer two"
    assert len(system.asked) == 4


@pytest.mark.parametrize(
    "bad",
    [answer({"error": "invalid_client"}, 400), answer({}), answer([]), answer({"access_token": 5}), answer({}, 500)],
)
def test_a_token_url_that_gives_no_token_is_told_without_its_words(bad: Answer) -> None:
    with pytest.raises(Unavailable, match="without an access_token") as trouble:
        System([bad]).open(auth=OAUTH).page(FIRST)

    assert trouble.value.category == Category.AUTHENTICATION_FAILED
    assert "s&c" not in str(trouble.value)


# What is asked

STATED: dict[str, Any] = {"version": {"field": "at"}, "since": {"param": "from"}, "until": {"param": "to"}}
SINCE, UNTIL = "2026-03-29T00:59:59.700000Z", "2026-03-29T01:00:00.200000Z"


@pytest.mark.parametrize(
    ("stated", "since", "until"),
    [
        ({}, "2026-03-29T00:59:59Z", "2026-03-29T01:00:01Z"),
        ({"step": "milliseconds"}, "2026-03-29T00:59:59.700Z", "2026-03-29T01:00:00.201Z"),
        ({"format": "unix_seconds"}, "1774745999", "1774746001"),
        ({"format": "unix_milliseconds", "step": "milliseconds"}, "1774745999700", "1774746000201"),
    ],
)
def test_bounds_are_rounded_outward_so_that_nothing_is_left_out(stated: dict[str, str], since: str, until: str) -> None:
    system = System()
    settings = STATED | {"since": {"param": "from", **stated}, "until": {"param": "to", **stated}}

    system.open(**settings).page(Ask(SINCE, UNTIL, ""))

    assert system.asked[0][2] == {"from": since, "to": until}


def test_a_counter_is_asked_for_as_a_plain_number() -> None:
    system = System()
    stream = Stream("crm", "generic_rest", "contacts", "contact", cursor="integer")

    system.open(stream, version={"field": "seq", "format": "integer"}, since={"param": "after"}).page(
        Ask("00000000000000000042", "", "")
    )

    assert system.asked[0][2] == {"after": "42"}


@given(
    st.integers(1_700_000_000_000_000, 1_900_000_000_000_000),
    st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC", "Asia/Kolkata"]),
    st.sampled_from(["seconds", "milliseconds", "microseconds"]),
)
def test_a_row_of_local_time_is_never_outside_of_the_bounds_that_are_asked_for_it(
    micros: int, zone: str, step: str
) -> None:
    """Whatever the source's wall clock showed when the row was written, also in the hour that comes twice."""
    moment = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=micros)
    system = System([answer([])])
    stated = {"param": "from", "step": step}
    settings: dict[str, Any] = {
        "version": {"field": "at", "format": "local", "time_zone": zone},
        "since": stated,
        "until": {**stated, "param": "to"},
    }
    wall = moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    version = timestamp_version(moment.isoformat())

    system.open(**settings).page(Ask(version, version, ""))

    asked = system.asked[0][2]
    assert datetime.fromisoformat(asked["from"]) <= wall < datetime.fromisoformat(asked["to"])


# The answer


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"at": "2026-03-01T13:00:00+01:00"}, "2026-03-01T12:00:00.000000Z"),
        ({"at": None}, ""),
        ({"at": "soon"}, ""),
        ({}, ""),
        ({"at": ["2026"]}, ""),
    ],
)
def test_a_version_that_cannot_be_read_is_none(row: dict[str, Any], expected: str) -> None:
    page = System([answer([{"id": 1, **row}])]).open(**STATED).page(FIRST)

    assert [each.version for each in page.rows] == [expected]


def test_the_hour_that_comes_twice_counts_as_its_first_occurrence() -> None:
    berlin: dict[str, Any] = {"version": {"field": "at", "format": "local", "time_zone": "Europe/Berlin"}}
    rows = [{"id": 1, "at": "2026-10-25 02:30:00"}, {"id": 2, "at": "2026-07-01 12:00:00"}]

    page = System([answer(rows)]).open(**berlin).page(FIRST)

    assert [row.version for row in page.rows] == ["2026-10-25T00:30:00.000000Z", "2026-07-01T10:00:00.000000Z"]


@pytest.mark.parametrize(
    ("key", "row", "expected"),
    [
        ("id", {"id": 7}, "7"),
        ("meta.uuid", {"meta": {"uuid": "x"}}, "x"),
        (["shop", "id"], {"shop": "de", "id": 7}, "de:7"),
        (["shop", "id"], {"shop": "de"}, ""),
        ("id", {"id": True}, ""),
        ("id", {"id": "x" * 201}, ""),
        ("id", {"id": "a\nb"}, ""),
        ("id", 5, ""),
    ],
)
def test_a_rows_key_is_what_the_settings_name(key: Any, row: Any, expected: str) -> None:
    page = System([answer([row])]).open(key=key).page(FIRST)

    assert [each.key for each in page.rows] == [expected]


@pytest.mark.parametrize(
    ("deleted", "row", "gone"),
    [
        ({"field": "deleted"}, {"deleted": True}, True),
        ({"field": "deleted"}, {"deleted": 1}, False),
        ({"field": "deleted_at", "values": []}, {"deleted_at": "2026-01-01"}, True),
        ({"field": "deleted_at", "values": []}, {"deleted_at": None}, False),
        ({"field": "state", "values": ["gone", "void"]}, {"state": "void"}, True),
        ({"field": "state", "values": ["gone"]}, {}, False),
    ],
)
def test_a_row_says_that_it_is_gone_as_stated(deleted: dict[str, Any], row: dict[str, Any], gone: bool) -> None:
    page = System([answer([{"id": 1, **row}])]).open(deleted=deleted).page(FIRST)

    assert [each.is_deleted for each in page.rows] == [gone]


def test_the_same_row_in_another_order_of_fields_is_the_same() -> None:
    bodies = [b'[{"id": 1, "a": {"x": 1, "y": 2}}]', b'[ {"a":{"y":2,"x":1},"id":1} ]']
    pages = [System([Answer(200, {}, body)]).open().page(FIRST) for body in bodies]

    assert pages[0].rows[0].fingerprint == pages[1].rows[0].fingerprint


@pytest.mark.parametrize(
    "number", ["19.90", "0.1", "1e3", "12345678901234567890.123456789", "0.30000000000000004", "1E-7", "1e400"]
)
def test_a_number_keeps_all_its_digits_until_it_is_a_record(number: str) -> None:
    [row] = System([Answer(200, {}, f'[{{"id": 1, "amount": {number}}}]'.encode())]).open().page(FIRST).rows
    record = read(event(data=row.data), "row")

    assert isinstance(record, TableRow)
    assert Decimal(record.fields["amount"]) == Decimal(number)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7.0), ("Sun, 01 Mar 2026 12:00:20 GMT", 20.0), ("Sun, 01 Mar 2026 11:00:00 GMT", 0.0), ("999999", 3600.0)],
)
@pytest.mark.parametrize("status", [429, 503])
def test_a_source_that_asks_for_a_pause_gets_it(status: int, header: str, seconds: float) -> None:
    with pytest.raises(Temporary) as trouble:
        System([answer({}, status, retry_after=header)]).open().page(FIRST)

    assert trouble.value.retry_after_seconds == seconds


@pytest.mark.parametrize("header", ["soon", "-5", "²", "Sun, 99 Mar 2026 12:00:20 GMT", ""])
def test_a_pause_that_cannot_be_read_is_none(header: str) -> None:
    with pytest.raises(Temporary) as trouble:
        System([answer({}, 429, retry_after=header)]).open().page(FIRST)

    assert trouble.value.retry_after_seconds is None


@pytest.mark.parametrize(("status", "words"), [(302, "a redirect"), (400, "refuses the question"), (404, "refuses")])
def test_a_question_that_the_source_refuses_is_told(status: int, words: str) -> None:
    with pytest.raises(Refused, match=words):
        System([answer({}, status)]).open().page(FIRST)


@pytest.mark.parametrize("body", [b"", b"<html>", b'[{"id": 1}', b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_json_is_no_page(body: bytes) -> None:
    with pytest.raises(PageSuspect):
        System([Answer(200, {}, body)]).open().page(FIRST)


def test_requests_keep_their_distance() -> None:
    system = System()
    rest = system.open(requests_per_second=4)

    rest.page(FIRST)
    rest.page(FIRST)
    system.moment += timedelta(seconds=0.1)
    rest.page(FIRST)
    system.moment += timedelta(seconds=9)
    rest.page(FIRST)

    assert system.slept == pytest.approx([0.25, 0.15, 0.0])


def test_a_page_tells_the_names_of_its_fields_and_no_data_for_names() -> None:
    rows = [{"id": 1, "name": "Ann"}, {"id": 2, "mail": None, "x" * 61: 1, "a\nb": 2}, 5]

    assert System([answer(rows)]).open().page(FIRST).fields == {"id", "name", "mail"}


# Records


def event(kind: str = "generic_rest.contacts", subject: str = "crm/contact/a/7", data: bytes = b"{}") -> Event:
    return Event("e", "/integrations/crm", kind, subject, None, NOW, "", "application/json", data)


def test_a_row_is_read_with_its_stream_its_key_and_exact_numbers() -> None:
    record = read(event(data=b'{"id": "a/7", "amount": 0.1, "n": null}'), "row")

    assert record == TableRow(stream="contacts", key="a/7", fields={"id": "a/7", "amount": Decimal("0.1"), "n": None})


def test_a_row_that_is_gone_is_a_deletion_whatever_it_still_says() -> None:
    assert read(event("generic_rest.contacts/deleted"), "deletion") == Deletion(entity="contact", id="a/7")


def test_a_row_without_a_key_is_set_aside_with_what_to_do() -> None:
    with pytest.raises(Unreadable, match="see the stream's setting `key`"):
        read(event(subject=f"crm/{UNREADABLE}/abc"), "row")


@pytest.mark.parametrize("data", [b"5", b'"text"', b"[1]", b"null"])
def test_a_row_that_is_no_object_is_set_aside(data: bytes) -> None:
    with pytest.raises(Unreadable, match="no object"):
        read(event(data=data), "row")


def test_a_listing_is_steady_where_its_pages_prove_it_or_the_source_is_trusted() -> None:
    def steady(**settings: Any) -> bool:
        rest = System().open(**settings)
        assert isinstance(rest, RestListing)
        return rest.steady

    assert not steady(page={"style": "link"})
    assert steady(page={"style": "link"}, confirm=False)
    assert steady(page={"style": "offset"})
    assert steady(page={"style": "keyset"}, **STATED)
