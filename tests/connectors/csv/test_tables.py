"""Whatever program wrote a file, its rows are read as they were meant, or come back with what is wrong."""

import csv
import io
import itertools
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from connectors.csv.cells import RUNS_FORMULA
from hub.files import BadRow, FileRefused, GoodRow
from tests.connectors.csv.files import HEADER, as_event, errors, fields_of, good, opened, rejected, text_of, workbook

PLAIN = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn"]), max_size=30)
CELL = st.one_of(
    PLAIN, st.sampled_from(['5" pipe', "a;b", "a,b", "two\nlines", "two\r\nlines", "'quoted'", "Zoë", "日本"])
)
KEPT = {"formulas": "keep"}


def meant(text: str) -> str | None:
    return text.strip(" \u00a0\r\n") or None


@st.composite
def tables(draw: st.DrawFn) -> list[tuple[str, str, str]]:
    keys = draw(st.lists(st.integers(1, 10**6), min_size=1, max_size=20, unique=True))
    amounts = st.decimals("-99999", "99999", places=2).map(str)
    return [(f"K{key}", draw(CELL), draw(amounts)) for key in keys]


@settings(max_examples=150, deadline=None)
@given(
    rows=tables(),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    end=st.sampled_from(["\r\n", "\n", "\r"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
@example([("K1", "Zoë", "1.00")], ";", "\n", "utf-16")
def test_what_was_written_as_text_is_read(
    rows: list[tuple[str, str, str]], delimiter: str, end: str, encoding: str
) -> None:
    table = opened(text_of([HEADER, *rows], delimiter, end).encode(encoding), **KEPT)

    assert good(table) == [{"sku": key, "name": meant(name), "price": Decimal(price)} for key, name, price in rows]
    assert table.facts["delimiter"] == delimiter


@settings(max_examples=60, deadline=None)
@given(tables())
def test_what_was_written_as_a_workbook_is_read(rows: list[tuple[str, str, str]]) -> None:
    cells = [(key, name.replace("\r\n", "\n"), float(price)) for key, name, price in rows]
    sheet = [(key, f"{name}" if not name.startswith("=") else f" {name}", price) for key, name, price in cells]

    assert good(opened(workbook([HEADER, *sheet]), **KEPT)) == [
        {"sku": key, "name": meant(name), "price": Decimal(repr(price))} for key, name, price in cells
    ]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(CELL, CELL, CELL, CELL), min_size=1, max_size=10))
def test_rows_that_come_back_come_back_as_they_were(rows: list[tuple[str, ...]]) -> None:
    """None of them can be read: the price is missing. Uploaded again, they are the same rows with the same cells."""
    content = text_of([(*HEADER, "note"), *((*cells[:2], "x", cells[3]) for cells in rows)])
    first = opened(content, **KEPT)
    once = [row.cells for row in first.rows(0) if isinstance(row, BadRow)]
    again = [row.cells for row in opened(rejected(first), **KEPT).rows(0) if isinstance(row, BadRow)]

    assert len(once) == len(rows)
    assert again == once


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(codec="utf-8"), max_size=20), st.sampled_from([*RUNS_FORMULA, ""]))
def test_no_rejected_file_holds_a_cell_that_a_spreadsheet_runs(text: str, sign: str) -> None:
    table = opened(text_of([HEADER, ("K1", sign + text, "no price")]))
    for row in csv.reader(io.StringIO(rejected(table).decode("utf-8-sig"), newline="")):
        for cell in row:
            harmless = cell.strip(" ()+-.,/0123456789\u00a0\n") == ""
            assert harmless or not cell.lstrip(" \n\u00a0").startswith(RUNS_FORMULA)


