"""A file that is dropped into the bucket ends as documents in ERPNext, and what could not be read comes back."""

import io
import json
from typing import Any

import openpyxl

from hub import names
from tests.local_aws.hub import LISTS, LISTS_FLOW, STAGE, LocalHub, wait_for

HEADER = ("code", "name", "rate")


def bucket(hub: LocalHub) -> str:
    found = hub.aws.client("s3").list_buckets()["Buckets"]
    return next(str(each["Name"]) for each in found if each["Name"].startswith(f"hub-{STAGE}-files-"))


def drop(hub: LocalHub, name: str, body: bytes) -> None:
    hub.aws.client("s3").put_object(Bucket=bucket(hub), Key=f"{names.inbox(LISTS)}{name}", Body=body)


def keys(hub: LocalHub, folder: str) -> list[str]:
    found = hub.aws.client("s3").list_objects_v2(Bucket=bucket(hub), Prefix=folder)
    return [each["Key"] for each in found.get("Contents", [])]


def content(hub: LocalHub, key: str) -> bytes:
    body: bytes = hub.aws.client("s3").get_object(Bucket=bucket(hub), Key=key)["Body"].read()
    return body


def ended(hub: LocalHub, name: str) -> dict[str, Any]:
    """The summary of a file, once the file is put away."""

    def look() -> dict[str, Any] | None:
        found = [
            key
            for folder in ("processed", "rejected")
            for key in keys(hub, f"{folder}/{LISTS}/")
            if key.endswith(f"/{name}.summary.json")
        ]
        if not found or keys(hub, f"{names.inbox(LISTS)}{name}"):
            return None
        summary: dict[str, Any] = json.loads(content(hub, found[-1]))
        return summary

    return wait_for(look, f"{name} was not put away")


def customers(hub: LocalHub, expected: int) -> dict[str, tuple[str, float]]:
    """The customers that the lists have become, once there are so many and the flow's queue is empty."""

    def look() -> dict[str, tuple[str, float]] | None:
        found = {
            str(each["hub_external_id"]): (each["customer_name"], float(each["default_commission_rate"]))
            for each in hub.erp.documents("Customer")
            if str(each.get("hub_external_id") or "").startswith(f"{LISTS}:customer:")
        }
        return found if len(found) == expected and not hub.waiting(LISTS_FLOW) else None

    return wait_for(look, f"there are not {expected} customers of lists")


def test_a_files_rows_become_documents_and_its_bad_rows_come_back(hub: LocalHub) -> None:
    text = "code;name;rate\r\nf1;Müller & Söhne;1.234,50\r\nf2;Zoë;viel\r\nf3;=cmd();1\r\nf4;Jørgen;2,5\r\n"
    drop(hub, "März + April.csv", text.encode("cp1252"))

    summary = ended(hub, "März + April.csv")

    assert (summary["state"], summary["good"], summary["bad"]) == ("processed", 2, 2)
    assert (summary["encoding"], summary["delimiter"]) == ("cp1252", ";")
    assert customers(hub, 2) == {
        f"{LISTS}:customer:f1": ("Müller & Söhne", 1234.5),
        f"{LISTS}:customer:f4": ("Jørgen", 2.5),
    }
    assert "2 rows taken, 2 rejected" in hub.notice_about("März + April-rejected.csv")

    back = content(hub, summary["rejected_rows"]).decode("utf-8-sig")
    mended = back.replace("viel", "3,5").replace("'=cmd()", "Command Ltd")
    assert mended != back
    drop(hub, "März + April-rejected.csv", mended.encode())
    assert ended(hub, "März + April-rejected.csv")["good"] == 2
    found = customers(hub, 4)
    assert found[f"{LISTS}:customer:f2"] == ("Zoë", 3.5)
    assert found[f"{LISTS}:customer:f3"] == ("Command Ltd", 1.0)

    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in (HEADER, ("f1", "Müller & Töchter", 7.25), ("f5", "New", None)):
        sheet.append(row)
    file = io.BytesIO()
    book.save(file)
    drop(hub, "later.xlsx", file.getvalue())
    assert ended(hub, "later.xlsx")["good"] == 2
    found = customers(hub, 5)
    assert found[f"{LISTS}:customer:f1"] == ("Müller & Töchter", 7.25)

    drop(hub, "the same.xlsx", file.getvalue())
    assert ended(hub, "the same.xlsx")["state"] == "known"

    drop(hub, "other.csv", b"no;such;columns\n1;2;3\n")
    assert "lacks the column 'code'" in ended(hub, "other.csv")["reason"]
    assert "was refused" in hub.notice_about("lacks the column 'code'")
    assert keys(hub, f"rejected/{LISTS}/")[-1].endswith("other.csv.summary.json")
