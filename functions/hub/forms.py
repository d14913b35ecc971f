"""HTML forms as bodies: url-encoded, and multipart where files may come along (which are left out)."""

import re
from urllib.parse import parse_qsl

MAX_FIELDS = 10_000
BOUNDARY = re.compile(r"multipart/form-data\s*;.*?\bboundary=(?:\"([^\"]{1,70})\"|([^\s\";,]{1,70}))", re.IGNORECASE)
FIELD_NAME = re.compile(rb"^content-disposition:[^\r\n]*?[;\s]name=\"([^\"\r\n]*)\"", re.IGNORECASE | re.MULTILINE)
FILE_NAME = re.compile(rb"^content-disposition:[^\r\n]*?[;\s]filename\*?=", re.IGNORECASE | re.MULTILINE)


def fields(body: bytes, content_type: str) -> list[tuple[str, str]]:
    """The fields in order, empty values kept; [] for a body that is no form in UTF-8 or has more than 10,000 fields."""
    boundary = BOUNDARY.match(content_type)
    if boundary:
        return _multipart(body, (boundary[1] or boundary[2]).encode("utf-8", "surrogatepass"))
    try:
        return parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError:  # not UTF-8, or too many fields
        return []


def _multipart(body: bytes, boundary: bytes) -> list[tuple[str, str]]:
    parts = (b"\r\n" + body).split(b"\r\n--" + boundary, MAX_FIELDS + 1)
    if len(parts) > MAX_FIELDS + 1:
        return []
    found = []
    for part in parts[1:]:
        if part.startswith(b"--"):  # the closing delimiter
            break
        head, _, value = part.partition(b"\r\n\r\n")
        name = FIELD_NAME.search(head)
        if not name or FILE_NAME.search(head):
            continue
        try:
            found.append((name[1].decode("utf-8"), value.decode("utf-8")))
        except UnicodeDecodeError:
            return []
    return found