def test_a_corrected_file_is_taken() -> None:
    table = opened(text_of([HEADER, ("A", "ok", "1.00"), ("B", "=cmd()", "2.00"), ("C", "+49 30 123", "2,5,0")]))

    assert errors(table) == [
        "name: begins with '=', which a spreadsheet would run as a formula; remove it",
        "price: is no number with decimal sign '.'",
    ]
    back = rejected(table).decode("utf-8-sig").splitlines()
    assert back[0] == "sku,name,price,hub_error"
    assert back[1].startswith("B,'=cmd(),2.00,")
    mended = "\n".join(back).replace("'=cmd()", "cmd").replace('"2,5,0"', "2.50")
    assert good(opened(mended)) == [
        {"sku": "B", "name": "cmd", "price": Decimal("2.00")},
        {"sku": "C", "name": "+49 30 123", "price": Decimal("2.50")},
    ]


def test_a_column_that_is_called_like_a_formula_runs_nowhere_and_keeps_its_name() -> None:
    table = opened("sku,name,price,=cmd()\nA,a,1,=2\n")

    back = rejected(table).decode("utf-8-sig").splitlines()
    assert back[0] == "sku,name,price,'=cmd(),hub_error"
    assert back[1].startswith("A,a,1,'=2,\"'=cmd(): begins with") or back[1].startswith("A,a,1,'=2,'=cmd(): begins")
    assert good(opened("\n".join(back).replace("'=2", "two")))[0]["=cmd()"] == "two"


def test_a_workbooks_rejected_rows_can_be_read_with_its_decimal_sign() -> None:
    columns = {"sku": "text", "name": "text", "price": {"type": "money", "decimal": ","}}
    table = opened(workbook([HEADER, ("A", "=1+1", 1.125), ("A", "twice", 1.125), ("B", None, 2)]), columns=columns)

    assert len(errors(table)) == 2
    mended = rejected(table).decode("utf-8-sig").splitlines()
    assert good(opened("\n".join([mended[0], mended[2]]), columns=columns)) == [
        {"sku": "A", "name": "twice", "price": Decimal("1.125")}
    ]


def test_the_delimiter_is_the_one_by_which_the_columns_are_found() -> None:
    text = "name;sku;price\nA, B, C, and D;1;2\nE, F, G;2;3\n"

    assert good(opened(text))[0] == {"name": "A, B, C, and D", "sku": "1", "price": Decimal(2)}
    assert good(opened("sep=;\r\n" + text))[1]["sku"] == "2"


def test_lines_above_the_header_are_passed_over() -> None:
    text = "Prices of March\n\nsku,name,price\nA,a,1\n"

    assert good(opened(text, header_row=3)) == [{"sku": "A", "name": "a", "price": Decimal(1)}]


