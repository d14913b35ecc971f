"""A workbook is an archive of strangers: what it would unpack to, and what its XML declares, is looked at before."""

import io
import zipfile
from collections.abc import Callable

import pytest

from connectors.csv import sheets
from hub.files import FileRefused
from tests.connectors.csv.files import HEADER, good, opened, workbook

BOOK = workbook([HEADER, ("A", "a", 1)])


def altered(change: Callable[[str, bytes], bytes | None], more: dict[str, bytes] | None = None) -> bytes:
    """The workbook with each part as `change` gives it back, without those for which it gives None."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(BOOK)) as old, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            content = change(name, old.read(name))
            if content is not None:
                new.writestr(name, content)
        for name, content in (more or {}).items():
            new.writestr(name, content)
    return file.getvalue()


def refusal(content: bytes) -> str:
    with pytest.raises(FileRefused) as refused:
        list(opened(content).rows(0))
    return str(refused.value)


def test_the_altered_workbook_is_a_workbook() -> None:
    assert good(opened(altered(lambda _, content: content)))[0]["sku"] == "A"


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    assert "times its size" in refusal(altered(lambda _, part: part, {"xl/bomb.xml": b"<a>" + bytes(30_000_000)}))


def test_a_workbook_of_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheets, "MOST_UNPACKED_BYTES", 1_000)

    assert "save it as .csv" in refusal(BOOK)


def test_more_texts_than_memory_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheets, "MOST_SHARED_TEXT_BYTES", 10)

    assert "beside its sheets; save it as .csv" in refusal(BOOK)


@pytest.mark.parametrize("part", ["xl/workbook.xml", "xl/worksheets/sheet1.xml", "docProps/core.xml"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_document_type_is_refused_in_every_part(part: str, encoding: str) -> None:
    laughs = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;">]><a>&c;</a>'
    if encoding == "utf-16":
        laughs = laughs.replace('"1.0"', '"1.0" encoding="utf-16"')
    content = altered(lambda name, old: laughs.encode(encoding) if name == part else old)

    assert "declares a document type" in refusal(content)


def test_macros_are_never_looked_at() -> None:
    content = altered(lambda _, part: part, {"xl/vbaProject.bin": b"\xd0\xcf\x11\xe0 no such macros"})

    assert good(opened(content))[0]["sku"] == "A"


@pytest.mark.parametrize("part", ["xl/workbook.xml", "xl/worksheets/sheet1.xml", "[Content_Types].xml"])
@pytest.mark.parametrize("damage", [None, b"", b"<a", b"<a/>"])
def test_damage_is_told(part: str, damage: bytes | None) -> None:
    assert refusal(altered(lambda name, old: damage if name == part else old))


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.99])
def test_half_a_workbook_is_damaged(share: float) -> None:
    assert "damaged" in refusal(BOOK[: int(len(BOOK) * share)])


def test_bytes_that_changed_on_the_way_are_damage_or_another_table_but_never_a_bug() -> None:
    for place in range(0, len(BOOK), 37):
        content = bytearray(BOOK)
        content[place] ^= 0xFF
        try:
            list(opened(bytes(content)).rows(0))
        except FileRefused:
            continue


def test_rows_beyond_what_excel_can_hold_are_refused() -> None:
    content = altered(lambda name, old: old.replace(b'r="2"', b'r="99999999"') if "sheet1" in name else old)

    assert "1048576 rows" in refusal(content)


def test_an_error_that_excel_calculated_rejects_its_row() -> None:
    content = altered(
        lambda name, old: (
            old.replace(b'<c r="C2" t="n"><v>1</v></c>', b'<c r="C2" t="e"><v>#N/A</v></c>')
            if "sheet1" in name
            else old
        )
    )
    rows = list(opened(content).rows(0))

    assert [getattr(row, "error", "") for row in rows] == ["holds the error #N/A, as Excel calculated it"]


def test_another_archive_is_no_workbook() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("prices.csv", "sku,name,price\nA,a,1\n")

    assert "no Excel workbook" in refusal(file.getvalue())


def with_shared_texts(texts: bytes) -> bytes:
    """The workbook as Excel writes it: texts in a part of their own, which cells name by number."""
    kind = "http://schemas.openxmlformats.org"
    part = "application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
    row = b'<row r="2"><c r="A2" t="s"><v>0</v></c><c r="B2" t="s"><v>1</v></c><c r="C2"><v>1</v></c></row></sheetData>'

    def change(name: str, old: bytes) -> bytes:
        if name == "[Content_Types].xml":
            override = f'<Override PartName="/xl/sharedStrings.xml" ContentType="{part}"/></Types>'
            return old.replace(b"</Types>", override.encode())
        if name == "xl/worksheets/sheet1.xml":
            return old[: old.index(b'<row r="2"')] + row + old.partition(b"</sheetData>")[2]
        return old

    content = f'<sst xmlns="{kind}/spreadsheetml/2006/main">'.encode() + texts + b"</sst>"
    return altered(change, {"xl/sharedStrings.xml": content})


def test_texts_that_cells_share_are_read() -> None:
    rich = b"<si><r><t>M\xc3\xbcller </t></r><r><t>&amp; Co</t></r></si>"

    assert good(opened(with_shared_texts(b"<si><t>0815</t></si>" + rich))) == [
        {"sku": "0815", "name": "Müller & Co", "price": 1}
    ]


def test_a_text_that_is_not_there_is_damage() -> None:
    assert "damaged" in refusal(with_shared_texts(b"<si><t>only one</t></si>"))
