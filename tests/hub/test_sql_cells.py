"""Cells become JSON and values again without losing a digit, a byte or a character."""

import base64
import json
from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.connector import Cell, Column, Kind
from hub.errors import Unreadable
from hub.sql.cells import NO_VALUES, bound, instant_of, stored, text_of, written

BERLIN = ZoneInfo("Europe/Berlin")
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12).filter(
    lambda name: name != NO_VALUES
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


def one(kind: Kind, cell: Cell, name: str = "it") -> object:
    """The only field of a row."""
    (content,) = written([Column(name, kind)], [[cell]])
    return json.loads(content, parse_float=Decimal)[name]


@given(NAMES, TEXTS)
def test_any_text_under_any_name_arrives(name: str, text: str) -> None:
    assert one("text", text, name) == text


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**20), max_value=10**20))
def test_decimals_keep_their_digits(number: Decimal) -> None:
    content = written([Column("it", "decimal")], [[f"{number:f}"]])[0]

    assert content == f'{{"it":{number:f}}}'.encode()
    assert bound("decimal", f"{number:f}") == number


@given(st.integers(-(2**63), 2**64))
def test_integers_of_any_size_arrive(number: int) -> None:
    assert one("integer", str(number)) == number == bound("integer", str(number))


@given(st.binary())
def test_bytes_arrive_however_the_server_writes_them(raw: bytes) -> None:
    told = base64.b64encode(raw).decode()

    assert one("bytes", raw) == one("bytes", f"\\x{raw.hex()}") == told
    assert bound("bytes", text_of(raw)) == bound("bytes", f"\\x{raw.hex()}") == raw
    assert stored(told, Column("it", "bytes"), BERLIN, str) == raw


@given(st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)))  # noqa: DTZ001 - without zone, as the server writes UTC
def test_instants_are_the_hubs_versions(moment: datetime) -> None:
    expected = moment.replace(tzinfo=UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")

    assert instant_of(f"{moment.isoformat(sep=' ')}+00") == instant_of(moment.isoformat(sep=" ")) == expected
    assert one("timestamp", f"{moment.isoformat(sep=' ')}+00") == expected


@pytest.mark.parametrize(
    ("kind", "cell"),
    [
        ("decimal", "NaN"),
        ("decimal", "-Infinity"),
        ("float", "Infinity"),
        ("timestamp", "infinity"),
        ("timestamp", "0044-03-15 00:00:00+00 BC"),
        ("timestamp", "10000-01-01 00:00:00+00"),
        ("timestamp", "0000-00-00 00:00:00"),
        ("local", "2026-00-00 00:00:00"),
        ("date", "0000-00-00"),
        ("date", "-infinity"),
    ],
)
def test_what_json_has_no_value_for_is_null_and_said(kind: Kind, cell: str) -> None:
    (content,) = written([Column("a", "integer"), Column("b", kind)], [["1", cell]])

    assert json.loads(content) == {"a": 1, "b": None, NO_VALUES: {"b": cell}}


@pytest.mark.parametrize(("padded", "number"), [("00042", 42), ("0", 0), ("00", 0), ("000.50", Decimal("0.50"))])
def test_zeros_that_pad_a_number_are_no_part_of_it(padded: str, number: object) -> None:
    assert one("decimal", padded) == one("integer", padded) == number


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("timestamp", "2026-07-01T12:00:00Z", "2026-07-01 12:00:00+00:00"),
        ("timestamp", "2026-07-01T12:00:00", "2026-07-01 10:00:00+00:00"),  # without zone: that of the settings
        ("local", "2026-07-01T12:00:00Z", "2026-07-01 14:00:00"),
        ("local", "2026-07-01T12:00:00", "2026-07-01 12:00:00"),
        (
            "json",
            {"a": Decimal("2.5"), "b": Decimal("0.1234567890123456789")},
            '{"a": 2.5, "b": "0.1234567890123456789"}',
        ),
        ("text", ["a"], '["a"]'),
        ("decimal", Decimal("1.10"), Decimal("1.10")),
        ("boolean", True, True),
        ("text", None, None),
    ],
)
def test_a_field_becomes_what_its_column_takes(kind: Kind, value: object, expected: object) -> None:
    assert stored(value, Column("it", kind), BERLIN, lambda moment: moment.isoformat(sep=" ")) == expected


@pytest.mark.parametrize(
    ("kind", "value"), [("bytes", "no base64!"), ("timestamp", "yesterday"), ("local", "31.12.2026")]
)
def test_a_field_that_its_column_cannot_take_is_unreadable(kind: Kind, value: str) -> None:
    with pytest.raises(Unreadable, match="column it"):
        stored(value, Column("it", kind), BERLIN, str)