def test_columns_may_be_called_otherwise_in_the_file_and_come_in_any_order() -> None:
    columns = {"sku": {"header": "Artikel-Nr."}, "price": {"type": "money", "header": "Preis", "decimal": ","}}
    text = "Bemerkung;PREIS ; artikel-nr.\nneu;1.234,50 €;A\n"
    columns["price"] |= {"currency": "EUR"}

    assert good(opened(text, columns=columns)) == [{"Bemerkung": "neu", "price": Decimal("1234.50"), "sku": "A"}]
    assert good(opened(text, columns=columns, others="drop")) == [{"price": Decimal("1234.50"), "sku": "A"}]
    with pytest.raises(FileRefused, match="do not state: Bemerkung"):
        opened(text, columns=columns, others="refuse")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("A,a,1\nA,b,2\n", ["sku: stands in more than one row of the file; keep one"] * 2),
        ("A,a\n", ["the row has 2 cells, the header 3"]),
        ("A,a,1,50\n", ["the row has 4 cells, the header 3; is one unquoted?"]),
        (",a,1\n", ["sku: is empty, but every row needs it"]),
        ("A,a\x00b,1\n", ["name: holds control characters, such as NUL"]),
        ('A,"5" pipe",1\n', ["has a quote within a quoted cell; double it or remove the quotes"]),
        (f"A,{'x' * 40_000},1\n", ["name: holds 40000 characters; a cell may hold 32767"]),
        (f"{'k' * 201},a,1\n", ["sku: is longer than the 200 characters that a key may have"]),
        ("A,=1+1,x\n", ["name: begins with '=', which a spreadsheet would run as a formula; remove it; price: is no number with decimal sign '.'"]),
    ],
)  # fmt: skip
def test_a_bad_row_says_what_is_wrong_and_spoils_no_other(text: str, says: list[str]) -> None:
    table = opened("sku,name,price\nFIRST,ok,1\n" + text + "LAST,ok,1,\n\n,,\n")

    assert errors(table) == says
    assert [row.key for row in table.rows(0) if isinstance(row, GoodRow)] == ["FIRST", "LAST"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "the file is empty"),
        (b"\xef\xbb\xbf", "row 1 is empty"),
        ("sku,name,price\n", "a header and no rows"),
        ("sku,name,price\r\n\r\n,,\r\n", "a header and no rows"),
        ("sku,name\nA,a\n", "lacks the column 'price'; it has: sku, name"),
        ("sku,name,price,name\nA,a,1,b\n", "names 'name' twice"),
        ("sku,,price,name\nA,a,1,b\n", "no name for column 2"),
        ('sku,name,price\nA,"never closed,1\nB,b,2\n', "row 2: a quote is opened that is never closed"),
        ('sku,name,price\nA,"' + "x" * 3_000_000, "row 2 has more than 2000000 characters"),
        (b"\xd0\xcf\x11\xe0" + bytes(600), "Excel 97-2003"),
        (b"\x1f\x8b" + bytes(600), "compressed"),
        (b"PK\x03\x04" + bytes(600), "damaged"),
        ("sku,name,price\nA,Müller,1\n".encode("utf-16")[:-1], "is damaged"),
        ("sku,name,price\nA,Владивосток Москва,1\n".encode("cp1251"), "state the stream's setting `encoding`"),
        ("sku,name,price\nA,M\u00fcller L\u00f6we,1\n".encode("cp850"), "state the stream's setting `encoding`"),
        ("sku,name,price\nA,Αθήνα Θεσσαλονίκη,1\n".encode("cp1253"), "state the stream's setting `encoding`"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_such_table_is_refused_as_a_whole(content: bytes | str, says: str) -> None:
    with pytest.raises(FileRefused) as refusal:
        list(opened(content).rows(0))

    assert says in str(refusal.value)


@pytest.mark.parametrize(
    ("encoding", "stated", "name"),
    [
        ("cp1252", None, "Müller & Söhne – Öl, 5 €"),
        ("cp1252", None, "Ærøskøbing ‘Ñandú’"),
        ("utf-16-le", None, "Müller"),
        ("utf-16-be", None, "Müller"),
        ("cp1251", "cp1251", "Владивосток"),
        ("cp850", "cp850", "Müller"),
        ("gb18030", "gb18030", "上海"),
        ("utf-8-sig", "utf-8", "Müller"),
        ("utf-16", "utf-16", "Müller"),
    ],
)
def test_names_are_read_in_their_own_letters(encoding: str, stated: str | None, name: str) -> None:
    table = opened(text_of([HEADER, ("A", name, "1")]).encode(encoding), encoding=stated)

    assert good(table)[0]["name"] == name
    assert str(table.facts["encoding"]).split("-")[0] == encoding.split("-")[0]


def test_a_file_that_is_not_encoded_as_stated_is_refused() -> None:
    with pytest.raises(FileRefused, match="not utf-8, as the stream's setting"):
        opened("sku,name,price\nA,Müller,1\n".encode("cp1252"), encoding="utf-8")


def test_rows_of_one_key_may_be_applied_in_order() -> None:
    table = opened("sku,name,price\nA,a,1\nA,b,2\n", duplicates="in_order")

    assert [row["name"] for row in good(table)] == ["a", "b"]


def test_keys_of_several_columns_do_not_run_into_each_other() -> None:
    table = opened("sku,name,price\na/b,c,1\na,b/c,2\n", key=["sku", "name"])

    assert [row.key for row in table.rows(0) if isinstance(row, GoodRow)] == ["a%2Fb/c", "a/b%2Fc"]
    assert len(good(table)) == 2


def test_reading_goes_on_behind_any_row() -> None:
    content = text_of([HEADER, *((f"K{n}", "two\nlines", str(n)) for n in range(50))])
    table = opened(content)
    rows = list(table.rows(0))

    assert table.row_count == 50
    for row in rows:
        assert list(table.rows(row.number)) == rows[row.number - 1 :]


def test_a_formula_may_be_neutralised_or_kept() -> None:
    text = "sku,name,price\nA,=HYPERLINK(1),-5\n"

    assert good(opened(text, formulas="neutralise"))[0] == {
        "sku": "A",
        "name": "'=HYPERLINK(1)",
        "price": Decimal(-5),
    }
    assert good(opened(text, formulas="keep"))[0]["name"] == "=HYPERLINK(1)"


def test_a_workbooks_own_types_are_kept() -> None:
    columns = {"sku": "text", "on": "date", "at": {"type": "datetime", "time_zone": "Europe/Berlin"}, "many": "integer",
               "yes": "bool", "note": "text"}  # fmt: skip
    rows = [
        ("sku", "on", "at", "many", "yes", "note"),
        (4711, date(2026, 3, 1), datetime(2026, 7, 1, 12), 3.0, True, 12.5),  # noqa: DTZ001 - workbooks know no zone
        ("0815", "2026-03-02", "2026-07-01T12:00:00Z", "3", "no", datetime(2026, 1, 2)),  # noqa: DTZ001
    ]

    assert good(opened(workbook(rows), columns=columns)) == [
        {"sku": "4711", "on": "2026-03-01", "at": "2026-07-01T10:00:00Z", "many": 3, "yes": True, "note": "12.5"},
        {
            "sku": "0815",
            "on": "2026-03-02",
            "at": "2026-07-01T12:00:00Z",
            "many": 3,
            "yes": False,
            "note": "2026-01-02",
        },
    ]


def test_the_stated_sheet_is_read_and_else_the_first() -> None:
    content = workbook([HEADER, ("A", "a", 1)], Other=[HEADER, ("B", "b", 2)])

    assert good(opened(content))[0]["sku"] == "A"
    assert good(opened(content, sheet="Other"))[0]["sku"] == "B"
    with pytest.raises(FileRefused, match="no sheet 'Third'; it has: Table, Other"):
        opened(content, sheet="Third")


AMOUNTS = list(itertools.product([0, 1, 12, 123, 1234, 1234567], [0, 5, 50], [1, -1]))


@pytest.mark.parametrize(("whole", "cents", "sign"), AMOUNTS)
@pytest.mark.parametrize(("decimal", "thousands"), [(".", ","), (",", "."), (",", " "), (".", "'"), (",", "\u202f")])
def test_money_is_read_as_people_write_it(whole: int, cents: int, sign: int, decimal: str, thousands: str) -> None:
    amount = Decimal(whole * sign) + Decimal(cents * sign) / 100
    grouped = f"{whole:,}".replace(",", thousands) + f"{decimal}{cents:02}"
    columns = {"sku": "text", "price": {"type": "money", "currency": "EUR", "decimal": decimal}}
    written = [f"{grouped} €", f"EUR {grouped}", grouped, grouped.replace(thousands, "")]
    written = [("-" if sign < 0 else "") + each if "EUR" not in each else each for each in written]
    if sign < 0:
        written = [*written[:1], *written[2:], f"{grouped}-"]
    content = text_of([("sku", "price"), *((f"K{number}", text) for number, text in enumerate(written))], "|")

    assert {row["price"] for row in good(opened(content, columns=columns))} == {amount}


def says(type_: str | dict[str, Any], text: str) -> str:
    columns = {"sku": "text", "cell": type_}
    found = errors(opened(text_of([("sku", "cell"), ("A", text)], "|"), columns=columns))
    return found[0].removeprefix("cell: ") if found else ""


@pytest.mark.parametrize(
    ("type_", "text", "error"),
    [
        ("number", "1.2.3", "is no number"),
        ("number", "12,50", "is no number with decimal sign '.'"),
        ("number", "1,23,456", "is no number"),
        ("number", "NaN", "is no number"),
        ("number", "١٢", "is no number"),
        ("number", "1.2E+12", "scientific notation"),
        ("number", "9" * 40, "more than 30 digits"),
        ("number", "=1+1", "is no number"),
        ("integer", "1.5", "no whole number"),
        ("money", "5 €", "the column's settings state none"),
        ({"type": "money", "currency": "EUR"}, "5 USD", "another currency than EUR"),
        ({"type": "money", "currency": "EUR"}, "EUR 5 €", "two currencies"),
        ("date", "31.12.2026", "is no date written as %Y-%m-%d"),
        ("date", "2026-02-30", "is no date"),
        ("datetime", "yesterday", "is no datetime"),
        ({"type": "datetime", "time_zone": "Europe/Berlin"}, "2026-03-29T02:30:00", "clocks were put forward"),
        ("bool", "perhaps", "is none of true, yes, y, 1, false"),
        ({"type": "text", "values": ["a", "b"]}, "c", "is none of a, b"),
        ({"type": "number", "required": True}, "", "is empty"),
    ],
)
def test_a_cell_that_is_not_what_its_column_holds_is_told(type_: Any, text: str, error: str) -> None:
    assert error in says(type_, text)


@pytest.mark.parametrize(
    ("type_", "text", "value"),
    [
        ({"type": "date", "formats": ["%d.%m.%Y"]}, "31.12.2026", "2026-12-31"),
        ({"type": "datetime", "formats": ["%d.%m.%Y %H:%M"], "time_zone": "Europe/Berlin"}, "01.07.2026 12:00",
         "2026-07-01T10:00:00Z"),
        ("integer", "1,000", 1000),
        ({"type": "bool", "yes": ["ja"], "no": ["nein"]}, "JA", True),
        ("text", "00123", "00123"),
        ("text", "-5 - 7", "-5 - 7"),
        ("number", "", None),
        ("number", "\u22125", Decimal(-5)),
    ],
)  # fmt: skip
def test_a_cell_is_read_as_its_column_holds_it(type_: Any, text: str, value: object) -> None:
    columns = {"sku": "text", "cell": type_}

    assert good(opened(text_of([("sku", "cell"), ("A", text)], "|"), columns=columns))[0]["cell"] == value


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**12), max_value=10**12))
def test_an_amount_reaches_the_destination_with_every_digit(amount: Decimal) -> None:
    assert good(opened(f"sku,name,price\nA,a,{amount}\n"))[0]["price"] == amount


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400), st.booleans())
def test_no_bytes_whatever_end_in_anything_but_rows_or_a_refusal(noise: bytes, headed: bool) -> None:
    try:
        rows = list(opened((b"sku,name,price\n" if headed else b"") + noise).rows(0))
    except FileRefused:
        return

    assert all(isinstance(row, BadRow) or fields_of(row) for row in rows)
    assert all(as_event(row).data for row in rows if isinstance(row, GoodRow))


def test_times_are_utc() -> None:
    columns = {"sku": "text", "at": "datetime"}
    row = good(opened("sku,at\nA,2026-01-01T01:00:00+02:00\n", columns=columns))[0]

    assert datetime.fromisoformat(row["at"]).astimezone(UTC) == datetime(2025, 12, 31, 23, tzinfo=UTC)
