"""The envelope: what goes onto a queue comes back unchanged, and versions sort as text as they do in time."""

import base64
import json
import zlib
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.events import (
    MAX_MESSAGE_BYTES,
    SQS_MESSAGE_BYTES,
    Event,
    from_json,
    integer_version,
    parse_instant,
    queue_key,
    timestamp_version,
    to_json,
)
from tests.fakes import NOW, an_event

INSTANTS = st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=-5)), timezone(timedelta(hours=14))]))
IN_CALENDAR = INSTANTS.filter(lambda moment: 2 < moment.year < 9998)
EVENTS = st.builds(
    Event,
    id=st.text(min_size=1),
    source=st.text(),
    type=st.text(),
    subject=st.text(),
    time=st.none() | IN_CALENDAR,
    received_at=IN_CALENDAR,
    entity_version=st.text(),
    content_type=st.text(),
    data=st.binary(max_size=200) | st.text().map(str.encode),
    traceparent=st.none() | st.text(),
    replay_of=st.none() | st.text(),
)


@given(EVENTS)
def test_an_event_comes_back_as_it_went(event: Event) -> None:
    assert from_json(to_json(event)) == event


@given(st.binary(max_size=50), st.integers(1, 400))
def test_bytes_come_back_whatever_their_encoding_on_the_queue(block: bytes, times: int) -> None:
    event = an_event(data=block * times)

    assert from_json(to_json(event)).data == event.data


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (b'{"name": "Gr\xc3\xb6\xc3\x9fe"}', "text"),
        (b"\xff\xfe", "base64"),
        (b"\xff" * 5_000, "deflate"),
        (b'{"id": 1}' * 1_000, "deflate"),
        (b"", "text"),
    ],
)
def test_a_body_travels_in_its_shortest_readable_form(body: bytes, encoding: str) -> None:
    attributes = json.loads(to_json(an_event(data=body)))

    assert attributes["dataencoding"] == encoding


def test_a_message_bears_the_cloudevents_attributes() -> None:
    event = an_event("e-1", version="0001", data=b"{}").replayed(NOW + timedelta(hours=1))

    assert json.loads(to_json(event)) == {
        "specversion": "1.0",
        "id": "e-1",
        "source": "/integrations/shop-eu",
        "type": "shop.orders/create",
        "subject": "shop-eu/order/1001",
        "datacontenttype": "application/json",
        "receivedat": "2026-01-01T13:00:00.000000Z",
        "entityversion": "0001",
        "replayof": "e-1",
        "dataencoding": "text",
        "data": "{}",
    }


def test_an_event_knows_its_integration() -> None:
    assert an_event().integration == "shop-eu"


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=20))
def test_a_message_holds_only_characters_that_sqs_takes(text: str) -> None:
    """#x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF"""
    event = an_event(event_id="\uffff\ufffe\x00" + text, data=f'"\uffff\ufffe\x00{text}"'.encode())

    message = to_json(event)

    assert all(c in "\t\n\r" or " " <= c <= "\ud7ff" or "\ue000" <= c <= "\ufffd" or c > "\uffff" for c in message)
    assert from_json(message) == event


GOOD = json.loads(to_json(an_event()))


