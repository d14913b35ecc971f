"""XML of strangers is read in one encoding and without document types."""

import pytest

from hub.xml import root_of

TYPED = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'


def test_a_document_in_utf_8_is_read_whatever_encoding_it_claims() -> None:
    assert root_of('<?xml version="1.0" encoding="UTF-16"?>\r\n<a>ü</a>'.encode()).text == "ü"


@pytest.mark.parametrize(
    "body",
    [
        TYPED.encode(),
        TYPED.encode("utf-16"),
        TYPED.encode("utf-16-le"),
        TYPED.encode("utf-16-be"),
        b"<a>\0</a>",
        b"<a>\xff</a>",
        b"<a>",
        b"",
        b'<?xml version="1.0" encoding="no such"?>',
    ],
)
def test_nothing_else_is(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"^(not UTF-8|it has a document type|not XML)$"):
        root_of(body)
