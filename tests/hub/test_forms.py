"""Forms as bodies: what is read from them, and what is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.forms import fields

MULTIPART = "multipart/form-data; boundary=b"


def part(name: str, value: str, more: str = "") -> str:
    return f'--b\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n{value}\r\n'


def test_url_encoded_fields_keep_their_order_and_their_empty_values() -> None:
    assert fields(b"b=1&a=&b=%C3%BC+x", "") == [("b", "1"), ("a", ""), ("b", "ü x")]


@pytest.mark.parametrize("content_type", [MULTIPART, 'Multipart/Form-Data; charset=utf-8; boundary="b"'])
def test_multipart_fields_come_without_the_files_beside_them(content_type: str) -> None:
    body = part("a", "1\r\n--not b") + part("file", "content", '; filename="a.txt"') + part("ü", "") + part("a", "2")

    assert fields(f"{body}--b--\r\nepilogue".encode(), content_type) == [("a", "1\r\n--not b"), ("ü", ""), ("a", "2")]


def test_a_files_name_is_no_fields_name() -> None:
    body = '--b\r\nContent-Disposition: form-data; filename="x"; name="a"\r\n\r\n1\r\n--b--'

    assert fields(body.encode(), MULTIPART) == []


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"\xff=1", ""),
        (b"a=1&" * 10_001, ""),
        (part("a", "1").encode() + b"\r\n\xff" * 3, "text/plain"),
        (b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n\xff\r\n--b--', MULTIPART),
        (b"".join(part("a", "1").encode() for _ in range(10_002)), MULTIPART),
        (b"", MULTIPART),
        (b"--b", MULTIPART),
    ],
)
def test_what_is_no_form_has_no_fields(body: bytes, content_type: str) -> None:
    assert fields(body, content_type) == []


@given(st.binary(max_size=200), st.sampled_from(["", MULTIPART, 'multipart/form-data; boundary="', "\udcff"]))
def test_no_body_is_anything_but_fields(body: bytes, content_type: str) -> None:
    assert all(isinstance(name, str) and isinstance(value, str) for name, value in fields(body, content_type))
