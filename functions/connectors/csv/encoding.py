"""Tells how a file of text is encoded: by its mark, by being valid UTF-8, else as Windows writes western languages.

UTF-8 cannot be mistaken: other texts are not valid in it. One-byte encodings can, so that a file in which too much looks
odd is refused until its encoding is stated: names in the wrong letters would be worse than none.
"""

import codecs
import re
from typing import BinaryIO

from hub.files import FileRefused

CHUNK = 1 << 20
SAMPLE = 1 << 16
MARKS = (  # the longer ones first: UTF-32's begins as UTF-16's does
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
WESTERN = "cp1252"
ODD_IN_WESTERN = re.compile(
    # Cyrillic or Greek read as western: runs of accented letters; DOS or Mac: signs within words
    r"[\u00c0-\u00ff]{4,}|(?<=[A-Za-z])[\u0080-\u009f\u2020\u2021\u0192\u02c6\u2030\u201e\u201d\u201c\u2039\u203a\u2022\u02dc\u00a1-\u00bf]+(?=[A-Za-z])"
)
MOST_ODD = 0.1  # of the runs of letters beyond ASCII
BEYOND_ASCII = re.compile(r"[^\x00-\x7f]+")
STATE_IT = "state the stream's setting `encoding`, or save the file as UTF-8"


def encoding_of(file: BinaryIO, stated: str | None) -> str:
    """The codec that reads the whole file without a fault; raises FileRefused. `file` stands at its beginning after."""
    if stated:
        mark = next((name for bom, name in MARKS if _head(file).startswith(bom)), "")
        codec = mark if stated.startswith("utf") and mark else stated
        if not _decodes(file, codec):
            raise FileRefused(f"the file is not {stated}, as the stream's setting `encoding` says; {STATE_IT}")
        return codec
    head = _head(file)
    marked = next((name for bom, name in MARKS if head.startswith(bom)), None) or _unmarked_utf16(head)
    if marked:
        if not _decodes(file, marked):
            raise FileRefused(f"the file begins as {marked} and is none: it is damaged; upload it again")
        return marked
    if _decodes(file, "utf-8"):
        return "utf-8"
    if not _looks_western(file):
        raise FileRefused(f"the file is not UTF-8, nor does it read as western European text; {STATE_IT}")
    return WESTERN


def _head(file: BinaryIO) -> bytes:
    file.seek(0)
    head = file.read(SAMPLE)
    file.seek(0)
    return head


def _unmarked_utf16(head: bytes) -> str | None:
    """Text of European letters in UTF-16 is zero in every other byte."""
    pairs = len(head) // 2
    high, low = head[0 : 2 * pairs : 2].count(0), head[1 : 2 * pairs : 2].count(0)
    if pairs and low > pairs * 0.4 and high < low * 0.2:
        return "utf-16-le"
    if pairs and high > pairs * 0.4 and low < high * 0.2:
        return "utf-16-be"
    return None


def _decodes(file: BinaryIO, codec: str) -> bool:
    decoder = codecs.getincrementaldecoder(codec)()
    file.seek(0)
    try:
        while chunk := file.read(CHUNK):
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    finally:
        file.seek(0)
    return True


def _looks_western(file: BinaryIO) -> bool:
    decoder = codecs.getincrementaldecoder(WESTERN)()
    runs = odd = 0
    file.seek(0)
    try:
        while chunk := file.read(CHUNK):
            text = decoder.decode(chunk)
            runs += sum(1 for _ in BEYOND_ASCII.finditer(text))
            odd += sum(1 for _ in ODD_IN_WESTERN.finditer(text))
    except UnicodeDecodeError:
        return False
    finally:
        file.seek(0)
    return odd <= runs * MOST_ODD
