"""A row's values are taken exactly, or set aside with what was expected; nothing is guessed and nothing blanked."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from connectors.erpnext.row_settings import DocumentRules
from connectors.erpnext.row_values import NotOfType, Times, ValueType, converted
from connectors.erpnext.rows import RowDoesNotFit, said

PLAIN = Times("", "UTC", "America/New_York")
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
TYPES: tuple[ValueType, ...] = ("text", "integer", "number", "money", "date", "datetime", "bool")


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("text", " Ann ", "Ann"),
        ("text", 17, "17"),
        ("integer", "0017", 17),
        ("integer", Decimal("17.0"), 17),
        ("number", "1.5", Decimal("1.5")),
        ("number", Decimal("0.30000000000000004"), Decimal("0.3")),
        ("money", "19.90", Decimal("19.90")),
        ("money", 5, Decimal(5)),
        ("bool", True, 1),
        ("bool", "No", 0),
        ("bool", 1, 1),
        ("date", "2026-03-01", "2026-03-01"),
        ("date", "2026-03-01T02:00:00Z", "2026-02-28"),  # it is still February where the site is
        ("datetime", "2026-03-01T12:00:00+01:00", "2026-03-01 06:00:00"),
        ("datetime", "2026-07-01T12:00:00Z", "2026-07-01 08:00:00"),  # summer time
    ],
)
def test_a_value_is_taken_in_erpnexts_form(kind: ValueType, value: Any, expected: Any) -> None:
    assert converted(value, kind, PLAIN) == expected


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("text", True),
        ("text", {"name": "Ann"}),
        ("text", Decimal("1.5")),
        ("integer", "1.5"),
        ("integer", True),
        ("integer", 2**31),
        ("number", "1,5"),
        ("number", "1.000,50"),
        ("number", "NaN"),
        ("number", Decimal("Infinity")),
        ("money", Decimal("0.30000000000000004")),
        ("money", "1234567890.12345678"),
        ("money", "12 EUR"),
        ("money", "1e99"),
        ("date", "01.03.2026"),
        ("date", 20260301),
        ("datetime", "yesterday"),
        ("bool", "maybe"),
        ("bool", 2),
    ],
)
def test_a_value_of_another_type_is_refused_without_repeating_it(kind: ValueType, value: Any) -> None:
    with pytest.raises(NotOfType) as refusal:
        converted(value, kind, PLAIN)

    assert str(value) not in str(refusal.value)


@given(ANYTHING, st.sampled_from(TYPES), st.sampled_from(["", "%d.%m.%Y", "unix_seconds", "unix_milliseconds"]))
def test_no_value_is_an_accident(value: Any, kind: ValueType, form: str) -> None:
    try:
        taken = converted(value, kind, Times(form, "Europe/Berlin", "America/New_York"))
    except NotOfType:
        return
    assert isinstance(taken, str | int | Decimal)


@given(st.decimals(min_value=-(10**9), max_value=10**9, places=4))
def test_money_is_exact_to_the_last_digit_on_its_way_through_json(amount: Decimal) -> None:
    taken = converted(str(amount), "money", PLAIN)

    assert taken == amount == Decimal(repr(float(taken)))


@given(st.integers(0, 4_102_444_800), st.sampled_from(["UTC", "Asia/Kolkata", "Europe/Berlin"]))
def test_a_time_is_the_same_moment_in_the_sites_zone(seconds: int, zone: str) -> None:
    moment = datetime.fromtimestamp(seconds, UTC)
    taken = converted(moment.astimezone(ZoneInfo(zone)).isoformat(), "datetime", PLAIN)

    local = datetime.fromisoformat(taken)
    possible = [local.replace(tzinfo=ZoneInfo("America/New_York"), fold=fold).astimezone(UTC) for fold in (0, 1)]
    assert moment in possible


@pytest.mark.parametrize(
    ("form", "value", "expected"),
    [
        ("%d.%m.%Y", "31.12.2026", "2026-12-31 00:00:00"),
        ("unix_seconds", 0, "1970-01-01 00:00:00"),
        ("unix_milliseconds", "1500", "1970-01-01 00:00:01.500000"),
    ],
)
def test_a_stated_format_is_read(form: str, value: Any, expected: str) -> None:
    assert converted(value, "datetime", Times(form, "UTC", "UTC")) == expected


def fields(row: dict[str, Any], **rules: Any) -> dict[str, Any]:
    return said("contacts", row, DocumentRules.model_validate({"doctype": "Lead", "fields": rules}), "UTC").fields


def lines(row: dict[str, Any], **table: Any) -> list[dict[str, Any]]:
    rules = {"doctype": "Contact", "fields": {"first_name": "name"}, "tables": {"phone_nos": table}}
    return said("contacts", {"name": "Ann", **row}, DocumentRules.model_validate(rules), "UTC").tables["phone_nos"]


def test_a_list_in_the_row_becomes_the_lines_of_a_table() -> None:
    row = {"phones": [{"no": "1", "kind": "home"}, {"no": "2", "kind": None}, {"no": "", "kind": ""}]}
    table = {"from": "phones", "fields": {"phone": "no", "label": "kind"}, "constants": {"is_primary_phone": 0}}

    assert lines(row, **table) == [
        {"is_primary_phone": 0, "phone": "1", "label": "home"},
        {"is_primary_phone": 0, "phone": "2", "label": ""},
    ]
    assert lines({"phones": None}, **table) == []


def test_the_row_itself_makes_one_line_unless_that_is_empty() -> None:
    assert lines({"phone": "1"}, fields={"phone": "phone"}) == [{"phone": "1"}]
    assert lines({"phone": None}, fields={"phone": "phone"}) == []


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ({}, r"phone_nos \(from phones\) is missing"),
        ({"phones": {"no": "1"}}, r"phone_nos \(from phones\) is not a list"),
        ({"phones": [{"number": "1"}]}, r"phone_nos\.phone \(from no\) is missing"),
        ({"phones": ["1"]}, r"phone_nos\.phone \(from no\) is missing"),
    ],
)
def test_a_table_of_another_shape_is_told(row: dict[str, Any], fault: str) -> None:
    with pytest.raises(RowDoesNotFit, match=fault):
        lines(row, **{"from": "phones", "fields": {"phone": "no"}})


def test_a_path_leads_into_the_row() -> None:
    row = {"address": {"city": "Ulm", "lines": ["Markt 1"]}, "dotted.column": "x", "none": None}

    assert fields(row, city="address.city", line="address.lines.0", dotted="dotted.column", under="none.city") == {
        "city": "Ulm",
        "line": "Markt 1",
        "dotted": "x",
        "under": "",
    }


def test_a_field_that_the_source_no_longer_states_is_not_blanked() -> None:
    with pytest.raises(RowDoesNotFit, match=r"^contacts: email_id \(from email\) is missing; state a default"):
        fields({"e_mail": "ann@example.com"}, email_id="email")


def test_a_default_counts_where_the_value_is_missing_or_empty() -> None:
    rule = {"from": "country", "default": "Germany"}

    assert [fields(row, country=rule) for row in ({}, {"country": None}, {"country": " "})] == [
        {"country": "Germany"}
    ] * 3
    assert fields({}, country={"from": "country", "default": None}) == {"country": ""}


def test_all_that_does_not_fit_is_told_in_one_sentence_without_values() -> None:
    with pytest.raises(RowDoesNotFit) as refusal:
        fields(
            {"name": "", "limit": "secret-9", "code": "secret-10", "kind": "secret-11", "since": None},
            customer_name={"from": "name", "required": True},
            credit_limit={"from": "limit", "type": "money"},
            code={"from": "code", "max_length": 3},
            customer_type={"from": "kind", "allowed": ["Company", "Individual"]},
            since={"from": "since", "type": "date"},
        )

    told = str(refusal.value)
    assert told.startswith(
        "contacts: customer_name (from name) is empty, and required; credit_limit (from limit) is not an amount"
    )
    assert (
        "code (from code) is longer than 3 characters; customer_type (from kind) is none of Company, Individual."
        in told
    )
    assert "secret" not in told
    assert "(from since)" not in told  # null is no fault


@pytest.mark.parametrize(
    ("rules", "fault"),
    [
        ({"doctype": "Lead", "fields": {}}, "at least 1"),
        ({"doctype": "Lead", "fields": {"a": "b"}, "constants": {"a": 1}}, "fields and constants both state a"),
        ({"doctype": "Lead", "fields": {"name": "b"}}, "name: kept by ERPNext or the hub"),
        ({"doctype": "Lead", "fields": {"hub_external_id": "b"}}, "kept by ERPNext or the hub"),
        ({"doctype": "Lead", "fields": {"a": "b"}, "on_delete": "cancel"}, "needs submit: true"),
        ({"doctype": "Lead", "fields": {"disabled": "b"}, "on_delete": "disable"}, "writes the field disabled"),
        ({"doctype": "Lead", "fields": {"a": {"from": "b", "required": True, "default": "x"}}}, "exclude each other"),
        (
            {"doctype": "Lead", "fields": {"a": {"from": "b", "type": "money", "default": "x"}}},
            "the default is not an amount",
        ),
        (
            {"doctype": "Lead", "fields": {"a": {"from": "b", "max_length": 3, "type": "date"}}},
            "max_length is for type text",
        ),
        ({"doctype": "Lead", "fields": {"a": {"from": "b", "time_zone": "Mars"}}}, "is not an IANA time zone"),
        (
            {"doctype": "Lead", "fields": {"a": {"from": "b", "type": "date", "format": "DD.MM"}}},
            "is no format of a time",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused_when_it_is_stated(rules: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValidationError, match=fault):
        DocumentRules.model_validate(rules)