@pytest.mark.parametrize(
    "message",
    [
        "",
        "not JSON",
        "null",
        "[]",
        "{}",
        '"text"',
        "[" * 100_000,
        json.dumps(GOOD | {"dataencoding": "rot13"}),
        json.dumps(GOOD | {"dataencoding": "base64", "data": "*"}),
        json.dumps(GOOD | {"dataencoding": "deflate", "data": base64.b64encode(b"no zlib").decode()}),
        json.dumps(GOOD | {"dataencoding": "deflate", "data": base64.b64encode(zlib.compress(b"x")[:-3]).decode()}),
        json.dumps(GOOD | {"data": None}),
        json.dumps(GOOD | {"receivedat": 5}),
        json.dumps(GOOD | {"receivedat": "2026-01-01T00:00:00"}),
        json.dumps({name: value for name, value in GOOD.items() if name != "subject"}),
    ],
    ids=lambda message: message[:20] or "empty",
)
def test_what_is_no_event_is_a_value_error(message: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        from_json(message)


def test_a_dead_letters_reason_still_fits_beside_the_largest_event() -> None:
    assert SQS_MESSAGE_BYTES == 1_048_576
    assert SQS_MESSAGE_BYTES - MAX_MESSAGE_BYTES >= 2_000 * 4 + 1_000  # 2,000 characters of reason and its names


# --- keys -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["shop-eu/order/820982911946154508", "a", "!" * 128])
def test_a_key_that_sqs_takes_stays_as_it_is(text: str) -> None:
    assert queue_key(text) == text


@pytest.mark.parametrize("text", ["", "with space", "ü", "x" * 129, "tab\t"])
def test_any_other_key_is_a_digest(text: str) -> None:
    key = queue_key(text)

    assert key.startswith("sha256:")
    assert len(key) == 71


@given(st.text(), st.text())
def test_keys_are_stable_fit_and_differ_where_the_texts_do(one: str, other: str) -> None:
    assert queue_key(one) == queue_key(one)
    assert 0 < len(queue_key(one)) <= 128
    assert all("!" <= character <= "~" for character in queue_key(one))
    assert (queue_key(one) == queue_key(other)) == (one == other)


# --- versions ---------------------------------------------------------------------------------------------------------


@given(IN_CALENDAR, IN_CALENDAR)
def test_timestamp_versions_sort_as_time_does(one: datetime, other: datetime) -> None:
    ordered = timestamp_version(one.isoformat()) < timestamp_version(other.isoformat())

    assert ordered == (one < other)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("2026-01-01T00:00:03-05:00", "2026-01-01T05:00:03.000000Z"),
        ("2026-01-01T00:04:58.123456789Z", "2026-01-01T00:04:58.123456Z"),
        ("2026-01-01T00:04:58.5+00:00", "2026-01-01T00:04:58.500000Z"),
        ("2026-01-01T00:04:58.1234567+05:30", "2025-12-31T18:34:58.123456Z"),
        ("2026-01-01T00:04:58Z", "2026-01-01T00:04:58.000000Z"),
    ],
)
def test_a_timestamp_version_is_utc_to_the_microsecond(text: str, version: str) -> None:
    assert timestamp_version(text) == version


def test_the_hour_that_comes_twice_keeps_its_order() -> None:
    """At the end of daylight saving, 02:30 summer time is before 02:30 winter time."""
    summer, winter = timestamp_version("2026-10-25T02:30:00+02:00"), timestamp_version("2026-10-25T02:30:00+01:00")

    assert summer < winter


def test_the_hour_that_is_skipped_keeps_its_order() -> None:
    before, after = timestamp_version("2026-03-29T01:59:59+01:00"), timestamp_version("2026-03-29T03:00:00+02:00")

    assert before < after


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "2026-01-01T00:00:00",
        "2026-13-01T00:00:00Z",
        "9999-12-31T23:59:59-01:00",
        "0001-01-01T00:00:00+01:00",
    ],
)
def test_a_time_that_cannot_be_ordered_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_instant(text)


@given(st.integers(0, 10**20 - 1), st.integers(0, 10**20 - 1))
def test_integer_versions_sort_as_numbers_do(one: int, other: int) -> None:
    assert (integer_version(one) < integer_version(other)) == (one < other)


@pytest.mark.parametrize("number", [-1, 10**20])
def test_a_number_that_would_break_the_order_is_a_value_error(number: int) -> None:
    with pytest.raises(ValueError, match="sequence number"):
        integer_version(number)


@given(IN_CALENDAR)
def test_a_time_to_the_second_makes_the_version_that_its_longer_forms_make(moment: datetime) -> None:
    whole = moment.astimezone(UTC).replace(microsecond=0)
    forms = [f"{whole:%Y-%m-%dT%H:%M:%S}Z".zfill(20), whole.isoformat(), whole.isoformat(timespec="microseconds")]

    assert len({timestamp_version(form) for form in forms}) == 1


@pytest.mark.parametrize("text", ["2026-02-30T00:00:00Z", "2026-01-01T00:00:60Z", "0000-01-01T00:00:00Z"])
def test_a_time_that_never_was_is_no_version(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        timestamp_version(text)
